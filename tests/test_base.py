"""The tiny base model that later notebooks fine-tune: what is shipped is what its log says."""

import pytest
import torch
from conftest import make_runtime
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers.corpora import load_prose
from helpers.evaluation import mean_loss
from helpers.model import GPT
from helpers.runs import REFERENCES, Run
from helpers.tokens import tokenize
from tools.base import BASE

END = Run(REFERENCES / "01" / "base-s1337.jsonl").end


def test_its_loss_is_the_recorded_one(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    validation = tokenize(load_prose("offline"), tokenizer, tmp_path)["validation"]
    model = GPT.from_pretrained(BASE)
    loss = mean_loss(model, validation, block_size=256, batch_size=8, max_blocks=64, runtime=make_runtime(tmp_path))
    assert loss == pytest.approx(END["val_loss"], abs=0.002)  # float16 rounds the weights


def test_transformers_takes_it_as_it_is():
    model, tokenizer = AutoModelForCausalLM.from_pretrained(BASE), AutoTokenizer.from_pretrained(BASE)
    assert (model.dtype, model.config.n_positions, len(tokenizer)) == (torch.float16, 256, model.config.vocab_size)
    assert tokenizer.decode(tokenizer("Olá, the lamp!")["input_ids"]) == "Olá, the lamp!"
    assert tokenizer.eos_token == "<|endoftext|>" and model.config.eos_token_id == tokenizer.eos_token_id


def test_it_is_small_and_its_card_has_the_logs_figures():
    assert sum(f.stat().st_size for f in BASE.iterdir()) < 3_000_000
    card = (BASE / "README.md").read_text(encoding="utf-8")
    assert f"-> {END['val_loss']:.3f} nats" in card and f"{END['tokens']:,} tokens" in card and "CC0" in card
