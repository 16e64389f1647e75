"""Muon: its iteration against an SVD, its steps by hand, its overflow, its checkpoints; and the recipes that use it."""

import dataclasses

import pytest
import torch
from conftest import make_gpt, make_runtime, make_stream

from helpers import muon as rooms
from helpers.checkpoints import collect, restore
from helpers.model import GPTConfig
from helpers.modern import Modern, ModernConfig
from helpers.muon import Muon, iteration_dtype, orthogonalize
from helpers.recipes import OFF, RECIPES, SCALES, ModernTrainConfig, Scale, build, kind_of, tokens_to_reach
from helpers.runs import Run
from helpers.runtime import PROFILES
from helpers.step import TrainConfig, train_step
from helpers.training import fit

SCALE = Scale(GPTConfig(61, 16, 2, 2, 32), TrainConfig(batch_size=4, max_steps=12, learning_rate=1e-2, min_learning_rate=1e-3, warmup_steps=2,
                                                       eval_every=4, eval_blocks=8, checkpoint_every=4, log_every=2))


def matrices(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(32, 32), (24, 64), (64, 24), (3, 32, 16)])
def test_orthogonalisation_has_the_svds_directions(shape):
    """Singular values near one, and the same directions: each U V' component of the result is its own singular value."""
    x = matrices(*shape)
    u, _, vt = torch.linalg.svd(x, full_matrices=False)
    found = orthogonalize(x, dtype=torch.float32)
    inner = u.mT @ found @ vt.mT  # diagonal if the directions are the SVD's
    values = inner.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(inner, torch.diag_embed(values), atol=1e-4, rtol=0)
    assert values.min() > 0.5 and values.max() < 1.25
    assert (found - u @ vt).norm() / (u @ vt).norm() < 0.3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_half_precision_is_enough_at_any_scale(dtype, size):
    x = matrices(32, 48)
    exact, half = orthogonalize(x, dtype=torch.float32), orthogonalize(size * x, dtype=dtype)
    assert half.dtype == x.dtype and (half - exact).norm() / exact.norm() < 0.05


def test_matrices_of_one_shape_go_through_together():
    x = matrices(3, 16, 24)
    torch.testing.assert_close(orthogonalize(x, dtype=torch.float32), torch.stack([orthogonalize(m, dtype=torch.float32) for m in x]))


def test_zero_stays_zero_and_vectors_are_refused():
    assert not orthogonalize(torch.zeros(4, 8)).any()
    with pytest.raises(ValueError, match=r"needs matrices, got the shape \(8,\): leave vectors to AdamW"):
        orthogonalize(torch.zeros(8))
    with pytest.raises(ValueError, match=r"Muon moves matrices, got a parameter of shape \(8,\)"):
        Muon([dict(params=[torch.nn.Parameter(torch.zeros(8))], muon=True)], lr=0.1)


def test_the_dtype_is_what_the_device_multiplies_fast(monkeypatch):
    card = torch.device("cuda", 0)
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert iteration_dtype(card) == dtype
    assert iteration_dtype(torch.device("cpu")) in (torch.bfloat16, torch.float32)


def test_a_step_by_hand():
    """Two steps of a tall matrix in three parts: momentum 0.85 and a little more, Nesterov, decay, the rate's factor."""
    p = torch.nn.Parameter(matrices(24, 4))
    before, optimizer = p.detach().clone(), Muon([dict(params=[p], muon=True, parts=3, weight_decay=0.1)], lr=0.5)
    momentum = torch.zeros(24, 4)
    for step in (1, 2):
        p.grad = matrices(24, 4, seed=step)
        beta = 0.95 - 0.10 * (1 - step / 300)
        momentum = beta * momentum + (1 - beta) * p.grad
        ahead = (1 - beta) * p.grad + beta * momentum
        update = torch.cat([orthogonalize(part) for part in ahead.split(8)]) * (8 / 4) ** 0.5
        before = before * (1 - 0.5 * 0.1) - 0.5 * update
        optimizer.step()
    torch.testing.assert_close(p.detach(), before, atol=2e-2, rtol=0)  # the iteration in bfloat16: what rounds differently in a batch


def test_the_rest_moves_as_with_adamw():
    models = make_gpt(), make_gpt()
    ours = Muon([dict(params=list(models[0].parameters()))], lr=0.01, weight_decay=0.1)
    theirs = torch.optim.AdamW(models[1].parameters(), lr=0.01, weight_decay=0.1, fused=True)
    for model, optimizer in zip(models, (ours, theirs)):
        for _ in range(3):
            for number, p in enumerate(model.parameters()):
                p.grad = matrices(*p.shape, seed=number)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters()))


def test_an_overflow_leaves_the_whole_step_out(tokens, runtime):
    model, config = build("all", SCALE)
    optimizer, scaler = config.optimizer(model), torch.amp.GradScaler("cpu", init_scale=2.0**8)
    before = [p.clone() for p in model.parameters()]
    model.head.weight.register_hook(lambda gradient: gradient * torch.inf)
    train_step(model, optimizer, scaler, tokens, tokens, config=config, runtime=runtime)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters())) and scaler.get_scale() == 2.0**7


