"""Scaling on paper: each formula against numbers worked out by hand, and the table's advice."""

import pytest

from helpers.budget import PEAK_FLOPS
from helpers.scaling import LINKS, MEMORY, MODELS, Shape, estimate, scaling_table

TOY = Shape(parameters=1e9, n_layer=10, n_embd=1000, block_size=1000)


def test_a_step_by_hand():
    """1e9 parameters on 4 devices of 989e12 FLOP/s, half used, 1,000 tokens each, 12 GB/s between them."""
    e = estimate(TOY, 4, utilisation=0.5, link="PCIe 3 x16", tokens=1000)
    assert e["compute"] == pytest.approx(1000 * (6e9 + 12 * 10 * 1000 * 1000) / (0.5 * 989e12))  # 12.4 ms
    assert not e["recomputed"] and e["activations"] == 36 * 10 * 1000 * 1000
    ddp, fsdp = e["DDP"], e["FSDP"]
    assert (ddp["traffic"], fsdp["traffic"]) == (3e9, 4.5e9)  # 2 x 3/4 x 2 bytes; 3 x 3/4 x 2 bytes
    assert (ddp["seconds"], fsdp["seconds"]) == (0.25, 0.375)
    assert ddp["exposed"] == pytest.approx(0.25 - e["compute"] * 2 / 3) and fsdp["exposed"] == pytest.approx(0.375 - e["compute"])
    assert ddp["efficiency"] == pytest.approx(e["compute"] / (0.25 + e["compute"] / 3)) and fsdp["efficiency"] == pytest.approx(e["compute"] / 0.375)
    assert ddp["memory"] == 16e9 + 0.36e9
    assert fsdp["memory"] == 4e9 + 0.4e9 + 0.36e9  # a quarter of the states, two layers of 1e8 parameters, activations


def test_one_device_sends_nothing():
    e = estimate(TOY, 1)
    assert all(e[way]["traffic"] == e[way]["exposed"] == 0 and e[way]["efficiency"] == 1 for way in ("DDP", "FSDP"))
    assert e["DDP"]["memory"] == e["FSDP"]["memory"]


def test_activations_above_half_the_card_are_computed_twice():
    once, twice = (estimate(TOY, 1, tokens=tokens) for tokens in (100_000, 120_000))  # 36 GB and 43.2 GB of 80
    assert (once["recomputed"], twice["recomputed"]) == (False, True)
    assert twice["compute"] / once["compute"] == pytest.approx(1.2 * 4 / 3)
    assert twice["activations"] == (2 * 10 + 36) * 1000 * 120_000


def test_fast_links_hide_and_many_tokens_hide():
    exposed = lambda **changes: estimate(TOY, 8, **{"link": "InfiniBand NDR", "tokens": 2000} | changes)["DDP"]["exposed"]
    assert exposed() > 0 and exposed(link="NVLink 4") == 0 and exposed(tokens=8000) == 0
    assert exposed(number_bytes=4) > 2 * exposed()


def test_the_models_are_as_large_as_they_are_called():
    sizes = [estimate(m, 2, number_bytes=1)["DDP"]["traffic"] for m in MODELS.values()]  # 2 x 1/2 x 1 byte: the parameters
    assert [round(s / 1e6, 1) for s in sizes] == [16.1, 124.4, 8030.0, 70600.0]


def test_the_table_says_when_to_leave_ddp():
    lines = scaling_table().splitlines()
    take = [line.rsplit("| ", 1)[1] for line in lines[2:18]]
    assert take == ["one", "DDP", "DDP", "DDP"] * 2 + ["neither fits", "neither fits", "FSDP", "FSDP"] + ["neither fits"] * 3 + ["FSDP"]
    assert len({line.index("|") for line in lines[:18]}) == 1  # its columns stand below one another


def test_every_assumption_stands_below_the_table():
    text = scaling_table(utilisation=0.35, tokens=4096, number_bytes=4, state_bytes=18)
    for said in ("Estimates", "H100: 989 TFLOP/s", "35%", "80 GB", "4,096 tokens", "4,096,000 tokens", "NVLink 4, 450 GB/s", "InfiniBand NDR, 50 GB/s",
                 "4 bytes", "18 in memory", "latency"):
        assert said in text
    pair = scaling_table(devices=(1, 2), card="T4", inside="PCIe 3 x16")
    assert "PCIe 3 x16, 12 GB/s" in pair and "InfiniBand" not in pair and "T4: 65 TFLOP/s" in pair


def test_every_card_is_in_the_budgets_table():
    assert set(MEMORY) <= set(PEAK_FLOPS) and min(LINKS.values()) > 1e9
