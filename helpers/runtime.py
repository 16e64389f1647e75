"""Where am I? Platform, device, dtype with its reason, profile, data source, workspace and seed.

Every notebook and command begins with `setup`, the one place that asks these questions.
Environment variables answer for "auto" (tests, classrooms): GPT_SERIES_PROFILE, GPT_SERIES_DATA,
GPT_SERIES_WORKSPACE, GPT_SERIES_SEED, GPT_SERIES_STEPS.
"""

import contextlib
import importlib.util
import os
import platform
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
PROFILES = ("cpu", "t4", "full")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
T4_MEMORY = int(14.5 * 2**30)  # what a free T4 leaves to a program, in bytes
REHEARSAL_BYTES = 2_000_000  # a rehearsal reads at most this much text
EXTRAS = {"peft": ("peft",), "bitsandbytes": ("bitsandbytes>=0.50,<0.51",)}  # what Colab lacks, by a notebook's need


class ReaderError(Exception):
    """Something the reader can mend, said in one sentence; notebooks show the sentence without a traceback."""

    def _render_traceback_(self):  # IPython's hook
        return [f"{type(self).__name__}: {self}"]


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
        found = sorted(p.name for p in self.workspace.iterdir() if (p / "log.jsonl").exists())
        return "\n".join([
            f"Python {platform.python_version()}, torch {torch.__version__}, {self.platform}, {hardware(self.device)}",
            f"dtype {str(self.dtype).removeprefix('torch.')}: {self.dtype_reason}",
            f"profile {self.profile}{f' (rehearsal: {self.steps} steps)' if self.steps else ''}, data {shown(self.data)}, seed {self.seed}",
            f"workspace {shown(self.workspace, 2)}: {', '.join(found) if found else 'nothing in it yet'}"
            + ("; a disconnect loses it: tick USE_DRIVE to keep it" if self.platform == "Colab" and "drive" not in self.workspace.parts else ""),
        ])


def setup(notebook, *, profile="auto", data="auto", workspace=None, seed=None, dtype="auto", extras="", use_drive=False):
    """Find out where we are, seed all generators, print it and return a `Runtime`.

    profile: "auto", "cpu", "t4" or "full". data: "auto", "offline", "hub" or a folder. dtype: "auto" or a name
    in `DTYPES`. extras: packages that this notebook needs beyond Colab's own. use_drive: keep the workspace on Google Drive.
    Raises ReaderError for an unknown profile, dtype or data folder, and for a workspace that cannot be written.
    """
    install(extras)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")
    profile = choose("profile", profile, "GPT_SERIES_PROFILE", "t4" if device.type == "cuda" else "cpu", PROFILES)
    if profile == "cpu":
        device = torch.device("cpu")
    if profile == "t4" and device.type == "cuda":  # a larger card behaves like a T4, so that what fits here fits there
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, T4_MEMORY / total), device)
    steps = whole_number("GPT_SERIES_STEPS", None)
    seed = whole_number("GPT_SERIES_SEED", 1337) if seed is None else seed
    kind, reason = choose_dtype(device, dtype)
    where = find_platform()
    runtime = Runtime(notebook, profile, where, device, kind, reason, choose_data(data, profile),
                      open_workspace(workspace, where, use_drive, notebook, steps), seed, steps)
    seed_everything(seed)
    if int(os.environ.get("RANK", 0)) == 0:
        print(runtime)
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
    if data not in ("offline", "hub") and not Path(data).exists():
        raise ReaderError(f"data {data!r} is neither 'offline', 'hub' nor a folder that exists: choose one of the three")
    return data


def find_platform():
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
        return "Colab"
    return "Kaggle" if "KAGGLE_KERNEL_RUN_TYPE" in os.environ else "local"


def open_workspace(workspace, where, use_drive, notebook, steps):
    """The notebook's folder in the workspace, made and tried; a rehearsal gets a workspace of its own."""
    if use_drive and where == "Colab":
        from google.colab import drive
        drive.mount("/content/drive")
        workspace = workspace or "/content/drive/MyDrive/gpt-in-colab"
    default = {"Colab": "/content/workspace", "Kaggle": "/kaggle/working/workspace"}.get(where, REPOSITORY / "workspace")
    root = Path(workspace or os.environ.get("GPT_SERIES_WORKSPACE") or default)
    folder = (root.with_name(root.name + "-rehearsal") if steps else root) / notebook
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_text("a file can be written here", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise ReaderError(f"the workspace {shown(folder)} cannot be written ({error.strerror}): "
                          "set GPT_SERIES_WORKSPACE to a folder of yours") from None
    return folder


def install(extras):
    """Install what a notebook needs and the runtime lacks. Colab's old torchao, which PEFT refuses, is removed first."""
    missing = [p for name in extras.split() if not importlib.util.find_spec(name) for p in EXTRAS[name]]
    if "peft" in extras and importlib.util.find_spec("torchao") and find_platform() == "Colab":
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", "torchao"], check=True)
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *missing], check=True)


def seed_everything(seed):
    """Seed Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def hardware(device):
    """What computes and how much memory it has, in words."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)} ({total / 2**30:.1f} GiB, {free / 2**30:.1f} GiB free)"
    import psutil
    return f"{os.cpu_count()} CPU cores ({psutil.virtual_memory().total / 2**30:.1f} GiB RAM, {torch.get_num_threads()} threads)"


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
