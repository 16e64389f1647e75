"""The model is GPT-2: logits, loss and gradients equal Transformers'; it is causal, sized and initialised as we say."""

import math

import pytest
import torch
import torch.nn.functional as F
from conftest import make_gpt
from transformers import GPT2Config, GPT2LMHeadModel

from helpers import weights
from helpers.budget import count_parameters
from helpers.model import GPT, IGNORE, GPTConfig

CLOSE = dict(atol=1e-4, rtol=0)


def make_theirs():
    """Transformers' GPT-2 with random weights, biases and norms."""
    torch.manual_seed(3)
    theirs = GPT2LMHeadModel(GPT2Config(vocab_size=61, n_positions=16, n_layer=2, n_head=2, n_embd=32))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return theirs.eval()


def test_logits_equal_transformers_with_our_weights(gpt, tokens):
    theirs = weights.to_transformers(gpt)
    torch.testing.assert_close(gpt(tokens)[0], theirs(tokens).logits, **CLOSE)


def test_logits_equal_transformers_with_their_weights(tokens, tmp_path):
    theirs = make_theirs()
    expected = theirs(tokens).logits
    torch.testing.assert_close(weights.from_transformers(theirs).eval()(tokens)[0], expected, **CLOSE)
    theirs.save_pretrained(tmp_path)
    torch.testing.assert_close(GPT.from_pretrained(tmp_path).eval()(tokens)[0], expected, **CLOSE)


def test_loss_and_gradients_equal_transformers(gpt, tokens):
    theirs = weights.to_transformers(gpt)
    targets = tokens.roll(-1, dims=1)
    _, loss = gpt(tokens, targets)
    their_loss = F.cross_entropy(theirs(tokens).logits.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss, their_loss, **CLOSE)
    loss.backward()
    their_loss.backward()
    gradients = weights.translate({name: p.grad for name, p in gpt.named_parameters()})
    theirs = dict(theirs.transformer.named_parameters())
    assert gradients.keys() == theirs.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, theirs[name].grad, **CLOSE)


def test_default_model_has_16_102_912_parameters():
    assert sum(p.numel() for p in GPT(GPTConfig()).parameters()) == 16_102_912
    assert count_parameters(GPTConfig())["total"] == 16_102_912


@pytest.mark.parametrize("shape", [dict(), dict(n_layer=1, n_head=1), dict(vocab_size=7, block_size=3, n_embd=6, n_layer=5),
                                   dict(n_embd=96, n_head=8)])
def test_parameters_equal_the_budget(shape):
    model = make_gpt(**shape)
    assert sum(p.numel() for p in model.parameters()) == count_parameters(model.config)["total"]


@pytest.mark.parametrize("config", [GPTConfig(n_layer=2), GPTConfig(vocab_size=1024, n_embd=128, block_size=128)])
def test_untrained_loss_is_ln_v(config):
    torch.manual_seed(0)
    tokens = torch.randint(0, config.vocab_size, (2, 128))
    with torch.no_grad():
        _, loss = GPT(config)(tokens, tokens.roll(-1, dims=1))
    assert abs(loss.item() - math.log(config.vocab_size)) < 0.1


def test_a_later_token_changes_no_earlier_logits(gpt, tokens):
    before, _ = gpt(tokens)
    tokens[:, 7] = (tokens[:, 7] + 1) % 61
    after, _ = gpt(tokens)
    torch.testing.assert_close(after[:, :7], before[:, :7], atol=1e-6, rtol=0)
    assert (after[:, 7:] - before[:, 7:]).abs().amax(-1).gt(1e-3).all()  # the token itself and all after it do see the change


def test_every_earlier_token_is_seen(gpt, tokens):
    before = gpt(tokens)[0][:, -1]
    for position in range(tokens.shape[1]):
        changed = tokens.clone()
        changed[:, position] = (changed[:, position] + 1) % 61
        assert (gpt(changed)[0][:, -1] - before).abs().max() > 1e-3, position


def test_ignored_targets_change_nothing(gpt, tokens):
    targets = tokens.roll(-1, dims=1)
    ignored = torch.rand(targets.shape, generator=torch.Generator().manual_seed(2)) < 0.4
    logits, loss = gpt(tokens, targets.masked_fill(ignored, IGNORE))
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    torch.testing.assert_close(loss, losses[~ignored.flatten()].mean())


def test_dropout_acts_in_training_only(tokens):
    model, plain = make_gpt(dropout=0.5), make_gpt(dropout=0.0)
    assert torch.equal(model(tokens)[0], plain(tokens)[0])
    model.train()
    assert not torch.allclose(model(tokens)[0], model(tokens)[0], atol=1e-3)
    assert torch.equal(plain.train()(tokens)[0], make_gpt()(tokens)[0])


@pytest.mark.parametrize("training, share", [(True, 0.5), (False, 0.0)])
def test_dropout_stands_in_gpt2s_four_places(training, share, tokens, monkeypatch):
    shares = []  # what each call of dropout is told to set to zero
    dropout, sdpa = F.dropout, F.scaled_dot_product_attention
    monkeypatch.setattr(F, "dropout", lambda x, p, active: shares.append(p * active) or dropout(x, p, active))
    monkeypatch.setattr(F, "scaled_dot_product_attention",
                        lambda *qkv, dropout_p, **how: shares.append(dropout_p) or sdpa(*qkv, dropout_p=dropout_p, **how))
    make_gpt(dropout=0.5, n_layer=1).train(training)(tokens)
    assert shares == [share] * 4  # embedding, attention weights, attention's output, MLP's output


@pytest.mark.parametrize("settings, sentence", [
    (dict(n_embd=32, n_head=5), "n_head must divide n_embd, got n_head 5 and n_embd 32: choose a divisor of 32"),
    (dict(n_layer=0), "n_layer must be at least 1, got 0"),
    (dict(dropout=1.0), "dropout must be at least 0 and below 1, got 1.0"),
])
def test_impossible_shapes_are_refused(settings, sentence):
    with pytest.raises(ValueError) as error:
        GPTConfig(**settings)
    assert str(error.value) == sentence


def test_more_tokens_than_the_block_are_refused(gpt):
    with pytest.raises(ValueError) as error:
        gpt(torch.zeros(1, 17, dtype=torch.long))
    assert str(error.value) == "17 tokens are longer than the context, block_size = 16: pass the last block_size tokens"
