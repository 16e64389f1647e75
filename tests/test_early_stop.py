"""Fine-tuning that stops early, as often interrupted as you like, and token streams as its data."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_runtime, make_stream
from safetensors.torch import load_file
from test_finetuning import assert_same, before, cut, damage, outcome
from test_training import PowerCut, cut_power, folder_of
from tiny_tune import CONFIG, WAYS, load, tiny_tune

from helpers import finetuning, tuner
from helpers.finetuning import FineTuneConfig, FineTuner, Recorder, fine_tune, settings_of
from helpers.runs import REFERENCES, Run, settings_hash
from helpers.blocks import StreamBlocks, to_blocks
from helpers.tokens import IGNORE

WORSENS = [5.0, 3.0, 4.0, 2.0, 2.0, 2.5, 9.0, 1.0, 1.0, 1.0, 1.0]  # validation losses at steps 0 to 10
EARLY = dict(patience=2, eval_every=1)


@pytest.fixture
def losses_at(monkeypatch):
    """A function that takes the validation loss of each step: however often a run is interrupted, an evaluation gives that of its step."""
    def script(losses, evaluate=FineTuner.evaluate):
        def scripted(self, *_, **__):
            loss = losses[self.state.global_step]
            monkeypatch.setattr(tuner, "token_losses", lambda model, batch, runtime: torch.full(batch["labels"].shape, loss))
            return evaluate(self)

        monkeypatch.setattr(FineTuner, "evaluate", scripted)

    return script


def cut_before_the_log_is_closed(workspace, way="full", **settings):
    """A run that ends when its last checkpoint is written; returns its folder."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(finetuning, "finish", cut_power)
        tiny_tune(workspace, way, **settings)
    return folder_of(workspace)


def evaluated(run):
    """The steps of the evaluations."""
    return run.curve("val_loss", x="step")[0].tolist()


# Early stopping.

@pytest.mark.parametrize("losses, patience, stop, best", [
    (WORSENS, 1, 2, 1), (WORSENS, 2, 5, 3), (WORSENS, 3, 6, 3), ([1.0, 2.0, 3.0], 2, 2, 1), ([9.0, 1.0, *[2.0] * 6], 5, 6, 1),
    ([2.0, *[1.0] * 10], 9, 10, 1)], ids=str)
def test_patience_counts_evaluations_without_a_new_best(losses, patience, stop, best, losses_at, tmp_path):
    def show(run):
        kept.update({f.parent.name: load_file(f) for f in run.file.parent.glob("checkpoints/*/model.safetensors")})

    kept = {}
    losses_at(losses)
    run = tiny_tune(tmp_path, patience=patience, eval_every=1, on_log=show)
    assert (run.end["status"], run.end["step"], run.end["best_step"], run.end["val_loss"]) == ("early stop", stop, best, losses[best])
    assert evaluated(run) == list(range(stop + 1)) and run.curve("loss", x="step")[0].tolist() == list(range(1, stop + 1))
    torch.testing.assert_close(outcome(tmp_path)[0], kept[f"checkpoint-{best}"], atol=0, rtol=0)


@pytest.mark.parametrize("patience, losses", [(None, [1.0, *[2.0] * 10]), (2, [5.0, 3.0, 4.0, 2.0, 3.0, 1.0, 2.0, 0.9, 1.0, 0.8, 1.0])])
def test_without_patience_or_with_enough_of_it_a_run_goes_to_its_end(patience, losses, losses_at, tmp_path):
    losses_at(losses)
    run = tiny_tune(tmp_path, patience=patience, eval_every=1)
    assert (run.end["status"], run.end["step"]) == ("complete", 10) and evaluated(run) == list(range(11))


def test_evaluations_are_counted_not_steps(losses_at, tmp_path):
    losses_at(WORSENS)
    run = tiny_tune(tmp_path, patience=1, eval_every=3)
    assert (run.end["status"], run.end["best_step"]) == ("early stop", 3) and evaluated(run) == [0, 3, 6]


def test_patience_that_lasts_changes_nothing_but_the_settings(tmp_path):
    runs = [tiny_tune(tmp_path / str(patience), patience=patience) for patience in (None, 9)]
    assert_same(tmp_path / "9", tmp_path / "None")
    assert runs[0].header["settings_hash"] != runs[1].header["settings_hash"]
    assert runs[1].header["settings"]["tune"] == runs[0].header["settings"]["tune"] | {"patience": 9}


def test_an_early_stop_is_complete(losses_at, tmp_path, monkeypatch, capsys):
    losses_at(WORSENS)
    rows = tiny_tune(tmp_path, **EARLY).rows
    monkeypatch.setattr(finetuning, "FineTuner", lambda *_, **__: pytest.fail("something was trained"))
    capsys.readouterr()
    assert tiny_tune(tmp_path, **EARLY).rows == rows and capsys.readouterr().out.startswith("complete since ")


@pytest.mark.parametrize("way", WAYS)
def test_without_patience_the_recorded_runs_keep_their_settings(way, tmp_path):
    for log in sorted((REFERENCES / "02").glob(f"cpu_{way}-s?.jsonl")):
        header = Run(log).header
        model = SimpleNamespace(num_parameters=iter([header["settings"]["parameters"]]).__next__)
        settings = settings_of(model, FineTuneConfig(**header["settings"]["tune"], patience=None), make_runtime(tmp_path))
        assert settings_hash(settings) == header["settings_hash"]


def test_another_patience_is_named_beside_an_unfinished_run(tmp_path, capsys):
    first = cut(tmp_path, 2)
    capsys.readouterr()
    tiny_tune(tmp_path, steps=1, patience=3)
    assert capsys.readouterr().out.startswith(f"{first.name} was begun with other settings (patience None before, 3 now) and stays as it is")


