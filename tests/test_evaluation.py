"""Evaluation divides by what it summed, scores every token once, and agrees with what can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_gpt, make_stream
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from helpers.evaluation import attention_weights, bits_per_byte, distinct, loss_sum, mean_loss, perplexity, unigram_entropy, window_losses
from helpers.runtime import ReaderError


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

    def parameters(self):
        return iter(())

    def __call__(self, tokens):
        self.windows += tokens.tolist()
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


def make_theirs(name):
    """A tiny model of Transformers, all of whose parameters are random, that takes what `make_gpt`'s takes."""
    torch.manual_seed(3)
    shape = dict(vocab_size=61, bos_token_id=0, eos_token_id=0)
    if name == "GPT-2":
        model = GPT2LMHeadModel(GPT2Config(**shape, n_positions=16, n_layer=2, n_head=2, n_embd=32))
    else:
        model = LlamaForCausalLM(LlamaConfig(**shape, max_position_embeddings=16, num_hidden_layers=1, num_attention_heads=2, hidden_size=32,
                                             intermediate_size=32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


MODELS = {"ours": make_gpt(), "GPT-2": make_theirs("GPT-2"), "Llama": make_theirs("Llama")}


def loss_of(model, tokens, place, block_size, stride):
    """Loss of one token, of the last logits of one pass over its context: what its window holds before it."""
    last = block_size  # the last token of the first window that predicts it; the first window begins with the text
    while last < place:
        last += stride
    last = min(last, len(tokens) - 1)
    context = tokens[max(0, last - block_size) : place]
    with torch.no_grad():
        logits = model(context[None])[0][0, -1].double()
    return (logits.logsumexp(0) - logits[tokens[place]]).item()


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(data=st.data(), n=st.integers(2, 50), block_size=st.integers(1, 16), batch_size=st.integers(1, 7))
def test_window_losses_are_those_of_one_pass_a_token(name, data, n, block_size, batch_size):
    stride = data.draw(st.integers(1, block_size))
    model, tokens = MODELS[name], torch.from_numpy(make_stream(n, seed=n).astype(np.int64))
    found = window_losses(model, tokens, block_size=block_size, stride=stride, batch_size=batch_size)
    assert found.shape == (n - 1,) and not found.requires_grad  # the first token is not scored
    expected = [loss_of(model, tokens, place, block_size, stride) for place in range(1, n)]
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.double), atol=1e-5, rtol=1e-5)
    whole = perplexity(model, tokens, block_size=block_size, stride=stride, batch_size=batch_size)
    assert whole == pytest.approx(math.exp(sum(expected) / (n - 1)), rel=1e-5)


@pytest.mark.parametrize("n", [17, 18, 33, 34, 41, 50])
def test_the_last_window_has_the_longest_context_that_fits(gpt, text, n):
    losses = window_losses(gpt, text[:n], block_size=16, stride=16)
    rest = (n - 1) % 16
    expected = losses_of(gpt, text[n - 17 : n])
    torch.testing.assert_close(losses[-(rest or 16) :], expected[-(rest or 16) :], atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_the_batch_size_changes_nothing(gpt, text, batch_size):
    one, several = (window_losses(gpt, text, block_size=16, stride=5, batch_size=size) for size in (1, batch_size))
    torch.testing.assert_close(several, one, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("error")
def test_tokens_may_lie_in_a_mapped_file_an_array_or_a_list(gpt, text, tmp_path):
    expected = window_losses(gpt, text, block_size=16, stride=5)
    np.save(tmp_path / "stream.npy", make_stream(50))
    mapped = np.load(tmp_path / "stream.npy", mmap_mode="r")
    assert mapped.dtype == np.uint16 and not mapped.flags.writeable
    for tokens in (mapped, mapped.astype(np.uint32), text.int(), text.tolist()):
        assert torch.equal(window_losses(gpt, tokens, block_size=16, stride=5), expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tokens, block_size, kind, sentence", [
    ([], 16, ReaderError, "a perplexity needs two tokens or more, got 0: give it a longer text"),
    ([5], 16, ReaderError, "a perplexity needs two tokens or more, got 1: give it a longer text"),
    ([5, 61, 7], 16, ReaderError, "the tokens reach from 5 to 61, the model knows 0 to 60: use the tokenizer that belongs to the model"),
    ([5, -1, 7], 16, ReaderError, "the tokens reach from -1 to 7, the model knows 0 to 60: use the tokenizer that belongs to the model"),
    ([5, 6, 7], 17, ValueError, "block_size must be at most the model's context (16), got 17"),
])
def test_tokens_and_blocks_that_do_not_fit_are_one_sentence(name, tokens, block_size, kind, sentence):
    with pytest.raises(kind) as error:
        perplexity(MODELS[name], np.array(tokens, dtype=np.int64), block_size=block_size, stride=1)
    assert str(error.value) == sentence
    assert perplexity(MODELS[name], np.array([0, 60]), block_size=16, stride=1) > 0  # the ends of the vocabulary fit


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


@pytest.mark.parametrize("texts, n, share", [
    (["the cat sat on the mat"], 1, 5 / 6), (["the cat the cat the cat"], 2, 2 / 5), (["a b c", "a b d"], 2, 3 / 4), (["a a a a"], 1, 1 / 4),
    (["a b c d"], 2, 1), (["a b", "b c"], 2, 1), (["a", ""], 2, 0), ([], 1, 0), ([" a\n b  a b "], 2, 2 / 3),
])
def test_distinct_by_hand(texts, n, share):
    assert distinct(texts, n) == pytest.approx(share)
