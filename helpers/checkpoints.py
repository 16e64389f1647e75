"""Checkpoints: one safetensors file each, written whole or not at all, checked when read, never executing code."""

import errno
import json
import os
import shutil
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .runtime import ReaderError, shown


def collect(model, optimizer=None):
    """All tensors of a training state under flat names: ``model.<parameter>``, ``optimizer.<index>.<moment>``."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}


def checksum(tensors, state):
    """CRC-32 over the state and over every tensor's name, type, shape and bytes, in the order of the names."""
    crc = zlib.crc32(json.dumps(state, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy(), crc)
    return crc


def save(file, model, optimizer=None, **state):
    """Write model, optimizer and ``state`` (plain JSON values) to ``file``: temporary file, flush to disk, rename.

    Raises ReaderError when the disk is full; what was there before stays as it was.
    """
    file, tensors = Path(file), collect(model, optimizer)
    temporary = file.with_suffix(".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"state": json.dumps(state | {"crc": checksum(tensors, state)})})
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        if temporary.exists():
            temporary.unlink()
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            need = sum(t.nbytes for t in tensors.values()) / 1e6
            free = shutil.disk_usage(file.parent).free / 1e6
            raise ReaderError(f"no space left in {shown(file.parent)}: a checkpoint needs {need:,.0f} MB, {free:,.0f} MB are free; "
                              "the last one is intact, so free some space and run this again") from None
        raise ReaderError(f"{shown(file)} could not be written ({error}); the last checkpoint is intact") from None


def read(file):
    """(tensors, state) of a checkpoint. Raises ValueError if it is damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {k: opened.get_tensor(k) for k in opened.keys()}
            state = json.loads(opened.metadata()["state"])
            crc = state.pop("crc", None)
    except (SafetensorError, OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(str(error)) from None
    if crc != checksum(tensors, state):
        raise ValueError("its checksum does not fit its content")
    return tensors, state


def restore(tensors, model, optimizer=None):
    """Copy a checkpoint's tensors into a model and an optimizer. Raises ReaderError if it is another model's."""
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    own = model.state_dict()
    other = [k for k in own if k not in weights or weights[k].shape != own[k].shape] + [k for k in weights if k not in own]
    if other:
        name = other[0]
        sizes = [tuple(w[name].shape) if name in w else "missing" for w in (weights, own)]
        raise ReaderError(f"this checkpoint is of another configuration: {name} is {sizes[0]} in it and {sizes[1]} in the model; "
                          "build the model with the settings the checkpoint was written with")
    model.load_state_dict(weights)
    if optimizer is not None:
        state = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, moment = key.split(".")
                state.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def latest(folder):
    """(tensors, state) of the newest intact checkpoint in ``folder``, or None; damaged ones are named and passed over."""
    for file in sorted(Path(folder).glob("step-*.safetensors"), reverse=True):
        try:
            return read(file)
        except ValueError as error:
            print(f"{file.name} is damaged ({error}): using the one before it")
    return None


def keep_last(folder, count=2):
    """Remove all but the newest ``count`` step checkpoints, and leftovers of interrupted writes."""
    for file in [*sorted(Path(folder).glob("step-*.safetensors"))[:-count], *Path(folder).glob("*.tmp")]:
        file.unlink()
