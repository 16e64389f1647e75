"""Many processes: the same run under `torchrun` with two processes gives the single process's curve."""

import subprocess
import sys

import pytest
from test_pretrain import some_text

from helpers import pretrain
from helpers.runs import Run
from helpers.runtime import REPOSITORY

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "helpers.pretrain"]


def test_two_processes_give_the_single_processs_curve(tmp_path, monkeypatch):
    monkeypatch.setenv("GPT_SERIES_STEPS", "6")
    (tmp_path / "corpus.txt").write_text(some_text())
    options = ["--corpus", str(tmp_path / "corpus.txt"), "--profile", "cpu", "--batch-size", "8", "--block-size", "16", "--dropout", "0",
               "--output", str(tmp_path / "out")]
    pretrain.main(options)
    # Judged by its log, not by its exit code: gloo aborts now and then when it is taken down, after the work is done.
    subprocess.run([sys.executable, "-m", *TORCHRUN, *options, "--no-resume"], cwd=REPOSITORY, check=False, capture_output=True, timeout=180)

    double, single = (Run(p / "log.jsonl") for p in sorted((tmp_path / "out-rehearsal" / "text").glob("cpu-*")))
    assert single.file.parent.name == double.file.parent.name + ".1"  # --no-resume has set it aside
    assert single.complete and double.complete
    assert (double.file.parent / "model_final" / "model.safetensors").exists()
    for name, count in (("loss", 6), ("val_loss", 2)):  # validation at steps 0 and 6
        steps, losses = single.curve(name, x="step")
        assert len(steps) == count and losses[-1] < losses[0]  # there is a curve, and it falls
        assert double.curve(name, x="step")[0].tolist() == steps.tolist()  # one process writes the log
        assert double.curve(name, x="step")[1] == pytest.approx(losses, abs=1e-4)
    norms = single.curve("grad_norm", x="step")[1]
    assert double.curve("grad_norm", x="step")[1] == pytest.approx(norms, rel=1e-3)  # the gradient is the whole batch's
