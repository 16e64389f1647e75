"""What QLoRA on Llama-3-8B takes: `python benchmarks/llama_shape.py` measures it, `--estimate` counts it without a GPU.

Measured is a model of Llama-3-8B's shape with random weights, as neither memory nor speed depends on their values: written in float16 a layer
at a time (16 GB of disk), quantised as `load_4bit` reads it, tuned by `fine_tune` as notebook 04 does in profile t4: float16, the allocator
capped at a T4's 14.5 GiB, no attention kernel that a T4 lacks, blocks that differ in length. The seconds are this card's, not a T4's.
"""

import argparse
import gc
import importlib.util
import json
import math
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig

from helpers.blocks import collate
from helpers.budget import PEAK_FLOPS, peak_flops
from helpers.finetuning import FineTuneConfig, fine_tune
from helpers.products import format_prompt
from helpers.qlora import answer, load_4bit, qlora_memory
from helpers.runs import REFERENCES, describe_hardware
from helpers.runtime import REPOSITORY, T4_MEMORY, ReaderError, seed_everything, setup, shown
from helpers.sft import SFTTuner
from helpers.tokens import train_bpe
from tools.check_gpu import machine

SHAPES = {
    "llama-3-8b": dict(vocab_size=128_256, hidden_size=4_096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32,
                       num_key_value_heads=8, max_position_embeddings=8_192, rope_theta=500_000.0),
    "tiny": dict(vocab_size=512, hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                 max_position_embeddings=512, rope_theta=500_000.0),  # to try the script on a CPU
}
BLOCK, BATCH, MICRO, RANK = 256, 16, 4, 16  # notebook 04 in profile t4: tokens of a block, blocks of a step and of a pass, rank of LoRA
STEPS, WARM_UP, NEW_TOKENS = 70, 2, 32  # of the notebook's run; steps that are not timed; tokens that an answer is timed for
PROMPT = format_prompt("A lamp of brushed brass with a shade of green glass, for a desk or a shelf. " * 2, "What is the shade made of?")
VARIANTS = {"checkpointing": True, "without_checkpointing": False}


def make_shape(name, **changes):
    """The `LlamaConfig` of a name in `SHAPES`, with changes."""
    return LlamaConfig(**SHAPES[name] | changes, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0, architectures=["LlamaForCausalLM"],
                       dtype="float16")


