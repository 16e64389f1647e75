"""Pretraining from a command line, on one device or several:

    python -m helpers.pretrain --corpus prose --profile cpu
    torchrun --nproc_per_node 2 -m helpers.pretrain --corpus path/to/text --profile t4
"""

import argparse
import dataclasses
import itertools
import os
import sys

import torch
import torch.distributed as dist

from . import corpora, tokens
from .evaluation import bits_per_byte, unigram_entropy
from .generation import check, generate
from .model import GPT, GPTConfig
from .runs import TRACKERS, Run
from .runtime import DTYPES, PROFILES, ReaderError, seed_everything, setup, shown
from .training import Stopped, TrainConfig, fit, load_best, run_folder

CORPORA = {"prose": ("01", corpora.load_prose)}  # name -> its notebook, whose runs these are, and its loader

SETTINGS = {               # cpu       t4         full
    "vocab_size":          (2_048,    50_304,    50_304),
    "block_size":          (128,      256,       256),
    "n_layer":             (4,        4,         4),
    "n_head":              (4,        4,         4),
    "n_embd":              (128,      256,       256),
    "dropout":             (0.0,      0.1,       0.1),         # t4 and full pass up to ten times over their text
    "train_tokens":        (500_000,  4_000_000, 10_000_000),
    "batch_size":          (8,        32,        128),
    "epochs":              (2,        10,        10),
    "learning_rate":       (3e-3,     3e-4,      3e-4),
    "min_learning_rate":   (3e-4,     6e-5,      6e-5),
    "warmup_steps":        (20,       100,       100),
    "eval_every":          (50,       25,        10),
    "patience":            (5,        20,        30),          # evaluations without a new best, then stop
}


def settings_for(runtime):
    """(model settings, training settings, number of training tokens) of the runtime's profile."""
    chosen = {name: values[PROFILES.index(runtime.profile)] for name, values in SETTINGS.items()}
    if runtime.steps and runtime.device.type == "cpu":
        chosen |= dict(batch_size=1, eval_blocks=2)  # a rehearsal shows that all cells run; a GPU's batch takes a CPU minutes
    fields = {f.name for f in dataclasses.fields(GPTConfig)}
    model = GPTConfig(**{k: v for k, v in chosen.items() if k in fields})
    train = TrainConfig(**{k: v for k, v in chosen.items() if k not in fields | {"train_tokens"}})
    return model, train, chosen["train_tokens"]


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


def load_streams(args, runtime, vocab_size, train_tokens):
    """(streams, tokenizer) of the corpus; a path is read as prose, with a tokenizer of the data source or of its own."""
    known = args.corpus in CORPORA
    if not known and not os.path.exists(args.corpus):
        raise ReaderError(f"corpus {args.corpus!r} is neither {', '.join(CORPORA)} nor a file or folder that exists")
    load = CORPORA[args.corpus][1] if known else corpora.load_prose
    dataset = load(runtime.data if known else args.corpus, max_bytes=runtime.max_bytes or 6 * train_tokens)  # a token is less than 6 bytes
    tokenizer = tokens.tokenizer_for(runtime.data, dataset["train"]["text"], vocab_size)
    return tokens.tokenize(dataset, tokenizer, runtime.workspace / "tokens"), tokenizer


def set_aside(folder):
    """Rename a run's folder to the first free ``<name>.1``, ``<name>.2``, ..., so that the next run starts anew."""
    if folder.exists() and int(os.environ.get("RANK", 0)) == 0:
        kept = next(name for n in itertools.count(1) if not (name := folder.with_name(f"{folder.name}.{n}")).exists())
        folder.rename(kept)
        print(f"the earlier run is kept in {shown(kept)}")
    if dist.is_initialized():
        dist.barrier()  # nobody reads the folder before it is gone


def prepare(args):
    """(model, training stream, validation stream, training settings, runtime, tokenizer) of a command line."""
    notebook = CORPORA[args.corpus][0] if args.corpus in CORPORA else "text"
    runtime = setup(notebook, profile=args.profile, data=args.data, workspace=args.output, seed=args.seed, dtype=args.dtype)
    config, settings, limit = settings_for(runtime)
    config = override(config, args, block_size="block_size", dropout="dropout")
    settings = override(settings, args, batch_size="batch_size", micro_batch_size="micro_batch_size",
                        learning_rate="learning_rate", epochs="epochs")
    limit = args.train_tokens or limit
    streams, tokenizer = load_streams(args, runtime, config.vocab_size, limit)
    training, validation = streams["train"][:limit], streams["validation"]
    print(f"{len(training):,} training tokens, {len(validation):,} validation tokens")
    seed_everything(runtime.seed)
    return GPT(config), training, validation, settings, runtime, tokenizer


def report(folder, model, training, validation, settings, runtime, tokenizer, prompt):
    """Save the best weights as a model, log and print what the run reached, with a sample."""
    run, block_size = Run(folder / "log.jsonl"), model.config.block_size
    load_best(model, folder)
    model.save_pretrained(folder / "model_final", tokenizer)
    start = torch.tensor([tokenizer(prompt)["input_ids"]], device=runtime.device)
    sample = tokenizer.decode(generate(model, start, 80, temperature=0.7, top_p=0.9, seed=runtime.seed)[0].tolist())
    scored = min((len(validation) - 1) // block_size, settings.eval_blocks) * block_size
    end, size = run.end, tokens.count_bytes(validation[1 : scored + 1], tokenizer)
    bits = bits_per_byte(end["val_loss"], tokens=scored, bytes=size)
    if run.rows[-1]["kind"] != "result":  # a complete run that is read again has this row
        run.log("result", bits_per_byte=bits, unigram_entropy=unigram_entropy(training), sample=sample,
                sample_seed=runtime.seed, sample_step=end["best_step"])
    print(f"validation loss {end['first_val_loss']:.3f} -> {end['val_loss']:.3f} nats per token, {bits:.3f} bits per byte "
          f"(best at step {end['best_step']:,}), {end['tokens_per_second']:,.0f} tokens/s, {end['status']}")
    print(f"sample (seed {runtime.seed}): {sample}")
    print(f"log: {shown(run.file, 3)}, model: {shown(folder / 'model_final', 3)}")


def run_command(args):
    """One run from the command line's answers; a stopped one is reported as far as it went."""
    model, training, validation, settings, runtime, tokenizer = prepared = prepare(args)
    folder = run_folder(model, training, validation, config=settings, runtime=runtime)
    check(model, torch.tensor([tokenizer(args.prompt)["input_ids"]]), 1.0, None, None)  # before the training, not after it
    if not args.resume:
        set_aside(folder)
    stopped = None
    try:
        fit(model, training, validation, config=settings, runtime=runtime, tracker=args.tracker)
    except Stopped as error:
        stopped = error
    if not dist.is_initialized() or dist.get_rank() == 0:
        report(folder, *prepared, args.prompt)
    if stopped:
        raise stopped


def main(argv=None):
    """The command: what is wrong with the input ends it with one sentence."""
    args = arguments(argv)
    if "RANK" in os.environ:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        run_command(args)
    except (ReaderError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
