"""`fit` trains once, gives back the best weights, keeps runs apart, and says in one sentence why it cannot go on."""

import gc
import os
import re
import signal
import weakref
from dataclasses import replace

import pytest
import torch
from conftest import make_gpt, make_runtime, make_stream
from tiny_run import CONFIG, on_call, tiny_run

from helpers import step, training
from helpers.runs import Run
from helpers.runtime import ReaderError
from helpers.step import learning_rate_at


@pytest.fixture
def no_training(monkeypatch):
    """Any training step fails the test."""
    monkeypatch.setattr(training, "train_step", lambda *_, **__: pytest.fail("a step was trained"))


def scripted(losses):
    """A stand-in for `loss_sum` whose evaluations give these mean losses in turn."""
    losses = iter(losses)
    return lambda *_, **__: (next(losses) * 10, 10)


def test_a_complete_run_is_read_from_its_log(tmp_path, request, capsys):
    first, trained = tiny_run(tmp_path)
    request.getfixturevalue("no_training")
    seen = []
    again, model = tiny_run(tmp_path, on_log=seen.append)
    assert again.rows == first.rows and again.complete
    assert seen == [again]  # the chart is drawn once, from the log
    torch.testing.assert_close(model.state_dict(), trained.state_dict(), atol=0, rtol=0)
    assert re.search(r"^complete since \d{4}-\d\d-\d\d \d\d:\d\d: read from path/to/.+/cpu-\w{8}$", capsys.readouterr().out, re.MULTILINE)


def test_the_weights_of_the_best_evaluation_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "loss_sum", scripted([5.0, 3.0, 4.0, 3.5]))
    model, weights = make_gpt(dropout=0.2), []
    run, _ = tiny_run(tmp_path, model=model, on_log=lambda run: weights.append({k: v.clone() for k, v in model.state_dict().items()}))
    assert (run.end["best_step"], run.end["val_loss"], run.end["first_val_loss"]) == (4, 3.0, 5.0)
    torch.testing.assert_close(model.state_dict(), weights[1], atol=0, rtol=0)
    assert not torch.equal(model.wte.weight, weights[2]["wte.weight"])
    assert not model.training, "what follows the training must see no dropout"


def test_patience_counts_evaluations_without_a_new_best(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "loss_sum", scripted([5.0, 3.0, 4.0, 2.0, 2.0, 2.5, 9.9]))
    run, _ = tiny_run(tmp_path, patience=2, eval_every=1)
    assert (run.end["status"], run.end["step"], run.end["best_step"], run.end["val_loss"]) == ("early stop", 5, 3, 2.0)
    assert run.complete


def test_the_log_holds_every_step_and_its_learning_rate(tmp_path):
    run, _ = tiny_run(tmp_path)
    rows = [r for r in run.rows if "loss" in r]
    assert [r["learning_rate"] for r in rows] == [learning_rate_at(step, 12, CONFIG) for step in range(12)]
    assert [r["tokens"] for r in rows] == [4 * 16 * step for step in range(1, 13)]
    assert rows[9]["epoch"] == 1.0  # 43 blocks, 10 batches of 4
    assert all(r["grad_norm"] > 0 for r in rows)
    assert Run(run.file).rows == run.rows


@pytest.mark.parametrize("change", [dict(learning_rate=0.02), dict(batch_size=8), dict(max_steps=13), dict(patience=3)], ids=str)
def test_other_settings_get_a_folder_of_their_own(change, gpt, stream, runtime):
    folders = [training.run_folder(gpt, stream, stream, config=replace(CONFIG, **settings), runtime=runtime) for settings in ({}, change)]
    assert folders[0] != folders[1]


def test_other_models_data_seeds_and_dtypes_get_a_folder_of_their_own(gpt, stream, tmp_path):
    def folder(model=gpt, train=stream, validation=stream, **changes):
        return training.run_folder(model, train, validation, config=CONFIG, runtime=make_runtime(tmp_path, **changes))

    folders = [folder(), folder(make_gpt(dropout=0.1)), folder(train=stream[1:]), folder(validation=stream[1:]),
               folder(seed=1), folder(dtype=torch.float16), folder(steps=3), folder(profile="full")]
    assert len(set(folders)) == 8


def test_what_changes_speed_and_files_alone_keeps_the_folder(gpt, stream, runtime):
    settings = [{}, dict(micro_batch_size=1), dict(checkpoint_every=1), dict(keep_epochs=True), dict(log_every=1)]
    assert len({training.run_folder(gpt, stream, stream, config=replace(CONFIG, **s), runtime=runtime) for s in settings}) == 1


