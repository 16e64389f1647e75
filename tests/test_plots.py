"""Charts: drawn from a log, with units, the band behind, one live display, and a verdict in words."""

import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from helpers import plots
from helpers.runs import Band, Run

matplotlib.use("Agg")


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "log.jsonl")
    run.begin(dict(notebook="99", profile="cpu", data="d", settings={}, settings_hash="none", seed=0, rehearsal=None))
    for step in range(1, 101):
        run.log(step=step, tokens=step * 100, loss=5 - step / 50, learning_rate=1e-3, grad_norm=1.0, epoch=step / 100)
        if step % 10 == 0:
            run.log(step=step, tokens=step * 100, val_loss=5.1 - step / 50)
    yield run
    plt.close("all")


def band():
    x = np.array([0.0, 10_000.0])
    return Band(x, np.array([5.0, 3.1]), np.array([4.8, 3.0]), np.array([5.2, 3.2]), (3.0, 3.1, 3.2), (1, 2, 3), "a machine")


def test_loss_chart_shows_both_curves_with_units_and_perplexity(run):
    figure = plots.loss_chart(run, band=band(), title="T")
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert axes.get_xlabel() == "tokens seen (thousands)" and axes.get_ylabel() == "loss (nats per token)"
    assert lines["validation"].get_xydata()[-1].tolist() == pytest.approx([10.0, 3.1])
    assert to_hex(lines["validation"].get_color()) != to_hex(lines["training (mean of 11 steps)"].get_color())
    assert "recorded runs (3 seeds)" in lines and len(axes.collections) == 1  # the grey band
    ticks = axes.child_axes[0].get_yticks()
    assert axes.child_axes[0].get_ylabel() == "perplexity" and 20 in ticks


def test_running_mean():
    assert plots.running_mean([1.0, 3.0, 5.0, 10.0, 0.0], 3).tolist() == [1.0, 3.0, 6.0, 5.0, 0.0]
    assert plots.running_mean([1.0, 3.0, 5.0], 1).tolist() == [1.0, 3.0, 5.0]
    line = np.arange(50.0)
    assert plots.running_mean(line, 21).tolist() == pytest.approx(line)  # a falling loss is not shown late


def test_live_chart_uses_one_handle_and_takes_a_twentieth_of_the_time(run, monkeypatch):
    shown, updated = [], []

    class Handle:
        def update(self, figure):
            updated.append(figure)

    monkeypatch.setattr(plots, "display", lambda figure, display_id: shown.append(figure) or Handle())
    clock = iter([100.0, 100.0, 100.5, 102.0, 102.5, 111.9, 112.1, 112.2, 112.3, 112.4])
    monkeypatch.setattr(plots.time, "monotonic", lambda: next(clock))
    live = plots.LiveChart()
    live(run)  # drawn at 100.0
    live(run)  # 100.5: too soon
    assert (len(shown), len(updated)) == (1, 0)
    live(run)  # 102.0
    assert (len(shown), len(updated)) == (1, 1)
    live(run)  # 111.9: drawing took half a second, so the next is not before 9.5 seconds after it
    assert (len(shown), len(updated)) == (1, 1)
    live(run)  # 112.1
    assert (len(shown), len(updated)) == (1, 2)
    run.log("end", status="complete", val_loss=3.1)
    live(run)  # 112.3: the last state is always drawn
    assert (len(shown), len(updated)) == (1, 3)
    assert plt.get_fignums() == []


def test_verdict_without_recorded_runs(run):
    run.log("end", status="complete", val_loss=3.1)
    assert plots.verdict(run) == "no recorded run of this setting yet"


def test_bars_carry_value_and_share():
    axes = plots.bar_chart({"a": 30, "b": 10, "total": 40}, title="T", unit="things").axes[0]
    assert [t.get_text() for t in axes.texts] == ["30.0  (75%)", "10.0  (25%)"]
    assert [p.get_width() for p in axes.patches] == [30, 10]
    plt.close("all")


def shown(figure):
    """The visible panels: {axis label: line}."""
    return {a.get_ylabel(): a.lines[0] for a in figure.axes if a.get_visible()}


def test_training_chart_shows_what_the_originals_did(run):
    for step in range(1, 101):
        run.log(step=step, seconds=step * 6.0)
    lines = shown(plots.training_chart(run))
    assert list(lines) == ["loss (nats per token)", "learning rate", "gradient norm", "epoch", "step"]
    assert all(len(line.get_xdata()) == 100 for line in lines.values())
    assert lines["epoch"].get_xydata()[-1].tolist() == [100, 1.0] and lines["step"].get_xydata()[-1].tolist() == [10.0, 100]  # minutes


