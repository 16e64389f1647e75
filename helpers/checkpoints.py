"""Checkpoints: one safetensors file each, written whole or not at all, checked when read, never executing code."""

import contextlib
import json
import math
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .runs import write_whole
from .runtime import ReaderError, shown, step_of

WAIT = ("files on Drive appear late, so wait a minute and run this again; if it never comes, copy a step-*.safetensors there "
        "to best.safetensors to go on without the best weights, or delete this folder to train anew")


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
    """Write model, optimizer and ``state`` (plain JSON values) to ``file``, whole or not at all: see `write_whole`."""
    tensors = collect(model, optimizer)
    metadata = {"state": json.dumps(state | {"crc": checksum(tensors, state)})}
    write_whole(Path(file), lambda temporary: save_file(tensors, temporary, metadata=metadata), sum(t.nbytes for t in tensors.values()))


def read(file):
    """(tensors, state) of a checkpoint. Raises ValueError if it is damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {k: opened.get_tensor(k) for k in opened.keys()}
            state = json.loads(opened.metadata()["state"])
            crc = state.pop("crc", None)
    except FileNotFoundError:
        raise ValueError(f"{Path(file).name} is missing") from None
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


def load_best(model, folder):
    """Give ``model`` the weights of a run's best evaluation, ready to be used: in eval mode."""
    try:
        tensors, _ = read(folder / "checkpoints" / "best.safetensors")
    except ValueError as error:
        raise ReaderError(f"{shown(folder)} has no intact best.safetensors ({error}): {WAIT}") from None
    restore(tensors, model)
    model.eval()


def latest(folder):
    """(tensors, state) of the newest intact checkpoint in ``folder`` whose best weights are there too, or None; others are named."""
    best = Path(folder) / "best.safetensors"
    if best.with_suffix(".tmp").exists() and not best.exists():  # cut off in a rename that was not atomic; `read` looks whether it is whole
        best.with_suffix(".tmp").replace(best)
    for file in sorted(Path(folder).glob("step-*.safetensors"), reverse=True):
        try:
            tensors, state = read(file)
            if state.get("best_step", -1) >= 0 and read(best)[1]["step"] < state["best_step"]:
                raise ValueError("best.safetensors is older than it")
            return tensors, state
        except ValueError as error:
            print(f"{file.name} cannot be used ({error}): using the one before it")
    return None


def keep_last(folder, count=2):
    """Remove all but the newest ``count`` step checkpoints, and leftovers of interrupted writes."""
    for file in [*sorted(Path(folder).glob("step-*.safetensors"))[:-count], *Path(folder).glob("*.tmp")]:
        with contextlib.suppress(OSError):  # what cannot be removed now is removed after the next one
            file.unlink()


def seal(folder, rows):
    """Put the log's rows and a checksum of each file into a checkpoint folder of the Trainer: what lacks them was never finished."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    sums = json.dumps({f.name: zlib.crc32(f.read_bytes()) for f in sorted(folder.iterdir()) if f.is_file() and not f.name.startswith("sums.")})
    write_whole(folder / "sums.json", lambda temporary: temporary.write_text(sums, encoding="utf-8"), len(sums))


def damage(folder):
    """What is wrong with a sealed checkpoint folder, or None."""
    try:
        sums = json.loads((folder / "sums.json").read_text(encoding="utf-8"))
        return next((f"the checksum of {name} does not fit" for name, crc in sums.items() if zlib.crc32((folder / name).read_bytes()) != crc), None)
    except (OSError, ValueError) as error:
        return f"{Path(getattr(error, 'filename', None) or 'sums.json').name} is missing or damaged"


def newest_checkpoint(folder, last=math.inf):
    """The newest intact checkpoint folder before step ``last``, or None; damaged ones are named."""
    for found in sorted((f for f in folder.glob("checkpoint-*") if step_of(f) < last), key=step_of, reverse=True):
        if not (fault := damage(found)):
            return found
        print(f"{found.name} cannot be used ({fault}): using the one before it")
