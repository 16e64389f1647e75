"""Where am I? Platform, device, dtype with its reason, profile, data source, workspace and seed.

Every notebook and command begins with `setup`, the one place that asks these questions.
Environment variables answer for "auto" (tests, classrooms): GPT_SERIES_PROFILE, GPT_SERIES_DATA,
GPT_SERIES_WORKSPACE, GPT_SERIES_SEED, GPT_SERIES_STEPS, GPT_SERIES_DTYPE.
"""

import contextlib
import json
import os
import platform
import random
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .installs import REPOSITORY, ReaderError, find_platform, import_unsloth, install

PROFILES = ("cpu", "t4", "full")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
T4_MEMORY = int(14.5 * 2**30)  # what a free T4 leaves to a program, in bytes
REHEARSAL_BYTES = 2_000_000  # a rehearsal reads at most this much text
HOMES = {"Colab": Path("/content"), "Kaggle": Path("/kaggle/working")}


@dataclass(frozen=True)
class Runtime:
    """The answers of `setup`. ``steps``: in a rehearsal, the step after which every training stops; else None."""

    notebook: str
    profile: str
    platform: str
    device: torch.device
    dtype: torch.dtype
    dtype_reason: str
    data: str
    workspace: Path
    seed: int
    steps: int | None = None

    @property
    def max_bytes(self):
        """How much text to read at most; None: all."""
        return REHEARSAL_BYTES if self.steps else None

    def autocast(self):
        """Context in which matrix products run in ``dtype``; nothing at float32."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def __str__(self):
        runs = sorted(self.workspace.glob("*-????????"), key=os.path.getmtime, reverse=True)  # those that began last come first
        found = [*map(describe_run, runs[:3]), *[f"{len(runs) - 3} more"] * (len(runs) > 3)]
        return "\n".join([
            f"Python {platform.python_version()}, torch {torch.__version__}, {self.platform}, {hardware(self.device)}",
            f"dtype {str(self.dtype).removeprefix('torch.')}: {self.dtype_reason}",
            f"profile {self.profile}{f' (rehearsal: {self.steps} steps)' if self.steps else ''}, data {shown(self.data)}, seed {self.seed}",
            f"workspace {shown(self.workspace, 2)}: {', '.join(found) or 'nothing in it yet'}"
            + ("; a disconnect loses it: tick USE_DRIVE to keep it" if self.platform == "Colab" and "drive" not in self.workspace.parts else ""),
        ])


def setup(notebook, *, profile="auto", data="auto", workspace=None, seed=None, dtype="auto", extras="", use_drive=False):
    """Find out where we are, seed all generators, print it and return a `Runtime`.

    profile: "auto", "cpu", "t4" or "full". data: "auto", "offline", "hub" or a folder. dtype: "auto" or a name
    in `DTYPES`. extras: packages that this notebook needs beyond Colab's own. use_drive: keep the workspace on Google Drive.
    Raises ReaderError for an unknown profile, dtype or data folder, and for a workspace that cannot be written.
    """
    install(extras)
    if "unsloth" in extras.split():
        import_unsloth()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")
    profile = choose("profile", profile, "GPT_SERIES_PROFILE", "t4" if device.type == "cuda" else "cpu", PROFILES)
    if profile == "cpu":
        device = torch.device("cpu")
    if device.type == "cuda":
        if device.index >= torch.cuda.device_count():
            raise ReaderError(f"{device.index + 1} processes or more for {torch.cuda.device_count()} GPU: start one a GPU, or take profile cpu")
        total = torch.cuda.get_device_properties(device).total_memory  # in t4 a larger card behaves like a T4: what fits here fits there
        torch.cuda.set_per_process_memory_fraction(min(1.0, T4_MEMORY / total) if profile == "t4" else 1.0, device)
    steps = whole_number("GPT_SERIES_STEPS", None)
    seed = whole_number("GPT_SERIES_SEED", 1337) if seed is None else seed
    kind, reason = choose_dtype(device, dtype)
    where = find_platform()
    runtime = Runtime(notebook, profile, where, device, kind, reason, choose_data(data, profile),
                      open_workspace(workspace, where, use_drive, notebook, steps), seed, steps)
    seed_everything(seed)
    if int(os.environ.get("RANK", 0)) == 0:
        print(runtime)
        head = REPOSITORY / ".git" / "HEAD"  # what the setup cell fetched: a release's commit, else a branch
        if where != "local" and head.exists():
            print("helpers fetched:", head.read_text(encoding="utf-8").split()[-1].replace("refs/heads/", "no release tag there, so branch "))
    return runtime


def choose(name, value, variable, default, choices):
    """``value`` unless it is "auto", then the environment's answer, then ``default``; checked against ``choices``."""
    value = os.environ.get(variable, default) if value == "auto" else value
    if value not in choices:
        raise ReaderError(f"unknown {name} {value!r}: choose one of {', '.join(choices)}")
    return value


def whole_number(variable, default):
    value = os.environ.get(variable, "")
    if not value:
        return default
    if not value.isdigit():
        raise ReaderError(f"{variable} must be a whole number, got {value!r}")
    return int(value)


