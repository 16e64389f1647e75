"""Timing the rungs of `rungs`: each in a process of its own, which keeps its settings and its memory apart, in turns.

    slower, faster = Worker(rung_below, config), Worker(rung, config)
    print(time_pair(slower, faster))       # the notebook: one rung, then the next
    print(climb(config, batch_size=2))     # or the whole ladder at once

Rounds are interleaved (A B C, then C B A, ...), so that a slow minute of the machine falls on all; a ratio is taken within a round.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from .budget import flops_per_token, peak_flops
from .model import GPTConfig
from .rungs import Rung, Trainer, differences, rungs
from .runs import describe_hardware
from .runtime import DTYPES, REPOSITORY, ReaderError


# --- in the child process ---


def clocks(device):
    """(wall, CPU) seconds; the CPU's counts all threads of this process."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return np.array([time.perf_counter(), time.process_time()])


def peak_bytes(device):
    """The most memory held since `forget_peak`: allocated on the GPU, else resident in this process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):  # Linux
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


def forget_peak(device):
    if device.type == "cuda":
        return torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from what is resident now


def serve(make, settings):
    """The child's life: ``make(settings, device) -> (step, notes)``; then, for each number on stdin, so many steps and a JSON line on stdout."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed shall not stand among the answers
    answer = lambda **row: print(json.dumps(row), file=answers, flush=True)
    torch.set_num_threads(settings["threads"])
    device = torch.device(settings["device"])
    try:
        step, notes = make(settings, device)
        forget_peak(device)
        before = clocks(device)
        loss = step().item()
        answer(**notes, first_loss=loss, first_seconds=(clocks(device) - before)[0])
        for line in sys.stdin:
            before = clocks(device)
            losses = [step() for _ in range(int(line))]
            wall, cpu = (clocks(device) - before) / len(losses)
            answer(wall=wall, cpu=cpu, peak_bytes=peak_bytes(device), loss=losses[-1].item())
    except Exception as error:  # the parent tells the reader: no compiler, no memory, ...
        answer(error=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


def random_batch(config, batch_size, device):
    """Tokens and targets, (batch_size, block_size) each, the same for every rung."""
    rows = torch.randint(config.vocab_size, (batch_size, config.block_size + 1), generator=torch.Generator().manual_seed(0)).to(device)
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def make_rung(settings, device):
    """(a step of the rung, how far its first loss and gradients are from the plain step's)."""
    config = GPTConfig(**settings["config"])
    rung = Rung(**settings["rung"] | {"dtype": DTYPES[settings["rung"]["dtype"]]})
    trainer, batch = Trainer(rung, config, device), random_batch(config, settings["batch_size"], device)
    started = time.perf_counter()
    off = differences(trainer, *batch) if settings["check"] else None
    notes = dict(differences=off, start_up=time.perf_counter() - started)
    return lambda: trainer(*batch), notes


# --- in the notebook ---


class Worker:
    """A process that trains as one rung says and answers with seconds. Close it, or use it in a ``with``: it holds memory.

    Raises ReaderError, with the machine's own words, where the rung cannot work here.
    """

    def __init__(self, name, settings, *, huge_pages=False, command=("-m", "helpers.ladder")):
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "THP_MEM_ALLOC_ENABLE": "1" if huge_pages else "0"}  # read when torch is imported
        settings = dict(threads=torch.get_num_threads(), device="cpu") | settings
        self.name, self.rows = name, []
        self.process = subprocess.Popen([sys.executable, *command, json.dumps(settings)], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.first = self.read()

    def read(self):
        row = json.loads(self.process.stdout.readline() or '{"error": "its process ended, most likely for want of memory"}')
        if "error" in row:
            self.close()
            raise ReaderError(f"{self.name}: {row['error']}")
        return row

    def turn(self, steps=1):
        """Take so many steps; {"wall", "cpu"} seconds a step, "peak_bytes" so far and the last "loss"."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self.rows.append(self.read())

    def seconds(self, clock="wall"):
        return np.array([row[clock] for row in self.rows])

    def close(self):
        self.process.kill()
        self.process.communicate()

    __enter__ = lambda self: self
    __exit__ = lambda self, *error: self.close()
