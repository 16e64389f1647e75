"""Generation: greedy equals Transformers', the cache changes nothing, sampling keeps what temperature, top_k and top_p say."""

import pytest
import torch
from conftest import make_gpt

from helpers import weights
from helpers.generation import generate, next_token_probabilities


def prompt(batch=1, length=4):
    return torch.randint(0, 61, (batch, length), generator=torch.Generator().manual_seed(batch + length))


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_greedy_equals_transformers(gpt, batch, use_cache):
    theirs = weights.to_transformers(gpt)
    tokens = prompt(batch)
    expected = theirs.generate(tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=12, pad_token_id=0)
    assert expected.shape == (batch, 16)  # up to the last position there is
    assert torch.equal(generate(gpt, tokens, 12, temperature=0, use_cache=use_cache), expected)


def by_hand(model, tokens, new):
    """Greedy generation without a cache, written from the rule: past the block, go on from its last half."""
    block, start = model.config.block_size, 0
    for _ in range(new):
        if tokens.shape[1] - start > block:
            start = tokens.shape[1] - block // 2
        with torch.no_grad():
            logits, _ = model(tokens[:, start:])
        tokens = torch.cat([tokens, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return tokens


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("length", [1, 4, 15, 16])
def test_past_the_block_the_context_is_its_last_half(gpt, length, use_cache):
    tokens = prompt(2, length)
    assert torch.equal(generate(gpt, tokens, 50, temperature=0, use_cache=use_cache), by_hand(gpt, tokens, 50))


@pytest.mark.parametrize("block_size", [2, 7, 16])
@pytest.mark.parametrize("batch", [1, 3])
def test_sampling_with_and_without_the_cache_is_the_same(batch, block_size):
    gpt = make_gpt(block_size=block_size)
    sampling = dict(temperature=0.9, top_k=30, top_p=0.95, seed=5)
    cached = generate(gpt, prompt(batch, 1), 50, **sampling)
    assert torch.equal(cached, generate(gpt, prompt(batch, 1), 50, **sampling, use_cache=False))


def test_cache_reads_each_token_once(gpt, monkeypatch):
    read = []
    features = gpt.features
    monkeypatch.setattr(gpt, "features", lambda tokens, cache=None: read.append(tokens.shape[1]) or features(tokens, cache))
    generate(gpt, prompt(1, 4), 20, temperature=0)
    assert read == [4] + [1] * 12 + [8] + [1] * 6  # the prompt, the rest of the block, its last half again, and on


def test_same_seed_same_text(gpt):
    first, again, other = (generate(gpt, prompt(), 40, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_seed_leaves_the_global_generator_alone(gpt):
    torch.manual_seed(0)
    generate(gpt, prompt(), 10, seed=1)
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), drawn)


def test_stop_token_ends(gpt):
    free = generate(gpt, prompt(), 30, temperature=0)[0].tolist()
    stop = free[4 + 3]  # the fourth new token
    first = free.index(stop, 4)
    assert generate(gpt, prompt(), 30, temperature=0, stop=stop)[0].tolist() == free[: first + 1]


def test_stop_waits_for_every_row():
    gpt, tokens = make_gpt(vocab_size=5), torch.zeros(3, 1, dtype=torch.long)
    free = generate(gpt, tokens, 200, temperature=2.0, seed=1)
    ends = [row.index(4, 1) for row in free.tolist()]  # where each row first draws token 4
    assert len(set(ends)) > 1
    assert torch.equal(generate(gpt, tokens, 200, temperature=2.0, seed=1, stop=4), free[:, : max(ends) + 1])


@pytest.mark.parametrize("training", [True, False])
def test_training_mode_is_restored_and_dropout_is_off(training):
    model = make_gpt(dropout=0.5).train(training)
    assert torch.equal(generate(model, prompt(), 20, temperature=0), generate(make_gpt(), prompt(), 20, temperature=0))
    assert model.training is training


def test_the_models_own_generate_is_this_one(gpt):
    assert torch.equal(gpt.generate(prompt(), 30, top_k=5, seed=3), generate(gpt, prompt(), 30, top_k=5, seed=3))


def test_nothing_new_is_the_prompt(gpt):
    assert torch.equal(generate(gpt, prompt(2), 0), prompt(2))


LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -2.0], [0.0, 3.0, 0.5, 0.25, -9.0]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_divides_the_logits(temperature):
    torch.testing.assert_close(next_token_probabilities(LOGITS, temperature=temperature), (LOGITS / temperature).softmax(-1))


def test_temperature_limits():
    cold, hot = (next_token_probabilities(LOGITS, temperature=t) for t in (1e-3, 1e4))
    torch.testing.assert_close(cold.amax(-1), torch.ones(2))
    assert torch.equal(cold.argmax(-1), LOGITS.argmax(-1))
    torch.testing.assert_close(hot, torch.full_like(LOGITS, 0.2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 5, 99])
def test_top_k_keeps_exactly_k(k):
    kept = next_token_probabilities(LOGITS, top_k=k)
    assert (kept > 0).sum(-1).tolist() == [min(k, 5)] * 2
    likeliest = torch.zeros_like(LOGITS, dtype=torch.bool).scatter(-1, LOGITS.topk(min(k, 5)).indices, True)
    assert torch.equal(kept > 0, likeliest)
    torch.testing.assert_close(kept.sum(-1), torch.ones(2))


@pytest.mark.parametrize("p", [1e-6, 0.3, 0.6, 0.9, 0.999, 1.0])
def test_top_p_keeps_the_smallest_set_that_reaches_p(p):
    full = LOGITS.softmax(-1)
    for row, kept in zip(full, next_token_probabilities(LOGITS, top_p=p)):
        inside = row[kept > 0]
        assert torch.equal(inside.sort().values, row.sort().values[-len(inside):])  # the likeliest ones, at least one
        assert inside.sum() >= p - 1e-6  # it reaches p ...
        assert inside.sum() - inside.min() < p  # ... and would not without its least likely token
        torch.testing.assert_close(kept[kept > 0], inside / inside.sum())


def test_sampling_draws_from_the_probabilities(gpt):
    drawn = generate(gpt, prompt().expand(4000, -1), 1, temperature=1.5, top_k=4, seed=0)[:, -1]
    with torch.no_grad():
        expected = next_token_probabilities(gpt(prompt())[0][:, -1], temperature=1.5, top_k=4)[0]
    torch.testing.assert_close(torch.bincount(drawn, minlength=61) / 4000, expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("tokens, sampling, sentence", [
    (torch.zeros(1, 0, dtype=torch.long), {}, "tokens must have the shape (B, T) with at least one token, got (1, 0)"),
    (torch.zeros(4, dtype=torch.long), {}, "tokens must have the shape (B, T) with at least one token, got (4,)"),
    (prompt(1, 17), {}, "the prompt has 17 tokens, the context only 16: shorten the prompt"),
    (prompt(), dict(temperature=-1), "temperature must be 0 (greedy) or positive, got -1"),
    (prompt(), dict(top_k=0), "top_k must be at least 1, got 0"),
    (prompt(), dict(top_p=0.0), "top_p must be above 0 and at most 1, got 0.0"),
    (prompt(), dict(top_p=1.5), "top_p must be above 0 and at most 1, got 1.5"),
])
def test_what_cannot_work_is_said_in_one_sentence(gpt, tokens, sampling, sentence):
    with pytest.raises(ValueError) as error:
        generate(gpt, tokens, 5, **sampling)
    assert str(error.value) == sentence


def test_generated_tokens_can_be_trained_on(gpt):
    written = gpt.generate(torch.tensor([[1, 2]]), 6, seed=0)
    gpt(written[:, :-1], written[:, 1:])[1].backward()
    assert gpt.wte.weight.grad.abs().sum() > 0


def test_a_context_of_one_token_goes_on_past_the_block():
    tiny = make_gpt(block_size=1)
    prompt = torch.tensor([[5]])
    assert torch.equal(tiny.generate(prompt, 4, temperature=0), tiny.generate(prompt, 4, temperature=0, use_cache=False))
