"""The works: where they come from, what is read of them, and a split that shares no passage."""

import contextlib
import io
import random
import re
import sys
import types
from collections import Counter

import nltk
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from nltk_index import Index

from helpers import works as module
from helpers.runtime import ReaderError
from helpers.works import last_tenth, load_machado, split_within

HEADER = ("Romance, Dom Casmurro, 1899\n\nDom\nCasmurro\n\nTexto de refer\xeancia:\n\nObras Completas de Machado de Assis,\nvol. I,\n\n"
          "Nova Aguilar, Rio de\nJaneiro, 1994.\n\n\xa0Publicado originalmente\npela Editora Garnier, Rio de Janeiro, 1899.\n\n")
pytestmark = pytest.mark.filterwarnings("ignore:Security Violation:RuntimeWarning")  # what a newer NLTK says of loopback
DRAWN = settings(deadline=None, database=None, derandomize=True, phases=[Phase.generate])  # a seed cannot be made simpler
STORY = "\x97 Uma noite destas, vindo da cidade.\n"  # as NLTK has it: byte 0x97 is cp1252's dash, and nothing in latin-1


@pytest.fixture
def folder(tmp_path):
    """A function that writes {path: text or bytes} and returns the folder."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / "copies" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "copies"

    return write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no Kaggle, and an NLTK that may ask loopback; its newer versions refuse that otherwise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GPT_SERIES_NLTK_INDEX", "http://127.0.0.1:9/index.xml")
    monkeypatch.setitem(sys.modules, "kagglehub", None)  # an import of it fails
    monkeypatch.setattr(nltk.data, "path", list(nltk.data.path))  # the downloader adds to it
    if hasattr(nltk, "pathsec"):
        monkeypatch.setattr(nltk.pathsec, "ENFORCE", False)
    return tmp_path / "cache"


@pytest.fixture
def index(cache, monkeypatch):
    """NLTK's corpus as it is: latin-1 paths, a header, bytes of cp1252."""
    with Index({"README": b"about", "romance/marm08.txt": (HEADER + STORY).encode("latin-1"),
                "contos/macn001.txt": "Conto, Virginius, 1864\n\nVirginius\n\nTexto-fonte:\n\nIsto\n\nN\xe3o correu\n".encode("latin-1")}) as index:
        monkeypatch.setenv("GPT_SERIES_NLTK_INDEX", index.address)
        yield index


@pytest.fixture
def kaggle(folder, monkeypatch):
    """The Kaggle data set's files, behind a client that says what it was asked for."""
    unmarked = "tradução".encode().decode("cp437")  # as a zip file's names are read that does not say that they are UTF-8
    copies = folder({"raw/txt/crítica/ea.txt": "Eça\n", "raw/txt/romance/helena.txt": "Helena\n", f"raw/txt/{unmarked}/oliverTwist.txt": "Oliver\n",
                     "raw/txt/all.txt": "everything", "top.txt": "no work", "raw/pdf/conto/a.pdf": "%"})
    asked = []
    client = types.SimpleNamespace(dataset_download=lambda name: print("downloading") or asked.append(name) or str(copies))
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    return asked


NO_TEXT = "conto/a.txt is no text in UTF-8, in UTF-16 with its mark, or in cp1252: save it as UTF-8 first"


def rows(works):
    return [tuple(row.values()) for row in works]


def refused(call, *arguments, **more):
    with pytest.raises(ReaderError) as error:
        call(*arguments, **more)
    return str(error.value)


# Where the works come from


@pytest.mark.parametrize("place", ["machado/", ""])
def test_a_folder_a_genre_a_file_a_work(folder, place):
    files = {"romance/zeta.txt": "z\n", "romance/alfa.txt": "a\n", "conto/meio.txt": "m\n"}
    others = dict.fromkeys(["romance/notes.md", "LEIA.txt", ".ipynb_checkpoints/a.txt", "__MACOSX/romance/x.txt", "romance/._alfa.txt"], "no work")
    copies = folder({place + name: text for name, text in {**files, **others}.items()})
    works = load_machado(copies)
    assert works.column_names == ["genre", "work", "year", "text"]
    assert rows(works) == [("conto", "meio", None, "m\n"), ("romance", "alfa", None, "a\n"), ("romance", "zeta", None, "z\n")]


