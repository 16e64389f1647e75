"""What a notebook needs beyond Colab's own packages: installed there and on Kaggle only; Unsloth, where asked for, imported before all else."""

import importlib
import importlib.util
import os
import subprocess
import sys
import traceback
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent
EXTRAS = {"peft": ("peft>=0.20",), "bitsandbytes": ("bitsandbytes>=0.50,<0.51",),  # a notebook's needs beyond Colab's own
          "trl": ("trl>=0.29.1,<1.0",), "optuna": ("optuna>=5,<6",)}
REPLACED = set()  # packages in use that pip replaced: until a restart, what runs is not what is installed


class ReaderError(Exception):
    """Something the reader can mend, said in one sentence; notebooks show the sentence without a traceback."""

    def _render_traceback_(self):  # IPython's hook
        cause = self  # what IPython remembers of it would hold all that the failed call had on the card
        while cause is not None:
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__cause__ or cause.__context__
        return [f"{type(self).__name__}: {self}"]


def find_platform():
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:  # asked first: Kaggle's machines are built on Colab's and have google.colab too
        return "Kaggle"
    return "Colab" if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab") else "local"


def packages():
    """{name: version} of what is installed, by the folders such as torchao-0.10.0.dist-info."""
    return dict(p.stem.split("-", 1) for folder in reversed(sys.path) for p in Path(folder).glob("*-*.dist-info"))


def behind(extras):
    """The requirements behind words of extras; behind "unsloth" those of requirements-llama.txt, among which is all that the others name."""
    words = extras.split()
    if unknown := set(words) - {"unsloth", *EXTRAS}:
        raise ReaderError(f"unknown extras {' '.join(sorted(unknown))!r}: choose among {', '.join(EXTRAS)}, or unsloth alone")
    if "unsloth" in words:
        lines = (REPOSITORY / "requirements-llama.txt").read_text(encoding="utf-8").splitlines()
        return [line.split()[0] for line in lines if line[:1].isalpha()]
    return [requirement for word in words for requirement in EXTRAS[word]]


def install(extras):
    """On Colab and Kaggle, install what a notebook needs and they lack; their old torchao, which PEFT refuses, goes.

    Unsloth's set has a new torchao instead; it is installed as it is listed, without what its packages ask for.
    Raises ReaderError for an unknown word, where pip fails, and where a package in use was replaced, until the session is restarted.
    """
    wanted = behind(extras)
    if find_platform() == "local":
        return
    words, before = extras.split(), packages()
    alone = ["--no-deps"] if "unsloth" in words else []
    missing = [r for r in wanted if before.get(Requirement(r).name, "0") not in Requirement(r).specifier]
    old = ["torchao"] if "peft" in words and not alone and before.get("torchao", "1") in Requirement("torchao<0.16").specifier else []
    for order, wanted in (["install", *alone], missing), (["uninstall", "-y"], old):
        if wanted and subprocess.run([sys.executable, "-m", "pip", *order, "-q", *wanted], capture_output=True).returncode:
            raise ReaderError(f"pip {order[0]} {' '.join(wanted)} failed: check the network, then run this cell again")
    importlib.invalidate_caches()
    REPLACED.update(dict(before.items() - packages().items()).keys() & sys.modules.keys())
    if REPLACED:
        raise ReaderError(f"{', '.join(sorted(REPLACED))} was replaced while in use: restart the session, then Run all")


def import_unsloth():
    """Import Unsloth before the libraries that it changes; where that cannot be, one line says why, and the plain stack serves."""
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")  # it would report where it runs
    try:
        if "unsloth" not in sys.modules and (early := {"peft", "transformers", "trl"} & sys.modules.keys()):
            raise ImportError(f"{', '.join(sorted(early))} came first: restart the session, then Run all")
        importlib.import_module("unsloth")
    except Exception as error:  # ImportError, NotImplementedError, and what comes of a library that is not as it expects
        print(f"the plain stack is used, for Unsloth cannot be imported: {str(error).strip().partition(chr(10))[0] or type(error).__name__}")
