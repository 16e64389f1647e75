"""One JSON-lines file a run: a header, metric rows, system rows, an end. Charts and published numbers come from it."""

import contextlib
import hashlib
import importlib.util
import json
import math
import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from safetensors import SafetensorError

from .runtime import REPOSITORY, ReaderError, shown

REFERENCES = REPOSITORY / "data" / "reference"
TRACKERS = ("none", "tensorboard", "wandb")
PAUSE = 1.0  # seconds after which a failed write is tried once more


def settings_hash(settings):
    """Eight hexadecimal digits that tell these settings (plain JSON values) from all others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def make_header(runtime, *, settings, data):
    """What a run needs to be told apart and repeated. settings: plain values. data: the streams' fingerprint."""
    return dict(notebook=runtime.notebook, profile=runtime.profile, settings=settings, settings_hash=settings_hash(settings),
                data=data, seed=runtime.seed, rehearsal=runtime.steps, hardware=describe_hardware(runtime.device),
                python=platform.python_version(), torch=torch.__version__, started=time.strftime("%Y-%m-%d %H:%M"))


def describe_hardware(device):
    """The card's name, or the processor's with its cores: no figure that changes from day to day."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def write_whole(file, write, size, suffix=".tmp", again=True):
    """Write a file of ``size`` bytes whole or not at all: ``write(temporary)``, flush to disk, rename; what fails is tried twice."""
    temporary = file.with_suffix(suffix)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if again:  # a hiccup of Drive shall not cost the minutes since the last checkpoint
            time.sleep(PAUSE)
            return write_whole(file, write, size, suffix, again=False)
        raise ReaderError(f"{shown(file)} could not be written ({getattr(error, 'strerror', None) or error}); what was saved before is intact: "
                          f"see that the folder can be written and has {size / 1e6:,.1f} MB free, then run this again") from None


class Run:
    """A run's log, read from a file and appended to. ``header`` is a dict, ``rows`` the list of all rows after it."""

    def __init__(self, file):
        self.file, self.header, self.rows, self.tracker, self.lock, self.torn = Path(file), {}, [], None, threading.Lock(), False
        try:
            for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
                self.rows.append(json.loads(line))
        except (FileNotFoundError, json.JSONDecodeError):
            pass  # half a row ends what can be read: `fit` finds the rest in its checkpoint
        except OSError as error:
            raise ReaderError(f"{shown(self.file, 2)} could not be read ({error.strerror}): run this again when the folder is there") from None
        self.header = next((r for r in self.rows if r["kind"] == "header"), {})
        self.rows = [r for r in self.rows if r["kind"] != "header"]

    def begin(self, header, *, step=0, tracker="none"):
        """Write the header, keep the rows up to ``step`` (all later ones will be computed again), open the tracker."""
        if tracker not in TRACKERS:
            raise ReaderError(f"unknown tracker {tracker!r}: choose one of {', '.join(TRACKERS)}")
        self.header = {"kind": "header", **header} | (self.header if step else {})
        self.rows = [r for r in self.rows if r.get("step", 0) <= step and r["kind"] not in ("end", "result")] if step else []
        self.write()
        self.tracker = open_tracker(tracker, self.file.parent, self.header)

    def write(self):
        """The whole log anew."""
        text = "".join(json.dumps(r) + "\n" for r in [self.header, *self.rows])
        write_whole(self.file, lambda temporary: temporary.write_text(text, encoding="utf-8"), len(text))
        self.torn = False

    def log(self, kind="metric", **row):
        """Append a row; numbers that are not finite become null. Rows reach the disk at once."""
        row = {"kind": kind} | {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        with self.lock:  # the system monitor writes from its own thread
            self.rows.append(row)
            if not self.torn:
                self.torn = True  # if this fails, half a row may be on the disk: then the whole log is written anew
                with contextlib.suppress(OSError), open(self.file, "a", encoding="utf-8") as log:
                    log.write(json.dumps(row) + "\n")
                    self.torn = False
            if self.torn and kind != "system":  # a system row can wait: its thread has nobody to tell
                self.write()
            if self.tracker:
                self.tracker({k: v for k, v in row.items() if isinstance(v, (int, float))}, row.get("step"))

    def curve(self, name, x="tokens"):
        """(x, y) arrays of all metric and system rows that have both columns; the end row only sums them up."""
        rows = [r for r in list(self.rows) if r["kind"] in ("metric", "system")]
        pairs = [(r[x], r[name]) for r in rows if r.get(name) is not None and r.get(x) is not None]
        return tuple(np.array(pairs, dtype=float).reshape(-1, 2).T)

    @property
    def end(self):
        """The closing row, or an empty dict while the run is under way."""
        return next((r for r in reversed(self.rows) if r["kind"] == "end"), {})

    @property
    def complete(self):
        return bool(self.header) and self.end.get("status") in ("complete", "early stop")


def open_tracker(name, folder, header):
    """A function (numbers, step) that mirrors rows to TensorBoard or Weights & Biases; None for "none"."""
    if name == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        writer = SummaryWriter(folder / "tensorboard")

        def mirror(numbers, step):
            for name in numbers.keys() - {"step"}:
                writer.add_scalar(name, numbers[name], step)
            writer.flush()  # what waits in memory would be lost with the process

        return mirror
    if name == "wandb":
        if not importlib.util.find_spec("wandb"):
            raise ReaderError("the tracker wandb is not installed: run pip install wandb, or choose tensorboard or none")
        import wandb
        run = wandb.init(project="gpt-in-colab", dir=folder, config=header, id=folder.name, resume="allow")
        return lambda numbers, step: run.log(numbers)
    return None


class SystemMonitor:
    """Context manager that logs CPU, memory, disk, network and, where there is one, the GPU, every ``interval`` seconds."""

    def __init__(self, run, *, interval=2.0, device=None, active=True):
        self.active = active  # of several processes one watches
        self.run, self.interval, self.stop, self.started = run, interval, threading.Event(), time.monotonic()
        self.process, self.gpu = psutil.Process(), None
        if device is not None and device.type == "cuda":
            try:
                import pynvml
                pynvml.nvmlInit()
                self.nvml, self.gpu = pynvml, pynvml.nvmlDeviceGetHandleByIndex(torch.cuda._get_nvml_device_index(device))  # CUDA may hide some
            except Exception as error:  # no package, or a driver that does not answer: that costs the GPU's rows, not the run
                print(f"no readings of the GPU ({error})")

    def sample(self):
        """One row of readings: percent, bytes, and bytes since boot for disk and network."""
        disk, net = psutil.disk_io_counters(), psutil.net_io_counters()
        row = dict(seconds=round(time.monotonic() - self.started, 2), cpu_percent=psutil.cpu_percent(),
                   memory_bytes=self.process.memory_info().rss, memory_percent=psutil.virtual_memory().percent,
                   disk_read=disk.read_bytes if disk else 0, disk_written=disk.write_bytes if disk else 0,
                   net_received=net.bytes_recv, net_sent=net.bytes_sent)
        if self.gpu:
            row |= dict(gpu_percent=self.nvml.nvmlDeviceGetUtilizationRates(self.gpu).gpu,
                        gpu_memory_bytes=self.nvml.nvmlDeviceGetMemoryInfo(self.gpu).used)
        return row

    def watch(self):
        try:
            while not self.stop.wait(self.interval):
                self.run.log("system", **self.sample())
            self.run.log("system", **self.sample())
        except Exception as error:  # whatever a driver may raise; the thread has nobody to catch it
            print(f"the system monitor stopped ({error}): the run goes on without its rows")

    def __enter__(self):
        psutil.cpu_percent()  # the first reading only starts the clock
        self.thread = threading.Thread(target=self.watch, daemon=True)
        if self.active:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        if self.active:
            self.thread.join()


@dataclass(frozen=True)
class Band:
    """Where the validation loss of recorded runs lay: arrays over ``tokens``, and the final losses."""

    tokens: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    final: tuple  # (low, mean, high)
    seeds: tuple
    hardware: str

    def verdict(self, val_loss):
        """A sentence that says whether a final validation loss lies in the band."""
        low, mean, high = self.final
        where = "inside" if low <= val_loss <= high else "outside"
        return (f"final validation loss {val_loss:.3f}: {where} the reference band {low:.3f} to {high:.3f} "
                f"(mean {mean:.3f} of {len(self.seeds)} seeds on {self.hardware})")


def spread(values):
    """(low, mean, high) down the first axis: mean +- max(3 standard deviations, 2 %)."""
    values = np.asarray(values)
    mean = values.mean(0)
    half = np.maximum(3 * values.std(0, ddof=1), 0.02 * mean)
    return mean - half, mean, mean + half


def reference(run, folder=REFERENCES):
    """The `Band` of the recorded runs with this run's notebook, profile, data and settings; None below 3 seeds."""
    same = ("notebook", "profile", "data", "settings_hash")
    recorded = [Run(f) for f in sorted(Path(folder).rglob("*.jsonl"))]
    recorded = {r.header["seed"]: r for r in recorded
                if r.complete and not r.header["rehearsal"] and all(r.header[k] == run.header.get(k) for k in same)}
    if len(recorded) < 3:
        return None
    curves = [r.curve("val_loss") for r in recorded.values()]
    length = min(len(x) for x, _ in curves)  # early stopping may end one seed before another
    low, mean, high = spread([y[:length] for _, y in curves])
    final = spread([r.end["val_loss"] for r in recorded.values()])
    return Band(curves[0][0][:length], mean, low, high, tuple(map(float, final)), tuple(recorded),
                next(iter(recorded.values())).header["hardware"])
