"""Draw images/ from data/reference: `python tools/figures.py`. Each PNG carries the hash of its logs."""

import hashlib

import matplotlib.pyplot as plt

from helpers.plots import loss_chart
from helpers.runs import reference
from helpers.runtime import REPOSITORY, shown
from tools.results import groups

IMAGES = REPOSITORY / "images"
LOSS_CHARTS = {  # image -> (notebook, name of the recorded runs)
    "train_and_val_loss_4M_32batch.png": ("01", "4M_32batch"),
    "train_and_val_loss_10M_128batch.png": ("01", "10M_128batch"),
    "train_and_val_loss_cpu.png": ("01", "cpu"),
}


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


def save(figure, name, runs):
    figure.savefig(IMAGES / name, dpi=130, metadata={"log": logs_hash(runs), "Software": None})
    plt.close(figure)
    print(f"{shown(IMAGES / name)}")


def main():
    recorded = groups()
    IMAGES.mkdir(exist_ok=True)
    for name, key in LOSS_CHARTS.items():
        if key in recorded:
            run = recorded[key][0]
            figure = loss_chart(run, band=reference(run), title=title(run))
            mark_unigram_entropy(figure.axes[0], run)
            save(figure, name, recorded[key])


if __name__ == "__main__":
    main()
