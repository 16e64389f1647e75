"""Text as `datasets` objects: from the data shipped here, from the hub, or from a folder of your own.

A loader never switches to other data by itself: a missing source is an error that names the choices.
"""

import random
from pathlib import Path

from .hub import load_rows
from .runtime import REPOSITORY, ReaderError, shown

OFFLINE = REPOSITORY / "data" / "offline"
OPENWEBTEXT = "Elriggs/openwebtext-100k"


def load_prose(source, *, max_bytes=None):
    """Running English text, one row a document: `DatasetDict` with "train" and "validation", column "text".

    source: "offline" (small stories written for this series), "hub" (an OpenWebText sample), a folder that
    holds ``prose/*.txt`` or ``*.txt``, or one text file. max_bytes: read at most this much, and a tenth of it for validation.
    Validation is what files named valid*.txt hold, beside train*.txt; else whole works, 5 % of them (from five works on); else
    the last tenth of each work; on the hub the last 2 % of the rows.
    Raises ReaderError for a missing or empty source and for text that is not UTF-8.
    """
    if source == "hub":
        train, validation = prose_from_hub(max_bytes)
    else:
        train, validation = split_works(OFFLINE if source == "offline" else Path(source))
    from datasets import Dataset, DatasetDict
    tenth = max_bytes and max_bytes // 10
    return DatasetDict(train=Dataset.from_dict({"text": cut(train, max_bytes)}),
                       validation=Dataset.from_dict({"text": cut(validation, tenth)}))


def prose_from_hub(max_bytes):
    """(train, validation) texts of OpenWebText's public sample; only as many rows as are needed."""
    rows = load_rows([(OPENWEBTEXT, {}, ["text"])])
    first = len(rows) - max(1, len(rows) // 50)
    enough = first if max_bytes is None else min(first, 1 + max_bytes // 1000)  # a page has more than 1,000 bytes
    return rows[:enough]["text"], rows[first:]["text"]


def split_works(path):
    """(train, validation) texts of a file or of the ``*.txt`` in ``path/prose`` or ``path``."""
    folder = path / "prose" if (path / "prose").is_dir() else path
    files = [path] if path.is_file() else sorted(folder.glob("*.txt"))
    if not files:
        raise ReaderError(f"no .txt file in {shown(folder)}: put your text there, or choose 'offline' or 'hub'")
    held_out = [f for f in files if f.stem.startswith("valid")]
    if held_out:
        training = [f for f in files if f.stem.startswith("train")]
        if not training:
            raise ReaderError(f"no train*.txt in {shown(folder)} beside its {held_out[0].name}: put your training text there under such a name")
        return [d for f in training for d in documents(read(f))], [d for f in held_out for d in documents(read(f))]
    works = [read(f) for f in files]
    if len(works) < 5:
        ends = [len(w) * 9 // 10 for w in works]
        return [w[:e] for w, e in zip(works, ends)], [w[e:] for w, e in zip(works, ends)]
    random.Random(0).shuffle(works)  # files stand in the order of their authors: a prefix should be a fair sample
    count = max(1, round(len(works) * 0.05))
    return works[:-count], works[-count:]


def read(file):
    """A text file's content: UTF-8, with or without a byte-order mark, not empty."""
    try:
        text = Path(file).read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ReaderError(f"{shown(file)} is not UTF-8 (byte {error.object[error.start]:#x} at position {error.start:,}): "
                          "save it as UTF-8 first") from None
    if not text:
        raise ReaderError(f"{shown(file)} is empty: put text into it or remove it")
    return text


def documents(text):
    """The documents of a file of many, which two blank lines separate."""
    return [d.strip() for d in text.split("\n\n\n") if d.strip()]


def cut(texts, max_bytes):
    """The first ``max_bytes`` bytes of a list of texts, the last one shortened to whole characters; all of them at None."""
    if max_bytes is None:
        return list(texts)
    kept = []
    for text in texts:
        if max_bytes <= 0:
            break
        piece = text.encode()[:max_bytes]
        kept.append(piece.decode(errors="ignore"))
        max_bytes -= len(piece)
    return kept
