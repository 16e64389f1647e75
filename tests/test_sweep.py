"""A sweep gives each trial the same compute, survives any kill, stops bad trials, and is judged by what the runs log."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import types
import weakref
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from conftest import make_runtime, make_stream
from optuna.trial import TrialState
from tiny_run import on_call
from tiny_sweep import FLOPS, MODEL, SEED, SPACE, TRAIN, TRIALS, arrange, tiny_sweep

from helpers import sweep as sweeps
from helpers import step, training
from helpers.budget import count_parameters, flops_per_token
from helpers.model import GPT
from helpers.runs import Run
from helpers.runtime import REPOSITORY, ReaderError
from helpers.studies import finished
from helpers.sweep import ORIGINAL_SPACE, load_study, save_study, summary

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


class PowerCut(BaseException):
    """Ends a sweep where it stands, in the test's own process."""


def cut_power(*_, **__):
    raise PowerCut


def outcome(study):
    """What a study found, trial by trial; without clock times, and without the trials that a dead process left."""
    found = []
    for trial in finished(study):
        notes = {k: v for k, v in trial.user_attrs.items() if k not in ("seconds", "folder")}
        folder = trial.user_attrs.get("folder", "").split(".")[0]
        found.append((trial.state.name, trial.value, trial.params, trial.intermediate_values, notes, folder))
    return found


