"""Checks of the offline dialogues: the files, the templates, the splits, the planted duplicates."""

import importlib.util
import json
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "data" / "offline" / "dialogues"
SPLITS = ("train", "validation", "test")
MARK = "__eou__"
# Words whose first letter misleads about "a" and "an", written down apart from the rule in grammar.py.
AN_ALTHOUGH_CONSONANT = {"hour", "hours", "honest", "honour", "heir"}
A_ALTHOUGH_VOWEL = {"one", "once", "useful", "uniform", "unit"}
# Questions for a thing: their answer has to name one.
ASKS = r"\b(what|where|when|who|whose|which|how (?:many|much|old|far|long))\b"
# The mender's first question, which the next section answers: a test looks at the plans instead.
AT_THE_SEAM = "wrong with the|the matter with it|what does it do"


@pytest.fixture(scope="module")
def generator():
    """The generator, imported by path; the prose's modules that it brings are removed again."""
    before, path = set(sys.modules), list(sys.path)
    spec = importlib.util.spec_from_file_location("dialogue_generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name in ("grammar", "world"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def world(generator):
    return generator.World()


@pytest.fixture(scope="module")
def built(generator):
    return generator.build()


@pytest.fixture(scope="module")
def lines():
    return {s: (FOLDER / f"dialogues_{s}.txt").read_text(encoding="ascii").splitlines() for s in SPLITS}


@pytest.fixture(scope="module")
def stats():
    return json.loads((FOLDER / "stats.json").read_text())


def turns_of(line):
    return [t.strip() for t in line.split(MARK)[:-1]]


def words_of(text):
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.replace(MARK, " ").lower())


def templates(world):
    """Every template of a topic, as (topic, section, list of "A: ..." turns)."""
    for topic in world.topics:
        for name, options in topic.sections.items():
            for option in options:
                yield topic, name, [p.strip() for p in option.lstrip("~").split(" / ")]


@pytest.mark.parametrize("name", [f"dialogues_{s}.txt" for s in SPLITS] + ["stats.json"])
def test_files_are_reproduced_byte_for_byte(built, name):
    assert (FOLDER / name).read_bytes() == built[name].encode("ascii")


def test_size_and_counts(lines):
    assert sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file() and f.suffix != ".pyc") < 1_500_000
    assert len(lines["train"]) == 1100
    assert len(lines["validation"]) == len(lines["test"]) == 120


def test_stats_match_the_files(lines, stats, world):
    for split in SPLITS:
        told, text = stats[split], "\n".join(lines[split])
        turns = text.count(MARK)
        assert told["bytes"] == (FOLDER / f"dialogues_{split}.txt").stat().st_size
        assert told["dialogues"] == len(lines[split]) == sum(told["dialogues_of_each_topic"].values())
        assert told["turns"] == turns
        assert told["words"] == len(words_of(text))
        assert told["distinct_words"] == len(set(words_of(text)))
        assert told["turns_per_dialogue"] == round(turns / len(lines[split]), 2)
        assert told["words_per_turn"] == round(told["words"] / turns, 2)
        assert set(told["dialogues_of_each_topic"]) == {t.name for t in world.topics}
    assert len(world.topics) >= 8
    assert min(stats["train"]["dialogues_of_each_topic"].values()) >= 30


def test_readme_gives_the_numbers_of_stats(stats):
    readme = (FOLDER / "README.md").read_text(encoding="ascii")
    for s in SPLITS:
        d = stats[s]
        row = [f"`dialogues_{s}.txt`", f"{d['bytes']:,}", f"{d['dialogues']:,}", f"{d['turns']:,}"]
        row += [f"{d['turns_per_dialogue']:.2f}", f"{d['words']:,}", f"{d['words_per_turn']:.2f}"]
        row += [f"{d['distinct_words']:,}", f"{100 * d['words_known_from_prose']:.2f} %"]
        assert "| " + " | ".join(row) + " |" in readme, s
    planted = stats["planted_duplicates"]
    assert f"| repeats inside train | {planted['repeats_inside_train']} |" in readme
    assert f"| train dialogues in validation | {planted['train_and_validation']} |" in readme
    assert f"| train dialogues in test | {planted['train_and_test']} |" in readme
    for topic in stats["train"]["dialogues_of_each_topic"]:
        assert f"`{topic}`" in readme


