"""Tokenizers, and token streams in files that training reads without loading them.

All tokenizers are `transformers` fast tokenizers with one special token, ``<|endoftext|>``, which closes a document.
"""

import dataclasses
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from .hub import asking_hub
from .runs import write_whole
from .runtime import ReaderError

END = "<|endoftext|>"
MARKS = ("<|a|>", "<|b|>", "<|over|>")  # who speaks, and "over to you": the end of a turn
CHAT_TEMPLATE = ("{% for m in messages %}{{ ['<|a|>', '<|b|>'][loop.index0 % 2] + m['content'] + '<|over|>' }}{% endfor %}"
                 "{% if add_generation_prompt %}{{ ['<|a|>', '<|b|>'][messages | length % 2] }}{% endif %}")
IGNORE = -100  # a label that the loss leaves out; PyTorch's and Transformers' convention
GPT2 = "openai-community/gpt2"
GPT2_ENTRIES = 50_257
TOKENIZERS = ("bpe", "characters", "gpt2")


def gpt2_tokenizer(source="hub"):
    """GPT-2's byte-level BPE, 50,257 entries: from the hub, or from ``gpt2_tokenizer/`` in a folder of local copies."""
    place = GPT2 if source == "hub" else Path(source) / "gpt2_tokenizer"
    with asking_hub(place):
        return AutoTokenizer.from_pretrained(place)


def train_bpe(texts, vocab_size):
    """A byte-level BPE trained on ``texts`` (Sennrich et al., 2016), the kind of tokenizer GPT-2 has, but smaller.

    Raises ValueError if ``vocab_size`` leaves no room for a merge: 256 bytes and the end of text come first.
    """
    if vocab_size <= 257:
        raise ValueError(f"vocab_size must be above 257 (256 bytes and the end of text), got {vocab_size}")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[END], initial_alphabet=alphabet,
                                                       show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END)


def character_tokenizer(texts):
    """One token a character, for the characters that occur in ``texts``; others become the end of text."""
    characters = sorted(set().union(*texts))
    words = Tokenizer(models.WordLevel({END: 0} | {c: i for i, c in enumerate(characters, start=1)}, unk_token=END))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")  # any character, a line break too
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token=END)


def tokenizer_for(source, texts, vocab_size, kind="auto"):
    """The tokenizer of a kind in `TOKENIZERS`: a BPE of ``vocab_size`` trained on ``texts``, their characters, or GPT-2's from the source.

    "auto" is GPT-2's where the source has it and ``vocab_size`` has room for it, else "bpe".
    """
    if kind == "auto":
        kind = "gpt2" if vocab_size >= GPT2_ENTRIES and (source == "hub" or (Path(source) / "gpt2_tokenizer").is_dir()) else "bpe"
    return {"bpe": lambda: train_bpe(texts, vocab_size), "characters": lambda: character_tokenizer(texts), "gpt2": lambda: gpt2_tokenizer(source)}[kind]()


def with_dropout(tokenizer, texts, p):
    """Token lists of ``texts`` from a BPE that leaves out each merge with probability ``p``: other pieces every time, the same text
    (Provilkov et al., 2020, "BPE-Dropout"). The library draws without a seed."""
    bpe = tokenizer.backend_tokenizer.model
    bpe.dropout = p
    try:
        return tokenizer(texts, verbose=False)["input_ids"]
    finally:
        bpe.dropout = None


