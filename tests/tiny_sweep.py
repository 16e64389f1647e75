"""One tiny sweep; as a command, in a process of its own that ends where a test says:

    python tests/tiny_sweep.py WORKSPACE TRIALS step:30   SIGKILL as the thirtieth training step begins
    python tests/tiny_sweep.py WORKSPACE TRIALS write:9   SIGKILL when half of the ninth checkpoint is written
    python tests/tiny_sweep.py WORKSPACE TRIALS wait:9    waits in the ninth training step for a line on its input
"""

import sys

import optuna
from conftest import make_runtime, make_stream
from tiny_run import die, on_call, write_half

from helpers import checkpoints, sweep, training
from helpers.budget import flops_per_token
from helpers.model import GPTConfig
from helpers.step import TrainConfig

MODEL = GPTConfig(vocab_size=61, block_size=16, n_layer=2, n_head=2, n_embd=16, dropout=0.1)
TRAIN = TrainConfig(batch_size=4, eval_blocks=8, learning_rate=0.01, min_learning_rate=0.001, warmup_steps=100, patience=1)
SPACE = {"n_head": ("choice", [1, 2, 3]), "learning_rate": ("log", 3e-3, 10.0), "n_layer": ("int", 1, 2)}  # 3 heads do not divide 16
FLOPS = flops_per_token(MODEL)["total"] * 4 * 16 * 8.5  # 8 steps of `MODEL`
TRIALS, SEED = 7, 30  # of which some complete, two are pruned by far, and one fails


def tiny_sweep(workspace, *, seed=SEED, steps=None, **changes):
    """A `Sweep` of runs of 8 to 14 steps; changes replace its fields."""
    fields = dict(space=SPACE, model=MODEL, train=TRAIN, streams={"train": make_stream(700), "validation": make_stream(200, seed=1)},
                  runtime=make_runtime(workspace, seed=seed, steps=steps), flops=FLOPS, evaluations=4)
    return sweep.Sweep(**fields | changes)


PLACES = {  # event -> what is called when it happens: (owner, name)
    "made": (optuna.Study, "set_user_attr"), "ask": (optuna.samplers.TPESampler, "sample_independent"), "asked": (sweep.Sweep, "attempt"),
    "step": (training, "train_step"), "write": (checkpoints, "save_file"), "report": (optuna.Trial, "report"),
    "note": (optuna.Trial, "set_user_attr"), "tell": (optuna.Study, "tell"), "told": (sweep, "tidy"),
}


def arrange(when, act, patch=setattr):
    """Have ``act`` happen at an event such as "step:30"."""
    event, number = when.split(":")
    owner, name = PLACES[event]
    patch(owner, name, on_call(int(number), act, getattr(owner, name)))


def wait(*_, **__):
    print("ready", file=sys.__stdout__, flush=True)  # what a trial prints is held back
    sys.stdin.readline()


if __name__ == "__main__":
    workspace, trials, when = sys.argv[1:]
    if when.startswith("write"):
        arrange(when, lambda *a, **k: die(write_half(*a, **k)))
    else:
        arrange(when.replace("wait", "step"), wait if when.startswith("wait") else die)
    tiny_sweep(workspace).run(int(trials))
