"""Write the works, anos.txt and stats.json, or check that they can be written again.

    python data/offline/machado/generate.py            write the files
    python data/offline/machado/generate.py --check    compare them byte for byte
    python data/offline/machado/generate.py --show romance/segundaValsa

The works are put together from the templates in the files *.tpl beside this one.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "prose")]

from grammar import Chooser
from work import Work, World
from world import write_or_check

SEED = 1839  # the year of Machado de Assis's birth
RUN = 12  # words


def words_of(text):
    """The words of a text, in small letters, without numbers and marks."""
    return re.findall(r"[a-zà-ÿ]+(?:[-’][a-zà-ÿ]+)*", text.lower())


def runs_of(text, length=RUN):
    """All runs of so many words in a text."""
    words = words_of(text)
    return [tuple(words[i:i + length]) for i in range(len(words) - length + 1)]


def share_of_last_tenth(genre, sizes):
    """Which share of the last tenth of all bytes is of a genre, the files in alphabetical order."""
    tenth = left = sum(sizes.values()) / 10
    found = 0
    for name in sorted(sizes, reverse=True):
        part = min(left, sizes[name])
        found, left = found + part * name.startswith(f"{genre}/"), left - part
    return found / tenth


def figures(texts, bits):
    """The numbers that README.md reports."""
    words = [w for text in texts.values() for w in words_of(text)]
    counts, runs = Counter(words), Counter(run for text in texts.values() for run in runs_of(text))
    size = {name: len(text.encode()) for name, text in texts.items()}
    genres = sorted({name.split("/")[0] for name in texts})
    return {
        "seed": SEED,
        "bytes": sum(size.values()),
        "words": len(words),
        "distinct_words": len(counts),
        "words_that_occur_once": sum(n == 1 for n in counts.values()),
        "works": len(texts),
        "works_of_each_genre": {g: sum(name.startswith(g + "/") for name in texts) for g in genres},
        "bytes_of_each_genre": {g: sum(n for name, n in size.items() if name.startswith(g + "/")) for g in genres},
        "last_tenth_that_is_traducao": round(share_of_last_tenth("traducao", size), 4),
        "runs_of_12_words_that_repeat": round(sum(n for n in runs.values() if n > 1) / runs.total(), 4),
        "most_often_a_run_occurs": max(runs.values()),
        "bits_of_all_choices": round(bits, 1),
        "bits_per_byte": round(bits / sum(size.values()), 4),
    }


def build():
    """Make all files in memory, as a dictionary from file name to text."""
    world, chooser = World(), Chooser(SEED)
    texts = {f"{name}.txt": Work(chooser, world, name).write() for name in sorted(world.works)}
    years = "".join(f"{name.split('/')[1]} {work['ano']}\n" for name, work in world.works.items())
    return {**texts, "anos.txt": years, "stats.json": json.dumps(figures(texts, chooser.bits), indent=2) + "\n"}


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--show", metavar="WORK", help="print one work, as genre/name")
    args = parser.parse_args()
    files = build()
    if args.show:
        return print(files[f"{args.show}.txt"])
    for name in files:
        (HERE / name).parent.mkdir(exist_ok=True)
    write_or_check(HERE, files, args.check)


if __name__ == "__main__":
    main()
