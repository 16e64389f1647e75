"""Many processes: one run, whatever their number; its data, files and curve are the single process's, and a lost one ends it in a sentence."""

import os
import re
import signal
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
from conftest import make_gpt
from test_pretrain import some_text
from test_training import assert_same, folder_of, outcome
from tiny_processes import group
from tiny_run import tiny_run

from helpers import launch, pretrain
from helpers.runs import Run
from helpers.runtime import ReaderError

LOST = "LostProcess: another process of this run has ended, or did not answer for 0.05 minutes; " + launch.AGAIN


def curves(workspace):
    return curves_in(folder_of(workspace))


def curves_in(folder):
    run = Run(folder / "log.jsonl")
    assert run.complete
    return {name: run.curve(name, x="step") for name in ("loss", "val_loss", "grad_norm")}


def assert_same_curves(found, expected):
    for name, (steps, values) in found.items():
        assert steps.tolist() == expected[name][0].tolist()  # one process writes the log, each step once
        assert values == pytest.approx(expected[name][1], **({"rel": 1e-3} if name == "grad_norm" else {"abs": 1e-4}))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The workspace of one process's run with all of its batch at once, without dropout."""
    workspace = tmp_path_factory.mktemp("alone")
    tiny_run(workspace, model=make_gpt(), micro_batch_size=None)
    return workspace


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(workspace, what each saw) of two processes that pass their halves one sequence at a time."""
    workspace = tmp_path_factory.mktemp("pair") / "workspace"
    return workspace, group(2, workspace, workspace.with_name("notes"), micro_batch_size=1)


# One curve, one order of the data, one writer.

def test_accumulation_in_two_processes_is_one_processs_whole_batch(alone, pair):
    assert_same_curves(curves(pair[0]), curves(alone))


def test_gradients_go_round_once_a_step_not_once_a_pass(pair):
    assert [seen["exchanges"] for seen in pair[1].values()] == [12, 12]  # 12 steps of two passes, one bucket


def test_the_batch_of_a_step_is_the_same_whatever_the_number_of_processes(pair, tmp_path):
    sets = {2: pair[1], **{n: group(n, tmp_path / f"workspace{n}", tmp_path / f"notes{n}", max_steps=5, eval_every=5) for n in (1, 4)}}
    batches = {n: [sorted(row for seen in ranks.values() for row in seen["rows"][step]) for step in range(5)] for n, ranks in sets.items()}
    assert [len(batch) for batch in batches[1]] == [4] * 5 and batches[1][0] != batches[1][1]
    assert batches[2] == batches[1] == batches[4]


def test_process_0_alone_writes(pair):
    assert any("log.jsonl" in file for file in pair[1][0]["writes"]) and any("checkpoints" in file for file in pair[1][0]["writes"])
    assert [file for file in pair[1][1]["writes"] if ".probe-" not in file] == []


# A lost process.

def test_from_two_processes_to_one_and_back(alone, tmp_path):
    workspace = tmp_path / "workspace"
    for processes, step in ((2, 5), (1, 4)):  # killed in step 5; gone on from 3 alone, and killed in step 7
        group(processes, workspace, tmp_path / f"notes{step}", {(rank, "die"): step for rank in range(processes)})
        assert not Run(folder_of(workspace) / "log.jsonl").complete
    assert len(group(2, workspace, tmp_path / "notes")[1]["rows"]) == 6  # from step 6 on
    assert_same_curves(curves(workspace), curves(alone))


def test_two_processes_go_on_to_the_bit_with_dropout_too(tmp_path):
    group(2, tmp_path / "whole", tmp_path / "notes", dropout=0.2)
    seen = group(2, tmp_path / "cut", tmp_path / "lost", {(1, "die"): 8}, dropout=0.2)
    assert seen == {0: seen[0]} and seen[0]["error"] == LOST
    assert len(group(2, tmp_path / "cut", tmp_path / "again", dropout=0.2)[0]["rows"]) == 6
    assert_same(tmp_path / "cut", outcome(tmp_path / "whole"))


def test_a_process_that_no_longer_answers_is_lost_too(tmp_path):
    started = time.monotonic()
    assert group(2, tmp_path / "workspace", tmp_path / "notes", {(1, "stop"): 3})[0]["error"] == LOST
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("batch, processes, fix", [
    (9, 2, "start 1 or 3 of them, or begin another run with a batch_size of 8 or 10"),
    (8, 6, "start 4 or 8 of them, or begin another run with a batch_size of 6 or 12"),
    (2, 3, "start 2 of them, or begin another run with a batch_size of 3"),
])
def test_a_batch_that_the_processes_do_not_divide(batch, processes, fix):
    with pytest.raises(ReaderError) as error:
        launch.check_share(batch, processes)
    assert str(error.value) == f"{processes} processes cannot share a batch_size of {batch} equally: {fix}"


def failure(code, words=None, at=0):
    message = {"message": words} if words else "To enable traceback see"
    return SimpleNamespace(exitcode=code, message=message, timestamp=at, signal_name=lambda: signal.Signals(-code).name)


@pytest.mark.parametrize("failures, sentence", [
    ({0: failure(1, LOST), 1: failure(-9, at=1)}, f"LostProcess: process 1 (counted from 0) was lost, SIGKILL; {launch.AGAIN}"),
    ({0: failure(-15), 1: failure(3, at=1)}, f"LostProcess: process 1 (counted from 0) was lost, exit code 3; {launch.AGAIN}"),
    ({0: failure(1, LOST), 1: failure(1, "ReaderError: no space left", at=1)}, "ReaderError: no space left"),
    ({0: failure(2), 1: failure(2)}, "ReaderError: the options are not right: the lines above say which"),
    ({0: failure(1, LOST), 1: failure(-15, at=1)}, LOST),  # the one that did not answer was ended by torchrun
    ({0: failure(1, "ValueError: second", at=2), 1: failure(1, "ValueError: first", at=1)}, "ValueError: first"),
])
def test_the_cause_is_the_first_that_was_no_consequence(failures, sentence):
    assert launch.cause(failures) == sentence


# From a notebook cell.

@pytest.fixture
def cell(tmp_path, monkeypatch):
    """A function that launches so many processes on a small text, with further options; its ``folder()`` is the run's."""
    (tmp_path / "corpus.txt").write_text(some_text())
    options = ["--corpus", str(tmp_path / "corpus.txt"), "--profile", "cpu", "--batch-size", "8", "--block-size", "16", "--n-layer", "1",
               "--n-embd", "16", "--output", str(tmp_path / "out")]

    def call(processes, *more, steps=6):
        monkeypatch.setenv("GPT_SERIES_STEPS", str(steps))
        return launch.launch(processes, *options, *more) if processes > 1 else pretrain.main([*options, *more])

    call.folder = lambda: next((tmp_path / "out-rehearsal" / "text").glob("cpu-????????"), tmp_path)
    return call


