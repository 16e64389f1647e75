"""The ladder of notebook 06: each rung makes a training step faster by one idea, and changes nothing of what it computes.

Every rung takes its steps with `step.train_step`. What a rung needs of the machine is asked here; a rung without it says so.
"""

import dataclasses
import math
import platform
import shutil
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from torch import nn

from .chunked import Loss
from .model import GPT, CausalSelfAttention
from .runtime import choose_dtype
from .step import TrainConfig, make_optimizer, train_step

HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1"}  # read when torch is imported
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}  # read when the process starts, by glibc
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}  # of loss and gradients, relative to the plain step's


class NaiveAttention(CausalSelfAttention):
    """Attention as its formula reads: every score of every head stands in memory (Vaswani et al., 2017, equation 1)."""

    def forward(self, x, cache=None):
        if cache is not None:
            return super().forward(x, cache)
        B, T, C = x.shape
        q, k, v = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)  # (B, n_head, T, head_size) each
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // self.n_head)  # (B, n_head, T, T)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        y = nn.functional.dropout(weights, self.dropout, self.training) @ v  # (B, n_head, T, head_size)
        y = y.transpose(1, 2).reshape(B, T, C)  # the heads side by side again
        return nn.functional.dropout(self.c_proj(y), self.dropout, self.training)


def with_naive_attention(model):
    """The model, in place, with `NaiveAttention` in every block and the weights that it had."""
    for block in model.h:
        naive = NaiveAttention(model.config).to(model.wte.weight.device).train(block.training)
        naive.load_state_dict(block.attn.state_dict())
        block.attn = naive
    return model


