"""Three charts of a sweep: what it found when, where the good trials lie, which settings matter."""

import matplotlib.pyplot as plt
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from .plots import BAND, TRAIN, VALIDATION, new_figure
from .studies import finished

LOSS = "validation loss (nats per token)"
ENOUGH = 4  # different losses of complete trials that importances need


def sweep_charts(study, noise=None):
    """{"history", "parallel", "importances"}: a figure each; without importances while fewer than 4 trials are complete.

    noise: final losses of the best settings with several seeds. Their mean +- 2 standard deviations is a grey band, the noise floor:
    two trials within it are not known to differ.
    """
    charts = {"history": history_chart(study, noise), "parallel": parallel_chart(study)}
    losses = {t.value for t in finished(study) if t.state == TrialState.COMPLETE}
    return charts | ({"importances": importance_chart(study)} if len(losses) >= ENOUGH else {})


def history_chart(study, noise=None):
    """The lowest loss of each trial in their order, the best so far, and the noise floor; returns the figure."""
    figure, axes = new_figure()
    complete, pruned = (np.array([(number, t.value) for number, t in enumerate(finished(study), 1) if t.state == state]).reshape(-1, 2)
                        for state in (TrialState.COMPLETE, TrialState.PRUNED))
    if noise is not None:
        mean, deviation = np.mean(noise), np.std(noise, ddof=1)
        axes.axhspan(mean - 2 * deviation, mean + 2 * deviation, color=BAND, alpha=0.6, lw=0,
                     label=f"the best with {len(noise)} seeds: {mean:.3f} \u00b1 {2 * deviation:.3f}")
    top = complete[:, 1].max() + 0.4 * np.ptp(complete[:, 1]) if len(complete) else np.inf
    axes.plot(*complete.T, "o", color=VALIDATION, ms=7, label="complete")
    axes.plot(pruned[:, 0], np.minimum(pruned[:, 1], top), "x", color="#777777", ms=8, mew=2.5, label="pruned, where it stood then")
    for number, loss in pruned[pruned[:, 1] > top]:  # one that explodes would take all the room
        axes.annotate(f"{loss:.3g}", (number, top), xytext=(0, -20), textcoords="offset points", ha="center", fontsize=11)
    best, last = np.minimum.accumulate(complete[:, 1]), [len(finished(study))] * bool(len(complete))
    axes.step([*complete[:, 0], *last], [*best, *best[-1:]], where="post", color="black", lw=1.5, label="best so far")
    axes.set(xlabel="trial", ylabel=LOSS)
    axes.set_title(f"Best of {len(finished(study))} trials: {complete[:, 1].min():.3f}" if len(complete) else "No trial is complete yet", loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(frameon=False, ncols=2, loc="outside lower center")
    return figure


def scale(name, trials):
    """(function value -> height from 0 to 1, {label: height}) of a setting's axis in the parallel chart."""
    distribution = next(t.distributions[name] for t in trials if name in t.distributions)
    if isinstance(distribution, CategoricalDistribution):
        heights = {value: i / max(1, len(distribution.choices) - 1) for i, value in enumerate(distribution.choices)}
        return heights.get, {f"{value}": height for value, height in heights.items()}
    forward, backward = (np.log, np.exp) if distribution.log else (float, float)
    low, high = forward(distribution.low), forward(distribution.high)
    ticks = [backward(low + share * (high - low)) for share in (0, 0.25, 0.5, 0.75, 1)]
    if isinstance(distribution.low, int):
        ticks = range(distribution.low, distribution.high + 1, -(-(distribution.high - distribution.low) // 8) or 1)
    place = lambda value: (forward(value) - low) / ((high - low) or 1)
    return place, {f"{tick:.2g}" if isinstance(tick, float) else f"{tick}": place(tick) for tick in ticks}


def parallel_chart(study):
    """A line a trial through its settings to its loss: complete ones the darker the better, pruned ones dashed; returns the figure."""
    figure, axes = new_figure()
    trials = [t for t in finished(study) if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    complete = sorted((t for t in trials if t.state == TrialState.COMPLETE), key=lambda t: -t.value)  # the best lies on top
    names = sorted({name for t in trials for name in t.params})
    scales = {name: scale(name, trials) for name in names}
    points = lambda trial: [place(trial.params[name]) for name, (place, _) in scales.items()]
    for trial in trials:
        if trial.state == TrialState.PRUNED:
            axes.plot(points(trial), ls="--", lw=1, color="#999999")
    worst, best = (complete[0].value, complete[-1].value) if complete else (1, 0)
    height = lambda loss: (loss - best) / ((worst - best) or 1)
    for trial in complete:
        style = dict(color=VALIDATION, lw=3) if trial is complete[-1] else dict(color=plt.cm.viridis(0.95 * height(trial.value)), lw=1.5)
        axes.plot([*points(trial), height(trial.value)], **style)
    shown = [ticks for _, ticks in scales.values()]
    if complete:
        shown.append({f"{loss:.2f}": height(loss) for loss in np.linspace(best, worst, 5)})
    for x, labels in enumerate(shown):
        axes.axvline(x, color="black", lw=1)
        for label, y in labels.items():
            axes.text(x + 0.04, y, label, va="center", fontsize=11, bbox=dict(facecolor="white", edgecolor="none", alpha=0.85, pad=1))
    labels = [*(name.replace("_", "\n") if len(name) > 8 else name for name in names), "validation\nloss (nats)"]
    axes.set_xticks(range(len(shown)), labels[: len(shown)])
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(shown) - 0.5)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title("From settings to loss: the best orange, the others darker when better, pruned dashed", loc="left")
    return figure


def importance_chart(study):
    """How far each setting's values in the best quarter of the complete trials differ from those in all (PED-ANOVA; Watanabe et al., 2023).

    The shares add up to 1. Fewer than some twenty trials name a setting by chance. Returns the figure.
    """
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)  # the one that needs no scikit-learn
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    figure, axes = new_figure(size=(8, 0.45 * len(shares) + 1.6))
    bars = axes.barh(list(shares), [100 * share for share in shares.values()], color=TRAIN)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of what tells the best quarter of the trials apart (%)")
    complete = sum(t.state == TrialState.COMPLETE for t in finished(study))
    axes.set_title(f"What {complete} complete trials say about each setting", loc="left")
    return figure
