"""Pretraining from a command line, on one device or several:

    python -m helpers.pretrain --corpus prose --profile cpu
    torchrun --nproc_per_node 2 -m helpers.pretrain --corpus path/to/text --profile t4
"""

import argparse
import dataclasses
import os
import sys

import torch
import torch.distributed as dist

from . import corpora, tokens
from .evaluation import bits_per_byte
from .generation import generate
from .model import GPT, GPTConfig
from .runs import TRACKERS
from .runtime import DTYPES, PROFILES, ReaderError, seed_everything, setup, shown
from .training import TrainConfig, fit

CORPORA = {"prose": ("01", corpora.load_prose)}  # name -> its notebook, whose runs these are, and its loader

# Dropout 0.1: the model passes several times over a small text; for a single pass 0 would be right.
SETTINGS = {
    "cpu": dict(
        model=GPTConfig(vocab_size=1024, block_size=128, n_layer=4, n_head=4, n_embd=128, dropout=0.0),
        train=TrainConfig(batch_size=16, epochs=4, learning_rate=2e-3, min_learning_rate=2e-4, eval_every=50), train_tokens=None),
    "t4": dict(
        model=GPTConfig(vocab_size=50_304, block_size=256, n_layer=4, n_head=4, n_embd=256, dropout=0.1),
        train=TrainConfig(batch_size=32, epochs=10, patience=20, eval_every=25), train_tokens=4_000_000),
    "full": dict(
        model=GPTConfig(vocab_size=50_304, block_size=256, n_layer=4, n_head=4, n_embd=256, dropout=0.1),
        train=TrainConfig(batch_size=128, epochs=10, patience=30, eval_every=10), train_tokens=10_000_000),
}


def arguments(argv=None):
    """The parsed command line; what is not given keeps the profile's setting."""
    parser = argparse.ArgumentParser(prog="python -m helpers.pretrain", description="Train a GPT from scratch.",
                                     epilog="Run the same command again to go on where it stopped.")
    parser.add_argument("--corpus", default="prose", help=f"{', '.join(CORPORA)}, or the path of a text file or a folder of .txt files")
    parser.add_argument("--profile", default="auto", choices=("auto", *PROFILES), help="size of model, data and run")
    parser.add_argument("--data", default="auto", help="where corpora come from: offline, hub, or a folder of local copies")
    parser.add_argument("--batch-size", type=int, help="sequences per step")
    parser.add_argument("--micro-batch-size", type=int, help="sequences per forward pass; smaller needs less memory")
    parser.add_argument("--block-size", type=int, help="context in tokens")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--epochs", type=float, help="passes over the training text")
    parser.add_argument("--train-tokens", type=int, help="read only the first so many training tokens")
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--dtype", default="auto", choices=("auto", *DTYPES))
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True,
                        help="go on with a run of the same settings (default); --no-resume keeps it under another name and starts anew")
    parser.add_argument("--output", help="workspace folder")
    parser.add_argument("--tracker", default="none", choices=TRACKERS)
    parser.add_argument("--prompt", default="The", help="beginning of the sample")
    return parser.parse_args(argv)


def override(config, args, **names):
    """A copy of a settings dataclass with the arguments that were given."""
    given = {field: getattr(args, argument) for field, argument in names.items() if getattr(args, argument) is not None}
    return dataclasses.replace(config, **given)


def load_streams(args, runtime, vocab_size):
    """(streams, tokenizer) of the corpus; a path is read as prose, with a tokenizer of the data source or of its own."""
    known = args.corpus in CORPORA
    if not known and not os.path.exists(args.corpus):
        raise ReaderError(f"corpus {args.corpus!r} is neither {', '.join(CORPORA)} nor a file or folder that exists")
    load = CORPORA[args.corpus][1] if known else corpora.load_prose
    dataset = load(runtime.data if known else args.corpus, max_bytes=runtime.max_bytes)
    tokenizer = tokens.tokenizer_for(runtime.data, dataset["train"]["text"], vocab_size)
    return tokens.tokenize(dataset, tokenizer, runtime.workspace / "tokens"), tokenizer


def train(args):
    """One run from the command line's answers; returns (run, model, tokenizer, runtime)."""
    notebook = CORPORA[args.corpus][0] if args.corpus in CORPORA else "text"
    runtime = setup(notebook, profile=args.profile, data=args.data, workspace=args.output, seed=args.seed, dtype=args.dtype)
    settings = SETTINGS[runtime.profile]
    config = override(settings["model"], args, block_size="block_size", dropout="dropout")
    train_config = override(settings["train"], args, batch_size="batch_size", micro_batch_size="micro_batch_size",
                            learning_rate="learning_rate", epochs="epochs")
    streams, tokenizer = load_streams(args, runtime, config.vocab_size)
    limit = args.train_tokens or settings["train_tokens"]
    seed_everything(runtime.seed)
    model = GPT(config)
    training, validation = streams["train"][:limit], streams["validation"]
    print(f"{len(training):,} training tokens, {len(validation):,} validation tokens")
    run = fit(model, training, validation, config=train_config, runtime=runtime, tracker=args.tracker)
    return run, model, tokenizer, runtime


def report(run, model, tokenizer, runtime, prompt):
    """Print what the run reached, with a sample."""
    end = run.end
    prompt_tokens = torch.tensor([tokenizer(prompt)["input_ids"]], device=runtime.device)
    text = tokenizer.decode(generate(model, prompt_tokens, 80, temperature=0.8, top_p=0.95, seed=runtime.seed)[0].tolist())
    print(f"validation loss {end['first_val_loss']:.3f} -> {end['val_loss']:.3f} nats per token (best at step {end['best_step']:,}), "
          f"{end['tokens_per_second']:,.0f} tokens/s, {end['status']}")
    print(f"sample (seed {runtime.seed}): {text}")
    print(f"log: {shown(run.file)}, model: {shown(run.file.parent / 'model_final')}")


def main(argv=None):
    args = arguments(argv)
    if "RANK" in os.environ:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        run, model, tokenizer, runtime = train(args)
        if not dist.is_initialized() or dist.get_rank() == 0:
            model.save_pretrained(run.file.parent / "model_final", tokenizer)
            report(run, model, tokenizer, runtime, args.prompt)
    except (ReaderError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