class WholeLogits(nn.Module):
    """A model whose forward pass is its loss, from all logits at once; `chunked.Loss` is its counterpart."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, targets):
        return self.model(tokens, targets)[1]


@dataclass(frozen=True)
class Rung:
    """One rung: how it takes a step. ``reason_skipped``: what this machine lacks for it, or None."""

    name: str
    idea: str
    naive: bool = True
    dtype: torch.dtype = torch.float32  # of autocast
    fused: bool = False
    chunked: bool = False
    environment: dict = field(default_factory=dict)  # variables that its process starts with
    compiled: bool = False
    reason_skipped: str | None = None


def half_precision(device):
    """(the 16-bit dtype that ``device`` multiplies fast or None, the reason in one line)."""
    if device.type == "cuda":
        return choose_dtype(device)
    if sys.platform == "darwin" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.bfloat16, "this processor has bfloat16 units"
    return None, "this processor has no bfloat16 units: it would compute in float32 and convert"


def no_huge_pages(device):
    """Why memory cannot come in pages of 2 MB instead of 4 kB, or None."""
    if device.type != "cpu":
        return "a setting of the CPU's memory; PyTorch keeps a GPU's memory for itself anyway"
    return None if sys.platform == "linux" else f"a setting of Linux, this is {sys.platform}"


def no_glibc():
    """Why freed memory cannot be kept by a variable, or None."""
    library = platform.libc_ver()[0]
    return None if library == "glibc" else f"a setting of Linux's C library glibc, this is {library or 'another one'}"


def no_compile(device):
    """Why torch.compile cannot work here, or None."""
    try:
        torch.compile(nn.Identity())
    except RuntimeError as error:  # a Python that is too new
        return str(error).partition("\n")[0]
    if device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++", "cl"))):
        return "no C++ compiler found: install g++"
    return None


def rungs(device="cpu"):
    """The ladder for a device, lowest rung first: each is the last one that this machine can take, and one idea more."""
    device = torch.device(device)
    half, reason = half_precision(device)
    half_name = "fp16 autocast" if half == torch.float16 else "bf16 autocast"
    ideas = [
        ("scaled_dot_product_attention", "one kernel for all of attention; the scores stay in cache", dict(naive=False), None),
        (half_name, f"matrix products in 16 bits, weights in 32 ({reason})", dict(dtype=half), None if half else reason),
        ("fused AdamW", "one kernel reads and writes each number of the optimizer once", dict(fused=True), None),
        ("chunked head", "the logits of 1,024 tokens at a time, their gradient right away", dict(chunked=True), None),
        ("huge pages", "memory comes in pages of 2 MB: 512 times fewer page faults", dict(environment=HUGE_PAGES), no_huge_pages(device)),
        ("kept memory", "freed memory stays in the process for the next array: no page faults", dict(environment=HUGE_PAGES | KEPT_MEMORY),
         no_huge_pages(device) or no_glibc()),
        ("torch.compile", "kernels written for this very model", dict(compiled=True), no_compile(device)),
    ]
    ladder = [Rung("plain", "attention as its formula, float32, AdamW in a Python loop, all logits at once")]
    for name, idea, change, missing in ideas:
        below = [rung for rung in ladder if not rung.reason_skipped][-1]
        ladder.append(dataclasses.replace(below, name=name, idea=idea, reason_skipped=missing, **({} if missing else change)))
    return ladder


class Catcher(torch.optim.SGD):
    """Stands where the optimizer stands, keeps a copy of the gradients and leaves the weights alone."""

    def step(self, closure=None):
        self.caught = [p.grad.clone() for group in self.param_groups for p in group["params"]]


class Trainer:
    """A GPT of random weights that trains as ``rung`` says: call it with tokens and targets, (B, T) each, for one step and its loss.

    Of ``environment`` it knows nothing: that belongs to the process (`ladder.Worker`).
    """

    def __init__(self, rung, config, device="cpu", seed=0):
        torch.manual_seed(seed)
        self.model, device = GPT(config).to(device).train(), torch.device(device)
        self.loss = (Loss if rung.chunked else WholeLogits)(with_naive_attention(self.model) if rung.naive else self.model)
        self.loss = torch.compile(self.loss) if rung.compiled else self.loss
        self.train = TrainConfig()
        self.optimizer = make_optimizer(self.model, self.train)
        if not rung.fused:
            groups = [dict(params=g["params"], weight_decay=g["weight_decay"]) for g in self.optimizer.param_groups]
            self.optimizer = torch.optim.AdamW(groups, lr=self.train.learning_rate, betas=self.train.betas, foreach=False, fused=False)
        self.scaler = torch.amp.GradScaler(device.type, enabled=rung.dtype == torch.float16)  # float16 has no room for small gradients
        self.runtime = SimpleNamespace(autocast=lambda: torch.autocast(device.type, rung.dtype, enabled=rung.dtype != torch.float32))

    def __call__(self, tokens, targets):
        return train_step(self.loss, self.optimizer, self.scaler, tokens, targets, config=self.train, runtime=self.runtime)[0]

    def gradients(self, tokens, targets):
        """(loss, [gradient of each parameter]) of a step that `train_step` takes up to the optimizer; no weight changes."""
        catcher, free = Catcher(self.model.parameters(), lr=0.0), dataclasses.replace(self.train, grad_clip=math.inf)
        loss, _ = train_step(self.loss, catcher, self.scaler, tokens, targets, config=free, runtime=self.runtime)
        return loss.item(), catcher.caught


def differences(trainer, tokens, targets):
    """{"loss", "gradient"}: how far a rung is from the plain step on the same weights and batch, relative to it; see `TOLERANCE`.

    The gradient's is the norm of the difference over the norm, all parameters together.
    """
    plain = Trainer(Rung("plain", ""), trainer.model.config, tokens.device)
    plain.model.load_state_dict(trainer.model.state_dict())
    (expected, wanted), (loss, got) = plain.gradients(tokens, targets), trainer.gradients(tokens, targets)
    norm = lambda tensors: torch.stack([t.float().norm() for t in tensors]).norm().item()
    return {"loss": abs(loss - expected) / expected, "gradient": norm([a - b for a, b in zip(got, wanted, strict=True)]) / norm(wanted)}