def test_words_are_mostly_those_of_the_prose(lines, stats):
    known = set(words_of((FOLDER.parent / "prose" / "train.txt").read_text(encoding="utf-8")))
    for split in SPLITS:
        words = words_of("\n".join(lines[split]))
        share = round(sum(w in known for w in words) / len(words), 4)
        assert share == stats[split]["words_known_from_prose"] and share > 0.93


@pytest.mark.parametrize("split", SPLITS)
def test_shape_of_a_line(lines, split):
    for line in lines[split]:
        assert line.endswith(f" {MARK}") and line == line.strip() and "  " not in line
        turns = turns_of(line)
        assert line == "".join(f"{t} {MARK} " for t in turns).rstrip()
        assert 2 <= len(turns) <= 12
        for turn in turns:
            assert re.match(r"[A-Z]", turn) and re.search(r" [.?!]$", turn), line
        assert not turns[-1].endswith("?"), line


@pytest.mark.parametrize("split", SPLITS)
def test_lengths(lines, split):
    counts = [len(turns_of(line)) for line in lines[split]]
    assert 6.5 <= sum(counts) / len(counts) <= 8.5
    assert min(counts) <= 3 and max(counts) == 12
    lengths = [len(words_of(t)) for line in lines[split] for t in turns_of(line)]
    assert max(lengths) <= 24 and min(lengths) >= 1
    assert sum(2 <= n <= 18 for n in lengths) / len(lengths) > 0.95
    assert sum(4 <= n <= 18 for n in lengths) / len(lengths) > 0.7


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "pattern",
    [
        r"[{}<>\[\]|~#@*^/\\\"0-9]",  # marks of the templates, and digits
        r"[^\x20-\x7e\n]",
        r"[^ ][.,;:?!]|[.,;:?!][^ \n]",  # a space on both sides of a mark
        r"[.,;:?!] [.,;:?!]",
        r"[.?!] [a-z]",
        r", (?:Very|Good|Fine|All right|Forgive|Certainly|Of course|Oh|Thank|Many|Not at)\b",
        r"(?i)\b([a-z]+) \1\b",
        r"\bone coins\b|\bone (?:hours|weeks|days|pounds)\b",
        r"(?i)\b(?:he|she|it) (?:are|have)\b",
        r"__A|\b[AB] :",
    ],
)
def test_nothing_is_left_of_the_machinery(lines, split, pattern):
    text = "\n".join(line.replace(f" {MARK}", "") for line in lines[split])
    found = re.search(pattern, text)
    assert found is None, text[max(0, found.start() - 40): found.end() + 40]


@pytest.mark.parametrize("split", SPLITS)
def test_articles(lines, split):
    for article, word in re.findall(r"\b([Aa]n?) ([A-Za-z]+)", "\n".join(lines[split])):
        word = word.lower()
        vowel = (word[0] in "aeiou" and word not in A_ALTHOUGH_VOWEL) or word in AN_ALTHOUGH_CONSONANT
        assert article.lower() == ("an" if vowel else "a"), f"{article} {word}"


def test_planted_duplicates_and_no_others(lines, stats):
    planted, sets = stats["planted_duplicates"], {s: set(lines[s]) for s in SPLITS}
    assert max(Counter(lines["train"]).values()) == 2
    assert len(lines["train"]) - len(sets["train"]) == planted["repeats_inside_train"] > 0
    assert len(sets["train"] & sets["validation"]) == planted["train_and_validation"] > 0
    assert len(sets["train"] & sets["test"]) == planted["train_and_test"] > 0
    assert len(sets["validation"]) == len(lines["validation"])
    assert len(sets["test"]) == len(lines["test"])
    assert not sets["validation"] & sets["test"]


