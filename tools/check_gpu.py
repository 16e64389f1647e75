"""What only a GPU can tell, in one file to send back: `make check-gpu`, or the last cell of a notebook.

Profile t4 caps any card's memory at a T4's 14.5 GiB, and float16 is asked for, as a T4 has no bfloat16. Without a GPU the same
checks run on the CPU, so that a reader is never the first to run them. What cannot be run somewhere is listed as not run, never as passed.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import io
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from helpers.model import GPT, GPTConfig
from helpers.runs import describe_hardware
from helpers.runtime import ReaderError, seed_everything, setup, shown
from helpers.training import TrainConfig, fit
from helpers.weights import to_transformers
from tools.published import check_published

PACKAGES = ("transformers", "datasets", "tokenizers", "huggingface_hub", "peft", "trl", "bitsandbytes", "accelerate", "torchao", "numpy")
SHAPE = dict(vocab_size=128, block_size=32, n_layer=2, n_head=2, n_embd=32)
TRAINING = TrainConfig(batch_size=8, max_steps=12, warmup_steps=2, learning_rate=3e-3, eval_every=6, eval_blocks=8, checkpoint_every=4)


def machine(runtime):
    """Hardware, versions and room, without a path or a name of the reader."""
    row = dict(hardware=describe_hardware(runtime.device), torch=torch.__version__, cuda=torch.version.cuda, dtype=str(runtime.dtype),
               dtype_reason=runtime.dtype_reason, platform=runtime.platform, disk_free_bytes=shutil.disk_usage(runtime.workspace).free,
               started=time.strftime("%Y-%m-%d %H:%M"))
    if runtime.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(runtime.device)
        row |= dict(capability=torch.cuda.get_device_capability(runtime.device), memory_bytes=total, memory_free_bytes=free)
    installed = {d.name.lower().replace("-", "_"): d.version for d in importlib.metadata.distributions() if d.name}
    return row | {"versions": {name: installed.get(name) for name in PACKAGES}}


def tiny_gpt(runtime):
    seed_everything(0)
    return GPT(GPTConfig(**SHAPE)).to(runtime.device)


def pattern(n):
    """(n,) tokens in which each follows from the one before: something to learn in twelve steps."""
    return (np.arange(n) * 7 % 101).astype(np.uint16)


def check_logits(runtime):
    """Ours equal Transformers' in float32 on this device."""
    ours = tiny_gpt(runtime).eval()
    theirs = to_transformers(ours, eos_token_id=0).to(runtime.device)
    tokens = torch.randint(128, (2, 32), device=runtime.device)
    with torch.no_grad():
        difference = (ours(tokens)[0] - theirs(tokens).logits).abs().max().item()
    return difference <= 1e-4, f"largest difference to Transformers' logits {difference:.1e}"


def check_generation(runtime):
    """Greedy text with the cache equals the text without it."""
    model = tiny_gpt(runtime).eval()
    prompt = torch.tensor([[1, 2, 3]], device=runtime.device)
    texts = [model.generate(prompt, 40, temperature=0, use_cache=cache).tolist() for cache in (True, False)]
    return texts[0] == texts[1], "greedy, with the cache and without it"


def train(runtime, folder, on_log=lambda run: None, **changes):
    """(weights, losses) of the tiny run in ``folder``, without its words and bars."""
    model, quiet = tiny_gpt(runtime), io.StringIO()
    runtime = dataclasses.replace(runtime, workspace=Path(folder), steps=None, **changes)
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        run = fit(model, pattern(3_000), pattern(500), config=TRAINING, runtime=runtime, on_log=on_log)
    return torch.cat([p.detach().flatten().cpu() for p in model.parameters()]), run.curve("loss")[1]


def check_half(runtime):
    """Losses at the runtime's dtype follow those at float32."""
    with tempfile.TemporaryDirectory() as folder:
        half, full = (train(runtime, Path(folder) / str(dtype), dtype=dtype)[1] for dtype in (runtime.dtype, torch.float32))
    difference = abs(half / full - 1).max()
    return bool(difference < 0.05 and full[-1] < full[0]), f"losses at {runtime.dtype} within {difference:.4%} of float32's over {len(full)} steps"