def test_other_corpora_among_the_local_copies_are_no_genres(folder):
    assert refused(load_machado, folder({"prose/novel.txt": "in English", "wikitext2/train.txt": "in English"})) == (
        "no <genre>/<work>.txt in path/to/machado: put works there, a folder a genre, or choose 'offline' or 'hub'")
    assert [row["work"] for row in load_machado(folder({"machado/conto/a.txt": "um conto"}))] == ["a"]


def test_offline_is_the_folder_shipped_here(folder, monkeypatch):
    monkeypatch.setattr(module, "OFFLINE", folder({"machado/conto/a.txt": "um conto", "articles/train.txt": "not this"}))
    assert rows(load_machado("offline")) == [("conto", "a", None, "um conto")]


def test_genres_have_one_spelling(folder):
    copies = folder({f"{name}/x{i}.txt": "x" for i, name in enumerate(["Crônica", "contos", "Miscelânea", "tradução", "critica", "poesía"])})
    assert [(row["genre"], row["work"]) for row in load_machado(copies)] == [
        ("conto", "x1"), ("critica", "x4"), ("cronica", "x0"), ("miscelania", "x2"), ("poesia", "x5"), ("traducao", "x3")]


def test_years_come_from_the_header_then_the_list_then_the_books_that_are_known(folder):
    copies = folder({"anos.txt": "casa 1890\n\n  domCasmurro   1901 \nmarm08 1700\n", "romance/casa.txt": "x", "romance/domCasmurro.txt": "x",
                     "romance/quincas.txt": "x", "romance/outra.txt": "x", "romance/marm08.txt": HEADER + STORY})
    assert {row["work"]: row["year"] for row in load_machado(copies)} == {
        "casa": 1890, "domCasmurro": 1901, "quincas": 1891, "outra": None, "Dom Casmurro": 1899}
    assert load_machado(folder({"romance/casa.txt": "x"})).features["year"].dtype == "int64"


@pytest.mark.parametrize("first, published, year", [
    ("CRÔNICA, Ao Acaso, 1864.htm", "Publicado originalmente no Diário, de 12/06/1864 a 16/05/1865.", 1864),
    ("Poesia, Dispersas, 1855-1939", "Rio de Janeiro: Editora Record, 2008.", 1855),
    ("Crítica, Iracema, 186", "Publicado\noriginalmente na Semana, 23/01/1866.", 1866),
    ("Crítica, Flores e frutos, Garnier, 1862, 1938", "Publicada no Jornal, em 02/07/1872.", 1872),
    ("TEATRO. Sem ano", "Publicado sem data.", None),
])
def test_a_header_is_cut_off_and_its_earliest_year_taken(folder, first, published, year):
    text = f"{first}\n\nO   título\n\n(um subtítulo)\n\nTexto-Fonte:\n\nObra Completa,\n\nRio\nde Janeiro: Nova Aguilar, 1994.\n\n{published}\n\n\n"
    body = "Nasceu na Província do Rio de Janeiro, a 15 de dezembro de 1839, filho de lavradores que ali tinham terras.\n\nFim.\n"
    [row] = load_machado(folder({"critica/mact.txt": text + body}))
    assert (row["work"], row["year"], row["text"]) == ("O título", year, "O título\n(um subtítulo)\n\n" + body)


def test_a_text_that_only_speaks_of_a_source_has_no_header(folder):
    text = "Título\n\nUma carta.\n\nPublicado foi o texto-fonte em 1870, no Rio de Janeiro: e nada mais.\n"
    assert load_machado(folder({"conto/a.txt": text}))[0]["text"] == text


# Encodings


