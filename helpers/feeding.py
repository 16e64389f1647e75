"""What reaches the model: batches from text, from an array and from a mapped file; padding against packing; what a byte of text costs."""

import time

import numpy as np

from .budget import flops_per_token
from .step import batch_at


def batch_seconds(text, tokenizer, file, *, block_size, batch_size, batches=50):
    """{source: seconds a batch}: tokenized on the fly, from an array in memory, from a ``.npy`` file that is mapped, not read.

    file: where the tokens of ``text`` are written for the third. Raises ValueError for a text of less than one batch.
    """
    tokens = np.array(tokenizer(text, verbose=False)["input_ids"], np.uint16 if len(tokenizer) <= 2**16 else np.uint32)
    if len(tokens) <= block_size * batch_size:
        raise ValueError(f"the text has {len(tokens):,} tokens, and a batch takes {block_size * batch_size:,} and one more: use a longer text")
    np.save(file, tokens)
    part = int(1.05 * len(text) / len(tokens) * block_size * batch_size)  # characters that a batch takes
    on_the_fly = lambda step: np.array(tokenizer(text[:part], verbose=False)["input_ids"])
    stored = lambda stream: lambda step: batch_at(stream, step, block_size=block_size, batch_size=batch_size, seed=0)
    sources = {"text, tokenized on the fly": on_the_fly, "array in memory": stored(tokens), "mapped file": stored(np.load(file, mmap_mode="r"))}
    return {name: seconds_a_batch(source, batches) for name, source in sources.items()}


def seconds_a_batch(source, batches):
    source(0)  # the first one shuffles
    started = time.perf_counter()
    for step in range(batches):
        source(step)
    return (time.perf_counter() - started) / batches


def padding_share(lengths, block_size, batch_size=None):
    """Share of the positions in a step that are padding, for documents of these lengths (in tokens), one a row, cut at ``block_size``.

    batch_size None: every row is padded to ``block_size``; else to the longest of its batch. Packed end to end, none is.
    """
    lengths = np.minimum(lengths, block_size)
    if batch_size is None:
        return 1 - lengths.sum() / (len(lengths) * block_size)
    groups = [lengths[first : first + batch_size] for first in range(0, len(lengths), batch_size)]
    return 1 - lengths.sum() / sum(len(group) * group.max() for group in groups)


def flops_per_byte(config, bytes_per_token):
    """Training FLOPs per byte of text: what to compare between vocabularies, beside bits per byte (`evaluation.bits_per_byte`)."""
    return flops_per_token(config)["total"] / bytes_per_token
