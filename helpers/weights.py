"""To and from the Hugging Face GPT-2 format: the same numbers under other names."""

import shutil
import tempfile
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from .hub import asking_hub
from .model import GPT, GPTConfig
from .runs import write_whole

logging.disable_progress_bar()  # bars for reading and writing a file of some megabytes; downloads keep theirs

# Hugging Face kept OpenAI's Conv1D, which stores (in, out); nn.Linear stores (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def translate(state):
    """Our state dict -> Hugging Face's, or back: the four Conv1D matrices of a block are transposed."""
    return {k: v.t().contiguous() if k.endswith(TRANSPOSED) else v for k, v in state.items()}


def to_transformers(model, eos_token_id=None):
    """A `transformers.GPT2LMHeadModel` with a copy of our weights, in eval mode."""
    c = model.config
    theirs = GPT2LMHeadModel(GPT2Config(
        vocab_size=c.vocab_size, n_positions=c.block_size, n_layer=c.n_layer, n_head=c.n_head, n_embd=c.n_embd,
        resid_pdrop=c.dropout, embd_pdrop=c.dropout, attn_pdrop=c.dropout,
        bos_token_id=eos_token_id, eos_token_id=eos_token_id, pad_token_id=eos_token_id))
    theirs.transformer.load_state_dict(translate(model.state_dict()))
    return theirs.eval()


def from_transformers(theirs, **overrides):
    """Our GPT with a copy of a `GPT2LMHeadModel`'s weights; ``overrides`` change the configuration (dropout)."""
    c = theirs.config
    settings = dict(vocab_size=c.vocab_size, block_size=c.n_positions, n_layer=c.n_layer, n_head=c.n_head,
                    n_embd=c.n_embd, dropout=c.resid_pdrop)
    model = GPT(GPTConfig(**settings | overrides))
    model.load_state_dict(translate(theirs.transformer.state_dict()))
    return model.eval()


def from_pretrained(name_or_folder, **overrides):
    """See `GPT.from_pretrained`. Weights arrive as float32, whatever the checkpoint holds."""
    with asking_hub(name_or_folder):
        theirs = GPT2LMHeadModel.from_pretrained(name_or_folder, dtype=torch.float32)
    return from_transformers(theirs, **overrides)


def save_pretrained(model, folder, tokenizer=None):
    """See `GPT.save_pretrained`. With a tokenizer, that is saved too and its end of text is noted in the configuration."""
    eos = tokenizer.eos_token_id if tokenizer is not None else None
    with tempfile.TemporaryDirectory() as here:  # on this machine's own disk first, then to the folder, each file whole or not at all
        to_transformers(model, eos).save_pretrained(here)
        if tokenizer is not None:
            tokenizer.save_pretrained(here)
        for file in Path(here).iterdir():
            write_whole(Path(folder) / file.name, lambda temporary: shutil.copyfile(file, temporary), file.stat().st_size)