def test_a_cell_shows_process_0_and_gives_the_single_processs_curve(cell, capsys):
    cell(1)
    single, lines = curves_in(cell.folder()), capsys.readouterr().out.splitlines()
    cell(2, "--no-resume")
    shown = capsys.readouterr().out
    assert (cell.folder() / "model_final" / "model.safetensors").exists()
    assert_same_curves(curves_in(cell.folder()), single)
    assert len(single["loss"][1]) == 6 and single["loss"][1][-1] < single["loss"][1][0]
    assert shown.count("training for ") == shown.count("\nvalidation loss ") == shown.count(" training tokens, ") == 1
    assert lines[-2] in shown and "torchrun" not in shown and "Warning" not in shown


def children():
    return psutil.Process().children(recursive=True)


def when_saved(cell, step, act):
    """Do ``act`` as soon as the checkpoint of ``step`` is there; returns the times at which that was."""
    times = []

    def watch():
        while not (cell.folder() / "checkpoints" / f"step-{step:06}.safetensors").exists():
            time.sleep(0.02)
        times.append(time.monotonic())
        act()

    threading.Thread(target=watch, daemon=True).start()
    return times


def kill_process_1():
    next(p for p in children() if p.environ().get("RANK") == "1").kill()


def test_interrupted_then_killed_then_finished_by_one_process(cell, capsys, monkeypatch):
    steps, outside = 400, signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
    try:
        stopped = when_saved(cell, 100, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(ReaderError) as error:
            cell(2, "--epochs", "20", steps=steps)
        assert str(error.value) == f"you stopped the run; {launch.AGAIN}"
        assert time.monotonic() - stopped[0] < 10 and not [p for p in children() if "RANK" in p.environ()]
    finally:
        signal.signal(signal.SIGINT, outside)
    capsys.readouterr()
    killed = when_saved(cell, 200, kill_process_1)
    with pytest.raises(ReaderError) as error:
        cell(2, "--epochs", "20", steps=steps)
    assert str(error.value) == f"LostProcess: process 1 (counted from 0) was lost, SIGKILL; {launch.AGAIN}"
    assert time.monotonic() - killed[0] < 10
    out = capsys.readouterr().out
    assert re.search(r"^resuming at step [1-3]00 of ", out, re.MULTILINE) and "Traceback" not in out and "LostProcess" not in out
    cell(1, "--epochs", "20", steps=steps)
    assert re.search(r"^resuming at step [2-4]00 of ", capsys.readouterr().out, re.MULTILINE)
    run = Run(cell.folder() / "log.jsonl")
    assert run.complete and run.curve("loss", x="step")[0].tolist() == list(range(1, steps + 1))


def test_a_cell_says_in_one_sentence_what_is_wrong(cell, capsys):
    with pytest.raises(ReaderError) as error:
        cell(2, "--batch-size", "9")
    assert str(error.value) == ("2 processes cannot share a batch_size of 9 equally: start 1 or 3 of them, "
                                "or begin another run with a batch_size of 8 or 10")
    assert "cannot share" not in capsys.readouterr().out
    with pytest.raises(ReaderError, match="^processes must be between 1 and "):
        launch.launch(0)


def test_a_cpu_can_be_taken_where_there_is_a_card(monkeypatch):
    seen = {}

    class Started(Exception):
        pass

    def popen(command, env, **_):
        seen.update(env)
        raise Started

    monkeypatch.setattr(launch.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(launch.subprocess, "Popen", popen)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ReaderError, match="processes must be between 1 and 1, one a device, got 2"):
        launch.launch(2, "--corpus", "prose")
    with pytest.raises(Started):
        launch.launch(2, "--corpus", "prose", gpus=0)
    assert seen["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(Started):
        launch.launch(1, "--corpus", "prose")
    assert seen["CUDA_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize("words, got", [((), "nothing"), (("--corpus", "prose"), "--corpus"), (("0", "--corpus"), "0")])
def test_the_command_asks_for_the_number_of_processes(words, got):
    with pytest.raises(SystemExit) as exit:
        launch.main(*words)
    assert str(exit.value) == f"ReaderError: the number of processes comes first, as in python -m helpers.launch 2 --profile t4; got {got}"
