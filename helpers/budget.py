"""What a run will cost, by arithmetic: parameters by part, FLOPs by term, memory by term, minutes, MFU.

A multiply-add counts as 2 FLOPs; the backward pass costs twice the forward pass (Kaplan et al., 2020, section 2.1).
V, n, d, L stand for vocab_size, context, n_embd, n_layer.
"""

import copy
import math
import re
import time
from dataclasses import dataclass

import psutil
import torch

from .chunked import CHUNK, LARGE_VOCABULARY
from .runtime import T4_MEMORY, ReaderError
from .step import train_step

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
    """Parameters by part, for a `GPTConfig`: GPT-2 with biases and the head tied to the token embedding; a variant counts its own."""
    if hasattr(config, "parameter_parts"):
        parts = config.parameter_parts()
        return parts | {"total": sum(parts.values())}
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
    terms |= getattr(config, "more_flops", dict)()
    terms = {name: factor * flops for name, flops in terms.items()}
    return terms | {"total": sum(terms.values())}


def memory_by_term(config, micro_batch_size, dtype=torch.float32):
    """Bytes that training holds at its peak, by term: float32 weights, AdamW, activations in ``dtype`` where autocast puts them.

    Per layer and token autograd keeps 2d numbers in float32 (what the two norms read) and 14d in the dtype: d per norm's
    output, 3d of queries, keys and values, d of attention's output, 4d before and 4d after the GELU. The last norm adds
    2d per token. The logits stand there as such, as log-probabilities and as their gradient (the last two in float32);
    with a large vocabulary only a chunk of them (`chunked`), with the head's gradient in float32 and a copy of it in the dtype.
    With dropout > 0 attention on a CPU keeps its score matrices too, which are not counted here.
    """
    V, n, d, L = config.vocab_size, config.block_size, config.n_embd, config.n_layer
    tokens, size = micro_batch_size * n, dtype.itemsize
    parameters = count_parameters(config)["total"]
    parts = {
        "weights": (4 + size * (size < 4)) * parameters,  # autocast makes a copy in its dtype
        "gradients": 4 * parameters,
        "AdamW's two moments": 8 * parameters,
        "activations": tokens * d * (L * (2 * 4 + 14 * size) + 2 * 4),
        "logits": tokens * V * (size + 2 * 4) if V < LARGE_VOCABULARY else (min(tokens, CHUNK) * size + (4 + size) * d) * V,
    }
    return parts | {"total": sum(parts.values())}


def peak_flops(hardware, dtype):
    """The card's peak in FLOP/s for a torch dtype, or None if it is not in the table."""
    for name, peaks in PEAK_FLOPS.items():
        if re.search(rf"\b{name}\b", hardware):  # an L40S is no L4
            return peaks.get(str(dtype).removeprefix("torch."))
    return None


def mfu(tokens_per_second, config, hardware, dtype):
    """Model FLOPs utilisation: share of the card's peak that the model's own arithmetic takes, or None (Chowdhery et al., 2022, appendix B)."""
    peak = peak_flops(hardware, dtype)
    return peak and tokens_per_second * flops_per_token(config)["total"] / peak


class OutOfMemory(ReaderError):
    """The device has too little memory for a run."""


