"""The command that fine-tunes by a settings file: one process or two, cut and run again, and bad files in one sentence."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch
from conftest import make_runtime
from safetensors.torch import load_file
from test_pretrain import some_text
from test_training import PowerCut, cut_power, without_clock
from tiny_run import on_call
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import finetune, finetuning
from helpers.blocks import StreamBlocks, fingerprint_blocks
from helpers.corpora import OFFLINE
from helpers.finetune import Job, read_job
from helpers.finetuning import FineTuneConfig, settings_of, training_arguments
from helpers.runs import Run
from helpers.runtime import REPOSITORY
from helpers.tuner import Recorder

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TUNE = FineTuneConfig(batch_size=4, micro_batch_size=1, epochs=2, learning_rate=1e-3, warmup_steps=2, eval_every=3)
KILLED = """if True:
    import os, signal, time
    from helpers import finetune, tuner

    def begin(self, args, state, *_, before=tuner.Recorder.on_step_begin, **named):
        os.kill(os.getpid(), signal.SIGKILL) if state.global_step == 4 else before(self, args, state, *_, **named)

    def save(self, folder, before=tuner.FineTuner._save_rng_state):
        time.sleep(tuner.rank())  # the second process is late
        before(self, folder)

    tuner.Recorder.on_step_begin, tuner.FineTuner._save_rng_state = begin, save
    finetune.main()"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of local copies: few articles, and a base without dropout; rehearsals of six steps."""
    folder, lines = tmp_path_factory.mktemp("data"), [f" {line}. \n" for line in some_text().split(" .")]
    (folder / "wikitext2").mkdir()
    for part, name in enumerate(("train", "valid", "test")):
        text = "".join(f" \n = The {n} = \n \n{line}" for n, line in enumerate(lines[part::3]))
        (folder / "wikitext2" / f"{name}.txt").write_text(text)
    shutil.copytree(OFFLINE / "base", folder / "gpt2")
    config = json.loads((folder / "gpt2" / "config.json").read_text()) | {"resid_pdrop": 0.0, "embd_pdrop": 0.0}
    (folder / "gpt2" / "config.json").write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPT_SERIES_STEPS", "6")
        patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        yield folder


@pytest.fixture(scope="module")
def settings(place):
    """The settings file: 17 blocks, so that of an epoch's five steps the last has one block, and five for validation."""
    Job(profile="cpu", data=str(place), seed=7, base=None, size=2, block_size=24, train_tokens=17 * 24 + 3, validation_tokens=5 * 24 + 3,
        tune=TUNE).save(place / "settings.json")
    return place / "settings.json"


@pytest.fixture(scope="module")
def single(settings, place):
    """The `Run` of one process that nothing interrupts."""
    finetune.main([str(settings), "--output", str(place / "single")])
    return run_in(place / "single")


def run_in(output):
    return Run(next(output.with_name(f"{output.name}-rehearsal").glob("03/*/log.jsonl")))


def torchrun(*command):
    """Two processes; judged by their log, not by their exit code: gloo aborts now and then when it is taken down, after the work is done."""
    subprocess.run([sys.executable, "-m", *TORCHRUN, *command], cwd=REPOSITORY, check=False, capture_output=True, timeout=180,
                   env=os.environ | {"PYTHONPATH": str(REPOSITORY)})


def assert_same_curves(run, expected):
    for name, count in (("loss", 6), ("grad_norm", 6), ("val_loss", 3)):
        steps, values = expected.curve(name, x="step")
        assert len(steps) == count
        assert run.curve(name, x="step")[0].tolist() == steps.tolist()  # one process writes the log
        assert run.curve(name, x="step")[1] == pytest.approx(values, abs=1e-4)
    assert run.complete and run.end["best_step"] == expected.end["best_step"]


# One process.

def test_a_settings_file_becomes_a_run(single, settings):
    header, end = single.header, single.end
    assert (header["notebook"], header["profile"], header["seed"]) == ("03", "cpu", 7)
    asked = {k: v for k, v in json.loads(settings.read_text())["tune"].items() if k not in ("lora_rank", "new_tokens", "patience")}
    assert header["settings"]["tune"] | {"micro_batch_size": 1, "checkpointing": False} == asked
    train, validation = (np.load(next(single.file.parents[1].glob(f"tokens/{split}-*.npy"))) for split in ("train", "validation"))
    assert header["data"] == fingerprint_blocks(StreamBlocks(train[: 17 * 24 + 3], 24), StreamBlocks(validation[: 5 * 24 + 3], 24))
    rows = [r for r in single.rows if "loss" in r]
    assert [r["step"] for r in rows] == list(range(1, 7)) and rows[4]["tokens"] == 17 * 23 and rows[4]["epoch"] == 1.0
    assert single.curve("val_loss", x="step")[0].tolist() == [0, 3, 6] and end["val_loss"] < end["first_val_loss"] - 0.5
    folder = single.file.parent / "model_final"
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() == header["settings"]["parameters"]
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == AutoTokenizer.from_pretrained(OFFLINE / "base").get_vocab()


