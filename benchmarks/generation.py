"""How fast does our GPT write? Side by side with Transformers' `generate` and nanoGPT's, on the same weights.

    python benchmarks/generation.py --nanogpt path/to/nanoGPT --threads 1 2 --output generation.json

All variants continue the same prompt greedily and must write the same tokens before any is timed. Rounds are
interleaved (A B C, then C B A, ...), so that a slow minute of the machine falls on all of them; a ratio is
taken within a round. Peak memory is measured in a process of its own for each variant.
"""

import argparse
import contextlib
import gc
import importlib.util
import io
import itertools
import json
import platform
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers.generation import generate
from helpers.model import GPT, GPTConfig
from helpers.runs import describe_hardware
from helpers.weights import to_transformers

CONFIG = GPTConfig(vocab_size=50_304, block_size=256, n_layer=4, n_head=4, n_embd=256)
PROMPT, NEW = 16, 200  # tokens
OURS = "ours"


# --- the variants: each is a function (prompt, number of new tokens) -> tokens ---


def our_model(device):
    """Random weights; the matrices four times their usual size, or an untrained model repeats its last token."""
    torch.manual_seed(0)
    model = GPT(CONFIG)
    for block in model.h:
        for layer in (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj):
            layer.weight.data *= 4
    return model.to(device).eval()


def transformers_variant(model):
    theirs = to_transformers(model).to(model.wte.weight.device)

    def run(prompt, new):
        return theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=new, do_sample=False)

    return run


def nanogpt_variant(model, folder):
    """karpathy/nanoGPT's GPT.generate, from its model.py; top_k=1 makes it greedy."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(folder) / "model.py")
    module = sys.modules["nanogpt_model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    c = model.config
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its size
        theirs = module.GPT(module.GPTConfig(block_size=c.block_size, vocab_size=c.vocab_size, n_layer=c.n_layer,
                                             n_head=c.n_head, n_embd=c.n_embd, dropout=0.0, bias=True))
    ours = model.state_dict()
    theirs.load_state_dict({f"transformer.{k}": v for k, v in ours.items()} | {"lm_head.weight": ours["wte.weight"]})
    for block in theirs.transformer.h:
        block.mlp.gelu = torch.nn.GELU(approximate="tanh")  # nanoGPT has the exact form: the same function for all
    theirs = theirs.to(model.wte.weight.device).eval()
    return lambda prompt, new: theirs.generate(prompt, new, top_k=1)


def make_variant(name, model, nanogpt):
    if name == OURS:
        return partial(generate, model, temperature=0)
    if name == "ours, no cache":
        return partial(generate, model, temperature=0, use_cache=False)
    return transformers_variant(model) if name == "Transformers" else nanogpt_variant(model, nanogpt)


def make_prompt(batch, device):
    return torch.randint(CONFIG.vocab_size, (batch, PROMPT), generator=torch.Generator().manual_seed(1)).to(device)


# --- measuring ---


def check_same_tokens(variants, prompt):
    """Raise ValueError unless every variant continues the prompt as ours does; returns how many different tokens were
    written (a model that repeats itself would prove little). Also the warm-up."""
    expected = variants[OURS](prompt, NEW)
    for name, run in variants.items():
        different = (run(prompt, NEW) != expected).nonzero()
        if len(different):
            row, column = different[0].tolist()
            raise ValueError(f"{name} writes other tokens than ours from row {row}, position {column} on: nothing was timed")
    return len(expected[:, PROMPT:].unique())


def clocks(device):
    """(wall, CPU) seconds; the CPU's counts all threads of this process."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return np.array([time.perf_counter(), time.process_time()])


def time_rounds(variants, prompt, rounds):
    """{name: {"wall": [...], "cpu": [...]}}, in seconds, one entry a round."""
    names, seconds = list(variants), {name: [] for name in variants}
    for i in range(rounds):
        for name in names if i % 2 == 0 else reversed(names):
            before = clocks(prompt.device)
            variants[name](prompt, NEW)
            seconds[name].append(clocks(prompt.device) - before)
    return {name: dict(zip(("wall", "cpu"), np.round(s, 5).T.tolist())) for name, s in seconds.items()}