def test_every_parameter_has_a_group_of_its_kind():
    for switches in ({}, OFF):
        model = Modern(ModernConfig(61, 16, 2, 2, 32, **switches))
        kinds = {name: kind_of(name, p) for name, p in model.named_parameters()}
        assert {kinds[name] for name, p in model.named_parameters() if ".c_" in name and p.ndim == 2} == {"qkv", "matrix"}
        assert all(p.ndim == 2 for name, p in model.named_parameters() if kinds[name] in ("qkv", "matrix", "head"))
        optimizer = ModernTrainConfig(muon=True).optimizer(model)
        held = [id(p) for g in optimizer.param_groups for p in g["params"]]
        assert sorted(held) == sorted(map(id, model.parameters()))
        assert [g["parts"] for g in optimizer.param_groups if g["muon"]] == [3, 1]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_resumes_to_the_bit(name, tmp_path):
    def run(workspace, on_log=lambda run: None):
        torch.manual_seed(0)
        model, config = build(name, SCALE)
        return fit(model, make_stream(700), make_stream(200, seed=1), config=config, runtime=make_runtime(tmp_path / workspace), on_log=on_log), model

    def stumble(run):
        if run.rows[-1]["step"] == 8:
            raise MemoryError  # after the checkpoint of step 4, before that of step 8

    whole, model = run("whole")
    with pytest.raises(MemoryError):
        run("again", stumble)
    again, resumed = run("again")
    assert again.curve("loss")[1].tolist() == whole.curve("loss")[1].tolist() and len(again.curve("loss")[1]) == 12
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), resumed.parameters()))
    assert whole.end["val_loss"] < whole.end["first_val_loss"] - 0.1


def test_muons_state_is_saved_and_restored(tokens, runtime):
    states = []
    for _ in range(2):
        model, config = build("all", SCALE)
        optimizer = config.optimizer(model)
        states.append((model, optimizer))
    (model, optimizer), (other, empty) = states
    off = torch.amp.GradScaler("cpu", enabled=False)
    for _ in range(2):
        train_step(model, optimizer, off, tokens, tokens, config=config, runtime=runtime)
    restore({name: tensor.clone() for name, tensor in collect(model, optimizer).items()}, other, empty)
    for m, o in states:
        train_step(m, o, off, tokens, tokens, config=config, runtime=runtime)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters()))
    assert sum("momentum" in state for state in empty.state.values()) == 8  # four matrices a layer


def test_the_schedule_is_flat_and_then_falls_in_a_line():
    config = ModernTrainConfig(learning_rate=1.0, min_learning_rate=0.1, warmup_steps=10, warm_down=0.4)
    rates = [config.rate(step, 100) for step in range(101)]
    assert rates[:10] == pytest.approx([(s + 1) / 10 for s in range(10)]) and set(rates[10:61]) == {1.0}
    assert rates[80] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="warm_down is a share of the steps: above 0 and at most 1, got 0"):
        ModernTrainConfig(warm_down=0)


def test_a_groups_rate_follows_the_schedule(tmp_path):
    model, config = build("all", SCALE)
    seen, real = [], rooms.Muon.step

    def step(self, closure=None):
        seen.append([g["lr"] for g in self.param_groups])
        return real(self, closure)

    rooms.Muon.step = step
    try:
        fit(model, make_stream(700), make_stream(200, seed=1), config=config, runtime=make_runtime(tmp_path))
    finally:
        rooms.Muon.step = real
    expected = [config.learning_rate] * 2 + [config.embedding_rate, config.head_rate, config.scalar_rate]
    assert seen[0] == pytest.approx(expected) and seen[-1][2] / seen[-1][0] == pytest.approx(config.embedding_rate / config.learning_rate)
    assert seen[-1][0] < 0.3 * config.learning_rate


def test_an_unknown_recipe_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown recipe 'best': choose one of baseline, warm_down, muon, modern, modern_muon, all"):
        build("best", SCALE)
    assert dataclasses.asdict(build("baseline", SCALE, learning_rate=0.5)[1])["learning_rate"] == 0.5


def test_the_tokens_to_reach_a_loss_lie_between_two_evaluations(tmp_path):
    run = Run(tmp_path / "log.jsonl")
    run.rows = [dict(kind="metric", tokens=t, val_loss=y) for t, y in ((0, 8.0), (100, 6.0), (200, 5.0), (300, 5.5))]
    assert tokens_to_reach(run, 7.0) == 50 and tokens_to_reach(run, 5.25) == 175 and tokens_to_reach(run, 6.0) == 100
    assert tokens_to_reach(run, 9.0) == 0 and tokens_to_reach(run, 4.9) != tokens_to_reach(run, 4.9)  # NaN: never


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_its_scale(profile):
    scale = SCALES[profile]
    assert scale.train.micro_batch_size is None or scale.train.batch_size % scale.train.micro_batch_size == 0
    tokens = scale.train.max_steps * scale.train.batch_size * scale.model.block_size
    assert {"cpu": 120_000, "t4": 4_000_000, "full": 98_000_000}[profile] == pytest.approx(tokens, rel=0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_successor_learns_in_half_precision(dtype, tmp_path):
    model, config = build("all", SCALE)
    run = fit(model, make_stream(700), make_stream(200, seed=1), config=config, runtime=make_runtime(tmp_path, dtype))
    assert run.end["val_loss"] < run.end["first_val_loss"] - 0.1 and {p.dtype for p in model.parameters()} == {torch.float32}