@pytest.mark.parametrize("from_notebook", [False, True])
def test_a_complete_run_is_read_from_its_log(from_notebook, single, settings, place, monkeypatch, capsys):
    """With --output, and with the settings file where notebook 03 writes it."""
    command = [str(settings), "--output", str(place / "single")]
    if from_notebook:
        command = [shutil.copy(settings, single.file.parents[1])]
    files = {p: p.read_bytes() for p in single.file.parent.rglob("*.*")}
    monkeypatch.setattr(finetuning, "FineTuner", lambda *_, **__: pytest.fail("something was trained"))
    finetune.main(command)
    assert {p: p.read_bytes() for p in single.file.parent.rglob("*.*")} == files
    said, last = capsys.readouterr().out.splitlines()[-2:]
    assert re.fullmatch(r"complete since \d{4}-\d\d-\d\d \d\d:\d\d: read from path/to/03/cpu-\w{8}", said)
    end = single.end
    assert last == (f"validation loss {end['first_val_loss']:.3f} -> {end['val_loss']:.3f} nats per token (best at step 6), "
                    f"{end['tokens_per_second']:,.0f} tokens/s, complete; log: path/to/03/{single.file.parent.name}/log.jsonl")


def test_cut_and_run_again_ends_the_same(single, settings, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Recorder, "on_step_begin", on_call(5, cut_power, Recorder.on_step_begin))
        finetune.main([str(settings), "--output", str(tmp_path / "cut")])
    finetune.main([str(settings), "--output", str(tmp_path / "cut")])
    assert "\nresuming at step 3 of 10" in capsys.readouterr().out
    again = run_in(tmp_path / "cut")
    rows, expected = ([without_clock(r) for r in run.rows if r["kind"] != "system"] for run in (again, single))
    assert rows == expected
    weights = [load_file(run.file.parent / "model_final" / "model.safetensors") for run in (again, single)]
    torch.testing.assert_close(*weights, atol=0, rtol=0)


def test_a_settings_file_says_what_was_saved(settings, tmp_path):
    job = replace(read_job(settings), base="openai-community/gpt2", tune=FineTuneConfig(way="lora", new_tokens=(5, 6), patience=3))
    job.save(tmp_path / "settings.json")
    read = read_job(tmp_path / "settings.json")
    assert replace(read, tune=job.tune) == job and read.tune.patience == 3
    before, after = (settings_of(SimpleNamespace(num_parameters=lambda: 1), tune, make_runtime(tmp_path)) for tune in (job.tune, read.tune))
    assert after == before  # so that what a notebook has begun goes on


# Two processes.

def test_two_processes_give_the_single_processs_curves(single, settings, tmp_path):
    torchrun("-m", "helpers.finetune", str(settings), "--output", str(tmp_path / "out"))
    double = run_in(tmp_path / "out")
    assert_same_curves(double, single)
    assert double.file.parent.name == single.file.parent.name and (double.file.parent / "model_final" / "model.safetensors").exists()
    assert double.curve("tokens", x="step")[1].tolist() == single.curve("tokens", x="step")[1].tolist()


def test_two_processes_that_were_killed_go_on_as_one(single, settings, tmp_path, capsys):
    (tmp_path / "killed.py").write_text(KILLED)
    torchrun(str(tmp_path / "killed.py"), str(settings), "--output", str(tmp_path / "out"))
    (sums,) = tmp_path.rglob("checkpoint-3/sums.json")
    assert {"rng_state_0.pth", "rng_state_1.pth"} < json.loads(sums.read_text()).keys()  # sealed when both had written
    finetune.main([str(settings), "--output", str(tmp_path / "out")])
    assert "\nresuming at step 3 of 10" in capsys.readouterr().out
    assert_same_curves(run_in(tmp_path / "out"), single)


