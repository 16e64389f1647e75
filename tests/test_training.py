"""Exact resume: whatever interrupts a run, the same run started again ends as the uninterrupted one does, to the bit."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import make_gpt
from tiny_run import on_call, tiny_run

from helpers import checkpoints, training
from helpers.runs import Run

CLOCK = ("seconds", "step_seconds", "tokens_per_second", "peak_memory_bytes")  # what differs from run to run
NAMES = {torch.float32: "float32", torch.float16: "float16"}


class PowerCut(BaseException):
    """Ends a run where it stands, in the test's own process."""


def cut_power(*_, **__):
    raise PowerCut


def folder_of(workspace):
    (folder,) = Path(workspace).iterdir()  # one run, one folder
    return folder


def without_clock(row):
    return {k: v for k, v in row.items() if k not in CLOCK}


def outcome(workspace):
    """What a run leaves: the last checkpoint (weights, optimizer), the best weights, the state, the log; without clock times."""
    folder = folder_of(workspace)
    tensors, state = checkpoints.latest(folder / "checkpoints")
    best, _ = checkpoints.read(folder / "checkpoints" / "best.safetensors")
    state["rows"] = [without_clock(row) for row in state["rows"] if row["kind"] != "system"]
    log = [without_clock(row) for row in Run(folder / "log.jsonl").rows if row["kind"] != "system"]
    return tensors, best, without_clock(state), log


def assert_same(workspace, expected):
    tensors, best, state, log = outcome(workspace)
    torch.testing.assert_close(tensors, expected[0], atol=0, rtol=0)
    torch.testing.assert_close(best, expected[1], atol=0, rtol=0)
    assert state == expected[2]
    assert log == expected[3]


def start_child(workspace, dtype, when):
    script = Path(__file__).with_name("tiny_run.py")
    return subprocess.run([sys.executable, script, workspace, NAMES[dtype], when], check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """dtype -> the outcome of a run that nothing interrupts."""
    outcomes = {}
    for dtype, name in NAMES.items():
        tiny_run(tmp_path_factory.mktemp(name), dtype)
        outcomes[dtype] = outcome(tmp_path_factory.getbasetemp() / f"{name}0")
    return outcomes


def test_the_run_is_worth_comparing(uninterrupted):
    tensors, _, state, log = uninterrupted[torch.float32]
    losses = [row["val_loss"] for row in log if row["kind"] == "metric" and "val_loss" in row]
    assert len(losses) == 4 and losses[-1] < losses[0]  # at steps 0, 4, 8 and 12: it learns
    assert [row["step"] for row in log if "loss" in row] == list(range(1, 13))
    assert {key.split(".")[0] for key in tensors} == {"model", "optimizer"}
    assert log[-1]["status"] == "complete" and state["step"] == 12
    assert uninterrupted[torch.float16][2]["scaler"]["_growth_tracker"] > 0


@pytest.mark.parametrize("dtype, when", [
    (torch.float32, "step:6"), (torch.float32, "write:5"), (torch.float32, "end:1"), (torch.float16, "step:9"),
], ids=lambda value: NAMES.get(value, value))
def test_killed_and_run_again(dtype, when, uninterrupted, tmp_path):
    assert start_child(tmp_path, dtype, when).returncode == -signal.SIGKILL
    run, _ = tiny_run(tmp_path, dtype)
    assert run.complete
    assert_same(tmp_path, uninterrupted[dtype])
    assert not list(tmp_path.rglob("*.tmp"))


def test_killed_again_and_again(uninterrupted, tmp_path):
    for when in ("write:2", "step:5"):
        assert start_child(tmp_path, torch.float32, when).returncode == -signal.SIGKILL
    tiny_run(tmp_path)
    assert_same(tmp_path, uninterrupted[torch.float32])


def test_stop_button_saves_and_the_next_run_goes_on(uninterrupted, tmp_path):
    child = start_child(tmp_path, torch.float32, "stop:5")
    folder = folder_of(tmp_path)
    assert child.returncode == 1
    assert child.stderr.splitlines()[-1] == ("you stopped the training at step 5 of 12; everything is saved in "
                                             f"path/to/{tmp_path.name}/{folder.name}: run this cell again to go on")
    assert Run(folder / "log.jsonl").end["status"] == "stopped"
    assert checkpoints.latest(folder / "checkpoints")[1]["step"] == 5
    tiny_run(tmp_path)
    assert_same(tmp_path, uninterrupted[torch.float32])


@pytest.mark.parametrize("step", range(1, 13))
def test_cut_at_any_step_and_run_again_in_the_same_session(step, uninterrupted, tmp_path, monkeypatch):
    model = make_gpt(dropout=0.2)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(training, "train_step", on_call(step, cut_power, training.train_step))
        tiny_run(tmp_path, model=model)
    tiny_run(tmp_path, model=model)  # the model in memory has trained already: its weights come from the checkpoint
    assert_same(tmp_path, uninterrupted[torch.float32])


def test_an_early_stop_is_remembered(tmp_path, monkeypatch):
    stale = dict(learning_rate=0.0, min_learning_rate=0.0, patience=1)  # nothing is learned: no evaluation is better than the first
    run, _ = tiny_run(tmp_path / "whole", **stale)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(training.Trainer, "finish", cut_power)
        tiny_run(tmp_path / "cut", **stale)
    tiny_run(tmp_path / "cut", **stale)
    assert (run.end["status"], run.end["step"], run.end["best_step"]) == ("early stop", 4, 0)
    assert_same(tmp_path / "cut", outcome(tmp_path / "whole"))


def truncate(content):
    return content[: len(content) // 2]


def flip_a_byte(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [truncate, flip_a_byte, lambda content: b""], ids=["truncated", "one byte flipped", "empty"])
def test_damaged_newest_checkpoint_is_named_and_passed_over(damage, uninterrupted, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(training, "train_step", on_call(11, cut_power, training.train_step))
        tiny_run(tmp_path)
    newest = folder_of(tmp_path) / "checkpoints" / "step-000009.safetensors"
    newest.write_bytes(damage(newest.read_bytes()))
    capsys.readouterr()
    tiny_run(tmp_path)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("step-000009.safetensors cannot be used (") and first.endswith("): using the one before it")
    assert re.match(r"resuming at step 6 of 12, saved \d\d:\d\d, in path/to/", second)
    assert_same(tmp_path, uninterrupted[torch.float32])
