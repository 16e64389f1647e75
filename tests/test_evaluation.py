"""Evaluation divides by what it summed, scores every token once, and agrees with what can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_gpt, make_stream

from helpers.evaluation import attention_weights, bits_per_byte, loss_sum, mean_loss, perplexity, unigram_entropy


def losses_of(model, window):
    """(T - 1,) loss of each token of ``window`` but the first, given all before it."""
    with torch.no_grad():
        return F.cross_entropy(model(window[None, :-1])[0][0], window[1:], reduction="none")


@pytest.fixture
def text():
    return torch.from_numpy(make_stream(50).astype(np.int64))


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("max_blocks", [None, 1, 7])
def test_mean_loss_is_the_mean_over_the_tokens_it_read(gpt, stream, runtime, batch_size, max_blocks):
    blocks = max_blocks or 43  # 699 targets are 43 blocks of 16 and a rest
    tokens = torch.from_numpy(stream[: blocks * 16 + 1].astype(np.int64))
    with torch.no_grad():
        _, expected = gpt(tokens[:-1].view(blocks, 16), tokens[1:].view(blocks, 16))
    found = mean_loss(gpt, stream, block_size=16, batch_size=batch_size, runtime=runtime, max_blocks=max_blocks)
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_processes_share_the_evaluation_without_overlap(gpt, stream, runtime):
    settings = dict(block_size=16, batch_size=4, runtime=runtime)
    parts = [loss_sum(gpt, stream, **settings, part=(rank, 3)) for rank in range(3)]
    total, count = loss_sum(gpt, stream, **settings)
    assert sum(count for _, count in parts) == count == 43 * 16
    assert sum(total for total, _ in parts) == pytest.approx(total)


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_while_evaluating_and_the_mode_is_restored(training, text, stream, runtime):
    model, plain = make_gpt(dropout=0.5).train(training), make_gpt()
    settings = dict(block_size=16, batch_size=4, runtime=runtime)
    assert mean_loss(model, stream, **settings) == mean_loss(plain, stream, **settings)
    assert perplexity(model, text, block_size=16, stride=4) == perplexity(plain, text, block_size=16, stride=4)
    assert torch.equal(attention_weights(model, text[None, :9], 1), attention_weights(plain, text[None, :9], 1))
    assert model.training is training


def test_perplexity_without_overlap_by_hand(gpt, text):
    full = [losses_of(gpt, text[first : first + 17]) for first in (0, 16, 32)]
    rest = losses_of(gpt, text[33:50])[-1:]  # 49 targets are three windows and one more, which gets the longest context
    losses = torch.cat([*full, rest])
    assert perplexity(gpt, text, block_size=16, stride=16) == pytest.approx(math.exp(losses.mean()), rel=1e-5)


def test_perplexity_with_stride_one_gives_every_token_the_longest_context(gpt, text):
    losses = [losses_of(gpt, text[max(0, last - 16) : last + 1])[-1] for last in range(1, 50)]
    assert perplexity(gpt, text, block_size=16, stride=1) == pytest.approx(math.exp(torch.stack(losses).mean()), rel=1e-5)


class Ledger:
    """Stands in for a model: gives uniform logits and keeps how often, and with how much context, each token was scored."""

    training = False

    def __init__(self):
        self.windows = []

    def train(self, mode=True):
        return self

    eval = train

    def __call__(self, tokens):
        self.windows.append(tokens[0].tolist())
        return torch.zeros(*tokens.shape, 1000), None


@pytest.mark.parametrize("n", [2, 3, 8, 9, 10, 17, 40])
@pytest.mark.parametrize("block_size, stride", [(8, 8), (8, 5), (8, 4), (8, 1), (1, 1), (3, 2), (64, 7)])
def test_every_token_is_scored_once_with_the_promised_context(n, block_size, stride):
    ledger = Ledger()
    assert perplexity(ledger, torch.arange(n), block_size=block_size, stride=stride) == pytest.approx(1000, rel=1e-4)
    scored = 1
    for window in ledger.windows:
        assert window == list(range(window[0], window[-1] + 1)) and len(window) <= block_size
        new = window[-1] + 1 - (scored - 1)  # targets are the tokens after the window's
        assert 1 <= new <= (block_size if scored == 1 else stride)
        assert window[0] == max(0, window[-1] + 1 - block_size)  # as much context as fits: block_size - stride or more
        scored += new
    assert scored == n


def test_a_model_that_knows_nothing_has_perplexity_v(text):
    model = make_gpt()
    torch.nn.init.zeros_(model.wte.weight)  # the head: all logits are zero
    for stride in (1, 5, 16):
        assert perplexity(model, text, block_size=16, stride=stride) == pytest.approx(61, rel=1e-5)


@pytest.mark.parametrize("stride", [0, -1, 17])
def test_a_stride_out_of_range_is_refused(gpt, text, stride):
    with pytest.raises(ValueError) as error:
        perplexity(gpt, text, block_size=16, stride=stride)
    assert str(error.value) == f"stride must be between 1 and block_size (16), got {stride}"


def test_bits_per_byte_by_hand():
    assert bits_per_byte(math.log(256), tokens=10, bytes=10) == pytest.approx(8)  # a uniform guess of bytes: 8 bits each
    assert bits_per_byte(2 * math.log(2), tokens=100, bytes=400) == pytest.approx(0.5)


def test_unigram_entropy_by_hand():
    assert unigram_entropy(np.array([5, 5, 7, 9], dtype=np.uint16)) == pytest.approx(0.5 * math.log(2) + 2 * 0.25 * math.log(4))
    assert unigram_entropy(np.array([3, 3, 3])) == 0
    assert unigram_entropy(np.arange(61)) == pytest.approx(math.log(61))


@pytest.mark.parametrize("layer", [0, 1])
def test_attention_weights_are_causal_and_reproduce_the_attention(gpt, tokens, layer):
    tokens = tokens[:1]
    weights = attention_weights(gpt, tokens, layer)
    assert weights.shape == (2, 12, 12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 12))
    assert not weights.triu(1).any()
    seen = []
    attention = gpt.h[layer].attn
    attention.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    gpt(tokens)
    x, output = seen[0]
    v = attention.c_attn(x)[0, :, 64:].view(12, 2, 16).transpose(0, 1)  # (n_head, T, head_size)
    by_hand = attention.c_proj((weights @ v).transpose(0, 1).reshape(1, 12, 32))
    torch.testing.assert_close(by_hand, output, atol=1e-5, rtol=0)


def test_attention_weights_leave_no_hook_behind(gpt, tokens):
    attention_weights(gpt, tokens[:1], 0)
    assert not gpt.h[0].attn._forward_pre_hooks
