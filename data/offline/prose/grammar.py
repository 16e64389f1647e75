"""The engine of the prose generator: choices that are counted, templates that are expanded.

A template is plain text with two marks:

    [went|walked|~strode]   one of several wordings; may be nested, may be empty
    {hero}                  something the story remembers, or {@list}: a word of a list

An option that starts with ~ is held out: training text never uses it.
"""

import math
import random
import re
from functools import lru_cache

HELD_SHARE = 0.6  # how often valid.txt takes a held-out option where one exists

FORMS = {
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself", "man": "woman"},
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself", "man": "man"},
}


class Chooser:
    """A source of choices that adds up how surprising each one was.

    Only random.random() is used: Python promises that its sequence for a
    seed stays the same in later versions, and promises it for nothing else.
    """

    def __init__(self, seed):
        self._random = random.Random(seed).random
        self.bits = 0.0

    def pick(self, options):
        """Take one option, all equally likely."""
        if len(options) == 1:
            return options[0]
        self.bits += math.log2(len(options))
        return options[int(self._random() * len(options))]

    def weighted(self, pairs):
        """Take one option of (option, weight) pairs."""
        total = sum(weight for _, weight in pairs)
        mark = self._random() * total
        for option, weight in pairs:
            mark -= weight
            if mark < 0:
                break
        self.bits -= math.log2(weight / total)
        return option

    def chance(self, p):
        """Say yes with probability p."""
        return self.weighted([(True, p), (False, 1 - p)])


def split_held(options):
    """Separate the options that training text may use from the held-out ones."""
    plain = [o for o in options if not o.startswith("~")]
    held = [o[1:] for o in options if o.startswith("~")]
    return plain, held


@lru_cache(maxsize=None)
def parse(template):
    """Turn a template into a list of parts: text, ("slot", name), ("choice", plain, held)."""
    parts, position = [], 0
    while position < len(template):
        mark = template[position]
        if mark == "{":
            end = template.index("}", position)
            parts.append(("slot", template[position + 1:end]))
            position = end + 1
        elif mark == "[":
            options, position = _options(template, position + 1)
            # Two equal options would be a choice that leaves no trace in the text.
            if len(set(options)) != len(options) or len(options) < 2:
                raise ValueError(f"equal or single options: {options}")
            parts.append(("choice", *split_held(options)))
        else:
            end = position
            while end < len(template) and template[end] not in "{[":
                if template[end] in "]}|":
                    raise ValueError(f"stray {template[end]!r} in {template!r}")
                end += 1
            parts.append(template[position:end])
            position = end
    return parts


def split_options(template):
    """Give the options of a template that is one single choice."""
    return _options(template, 1)[0]


def _options(template, position):
    """Cut the inside of [...] at its own bars; return the options and where it ends."""
    options, depth, start = [], 0, position
    while True:
        mark = template[position]
        if mark == "[":
            depth += 1
        elif mark == "]" and depth:
            depth -= 1
        elif mark in "|]" and not depth:
            options.append(template[start:position])
            start = position + 1
            if mark == "]":
                return options, start
        position += 1