def count(shape):
    """Weights of a `LlamaConfig`: {"all": how many, "head": of the head, "linear": [(inputs, outputs) of each matrix that goes to 4 bits]}."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape)
    head = model.get_output_embeddings()
    linear = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    return {"all": model.num_parameters(), "head": head.weight.numel(), "linear": linear}


def activations(shape, *, checkpointing, block=BLOCK, micro=MICRO, rank=RANK):
    """Bytes that a forward pass of LoRA in 16 bit keeps, for ``micro`` blocks that differ in length and are filled up to ``block`` tokens.

    A layer keeps, for each token, with the widths d of the model and f of the MLP: what its two norms read and their scale, in float32; in 16 bit
    what LoRA's seven matrices A read (six times d, once f) and B (seven times the rank), queries, keys, values and attention's output (4 d, as keys
    and values are repeated for all heads where there is a mask), what the activation reads and the two factors of the gate (3 f); in float32
    a normaliser for each head, as no attention kernel keeps its matrix; in 16 bit the mask. And once LoRA's matrices, cast to 16 bit. Of the
    first layer its first norm and the three A behind it are not kept, as nothing before them learns. With checkpointing a layer keeps what it
    reads (d in 16 bit) and computes the rest again. At the end come the last norm, log-probabilities (float32), labels (8 bytes) and the loss;
    without checkpointing the rotary angles too.
    """
    d, f, L, heads, tokens = shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers, shape.num_attention_heads, micro * block
    norm, end = tokens * (4 * d + 4), tokens * (4 * shape.vocab_size + 8) + 4
    if checkpointing:
        return L * tokens * 2 * d + norm + end
    lora = rank * sum(map(sum, count(shape)["linear"])) // L
    layer = 2 * norm + tokens * (2 * (10 * d + 4 * f + 7 * rank) + 4 * heads + 2 * block) + 2 * lora
    return L * layer - 2 * 3 * rank * d + end + 2 * 2 * block * d // heads  # the first norm is not kept, the last one is


def logits_in_passing(shape, *, block=BLOCK, micro=MICRO):
    """Bytes around the loss that stand for a moment beside the log-probabilities: their gradient and that of the logits, both float32.

    Before the backward pass as much: TRL below 1.0, which Colab's packages ask for, holds the logits and a copy; later TRL cuts the head in tiles.
    """
    return 2 * 4 * micro * block * shape.vocab_size


def estimate(shape, *, checkpointing, block=BLOCK, micro=MICRO, rank=RANK):
    """Bytes by term as `qlora_memory` counts them of a model that is there; from the shape alone, for 16 bit."""
    counted = count(shape)
    weights = [i * o for i, o in counted["linear"]]
    lora = [rank * n for pair in counted["linear"] for n in pair]
    small = sum(n for n in lora if n >= 4096)  # bitsandbytes' rule: these get an optimizer in 8 bits
    scales = sum(math.ceil(n / 64) + 4 * math.ceil(n / 64 / 256) + 4 * (16 + 256) for n in weights)  # and two code books a matrix
    parts = {"4-bit weights": sum(weights) // 2, "their scales": scales, "embeddings, head and norms": 2 * (counted["all"] - sum(weights)),
             "LoRA's weights": 4 * sum(lora), "LoRA's gradients": 4 * sum(lora),
             "optimizer": 8 * (sum(lora) - small) + 2 * small + small // 32,
             "activations": activations(shape, checkpointing=checkpointing, block=block, micro=micro, rank=rank),
             "logits in passing": logits_in_passing(shape, block=block, micro=micro)}
    return parts | {"total": sum(parts.values())}


def flops_per_token(shape, *, checkpointing, block=BLOCK, rank=RANK):
    """FLOPs per token of a LoRA step by term, a multiply-add being 2, every token attending over the whole block.

    A matrix of N weights costs 2 N forward, 2 N for the gradient of its input, and 2 N for its own gradient, which frozen weights do not need:
    4 N for LoRA's base. Checkpointing computes the layers forward once more: 6 N, but 4 N for the head, which stands behind them.
    """
    counted, L = count(shape), shape.num_hidden_layers
    linear, lora = sum(i * o for i, o in counted["linear"]), rank * sum(map(sum, counted["linear"]))
    scores = L * 4 * block * shape.hidden_size  # queries times keys, weights times values; each has two factors that need a gradient
    again = checkpointing * (2 * (linear + lora) + scores)
    terms = {"layers": 4 * linear, "head": 4 * counted["head"], "LoRA": 6 * lora, "attention": 3 * scores, "forward again": again}
    return terms | {"total": sum(terms.values())}


def write_estimate():
    """Record the estimate for Llama-3-8B; returns the file."""
    shape = make_shape("llama-3-8b")
    memory = {name: estimate(shape, checkpointing=on) for name, on in VARIANTS.items()}
    flops = {name: flops_per_token(shape, checkpointing=on) for name, on in VARIANTS.items()}
    tokens, peak = STEPS * BATCH * BLOCK, PEAK_FLOPS["T4"]["float16"]
    minutes = {name: {percent: tokens * f["total"] / (peak * percent / 100) / 60 for percent in (10, 20, 30)} for name, f in flops.items()}
    print(f"estimate, not a measurement: QLoRA on {count(shape)['all']:,} weights, {MICRO} blocks of {BLOCK} tokens a pass, float16, TRL below 1.0\n")
    print(table({term: [memory[name][term] / 2**30 for name in VARIANTS] for term in memory["checkpointing"]}, "GiB"))
    print(table({term: [flops[name][term] / 1e9 for name in VARIANTS] for term in flops["checkpointing"]}, "GFLOP per token"))
    print(table({f"{p} % of {peak / 1e12:.0f} TFLOP/s": [minutes[name][p] for name in VARIANTS] for p in (10, 20, 30)},
                f"minutes for {STEPS} steps of {BATCH} x {BLOCK} tokens"))
    print("Left out: a layer's weights while they are in 16 bit, the allocator's gaps, the CUDA context.")
    record = dict(kind="estimate", parameters=count(shape)["all"], shape=SHAPES["llama-3-8b"], bytes=memory, flops_per_token=flops, minutes=minutes,
                  settings=dict(steps=STEPS, batch_size=BATCH, micro_batch_size=MICRO, block_size=BLOCK, lora_rank=RANK, dtype="float16"))
    return write(record, REFERENCES / "benchmarks" / "llama_estimate.json")


def write_checkpoint(shape, folder, device):
    """Random weights in float16, a file a layer, with a tokenizer of 290 entries: what `load_4bit` reads. The index is written last.

    Raises ReaderError if the disk is too small.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape)
    if shutil.disk_usage(folder).free < (needed := 2 * model.num_parameters()):
        raise ReaderError(f"the checkpoint takes {needed / 1e9:.0f} GB: name a --folder with as much room")
    files = {}
    for name, weight in model.named_parameters():
        layer = re.search(r"layers\.(\d+)\.", name)
        files.setdefault(f"layer-{int(layer[1]):02}.safetensors" if layer else f"{name}.safetensors", {})[name] = weight.shape
    for file, shapes in files.items():
        tensors = {n: (torch.ones(s) if len(s) == 1 else torch.randn(s, device=device).mul_(0.02)).half().cpu() for n, s in shapes.items()}
        if "lm_head.weight" in tensors:
            tensors["lm_head.weight"][0] = 0  # never the likeliest: no answer ends before it is as long as asked for
        save_file(tensors, folder / file, {"format": "pt"})
    train_bpe([PROMPT], 290).save_pretrained(folder)
    shape.save_pretrained(folder)
    index = {"metadata": {"total_size": needed}, "weight_map": {name: file for file, names in files.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def settle(device):
    """Free what is no longer used, wait for the device, and begin to watch the peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def measure(runtime, folder, shape, *, backend, checkpointing, steps):
    """One variant, loaded anew: dict of bytes, seconds and tokens per second. Lack of memory is a finding, noted with what was being done."""
    config = FineTuneConfig(way="qlora", batch_size=BATCH, micro_batch_size=MICRO, epochs=1, learning_rate=2e-4, warmup_steps=WARM_UP,
                            eval_every=steps, lora_rank=RANK, checkpointing=checkpointing)
    ids = np.random.default_rng(0).integers(1, shape.vocab_size, (BATCH * steps, BLOCK))
    rows = [{"input_ids": r, "labels": r} for r in (r[: BLOCK - i % 8] for i, r in enumerate(ids))]  # a mask, as questions have: another attention
    row = dict(checkpointing=checkpointing, estimated_bytes=estimate(shape, checkpointing=checkpointing))
    on_gpu = runtime.device.type == "cuda"
    settle(runtime.device)
    try:
        doing, started = "loading", time.perf_counter()
        model, tokenizer = load_4bit(runtime, folder, backend=backend, block_size=BLOCK)
        row["load_seconds"] = time.perf_counter() - started
        row |= dict(load_peak_bytes=torch.cuda.max_memory_allocated()) if on_gpu else {}
        doing = "answering"
        answer(model, tokenizer, [PROMPT] * 8, max_new_tokens=2)  # warms up
        started = time.perf_counter()
        answer(model, tokenizer, [PROMPT] * 8, max_new_tokens=NEW_TOKENS)
        row["answer_tokens_per_second"] = 8 * NEW_TOKENS / (time.perf_counter() - started)
        doing = "counting"
        row["counted_bytes"] = qlora_memory(model, config, collate(rows[:MICRO]), runtime)
        doing = "training"
        settle(runtime.device)
        run = fine_tune(model, rows, rows[:MICRO], config=config, runtime=runtime, name=f"checkpointing {checkpointing}", trainer=SFTTuner)
        seconds = np.diff(list(dict(zip(*run.curve("seconds", x="step"))).values()))[WARM_UP:]
        row |= dict(peak_bytes=run.end["peak_memory_bytes"], optimizer_bytes=run.end["optimizer_bytes"], step_seconds=float(np.median(seconds)),
                    tokens_per_second=sum(len(r["labels"]) for r in rows) / steps / float(np.median(seconds)), first_loss=run.end["first_val_loss"])
        if on_gpu:  # the optimizer's pages are none of the allocator's: the card's own count has them, and all else on the card
            row |= dict(reserved_peak_bytes=torch.cuda.max_memory_reserved(),
                        card_used_bytes=run.curve("gpu_memory_bytes", x="seconds")[1].max(initial=0))
        if peak := peak_flops(describe_hardware(runtime.device), runtime.dtype):
            row["utilisation"] = row["tokens_per_second"] * flops_per_token(shape, checkpointing=checkpointing)["total"] / peak
    except (ReaderError, RuntimeError) as error:
        if not re.search("out of memory|GiB are free", str(error)):
            raise
        row["out_of_memory"] = f"{doing}: {str(error).splitlines()[0]}"
    return row


def table(rows, unit):
    """Lines of {name: [a number for each variant]}."""
    heads = "".join(f"{name.replace('_', ' '):>24}" for name in VARIANTS)
    numbers = lambda values: "".join(f"{'-' if v is None else f'{v:,.2f}':>24}" for v in values)
    return "\n".join([f"{unit:46}{heads}", *(f"  {name:44}{numbers(values)}" for name, values in rows.items())]) + "\n"


def summary(variants):
    """The measured variants side by side; what was not reached is a dash."""
    def line(key, unit=1.0, part=None):
        values = [variants.get(name, {}).get(key) for name in VARIANTS]
        return [v and (v[part] if part else v) / unit for v in values]
    gib = 2**30
    return table({
        "peak of training, GiB": line("peak_bytes", gib), "reserved by the allocator, GiB": line("reserved_peak_bytes", gib),
        "used on the whole card, GiB": line("card_used_bytes", gib), "counted by qlora_memory, GiB": line("counted_bytes", gib, "total"),
        "estimated from the shape, GiB": line("estimated_bytes", gib, "total"), "peak of loading, GiB": line("load_peak_bytes", gib),
        "seconds of loading": line("load_seconds"), "seconds a step, median": line("step_seconds"), "tokens per second": line("tokens_per_second"),
        "share of the card's peak, percent": line("utilisation", 0.01),
        "answers to 8 prompts, tokens per second": line("answer_tokens_per_second")}, "") + "\n".join(
        f"{name.replace('_', ' ')}: out of memory while {row['out_of_memory']}" for name, row in variants.items() if "out_of_memory" in row)


def write(record, file):
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return file


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--estimate", action="store_true", help="count, without a GPU and without weights, into data/reference/benchmarks")
    parser.add_argument("--backend", default="transformers", choices=("transformers", "unsloth"))
    parser.add_argument("--shape", default="llama-3-8b", choices=SHAPES)
    parser.add_argument("--steps", type=int, default=12, help=f"of the optimizer; the first {WARM_UP} are not timed")
    parser.add_argument("--folder", type=Path, help="keep the random checkpoint here, or use the one that is here; default: a temporary folder")
    parser.add_argument("--output", type=Path, help="default: workspace/benchmarks/llama_shape-<backend>.json")
    args = parser.parse_args(words)
    if args.steps <= WARM_UP:
        parser.error(f"--steps must be above {WARM_UP}: the first {WARM_UP} are not timed")
    return args


def main(args):
    if args.estimate:
        return print(shown(write_estimate()))
    if args.backend == "unsloth" and not importlib.util.find_spec("unsloth"):
        return print("unsloth: not run, it is not installed")
    shape, file = make_shape(args.shape), args.output or REPOSITORY / "workspace" / "benchmarks" / f"llama_shape-{args.backend}.json"
    with tempfile.TemporaryDirectory() as temporary:
        runtime = setup("benchmark", profile="t4", data="offline", workspace=temporary, dtype="float16", seed=0)
        if runtime.device.type == "cuda":  # the switches are a CPU's too
            torch.backends.cuda.enable_flash_sdp(False)  # a T4 has neither of the two
            torch.backends.cuda.enable_cudnn_sdp(False)
        folder = args.folder or Path(temporary) / "checkpoint"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "model.safetensors.index.json").exists():
            write_checkpoint(shape, folder, runtime.device)
        record = dict(kind="benchmark", benchmark="llama_shape", backend=args.backend, shape=SHAPES[args.shape], steps=args.steps,
                      settings=dict(batch_size=BATCH, micro_batch_size=MICRO, block_size=BLOCK, lora_rank=RANK), cap_bytes=T4_MEMORY,
                      machine=machine(runtime), variants={})
        for name, on in VARIANTS.items():
            seed_everything(0)
            record["variants"][name] = measure(runtime, folder, shape, backend=args.backend, checkpointing=on, steps=args.steps)
            write(record, file)  # after each: the next one may take minutes
    print(f"\n{args.backend} on {record['machine']['hardware']}, {runtime.dtype}, at most {T4_MEMORY / 2**30} GiB\n{summary(record['variants'])}")
    print(f"recorded in {shown(file)}")


if __name__ == "__main__":
    main(arguments())
