"""The ladder: every rung computes what the plain step computes; what a machine lacks is named; ratios and start-up are counted right."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from conftest import make_gpt, make_stream

from benchmarks import ladder as bench
from helpers import chunked, feeding, ladder, rungs
from helpers.model import GPTConfig
from helpers.rungs import TOLERANCE, Rung, Trainer, differences
from helpers.runtime import ReaderError
from helpers.step import batch_at
from helpers.tokens import train_bpe

TINY = GPTConfig(vocab_size=211, block_size=16, n_layer=2, n_head=2, n_embd=32)
CPU = torch.device("cpu")


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(chunked, "LARGE_VOCABULARY", 1)


@pytest.fixture
def every_rung(monkeypatch, everything_is_large):
    """The ladder of a machine that lacks nothing."""
    for name in ("no_huge_pages", "no_glibc", "no_compile"):
        monkeypatch.setattr(rungs, name, lambda *device: None)
    monkeypatch.setattr(rungs, "half_precision", lambda device: (torch.bfloat16, "a test's"))
    return {rung.name: rung for rung in rungs.rungs()}


def batch(config=TINY, size=3):
    return ladder.random_batch(config, size, CPU)


# --- the same loss and gradients ---


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_naive_attention_is_causal_self_attention(dropout):
    model, naive = make_gpt(dropout=dropout), rungs.with_naive_attention(make_gpt(dropout=dropout))
    tokens = torch.randint(61, (2, 16))
    assert isinstance(naive.h[1].attn, rungs.NaiveAttention) and not isinstance(model.h[1].attn, rungs.NaiveAttention)
    torch.testing.assert_close(naive(tokens)[0], model(tokens)[0], atol=1e-5, rtol=1e-5)
    assert (naive.train()(tokens)[0] - naive(tokens)[0]).abs().max() > 0.01 or not dropout  # two drawings
    torch.testing.assert_close(naive.eval().generate(tokens[:, :4], 8, temperature=0), model.generate(tokens[:, :4], 8, temperature=0))


@pytest.mark.parametrize("name", ["plain", "scaled_dot_product_attention", "bf16 autocast", "fused AdamW", "chunked head", "huge pages", "kept memory"])
def test_a_rung_has_the_plain_loss_and_gradients(every_rung, name):
    rung = every_rung[name]
    trainer = Trainer(rung, TINY)
    found = differences(trainer, *batch())
    assert found["loss"] <= TOLERANCE[rung.dtype] and found["gradient"] <= TOLERANCE[rung.dtype]
    assert rung.dtype == torch.float32 or found["gradient"] > 1e-5  # it does compute in 16 bits
    first = trainer(*batch())
    assert trainer(*batch()) < first and differences(trainer, *batch())["gradient"] <= TOLERANCE[rung.dtype]  # later too


def test_float16_with_its_scaler_has_them_too(everything_is_large):
    trainer = Trainer(Rung("fp16 autocast", "", naive=False, dtype=torch.float16, fused=True, chunked=True), TINY)
    found = differences(trainer, *batch())
    assert trainer.scaler.is_enabled() and max(found.values()) <= TOLERANCE[torch.float16]
    assert trainer(*batch()).item() > 0


def test_every_rung_ends_a_step_with_the_same_weights(every_rung):
    plain, fused = Trainer(every_rung["plain"], TINY), Trainer(dataclasses.replace(every_rung["plain"], naive=False, fused=True, chunked=True), TINY)
    start = [p.detach().clone() for p in plain.model.parameters()]
    for trainer in (plain, fused):
        trainer(*batch()), trainer(*batch())
    for a, b, before in zip(plain.model.parameters(), fused.model.parameters(), start, strict=True):
        torch.testing.assert_close(a, b, atol=3e-5, rtol=1e-4)
        assert not torch.equal(a, before)
    assert plain.optimizer.param_groups[1]["weight_decay"] == 0 and not plain.optimizer.param_groups[0]["fused"]


def test_differences_see_a_wrong_gradient(everything_is_large):
    trainer = Trainer(Rung("wrong", ""), TINY)
    trainer.loss.forward = lambda tokens, targets: trainer.model(tokens, targets.roll(1, 0))[1]
    assert differences(trainer, *batch())["gradient"] > 0.1


def test_the_compiled_rung_wraps_its_loss(every_rung, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(type(module).__name__) or module)
    assert max(differences(Trainer(every_rung["torch.compile"], TINY), *batch()).values()) <= TOLERANCE[torch.bfloat16]
    assert compiled == ["Loss"]


# --- what a machine lacks ---


def test_each_rung_is_one_idea_above_the_last(every_rung):
    ladder_ = list(every_rung.values())
    changes = [[n for n in vars(a) if n not in ("name", "idea") and vars(a)[n] != vars(b)[n]] for a, b in zip(ladder_, ladder_[1:])]
    assert changes == [["naive"], ["dtype"], ["fused"], ["chunked"], ["environment"], ["environment"], ["compiled"]]
    pages, kept = every_rung["huge pages"].environment, every_rung["kept memory"].environment
    assert len(pages) == 1 and len(kept) == 3 and pages.items() < kept.items() and every_rung["torch.compile"].environment == kept


def test_a_processor_without_bfloat16_is_named_and_its_rung_skipped(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    monkeypatch.setattr(sys, "platform", "linux")
    found = {rung.name: rung for rung in rungs.rungs()}
    assert "no bfloat16 units" in found["bf16 autocast"].reason_skipped and found["bf16 autocast"].dtype == torch.float32
    assert found["chunked head"].dtype == torch.float32 and found["chunked head"].chunked and not found["chunked head"].reason_skipped


@pytest.mark.parametrize("capability, name", [((7, 5), "fp16 autocast"), ((9, 0), "bf16 autocast")])
def test_a_card_is_asked_for_its_units(monkeypatch, capability, name):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    found = rungs.rungs("cuda")
    assert found[2].name == name and not found[2].reason_skipped and "compute capability" in found[2].idea
    for name in ("huge pages", "kept memory"):
        skipped = next(rung for rung in found if rung.name == name)
        assert "CPU" in skipped.reason_skipped and skipped.environment == {}


def test_without_a_compiler_torch_compile_is_skipped(monkeypatch):
    monkeypatch.setattr(rungs.shutil, "which", lambda name: None)
    assert "no C++ compiler" in rungs.rungs()[-1].reason_skipped
    monkeypatch.setattr(torch, "compile", lambda model: (_ for _ in ()).throw(RuntimeError("torch.compile is not supported on Python 4\nmore")))
    assert rungs.rungs()[-1].reason_skipped == "torch.compile is not supported on Python 4"
    monkeypatch.setattr(rungs.platform, "libc_ver", lambda: ("", ""))
    assert rungs.rungs()[-2].reason_skipped == "a setting of Linux's C library glibc, this is another one" and not rungs.rungs()[-3].reason_skipped
    monkeypatch.setattr(sys, "platform", "win32")
    assert all("Linux, this is win32" in rung.reason_skipped for rung in rungs.rungs()[-3:-1])


# --- timing ---


class Made:
    """A worker whose seconds are made up: each turn takes the next of them."""

    turns = []

    def __init__(self, name, settings=None, *, environment=None, command=None, seconds=None):
        if name == "torch.compile" and seconds is None:
            raise ReaderError(f"{name}: InductorError: no header")
        self.name, self.left, self.closed = name, list(seconds or [1.0] * 9), False
        self.first = dict(first_seconds=31.0, first_loss=5.0, differences=dict(loss=1e-7, gradient=2e-7))

    def turn(self, steps=1):
        Made.turns.append(self.name)
        second = self.left.pop(0)
        return dict(wall=second, cpu=second, peak_bytes=2e6, loss=5.0)

    def close(self):
        self.closed = True


def test_rounds_are_interleaved_and_ratios_taken_within_them():
    Made.turns = []
    slow, fast = Made("slow", seconds=[2.0, 30.0, 4.0, 5.0, 6.0]), Made("fast", seconds=[1.0, 10.0, 1.0, 1.0, 1.0])
    answers = ladder.interleave([slow, fast], 5)
    assert Made.turns[:6] == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert ladder.times_as_fast(answers, "fast", "slow") == [4.0, 3.0, 5.0]  # of 2, 3, 4, 5, 6


def test_start_up_is_in_the_sum():
    assert ladder.pays_after(30.0, below=0.5, own=0.2) == pytest.approx(100)
    assert ladder.pays_after(30.0, below=0.2, own=0.2) is None


def test_the_table_lists_every_rung_and_why_one_is_missing(every_rung, monkeypatch):
    made = {"scaled_dot_product_attention": [0.5, 0.5, 0.5], "fused AdamW": [0.25] * 3}
    monkeypatch.setattr(ladder, "Worker", lambda name, settings, **more: Made(name, seconds=made.get(name)))
    timed = ladder.Ladder(TINY, batch_size=4, ladder=every_rung.values(), rate=1e9)
    lines = timed.climb(rounds=3).splitlines()
    assert [line[:29].strip() for line in lines[1:]] == list(every_rung) and "InductorError: no header" in lines[-1]
    row = timed.rows["scaled_dot_product_attention"]
    assert row["times_below"] == [2.0, 2.0, 2.0] and row["tokens_per_second"] == 128 and timed.workers == {}
    assert row["mfu"] == pytest.approx(128 * ladder.share_reached(1.0, TINY, 1e9)) and "128" in lines[2] and "2.00 [2.00..2.00]" in lines[2]
    alone = timed.time("fused AdamW", rounds=3).splitlines()
    assert len(alone) == 3 and "4.00 [4.00..4.00]" in alone[2] and set(timed.workers) == {"bf16 autocast", "fused AdamW"}
    assert timed.time("torch.compile").splitlines()[-1].startswith("torch.compile                skipped: InductorError")


def test_the_compiled_rungs_line_says_when_it_pays(every_rung, monkeypatch):
    monkeypatch.setattr(ladder, "Worker", lambda name, settings, **more: Made(name, seconds=[{"torch.compile": 0.7}.get(name, 1.0)] * 9))
    timed = ladder.Ladder(TINY, batch_size=4, ladder=every_rung.values(), rate=1e9)
    assert "30 s to start, which pays after 6,500 tokens" in timed.climb()  # (31 - 0.7) / 0.3 steps of 64
    monkeypatch.setattr(ladder, "Worker", lambda name, settings, **more: Made(name, seconds=[1.0] * 9))
    assert "30 s to start, which never pay here" in timed.climb()


def test_a_rung_is_timed_in_a_process_with_its_own_settings(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "0")  # the reader's own setting must not help the rungs below
    rung = Rung("huge pages", "", naive=False, environment=rungs.HUGE_PAGES)
    timed = ladder.Ladder(TINY, batch_size=2, ladder=[Rung("plain", ""), rung], rate=1e9)
    table = timed.time("huge pages", rounds=2)
    row, process = timed.rows["huge pages"], timed.workers["huge pages"].process
    if sys.platform == "linux":
        found = open(f"/proc/{process.pid}/environ", "rb").read()
        assert b"THP_MEM_ALLOC_ENABLE=1" in found and b"MALLOC_" not in found.replace(b"THP_MEM_ALLOC_ENABLE", b"")
        assert row["peak_bytes"] > 50e6
    timed.close()
    assert process.poll() is not None and row["differences"]["loss"] <= 1e-5 and row["seconds"][0] > 0 and "huge pages" in table


def test_what_fails_in_the_process_is_told():
    with pytest.raises(ReaderError, match="mine: KeyError: 'float33'"):
        ladder.Worker("mine", dict(config=vars(TINY), batch_size=2, check=False, rung=dict(dtype="float33")))


# --- the benchmark ---


def test_the_benchmark_writes_a_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "Worker", lambda name, settings, **more: Made(name, seconds=[{"nanoGPT": 2.0, "plain": 1.0}.get(name, 0.5)] * 9))
    monkeypatch.setattr(bench, "matmul_rate", lambda *a: 1e12)
    monkeypatch.setattr(bench, "bandwidth", lambda *a: 1e10)
    (tmp_path / "model.py").write_text("")
    monkeypatch.setattr(sys, "argv", ["ladder", "--nanogpt", str(tmp_path), "--rounds", "3", "--output", str(tmp_path / "out.json")])
    bench.main(bench.arguments())
    cell, = json.loads((tmp_path / "out.json").read_text())["cells"]
    assert cell["summary"]["plain"]["cpu"]["times"] == [2.0, 2.0, 2.0] and cell["summary"]["chunked head"]["cpu"]["times"][0] == 4.0
    assert cell["summary"]["Transformers"]["cpu"]["tokens_per_second"][0] == 2048 and "torch.compile" in cell["left_out"]
    assert "nanoGPT, our settings" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["ladder", "--nanogpt", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        bench.arguments()
    assert "no model.py" in capsys.readouterr().err


# --- feeding ---


def test_a_mapped_files_batches_are_the_arrays(tmp_path):
    stream = make_stream(700)
    np.save(tmp_path / "stream.npy", stream)
    mapped = np.load(tmp_path / "stream.npy", mmap_mode="r")
    for step in (0, 3, 11):
        for a, b in zip(batch_at(stream, step, block_size=16, batch_size=4, seed=1), batch_at(mapped, step, block_size=16, batch_size=4, seed=1)):
            assert torch.equal(a, b)


def test_three_sources_of_batches_are_timed(tmp_path):
    text = "A word or two about the weather, and then some more about the sea. " * 200
    seconds = feeding.batch_seconds(text, train_bpe([text], 300), tmp_path / "t.npy", block_size=16, batch_size=4, batches=3)
    assert list(seconds) == ["text, tokenized on the fly", "array in memory", "mapped file"] and min(seconds.values()) > 0
    with pytest.raises(ValueError, match="use a longer text"):
        feeding.batch_seconds("short", train_bpe([text], 300), tmp_path / "t.npy", block_size=16, batch_size=4)


def test_padding_share():
    lengths = [10, 20, 5, 100]
    assert feeding.padding_share(lengths, 50) == pytest.approx(1 - (10 + 20 + 5 + 50) / 200)
    assert feeding.padding_share(lengths, 50, batch_size=2) == pytest.approx(1 - 85 / (40 + 100))


def test_flops_per_byte_fall_with_the_vocabulary():
    large, small = (feeding.flops_per_byte(dataclasses.replace(GPTConfig(), vocab_size=V), each) for V, each in ((50_304, 4.0), (8_192, 3.5)))
    assert large == pytest.approx((6 * 12 * 4 * 256**2 + 3 * 4 * 4 * 256 * 256 + 6 * 256 * 50_304) / 4.0) and small < 0.5 * large


def test_the_record_is_cited(tmp_path, monkeypatch):
    from tools import results
    monkeypatch.setattr(results, "REFERENCES", tmp_path)
    assert results.ladder_figures() == {}  # not recorded yet
    clock = lambda times: dict(tokens_per_second=[100 * times, 1, 1], times=[times, times - 0.5, times + 0.5], share_of_peak=times / 10)
    both = lambda cpu, wall: dict(cpu=clock(cpu), wall=clock(wall), peak_bytes=2e6)
    cells = [dict(threads=n, rate=5e11, bandwidth=2e10, summary={"nanoGPT": both(1.0, 1.0), "huge pages": both(4.0, 3.0)}) for n in (1, 2)]
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "ladder.json").write_text(json.dumps(dict(cells=cells)))
    found = results.ladder_figures()
    assert found["ladder.huge_pages.times"] == 4.0 and found["ladder.huge_pages.times_low"] == 3.5 and found["ladder.nanoGPT.megabytes"] == 2
    assert found["ladder.share_of_peak"] == pytest.approx(40) and found["ladder.T2.huge_pages.tokens_per_second"] == 300
