"""Checks of the offline articles: the files, the layout of WikiText, <unk>, the splits, what is held out."""

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "data" / "offline" / "articles"
SPLITS = ("train", "valid", "test")
HELD_SPLITS = SPLITS[1:]
HEADING = re.compile(r" ((?:= ){1,3})([^=\n]+) ((?:= ){1,3})")
# Words whose first letter misleads about "a" and "an", written down apart from the rule in grammar.py.
AN_ALTHOUGH_CONSONANT = {"hour", "hours", "honest", "honour", "heir"}
A_ALTHOUGH_VOWEL = {"one", "once", "useful", "uniform", "unit"}


@pytest.fixture(scope="module")
def generator():
    """The generator, imported by path; the modules that it brings are removed again."""
    before, path = set(sys.modules), list(sys.path)
    spec = importlib.util.spec_from_file_location("article_generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name in ("grammar", "world", "article"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def world(generator):
    return generator.World()


@pytest.fixture(scope="module")
def built(generator):
    return generator.build()


@pytest.fixture(scope="module")
def texts():
    return {s: (FOLDER / f"{s}.txt").read_text(encoding="ascii") for s in SPLITS}


@pytest.fixture(scope="module")
def stats():
    return json.loads((FOLDER / "stats.json").read_text())


def articles(text):
    """Title and text of each article, as a careful reader splits the file: a title has one = at each end."""
    parts = re.split(r"(?m)^ = ([^=\n]+) = \n", text)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def words_of(text):
    return re.findall(r"[a-z]+", text.replace(" 's", "").lower())


def sentences_of(text):
    return [s for s in (p.strip() for p in re.split(r" [.!?] | ?\n ?", text)) if len(words_of(s)) >= 8]


@pytest.mark.parametrize("name", [f"{s}{u}.txt" for s in SPLITS for u in ("", ".unk")] + ["stats.json"])
def test_files_are_reproduced_byte_for_byte(built, name):
    assert (FOLDER / name).read_bytes() == built[name].encode("ascii")


def test_sizes(texts):
    assert 400_000 <= len(texts["train"]) <= 460_000
    assert all(45_000 <= len(texts[s]) <= 60_000 for s in HELD_SPLITS)
    assert sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file() and f.suffix != ".pyc") < 1_300_000
    lengths = [len(body) for _, body in articles(texts["train"])]
    assert 150 <= len(lengths) <= 260 and 1500 < sum(lengths) / len(lengths) < 3500 and min(lengths) > 900


@pytest.mark.parametrize("split", SPLITS)
def test_layout_of_wikitext(texts, split):
    text = texts[split]
    assert text.startswith(" \n = ") and text.endswith(" . \n \n")
    lines = text.removesuffix("\n").split("\n")
    assert all(line.startswith(" ") and line.endswith(" ") and "  " not in line for line in lines)
    depth = 0
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        heading = HEADING.fullmatch(line)
        if heading:
            assert before == after == " " and heading[1] == heading[3], line
            assert len(heading[1]) // 2 <= depth + 1, line  # a section after a title, a subsection after a section
            depth = len(heading[1]) // 2
        elif line != " ":
            assert re.search(r" [.:] $", line) and re.match(r' (?:[A-Z0-9]|" [A-Z]|= \d)', line), line
        else:
            assert before != " " and after != " ", (before, after)
    for _, body in articles(text):
        headings = [len(m[1]) // 2 for m in map(HEADING.fullmatch, body.split("\n")) if m]
        assert headings.count(1) == 0 and 2 <= headings.count(2) <= 7


@pytest.mark.parametrize("split", SPLITS)
def test_a_line_that_only_begins_like_a_heading(texts, split):
    trap = re.findall(r"(?m)^ = .*(?<! =) $", texts[split])
    assert 1 <= len(trap) <= 2
    assert all(re.fullmatch(r" = (\d) means that the bell rings \1 times .* \. ", line) for line in trap)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "pattern",
    [
        r"[{}<>\[\]|~#*^/\\_+]",  # marks of the templates
        r"[^ \n@][,.;:?!()\"]|[,;:?!()\"][^ @]",  # a space on both sides of a mark
        r"\w-\w|\w's\b",
        r" [.,;:] [.,;:] ",
        r"(?<! ;)(?<!\")(?<!tik) [.?!] \"? ?[a-z]",
        r"(?i)(?<!\d )\b([a-z]+) \1\b",
        r"\ba (?:8|11|18|8\d) |(?<!@ )\b(?:one|1) (?:pupils|pence|years|days|weeks|hours|minutes)\b",
        r"\b(?:[Hh]e|[Ss]he|[Ii]t) (?:are|have)\b|\band (?:He|She) \b",
    ],
)
def test_nothing_is_left_of_the_machinery(texts, split, pattern):
    found = re.search(pattern, texts[split])
    assert found is None, texts[split][max(0, found.start() - 60): found.end() + 40]