def peak_bytes(device):
    """The most memory held since `forget_peak`: allocated on the GPU, else resident in this process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):  # Linux: getrusage would start from the peak of the parent process
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    with contextlib.suppress(ImportError):  # no such module on Windows
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak(device):
    if device.type == "cuda":
        return torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from what is resident now


def report_memory(name, batch, device, nanogpt):
    """What the child process does: load one variant, write once, print [before, peak] in bytes."""
    model = our_model(device)
    run = make_variant(name, model, nanogpt)
    del model  # Transformers and nanoGPT have a copy
    gc.collect()
    prompt = make_prompt(batch, device)
    forget_peak(device)
    before = peak_bytes(device)
    run(prompt, NEW)
    print(json.dumps([before, peak_bytes(device)]))


def measure_memory(name, batch, args):
    command = [sys.executable, __file__, "--memory-of", name, "--batch", str(batch), "--device", args.device,
               "--threads", str(args.threads[0])] + (["--nanogpt", args.nanogpt] if args.nanogpt else [])
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


# --- reporting ---


def quartiles(values):
    """[median, lower quartile, upper quartile]"""
    return [float(np.quantile(values, q)) for q in (0.5, 0.25, 0.75)]


def summarize(seconds, batch):
    """Per variant: tokens per second, and how many times as long as ours it takes, each as quartiles."""
    return {name: {clock: dict(tokens_per_second=quartiles(batch * NEW / np.array(s[clock])),
                               times_ours=quartiles(np.array(s[clock]) / np.array(seconds[OURS][clock])))
                   for clock in ("cpu", "wall")} for name, s in seconds.items()}


def table(cell):
    lines = [f"batch {cell['batch']}, {cell['threads']} thread{'s' * (cell['threads'] > 1)}",
             f"  {'':16}{'tokens/s (CPU time)':>24}{'ours is faster by':>24}{'tokens/s (wall)':>18}{'by':>8}{'peak MB':>10}{'before':>8}"]
    for name, s in cell["summary"].items():
        rate, low, high = s["cpu"]["tokens_per_second"]
        ratio, ratio_low, ratio_high = s["cpu"]["times_ours"]
        before, peak = (f"{b / 1e6:.0f}" if b else "n/a" for b in cell["memory_bytes"].get(name, (None, None)))
        lines.append(f"  {name:16}{f'{rate:.0f} [{low:.0f}..{high:.0f}]':>24}{f'{ratio:.2f} [{ratio_low:.2f}..{ratio_high:.2f}]':>24}"
                     f"{s['wall']['tokens_per_second'][0]:>18.0f}{s['wall']['times_ours'][0]:>8.2f}{peak:>10}{before:>8}")
    return "\n".join(lines)


def versions(nanogpt):
    import transformers
    commit = None
    if nanogpt:
        git = subprocess.run(["git", "-C", nanogpt, "rev-parse", "HEAD"], check=False, capture_output=True, text=True)
        commit = git.stdout.strip() or None
    return dict(python=platform.python_version(), torch=torch.__version__, transformers=transformers.__version__, nanogpt=commit)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", help="a checkout of karpathy/nanoGPT; without it, nanoGPT is left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--output", default=ROOT / "workspace" / "benchmarks" / "generation.json")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # what the child processes are started with
    args = parser.parse_args()
    if args.nanogpt and not (Path(args.nanogpt) / "model.py").exists():
        parser.error(f"no model.py in {args.nanogpt}: name a checkout of karpathy/nanoGPT")
    return args


def main(args):
    device = torch.device(args.device)
    torch.set_num_threads(args.threads[0])
    if args.memory_of:
        return report_memory(args.memory_of, args.batch[0], device, args.nanogpt)
    names = [OURS, "ours, no cache", "Transformers"] + ["nanoGPT"] * bool(args.nanogpt)
    memory = {batch: {name: measure_memory(name, batch, args) for name in names} for batch in args.batch}
    model = our_model(device)
    variants = {name: make_variant(name, model, args.nanogpt) for name in names}
    settings = dict(vars(CONFIG), dtype="float32", prompt_tokens=PROMPT, new_tokens=NEW, rounds=args.rounds, greedy=True)
    record = dict(kind="benchmark", benchmark="generation", measured=time.strftime("%Y-%m-%d %H:%M"), device=args.device,
                  hardware=describe_hardware(device), versions=versions(args.nanogpt), settings=settings, cells=[])
    for threads, batch in itertools.product(args.threads, args.batch):
        torch.set_num_threads(threads)
        prompt = make_prompt(batch, device)
        distinct = check_same_tokens(variants, prompt)
        seconds = time_rounds(variants, prompt, args.rounds)
        record["cells"].append(dict(batch=batch, threads=threads, distinct_tokens=distinct, load_average=psutil.getloadavg()[0],
                                    seconds=seconds, memory_bytes=memory[batch], summary=summarize(seconds, batch)))
        print(table(record["cells"][-1]), flush=True)
        write(record, args.output)  # after every cell: the next one may take minutes
    print(f"recorded in {args.output}")


def write(record, file):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(arguments())
