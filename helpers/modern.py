"""GPT's successor: what small models have learnt since 2019, one switch an idea; with all switches off it is `model.GPT`.

Notebook 06 explains the ideas; Jordan et al., 2024, "modded-nanogpt", measured them one by one at 124M parameters.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .model import IGNORE, GPTConfig
from .weights import OwnFormat

GATED = 32  # numbers of a token's stream that its gates read


@dataclass(frozen=True)
class ModernConfig(GPTConfig):
    """Shape of a GPT and its switches. Raises ValueError where RoPE gets heads of odd size."""

    rope: bool = True              # positions turn queries and keys, in place of a learned embedding (Su et al., 2021)
    rms_norm: bool = True          # norms divide by the root mean square, without gain, shift or bias (Zhang & Sennrich, 2019)
    qk_norm: bool = True           # queries and keys are normed, so that no score explodes (Henry et al., 2020)
    relu2: bool = True             # the MLP's bend is ReLU squared (So et al., 2021)
    untied: bool = True            # a head of its own; it and what adds to the stream begin at zero
    softcap: float | None = 15.0   # logits stay between -softcap and softcap (Gemma team, 2024); None: as they come
    value_embeddings: bool = True  # every second layer adds a token's own vector to its values (Zhou et al., 2024)
    x0_skip: bool = True           # every layer may look at the embedding again

    def __post_init__(self):
        super().__post_init__()
        if self.rope and self.n_embd // self.n_head % 2:
            raise ValueError(f"rope turns pairs of numbers: n_embd / n_head must be even, got {self.n_embd} / {self.n_head}")

    def with_value(self, layer):
        """Has this layer value embeddings? Every second one, the last among them."""
        return self.value_embeddings and (self.n_layer - 1 - layer) % 2 == 0

    @property
    def gated(self):
        """How many layers have value embeddings."""
        return sum(map(self.with_value, range(self.n_layer)))

    def parameter_parts(self):
        """Parameters by part, for `budget.count_parameters`."""
        V, n, d, L, bias = self.vocab_size, self.block_size, self.n_embd, self.n_layer, not self.rms_norm
        gate = min(GATED, d) * self.n_head
        return {
            "token embedding" + ("" if self.untied else " (and head)"): V * d, "head": V * d * self.untied,
            "position embedding": n * d * (not self.rope),
            "attention, query key value": L * (3 * d * d + 3 * d * bias), "attention, projection": L * (d * d + d * bias),
            "MLP": L * (8 * d * d + 5 * d * bias), "layer norms": (L * 4 * d + 2 * d) * bias,
            "value embeddings and gates": self.gated * (V * d + gate), "skips": 2 * L * self.x0_skip,
        }

    def more_flops(self):
        """FLOPs per token of a forward pass that a GPT does not have, by term, for `budget.flops_per_token`."""
        return {"gates": self.gated * 2 * min(GATED, self.n_embd) * self.n_head}


def norm(x):
    """Each vector of the last dimension at root mean square one."""
    return F.rms_norm(x, (x.shape[-1],))


def rotations(block_size, head_size, base=10_000.0):
    """(2, block_size, head_size / 2) cosines and sines of position times frequency (Su et al., 2021, section 3.2)."""
    frequencies = base ** (-torch.arange(0, head_size, 2) / head_size)
    angles = torch.arange(block_size)[:, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x, turns):
    """Turn the pairs (x[i], x[i + half]) of queries and keys (B, T, heads, head_size) by their position's angles (2, T, half)."""
    (cos, sin), (a, b) = turns.to(x.dtype).unsqueeze(-2), x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class ModernAttention(nn.Module):
    """Causal attention with RoPE, QK-norm and gated value embeddings, as the switches say."""

    def __init__(self, config, layer):
        super().__init__()
        self.config = config
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=not config.rms_norm)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=not config.rms_norm)
        if config.with_value(layer):
            self.value = nn.Embedding(config.vocab_size, config.n_embd)
            self.gate = nn.Linear(min(GATED, config.n_embd), config.n_head, bias=False)  # zero at first: gates of one

    def forward(self, x, tokens, turns, cache=None):
        (B, T, C), c = x.shape, self.config
        qk, v = self.c_attn(x).view(B, T, 3 * c.n_head, -1).split([2 * c.n_head, c.n_head], dim=2)  # (B, T, heads, head_size)
        if hasattr(self, "value"):
            gate = 2 * torch.sigmoid(self.gate(x[..., :GATED]))  # (B, T, n_head)
            v = v + (gate.unsqueeze(-1) * self.value(tokens).view(B, T, c.n_head, -1)).to(v.dtype)
        if c.qk_norm:
            qk = norm(qk)
        if c.rope:
            qk = rotate(qk, turns)
        q, k, v = (part.transpose(1, 2) for part in (*qk.to(v.dtype).chunk(2, dim=2), v))  # (B, n_head, T, head_size)
        if cache is not None:
            k, v = cache.append(k, v)  # (B, n_head, past + T, head_size)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, dropout_p=c.dropout if self.training else 0.0)
        return F.dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)), c.dropout, self.training)


