"""`make check-gpu` without a GPU: the same checks run here, a failing one is a finding, and one file holds it all."""

import json
import subprocess
import sys

import nbformat
import pytest
import torch
from conftest import make_runtime

from helpers.runs import Run
from helpers.runtime import REPOSITORY
from tools import check_gpu

NOTEBOOKS = [pytest.param(f, id=f.stem) for f in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))]


@pytest.fixture
def half(tmp_path):
    """A runtime in float16 on the CPU, with a workspace that exists."""
    runtime = make_runtime(tmp_path / "space" / "01", dtype=torch.float16)
    runtime.workspace.mkdir(parents=True)
    return runtime


def make_run(folder):
    """The log of a rehearsal that went half the way its card was made for."""
    run = Run(folder / "log.jsonl")
    header = dict(notebook="01", profile="t4", settings_hash="ab", seed=1, rehearsal=3, hardware="Tesla T4", settings={"dtype": "torch.float16"})
    run.begin(header)
    run.log("end", status="complete", tokens=500, tokens_per_second=50.0, seconds=12.0, peak_memory_bytes=400, val_loss=2.0)
    run.log("budget", tokens=1000, tokens_per_second=100.0, minutes=0.2, memory_bytes=300)
    return run


def test_all_checks_pass_here_and_one_file_holds_them(half, tmp_path, capsys):
    assert check_gpu.check_gpu(half, make_run(tmp_path)) is True
    rows = [json.loads(line) for line in (half.workspace.parent / "check-gpu.jsonl").read_text().splitlines()]
    assert [r["kind"] for r in rows] == ["machine", *["check"] * 6, "notebook"]
    assert {r["name"]: r["passed"] for r in rows[1:7]} == dict(check_logits=True, check_generation=True, check_half=True, check_resume=True, check_cap=None,
                                                                   check_published=None)
    assert rows[6]["finding"] == "no hub"
    assert rows[0]["versions"]["transformers"] and rows[0]["dtype"] == "torch.float16"
    assert rows[7]["estimated"] == dict(memory_bytes=300, tokens_per_second=100.0, minutes=0.1)
    assert rows[7]["measured"] == dict(memory_bytes=400, tokens_per_second=50.0, minutes=0.2)
    out = capsys.readouterr().out
    assert "not run published   no hub" in out
    assert "notebook 01: estimated / measured: memory_bytes 0.75, tokens_per_second 2.00, minutes 0.50" in out
    assert out.endswith("send back this file: path/to/space/check-gpu.jsonl\n")
    assert str(tmp_path) not in out + json.dumps(rows)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_the_last_cell_of_a_notebook_offers_the_checks(file, half, tmp_path, capsys):
    cell = [c for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code"][-1].source
    assert cell.startswith("# @title Optional: check this GPU") and "CHECK_GPU = False" in cell
    run = make_run(tmp_path)
    names = {"runtime": half, "run": run, "runs": {"full": run, "base": run, "random": None}, "cards": {"full": None}}
    exec(cell, dict(names))
    assert capsys.readouterr().out == ""
    exec(cell.replace("CHECK_GPU = False", "CHECK_GPU = True"), dict(names))
    assert "estimated / measured" in capsys.readouterr().out and (half.workspace.parent / "check-gpu.jsonl").exists()


def test_the_tools_are_found_from_the_notebooks_folder():
    found = subprocess.run([sys.executable, "-c", "import tools.check_gpu as t; print(t.__file__)"], cwd=REPOSITORY / "notebooks",
                           capture_output=True, text=True)
    assert found.stdout.strip() == check_gpu.__file__, found.stderr


def test_half_precision_is_really_used(half):
    passed, finding = check_gpu.check_half(half)
    assert passed and "torch.float16 within 0.0000%" not in finding


@pytest.mark.parametrize("name, breakage", [
    ("check_logits", lambda m: m.setattr("helpers.weights.TRANSPOSED", ("attn.c_attn.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"))),
    ("check_generation", lambda m: m.setattr("helpers.model.GPT.generate", lambda self, *a, use_cache, **b: torch.tensor([use_cache]))),
    ("check_half", lambda m: m.setattr("helpers.step.clip_grad_norm_", lambda parameters, size: [p.grad.zero_() for p in parameters][0].norm())),
    ("check_resume", lambda m: m.setattr("helpers.checkpoints.restore", lambda *_: None)),
])
def test_a_broken_part_is_a_finding_and_the_rest_goes_on(half, monkeypatch, name, breakage):
    breakage(monkeypatch)
    assert check_gpu.check_gpu(half) is False
    rows = [json.loads(line) for line in (half.workspace.parent / "check-gpu.jsonl").read_text().splitlines()]
    assert len(rows) == 7 and next(r for r in rows if r.get("name") == name)["passed"] is False


def test_a_check_that_raises_is_a_finding(half, monkeypatch, capsys):
    def fails(*_, **__):
        raise RuntimeError("CUDA error: no kernel image\nand more")

    monkeypatch.setattr(check_gpu, "fit", fails)
    assert check_gpu.check_gpu(half) is False
    assert capsys.readouterr().out.count("RuntimeError: CUDA error: no kernel image\n") == 2  # half, resume


def test_the_cap_is_checked_on_a_card(half, monkeypatch):
    card = make_runtime(half.workspace, device=torch.device("cuda"), profile="t4")

    def allocate(size, **_):
        if refuses:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", allocate)
    for refuses in (True, False):
        assert check_gpu.check_cap(card)[0] is refuses
