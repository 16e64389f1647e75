"""One article: the world it is taken from, its numbers, its plan, and the spaces of WikiText."""

import re
import sys
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "prose"
sys.path.insert(0, str(PROSE))

from grammar import FORMS, Story, polish
from world import Kind, read_lists, read_records

HELD_SHARE = 0.35  # how often valid and test take a name or wording that train never uses
OPTIONAL = 0.5  # how often a step marked ? of a plan is taken
CODES = 2  # how many steps marked ! each file takes: lines that begin like a heading and are none
PASSING = ["p1", "p2", "p3", "p4", "y1", "y2", "y3", "far", "many", "signed", "cost"]  # of a single section
NUMBER = re.compile(r"(year|num|dec) (?:(\w+) ([+-]) )?(?:(\d+)\.\.(\d+)|(\w+))")


class World:
    """All that the articles are made of; what begins with ~ is held out from train."""

    def __init__(self):
        names = read_lists(PROSE / "names.txt")
        self.lists = read_lists(PROSE / "words.txt") | read_lists(HERE / "words.txt")
        for group in ("girl", "boy", "surname", "harbour", "mountain", "town", "boat", "inn"):
            self.lists[group] = names[f"train {group}"] + ["~" + n for n in names[f"valid {group}"]]
        self.lists["surname"] = [n for n in self.lists["surname"] if n not in self.lists["girl"]]  # no Hazel Hazel
        self.records = read_records(HERE / "records.txt")
        shared = Kind(HERE / "shared.txt")
        self.sections, self.lets = shared.sections, shared.lets
        kinds = [Kind(p) for p in sorted((HERE / "kinds").glob("*.txt"))]
        self.kinds = [k for k in kinds if not k.held_out]
        self.held_kinds = [k for k in kinds if k.held_out]
        self.codes = CODES

    def words(self, name, held_out):
        """A word list; what is held out is sorted out when a word is drawn."""
        return self.lists[name]


class Article(Story):
    """One article: a story of the prose's engine with numbers, a title and headings."""

    def choose(self, plain, held):
        """Choose among the options this split may use."""
        if self.held_out and held and (not plain or self.chooser.chance(HELD_SHARE)):
            return self.chooser.pick(held)
        return self.chooser.pick(plain)

    def _person(self, source):
        gender = self.chooser.pick(["f", "m"])
        first = self.draw_list("girl" if gender == "f" else "boy")
        last = self.draw_list("surname")
        return {"": f"{first} {last}", "first": first, "last": last, **FORMS[gender]}

    def section(self, name):
        """Write one option of a section; what is in PASSING is known within it only."""
        for passing in PASSING:
            self.memory.pop(passing, None)
        return super().section(name)

    def slot(self, name):
        """Expand a slot; somebody who has not been mentioned yet is not called by the surname alone."""
        owner, _, field = name.partition(".")
        return super().slot(owner if field == "last" and owner not in self.memory else name)

    def _create(self, source):
        number = NUMBER.fullmatch(source)
        if not number:
            return super()._create(source)
        form, base, sign, low, high, other = number.groups()
        value = self.chooser.pick(range(int(low), int(high) + 1)) if low else self._value(other)
        if base:
            value = self._value(base) + (value if sign == "+" else -value)
        if form == "dec":
            value /= 10
        return measures(value, str(value) if form == "year" else f"{value:,}")

    def _value(self, name):
        return int(self.remember(name)["value"])

    def write(self):
        """Play one plan of the kind; return the title and the lines, without the spaces at both ends."""
        title = spaced(polish(self.section("title")))
        lines = ["", f"= {title} =", ""]
        for step in self.draw("plan", self.kind.plans).split():
            if step.startswith("!"):
                if not self.world.codes:
                    continue
                self.world.codes -= 1
            elif step.startswith("?") and not self.chooser.chance(OPTIONAL):
                continue
            step = step.lstrip("!?")
            if step.startswith("="):
                name = spaced(self.expand(step.lstrip("=")).replace("_", " "))
                marks = " ".join("=" * (step.count("=") + 1))
                lines += [""] * (lines[-1] != "") + [f"{marks} {name} {marks}", ""]
            else:
                groups = [list(names) for _, names in groupby(step.split("+"))]
                sentences = [s for names in groups for s in sorted(map(self.section, names), key=first_year)]
                text = polish(" ".join(sentences))
                lines += [spaced(line) for line in text.split(" / ")]
        return title, lines


def first_year(sentence):
    """The first year in a sentence, by which sentences of the same section are put in order."""
    return min(re.findall(r"\b1\d{3}\b", sentence)[:1], default="")


def measures(value, text):
    """A number as it is written, and what it is in other measures."""
    return {
        "": text,
        "value": str(value),
        "ft": f"{value / 0.3048:,.0f}",  # of metres
        "mi": f"{value * 0.6214:.1f}",  # of kilometres
        "in": f"{value / 2.54:.1f}",  # of centimetres
        "lb": f"{value * 2.2046:,.0f}",  # of kilograms
        "oz": f"{value / 28.35:.1f}",  # of grams
    }


def spaced(text):
    """Split the words and marks of a text at spaces, as WikiText has it."""
    text = re.sub(r"(?<=\d)([,.])(?=\d)|(?<=\w)(-)(?=\w)", lambda m: f" @{m[1] or m[2]}@ ", text)
    text = re.sub(r'(?<!@)([",.;:?!()])(?!@)', r" \1 ", text)
    return " ".join(re.sub(r"('s\b|(?<=s)'(?= ))", r" \1", text).split())