def log_of(sweep, trial):
    return Run(sweep.runtime.workspace / trial.user_attrs["folder"] / "log.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(sweep, study, what it printed) of a sweep that nothing interrupts."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(open(tmp_path_factory.mktemp("out") / "lines", "w+")) as out:
        patch.delenv("RANK", raising=False)
        sweep = tiny_sweep(tmp_path_factory.mktemp("whole"))
        study = sweep.run(TRIALS)
        out.seek(0)
        return sweep, study, out.read().splitlines()


@pytest.fixture
def no_training(monkeypatch):
    """Any training step fails the test."""
    monkeypatch.setattr(training, "train_step", lambda *_, **__: pytest.fail("a step was trained"))


def test_the_sweep_is_worth_comparing(whole):
    _, study, _ = whole
    trials = finished(study)
    assert len(trials) == TRIALS and {t.state for t in trials} == {COMPLETE, PRUNED, FAIL}
    assert any("relative_params" in key for key in trials[-1].system_attrs), "the last trials are the sampler's, not drawn at random"
    assert len({t.params["learning_rate"] for t in trials}) == TRIALS, "a draw was repeated"


# What each trial gets

@pytest.mark.parametrize("params", [
    {}, dict(n_layer=1), dict(n_embd=32, n_head=4), dict(batch_size=1), dict(block_size=8, learning_rate=0.5)], ids=str)
def test_each_trial_gets_the_same_compute(params, tmp_path):
    model, train = tiny_sweep(tmp_path, flops=10 * FLOPS).settings(params)
    step = flops_per_token(model)["total"] * train.batch_size * model.block_size
    assert 10 * FLOPS - step < train.max_steps * step <= 10 * FLOPS
    assert train.warmup_steps == train.max_steps // 10 and train.min_learning_rate == pytest.approx(train.learning_rate / 10)
    assert train.patience is None and train.eval_every == train.max_steps // 4
    for name, value in params.items():
        assert getattr(model if hasattr(model, name) else train, name) == value
    assert replace(model, **{k: getattr(MODEL, k) for k in params if hasattr(MODEL, k)}) == MODEL


def test_the_runs_spend_what_their_trials_say(whole):
    sweep, study, _ = whole
    for trial in (t for t in finished(study) if "folder" in t.user_attrs):
        run, (model, train) = log_of(sweep, trial), sweep.settings(trial.params)
        tokens = run.rows[-1]["tokens"] if trial.state == COMPLETE else max(r["tokens"] for r in run.rows if "tokens" in r)
        notes = trial.user_attrs
        assert notes["flops"] == tokens * flops_per_token(model)["total"] > 0 and notes["seconds"] > 0
        assert notes["parameters"] == count_parameters(model)["total"]
        if trial.state == COMPLETE:
            assert run.end["step"] == train.max_steps and notes["best_step"] == run.end["best_step"]
            assert 0.85 * FLOPS < notes["flops"] <= FLOPS


def test_micro_batches_still_divide_the_batch(tmp_path):
    sweep = tiny_sweep(tmp_path, train=replace(TRAIN, batch_size=24, micro_batch_size=8), flops=20 * FLOPS)
    assert [sweep.settings({"batch_size": size})[1].micro_batch_size for size in (24, 16, 4, 6, 3)] == [8, 8, 4, 2, 1]


def test_evaluations_stand_for_the_nearest_share_of_the_budget(tmp_path, monkeypatch):
    """19 steps and 5 evaluations: every third step and the last; none stands for a share that is nearer to another."""
    sweep, reported = tiny_sweep(tmp_path, flops=FLOPS * 19.5 / 8.5, evaluations=5, space={"dropout": ("choice", [0.1])}), []
    monkeypatch.setattr(optuna.Trial, "report", lambda self, value, share: reported.append((value, share)))
    log = log_of(sweep, sweep.run(1).trials[0])
    steps, losses = log.curve("val_loss", x="step")
    assert list(steps) == [0, 3, 6, 9, 12, 15, 18, 19]
    assert [share for _, share in reported] == [1, 2, 3, 4, 5]
    chosen = [steps[list(losses).index(value)] for value, _ in reported]
    assert chosen == [3, 9, 12, 15, 18] and np.abs(np.array(chosen) - 3.8 * np.arange(1, 6)).max() <= 1.5


# Killed and continued

def assert_continues(workspace, whole, trials=TRIALS, ends=("interrupted",)):
    study = tiny_sweep(workspace).run(trials)
    assert outcome(study) == outcome(whole[1])[:trials]
    left = [t for t in study.trials if t not in finished(study)]
    assert all(t.state == FAIL and t.user_attrs.get("end") in ends for t in left)
    return study, left


def start_child(workspace, trials, when):
    script = Path(__file__).with_name("tiny_sweep.py")
    child = subprocess.run([sys.executable, script, workspace, str(trials), when], check=False, capture_output=True, text=True, timeout=300)
    assert "Warning" not in child.stderr
    return child


def test_killed_twice_in_the_middle_of_trials(whole, tmp_path):
    assert start_child(tmp_path, TRIALS, "write:6").returncode == -signal.SIGKILL  # in the second trial, with a checkpoint half written
    assert start_child(tmp_path, TRIALS, "step:35").returncode == -signal.SIGKILL  # in the fifth, after two evaluations
    study, left = assert_continues(tmp_path, whole)
    assert [t.params for t in left] == [finished(study)[i].params for i in (1, 4)]


@pytest.mark.parametrize("when, trials", [
    ("note:3", 1), ("tell:1", 1), ("made:1", 2), ("ask:5", 2), ("asked:2", 2), ("step:11", 3), ("report:2", 2), ("note:5", 2), ("note:9", 2), ("note:11", 2), ("tell:2", 2),
    ("told:2", 3), ("step:49", 6), ("tell:6", 6),  # the first two in a trial that fails, the last two in one that is pruned
])
def test_cut_anywhere_and_run_again_in_the_same_session(when, trials, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        arrange(when, cut_power, patch.setattr)
        tiny_sweep(tmp_path).run(trials)
    assert_continues(tmp_path, whole, trials, ends=("interrupted", None, "COMPLETE", "PRUNED"))  # or not yet with all its values, or about to be told
    assert not list(tmp_path.rglob("step-*.safetensors"))


def test_cut_while_it_clears_up_after_a_kill(whole, tmp_path, monkeypatch):
    for when in ("step:11", "tell:1"):
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            arrange(when, cut_power, patch.setattr)
            tiny_sweep(tmp_path).run(2)
    assert len(assert_continues(tmp_path, whole, 2)[1]) == 1


def test_cut_in_a_trial_that_explodes_after_its_last_checkpoint(tmp_path, monkeypatch):
    """What it reported before the cut, spent and left on the disk is in its log alone."""
    monkeypatch.setattr(step, "learning_rate_at", lambda step, *_: 1e30 if step == 4 else 0.01)
    sweeps = [tiny_sweep(tmp_path / name, space={"n_layer": ("choice", [1])}) for name in ("whole", "cut")]
    for sweep in sweeps:
        sweep.runtime.workspace.mkdir()
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        arrange("step:5", cut_power, patch.setattr)
        sweeps[1].run(1)
    expected, found = (outcome(sweep.run(1)) for sweep in sweeps)
    assert found == expected and expected[0][0] == "FAIL" and list(expected[0][3]) == [1]
    assert not list(tmp_path.rglob("step-*.safetensors"))


def test_a_trial_keeps_its_settings_though_the_sampler_would_choose_others(whole, tmp_path, monkeypatch):
    """As another version of Optuna may, or another processor in the last digit."""
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        arrange("step:11", cut_power, patch.setattr)
        tiny_sweep(tmp_path).run(2)
    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda **_: optuna.samplers.RandomSampler(seed=1))
    assert_continues(tmp_path, whole, 2)


def test_a_trial_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        arrange("step:11", cut_power, patch.setattr)
        tiny_sweep(tmp_path).run(2)
    steps = []
    step = training.train_step
    monkeypatch.setattr(training, "train_step", lambda *arguments, **named: steps.append(1) or step(*arguments, **named))
    tiny_sweep(tmp_path).run(2)
    assert len(steps) == 15 - 9  # 9 of its 15 steps were saved


def test_more_trials_go_on_where_fewer_ended(whole, tmp_path):
    for trials in (1, 3, 4):
        study = tiny_sweep(tmp_path).run(trials)
        assert outcome(study) == outcome(whole[1])[:trials]


@pytest.mark.parametrize("trials", [TRIALS, 2])
def test_a_finished_sweep_trains_nothing(trials, whole, no_training, capsys):
    sweep, study, lines = whole
    content = sweep.file.read_bytes()
    assert outcome(sweep.run(trials)) == outcome(study)
    assert sweep.file.read_bytes() == content
    assert capsys.readouterr().out.splitlines() == lines[-1:]


def test_the_stop_button_ends_the_sweep_and_leaves_the_trial_to_be_continued(whole, tmp_path, monkeypatch):
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch, pytest.raises(training.Stopped, match="^you stopped the training at step 11 of 15; "):
            arrange("step:11", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT), patch.setattr)
            tiny_sweep(tmp_path).run(3)
    finally:
        signal.signal(signal.SIGINT, outside)
    assert_continues(tmp_path, whole, 3)


