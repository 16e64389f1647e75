"""Reads the text files of the grammar: word lists, records, shared sections, story kinds; and writes what is made of them.

The grammar is kept in text files because prose full of quotation marks is
hard to read, and hard to write, inside Python strings.
"""

import sys
from pathlib import Path

from grammar import parse, split_options

HERE = Path(__file__).resolve().parent


def lines(path):
    """Give the lines of a grammar file without comments and blank lines; indented lines continue."""
    joined = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" ") and joined:
            joined[-1] += " " + line.strip()
        else:
            joined.append(line.rstrip())
    return joined


def unique(options, where):
    """Refuse a list with equal entries: choosing between them would be an invisible choice."""
    bare = [o.lstrip("~ ") for o in options]
    if len(set(bare)) != len(bare):
        double = sorted({o for o in bare if bare.count(o) > 1})
        raise ValueError(f"{where}: listed twice: {double}")
    return options


def read_lists(path):
    """Read lines of the form "name: one; two; three"."""
    lists = {}
    for line in lines(path):
        name, _, rest = line.partition(":")
        lists[name] = unique([e.strip() for e in rest.split(";")], f"{path.name} {name}")
    return lists


def read_records(path):
    """Read lines of the form "group.key.field = template"."""
    records = {}
    for line in lines(path):
        left, _, value = line.partition(" = ")
        group, key, field = left.split(".")
        parts = parse(value)
        if len(parts) == 1 and parts[0][0] == "choice":
            # Kept as a list, so that a story uses each of the options once at most.
            value = unique(split_options(value), left)
        records.setdefault(group, {}).setdefault(key, {})[field] = value
    return records


class Kind:
    """A kind of story: its plans, its sections and, where it has them, its branches.

    A branch is a plot variant: sections "letter.clue" and "letter.turn" belong
    to the branch "letter", and a plan names them "*.clue" and "*.turn".
    """

    def __init__(self, path):
        self.name, self.held_out = path.stem, False
        self.plans, self.lets, self.sections, self.branches = [], {}, {}, []
        current = None
        for line in lines(path):
            if line.startswith("== "):
                name = line[3:]
                if name.lstrip("~").count("."):
                    branch = name.split(".")[0]
                    if branch not in self.branches:
                        self.branches.append(branch)
                current = self.sections.setdefault(name.lstrip("~"), [])
            elif line.startswith("- "):
                current.append(line[2:])
            elif line.startswith("~ "):
                current.append("~" + line[2:])
            elif line.startswith("plan: "):
                self.plans.append(line[6:])
            elif line.startswith("let: "):
                name, _, source = line[5:].partition(" = ")
                self.lets[name] = source
            elif line == "held out":
                self.held_out = True
            else:
                raise ValueError(f"{path.name}: {line!r}")
        for name, options in self.sections.items():
            unique(options, f"{self.name} {name}")


class World:
    """All that the stories are made of."""

    def __init__(self):
        self.lists = read_lists(HERE / "words.txt")
        names = read_lists(HERE / "names.txt")
        self.names = {
            held: {n.split()[1]: v for n, v in names.items() if n.startswith(prefix)}
            for held, prefix in ((False, "train "), (True, "valid "))
        }
        self.records = read_records(HERE / "records.txt")
        shared = Kind(HERE / "shared.txt")
        self.sections, self.lets = shared.sections, shared.lets
        kinds = [Kind(p) for p in sorted((HERE / "kinds").glob("*.txt"))]
        self.kinds = [k for k in kinds if not k.held_out]
        self.held_kinds = [k for k in kinds if k.held_out]

    def words(self, name, held_out):
        """A word list, or the list of names that belongs to the file being written."""
        return self.names[held_out].get(name) or self.lists[name]


def write_or_check(folder, files, check):
    """Write files {name: text} into ``folder``, or end with a sentence at the first that differs from what is there; print the statistics."""
    for name, text in files.items():
        if not check:
            (folder / name).write_bytes(text.encode())
        elif (folder / name).read_bytes() != text.encode():
            sys.exit(f"{name} is not what the generator writes")
    print(files["stats.json"], end="")
