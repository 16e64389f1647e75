"""Pretraining from a command line, on one device or several:

    python -m helpers.pretrain --corpus prose --profile cpu
    python -m helpers.pretrain --corpus machado --profile t4 --tracker wandb
    python -m helpers.launch 2 --corpus path/to/text --profile t4     # two processes; or torchrun -m helpers.pretrain
"""

import argparse
import dataclasses
import itertools
import os
import sys
from typing import NamedTuple

import torch.distributed as dist

from . import corpora, tokens
from .evaluation import bits_per_byte, unigram_entropy
from .generation import check, generate
from .launch import in_group
from .machado_original import MachadoOriginal, OriginalConfig
from .model import GPT, GPTConfig
from .recipes import Scale, build
from .runs import TRACKERS, Run
from .runtime import DTYPES, PROFILES, ReaderError, seed_everything, setup, shown
from .training import Stopped, TrainConfig, fit, load_best, run_folder
from .works import load_machado, split_within

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
    "checkpoint_every":    (100,      500,       500),         # steps; each holds the optimizer's averages too
    "patience":            (5,        20,        30),          # evaluations without a new best, then stop
}


MACHADO = {                # cpu       t4         full      (cpu: the best of a recorded sweep, rounded)
    "vocab_size":          (4_096,    4_096,     4_096),       # of a BPE trained on the works
    "block_size":          (128,      256,       256),
    "n_layer":             (2,        9,         9),           # t4 and full have the original's layers and width
    "n_head":              (8,        8,         8),
    "n_embd":              (64,       512,       512),
    "dropout":             (0.25,     0.2,       0.2),
    "train_tokens":        (None,     None,      None),        # all
    "batch_size":          (4,        32,        128),
    "epochs":              (8,        14,        72),          # 72 passes over 9M characters: the original's 655M
    "learning_rate":       (1e-2,     6e-4,      1e-3),
    "min_learning_rate":   (1e-3,     6e-5,      1e-4),
    "warmup_steps":        (20,       100,       100),
    "eval_every":          (100,      100,       50),
    "checkpoint_every":    (100,      500,       500),
    "patience":            (5,        10,        10),
    "eval_blocks":         (2_000,    2_000,     2_000),       # all of validation, which stands in the order of the works
}


class Corpus(NamedTuple):
    """``notebook``: whose runs these are. ``load(source, max_bytes=...)``: "train" and "validation". ``settings``: by profile. ``prompt``: of the sample."""

    notebook: str
    load: callable
    settings: dict
    prompt: str = "The"


def load_own_works(source, *, max_bytes=None):
    """Machado's own works, split within each; the translations are left out."""
    works = load_machado(source, max_bytes=max_bytes)
    return split_within(works.select([n for n, genre in enumerate(works["genre"]) if genre != "traducao"]))


CORPORA = {"prose": Corpus("01", corpora.load_prose, SETTINGS), "machado": Corpus("05", load_own_works, MACHADO, "Uma noite")}
TEXT = Corpus("text", corpora.load_prose, SETTINGS)  # a path


def settings_for(runtime, table=SETTINGS):
    """(model settings, training settings, number of training tokens or None) of the runtime's profile."""
    chosen = {name: values[PROFILES.index(runtime.profile)] for name, values in table.items()}
    if runtime.steps and runtime.device.type == "cpu":
        chosen |= dict(batch_size=1, eval_blocks=2)  # a rehearsal shows that all cells run; a GPU's batch takes a CPU minutes
    fields = {f.name for f in dataclasses.fields(GPTConfig)}
    model = GPTConfig(**{k: v for k, v in chosen.items() if k in fields})
    train = TrainConfig(**{k: v for k, v in chosen.items() if k not in fields | {"train_tokens"}})
    return model, train, chosen["train_tokens"]


