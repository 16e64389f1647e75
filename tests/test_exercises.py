"""What a check prints, what it remembers, and what `progress` says of it."""

import json

import pytest
from conftest import make_runtime

from helpers.exercises import EXERCISES, check, progress

KNOWN = {4: "right", 5: "one too many"}


@pytest.fixture
def runtime(tmp_path):
    return make_runtime(tmp_path / "03", notebook="03")


@pytest.mark.parametrize(("attempt", "verdict"), [
    (None, "not tried yet"), (lambda: None, "not tried yet"), (lambda: [None, None], "not tried yet"), (4, "right"), (lambda: 5, "one too many"),
    (lambda: [4], "not yet: TypeError: unhashable type: 'list'"),
    (lambda: 1 / 0, "not yet: ZeroDivisionError: division by zero")])
def test_the_verdict(attempt, verdict, runtime, capsys):
    check(runtime, 2, attempt, KNOWN.get)
    assert capsys.readouterr().out == verdict + "\n"
    assert (runtime.workspace.parent / "progress.json").exists() == (verdict == "right")


def test_what_is_solved_is_remembered_for_all_notebooks_and_stays(runtime, tmp_path, capsys):
    check(runtime, 2, 4, KNOWN.get)
    other = make_runtime(tmp_path / "06", notebook="06")
    check(other, 1, 4, KNOWN.get)
    check(runtime, 2, 5, KNOWN.get)  # solved once is solved
    capsys.readouterr()
    progress(other)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "notebook 03: 1 open   2 solved   3 open" and lines[5] == "notebook 06: 1 solved   2 open   3 open"
    assert [line for line in lines[:6] if "solved" in line] == [lines[2], lines[5]] and len(lines) == 7
    assert lines[6].startswith("2 of 18 solved, noted in ") and lines[6].endswith("progress.json") and str(tmp_path) not in lines[6]


@pytest.mark.parametrize("damaged", ["", "{", "7", json.dumps(["99.9", "03.9", 5])])
def test_a_damaged_file_holds_nothing(damaged, runtime, capsys):
    (runtime.workspace.parent / "progress.json").write_text(damaged)
    progress(runtime)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"0 of {sum(EXERCISES.values())} solved")
    check(runtime, 1, 4, KNOWN.get)
    progress(runtime)
    assert "notebook 03: 1 solved   2 open" in capsys.readouterr().out


def test_a_workspace_that_cannot_be_written_is_one_sentence(runtime, capsys, monkeypatch):
    monkeypatch.setattr("helpers.runs.PAUSE", 0)
    runtime.workspace.parent.joinpath("progress.tmp").mkdir()
    check(runtime, 1, 4, KNOWN.get)
    right, sentence = capsys.readouterr().out.splitlines()
    assert right == "right" and "could not be written" in sentence
