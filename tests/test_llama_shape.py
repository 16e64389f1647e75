"""Llama-3-8B's shape: what the benchmark counts and estimates is held to what a tiny model shows; the script itself, on a CPU."""

import json
import math

import numpy as np
import pytest
import torch
from conftest import make_runtime
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaForCausalLM

from benchmarks import llama_shape
from benchmarks.llama_shape import (VARIANTS, activations, arguments, count, estimate, flops_per_token, logits_in_passing, main, make_shape,
                                    write_checkpoint, write_estimate)
from helpers.blocks import collate
from helpers.finetuning import FineTuneConfig, fine_tune
from helpers.qlora import load_4bit, lora_frame, qlora_memory, switch_checkpointing
from helpers.runs import REFERENCES
from helpers.runtime import ReaderError
from helpers.tuner import FineTuner

LLAMA = make_shape("llama-3-8b")
OTHERS = [dict(), dict(num_hidden_layers=3, hidden_size=128, num_attention_heads=2, block=40, micro=2, rank=8),
          dict(num_key_value_heads=4, intermediate_size=320, vocab_size=700, block=24, micro=3, rank=4)]


def tiny(block=64, micro=4, rank=16, **changes):
    """(shape, settings of a pass)."""
    return make_shape("tiny", **changes), dict(block=block, micro=micro, rank=rank)


def load(shape, folder, dtype=torch.float16):
    folder.mkdir()
    write_checkpoint(shape, folder, torch.device("cpu"))
    return load_4bit(make_runtime(folder, dtype), folder)[0]


def random_rows(shape, block, n):
    """n examples that differ in length, as the benchmark's do."""
    return [{"input_ids": ids[: block - i % 3], "labels": ids[: block - i % 3]}
            for i, ids in enumerate(np.random.default_rng(0).integers(1, shape.vocab_size, (n, block)))]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """What the script writes and prints for the tiny shape."""
    file = tmp_path_factory.mktemp("benchmark") / "tiny.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llama_shape, "BATCH", 8)
        main(arguments(["--shape", "tiny", "--steps", "3", "--output", str(file)]))
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_shape_is_llama_3_8bs():
    counted = count(LLAMA)
    assert counted["all"] == 8_030_261_248 and len(counted["linear"]) == 7 * 32 and counted["head"] == 128_256 * 4_096
    assert sum(i * o for i, o in counted["linear"]) == 6_979_321_856


def test_the_script_runs_to_its_end_and_its_figures_are_finite(record):
    assert list(record["variants"]) == list(VARIANTS) and record["machine"]["dtype"] == "torch.float16" and record["cap_bytes"] == 14.5 * 2**30
    assert len({(row["step_seconds"], row["peak_bytes"]) for row in record["variants"].values()}) == 2  # the second is no replay of the first's log
    for name, row in record["variants"].items():
        figures = [row[k] for k in ("load_seconds", "answer_tokens_per_second", "peak_bytes", "optimizer_bytes", "step_seconds", "tokens_per_second")]
        figures += [*row["estimated_bytes"].values(), *row["counted_bytes"].values()]
        assert all(math.isfinite(v) and v > 0 for v in figures) and row["checkpointing"] == VARIANTS[name] and "out_of_memory" not in row
        assert row["first_loss"] == pytest.approx(math.log(512), abs=0.1)  # it was really trained, on its whole vocabulary
        assert row["optimizer_bytes"] == pytest.approx(row["estimated_bytes"]["optimizer"], rel=0.02)


