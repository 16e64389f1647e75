"""Checks of the offline Machado: the files, their layout, the generator, the words, and the grammar as far as a machine can see it."""

import importlib.util
import json
import math
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "data" / "offline" / "machado"
GENRES = ["conto", "critica", "cronica", "poesia", "romance", "teatro", "traducao"]
MODULES = ("generate", "work", "grammar", "world")
ROMAN = {"I": 1, "V": 5, "X": 10}


@pytest.fixture(scope="module")
def generator():
    """The generator, imported by path; the modules that it brings are removed again."""
    path, before = list(sys.path), {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    spec = importlib.util.spec_from_file_location("machado_generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture(scope="module")
def world(generator):
    return generator.World()


@pytest.fixture(scope="module")
def built(generator):
    return generator.build()


@pytest.fixture(scope="module")
def texts():
    """The works by their names, in the order in which a reader of the folder joins them."""
    return {f"{p.parent.name}/{p.stem}": p.read_text(encoding="utf-8") for p in sorted(FOLDER.glob("*/*.txt"))}


@pytest.fixture(scope="module")
def flat(texts):
    """The works without their line breaks."""
    return {name: " ".join(text.split()) for name, text in texts.items()}


@pytest.fixture(scope="module")
def stats():
    return json.loads((FOLDER / "stats.json").read_text())


def words_of(text):
    return re.findall(r"[a-zà-ÿ]+(?:[-’][a-zà-ÿ]+)*", text.lower())


def of(texts, genre):
    """The works of one genre."""
    return {name: text for name, text in texts.items() if name.startswith(f"{genre}/")}


def number(roman):
    """The value of a Roman number up to XX."""
    values = [ROMAN[c] for c in roman]
    return sum(-v if v < w else v for v, w in zip(values, [*values[1:], 0]))


def test_files_are_reproduced_byte_for_byte(built):
    on_disk = {str(p.relative_to(FOLDER)).replace("\\", "/"): p.read_bytes() for p in FOLDER.rglob("*.txt")}
    on_disk["stats.json"] = (FOLDER / "stats.json").read_bytes()
    assert on_disk.keys() == built.keys()
    for name, text in built.items():
        assert on_disk[name] == text.encode(), name


def test_the_genres_and_their_shares(texts):
    size = {genre: sum(len(t.encode()) for t in of(texts, genre).values()) for genre in GENRES}
    assert 20 <= len(texts) <= 24 and sum(size.values()) == sum(len(t.encode()) for t in texts.values())
    assert sorted({name.split("/")[0] for name in texts}) == GENRES and all(len(of(texts, g)) >= 2 for g in GENRES)
    assert all(re.fullmatch(r"[a-z]+/[A-Za-z]+", name) for name in texts)
    share = {genre: n / sum(size.values()) for genre, n in size.items()}
    assert min(share["romance"], share["cronica"]) > share["conto"] > share["traducao"] > share["critica"] > share["poesia"] > share["teatro"]
    assert 0.08 < share["traducao"] < 0.13


def test_sizes(texts):
    assert 340_000 <= sum(len(t.encode()) for t in texts.values()) <= 480_000
    sources = [p for pattern in ("*.py", "*.tpl", "kinds/*.tpl") for p in FOLDER.glob(pattern)]
    assert len(sources) == 12 and sum(p.stat().st_size for p in sources) < 130_000


def test_the_last_tenth_by_position_is_translation(texts, stats):
    joined = [(byte, name) for name in sorted(texts) for byte in texts[name].encode()]
    last = joined[-(len(joined) // 10):]
    share = sum(name.startswith("traducao/") for _, name in last) / len(last)
    assert share >= 0.85 and stats["last_tenth_that_is_traducao"] == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize("sizes, share", [({"a/x": 90, "b/y": 10}, 1), ({"a/x": 95, "b/y": 5}, 0.5), ({"b/y": 50, "c/z": 50}, 0)])
def test_the_share_of_the_last_tenth_is_counted_right(generator, sizes, share):
    assert generator.share_of_last_tenth("b", sizes) == share


def test_years(texts):
    years = dict(line.split(" ") for line in (FOLDER / "anos.txt").read_text(encoding="utf-8").splitlines())
    assert years.keys() == {name.split("/")[1] for name in texts} and len(years) == len(texts)
    assert all(1860 <= int(year) <= 1908 for year in years.values()) and len(set(years.values())) >= 20


def test_stats_match_the_texts(texts, stats):
    words = [w for text in texts.values() for w in words_of(text)]
    counts = Counter(words)
    assert stats["bytes"] == sum(len(t.encode()) for t in texts.values()) == sum(stats["bytes_of_each_genre"].values())
    assert (stats["words"], stats["distinct_words"]) == (len(words), len(counts))
    assert stats["words_that_occur_once"] == sum(n == 1 for n in counts.values())
    assert stats["works"] == len(texts) and stats["works_of_each_genre"] == {g: len(of(texts, g)) for g in GENRES}
    assert stats["bits_per_byte"] == round(stats["bits_of_all_choices"] / stats["bytes"], 4) > 0.15


def test_readme_gives_the_numbers_of_stats(stats):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for key in ("bytes", "words", "distinct_words", "words_that_occur_once", "works"):
        assert f"{stats[key]:,}" in readme, key
    for genre, size in stats["bytes_of_each_genre"].items():
        assert f"| `{genre}` | {stats['works_of_each_genre'][genre]} | {size:,} |" in readme
    assert f"{100 * stats['last_tenth_that_is_traducao']:.1f} %" in readme and f"**{stats['bits_per_byte']} bits per byte**" in readme
    assert f"{100 * stats['runs_of_12_words_that_repeat']:.2f} %" in readme


def test_no_long_passage_comes_twice(texts, stats):
    runs = Counter()
    for text in texts.values():
        words = words_of(text)
        runs.update(" ".join(words[i:i + 12]) for i in range(len(words) - 11))
    repeated = sum(n for n in runs.values() if n > 1) / sum(runs.values())
    assert repeated < 0.02 and stats["runs_of_12_words_that_repeat"] == pytest.approx(repeated, abs=0.0001)
    assert max(runs.values()) == stats["most_often_a_run_occurs"] <= 6
    sentences = [s for text in texts.values() for s in re.split(r"[.!?]\s", text) if len(words_of(s)) >= 20]
    assert len(sentences) > 500 and len(set(sentences)) == len(sentences)


def test_words_are_spread_as_in_language(texts):
    words = [w for text in texts.values() for w in words_of(text)]
    often = sorted(Counter(words).values(), reverse=True)
    assert len(often) >= 4_500 and sum(n <= 2 for n in often) >= 900
    x, y = [math.log(r) for r in range(10, 1001)], [math.log(n) for n in often[9:1000]]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)
    assert -1.2 < slope < -0.6  # Zipf's law
    known = [len(set(words[: len(words) * quarter // 4])) for quarter in (1, 2, 3, 4)]
    assert all(later - earlier > 300 for earlier, later in pairwise(known))  # Heaps' law: new words to the end


def test_the_translations_have_words_of_their_own(texts):
    words = {genre: set(words_of(" ".join(of(texts, genre).values()))) for genre in GENRES}
    own = {g: len(words[g] - set().union(*(words[h] for h in GENRES if h != g))) / len(words[g]) for g in GENRES}
    assert own["traducao"] > 0.5 and all(own[g] < 0.3 for g in GENRES if g != "traducao")
    for genre in ("conto", "cronica", "romance"):
        assert all(len(re.findall(r"\b[Ll]eitora?\b", text)) >= 5 for text in of(texts, genre).values())
    assert not {"leitor", "leitora"} & words["traducao"] and not {"nevoeiro", "escuna"} & words["romance"]
    assert all(len(re.findall(" — (?:disse|perguntou)", text)) > 20 for text in of(texts, "traducao").values())


@pytest.mark.parametrize("genre", ["romance", "traducao"])
def test_chapters_are_numbered_and_titled(texts, genre):
    for name, text in of(texts, genre).items():
        heads = re.findall(r"\n\nCAPÍTULO (\w+)\n(.+)\n", text)
        assert heads[0][0] == "PRIMEIRO" and [number(n) for n, _ in heads[1:]] == list(range(2, len(heads) + 1)), name
        assert text.count("\n\nCAPÍTULO ") == len(heads) >= 12 and all(title.isupper() for _, title in heads)


def test_the_persons_of_a_novel_stay(flat, world):
    for name, text in {**of(flat, "romance"), **of(flat, "traducao")}.items():
        cast = world.works[name]
        roles = ("moco", "moca", "amigo", "velho") if "moco" in cast else ("rapaz", "menina", "ruim")
        assert all(text.count(cast[role]) >= 5 for role in roles), name
        for other, strange in world.works.items():
            if other != name and "moca" in strange:
                assert not re.search(rf"\b({strange['moca']}|{strange['amigo']})\b", text), (name, other)


def test_columns_are_dated_in_order(texts):
    months = ["JANEIRO", "FEVEREIRO", "MARÇO", "ABRIL", "MAIO", "JUNHO", "JULHO", "AGOSTO", "SETEMBRO", "OUTUBRO", "NOVEMBRO", "DEZEMBRO"]
    years = dict(line.split() for line in (FOLDER / "anos.txt").read_text(encoding="utf-8").splitlines())
    for name, text in of(texts, "cronica").items():
        dates = [(int(year), months.index(month), int(day)) for day, month, year in re.findall(r"\n\n(\d+) DE (\w+) DE (\d+)\.\n", text)]
        assert len(dates) >= 12 and dates == sorted(set(dates)) and dates[0][0] == int(years[name.split("/")[1]])


def test_verse_has_short_lines_and_plays_have_speakers(texts):
    for text in of(texts, "poesia").values():
        lines = [line for line in text.splitlines()[1:] if line]
        assert len(lines) > 150 and max(map(len, lines)) < 75 and sum(map(len, lines)) / len(lines) < 40
        assert all(re.search("[.,;:!?]$", line) for line in lines if not line.isupper())
    for text in of(texts, "teatro").values():
        persons = re.findall(r"^([A-ZÀ-Ü]+), ", text.partition("CENA I")[0], re.MULTILINE)
        spoken = re.findall(r"^([^—\n]+) — ", text, re.MULTILINE)
        assert len(persons) == 4 and set(spoken) == set(persons) and len(spoken) > 90
        assert [number(n) for n in re.findall(r"^CENA ([IVX]+)$", text, re.MULTILINE)] == list(range(1, 10))


def test_titles_lines_and_paragraphs(texts, world):
    for name, text in texts.items():
        assert text.startswith(world.works[name]["titulo"] + "\n\n") and text.endswith("\n") and not text.endswith("\n\n")
        assert max(map(len, text.splitlines())) <= 80 and "\n\n\n" not in text and "\r" not in text
    prose = " ".join(t for name, t in texts.items() if not name.startswith(("poesia", "teatro")))
    assert sum(len(line) > 60 for line in prose.splitlines()) > 0.5 * len(prose.splitlines())


@pytest.mark.parametrize(
    "pattern",
    [
        r"[^a-zA-ZÀ-ÖØ-öø-ÿ0-9 ,.;:?!()“”’—-]",  # marks of the templates, straight quotes
        r" [,.;:?!)”]|[(“] ",
        r"(?<!\.)\.\.(?!\.)|\.{4}|,,|[,;:][,;.!?]|[!?][.,;]",
        r"(?<!\.)(?<!\bSr)(?<!\bDr)(?<!\bD)\.”? [a-zà-ÿ]",  # a sentence that begins small
        r"(?<![-\w])(\w+) \1\b",
        r"(?<!-)\b(?:[Dd]e|[Ee]m) (?:os?|as?|el[ea]s?|es[st][ea]s?)\b|\b[Pp]or (?:os?|as?)\b(?!-)",  # not contracted
        r"(?<!-)\b[Aa] (?:os?|as?)\b",
        r"\b(?:[Dd]o|[Nn]o|[Pp]elo|[Aa]o) (?:[oa]s?|uma?)\b|(?<!cada )\b[Uu]m [oa]s?\b",
        r"\b(?:[Uu]ma|[Dd]a|[Nn]a|[Pp]ela|à) (?:[oa]s?|uma?)\b",
        r"\b[Qq]uem? \w+-(?:se|lhe)\b",  # the pronoun stands before the verb
        r"\w+[aeou]-l[oa]s?\b(?<!vê-lo)(?<!vê-la)",  # -lo only after a lost r, s or z: dizê-lo
    ],
    ids=["marks", "spaces", "stops", "small", "twice", "de o", "a o", "do a", "da o", "que calou-se", "mostrava-la"],
)
def test_nothing_is_left_of_the_machinery(flat, pattern):
    for name, text in flat.items():
        found = re.search(pattern, text)
        assert found is None, (name, text[max(0, found.start() - 40): found.end() + 40])


def test_quotes_and_brackets_are_closed(texts):
    for name, text in texts.items():
        assert re.sub("[^“”]", "", text) == "“”" * text.count("“"), name
        assert re.sub("[^()]", "", text) == "()" * text.count("("), name
    assert sum(text.count("“") for text in texts.values()) > 100


def nouns(world):
    """The gender of every noun of the word lists, by the article that it carries; what has both is left out."""
    genders = {}
    for entries in world.lists.values():
        for entry in entries:
            found = re.match(r"(?:(o|um)|a|uma) ([a-zà-ÿ-]{3,})", entry)
            if found:
                genders.setdefault(found[2], set()).add("m" if found[1] else "f")
    return {noun: gender.pop() for noun, gender in genders.items() if len(gender) == 1}


def test_articles_agree_with_their_nouns(flat, world):
    gender, seen = nouns(world), Counter()
    article = dict.fromkeys(("o", "um", "do", "no", "ao", "pelo", "este", "esse"), "m")
    article |= dict.fromkeys(("uma", "da", "na", "à", "pela", "esta", "essa"), "f")
    for name, text in flat.items():
        for before, noun in re.findall(r"\b(\w+)(?= ([a-zà-ÿ-]{3,})\b)", text):
            if before.lower() in article and noun in gender:
                assert article[before.lower()] == gender[noun], (name, before, noun)
                seen[gender[noun]] += 1
    assert min(seen.values()) > 1_200


def test_adjectives_agree_with_their_nouns(flat, world):
    masculine = {a for name in ("humor", "moral", "fisico", "feitio", "fero", "feio") for a in world.lists[name] if a.endswith("o")}
    masculine |= {"famoso", "fechado", "gordo", "perdido"}
    feminine = {a[:-1] + "a" for a in masculine}
    seen = Counter()
    for name, text in flat.items():
        for article, adjective in re.findall(r"\b(uma?) [a-zà-ÿ-]+ ([a-zà-ÿ]+)\b", text):
            if adjective in masculine | feminine:
                assert (article == "uma") == (adjective in feminine), (name, article, adjective)
                seen[article] += 1
    assert min(seen["um"], seen["uma"]) > 20
    heroines = "Clarinda|Amália|Lavínia|Helvécia|Olímpia"
    said = re.findall(rf"(?:{heroines}) (?:trazia [^.;]*; parecia|parecia) ([a-zà-ÿ]+)", " ".join(flat.values()))
    assert len(said) >= 5 and not masculine & set(said)


def test_inflection(generator, world):
    work = sys.modules["work"]
    pairs = {"velho": "velha", "triste": "triste", "azul": "azul", "um": "uma", "este": "esta", "dele": "dela", "seu": "sua"}
    assert {word: work.inflect(word, "f") for word in pairs} == pairs and all(work.inflect(word, "m") == word for word in pairs)
    assert work.contracted("de o pai a a mãe, em as ruas, por a porta") == "do pai à mãe, nas ruas, pela porta"
    assert work.contracted("a os pés; deu-a a ela") == "aos pés; deu-a a ela"
    assert work.contracted("A o pai, de ele, em esta casa que calou-se") == "Ao pai, dele, nesta casa que se calou"
    assert work.polish("era tarde. o Sr. Barros saiu... talvez; / — sim? disse ele.") == "Era tarde. O Sr. Barros saiu... talvez; / — Sim? disse ele."


def test_slots(generator, world):
    work = sys.modules["work"].Work(generator.Chooser(1), world, "romance/segundaValsa")
    for article, wanted in (("flor", "a rosa"), ("bicho", "o gato")):
        world.lists["prova"] = [wanted]
        world.recent.clear()
        gender = "a" if article == "flor" else "o"
        assert work.expand("{o prova} {.velho}") == f"{wanted} velh{gender}"
        assert work.expand("{um prova} {n prova} {este prova}") in ("uma rosa rosa esta rosa", "um gato gato este gato")
        assert work.expand("{o_mesmo prova}") == f"{gender} mesm{gender} {wanted[2:]}"
    world.lists["ruim"] = ["manso"]
    assert work.expand("{~ruim} {~f ruim} {~m ruim}") == "manso mansa manso"
    del world.lists["prova"], world.lists["ruim"]


def test_every_choice_is_counted(generator, world):
    work = sys.modules["work"].Work(generator.Chooser(1), world, "romance/segundaValsa")
    shares, bits = Counter(), 0.0
    for _ in range(3_000):
        before = work.chooser.bits
        option = work.choose(["a", "b", "c"], [])
        shares[option] += 1
        bits += work.chooser.bits - before
        assert work.chooser.bits - before == pytest.approx(-math.log2({"a": 6, "b": 3, "c": 2}[option] / 11))
    assert shares["a"] / 3_000 == pytest.approx(6 / 11, abs=0.04)
    drawn = [work.draw("x", ["a", "b", "c", "d"]) for _ in range(40)]
    assert all(len(set(drawn[i:i + 4])) == 4 for i in range(37))  # nothing comes back before the others were used
