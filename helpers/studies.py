"""Optuna studies on disk: one process at a time, whole after any kill, as JSON lines to keep."""

import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from .runs import settings_hash, write_whole
from .runtime import ReaderError, shown

NAME, INTERRUPTED = "sweep", "interrupted"  # of the study in its file; the attribute "end" of a trial that has not come to one


@contextlib.contextmanager
def alone(file):
    """Holds a study's lock, which ends with the process, however that ends. Raises ReaderError while another process has it.

    The lock is a file of this machine, since Google Drive knows none: two machines on one Drive do not see each other.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / f"sweep-{settings_hash(str(file.resolve()))}.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise ReaderError(f"another process is at work on {shown(file)}: wait until it ends or stop it, then run this again") from None
    with held, readable(file):
        yield


@contextlib.contextmanager
def readable(file):
    """Says in one sentence that a database cannot be read or written."""
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(getattr(error, "orig", error.__cause__) or error).partition("\n")[0]
        raise ReaderError(f"{shown(file)} cannot be used ({reason}): see that its folder can be written and has room; if it is damaged, move it "
                          "away and run this again, which reads the complete trials from their logs") from None


def open_study(file, settings, **options):
    """The study in a SQLite file, which is made whole or not at all; ``settings``: plain values that decide its outcome.

    Raises ReaderError for a damaged file and for one that was made with other settings.
    """
    settings = json.loads(json.dumps(settings))
    if not file.exists():
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{new}")
        optuna.create_study(study_name=NAME, storage=storage).set_user_attr("settings", settings)
        storage.engine.dispose()
        new.replace(file)
    check_intact(file)
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{file}", **options)
    then = study.user_attrs["settings"]
    changed = [f"{key} was {then.get(key)}, is {settings.get(key)}" for key in sorted(then | settings) if then.get(key) != settings.get(key)]
    if changed:
        raise ReaderError(f"{shown(file)} holds a sweep of other settings ({'; '.join(changed)}): choose another name to begin one beside it")
    return study


def check_intact(file):
    """Raise sqlite3.Error for a file that is not a whole database with a study, before anything could write to it."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        verdict, = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok" or not database.execute("SELECT 1 FROM study_user_attributes").fetchone():
            raise sqlite3.DatabaseError(verdict if verdict != "ok" else "it holds no sweep")


def finished(study):
    """The trials that came to their own end, in order; one that a dead process left is FAIL without having."""
    return [trial for trial in study.trials if trial.user_attrs.get("end") == trial.state.name]


def clear(study):
    """Close what a dead process left, and put its settings first in the queue."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if trial.user_attrs.get("end") == INTERRUPTED and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


def tidy(workspace, trial):
    """Remove what only a resume needs of a trial's run; one that was ended early moves aside, so that its settings can be trained anew."""
    if "folder" in trial.user_attrs:
        folder = workspace / trial.user_attrs["folder"]
        with contextlib.suppress(OSError):  # what cannot be moved or removed takes room, no more
            if folder.suffix and not folder.exists():
                folder.with_suffix("").rename(folder)
            for file in folder.glob("checkpoints/step-*.safetensors"):
                file.unlink()


def said(params):
    """Settings in a few words."""
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())


def describe(trial, objective):
    """A finished trial in one line."""
    if trial.state == TrialState.FAIL:
        return f"failed, {trial.user_attrs['reason'].partition(':')[0]} ({said(trial.params)})"
    return f"{objective} {trial.value:.3f}{', pruned' * (trial.state == TrialState.PRUNED)} ({said(trial.params)})"


def summary(study):
    """A study in one line: how its trials ended, the share of the budget that they spent, and the best."""
    trials, settings = finished(study), study.user_attrs["settings"]
    counts = {word: sum(t.state == state for t in trials) for word, state in
              {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}.items()}
    runs = {t.user_attrs.get("folder"): t.user_attrs["flops"] for t in trials}  # settings that came again were not trained again
    spent = sum(runs.values()) / max(1, len(trials)) / settings["flops"]
    best = min((t for t in trials if t.state == TrialState.COMPLETE), key=lambda t: t.value, default=None)
    return (f"{len(trials)} trial{'s' * (len(trials) != 1)}: {', '.join(f'{n} {word}' for word, n in counts.items())}; "
            f"{spent:.0%} of the budget spent; "
            + (f"best {settings['objective']} {best.value:.3f} with {said(best.params)}" if best else "none complete"))


def save_study(study, file):
    """Write a study as JSON lines, one a trial behind one of the study's own."""
    rows = [{"kind": "study", "user_attrs": study.user_attrs}]
    rows += [{"kind": "trial", "number": t.number, "state": t.state.name, "value": t.value, "params": t.params,
              "distributions": {name: json.loads(distribution_to_json(d)) for name, d in t.distributions.items()},
              "intermediate_values": t.intermediate_values, "user_attrs": t.user_attrs} for t in study.trials if t.state.is_finished()]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_whole(Path(file), lambda temporary: temporary.write_text(text, encoding="utf-8"), len(text))


def load_study(file):
    """The study that `save_study` wrote, in memory: Optuna's own charts and importances take it. Raises ReaderError for another file."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else a line for each study
    study = optuna.create_study()
    try:
        first, *rows = map(json.loads, Path(file).read_text(encoding="utf-8").splitlines())
        for key, value in first["user_attrs"].items():
            study.set_user_attr(key, value)
        study.add_trials(optuna.trial.create_trial(
            state=TrialState[row["state"]], value=row["value"], params=row["params"], user_attrs=row["user_attrs"],
            distributions={name: json_to_distribution(json.dumps(d)) for name, d in row["distributions"].items()},
            intermediate_values={int(share): value for share, value in row["intermediate_values"].items()}) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__} {error}".partition("\n")[0]
        raise ReaderError(f"{shown(file)} cannot be read as a study ({reason}): take a file that save_study wrote") from None
    return study
