"""One training step and what it needs: settings, learning rate, optimizer, the batch of a step, the step itself."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from .chunked import next_token_loss
from .model import IGNORE
from .runtime import ReaderError


class Diverged(ReaderError):
    """The loss is infinite or not a number: no checkpoint of this run leads on."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a pretraining run; the defaults are GPT-3's recipe for small models (Brown et al., 2020, appendix B)."""

    batch_size: int = 32                 # sequences per step, over all micro-batches and processes
    micro_batch_size: int | None = None  # sequences per forward pass; None: all at once
    epochs: float = 1.0                  # passes over the training blocks
    max_steps: int | None = None         # takes the place of epochs
    learning_rate: float = 3e-4          # at the end of the warm-up
    min_learning_rate: float = 6e-5      # where the cosine ends, after the last step
    warmup_steps: int = 100
    weight_decay: float = 0.1            # of matrices; not of biases and norms
    betas: tuple = (0.9, 0.95)
    grad_clip: float = 1.0               # largest norm of the gradient
    eval_every: int = 50                 # steps
    eval_blocks: int = 64                # validation sequences an evaluation reads
    patience: int | None = None          # evaluations without a new best after which to stop; None: never
    checkpoint_every: int = 100          # steps
    keep_epochs: bool = False            # keep a checkpoint of each epoch
    log_every: int = 10                  # steps whose numbers are fetched from the device together

    def __post_init__(self):
        for name in ("batch_size", "eval_every", "eval_blocks", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        micro = self.micro_batch_size
        if micro is not None and (micro < 1 or self.batch_size % micro):
            raise ValueError(f"micro_batch_size must divide batch_size ({self.batch_size}), got {micro}")

    def steps(self, n_tokens, block_size):
        """Optimizer steps of the whole run."""
        return self.max_steps or max(1, round(self.epochs * self.steps_per_epoch(n_tokens, block_size)))

    def steps_per_epoch(self, n_tokens, block_size):
        return (n_tokens - 1) // block_size // self.batch_size

    def optimizer(self, model):
        """What moves the model's weights; another recipe (`recipes.ModernTrainConfig`) has another one, and another schedule."""
        return make_optimizer(model, self)

    def rate(self, step, steps):
        return learning_rate_at(step, steps, self)


def learning_rate_at(step, steps, config):
    """Linear warm-up, then half a cosine from ``learning_rate`` to ``min_learning_rate`` (Loshchilov & Hutter, 2017)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    low, high = config.min_learning_rate, config.learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def make_optimizer(model, config):
    """AdamW in two groups: weight decay pulls on matrices, not on biases and norms; one fused kernel updates all."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [dict(params=matrices, weight_decay=config.weight_decay), dict(params=vectors, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


@functools.lru_cache(maxsize=2)
def block_order(blocks, seed, epoch):
    return np.random.default_rng([seed, epoch]).permutation(blocks)


def batch_at(tokens, step, *, block_size, batch_size, seed):
    """Inputs and targets of step ``step``, (batch_size, block_size) each: every block once an epoch, in a new order."""
    blocks = (len(tokens) - 1) // block_size
    epoch, position = divmod(step, blocks // batch_size)
    chosen = block_order(blocks, seed, epoch)[position * batch_size : (position + 1) * batch_size]
    rows = np.stack([tokens[b * block_size : (b + 1) * block_size + 1] for b in chosen]).astype(np.int64)
    rows = torch.from_numpy(rows)
    return rows[:, :-1], rows[:, 1:]  # the target of a token is the token after it


def train_step(model, optimizer, scaler, tokens, targets, *, config, runtime):
    """One optimizer step on (B, T) tokens and targets; returns the mean loss and the gradient's norm before clipping.

    The batch goes through in micro-batches whose gradients add up. Each loss is weighted by its number of counted
    targets, so that the sum is the mean over the whole batch however it is cut.
    """
    counted, total = (targets != IGNORE).sum(), 0.0
    micro = config.micro_batch_size or len(tokens)
    for x, y in zip(tokens.split(micro), targets.split(micro)):
        with runtime.autocast():
            loss = next_token_loss(model, x, y)
        share = (y != IGNORE).sum() / counted
        loss = torch.where(share > 0, loss * share, 0.0)  # a micro-batch without a counted target has no mean
        scaler.scale(loss).backward()  # adds to the gradients that are there
        total += loss.detach()
    scaler.unscale_(optimizer)  # clip the gradient itself, not its scaled copy
    norm = clip_grad_norm_(model.parameters(), config.grad_clip)
    scaler.step(optimizer)  # left out by the scaler if a float16 gradient overflowed
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return total, norm
