"""The Hugging Face Trainer with our evaluation, and the callback that writes what it does into a `Run`."""

import math
import time

import numpy as np
import torch
import torch.distributed as dist
from accelerate.data_loader import SeedableRandomSampler
from tqdm import tqdm
from transformers import Trainer, TrainerCallback

from .checkpoints import seal
from .evaluation import token_losses
from .runtime import ReaderError
from .blocks import collate
from .tokens import IGNORE


def rank():
    """The number of this process among those that train together."""
    return dist.get_rank() if dist.is_initialized() else 0


def world():
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def no_room(config):
    """What to do where a pass did not fit the memory."""
    half = next((n for n in range(config.micro // 2, 0, -1) if config.batch_size // world() % n == 0), None)
    less = f"set micro_batch_size={half} (the same result), or take" if half else "take"
    return f"out of memory with {config.micro} blocks a pass: {less} shorter blocks, load the model anew and run this cell again"


def wait_for_all():
    if dist.is_initialized():
        dist.barrier()


def out_of_patience(losses, patience):
    """Whether the best of the validation losses lies ``patience`` evaluations back or more."""
    return patience is not None and len(losses) > 0 and len(losses) - 1 - list(losses).index(min(losses)) >= patience


class Even:
    """Blocks, and behind them as many without labels as make their number a multiple: where many processes share them, none is short.

    Iterated over, it gives their numbers in the order that a single process takes them in; the Trainer would begin anew instead.
    """

    def __init__(self, blocks, multiple):
        self.blocks, self.count, self.order = blocks, math.ceil(len(blocks) / multiple) * multiple, SeedableRandomSampler(blocks)
        self.set_epoch = self.order.set_epoch

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.blocks[index] if index < len(self.blocks) else self.blocks[0] | {"labels": np.full_like(self.blocks[0]["labels"], IGNORE)}

    def __iter__(self):
        yield from self.order
        yield from range(len(self.blocks), self.count)


class Tuning:
    """What we change in a Hugging Face trainer: an evaluation that counts every token once, as its own averages the means of unequal batches."""

    def _get_train_sampler(self, *_):
        return self.train_dataset if world() > 1 else super()._get_train_sampler(*_)

    def evaluate(self, *_, **__):
        blocks, size, device = self.eval_dataset, self.args.per_device_eval_batch_size, self.recorder.runtime.device
        sums = torch.zeros(2, dtype=torch.float64)  # of the losses, and how many they are
        for first in range(rank() * size, len(blocks), world() * size):
            batch = collate([blocks[i] for i in range(first, min(first + size, len(blocks)))])
            counted = batch["labels"] != IGNORE
            counted[:, 0] = False  # nothing predicts the first token, whatever its label
            losses = token_losses(self.model, batch, self.recorder.runtime).cpu()[counted]
            sums += torch.stack([losses.double().sum(), counted.sum()])
        if world() > 1:
            sums = sums.to(device)
            dist.all_reduce(sums)
        metrics = {"eval_loss": (sums[0] / sums[1]).item()}
        self.recorder.log(self.state, val_loss=metrics["eval_loss"])
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class FineTuner(Tuning, Trainer):
    """The Trainer with `Tuning`."""


class Recorder(TrainerCallback):
    """Writes what the Trainer does into a `Run`, and ends it where a rehearsal, early stopping or the stop button says."""

    def __init__(self, run, runtime, last, tokens_per_step, show, pressed, patience=None):
        self.run, self.runtime, self.last, self.tokens_per_step, self.show, self.pressed = run, runtime, last, tokens_per_step, show, pressed
        self.patience = patience
        self.seconds = max((r.get("seconds", 0.0) for r in run.rows if r["kind"] == "metric"), default=0.0)  # of training steps alone
        self.evaluated = list(run.curve("val_loss", x="step")[1])
        self.bar = tqdm(total=last, unit="step", mininterval=1.0, disable=rank() > 0)

    def log(self, state, **row):
        if "val_loss" in row:
            self.evaluated.append(row["val_loss"])
        if rank() > 0:
            return  # one process writes for all
        self.run.log(step=state.global_step, tokens=round(state.global_step * self.tokens_per_step), seconds=round(self.seconds, 3), **row)
        if "val_loss" in row:
            self.bar.set_postfix_str(f"validation loss {row['val_loss']:.3f}")
            self.show(self.run)

    def on_step_begin(self, args, state, control, **_):
        self.clock = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        if state.global_step >= self.last or self.pressed.is_set():
            control.should_log = control.should_save = control.should_training_stop = True
            control.should_evaluate |= state.global_step >= self.last

    def on_evaluate(self, args, state, control, metrics, **_):
        control.should_training_stop |= out_of_patience(self.evaluated, self.patience)

    def on_log(self, args, state, control, logs, **_):
        if "grad_norm" not in logs:
            return  # the Trainer's summary at the end
        self.seconds += time.perf_counter() - self.clock  # the loss has been fetched, so the device is done
        self.log(state, loss=logs["loss"], grad_norm=logs["grad_norm"], learning_rate=logs["learning_rate"], epoch=logs["epoch"])
        self.bar.update(state.global_step - self.bar.n)
        if not math.isfinite(logs["loss"]):
            raise ReaderError(f"the loss is not a number at step {state.global_step:,}: lower learning_rate ({args.learning_rate:g}) "
                              f"or lengthen warmup_steps ({args.warmup_steps}), and load the model anew before the next fine_tune")

    def on_save(self, args, state, control, **_):
        wait_for_all()  # each process has written its random numbers
        if rank() == 0:
            seal(self.run.file.with_name("checkpoints") / f"checkpoint-{state.global_step}", self.run.rows)
        wait_for_all()
