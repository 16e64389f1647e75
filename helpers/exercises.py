"""What a reader's answer to an exercise says about it, and what is solved so far: one small file in the workspace, no account, no network."""

import contextlib
import json

from .runs import write_whole
from .runtime import ReaderError, shown

EXERCISES = {"01": 3, "02": 3, "03": 3, "04": 3, "05": 3, "06": 3}  # by notebook


def check(runtime, number, attempt, diagnose):
    """Print the verdict on exercise ``number`` of this notebook; "right" is remembered for `progress`. Never raises.

    attempt: the reader's answer, or a function that makes it; None, or only None in a list, is an exercise not tried yet.
    diagnose: the answer -> "right", or what is wrong with it.
    """
    try:
        answer = attempt() if callable(attempt) else attempt
        untouched = answer is None or isinstance(answer, list) and all(part is None for part in answer)
        verdict = "not tried yet" if untouched else diagnose(answer)
    except Exception as error:
        verdict = f"not yet: {type(error).__name__}: {error}"
    print(verdict)
    if verdict == "right":
        text = json.dumps(sorted(solved_in(runtime) | {f"{runtime.notebook}.{number}"}))
        try:
            write_whole(progress_file(runtime), lambda file: file.write_text(text, encoding="utf-8"), len(text))
        except ReaderError as error:
            print(error)  # right all the same


def progress(runtime):
    """Print which exercises of the series are solved in this workspace."""
    solved = solved_in(runtime)
    for notebook, count in EXERCISES.items():
        print(f"notebook {notebook}: " + "   ".join(f"{n} {'solved' if f'{notebook}.{n}' in solved else 'open'}" for n in range(1, count + 1)))
    print(f"{len(solved)} of {sum(EXERCISES.values())} solved, noted in {shown(progress_file(runtime))}")


def progress_file(runtime):
    return runtime.workspace.parent / "progress.json"


def solved_in(runtime):
    """{"01.2", ...}; a damaged or missing file holds nothing."""
    names = {f"{notebook}.{number}" for notebook, count in EXERCISES.items() for number in range(1, count + 1)}
    with contextlib.suppress(OSError, ValueError, TypeError):
        return names.intersection(json.loads(progress_file(runtime).read_text(encoding="utf-8")))
    return set()
