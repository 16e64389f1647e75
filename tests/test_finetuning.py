"""Fine-tuning with the Trainer: exact resume, what each way trains, what the log and the folder hold, and what goes wrong in one sentence."""

import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bitsandbytes
import pytest
import torch
from conftest import make_runtime
from safetensors.torch import load_file
from test_training import PowerCut, cut_power, flip_a_byte, folder_of, truncate, without_clock
from tiny_run import on_call
from tiny_tune import CONFIG, WAYS, blocks, load, start, tiny_tune
from transformers import AutoModelForCausalLM, GPT2LMHeadModel

from helpers import finetuning, tuner
from helpers.corpora import OFFLINE
from helpers.evaluation import token_losses
from helpers.finetuning import FineTuneConfig, FineTuner, Recorder, fine_tune_budget, prepare, training_arguments
from helpers.runs import Run
from helpers.runtime import ReaderError, describe_run
from helpers.blocks import collate
from helpers.training import Stopped

pytestmark = [pytest.mark.filterwarnings(f"error::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")]
MARKS = start()[2]


def weights(folder):
    return load_file(folder / "model.safetensors")


def outcome(workspace):
    """What a run leaves: the weights and the log without clock times."""
    folder = folder_of(workspace)
    return weights(folder / "model_final"), [without_clock(row) for row in Run(folder / "log.jsonl").rows if row["kind"] != "system"]


def assert_same(workspace, expected):
    got, wanted = outcome(workspace), outcome(expected)
    torch.testing.assert_close(got[0], wanted[0], atol=0, rtol=0)
    assert got[1] == wanted[1]


def before(step, act):
    """``Recorder.on_step_begin``, but that ``act()`` comes first as this step begins."""
    return on_call(step, lambda *_, **__: act(), Recorder.on_step_begin)


def cut(workspace, step, way="full", **settings):
    """A run that ends as this step begins; returns its folder."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Recorder, "on_step_begin", before(step, cut_power))
        tiny_tune(workspace, way, **settings)
    return folder_of(workspace)


def scripted(losses):
    """A stand-in for `token_losses` whose evaluations, of two batches each, give these mean losses in turn."""
    losses = iter([loss for loss in losses for _ in range(2)])
    return lambda model, batch, runtime: torch.full(batch["labels"].shape, next(losses))


def damage(*files, change=flip_a_byte):
    for file in files:
        file.write_bytes(change(file.read_bytes()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """way -> the workspace of a run that nothing interrupts."""
    workspaces = {way: tmp_path_factory.mktemp(way) for way in WAYS}
    for way, workspace in workspaces.items():
        tiny_tune(workspace, way)
    return workspaces


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The workspace of a run cut as step 10 begins."""
    workspace = tmp_path_factory.mktemp("interrupted")
    cut(workspace, 10)
    return workspace


# Exact resume.

