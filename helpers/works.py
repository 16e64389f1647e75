"""The complete works of Machado de Assis as `datasets` objects, and which of their words to hold out."""

import contextlib
import io
import itertools
import os
import random
import re
import unicodedata
import zipfile
from pathlib import Path

from .corpora import OFFLINE
from .hub import OTHERWISE
from .runtime import ReaderError, shown

KAGGLE = "luxedo/machado-de-assis"
NEIGHBOURS = ("prose", "wikitext2", "wikitext103", "dailydialog", "amazon_titles", "gpt2_tokenizer")  # beside machado/ among local copies
RUN = 12  # words; what training and validation share is shorter
PASSAGE = 200  # characters; a work gives at least these to validation, or nothing
GENRES = ("conto", "critica", "cronica", "miscelania", "poesia", "romance", "teatro", "traducao")
# The first edition, of a serial its first year; "dispersas" (poems of many years) and "forcas" (not printed until 1956) have none.
YEARS = {work: int(year) for work, year in re.findall(r"(\S+)=(\d+)", """
    contosFluminenses=1870 historiasMeiaNoite=1873 historiasSemData=1884 paginasRecolhidas=1899 papeisAvulsos=1882 reliquias=1906 variasHistorias=1896
    cantosFantasias=1866 castroAlves=1868 cenasVida=1899 colombo=1866 contituinteSombraLuz=1863 contosSeletos=1882 criticaTeatral=1906 cultoDever=1866
    diarioRJ=1862 discursosAcademia=1897 ea=1900 eduardo=1901 fagundes=1875 floresFrutos=1862 garrett=1899 guarani=1887 guilhermeMalta=1872
    harmoniasErrantes=1878 henriquieta=1896 idealCritico=1865 ideiasTeatro=1859 inspiracoesClaustro=1866 instintoNacionalidade=1873 iracema=1866
    joaquim_1=1906 lira20Anos=1866 mae=1860 magalhaes=1902 meridionais=1884 miragens=1885 nevoasMatutinas=1872 novaGeracao=1879 oliveiraLimna=1904
    pareceresConservatorioDramatico=1862 passadoPresenteFuturo=1858 peregrinacao=1863 primoBasilio=1878 procelarias=1898 proposito=1866
    revelacoes=1863 revistaDramatica=1860 revistaTeatros=1859 sinfonias=1883 suplicio=1865 tiposQuadros=1886 aoAcaso=1864 aquarelas=1859
    badaladas=1871 balas=1883 bonsDias=1888 cartasFluminenses=1867 cherchez=1881 comentariosSemana=1861 cronicasFuturo=1862 drSemana=1861
    entre92-94=1892 futuro=1888 henrique=1897 henriqueChaves=1893 historia15dias=1876 historia30dias=1878 joaquim=1888 jornalLivro=1859
    joseAlencar=1883 notasSemanais=1878 reforma=1859 semana=1892 velhoSenado=1898 vicondeCastilho=1875 cartaBispoRJ=1862 cartaImprensa=1864
    estatua=1906 franciscoOtaviano=1889 goncalvesDias=1906 imortais=1859 paixao=1904 pedroLuis=1884 quedaMulheres=1861 secretariaAgricultura=1890
    almada=1910 americanas=1875 crisalidas=1864 falenas=1870 gazeta=1886 ocidentais=1901 casaVelha=1885 domCasmurro=1899 esau=1904 helena=1876
    iaia=1878 maoLuva=1874 memorial-de-aires=1908 memoriasBras=1881 quincas=1891 ressurreicao=1872 aventalLuva=1860 bote=1878 caminhoProtocolo=1863
    desencantos=1861 deuses=1866 licaoBotanica=1906 naoConsultesMedico=1899 quaseMinistros=1864 tuAmor=1880 oliverTwist=1870 suplicioMulher=1865
    trabalhadoresMar=1866""")}
PARAGRAPH = re.compile(r"(?:.*\S.*(?:\n|\Z))+")
SOURCE = re.compile(r"\W*(textos?[ -]+fonte|texto de refer|edição (de )?refer)", re.IGNORECASE)  # where a header names the edition it copies
PRINTED = re.compile(r"\W*(re)?publicad[oa]\b|.{,100}\brio de janeiro ?[:,].{,60}\b\d{4}\W*$", re.IGNORECASE)


