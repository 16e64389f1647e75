"""Writing text: sampling, and the key/value cache that makes it fast."""

import functools

import torch
import torch.nn.functional as F


class KVCache:
    """Keys and values of all layers for up to ``block_size`` tokens, allocated once.

    Without it, every new token recomputes the keys and values of all tokens before it. Appending into
    preallocated memory avoids a growing copy per token as well.
    """

    def __init__(self, model, batch_size, size=None):
        c, like = model.config, model.wte.weight
        shape = (c.n_layer, 2, batch_size, c.n_head, size or c.block_size, c.n_embd // c.n_head)
        dtype = torch.get_autocast_dtype(like.device.type) if torch.is_autocast_enabled(like.device.type) else like.dtype
        self.memory = torch.empty(shape, dtype=dtype, device=like.device)
        self.length = 0  # tokens that every layer has seen
        self.layers = [LayerCache(self, *self.memory[i]) for i in range(c.n_layer)]


class LayerCache:
    """One layer's view of the cache; `model.CausalSelfAttention` appends to it."""

    def __init__(self, cache, keys, values):
        self.cache, self.keys, self.values = cache, keys, values

    def append(self, k, v):
        """(B, n_head, T, head_size) new keys and values -> those of all tokens so far. T > 1 only when empty."""
        start, stop = self.cache.length, self.cache.length + k.shape[2]
        self.keys[:, :, start:stop] = k
        self.values[:, :, start:stop] = v
        return self.keys[:, :, :stop], self.values[:, :, :stop]


def next_token_probabilities(logits, *, temperature=1.0, top_k=None, top_p=None):
    """Probabilities (B, V) to draw the next token from, given its logits (B, V).

    temperature divides the logits: below 1 sharper, above 1 flatter. top_k keeps the k likeliest tokens.
    top_p keeps the likeliest tokens until their sum reaches p (Holtzman et al., 2020, "nucleus sampling").
    """
    logits = logits.float() / temperature
    if top_k is not None:
        kth = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if top_p is not None:
        ordered, order = logits.softmax(-1).sort(descending=True)
        before = ordered.cumsum(-1) - ordered  # probability of all likelier tokens: the first is always kept
        place = order.argsort(-1)  # where each token stands in that order
        logits = logits.masked_fill(before.gather(-1, place) >= top_p, -torch.inf)
    return F.softmax(logits, -1)


def choose(logits, *, temperature, top_k, top_p, generator):
    """(B, V) logits -> (B, 1) token ids; the likeliest ones at temperature 0."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    probabilities = next_token_probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    return torch.multinomial(probabilities, 1, generator=generator)


def generate(model, tokens, max_new_tokens, *, temperature=1.0, top_k=None, top_p=None, stop=None, seed=None, use_cache=True):
    """Continue ``tokens`` (B, T) by up to ``max_new_tokens`` tokens; returns (B, T + new).

    Greedy at temperature 0. ``stop``: end when every row has produced this token id. ``seed``: makes the
    draws repeatable. Past ``block_size`` the context is cropped to its last half and read again, with
    and without the cache alike. Raises ValueError for an empty prompt, one longer than ``block_size``,
    a negative temperature, top_k below 1 or top_p outside (0, 1].
    """
    check(model, tokens, temperature, top_k, top_p)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            draw = functools.partial(choose, temperature=temperature, top_k=top_k, top_p=top_p,
                                     generator=None if seed is None else torch.Generator(tokens.device).manual_seed(seed))
            out = continue_tokens(model, tokens, max_new_tokens, draw, stop, use_cache)
    finally:
        model.train(was_training)
    return out.clone()  # an ordinary tensor again: it may be trained on


def continue_tokens(model, tokens, max_new_tokens, draw, stop, use_cache):
    """The loop of `generate`: ``draw`` takes logits (B, V) to the next tokens (B, 1)."""
    (B, T), block = tokens.shape, model.config.block_size
    out = torch.empty(B, T + max_new_tokens, dtype=tokens.dtype, device=tokens.device)
    out[:, :T] = tokens
    cache = KVCache(model, B, min(block, T + max_new_tokens)) if use_cache else None
    start = 0  # where the context begins
    finished = torch.zeros(B, 1, dtype=torch.bool, device=tokens.device)
    for end in range(T, T + max_new_tokens):
        if end - start > block:
            start = end - max(1, block // 2)
            if cache:
                cache.length = 0
        seen = start + (cache.length if cache else 0)  # what the cache holds is not read again
        x = model.features(out[:, seen:end], cache)[:, -1]  # (B, n_embd): only the last token says what comes next
        if cache:
            cache.length = end - start
        if hasattr(model, "lm_head"):
            logits = model.lm_head(x)
        else:
            logits = (model.wte.weight @ x.t()).t()  # (B, V); as F.linear, but MKL takes twice as long for that at batch 4 to 10
        out[:, end : end + 1] = draw(logits)
        if stop is not None:
            finished |= out[:, end : end + 1] == stop
            if finished.all():
                return out[:, : end + 1]
    return out


def check(model, tokens, temperature, top_k, top_p):
    """Raise ValueError with one sentence for a prompt or a setting that cannot work."""
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(f"tokens must have the shape (B, T) with at least one token, got {tuple(tokens.shape)}")
    if tokens.shape[1] > model.config.block_size:
        raise ValueError(f"the prompt has {tokens.shape[1]} tokens, the context only {model.config.block_size}: shorten the prompt")
    if temperature < 0:
        raise ValueError(f"temperature must be 0 (greedy) or positive, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}")
