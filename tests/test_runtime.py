"""`setup` answers where we are, takes the environment's word for "auto" alone, and gives each dtype its reason."""

import itertools
import json
import os
import time

import pytest
import torch

from helpers import runtime as rt
from helpers.runtime import REPOSITORY, ReaderError, Runtime, choose_dtype, setup, shown


@pytest.fixture
def on_cpu(monkeypatch, tmp_path):
    """A machine without GPU whose workspace is a temporary folder."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("GPT_SERIES_WORKSPACE", str(tmp_path / "space"))


def gpu(monkeypatch, capability):
    """Make torch describe a card of this compute capability, which by its own account can do anything."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    return torch.device("cuda", 0)


def test_a_laptop_gets_the_cpu_profile(on_cpu, tmp_path, capsys):
    found = setup("01")
    assert found == Runtime("01", "cpu", "local", torch.device("cpu"), torch.float32, "on a CPU, so that runs compare across machines",
                            "offline", tmp_path / "space" / "01", 1337)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["dtype float32: on a CPU, so that runs compare across machines", "profile cpu, data offline, seed 1337",
                         "workspace path/to/space/01: nothing in it yet"]
    assert lines[0].startswith("Python 3.") and torch.__version__ in lines[0] and "CPU cores" in lines[0]


def test_the_environment_answers_for_auto_alone(on_cpu, monkeypatch, tmp_path):
    for name, value in dict(PROFILE="t4", DATA=str(tmp_path), SEED="7").items():
        monkeypatch.setenv(f"GPT_SERIES_{name}", value)
    found = setup("01")
    assert (found.profile, found.data, found.seed) == ("t4", str(tmp_path), 7)
    asked = setup("01", profile="full", data="hub", seed=3, workspace=tmp_path / "mine")
    assert (asked.profile, asked.data, asked.seed, asked.workspace) == ("full", "hub", 3, tmp_path / "mine" / "01")


def test_without_a_data_source_the_profile_decides(on_cpu):
    assert [setup("01", profile=p).data for p in ("cpu", "t4", "full")] == ["offline", "hub", "hub"]


def test_the_seed_seeds_all_generators(on_cpu):
    draws = []
    for seed in (5, 5, 6):
        setup("01", seed=seed)
        draws.append((torch.rand(1).item(), rt.np.random.rand(), rt.random.random()))
    assert draws[0] == draws[1]
    assert all(a != b for a, b in zip(draws[0], draws[2]))


@pytest.mark.parametrize("settings, sentence", [
    (dict(profile="big"), "unknown profile 'big': choose one of cpu, t4, full"),
    (dict(dtype="int8"), "unknown dtype 'int8': choose one of auto, float32, bfloat16, float16"),
    (dict(data="/no/such/folder"), "data '/no/such/folder' is neither 'offline', 'hub' nor a folder that exists: choose one of the three"),
])
def test_unknown_choices_are_one_sentence(on_cpu, settings, sentence):
    with pytest.raises(ReaderError) as error:
        setup("01", **settings)
    assert str(error.value) == sentence


@pytest.mark.parametrize("variable, value, sentence", [
    ("GPT_SERIES_PROFILE", "big", "unknown profile 'big': choose one of cpu, t4, full"),
    ("GPT_SERIES_STEPS", "three", "GPT_SERIES_STEPS must be a whole number, got 'three'"),
    ("GPT_SERIES_SEED", "-1", "GPT_SERIES_SEED must be a whole number, got '-1'"),
])
def test_bad_variables_are_one_sentence(on_cpu, monkeypatch, variable, value, sentence):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ReaderError) as error:
        setup("01")
    assert str(error.value) == sentence


def test_a_workspace_that_cannot_be_written_is_one_sentence(on_cpu, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ReaderError) as error:
        setup("01", workspace=tmp_path / "file")
    assert str(error.value) == "the workspace path/to/01 cannot be written (Not a directory): set GPT_SERIES_WORKSPACE to a folder of yours"


def test_trying_the_workspace_leaves_nothing_behind(on_cpu):
    assert not list(setup("01").workspace.iterdir())


