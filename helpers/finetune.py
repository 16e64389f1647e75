"""Fine-tuning on WikiText from a settings file, such as notebook 03 writes, on one device or several:

    python -m helpers.finetune path/to/settings.json
    torchrun --standalone --nproc_per_node=2 -m helpers.finetune path/to/settings.json
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from datasets import IterableDataset

from .finetuning import FineTuneConfig, fine_tune
from .runs import TRACKERS, write_whole
from .runtime import ReaderError, setup, shown
from .blocks import StreamBlocks
from .tokens import tokenize
from .tuner import rank
from .weights import load_base
from .wikitext import articles, load_wikitext


@dataclasses.dataclass(frozen=True)
class Job:
    """A settings file: what is trained on what, and how."""

    profile: str
    data: str                        # "offline", "hub" or a folder
    seed: int
    base: str | None                 # a model of the hub; None: what the profile takes
    size: int                        # of WikiText: 2 or 103
    block_size: int
    train_tokens: int | None         # None: all
    validation_tokens: int | None
    tune: FineTuneConfig
    notebook: str = "03"

    def save(self, file):
        """Write the file, whole or not at all."""
        text = json.dumps(dataclasses.asdict(self), indent=1) + "\n"
        write_whole(Path(file), lambda temporary: temporary.write_text(text, encoding="utf-8"), len(text))


def read_job(file):
    """The `Job` of a settings file; raises ReaderError where it is none."""
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
        return Job(**values | {"tune": FineTuneConfig(**values["tune"])})
    except OSError as error:
        raise ReaderError(f"the settings file {shown(file)} could not be read ({error.strerror}): notebook 03 writes one") from None
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ReaderError(f"{shown(file)} is not a settings file ({error}): notebook 03 writes one") from None


def token_streams(job, runtime, tokenizer):
    """{"train", "validation", "test"}: token streams of WikiText's articles, as many tokens as the job says."""
    lines = load_wikitext(job.data, size=job.size, max_bytes=runtime.max_bytes)
    texts = {split: IterableDataset.from_generator(articles, gen_kwargs={"rows": rows}) for split, rows in lines.items()}
    streams = tokenize(texts, tokenizer, runtime.workspace / "tokens")
    return streams | {"train": streams["train"][: job.train_tokens], "validation": streams["validation"][: job.validation_tokens]}


def run_job(job, *, output=None, tracker="none"):
    """The run of a settings file; what notebook 03 has begun or completed in the same workspace goes on from there."""
    runtime = setup(job.notebook, profile=job.profile, data=job.data, workspace=output, seed=job.seed)
    model, tokenizer = load_base(runtime, job.base)
    if not 2 <= job.block_size <= model.config.n_positions:
        raise ValueError(f"block_size must be between 2 and the model's context ({model.config.n_positions}), got {job.block_size}")
    streams = token_streams(job, runtime, tokenizer)
    train, validation = (StreamBlocks(streams[split], job.block_size, split) for split in ("train", "validation"))
    return fine_tune(model.to(runtime.device), train, validation, config=job.tune, runtime=runtime, tokenizer=tokenizer, tracker=tracker)


def home_of(file):
    """The workspace that a settings file lies in, where notebook 03 wrote it there; else None, the usual one."""
    folder = Path(file).absolute().parent
    return folder.parent.with_name(folder.parent.name.removesuffix("-rehearsal")) if folder.name == "03" else None


def main(argv=None):
    """The command: what is wrong with the input ends it with one sentence."""
    parser = argparse.ArgumentParser(prog="python -m helpers.finetune", description="Fine-tune on WikiText by a settings file.",
                                     epilog="Run the same command again to go on where it stopped.")
    parser.add_argument("settings", help="the JSON file that notebook 03 wrote")
    parser.add_argument("--output", help="workspace folder; without it, the one that the file lies in")
    parser.add_argument("--tracker", default="none", choices=TRACKERS)
    args = parser.parse_args(argv)
    if "RANK" in os.environ:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        run = run_job(read_job(args.settings), output=args.output or home_of(args.settings), tracker=args.tracker)
        if rank() == 0:
            print(f"validation loss {run.end['first_val_loss']:.3f} -> {run.end['val_loss']:.3f} nats per token (best at step "
                  f"{run.end['best_step']:,}), {run.end['tokens_per_second']:,.0f} tokens/s, {run.end['status']}; log: {shown(run.file, 3)}")
    except (ReaderError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
