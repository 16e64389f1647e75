"""Draw images/ from data/reference: `python tools/figures.py`. Each PNG carries the hash of its logs."""

import hashlib
import statistics
from types import SimpleNamespace

import matplotlib.pyplot as plt

from helpers.evaluation import bits_per_byte_curve
from helpers.plots import SYSTEM, compare_chart, curve_chart, loss_chart, stride_chart, system_chart, training_chart
from helpers.recipes import RECIPES, tokens_to_reach
from helpers.runs import REFERENCES, reference
from helpers.runtime import REPOSITORY, shown
from helpers.studies import load_study
from helpers.sweep_plots import history_chart
from tools.results import groups

IMAGES = REPOSITORY / "images"
def logs_hash(runs):
    """Tells the logs a chart was drawn from; stored in the PNG under "log"."""
    return hashlib.sha256(b"".join(r.file.read_bytes() for r in runs)).hexdigest()[:16]


def title(run):
    """The message of a loss chart, computed from its log."""
    end = run.end
    best = end["best_step"] * end["tokens"] / end["step"]
    tokens = f"{best / 1e6:.1f}M" if best >= 1e6 else f"{best / 1e3:.0f}k"
    falls = f"Validation loss: {end['first_val_loss']:.2f} to {end['val_loss']:.2f} nats in {tokens} tokens"
    if end["status"] == "stopped":
        return f"{falls}, then stopped"
    if end["best_step"] < end["step"]:
        return f"Validation stops improving at {tokens} tokens, at {end['val_loss']:.2f} nats"
    return falls


