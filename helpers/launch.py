"""Several processes, one run: started from a notebook cell, or as a command on one machine:

    python -m helpers.launch 2 --corpus prose --profile cpu

The engine is torchrun and PyTorch's DistributedDataParallel (DDP). Accelerate's `notebook_launcher` is not used: it forks the notebook's
own process, which CUDA forbids once a cell has used the GPU. Here each process is a new Python, whatever the notebook did before.
"""

import contextlib
import io
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.run import parse_args, run
from torch.nn.parallel import DistributedDataParallel

from .chunked import Loss
from .runtime import REPOSITORY, ReaderError

PATIENCE = timedelta(minutes=5)  # how long processes wait for one another: process 0 may be writing gigabytes to Drive
AGAIN = "the last checkpoint is intact: run this again, with any number of processes that divides batch_size, to go on"


class LostProcess(ReaderError):
    """Another process of this run has ended or no longer answers."""


class OncePerStep(DistributedDataParallel):
    """DDP that exchanges gradients once a step, behind the last of its ``passes``, not behind every micro-batch.

    The mean over processes of each one's mean loss is the whole batch's only where all count as many targets: in pretraining they do.
    """

    def __init__(self, model, passes):
        super().__init__(Loss(model))
        self.passes, self.done = passes, 0

    def forward(self, tokens, targets):
        self.done += 1
        with self.no_sync() if self.done % self.passes else contextlib.nullcontext():  # the backward pass does as its forward pass was told
            return super().forward(tokens, targets)


def check_share(batch_size, processes):
    """Raise ReaderError unless the processes divide the batch."""
    if batch_size % processes:
        nearest = [max(n for n in range(1, processes) if batch_size % n == 0)]
        nearest += [n for n in range(processes + 1, batch_size + 1) if batch_size % n == 0][:1]
        lower = batch_size // processes * processes
        raise ReaderError(f"{processes} processes cannot share a batch_size of {batch_size} equally: start {' or '.join(map(str, nearest))} of them, "
                          f"or begin another run with a batch_size of {' or '.join(str(b) for b in (lower, lower + processes) if b)}")


def in_group(function, *arguments):
    """``function(*arguments)``; in a process that torchrun started, as one of its group, where a lost neighbour is one sentence."""
    if "RANK" not in os.environ:
        return function(*arguments)
    card = int(os.environ.get("LOCAL_RANK", 0))
    if card < torch.cuda.device_count():  # where there are fewer cards, `setup` says so
        torch.cuda.set_device(card)

    @record  # torchrun hears from it what went wrong
    def call():
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
            result = function(*arguments)
        except RuntimeError as error:
            if "gloo" not in str(error) and not isinstance(error, dist.DistError):
                raise
            raise LostProcess(f"another process of this run has ended, or did not answer for {PATIENCE.total_seconds() / 60:g} minutes; {AGAIN}") from None
        dist.destroy_process_group()  # not where another was lost: gloo may then abort, before torchrun has heard the sentence
        return result

    return call()


def cause(failures):
    """One sentence on why a run ended, from what torchrun knows of its processes: {rank: ProcessFailure}."""
    words = lambda failure: failure.message["message"] if isinstance(failure.message, dict) else ""
    # A signal that is not torchrun's own; then a process with a reason of its own, not one that missed another; then the earliest.
    order = lambda rank: (failures[rank].exitcode == -signal.SIGTERM, failures[rank].exitcode > 0, words(failures[rank]).startswith("LostProcess"),
                          failures[rank].timestamp)
    rank = min(failures, key=order)
    if failures[rank].exitcode == 2:  # argparse's
        return "ReaderError: the options are not right: the lines above say which"
    how = failures[rank].signal_name() if failures[rank].exitcode < 0 else f"exit code {failures[rank].exitcode}"
    return words(failures[rank]) or f"LostProcess: process {rank} (counted from 0) was lost, {how}; {AGAIN}"


def launch(processes, *options, gpus=None):
    """Run `helpers.pretrain` with these options in several processes, from a notebook cell; process 0 prints into the cell.

    processes: None takes one a GPU, or 2 on a CPU. gpus: how many to take, None: all, 0: compute on the CPU. Interrupting the cell ends them all. On a GPU the notebook's own models stay on the
    card beside them: `del` what is large. Raises ReaderError with the one sentence of what ended the run.
    """
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if gpus == 0 else {}
    gpus = torch.cuda.device_count() if gpus is None else gpus
    processes = (gpus or 2) if processes is None else processes
    if not 1 <= processes <= (gpus or processes):
        raise ReaderError(f"processes must be between 1 and {gpus or 'the number of cores'}, one a device, got {processes}")
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen([sys.executable, "-m", "helpers.launch", str(processes), *options], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, env=os.environ | hidden | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
                             start_new_session=True)  # an interrupt reaches this process alone, which ends the others in order
    said = ""
    try:
        for line in io.TextIOWrapper(child.stdout, encoding="utf-8", newline=""):  # the "\r" of a progress bar ends a line too
            if re.match(r"(\w+Error|LostProcess|Diverged|OutOfMemory): ", line):
                said = line.strip()
            else:
                print(line, end="", flush=True)
        if child.wait():
            raise ReaderError(said.removeprefix("ReaderError: ") or f"the run ended with exit code {child.returncode}; {AGAIN}")
    except KeyboardInterrupt:
        raise ReaderError(f"you stopped the run; {AGAIN}") from None
    finally:
        child.terminate()  # nothing, where it has ended
        child.wait()


def main(processes="", *options):
    """torchrun on this machine, with one sentence in place of its log; only process 0 is heard."""
    if not processes.isdigit() or int(processes) < 1:
        sys.exit(f"ReaderError: the number of processes comes first, as in python -m helpers.launch 2 --profile t4; got {processes or 'nothing'}")
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, os.cpu_count() // int(processes))))
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(parse_args(["--standalone", "--nproc-per-node", processes, "--local-ranks-filter", "0", "--log-dir", folder,
                            "-m", "helpers.pretrain", *options]))
        except ChildFailedError as error:
            sys.exit(cause(error.failures))
        except (SignalException, KeyboardInterrupt):
            sys.exit(130)  # as shells say it: interrupted


if __name__ == "__main__":
    main(*sys.argv[1:])
