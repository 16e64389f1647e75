"""Write the three files of dialogues and stats.json, or check that they can be written again.

    python data/offline/dialogues/generate.py            write the files
    python data/offline/dialogues/generate.py --check    compare them byte for byte
    python data/offline/dialogues/generate.py --show 3 [--topic soup] [--held]

The dialogues are drawn from the text files beside this one, with the engine,
the names and the habits of the offline prose (../prose).
"""

import argparse
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "prose"
sys.path.insert(0, str(PROSE))

from grammar import Chooser, Story, polish
from world import Kind, read_lists, read_records, write_or_check

SEED = 1729
SIZES = {"train": 1060, "validation": 108, "test": 105}  # before the planted duplicates
PLANTED = {"train": 40, "validation": 12, "test": 15}  # copies of train dialogues, put in on purpose
HELD_SHARE = 0.25  # how often the held-out splits take a name, word or wording that train never uses
OPTIONAL = 0.35  # how often a step marked ? of a plan is taken
MIN_TURNS, MAX_TURNS, MAX_WORDS = 2, 12, 24
MARK = "__eou__"
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]


class World:
    """All that the dialogues are made of; what begins with ~ is held out from train."""

    def __init__(self):
        names = read_lists(PROSE / "names.txt")
        self.lists = read_lists(HERE / "words.txt")
        for group in ("girl", "boy", "surname", "petname"):
            self.lists[group] = names[f"train {group}"] + ["~" + n for n in names[f"valid {group}"]]
        self.records = read_records(HERE / "records.txt")
        shared = Kind(HERE / "shared.txt")
        self.sections, self.lets = shared.sections, shared.lets
        self.topics = [Kind(p) for p in sorted((HERE / "topics").glob("*.txt"))]

    def words(self, name, held_out):
        """A word list; what is held out is sorted out when a word is drawn."""
        return self.lists[name]


class Talk(Story):
    """One dialogue: a story of the prose's engine whose sections are turns of A and B."""

    def choose(self, plain, held):
        """Choose among the options this split may use."""
        if self.held_out and held and (not plain or self.chooser.chance(HELD_SHARE)):
            return self.chooser.pick(held)
        return self.chooser.pick(plain)

    def _person(self, source):
        person = super()._person(source)
        person["surname"] = person[""].split()[-1]
        return person

    def _create(self, source):
        sum_of = re.fullmatch(r"(\w+) ([+-]) (\w+)", source)
        if sum_of:
            left, right = (NUMBERS.index(self.slot(sum_of[i])) for i in (1, 3))
            return {"": NUMBERS[left + right if sum_of[2] == "+" else left - right]}
        if source in self.world.records:
            group = self.world.records[source]
            key = self.draw(source, sorted(group))
            return dict(group.get(key) or group["~" + key])
        return super()._create(source)

    def turns(self):
        """Play one plan of the topic; what a speaker says in two sections at their seam is one turn."""
        said = []
        for step in self.draw("plan", self.kind.plans).split():
            if step.startswith("?"):
                step = step[1:]
                if not self.chooser.chance(OPTIONAL):
                    continue
            for piece in self.section(step).split(" / "):
                speaker, text = re.fullmatch(r"([AB]): (.*)", piece.strip(), re.DOTALL).groups()
                if said and said[-1][0] == speaker:
                    said[-1][1] += " " + text.strip()
                else:
                    said.append([speaker, text.strip()])
        return [spaced(polish(text)) for _, text in said]


def spaced(text):
    """Set a space before every mark, as DailyDialog has it."""
    return " ".join(re.sub(r"([.,?!:;])", r" \1 ", text).split())


def words_of(text):
    """The words of a text, in small letters, the marks of turns left out."""
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.replace(MARK, " ").lower())


def fits(turns):
    """Whether a dialogue is neither too short nor too long."""
    return MIN_TURNS <= len(turns) <= MAX_TURNS and max(len(words_of(t)) for t in turns) <= MAX_WORDS


def draw_new(chooser, world, topic, held_out, seen):
    """Draw dialogues of a topic until one fits that no split has yet."""
    while True:
        turns = Talk(chooser, world, topic, held_out).turns()
        line = "".join(f"{t} {MARK} " for t in turns).rstrip()
        if fits(turns) and line not in seen:
            seen.add(line)
            return line


def write(world):
    """Give the lines of each split without duplicates, with the topic of each."""
    seen, splits = set(), {}
    for name, count in SIZES.items():
        chooser, last, splits[name] = Chooser(f"{SEED} {name}"), None, []
        for _ in range(count):
            last = chooser.pick([t for t in world.topics if t is not last])
            splits[name].append((draw_new(chooser, world, last, name != "train", seen), last.name))
    return splits


def plant(splits):
    """Copy some train dialogues, each once, into the splits, at places drawn by chance."""
    chooser = Chooser(f"{SEED} planted")
    sources = list(splits["train"])
    for name, count in PLANTED.items():
        for _ in range(count):
            source = chooser.pick(sources)
            sources.remove(source)
            splits[name].insert(chooser.pick(range(len(splits[name]) + 1)), source)


def figures(lines, topics, known):
    """The numbers that README.md and stats.json report about one split."""
    text = "".join(line + "\n" for line in lines)
    turns = sum(line.count(MARK) for line in lines)
    words = words_of(text)
    return {
        "bytes": len(text.encode()),
        "dialogues": len(lines),
        "turns": turns,
        "turns_per_dialogue": round(turns / len(lines), 2),
        "words": len(words),
        "words_per_turn": round(len(words) / turns, 2),
        "distinct_words": len(set(words)),
        "words_known_from_prose": round(sum(w in known for w in words) / len(words), 4),
        "dialogues_of_each_topic": {t: topics.count(t) for t in sorted(set(topics))},
    }


def build():
    """Make all files in memory, as a dictionary from file name to text."""
    splits = write(World())
    plant(splits)
    known = set(words_of((PROSE / "train.txt").read_text(encoding="utf-8")))
    files, stats = {}, {"seed": SEED}
    for name, pairs in splits.items():
        lines, topics = [line for line, _ in pairs], [topic for _, topic in pairs]
        files[f"dialogues_{name}.txt"] = "".join(line + "\n" for line in lines)
        stats[name] = figures(lines, topics, known)
    stats["planted_duplicates"] = {
        "repeats_inside_train": PLANTED["train"],
        "train_and_validation": PLANTED["validation"],
        "train_and_test": PLANTED["test"],
    }
    files["stats.json"] = json.dumps(stats, indent=2) + "\n"
    return files


def show(count, topic_name, held_out, seed):
    """Print a few new dialogues, to read them."""
    world, chooser, seen, last = World(), Chooser(seed), set(), None
    for _ in range(count):
        left = [t for t in world.topics if topic_name in (None, t.name) and (topic_name or t is not last)]
        last = chooser.pick(left)
        line = draw_new(chooser, world, last, held_out, seen)
        print(f"[{last.name}]", line.replace(f" {MARK}", "\n  -").rstrip("- \n"), sep="\n  - ", end="\n\n")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N dialogues")
    parser.add_argument("--topic", help="with --show: only this topic")
    parser.add_argument("--held", action="store_true", help="with --show: held-out words too")
    parser.add_argument("--seed", default="show", help="with --show: another seed")
    args = parser.parse_args()
    if args.show:
        return show(args.show, args.topic, args.held, args.seed)
    write_or_check(HERE, build(), args.check)


if __name__ == "__main__":
    main()