def parser():
    """The options of a run; what is not given keeps the profile's setting."""
    parser = argparse.ArgumentParser(prog="python -m helpers.pretrain", description="Train a GPT from scratch.",
                                     epilog="Run the same command again to go on where it stopped.")
    parser.add_argument("--model", default="gpt", choices=("gpt", "modern", "original"),
                        help="modern: notebook 06's successor, with Muon; original: Machado-GPT's own class, its shape and its characters")
    parser.add_argument("--tokenizer", default="auto", choices=("auto", *tokens.TOKENIZERS),
                        help="auto: GPT-2's where the settings have room for it, else a BPE")
    parser.add_argument("--corpus", default="prose", help=f"{', '.join(CORPORA)}, or the path of a text file or a folder of .txt files")
    parser.add_argument("--profile", default="auto", choices=("auto", *PROFILES), help="size of model, data and run")
    parser.add_argument("--data", default="auto", help="where corpora come from: offline, hub, or a folder of local copies")
    parser.add_argument("--batch-size", type=int, help="sequences per step")
    parser.add_argument("--micro-batch-size", type=int, help="sequences per forward pass; smaller needs less memory")
    for name in ("--vocab-size", "--block-size", "--n-layer", "--n-head", "--n-embd"):
        parser.add_argument(name, type=int, help="context in tokens" if name == "--block-size" else None)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--epochs", type=float, help="passes over the training text")
    parser.add_argument("--train-tokens", type=int, help="read only the first so many training tokens")
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--eval-every", type=int, help="steps")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--dtype", default="auto", choices=("auto", *DTYPES))
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True,
                        help="go on with a run of the same settings (default); --no-resume keeps it under another name and starts anew")
    parser.add_argument("--output", help="workspace folder")
    parser.add_argument("--tracker", default="none", choices=TRACKERS)
    parser.add_argument("--prompt", help="beginning of the sample")
    return parser


def arguments(argv=None):
    """The parsed command line."""
    return parser().parse_args(argv)


def override(config, args, *names):
    """A copy of a settings dataclass with those of the arguments that were given."""
    return dataclasses.replace(config, **{name: getattr(args, name) for name in names if getattr(args, name) is not None})


def load_streams(args, runtime, vocab_size, train_tokens):
    """(streams, tokenizer) of the corpus; a path is read as prose, with a tokenizer of the data source or of its own."""
    known = args.corpus in CORPORA
    if not known and not os.path.exists(args.corpus):
        raise ReaderError(f"corpus {args.corpus!r} is neither {', '.join(CORPORA)} nor a file or folder that exists")
    load = CORPORA.get(args.corpus, TEXT).load
    enough = train_tokens and 6 * train_tokens  # a token is less than 6 bytes
    dataset = load(runtime.data if known else args.corpus, max_bytes=runtime.max_bytes or enough)
    splits = dataset if args.tokenizer == "characters" else ["train"]  # a character that only validation has would count as an end of text
    texts = [text for split in splits for text in dataset[split]["text"]]
    tokenizer = tokens.tokenizer_for(runtime.data, texts, vocab_size, args.tokenizer)
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
    corpus = CORPORA.get(args.corpus, TEXT)
    args.prompt = corpus.prompt if args.prompt is None else args.prompt
    runtime = setup(corpus.notebook, profile=args.profile, data=args.data, workspace=args.output, seed=args.seed, dtype=args.dtype)
    config, settings, limit = settings_for(runtime, corpus.settings)
    if args.model == "original":
        config, args.tokenizer = OriginalConfig(), "characters" if args.tokenizer == "auto" else args.tokenizer
    config = override(config, args, "vocab_size", "block_size", "n_layer", "n_head", "n_embd", "dropout")
    settings = override(settings, args, "batch_size", "micro_batch_size", "learning_rate", "epochs", "eval_every")
    limit = args.train_tokens or limit
    streams, tokenizer = load_streams(args, runtime, config.vocab_size, limit)
    training, validation = streams["train"][:limit], streams["validation"]
    print(f"{len(training):,} training tokens, {len(validation):,} validation tokens")
    seed_everything(runtime.seed)
    config = tokens.fitting(config, tokenizer)
    if args.model == "modern":
        given = {"learning_rate": args.learning_rate, "min_learning_rate": args.learning_rate / 20} if args.learning_rate else {}
        model, settings = build("all", Scale(config, settings), **given)
    else:
        model = (GPT if args.model == "gpt" else MachadoOriginal)(config)
    return model, training, validation, settings, runtime, tokenizer


def report(folder, model, training, validation, settings, runtime, tokenizer, prompt):
    """Save the best weights as a model, log and print what the run reached, with a sample."""
    run, block_size = Run(folder / "log.jsonl"), model.config.block_size
    load_best(model, folder)
    model.save_pretrained(folder / "model_final", tokenizer)
    start = tokens.encode_prompt(tokenizer, prompt).to(runtime.device)
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
    check(model, tokens.encode_prompt(tokenizer, args.prompt), 1.0, None, None)  # before the training, not after it
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
    try:
        in_group(run_command, args)
    except (ReaderError, ValueError) as error:  # torchrun has the sentence already: `launch` says it once
        sys.exit(1 if dist.is_torchelastic_launched() else f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
