"""The chunked head and loss: equal to the plain ones in loss and gradients, in less memory, and what training takes."""

import pytest
import torch
import torch.nn.functional as F
from conftest import make_gpt

from helpers import chunked
from helpers.chunked import Loss, chunked_cross_entropy, next_token_loss
from helpers.evaluation import mean_loss
from helpers.machado_original import MachadoOriginal, OriginalConfig
from helpers.model import IGNORE
from helpers.step import TrainConfig, train_step

N, C, V = 37, 24, 211


@pytest.fixture
def arrays():
    """Features (N, C), a head (V, C) and targets (N,), five of which are not counted: a row at each end, and three inside."""
    draw = torch.Generator().manual_seed(0)
    features, weight = torch.randn(N, C, generator=draw), torch.randn(V, C, generator=draw)
    targets = torch.randint(V, (N,), generator=draw)
    targets[[0, 5, 6, 20, N - 1]] = IGNORE
    return features.requires_grad_(), weight.requires_grad_(), targets


def plain(features, weight, targets, softcap=None):
    logits = F.linear(features, weight)
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    return F.cross_entropy(logits.float(), targets, ignore_index=IGNORE)


def results(loss, features, weight):
    """(loss, both gradients) with the loss scaled as a gradient scaler does."""
    dx, dw = torch.autograd.grad(8 * loss, (features, weight))
    return loss.detach(), dx / 8, dw / 8


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 8, N, 1_000])
def test_loss_and_gradients_are_the_plain_ones(arrays, chunk, softcap):
    expected = results(plain(*arrays, softcap), *arrays[:2])
    for value, wanted in zip(results(chunked_cross_entropy(*arrays, chunk, softcap), *arrays[:2]), expected, strict=True):
        torch.testing.assert_close(value, wanted, atol=1e-6, rtol=1e-5)
    assert expected[1].abs().sum() > 1 and expected[2].abs().sum() > 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_as_near_to_float32_as_autocast_itself(arrays, dtype):
    exact = results(plain(*arrays), *arrays[:2])
    with torch.autocast("cpu", dtype):
        usual, ours = results(plain(*arrays), *arrays[:2]), results(chunked_cross_entropy(*arrays, 8), *arrays[:2])
    assert ours[1].dtype == ours[2].dtype == torch.float32
    for name, got, theirs, wanted in zip(("loss", "dx", "dw"), ours, usual, exact, strict=True):
        off = ((got - wanted).norm() / wanted.norm()).item()
        assert off < max(1.5 * ((theirs - wanted).norm() / wanted.norm()).item(), 2e-3), name


def test_a_target_of_no_probability_has_a_finite_loss_in_float16():
    features, weight = torch.full((4, 8), 4.0), torch.zeros(50, 8)
    weight[7] = 1.0  # a logit of 32 against 0: the others' probability, 1e-14, is zero in float16
    targets = torch.tensor([7, 3, 3, 3])
    with torch.autocast("cpu", torch.float16):
        assert chunked_cross_entropy(features, weight, targets, 2).item() == pytest.approx(0.75 * 32, abs=0.05)


def test_without_counted_targets_the_gradient_is_zero(arrays):
    features, weight, targets = arrays
    loss = chunked_cross_entropy(features, weight, torch.full_like(targets, IGNORE), 8)
    assert loss.isnan()  # as F.cross_entropy: no mean of nothing
    torch.where(torch.tensor(False), loss, 0.0).backward()
    assert not features.grad.any() and not weight.grad.any()


def test_no_gradient_is_made_where_none_is_asked_for(arrays, monkeypatch):
    with torch.no_grad():
        monkeypatch.setattr(torch, "empty_like", None)  # the gradients begin with it
        loss = chunked_cross_entropy(*arrays, 8)
    torch.testing.assert_close(loss, plain(*arrays).detach(), atol=1e-6, rtol=1e-5)


def test_the_gradients_are_used_once(arrays):
    """They are scaled in place: a second backward pass is refused, not answered with wrong numbers."""
    loss = chunked_cross_entropy(*arrays, 8)
    loss.backward(retain_graph=True)
    with pytest.raises(TypeError):
        loss.backward()


def test_no_array_is_larger_than_a_chunk_of_logits(arrays):
    class Largest(torch.overrides.TorchFunctionMode):
        elements = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            out = function(*args, **kwargs or {})
            if torch.is_tensor(out):
                self.elements = max(self.elements, out.numel())
            return out

    with Largest() as watched:
        chunked_cross_entropy(*arrays, 4).backward()
    assert 0 < watched.elements <= V * C < N * V  # the head's gradient is the largest


def test_a_chunk_of_no_rows_is_refused(arrays):
    with pytest.raises(ValueError, match="chunk must be at least 1 row, got 0"):
        chunked_cross_entropy(*arrays, 0)


@pytest.fixture
def everything_is_large(monkeypatch):
    """Chunks for the tiny GPT too, and a list with a row for each time that they were taken."""
    taken, real = [], chunked_cross_entropy
    monkeypatch.setattr(chunked, "LARGE_VOCABULARY", 1)
    monkeypatch.setattr(chunked, "chunked_cross_entropy", lambda *a, **k: (taken.append(1), real(*a, 5, **k))[1])
    return taken


def test_a_training_step_takes_chunks_where_the_vocabulary_is_large(tokens, runtime, request):
    def step():
        model, scaler = make_gpt().train(), torch.amp.GradScaler("cpu", enabled=False)
        loss, norm = train_step(model, torch.optim.SGD(model.parameters(), 1.0), scaler, tokens, tokens.roll(-1, 1),
                                config=TrainConfig(batch_size=3, micro_batch_size=1), runtime=runtime)
        return loss, norm, torch.cat([p.detach().flatten() for p in model.parameters()])

    expected = step()  # a vocabulary of 61: plain
    taken = request.getfixturevalue("everything_is_large")
    for value, wanted in zip(step(), expected, strict=True):
        torch.testing.assert_close(value, wanted, atol=1e-5, rtol=1e-5)
    assert len(taken) == 3  # a micro-batch each


def test_an_evaluation_takes_chunks_too(stream, runtime, request):
    settings = dict(block_size=16, batch_size=4, runtime=runtime)
    expected = mean_loss(make_gpt(), stream, **settings)
    taken = request.getfixturevalue("everything_is_large")
    assert mean_loss(make_gpt(), stream, **settings) == pytest.approx(expected, abs=1e-5) and taken


def test_a_wrapped_model_gives_its_loss(tokens, everything_is_large):
    model = make_gpt()
    expected = model(tokens, tokens)[1]
    torch.testing.assert_close(next_token_loss(Loss(model), tokens, tokens), expected)
    assert len(everything_is_large) == 1


def test_a_head_with_a_bias_stays_plain(everything_is_large, tokens):
    model = MachadoOriginal(OriginalConfig(vocab_size=61, block_size=16, n_layer=1, n_head=2, n_embd=16)).eval()
    torch.testing.assert_close(next_token_loss(model, tokens, tokens), model(tokens, tokens)[1])
    assert not everything_is_large
