"""One training step: accumulation, learning rate, weight decay, the order of the data, clipping, float16 on the CPU."""

import re

import pytest
import torch
from conftest import make_gpt, make_runtime, make_stream

from helpers.model import IGNORE
from helpers.step import TrainConfig, batch_at, learning_rate_at, make_optimizer, train_step

NO_SCALER = torch.amp.GradScaler("cpu", enabled=False)


@pytest.fixture
def batch(tokens):
    """(4, 12) tokens and targets, a quarter of whose targets are ignored: 0, 1, 3 and 8 of a row's 12."""
    tokens = torch.cat([tokens, tokens[:1].flip(1)])
    targets = tokens.roll(-1, dims=1)
    for row, count in enumerate((0, 1, 3, 8)):
        targets[row, :count] = IGNORE
    return tokens, targets


def one_step(batch, runtime, scaler=NO_SCALER, **settings):
    """(change of every weight, loss, norm) in one step of plain gradient descent at rate 1: the change is the gradient."""
    model, before = make_gpt().train(), list(make_gpt().parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss, norm = train_step(model, optimizer, scaler, *batch, config=TrainConfig(batch_size=4, **settings), runtime=runtime)
    assert {(p.dtype, p.grad) for p in model.parameters()} == {(torch.float32, None)}  # no gradient is left for the next step
    return torch.cat([(b - a).detach().flatten() for a, b in zip(model.parameters(), before, strict=True)]), loss, norm


@pytest.mark.parametrize("micro", [1, 2])
def test_accumulation_equals_one_batch(batch, runtime, micro):
    whole, parts = one_step(batch, runtime), one_step(batch, runtime, micro_batch_size=micro)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-5)


def test_accumulation_equals_one_batch_with_adamw(batch, runtime):
    models = [make_gpt().train(), make_gpt().train()]
    for model, config in zip(models, (TrainConfig(batch_size=4), TrainConfig(batch_size=4, micro_batch_size=1))):
        optimizer = make_optimizer(model, config)
        for _ in range(3):
            train_step(model, optimizer, NO_SCALER, *batch, config=config, runtime=runtime)
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        if not name.endswith("c_attn.bias"):  # a key's bias has the gradient zero: AdamW makes steps of rounding errors
            torch.testing.assert_close(a, b, atol=2e-5, rtol=0)


def test_a_micro_batch_without_counted_targets_adds_nothing(batch, runtime):
    batch[1][2] = IGNORE
    whole, parts = one_step(batch, runtime), one_step(batch, runtime, micro_batch_size=1)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-5)


def test_loss_is_the_mean_over_the_counted_targets(batch, runtime):
    expected = make_gpt()(*batch)[1]
    for micro in (1, 2, 4):
        torch.testing.assert_close(one_step(batch, runtime, micro_batch_size=micro)[1], expected.detach())


def test_gradients_are_clipped_and_their_norm_is_told(batch, runtime):
    whole, _, norm = one_step(batch, runtime, grad_clip=1e9)
    clipped, _, told = one_step(batch, runtime, grad_clip=0.5)
    torch.testing.assert_close(norm, whole.norm())
    torch.testing.assert_close(told, norm)
    torch.testing.assert_close(clipped, whole * 0.5 / norm)


def test_float16_path_on_the_cpu(batch, runtime):
    half = make_runtime(runtime.workspace, dtype=torch.float16)
    change, loss, norm = one_step(batch, half, torch.amp.GradScaler("cpu", init_scale=1024.0))
    whole_change, whole_loss, whole_norm = one_step(batch, runtime)
    assert loss != whole_loss  # it did run in half precision
    torch.testing.assert_close(loss, whole_loss, atol=0.02, rtol=0)
    torch.testing.assert_close(norm, whole_norm, atol=0, rtol=0.02)  # unscaled before it is measured and clipped
    assert (change - whole_change).norm() < 0.02 * whole_change.norm()


def test_float16_overflow_skips_the_step_and_halves_the_scale(batch, runtime):
    half = make_runtime(runtime.workspace, dtype=torch.float16)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    change, loss, norm = one_step(batch, half, scaler)
    assert loss.isfinite() and not norm.isfinite()
    assert scaler.get_scale() == 2.0**39
    assert not change.any()


