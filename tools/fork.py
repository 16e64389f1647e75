"""Write a fork's address into pyproject.toml, the badges and the setup cells: `python tools/fork.py you/name`."""

import re
import sys
import tomllib

from helpers.runtime import REPOSITORY, shown


def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address():
    """"owner/name" as pyproject.toml, the one place, has it."""
    return project()["urls"]["Repository"].removeprefix("https://github.com/")


def version():
    """The release whose tag, ``v<version>``, the setup cells fetch."""
    return project()["version"]


def main():
    new = sys.argv[1] if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", new):
        sys.exit(f"the address must look like you/name, got {new!r}: make fork REPO=you/name")
    old = address()
    for file in [*sorted((REPOSITORY / "notebooks").glob("*.ipynb")), *sorted(REPOSITORY.glob("README*.md")), REPOSITORY / "pyproject.toml"]:
        text = file.read_text(encoding="utf-8")
        changed = text.replace(old, new)
        if file.name.startswith("README"):
            changed = re.sub(r"\A> .*\n\n?", "", changed)  # the notice that this command has yet to be run
        if changed != text:
            file.write_text(changed, encoding="utf-8")
            print(f"{shown(file)}: {text.count(old)} x {new}")


if __name__ == "__main__":
    main()
