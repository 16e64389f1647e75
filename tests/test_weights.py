"""What we save, Transformers loads, and the other way round, tokenizer included; loading executes no code."""

import json
import pickle

import pytest
import torch
from conftest import make_gpt, make_runtime
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import weights
from helpers.model import GPT
from helpers.tokens import END, train_bpe

CLOSE = dict(atol=1e-4, rtol=0)


@pytest.fixture
def tokenizer():
    return train_bpe(["the cat sat on the mat, the dog sat on the cat"] * 3, vocab_size=270)


def test_transformers_loads_what_we_save(gpt, tokens, tmp_path):
    gpt.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(theirs(tokens).logits, gpt(tokens)[0], **CLOSE)


def test_we_load_what_we_save(gpt, tokens, tmp_path):
    gpt.save_pretrained(tmp_path)
    again = GPT.from_pretrained(tmp_path)
    assert again.config == gpt.config
    assert torch.equal(again(tokens)[0], gpt(tokens)[0])
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), gpt.parameters(), strict=True))


def test_dropout_is_saved_and_can_be_overridden(tmp_path):
    make_gpt(dropout=0.25).save_pretrained(tmp_path)
    assert GPT.from_pretrained(tmp_path).config.dropout == 0.25
    assert GPT.from_pretrained(tmp_path, dropout=0.0).config.dropout == 0.0


def test_half_precision_checkpoint_arrives_as_float32(gpt, tokens, tmp_path):
    weights.to_transformers(gpt).half().save_pretrained(tmp_path)
    again = GPT.from_pretrained(tmp_path)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    for ours, stored in zip(again.parameters(), gpt.parameters(), strict=True):
        assert torch.equal(ours, stored.half().float())


def test_copies_share_no_memory(gpt, tokens):
    before = gpt(tokens)[0]
    theirs = weights.to_transformers(gpt)
    again = weights.from_transformers(theirs)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
    assert torch.equal(gpt(tokens)[0], before)
    assert torch.equal(again(tokens)[0], before)


def test_tokenizer_is_saved_beside_the_model(tokenizer, tmp_path):
    model = make_gpt(vocab_size=len(tokenizer))
    model.save_pretrained(tmp_path, tokenizer)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "the cat, the DOG é\n sat"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.decode(again(text)["input_ids"]) == text
    assert again.eos_token == END


def test_end_of_text_is_in_the_configuration(tokenizer, tmp_path):
    make_gpt(vocab_size=len(tokenizer)).save_pretrained(tmp_path, tokenizer)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["eos_token_id"] == tokenizer.eos_token_id
    assert AutoModelForCausalLM.from_pretrained(tmp_path).generation_config.eos_token_id == tokenizer.eos_token_id


def test_only_safetensors_are_written(gpt, tmp_path):
    gpt.save_pretrained(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}


class Payload:
    """Unpickling this writes a file: what a malicious checkpoint would do."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def test_a_pickled_checkpoint_executes_nothing(gpt, tmp_path):
    gpt.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    target = tmp_path / "executed"
    torch.save({"transformer.wte.weight": Payload(target)}, tmp_path / "pytorch_model.bin")
    with pytest.raises((pickle.UnpicklingError, ValueError, OSError)):
        GPT.from_pretrained(tmp_path)
    assert not target.exists()


def test_code_beside_a_checkpoint_is_not_run(gpt, tokens, tmp_path):
    gpt.save_pretrained(tmp_path)
    target = tmp_path / "executed"
    (tmp_path / "modeling_gpt2.py").write_text(f"open({str(target)!r}, 'w')\nclass GPT2LMHeadModel: pass\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_gpt2.GPT2LMHeadModel", "AutoConfig": "modeling_gpt2.GPT2LMHeadModel"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert torch.equal(GPT.from_pretrained(tmp_path)(tokens)[0], gpt(tokens)[0])
    assert not target.exists()


@pytest.fixture
def base(tmp_path):
    """`weights.load_base` for a source and a profile: (model, tokenizer, what was said)."""
    def load(capsys, data, profile="cpu", **name):
        model, tokenizer = weights.load_base(make_runtime(tmp_path, data=str(data), profile=profile), **name)
        return model, tokenizer, capsys.readouterr().out.strip()

    return load


def test_the_offline_base_is_the_tiny_one_in_float32(base, capsys):
    model, tokenizer, said = base(capsys, "offline", "t4", name="openai-community/gpt2")
    assert said == "base model: data/offline/base" and len(tokenizer) == model.config.vocab_size == 2048
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.config.activation_function == "gelu_pytorch_tanh" and model.config.attn_pdrop == 0 and model.config.resid_pdrop == 0.1


@pytest.mark.parametrize("data", ["hub", "folder"])
def test_profile_cpu_takes_the_tiny_base_where_the_data_bring_none(base, capsys, data, tmp_path):
    assert base(capsys, data if data == "hub" else tmp_path)[2] == "base model: data/offline/base"


def test_a_folders_own_model_goes_before(base, capsys, gpt, tokenizer, tmp_path):
    gpt.save_pretrained(tmp_path / "gpt2-medium", tokenizer)
    tokenizer.save_pretrained(tmp_path / "gpt2_tokenizer")
    model, _, said = base(capsys, tmp_path, "full", name="openai-community/gpt2-medium")
    assert said == "base model: path/to/gpt2-medium"
    torch.testing.assert_close(model.transformer.wte.weight, gpt.wte.weight, **CLOSE)


@pytest.mark.parametrize(("profile", "width", "word"), [("cpu", 64, "small "), ("t4", 768, "")])
def test_a_tokenizer_alone_gets_random_weights_and_says_so(base, capsys, profile, width, word, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "gpt2_tokenizer")
    model, found, said = base(capsys, tmp_path, profile)
    assert said == f"base model: a {word}GPT-2 with random weights, as path/to/gpt2 is not there"
    assert (model.config.n_embd, model.config.n_positions, model.config.vocab_size) == (width, 1024, len(found)) and len(found) == len(tokenizer)


def test_fast_is_the_same_gelu(gpt, tokens, tmp_path):
    gpt.save_pretrained(tmp_path)
    plain, fast = (AutoModelForCausalLM.from_pretrained(tmp_path, **settings) for settings in ({}, weights.FAST))
    torch.testing.assert_close(plain(tokens).logits, fast(tokens).logits, **CLOSE)