def out_of_memory_advice(config, train, runtime, processes=1):
    """One sentence with numbers for a run that did not fit."""
    micro = min(train.micro_batch_size or train.batch_size, train.batch_size // processes)
    if micro == 1:
        return "out of memory with a single sequence: take a smaller block_size or a smaller model, then run this cell again"
    half = max(n for n in range(1, micro // 2 + 1) if train.batch_size % n == 0)
    need, less = (gib(memory_by_term(config, size, runtime.dtype)["total"]) for size in (micro, half))
    return (f"out of memory with {micro} sequences a pass, which need about {need}: set micro_batch_size={half} "
            f"(about {less}, the same result), then run this cell again")


@dataclass(frozen=True)
class Budget:
    """The card that stands before a training: what it will take, by arithmetic and by a short probe."""

    hardware: str
    parameters: int
    flops_per_token: int
    memory: dict              # bytes by term
    memory_available: int     # bytes
    tokens: int               # that training will read
    tokens_per_second: float  # of the probe
    utilisation: float | None  # MFU of the probe
    evaluation_share: float   # evaluation time per training time
    minutes_allowed: float | None

    @property
    def minutes(self):
        return self.tokens / self.tokens_per_second * (1 + self.evaluation_share) / 60

    @property
    def warnings(self):
        """Sentences with advice, for what will not fit."""
        found = []
        if self.memory["total"] > self.memory_available:
            found.append(f"this needs {gib(self.memory['total'])} and {gib(self.memory_available)} are available: halve micro_batch_size, "
                         "the result stays the same")
        if self.minutes_allowed and self.minutes > self.minutes_allowed:
            found.append(f"this takes about {self.minutes:.0f} minutes, more than the {self.minutes_allowed:.0f} of its profile: "
                         "take fewer epochs, or come back later, as a run goes on where it stopped")
        return found

    def __str__(self):
        parts = ", ".join(f"{name} {gib(size)}" for name, size in self.memory.items() if name != "total")
        used = "n/a" if self.utilisation is None else f"{self.utilisation:.1%}"
        return "\n".join([
            f"hardware    {self.hardware}",
            f"parameters  {self.parameters:,}",
            f"compute     {self.flops_per_token / 1e6:,.1f} MFLOP per token x {self.tokens / 1e6:,.2f} M tokens "
            f"= {self.flops_per_token * self.tokens / 1e12:,.1f} TFLOP",
            f"memory      {gib(self.memory['total'])} of {gib(self.memory_available)}: {parts}",
            f"speed       {self.tokens_per_second:,.0f} tokens per second in a short probe, MFU {used}",
            f"time        about {self.minutes:.1f} minutes, evaluation included",
            *(f"WARNING     {w}" for w in self.warnings or []),
        ] + ([] if self.warnings else ["fits        yes"]))


def gib(size):
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def available_memory(runtime):
    """Bytes that training may use: free memory of the card (at most a T4's 14.5 GiB in profile t4) or of the machine."""
    if runtime.device.type == "cuda":
        held, cached = torch.cuda.memory_allocated(runtime.device), torch.cuda.memory_reserved(runtime.device)  # PyTorch uses its cache again
        free = torch.cuda.mem_get_info(runtime.device)[0] + cached - held
        return min(free, T4_MEMORY - held) if runtime.profile == "t4" else free
    return psutil.virtual_memory().available


def probe(model, train, runtime, steps=5):
    """Tokens per second of ``steps`` training steps on random tokens, after one to warm up; a copy is trained, not the model."""
    copied = copy.deepcopy(model).to(runtime.device).train()
    optimizer, scaler = train.optimizer(copied), torch.amp.GradScaler(runtime.device.type, enabled=runtime.dtype == torch.float16)
    shape = (train.batch_size, model.config.block_size)
    tokens = torch.randint(model.config.vocab_size, shape, generator=torch.Generator().manual_seed(0)).to(runtime.device)
    for step in range(1 + steps):
        loss, _ = train_step(copied, optimizer, scaler, tokens, tokens, config=train, runtime=runtime)
        loss.item()  # waits for the device
        if step == 0:
            started = time.perf_counter()
    return steps * tokens.numel() / (time.perf_counter() - started)


def budget(model, train, runtime, n_train_tokens, n_val_tokens=math.inf):
    """The `Budget` of training ``model`` with the settings ``train`` on streams of so many tokens."""
    config = model.config
    try:
        speed = probe(model, train, runtime)
    except torch.OutOfMemoryError:
        raise OutOfMemory(out_of_memory_advice(config, train, runtime)) from None
    steps = train.steps(n_train_tokens, config.block_size)
    steps = min(steps, runtime.steps or steps)
    name = torch.cuda.get_device_name(runtime.device) if runtime.device.type == "cuda" else "CPU"
    micro = train.micro_batch_size or train.batch_size
    return Budget(
        hardware=f"{name}, {str(runtime.dtype).removeprefix('torch.')}", parameters=count_parameters(config)["total"],
        flops_per_token=flops_per_token(config)["total"], memory=memory_by_term(config, micro, runtime.dtype),
        memory_available=available_memory(runtime), tokens=steps * train.batch_size * config.block_size, tokens_per_second=speed,
        utilisation=mfu(speed, config, name, runtime.dtype),
        evaluation_share=min(train.eval_blocks, n_val_tokens / config.block_size) / 3 / (train.eval_every * train.batch_size),  # forward: a third
        minutes_allowed={"cpu": 3, "t4": 50}.get(runtime.profile))


def states_bytes(prepared, config):
    """Bytes of the weights, gradients and optimizer of a model that `finetuning.prepare` made ready."""
    free = [p for p in prepared.parameters() if p.requires_grad]
    trainable, tables = sum(p.numel() for p in free), {id(m.weight) for m in prepared.modules() if isinstance(m, torch.nn.Embedding)}
    small = sum(p.numel() for p in free if config.way == "8bit" and p.numel() >= 4096 and id(p) not in tables)  # bitsandbytes' rule
    return {"weights": 4 * prepared.num_parameters(), "gradients": 4 * trainable,
            "optimizer": 8 * (trainable - small) + 2 * small + small // 32}  # 8 bits, and a scale for every 256 of them


def kept_bytes(model, batch, runtime):
    """Bytes that a forward pass keeps for the backward pass, parameters left out; the loss waits to be freed."""
    own, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}
    note = lambda t: (kept.update({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()}), t)[1]  # what is kept twice is stored once
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t), runtime.autocast():
        loss = model(**batch).loss
    return sum(size for pointer, size in kept.items() if pointer not in own), loss