@pytest.mark.parametrize("data, text, said", [
    ("maçã\n".encode(), "maçã\n", ""),
    (b"\xef\xbb\xbf" + "maçã\n".encode(), "maçã\n", ""),
    ("maçã\n".encode("utf-16"), "maçã\n", "not in UTF-8: 1 read as utf-16 (conto/a.txt)\n"),
    (b"\xfe\xff" + "maçã\n".encode("utf-16-be"), "maçã\n", "not in UTF-8: 1 read as utf-16 (conto/a.txt)\n"),
    ("— maçã “œuvre”\n".encode("cp1252"), "— maçã “œuvre”\n", "not in UTF-8: 1 read as cp1252 (conto/a.txt)\n"),
    ("maçã \x81\n".encode("latin-1"), "maçã \x81\n", "not in UTF-8: 1 read as latin-1 (conto/a.txt)\n"),
    (b"um\r\ndois\rtr\xc3\xaas\n", "um\ndois\ntrês\n", ""),
], ids=["UTF-8", "with its mark", "UTF-16", "UTF-16, other order", "cp1252", "latin-1", "line ends"])
def test_encodings_are_detected_and_said(folder, capsys, data, text, said):
    assert load_machado(folder({"conto/a.txt": data}))[0]["text"] == text
    assert capsys.readouterr().out == said


def test_many_files_in_other_encodings_are_one_line(folder, capsys):
    load_machado(folder({"conto/a.txt": b"\xe7", "conto/b.txt": b"\xe3", "romance/c.txt": "ç".encode("utf-16"), "romance/d.txt": "ç"}))
    assert capsys.readouterr().out == "not in UTF-8: 2 read as cp1252 (conto/a.txt, ...); 1 read as utf-16 (romance/c.txt)\n"


# The hub


def test_nltks_corpus_through_its_own_downloader(index, capsys):
    assert rows(load_machado("hub")) == [("conto", "Virginius", 1864, "Virginius\n\nIsto\n\nNão correu\n"),
                                         ("romance", "Dom Casmurro", 1899, "Dom Casmurro\n\n— Uma noite destas, vindo da cidade.\n")]
    printed = capsys.readouterr()
    assert printed.out == "not in UTF-8: 2 read as cp1252 (conto/macn001.txt, ...)\nfrom the hub: NLTK's corpus machado (2 works)\n"
    assert printed.err == "" and index.requests == ["/index.xml", "/machado.zip"]


def test_nltks_archive_is_fetched_once_and_serves_without_a_network(index):
    works = load_machado("hub")
    assert rows(load_machado("hub")) == rows(works)
    assert index.requests.count("/machado.zip") == 1
    index.stop()
    assert rows(load_machado("hub")) == rows(works)


@pytest.mark.parametrize("fault, reason", [
    (lambda index: setattr(index, "sent", b"<html>not the archive</html>" * 99), "BadZipFile|ValueError"),
    (lambda index: setattr(index, "sent", index.content[:-30]), "BadZipFile|ValueError|IncompleteRead"),
    (lambda index: setattr(index, "index", lambda: b"<nltk_data><packages/><collections/></nltk_data>"), "'machado' not found in index"),
    (lambda index: setattr(index, "index", lambda: b"a page of the school's network"), "ParseError|ValueError|syntax error"),
    (lambda index: index.stop(), "Connection refused"),
], ids=["another file", "cut short", "not in the index", "no index", "nobody there"])
def test_where_nltk_fails_kaggle_is_taken_and_named(index, kaggle, capsys, fault, reason):
    fault(index)
    assert [(row["genre"], row["work"], row["year"], row["text"]) for row in load_machado("hub")] == [
        ("critica", "ea", 1900, "Eça\n"), ("romance", "helena", 1876, "Helena\n"), ("traducao", "oliverTwist", 1870, "Oliver\n")]
    assert kaggle == ["luxedo/machado-de-assis"]
    assert capsys.readouterr() == ("from the hub: Kaggle's luxedo/machado-de-assis (3 works)\n", "")
    sys.modules["kagglehub"] = None
    assert re.search(rf"^NLTK's corpus machado did not come \(.*({reason}).*\); Kaggle's", refused(load_machado, "hub"))


