"""Timing the rungs of `rungs`: each in a process of its own, which keeps its settings and its memory apart, in turns.

    ladder = Ladder(config, batch_size=2)
    print(ladder.time("fused AdamW"))      # one rung against the one below it
    print(ladder.climb())                  # or all of them

Rounds are interleaved (A B C, then C B A, ...), so that a slow minute of the machine falls on all; a ratio is taken within a round.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from .model import GPTConfig
from .roofline import matmul_rate, share_reached
from .rungs import HUGE_PAGES, KEPT_MEMORY, Rung, Trainer, differences, rungs
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
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no Linux, no glibc
        ctypes.CDLL(None).malloc_trim(0)  # what the check has freed, else kept memory would count it
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now


def serve(make, settings):
    """A child's life: ``make(settings, device) -> (step, check)``, one step, ``check()``; then, for each number on stdin, one step and so many timed."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed shall not stand among the answers
    answer = lambda **row: print(json.dumps(row), file=answers, flush=True)
    torch.set_num_threads(settings["threads"])
    device = torch.device(settings["device"])
    try:
        step, check = make(settings, device)
        before = clocks(device)
        first_loss, first_seconds = step().item(), (clocks(device) - before)[0]  # torch.compile works here
        answer(first_loss=first_loss, first_seconds=first_seconds, differences=check())
        forget_peak(device)
        for line in sys.stdin:
            step()  # not timed: while others had their turn, caches went cold and a virtual machine's host took free pages back
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
    """(a step of the rung, a function that says how far its loss and gradients are from the plain step's)."""
    config, rung = GPTConfig(**settings["config"]), settings["rung"]
    trainer, batch = Trainer(Rung(**rung | {"dtype": DTYPES[rung["dtype"]]}), config, device), random_batch(config, settings["batch_size"], device)
    return lambda: trainer(*batch), lambda: differences(trainer, *batch) if settings["check"] else None


# --- in the notebook ---


