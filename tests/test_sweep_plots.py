"""The charts of a sweep show every trial where its numbers are, tell pruned from complete ones, and warn of nothing."""

import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import optuna
import pytest
from matplotlib.colors import to_hex
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from helpers.plots import BAND, TRAIN, VALIDATION
from helpers.sweep_plots import sweep_charts

matplotlib.use("Agg")
SPACE = {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True), "dropout": FloatDistribution(0.0, 0.4), "n_layer": IntDistribution(2, 6),
         "n_embd": CategoricalDistribution([64, 128, 256])}
TRIALS = [  # state, loss, learning rate, dropout, layers, width
    ("COMPLETE", 5.0, 1e-4, 0.4, 2, 64), ("COMPLETE", 4.5, 1e-3, 0.2, 4, 128), ("FAIL", None, 1e-3, 0.2, 4, 128), ("PRUNED", 4.8, 1e-2, 0.1, 6, 256),
    ("COMPLETE", 4.7, 2e-3, 0.1, 3, 256), ("PRUNED", 900.0, 1e-2, 0.0, 2, 64), ("COMPLETE", 4.2, 1e-3, 0.0, 6, 256),
    ("COMPLETE", 4.3, 1e-3, 0.3, 5, 64)]


def make_study(trials=TRIALS):
    """A study of these trials, with one among them that a dead process left."""
    study = optuna.create_study()
    for number, (state, loss, *values) in enumerate(trials):
        params = dict(zip(SPACE, values))
        study.add_trial(create_trial(state=TrialState[state], value=loss, params=params, distributions=SPACE, user_attrs={"end": state}))
        if number == 1:
            study.add_trial(create_trial(state=TrialState.FAIL, params=params, distributions=SPACE, user_attrs={"end": "interrupted"}))
    return study


@pytest.fixture
def draw():
    """`sweep_charts`, with any warning an error; the figures are drawn, too."""

    def call(*arguments, **settings):
        with warnings.catch_warnings(action="error"):
            charts = sweep_charts(*arguments, **settings)
            for figure in charts.values():
                figure.canvas.draw()
        return charts

    yield call
    plt.close("all")


def lines_of(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_history_shows_each_trial_and_the_best_so_far(draw):
    figure = draw(make_study())["history"]
    lines, axes = lines_of(figure), figure.axes[0]
    assert lines["complete"].get_xydata().tolist() == [[1, 5.0], [2, 4.5], [5, 4.7], [7, 4.2], [8, 4.3]]
    assert lines["best so far"].get_xydata().tolist() == [[1, 5.0], [2, 4.5], [5, 4.5], [7, 4.2], [8, 4.2], [8, 4.2]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "validation loss (nats per token)")
    assert axes.get_title("left") == "Best of 8 trials: 4.200" and not axes.patches
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_pruned_trials_are_marked_and_one_that_exploded_takes_no_room(draw):
    figure = draw(make_study())["history"]
    complete, pruned = (lines_of(figure)[label] for label in ("complete", "pruned, where it stood then"))
    assert pruned.get_xydata().tolist() == [[4, 4.8], [6, pytest.approx(5.32)]] and texts_of(figure) == ["900"]
    assert pruned.get_marker() != complete.get_marker() and to_hex(complete.get_color()) == VALIDATION.lower() != to_hex(pruned.get_color())
    assert figure.axes[0].get_ylim()[1] < 6


def test_the_noise_floor_is_a_grey_band_of_two_standard_deviations(draw):
    losses = [4.20, 4.26, 4.29]
    figure = draw(make_study(), noise=losses)["history"]
    (band,) = figure.axes[0].patches
    mean, deviation = np.mean(losses), np.std(losses, ddof=1)
    assert [band.get_y(), band.get_y() + band.get_height()] == pytest.approx([mean - 2 * deviation, mean + 2 * deviation])
    assert to_hex(band.get_facecolor()) == BAND.lower()
    assert f"the best with 3 seeds: 4.250 \u00b1 {2 * deviation:.3f}" in [text.get_text() for text in figure.legends[0].texts]


def test_parallel_coordinates_place_each_value_on_its_own_scale(draw):
    figure = draw(make_study())["parallel"]
    axes = figure.axes[0]
    names = [label.get_text().replace("\n", "_") for label in axes.get_xticklabels()]
    assert names == ["dropout", "learning_rate", "n_embd", "n_layer", "validation_loss (nats)"]
    drawn = [np.array(line.get_ydata(), dtype=float) for line in axes.lines if len(line.get_ydata()) >= 4]
    expected = {(0.5, 0.5, 0.5, 0.5, 0.375), (1.0, 0.0, 0.0, 0.0, 1.0), (0.0, 0.5, 1.0, 1.0, 0.0), (0.75, 0.5, 0.0, 0.75, 0.125)}
    assert expected < {tuple(map(float, line.round(6))) for line in drawn} and len(drawn) == 7
    assert {"0", "0.4", "0.0001", "0.001", "0.01", "64", "128", "256", "2", "6", "4.20", "5.00"} <= set(texts_of(figure))


def test_parallel_coordinates_tell_the_best_and_the_pruned(draw):
    lines = [line for line in draw(make_study())["parallel"].axes[0].lines if len(line.get_ydata()) >= 4]
    pruned = [line for line in lines if len(line.get_ydata()) == 4]  # they have no final loss
    best = lines[-1]
    assert len(pruned) == 2 and {line.get_linestyle() for line in pruned} == {"--"}
    assert {line.get_linestyle() for line in lines if line not in pruned} == {"-"}
    assert best.get_ydata()[-1] == 0 and to_hex(best.get_color()) == VALIDATION.lower() and best.get_linewidth() == 3
    shades = {line.get_ydata()[-1]: sum(matplotlib.colors.to_rgb(line.get_color())) for line in lines if line not in pruned and line is not best}
    assert [shades[height] for height in sorted(shades)] == sorted(shades.values()), "the better, the darker"


def test_importances_are_optunas_and_add_up(draw):
    study = make_study()
    axes = draw(study)["importances"].axes[0]
    shares = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25))
    assert {label.get_text(): bar.get_width() for label, bar in zip(axes.get_yticklabels(), axes.patches)} == pytest.approx(
        {name: 100 * share for name, share in shares.items()})
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(100) and to_hex(axes.patches[0].get_facecolor()) == TRAIN.lower()
    assert axes.get_title("left") == "What 5 complete trials say about each setting" and "(%)" in axes.get_xlabel()


@pytest.mark.parametrize("trials", [
    [], TRIALS[:1], [t for t in TRIALS if t[0] == "PRUNED"], TRIALS[2:3], [t[:1] + (4.5,) + t[2:] for t in TRIALS if t[0] == "COMPLETE"]],
    ids=["none", "one", "only pruned", "only failed", "all alike"])
def test_few_trials_are_drawn_as_far_as_they_go(trials, draw):
    charts = draw(make_study(trials))
    assert set(charts) == {"history", "parallel"}
    assert (charts["history"].axes[0].get_title("left") == "No trial is complete yet") == ("COMPLETE" not in [t[0] for t in trials])


def test_charts_are_white_and_large_enough_to_read(draw):
    for figure in draw(make_study()).values():
        assert to_hex(figure.get_facecolor()) == "#ffffff" and figure.get_size_inches()[0] == 8
        axes = figure.axes[0]
        assert min(text.get_fontsize() for text in [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]) >= 11
