"""GPT-2, plain: the configuration, attention, the MLP, the block and the model.

Architecture: Radford et al., 2019, "Language Models are Unsupervised Multitask Learners", section 2.3.
Module names follow Hugging Face's GPT-2, so that weights map one to one (`weights.py`).
"""

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

IGNORE = -100  # a target with this value is not counted in the loss


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a GPT. Raises ValueError when the heads do not divide the width."""

    vocab_size: int = 50_304  # 50,257 of GPT-2's tokenizer, padded to a multiple of 128
    block_size: int = 256     # longest context, in tokens
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 256         # width: numbers per token
    dropout: float = 0.0      # share of activations set to zero while training

    def __post_init__(self):
        if self.n_embd % self.n_head:
            raise ValueError(f"n_head must divide n_embd, got n_head {self.n_head} and n_embd {self.n_embd}: "
                             f"choose a divisor of {self.n_embd}")
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which a token sees itself and the tokens before it (Vaswani et al., 2017, section 3.2)."""

    def __init__(self, config):
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)  # queries, keys and values at once
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, cache=None):
        B, T, C = x.shape
        q, k, v = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)  # (B, n_head, T, head_size) each
        if cache is not None:
            k, v = cache.append(k, v)  # (B, n_head, past + T, head_size)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, dropout_p=self.dropout if self.training else 0.0)
        y = y.transpose(1, 2).reshape(B, T, C)  # the heads side by side again
        return F.dropout(self.c_proj(y), self.dropout, self.training)


class MLP(nn.Module):
    """Two layers that work on each token by itself: n_embd -> 4 n_embd -> n_embd."""

    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)

    def forward(self, x):
        x = F.gelu(self.c_fc(x), approximate="tanh")  # GPT-2 was trained with the tanh form
        return F.dropout(self.c_proj(x), self.dropout, self.training)


class Block(nn.Module):
    """Tokens exchange information (attention), then each thinks for itself (MLP); both add to the stream x."""

    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)

    def forward(self, x, cache=None):
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A GPT-2 language model; the output head is the token embedding itself (tied)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)  # what the token is
        self.wpe = nn.Embedding(config.block_size, config.n_embd)  # where it stands
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.apply(self._init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):  # 2 n_layer additions to each token's vector: keep their sum at scale one
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.n_layer))

    @staticmethod
    def _init_weights(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def features(self, tokens, cache=None):
        """(B, T) token ids -> (B, T, n_embd), what the head reads; with a cache, the tokens that follow those in it."""
        past, T = (cache.length if cache else 0), tokens.shape[1]
        if past + T > self.config.block_size:
            raise ValueError(f"{past + T} tokens are longer than the context, block_size = {self.config.block_size}: "
                             "pass the last block_size tokens")
        x = self.wte(tokens) + self.wpe.weight[past : past + T]  # (B, T, n_embd)
        x = F.dropout(x, self.config.dropout, self.training)
        for layer, block in enumerate(self.h):
            x = block(x, cache.layers[layer] if cache else None)
        return self.ln_f(x)

    def forward(self, tokens, targets=None):
        """Logits (B, T, vocab_size) and, given targets (B, T), the mean loss in nats per token; -100 is not counted."""
        logits = F.linear(self.features(tokens), self.wte.weight)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE)

    def generate(self, tokens, max_new_tokens, **sampling):
        """(B, T) -> (B, T + max_new_tokens); see `generation.generate` for temperature, top_k, top_p."""
        from .generation import generate
        return generate(self, tokens, max_new_tokens, **sampling)

    @classmethod
    def from_pretrained(cls, name_or_folder, **overrides):
        """A GPT with the weights of a Hugging Face GPT-2: a name on the hub ("gpt2") or a local folder."""
        from .weights import from_pretrained
        return from_pretrained(name_or_folder, **overrides)

    def save_pretrained(self, folder, tokenizer=None):
        """Write what `AutoModelForCausalLM.from_pretrained(folder)` loads."""
        from .weights import save_pretrained
        save_pretrained(self, folder, tokenizer)
