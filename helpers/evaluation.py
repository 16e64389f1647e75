"""How good is it? Loss, perplexity and bits per byte, over every token once."""

import contextlib
import math
import re

import torch
import torch.nn.functional as F
from tqdm import tqdm

from .budget import flops_per_token
from .chunked import next_token_loss
from .model import GPTConfig
from .runtime import ReaderError
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
            loss = next_token_loss(model, chunk[:-1].view(size, block_size), chunk[1:].view(size, block_size))
        total += loss.item() * size * block_size
        count += size * block_size
    return total, count


def mean_loss(model, tokens, **settings):
    """Mean loss in nats per token; settings as in `loss_sum`. Divides by the tokens that were summed, never by another n."""
    total, count = loss_sum(model, tokens, **settings)
    return total / count


def token_losses(model, batch, runtime):
    """(B, T) losses in nats, each of the label at its position, for a Transformers model and a batch of `blocks.collate`.

    NaN where a label is not counted, and at position 0, which nothing predicts.
    """
    batch = {name: tensor.to(runtime.device) for name, tensor in batch.items()}
    labels = batch.pop("labels")[:, 1:]  # (B, T - 1)
    with evaluating(model), runtime.autocast():
        logits = model(**batch).logits[:, :-1]
    losses = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="none", ignore_index=IGNORE).view_as(labels)
    return F.pad(losses.masked_fill(labels == IGNORE, torch.nan), (1, 0), value=torch.nan)


def windows_of(n, block_size, stride):
    """The windows that slide over n tokens: [(begin, stop, new)]; each predicts the tokens up to ``stop``, of which no earlier one had ``new``."""
    spans, scored = [], 1  # the first token has no context: it is never scored
    while scored < n:
        stop = min(scored + (stride if spans else block_size), n)
        spans.append((max(0, stop - 1 - block_size), stop, stop - scored))
        scored = stop
    return spans


def check_window(model, tokens, block_size, stride):
    """Raise what `window_losses` says where the numbers or the tokens do not fit each other or the model."""
    config = getattr(model, "config", None)
    if not 1 <= stride <= block_size:
        raise ValueError(f"stride must be between 1 and block_size ({block_size}), got {stride}")
    if len(tokens) < 2:
        raise ReaderError(f"a perplexity needs two tokens or more, got {len(tokens)}: give it a longer text")
    if config and (limit := getattr(config, "max_position_embeddings", None) or config.block_size) < block_size:
        raise ValueError(f"block_size must be at most the model's context ({limit}), got {block_size}")
    if config and not 0 <= tokens.min() <= tokens.max() < config.vocab_size:
        raise ReaderError(f"the tokens reach from {tokens.min()} to {tokens.max()}, the model knows 0 to {config.vocab_size - 1}: "
                          "use the tokenizer that belongs to the model")


def window_losses(model, tokens, *, block_size, stride, batch_size=4):
    """(n - 1,) losses in nats, of each token of a sequence but the first, under a sliding window; for our GPT and for Transformers' models.

    The window holds ``block_size`` tokens and moves by ``stride``; a token is scored in the first window that predicts it, with at least
    ``block_size - stride`` tokens of context where the sequence has them (Press et al., 2021, "Shortformer", section 3).
    tokens: (n,) integers, n >= 2. batch_size: windows at once; it changes speed and memory only.
    Raises ValueError if ``stride`` is not in 1..block_size or ``block_size`` is above the model's; ReaderError for tokens that do not fit.
    """
    tokens = (tokens if torch.is_tensor(tokens) else torch.tensor(tokens)).long()  # a copy: a mapped file is read-only
    check_window(model, tokens, block_size, stride)
    spans, losses = windows_of(len(tokens), block_size, stride), []
    for first in tqdm(range(0, len(spans), batch_size), delay=5, leave=False):
        group = spans[first : first + batch_size]
        windows = torch.stack([tokens[begin:stop] for begin, stop, _ in group])  # (b, block_size + 1)
        windows = windows.to(device_of(model))
        with evaluating(model):
            logits = model(windows[:, :-1])[0].float()
        each = F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction="none")
        losses += [row[-new:] for row, (_, _, new) in zip(each.view(len(group), -1).cpu(), group)]
    return torch.cat(losses)


def device_of(model):
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def perplexity(model, tokens, *, block_size, stride, batch_size=4):
    """Perplexity of a token sequence under a sliding window: exp of the mean of `window_losses`, which see for the arguments.

    Every token but the first is scored once. Returns the perplexity per token; raises what `window_losses` raises.
    """
    losses = window_losses(model, tokens, block_size=block_size, stride=stride, batch_size=batch_size)
    return math.exp(losses.double().mean().item())


def bits_per_byte(loss, *, tokens, bytes):
    """Bits per byte of text: the axis that tokenizers share. loss: mean nats per token over ``tokens`` tokens of ``bytes`` bytes."""
    return loss * tokens / (math.log(2) * bytes)


def bits_per_byte_curve(run):
    """(TFLOP spent, bits per byte) arrays of a run's evaluations; its "result" row has ``bytes_per_token`` of the validation text."""
    shape = {k: v for k, v in run.header["settings"]["model"].items() if k != "scale_by"}
    size = next(row["bytes_per_token"] for row in run.rows if "bytes_per_token" in row)
    at, losses = run.curve("val_loss")
    return at * flops_per_token(GPTConfig(**shape))["total"] / 1e12, bits_per_byte(losses, tokens=1, bytes=size)


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


def distinct(texts, n):
    """Share of different n-grams of words among all n-grams of ``texts`` (Li et al., 2016): low where a model repeats itself."""
    grams = [tuple(words[i : i + n]) for words in map(str.split, texts) for i in range(len(words) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def words_of(text):
    """The words of a text in lower case: runs of letters, so that "dir-lhe-ei" is three."""
    return re.findall(r"[^\W\d_]+", text.lower())


def non_word_share(text, vocabulary):
    """(share of the words of ``text`` that are not in ``vocabulary``, those words). A person's text has such words too: measure that first.

    vocabulary: the set of all `words_of` the training text. Raises ReaderError for a text without a word.
    """
    words = words_of(text)
    if not words:
        raise ReaderError(f"no word in {text[:20]!r}: generate a longer text")
    unknown = [word for word in words if word not in vocabulary]
    return len(unknown) / len(words), unknown


def longest_copy(text, source):
    """The longest passage of ``text`` that stands in ``source`` character for character: how much a model recites, not writes."""
    longest = ""
    for stop in range(1, len(text) + 1):
        longer = text[stop - len(longest) - 1 : stop]  # where a longest one ends, one a character shorter ended the step before
        if longer in source:
            longest = longer
    return longest
