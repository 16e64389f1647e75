"""How good is it? Loss, perplexity and bits per byte, over every token once."""

import contextlib
import math

import torch
import torch.nn.functional as F

from .tokens import IGNORE


@contextlib.contextmanager
def evaluating(model):
    """Inside, dropout is off and no gradient is kept; after it the model is in the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def loss_sum(model, tokens, *, block_size, batch_size, runtime, max_blocks=None, part=(0, 1)):
    """(sum of the losses in nats, number of targets) over contiguous blocks of a token stream (n,).

    max_blocks: only the first so many blocks. part = (rank, count): only this process's share of the batches.
    """
    blocks = (len(tokens) - 1) // block_size
    blocks = min(blocks, max_blocks or blocks)
    total, count = 0.0, 0
    for first in list(range(0, blocks, batch_size))[part[0] :: part[1]]:
        size = min(batch_size, blocks - first)
        chunk = torch.from_numpy(tokens[first * block_size : (first + size) * block_size + 1].astype("int64")).to(runtime.device)
        with evaluating(model), runtime.autocast():
            _, loss = model(chunk[:-1].view(size, block_size), chunk[1:].view(size, block_size))
        total += loss.item() * size * block_size
        count += size * block_size
    return total, count


def mean_loss(model, tokens, **settings):
    """Mean loss in nats per token; settings as in `loss_sum`. Divides by the tokens that were summed, never by another n."""
    total, count = loss_sum(model, tokens, **settings)
    return total / count


def token_losses(model, batch, runtime):
    """(B, T) losses in nats, each of the label at its position, for a Transformers model and a batch of `tokens.collate`.

    NaN where a label is not counted, and at position 0, which nothing predicts.
    """
    batch = {name: tensor.to(runtime.device) for name, tensor in batch.items()}
    labels = batch.pop("labels")[:, 1:]  # (B, T - 1)
    with evaluating(model), runtime.autocast():
        logits = model(**batch).logits[:, :-1]
    losses = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="none", ignore_index=IGNORE).view_as(labels)
    return F.pad(losses.masked_fill(labels == IGNORE, torch.nan), (1, 0), value=torch.nan)


def perplexity(model, tokens, *, block_size, stride):
    """Perplexity of a token sequence under a sliding window.

    Every token but the first is scored once, with at least ``block_size - stride`` tokens of context
    where the sequence has them (Press et al., 2021, "Shortformer", section 3).

    tokens: (n,) integer tensor, n >= 2.
    Returns exp of the mean negative log-likelihood, in nats per token.
    Raises ValueError if ``stride`` is not in 1..block_size.
    """
    if not 1 <= stride <= block_size:
        raise ValueError(f"stride must be between 1 and block_size ({block_size}), got {stride}")
    total, scored = 0.0, 1  # the first token has no context: it is never scored
    while scored < len(tokens):
        stop = min(scored + (block_size if scored == 1 else stride), len(tokens))
        window = tokens[max(0, stop - 1 - block_size) : stop]
        with evaluating(model):
            logits, _ = model(window[None, :-1])
        losses = F.cross_entropy(logits[0].float(), window[1:], reduction="none")
        total += losses[-(stop - scored) :].sum().item()  # only what no earlier window has scored
        scored = stop
    return math.exp(total / (len(tokens) - 1))


def bits_per_byte(loss, *, tokens, bytes):
    """Bits per byte of text: the axis that tokenizers share. loss: mean nats per token over ``tokens`` tokens of ``bytes`` bytes."""
    return loss * tokens / (math.log(2) * bytes)


def unigram_entropy(tokens):
    """Entropy in nats per token of the token frequencies: the loss of a model that knows how often, but not when."""
    counts = torch.bincount(torch.as_tensor(tokens.astype("int64"))).double()
    p = counts[counts > 0] / counts.sum()
    return -(p * p.log()).sum().item()


def attention_weights(model, tokens, layer):
    """(n_head, T, T): how much each token (row) looks at each token before it, in one layer, for tokens (1, T)."""
    attention, caught = model.h[layer].attn, []
    hook = attention.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    with evaluating(model):
        model.features(tokens)
        q, k, _ = attention.c_attn(caught[0]).chunk(3, dim=-1)  # (1, T, n_embd) each
    hook.remove()
    split = lambda t: t.view(t.shape[1], attention.n_head, -1).transpose(0, 1)  # (n_head, T, head_size)
    scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(q.shape[-1] // attention.n_head)
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(-1)
