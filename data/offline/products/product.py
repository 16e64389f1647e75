"""One product: its attributes, its text and its questions, drawn from the text files beside this one."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "prose"
sys.path[:0] = [str(HERE), str(PROSE)]

from grammar import parse, polish
from world import lines, read_lists

LONGEST = 230  # characters of a text
SECOND = ("set in ", "bound in ", "made of ", "by ", "with ", "for ", "about ")  # what may follow a comma
PRONOUNS = {  # how a thing is spoken of: one, many
    False: {"it": "it", "it2": "it", "s": "s", "es": "es", "is": "is", "has": "has", "does": "does", "is2": "is"},
    True: {"it": "they", "it2": "them", "s": "", "es": "", "is": "are", "has": "have", "does": "do", "is2": "is"},
}


class Grammar:
    """All that the products are made of: word lists, attributes, kinds and stories."""

    def __init__(self):
        names = read_lists(PROSE / "names.txt")
        self.lists = read_lists(HERE / "words.txt")
        for name in ("girl", "boy", "surname", "town", "harbour", "mountain"):
            self.lists[name] = names[f"train {name}"]
        self.lists["surname"] = [n for n in self.lists["surname"] if n not in self.lists["girl"]]  # no Hazel Hazel
        self.attributes = {name: fields for name, _, fields in blocks(HERE / "attributes.txt")}
        self.kinds = [Kind(*block, self) for block in blocks(HERE / "kinds.txt")]
        self.stories = {name: fields["-"] for name, _, fields in blocks(HERE / "stories.txt")}

    def expand(self, template, chooser, slots):
        """Write a template out; {name} is what ``slots`` knows, or else drawn from the list and kept there, {@name} is drawn each time."""
        out = []
        for part in parse(template):
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "choice":
                out.append(self.expand(chooser.pick(part[1]), chooser, slots))
            elif part[1].startswith("@"):
                out.append(self.draw(part[1][1:], chooser))
            elif part[1].startswith("^"):
                out.append(slots[part[1][1:]].capitalize())
            else:
                while part[1] not in slots:
                    value = self.draw(part[1].rstrip("2"), chooser)
                    if value not in slots.values():
                        slots[part[1]] = value
                out.append(slots[part[1]])
        return "".join(out)

    def draw(self, name, chooser):
        """Draw from a word list what is not rare."""
        return self.expand(chooser.pick([o for o in self.lists[name] if not o.startswith("~")]), chooser, {})


def blocks(path):
    """Read blocks "== name words", then "field: text" (or "- text"); fields come as lists."""
    found = []
    for line in lines(path):
        if line.startswith("== "):
            found.append((line[3:], path.name, {}))
            continue
        field, text = ("-", line[2:]) if line.startswith("- ") else re.split(r": | = ", line, maxsplit=1)
        found[-1][2].setdefault(field, []).append(text)
    return found


class Kind:
    """A kind of product: its names, remarks and the values of its attributes."""

    def __init__(self, head, _, fields, grammar):
        words = head.split()
        self.mark = words.pop() if len(words) > 1 and words[-1] in ("book", "many") else ""
        self.name, self.book, self.many = " ".join(words), self.mark == "book", self.mark == "many"
        self.noun, self.remarks = fields.pop("noun")[0], fields.pop("-")
        self.the = "the " + fields.pop("short", [self.noun.split("|")[0].strip("[")])[0]
        self.uses = [u for line in fields.pop("use", [""]) for u in line.split("; ")]
        self.titles = [t for line in fields.pop("title", ['{noun} "{@model}";{@model} {noun};{noun}, {@model}']) for t in re.split("; ?", line)]
        self.values, self.always = {}, []
        for name, (text,) in fields.items():
            if name.endswith("*"):
                self.always.append(name := name.rstrip("*"))
            self.values[name] = grammar.lists.get(text) or counted(text)
        self.slots = PRONOUNS[self.many] | {"the": self.the, "The": self.the.capitalize()}


def counted(text):
    """Values written in a kind: "red; blue", or "24, 36 maps" for 24 maps and 36 maps."""
    if "; " in text:
        return text.split("; ")
    numbers, _, unit = text.rpartition(" ")
    return [f"{n} {unit}" for n in numbers.split(", ")]


class Product:
    """A product: kind, title, values and content; ``rare`` names the attribute whose value nobody else has."""

    def __init__(self, grammar, chooser, kind, rare=(), title=None):
        self.grammar, self.chooser, self.kind, self.rare = grammar, chooser, kind, None
        self.noun = grammar.expand(kind.noun, chooser, {})
        self.title = title or self._title(self.noun)
        while not (self._values(rare) and self._write()):
            pass

    def _values(self, rare):
        """Draw the attributes and their values; say whether no two values are the same."""
        grammar, chooser, kind = self.grammar, self.chooser, self.kind
        others = shuffled(chooser, [name for name in kind.values if name not in kind.always])
        names = kind.always + others[: chooser.pick([5, 6, 7]) - len(kind.always)]
        self.values = {name: grammar.expand(chooser.pick(plain(kind.values[name])), chooser, {}) for name in names}
        special = [(n, o) for n in names for o in kind.values[n] if o in rare]
        self.rare, option = chooser.pick(special) if special else (None, "")
        if self.rare:
            self.values[self.rare] = option[1:]
        return len(set(self.values.values())) == len(names)

    def _title(self, noun):
        title = self.grammar.expand(self.chooser.pick(self.kind.titles), self.chooser, {"noun": noun.title()})
        return re.sub(r"\b([Aa]) (?=[AEIOU])", r"\1n ", title[0].upper() + title[1:])

    def fill(self, template, name):
        """Write a template of an attribute."""
        value = self.values[name]
        return self.grammar.expand(template, self.chooser, self.kind.slots | {"v": value, "title": self.title, "unit": value.partition(" ")[2]})

    def _write(self):
        """Write the content; say whether it is short and smooth, and each value stands in it exactly once."""
        chooser, kind, forms = self.chooser, self.kind, self.grammar.attributes
        left = shuffled(chooser, self.values)
        sentences = [self._opening(left)]
        while left:
            together = [n for n in left if "clause" in forms[n]][: chooser.pick([1, 2, 2, 3])]
            if len(together) > 1:
                verbs = [self.fill(chooser.pick(forms[n]["clause"]), n) for n in together]
                if len({v.split()[0] for v in verbs}) < len(verbs):
                    return False
                the = not sentences[-1].startswith("The ") and chooser.chance(0.4)
                sentences.append(kind.slots["The" if the else "it"] + " " + enumeration(verbs) + ".")
            else:
                together = left[:1]
                options = forms[together[0]].get("sentence", []) + ["{it} " + c + "." for c in forms[together[0]].get("clause", [])]
                sentences.append(self.fill(chooser.pick(options), together[0]))
            left = [n for n in left if n not in together]
        if len(sentences) < 5 and chooser.chance(0.75):
            before = chooser.chance(0.4) and sentences[-1].split()[0] not in ("it", "they")  # what "it" means stays clear
            sentences.insert(len(sentences) - before, chooser.pick(kind.remarks))
        self.content = polish(" ".join(sentences))
        once = all(len(re.findall(rf"(?<!\w){re.escape(v)}(?!\w)", self.content)) == 1 for v in self.values.values())
        return once and self.content.count("written") < 2 <= len(sentences) <= 5 and len(self.content) <= LONGEST

    def _opening(self, left):
        """The first sentence, which has no verb; what it says is taken from ``left``."""
        chooser, forms, kind, posts = self.chooser, self.grammar.attributes, self.kind, []
        opening = ("" if kind.many or kind.name in ("tea", "soap") else "A ") + self.noun
        if "colour" in left and chooser.chance(0.5):
            opening = opening.replace(self.noun, self.values["colour"] + " " + self.noun)
            left.remove("colour")
        for name in [n for n in left if "post" in forms[n]][: chooser.pick([1, 2])]:
            post = self.fill(chooser.pick(forms[name]["post"]), name)
            if posts and post.startswith(SECOND) and post.split()[0] != posts[0].split()[0]:
                post = ", " + post
            if post.startswith(", ") or not posts:
                posts.append(post if post.startswith(",") else " " + post)
                left.remove(name)
        if all(p.startswith(",") for p in posts) and any(kind.uses) and chooser.chance(0.6):
            opening += " " + chooser.pick(kind.uses)
        return opening + "".join(posts) + "."

    def question(self, name):
        """A question about one attribute; its answer is the value."""
        return polish(self.fill(self.chooser.pick(self.grammar.attributes[name]["ask"]), name))


def enumeration(items):
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def plain(options):
    """The options that are not rare."""
    return [o for o in options if not o.startswith("~")]


def shuffled(chooser, items):
    """A list in another order, made with the chooser alone."""
    items, out = list(items), []
    while items:
        out.append(items.pop(items.index(chooser.pick(items))))
    return out


def printed(text):
    """Apostrophes and number ranges as a printer sets them: neighbours\u2019, 2\u20138 years."""
    return re.sub(r"(?<=\d)-(?=\d)", "\u2013", text).replace("'", "\u2019")
