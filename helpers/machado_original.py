"""Machado-GPT as its author built it: a class of its own, so that `model.py` stays plain GPT-2.

What differs from GPT-2: sinusoidal positions, no biases on queries, keys and values, ReLU, a head of its own with a bias, PyTorch's
initial weights, and scores that are scaled by the width of the model where they should be scaled by the width of a head.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .model import IGNORE, GPTConfig
from .weights import OwnFormat


@dataclass(frozen=True)
class OriginalConfig(GPTConfig):
    """The published shape: 28,505,231 parameters with its 143 characters."""

    vocab_size: int = 143
    block_size: int = 128
    n_layer: int = 9
    n_head: int = 32
    n_embd: int = 512
    dropout: float = 0.2
    scale_by: str = "n_embd"  # what the scores are divided by the root of; "head_size" is right (Vaswani et al., 2017, section 3.2.1)

    def __post_init__(self):
        super().__post_init__()
        if self.scale_by not in ("n_embd", "head_size"):
            raise ValueError(f"scale_by must be 'n_embd' (as published) or 'head_size', got {self.scale_by!r}")

    def parameter_parts(self):
        """Parameters by part; `budget.count_parameters` adds them up."""
        V, d, L = self.vocab_size, self.n_embd, self.n_layer
        return {"token embedding": V * d, "attention, query key value": L * 3 * d * d, "attention, projection": L * (d * d + d),
                "MLP": L * (8 * d * d + 5 * d), "layer norms": L * 4 * d + 2 * d, "head": V * d + V}


def sinusoids(block_size, n_embd):
    """(block_size, n_embd) positions as sines and cosines of falling frequency (Vaswani et al., 2017, section 3.5)."""
    position = torch.arange(block_size)[:, None]
    frequency = torch.exp(-math.log(10_000) * torch.arange(0, n_embd, 2) / n_embd)
    return torch.stack([torch.sin(position * frequency), torch.cos(position * frequency)], -1).flatten(1)[:, :n_embd]


class OriginalAttention(nn.Module):
    """The 32 separate heads of the original, computed at once: the same numbers, without its loop over the heads."""

    def __init__(self, config):
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.scale = (config.n_embd if config.scale_by == "n_embd" else config.n_embd // config.n_head) ** -0.5
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, cache=None):
        B, T, C = x.shape
        q, k, v = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)  # (B, n_head, T, head_size) each
        if cache is not None:
            k, v = cache.append(k, v)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, dropout_p=dropout, scale=self.scale)
        return F.dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)), self.dropout, self.training)


class OriginalBlock(nn.Module):
    """Attention, then two layers with ReLU; norms before each, as in GPT-2."""

    def __init__(self, config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn = OriginalAttention(config)
        self.mlp = nn.Sequential(nn.Linear(config.n_embd, 4 * config.n_embd), nn.ReLU(),
                                 nn.Linear(4 * config.n_embd, config.n_embd), nn.Dropout(config.dropout))

    def forward(self, x, cache=None):
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class MachadoOriginal(OwnFormat, nn.Module):
    """The published model; `fit` trains it and `generate` samples from it like a `GPT`."""

    Config = OriginalConfig

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.register_buffer("positions", sinusoids(config.block_size, config.n_embd), persistent=False)
        self.h = nn.ModuleList(OriginalBlock(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)

    def features(self, tokens, cache=None):
        """(B, T) token ids -> (B, T, n_embd), what the head reads; with a cache, the tokens that follow those in it."""
        past, T = (cache.length if cache else 0), tokens.shape[1]
        if past + T > self.config.block_size:
            raise ValueError(f"{past + T} tokens are longer than the context, block_size = {self.config.block_size}: "
                             "pass the last block_size tokens")
        x = self.wte(tokens) + self.positions[past : past + T]
        for layer, block in enumerate(self.h):
            x = block(x, cache.layers[layer] if cache else None)
        return self.ln_f(x)

    def forward(self, tokens, targets=None):
        """Logits (B, T, vocab_size) and, given targets (B, T), the mean loss in nats per token; -100 is not counted."""
        logits = self.lm_head(self.features(tokens))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE)
