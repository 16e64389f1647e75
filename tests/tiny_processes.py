"""The tiny run of `tiny_run` in several processes, each forked from a server that has imported everything: a group takes a second, not ten."""

import json
import multiprocessing
import os
import signal
import socket
import sys
from datetime import timedelta

import torch
from conftest import make_gpt
from tiny_run import die, on_call, tiny_run

from helpers import launch, training
from helpers.runtime import ReaderError

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tiny_processes"])
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")


def member(rank, processes, port, workspace, notes, events, settings):
    """One process of the group. ``events``: {(rank, what): at which step}. What it saw goes into ``notes``/<rank>.json."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    sys.stdout = sys.stderr = open(os.devnull, "w")
    torch.set_num_threads(1)
    launch.PATIENCE = timedelta(seconds=3)
    seen = {"rows": [], "writes": [], "exchanges": 0, "error": None}
    step, wrap = training.train_step, launch.OncePerStep.__init__

    def watched_step(model, optimizer, scaler, tokens, targets, **named):
        seen["rows"].append(tokens.tolist())
        return step(model, optimizer, scaler, tokens, targets, **named)

    def exchange(_, bucket):
        seen["exchanges"] += 1
        return torch.distributed.all_reduce(bucket.buffer().div_(processes), async_op=True).get_future().then(lambda done: done.value()[0])

    def watched_wrap(self, *arguments):
        wrap(self, *arguments)
        self.register_comm_hook(None, exchange)

    def audit(event, arguments):
        writes = event in WRITES or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and str(arguments[0]).startswith(str(workspace)):
            seen["writes"].append(str(arguments[0]))

    training.train_step, launch.OncePerStep.__init__ = watched_step, watched_wrap
    for what, act in (("die", die), ("stop", lambda *_, **__: os.kill(os.getpid(), signal.SIGSTOP))):
        if (rank, what) in events:
            training.train_step = on_call(events[rank, what], act, training.train_step)
    sys.addaudithook(audit)
    try:
        launch.in_group(lambda: tiny_run(workspace, model=make_gpt(dropout=settings.pop("dropout", 0.0)), **settings))
    except ReaderError as error:
        seen["error"] = f"{type(error).__name__}: {error}"
    (notes / f"{rank}.json").write_text(json.dumps(seen))
    os._exit(0)  # what gloo does when it is taken down is not asked here


def group(processes, workspace, notes, events=None, **settings):
    """Run the group; returns {rank: what it saw} of those that lived to tell."""
    notes.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    members = [SERVER.Process(target=member, args=(rank, processes, port, workspace, notes, events or {}, settings)) for rank in range(processes)]
    for process in members:
        process.start()
    for rank, process in enumerate(members):
        if (rank, "stop") not in (events or {}):
            process.join(60)
    for process in members:
        process.kill()
        process.join()
    return {int(file.stem): json.loads(file.read_text()) for file in sorted(notes.glob("*.json"))}
