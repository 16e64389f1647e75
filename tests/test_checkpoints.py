"""Checkpoints are written whole or not at all, checked when read, and say in one sentence what is wrong."""

import errno
import os
from pathlib import Path

import pytest
import torch
from conftest import make_gpt
from safetensors import SafetensorError
from tiny_run import tiny_run, write_half

from helpers import checkpoints, runs
from helpers.runtime import ReaderError
from helpers.step import TrainConfig, make_optimizer


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(runs, "PAUSE", 0.0)


@pytest.fixture
def saved(gpt, tmp_path):
    """A file that holds the tiny GPT and a little state."""
    file = tmp_path / "step-000003.safetensors"
    checkpoints.save(file, gpt, step=3, best=1.25)
    return file


def test_model_optimizer_and_state_come_back(gpt, tokens, tmp_path):
    optimizer = make_optimizer(gpt, TrainConfig())
    gpt(tokens, tokens)[1].backward()
    optimizer.step()
    checkpoints.save(tmp_path / "step-000001.safetensors", gpt, optimizer, step=1, best=0.1 + 0.2, scaler={"scale": 2.0})
    tensors, state = checkpoints.read(tmp_path / "step-000001.safetensors")
    model = make_gpt(seed=9)
    again = make_optimizer(model, TrainConfig())
    checkpoints.restore(tensors, model, again)
    assert state == dict(step=1, best=0.1 + 0.2, scaler={"scale": 2.0})
    torch.testing.assert_close(model.state_dict(), gpt.state_dict(), atol=0, rtol=0)
    torch.testing.assert_close(again.state_dict(), optimizer.state_dict(), atol=0, rtol=0)


def test_a_write_is_a_temporary_file_a_flush_and_a_rename(gpt, tmp_path, monkeypatch):
    events = []
    save_file, fsync, replace = checkpoints.save_file, os.fsync, Path.replace
    monkeypatch.setattr(checkpoints, "save_file", lambda tensors, file, **k: events.append(f"write {file.name}") or save_file(tensors, file, **k))
    monkeypatch.setattr(os, "fsync", lambda number: events.append("flush") or fsync(number))
    monkeypatch.setattr(Path, "replace", lambda file, target: events.append(f"rename to {target.name}") or replace(file, target))
    checkpoints.save(tmp_path / "best.safetensors", gpt)
    assert events == ["write best.tmp", "flush", "rename to best.safetensors"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"),
                                   SafetensorError("I/O error: No space left on device (os error 28)")], ids=["OSError", "SafetensorError"])
def test_full_disk_is_one_sentence_and_the_last_checkpoint_is_intact(error, gpt, saved, monkeypatch):
    def half_then_full(tensors, file, metadata):
        write_half(tensors, file, metadata)
        raise error

    monkeypatch.setattr(checkpoints, "save_file", half_then_full)
    for name in (saved.name, "step-000006.safetensors"):  # over the last one, and beside it
        with pytest.raises(ReaderError, match=r"^path/to/\S+ could not be written \(.*No space left on device.*\); what was saved before is intact: "
                                              r"see that the folder can be written and has 0\.1 MB free, then run this again$"):
            checkpoints.save(saved.with_name(name), gpt)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]  # no half of a file is left
    assert checkpoints.latest(saved.parent)[1]["step"] == 3


def test_a_full_disk_stops_the_run_with_that_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(ReaderError, match="No space left on device"):
        patch.setattr(checkpoints, "save_file", full)
        tiny_run(tmp_path)
    run, _ = tiny_run(tmp_path)  # there is space again
    assert run.complete


def test_another_failure_to_write_is_one_sentence(gpt, tmp_path):
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(ReaderError, match=r"^path/to/step-000001.safetensors could not be written \(.*\); what was saved before is intact: "):
        checkpoints.save(tmp_path / "checkpoints" / "step-000001.safetensors", gpt)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_damaged(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError):
        checkpoints.read(saved)


def test_one_flipped_bit_anywhere_is_damage(saved):
    content = saved.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for position in [*range(8, header), *range(header, len(content), 997)]:
        saved.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ValueError):
            checkpoints.read(saved)


def test_a_header_without_a_checksum_is_damage(saved):
    saved.write_bytes(saved.read_bytes().replace(b'\\"crc\\"', b'\\"crb\\"'))
    with pytest.raises(ValueError, match="its checksum does not fit its content"):
        checkpoints.read(saved)


def test_an_unfinished_file_is_never_taken_for_a_checkpoint(gpt, saved):
    checkpoints.save(saved.with_name("step-000009.safetensors"), gpt, step=9)
    saved.with_name("step-000009.safetensors").rename(saved.with_name("step-000009.tmp"))  # whole, but never renamed
    assert checkpoints.latest(saved.parent)[1]["step"] == 3
    checkpoints.keep_last(saved.parent)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_nothing_intact_is_none(saved, capsys):
    saved.write_bytes(b"")
    assert checkpoints.latest(saved.parent) is None
    assert capsys.readouterr().out.startswith("step-000003.safetensors cannot be used (")
    assert checkpoints.latest(saved.parent / "no such folder") is None


def test_the_last_two_and_the_best_are_kept(tmp_path):
    tiny_run(tmp_path, keep_epochs=True, checkpoint_every=1)
    (folder,) = tmp_path.glob("*/checkpoints")
    names = sorted(p.name.removesuffix(".safetensors") for p in folder.iterdir())
    assert names == ["best", "epoch-001", "step-000011", "step-000012"]  # 43 blocks: an epoch has 10 steps


def test_a_checkpoint_of_another_configuration_is_refused(saved):
    tensors, _ = checkpoints.read(saved)
    with pytest.raises(ReaderError) as error:
        checkpoints.restore(tensors, make_gpt(vocab_size=50))
    assert str(error.value) == ("this checkpoint is of another configuration: wte.weight is (61, 32) in it and (50, 32) in the model; "
                                "build the model with the settings the checkpoint was written with")
    with pytest.raises(ReaderError, match=r"h\.2\.ln_1\.weight is missing in it and \(32,\) in the model"):
        checkpoints.restore(tensors, make_gpt(n_layer=3))
    with pytest.raises(ReaderError, match=r"h\.1\.attn\.c_attn\.bias is \(96,\) in it and missing in the model"):
        checkpoints.restore(tensors, make_gpt(n_layer=1))
