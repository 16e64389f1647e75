"""Beyond one device, on paper: compute, traffic and memory of a training step on N devices, with DDP and with FSDP. Estimates, all of it.

DDP keeps all weights, gradients and optimizer states on every device and averages the gradients. FSDP (ZeRO's third stage) gives each
device an N-th of them, and fetches a layer's weights when it is that layer's turn.
"""

from collections import namedtuple

from .budget import PEAK_FLOPS, count_parameters
from .model import GPTConfig
from .runtime import T4_MEMORY

MEMORY = {"T4": T4_MEMORY, "H100": 80e9, "H200": 141e9}  # bytes of a card: NVIDIA's data sheets; of a T4 what it leaves to a program
LINKS = {                      # bytes per second that a device sends, while it receives as many
    "PCIe 3 x16": 12e9,        # between Kaggle's two T4s: an assumption, of the 15.75 GB/s of the standard
    "NVLink 4": 450e9,         # H100 and H200 SXM: NVIDIA's data sheets say 900 GB/s, both ways together
    "InfiniBand NDR": 50e9,    # 400 Gb/s, one port a GPU
}
Shape = namedtuple("Shape", "parameters n_layer n_embd block_size")  # of a model that no GPTConfig describes
MODELS = {
    "ours, 16 M": GPTConfig(n_layer=4, n_head=4, n_embd=256, block_size=256, vocab_size=50_304),
    "GPT-2, 124 M": GPTConfig(n_layer=12, n_head=12, n_embd=768, block_size=1024, vocab_size=50_257),
    "Llama-3 8B": Shape(8.03e9, 32, 4096, 8192),    # Llama team, 2024, "The Llama 3 Herd of Models", table 3
    "Llama-3 70B": Shape(70.6e9, 80, 8192, 8192),
}


def estimate(model, devices, *, card="H100", utilisation=0.4, link="NVLink 4", tokens=8192, number_bytes=2, state_bytes=16):
    """One training step of ``model`` (a `GPTConfig` or `Shape`) with ``tokens`` per device: seconds and bytes, by name.

    utilisation: assumed share of the card's peak. number_bytes: of a gradient or weight on the link. state_bytes: of weight, gradient and
    AdamW, per parameter (Rajbhandari et al., 2020, "ZeRO", section 3: 16; under our autocast 18).
    """
    P = getattr(model, "parameters", None) or count_parameters(model)["total"]
    L, d, N = model.n_layer, model.n_embd, devices
    peak = max(PEAK_FLOPS[card].values())
    flops = tokens * (6 * P + 12 * L * d * model.block_size)  # Chowdhery et al., 2022, appendix B
    activations = 36 * L * d * tokens  # bytes; `budget.memory_by_term` at two bytes a number
    recomputed = activations > MEMORY[card] / 2
    if recomputed:  # only each layer's input is kept, and one layer at a time is computed again
        activations, flops = (2 * L + 36) * d * tokens, flops * 4 / 3
    compute = flops / (utilisation * peak)
    found = {"compute": compute, "recomputed": recomputed, "activations": activations}
    # Passes over all numbers: a ring's all-reduce takes two; FSDP gathers weights forward and backward and scatters gradients (ZeRO, section 7).
    for way, passes, hides, states in (("DDP", 2, compute * 2 / 3, P * state_bytes),
                                       ("FSDP", 3, compute, P * state_bytes / N + 2 * number_bytes * P / L * (N > 1))):  # two layers are there whole
        traffic = passes * (N - 1) / N * number_bytes * P
        exposed = max(0.0, traffic / LINKS[link] - hides)
        found[way] = {"traffic": traffic, "seconds": traffic / LINKS[link], "exposed": exposed, "efficiency": compute / (compute + exposed),
                      "memory": states + activations, "fits": states + activations < MEMORY[card]}
    return found


def scaling_table(models=MODELS, devices=(1, 2, 8, 1000), *, card="H100", inside="NVLink 4", between="InfiniBand NDR", node=8,
                  utilisation=0.4, tokens=8192, number_bytes=2, state_bytes=16):
    """A table as text, its assumptions below it: when to leave DDP. inside: the link of up to ``node`` devices; between: of more."""
    head = f"{'sends GB':>10}{'in ms':>8}{'waits':>6}{'share':>6}{'memory GB':>11} |"
    lines = [f"{'compute':>28} |{'DDP':^42}|{'FSDP':^42}|", f"{'model':12} x devices{'in ms':>6} |{head}{head} take"]
    for name, model in models.items():
        for N in devices:
            e = estimate(model, N, card=card, utilisation=utilisation, link=inside if N <= node else between, tokens=tokens,
                         number_bytes=number_bytes, state_bytes=state_bytes)
            ways = [f"{w['traffic'] / 1e9:10.2f}{w['seconds'] * 1e3:8,.1f}{w['exposed'] / (w['seconds'] or 1):6.0%}{w['efficiency']:6.0%}"
                    f"{w['memory'] / 1e9:11,.1f} |" for w in (e["DDP"], e["FSDP"])]
            take = "DDP" if e["DDP"]["fits"] else "FSDP" if e["FSDP"]["fits"] else "neither fits"
            lines.append(f"{name:12} x {N:<5,}{e['compute'] * 1e3:8,.0f}{'*' if e['recomputed'] else ' '}|{''.join(ways)} {take if N > 1 or take != 'DDP' else 'one'}")
    far = between if max(devices) > node else inside
    hidden = max(PEAK_FLOPS[card].values()) * utilisation * number_bytes / 2 / LINKS[far]
    return "\n".join([*lines, f"""
Estimates. {card}: {max(PEAK_FLOPS[card].values()) / 1e12:,.0f} TFLOP/s at half precision, of which {utilisation:.0%} are used, {MEMORY[card] / 1e9:.0f} GB.
Each device computes {tokens:,} tokens a step: the batch grows with the devices, to {tokens * max(devices):,} tokens.
Link: {inside}, {LINKS[inside] / 1e9:g} GB/s each way{f", beyond {node} devices {between}, {LINKS[between] / 1e9:g} GB/s" * (far != inside)}; latency is left out.
A number takes {number_bytes} bytes on the link; a parameter {state_bytes} in memory, with gradient and AdamW. * = activations of more than half the card's memory, so computed twice.
waits = the part of the traffic that does not hide behind computation (DDP's: the backward pass); share = of the time, spent computing.
From about {hidden:,.0f} tokens per device on, DDP's traffic hides on {far}, whatever the size of the model: both grow with it.
Leave DDP when its memory passes the card's, not before: FSDP sends half as much again. Neither fits: more devices, or layers split too."""])
