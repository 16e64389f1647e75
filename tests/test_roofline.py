"""The roofline: the floor is arithmetic, its measurements have the right units, its charts say what they show."""

import time
from contextlib import nullcontext
from types import SimpleNamespace

import matplotlib
import pytest
import torch
from torch.autograd import DeviceType

from helpers import roofline
from helpers.budget import count_parameters, flops_per_token
from helpers.model import GPTConfig
from helpers.rungs import Rung, Trainer

matplotlib.use("Agg")
CONFIG = GPTConfig(vocab_size=1_000, block_size=16, n_layer=2, n_head=2, n_embd=32)


@pytest.mark.parametrize("dtype, weights, size", [(torch.float32, 8, 4), (torch.bfloat16, 10, 2)])
def test_the_floor_is_the_larger_of_two_times(dtype, weights, size):
    P, tokens = count_parameters(CONFIG)["total"], 64
    moved = roofline.step_bytes(CONFIG, tokens, dtype)
    assert moved == {"optimizer": 28 * P, "gradients": 8 * P, "weights": weights * P, "logits": 5 * size * 64 * 1_000,
                     "total": (36 + weights) * P + 5 * size * 64_000}
    slow_memory, fast_memory = (roofline.floor(CONFIG, tokens, 1e9, speed, dtype) for speed in (1e3, 1e15))
    assert slow_memory["floor"] == slow_memory["memory"] == pytest.approx(moved["total"] / 1e3)
    assert fast_memory["floor"] == fast_memory["compute"] == pytest.approx(flops_per_token(CONFIG)["total"] * 64 / 1e9)


def test_the_share_reached_is_one_on_the_floor():
    rate = 1e9
    seconds = roofline.floor(CONFIG, 64, rate, 1e15)["compute"]
    assert roofline.share_reached(64 / seconds, CONFIG, rate) == pytest.approx(1)


def test_rates_are_work_over_time(monkeypatch):
    monkeypatch.setattr(roofline, "seconds_of", lambda run, device: (run(), 0.5)[1])
    assert roofline.matmul_rate(shape=(2, 3, 4)) == 2 * 2 * 3 * 4 / 0.5
    assert roofline.bandwidth(size=4_000) == 3 * 4_000 / 0.5


def test_seconds_of_takes_the_fastest_and_warms_up(monkeypatch):
    clock, calls = iter([0, 0, 3, 3, 5, 5, 12, 12, 15, 15, 18, 18]), []
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    assert roofline.seconds_of(lambda: calls.append(1), "cpu", seconds=-1) == 2 and len(calls) == 6


def test_where_the_time_goes_by_kind():
    trainer = Trainer(Rung("plain", "", naive=False, fused=True), CONFIG)
    tokens = torch.randint(1_000, (4, 16))
    spent = roofline.where_time_goes(lambda: trainer(tokens, tokens), repeats=2)
    assert list(spent)[-1] == "rest" and set(spent) == {*roofline.KINDS, "rest"}
    assert all(spent[kind] > 0 for kind in ("attention", "matrix products", "softmax and loss", "optimizer", "norm and GELU"))
    assert list(spent.values())[:-1] == sorted(list(spent.values())[:-1], reverse=True) and 0 < sum(spent.values()) < 5



def test_a_loss_is_not_taken_for_attention():
    logits, tokens = torch.randn(64, 1_000, requires_grad=True), torch.randint(1_000, (64,))
    spent = roofline.where_time_goes(lambda: torch.nn.functional.cross_entropy(logits, tokens).backward(), repeats=1)
    assert spent["attention"] == spent["matrix products"] == 0 < spent["softmax and loss"]


def test_the_roofline_charts_title_says_what_bounds():
    points = {"body": (1e9, 1e7, 0.01), "AdamW": (1e6, 1e7, 0.01)}
    figure = roofline.roofline_chart(points, 1e11, 1e10)  # the ridge is at 10 FLOP per byte
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "Memory bounds AdamW; arithmetic bounds body"
    assert axes.get_xscale() == axes.get_yscale() == "log" and "FLOP per byte" in axes.get_xlabel()
    assert {line.get_xdata()[0] for line in axes.lines[1:]} == {100.0, 0.1}


def test_operations_have_flops_bytes_and_seconds(monkeypatch):
    monkeypatch.setattr(roofline, "seconds_of", lambda run, device: (run(), 0.5)[1])
    found = roofline.operations(CONFIG, tokens=8)
    assert list(found) == ["body", "head", "softmax", "AdamW"] and found["head"][0] == 2 * 8 * 32 * 1_000
    assert found["AdamW"][1] == 28 * 32_000 and all(seconds == pytest.approx(0.5) for _, _, seconds in found.values())


def test_a_gpus_kernels_count_once(monkeypatch):
    """PyTorch lists a kernel's time twice: with the operator that started it, and in a row of its own."""
    row = lambda key, device, time: SimpleNamespace(key=key, device_type=device, self_device_time_total=time, self_cpu_time_total=1)
    rows = [row("aten::mm", DeviceType.CPU, 3e6), row("sgemm_128x64", DeviceType.CUDA, 3e6), row("Optimizer.step#AdamW", DeviceType.CUDA, 9e6)]
    profiler = SimpleNamespace(key_averages=lambda: rows)
    monkeypatch.setattr(roofline, "profile", lambda **_: nullcontext(profiler))
    monkeypatch.setattr(roofline.torch.cuda, "is_available", lambda: True)
    spent = roofline.where_time_goes(lambda: None, repeats=3)
    assert spent.pop("matrix products") == 1.0 and not any(spent.values())
    rows[1:] = []  # a step on the CPU beside a card
    assert roofline.where_time_goes(lambda: None, repeats=1)["matrix products"] == 1e-6


def test_a_gpu_is_asked_for_many_products_at_once(monkeypatch):
    calls, waits = [], []
    monkeypatch.setattr(roofline.torch.cuda, "synchronize", waits.append)
    assert roofline.seconds_of(lambda: calls.append(time.sleep(1e-4)), "cuda", seconds=-1) < 1e-3
    assert (len(calls), len(waits)) == (1 + 5 * 20, 6)
