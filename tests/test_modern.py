"""GPT's successor: with all switches off it is our GPT; each switch is counted, causal, saved, and generates with the cache as without it."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import make_gpt
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from helpers import budget, chunked
from helpers.chunked import next_token_loss
from helpers.model import IGNORE, GPTConfig
from helpers.modern import Modern, ModernConfig, norm, rotate, rotations
from helpers.recipes import BLOCKS, OFF

TINY = dict(vocab_size=61, block_size=16, n_layer=3, n_head=2, n_embd=32)
ON = {name: dataclasses.asdict(ModernConfig())[name] for name in OFF}
VARIANTS = {"all": ON, "blocks": ON | BLOCKS, "off": OFF} | {name: OFF | {name: value} for name, value in ON.items()}


def make_modern(switches, noise=0.2, seed=0):
    """A tiny model in eval mode, all of whose parameters are random: what begins at zero too."""
    torch.manual_seed(seed)
    model = Modern(ModernConfig(**TINY | switches)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return model


@pytest.fixture(params=VARIANTS)
def modern(request):
    return make_modern(VARIANTS[request.param])


def test_all_off_is_our_gpt(tokens):
    gpt, modern = make_gpt(n_layer=3), make_modern(OFF)
    modern.load_state_dict(gpt.state_dict())  # the same names, the same shapes
    for got, wanted in zip(modern(tokens, tokens), gpt(tokens, tokens), strict=True):
        torch.testing.assert_close(got, wanted)


def test_every_switch_changes_what_is_computed(tokens):
    plain = make_modern(OFF)
    for name, value in ON.items():
        other = make_modern(OFF | {name: value})
        same = {k: v for k, v in plain.state_dict().items() if k in other.state_dict()}
        other.load_state_dict(other.state_dict() | same)
        assert (other(tokens)[0] - plain(tokens)[0]).abs().max() > 1e-3, name


def test_no_token_sees_a_later_one(modern, tokens):
    changed = tokens.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 61
    difference = (modern(changed)[0] - modern(tokens)[0]).abs().amax(dim=(0, 2))
    assert not difference[:7].any() and (difference[7:] > 0).all()


def test_generation_with_the_cache_writes_the_same(modern, tokens):
    cached, uncached = (modern.generate(tokens, 20, temperature=0, use_cache=use) for use in (True, False))  # beyond block_size
    assert torch.equal(cached, uncached) and cached.unique().numel() > 3


def test_parameters_and_flops_are_counted_to_the_unit(modern):
    config, tokens = modern.config, torch.zeros(2, modern.config.block_size, dtype=torch.long)
    parts = budget.count_parameters(config)
    assert parts.pop("total") == sum(parts.values()) == sum(p.numel() for p in modern.parameters())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        modern(tokens, tokens)[1].backward()
    assert counter.get_total_flops() == budget.flops_per_token(config)["total"] * tokens.numel()


def test_saved_and_loaded_it_is_the_same(modern, tokens, tmp_path):
    modern.save_pretrained(tmp_path)
    loaded = Modern.from_pretrained(tmp_path).eval()
    assert loaded.config == modern.config and torch.equal(loaded(tokens)[0], modern(tokens)[0])


def test_the_chunked_loss_is_the_plain_one(modern, tokens, monkeypatch):
    targets = tokens.roll(-1, 1)
    targets[0, 3] = IGNORE
    expected = modern(tokens, targets)[1]
    wanted = torch.autograd.grad(expected, list(modern.parameters()), allow_unused=True)
    monkeypatch.setattr(chunked, "LARGE_VOCABULARY", 1)
    loss = next_token_loss(modern, tokens, targets)
    assert "ChunkedCrossEntropy" in str(loss.grad_fn)
    got = torch.autograd.grad(loss, list(modern.parameters()), allow_unused=True)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_before_training_the_loss_is_that_of_a_uniform_guess(tokens):
    torch.manual_seed(0)
    modern = Modern(ModernConfig(**TINY))
    assert modern(tokens, tokens)[1].item() == pytest.approx(math.log(61), abs=1e-4)  # the head is zero
    scores = [p for name, p in modern.named_parameters() if name.endswith("c_proj.weight")]
    assert len(scores) == 6 and not any(p.any() for p in scores)


def test_rotated_queries_and_keys_know_their_distance_only():
    draw = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 8, generator=draw)
    turns = rotations(32, 8)
    at = lambda x, position: rotate(x.view(1, 1, 1, 8), turns[:, position : position + 1]).flatten()
    torch.testing.assert_close(at(q, 9) @ at(k, 4), at(q, 25) @ at(k, 20))
    assert abs(at(q, 9) @ at(k, 4) - at(q, 9) @ at(k, 5)) > 1e-3
    torch.testing.assert_close(at(q, 13).norm(), q.norm())


def test_norm_has_no_gain_and_no_shift():
    x = torch.randn(3, 32) * 7 + 2
    torch.testing.assert_close(norm(x).square().mean(-1), torch.ones(3))
    torch.testing.assert_close(norm(x), F.normalize(x, dim=-1) * 32**0.5)


def test_logits_stay_under_the_soft_cap(tokens):
    modern = make_modern(ON, noise=3.0)
    logits = modern(tokens)[0]
    assert logits.abs().max() <= 15 and logits.abs().max() > 10


def test_heads_of_odd_size_are_refused():
    with pytest.raises(ValueError, match=r"n_embd / n_head must be even, got 6 / 2"):
        ModernConfig(n_embd=6, n_head=2)
    assert GPTConfig(n_embd=6, n_head=2) and ModernConfig(n_embd=6, n_head=2, rope=False)


def test_a_prompt_beyond_the_context_is_refused():
    with pytest.raises(ValueError, match="17 tokens are longer than the context, block_size = 16"):
        make_modern(ON).features(torch.zeros(1, 17, dtype=torch.long))