def test_what_is_held_out_is_not_in_train(lines, world):
    held = [w[1:] for words in world.lists.values() for w in words if w.startswith("~")]
    for group in world.records.values():
        for key, record in group.items():
            if key.startswith("~"):
                held += [record[f] for f in ("thing", "will", "mine", "part") if f in record]
    held += [o[1:] for options in world.sections.values() for o in options if o.startswith("~")]
    assert len(held) > 80
    text = {s: "\n".join(lines[s]).replace(" , ", ", ").lower() for s in SPLITS}
    assert [w for w in held if re.search(rf"\b{re.escape(w.lower())}\b", text["train"])] == []
    for split in ("validation", "test"):
        assert sum(w.lower() in text[split] for w in held) > len(held) / 3


def test_sections_alternate_and_plans_know_them(world):
    for topic, name, pieces in templates(world):
        speakers = [p[0] for p in pieces]
        assert all(re.match(r"[AB]: \S", p) for p in pieces), (topic.name, name, pieces)
        assert all(a != b for a, b in pairwise(speakers)), (topic.name, name, pieces)
    for topic in world.topics:
        steps = {s.lstrip("?") for plan in topic.plans for s in plan.split()}
        assert steps == set(topic.sections), topic.name


def test_every_question_for_a_thing_is_answered(world):
    """In its own template, by the other speaker, with something the dialogue remembers or chooses."""
    asked = 0
    for topic, name, pieces in templates(world):
        for number, piece in enumerate(pieces):
            question = re.split(r"[.!] ", piece[3:])[-1]
            if not question.endswith("?") or not re.search(ASKS, question, re.IGNORECASE) or re.search(AT_THE_SEAM, question):
                continue
            asked += 1
            assert number + 1 < len(pieces), (topic.name, name, piece)
            if "?" in pieces[number + 1] and "{" not in pieces[number + 1]:
                continue  # asked back: the answer comes after that
            assert re.search(r"\{[^#]|\[", pieces[number + 1]) or "none yet" in pieces[number + 1], (topic.name, name, pieces)
    assert asked > 150
    repair = next(t for t in world.topics if t.name == "repair")
    assert all("fault" in plan.split()[1] for plan in repair.plans if plan.split()[0] == "hello")


def test_dialogues_remember(lines):
    """Names, numbers, days, colours and things of an early turn come back in a later one."""
    usual = Counter(w for line in lines["train"] for w in set(words_of(line)))
    again = 0
    for line in lines["train"]:
        earlier, back = set(), False
        for turn in turns_of(line):
            rare = {w for w in words_of(turn) if usual[w] < 0.15 * len(lines["train"])}
            back = back or bool(rare & earlier)
            earlier |= rare
        again += back
    assert again / len(lines["train"]) > 0.9


def test_sums_are_right(lines, generator):
    number = {w: n for n, w in enumerate(generator.NUMBERS)}
    found = 0
    for line in lines["train"]:
        for price, rest in re.findall(r"(\w+) from twenty leaves (\w+) \.", line):
            found += 1
            assert number[price.lower()] + number[rest] == 20, line
        for first, second, total in re.findall(r"(\w+) for the \w+ and (\w+) for the \w+ , (?:that makes|so) (\w+)", line):
            found += 1
            assert number[first.lower()] + number[second] == number[total], line
    assert found > 15


def test_lists_have_no_entry_twice_and_names_are_the_prose_s(world):
    for name, words in world.lists.items():
        bare = [w.lstrip("~") for w in words]
        assert len(set(bare)) == len(bare), name
    assert {"Anna", "~Beatrix"} <= set(world.lists["girl"])
