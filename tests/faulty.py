"""A folder that fails or lies, as Google Drive does in Colab: for tests of what a run makes of it."""

import builtins
import contextlib
import errno
import io
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path
from unittest import mock

import safetensors.torch

from helpers import checkpoints

WRITING = set("wax+")


class Half:
    """A file that takes half of what is written to it, and then fails."""

    def __init__(self, file, error):
        self.file, self.error = file, error

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        raise self.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


class Faults:
    """Which operations below ``folder`` fail: those named by ``kinds``, on files like ``pattern``, ``times`` after ``skip`` that do not."""

    def __init__(self, folder, kinds, pattern, code, times, skip):
        self.folder, self.kinds, self.pattern, self.code, self.times, self.skip = Path(folder), kinds, pattern, code, times, skip
        self.seen = 0  # operations that could have failed

    def error(self, kind, path):
        """The error that this operation meets, or None."""
        if kind not in self.kinds or not isinstance(path, (str, Path)) or not Path(path).is_relative_to(self.folder):
            return None
        if not fnmatch(Path(path).name, self.pattern):
            return None
        self.seen += 1
        return OSError(self.code, os.strerror(self.code)) if self.skip < self.seen <= self.skip + self.times else None

    def wrap(self, kind, function):
        def wrapper(path, *arguments, **named):
            if error := self.error(kind, path):
                raise error
            return function(path, *arguments, **named)

        return wrapper

    def open(self, path, mode="r", *arguments, **named):
        error = self.error("open" if WRITING & set(mode) else "read", path)
        if error:
            raise error
        half = self.error("write", path) if WRITING & set(mode) else None
        file = real_open(path, mode, *arguments, **named)
        return Half(file, half) if half else file


real_open = builtins.open


def save_file(tensors, file, metadata):
    """safetensors' function, which writes by itself, through Python's files."""
    with open(file, "wb") as out:
        out.write(safetensors.torch.save(tensors, metadata))


@contextlib.contextmanager
def faulty(folder, *kinds, pattern="*", code=errno.EIO, times=10**9, skip=0):
    """While this is open, operations below ``folder`` fail. kinds: "open" (to write), "write" (half of it arrives), "read",
    "rename", "remove", "make". Gives the `Faults`, which count."""
    faults = Faults(folder, kinds, pattern, code, times, skip)
    with contextlib.ExitStack() as patches:
        for place, name, function in (
                (builtins, "open", faults.open), (io, "open", faults.open), (checkpoints, "save_file", save_file),
                (os, "replace", faults.wrap("rename", os.replace)), (os, "unlink", faults.wrap("remove", os.unlink)),
                (os, "mkdir", faults.wrap("make", os.mkdir))):
            patches.enter_context(mock.patch.object(place, name, function))
        yield faults


READ_ONLY = ("open", "rename", "remove", "make")


@contextlib.contextmanager
def late(*files, share=None):
    """While this is open, the files are missing, or only this share of their bytes is there; then they appear, where none came in between."""
    aside = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink() if share is None else file.write_bytes(aside[file][: int(len(aside[file]) * share)])
    seen = {file: file.read_bytes() if file.exists() else None for file in files}
    yield
    for file, content in aside.items():
        if (file.read_bytes() if file.exists() else None) == seen[file] and file.parent.exists():
            file.write_bytes(content)


def mounted_elsewhere(workspace, name):
    """The workspace as a new machine finds it: under another path."""
    return Path(shutil.move(workspace, Path(workspace).with_name(name)))
