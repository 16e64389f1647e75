"""Write the three files of articles, raw and with <unk>, and stats.json, or check that they can be written again.

    python data/offline/articles/generate.py            write the files
    python data/offline/articles/generate.py --check    compare them byte for byte
    python data/offline/articles/generate.py --show 3 [--kind bridge] [--held] [--seed 7]

The articles are drawn from the text files beside this one, with the engine,
the names and some word lists of the offline prose (../prose). The layout is
that of WikiText.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "prose"
sys.path[:0] = [str(HERE), str(PROSE)]

from article import CODES, Article, World
from grammar import Chooser
from world import write_or_check

SEED = 1729
SIZES = {"train": 430_000, "valid": 50_000, "test": 50_000}  # bytes after which no new article begins
HELD_KIND_SHARE = 0.15  # how often valid and test are about a kind of thing that train never describes
UNK, OFTEN = "<unk>", 3  # a word that train.txt has fewer than OFTEN times is UNK


def write(name, world, seen):
    """Give the text of a file, the bits of all its choices and the kind of each article; no title comes twice."""
    held_out, world.codes = name != "train", CODES
    chooser, last, kinds, text = Chooser(f"{SEED} {name}"), None, [], ""
    while len(text) < SIZES[name]:
        special = held_out and chooser.chance(HELD_KIND_SHARE)
        last = chooser.pick([k for k in (world.held_kinds if special else world.kinds) if k is not last])
        while True:
            before, codes = chooser.bits, world.codes
            title, lines = Article(chooser, world, last, held_out).write()
            if title not in seen:
                break
            chooser.bits, world.codes = before, codes
        seen.add(title)
        kinds.append(last.name)
        text += "".join(f" {line} \n" if line else " \n" for line in lines)
    return text + " \n", chooser.bits, kinds


def with_unk(text, vocabulary):
    """Replace the words outside a vocabulary."""
    return re.sub(r"[^ \n]+", lambda m: m[0] if m[0] in vocabulary else UNK, text)


def words_of(text):
    """The words of a text, in small letters, without numbers and marks."""
    return re.findall(r"[a-z]+", text.replace(" 's", "").lower())


def sentences_of(text):
    """The sentences of a text that have at least eight words."""
    pieces = [p.strip() for p in re.split(r" [.!?] | ?\n ?", text)]
    return [p for p in pieces if len(words_of(p)) >= 8]


def figures(text, unk, bits, kinds, known, sentences):
    """The numbers that README.md and stats.json report about one file."""
    tokens, lines, words = text.split(), text.splitlines(), words_of(text)
    return {
        "bytes": len(text),
        "articles": len(kinds),
        "tokens": len(tokens),
        "distinct_tokens": len(set(tokens)),
        "blank_line_share": round(sum(not line.strip() for line in lines) / len(lines), 4),
        "unk_bytes": len(unk),
        "unk_share": round(unk.split().count(UNK) / len(tokens), 4),
        "words_known_from_prose": round(sum(w in known for w in words) / len(words), 4),
        "sentences_found_in_train": round(sum(s in sentences for s in sentences_of(text)) / len(sentences_of(text)), 4),
        "bits_of_all_choices": round(bits, 1),
        "bits_per_byte": round(bits / len(text), 4),
        "articles_of_each_kind": dict(sorted(Counter(kinds).items())),
    }


def build():
    """Make all files in memory, as a dictionary from file name to text."""
    world, seen = World(), set()
    drawn = {name: write(name, world, seen) for name in SIZES}
    train = drawn["train"][0]
    vocabulary = {w for w, n in Counter(train.split()).items() if n >= OFTEN}
    known = set(words_of((PROSE / "train.txt").read_text(encoding="utf-8")))
    files, stats = {}, {"seed": SEED, "vocabulary": len(vocabulary)}
    for name, (text, bits, kinds) in drawn.items():
        files[f"{name}.txt"], files[f"{name}.unk.txt"] = text, with_unk(text, vocabulary)
        stats[name] = figures(text, files[f"{name}.unk.txt"], bits, kinds, known, set(sentences_of(train)))
    files["stats.json"] = json.dumps(stats, indent=2) + "\n"
    return files


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N articles")
    parser.add_argument("--kind", help="with --show: only this kind")
    parser.add_argument("--held", action="store_true", help="with --show: held-out names and wordings too")
    parser.add_argument("--seed", default="show", help="with --show: another seed")
    args = parser.parse_args()
    if not args.show:
        return write_or_check(HERE, build(), args.check)
    world, chooser = World(), Chooser(args.seed)
    kinds = [k for k in world.kinds + world.held_kinds if args.kind in (None, k.name)]
    for _ in range(args.show):
        print(*Article(chooser, world, chooser.pick(kinds), args.held).write()[1], sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
