"""Write train.txt, valid.txt and stats.json, or check that they can be written again.

    python data/offline/prose/generate.py            write the files
    python data/offline/prose/generate.py --check    compare them byte for byte
    python data/offline/prose/generate.py --show 3 [--kind clock] [--valid]

The stories are drawn from the grammar in the text files beside this one.
"""

import argparse
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grammar import Chooser, Story  # noqa: E402
from world import World, write_or_check  # noqa: E402

SEED = 1729
SIZES = {"train": 1_400_000, "valid": 130_000}  # bytes after which no new story begins
HELD_KIND_SHARE = 0.12  # how often valid.txt tells a kind of story that training never tells
BETWEEN = "\n\n\n"


def next_kind(chooser, world, held_out, last):
    """Choose the kind of the next story; the same kind never comes twice in a row."""
    kinds = world.kinds
    if held_out and chooser.chance(HELD_KIND_SHARE):
        kinds = world.held_kinds
    return chooser.pick([k for k in kinds if k is not last])


def write(name, world):
    """Give the text of a file, its number of stories and the bits of all its choices."""
    held_out = name == "valid"
    chooser = Chooser(f"{SEED} {name}")
    stories, size, last, kinds = [], 0, None, {}
    while size < SIZES[name]:
        last = next_kind(chooser, world, held_out, last)
        kinds[last.name] = kinds.get(last.name, 0) + 1
        stories.append(Story(chooser, world, last, held_out).tell())
        size += len((stories[-1] + BETWEEN).encode())
    return BETWEEN.join(stories) + "\n", chooser.bits, kinds


def words_of(text):
    """The words of a text, in small letters."""
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def sentences_of(text):
    """The sentences of a text that have at least eight words."""
    pieces = re.split(r'(?<=[.!?])"? |\n+', text)
    return [p.strip(' "') for p in pieces if len(words_of(p)) >= 8]


def figures(text, bits, kinds):
    """The numbers that README.md and stats.json report about one file."""
    size = len(text.encode())
    return {
        "bytes": size,
        "words": len(words_of(text)),
        "distinct_words": len(set(words_of(text))),
        "stories": sum(kinds.values()),
        "stories_of_each_kind": dict(sorted(kinds.items())),
        "bits_of_all_choices": round(bits, 1),
        "bits_per_byte": round(bits / size, 4),
    }


def build():
    """Make all three files in memory, as a dictionary from file name to text."""
    world = World()
    texts, stats = {}, {"seed": SEED}
    for name in SIZES:
        texts[name], bits, kinds = write(name, world)
        stats[name] = figures(texts[name], bits, kinds)
    seen_words = set(words_of(texts["train"]))
    seen_sentences = set(sentences_of(texts["train"]))
    valid_words, valid_sentences = words_of(texts["valid"]), sentences_of(texts["valid"])
    stats["valid_words_known_from_train"] = round(
        sum(w in seen_words for w in valid_words) / len(valid_words), 4
    )
    stats["valid_sentences_found_in_train"] = round(
        sum(s in seen_sentences for s in valid_sentences) / len(valid_sentences), 4
    )
    return {
        "train.txt": texts["train"],
        "valid.txt": texts["valid"],
        "stats.json": json.dumps(stats, indent=2) + "\n",
    }


def show(count, kind_name, held_out, seed):
    """Print a few new stories, to read them."""
    world, chooser, last = World(), Chooser(seed), None
    for _ in range(count):
        if kind_name:
            last = next(k for k in world.kinds + world.held_kinds if k.name == kind_name)
        else:
            last = next_kind(chooser, world, held_out, last)
        before = chooser.bits
        text = Story(chooser, world, last, held_out).tell()
        rate = (chooser.bits - before) / len(text.encode())
        print(f"{text}\n\n({last.name}, {rate:.2f} bits per byte)\n\n")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N stories")
    parser.add_argument("--kind", help="with --show: only this kind")
    parser.add_argument("--valid", action="store_true", help="with --show: held-out grammar")
    parser.add_argument("--seed", default="show", help="with --show: another seed")
    args = parser.parse_args()
    if args.show:
        return show(args.show, args.kind, args.valid, args.seed)
    write_or_check(HERE, build(), args.check)


if __name__ == "__main__":
    main()
