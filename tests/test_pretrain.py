"""The command line trains from a path to a model that Transformers loads, goes on, starts anew, and errs in one sentence."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import make_runtime
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import pretrain
from helpers.machado_original import MachadoOriginal
from helpers.modern import Modern
from helpers.runs import Run
from helpers.runtime import REPOSITORY
from helpers.tokens import count_bytes

WORDS = "the a cat dog hen boat sat ran sang saw on under over mat hill lake and then . ,".split()


def some_text(words=6000):
    """Sentences of a kind, the same every time."""
    return " ".join(WORDS[(i * i + i // 7) % len(WORDS)] for i in range(words))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """A function that runs the command, four steps of a small model, on a text in a folder; returns the workspace."""
    monkeypatch.setenv("GPT_SERIES_STEPS", "4")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "work.txt").write_text(some_text())

    def call(*options):
        pretrain.main(["--corpus", str(tmp_path / "corpus"), "--profile", "cpu", "--batch-size", "4", "--block-size", "16",
                       "--output", str(tmp_path / "out"), *options])
        return tmp_path / "out-rehearsal" / "text"

    return call


def runs_in(workspace):
    """The names of the run folders."""
    return sorted(p.parent.name for p in workspace.glob("*/log.jsonl"))


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as exit:
        pretrain.main(["--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m helpers.pretrain ")
    for option in ("--corpus", "--profile", "--batch-size", "--block-size", "--learning-rate", "--epochs", "--resume", "--no-resume",
                   "--output", "--tracker", "--micro-batch-size", "--data", "--dtype", "--seed"):
        assert option in text


def test_a_run_ends_in_a_model_that_transformers_loads(command, capsys):
    workspace = command()
    (name,) = runs_in(workspace)
    end = Run(workspace / name / "log.jsonl").end
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith(f"validation loss {end['first_val_loss']:.3f} -> {end['val_loss']:.3f} nats per token, ")
    assert "bits per byte (best at step 4)" in lines[-3]
    assert end["val_loss"] < end["first_val_loss"]
    assert lines[-2].startswith("sample (seed 1337): The")
    assert lines[-1] == f"log: path/to/text/{name}/log.jsonl, model: path/to/text/{name}/model_final"
    model = AutoModelForCausalLM.from_pretrained(workspace / name / "model_final")
    tokenizer = AutoTokenizer.from_pretrained(workspace / name / "model_final")
    assert model.config.n_positions == 16
    assert tokenizer.decode(tokenizer("the cat sat")["input_ids"]) == "the cat sat"


def test_options_become_settings(command):
    workspace = command("--learning-rate", "0.005", "--epochs", "3", "--dropout", "0.25", "--seed", "5", "--micro-batch-size", "2",
                        "--tracker", "tensorboard", "--train-tokens", "2000")
    (name,) = runs_in(workspace)
    header = Run(workspace / name / "log.jsonl").header
    model, train = header["settings"]["model"], header["settings"]["train"]
    assert (train["learning_rate"], train["epochs"], train["batch_size"], header["seed"]) == (0.005, 3.0, 4, 5)
    assert (model["dropout"], model["block_size"]) == (0.25, 16)
    assert list((workspace / name / "tensorboard").iterdir())


def test_no_more_text_is_read_than_the_tokens_take(tmp_path):
    (tmp_path / "work.txt").write_text(some_text())
    args, seen = pretrain.arguments(["--corpus", str(tmp_path / "work.txt")]), []
    for steps in (None, 3):
        streams, tokenizer = pretrain.load_streams(args, make_runtime(tmp_path, steps=steps), 300, 1000)
        seen.append(count_bytes(streams["train"], tokenizer))
    assert seen == [6 * 1000, len(some_text()) * 9 // 10]  # 6 bytes a token; a rehearsal's 2 MB are more than this text has


def test_a_rehearsal_without_a_gpu_takes_one_sequence_a_step(tmp_path):
    def batch(**answers):
        config, train, _ = pretrain.settings_for(make_runtime(tmp_path, profile="t4", **answers))
        assert (config.vocab_size, config.n_embd) == (50_304, 256)
        return train.batch_size

    assert (batch(), batch(steps=3), batch(steps=3, device=torch.device("cuda"))) == (32, 1, 32)


def test_again_is_complete(command, capsys):
    workspace = command()
    before = (workspace / runs_in(workspace)[0] / "log.jsonl").read_text()
    capsys.readouterr()
    command()
    assert "complete since " in capsys.readouterr().out
    assert (workspace / runs_in(workspace)[0] / "log.jsonl").read_text() == before


def test_other_options_are_another_run(command):
    command()
    assert len(runs_in(command("--seed", "5"))) == 2


def test_no_resume_keeps_the_old_run_and_starts_anew(command, capsys):
    workspace = command()
    (name,) = runs_in(workspace)
    (workspace / name / "mark").write_text("the first run")
    capsys.readouterr()
    command("--no-resume")
    out = capsys.readouterr().out
    assert f"the earlier run is kept in path/to/{name}.1" in out and "training for " in out and "complete since" not in out
    command("--no-resume")
    assert runs_in(workspace) == [name, f"{name}.1", f"{name}.2"]
    assert (workspace / f"{name}.1" / "mark").exists()
    losses = [[json.loads(line).get("loss") for line in (workspace / n / "log.jsonl").read_text().splitlines()] for n in runs_in(workspace)]
    assert [x for x in losses[0] if x] == [x for x in losses[1] if x] == [x for x in losses[2] if x]


def test_no_resume_without_an_earlier_run_is_a_run(command):
    workspace = command("--no-resume")
    assert len(runs_in(workspace)) == 1


@pytest.mark.parametrize("options, sentence", [
    (("--seed", "1", "--batch-size", "0"), "ValueError: batch_size must be at least 1, got 0"),
    (("--block-size", "100000"), "ReaderError: the training text has "),
    (("--data", "/no/such/folder"), "ReaderError: data '/no/such/folder' is neither "),
])
def test_bad_options_are_one_sentence(command, options, sentence):
    with pytest.raises(SystemExit) as exit:
        command(*options)
    assert str(exit.value).startswith(sentence) and "\n" not in str(exit.value)


def test_an_unknown_corpus_is_one_sentence_without_a_traceback(tmp_path):
    child = subprocess.run([sys.executable, "-m", "helpers.pretrain", "--corpus", "no/such/text", "--output", tmp_path], cwd=REPOSITORY,
                           check=False, capture_output=True, text=True, timeout=120)
    assert child.returncode == 1
    assert child.stderr.splitlines()[-1] == "ReaderError: corpus 'no/such/text' is neither prose, machado nor a file or folder that exists"
    assert "Traceback" not in child.stderr


def test_a_prompt_that_is_too_long_is_refused_before_the_training(command, tmp_path):
    with pytest.raises(SystemExit) as exit:
        command("--prompt", "cat " * 40)
    assert str(exit.value) == "ValueError: the prompt has 41 tokens, the context only 16: shorten the prompt"
    assert runs_in(tmp_path / "out-rehearsal" / "text") == []


@pytest.fixture
def machado(tmp_path, monkeypatch):
    """A function that runs the command on the corpus machado, three steps, from a folder of four works; returns the workspace."""
    monkeypatch.setenv("GPT_SERIES_STEPS", "3")
    for work in ("conto/um", "conto/dois", "romance/tres", "traducao/quatro"):
        file = tmp_path / "data" / "machado" / f"{work}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(f"{work[-3:]} {n} " + some_text()[n * 37 : n * 37 + 60] for n in range(200)), encoding="utf-8")

    def call(*options):
        pretrain.main(["--corpus", "machado", "--profile", "cpu", "--data", str(tmp_path / "data"), "--vocab-size", "300", "--block-size", "16",
                       "--n-embd", "16", "--n-head", "2", "--n-layer", "1", "--output", str(tmp_path / "out"), "--prompt", "um hen", *options])
        return tmp_path / "out-rehearsal" / "05"

    return call


def test_the_works_of_machado_are_a_corpus(machado, capsys):
    workspace = machado()
    (name,) = runs_in(workspace)
    header = Run(workspace / name / "log.jsonl").header
    assert (header["notebook"], header["settings"]["model"]["vocab_size"], header["settings"]["model"]["n_embd"]) == ("05", 300, 16)
    out = capsys.readouterr().out
    assert "sample (seed 1337): um hen" in out
    tokens = int(out.split(" training tokens")[0].split()[-1].replace(",", ""))
    assert machado("--tokenizer", "characters") and len(runs_in(workspace)) == 2
    assert int(capsys.readouterr().out.split(" training tokens")[0].split()[-1].replace(",", "")) > 1.5 * tokens


def test_the_originals_class_is_trained_by_the_same_command(machado):
    workspace = machado("--model", "original", "--eval-every", "2")
    (name,) = runs_in(workspace)
    header = Run(workspace / name / "log.jsonl").header
    assert header["settings"]["model"]["scale_by"] == "n_embd" and header["settings"]["train"]["eval_every"] == 2
    model = MachadoOriginal.from_pretrained(workspace / name / "model_final")
    tokenizer = AutoTokenizer.from_pretrained(workspace / name / "model_final")
    assert model.config.vocab_size == len(tokenizer) == len(set(some_text()) | set("um dois tres quatro 0123456789\n")) + 1


def test_a_prompt_outside_the_characters_is_refused_before_the_training(machado, tmp_path):
    with pytest.raises(SystemExit) as exit:
        machado("--tokenizer", "characters", "--prompt", "um ж")
    assert str(exit.value) == "ReaderError: the alphabet lacks 'ж': write a prompt with characters of the training text"
    assert runs_in(tmp_path / "out-rehearsal" / "05") == []


def test_the_successor_is_trained_by_the_same_command(command, capsys):
    workspace = command("--model", "modern", "--learning-rate", "0.01")
    log = Run(next(workspace.glob("*/log.jsonl")))
    assert log.complete and log.header["settings"]["train"]["muon"] and log.header["settings"]["train"]["learning_rate"] == 0.01
    model = Modern.from_pretrained(log.file.parent / "model_final")
    assert model.config.rope and model.config.block_size == 16 and "sample (seed" in capsys.readouterr().out
    command("--model", "modern", "--learning-rate", "0.01")
    assert "complete since" in capsys.readouterr().out