class ModernBlock(nn.Module):
    """Attention, then the MLP; both add to the stream, whose last say the skip back to the embedding has."""

    def __init__(self, config, layer):
        super().__init__()
        self.config = config
        self.ln_1, self.ln_2 = (None, None) if config.rms_norm else (nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd))
        self.attn = ModernAttention(config, layer)
        self.mlp = nn.ModuleDict(dict(c_fc=nn.Linear(config.n_embd, 4 * config.n_embd, bias=not config.rms_norm),
                                      c_proj=nn.Linear(4 * config.n_embd, config.n_embd, bias=not config.rms_norm)))
        if config.x0_skip:
            self.skip = nn.Parameter(torch.tensor([1.0, 0.1]))  # shares of the stream and of the embedding

    def forward(self, x, x0, tokens, turns, cache=None):
        if self.config.x0_skip:
            x = self.skip[0] * x + self.skip[1] * x0
        x = x + self.attn(self.ln_1(x) if self.ln_1 else norm(x), tokens, turns, cache)
        h = self.mlp.c_fc(self.ln_2(x) if self.ln_2 else norm(x))
        h = F.relu(h).square() if self.config.relu2 else F.gelu(h, approximate="tanh")
        return x + F.dropout(self.mlp.c_proj(h), self.config.dropout, self.training)


class Modern(OwnFormat, nn.Module):
    """A GPT with switches; trained by `fit`, sampled by `generate`, counted by `budget`, as a `GPT` is."""

    Config = ModernConfig

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = None if config.rope else nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList(ModernBlock(config, layer) for layer in range(config.n_layer))
        self.ln_f = None if config.rms_norm else nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False) if config.untied else None
        self.register_buffer("turns", rotations(config.block_size, config.n_embd // config.n_head), persistent=False)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim == 2:
                    parameter.normal_(std=self.first_std(name.split(".")[-2]))
                elif name.endswith("bias"):
                    parameter.zero_()

    def first_std(self, name):
        """The scale of the random numbers that a matrix begins with: GPT-2's, or the one that goes with a head of its own."""
        c = self.config
        if not c.untied:
            return 0.02 / math.sqrt(2 * c.n_layer) if name == "c_proj" else 0.02
        if name in ("c_proj", "head", "gate"):
            return 0.0  # every block begins as "add nothing", and the first loss is ln V
        return 0.8 if name == "wte" else c.n_embd ** -0.5  # a product keeps the length of what comes in

    @property
    def head_weight(self):
        """(V, n_embd): the head's own weights, or the token embedding's."""
        return self.head.weight if self.head else self.wte.weight

    def features(self, tokens, cache=None):
        """(B, T) token ids -> (B, T, n_embd), what the head reads; with a cache, the tokens that follow those in it."""
        c, past, T = self.config, (cache.length if cache else 0), tokens.shape[1]
        if past + T > c.block_size:
            raise ValueError(f"{past + T} tokens are longer than the context, block_size = {c.block_size}: pass the last block_size tokens")
        x = self.wte(tokens) if c.rope else self.wte(tokens) + self.wpe.weight[past : past + T]
        x = F.dropout(norm(x) if c.rms_norm else x, c.dropout, self.training)
        x0, turns = x, self.turns[:, past : past + T]
        for layer, block in enumerate(self.h):
            x = block(x, x0, tokens, turns, cache.layers[layer] if cache else None)
        return norm(x) if c.rms_norm else self.ln_f(x)

    def lm_head(self, features):
        """(..., n_embd) -> logits (..., vocab_size)."""
        cap = self.config.softcap
        return cap * torch.tanh(F.linear(features / cap, self.head_weight)) if cap else F.linear(features, self.head_weight)

    def forward(self, tokens, targets=None):
        """Logits (B, T, vocab_size) and, given targets (B, T), the mean loss in nats per token; -100 is not counted."""
        logits = self.lm_head(self.features(tokens))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE)