def test_nltks_downloader_prints_nowhere(cache, monkeypatch):
    download, screen = nltk.downloader.Downloader.download, io.StringIO()  # it prints faults to what the screen was when nltk was imported
    monkeypatch.setattr(download, "__defaults__", tuple(screen if hasattr(value, "write") else value for value in download.__defaults__))
    assert screen in download.__defaults__ and "Connection refused" in refused(load_machado, "hub")
    assert screen.getvalue() == ""


@pytest.mark.parametrize("files, reason", [({"README": b"x"}, "no <genre>/<work>.txt in "), ({"romance/a.txt": b" \n"}, "romance/a.txt is empty")])
def test_an_archive_without_works_is_not_taken(cache, kaggle, monkeypatch, files, reason):
    with Index(files) as index:
        monkeypatch.setenv("GPT_SERIES_NLTK_INDEX", index.address)
        assert len(load_machado("hub")) == 3
        monkeypatch.setitem(sys.modules, "kagglehub", None)
        assert f"NLTK's corpus machado did not come (ReaderError: {reason}" in refused(load_machado, "hub")


def test_where_all_fail_each_says_why_and_the_choices_are_named(cache, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nltk.downloader", None)
    assert refused(load_machado, "hub") == (
        "NLTK's corpus machado did not come (ModuleNotFoundError: import of nltk.downloader halted; None in sys.modules); "
        "Kaggle's luxedo/machado-de-assis did not come (ModuleNotFoundError: import of kagglehub halted; None in sys.modules): "
        "connect and run the cell again, or set GPT_SERIES_DATA to 'offline' or to a folder")
    assert capsys.readouterr() == ("", "")


# Bad input


@pytest.mark.parametrize("files, sentence", [
    ({"notes.txt": "x"}, "no <genre>/<work>.txt in path/to/copies: put works there, a folder a genre, or choose 'offline' or 'hub'"),
    ({"conto/a.txt": "fine", "romance/b.txt": " \n\r\n "}, "romance/b.txt is empty: put text into it or remove it"),
    ({"conto/a.txt": "maçã".encode("utf-16-le")}, NO_TEXT),
    ({"conto/a.txt": "maçã".encode("utf-16")[:-1]}, NO_TEXT),
    ({"conto/a.txt": "fine", "anos.txt": "a 1870\nb, 1871\nc em 1872\n"},
     "anos.txt has the line 'c em 1872': write a work's file name without .txt and its year, as 'helena 1876'"),
])
def test_what_cannot_be_read_is_one_sentence(folder, files, sentence):
    assert refused(load_machado, folder(files)) == sentence


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    assert refused(load_machado, tmp_path / "nowhere").startswith("no <genre>/<work>.txt in path/to/nowhere: ")


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 1, float("nan")])
@pytest.mark.parametrize("split", [split_within, last_tenth])
def test_a_share_that_is_none_is_refused(split, share):
    assert refused(split, make(many_lines(2)), share=share) == f"share must be above 0 and at most 0.5, got {share}"


@pytest.mark.parametrize("count, said", [(1, "only one work"), (0, "no work at all")])
def test_fewer_than_two_works_cannot_be_split(count, said):
    assert refused(split_within, make(many_lines(2)).select(range(count))) == (
        f"{said}: no split within works is possible; put more <genre>/<work>.txt beside it, or choose 'offline' or 'hub'")


def test_works_that_leave_a_side_empty_are_refused():
    assert refused(split_within, make({"a": "short\n", "b": "too\n"})) == (
        "no text is left for validation at share 0.1: give longer works, with more line ends, or a larger share")


# How much is read


