"""One work: its words in agreement, its pieces, and the lines of its file.

The engine (choices that are counted, templates, memory) is that of ../prose. A slot may also be

    {o lista}      a noun with its article; {um lista}, {este lista}: with another word; {n lista}: the noun alone
    {de o lista}   a preposition before it, contracted when the work is written
    {~lista}       an adjective that agrees with the last noun; {~f lista}, {~m lista}: in the given gender
    {.velho}       this word itself, in the gender of the last noun
    {pessoa+}      in capitals
"""

import re
import sys
import textwrap
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "prose"
sys.path.insert(0, str(PROSE))

from grammar import Story
from world import Kind, read_lists

WIDTH = 80  # characters a line
RARE = 6  # the first word of a list is (n + RARE) / RARE times as frequent as the n-th after it
GENDER = {"o": "m", "um": "m", "a": "f", "uma": "f", "os": "m", "as": "f"}
FEMININE = {"um": "uma", "este": "esta", "esse": "essa", "dele": "dela", "seu": "sua"}
ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
MONTHS = ["JANEIRO", "FEVEREIRO", "MARÇO", "ABRIL", "MAIO", "JUNHO", "JULHO", "AGOSTO", "SETEMBRO", "OUTUBRO", "NOVEMBRO", "DEZEMBRO"]


def roman(number):
    """A number below 40 in Roman figures."""
    return number // 10 * "X" + ROMAN[number % 10]


def inflect(word, gender):
    """Put a masculine word into a gender, "m" or "f"."""
    return word if gender == "m" else FEMININE.get(word) or re.sub("o$", "a", word)


class World:
    """All that the works are made of."""

    def __init__(self):
        self.lists = read_lists(HERE / "words.tpl")
        shared = Kind(HERE / "shared.tpl")
        self.sections, self.lets, self.records = shared.sections, shared.lets, {}
        self.kinds = {p.stem: Kind(p) for p in sorted((HERE / "kinds").glob("*.tpl"))}
        self.works = {name: dict(e.split("=", 1) for e in entries) for name, entries in read_lists(HERE / "works.tpl").items()}
        self.recent = {}  # what was drawn last from each list and section, over all works

    def words(self, name, held_out):
        """A word list; nothing is held out here."""
        return self.lists[name]


