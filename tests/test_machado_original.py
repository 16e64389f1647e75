"""The original's architecture as a class: counted, equal to its loop over separate heads, trained and sampled like a GPT."""

import math

import pytest
import torch
import torch.nn.functional as F
from conftest import make_runtime

from helpers.budget import count_parameters
from helpers.machado_original import MachadoOriginal, OriginalAttention, OriginalConfig, sinusoids
from helpers.training import TrainConfig, fit

SMALL = dict(vocab_size=40, block_size=16, n_layer=2, n_head=4, n_embd=32, dropout=0.0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MachadoOriginal(OriginalConfig(**SMALL))


def test_it_has_the_published_number_of_parameters():
    config = OriginalConfig()
    assert sum(p.numel() for p in MachadoOriginal(config).parameters()) == count_parameters(config)["total"] == 28_505_231
    assert (config.vocab_size, config.n_layer, config.n_head, config.n_embd, config.block_size) == (143, 9, 32, 512, 128)


def head_by_head(attention, x, divide_by):
    """The same attention, one head after the other, from its definition."""
    (B, T, C), heads = x.shape, []
    q, k, v = (x @ part.t() for part in attention.c_attn.weight.chunk(3))
    for some in torch.arange(C).view(attention.n_head, -1):
        scores = q[..., some] @ k[..., some].transpose(1, 2) / math.sqrt(divide_by)
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., some])
    return torch.cat(heads, -1) @ attention.c_proj.weight.t() + attention.c_proj.bias


@pytest.mark.parametrize("scale_by, divide_by", [("n_embd", 32), ("head_size", 8)])
def test_all_heads_at_once_equal_the_loop_over_heads(scale_by, divide_by):
    torch.manual_seed(0)
    attention, x = OriginalAttention(OriginalConfig(**SMALL, scale_by=scale_by)), torch.randn(3, 16, 32)
    assert torch.allclose(attention(x), head_by_head(attention, x, divide_by), atol=1e-6)
    assert not torch.allclose(attention(x), head_by_head(attention, x, 40 - divide_by), atol=1e-3)  # the other scale is another function


def test_positions_are_sines_and_cosines():
    table = sinusoids(8, 6)
    assert table.shape == (8, 6) and torch.equal(table[0], torch.tensor([0.0, 1.0] * 3))
    assert torch.allclose(table[5, 2], torch.tensor(math.sin(5 / 10_000 ** (2 / 6)))) and torch.allclose(table[5, 3], torch.tensor(math.cos(5 / 10_000 ** (2 / 6))))


def test_the_first_loss_is_ln_v_and_the_head_is_its_own(model):
    tokens = torch.randint(0, 40, (4, 16))
    logits, loss = model(tokens, tokens)
    assert logits.shape == (4, 16, 40) and abs(loss.item() - math.log(40)) < 0.4  # PyTorch's initial weights
    assert torch.allclose(loss, F.cross_entropy(logits.flatten(0, 1), tokens.flatten()))
    assert not torch.equal(model.wte.weight, model.lm_head.weight)
    with pytest.raises(ValueError, match="17 tokens are longer than the context, block_size = 16"):
        model(torch.zeros(1, 17, dtype=torch.long))


@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_text_is_what_the_head_says(model, use_cache):
    tokens = torch.randint(0, 40, (2, 3))
    expected = tokens
    with torch.no_grad():
        for _ in range(13):
            expected = torch.cat([expected, model(expected)[0][:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(model.generate(tokens, 13, temperature=0, use_cache=use_cache), expected)
    assert model.generate(tokens, 30, temperature=0, use_cache=use_cache).shape == (2, 33)  # past the context too


def test_the_loop_of_notebook_01_trains_it(model, tmp_path):
    stream = (torch.arange(2_000) % 7).numpy().astype("uint16")
    run = fit(model, stream, stream[:200], config=TrainConfig(batch_size=4, max_steps=30, warmup_steps=5, eval_every=10, learning_rate=1e-2), runtime=make_runtime(tmp_path))
    assert run.end["val_loss"] < 0.5 * run.end["first_val_loss"]
    assert run.header["settings"]["model"]["scale_by"] == "n_embd"


def test_saved_and_loaded_it_computes_the_same(model, tmp_path):
    model.save_pretrained(tmp_path / "model_final")
    tokens = torch.randint(0, 40, (1, 16))
    loaded = MachadoOriginal.from_pretrained(tmp_path / "model_final")
    assert loaded.config == model.config and torch.equal(loaded(tokens)[0], model(tokens)[0])


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale_by must be 'n_embd' \\(as published\\) or 'head_size', got 'width'"):
        OriginalConfig(scale_by="width")