def test_max_bytes_takes_the_same_share_of_every_work_at_a_line_end(folder):
    texts = {f"{genre}/w{n}.txt": "".join(f"{genre} número {i} é uma linha\n" for i in range(200 * (n + 1)))
             for genre in ("conto", "romance") for n in range(3)}
    copies = folder({**texts, "poesia/ode.txt": "uma só linha que não tem fim " * 50})
    whole = {row["work"] + row["genre"]: row["text"] for row in load_machado(copies)}
    size = sum(len(text.encode()) for text in whole.values())
    cut = {row["work"] + row["genre"]: row["text"] for row in load_machado(copies, max_bytes=size // 5)}
    assert cut.keys() == whole.keys()
    for name, text in cut.items():
        assert whole[name].startswith(text) and 0.19 <= len(text) / len(whole[name]) <= 0.2
        assert text.endswith("\n") or name == "odepoesia"
    assert 0.19 * size <= sum(len(text.encode()) for text in cut.values()) <= 0.2 * size
    assert {row["work"] + row["genre"]: row["text"] for row in load_machado(copies, max_bytes=size)} == whole


def test_the_last_tenth_is_the_end_of_all_text_by_position():
    works = make({"a": "0123456789" * 6, "b": "abcdefghij" * 3, "c": "ABCDEFGHIJ"})
    assert rows(last_tenth(works)) == [("genre", "c", "ABCDEFGHIJ")]
    assert rows(last_tenth(works, 0.25)) == [("genre", "b", "fghijabcdefghij"), ("genre", "c", "ABCDEFGHIJ")]
    assert "".join(last_tenth(works, 0.5)["text"]) == "".join(works["text"])[50:]


# The split


def make(texts):
    """A data set of works, {name: text}."""
    return module.as_dataset([{"genre": "genre", "work": name, "year": None, "text": text} for name, text in texts.items()], year="int64")


def many_lines(count, lines=60, seed=0):
    """{name: text} of works of which no two lines are alike."""
    draw = random.Random(seed)
    return {f"w{n}": "".join(f"w{n} l{i} {' '.join(f'x{draw.random()}' for _ in range(3))}\n" for i in range(lines)) for n in range(count)}


def quoting(draw):
    """Works of lines of up to 15 words that quote themselves and each other, in letters of both cases, over line ends."""
    some = ["Ünico", "casa", "CASA", "rua", "mar", "sol"]
    pool = [" ".join(draw.choice(some) + str(draw.randrange(9)) for _ in range(draw.randrange(1, 16))) + "\n" for _ in range(draw.randrange(20, 200))]
    longer = [pool[i:i + 9] for i in range(0, len(pool), 9)]
    texts = {f"q{n}": [line for _ in range(draw.randrange(2, 12)) for line in draw.choice(longer)] for n in range(draw.randrange(2, 6))}
    return {name: "".join(line.upper() if draw.random() < 0.2 else line for line in lines) for name, lines in texts.items()}


def runs_of_12(text):
    """{12 words that follow each other: the lines they stand in}"""
    found = [(match[0].casefold(), text.count("\n", 0, match.start())) for match in re.finditer(r"\w+", text)]
    runs = {}
    for i in range(len(found) - 11):
        runs.setdefault(" ".join(word for word, _ in found[i:i + 12]), set()).update(line for _, line in found[i:i + 12])
    return runs


def count_lines(split, name):
    return Counter(line for row in split if row["work"] == name for line in row["text"].splitlines(keepends=True))


@settings(DRAWN, max_examples=60)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.5))
def test_no_run_of_12_words_is_shared_and_nothing_else_is_lost(seed, share):
    texts, said = quoting(random.Random(seed)) | many_lines(1, 200), io.StringIO()
    with contextlib.redirect_stdout(said):
        splits = split_within(make(texts), share=share, seed=seed)
    held_out = set().union(*map(runs_of_12, splits["validation"]["text"]))
    assert [row for row in splits["train"] if held_out & runs_of_12(row["text"]).keys()] == []
    lost = 0
    for name, text in texts.items():
        whole = text.splitlines(keepends=True)
        kept = count_lines(splits["train"], name) + count_lines(splits["validation"], name)
        assert kept <= Counter(whole) and all(row["text"] in text for split in splits.values() for row in split if row["work"] == name)
        gone = Counter(whole) - kept
        assert set(gone) <= {whole[n] for run, lines in runs_of_12(text).items() if run in held_out for n in lines}
        lost += gone.total()
    assert said.getvalue() == (f"left out of training: {lost:,} lines that stand in validation too\n" if lost else "")


