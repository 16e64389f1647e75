"""The published numbers, computed from the logs in data/reference: {"01.cpu.val_loss": 3.9, ...}.

Prose cites them as `3.90<!--01.cpu.val_loss-->`; a test holds every such number to the recorded value.
`python -m tools.results` lists them; with `--write` it brings README and notebooks up to date.
"""

import json
import math
import re
import statistics
import sys

from helpers.recipes import RECIPES, tokens_to_reach
from helpers.runs import REFERENCES, Run
from helpers.runtime import REPOSITORY, shown
from helpers.studies import load_study

PAGES = ("README.md", "RESULTS.md", "TEACHING.md", "benchmarks/README.md")  # besides the notebooks
CITED = re.compile(r"([\d.,]+)(\s?<!--([\w.]+)-->)")


def groups():
    """{(notebook, name): [runs]} of all recorded runs; a file is called <name>-s<seed>.jsonl."""
    found = {}
    for file in sorted(REFERENCES.glob("[0-9]*/*-s*.jsonl")):
        name = file.stem.rsplit("-s", 1)[0]
        found.setdefault((file.parent.name, name), []).append(Run(file))
    return found


def figures(runs):
    """Means over the seeds of what was measured, and what follows by arithmetic."""
    def mean(name):
        return statistics.mean(r.end[name] for r in runs)

    results = [next((row for row in reversed(r.rows) if row["kind"] == "result"), {}) for r in runs]
    noted = {k: statistics.mean(row[k] for row in results) for k, v in results[0].items() if isinstance(v, (int, float))}
    tuned = {name: mean(key) / unit for name, key, unit in (("trainable", "trainable", 1), ("optimizer_megabytes", "optimizer_bytes", 1e6),
                                                           ("disk_megabytes", "disk_bytes", 1e6)) if key in runs[0].end}
    if "bytes_per_token" in noted:
        noted["bits_per_byte"] = mean("val_loss") / math.log(2) / noted["bytes_per_token"]
    return noted | tuned | {
        "seeds": len(runs),
        "steps": mean("step"),
        "tokens": mean("tokens"),
        "million_tokens": mean("tokens") / 1e6,
        "best_step": mean("best_step"),
        "train_loss_begin": statistics.mean(float(r.curve("loss")[1][:10].mean()) for r in runs),
        "train_loss_end": statistics.mean(float(r.curve("loss")[1][-40:].mean()) for r in runs),
        "first_val_loss": mean("first_val_loss"),
        "first_perplexity": math.exp(mean("first_val_loss")),
        "val_loss": mean("val_loss"),
        "perplexity": math.exp(mean("val_loss")),
        "tokens_per_second": mean("tokens_per_second"),
        "minutes": mean("seconds") / 60,
        "hours": mean("seconds") / 3600,
        "memory_gib": max(r.end["peak_memory_bytes"] for r in runs) / 2**30,
    }


def sweep_figures():
    """{"05.cpu_sweep.best": lowest loss, ...} of the recorded sweeps."""
    found = {}
    for file in sorted(REFERENCES.glob("[0-9]*/*.ndjson")):
        key, study = f"{file.parent.name}.{file.stem.rsplit('-s', 1)[0]}", load_study(file)
        losses = [trial.value for trial in study.trials if trial.state.name == "COMPLETE"]
        found |= {f"{key}.trials": len(study.trials), f"{key}.complete": len(losses), f"{key}.pruned": sum(t.state.name == "PRUNED" for t in study.trials),
                  f"{key}.best": min(losses), f"{key}.mean": statistics.mean(losses), f"{key}.worst": max(losses),
                  f"{key}.minutes": sum(t.user_attrs["seconds"] for t in study.trials) / 60}
    return found


def generation_figures():
    """Medians of the recorded benchmark: {"generation.B8.nanoGPT.times": how many times as fast ours is, ...}, by CPU time."""
    found = {}
    for cell in json.loads((REFERENCES / "benchmarks" / "generation.json").read_text(encoding="utf-8"))["cells"]:
        for variant, summary in cell["summary"].items():
            key = f"generation.B{cell['batch']}.{variant.replace(', ', '_').replace(' ', '_')}"
            found |= {f"{key}.speed": summary["cpu"]["tokens_per_second"][0], f"{key}.times": summary["cpu"]["times_ours"][0]}
            held = cell["memory_bytes"][variant]
            found[f"{key}.megabytes"] = (held[1] - held[0]) / 1e6
    return found


def ladder_figures():
    """Medians of the recorded training benchmark by CPU time, where there is one: {"ladder.huge_pages.times": over nanoGPT as shipped, ...}.

    The first cell's keys begin with "ladder.", those of a cell with more threads with "ladder.T2.", by wall time.
    """
    file, found = REFERENCES / "benchmarks" / "ladder.json", {}
    for i, cell in enumerate(json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else []):
        key, clock = (f"ladder.T{cell['threads']}", "wall") if i else ("ladder", "cpu")
        for variant, summary in cell["summary"].items():
            name, (times, low, high) = f"{key}.{re.sub(r'[^A-Za-z0-9]+', '_', variant)}", summary[clock]["times"]
            found |= {f"{name}.tokens_per_second": summary[clock]["tokens_per_second"][0], f"{name}.times": times, f"{name}.times_low": low,
                      f"{name}.times_high": high, f"{name}.share_of_peak": summary[clock]["share_of_peak"] * 100}
            found |= {f"{name}.megabytes": summary["peak_bytes"] / 1e6} if summary["peak_bytes"] else {}
        best = max(cell["summary"].values(), key=lambda summary: summary[clock]["times"][0])
        found |= {f"{key}.share_of_peak": best[clock]["share_of_peak"] * 100, f"{key}.times": best[clock]["times"][0],
                  f"{key}.gflops": cell["rate"] / 1e9, f"{key}.gigabytes_per_second": cell["bandwidth"] / 1e9}
    return found


