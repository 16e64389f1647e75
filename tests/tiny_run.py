"""One tiny training run; as a command, in a process of its own that ends where a test says:

    python tests/tiny_run.py WORKSPACE DTYPE step:5     SIGKILL as the fifth step begins
    python tests/tiny_run.py WORKSPACE DTYPE write:2    SIGKILL when half of the second checkpoint is written
    python tests/tiny_run.py WORKSPACE DTYPE end:1      SIGKILL after the last checkpoint, before the log is closed
    python tests/tiny_run.py WORKSPACE DTYPE stop:5     the stop button (SIGINT) in the middle of the fifth step
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from conftest import make_gpt, make_runtime, make_stream

from helpers import checkpoints, training
from helpers.runtime import ReaderError
from helpers.step import TrainConfig

CONFIG = TrainConfig(batch_size=4, micro_batch_size=2, max_steps=12, learning_rate=0.01, warmup_steps=3, eval_every=4, eval_blocks=8,
                     checkpoint_every=3, log_every=2)


def tiny_run(workspace, dtype=torch.float32, *, model=None, steps=None, on_log=lambda run: None, **settings):
    """(run, model) of 12 steps of a tiny GPT with dropout; settings replace those of `CONFIG`."""
    model = model or make_gpt(dropout=0.2)
    run = training.fit(model, make_stream(700), make_stream(200, seed=1), config=replace(CONFIG, **settings),
                       runtime=make_runtime(workspace, dtype, steps=steps), on_log=on_log)
    return run, model


def on_call(number, act, function):
    """``function``, but that its call of this number does ``act(arguments)`` first."""
    calls = []

    def wrapper(*arguments, **named):
        calls.append(1)
        if len(calls) == number:
            act(*arguments, **named)
        return function(*arguments, **named)

    return wrapper


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def write_half(tensors, file, metadata):
    content = safetensors.torch.save(tensors, metadata)
    Path(file).write_bytes(content[: len(content) // 2])


if __name__ == "__main__":
    workspace, dtype, when = sys.argv[1:]
    event, number = when.split(":")
    if event == "step":
        training.train_step = on_call(int(number), die, training.train_step)
    elif event == "stop":
        training.train_step = on_call(int(number), lambda *_, **__: os.kill(os.getpid(), signal.SIGINT), training.train_step)
    elif event == "write":
        checkpoints.save_file = on_call(int(number), lambda *a, **k: die(write_half(*a, **k)), checkpoints.save_file)
    elif event == "end":
        training.Trainer.finish = die
    try:
        tiny_run(workspace, getattr(torch, dtype))
    except ReaderError as error:
        sys.exit(str(error))
