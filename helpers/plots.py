"""Every chart, from a `Run` or from plain numbers: one message each, the same two colours for training and validation."""

import time

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from .runs import reference

TRAIN, VALIDATION, BAND = "#0072B2", "#D55E00", "#BBBBBB"  # two of Okabe & Ito's colours, which colour-blind readers tell apart
plt.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.facecolor": "white", "figure.constrained_layout.use": True})


def new_figure(rows=1, columns=1, *, size=(8, 4.5), **settings):
    """A white figure of ``size`` inches; returns (figure, axes)."""
    return plt.subplots(rows, columns, figsize=size, **settings)


def running_mean(values, window):
    """Mean of each value and the ``window - 1`` before it (fewer at the start)."""
    sums = np.cumsum(np.insert(np.asarray(values, dtype=float), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def token_unit(tokens):
    """(divisor, name) in which these token counts read well."""
    return (1e6, "millions") if max(tokens, default=0) >= 1e6 else (1e3, "thousands")


def draw_losses(axes, run, *, band=None):
    """Training loss (raw faint, running mean strong) and validation loss over tokens seen."""
    (x, y), (vx, vy) = run.curve("loss"), run.curve("val_loss")
    unit, name = token_unit(vx)
    window = max(1, min(20, len(y) // 10))  # a short run has a short mean, which would lag behind otherwise
    if band is not None:
        axes.fill_between(band.tokens / unit, band.low, band.high, color=BAND, alpha=0.6, lw=0)
        axes.plot(band.tokens / unit, band.mean, color="#777777", lw=1)
        axes.plot([], [], color=BAND, lw=8, label=f"recorded runs ({len(band.seeds)} seeds)")
    axes.plot(x / unit, y, color=TRAIN, alpha=0.2, lw=1)
    axes.plot(x / unit, running_mean(y, window), color=TRAIN, lw=2, label=f"training (mean of {window} steps)" if window > 1 else "training")
    axes.plot(vx / unit, vy, color=VALIDATION, lw=2, marker="o", ms=4, label="validation")
    axes.set(xlabel=f"tokens seen ({name})", ylabel="loss (nats per token)")
    axes.legend(frameon=False)


def loss_chart(run, *, band=None, title="Loss while training"):
    """The loss curves of one run over the reference band, with perplexity on the right-hand axis; returns the figure."""
    figure, axes = new_figure()
    draw_losses(axes, run, band=band)
    axes.set_title(title, loc="left")
    # the same curve read in another unit, not a second curve: perplexity = exp(loss)
    right = axes.secondary_yaxis("right", functions=(lambda y: np.exp(np.minimum(y, 50)), lambda p: np.log(np.maximum(p, 1e-9))))
    low, high = axes.get_ylim()
    ticks = [p for p in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000) if low <= np.log(p) <= high]
    right.set_yticks(ticks, [f"{p:,}" for p in ticks])
    right.set_ylabel("perplexity", fontsize=12)
    right.tick_params(labelsize=12)
    return figure


class LiveChart:
    """The loss chart of a run under way: call it with the `Run`; one display handle, at most one redraw a second."""

    def __init__(self):
        self.handle, self.drawn = None, 0.0

    def __call__(self, run):
        if not run.end and time.monotonic() - self.drawn < 1.0:
            return
        figure = loss_chart(run, band=reference(run))
        plt.close(figure)  # else the inline backend shows it a second time
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
        self.drawn = time.monotonic()


def verdict(run):
    """One sentence: the run's final validation loss against the recorded runs of the same setting."""
    band = reference(run)
    return band.verdict(run.end["val_loss"]) if band else "no recorded run of this setting yet"


def training_chart(run):
    """Loss, learning rate, gradient norm and epoch over the steps of a run; returns the figure."""
    figure, axes = new_figure(2, 2, size=(9, 6), sharex=True)
    for panel, name, label in zip(axes.flat, ("loss", "learning_rate", "grad_norm", "epoch"),
                                  ("loss (nats per token)", "learning rate", "gradient norm", "epoch")):
        step, y = run.curve(name, x="step")
        panel.plot(step, y, color=TRAIN, lw=1.5)
        panel.set_ylabel(label)
    for panel in axes[1]:
        panel.set_xlabel("step")
    axes[0, 0].set_title("The run, step by step", loc="left")
    return figure


def bar_chart(parts, *, title, unit, scale=1.0, digits=1):
    """Horizontal bars of a dict's parts (its "total" left out), each labelled with value and share; returns the figure."""
    parts = {k: v for k, v in parts.items() if k != "total"}
    whole = sum(parts.values())
    figure, axes = new_figure(size=(8, 0.55 * len(parts) + 1.4))
    bars = axes.barh(list(parts), [v / scale for v in parts.values()], color=TRAIN)
    axes.bar_label(bars, [f"{v / scale:,.{digits}f}  ({v / whole:.0%})" for v in parts.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left")
    return figure


def scaling_chart(contexts, measured, *, linear, quadratic):
    """Measured milliseconds against context length, over the fitted a n + b n^2; returns the figure."""
    figure, axes = new_figure()
    n = np.linspace(0, max(contexts), 100)
    axes.plot(contexts, measured, "o", color=VALIDATION, ms=8, label="measured")
    axes.plot(n, linear * n + quadratic * n**2, color=TRAIN, lw=2, label="fit: a n + b n\u00b2")
    axes.plot(n, linear * n, color=TRAIN, lw=1.5, ls="--", label="its linear part, a n")
    axes.set(xlabel="context n (tokens)", ylabel="time of one sequence (ms)")
    axes.set_title("The cost of attention grows with the square of the context", loc="left")
    axes.legend(frameon=False)
    return figure


def attention_chart(weights, labels, *, title):
    """Attention maps side by side: weights (n_head, T, T), one row per token that looks; returns the figure."""
    heads, T = len(weights), len(labels)
    figure, axes = new_figure(1, heads, size=(min(3.6 * heads, 14), 4.6), squeeze=False, sharey=True)
    for head, panel in enumerate(axes[0]):
        panel.imshow(weights[head], cmap="Blues", vmin=0, vmax=1)
        panel.set_xticks(range(T), labels, rotation=90)
        panel.set_yticks(range(T), labels)
        panel.grid(False)
        panel.set_title(f"head {head}")
        panel.set_xlabel("looked at")
    axes[0, 0].set_ylabel("token that looks")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    return figure


def probability_chart(distributions, labels, *, title):
    """Next-token probabilities side by side: {name: (k,) probabilities} over the same k token labels; returns the figure."""
    figure, axes = new_figure(1, len(distributions), size=(11, 3.8), sharex=True, sharey=True, squeeze=False)
    for panel, (name, probabilities) in zip(axes[0], distributions.items()):
        panel.barh(labels, probabilities, color=TRAIN)
        panel.set_title(name, loc="left")
        panel.set_xlabel("probability")
        panel.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    return figure