@pytest.mark.parametrize("batch, micro, passes", [(8, 2, (2, 2)), (8, None, (4, 1)), (2, 1, (1, 1)), (4, 4, (2, 1))])
def test_a_batch_is_shared_by_the_processes(batch, micro, passes, monkeypatch, tmp_path):
    monkeypatch.setattr(finetuning, "world", lambda: 2)
    args = training_arguments(FineTuneConfig(batch_size=batch, micro_batch_size=micro), make_runtime(tmp_path), tmp_path)
    assert (args.per_device_train_batch_size, args.gradient_accumulation_steps) == passes


# What goes wrong.

@pytest.mark.parametrize("change, processes, sentence", [
    (lambda v: v.pop("seed"), 1, "ReaderError: {file} is not a settings file (Job.__init__() missing 1 required positional argument: 'seed'): "),
    (lambda v: v.pop("tune"), 1, "ReaderError: {file} is not a settings file ('tune'): notebook 03 writes one"),
    (lambda v: v.update(batch=3), 1, "ReaderError: {file} is not a settings file (Job.__init__() got an unexpected keyword argument 'batch'): "),
    (lambda v: v["tune"].update(rate=3), 1, "ReaderError: {file} is not a settings file (FineTuneConfig.__init__() got an unexpected keyword "),
    (lambda v: v["tune"].update(way="half"), 1, "ValueError: unknown way 'half': choose one of full, lora, 8bit"),
    (lambda v: v["tune"].update(batch_size=0), 1, "ValueError: batch_size must be at least 1, got 0"),
    (lambda v: v["tune"].update(batch_size=9), 2, "ValueError: batch_size must be a multiple of the 2 processes, got 9"),
    (lambda v: v["tune"].update(batch_size=1, micro_batch_size=None), 2, "ValueError: batch_size must be a multiple of the 2 processes, got 1"),
    (lambda v: v["tune"].update(batch_size=8, micro_batch_size=3), 2, "ValueError: micro_batch_size must divide batch_size (8) among 2 processes, got 3"),
    (lambda v: v["tune"].update(micro_batch_size=8), 1, "ValueError: micro_batch_size must divide batch_size (4), got 8"),
    (lambda v: v.update(block_size=257), 1, "ValueError: block_size must be between 2 and the model's context (256), got 257"),
    (lambda v: v.update(block_size=0), 1, "ValueError: block_size must be between 2 and the model's context (256), got 0"),
    (lambda v: v.update(train_tokens=24), 1, "ReaderError: the train text has 24 tokens, fewer than one block of 24"),
])
def test_bad_settings_are_one_sentence(change, processes, sentence, settings, tmp_path, monkeypatch):
    change(values := json.loads(settings.read_text()))
    (file := tmp_path / "bad.json").write_text(json.dumps(values))
    monkeypatch.setattr(finetuning, "world", lambda: processes)
    with pytest.raises(SystemExit) as exit:
        finetune.main([str(file), "--output", str(tmp_path / "out")])
    assert str(exit.value).startswith(sentence.format(file="path/to/bad.json")) and "\n" not in str(exit.value)


@pytest.mark.parametrize("content, sentence", [
    (None, "the settings file path/to/bad.json could not be read (No such file or directory): notebook 03 writes one"),
    (b"profile: cpu", "path/to/bad.json is not a settings file (Expecting value: line 1 column 1 (char 0)): notebook 03 writes one"),
    (b"[1]", "path/to/bad.json is not a settings file (list indices must be integers or slices, not str): notebook 03 writes one"),
    (b'{"tune": "\xff"}', "path/to/bad.json is not a settings file ('utf-8' codec can't decode byte 0xff in position 10: invalid start byte): ")])
def test_a_file_that_is_no_settings_file_is_one_sentence(content, sentence, tmp_path):
    if content:
        (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(SystemExit) as exit:
        finetune.main([str(tmp_path / "bad.json")])
    assert str(exit.value).startswith(f"ReaderError: {sentence}") and "\n" not in str(exit.value)


def test_the_sentence_is_all_that_a_reader_sees():
    child = subprocess.run([sys.executable, "-m", "helpers.finetune", "no/such.json"], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    sentence = "ReaderError: the settings file no/such.json could not be read (No such file or directory): notebook 03 writes one\n"
    assert (child.returncode, child.stdout, child.stderr) == (1, "", sentence)


def test_processes_on_a_cpu_find_a_group_where_there_is_a_card(settings, monkeypatch):
    groups = []
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(finetune.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(finetune.dist, "init_process_group", groups.append)
    monkeypatch.setattr(finetune, "read_job", lambda file: (_ for _ in ()).throw(ValueError("enough")))
    with pytest.raises(SystemExit, match="enough"):
        finetune.main([str(settings)])
    assert groups == ["cpu:gloo,cuda:nccl"]