class Worker:
    """A process that takes training steps when asked and answers with seconds; it holds memory until closed.

    environment: variables of the process. command: what Python runs, with ``settings`` in JSON as its last argument; it calls `serve`. ``first``: what `serve` answers first.
    Raises ReaderError, with the process's own words, where it cannot work here.
    """

    def __init__(self, name, settings, *, environment=None, command=("-m", "helpers.ladder")):
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        inherited = {name: value for name, value in os.environ.items() if name not in HUGE_PAGES | KEPT_MEMORY}  # only the rung's own count
        environment = inherited | {"PYTHONPATH": path, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"} | (environment or {})  # caches: else the second start-up looks free
        settings = dict(threads=torch.get_num_threads(), device="cpu") | settings
        self.name = name
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
        """Take a step to warm up and so many timed; {"wall", "cpu": seconds a step, "peak_bytes" so far, "loss" of the last one}."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.kill()
        self.process.communicate()


def interleave(workers, rounds, steps=1):
    """{name: [answer of each round]} of the workers in turns: A B C, then C B A, and so on."""
    answers = {worker.name: [] for worker in workers}
    for i in range(rounds):
        for worker in workers if i % 2 == 0 else reversed(workers):
            answers[worker.name].append(worker.turn(steps))
    return answers


def quartiles(values):
    """[median, lower quartile, upper quartile]"""
    return [float(np.quantile(values, q)) for q in (0.5, 0.25, 0.75)]


def times_as_fast(answers, name, other, clock="wall"):
    """Quartiles of how many times as fast ``name`` is as ``other``, each ratio within a round."""
    return quartiles([slow[clock] / fast[clock] for fast, slow in zip(answers[name], answers[other], strict=True)])


def pays_after(start_up, below, own):
    """Steps after which ``start_up`` seconds have come back, at so many seconds a step below and on the rung; None: never."""
    return start_up / (below - own) if own < below else None


class Ladder:
    """The rungs of this machine, to be timed one by one or all together; a rung that cannot work here is listed with its reason.

    batch_size: sequences of config.block_size tokens. steps: in a turn. rate: FLOP/s that 100 % MFU means, by default what this machine's
    matrix products reach in the dtype of the uppermost rung. check: compare each rung's loss and gradients with the plain step's.
    """

    def __init__(self, config, *, batch_size, device="cpu", ladder=None, steps=1, clock="wall", rate=None, check=True):
        self.rungs, self.config, self.steps, self.clock = list(ladder or rungs(device)), config, steps, clock
        self.tokens, self.workers, self.rows = batch_size * config.block_size, {}, {}
        self.settings = dict(config=vars(config), batch_size=batch_size, device=str(device), check=check)
        self.rate = rate or matmul_rate([rung for rung in self.rungs if not rung.reason_skipped][-1].dtype, device)

    def start(self, rung):
        """The rung's `Worker`, or None where it cannot work here: then the rung has its reason."""
        if rung.name not in self.workers and not rung.reason_skipped:
            values = vars(rung) | {"dtype": str(rung.dtype).removeprefix("torch.")}
            try:
                self.workers[rung.name] = Worker(rung.name, self.settings | {"rung": values}, environment=rung.environment)
            except ReaderError as error:
                self.rungs[self.rungs.index(rung)] = dataclasses.replace(rung, reason_skipped=str(error).removeprefix(f"{rung.name}: "))
        return self.workers.get(rung.name)

    def climb(self, rounds=3):
        """Time all rungs together; returns the table. It keeps one process a rung while it runs."""
        try:
            return self.measure(self.rungs, rounds)
        finally:
            self.close()

    def time(self, name, rounds=5):
        """Time one rung against the one below it; returns the two lines of the table. The processes of these two stay for the next one."""
        place = [rung.name for rung in self.rungs].index(name)
        below = [rung for rung in self.rungs[:place] if not rung.reason_skipped][-1:]
        self.close(keep=[rung.name for rung in below])
        return self.measure([*below, self.rungs[place]], rounds)

    def measure(self, chosen, rounds):
        """Time these rungs; ``rows`` gets {"seconds", "tokens_per_second", "times_below", "mfu", "peak_bytes", "start_up", ...} of each."""
        workers = [worker for rung in chosen if (worker := self.start(rung))]
        answers, below = interleave(workers, rounds, self.steps), None
        for worker in workers:
            own = answers[worker.name]
            seconds = quartiles([row[self.clock] for row in own])
            row = dict(seconds=seconds, tokens_per_second=self.tokens / seconds[0], mfu=share_reached(self.tokens / seconds[0], self.config, self.rate),
                       peak_bytes=own[-1]["peak_bytes"], start_up=worker.first["first_seconds"] - seconds[0], differences=worker.first["differences"])
            if below:
                row |= dict(times_below=times_as_fast(answers, worker.name, below, self.clock),
                            pays_after=pays_after(row["start_up"], self.rows[below]["seconds"][0], seconds[0]))
            self.rows[worker.name], below = self.rows.get(worker.name, {}) | row, worker.name
        names = [rung.name for rung in chosen]
        return "\n".join([HEADER, *(self.line(rung) for rung in self.rungs if rung.name in names)])

    def line(self, rung):
        """A rung's line of the table."""
        if rung.reason_skipped:
            return f"{rung.name:29}skipped: {rung.reason_skipped}"
        row = self.rows[rung.name]
        times = "{:.2f} [{:.2f}..{:.2f}]".format(*row["times_below"]) if "times_below" in row else ""
        peak = f"{row['peak_bytes'] / 1e6:,.0f}" if row["peak_bytes"] else "n/a"
        off = "{loss:9.0e}{gradient:9.0e}".format(**row["differences"]) if row["differences"] else ""
        text = f"{rung.name:29}{row['seconds'][0] * 1e3:8,.0f}{row['tokens_per_second']:10,.0f}{times:>20}{row['mfu']:7.0%}{peak:>9}{off}"
        if rung.compiled:
            steps = row.get("pays_after")
            text += f"\n{'':29}{row['start_up']:.0f} s to start, " + (f"which pays after {float(f'{steps * self.tokens:.2g}'):,.0f} tokens" if steps else "which never pay here")
        return text

    def close(self, keep=()):
        """End the processes, but for those of the rungs in ``keep``."""
        for name in [name for name in self.workers if name not in keep]:
            self.workers.pop(name).close()


HEADER = f"{'rung':29}{'ms/step':>8}{'tokens/s':>10}{'times the one below':>20}{'MFU':>7}{'peak MB':>9}{'loss':>9}{'gradient':>9}"

if __name__ == "__main__":
    serve(make_rung, json.loads(sys.argv[1]))