def fitting(config, tokenizer):
    """The model's settings with room for the tokenizer: ``vocab_size`` grows where it is too small, and is no larger than an alphabet of characters."""
    size = len(tokenizer)
    if size <= config.vocab_size and not isinstance(tokenizer.backend_tokenizer.model, models.WordLevel):
        return config
    return dataclasses.replace(config, vocab_size=size if size < GPT2_ENTRIES else -(-size // 128) * 128)  # matrix units like multiples of 128


def encode_prompt(tokenizer, text):
    """A prompt as token ids (1, T). Raises ReaderError for an empty one and for characters that the alphabet lacks."""
    ids, model = tokenizer(text)["input_ids"], tokenizer.backend_tokenizer.model
    unknown = sorted({c for c in text if model.token_to_id(c) is None}) if isinstance(model, models.WordLevel) else []  # a BPE has all bytes
    if unknown or not ids:
        fault = f"the alphabet lacks {' '.join(map(repr, unknown))}" if unknown else "the prompt is empty"
        raise ReaderError(f"{fault}: write a prompt with characters of the training text")
    return torch.tensor([ids])


def pack(documents, eos):
    """Token lists -> one stream (n,) of uint16 (uint32 above 65,536): end to end, each closed by ``eos``."""
    documents = list(documents)
    largest = max((max(d, default=0) for d in documents), default=0)
    dtype = np.uint16 if max(largest, eos) < 2**16 else np.uint32
    return np.concatenate([np.asarray([*d, eos], dtype) for d in documents])


def tokenize(dataset, tokenizer, folder):
    """Token streams of all splits, kept in ``folder`` and memory-mapped: {"train": (n,), "validation": (m,)}.

    dataset: {split: rows}, where each row has a "text"; rows are read one after the other, twice, so that a text far larger than memory
    goes through. Tokenizing is done once for the same text and tokenizer; after that the files are opened.
    Raises ReaderError for a split without text and a disk that is full.
    """
    folder, streams = Path(folder), {}
    for split, rows in dataset.items():
        digest, size = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()), 0
        for text in (row["text"].encode() for row in rows):
            digest.update(len(text).to_bytes(8, "little") + text)
            size += len(text)
        if not size:
            raise ReaderError(f"there is no text in {split}: choose a longer text")
        file = folder / f"{split}-{digest.hexdigest()[:12]}.npy"
        try:
            streams[split] = np.load(file, mmap_mode="r")
        except (OSError, ValueError, EOFError):  # not made yet, or cut short
            write = lambda temporary: write_stream(temporary, token_pieces(rows, tokenizer, size, split), 1 + max(tokenizer.get_vocab().values()))
            write_whole(file, write, size // 2, suffix=f".{os.getpid()}.tmp")  # several processes may come here at once
            streams[split] = np.load(file, mmap_mode="r")
    return streams


def token_pieces(rows, tokenizer, size, split):
    """The stream of a split in pieces, each of about a million bytes of text; a bar over ``size`` bytes where it takes long."""
    waiting, bytes = [], 0
    with tqdm(total=size, unit="B", unit_scale=True, desc=f"tokenizing {split}", delay=3) as bar:
        for text in itertools.chain((row["text"] for row in rows), [None]):  # None: the end
            if waiting and (text is None or bytes > 2**20):
                yield pack(tokenizer(waiting, verbose=False)["input_ids"], tokenizer.eos_token_id)
                bar.update(bytes)
                waiting, bytes = [], 0
            if text is not None:
                waiting.append(text)
                bytes += len(text.encode())


def write_stream(file, pieces, vocab_size):
    """Write token lists as one array into a .npy file, piece by piece: uint16, or uint32 above 65,536 tokens."""
    dtype, count = np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32), 0
    header = lambda n: {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (n,)}
    with open(file, "wb") as out:
        np.lib.format.write_array_header_1_0(out, header(0))  # NumPy leaves room in it for a larger count
        for piece in pieces:
            out.write(piece.astype(dtype).tobytes())
            count += len(piece)
        out.seek(0)
        np.lib.format.write_array_header_1_0(out, header(count))


def check_length(tokens, block_size, name):
    """Raise ReaderError if ``tokens`` cannot fill one block and the target after it."""
    if len(tokens) <= block_size:
        raise ReaderError(f"the {name} text has {len(tokens):,} tokens, fewer than one block of {block_size} and its next token: "
                          "use a longer text or a smaller block_size")


def fingerprint(*streams):
    """Twelve hexadecimal digits that tell these token streams from all others."""
    digest = hashlib.sha256()
    for stream in streams:
        digest.update(str(stream.dtype).encode())
        digest.update(np.ascontiguousarray(stream))
    return digest.hexdigest()[:12]


def count_bytes(tokens, tokenizer):
    """UTF-8 bytes of the text that ``tokens`` stand for; the end of text counts none."""
    return len(tokenizer.decode(np.asarray(tokens).tolist(), skip_special_tokens=True).encode())


def add_marks(tokenizer, model):
    """Teach a tokenizer the `MARKS` and give the model a row for each, the mean of all rows (Hewitt, 2021); returns their ids."""
    tokenizer.chat_template = CHAT_TEMPLATE  # pipelines and chat windows write their messages this way
    if tokenizer.add_tokens(list(MARKS), special_tokens=True) or model.get_input_embeddings().num_embeddings < len(tokenizer):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        rows = model.get_input_embeddings().weight
        with torch.no_grad():
            rows[-len(MARKS) :] = rows[: -len(MARKS)].mean(0)
    return tokenizer.convert_tokens_to_ids(list(MARKS))


def encode_dialogue(turns, tokenizer, block_size):
    """A dialogue as {"input_ids", "labels", "cut"}: ``<|a|> words <|over|> <|b|> words <|over|> ... <|endoftext|>``.

    Every token but the first is a label: marks, words, ends of turns and the one end of the dialogue. A dialogue longer than
    ``block_size`` is cut after the last whole turn that fits, without an end, as it does not end there; "cut" says how many turns that
    cost. Returns None where not even two turns fit. Raises ReaderError for a tokenizer without the marks.
    """
    ids, known = [], tokenizer.added_tokens_encoder
    if not set(MARKS) <= known.keys():
        raise ReaderError(f"this tokenizer lacks the marks {', '.join(MARKS)}: call add_marks(tokenizer, model) first")
    for said, words in enumerate(tokenizer(list(turns))["input_ids"]):
        turn = [known[MARKS[said % 2]], *words, known[MARKS[2]]]
        if len(ids) + len(turn) + (said == len(turns) - 1) > block_size:
            break
        ids += turn
    else:
        said, ids = len(turns), [*ids, tokenizer.eos_token_id]
    return {"input_ids": ids, "labels": [IGNORE, *ids[1:]], "cut": len(turns) - said} if said >= 2 else None