def test_the_workspace_says_what_it_holds(on_cpu, capsys):
    now = time.time()
    noon = time.mktime((*time.localtime(now)[:3], 12, 0, 0, 0, 0, -1))
    began = itertools.count(int(now))

    def run(name, *rows, step=None, saved=noon):
        folder = setup("01").workspace / name
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "log.jsonl").write_bytes(b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in rows))
        if step is not None:
            (folder / "checkpoints" / f"step-{step:06}.safetensors").touch()
            os.utime(folder / "checkpoints" / f"step-{step:06}.safetensors", (saved, saved))
        os.utime(folder, (next(began),) * 2)
        capsys.readouterr()
        setup("01")
        return capsys.readouterr().out.splitlines()[-1].removeprefix("workspace path/to/space/01: ")

    header, end = dict(kind="header", steps=4000), dict(kind="end", status="complete", val_loss=4.60999)
    assert run("cpu-0000000a") == "cpu-0000000a begun"
    assert run("cpu-0000000b", header, end, dict(kind="result"), step=4000) == "cpu-0000000b complete (loss 4.610), cpu-0000000a begun"
    assert run("t4-0000000c", header, end | {"status": "stopped"}, step=1200).startswith("t4-0000000c at step 1,200 of 4,000, saved 12:00, cpu-0000000b ")
    line = run("t4-0000000d", header | {"steps": None}, step=7, saved=noon - 86400)
    day = time.strftime("%Y-%m-%d", time.localtime(noon - 86400))
    assert line.startswith(f"t4-0000000d at step 7, saved {day} 1") and line.endswith("complete (loss 4.610), 1 more")
    for name, content in (("e", b"\xff\xfe\x00"), ("f", b"[1]\n"), ("0", b'{"kind": "header", "steps": 40'), ("1", b"")):  # what cannot be read
        assert run(f"t4-1000000{name}", content, step=9).startswith(f"t4-1000000{name} at step 9, saved 12:00, ")
    (setup("01").workspace / "t4-1000000f" / "log.jsonl").unlink()
    assert setup("01")


@pytest.mark.parametrize("capability, dtype, reason", [
    ((7, 5), torch.float16, "compute capability 7.5 has no bfloat16 units; a gradient scaler and float32 weights go with it"),
    ((7, 0), torch.float16, "compute capability 7.0 has no bfloat16 units; a gradient scaler and float32 weights go with it"),
    ((8, 0), torch.bfloat16, "compute capability 8.0 has bfloat16 units"),
    ((9, 0), torch.bfloat16, "compute capability 9.0 has bfloat16 units"),
])
def test_the_hardware_decides_the_dtype(monkeypatch, capability, dtype, reason):
    assert choose_dtype(gpu(monkeypatch, capability)) == (dtype, reason)


def test_a_wish_for_a_dtype_is_granted(monkeypatch):
    assert choose_dtype(gpu(monkeypatch, (7, 5)), "float32") == (torch.float32, "asked for")
    assert choose_dtype(torch.device("cpu"), "bfloat16") == (torch.bfloat16, "asked for")


def test_the_environment_may_wish_for_a_dtype(monkeypatch):
    monkeypatch.setenv("GPT_SERIES_DTYPE", "float16")
    assert choose_dtype(torch.device("cpu")) == (torch.float16, "asked for")
    assert choose_dtype(torch.device("cpu"), "float32") == (torch.float32, "asked for")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_autocast_computes_in_the_dtype(on_cpu, dtype):
    with setup("01", dtype=str(dtype).removeprefix("torch.")).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_rehearsal_has_a_workspace_of_its_own(on_cpu, monkeypatch, tmp_path, capsys):
    real = setup("01")
    monkeypatch.setenv("GPT_SERIES_STEPS", "3")
    rehearsal = setup("01")
    assert (real.steps, real.max_bytes) == (None, None)
    assert (rehearsal.steps, rehearsal.max_bytes) == (3, 2_000_000)
    assert rehearsal.workspace == tmp_path / "space-rehearsal" / "01" != real.workspace
    assert "profile cpu (rehearsal: 3 steps), " in capsys.readouterr().out


def test_a_readers_error_is_one_line_in_a_notebook(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell(user_ns={})
    shell.run_cell("from helpers.runtime import setup\nsetup('01', profile='big')")
    assert capsys.readouterr().out == "ReaderError: unknown profile 'big': choose one of cpu, t4, full\n"
    shell.run_cell("from helpers.training import Stopped\nraise Stopped('run this cell again')")
    assert capsys.readouterr().out == "Stopped: run this cell again\n"


@pytest.mark.parametrize("path, text", [
    ("offline", "offline"), ("hub", "hub"),
    (REPOSITORY / "data" / "offline", "data/offline"),
    ("/home/ana/books/prose", "path/to/prose"),
    ("/content/workspace/01", "/content/workspace/01"), ("/kaggle/working/workspace", "/kaggle/working/workspace"),
])
def test_paths_are_shown_without_this_machines_layout(path, text):
    assert shown(path) == text


def test_more_of_a_path_is_shown_on_request():
    assert shown("/home/ana/workspace/01/cpu-12345678", 2) == "path/to/01/cpu-12345678"


def test_paths_below_the_working_folder_are_shown_relative_to_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b.txt") == shown("a/b.txt") == "a/b.txt"
    assert str(tmp_path.parent) not in shown(tmp_path.parent / "elsewhere")


def test_more_processes_than_cards_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(rt.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(rt.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ReaderError, match="^2 processes or more for 1 GPU: start one a GPU, or take profile cpu$"):
        setup("01", profile="t4", workspace=tmp_path)
    assert setup("01", profile="cpu", workspace=tmp_path).device.type == "cpu"


def test_a_folder_of_data_is_the_same_from_any_folder(monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert setup("01", profile="cpu", data="mine", workspace=tmp_path / "w").data == str(tmp_path / "mine")