def memory_figures():
    """{"finetune_memory.full.gib": ...}: the estimate of benchmarks/finetune_memory.py."""
    rows = json.loads((REFERENCES / "benchmarks" / "finetune_memory.json").read_text(encoding="utf-8"))["bytes"]
    return {f"finetune_memory.{way}.gib": row["total"] / 2**30 for way, row in rows.items()}


def llama_figures():
    """{"llama_estimate.checkpointing.total.gib": ...}: the estimate of benchmarks/llama_shape.py, and its records where there are any."""
    named = lambda name: re.sub(r"\W+", "_", name)
    row = json.loads((REFERENCES / "benchmarks" / "llama_estimate.json").read_text(encoding="utf-8"))
    found = {"llama_estimate.parameters": row["parameters"]}
    for variant, terms in row["bytes"].items():
        found |= {f"llama_estimate.{variant}.{named(term)}.gib": size / 2**30 for term, size in terms.items()}
        found[f"llama_estimate.{variant}.gflop_per_token"] = row["flops_per_token"][variant]["total"] / 1e9
        found |= {f"llama_estimate.{variant}.minutes_at_{percent}": minutes for percent, minutes in row["minutes"][variant].items()}
    for file in sorted((REFERENCES / "benchmarks").glob("llama_shape-*.json")):
        row = json.loads(file.read_text(encoding="utf-8"))
        for variant, measured in row["variants"].items():
            for name, value in measured.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    gib = name.endswith("_bytes")
                    found[f"llama_shape.{row['backend']}.{variant}.{name.replace('_bytes', '.gib')}"] = value / 2**30 if gib else value
    return found


def results():
    """All published numbers."""
    trained = {f"{notebook}.{name}.{key}": value for (notebook, name), runs in groups().items() for key, value in figures(runs).items()}
    durations = json.loads((REFERENCES / "notebooks.json").read_text(encoding="utf-8"))
    minutes = {f"{number}.notebook.minutes": row["seconds"] / 60 for number, row in durations.items()}
    return trained | minutes | ablation_figures() | sweep_figures() | generation_figures() | ladder_figures() | memory_figures() | llama_figures()


def ablation_figures():
    """{"06.all.token_ratio": tokens of the baseline's whole run per token that the recipe needs for the same loss, ...time_ratio, ...step}."""
    found, runs, speed = {}, groups(), REFERENCES / "06" / "speed.json"
    steps = json.loads(speed.read_text(encoding="utf-8"))["step_of_baselines"] if speed.exists() else {}
    for (notebook, name), recipe in runs.items():
        first, _, setting = name.partition("_at_")
        if notebook == "06":
            found[f"06.{name}.spread"] = max(run.end["val_loss"] for run in recipe) - min(run.end["val_loss"] for run in recipe)
        baseline = runs.get((notebook, "_at_".join(filter(None, ["baseline", setting]))))
        if notebook == "06" and first in RECIPES and baseline and recipe is not baseline:
            goal = statistics.mean(run.end["val_loss"] for run in baseline)
            ratios = [run.end["tokens"] / tokens_to_reach(run, goal) for run in recipe]
            found |= {f"06.{name}.token_ratio": statistics.mean(ratios), f"06.{name}.token_ratio_low": min(ratios), f"06.{name}.token_ratio_high": max(ratios)}
            if first in steps and not setting:
                usual = statistics.mean(run.end["tokens"] / tokens_to_reach(run, runs["06", "baseline_rate_0.001"][0].end["val_loss"]) for run in recipe)
                found |= {f"06.{name}.step": steps[first], f"06.{name}.time_ratio": statistics.mean(ratios) / steps[first],
                          f"06.{name}.token_ratio_usual": usual, f"06.{name}.time_ratio_usual": usual / steps[first]}  # the rate before any tuning
        if notebook == "06" and setting and not baseline:  # a run planned for fewer tokens than the baseline's
            fewer = runs[notebook, "baseline"][0].end["tokens"] / recipe[0].end["tokens"]
            found |= {f"06.{name}.token_ratio": fewer, f"06.{name}.time_ratio": fewer / steps[first]}
    return found


def as_cited(number, value):
    """A value with as many digits after the point as the number in the prose."""
    return f"{value:,.{len(number.partition('.')[2])}f}"


def write():
    """Bring every cited number up to date."""
    recorded = results()
    for file in [*(REPOSITORY / name for name in PAGES), *sorted((REPOSITORY / "notebooks").glob("*.ipynb"))]:
        text = file.read_text(encoding="utf-8")
        changed = CITED.sub(lambda m: as_cited(m[1], recorded[m[3]]) + m[2] if m[3] in recorded else m[0], text)
        if changed != text:
            file.write_text(changed, encoding="utf-8")
            print(f"{shown(file)} brought up to date")


if __name__ == "__main__":
    for key, value in results().items():
        print(f"{key:40} {value:,.3f}")
    if "--write" in sys.argv:
        write()