def mark_unigram_entropy(axes, run):
    """A dotted line at the loss that knows how often each token comes, but not when; its label where the curves are not."""
    level = next(row["unigram_entropy"] for row in run.rows if row["kind"] == "result")
    losses = run.curve("val_loss")[1]
    early = losses[len(losses) // 2] < level  # then the right-hand side above the line is free, else the left-hand side below it
    axes.axhline(level, color="#555555", ls=":", lw=1.5)
    axes.annotate(f"unigram entropy {level:.2f}: below it, context is used", (0.99 if early else 0.01, level), fontsize=11, color="#555555",
                  xycoords=("axes fraction", "data"), xytext=(0, 3 if early else -3), textcoords="offset points",
                  ha="right" if early else "left", va="bottom" if early else "top")


def draw_loss(runs):
    figure = loss_chart(runs[0], band=reference(runs[0]), title=title(runs[0]))
    mark_unigram_entropy(figure.axes[0], runs[0])
    return figure


def draw_ways(*ways):
    """The first seed of each way."""
    runs = {found[0].header["name"]: found[0] for found in ways}
    full, random = (runs[name].end["val_loss"] for name in ("full", "random"))
    return compare_chart(runs, title=f"With the same budget: {full:.2f} nats from the base model, {random:.2f} from random weights")


def draw_transfer(base, random):
    """The first seed of both starts."""
    runs = {"from the base": base[0], "from random weights": random[0]}
    ends = [run.end["val_loss"] for run in runs.values()]
    return compare_chart(runs, title="Transfer: the same articles and budget, {:.2f} against {:.2f} nats".format(*ends))


def draw_factors(ours, *others):
    """The first seed of notebook 04's settings, of each of the original's, and of all of these."""
    names = ["ours", "learning rate 5e-5", "loss on the prompt too", "no end in the loss", "all three"]
    runs = {name: found[0] for name, found in zip(names, (ours, *others), strict=True)}
    message = "Loss of the answers: {:.2f} nats with our settings, {:.2f} with the original's"
    return compare_chart(runs, x="step", title=message.format(ours[0].end["val_loss"], others[-1][0].end["val_loss"]))


def draw_strides(runs):
    """Perplexity and time against stride, of the first seed's base model."""
    strides = next(row["strides"] for row in runs[0].rows if row["kind"] == "result")
    measured = {int(stride): tuple(row) for stride, row in strides.items()}
    first, last = measured[max(measured)], measured[min(measured)]
    message = f"Stride {max(measured)} to {min(measured)}: {1 - last[0] / first[0]:.0%} lower perplexity, {last[1] / first[1]:.0f} times the time"
    return stride_chart(measured, title=message)


def draw_system(message, *names):
    """A chart of these columns of the system's rows; ``message`` is its title, with the largest value of the first as {}."""
    def draw(runs):
        largest = runs[0].curve(names[0], x="seconds")[1].max() / SYSTEM[names[0]][1]
        return system_chart(runs[0], *names, title=message.format(f"{largest:,.1f}"))

    return draw


def draw_alphabets(*ways):
    """Bits per byte against compute, the first seed of each alphabet."""
    names = ["characters", "BPE 512", "BPE 1,024", "BPE 4,096"]
    curves = {name: bits_per_byte_curve(found[0]) for name, found in zip(names, ways, strict=True)}
    best = min(curves, key=lambda name: curves[name][1].min())
    message = f"At the same compute {best} is best: {curves[best][1].min():.2f} bits per byte, characters {curves['characters'][1].min():.2f}"
    return curve_chart({f"{name}: {y.min():.2f}": (x[1:], y[1:]) for name, (x, y) in curves.items()}, title=message,
                       xlabel="training compute (TFLOP)", ylabel="bits per byte of held-out text")


def draw_sweep(studies, noise):
    """The history of the recorded sweep, over the losses of its best settings with other seeds."""
    return history_chart(load_study(studies[0].file), [run.end["val_loss"] for run in noise])


def draw_recipes(*recipes):
    """The first seed of each of notebook 06's recipes."""
    runs = {name: found[0] for name, found in zip(RECIPES, recipes, strict=True)}
    goal = statistics.mean(run.end["val_loss"] for run in recipes[0])
    ratio = statistics.mean(run.end["tokens"] / tokens_to_reach(run, goal) for run in recipes[-1])
    return compare_chart(runs, title=f"The baseline's {goal:.2f} nats after {ratio:.1f} times fewer tokens")


def recorded():
    """{(notebook, name): runs, or files of studies} of all that charts are drawn from."""
    found = {}
    for file in sorted(REFERENCES.glob("[0-9]*/*.ndjson")):
        found.setdefault((file.parent.name, file.stem.rsplit("-s", 1)[0]), []).append(SimpleNamespace(file=file))
    return groups() | found


REAL, GPU = [("02", "real_full")], [("02", "t4_full")]  # on a CPU and on a GPU
CHARTS = {  # image -> (how it is drawn, (notebook, name) of its recorded runs)
    "train_and_val_loss_4M_32batch.png": (draw_loss, [("01", "4M_32batch")]),
    "train_and_val_loss_10M_128batch.png": (draw_loss, [("01", "10M_128batch")]),
    "train_and_val_loss_cpu.png": (draw_loss, [("01", "cpu")]),
    "dialogues_ways_cpu.png": (draw_ways, [("02", f"cpu_{name}") for name in ("full", "lora", "8bit", "random")]),
    "wikitext_transfer_cpu.png": (draw_transfer, [("03", "cpu_full"), ("03", "cpu_random")]),
    "perplexity_stride_cpu.png": (draw_strides, [("03", "cpu_full")]),
    "llama_factors_cpu.png": (draw_factors, [("04", f"cpu_{name}") for name in ("qlora", "rate", "prompt", "endless", "original")]),
    "alphabets_cpu.png": (draw_alphabets, [("05", f"cpu_{name}") for name in ("characters", "bpe_512", "bpe_1024", "bpe_4096")]),
    "sweep_cpu.png": (draw_sweep, [("05", "cpu_sweep"), ("05", "cpu_noise")]),
    "recipes_wikitext.png": (draw_recipes, [("06", name) for name in RECIPES]),
    "machado_real.png": (lambda runs: loss_chart(runs[0], title=title(runs[0])), [("05", "real")]),
    "chart_train.png": (lambda runs: training_chart(runs[0], title=title(runs[0])), REAL),
    "chart_gpu.png": (draw_system("The GPU is busy up to {} %", "gpu_percent"), GPU),
    "chart_gpu2.png": (draw_system("The GPU holds at most {} GiB", "gpu_memory_bytes"), GPU),
    "chart_memory.png": (draw_system("The process takes at most {} GiB", "memory_bytes", "memory_percent"), REAL),
    "chart_cpu_disk.png": (draw_system("The CPU is busy up to {} %", "cpu_percent", "disk_written", "net_received"), REAL),
}


def save(figure, name, runs):
    figure.savefig(IMAGES / name, dpi=130, metadata={"log": logs_hash(runs), "Software": None})
    plt.close(figure)
    print(f"{shown(IMAGES / name)}")


def main():
    found = recorded()
    IMAGES.mkdir(exist_ok=True)
    for name, (draw, keys) in CHARTS.items():
        if all(key in found for key in keys):
            save(draw(*(found[key] for key in keys)), name, [run for key in keys for run in found[key]])


if __name__ == "__main__":
    main()
