"""Fewer tokens for the same loss: record the recipes of `helpers.recipes` on real text, one log a run, in data/reference/06.

    python benchmarks/ablation.py --data path/to/data --recipes baseline all --seeds 1 2 3
    python benchmarks/ablation.py --data path/to/data --recipes baseline --rates 5e-4 1e-3 2e-3 3e-3
    python benchmarks/ablation.py --data path/to/data --speed

The scale: WikiText-2, a BPE of 4,096 entries trained on it, 4 layers of width 256, context 256, 1M tokens in 488 steps, bfloat16,
held-out loss over the first 128 blocks. Other budgets and vocabularies: --tokens, --vocab-size, with a --name of their own.
"""

import argparse
import json
import re
import statistics
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers.model import GPTConfig
from helpers.recipes import RECIPES, Scale, build
from helpers.runs import REFERENCES, Run, describe_hardware
from helpers.runtime import seed_everything, setup
from helpers.step import TrainConfig, batch_at, train_step
from helpers.tokens import tokenize, tokenizer_for
from helpers.training import fit
from tools.references import keep


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with wikitext2/{train,valid}.txt")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--vocab-size", type=int, default=4_096)
    parser.add_argument("--rates", type=float, nargs="+", help="learning rates to try instead of the recipe's")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="other training settings")
    parser.add_argument("--name", default="", help="goes into the logs' names after the recipe's")
    parser.add_argument("--speed", action="store_true", help="only time the recipes' steps, interleaved")
    parser.add_argument("--workspace", default=str(ROOT / "workspace"))
    return parser.parse_args(argv)


def scale_of(args):
    """The comparison's size; the baseline's rates are the best of a grid (see RESULTS.md)."""
    steps = args.tokens // (8 * 256)
    train = TrainConfig(batch_size=8, max_steps=steps, learning_rate=2e-3, min_learning_rate=2e-4, warmup_steps=steps // 20, betas=(0.9, 0.99),
                        eval_every=24, eval_blocks=128, checkpoint_every=128)
    return Scale(GPTConfig(vocab_size=args.vocab_size, block_size=256, n_layer=4, n_head=4, n_embd=256), train)


def streams(args, runtime):
    """(training tokens, held-out tokens): WikiText-2's articles under a BPE of the training text, or under GPT-2's."""
    files = {split: Path(args.data) / "wikitext2" / f"{name}.txt" for split, name in (("train", "train"), ("validation", "valid"))}
    articles = {split: re.split(r"(?m)^(?= = [^=])", file.read_text(encoding="utf-8")) for split, file in files.items()}
    dataset = DatasetDict({split: Dataset.from_dict({"text": [a for a in found if a.strip()]}) for split, found in articles.items()})
    tokenizer = tokenizer_for(runtime.data, dataset["train"]["text"], args.vocab_size, "auto" if args.vocab_size > 50_000 else "bpe")
    found = tokenize(dataset, tokenizer, runtime.workspace / "tokens")
    return found["train"][: args.tokens + 1], found["validation"]


def record(name, rate, seed, args):
    """One run, unless its log is there already."""
    label = "_at_".join(filter(None, [name, args.name])) + (f"_rate_{rate:g}" if rate else "")
    target = REFERENCES / "06" / f"{label}-s{seed}.jsonl"
    if target.exists():
        print(f"{label}, seed {seed}: recorded already")
        return
    runtime = setup("06", profile="cpu", data=args.data, workspace=args.workspace, seed=seed, dtype="bfloat16")
    changes = {k: float(v) for k, v in (pair.split("=") for pair in args.set)}
    usual = build(name, scale_of(args))[1]
    changes |= {"learning_rate": rate, "min_learning_rate": rate * usual.min_learning_rate / usual.learning_rate} if rate else {}
    seed_everything(seed)
    model, train = build(name, scale_of(args), **changes)
    tokens = streams(args, runtime)
    run = fit(model, *tokens, config=train, runtime=runtime, name=label)
    keep(run.file, label)
    print(f"{label}, seed {seed}: {run.end['val_loss']:.3f}", flush=True)


def time_recipes(args, rounds=9, steps=3):
    """Seconds of a training step of each recipe, the rounds interleaved; written to data/reference/06/speed.json."""
    runtime = setup("06", profile="cpu", data=args.data, workspace=args.workspace, seed=1, dtype="bfloat16")
    stream, scale, off = streams(args, runtime)[0], scale_of(args), torch.amp.GradScaler("cpu", enabled=False)
    ways, seconds = {}, {name: [] for name in args.recipes}
    for name in args.recipes:
        model, train = build(name, scale)
        ways[name] = model, train, train.optimizer(model)
    for number in range(1 + rounds):  # the first one only warms up
        for name in list(ways)[:: 1 if number % 2 else -1]:
            model, train, optimizer = ways[name]
            started = time.perf_counter()
            for step in range(steps):
                x, y = batch_at(stream, step, block_size=256, batch_size=8, seed=1)
                train_step(model, optimizer, off, x, y, config=train, runtime=runtime)
            seconds[name] += [(time.perf_counter() - started) / steps] * (number > 0)
    times = {name: statistics.median(b / a for a, b in zip(seconds["baseline"], each)) for name, each in seconds.items()}
    row = dict(hardware=describe_hardware(runtime.device), torch=torch.__version__, date=time.strftime("%Y-%m-%d"), seconds=seconds, step_of_baselines=times)
    (REFERENCES / "06" / f"speed{'_' * bool(args.name)}{args.name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    print({name: f"{t:.2f} of the baseline's step" for name, t in times.items()})


def main(argv=None):
    args = arguments(argv)
    if args.speed:
        return time_recipes(args)
    for seed in args.seeds:
        for name in args.recipes:
            for rate in args.rates or [None]:
                record(name, rate, seed, args)


if __name__ == "__main__":
    main()
