"""Record the reference runs of a setting: `python -m tools.references --profile cpu --seeds 1 2 3`.

Each log goes to data/reference/<notebook>/<name>-s<seed>.jsonl; three seeds make a reference band. `--notebook 02` executes that
notebook once a seed and keeps the logs of all its runs, as <name>_<run>-s<seed>.jsonl, and its sweeps, as <name>_<sweep>-s<seed>.ndjson.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.runs import REFERENCES, Run
from helpers.runtime import PROFILES, shown


def record(profile, seed, name, options):
    """One run through `helpers.pretrain`, in its own workspace and process; returns the recorded log's path."""
    with tempfile.TemporaryDirectory() as workspace:
        command = [sys.executable, "-m", "helpers.pretrain", "--profile", profile, "--seed", str(seed), "--output", workspace, *options]
        subprocess.run(command, check=True)
        [log] = Path(workspace).glob("*/*/log.jsonl")
        return keep(log, name or profile)


def record_notebook(number, profile, seed, name, options):
    """All runs of a notebook, executed in a workspace of its own."""
    with tempfile.TemporaryDirectory() as workspace:
        settings = {"GPT_SERIES_PROFILE": profile, "GPT_SERIES_SEED": str(seed), "GPT_SERIES_WORKSPACE": workspace}
        done = subprocess.run([sys.executable, "-m", "tools.notebook", number, *options], env=os.environ | settings)
        for log in sorted(Path(workspace).glob("*/*/log.jsonl")):
            if (found := Run(log)).complete and "name" in found.header:  # kept though the notebook fails later; a sweep's trials have no name
                keep(log, f"{name or profile}_{found.header['name']}", system=True)
        for study in sorted(Path(workspace).glob("*/*.ndjson")):
            target = REFERENCES / study.parent.name / f"{name or profile}_{study.stem}-s{seed}.ndjson"
            shutil.copy(study, target)
            print(f"recorded {shown(target)}")
    if done.returncode:
        sys.exit(f"notebook {number} failed at seed {seed}; the runs it had completed are recorded")


def keep(log, name, system=False):
    """Copy a run's log into data/reference, without the system rows that only say how busy the machine was."""
    run = Run(log)
    target = REFERENCES / run.header["notebook"] / f"{name}-s{run.header['seed']}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = [run.header, *(r for r in run.rows if system or r["kind"] != "system")]
    target.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    print(f"recorded {shown(target)}")
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Further options go to helpers.pretrain, or to tools.notebook (such as --set RERUN=all).")
    parser.add_argument("--profile", default="cpu", choices=PROFILES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--name", help="of the log files; default: the profile")
    parser.add_argument("--notebook", help="execute this notebook instead of helpers.pretrain")
    parser.add_argument("--keep", metavar="LOG", help="record this log of a run made elsewhere instead")
    args, options = parser.parse_known_args()
    if args.keep:
        keep(args.keep, args.name or args.profile)
        return
    for seed in args.seeds:
        if args.notebook:
            record_notebook(args.notebook, args.profile, seed, args.name, options)
            continue
        record(args.profile, seed, args.name, options)


if __name__ == "__main__":
    main()
