"""What this machine could do: its measured matmul rate and memory bandwidth, the floor they set under a step, and where the time goes.

The roofline is Williams et al., 2009: an operation takes at least its FLOPs over the one and its bytes over the other.
"""

import os
import time

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .budget import count_parameters, flops_per_token
from .plots import TRAIN, VALIDATION, new_figure

KINDS = {  # kinds of work by parts of PyTorch's operator names; the first kind that fits counts
    "attention": ("attention", "masked_fill", "bmm"),
    "matrix products": ("mm", "linear"),
    "softmax and loss": ("softmax", "nll", "amax", "index"),
    "optimizer": ("adam", "lerp", "addc", "sqrt", "vector_norm", "_foreach"),
    "norm and GELU": ("layer_norm", "gelu"),
    "copies and elementwise": ("copy", "add", "mul", "fill", "zero", "embedding", "clone", "div", "sub", "where", "neg", "sum"),
}


def seconds_of(run, device, seconds=0.3):
    """Seconds of the fastest ``run()`` (a roof is what can be reached), of as many as fit into ``seconds``, five at least, after a first one."""
    cuda = torch.device(device).type == "cuda"
    wait, times = (lambda: torch.cuda.synchronize(device), 20) if cuda else (lambda: None, 1)  # a GPU waits long for a single small call
    run(), wait()
    end, taken = time.perf_counter() + seconds, []
    while len(taken) < 5 or time.perf_counter() < end:
        started = time.perf_counter()
        for _ in range(times):
            run()
        wait()
        taken.append((time.perf_counter() - started) / times)
    return min(taken)


def matmul_rate(dtype=torch.float32, device="cpu", shape=None):
    """FLOP/s of (m, k) @ (k, n) in ``dtype``; shape: (m, k, n), else the body's at 1,024 tokens, or 4,096 each on a GPU, which that would not fill."""
    m, k, n = shape or ((4096,) * 3 if torch.device(device).type == "cuda" else (1024, 256, 1024))
    a, b = torch.ones(m, k, dtype=dtype, device=device), torch.ones(k, n, dtype=dtype, device=device)
    out = torch.empty(m, n, dtype=dtype, device=device)
    return 2 * m * k * n / seconds_of(lambda: torch.mm(a, b, out=out), device)


def bandwidth(device="cpu", size=2**28):
    """Bytes per second of ``target += source`` on arrays of ``size`` bytes, far more than a cache holds (after McCalpin, 1995, "STREAM").

    Two are read and one is written, where it stands: a copy into another array would first read that too, unseen.
    """
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source).zero_()
    return 3 * size / seconds_of(lambda: target.add_(source), device)


def step_bytes(config, tokens, dtype=torch.float32):
    """Bytes that a training step on so many tokens moves at the least, by term; the activations of the body may stay in cache.

    AdamW reads weight, gradient and two moments and writes three of them: 28 a parameter. A gradient is written once, and read once to be
    clipped. Weights are read in float32, written and twice read in ``dtype``. Logits are written, go through the softmax, are read twice.
    """
    parameters, size = count_parameters(config)["total"], dtype.itemsize
    parts = {"optimizer": 28 * parameters, "gradients": 8 * parameters,
             "weights": (4 + 3 * size if size < 4 else 8) * parameters, "logits": 5 * size * tokens * config.vocab_size}
    return parts | {"total": sum(parts.values())}


def floor(config, tokens, rate, bytes_per_second, dtype=torch.float32):
    """{"compute", "memory", "floor"}: seconds that a step on ``tokens`` tokens takes at the least; the floor is the larger of the two.

    rate: FLOP/s of `matmul_rate`; bytes_per_second: of `bandwidth`.
    """
    compute, memory = flops_per_token(config)["total"] * tokens / rate, step_bytes(config, tokens, dtype)["total"] / bytes_per_second
    return {"compute": compute, "memory": memory, "floor": max(compute, memory)}


def share_reached(tokens_per_second, config, rate):
    """Share of the measured matmul rate that a training takes: the MFU, against what this machine was seen to do."""
    return tokens_per_second * flops_per_token(config)["total"] / rate