@pytest.mark.parametrize("split", SPLITS)
def test_a_and_an(texts, split):
    for article, word in re.findall(r"\b([Aa]n?) (?:\" )?([A-Za-z]+)", texts[split]):
        vowel = (word[0] in "aeiouAEIOU" and word not in A_ALTHOUGH_VOWEL) or word in AN_ALTHOUGH_CONSONANT
        assert article.lower() == ("an" if vowel else "a"), f"{article} {word}"


def test_titles_are_unique_and_no_article_is_in_two_splits(texts):
    every = [pair for s in SPLITS for pair in articles(texts[s])]
    assert len({title for title, _ in every}) == len(every)
    assert len({body for _, body in every}) == len(every)


def test_unk_is_the_raw_text_with_rare_words_replaced(texts, stats):
    counts = Counter(w for line in texts["train"].split("\n") for w in line.split(" ") if w)
    assert sum(n >= 3 for n in counts.values()) == stats["vocabulary"]
    for split in SPLITS:
        unk = (FOLDER / f"{split}.unk.txt").read_text(encoding="ascii").split("\n")
        raw = texts[split].split("\n")
        assert unk == [" ".join(w if not w or counts[w] >= 3 else "<unk>" for w in line.split(" ")) for line in raw]
        assert any("<unk>" in line for line in unk)


def test_stats_match_the_files(texts, stats):
    known = set(words_of((FOLDER.parent / "prose" / "train.txt").read_text(encoding="utf-8")))
    seen = set(sentences_of(texts["train"]))
    for split in SPLITS:
        text, told = texts[split], stats[split]
        unk = (FOLDER / f"{split}.unk.txt").read_text(encoding="ascii")
        words, sentences, lines = words_of(text), sentences_of(text), text.removesuffix("\n").split("\n")
        assert told["bytes"] == len(text) and told["unk_bytes"] == len(unk)
        assert told["articles"] == len(articles(text)) == sum(told["articles_of_each_kind"].values())
        assert told["tokens"] == len(text.split()) and told["distinct_tokens"] == len(set(text.split()))
        assert told["blank_line_share"] == round(lines.count(" ") / len(lines), 4)
        assert told["unk_share"] == round(unk.split().count("<unk>") / len(text.split()), 4)
        assert told["words_known_from_prose"] == round(sum(w in known for w in words) / len(words), 4) > 0.6
        assert told["sentences_found_in_train"] == round(sum(s in seen for s in sentences) / len(sentences), 4)
        assert told["bits_per_byte"] == round(told["bits_of_all_choices"] / told["bytes"], 4)
        assert split == "train" or told["sentences_found_in_train"] < 0.05


def test_readme_gives_the_numbers_of_stats(stats):
    readme = (FOLDER / "README.md").read_text(encoding="ascii")
    for s in SPLITS:
        d = stats[s]
        row = [f"`{s}.txt`"] + [f"{d[k]:,}" for k in ("bytes", "articles", "tokens", "distinct_tokens")]
        row += [f"{100 * d[k]:.2f} %" for k in ("blank_line_share", "unk_share", "words_known_from_prose")]
        assert "| " + " | ".join(row) + " |" in readme, s
        assert f"{d['bits_of_all_choices']:,} bits / {d['bytes']:,} bytes = **{d['bits_per_byte']:.4f} bits per byte**" in readme
    assert f"{stats['vocabulary']:,} words" in readme
    for s in HELD_SPLITS:
        assert f"{100 * stats[s]['sentences_found_in_train']:.2f} %" in readme
    for kind in {k for s in SPLITS for k in stats[s]["articles_of_each_kind"]}:
        assert f"`{kind}`" in readme


def test_what_is_held_out_is_not_in_train(texts, stats, world):
    held = [n[1:] for words in world.lists.values() for n in words if re.fullmatch(r"~[\w' ]+", n)]
    for name in ("town", "harbour", "mountain"):
        for entry in (n for n in world.lists[name] if n.startswith("~")):
            first, last = (part.split("|") for part in re.findall(r"\[([^\]]+)\]", entry))
            held += [a + b for a in first for b in last]
    assert len(held) > 100
    assert [n for n in held if re.search(rf"\b{re.escape(n)}\b", texts["train"].replace(" '", "'"))] == []
    for split in HELD_SPLITS:
        assert sum(n in texts[split].replace(" '", "'") for n in held) > 40
    kinds = {s: set(stats[s]["articles_of_each_kind"]) for s in SPLITS}
    held_kinds = {k.name for k in world.held_kinds}
    assert len(held_kinds) == 2 and len(world.kinds) >= 14
    assert kinds["train"] == {k.name for k in world.kinds}
    assert held_kinds <= kinds["valid"] and held_kinds <= kinds["test"]
