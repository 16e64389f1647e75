"""What a run will cost, by arithmetic: parameters by part, FLOPs by term, memory by term, minutes, MFU.

A multiply-add counts as 2 FLOPs; the backward pass costs twice the forward pass (Kaplan et al., 2020, section 2.1).
V, n, d, L stand for vocab_size, context, n_embd, n_layer.
"""

from dataclasses import dataclass

import torch

# Dense peak in FLOP/s by dtype: (name as torch reports it contains the key). Sources: NVIDIA's data sheets of each card;
# RTX 4050 Laptop: 80 tensor cores x 256 FMA x 2 x 1.6 GHz is about 65e12, the original assumed 70e12.
PEAK_FLOPS = {
    "T4": {"float16": 65e12, "float32": 8.1e12},
    "L4": {"float16": 121e12, "bfloat16": 121e12, "float32": 30.3e12},
    "V100": {"float16": 125e12, "float32": 15.7e12},
    "A100": {"float16": 312e12, "bfloat16": 312e12, "float32": 19.5e12},
    "H100": {"float16": 989e12, "bfloat16": 989e12, "float32": 67e12},
    "H200": {"float16": 989e12, "bfloat16": 989e12, "float32": 67e12},
    "RTX 4050": {"float16": 70e12, "bfloat16": 70e12},
}


def count_parameters(config):
    """Parameters by part, for a `GPTConfig`: GPT-2 with biases and the head tied to the token embedding."""
    V, n, d, L = config.vocab_size, config.block_size, config.n_embd, config.n_layer
    parts = {
        "token embedding (and head)": V * d,
        "position embedding": n * d,
        "attention, query key value": L * (3 * d * d + 3 * d),
        "attention, projection": L * (d * d + d),
        "MLP": L * (8 * d * d + 5 * d),
        "layer norms": L * 4 * d + 2 * d,
    }
    return parts | {"total": sum(parts.values())}


def flops_per_token(config, *, training=True, context=None):
    """FLOPs per token by term, every token attending over ``context`` positions (default: block_size)."""
    V, n, d, L = config.vocab_size, context or config.block_size, config.n_embd, config.n_layer
    terms = {
        "query key value": L * 6 * d * d,
        "scores": L * 2 * n * d,
        "weighted sum": L * 2 * n * d,
        "projection": L * 2 * d * d,
        "MLP": L * 16 * d * d,
        "head": 2 * d * V,
    }
    factor = 3 if training else 1
    terms = {name: factor * flops for name, flops in terms.items()}
    return terms | {"total": sum(terms.values())}


def memory_by_term(config, micro_batch_size, dtype=torch.float32):
    """Bytes that training holds, by term, with float32 weights and AdamW; activations in ``dtype`` where autocast puts them.

    Per layer and token autograd keeps 2d (norm inputs, float32) and 14d in the dtype: two norm outputs, 3d of queries, keys
    and values, d of attention output, 4d before and 4d after the GELU, d more by its reshape. The head's logits are kept
    once in the dtype (if not float32), and in float32 as log-probabilities and as their gradient.
    """
    V, n, d, L = config.vocab_size, config.block_size, config.n_embd, config.n_layer
    tokens, size = micro_batch_size * n, dtype.itemsize
    parameters = count_parameters(config)["total"]
    parts = {
        "weights": 4 * parameters,
        "gradients": 4 * parameters,
        "AdamW's two moments": 8 * parameters,
        "activations": tokens * L * d * (2 * 4 + 14 * size),
        "logits": tokens * V * (size * (size < 4) + 3 * 4),
    }
    return parts | {"total": sum(parts.values())}


def peak_flops(hardware, dtype):
    """The card's peak in FLOP/s for a torch dtype, or None if it is not in the table."""
    for name, peaks in PEAK_FLOPS.items():
        if name in hardware:
            return peaks.get(str(dtype).removeprefix("torch."))
    return None


def mfu(tokens_per_second, config, hardware, dtype):
    """Model FLOPs utilisation: share of the card's peak that the model's own arithmetic takes, or None (Chowdhery et al., 2022, appendix B)."""
    peak = peak_flops(hardware, dtype)
    return peak and tokens_per_second * flops_per_token(config)["total"] / peak


def out_of_memory_advice(config, train, runtime):
    """One sentence with numbers for a run that did not fit."""
    micro = train.micro_batch_size or train.batch_size
    need = memory_by_term(config, micro, runtime.dtype)["total"] / 2**30
    half = memory_by_term(config, max(1, micro // 2), runtime.dtype)["total"] / 2**30
    return (f"out of memory with {micro} sequences a pass, which need about {need:.1f} GiB: set micro_batch_size={max(1, micro // 2)} "
            f"(about {half:.1f} GiB, the same result), then run this cell again")