def choose_dtype(device, wish="auto"):
    """(dtype, the reason in one line) for the matrix products on ``device``."""
    wish = os.environ.get("GPT_SERIES_DTYPE", "auto") if wish == "auto" else wish
    if wish != "auto":
        if wish not in DTYPES:
            raise ReaderError(f"unknown dtype {wish!r}: choose one of auto, {', '.join(DTYPES)}")
        return DTYPES[wish], "asked for"
    if device.type == "cpu":
        return torch.float32, "on a CPU, so that runs compare across machines"
    # T4: torch answers "bf16 supported" by emulation, so ask the hardware
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return torch.bfloat16, f"compute capability {major}.{minor} has bfloat16 units"
    return torch.float16, f"compute capability {major}.{minor} has no bfloat16 units; a gradient scaler and float32 weights go with it"


def choose_data(data, profile):
    """"offline", "hub" or the path of an existing folder, as a string."""
    data = os.environ.get("GPT_SERIES_DATA", "offline" if profile == "cpu" else "hub") if data == "auto" else str(data)
    if data in ("offline", "hub"):
        return data
    if not Path(data).exists():
        raise ReaderError(f"data {data!r} is neither 'offline', 'hub' nor a folder that exists: choose one of the three")
    return str(Path(data).absolute())  # a process that is started from here may work in another folder


def open_workspace(workspace, where, use_drive, notebook, steps):
    """The notebook's folder in the workspace, made and tried; a rehearsal gets a workspace of its own."""
    if use_drive and where == "Colab":
        try:
            from google.colab import drive
            drive.mount(str(HOMES["Colab"] / "drive"))
        except Exception as error:  # MessageError where the reader refuses, ValueError, and more: one sentence for all
            raise ReaderError(f"Google Drive was not mounted ({str(error).partition(chr(10))[0]}): "
                              "run this cell again and allow it, or untick USE_DRIVE") from None
        workspace = workspace or HOMES["Colab"] / "drive/MyDrive/gpt-in-colab"
    elif use_drive:
        print("USE_DRIVE has no effect here: Google Drive is Colab's")
    root = Path(workspace or os.environ.get("GPT_SERIES_WORKSPACE") or HOMES.get(where, REPOSITORY) / "workspace")
    folder = (root.with_name(root.name + "-rehearsal") if steps else root) / notebook
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_text("a file can be written here", encoding="utf-8")
        probe.unlink()
        if shutil.disk_usage(folder).free < 100e6:  # a full Google Drive takes files, and loses them later
            raise OSError(0, "less than 100 MB free")
    except OSError as error:
        way_out = "make room there, or untick USE_DRIVE" if "drive" in folder.parts else "set GPT_SERIES_WORKSPACE to a folder of yours"
        raise ReaderError(f"the workspace {shown(folder)} cannot be written ({error.strerror}): {way_out}") from None
    return folder


def seed_everything(seed):
    """Seed Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def hardware(device):
    """What computes and how much memory it has, in words."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name, count = torch.cuda.get_device_name(device), torch.cuda.device_count()
        return f"{f'{count} x {name}, this process uses one' if count > 1 else name} ({total / 2**30:.1f} GiB, {free / 2**30:.1f} GiB free)"
    import psutil
    return f"{os.cpu_count()} CPU cores ({psutil.virtual_memory().total / 2**30:.1f} GiB RAM, {torch.get_num_threads()} threads)"


def describe_run(folder):
    """A run's name and how far it came, as far as that can be read; `Run` and `checkpoints` look closer before it goes on."""
    saved = [*folder.glob("checkpoints/step-*.safetensors"), *(f.parent for f in folder.glob("checkpoints/checkpoint-*/sums.json"))]
    saved, row = max(saved, key=step_of, default=None), {}  # our files, or folders of the Trainer's that `finetuning.seal` has closed
    with contextlib.suppress(OSError, ValueError, TypeError):
        for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
            row |= json.loads(line)  # of values that come again the last one counts
    if row.get("status") in ("complete", "early stop"):
        return f"{folder.name} complete (loss {row.get('val_loss') or float('nan'):.3f})"
    return f"{folder.name} {at_step(saved, row.get('steps')) if saved else 'begun'}"


def step_of(checkpoint):
    """The step in a checkpoint's name, such as step-000040.safetensors or checkpoint-40."""
    return int(re.search(r"-(\d+)", checkpoint.name)[1])


def at_step(checkpoint, steps):
    """The step of a checkpoint file and when it was written, with the day when that is not today."""
    saved = time.localtime(checkpoint.stat().st_mtime)
    clock = time.strftime("%H:%M" if saved[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M", saved)
    return f"at step {step_of(checkpoint):,}{f' of {steps:,}' if steps else ''}, saved {clock}"


def shown(path, parts=1):
    """A path as the reader should see it: relative to here or to the repository, else its last ``parts``; never this machine's layout."""
    if str(path) in ("offline", "hub"):
        return str(path)
    path = Path(path).absolute()
    for root in (Path.cwd(), REPOSITORY):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    if path.parts[1:2] in (("content",), ("kaggle",)):  # every reader's layout on Colab and Kaggle
        return path.as_posix()
    return "/".join(["path/to", *path.parts[-parts:]])