def test_a_full_disk_ends_the_sweep_and_leaves_the_trial_to_be_continued(whole, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(ReaderError, match=r"could not be written \(No space left on device\)"):
        patch.setattr("helpers.runs.PAUSE", 0)
        arrange("write:6", lambda *_, **__: patch.setattr("helpers.checkpoints.save_file", full), patch.setattr)
        tiny_sweep(tmp_path).run(3)
    assert_continues(tmp_path, whole, 3)


# One database, one process, one sweep

def test_of_two_processes_at_once_the_second_is_refused_and_later_goes_on(whole, tmp_path):
    script = Path(__file__).with_name("tiny_sweep.py")
    with subprocess.Popen([sys.executable, script, tmp_path, "2", "wait:11"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert "ready\n" in iter(child.stdout.readline, "")
        with pytest.raises(ReaderError) as error:
            tiny_sweep(tmp_path).run(3)
        child.communicate("go on\n", timeout=300)
    assert str(error.value) == "another process is at work on path/to/sweep.db: wait until it ends or stop it, then run this again"
    assert child.returncode == 0
    assert assert_continues(tmp_path, whole, 3)[1] == []


@pytest.mark.parametrize("changes, words", [
    (dict(space=SPACE | {"n_layer": ("int", 1, 3)}), "space n_layer was ['int', 1, 2], is ['int', 1, 3]"),
    (dict(space={"n_layer": ("int", 1, 2), "n_head": ("choice", [1, 2, 3])}), "space learning_rate was ['log', 0.003, 10.0], is None"),
    (dict(flops=2.0), f"flops was {FLOPS}, is 2.0"),
    (dict(evaluations=2), "evaluations was 4, is 2"),
    (dict(model=replace(MODEL, n_embd=32)), "model n_embd was 16, is 32"),
    (dict(train=replace(TRAIN, weight_decay=0.0)), "train weight_decay was 0.1, is 0.0"),
    (dict(seed=1), "seed was 30, is 1"),
    (dict(steps=3), "rehearsal was None, is 3"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_a_sweep_of_other_settings_is_refused(changes, words, whole, no_training):
    file = whole[0].file
    content = file.read_bytes()
    with pytest.raises(ReaderError) as error:
        tiny_sweep(file.parent, **changes).run(TRIALS + 1)
    assert str(error.value) == f"path/to/sweep.db holds a sweep of other settings ({words}): choose another name to begin one beside it"
    assert file.read_bytes() == content


def test_a_sweep_on_other_data_or_by_another_measure_is_refused(whole, no_training, monkeypatch):
    streams = {"train": make_stream(700), "validation": make_stream(201, seed=1)}
    with pytest.raises(ReaderError, match=r"\(data was \w{12}, is \w{12}\): choose another name"):
        tiny_sweep(whole[0].file.parent, streams=streams).run(TRIALS)
    monkeypatch.setattr(sweeps, "OBJECTIVE", "loss")
    with pytest.raises(ReaderError, match=r"\(objective was val_loss, is loss\): choose another name"):
        tiny_sweep(whole[0].file.parent).run(TRIALS)


def test_what_does_not_change_the_trials_is_the_same_sweep(whole, no_training):
    same = dict(train=replace(TRAIN, micro_batch_size=2, log_every=3), tracker="tensorboard", space=dict(reversed(SPACE.items())))
    assert outcome(tiny_sweep(whole[0].file.parent, **same).run(TRIALS)) == outcome(whole[1])


@pytest.mark.parametrize("damage", [
    lambda content: content[: len(content) // 2], lambda content: b"no database", lambda content: b"",
    lambda content: content[:4096] + bytes(4096) + content[8192:],
], ids=["half", "other", "empty", "hole"])
def test_a_damaged_database_is_one_sentence_and_stays_as_it_is(damage, whole, tmp_path, no_training):
    sweep = tiny_sweep(tmp_path)
    damaged = damage(whole[0].file.read_bytes())
    sweep.file.write_bytes(damaged)
    with pytest.raises(ReaderError, match=r"^path/to/sweep.db cannot be used \(.+\): see that .* move it away and run this again, ") as error:
        sweep.run(1)
    assert "\n" not in str(error.value) and sweep.file.read_bytes() == damaged


def test_an_empty_database_of_optunas_is_not_taken_for_a_sweep(tmp_path):
    sweep = tiny_sweep(tmp_path)
    optuna.storages.RDBStorage(f"sqlite:///{sweep.file}").engine.dispose()
    with pytest.raises(ReaderError, match=r"^path/to/sweep.db cannot be used \(it holds no sweep\)"):
        sweep.run(1)


def test_a_database_that_cannot_be_written_is_one_sentence(tmp_path, whole):
    sweep = tiny_sweep(tmp_path)
    sweep.run(1)
    with contextlib.closing(sqlite3.connect(sweep.file)) as database:
        database.execute("CREATE TRIGGER refuse BEFORE INSERT ON trials BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
        database.commit()
    with pytest.raises(ReaderError, match=r"cannot be used \(.*database or disk is full\): see that its folder can be written and has room"):
        sweep.run(2)


def test_without_its_database_a_sweep_is_read_from_its_logs(whole, tmp_path, monkeypatch):
    tiny_sweep(tmp_path).run(3)
    tiny_sweep(tmp_path).file.unlink()
    monkeypatch.setattr(training, "train_step", lambda *_, **__: pytest.fail("a step was trained"))
    assert_continues(tmp_path, whole, 3)


def test_a_sweep_under_torchrun_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ReaderError, match="^a sweep is one process, but RANK is set: start it without torchrun"):
        tiny_sweep(tmp_path).run(1)
    assert not list(tmp_path.iterdir())


# The objective and the pruner

def test_the_objective_is_what_the_runs_log(whole):
    sweep, study, _ = whole
    for trial in (t for t in finished(study) if t.state == COMPLETE):
        steps, losses = log_of(sweep, trial).curve("val_loss", x="step")
        assert trial.value == losses.min() and trial.user_attrs["best_step"] == steps[losses.argmin()]
        assert set(trial.intermediate_values.values()) <= set(losses[1:]) and list(trial.intermediate_values) == [1, 2, 3, 4]
    assert study.best_value == min(t.value for t in finished(study) if t.state == COMPLETE)


def test_an_objective_that_is_never_logged_is_refused(tmp_path, monkeypatch):
    """The fault of the original's sweep: it optimised a name that its script did not log."""
    monkeypatch.setattr(sweeps, "OBJECTIVE", "validation/loss")
    with pytest.raises(ReaderError) as error:
        tiny_sweep(tmp_path).run(2)
    assert str(error.value) == "the runs log no 'validation/loss': they log seconds, tokens_per_second, val_loss, choose one of these"


def queued(sweep, rates):
    """The trials of a sweep with these learning rates, in this order."""
    study = sweep.run(0)
    for rate in rates:
        study.enqueue_trial({"learning_rate": rate})
    return finished(sweep.run(len(rates)))


def test_a_bad_trial_is_pruned_and_good_ones_complete(tmp_path):
    sweep = tiny_sweep(tmp_path, space={"learning_rate": ("log", 0.003, 30.0)})
    trials = queued(sweep, [0.006, 0.007, 0.008, 0.009, 30.0, 0.02])
    assert [t.state for t in trials] == [COMPLETE] * 4 + [PRUNED, COMPLETE]
    steps, losses = log_of(sweep, trials[4]).curve("loss", x="step")
    assert list(steps) == [1, 2] and sweep.settings(trials[4].params)[1].max_steps == 8
    assert list(trials[4].intermediate_values) == [1] and trials[4].user_attrs["flops"] == pytest.approx(FLOPS * 2 / 8.5)


def test_no_trial_is_pruned_in_its_first_quarter_nor_before_four_are_complete(tmp_path):
    sweep = tiny_sweep(tmp_path, evaluations=8, space={"learning_rate": ("log", 0.003, 30.0)})
    trials = queued(sweep, [0.006, 0.007, 0.008, 30.0, 29.0])
    assert [t.state for t in trials] == [COMPLETE] * 4 + [PRUNED]
    assert list(trials[4].intermediate_values) == [1, 2] and min(trials[4].intermediate_values.values()) > 100


def test_pruning_compares_with_the_median_at_the_same_share(whole):
    trials = finished(whole[1])
    for number, trial in enumerate(trials):
        before = [t for t in trials[:number] if t.state == COMPLETE]
        worse = [min(v for s, v in trial.intermediate_values.items() if s <= share) > np.median([t.intermediate_values[share] for t in before])
                 for share in trial.intermediate_values] if len(before) >= 4 else [False]
        assert worse[-1] == (trial.state == PRUNED) and not any(worse[:-1])


# Trials that fail

def test_out_of_memory_fails_the_trial_and_the_sweep_goes_on(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    sweep = tiny_sweep(tmp_path, space={"n_layer": ("int", 1, 2), "learning_rate": ("log", 0.003, 0.03)})
    with monkeypatch.context() as patch:
        arrange("step:3", full, patch.setattr)
        first, second = finished(sweep.run(2))
    assert (first.state, second.state) == (FAIL, COMPLETE)
    assert first.user_attrs["reason"].startswith("out of memory with 4 sequences a pass, ") and first.value is None
    assert first.user_attrs["folder"].endswith(".trial-0") and log_of(sweep, first).rows
    assert finished(sweep.run(2)) == [first, second], "it is not tried again"


def test_a_model_that_does_not_fit_at_all_fails_its_trial(tmp_path, monkeypatch):
    class TooLarge(GPT):
        def to(self, device):
            raise torch.OutOfMemoryError("CUDA out of memory.\nMore lines follow.")

    (trial,) = finished(tiny_sweep(tmp_path, build=TooLarge, space={"n_layer": ("int", 1, 2)}).run(1))
    assert (trial.state, trial.user_attrs["reason"], trial.user_attrs["flops"]) == (FAIL, "CUDA out of memory.", 0)


def test_other_errors_are_not_recorded_as_failed_trials(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="^mat1 and mat2"):
        arrange("step:3", broken, patch.setattr)
        tiny_sweep(tmp_path).run(2)


@pytest.mark.parametrize("name, sentence", [
    ("train_step", "the loss is not a number at step 2: lower learning_rate ("), ("loss_sum", "val_loss is not a number at step 15")])
def test_a_loss_that_is_not_a_number_fails_the_trial(name, sentence, tmp_path, monkeypatch):
    broken = {"train_step": lambda *_, **__: (torch.tensor(float("nan")), torch.tensor(1.0)), "loss_sum": lambda *_, **__: (float("nan"), 10)}[name]
    number = {"train_step": 2, "loss_sum": 6}[name]  # the last evaluation: after 0, 3, 6, 9, 12 and 15 steps
    calls, function = [], getattr(training, name)
    monkeypatch.setattr(training, name, lambda *a, **k: (calls.append(1), (broken if len(calls) == number else function)(*a, **k))[1])
    space = {"n_layer": ("choice", [1]), "learning_rate": ("log", 0.003, 0.03)}
    first, second = finished(tiny_sweep(tmp_path, space=space).run(2))
    assert (first.state, second.state) == (FAIL, COMPLETE) and first.user_attrs["reason"].startswith(sentence)


@pytest.mark.parametrize("changes, params, sentence", [
    ({}, dict(n_head=3), "n_head must divide n_embd, got n_head 3 and n_embd 16: choose a divisor of 16"),
    ({}, dict(dropout=1.0), "dropout must be at least 0 and below 1, got 1.0"),
    ({}, dict(batch_size=0), "batch_size must be at least 1, got 0"),
    (dict(flops=3.5 * FLOPS / 8.5), {}, (f"{3.5 * FLOPS / 8.5:.3g} FLOPs pay for 3 steps, fewer than the 4 evaluations: raise flops, "
                                        "or take such large models and batches out of the space")),
    (dict(flops=1e15), dict(batch_size=44), "the training text has fewer than 44 blocks of 16: take such large batches out of the space"),
    (dict(flops=1e15), dict(block_size=256), ("the validation text has 200 tokens, fewer than one block of 256 and its next token: "
                                              "use a longer text or a smaller block_size")),
])
def test_settings_that_do_not_go_together_fail_with_their_sentence(changes, params, sentence, tmp_path, no_training):
    sweep = tiny_sweep(tmp_path, space={name: ("choice", [value]) for name, value in params.items()} or {"n_layer": ("int", 2, 2)}, **changes)
    (trial,) = finished(sweep.run(1))
    assert (trial.state, trial.user_attrs["reason"], trial.user_attrs["flops"]) == (FAIL, sentence, 0)
    with pytest.raises(ReaderError) as error:
        sweep.settings(params)
    assert str(error.value) == sentence


@pytest.mark.parametrize("changes, sentence", [
    (dict(space={"n_layers": ("int", 1, 2)}), "the space cannot name 'n_layers': choose from batch_size, betas, block_size, "),
    (dict(space={"max_steps": ("int", 1, 2)}), "the space cannot name 'max_steps': choose from "),
    (dict(space={"n_layer": ("integer", 1, 2)}), "the space has n_layer: ('integer', 1, 2): give ('log' | "),
    (dict(space={"n_layer": ("int", 3, 2)}), "the space has n_layer: ('int', 3, 2): give "),
    (dict(space={"learning_rate": ("log", 0.0, 2)}), "the space has learning_rate: ('log', 0.0, 2): give "),
    (dict(space={"n_layer": ("choice", [])}), "the space has n_layer: ('choice', []): give "),
    (dict(space={"n_layer": 3}), "the space has n_layer: 3: give "),
    (dict(space={"n_layer": ("choice",)}), "the space has n_layer: ('choice',): give "),
    (dict(space={}), "a sweep needs at least one name in its space, "),
    (dict(flops=0), "a sweep needs at least one name in its space, flops above 0 and at least 1 evaluation a trial, got 3, 0 and 4"),
    (dict(evaluations=0), "a sweep needs at least one name in its space, "),
], ids=str)
def test_what_cannot_be_searched_is_one_sentence(changes, sentence, tmp_path):
    with pytest.raises(ReaderError) as error:
        tiny_sweep(tmp_path, **changes)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)


def test_the_stated_spaces_can_be_searched(tmp_path):
    for space in sweeps.SPACES.values():
        sweep = tiny_sweep(tmp_path, space=space, flops=1e15, streams={"train": make_stream(9000), "validation": make_stream(200)})
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(100):
            assert sweep.settings(study.ask(sweep.distributions()).params)  # every combination is possible
    assert set(ORIGINAL_SPACE) == {"batch_size", "block_size", "n_embd", "n_head", "n_layer", "learning_rate", "dropout"}


# What stays of a trial

def test_what_only_a_resume_needs_is_removed(whole):
    sweep, study, _ = whole
    assert not list(sweep.runtime.workspace.rglob("step-*.safetensors")) and not list(sweep.runtime.workspace.rglob("*.tmp"))
    for trial in (t for t in finished(study) if "folder" in t.user_attrs):
        folder = sweep.runtime.workspace / trial.user_attrs["folder"]
        assert (folder / "checkpoints" / "best.safetensors").exists() and (folder / "log.jsonl").exists()
        assert trial.user_attrs["folder"].endswith(f".trial-{trial.number}") == (trial.state != COMPLETE)


def test_no_model_is_kept(tmp_path, monkeypatch):
    """Neither of a trial that completes, nor of those that are pruned, explode or run out of memory."""
    parts, alive = [], []

    class Watched(GPT):
        def __init__(self, config):
            alive.append(sum(part() is not None for part in parts))
            super().__init__(config)
            parts.extend(weakref.ref(part) for part in (self, *self.parameters()))

    def full(*_, **__):
        raise torch.OutOfMemoryError

    arrange("step:38", full, monkeypatch.setattr)  # in the seventh trial
    sweep = tiny_sweep(tmp_path, build=Watched, space={"learning_rate": ("log", 0.003, 1e30)})
    trials = queued(sweep, [0.006, 0.007, 0.008, 0.009, 30.0, 1e30, 0.01, 0.02])
    assert [t.state for t in trials] == [COMPLETE] * 4 + [PRUNED, FAIL, FAIL, COMPLETE]
    assert [t.user_attrs["reason"][:11] for t in trials[5:7]] == ["the loss is", "out of memo"]
    assert alive == [0] * 8


def test_the_best_settings_are_read_or_trained_with_other_seeds(whole, tmp_path, monkeypatch):
    sweep, study, _ = whole
    with monkeypatch.context() as patch:
        patch.setattr(training, "train_step", lambda *_, **__: pytest.fail("a step was trained"))
        assert sweep.run_one(study.best_params).end["val_loss"] == study.best_value
    other = replace(sweep, runtime=make_runtime(tmp_path, seed=SEED))
    runs = [other.run_one(study.best_params, seed=seed) for seed in (SEED, 1, 2)]
    assert runs[0].end["val_loss"] == study.best_value
    assert len({run.end["val_loss"] for run in runs}) == 3 and [run.header["seed"] for run in runs] == [SEED, 1, 2]
    longer = replace(other, flops=3 * FLOPS).settings(study.best_params)
    assert longer[0] == sweep.settings(study.best_params)[0] and longer[1].max_steps // sweep.settings(study.best_params)[1].max_steps == 3


def test_a_pruned_trials_settings_can_be_trained_to_the_end(tmp_path):
    sweep = tiny_sweep(tmp_path)
    pruned = next(t for t in finished(sweep.run(6)) if t.state == PRUNED)
    run = sweep.run_one(pruned.params)
    assert run.complete and run.end["step"] == sweep.settings(pruned.params)[1].max_steps
    assert log_of(sweep, pruned).rows != run.rows


def test_settings_that_come_again_are_not_trained_again(tmp_path, monkeypatch):
    sweep = tiny_sweep(tmp_path, space={"learning_rate": ("choice", [0.01])})
    sweep.run(1)
    monkeypatch.setattr(training, "train_step", lambda *_, **__: pytest.fail("a step was trained"))
    first, second = finished(sweep.run(2))
    assert (first.value, first.intermediate_values) == (second.value, second.intermediate_values)
    assert "; 47% of the budget spent; " in summary(sweep.run(2))  # 8 of 8.5 steps, once for two trials


def test_settings_that_failed_can_come_again(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        arrange("step:6", full, patch.setattr)
        trials = finished(tiny_sweep(tmp_path, space={"learning_rate": ("choice", [0.01])}).run(2))
    assert [t.state for t in trials] == [FAIL, COMPLETE]


def test_each_run_has_a_page_of_its_own_at_weights_and_biases(tmp_path, monkeypatch):
    calls = []
    fake = types.ModuleType("wandb")
    fake.__spec__ = ModuleSpec("wandb", None)
    fake.init = lambda **settings: calls.append("init") or types.SimpleNamespace(log=lambda numbers: None)
    fake.finish = lambda: calls.append("finish")
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tiny_sweep(tmp_path, tracker="wandb").run(3)
    assert calls == ["init", "finish"] * 2  # the first trial has no run


# What is said and kept

def test_a_trial_is_one_line_and_the_sweep_another(whole):
    sweep, study, lines = whole
    trials, best = finished(study), study.best_trial
    said = ["learning_rate {learning_rate:.3g}, n_head {n_head}, n_layer {n_layer}".format(**t.params) for t in trials]
    assert lines[0] == f"trial 1 of 7: failed, n_head must divide n_embd, got n_head 3 and n_embd 16 ({said[0]})"
    assert lines[1] == f"trial 2 of 7: val_loss {trials[1].value:.3f} ({said[1]})"
    assert lines[5] == f"trial 6 of 7: val_loss {trials[5].value:.3f}, pruned ({said[5]})"
    spent = sum(t.user_attrs["flops"] for t in trials) / (7 * FLOPS)
    assert lines[7:] == [f"7 trials: 4 complete, 2 pruned, 1 failed; {spent:.0%} of the budget spent; best val_loss {best.value:.3f} with "
                         f"{said[trials.index(best)]}"]
    assert max(map(len, lines)) < 150


def test_a_sweep_without_a_complete_trial_has_a_summary(tmp_path):
    study = tiny_sweep(tmp_path).run(1)
    assert summary(study) == "1 trial: 0 complete, 0 pruned, 1 failed; 0% of the budget spent; none complete"


def test_a_saved_study_comes_back(whole, tmp_path):
    _, study, lines = whole
    save_study(study, tmp_path / "sweep.jsonl")
    loaded = load_study(tmp_path / "sweep.jsonl")
    fields = ("number", "state", "value", "params", "distributions", "intermediate_values", "user_attrs")
    assert [[getattr(t, f) for f in fields] for t in loaded.trials] == [[getattr(t, f) for f in fields] for t in study.trials]
    assert loaded.best_params == study.best_params and summary(loaded) == lines[-1]
    assert sum(optuna.importance.get_param_importances(loaded).values()) == pytest.approx(1)
    save_study(loaded, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "sweep.jsonl").read_bytes()
    assert not Run(tmp_path / "sweep.jsonl").complete, "beside recorded runs it is not taken for one"


def test_a_saved_study_holds_what_a_kill_left(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        arrange("step:11", cut_power, patch.setattr)
        tiny_sweep(tmp_path).run(2)
    study = tiny_sweep(tmp_path).run(2)
    save_study(study, tmp_path / "sweep.jsonl")
    loaded = load_study(tmp_path / "sweep.jsonl")
    assert len(loaded.trials) == 3 and outcome(loaded) == outcome(whole[1])[:2]


@pytest.mark.parametrize("content", [None, "{", '{"kind": "trial"}', '{"kind": "header"}', "[1]"])
def test_a_file_that_is_no_study_is_one_sentence(content, tmp_path):
    file = tmp_path / "sweep.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ReaderError, match="^path/to/sweep.jsonl cannot be read as a study ") as error:
        load_study(file)
    assert str(error.value).endswith(": take a file that save_study wrote") and str(tmp_path) not in str(error.value)


# The command line

@pytest.fixture
def command(tmp_path, monkeypatch):
    """A function that runs the command, rehearsals of four steps, on a text in a folder; returns the workspace."""
    monkeypatch.setenv("GPT_SERIES_STEPS", "4")
    words = "the a cat dog hen boat sat ran sang saw on under over mat hill lake and then . ,".split()
    (tmp_path / "work.txt").write_text(" ".join(words[(i * i + i // 7) % len(words)] for i in range(9000)))

    def call(*options):
        sweeps.main(["--corpus", str(tmp_path / "work.txt"), "--profile", "cpu", "--block-size", "16", "--output", str(tmp_path / "out"), *options])
        return tmp_path / "out-rehearsal" / "text"

    return call


def test_the_command_runs_a_sweep_and_names_the_options_of_the_best(command, capsys):
    workspace = command("--trials", "2", "--flops", "1e12", "--seed", "5")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].startswith("trial 1 of 2: val_loss ") and lines[-2].startswith("2 trials: 2 complete, 0 pruned, 0 failed; ")
    options = lines[-1].partition("the options of this sweep and ")[2].split()
    from helpers import pretrain
    given = vars(pretrain.arguments(options))
    file = workspace / "sweep-better-cpu-5.db"
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{file}")
    assert {name: given[name] for name in study.best_params} == study.best_params
    assert study.user_attrs["settings"]["flops"] == 1e12 and study.user_attrs["settings"]["model block_size"] == 16
    command("--trials", "2", "--flops", "1e12", "--seed", "5")
    assert "trial 1" not in capsys.readouterr().out


@pytest.mark.parametrize("options, sentence", [
    (("--flops", "-1"), "ReaderError: a sweep needs "), (("--batch-size", "0"), "ValueError: batch_size must be at least 1, got 0")])
def test_bad_options_are_one_sentence(options, sentence, command):
    with pytest.raises(SystemExit) as exit:
        command(*options)
    assert str(exit.value).startswith(sentence) and "\n" not in str(exit.value)


def test_help_names_the_options_of_the_sweep():
    child = subprocess.run([sys.executable, "-m", "helpers.sweep", "--help"], cwd=REPOSITORY, check=False, capture_output=True, text=True,
                           timeout=120)
    assert child.returncode == 0 and child.stdout.startswith("usage: python -m helpers.sweep ")
    for option in ("--trials", "--space", "--flops", "--evaluations", "--name", "--corpus", "--profile", "--data", "--output", "--seed", "--tracker"):
        assert option in child.stdout