@pytest.mark.parametrize("checkpointing", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("changes", OTHERS, ids=["tiny", "wider", "another MLP"])
def test_the_estimate_is_what_qlora_memory_counts(changes, checkpointing, tmp_path):
    shape, settings = tiny(**changes)
    config = FineTuneConfig(way="qlora", batch_size=settings["micro"], lora_rank=settings["rank"], checkpointing=checkpointing)
    model = load(shape, tmp_path / "model")
    batch = collate(random_rows(shape, settings["block"], settings["micro"]))
    counted = qlora_memory(model, config, batch, make_runtime(tmp_path, torch.float16))
    estimated = estimate(shape, checkpointing=checkpointing, **settings)
    assert estimated["total"] * 2 == sum(estimated.values())
    settings_as_text = counted.pop("their scales") - estimated.pop("their scales")
    assert 0 < settings_as_text < 250 * len(count(shape)["linear"])
    assert {k: v for k, v in counted.items() if k != "total"} == {k: v for k, v in estimated.items() if k != "total"}


@pytest.mark.parametrize("checkpointing", VARIANTS.values(), ids=VARIANTS)
def test_the_peak_of_a_training_step_is_what_the_forward_pass_keeps_and_the_logits_in_passing(checkpointing, tmp_path, monkeypatch):
    shape, settings = tiny(vocab_size=8_192)
    peaks, step = [], FineTuner.training_step

    def watched(*arguments, **named):
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            loss = step(*arguments, **named)
        peaks.append(np.cumsum([e.nbytes() for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]).max())
        return loss

    monkeypatch.setattr(FineTuner, "training_step", watched, raising=False)
    rows = random_rows(shape, settings["block"], 8)
    config = FineTuneConfig(way="qlora", batch_size=4, epochs=1, eval_every=2, lora_rank=settings["rank"], checkpointing=checkpointing)
    fine_tune(load(shape, tmp_path / "model"), rows, rows[:2], config=config, runtime=make_runtime(tmp_path, torch.float16), trainer=FineTuner)
    kept, passing = activations(shape, checkpointing=checkpointing, **settings), logits_in_passing(shape, block=64, micro=4)
    assert max(peaks) == pytest.approx(kept + passing, rel=0.03)


@pytest.mark.parametrize("checkpointing", VARIANTS.values(), ids=VARIANTS)
def test_the_flops_are_those_that_torch_counts(checkpointing):
    block, rank, counted = 64, 16, []
    for layers in (2, 3):
        config = FineTuneConfig(way="qlora", lora_rank=rank, checkpointing=checkpointing)
        shape = make_shape("tiny", num_hidden_layers=layers)
        model = LlamaForCausalLM._from_config(shape, attn_implementation="eager", dtype=torch.float32)
        framed = lora_frame(model, config).train()
        switch_checkpointing(framed, checkpointing)
        with FlopCounterMode(display=False) as seen:
            framed(input_ids=torch.arange(4 * block).view(4, block)).logits.sum().backward()
        counted.append((seen.get_total_flops() / (4 * block), flops_per_token(shape, checkpointing=checkpointing, block=block, rank=rank)["total"]))
    seen, expected = np.diff(counted, axis=0)[0]
    assert seen == pytest.approx(expected, rel=0.005)  # of a layer; torch leaves out the last product of what it computes again
    assert counted[1][0] == pytest.approx(counted[1][1], rel=0.05)  # the first layer's q, k, v need no gradient of their input


def test_flops_of_llama_are_four_and_six_a_weight():
    weights = sum(i * o for i, o in count(LLAMA)["linear"]) + count(LLAMA)["head"]
    assert [round(flops_per_token(LLAMA, checkpointing=on)["total"] / weights, 1) for on in (False, True)] == [4.1, 6.0]


def test_the_recorded_estimate_is_todays_and_calls_itself_one(tmp_path, monkeypatch, capsys):
    recorded = (REFERENCES / "benchmarks" / "llama_estimate.json").read_text(encoding="utf-8")
    monkeypatch.setattr(llama_shape, "REFERENCES", tmp_path)
    assert write_estimate().read_text(encoding="utf-8") == recorded and json.loads(recorded)["kind"] == "estimate"
    assert capsys.readouterr().out.startswith("estimate, not a measurement: QLoRA on 8,030,261,248 weights")


@pytest.mark.parametrize("place, error, sentence", [
    ("fine_tune", ReaderError("out of memory with 4 blocks a pass: set"), "training: out of memory with 4 blocks a pass: set"),
    ("qlora_memory", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"), "counting: CUDA out of memory. Tried to allo"),
    ("load_4bit", ReaderError("8.0B weights take 5.3 GiB in 4 bits, 2.0 GiB are free: take"), "loading: 8.0B weights take 5.3 GiB in 4 bits")],
    ids=["training", "counting", "loading"])
def test_lack_of_memory_is_recorded_and_the_other_variant_runs(place, error, sentence, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(llama_shape, place, fail)
    main(arguments(["--shape", "tiny", "--steps", "3", "--output", str(tmp_path / "new" / "tiny.json")]))
    rows = json.loads((tmp_path / "new" / "tiny.json").read_text(encoding="utf-8"))["variants"].values()
    assert [r["out_of_memory"].startswith(sentence) and "more" not in r["out_of_memory"] for r in rows] == [True, True]
    assert [("answer_tokens_per_second" in r, "peak_bytes" in r) for r in rows] == [(place != "load_4bit", False)] * 2
    assert f"without checkpointing: out of memory while {sentence}" in capsys.readouterr().out


def test_another_error_is_no_lack_of_memory(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ReaderError("the loss is not a number at step 3")

    monkeypatch.setattr(llama_shape, "fine_tune", fail)
    with pytest.raises(ReaderError, match="not a number"):
        main(arguments(["--shape", "tiny", "--output", str(tmp_path / "tiny.json")]))


def test_without_unsloth_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    main(arguments(["--backend", "unsloth", "--output", str(tmp_path / "unsloth.json")]))
    assert capsys.readouterr().out == "unsloth: not run, it is not installed\n" and not (tmp_path / "unsloth.json").exists()


def test_a_checkpoint_is_written_once_and_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    shape = make_shape("tiny")
    model = load(shape, tmp_path / "model")
    assert (model.lm_head.weight.abs().sum(1) == 0).tolist() == [True] + 511 * [False]  # the end of sequence is never the likeliest token
    monkeypatch.setattr(llama_shape, "measure", lambda *_, **__: {})
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "model").iterdir()}
    main(arguments(["--shape", "tiny", "--folder", str(tmp_path / "model"), "--output", str(tmp_path / "tiny.json")]))
    assert before == {f: f.stat().st_mtime_ns for f in (tmp_path / "model").iterdir()}
    assert len(list((tmp_path / "model").glob("*.safetensors"))) == 2 + 3  # a layer each; embeddings, last norm, head
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Disk", (), {"free": 1e6}))
    with pytest.raises(ReaderError, match="^the checkpoint takes 16 GB: name a --folder with as much room$"):
        write_checkpoint(LLAMA, tmp_path, torch.device("cpu"))