def test_a_reprinted_passage_leaves_training_with_its_lines_and_no_more():
    words = [f"Palavra{n}" for n in range(40)]
    passage = "".join(" ".join(words[i:i + 4]) + "\n" for i in range(0, 40, 4))
    reprint = "before\n\n" + passage.upper().replace("\n", ",\n\n") + "after\n"
    kept, gone = module.without_runs(reprint, set(module.runs(module.words(passage))))
    assert (kept, gone) == (["before\n\n", "\nafter\n"], 19)  # ten lines and the blank ones between them
    eleven = "one " + " ".join(words[:11]) + " two\n"
    assert module.without_runs(eleven, set(module.runs(module.words(passage)))) == ([eleven], 0)


@settings(DRAWN, max_examples=40)
@given(count=st.integers(2, 5), lines=st.integers(40, 120), share=st.floats(0.1, 0.5), seed=st.integers(0, 99))
def test_of_each_work_one_passage_of_about_the_share_is_held_out_between_line_ends(count, lines, share, seed):
    texts = many_lines(count, lines, seed)
    splits = split_within(make(texts), share=share, seed=seed)
    assert splits["train"].column_names == splits["validation"].column_names == ["genre", "work", "text"]
    assert splits["validation"]["work"] == sorted(texts)
    for row in splits["validation"]:
        around = [other["text"] for other in splits["train"] if other["work"] == row["work"]]
        assert {row["text"].join(around), row["text"] + "".join(around), "".join(around) + row["text"]} & {texts[row["work"]]}
        assert row["text"].endswith("\n") and all(text.endswith("\n") for text in around)
        assert abs(len(row["text"]) - share * len(texts[row["work"]])) <= max(map(len, texts[row["work"]].splitlines(keepends=True)))


@settings(DRAWN, max_examples=200)
@given(lengths=st.lists(st.integers(0, 900), min_size=1, max_size=30), share=st.floats(0.01, 0.5), seed=st.integers(0, 99))
def test_a_passage_is_never_twice_the_share_nor_shorter_than_200_characters(lengths, share, seed):
    text = "".join("x" * length + "\n" for length in lengths)
    begin, end = module.passage(text, share, random.Random(seed))
    assert end - begin == 0 or 200 <= end - begin < max(201, 2 * share * len(text))
    assert all(place == 0 or text[place - 1] == "\n" for place in (begin, end))


def test_a_work_too_short_for_a_passage_is_all_training():
    texts = many_lines(1) | {"tiny": "uma linha\n" * 30, "one line": "sem fim " * 900}
    splits = split_within(make(texts))
    assert splits["validation"]["work"] == ["w0"]
    assert [row["text"] for row in splits["train"] if row["work"] != "w0"] == [texts["tiny"], texts["one line"]]


def test_the_place_follows_from_the_seed_and_the_works_name_alone():
    texts = many_lines(3, 200)
    begins = lambda texts, seed: {row["work"]: texts[row["work"]].index(row["text"]) for row in split_within(make(texts), seed=seed)["validation"]}
    first = begins(texts, 0)
    assert begins(texts, 0) == first and begins(texts, 1) != first
    assert len({place // 500 for place in first.values()}) > 1
    assert begins({name: texts[name] for name in ("w2", "w1")}, 0) == {name: first[name] for name in ("w1", "w2")}
    assert len({begins(texts, seed)["w0"] * 10 // len(texts["w0"]) for seed in range(60)}) == 9  # every tenth but the one that is too near the end
