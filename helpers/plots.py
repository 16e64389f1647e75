"""Every chart, from a `Run` or from plain numbers: one message each, the same two colours for training and validation."""

import html
import time

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import HTML, display

from .runs import reference

TRAIN, VALIDATION, BAND = "#0072B2", "#D55E00", "#BBBBBB"  # two of Okabe & Ito's colours, which colour-blind readers tell apart
COLOURS = ("#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")  # of Okabe & Ito's too, for what is neither of the two
STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
plt.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "axes.axisbelow": True, "axes.prop_cycle": cycler(color=[TRAIN, *COLOURS]),
                     "grid.alpha": 0.3, "figure.facecolor": "white", "figure.constrained_layout.use": True})


def new_figure(rows=1, columns=1, *, size=(8, 4.5), **settings):
    """A white figure of ``size`` inches; returns (figure, axes)."""
    return plt.subplots(rows, columns, figsize=size, **settings)


def running_mean(values, window):
    """Mean of each value and as many before it as after it, ``window`` (odd) in all; fewer at both ends, so that the mean never lags."""
    sums, at = np.cumsum(np.insert(np.asarray(values, dtype=float), 0, 0.0)), np.arange(len(values))
    half = np.minimum(window // 2, np.minimum(at, at[::-1]))
    return (sums[at + half + 1] - sums[at - half]) / (2 * half + 1)


def token_unit(tokens):
    """(divisor, name) in which these token counts read well."""
    return (1e6, "millions") if max(tokens, default=0) >= 1e6 else (1e3, "thousands")


def draw_losses(axes, run, *, band=None):
    """Training loss (raw faint, running mean strong) and validation loss over tokens seen."""
    (x, y), (vx, vy) = run.curve("loss"), run.curve("val_loss")
    unit, name = token_unit(vx)
    window = min(21, len(y) // 10) | 1  # odd; a short run has a short mean
    if band is not None:
        axes.fill_between(band.tokens / unit, np.maximum(band.low, 0), band.high, color=BAND, alpha=0.6, lw=0)
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
    """The loss chart of a run under way: call it with the `Run`; one display handle, at most one redraw a second and a twentieth of the time."""

    def __init__(self):
        self.handle, self.next = None, 0.0

    def __call__(self, run):
        started = time.monotonic()
        if not run.end and started < self.next:
            return
        figure = loss_chart(run, band=reference(run))
        plt.close(figure)  # else the inline backend shows it a second time
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
        done = time.monotonic()
        self.next = done + max(1.0, 19 * (done - started))


def verdict(run):
    """One sentence: the run's final validation loss against the recorded runs of the same setting."""
    band = reference(run)
    return band.verdict(run.end["val_loss"]) if band else "no recorded run of this setting yet"


def compare_chart(runs, *, title, x="tokens"):
    """Validation losses of several runs {name: Run} over "tokens" seen or "step", each labelled with its best; returns the figure."""
    figure, axes = new_figure(size=(9.5, 4.5))
    unit, word = token_unit(max((run.curve("val_loss")[0] for run in runs.values()), key=max)) if x == "tokens" else (1, "")
    for (name, run), style, colour in zip(runs.items(), STYLES, COLOURS):
        at, losses = run.curve("val_loss", x=x)
        axes.plot(at / unit, losses, ls=style, color=colour, lw=2.5, marker="o", ms=4, label=f"{name}: best {losses.min():.2f}")
    axes.set(xlabel=f"tokens seen ({word})" if word else x, ylabel="validation loss (nats per token)")
    axes.set_title(title, loc="left")
    label_beside(figure)
    return figure


def label_beside(figure):
    """A legend to the right of the axes, over no line, in the order in which the lines end."""
    lines = sorted(figure.axes[0].lines, key=lambda line: -line.get_ydata()[-1])
    figure.legend(lines, [line.get_label() for line in lines], frameon=False, loc="outside right center", handlelength=2.6)


def curve_chart(curves, *, xlabel, ylabel, title, log=False):
    """Lines {name: (x, y)}, each labelled in a legend, on logarithmic axes if asked; returns the figure."""
    figure, axes = new_figure(size=(9.5, 4.5))
    for (name, (x, y)), style, colour in zip(curves.items(), STYLES, COLOURS):
        axes.plot(x, y, ls=style, color=colour, lw=2.5, label=name)
    if log:
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, loc="left")
    label_beside(figure)
    return figure


def draw_panels(run, panels, title, columns):
    """One small chart a quantity: panels are (column of the log, axis label, divisor, "step" or "seconds", from zero?)."""
    rows = -(-len(panels) // columns)
    figure, axes = new_figure(rows, columns, size=(4.2 * columns if columns > 1 else 7, 2.7 * rows + 0.4), squeeze=False)
    for panel, (name, label, unit, x, from_start) in zip(axes.flat, panels):
        at, y = run.curve(name, x=x)
        panel.plot(at / (60 if x == "seconds" else 1), (y - y[:1] if from_start else y) / unit, color=TRAIN, lw=1.5)
        panel.set(ylabel=label, xlabel="minutes" if x == "seconds" else x, ylim=(0, None))
    for panel in axes.flat[len(panels):]:
        panel.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    return figure


def training_chart(run, *, title="The run, step by step"):
    """Loss, learning rate, gradient norm and epoch over the steps of a run, and its steps over time; returns the figure."""
    names = {"loss": "loss (nats per token)", "learning_rate": "learning rate", "grad_norm": "gradient norm", "epoch": "epoch"}
    panels = [(name, label, 1, "step", False) for name, label in names.items()] + [("step", "step", 1, "seconds", False)]
    return draw_panels(run, panels, title, 3)


SYSTEM = {  # column of the log: axis label, divisor, whether it counts since boot
    "cpu_percent": ("CPU (%)", 1, False), "memory_bytes": ("this process (GiB)", 2**30, False), "memory_percent": ("all memory (%)", 1, False),
    "gpu_percent": ("GPU (%)", 1, False), "gpu_memory_bytes": ("GPU memory (GiB)", 2**30, False), "disk_written": ("disk written (MB)", 1e6, True),
    "disk_read": ("disk read (MB)", 1e6, True), "net_received": ("network in (MB)", 1e6, True), "net_sent": ("network out (MB)", 1e6, True)}


def system_chart(run, *names, title="The machine during the run"):
    """What the system monitor saw: ``names`` of columns in `SYSTEM`, or all that the log has (a GPU's only where there was one)."""
    names = names or [n for n in SYSTEM if len(run.curve(n, x="seconds")[0])]
    label_of = lambda name: (name, *SYSTEM[name][:2], "seconds", SYSTEM[name][2])
    return draw_panels(run, list(map(label_of, names)), title, min(3, len(names)))


def bar_chart(parts, *, title, unit, scale=1.0, digits=1):
    """Horizontal bars of a dict's parts (its "total" left out), each labelled with value and share; returns the figure."""
    parts = {k: v for k, v in parts.items() if k != "total"}
    whole = sum(parts.values())
    figure, axes = new_figure(size=(8, 0.55 * len(parts) + 1.4))
    bars = axes.barh(list(parts), [v / scale for v in parts.values()], color=TRAIN)
    axes.bar_label(bars, [f"{v / scale:,.{digits}f}  ({v / whole:.0%})" for v in parts.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.32)
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


def stride_chart(measured, *, title):
    """Perplexity and its cost under a sliding window, side by side: measured is {stride: (perplexity, seconds)}; returns the figure."""
    figure, axes = new_figure(1, 2, size=(10, 4))
    for panel, values, label in zip(axes, zip(*measured.values()), ("perplexity (per token)", "time (seconds)")):
        panel.plot(list(measured), values, color=TRAIN, lw=2, marker="o", ms=7)
        panel.set_xscale("log", base=2)
        panel.set_xticks(list(measured), [f"{stride:,}" for stride in measured])
        panel.minorticks_off()
        panel.set(xlabel="stride (tokens)", ylabel=label)
        panel.margins(0.08)
    axes[1].set_ylim(0, None)
    figure.get_layout_engine().set(wspace=0.08)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
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


def microscope(tokenizer, ids, labels, losses=None, *, first=0, last=None):
    """The loss mask as a table, one row a position: token, label, whether it is counted and, where given, the loss in nats of ``losses``
    ({name: (T,)}, NaN where none); returns HTML. What is counted is blue, the deeper the larger its first loss."""
    names, rows = list(losses or {}), []
    for i in range(first, len(ids) if last is None else last):
        counted = labels[i] >= 0
        values = [float(losses[name][i]) for name in names]
        share = min(values[0] / 8, 1) if counted and values else 0.3
        colour = f"rgba(0, 114, 178, {0.08 + 0.5 * share:.2f})" if counted else "#e8e8e8"
        label = html.escape(repr(tokenizer.decode([labels[i]]))) if counted else "-100"
        cells = [i, html.escape(repr(tokenizer.decode([ids[i]]))), label, "yes" if counted else "no", *(f"{v:.2f}" if v == v else "" for v in values)]
        rows.append(f"<tr style='background: {colour}; color: black'>" + "".join(f"<td style='text-align: left'>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f"<th style='text-align: left'>{html.escape(h)}</th>" for h in ["position", "token", "label", "counted", *names])
    return HTML(f"<table><tr>{head}</tr>{''.join(rows)}</table>")