# Early stopping and interruptions.

@pytest.mark.parametrize("way", WAYS)
def test_cut_after_the_last_checkpoint_of_an_early_stop_and_run_again(way, losses_at, tmp_path, capsys):
    losses_at(WORSENS)
    tiny_tune(tmp_path / "whole", way, **EARLY)
    folder = cut_before_the_log_is_closed(tmp_path / "cut", way, **EARLY)
    assert {"checkpoint-3", "checkpoint-5"} < {f.name for f in (folder / "checkpoints").iterdir()}
    capsys.readouterr()
    tiny_tune(tmp_path / "cut", way, **EARLY)
    assert capsys.readouterr().out.startswith("resuming at step 4 of 10")  # the evaluation that stopped it is taken once more
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_cut_after_an_early_stop_goes_back_as_far_as_it_must(losses_at, tmp_path, capsys):
    losses_at(WORSENS)
    tiny_tune(tmp_path / "whole", **EARLY)
    damage(cut_before_the_log_is_closed(tmp_path / "cut", **EARLY) / "checkpoints" / "checkpoint-4" / "optimizer.pt")
    capsys.readouterr()
    tiny_tune(tmp_path / "cut", **EARLY)
    assert "using the one before it\nresuming at step 3 of 10" in capsys.readouterr().out
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_cut_after_an_early_stop_at_the_only_checkpoint_begins_anew(losses_at, tmp_path, capsys):
    losses_at([1.0, 2.0])
    tiny_tune(tmp_path / "whole", patience=1, eval_every=1)
    cut_before_the_log_is_closed(tmp_path / "cut", patience=1, eval_every=1)
    capsys.readouterr()
    tiny_tune(tmp_path / "cut", patience=1, eval_every=1)
    assert capsys.readouterr().out.startswith("training for 10 steps")
    assert_same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("step", [1, 3, 5])
def test_cut_on_the_way_to_an_early_stop_and_run_again(step, losses_at, tmp_path):
    losses_at(WORSENS)
    tiny_tune(tmp_path / "whole", **EARLY)
    cut(tmp_path / "cut", step, **EARLY)
    tiny_tune(tmp_path / "cut", **EARLY)
    assert_same(tmp_path / "cut", tmp_path / "whole")


# Token streams.

def stream_run(workspace, train, validation, **settings):
    """A run of 10 steps without marks."""
    return fine_tune(load(dropout=0.0), train, validation, config=replace(CONFIG, **settings), runtime=make_runtime(workspace))


def streams(train=18, validation=5, block_size=24):
    """Blocks of streams that end in half a block."""
    return [StreamBlocks(make_stream(n * block_size + 12, seed, 290), block_size) for seed, n in enumerate((train, validation))]


def explicit(blocks):
    """The same blocks, each written out as a document of its own."""
    ids = np.asarray(blocks.tokens, int).reshape(-1, blocks.block_size).tolist()
    encoded = [{"input_ids": row, "labels": [IGNORE, *row[1:]]} for row in ids]
    return to_blocks(encoded, [[i] for i in range(len(ids))], blocks.block_size, 0)


def test_a_stream_trains_as_its_blocks_written_out_do(tmp_path):
    stream, blocks = stream_run(tmp_path / "stream", *streams()), stream_run(tmp_path / "blocks", *map(explicit, streams()))
    for name in ("loss", "val_loss", "grad_norm", "tokens"):
        steps, values = blocks.curve(name, x="step")
        assert len(steps) >= 5 and stream.curve(name, x="step")[1] == pytest.approx(values, abs=1e-5)
    assert stream.curve("tokens", x="step")[1][-1] == 2 * 18 * 23  # two epochs; the first token of a block is no label


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_the_validation_loss_counts_every_label_of_a_stream_once(micro, tmp_path):
    train, validation = streams(train=4)
    run = stream_run(tmp_path, train, validation, micro_batch_size=micro, epochs=1)
    ids = torch.from_numpy(make_stream(5 * 24 + 12, 1, 290)[:-12].astype(int)).view(5, 24)
    with torch.no_grad():
        losses = [F.cross_entropy(load(dropout=0.0).eval()(row[None]).logits[0, :-1], row[1:], reduction="none") for row in ids]
    assert sum(map(len, losses)) == 5 * 23
    assert run.end["first_val_loss"] == pytest.approx(torch.cat(losses).mean().item(), abs=1e-6)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_a_stream_in_a_file_goes_on_exactly(step, tmp_path):
    def run(workspace):
        files = [StreamBlocks(np.load(tmp_path / f"{n}.npy", mmap_mode="r"), 24) for n in range(2)]
        return fine_tune(load(), *files, config=CONFIG, runtime=make_runtime(workspace))  # with dropout

    for n, blocks in enumerate(streams()):
        np.save(tmp_path / f"{n}.npy", blocks.tokens)
    run(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Recorder, "on_step_begin", before(step, cut_power))
        run(tmp_path / "cut")
    run(tmp_path / "cut")
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_the_same_stream_in_other_blocks_is_another_run(tmp_path):
    tokens = make_stream(12 * 24, 0, 290)
    data = {stream_run(tmp_path, *[StreamBlocks(tokens, size)] * 2).header["data"] for size in (24, 48)}
    assert len(data) == len(list(tmp_path.iterdir())) == 2


def test_blocks_of_a_class_of_ones_own_are_the_same_run(tmp_path, capsys):
    """Notebook 03 shows the class in a cell; the command takes the helpers'."""
    blocks = StreamBlocks(make_stream(12 * 24, 0, 290), 24)
    stream_run(tmp_path, blocks, blocks)
    assert "complete since" not in capsys.readouterr().out
    stream_run(tmp_path, list(blocks), list(blocks))
    assert "complete since" in capsys.readouterr().out
