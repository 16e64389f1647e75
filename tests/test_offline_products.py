"""Checks of the offline products: the files, the layout and the dirt of the records, the answers, the splits, the text for pre-training."""

import html
import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "data" / "offline" / "products"
FILES = ("trn.json", "qa.jsonl", "fifteen.json")
SIZE = 1_500_000  # of the text for pre-training, the beginning is looked at
IRREGULAR = {"hour", "hours", "honest", "one", "once", "useful"}  # words whose first letter misleads about "a" and "an"


def clean(raw):
    """Entities first, then tags, as the issue asks, then spaces; without the code of the generator."""
    return re.sub(r"\s+", " ", re.sub(r"</?[a-z]+ ?/?>", "", html.unescape(raw))).strip()


def lines_of(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


once = pytest.fixture(scope="module")
records, qa = once(lambda: lines_of("trn.json")), once(lambda: lines_of("qa.jsonl"))
fifteen, stats = (once(lambda name=name: json.loads((FOLDER / name).read_text(encoding="utf-8"))) for name in ("fifteen.json", "stats.json"))


def stands(value, text):
    """How often a value stands in a text as words of its own."""
    return len(re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", text))


@once
def generator():
    """The generator, imported by path; the modules that it brings are removed again."""
    before, path = set(sys.modules), list(sys.path)
    spec = importlib.util.spec_from_file_location("products_generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in (set(sys.modules) - before) & {"grammar", "world", "product", "corpus"}:
        del sys.modules[name]


@once
def pretrained(generator):
    """(text, its documents by sort)."""
    return generator.pretrain(SIZE)


@once
def pretrain(pretrained):
    return pretrained[0]


@once
def built(generator):
    return generator.build()


@once
def usable(records):
    """Title and content by uid, as a careful reader keeps them: none empty, of equal ones the first."""
    kept = {}
    for r in records:
        pair = clean(r["title"]), clean(r["content"])
        if all(pair) and pair not in kept.values():
            assert r["uid"] not in kept
            kept[r["uid"]] = pair
    return kept


@pytest.mark.parametrize("name", [*FILES, "stats.json"])
def test_files_are_reproduced_byte_for_byte(built, name):
    assert (FOLDER / name).read_bytes() == built[name].encode()


def test_layout_of_the_records_and_their_uids(records, usable):
    for r in records:
        assert list(r) == ["uid", "title", "content", "target_ind", "target_rel"]
        assert re.fullmatch(r"[0B]\d{9}", r["uid"]) and isinstance(r["title"], str) and isinstance(r["content"], str)
        assert r["target_ind"] == sorted(set(r["target_ind"])) and r["target_rel"] == [1.0] * len(r["target_ind"])
    assert any(r["target_ind"] for r in records) and not all(r["target_ind"] for r in records)
    twice = [uid for uid, n in Counter(r["uid"] for r in records).items() if n > 1]
    assert len(twice) == 1 and twice[0] in usable
    assert sorted(bool(clean(r["title"]) and clean(r["content"])) for r in records if r["uid"] == twice[0]) == [False, True]


def test_usable_products(usable, records, stats, generator):
    assert stats["records"] == len(records) == 930 and stats["usable"] == len(usable) == 900
    assert stats["books"] == sum(uid.startswith("0") for uid in usable) >= 75
    kinds = generator.Grammar().kinds
    assert stats["kinds"] == len(kinds) >= 24
    for kind in kinds:
        nouns = [n.strip() for n in re.split(r"[\[\]|]", kind.noun) if n.strip()][0 if kind.noun.endswith("]") else -1:]
        assert sum(any(stands(n, content.lower()) for n in nouns) for _, content in usable.values()) >= 7, kind.name
        assert len(kind.values) >= 6 and len(kind.remarks) >= 4
    for title, content in usable.values():
        assert 80 <= len(content) <= 370 and 2 <= len(re.findall(r"[.!]\"?(?= |$)", content)) <= 7, content
        assert title == title.strip() and "<" not in title


def test_dirt_is_counted(records, usable, stats):
    both, told = [r["title"] + "\n" + r["content"] for r in records], dict(stats["dirt"])
    for mark in ("&#8217;", "&#8211;", "&amp;", "&quot;", "&lt;", "&nbsp;", "<p>", "<br />", "<b>"):
        assert told.pop(f"with {mark}") == sum(mark in text for text in both) >= (mark == "&nbsp;" or 10), mark
    assert told.pop("with an escaped tag") == sum("&lt;br /&gt;" in text for text in both) >= 5
    assert told.pop("with &#8211; inside a number range") == sum(re.search(r"\d&#8211;\d", text) is not None for text in both) >= 10
    untidy = sum(any(r[k] != r[k].strip() or re.search(r"\s\s|[\n\t]", r[k]) for k in ("title", "content")) for r in records)
    assert told.pop("with needless spaces or line ends") == untidy >= 50
    assert [told.pop(f"empty {k}") for k in ("title", "content")] == [sum(not clean(r[k]) for r in records) for k in ("title", "content")] == [8, 9]
    full = [(r["title"], r["content"]) for r in records if clean(r["title"]) and clean(r["content"])]
    assert told.pop("exact duplicate") == len(full) - len(set(full)) == 8 and told.pop("duplicate once cleaned") == len(set(full)) - len(usable) == 5
    titles = Counter(title for title, _ in usable.values())
    assert told.pop("title shared with another content") == sum(n for n in titles.values() if n > 1) == 12
    assert told == {"uid of another record": 1} and len({r["uid"] for r in records}) == len(records) - 1


def test_entities_come_before_tags(records):
    """Who removes the tags first keeps some; a genuine < is no tag and has no > after it."""
    assert sum("<br />" in html.unescape(re.sub(r"<[^>]+>", "", r["content"])) for r in records) >= 5
    genuine = [html.unescape(r["content"]) for r in records if "< " in html.unescape(r["content"])]
    assert len(genuine) >= 5 and not any(">" in text.partition("< ")[2] for text in genuine)


def test_every_answer_stands_once_in_the_content(usable, qa, fifteen, generator):
    assert len(qa) == 4500 and len(fifteen) == 15
    for q in qa + fifteen:
        assert stands(q["answer"], usable[q["uid"]][1]) == 1 and not stands(q["answer"], q["question"]), (q, usable[q["uid"]])
        assert re.fullmatch(r"[A-Z][^?]*\?|Tell me [^?]*\.", q["question"]), q
    for uid in usable:
        own = [q for q in qa + fifteen if q["uid"] == uid]
        assert len(own) - (uid in [q["uid"] for q in fifteen]) == 5 and len({q["question"] for q in own}) == len({q["answer"] for q in own}) == len(own)
    assert all(len(set(fields["ask"])) >= 3 for fields in generator.Grammar().attributes.values())
    assert sum("\u2013" in q["answer"] for q in qa) >= 10 and sum("&" in q["answer"] for q in qa) >= 10


def test_splits(qa, fifteen, usable, stats):
    split = {name: [q for q in qa if q["split"] == name] for name in ("train", "seen", "unseen")}
    assert stats["questions"] == {name: len(part) for name, part in split.items()} == {"train": 4140, "seen": 60, "unseen": 300}
    uids = {name: {q["uid"] for q in part} for name, part in split.items()}
    assert len(uids["train"]) == 840 and len(uids["unseen"]) == 60 and not uids["train"] & uids["unseen"]
    assert uids["train"] | uids["unseen"] == set(usable) and len(uids["seen"]) == 60 and uids["seen"] <= uids["train"]
    assert not {usable[u] for u in uids["train"]} & {usable[u] for u in uids["unseen"]}
    train = {(q["uid"], q[k]) for q in split["train"] for k in ("question", "answer")}
    assert not any((q["uid"], q[k]) in train for q in split["seen"] + fifteen for k in ("question", "answer"))
    assert {q["uid"] for q in fifteen} <= uids["train"] - uids["seen"] and len({q["uid"] for q in fifteen}) == 15


def test_no_attribute_is_asked_much_more_than_others(qa):
    train = [q["answer"] for q in qa if q["split"] == "train"]
    prices, widths = (sum(bool(re.search(end, answer)) for answer in train) for end in (" pounds$", r"\d c?m$"))
    assert prices < 0.09 * len(train) and prices < widths  # the order of a product's attributes alone would give 0.13


def test_the_fifteen_ask_what_a_shop_is_asked(fifteen):
    assert sum(q["uid"].startswith("0") for q in fifteen) >= 5 and all(list(q) == ["uid", "question", "answer"] for q in fifteen)
    for pattern in (" cm| m$", "[Cc]olour", "material|made of", "wrote|author", " pages$", " pounds$", " k?g$", " years$"):
        assert any(re.search(pattern, q["question"]) or re.search(pattern, q["answer"]) for q in fifteen), pattern


def test_rare_values_are_met_nowhere_else(qa, usable, pretrain, stats):
    rare = [q for q in qa if "rare" in q]
    assert stats["rare"] == len(rare) == len({q["answer"] for q in rare}) >= 36 and {q["split"] for q in rare} == {"unseen"}
    others = "\n".join(q["question"] + " " + q["answer"] for q in qa if "rare" not in q)
    words = set(re.findall(r"\w+", pretrain + others))
    for q in rare:
        assert q["rare"] is True and stands(q["answer"], others) == 0
        assert not any(stands(q["answer"], content) for uid, (_, content) in usable.items() if uid != q["uid"]), q
        assert set(re.findall(r"[A-Za-z]{3,}", q["answer"])) - words, q


def test_pretrain_knows_every_other_value_and_no_question(qa, fifteen, usable, pretrain, generator):
    assert "?" not in pretrain and SIZE <= len(pretrain.encode()) <= SIZE + 2_000
    words = set(re.findall(r"[\w\u2013]+", pretrain))
    assert {w for q in qa + fifteen if "rare" not in q for w in re.findall(r"[\w\u2013]+", q["answer"])} - words == set()
    values = {v for k in generator.Grammar().kinds for options in k.values.values() for v in options if not re.search("[~{]", v)}
    assert len(values) > 400 and [v for v in values if not any(f" {v}{end}" in pretrain for end in " ,.;")] == []
    lines = set(pretrain.replace("\u2019", "'").replace("\u2013", "-").splitlines())
    for pair in usable.values():
        title, content = (text.replace("\u2019", "'").replace("\u2013", "-") for text in pair)
        assert not {title, *(content[: m.start() + 1] for m in re.finditer(r"[.!](?= |$)", content) if m.start() > 60)} & lines


def test_pretrain_says_things_twice(pretrain, pretrained):
    documents = pretrain.removesuffix("\n").split("\n\n\n")
    assert len(documents) == len(set(documents)) == sum(pretrained[1].values())
    aloud = [d for d in documents if " read the list aloud: " in d]
    assert len(aloud) > 50 and all(re.search(r"aloud: (.+)\. Nobody had listened, so \w+ read it again: \1\.", d) for d in aloud)
    colours = [re.match(r"An? (red|blue|green|black|white|dark blue) [a-z]", d) for d in documents]
    assert sum(d.count(m[1]) > 1 for d, m in zip(documents, colours, strict=True) if m) > 0.6 * sum(m is not None for m in colours) > 40


@pytest.mark.parametrize("pattern", [r"[{}\[\]|~#*^\\_+]", r" [.,;:!?]", r"[^ \n]  ", r"(?<!\w)(?<!\d )\b([a-z]{2,}) \1\b", r"(?<![A-Z])\. [a-z]",
                                     r"\b(?:[Ii]t|[Hh]e|[Ss]he) (?:are|have|weigh)\b|\b[Tt]hey (?:is|has|weighs|costs)\b"])
def test_nothing_is_left_of_the_machinery(usable, qa, pretrain, pattern):
    text = "\n".join([pretrain, *(f"{t}\n{c}" for t, c in usable.values()), *(q["question"] for q in qa)])
    assert [text[max(0, m.start() - 60): m.end() + 40] for m in re.finditer(pattern, text)] == []
    for article, word in re.findall(r"\b([Aa]n?) \"?([A-Za-z]+)", text):
        assert article.lower() == ("an" if (word[0] in "aeiouAEIOU") != (word.lower() in IRREGULAR) else "a"), f"{article} {word}"


def test_readme_gives_the_numbers_of_stats(stats):
    readme = (FOLDER / "README.md").read_text(encoding="ascii")
    for name in FILES:
        assert stats["bytes"][name] == (FOLDER / name).stat().st_size
        assert re.search(rf"\| `{re.escape(name)}` \| {stats['bytes'][name]:,} \|", readme), name
    for name, n in (stats["dirt"] | stats["questions"]).items():
        assert f"| {name} | {n:,} |" in readme.replace("`", ""), name
    assert all(f"**{stats[name]}** {name}" in readme for name in ("records", "usable", "kinds", "books", "rare"))
    assert sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file() and f.suffix != ".pyc") < 1_200_000