def test_system_chart_shows_what_the_log_has(run):
    for second in range(0, 120, 2):
        run.log("system", seconds=float(second), cpu_percent=50.0, memory_bytes=3 * 2**30, memory_percent=20.0, disk_read=10**9, disk_written=5e9 + second * 1e6,
                net_received=7e9, net_sent=8e9)
    lines = shown(plots.system_chart(run))
    assert list(lines) == ["CPU (%)", "this process (GiB)", "all memory (%)", "disk written (MB)", "disk read (MB)", "network in (MB)", "network out (MB)"]
    assert lines["this process (GiB)"].get_ydata()[0] == 3 and lines["CPU (%)"].get_xdata()[-1] == pytest.approx(118 / 60)
    assert lines["disk written (MB)"].get_ydata()[[0, -1]].tolist() == [0, 118], "counted from the run's start, not from the machine's"


def test_system_chart_of_a_gpu_is_one_panel_each(run):
    run.log("system", seconds=2.0, cpu_percent=50.0, gpu_percent=97.0, gpu_memory_bytes=8 * 2**30)
    assert list(shown(plots.system_chart(run))) == ["CPU (%)", "GPU (%)", "GPU memory (GiB)"]
    assert shown(plots.system_chart(run, "gpu_memory_bytes"))["GPU memory (GiB)"].get_ydata().tolist() == [8]


def test_compare_chart_labels_each_run_with_its_best(run):
    axes = plots.compare_chart({"one": run, "other": run}, title="T").axes[0]
    assert [line.get_label() for line in axes.lines] == ["one: best 3.10", "other: best 3.10"] and axes.figure.legends and not axes.get_legend()
    assert axes.lines[0].get_xdata()[-1] == 10.0 and len({line.get_linestyle() for line in axes.lines}) == 2
    assert not {line.get_color() for line in axes.lines} & {plots.TRAIN, plots.VALIDATION}  # these two say training and validation
    six = plots.compare_chart({str(n): run for n in range(6)}, title="T").axes[0]
    assert len({(str(line.get_linestyle()), line._unscaled_dash_pattern, line.get_color()) for line in six.lines}) == 6
    by_step = plots.compare_chart({"one": run}, title="T", x="step").axes[0]
    assert by_step.get_xlabel() == "step" and list(by_step.lines[0].get_xdata()) == list(run.curve("val_loss", x="step")[0])


class Words:
    def decode(self, ids):
        return "<b>&" if ids[0] == 1 else f"w{ids[0]}"


def rows(table):
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr.*?</tr>", table.data)]


def test_microscope_shows_token_label_and_what_is_counted():
    table = plots.microscope(Words(), [5, 1, 7], [-100, 1, -100])
    assert rows(table) == [["position", "token", "label", "counted"], ["0", "&#x27;w5&#x27;", "-100", "no"],
                           ["1", "&#x27;&lt;b&gt;&amp;&#x27;", "&#x27;&lt;b&gt;&amp;&#x27;", "yes"], ["2", "&#x27;w7&#x27;", "-100", "no"]]


def test_microscope_shows_losses_and_their_size_as_colour():
    nan = float("nan")
    table = plots.microscope(Words(), [5, 6, 7, 8], [-100, 6, 7, -100], {"tuned": [nan, 1.25, 6.5, nan], "base": [nan, 4.0, 7.0, nan]}, first=1, last=4)
    assert [r[4:] for r in rows(table)] == [["tuned", "base"], ["1.25", "4.00"], ["6.50", "7.00"], ["", ""]]
    depth = [float(d) for d in re.findall(r"178, ([\d.]+)\)", table.data)]
    assert len(depth) == 2 and depth[0] < depth[1] and table.data.count("#e8e8e8") == 1


def test_attention_and_probability_charts_label_their_tokens():
    attention = plots.attention_chart(np.eye(3)[None].repeat(2, 0), ["a", "b", "c"], title="T")
    assert [t.get_text() for t in attention.axes[0].get_yticklabels()] == ["a", "b", "c"] and len(attention.axes) == 2
    shares = plots.probability_chart({"x": [0.7, 0.3], "y": [1.0, 0.0]}, ["a", "b"], title="T")
    assert [p.get_width() for p in shares.axes[1].patches] == [1.0, 0.0]
    plt.close("all")


def test_scaling_chart_draws_the_fit():
    axes = plots.scaling_chart([1, 2, 4], [3.0, 8.0, 24.0], linear=2.0, quadratic=1.0).axes[0]
    fit = next(line for line in axes.lines if line.get_label().startswith("fit"))
    assert fit.get_ydata()[-1] == pytest.approx(24.0)
    plt.close("all")
