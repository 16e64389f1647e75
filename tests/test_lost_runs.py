"""The run that is lost: a workspace on Drive fails, lies or goes away, and what was saved is found again, to the bit."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from conftest import make_gpt, make_runtime
from datasets import Dataset, DatasetDict
from faulty import READ_ONLY, faulty, late, mounted_elsewhere
from test_training import PowerCut, assert_same, cut_power, folder_of, outcome
from tiny_run import on_call, tiny_run
from transformers import AutoModelForCausalLM

from helpers import checkpoints, runs, training
from helpers.runs import Run, SystemMonitor
from helpers.runtime import ReaderError, setup
from helpers.tokens import tokenize, train_bpe

CODES = {errno.EIO: "Input/output error", errno.ENOSPC: "No space left on device"}
ADVICE = r"; what was saved before is intact: see that the folder can be written and has \d+\.\d MB free, then run this again"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(runs, "PAUSE", 0.0)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The outcome of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    tiny_run(folder)
    return outcome(folder)


@pytest.fixture
def cut(tmp_path, monkeypatch):
    """The folder of a run that ended as step 11 began: checkpoints of steps 6 and 9, the best of step 8, a log of 10 steps."""
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(training, "train_step", on_call(11, cut_power, training.train_step))
        tiny_run(tmp_path)
    folder = folder_of(tmp_path)
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {f"{n}.safetensors" for n in ("best", "step-000006", "step-000009")}
    assert checkpoints.read(folder / "checkpoints" / "best.safetensors")[1]["step"] == 8
    return folder


def fails(workspace, **settings):
    """The one sentence with which a run ends."""
    with pytest.raises(ReaderError) as error:
        tiny_run(workspace, **settings)
    assert "\n" not in str(error.value) and str(workspace) not in str(error.value)
    return str(error.value)


def whole_files(workspace):
    """Every checkpoint in the workspace can be read, and so can the log."""
    for file in Path(workspace).rglob("*.safetensors"):
        checkpoints.read(file)
    return [Run(file) for file in Path(workspace).rglob("log.jsonl")]


# Writing fails.

WRITES = {  # what is written -> (file, how many writes go well before)
    "first checkpoint": ("step-*.tmp", 0), "third checkpoint": ("step-*.tmp", 2), "last checkpoint": ("step-*.tmp", 4),
    "first best": ("best.tmp", 0), "a better best": ("best.tmp", 2),
    "header": ("log.tmp", 0), "a row": ("log.*", 9), "closing row": ("log.*", 18),
}


@pytest.mark.parametrize("kind, what", [*(("write", what) for what in WRITES), ("rename", "last checkpoint"), ("rename", "a better best"),
                                        ("rename", "header"), ("make", "first checkpoint"), ("open", "a row")])
def test_one_failure_is_only_a_hiccup(kind, what, expected, tmp_path):
    pattern, skip = WRITES[what] if kind != "make" else ("*", 0)
    with faulty(tmp_path, kind, pattern=pattern, skip=skip, times=1) as faults:
        run, _ = tiny_run(tmp_path)
    assert faults.seen > faults.skip and run.complete
    assert_same(tmp_path, expected)


@pytest.mark.parametrize("code, what", [*((errno.EIO, what) for what in WRITES), (errno.ENOSPC, "third checkpoint"), (errno.ENOSPC, "a row")])
def test_writes_that_fail_end_in_a_sentence_and_the_run_goes_on_later(code, what, expected, tmp_path):
    pattern, skip = WRITES[what]
    with faulty(tmp_path, "write", pattern=pattern, skip=skip, code=code):
        sentence = fails(tmp_path)
    assert re.fullmatch(rf"path/to/\S+ could not be written \({CODES[code]}\){ADVICE}", sentence)
    whole_files(tmp_path)
    assert tiny_run(tmp_path)[0].complete
    assert_same(tmp_path, expected)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("what", ["third checkpoint", "a better best", "header"])
def test_renames_that_fail_end_in_a_sentence_and_the_run_goes_on_later(what, expected, tmp_path):
    pattern, skip = WRITES[what]
    with faulty(tmp_path, "rename", pattern=pattern, skip=skip):
        assert re.search(rf"could not be written \(Input/output error\){ADVICE}$", fails(tmp_path))
    whole_files(tmp_path)
    tiny_run(tmp_path)
    assert_same(tmp_path, expected)


@pytest.mark.parametrize("name", ["best.tmp", "log.tmp"])
def test_cut_in_the_middle_of_a_rename_that_is_not_atomic(name, expected, cut, monkeypatch):
    replace = os.replace

    def not_atomic(source, target):
        if Path(source).name == name:
            Path(target).unlink(missing_ok=True)
            raise PowerCut
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(os, "replace", not_atomic)
        tiny_run(cut.parent)
    tiny_run(cut.parent)
    assert_same(cut.parent, expected)


@pytest.mark.parametrize("code, reason", [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission denied")])
def test_a_folder_that_is_read_only_before_setup(code, reason, tmp_path, capsys):
    with faulty(tmp_path, *READ_ONLY, code=code), pytest.raises(ReaderError) as error:
        setup("01", workspace=tmp_path)
    assert str(error.value).startswith(f"the workspace path/to/01 cannot be written ({reason}): ")


@pytest.mark.parametrize("skip, code, reason", [(0, errno.EROFS, "Read-only file system"), (8, errno.EROFS, "Read-only file system"),
                                                (15, errno.EACCES, "Permission denied"), (30, errno.EROFS, "Read-only file system")])
def test_a_folder_that_turns_read_only_in_the_middle_of_a_run(code, reason, skip, expected, tmp_path):
    with faulty(tmp_path, *READ_ONLY, code=code, skip=skip):
        assert re.fullmatch(rf"path/to/\S+ could not be written \({reason}\){ADVICE}", fails(tmp_path))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.safetensors")}
    whole_files(tmp_path)
    with faulty(tmp_path, *READ_ONLY, code=code):
        fails(tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.safetensors")} == before
    tiny_run(tmp_path)
    assert_same(tmp_path, expected)


def test_old_checkpoints_that_cannot_be_removed_do_not_stop_the_run(expected, tmp_path):
    with faulty(tmp_path, "remove"):
        tiny_run(tmp_path)
    assert_same(tmp_path, expected)


# Files appear late.

@pytest.mark.parametrize("share", [None, 0.0, 0.5], ids=["missing", "empty", "half"])
@pytest.mark.parametrize("names", [["checkpoints/step-000009.safetensors"], ["log.jsonl"], ["checkpoints/step-000009.safetensors", "log.jsonl"]],
                         ids=["newest checkpoint", "log", "both"])
def test_a_late_checkpoint_or_log_is_made_up_for(share, names, expected, cut):
    with late(*[cut / name for name in names], share=share):
        tiny_run(cut.parent)
        assert_same(cut.parent, expected)
    assert tiny_run(cut.parent)[0].complete  # what appeared in the meantime does no harm
    assert_same(cut.parent, expected)


def test_a_late_checkpoint_that_appears_in_the_middle_of_the_run(expected, cut):
    newest = cut / "checkpoints" / "step-000009.safetensors"
    content = newest.read_bytes()
    newest.unlink()
    tiny_run(cut.parent, on_log=lambda run: newest.exists() or newest.write_bytes(content))
    assert_same(cut.parent, expected)


@pytest.mark.parametrize("share, pattern, with_log", [(None, "best.*", True), (0.5, "best.*", True), (0.0, "best.*", False), (None, "*", True),
                                                      (0.0, "*", False), (0.5, "*", True)])
def test_what_cannot_be_made_up_for_is_waited_for(share, pattern, with_log, expected, cut):
    files = [*(cut / "checkpoints").glob(pattern), *([] if with_log else [cut / "log.jsonl"])]
    with late(*files, share=share):
        before = {p: p.read_bytes() for p in cut.rglob("*.*")}
        assert re.fullmatch(r"path/to/\S+ holds a run but no intact checkpoint with its best.safetensors: files on Drive appear late, so wait "
                            r"a minute and run this again; if it never comes, copy .+ or delete this folder to train anew", fails(cut.parent))
        assert {p: p.read_bytes() for p in cut.rglob("*.*")} == before  # nothing is begun anew over it
    tiny_run(cut.parent)
    assert_same(cut.parent, expected)


def test_best_weights_that_never_come_can_be_done_without(expected, cut):
    best = cut / "checkpoints" / "best.safetensors"
    best.unlink()
    fails(cut.parent)
    best.write_bytes(best.with_name("step-000009.safetensors").read_bytes())  # the way out that the sentence names
    tiny_run(cut.parent)
    assert_same(cut.parent, expected)


def test_best_weights_older_than_the_newest_checkpoint_go_with_the_one_before_it(expected, cut, capsys):
    best = cut / "checkpoints" / "best.safetensors"
    tensors, _ = checkpoints.read(best)
    model = make_gpt(dropout=0.2)
    checkpoints.restore(tensors, model)
    checkpoints.save(best, model, step=4)  # what an upload that never came leaves; the newest checkpoint knows of step 8
    capsys.readouterr()
    tiny_run(cut.parent)
    out = capsys.readouterr().out
    assert out.startswith("step-000009.safetensors cannot be used (best.safetensors is older than it): using the one before it\nresuming at step 6 ")
    assert_same(cut.parent, expected)


def test_late_files_of_a_complete_run(expected, tmp_path):
    tiny_run(tmp_path)
    folder = folder_of(tmp_path)
    for share in (None, 0.0, 0.3, 0.99):
        with late(folder / "log.jsonl", share=share):
            assert tiny_run(tmp_path)[0].complete
            assert_same(tmp_path, expected)
    with late(folder / "checkpoints" / "best.safetensors"):
        assert re.fullmatch(r"path/to/\S+ has no intact best.safetensors \(best.safetensors is missing\): files on Drive .+", fails(tmp_path))
    assert tiny_run(tmp_path)[0].complete
    assert_same(tmp_path, expected)


# The log and the checkpoints do not agree.

def edit(log, change):
    """Change the lines of a log."""
    log.write_text("".join(f"{json.dumps(row)}\n" for row in change([json.loads(line) for line in log.read_text().splitlines()])))


@pytest.mark.parametrize("change", [
    lambda rows: rows[1:], lambda rows: rows[:1], lambda rows: rows[:5], lambda rows: rows[:-1], lambda rows: [], lambda rows: rows[:4] + rows[8:],
    lambda rows: [*rows, dict(kind="metric", step=11, tokens=704, loss=1.0), dict(kind="metric", step=12, tokens=768, val_loss=1.0)],
    lambda rows: [*rows, *rows[-3:]], lambda rows: [rows[0], *reversed(rows[1:])],
], ids=["no header", "header alone", "older", "a row short", "empty", "a gap", "newer", "doubled rows", "out of order"])
def test_the_log_becomes_that_of_the_checkpoint(change, expected, cut):
    edit(cut / "log.jsonl", change)
    run, _ = tiny_run(cut.parent)
    assert_same(cut.parent, expected)
    assert Run(run.file).rows == run.rows and run.header["steps"] == 12
    assert [r["step"] for r in run.rows if "loss" in r] == list(range(1, 13))
    assert [r["step"] for r in run.rows if r["kind"] == "metric" and "val_loss" in r] == [0, 4, 8, 12]


def test_a_complete_log_without_its_header_is_mended(expected, tmp_path):
    run, _ = tiny_run(tmp_path)
    edit(run.file, lambda rows: rows[1:])
    tiny_run(tmp_path)
    assert_same(tmp_path, expected)
    assert Run(run.file).header["settings_hash"] == run.header["settings_hash"]


def test_a_log_that_cannot_be_read_is_one_sentence(expected, cut):
    with faulty(cut, "read", code=errno.ENOTCONN):
        assert re.fullmatch(r"path/to/\S+/log.jsonl could not be read \(.+\): run this again when the folder is there", fails(cut.parent))
    tiny_run(cut.parent)
    assert_same(cut.parent, expected)


# The runtime is recycled.

def test_a_recycled_runtime_finds_its_run(expected, tmp_path, capsys):
    script, machine = Path(__file__).with_name("tiny_run.py"), tmp_path / "machine"  # where all else is that the process may keep
    machine.mkdir()
    child = subprocess.run([sys.executable, script, tmp_path / "drive", "float32", "step:8"], check=False, capture_output=True, timeout=120,
                           env=os.environ | dict(HOME=str(machine), TMPDIR=str(machine), XDG_CACHE_HOME=str(machine)))
    assert child.returncode == -signal.SIGKILL
    shutil.rmtree(machine)
    workspace = mounted_elsewhere(tmp_path / "drive", "mounted")
    assert "at step 6 of 12, saved " in str(make_runtime(workspace))
    tiny_run(workspace)
    assert re.match(r"resuming at step 6 of 12, saved \d\d:\d\d, in path/to/", capsys.readouterr().out)
    assert_same(workspace, expected)


# The system monitor, which writes from its own thread.

@pytest.fixture
def loud(monkeypatch):
    """What reached the hook for errors that end a thread; a reader sees those as a traceback."""
    errors = []
    monkeypatch.setattr("threading.excepthook", errors.append)
    return errors


def test_a_row_that_the_monitor_cannot_write_comes_with_the_next_one(tmp_path, loud, capsys):
    run = Run(tmp_path / "log.jsonl")
    run.begin({"seed": 1})
    with faulty(tmp_path, "write"), SystemMonitor(run, interval=0.01):
        while not run.torn:
            sum(range(1000))
    run.log(step=1, loss=2.0)
    assert Run(run.file).rows == run.rows and run.rows[-1]["step"] == 1 and run.rows[0]["kind"] == "system"
    assert not loud and not capsys.readouterr().out  # the next row tells the reader, if it fails too


def test_a_sensor_that_fails_is_one_sentence_and_the_run_goes_on(expected, tmp_path, loud, monkeypatch, capsys):
    def broken():
        raise ValueError("not sure how to interpret line '7 0 loop0'")

    monkeypatch.setattr(psutil, "disk_io_counters", broken)
    tiny_run(tmp_path)
    sentence = "the system monitor stopped (not sure how to interpret line '7 0 loop0'): the run goes on without its rows\n"
    assert capsys.readouterr().out.endswith(sentence) and not loud
    assert_same(tmp_path, expected)


# Token files and the final model.

TEXTS = ["the cat sat on the mat", "a hat, a mat, and that's that"]


@pytest.fixture
def bpe():
    return train_bpe(TEXTS * 3, vocab_size=270)


@pytest.fixture
def dataset():
    return DatasetDict(train=Dataset.from_dict({"text": TEXTS}))


@pytest.mark.parametrize("kind", ["write", "rename", "make"])
def test_token_files_are_written_whole_or_not_at_all(kind, dataset, bpe, tmp_path):
    folder = tmp_path / "tokens"
    with faulty(tmp_path, kind), pytest.raises(ReaderError, match=rf"^path/to/train-\w+.npy could not be written \(Input/output error\){ADVICE}$"):
        tokenize(dataset, bpe, folder)
    assert not folder.exists() or not list(folder.iterdir())
    with faulty(tmp_path, kind, times=1):
        assert bpe.decode(tokenize(dataset, bpe, folder)["train"]) == "".join(t + "<|endoftext|>" for t in TEXTS)


@pytest.mark.parametrize("share", [None, 0.0, 0.1, 0.9])
def test_a_late_token_file_is_made_again(share, dataset, bpe, tmp_path):
    before = np.array(tokenize(dataset, bpe, tmp_path)["train"])
    with late(*tmp_path.iterdir(), share=share):
        assert np.array_equal(tokenize(dataset, bpe, tmp_path)["train"], before)


@pytest.mark.parametrize("pattern", ["model.*", "tokenizer.*", "config.*"])
@pytest.mark.parametrize("kind", ["write", "rename"])
def test_the_final_model_is_written_whole_or_stays_as_it_was(pattern, kind, gpt, bpe, tmp_path):
    folder = tmp_path / "model_final"
    gpt.save_pretrained(folder, bpe)
    with faulty(tmp_path, kind, pattern=pattern), pytest.raises(ReaderError, match=rf"could not be written \(Input/output error\){ADVICE}$"):
        make_gpt(seed=1).save_pretrained(folder, bpe)
    assert not list(folder.glob("*.tmp"))
    AutoModelForCausalLM.from_pretrained(folder)
    with faulty(tmp_path, kind, pattern=pattern, times=1):
        make_gpt(seed=1).save_pretrained(folder, bpe)
    torch.testing.assert_close(type(gpt).from_pretrained(folder).wte.weight, make_gpt(seed=1).wte.weight)


# What the setup line found.

def test_the_setup_line_says_where_the_run_will_go_on(cut):
    now = 1_700_000_000
    for file in (cut / "checkpoints").iterdir():
        os.utime(file, (now, now))
    line = str(make_runtime(cut.parent)).splitlines()[-1]
    assert re.fullmatch(rf"workspace path/to/.+: {cut.name} at step 9 of 12, saved 2023-11-\d\d \d\d:\d\d", line)
