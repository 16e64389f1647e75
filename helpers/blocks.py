"""Blocks: tokens cut or put together into what a training step reads, with labels that say what the loss counts."""

import bisect
import hashlib

import numpy as np
import torch

from .tokens import IGNORE, check_length


def group_whole(lengths, block_size):
    """Which documents share a block so that none is cut: lists of indices, the longest first, each into the fullest block with room."""
    rooms, groups = [], []  # rooms: (free positions, number of the group), sorted
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = bisect.bisect_left(rooms, (lengths[index], -1))
        room, group = rooms.pop(place) if place < len(rooms) else (block_size, len(groups))
        if group == len(groups):
            groups.append([])
        groups[group].append(index)
        bisect.insort(rooms, (room - lengths[index], group))
    return groups


def to_blocks(encoded, groups, block_size, pad):
    """One block a group of encoded documents: {"input_ids", "labels", "documents"}, arrays (block_size,).

    "documents" numbers the document of each position from 0; -1 where the block is filled up with ``pad``, whose labels are `IGNORE`:
    padding is told by its position, never by its token.
    """
    blocks = []
    for group in groups:
        parts = [encoded[i] for i in group]
        free = block_size - sum(len(p["input_ids"]) for p in parts)
        blocks.append({
            "input_ids": np.array([t for p in parts for t in p["input_ids"]] + [pad] * free),
            "labels": np.array([t for p in parts for t in p["labels"]] + [IGNORE] * free),
            "documents": np.array([n for n, p in enumerate(parts) for _ in p["input_ids"]] + [-1] * free)})
    return blocks


def fill_up(examples):
    """Examples {"input_ids", "labels"} of any length -> one batch (B, longest), with an "attention_mask" where one was filled up."""
    lengths = [len(e["input_ids"]) for e in examples]
    fill = lambda name, value: torch.tensor(np.stack([np.pad(e[name], (0, max(lengths) - n), constant_values=value) for e, n in zip(examples, lengths)]))
    batch = {"input_ids": fill("input_ids", 0), "labels": fill("labels", IGNORE)}
    if min(lengths) < max(lengths):
        batch["attention_mask"] = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return batch


def collate(blocks):
    """Blocks -> the batch a Transformers model takes: {"input_ids", "labels", "position_ids"} (B, T), {"attention_mask"} (B, 1, T, T).

    The mask lets a token see itself and what stands before it in its own document; positions begin at 0 in each. Blocks that know no
    documents, such as `StreamBlocks`, need neither: a token sees all before it. They may differ in length and are filled up on the right.
    """
    if "documents" not in blocks[0]:
        return fill_up(blocks)
    batch = {k: torch.from_numpy(np.stack([b[k] for b in blocks])) for k in blocks[0]}
    ids, labels, documents = (batch[k] for k in ("input_ids", "labels", "documents"))
    B, T = ids.shape
    begins = torch.ones(B, T, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    index = torch.arange(T).expand(B, T)
    first = torch.where(begins, index, 0).cummax(1).values  # (B, T): where the document of each position begins
    mask = (documents[:, :, None] == documents[:, None, :]).tril()  # (B, T, T)
    return {"input_ids": ids, "labels": labels, "position_ids": index - first, "attention_mask": mask[:, None]}


class StreamBlocks:
    """A token stream (n,), such as `tokenize` gives, as blocks for `fine_tune`, each read from its file when it is asked for.

    Each token stands in one block and is a label there, but for a block's first, which nothing precedes; a rest shorter than a block is left out.
    """

    def __init__(self, tokens, block_size, name="training"):
        check_length(tokens, block_size, name)
        self.tokens, self.block_size = tokens[: len(tokens) // block_size * block_size], block_size

    def __len__(self):
        return len(self.tokens) // self.block_size

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        ids = np.asarray(self.tokens[index * self.block_size : (index + 1) * self.block_size], dtype=np.int64)
        return {"input_ids": ids, "labels": np.concatenate([[IGNORE], ids[1:]])}


def count_labels(blocks):
    """How many labels of these blocks the loss counts."""
    return sum(int((b["labels"] != IGNORE).sum()) for b in blocks)


def fingerprint_blocks(*sets):
    """Twelve hexadecimal digits that tell these sets of blocks from all others; a block is read when its turn comes."""
    digest = hashlib.sha256()
    for blocks in sets:
        lengths = [len(b["input_ids"]) for b in blocks]
        arrays = (np.stack(list(b.values())) for b in blocks)
        if min(lengths) < max(lengths):  # in a row, behind their lengths
            arrays = [np.concatenate([lengths, *(part for b in blocks for part in b.values())])]
        for n, array in enumerate(arrays):
            digest.update(str(array.dtype).encode() * (n == 0))
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:12]
