"""The head and its loss, some rows at a time: with a large vocabulary the logits (N, V) are most of a step's memory and time.

What is computed is what `GPT.forward` computes. Only the order differs: each chunk's gradient is made right after its
loss, so that one chunk of logits exists at a time and nothing is computed twice.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .model import IGNORE

LARGE_VOCABULARY = 8_192  # from here on `next_token_loss` takes chunks: below it they save nothing
CHUNK = 1_024             # rows at a time: enough for a fast matrix product, 50 MB of bfloat16 at GPT-2's vocabulary for each 500
TINY = 2.0**-126        # the smallest probability that a loss tells apart, 87 nats


class ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of ``features @ weight.T``; the gradients are ready when the loss is."""

    @staticmethod
    def forward(ctx, features, weight, targets, chunk, softcap, dtype, backward):
        counted, labels, total = targets != IGNORE, targets.clamp(min=0), 0.0
        w = weight.to(dtype)
        dx, dw = torch.empty_like(features) if backward else None, None
        for first in range(0, len(features), chunk):
            rows = slice(first, first + chunk)
            x, y, keep = features[rows].to(dtype), labels[rows], counted[rows, None]
            at = (torch.arange(len(y), device=y.device), y)  # where the targets are
            logits = x @ w.t()  # (n, V), the only large array
            if softcap:
                logits = logits.div_(softcap).tanh_()
                slope = 1 - logits.square() if backward else 1
                logits.mul_(softcap)
            top, own = (logits.amax(-1), logits[at]) if dtype == torch.float16 else (0, 0)
            p = torch.softmax(logits, -1, out=logits)
            likely = p.amax(-1) if dtype == torch.float16 else p[at].clamp(min=TINY)  # in float16 the target's p may be zero, the largest is not
            losses = top - own - likely.float().log()
            total += losses[keep[:, 0]].sum()
            if backward:
                p[at] -= 1  # d loss / d logits
                p = p.mul_(slope) if softcap else p
                dx[rows] = (p @ w) * keep
                more = p.t() @ (x * keep)  # (V, C)
                dw = more.to(weight.dtype) if dw is None else dw.add_(more)
        ctx.gradients, ctx.scale = (dx, dw), 1 / counted.sum().clamp(min=1)
        return total / counted.sum()

    @staticmethod
    def backward(ctx, gradient):
        (dx, dw), ctx.gradients = ctx.gradients, None  # used up: scaled where they stand, without a second array of the head's size
        scale = ctx.scale * gradient
        return dx.mul_(scale), dw.mul_(scale), None, None, None, None, None


def chunked_cross_entropy(features, weight, targets, chunk=CHUNK, softcap=None):
    """Mean loss in nats of what the head reads, (N, C), under a head (V, C) and targets (N,); -100 is not counted.

    Equal to ``F.cross_entropy(features @ weight.T, targets)`` and its gradients, in memory for ``chunk`` rows of logits; in autocast's
    dtype where that is on. softcap: logits become softcap * tanh(logits / softcap) (Gemma team, 2024, section 2).
    """
    device = features.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 row, got {chunk}")
    return ChunkedCrossEntropy.apply(features, weight, targets, chunk, softcap, dtype, torch.is_grad_enabled())


def next_token_loss(model, tokens, targets):
    """The mean loss of ``model`` on (B, T) tokens and targets, in chunks where the vocabulary is large and the head a plain matrix."""
    if not hasattr(model, "features"):  # a `Loss` inside DDP or torch.compile
        return model(tokens, targets)
    head = getattr(model, "head_weight", model.wte.weight)
    if model.config.vocab_size < LARGE_VOCABULARY or hasattr(model, "lm_head") and not hasattr(model, "head_weight"):
        return model(tokens, targets)[1]
    features = model.features(tokens)  # (B, T, C)
    return chunked_cross_entropy(features.flatten(0, 1), head, targets.flatten(), softcap=getattr(model.config, "softcap", None))


class Loss(nn.Module):
    """A model whose forward pass is its loss: what DDP wraps and torch.compile compiles, so that neither makes the logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, targets):
        return next_token_loss(self.model, tokens, targets)