def load_machado(source, *, max_bytes=None):
    """The complete works, a row a work: `Dataset` with "genre", "work", "year" (int or None) and "text", sorted by genre, then work.

    source: "offline" (small works written for this series), "hub" (NLTK's corpus, else a Kaggle data set; says which), or a folder that
    holds ``machado/<genre>/<work>.txt`` or ``<genre>/<work>.txt``; an ``anos.txt`` beside the genres may give years, a line ``work year``
    each. Translations are the genre "traducao". max_bytes: about this much, the same share of every work, cut at a line's end.
    Raises ReaderError where there is no work, an empty one, or one that is no text.
    """
    if source == "hub":
        works = works_from_hub()
    else:
        folder = OFFLINE if source == "offline" else Path(source)
        works = read_works(folder / "machado" if any((folder / name).is_dir() for name in ("machado", *NEIGHBOURS)) else folder)
    works.sort(key=lambda work: (work["genre"], work["work"]))
    size = sum(len(work["text"].encode()) for work in works)
    if max_bytes is not None and max_bytes < size:
        for work in works:
            end = max(1, len(work["text"]) * max_bytes // size)
            work["text"] = work["text"][:work["text"].rfind("\n", 0, end) + 1 or end]
    return as_dataset(works, year="int64")


def as_dataset(rows, **more):
    from datasets import Dataset, Features, Value
    columns = {"genre": "string", "work": "string", **more, "text": "string"}
    return Dataset.from_dict({name: [row[name] for row in rows] for name in columns}, Features({n: Value(kind) for n, kind in columns.items()}))


def from_kaggle():
    import kagglehub
    return Path(kagglehub.dataset_download(KAGGLE))


def works_from_hub():
    """The works of the first of two public places that has them; prints which one it is."""
    failures = []
    for name, fetch in (("NLTK's corpus machado", from_nltk), (f"Kaggle's {KAGGLE}", from_kaggle)):
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # both clients are talkative
                found = fetch()
            works = read_works(found, GENRES)
            print(f"from the hub: {name} ({len(works)} works)")
            return works
        except Exception as error:  # no package, no network, a refusal, a damaged archive: one sentence for all, and the next one's turn
            failures.append(f"{name} did not come ({type(error).__name__}: {' '.join(str(error).split())[:200]})")
    raise ReaderError("; ".join(failures) + f": connect and run the cell again, or {OTHERWISE}")


def from_nltk():
    """NLTK's archive of the works, brought up to date by its own downloader, or as the cache has it where that fails."""
    from nltk.downloader import Downloader
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "gpt-in-colab", "nltk")
    archive = cache / "corpora" / "machado.zip"  # this corpus stays zipped
    try:  # left alone, the downloader prints its faults and returns False; without an index of ours it asks NLTK's own
        Downloader(os.environ.get("GPT_SERIES_NLTK_INDEX"), str(cache)).download("machado", raise_on_error=True, print_error_to=io.StringIO())
    except Exception:
        if not zipfile.is_zipfile(archive):
            raise
    return zipfile.Path(archive)


def read_works(root, genres=None):
    """The works below a folder or an archive, {"genre", "work", "year", "text"} each; genres: only these."""
    years, works, encodings = read_years(root / "anos.txt"), [], {}
    files = [(genre, file) for genre, file in (text_files(root) if root.is_dir() else ()) if genre in (genres or [genre])]
    for genre, file in files:
        stem, place = file.name.removesuffix(".txt"), f"{genre}/{file.name}"
        text, encoding = decode(file.read_bytes(), place)
        title, year, text = cut_header(text)
        if not text.strip():
            raise ReaderError(f"{place} is empty: put text into it or remove it")
        if encoding != "utf-8-sig":
            encodings.setdefault(encoding, []).append(place)
        works.append({"genre": genre, "work": title or stem, "year": year or years.get(stem) or YEARS.get(stem), "text": text})
    if not files:
        raise ReaderError(f"no <genre>/<work>.txt in {shown(str(root))}: put works there, a folder a genre, or choose 'offline' or 'hub'")
    if encodings:
        print("not in UTF-8:", "; ".join(f"{len(places)} read as {encoding} ({places[0]}{', ...' * (len(places) > 1)})"
                                         for encoding, places in encodings.items()))
    return works


def text_files(folder, genre=None):
    """(genre, file) of every ``*.txt`` in the folders below this one."""
    visible = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]  # not what Jupyter and macOS leave behind
    for path in sorted(visible, key=lambda path: path.name):
        if path.is_dir():
            yield from text_files(path, plain(path.name))
        elif genre and path.name.endswith(".txt"):
            yield genre, path


def plain(name):
    """A genre's name as it is written here: "Crônica" -> "cronica"."""
    with contextlib.suppress(UnicodeError):  # from a zip file that does not say that its names are UTF-8
        name = name.encode("cp437").decode()
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return {"contos": "conto", "miscelanea": "miscelania"}.get(letters, letters or name)


def decode(data, place):
    """(text with \\n as its only line end, its encoding)"""
    for encoding in ["utf-16"] if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252", "latin-1"]:
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if "\0" not in text:
                return text.replace("\r\n", "\n").replace("\r", "\n"), encoding
    raise ReaderError(f"{place} is no text in UTF-8, in UTF-16 with its mark, or in cp1252: save it as UTF-8 first")


def read_years(file):
    """{work: year} of the lines ``work year``; nothing without the file."""
    lines = decode(file.read_bytes(), file.name)[0].split("\n") if file.exists() else []
    for line in lines:
        if line.strip() and not re.fullmatch(r"\s*\S+\s+\d{4}\s*", line):
            raise ReaderError(f"{file.name} has the line {line!r}: write a work's file name without .txt and its year, as 'helena 1876'")
    return {work: int(year) for work, year in map(str.split, filter(str.strip, lines))}