def test_a_rehearsal_takes_the_first_steps_in_a_folder_of_its_own(tmp_path):
    whole, _ = tiny_run(tmp_path)
    rehearsal, _ = tiny_run(tmp_path, steps=5)
    assert rehearsal.file != whole.file and rehearsal.complete
    assert (rehearsal.header["rehearsal"], whole.header["rehearsal"]) == (5, None)
    steps = [[(r["step"], r["loss"], r["learning_rate"]) for r in run.rows if "loss" in r] for run in (rehearsal, whole)]
    assert steps[0] == steps[1][:5]  # the schedule is that of the whole run


def test_out_of_memory_is_advice_with_numbers_that_works(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    with monkeypatch.context() as patch, pytest.raises(ReaderError) as error:
        patch.setattr(training, "train_step", on_call(5, full, training.train_step))
        tiny_run(tmp_path)
    assert re.match(r"out of memory with 2 sequences a pass, .*\d+\.\d [GM]iB.* micro_batch_size=1 ", str(error.value))
    run, _ = tiny_run(tmp_path, micro_batch_size=1)
    assert run.complete and len(list(tmp_path.iterdir())) == 1  # the same run went on


def test_other_errors_are_not_taken_for_lack_of_memory(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(training, "train_step", broken)
    with pytest.raises(RuntimeError, match="^mat1 and mat2"):
        tiny_run(tmp_path)


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    with pytest.raises(ReaderError, match=r"^the loss is not a number at step \d+: lower learning_rate \(1e\+30\) or lengthen warmup_steps \(3\), and build the model anew before the next fit$"):
        tiny_run(tmp_path, learning_rate=1e30)


@pytest.mark.parametrize("train, validation, sentence", [
    (16, 200, "the training text has 16 tokens, fewer than one block of 16 and its next token: use a longer text or a smaller block_size"),
    (700, 9, "the validation text has 9 tokens, fewer than one block of 16 and its next token: use a longer text or a smaller block_size"),
    (60, 200, ("the training text has 3 blocks of 16 tokens, fewer than one batch of 4: "
               "use a longer text, a smaller batch_size or a smaller block_size")),
])
def test_texts_too_short_are_refused(train, validation, sentence, gpt, runtime):
    with pytest.raises(ReaderError) as error:
        training.fit(gpt, make_stream(train), make_stream(validation), config=CONFIG, runtime=runtime)
    assert str(error.value) == sentence


def test_a_complete_run_without_its_best_weights_says_what_to_do(tmp_path):
    run, _ = tiny_run(tmp_path)
    (run.file.parent / "checkpoints" / "best.safetensors").write_bytes(b"")
    with pytest.raises(ReaderError, match=r"has no intact best.safetensors \(.*\): .*, or delete this folder to train anew$"):
        tiny_run(tmp_path)


def test_the_first_interrupt_is_a_flag_the_second_one_interrupts():
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with the interrupt ignored
    try:
        with training.stop_button() as pressed:
            os.kill(os.getpid(), signal.SIGINT)
            assert pressed.is_set()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)


def test_gradients_of_a_failed_step_do_not_enter_the_next_run(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    clean, _ = tiny_run(tmp_path / "clean", model=make_gpt(), micro_batch_size=1)
    model = make_gpt()
    with monkeypatch.context() as patch, pytest.raises(ReaderError):
        patch.setattr(step, "next_token_loss", on_call(2, full, step.next_token_loss))  # the second micro-batch of the first step
        tiny_run(tmp_path / "failed", model=model, micro_batch_size=1)
    assert any(p.grad is not None for p in model.parameters())
    again, _ = tiny_run(tmp_path / "failed", model=model, micro_batch_size=1)
    assert again.curve("grad_norm", x="step")[1].tolist() == clean.curve("grad_norm", x="step")[1].tolist()


def test_an_error_that_was_shown_holds_nothing_any_more(tmp_path, monkeypatch):
    """IPython remembers the last error, and with it what the failed call had on the card."""
    held = []

    def full(*_, **__):
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(training, "train_step", full)
    with pytest.raises(ReaderError) as error:
        tiny_run(tmp_path)
    gc.collect()
    assert held[0]() is not None
    assert error.value._render_traceback_() == [f"OutOfMemory: {error.value}"]
    gc.collect()
    assert held[0]() is None
