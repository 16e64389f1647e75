"""A run's log survives interruption, compares like with like only, and its system rows have the columns the charts read."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.runs import Run, SystemMonitor, make_header, reference, settings_hash
from helpers.runtime import ReaderError

HEADER = dict(notebook="01", profile="cpu", data="abc", settings={"lr": 1}, settings_hash="12345678", seed=1, rehearsal=None, hardware="a laptop")


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "a" / "log.jsonl")
    run.begin(HEADER)
    return run


def test_header_and_rows_come_back(run):
    run.log(step=1, tokens=64, loss=2.5)
    run.log("system", seconds=1.0, cpu_percent=50.0)
    again = Run(run.file)
    assert again.header == {"kind": "header", **HEADER}
    assert again.rows == run.rows == [dict(kind="metric", step=1, tokens=64, loss=2.5), dict(kind="system", seconds=1.0, cpu_percent=50.0)]
    assert not again.end and not again.complete


@pytest.mark.parametrize("torn", ['{"kind": "metric", "step": 2, "lo', "{", '{"kind"'])
def test_a_torn_last_line_is_tolerated(run, torn):
    run.log(step=1, loss=2.5)
    with open(run.file, "a") as log:
        log.write(torn)
    again = Run(run.file)
    assert [r["step"] for r in again.rows] == [1]
    again.begin(HEADER, step=1)
    again.log(step=2, loss=2.0)
    assert [r["step"] for r in Run(run.file).rows] == [1, 2]


def test_a_torn_line_elsewhere_ends_what_can_be_read(run):
    run.log(step=1)
    run.file.write_text(run.file.read_text() + "{\n" + '{"kind": "end", "status": "complete"}\n')
    again = Run(run.file)
    assert [r["step"] for r in again.rows] == [1] and not again.complete  # so `fit` makes the log whole from its last checkpoint


def test_begin_drops_what_will_be_computed_again(run):
    for step in (1, 2, 3):
        run.log(step=step)
    run.log("system", seconds=9.0)
    run.log("end", status="stopped", step=2)
    run.log("result", bits_per_byte=2.0)
    again = Run(run.file)
    again.begin({**HEADER, "hardware": "another"}, step=2)
    assert [r.get("step") for r in again.rows] == [1, 2, None]
    assert again.header["hardware"] == "a laptop"  # that of the first start
    assert Run(run.file).rows == again.rows


def test_begin_at_step_zero_starts_anew(run):
    run.log(step=1)
    run.begin({**HEADER, "seed": 2})
    assert Run(run.file).rows == [] and Run(run.file).header["seed"] == 2


def test_begin_without_a_log_writes_a_header(tmp_path):
    lost = Run(tmp_path / "log.jsonl")  # the reader deleted it, the checkpoints are there
    lost.begin(HEADER, step=7)
    assert Run(lost.file).header["seed"] == 1


def test_numbers_that_are_not_finite_become_null(run):
    run.log(step=1, loss=float("nan"), grad_norm=float("inf"), rate=0.5)
    row = json.loads(run.file.read_text().splitlines()[-1], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row == dict(kind="metric", step=1, loss=None, grad_norm=None, rate=0.5)
    assert run.curve("loss", x="step")[0].size == 0


def test_curve_takes_the_rows_that_have_both_columns(run):
    run.log(step=0, tokens=0, val_loss=3.0)
    run.log(step=1, tokens=64, loss=2.9)
    run.log(step=2, tokens=128, val_loss=2.0)
    x, y = run.curve("val_loss")
    assert (x.tolist(), y.tolist()) == ([0, 128], [3.0, 2.0])
    assert run.curve("val_loss", x="step")[0].tolist() == [0, 2]


@pytest.mark.parametrize("status, complete", [("complete", True), ("early stop", True), ("stopped", False)])
def test_the_end_says_whether_the_run_is_complete(run, status, complete):
    run.log("end", status=status)
    assert Run(run.file).complete is complete and Run(run.file).end["status"] == status


def test_settings_hash_ignores_order_alone():
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})
    assert len({settings_hash(s) for s in ({"a": 1}, {"a": 2}, {"a": 1.0}, {"a": "1"}, {"b": 1})}) == 5


def test_header_names_what_decides_a_run(runtime):
    header = make_header(runtime, settings={"lr": 1}, data="abc")
    assert (header["notebook"], header["profile"], header["seed"], header["data"]) == ("test", "cpu", 1337, "abc")
    assert header["settings_hash"] == settings_hash({"lr": 1}) and header["torch"] == torch.__version__
    assert "cores" in header["hardware"]
    json.dumps(header)


def record(folder, seed, losses, end="complete", **changes):
    """A recorded run whose validation losses at 0, 100, 200, ... tokens are ``losses``."""
    run = Run(folder / f"{seed}-{len(list(folder.glob('*.jsonl')))}.jsonl")
    run.begin(HEADER | {"seed": seed} | changes)
    for i, loss in enumerate(losses):
        run.log(step=i, tokens=100 * i, val_loss=loss)
    run.log("end", status=end, val_loss=losses[-1])


def test_below_three_seeds_there_is_no_reference(run, tmp_path):
    for seed in (1, 2, 2):  # the same seed twice is one
        record(tmp_path / "reference", seed, [4.0, 3.0])
        assert reference(run, tmp_path / "reference") is None


def test_the_band_is_three_deviations_wide(run, tmp_path):
    for seed, final in ((1, 2.9), (2, 3.0), (3, 3.1)):  # standard deviation 0.1: 0.3 is more than 2 % of 3
        record(tmp_path / "reference", seed, [5.0, final])
    band = reference(run, tmp_path / "reference")
    assert band.tokens.tolist() == [0, 100] and band.seeds == (1, 2, 3) and band.hardware == "a laptop"
    np.testing.assert_allclose([band.low, band.mean, band.high], [[4.9, 2.7], [5.0, 3.0], [5.1, 3.3]])  # 2 % where all agree
    np.testing.assert_allclose(band.final, (2.7, 3.0, 3.3))
    text = "reference band 2.700 to 3.300 (mean 3.000 of 3 seeds on a laptop)"
    assert band.verdict(2.71) == f"final validation loss 2.710: inside the {text}"
    assert band.verdict(2.69) == f"final validation loss 2.690: outside the {text}"
    assert band.verdict(3.31) == f"final validation loss 3.310: outside the {text}"


def test_the_band_is_at_least_two_percent_wide(run, tmp_path):
    for seed, final in ((1, 2.999), (2, 3.0), (3, 3.001)):
        record(tmp_path / "reference", seed, [5.0, final])
    np.testing.assert_allclose(reference(run, tmp_path / "reference").final, (2.94, 3.0, 3.06))


def test_an_early_stop_shortens_the_band_to_what_all_have(run, tmp_path):
    for seed, losses in enumerate(([5.0, 4.0, 3.0], [5.0, 4.0, 3.0], [5.0, 4.0])):
        record(tmp_path / "reference", seed, losses, end="early stop")
    band = reference(run, tmp_path / "reference")
    assert band.tokens.tolist() == [0, 100]
    assert band.final[1] == pytest.approx(10 / 3)  # of each run's own end


@pytest.mark.parametrize("change", [dict(settings_hash="other"), dict(data="other"), dict(notebook="02"), dict(profile="t4"),
                                    dict(rehearsal=3), dict(end="stopped")], ids=str)
def test_runs_that_differ_are_left_out(run, tmp_path, change):
    for seed in (1, 2):
        record(tmp_path / "reference", seed, [4.0, 3.0])
    record(tmp_path / "reference", 3, [4.0, 3.0], **change)
    assert reference(run, tmp_path / "reference") is None
    record(tmp_path / "reference", 4, [4.0, 3.0])
    assert reference(run, tmp_path / "reference").seeds == (1, 2, 4)


def test_system_monitor_logs_while_a_run_is_under_way(run):
    with SystemMonitor(run, interval=0.01):
        while len(run.rows) < 3:
            sum(range(1000))
    rows = Run(run.file).rows
    assert {r["kind"] for r in rows} == {"system"}
    for row in rows:
        assert set(row) == {"kind", "seconds", "cpu_percent", "memory_bytes", "memory_percent", "disk_read", "disk_written",
                            "net_received", "net_sent"}
        assert row["memory_bytes"] > 1e6 and 0 <= row["memory_percent"] <= 100
    assert [r["seconds"] for r in rows] == sorted(r["seconds"] for r in rows)
    count = len(run.rows)
    run.log(step=1)
    assert len(run.rows) == count + 1  # the watching thread has ended


def fake_nvml(**changes):
    """The part of NVML that the monitor asks, for a machine whose second card is 40 % busy."""
    answers = dict(nvmlInit=lambda: None, nvmlDeviceGetHandleByIndex=lambda index: f"card {index}",
                   nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu={"card 1": 40}[card]),
                   nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(used={"card 1": 2**30}[card]))
    return SimpleNamespace(**answers | changes)


def test_system_monitor_reads_the_gpu_that_trains(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # torch's first card is the machine's second
    with SystemMonitor(run, interval=60, device=torch.device("cuda", 0)):
        pass
    assert [(r["gpu_percent"], r["gpu_memory_bytes"]) for r in run.rows] == [(40, 2**30)]


def driver_not_loaded():
    raise RuntimeError("Driver Not Loaded")


@pytest.mark.parametrize("module, words", [(None, "import of pynvml halted"), (fake_nvml(nvmlInit=driver_not_loaded), "Driver Not Loaded")])
def test_a_gpu_without_readings_does_not_stop_the_run(run, monkeypatch, capsys, module, words):
    monkeypatch.setitem(sys.modules, "pynvml", module)
    with SystemMonitor(run, interval=60, device=torch.device("cuda")):
        pass
    assert len(run.rows) == 1 and "gpu_percent" not in run.rows[0]
    assert capsys.readouterr().out.startswith(f"no readings of the GPU ({words}")


def test_of_several_processes_one_watches(run):
    with SystemMonitor(run, interval=0.01, active=False):
        pass
    assert not run.rows


def test_tensorboard_gets_the_numbers_at_once(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run.begin(HEADER, tracker="tensorboard")
    run.log(step=5, loss=2.5, remark="text is not a number")
    events = EventAccumulator(str(run.file.parent / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == ["loss"]
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(5, 2.5)]


def test_an_unknown_tracker_is_one_sentence(run):
    with pytest.raises(ReaderError) as error:
        run.begin(HEADER, tracker="mlflow")
    assert str(error.value) == "unknown tracker 'mlflow': choose one of none, tensorboard, wandb"


def test_a_tracker_that_is_not_installed_is_one_sentence(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ReaderError, match="^the tracker wandb is not installed: run pip install wandb, or choose tensorboard or none$"):
        run.begin(HEADER, tracker="wandb")


def test_a_curve_leaves_the_closing_row_out(run):
    run.begin(HEADER)
    run.log(step=1, tokens=10, val_loss=4.0)
    run.log(step=2, tokens=20, val_loss=5.0)
    run.log("end", status="stopped", step=3, tokens=30, val_loss=4.0)  # the best loss, not that of step 3
    assert [list(axis) for axis in run.curve("val_loss")] == [[10, 20], [4.0, 5.0]]
