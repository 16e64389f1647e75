"""Tiny fine-tuning runs; as a command, each in a process of its own (WORKSPACE/WAY) that ends where a test says:

    python tests/tiny_tune.py WORKSPACE full step:5      SIGKILL as the fifth step begins
    python tests/tiny_tune.py WORKSPACE full write:2     SIGKILL in the second checkpoint, when its model is written and nothing else
    python tests/tiny_tune.py WORKSPACE full end:1       SIGKILL after the last checkpoint, before the log is closed
    python tests/tiny_tune.py WORKSPACE full step:5 lora end:1    one after the other; prints how each process ended
"""

import functools
import gc
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from conftest import make_runtime
from tiny_run import die, on_call
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from helpers import finetuning
from helpers.finetuning import FineTuneConfig, FineTuner, Recorder, fine_tune
from helpers.blocks import group_whole, to_blocks
from helpers.tokens import add_marks, encode_dialogue, train_bpe
from helpers.weights import save_whole

WORDS = "red blue green one two three four lamp boat hill rain bread where when who went saw sold".split()
CONFIG = FineTuneConfig(batch_size=4, micro_batch_size=2, epochs=2, learning_rate=0.01, warmup_steps=2, eval_every=3, lora_rank=2)  # 10 steps
WAYS = ("full", "lora", "8bit")  # of GPT-2; "qlora" has tests of its own
gc.freeze()  # a Trainer begins with a search for garbage, which would take longer than our training


def dialogues(n, seed):
    """Lists of 2 to 7 turns of 2 to 6 words; each begins with the word that the one before it ends with."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        turns = [list(draw.choice(WORDS, draw.integers(1, 6))) for _ in range(draw.integers(2, 8))]
        found.append([" ".join([before[-1], *turn]) for before, turn in zip([["so"], *turns], turns)])
    return found


@functools.cache
def start(dropout=0.1):
    """(folder of a tiny random GPT-2 and its tokenizer, which know the marks; the tokenizer; ids of the marks)."""
    folder = tempfile.TemporaryDirectory()
    tokenizer = train_bpe([" ".join(turns) for turns in dialogues(50, 0)], 290)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=290, n_positions=48, n_layer=2, n_head=2, n_embd=32, resid_pdrop=dropout, embd_pdrop=dropout,
                                       attn_pdrop=dropout, bos_token_id=0, eos_token_id=0, pad_token_id=0))
    ids = add_marks(tokenizer, model)
    model.generation_config.eos_token_id = ids[2]
    save_whole(folder.name, model, tokenizer)
    return folder, tokenizer, tuple(ids)


def load(**shape):
    """The model before its fine-tuning."""
    return AutoModelForCausalLM.from_pretrained(start(**shape)[0].name, dtype=torch.float32)


@functools.cache
def blocks(n, seed=0):
    """``n`` blocks of 48 tokens, which are padded more and less."""
    encoded = [e for e in (encode_dialogue(turns, start()[1], 48) for turns in dialogues(6 * n, seed)) if e]
    return to_blocks(encoded, group_whole([len(e["input_ids"]) for e in encoded], 48), 48, 0)[-n:]


def tiny_tune(workspace, way="full", *, model=None, train=None, on_log=lambda run: None, name="", dtype=torch.float32, steps=None, **settings):
    """The run of 10 steps; settings replace those of `CONFIG`."""
    config = replace(CONFIG, way=way, new_tokens=start()[2], **settings)
    return fine_tune(model or load(), train or blocks(18), blocks(3, 1), config=config, runtime=make_runtime(workspace, dtype, steps=steps),
                     name=name, on_log=on_log, tokenizer=start()[1], card="# Tiny\n")


def run_until(when, workspace, way):
    event, number = when.split(":")
    owner, method = {"step": (Recorder, "on_step_begin"), "write": (FineTuner, "_save_optimizer_and_scheduler"), "end": (finetuning, "finish")}[event]
    setattr(owner, method, on_call(int(number), die, getattr(owner, method)))
    tiny_tune(workspace / way, way)


if __name__ == "__main__":
    workspace, codes = Path(sys.argv[1]), []
    for way, when in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        if (child := os.fork()) == 0:
            run_until(when, workspace, way)
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(codes)
