"""Unsloth beside the plain stack, on the CPU and really in 4 bits, in the environment of `make test-unsloth`.

Named so that only that command, which names it, collects it: elsewhere there is no Unsloth, and a skip would look like a pass.
"""

import sys

EARLY = {"transformers", "trl", "peft"} & sys.modules.keys()

from helpers.runtime import setup

RUNTIME = setup("04", profile="cpu", extras="unsloth")  # as the first cell of a notebook: before all other imports

import json

import pytest
import torch
import trl
from bitsandbytes.nn import Linear4bit
from conftest import make_runtime
from safetensors.torch import load_file
from test_qlora import CONFIG, PROMPTS, ROWS, TOKENIZER, base, lora, tune  # noqa: F401  (base is a fixture)

from helpers import qlora
from helpers.blocks import collate
from helpers.finetuning import FineTuneConfig, prepare
from helpers.qlora import answer, choose_backend, load_4bit, load_adapter, qlora_memory

IDS = torch.arange(40)[None]
BACKENDS = ("transformers", "unsloth")


def load(base, backend="unsloth", dtype=torch.float32):
    return load_4bit(make_runtime(base, dtype), base, backend=backend)[0]


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """A run of 12 steps with Unsloth, evaluated at steps 0, 3, 6, 9 and 12."""
    return tune(tmp_path_factory.mktemp("whole"), base, model=load(base))


def test_the_first_cell_imports_it_first_and_chooses_it():
    assert EARLY == set() and "unsloth" in sys.modules and trl.SFTTrainer.__mro__[1].__module__ == "trl.trainer.sft_trainer"
    assert choose_backend(RUNTIME) == ("unsloth", "the first cell imported it")


def test_both_backends_read_the_same_model(base, capsys):
    models = [load(base, backend) for backend in BACKENDS]
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("base model: ")] == [
        f"base model: {qlora.shown(base)}, in 4 bits by {backend}" for backend in BACKENDS]
    torch.testing.assert_close(*map(logits, models), atol=1e-4, rtol=0)
    for found in zip(*(model.named_modules() for model in models), strict=True):
        (name, one), (other_name, other) = found
        assert name == other_name and isinstance(one, Linear4bit) == isinstance(other, Linear4bit)
    assert len([m for m in models[1].modules() if isinstance(m, Linear4bit)]) == 14
    assert answer(models[0], TOKENIZER, PROMPTS, max_new_tokens=6) == answer(models[1], TOKENIZER, PROMPTS, max_new_tokens=6)
    assert load_4bit(make_runtime(base), base, backend="unsloth")[1].pad_token == load_4bit(make_runtime(base), base)[1].pad_token


def test_lora_has_the_same_settings_and_first_weights(base):
    frames = []
    for backend in BACKENDS:
        model = load(base, backend)
        torch.manual_seed(7)
        frames.append(prepare(model, FineTuneConfig(**CONFIG)))
    settings = [frame.peft_config["default"].to_dict() for frame in frames]
    assert {k: (settings[0][k], v) for k, v in settings[1].items() if settings[0][k] != v} == {}
    assert (settings[1]["r"], settings[1]["lora_alpha"], settings[1]["lora_dropout"], len(settings[1]["target_modules"])) == (32, 64, 0, 14)
    torch.testing.assert_close(*map(lora, frames), atol=0, rtol=0)


def test_training_with_evaluations_between(whole, base, tmp_path):
    assert type(whole.model.base_model.model).__name__ == "LlamaForCausalLM" and whole.model.backend == "unsloth"
    losses, validation = whole.run.curve("loss")[1], whole.run.curve("val_loss")[1]
    assert len(losses) == len(whole.gradients) == 12 and len(validation) == 5
    assert losses[-3:].mean() < 0.5 * losses[:3].mean() and validation[-1] < 0.5 * validation[0]
    names = {name for name, _ in lora(whole.model).items()}
    assert len(names) == 28 and all(found.keys() == names for found in whole.gradients)  # the first step follows an evaluation
    assert {p.dtype for p in whole.first.values()} == {torch.float32} == {p.dtype for p in lora(whole.model).values()}
    plain = tune(tmp_path, base, model=load(base, "transformers"))
    assert plain.run.curve("loss")[1][:2] == pytest.approx(losses[:2], abs=1e-4)  # then their optimizers part: 8 bits is a GPU's in Unsloth
    assert plain.run.file.parent.name != whole.run.file.parent.name and plain.run.end["val_loss"] == pytest.approx(whole.run.end["val_loss"], rel=0.1)


def test_checkpointing_changes_no_loss(whole, base, tmp_path):
    again = tune(tmp_path, base, model=load(base), checkpointing=True)
    assert again.args.gradient_checkpointing and not whole.args.gradient_checkpointing
    assert again.run.curve("loss")[1] == pytest.approx(whole.run.curve("loss")[1], abs=1e-4)


def test_float16_trains_lora_in_float32(base, tmp_path, monkeypatch):
    for module in ("loader", "trainer"):  # a CPU with bfloat16 gets that from Unsloth, in place of the float16 asked for
        monkeypatch.setattr(f"unsloth_zoo.cpu.{module}.cpu_bf16_supported", lambda: False)
    half = tune(tmp_path, base, model=load(base, dtype=torch.float16), dtype=torch.float16, epochs=1, eval_every=2)
    assert {p.dtype for p in half.first.values()} == {torch.float32} and half.run.end["val_loss"] < half.run.end["first_val_loss"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_adapter_answers_in_both_backends(backend, whole, base):
    best = load_file(whole.adapter / "adapter_model.safetensors")
    assert len(best) == 28 and json.loads((whole.adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"
    model, plain = load(base, backend), load(base, backend)
    loaded = load_adapter(model, whole.adapter)
    torch.testing.assert_close(logits(loaded), logits(whole.model), atol=1e-4, rtol=0)
    assert (logits(loaded) - logits(plain)).abs().max() > 1
    assert answer(loaded, TOKENIZER, PROMPTS, max_new_tokens=6) == answer(whole.model, TOKENIZER, PROMPTS, max_new_tokens=6)


def test_the_plain_stacks_adapter_answers_in_unsloth(base, tmp_path):
    plain = tune(tmp_path, base, model=load(base, "transformers"), epochs=1)
    torch.testing.assert_close(logits(load_adapter(load(base), plain.adapter)), logits(plain.model), atol=1e-4, rtol=0)


def test_run_again_it_is_read_from_its_log(whole, base, capsys):
    again = tune(whole.run.file.parents[1], base, model=load(base))
    assert "complete since" in capsys.readouterr().out and not hasattr(again, "model") and again.run.end == whole.run.end


def test_memory_is_counted_and_the_model_left_as_it_was(whole, base, tmp_path):
    model, config = load(base), FineTuneConfig(**CONFIG)
    before = logits(model)
    counted, plain = (qlora_memory(m, config, collate(ROWS[:2]), make_runtime(tmp_path)) for m in (model, load(base, "transformers")))
    assert {k: v for k, v in counted.items() if k not in ("activations", "total")} == {
        k: v for k, v in plain.items() if k not in ("activations", "total")} and counted["activations"] > 0
    torch.testing.assert_close(logits(model), before, atol=0, rtol=0)
    assert tune(tmp_path, base, model=model).run.curve("loss")[1] == pytest.approx(whole.run.curve("loss")[1], abs=1e-4)