@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The workspace of runs that were killed: full in its third checkpoint, lora as step 8 begins, 8bit before the log is closed."""
    workspace = tmp_path_factory.mktemp("killed")
    command = [sys.executable, Path(__file__).with_name("tiny_tune.py"), workspace, "full", "write:3", "lora", "step:8", "8bit", "end:1"]
    child = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert child.stdout.endswith(f"{[-signal.SIGKILL] * 3}\n")
    assert all("step" in line for line in re.split(r"[\r\n]", child.stderr) if line), f"more than a progress bar: {child.stderr}"
    return workspace


@pytest.mark.parametrize("way, sentence", [
    ("full", "checkpoint-9 cannot be used (sums.json is missing or damaged): using the one before it\nresuming at step 6 of 10"),
    ("lora", "resuming at step 6 of 10"), ("8bit", "resuming at step 9 of 10")], ids=WAYS)
def test_killed_and_run_again(way, sentence, killed, whole, capsys):
    tiny_tune(killed / way, way)
    assert capsys.readouterr().out.startswith(sentence)
    assert_same(killed / way, whole[way])


@pytest.mark.parametrize("way, step", [("full", 2), ("full", 5), ("lora", 5), ("8bit", 7)])
def test_cut_and_run_again(way, step, whole, tmp_path):
    damage(cut(tmp_path, step, way) / "log.jsonl", change=truncate)  # the checkpoint has the rows too
    tiny_tune(tmp_path, way)
    assert_same(tmp_path, whole[way])


@pytest.mark.parametrize("step, settings", [(7, dict(eval_every=5)), (None, dict(steps=4)), (None, dict(epochs=1.5))], ids=str)
def test_cut_at_the_end_of_an_epoch_or_after_the_last_step(step, settings, tmp_path, monkeypatch):
    tiny_tune(tmp_path / "whole", **settings)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(*(Recorder, "on_step_begin", before(step, cut_power)) if step else (finetuning, "finish", cut_power))
        tiny_tune(tmp_path / "cut", **settings)
    tiny_tune(tmp_path / "cut", **settings)
    assert_same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("name, change", [("model.safetensors", flip_a_byte), ("optimizer.pt", flip_a_byte), ("rows.jsonl", flip_a_byte),
                                          ("model.safetensors", truncate), ("sums.json", truncate), ("sums.json", None)])
def test_a_damaged_newest_checkpoint_is_named_and_passed_over(name, change, interrupted, whole, tmp_path, capsys):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    newest = folder_of(tmp_path) / "checkpoints" / "checkpoint-9"
    damage(newest / name, change=change) if change else (newest / name).unlink()
    tiny_tune(tmp_path)
    fault = "sums.json is missing or damaged" if name == "sums.json" else f"the checksum of {name} does not fit"
    assert capsys.readouterr().out.startswith(f"checkpoint-9 cannot be used ({fault}): using the one before it\nresuming at step 6 of 10")
    assert_same(tmp_path, whole["full"])


def test_where_all_checkpoints_are_damaged_the_run_starts_anew(interrupted, whole, tmp_path, capsys):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    damage(*tmp_path.glob("*/checkpoints/*/model.safetensors"))
    tiny_tune(tmp_path)
    out = capsys.readouterr().out
    assert re.findall(r"checkpoint-\d", out) == ["checkpoint-9", "checkpoint-6", "checkpoint-3"] and "training for 10 steps in" in out
    assert_same(tmp_path, whole["full"])


def test_a_damaged_checkpoint_is_made_anew_and_may_be_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(tuner, "token_losses", scripted([5.0, 4.0, 3.0, 2.0, 2.0, 9.0]))
    damage(cut(tmp_path, 10) / "checkpoints" / "checkpoint-9" / "model.safetensors")
    assert tiny_tune(tmp_path).end["best_step"] == 9


@pytest.mark.parametrize("step", [1, 6, 8])
def test_stop_button_saves_and_the_next_run_goes_on(step, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stopped) as stopped:
        patch.setattr(Recorder, "on_step_begin", before(step, lambda: os.kill(os.getpid(), signal.SIGINT)))
        tiny_tune(tmp_path)
    assert str(stopped.value) == (f"you stopped the training at step {step} of 10; everything is saved in "
                                  f"path/to/{tmp_path.name}/{folder_of(tmp_path).name}: run this cell again to go on")
    tiny_tune(tmp_path)
    assert_same(tmp_path, whole["full"])


def test_a_moved_workspace_goes_on_and_still_finds_the_best(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tuner, "token_losses", scripted([5.0, 2.0, 3.0, 4.0, 6.0]))
    best = weights(cut(tmp_path / "before", 8) / "checkpoints" / "checkpoint-3")
    shutil.move(tmp_path / "before", tmp_path / "after")
    run = tiny_tune(tmp_path / "after")
    assert run.end["best_step"] == 3 and [r["step"] for r in run.rows if "loss" in r] == list(range(1, 11))
    torch.testing.assert_close(weights(run.file.parent / "model_final"), best, atol=0, rtol=0)
    assert "[transformers]" not in capfd.readouterr().err


def test_float16_with_its_gradient_scaler_goes_on_exactly(tmp_path, monkeypatch):
    def with_scaler(self, make=FineTuner.create_accelerator_and_postprocess):  # on a CPU the Trainer computes in float32 instead
        make(self)
        assert self.accelerator.mixed_precision == "fp16"
        self.accelerator.native_amp, self.accelerator.scaler = True, torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=2)
        scalers.append(self.accelerator.scaler)

    scalers, settings = [], dict(dtype=torch.float16, steps=5, eval_every=2)
    monkeypatch.setattr(FineTuner, "create_accelerator_and_postprocess", with_scaler)
    tiny_tune(tmp_path / "whole", **settings)
    cut(tmp_path / "cut", 5, **settings)
    tiny_tune(tmp_path / "cut", **settings)
    assert_same(tmp_path / "cut", tmp_path / "whole")
    assert scalers[0].state_dict() == scalers[2].state_dict() and scalers[0].get_scale() < 2.0**24, "some steps overflowed"


def test_the_workspace_names_a_run_of_the_trainer(interrupted, tmp_path):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    folder = folder_of(tmp_path)
    (folder / "checkpoints" / "checkpoint-12").mkdir()  # never sealed
    assert re.fullmatch(rf"{folder.name} at step 9 of 10, saved \d\d:\d\d", describe_run(folder))


# What is trained.

@pytest.mark.parametrize("way", WAYS)
def test_each_way_trains_its_own_weights(way, whole):
    first, final, end = load().state_dict(), outcome(whole[way])[0], Run(folder_of(whole[way]) / "log.jsonl").end
    matrices = {k: v.shape for k, v in final.items() if k.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))}
    table = "transformer.wte.weight"
    if way == "lora":
        assert len(matrices) == 8 and end["trainable"] == sum(CONFIG.lora_rank * sum(shape) for shape in matrices.values()) + 3 * 32
        assert {k for k in final if not torch.equal(first[k], final[k])} == {table, *matrices}
        assert (first[table] != final[table]).any(1).nonzero().flatten().tolist() == list(MARKS)
        adapter = load_file(folder_of(whole[way]) / "adapter" / "adapter_model.safetensors")
        for name in matrices:  # what is frozen stayed: the difference is B A, times alpha / r
            a, b = (adapter[f"base_model.model.{name.removesuffix('.weight')}.lora_{letter}.weight"] for letter in "AB")
            torch.testing.assert_close(final[name], first[name] + 2 * (b @ a).T, atol=1e-6, rtol=0)
    else:
        assert end["trainable"] == load().num_parameters()
        assert not any(torch.equal(first[k], final[k]) for k in final)


def test_eight_bits_hold_the_large_matrices(whole, tmp_path, monkeypatch):
    trainers = []
    monkeypatch.setattr(finetuning, "finish", lambda trainer, *_: trainers.append(trainer))
    tiny_tune(tmp_path, "8bit", steps=1)
    manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
    assert manager.module_weight_config_triple == [] and not manager.pid2config and not manager.index2config  # else it holds the embeddings
    kinds = {name: trainers[0].optimizer.state[p]["state1"].dtype for name, p in trainers[0].model.named_parameters()}
    large = {name for name in kinds if name.endswith(("c_fc.weight", "mlp.c_proj.weight"))}  # 32 x 128 numbers; the embedding has more
    assert {name for name, kind in kinds.items() if kind == torch.uint8} == large
    full, eight = (Run(folder_of(whole[way]) / "log.jsonl").end["optimizer_bytes"] for way in ("full", "8bit"))
    assert 8 * 36_384 <= full < 8 * 36_384 + 200 and eight < 0.7 * full


def test_the_validation_loss_counts_every_token_once(whole, tmp_path):
    run = Run(folder_of(whole["full"]) / "log.jsonl")
    final = AutoModelForCausalLM.from_pretrained(run.file.parent / "model_final")
    for model, logged in ((load(), run.end["first_val_loss"]), (final, run.end["val_loss"])):
        losses = [token_losses(model, collate([block]), make_runtime(tmp_path)) for block in blocks(3, 1)]
        assert logged == pytest.approx(torch.cat(losses).nanmean().item(), abs=1e-6)
        assert abs(logged - (torch.cat(losses[:2]).nanmean() + losses[2].nanmean()).item() / 2) > 1e-3  # batches of 2 and 1


def test_small_passes_give_the_same_losses_in_the_same_folder(tmp_path):
    runs = [tiny_tune(tmp_path / str(micro), model=load(dropout=0.0), micro_batch_size=micro) for micro in (1, 2, None)]
    assert len({run.file.parent.name for run in runs}) == 1
    for run in runs[:2]:
        assert run.curve("loss", x="step")[1] == pytest.approx(runs[2].curve("loss", x="step")[1], abs=1e-5)


@pytest.mark.parametrize("way", ["full", "lora"])
def test_the_weights_of_the_best_evaluation_are_kept(way, tmp_path, monkeypatch):
    def show(run):
        kept.update({f.parent.name: load_file(f) for f in run.file.parent.glob("checkpoints/checkpoint-3/*model.safetensors")})

    kept, file = {}, "adapter/adapter_model.safetensors" if way == "lora" else "model_final/model.safetensors"
    monkeypatch.setattr(tuner, "token_losses", scripted([5.0, 3.0, 4.0, 6.0, 3.5]))
    run = tiny_tune(tmp_path, way, on_log=show)
    assert (run.end["best_step"], run.end["val_loss"], run.end["first_val_loss"], run.end["step"]) == (3, 3.0, 5.0, 10)
    torch.testing.assert_close(load_file(run.file.parent / file), kept["checkpoint-3"], atol=0, rtol=0)


# What is left.

def test_the_log(whole):
    run = Run(folder_of(whole["lora"]) / "log.jsonl")
    tune, rows = run.header["settings"]["tune"], [r for r in run.rows if "loss" in r]
    assert (tune["way"], tune["learning_rate"], tune["lora_rank"], run.header["seed"], run.header["steps"]) == ("lora", 0.01, 2, 1337, 10)
    assert len(run.header["data"]) == 12 and "micro_batch_size" not in tune
    rates = [0.01 * (s / 2 if s < 2 else (1 + math.cos(math.pi * (s - 2) / 8)) / 2) for s in range(10)]  # of steps 1 to 10
    assert [r["learning_rate"] for r in rows] == pytest.approx(rates) and [r["step"] for r in rows] == list(range(1, 11))
    assert all(r["loss"] > 0 and r["grad_norm"] > 0 and r["seconds"] > 0 for r in rows) and rows[-1]["epoch"] == 2.0
    labels = sum(int((b["labels"] != -100).sum()) for b in blocks(18))
    assert [r["tokens"] for r in rows][4::5] == [labels, 2 * labels]
    assert [r["step"] for r in run.rows if r["kind"] == "metric" and "val_loss" in r] == [0, 3, 6, 9, 10]
    assert run.complete and run.end["peak_memory_bytes"] > 1e6 and run.end["tokens_per_second"] > 1
    assert run.end["disk_bytes"] == (run.file.parent / "adapter" / "adapter_model.safetensors").stat().st_size < 20_000
    assert {p.name for p in run.file.parent.iterdir()} == {"log.jsonl", "model_final", "adapter"}
    assert (run.file.parent / "model_final" / "README.md").read_text() == "# Tiny\n"


def test_the_model_answers_in_a_fresh_process(whole, tmp_path):
    code = """if True:
        import sys, torch
        from transformers import AutoModelForCausalLM, pipeline
        for way, folder in zip(("full", "lora"), sys.argv[2:]):
            torch.save(AutoModelForCausalLM.from_pretrained(folder)(torch.arange(40)[None]).logits.detach(), f"{sys.argv[1]}/{way}.pt")
        pipe = pipeline("text-generation", model=sys.argv[2])
        print(pipe([{"role": "user", "content": "red boat"}], max_new_tokens=30, suppress_tokens=list(range(292)), return_tensors=True))"""
    folders = [folder_of(whole[way]) / "model_final" for way in ("full", "lora")]
    child = subprocess.run([sys.executable, "-c", code, tmp_path, *folders], check=True, capture_output=True, text=True, timeout=120,
                           env=os.environ | {"HF_HUB_OFFLINE": "1"})
    for way, folder in zip(("full", "lora"), folders, strict=True):
        model = load().eval()
        model.load_state_dict(weights(folder), strict=False)
        torch.testing.assert_close(torch.load(tmp_path / f"{way}.pt"), model(torch.arange(40)[None]).logits)
    asked = start()[1]("<|a|>red boat<|over|><|b|>")["input_ids"]
    assert child.stdout == f"[{{'generated_token_ids': {[*asked, MARKS[2]]}}}]\n"  # it has one word to say, and does not say it twice


def test_a_complete_run_is_read_from_its_log(whole, monkeypatch, capsys):
    files = {p: p.read_bytes() for p in whole["lora"].rglob("*.*") if p.is_file()}
    monkeypatch.setattr(finetuning, "FineTuner", lambda *_, **__: pytest.fail("something was trained"))
    seen = []
    run = tiny_tune(whole["lora"], "lora", on_log=seen.append)
    assert seen == [run] and {p: p.read_bytes() for p in whole["lora"].rglob("*.*") if p.is_file()} == files
    assert re.fullmatch(r"complete since \d{4}-\d\d-\d\d \d\d:\d\d: read from path/to/.+/cpu-\w{8}\n", capsys.readouterr().out)


def test_a_rehearsal_takes_the_first_steps_in_a_folder_of_its_own(whole, tmp_path):
    run = tiny_tune(tmp_path, steps=4)
    steps = [r for r in outcome(whole["full"])[1] if "loss" in r][:4]
    assert [without_clock(r) for r in run.rows if "loss" in r] == steps  # the schedule is that of the whole run
    assert [r["step"] for r in run.rows if r["kind"] == "metric" and "val_loss" in r] == [0, 3, 4] and run.complete
    assert run.header["rehearsal"] == 4 and (run.file.parent / "model_final").is_dir() and run.file.parent.name != folder_of(whole["full"]).name


def test_other_settings_are_another_run_which_is_said_while_the_first_is_unfinished(tmp_path, capsys):
    first = cut(tmp_path, 2)
    capsys.readouterr()
    tiny_tune(tmp_path, steps=1, learning_rate=0.02)
    assert capsys.readouterr().out.startswith(f"{first.name} was begun with other settings (learning_rate 0.01 before, 0.02 now) "
                                              "and stays as it is: this run is another one\ntraining for 10 steps")
    tiny_tune(tmp_path)
    capsys.readouterr()
    tiny_tune(tmp_path, steps=1, learning_rate=0.03)
    assert capsys.readouterr().out.startswith("training for 10 steps") and len(list(tmp_path.iterdir())) == 3


def test_what_decides_the_result_decides_the_folder(tmp_path, monkeypatch):
    def folder(way="full", **changes):
        with pytest.raises(PowerCut):
            tiny_tune(tmp_path, way, **changes)
        return folders[-1]

    folders, other = [], load()
    monkeypatch.setattr(finetuning, "newest_checkpoint", lambda folder, last: folders.append(folder) or cut_power())
    other.transformer.h[0].attn.c_attn.bias.data[0] += 1e-3
    masked = [*blocks(18)[:-1], blocks(18)[-1] | {"labels": blocks(18)[-1]["labels"] * 0 - 100}]
    different = [folder(), folder("lora"), folder("8bit"), folder("lora", lora_rank=3), folder(learning_rate=0.02), folder(model=other),
                 folder(train=blocks(18)[1:]), folder(train=masked), folder(steps=3), folder(dtype=torch.bfloat16), folder(name="another")]
    assert len(set(different)) == len(different)
    assert folder(micro_batch_size=1) == folder(lora_rank=3) == different[0]


def test_the_settings_reach_the_trainer(tmp_path):
    config = FineTuneConfig(way="8bit", batch_size=12, micro_batch_size=3, weight_decay=0.2, grad_clip=0.5, warmup_steps=7, epochs=1.5)
    args = training_arguments(config, make_runtime(tmp_path, torch.bfloat16), tmp_path)
    assert (args.weight_decay, args.max_grad_norm, args.warmup_steps, args.num_train_epochs, args.optim) == (0.2, 0.5, 7, 1.5, "adamw_8bit")
    assert (args.per_device_train_batch_size, args.gradient_accumulation_steps, args.bf16, args.fp16, args.seed) == (3, 4, True, False, 1337)


# What goes wrong.

def test_settings_that_do_not_fit_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="^unknown way 'half': choose one of full, lora, 8bit, qlora$"):
        FineTuneConfig(way="half")
    with pytest.raises(ValueError, match=r"^micro_batch_size must divide batch_size \(8\), got 3$"):
        FineTuneConfig(micro_batch_size=3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ReaderError, match='^the 8-bit optimizer needs bitsandbytes, .* pip install "bits.*, or choose the way full or lora$'):
        FineTuneConfig(way="8bit")


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    with pytest.raises(ReaderError, match=r"^the loss is not a number at step 3: lower learning_rate \(1e\+30\) or lengthen warmup_steps \(2\), "):
        tiny_tune(tmp_path, learning_rate=1e30)


def test_out_of_memory_is_advice_that_works(tmp_path, monkeypatch, capfd):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    for micro, advice in ((2, r"set micro_batch_size=1 \(the same result\), or take shorter blocks"), (1, "take shorter blocks")):
        with monkeypatch.context() as patch, pytest.raises(ReaderError, match=f"^out of memory with {micro} blocks a pass: {advice}, load "):
            patch.setattr(GPT2LMHeadModel, "forward", on_call(12, full, GPT2LMHeadModel.forward))  # after step 3
            tiny_tune(tmp_path, micro_batch_size=micro)
    assert tiny_tune(tmp_path, micro_batch_size=1).complete and len(list(tmp_path.iterdir())) == 1
    captured = capfd.readouterr()
    assert "resuming at step 3" in captured.out and "[transformers]" not in captured.err


def test_other_errors_are_not_taken_for_lack_of_memory(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(GPT2LMHeadModel, "forward", broken)
    with pytest.raises(RuntimeError, match="^mat1 and mat2"):
        tiny_tune(tmp_path)


def test_a_damaged_best_checkpoint_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tuner, "token_losses", scripted([5.0, 2.0, 3.0, 4.0, 6.0]))
    damage(cut(tmp_path, 8) / "checkpoints" / "checkpoint-3" / "model.safetensors")
    with pytest.raises(ReaderError, match=r"^the best checkpoint checkpoint-3 cannot be used \(.+\): delete path/to/\S+ to train anew$"):
        tiny_tune(tmp_path)


@pytest.mark.parametrize("micro, advice", [(15, "set micro_batch_size=5 "), (5, "set micro_batch_size=1 "), (1, "take shorter blocks")])
def test_the_advice_is_a_setting_that_is_taken(micro, advice):
    config = FineTuneConfig(batch_size=15, micro_batch_size=micro)
    assert f"out of memory with {micro} blocks a pass: {advice}" in tuner.no_room(config)


# The budget.

@pytest.mark.parametrize("way", WAYS)
def test_the_budget_counts_each_ways_memory(way, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(OFFLINE / "base", dtype=torch.float32)
    state, runtime = {k: v.clone() for k, v in model.state_dict().items()}, make_runtime(tmp_path)
    config = FineTuneConfig(way=way, batch_size=4, new_tokens=MARKS, lora_rank=4)
    small, twice, large = (fine_tune_budget(model, blocks(18), blocks(3, 1), config=replace(config, micro_batch_size=n), runtime=runtime).memory
                           for n in (1, 2, 4))
    torch.testing.assert_close(model.state_dict(), state, atol=0, rtol=0)
    assert all(p.requires_grad for p in model.parameters())
    assert large["activations"] > 3 * small["activations"]
    assert large["activations"] - twice["activations"] == pytest.approx(2 * (twice["activations"] - small["activations"]), rel=0.02)
    run = tiny_tune(tmp_path, way, model=model, steps=1, lora_rank=4)
    extra = run.end["trainable"] if way == "lora" else 0
    assert small["weights"] == 4 * (sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(OFFLINE / "base").parameters()) + extra)
    assert small["gradients"] == 4 * run.end["trainable"]
    assert small["optimizer"] == pytest.approx(run.end["optimizer_bytes"], rel=0.02)
    assert small["total"] == sum(small.values()) - small["total"]


def test_the_budget_warns_of_a_run_that_takes_too_long(tmp_path):
    short, long, rehearsal = (fine_tune_budget(load(), blocks(18), blocks(3, 1), config=FineTuneConfig(batch_size=4, epochs=epochs),
                                               runtime=make_runtime(tmp_path, steps=steps)) for epochs, steps in ((1, None), (1e6, None), (1e6, 3)))
    assert not short.warnings and not rehearsal.warnings
    assert re.match(r"this takes about \d+ minutes, more than the 2 of its profile: take fewer epochs", long.warnings[0])


def test_lora_leaves_the_model_to_its_frame():
    model = prepare(load(), FineTuneConfig(way="lora"))
    assert {name.split(".")[-3] for name, p in model.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}  # no marks, no rows