def test_learning_rate_at_its_landmarks():
    config = TrainConfig(learning_rate=1e-3, min_learning_rate=1e-4, warmup_steps=10)
    rates = [learning_rate_at(step, 1010, config) for step in range(1011)]
    assert rates[0] == pytest.approx(1e-4)  # a tenth: the first of ten steps up
    assert rates[9] == rates[10] == 1e-3  # the end of the warm-up
    assert rates[510] == pytest.approx((1e-3 + 1e-4) / 2)  # half-way down the cosine
    assert rates[1009] == pytest.approx(1e-4, rel=1e-3)  # the last step
    assert rates[1010] == 1e-4
    assert sorted(rates[:10]) == rates[:10] and sorted(rates[10:], reverse=True) == rates[10:]


def test_weight_decay_pulls_on_matrices_only(gpt):
    matrices, vectors = make_optimizer(gpt, TrainConfig(weight_decay=0.3)).param_groups
    names = {id(p): name for name, p in gpt.named_parameters()}
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.3, 0.0)
    assert {names.pop(id(p)).split(".")[-1] for p in matrices["params"]} == {"weight"}
    rest = [names.pop(id(p)) for p in vectors["params"]]
    assert all(name.endswith("bias") or "ln_" in name for name in rest)
    assert not names  # every parameter is in one group


SHAPE = dict(block_size=8, batch_size=4, seed=1)


def epoch_of(stream, epoch, **changes):
    """All rows (n, block_size) of inputs and of targets in an epoch of 12 steps."""
    batches = [batch_at(stream, epoch * 12 + step, **SHAPE | changes) for step in range(12)]
    return tuple(torch.cat(rows) for rows in zip(*batches))


def test_every_block_comes_once_an_epoch():
    stream = make_stream(48 * 8 + 1)  # 48 blocks, 12 batches of 4
    blocks = torch.from_numpy(stream[:-1].astype("int64")).view(48, 8).tolist()
    for epoch in range(3):
        inputs, _ = epoch_of(stream, epoch)
        assert sorted(inputs.tolist()) == sorted(blocks)


def test_targets_are_the_inputs_shifted_by_one():
    stream = torch.arange(48 * 8 + 1).numpy().astype("uint16")
    inputs, targets = epoch_of(stream, 0)
    assert torch.equal(targets, inputs + 1)
    assert inputs.dtype == torch.int64


def test_order_depends_on_seed_and_epoch_alone():
    stream = make_stream(48 * 8 + 1)
    first = epoch_of(stream, 0)[0]
    assert not torch.equal(epoch_of(stream, 1)[0], first)
    assert not torch.equal(epoch_of(stream, 0, seed=2)[0], first)
    torch.manual_seed(99)
    assert torch.equal(epoch_of(stream, 0)[0], first)  # asked again after others, whatever the global generator did


def test_what_is_left_over_comes_in_another_epoch():
    stream = torch.arange(50 * 8 + 3).numpy().astype("uint16")  # 50 blocks: two do not fill a batch
    epochs = [set(epoch_of(stream, epoch)[0][:, 0].tolist()) for epoch in range(20)]  # blocks, told by their first token
    assert {len(blocks) for blocks in epochs} == {48}
    assert len(set().union(*epochs)) == 50


def test_steps_follow_from_epochs():
    assert TrainConfig(batch_size=4, epochs=2.5).steps(48 * 8 + 1, 8) == 30
    assert TrainConfig(batch_size=4, max_steps=7).steps(48 * 8 + 1, 8) == 7


@pytest.mark.parametrize("settings, sentence", [
    (dict(batch_size=0), "batch_size must be at least 1, got 0"),
    (dict(eval_every=0), "eval_every must be at least 1, got 0"),
    (dict(checkpoint_every=-5), "checkpoint_every must be at least 1, got -5"),
    (dict(batch_size=8, micro_batch_size=3), "micro_batch_size must divide batch_size (8), got 3"),
    (dict(batch_size=8, micro_batch_size=0), "micro_batch_size must divide batch_size (8), got 0"),
])
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        TrainConfig(**settings)
