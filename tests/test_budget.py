"""Estimates: parameters and FLOPs agree with the model to the unit, memory with what autograd keeps, MFU with its definition."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from conftest import make_gpt, make_runtime
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from helpers import budget
from helpers.model import GPT, GPTConfig
from helpers.step import TrainConfig

SHAPES = [GPTConfig(97, 16, 1, 1, 8), GPTConfig(512, 64, 3, 4, 32), GPTConfig(1000, 40, 2, 2, 48)]
DESCRIBED = GPTConfig(50_304, 256, 4, 4, 256)


@pytest.mark.parametrize("config", SHAPES)
def test_parameters_to_the_unit(config):
    parts = budget.count_parameters(config)
    assert parts.pop("total") == sum(parts.values()) == sum(p.numel() for p in GPT(config).parameters())


def test_the_originals_counts():
    assert budget.count_parameters(DESCRIBED)["total"] == 16_102_912
    assert budget.count_parameters(GPTConfig(50_257, 1024, 12, 12, 768))["total"] == 124_439_808


@pytest.mark.parametrize("config", SHAPES)
def test_flops_to_the_unit(config):
    model, tokens = GPT(config), torch.zeros(2, config.block_size, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(tokens, tokens)[1].backward()
    assert counter.get_total_flops() == budget.flops_per_token(config)["total"] * tokens.numel()
    assert budget.flops_per_token(config)["total"] == 3 * budget.flops_per_token(config, training=False)["total"]


@pytest.mark.parametrize("config", SHAPES[1:])
def test_memory_of_activations_within_five_percent(config):
    model, tokens, kept = GPT(config), torch.zeros(4, config.block_size, dtype=torch.long), {}

    def watch(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(watch, lambda tensor: tensor):
        _, loss = model(tokens, tokens)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    measured = sum(size for pointer, size in kept.items() if pointer not in weights)
    parts = budget.memory_by_term(config, 4)
    assert parts["activations"] + parts["logits"] / 3 == pytest.approx(measured, rel=0.05)
    assert loss.item() > 0


def test_half_precision_halves_what_it_should():
    full, half = (budget.memory_by_term(DESCRIBED, 32, dtype) for dtype in (torch.float32, torch.float16))
    assert half["gradients"] == full["gradients"] and half["activations"] < 0.6 * full["activations"]
    assert half["weights"] == 1.5 * full["weights"]  # the copy that autocast makes


def test_mfu_is_flops_over_the_peak_or_nothing():
    per_token = budget.flops_per_token(DESCRIBED)["total"]
    assert budget.mfu(1000.0, DESCRIBED, "Tesla T4", torch.float16) == pytest.approx(1000 * per_token / 65e12)
    assert budget.mfu(1000.0, DESCRIBED, "NVIDIA H200", torch.bfloat16) == pytest.approx(1000 * per_token / 989e12)
    assert budget.mfu(1000.0, DESCRIBED, "Some CPU", torch.float32) is None
    assert budget.peak_flops("Tesla T4", torch.bfloat16) is None  # a T4 has no bfloat16 units


def test_the_card_warns_with_advice(runtime):
    config, train = SHAPES[1], TrainConfig(batch_size=4, max_steps=20, eval_every=10, eval_blocks=4)
    model = GPT(config)
    before = [p.clone() for p in model.parameters()]
    card = budget.budget(model, train, runtime, 10_000)
    assert card.tokens == 20 * 4 * config.block_size and card.tokens_per_second > 0 and card.warnings == []
    assert "fits        yes" in str(card) and "MFU n/a" in str(card)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))  # the probe trains a copy
    tight = dataclasses.replace(card, memory_available=1, minutes_allowed=1e-9)
    assert "halve micro_batch_size" in str(tight) and "minutes, more than" in str(tight) and "fits" not in str(tight)


def test_minutes_count_evaluation(runtime):
    card = budget.budget(GPT(SHAPES[0]), TrainConfig(batch_size=4, max_steps=20, eval_every=10, eval_blocks=30), runtime, 10_000)
    assert card.evaluation_share == pytest.approx(30 / 3 / 40)
    assert card.minutes == pytest.approx(card.tokens / card.tokens_per_second * 1.25 / 60)
    short = budget.budget(GPT(SHAPES[0]), TrainConfig(batch_size=4, max_steps=20, eval_every=10, eval_blocks=30), runtime, 10_000,
                          6 * SHAPES[0].block_size)
    assert short.evaluation_share == pytest.approx(6 / 3 / 40)  # an evaluation reads no more than there is


def test_a_card_is_known_by_its_whole_name():
    assert budget.peak_flops("NVIDIA L4", torch.bfloat16) == 121e12 and budget.peak_flops("NVIDIA L40S", torch.bfloat16) is None


@pytest.mark.parametrize("profile, expected", [("full", 9 + 3 - 2), ("t4", 14.5 - 2)])
def test_what_pytorch_keeps_for_itself_is_free_for_training(profile, expected, monkeypatch):
    """Of a card with 9 (or 60) GiB free, PyTorch holds 2 and has 3 reserved."""
    for name, gibibytes in dict(memory_allocated=2, memory_reserved=3, mem_get_info=9 if profile == "full" else 60).items():
        size = gibibytes * 2**30
        monkeypatch.setattr(budget.torch.cuda, name, lambda device, size=size, name=name: (size, 0) if name == "mem_get_info" else size)
    runtime = SimpleNamespace(device=torch.device("cuda", 0), profile=profile)
    assert budget.available_memory(runtime) == expected * 2**30


def test_a_card_that_is_too_small_for_the_probe_is_advice_too(monkeypatch, tmp_path):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(budget, "probe", full)
    with pytest.raises(budget.OutOfMemory, match="^out of memory with 15 sequences a pass, .* set micro_batch_size=5 "):
        budget.budget(make_gpt(), TrainConfig(batch_size=15), make_runtime(tmp_path), 1000)


def test_advice_knows_the_other_processes():
    advice = budget.out_of_memory_advice(GPTConfig(), TrainConfig(batch_size=32), SimpleNamespace(dtype=torch.float32), 2)
    assert advice.startswith("out of memory with 16 sequences a pass, ") and "set micro_batch_size=8 " in advice
