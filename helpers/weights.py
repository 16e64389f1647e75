"""To and from the Hugging Face GPT-2 format: the same numbers under other names."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from .corpora import OFFLINE
from .hub import asking_hub
from .model import GPT, GPTConfig
from .runs import write_whole
from .runtime import shown
from .tokens import GPT2, gpt2_tokenizer

logging.disable_progress_bar()  # bars for reading and writing a file of some megabytes; downloads keep theirs

# Hugging Face kept OpenAI's Conv1D, which stores (in, out); nn.Linear stores (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")

# The same GELU as GPT-2's, in one kernel; and attention without dropout, for which processors have a fast kernel.
FAST = dict(activation_function="gelu_pytorch_tanh", attn_pdrop=0.0)


def load_base(runtime, name=None):
    """(model, tokenizer) to begin a fine-tuning with, weights in float32; says which.

    name: a model of the hub, GPT-2 if None. From a folder of local copies, its ``<last part of name>/``; where only ``gpt2_tokenizer/`` is
    there, random weights, few in profile cpu and of GPT-2's shape beyond. Else the tiny base of data/offline in profile cpu, and ``name`` beyond.
    """
    name, tiny = name or GPT2, runtime.profile == "cpu"
    local = Path(runtime.data) / Path(name).name
    if local.is_dir() or not (local.parent / "gpt2_tokenizer").is_dir():
        place = local if local.is_dir() else OFFLINE / "base" if tiny or runtime.data == "offline" else name
        print(f"base model: {place if place == name else shown(place)}")
        with asking_hub(place):
            model, tokenizer = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **FAST), AutoTokenizer.from_pretrained(place)
        model.loss_type = "ForCausalLM"  # which Transformers takes for GPT-2 anyway, but with a warning
        model.config.pad_token_id = None  # GPT-2 has none; with one, a text that begins or ends with it makes Transformers warn
        return model, tokenizer
    tokenizer = gpt2_tokenizer(runtime.data)
    print(f"base model: a {'small ' * tiny}GPT-2 with random weights, as {shown(local)} is not there")
    ids = dict.fromkeys(("bos_token_id", "eos_token_id"), tokenizer.eos_token_id)
    shape = dict(n_layer=4, n_head=4, n_embd=64) if tiny else {}
    return AutoModelForCausalLM.from_config(GPT2Config(vocab_size=len(tokenizer), **ids, **shape, **FAST)), tokenizer


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
    save_whole(folder, to_transformers(model, eos), tokenizer)


class OwnFormat:
    """For a model that Transformers does not have: saved, loaded and sampled as a `GPT` is. Its class names its ``Config``."""

    generate = GPT.generate

    def save_pretrained(self, folder, tokenizer=None):
        """Write weights, settings and, if given, the tokenizer; `from_pretrained` reads them, Transformers does not."""
        save_whole(folder, SimpleNamespace(save_pretrained=self.write), tokenizer)

    def write(self, folder):
        """Put the two files into a folder that is there."""
        save_file(self.state_dict(), Path(folder) / "model.safetensors")
        (Path(folder) / "config.json").write_text(json.dumps(asdict(self.config)), encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder):
        """The model that `save_pretrained` wrote."""
        model = cls(cls.Config(**json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))))
        model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
        return model


def save_whole(folder, *parts):
    """Save a model, a tokenizer, ... (None is passed over) into ``folder`` by their ``save_pretrained``, each file whole or not at all."""
    with tempfile.TemporaryDirectory() as here:  # on this machine's own disk first: the folder may lie on Drive
        for part in (part for part in parts if part is not None):
            part.save_pretrained(here)
        for file in Path(here).iterdir():
            write_whole(Path(folder) / file.name, lambda temporary: shutil.copyfile(file, temporary), file.stat().st_size)
