"""A stand-in for Colab and Kaggle: a child Python in an empty home, with a faked google.colab, and git and pip under watch.

`publish` makes a repository to fetch from; `Host` is the machine; `Host.kernel` runs cells in one process, as a kernel does.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass

GIT = shutil.which("git")
NOWHERE = "http://127.0.0.1:9/"  # no network: nothing listens there
AUTHOR = ["-c", "user.name=test", "-c", "user.email=test@localhost"]

# First in every child: what a fresh machine has, which leaves out this repository's editable install. `/content` and
# `/kaggle/working` become the test's folder; calls of pip are noted.
SITECUSTOMIZE = '''
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from os import environ
from pathlib import Path

if sys.orig_argv[1:3] == ["-m", "pip"]:
    with open(environ["CALLS"], "a") as calls:
        print("pip", *sys.orig_argv[3:], file=calls)

class Moved:
    def find_spec(name, path=None, target=None):
        if name != "helpers.runtime":
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def execute_and_move(module):
            execute(module)
            module.HOMES = dict.fromkeys(module.HOMES, Path(environ["HOSTED_HOME"]))
        spec.loader.exec_module = execute_and_move
        return spec

sys.meta_path[:] = [Moved, BuiltinImporter, FrozenImporter, PathFinder]
sys.path[:] = [p for p in sys.path if not Path(p, "helpers").is_dir()]
'''

# Colab's drive.mount: links the reader's Drive into the home, or raises what Colab raises where the reader refuses.
DRIVE = '''
import os

class MessageError(Exception):
    """As google.colab._message has it."""

def mount(mountpoint):
    with open(os.environ["CALLS"], "a") as calls:
        print("drive.mount", os.path.relpath(mountpoint, os.environ["HOSTED_HOME"]), file=calls)
    if os.environ.get("REFUSED"):
        raise MessageError("Error: credential propagation was unsuccessful")
    if not os.path.exists(mountpoint):
        os.mkdir(mountpoint)
        os.symlink(os.environ["DRIVE"], os.path.join(mountpoint, "MyDrive"))
    print("Mounted at", os.path.basename(mountpoint))
'''

# A pip that downloads nothing: it writes and removes the folders that say what is installed, in the oldest version that was asked for.
PIP = '''
import os, re, shutil, sys
from pathlib import Path

if os.environ.get("NO_NETWORK") and sys.argv[1] == "install":
    sys.exit("ERROR: No matching distribution found")
site = Path(__file__).parent.parent
for name, *version in [re.split("[<>=]+", a.partition(",")[0]) for a in sys.argv[2:] if not a.startswith("-")]:
    for old in site.glob(name + "-*.dist-info"):
        shutil.rmtree(old)
    if sys.argv[1] == "install":
        (site / (name + "-" + version[0] + ".dist-info")).mkdir()
'''

KERNEL = '''
import contextlib, io, json, sys
space, outcomes = {"__name__": "__main__"}, []
for source in json.load(sys.stdin):
    text, error = io.StringIO(), ""
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            exec(source, space)
        except BaseException as e:
            error = f"{type(e).__name__}: {e}"
    outcomes.append([text.getvalue(), error])
print(json.dumps(outcomes))
'''


@dataclass
class Outcome:
    """What a cell printed, and the exception that ended it."""

    text: str
    error: str


def git(*args, **options):
    """Run git, without this machine's settings; returns what it prints."""
    env = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run([GIT, *AUTHOR, *map(str, args)], check=True, capture_output=True, text=True, env=env, **options).stdout.strip()


def publish(tree, bare, *tags):
    """A bare repository of the files in ``tree`` as they are now, on branch main, with these tags."""
    git("init", "-q", "--bare", "-b", "main", bare)
    here = ["-c", "core.bare=false", f"--git-dir={bare}", f"--work-tree={tree}"]
    git(*here, "add", "-A", cwd=tree)
    git(*here, "commit", "-q", "-m", "as it is now", cwd=tree)
    for tag in tags:
        git(*here, "tag", tag)
    return bare


def wheel(folder, name, version):
    """A wheel of one module that knows its version; returns its path."""
    info, file = f"{name}-{version}.dist-info", folder / f"{name}-{version}-py3-none-any.whl"
    files = {f"{name}/__init__.py": f"__version__ = {version!r}\n",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return file


class Host:
    """A machine: ``home`` plays /content or /kaggle/working, ``drive`` the reader's Google Drive, which outlives it.

    remotes: {address: repository}; every other address, and one whose repository is None, has no network.
    """

    def __init__(self, folder, remotes, *, python=sys.executable, fake_pip=True, drive=None, **variables):
        self.home, self.site, self.drive, self.python = folder / "content", folder / "site", drive or folder / "drive", python
        for path in (self.home, self.site, self.drive, folder / "bin"):
            path.mkdir(parents=True, exist_ok=True)
        self.log = folder / "calls.txt"
        self.log.touch()
        self.add("sitecustomize.py", SITECUSTOMIZE)
        self.add("google/colab/__init__.py", "")
        self.add("google/colab/drive.py", DRIVE)
        self.add("google/colab/userdata.py", "def get(key): raise KeyError(key)")
        if fake_pip:
            self.add("pip/__init__.py", "")
            self.add("pip/__main__.py", PIP)
        (folder / "bin" / "git").write_text(f'#!/bin/sh\necho "git $*" >> "$CALLS"\nexec {GIT} "$@"\n', encoding="utf-8")
        (folder / "bin" / "git").chmod(0o755)
        rules = [(NOWHERE, "https://github.com/")] + [(f"file://{repository}" if repository else NOWHERE, f"https://github.com/{address}")
                                                      for address, repository in remotes.items()]
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("GPT_SERIES_", "KAGGLE_", "COV"))} | {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(self.site), "CALLS": str(self.log),
            "HOSTED_HOME": str(self.home), "DRIVE": str(self.drive), "CUDA_VISIBLE_DEVICES": "", "IPYTHONDIR": str(folder / "ipython"),
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": str(len(rules)),
            **{f"GIT_CONFIG_KEY_{i}": f"url.{to}.insteadOf" for i, (to, _) in enumerate(rules)},
            **{f"GIT_CONFIG_VALUE_{i}": address for i, (_, address) in enumerate(rules)}, **variables}

    def add(self, path, text):
        """A file among what the machine has installed."""
        file = self.site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def add_package(self, name, version):
        self.add(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n")
        self.add(f"{name}/__init__.py", f"__version__ = {version!r}\n")

    def kernel(self, *cells):
        """The `Outcome` of each cell, in a process of their own; nothing goes past a cell's output to the terminal."""
        child = subprocess.run([self.python, "-c", KERNEL], input=json.dumps(cells), cwd=self.home, env=self.env, capture_output=True, text=True)
        assert (child.returncode, child.stderr) == (0, "")
        return [Outcome(*outcome) for outcome in json.loads(child.stdout)]

    def calls(self):
        """Calls of git, pip and drive.mount since the last question."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.log.write_text("", encoding="utf-8")
        return lines

    def files(self):
        """{path: (size, time of change)} of all files in the home."""
        return {p.relative_to(self.home).as_posix(): (p.stat().st_size, p.stat().st_mtime_ns) for p in self.home.rglob("*") if p.is_file()}