def where_time_goes(step, repeats=3):
    """{kind of work: seconds per call of ``step()``} by PyTorch's profiler, largest first, "rest" last; for `plots.bar_chart`."""
    step()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes log lines of its own under the cell
    with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * torch.cuda.is_available()]) as profiler:
        for _ in range(repeats):
            step()
    spent = dict.fromkeys([*KINDS, "rest"], 0.0)
    rows = profiler.key_averages()
    cuda = any(row.device_type == DeviceType.CUDA for row in rows)  # did this step use it?
    for row in (row for row in rows if row.device_type == DeviceType.CPU):  # the operators, which have their kernels' time
        kind = next((kind for kind, parts in KINDS.items() if any(part in row.key.lower() for part in parts)), "rest")
        spent[kind] += (row.self_device_time_total if cuda else row.self_cpu_time_total) / 1e6 / repeats
    rest = spent.pop("rest")
    return dict(sorted(spent.items(), key=lambda item: -item[1])) | {"rest": rest}


def operations(config, tokens=1024, dtype=torch.float32, device="cpu"):
    """{name: (FLOPs, bytes, seconds)} of four operations of a step, measured one by one: `roofline_chart` draws them."""
    d, V, size = config.n_embd, config.vocab_size, dtype.itemsize
    logits, weight = torch.ones(tokens, V, dtype=dtype, device=device), torch.nn.Parameter(torch.zeros(V, d, device=device))
    weight.grad = torch.ones_like(weight)
    timed = {"softmax": (5 * tokens * V, 2 * size * tokens * V, lambda: torch.softmax(logits, -1, out=logits)),
             "AdamW": (14 * V * d, 28 * V * d, torch.optim.AdamW([weight], fused=True).step)}
    product = lambda n: (2 * tokens * d * n, size * (tokens * d + d * n + tokens * n), 2 * tokens * d * n / matmul_rate(dtype, device, (tokens, d, n)))
    return {"body": product(4 * d), "head": product(V)} | {name: (flops, moved, seconds_of(run, device)) for name, (flops, moved, run) in timed.items()}


def roofline_chart(points, rate, bytes_per_second):
    """FLOP/s over arithmetic intensity, log-log, under the roof of ``rate`` and bandwidth; points: as `operations` gives; returns the figure."""
    figure, axes = new_figure(size=(8, 5))
    ridge = rate / bytes_per_second
    at = {name: (flops / moved, flops / seconds / 1e9) for name, (flops, moved, seconds) in points.items()}
    low, high = min(ridge, *(x for x, _ in at.values())) / 8, max(ridge, *(x for x, _ in at.values())) * 6
    axes.loglog([low, ridge, high], [low * bytes_per_second / 1e9, rate / 1e9, rate / 1e9], color=TRAIN, lw=2)
    axes.text(high / 1.1, rate / 1e9 * 1.12, f"{rate / 1e9:,.0f} GFLOP/s, matrix products", color=TRAIN, ha="right")
    middle = low**0.3 * ridge**0.7  # on the slope, nearer to its upper end
    axes.text(middle, middle * bytes_per_second / 1e9 * 1.5, f"{bytes_per_second / 1e9:,.0f} GB/s, memory ", color=TRAIN, ha="right")
    for name, (x, y) in at.items():
        axes.plot(x, y, "o", color=VALIDATION, ms=9)
        axes.annotate(f"{name}: {y:,.0f}", (x, y), xytext=(-10, -20) if name == "body" else (10, -20), ha="right" if name == "body" else "left",
                      textcoords="offset points")
    axes.set(xlabel="arithmetic intensity (FLOP per byte moved)", ylabel="GFLOP per second", ylim=(None, 2.2 * rate / 1e9), xlim=(low, high))
    bound = [name for name, (x, _) in at.items() if x < ridge]
    axes.set_title(f"Memory bounds {' and '.join(bound) or 'nothing'}; arithmetic bounds {' and '.join(n for n in at if n not in bound) or 'nothing'}", loc="left")
    return figure
