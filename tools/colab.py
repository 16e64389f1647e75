"""What Colab has installed, by its own published list, and what our requirements would replace there.

`python -m tools.colab` compares; `--refresh` fetches the list anew; `--write` prepares `make test-colab`.
"""

import argparse
import ast
import importlib.metadata
import re
import sys
import urllib.request
from pathlib import Path

import nbformat
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.installs import EXTRAS, behind
from helpers.runtime import REPOSITORY, shown

LIST = REPOSITORY / "tests" / "data" / "colab-gpu.txt"  # what a reader with a T4 gets
SOURCE = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.gpu.txt"
COLAB = {"python_version": "3.13", "python_full_version": "3.13.15", "sys_platform": "linux", "platform_system": "Linux",
         "platform_machine": "x86_64", "extra": ""}
NOT_ON_A_CPU = re.compile(r"torch(ao|audio|vision|codec)?|triton|nvidia-(?!ml-py).*|cuda-.*|.*-cu12|setuptools")  # its builds for a GPU, and what torch ties


def versions(text):
    """{canonical name: version} of the ``name==version`` lines of a freeze list."""
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


def colab_versions():
    return versions(LIST.read_text(encoding="utf-8"))


def requirements_of(file):
    """The requirements in a requirements file."""
    lines = (line.partition("#")[0].strip() for line in Path(file).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def setup_requirements(file):
    """What a notebook's setup cell asks pip for: the packages behind its word of extras."""
    cell = next(c for c in nbformat.read(file, as_version=4).cells if c.source.startswith("# @title Setup"))
    calls = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "setup"]
    words = [k.value.value for k in calls[0].keywords if k.arg == "extras"]
    return [Requirement(r) for r in behind(" ".join(words))]


def compare(requirements, colab, asked_by):
    """(replaced, new, unknown) if these were installed on Colab: sentences on preinstalled packages that pip would replace,
    names it would add, and names among those whose own requirements are not known here because they are not installed here."""
    replaced, new, unknown = [], [], []
    waiting = [(r, asked_by) for r in requirements]
    while waiting:
        wanted, asker = waiting.pop(0)
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate(COLAB):
            continue
        if name in colab:
            if not wanted.specifier.contains(colab[name], prereleases=True):
                replaced.append(f"{asker} asks for {name}{wanted.specifier}; Colab has {name} {colab[name]}")
        elif name not in new:
            new.append(name)
            if is_known(name):
                waiting += [(Requirement(r), name) for r in importlib.metadata.requires(name) or []]
            else:
                unknown.append(name)
    return replaced, new, unknown


def is_known(name):
    """Whether this package is installed here in a version that a setup cell would install: of another one the requirements say nothing."""
    try:
        importlib.metadata.requires(name)
        limits = [Requirement(r).specifier for group in EXTRAS.values() for r in group if canonicalize_name(Requirement(r).name) == name]
        return all(limit.contains(importlib.metadata.version(name), prereleases=True) for limit in limits)
    except importlib.metadata.PackageNotFoundError:
        return False


def sources():
    """{name: requirements} of the requirements files and of every notebook's setup cell."""
    files = {f.name: requirements_of(f) for f in sorted(REPOSITORY.glob("requirements*.txt"))}
    return files | {f.name: setup_requirements(f) for f in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))}


def refresh(source):
    """Fetch the list anew and say what changed among the packages that we name."""
    before = colab_versions()
    try:
        text = Path(source).read_text(encoding="utf-8") if Path(source).exists() else urllib.request.urlopen(source, timeout=30).read().decode()
    except (OSError, ValueError) as error:
        sys.exit(f"Colab's list could not be read from {source} ({error}): nothing was changed")
    after = versions(text)
    if "torch" not in after:
        sys.exit(f"{source} is not Colab's list: it has no line torch==...; nothing was changed")
    LIST.write_text("".join(f"{name}=={version}\n" for name, version in after.items()), encoding="utf-8")
    ours = {canonicalize_name(r.name) for requirements in sources().values() for r in requirements} | {"pandas", "pyarrow"}
    for name in sorted(ours & (before.keys() | after.keys())):
        if before.get(name) != after.get(name):
            print(f"{name}: {before.get(name, 'absent')} -> {after.get(name, 'absent')}")
    print(f"{shown(LIST)}: {len(after)} packages")


def constraints(torch=None):
    """Colab's versions as pip constraints for a machine without a GPU: its CUDA builds are left out, torch is ours or the one named."""
    ours = versions((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))
    return {name: version for name, version in colab_versions().items() if not NOT_ON_A_CPU.fullmatch(name)} | {"torch": torch or ours["torch"]}


def write(folder, torch):
    """constraints.txt and requirements.txt of an environment like Colab's: all that we name, with the extras of all notebooks."""
    wanted = [str(r) for r in requirements_of(REPOSITORY / "requirements.txt") if r.name != "jupyterlab"]  # Colab's page is its own
    (folder / "constraints.txt").write_text("".join(f"{name}=={version}\n" for name, version in constraints(torch).items()), encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join([*wanted, *sum(EXTRAS.values(), ())]) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refresh", nargs="?", const=SOURCE, metavar="FILE_OR_URL", help="fetch Colab's list anew")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write constraints.txt and requirements.txt of such an environment there")
    parser.add_argument("--torch", help="the torch of that environment; default: ours")
    args = parser.parse_args()
    if args.write:
        return write(args.write, args.torch)
    if args.refresh:
        refresh(args.refresh)
    for name, requirements in sources().items():
        replaced, new, unknown = compare(requirements, colab_versions(), name)
        print(f"{name}: " + ("; ".join(replaced) or "replaces nothing") + (f"; adds {', '.join(new)}" if new else "")
              + (f"; not known here: what {', '.join(unknown)} would bring" if unknown else ""))


if __name__ == "__main__":
    main()