def cut_header(text):
    """(title, year, text from the title on, without the header) of a file of NLTK's; (None, None, text) of one without a header.

    A header: genre, title and year (at times another work's); title; edition copied; where and when first printed. Its earliest year counts.
    """
    found = list(PARAGRAPH.finditer(text[:4000]))
    heads = [" ".join(paragraph[0].split()) for paragraph in found]
    at = next((n for n, head in enumerate(heads) if SOURCE.match(head)), 0)
    if not at:
        return None, None, text
    last = max(n for n, head in enumerate(heads[:at + 9]) if n <= at or len(head) < 300 and PRINTED.match(head))
    years = re.findall(r"\b1[89]\d\d\b", f"{heads[0].rpartition(',')[2]} {' '.join(heads[at:last + 1]).partition('ublicad')[2]}")
    titles = heads[1:at] or heads[:1]
    return titles[0], min(map(int, years), default=None), "\n".join(titles) + "\n\n" + text[found[last].end():].lstrip()


def check_share(share):
    if not 0 < share <= 0.5:
        raise ReaderError(f"share must be above 0 and at most 0.5, got {share}")


def split_within(works, *, share=0.1, seed=0):
    """`DatasetDict` with "train" and "validation", columns "genre", "work" and "text": one passage of each work is held out.

    The passage has about ``share`` of the work's characters, begins where ``seed`` and the work's name say and is cut at line ends; what
    is before and after it are documents of training. A work too short for a passage of 200 characters is all training. Works reprint
    each other: a training line in a run of 12 words that validation holds too is left out (their number is printed), and its document
    falls in two there. Raises ReaderError for fewer than two works, a share outside (0, 0.5] and a side without text.
    """
    check_share(share)
    if len(works) < 2:
        raise ReaderError(f"{'only one work' if len(works) else 'no work at all'}: no split within works is possible; "
                          "put more <genre>/<work>.txt beside it, or choose 'offline' or 'hub'")
    splits, around, left_out = {"train": [], "validation": []}, [], 0
    for row in works.select_columns(["genre", "work", "text"]):
        begin, end = passage(row["text"], share, random.Random(f"{seed} {row['genre']}/{row['work']}"))
        splits["validation"].append(row | {"text": row["text"][begin:end]})
        around += [row | {"text": row["text"][:begin]}, row | {"text": row["text"][end:]}]
    held_out = {run for row in splits["validation"] for run in runs(words(row["text"]))}
    for row in around:
        pieces, count = without_runs(row["text"], held_out)
        splits["train"] += [row | {"text": piece} for piece in pieces]
        left_out += count
    if left_out:
        print(f"left out of training: {left_out:,} lines that stand in validation too")
    from datasets import DatasetDict
    for split, rows in splits.items():
        splits[split] = as_dataset([row for row in rows if row["text"].strip()])
        if not len(splits[split]):
            raise ReaderError(f"no text is left for {split} at share {share}: give longer works, with more line ends, or a larger share")
    return DatasetDict(splits)


def passage(text, share, draw):
    """(begin, end) of a passage between two line ends, less than twice the share long; (0, 0) where there is none of enough characters."""
    ends, length = [0, *(found.end() for found in re.finditer("\n", text)), len(text)], share * len(text)
    nearest = lambda place: min(ends, key=lambda end: abs(end - place))
    begin = nearest(draw.random() * (len(text) - length))
    end = nearest(begin + length)
    return (begin, end) if len(text[begin:end].strip()) >= PASSAGE else (0, 0)


def words(text):
    return re.findall(r"\w+", text.casefold())


def runs(words):
    return zip(*(words[start:] for start in range(RUN)))


def without_runs(text, held_out):
    """(the pieces that remain of a text, how many lines went): without the lines in which a run that is held out has its words."""
    lines, gone = re.findall(r".*\n|.+", text), set()
    found = [(word, n) for n, line in enumerate(lines) for word in words(line)]
    for start, run in enumerate(runs([word for word, _ in found])):
        if run in held_out:
            gone.update(range(found[start][1], found[start + RUN - 1][1] + 1))  # from the line of its first word to that of its last
    pieces = itertools.groupby(enumerate(lines), key=lambda line: line[0] in gone)
    return ["".join(line for _, line in piece) for out, piece in pieces if not out], len(gone)


def last_tenth(works, share=0.1):
    """The last ``share`` of all text by position, as the original held it out: `Dataset` with "genre", "work" and "text"."""
    check_share(share)
    first = round((1 - share) * sum(map(len, works["text"])))
    starts = itertools.accumulate(map(len, works["text"]), initial=0)
    rows = zip(works.select_columns(["genre", "work", "text"]), starts)
    ends = [row | {"text": row["text"][max(0, first - start):]} for row, start in rows]
    return as_dataset([row for row in ends if row["text"]])