class Story:
    """One story being told: what has been fixed so far, and what has been used up.

    Everything is drawn at its first mention, never before, so that a choice
    whose result the reader would not see is never made.
    """

    def __init__(self, chooser, world, kind, held_out):
        self.chooser, self.world, self.kind, self.held_out = chooser, world, kind, held_out
        self.memory, self.used, self.branch = {}, {}, None

    def choose(self, plain, held):
        """Choose among the options this file may use."""
        if not self.held_out:
            return self.chooser.pick(plain)
        if held and (not plain or self.chooser.chance(HELD_SHARE)):
            return self.chooser.pick(held)
        return self.chooser.pick(plain)

    def draw(self, name, options, optional=False):
        """Choose from a named list what this story has not used yet.

        Used entries are removed before the choice: a second draw after a
        refused first one would make the count of bits wrong. What is optional
        is left out when nothing new is left to say; a word list begins again.
        """
        if len(options) == 1:
            return options[0]
        used = self.used.setdefault(name, set())
        plain, held = split_held(options)
        left = [o for o in plain if o not in used]
        left_held = [o for o in held if o not in used]
        if not left and not (self.held_out and left_held):
            if optional:
                return ""
            used.clear()
            left, left_held = plain, held
        option = self.choose(left, left_held)
        used.add(option)
        return option

    def draw_list(self, name):
        """Draw from a word list; names of people and places are other ones in valid.txt."""
        return self.draw(name, self.world.words(name, self.held_out))

    def remember(self, name):
        """Return what the story knows under a name, drawing it if this is its first use."""
        if name not in self.memory:
            source = self.kind.lets.get(name) or self.world.lets[name]
            self.memory[name] = self._create(source)
        return self.memory[name]

    def _create(self, source):
        if source in ("person", "other", "title"):
            return self._person(source)
        group, _, keys = source.partition(".")
        if keys and group in self.world.records:
            return dict(self.world.records[group][self.expand(keys)])
        if source in self.world.records:
            key = self.draw(source, sorted(self.world.records[source]))
            return dict(self.world.records[source][key])
        return {"": self.expand(source)}

    def _person(self, source):
        if source == "other":
            # The second person has the other pronoun, so that "he" and "she" stay clear.
            gender = "m" if self.remember("hero")["gender"] == "f" else "f"
        else:
            gender = self.chooser.pick(["f", "m"])
        if source == "title":
            title = "Mr" if gender == "m" else self.chooser.pick(["Mrs", "Miss"])
            name = f"{title} {self.draw_list('surname')}"
        else:
            name = self.draw_list("girl" if gender == "f" else "boy")
        return {"": name, "gender": gender, **FORMS[gender]}

    def slot(self, name):
        """Expand {name}, {name.field} or {@list}."""
        if name.startswith("^"):
            text = self.slot(name[1:])
            return text[0].upper() + text[1:]
        if name.startswith("@"):
            return self.expand(self.draw_list(name[1:]))
        if name.startswith("#"):
            return self.section(name[1:])
        owner, _, field = name.partition(".")
        known = self.remember(owner)
        if isinstance(known[field], list):
            return self.expand(self.draw(name, known[field], optional=True))
        return self.expand(known[field])

    def expand(self, template):
        """Write a template out."""
        out = []
        for part in parse(template):
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "slot":
                out.append(self.slot(part[1]))
            else:
                out.append(self.expand(self.choose(part[1], part[2])))
        return "".join(out)

    def section(self, name):
        """Write one option of a section of this story kind, or of the shared ones."""
        if name.startswith("*."):
            if self.branch is None:
                self.branch = self.draw("branch", self.kind.branches)
            name = self.branch + name[1:]
        options = self.kind.sections.get(name) or self.world.sections[name]
        return self.expand(self.draw(name, options))

    def tell(self):
        """Write the whole story along one of the plans of its kind."""
        paragraphs = []
        for step in self.draw("plan", self.kind.plans).split():
            if step.startswith("?"):
                step = step[1:]
                if not self.chooser.chance(0.5):
                    continue
            paragraphs.append(" ".join(self.section(name) for name in step.split("+")))
        text = "\n\n".join(paragraphs).replace(" / ", "\n\n")
        return polish(text)


VOWEL_SOUND = re.compile(
    r"(?!one\b|once\b|uni(?![nm])|us[eu]|eu)[aeiou]|hour|honest|honour|heir", re.I
)


def polish(text):
    """Set the articles and the capital letters, which depend on the neighbouring words."""
    text = re.sub(r" +(?=[ .,;:?!])", "", text)
    text = "\n\n".join(p.strip() for p in text.split("\n\n") if p.strip())
    text = re.sub(
        r"\b([Aa])n? (?=(\w+))",
        lambda m: m[1] + ("n " if VOWEL_SOUND.match(m[2]) else " "),
        text,
    )
    return re.sub(
        r"(^\"?|\n\"?|[.!?] \"?|\.\" )([a-z])", lambda m: m[1] + m[2].upper(), text
    )
