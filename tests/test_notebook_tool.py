"""`tools.notebook`: a notebook's form fields take values from outside; the right run is summed up, and a failure loses none."""

import os
import subprocess
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers.runs import Run
from tools import references
from tools.notebook import fill_in, newest_run, summary

SOURCE = 'RERUN = "none"  # @param ["none", "all"]\nRATE = 2e-3   # @param {type:"number"}\nON = False # @param {type:"boolean"}\nplain = "RERUN"'


def filled(*fields):
    notebook = new_notebook(cells=[new_code_cell("print('RERUN = 1')"), new_code_cell(SOURCE)])
    fill_in(notebook, fields)
    space = {}
    exec(notebook.cells[1].source, space)
    assert notebook.cells[0].source == "print('RERUN = 1')" and notebook.cells[1].source.count("# @param") == 3
    return space["RERUN"], space["RATE"], space["ON"], space["plain"]


def test_fields_take_words_numbers_and_truth():
    assert filled() == ("none", 2e-3, False, "RERUN")
    assert filled("RERUN=all", "RATE=5e-5", "ON=True") == ("all", 5e-5, True, "RERUN")
    assert filled("RERUN=it's = all") == ("it's = all", 2e-3, False, "RERUN")


def test_an_unknown_field_is_one_sentence():
    with pytest.raises(SystemExit, match="^no cell has a field plain: lines such as RERUN = ...  # @param are fields$"):
        filled("plain=x")


def test_the_run_that_is_summed_up_is_the_newest_with_a_sample(tmp_path, capsys):
    for age, (name, result) in enumerate((("ours", {"sample": "it was"}), ("rerun", {"fifteen": 3}))):
        run = Run(tmp_path / name / "log.jsonl")
        run.begin({"notebook": "04", "profile": "cpu", "data": "x", "settings_hash": "y", "seed": 1, "rehearsal": None})
        run.log(step=0, tokens=0, loss=2.0, val_loss=2.0, seconds=0)
        run.log("end", status="complete", val_loss=1.0, first_val_loss=2.0, tokens_per_second=10.0, seconds=1.0, step=1, tokens=5, best_step=1)
        run.log("result", **result)
        run.log("result", later=1)
        os.utime(run.file, (1_000 + age, 1_000 + age))
    found = newest_run(tmp_path)
    assert found.file.parent.name == "ours"
    summary(found, tmp_path / "04.ipynb")
    assert "it was" in capsys.readouterr().out


def test_what_a_failed_notebook_had_completed_is_recorded(tmp_path, monkeypatch):
    def fail(command, env):
        for name, status in (("first", "complete"), ("second", "stopped")):
            run = Run(Path(env["GPT_SERIES_WORKSPACE"]) / "04" / name / "log.jsonl")
            run.begin({"notebook": "04", "name": name, "seed": 7})
            run.log("end", status=status)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(references.subprocess, "run", fail)
    monkeypatch.setattr(references, "REFERENCES", tmp_path)
    with pytest.raises(SystemExit, match="^notebook 04 failed at seed 7; the runs it had completed are recorded$"):
        references.record_notebook("04", "cpu", 7, None, [])
    assert [f.name for f in tmp_path.rglob("*.jsonl")] == ["cpu_first-s7.jsonl"]