class Work(Story):
    """One work: a story of the prose's engine with agreement, pieces and headings."""

    def __init__(self, chooser, world, name):
        self.genre, self.facts, self.gender = name.split("/")[0], world.works[name], "m"
        super().__init__(chooser, world, world.kinds[self.genre], False)
        self.cast = {role: {"": text, "lo": self.facts.get("lo")} for role, text in self.facts.items()}

    def left(self, name, options, kept):
        """The options, with their ranks, that were not among the last draws from here, in this work or the ones before."""
        recent = self.world.recent.setdefault((name, options[0]), [])
        del recent[: max(0, len(recent) - kept)]
        return recent, [(o, rank) for rank, o in enumerate(options) if o not in recent]

    def draw(self, name, options, optional=False):
        """Choose a template; most of the last ones are left out, so that all are used about as often."""
        n = len(options)
        recent, left = self.left(name, options, max(2 * n // 3, min(n - 1, 3)))
        recent.append(self.chooser.pick([o for o, _ in left]))
        return recent[-1]

    def draw_list(self, name):
        """Choose a word; those at the end of a list are rarer, as in Zipf's law."""
        words = self.world.words(name, False)
        recent, left = self.left(name, words, len(words) // 3)
        recent.append(self.chooser.weighted([(o, 1 / (rank + RARE)) for o, rank in left]))
        return recent[-1]

    def choose(self, plain, held):
        """Choose one of the wordings [a|b|c]; b is half as frequent as a."""
        return self.chooser.weighted([(o, 1 / (rank + 1)) for rank, o in enumerate(plain)])

    def section(self, name):
        """Write one option of a section; what somebody says stands in a paragraph of its own."""
        text = super().section(name)
        return f" / {text} / " if text.startswith("— ") else text

    def slot(self, name):
        """Expand a slot: an adjective, a word in agreement, a noun with what stands before it, or what the prose knows."""
        if name.endswith("+"):
            return self.slot(name[:-1]).upper()
        if name.startswith("~"):
            gender, _, words = name[1:].rpartition(" ")
            return inflect(self.draw_list(words), gender or self.gender)
        if name.startswith("."):
            return inflect(name[1:], self.gender)
        if " " in name and name[0] != "^":
            *before, form, words = name.split()
            return " ".join([*before, self.noun(form, self.expand(self.draw_list(words)))])
        return super().slot(name)

    def noun(self, form, noun):
        """A noun of a list: with its own article ("o"), alone ("n"), or after other words in its gender ("o_mesmo")."""
        article, _, bare = noun.partition(" ")
        self.gender = GENDER[article]
        if form == "o":
            return noun
        return bare if form == "n" else " ".join([*(inflect(w, self.gender) for w in form.split("_")), bare])

    def pieces(self):
        """The names of the chapters, tales, weeks, poems or scenes; "name*3" in a plan is three of them."""
        steps = [step.partition("*") for step in self.draw("plan", self.kind.plans).split()]
        return [name for name, _, count in steps for _ in range(int(count or 1))]

    def heading(self, name, number):
        """The lines above a piece."""
        if self.genre == "cronica":
            day = date(int(self.facts["ano"]), 1, 3) + timedelta(days=21 * number + self.chooser.pick(range(21)))
            return [f"{day.day} DE {MONTHS[day.month - 1]} DE {day.year}."]
        if self.genre == "teatro":
            return [f"CENA {roman(number)}"] if number else []
        title = [contracted(self.section(f"{name}.titulo")).upper()]
        if self.genre in ("romance", "traducao"):
            return [f"CAPÍTULO {roman(number + 1) if number else 'PRIMEIRO'}", *title]
        return title

    def write(self):
        """The text of the file."""
        lines = [self.facts["titulo"]]
        for number, name in enumerate(self.pieces()):
            self.memory = dict(self.cast)
            lines += ["", *self.heading(name, number)]
            for stanza in polish(self.section(f"{name}.corpo")).split(" // "):
                for paragraph in re.split(r"(?: /)+ ", stanza):
                    lines += textwrap.wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
                lines.append("")
            lines.pop()
        return "\n".join(lines) + "\n"


def contracted(text):
    """Join prepositions with what follows them, and drop the spaces that empty options left."""
    text = re.sub(r"(?<!-)\b([Aa]) a(s?)\b", lambda m: ("À" if m[1] == "A" else "à") + m[2], text)
    text = re.sub(r"\b([Aa]) (os?)\b", r"\1\2", text)
    text = re.sub(r"\b([Dd])e ([oa]s?|el[ea]s?|es[st][ea]s?)\b(?!-)", r"\1\2", text)
    text = re.sub(r"\b([Ee])m ([oa]s?|el[ea]s?|es[st][ea]s?)\b(?!-)", lambda m: ("N" if m[1] == "E" else "n") + m[2], text)
    text = re.sub(r"\b([Pp])or ([oa]s?)\b(?!-)", r"\1el\2", text)
    text = re.sub(r"\b([Qq]uem?) (\w+)-(se|lhe)\b", r"\1 \3 \2", text)  # que se calou
    return re.sub(r" +(?=[ ,.;:?!”)])", "", text)


def polish(text):
    """Contract, tidy the spaces, and set the capital letters that begin a sentence."""
    starts = r"((?:^| //? )(?:[—“(] ?)*|(?<!\.)\. [“(]?)([a-zà-ú])"
    text = re.sub(r"[,;](?= //|$)", ".", contracted(text).strip(" /"))
    return re.sub(starts, lambda m: m[1] + m[2].upper(), text)