def check_resume(runtime):
    """A run cut between two checkpoints ends with the weights of an uninterrupted one."""
    def cut(run):
        if run.curve("val_loss")[1].size == 2:
            raise InterruptedError

    with tempfile.TemporaryDirectory() as folder:
        whole, _ = train(runtime, Path(folder) / "whole")
        with contextlib.suppress(InterruptedError):
            train(runtime, Path(folder) / "cut", on_log=cut)
        difference = (train(runtime, Path(folder) / "cut")[0] - whole).abs().max().item()
    return difference <= 1e-5, f"largest difference of a weight after a resume {difference:.1e}"


def check_cap(runtime):
    """More than a T4's memory is refused."""
    if runtime.device.type != "cuda" or runtime.profile != "t4":
        return None, "not checked: it takes a GPU and profile t4"
    try:
        torch.empty(int(14.6 * 2**30), dtype=torch.uint8, device=runtime.device)
    except torch.OutOfMemoryError:
        return True, "14.6 GiB are refused"
    return False, "14.6 GiB were given: the cap does not hold"


def compare(run):
    """A notebook's budget card beside what was measured; times for the tokens that were read."""
    card, end = next(r for r in reversed(run.rows) if r["kind"] == "budget"), run.end
    share = end["tokens"] / card["tokens"]
    estimated = dict(memory_bytes=card["memory_bytes"], tokens_per_second=card["tokens_per_second"], minutes=card["minutes"] * share)
    measured = dict(memory_bytes=end["peak_memory_bytes"], tokens_per_second=end["tokens_per_second"], minutes=end["seconds"] / 60)
    about = {k: run.header[k] for k in ("notebook", "profile", "settings_hash", "seed", "rehearsal", "hardware")}
    return about | dict(dtype=run.header["settings"]["dtype"], val_loss=end["val_loss"], estimated=estimated, measured=measured)


def check_gpu(runtime, *runs):
    """Run all checks, compare the budget cards of ``runs``, print a line each, write them to one file and return whether all passed."""
    file = runtime.workspace.parent / "check-gpu.jsonl"
    rows = [{"kind": "machine"} | machine(runtime)]
    for check in (check_logits, check_generation, check_half, check_resume, check_cap, check_published):
        try:
            passed, finding = check(runtime)
        except (RuntimeError, ReaderError) as error:  # a check that fails is a finding; the others still run
            passed, finding = False, f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(dict(kind="check", name=check.__name__, passed=passed, finding=finding))
        print(f"{ {True: 'passed', False: 'FAILED', None: 'not run'}[passed]:7} {check.__name__.removeprefix('check_'):11} {finding}")
    for run in runs:
        row = {"kind": "notebook"} | compare(run)
        rows.append(row)
        ratios = ", ".join(f"{name} {row['estimated'][name] / row['measured'][name]:.2f}" for name in row["measured"])
        print(f"notebook {row['notebook']}: estimated / measured: {ratios}")
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    print(f"send back this file: {shown(file, 2)}")
    return all(r["passed"] is not False for r in rows if r["kind"] == "check")


def main():
    from tools.notebook import find, newest_run, notebooks, run, workspace_of
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", nargs="*", help="notebooks to rehearse, such as 01; none: all")
    args = parser.parse_args()
    os.environ |= {"GPT_SERIES_PROFILE": "t4", "GPT_SERIES_STEPS": os.environ.get("GPT_SERIES_STEPS", "30"),
                   "GPT_SERIES_DTYPE": os.environ.get("GPT_SERIES_DTYPE", "float16" if torch.cuda.is_available() else "float32")}
    runs = []
    for file in [find(n) for n in args.numbers] or notebooks():
        folder = workspace_of(file)
        run(file)
        runs.append(newest_run(folder))
    runtime = setup("check-gpu", dtype="float16")
    raise SystemExit(not check_gpu(runtime, *runs))


if __name__ == "__main__":
    main()
