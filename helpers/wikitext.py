"""WikiText: lines as they are published, and the articles that they are made of."""

import itertools
import re
from pathlib import Path

from .corpora import OFFLINE, SPLITS, close_up
from .hub import load_rows
from .runtime import ReaderError, shown

WIKITEXT = "Salesforce/wikitext"


def load_wikitext(source, *, size=2, raw=True, max_bytes=None):
    """WikiText (Merity et al., 2016) as it is published, one row a line: `DatasetDict` with "train", "validation" and "test", column "text".

    source: "offline" (articles written for this series), "hub", or a folder that holds ``wikitext2/{train,valid,test}.txt``
    (``wikitext103/`` for size 103) or these files. raw: all words; else the version in which rare words are ``<unk>`` (``*.unk.txt``).
    Where there is no test file, the second half of validation takes its place. The rows stay on the disk. max_bytes: keep about this
    much of train and a tenth of it of the others. Raises ReaderError for a missing or blank file and text that is not UTF-8.
    """
    if source == "hub":
        splits = dict(zip(SPLITS, load_rows([(WIKITEXT, {"name": f"wikitext-{size}-{'raw-' * raw}v1"}, ["text"])], SPLITS)))
    else:
        splits = lines_from_files(OFFLINE / "articles" if source == "offline" else Path(source), f"wikitext{size}", ".txt" if raw else ".unk.txt")
    from datasets import DatasetDict
    if "test" not in splits:
        print("no test file: the second half of validation takes its place")
        rows = splits["validation"]
        starts = [i for i, (_, begins) in enumerate(marked_lines(rows)) if begins]
        half = starts[len(starts) // 2] if len(starts) > 1 else len(rows) // 2  # between two articles
        splits |= {"validation": rows.select(range(half)), "test": rows.select(range(half, len(rows)))}
    return DatasetDict({split: first_rows(rows, max_bytes and max_bytes // (1 if split == "train" else 10)) for split, rows in splits.items()})


def lines_from_files(path, name, ending):
    """{split: rows} of the files in ``path/name`` or ``path``, each line with its end, read through a file that stays on the disk."""
    from datasets import Dataset, disable_progress_bars, enable_progress_bars
    folder = path / name if (path / name).is_dir() else path
    files = {split: folder / f"{split[:5]}{ending}" for split in SPLITS}  # train, valid, test
    found = {split: file for split, file in files.items() if file.exists()}
    for file in (files["train"], files["validation"]):
        if not file.exists():
            raise ReaderError(f"no {file.name} in {shown(folder)}: put WikiText's files there, or choose 'offline' or 'hub'")
    for file in found.values():
        check_lines(file)
    disable_progress_bars()
    rows = {split: Dataset.from_text(str(file), keep_linebreaks=True, encoding="utf-8-sig") for split, file in found.items()}
    enable_progress_bars()
    return rows


def check_lines(file):
    """Raise ReaderError if a file is not UTF-8 or has only blank lines; it is read line by line, so that its size does not matter."""
    try:
        with open(file, encoding="utf-8-sig") as lines:
            if not sum(1 for line in lines if line.strip()):
                raise ReaderError(f"{shown(file)} holds no text, only blank lines: put text into it or remove it")
    except UnicodeDecodeError as error:
        raise ReaderError(f"{shown(file)} is not UTF-8 (byte {error.object[error.start]:#x}): save it as UTF-8 first") from None


def first_rows(rows, max_bytes):
    """The first rows that hold ``max_bytes`` bytes of text; all of them at None."""
    room = max_bytes
    for number, line in enumerate(() if max_bytes is None else rows.select_columns("text")):
        if (room := room - len(line["text"].encode())) < 0:
            return rows.select(range(number))
    return rows


def marked_lines(rows):
    """Each line of WikiText with whether it is an article's title: `` = Title = `` between two blank lines."""
    lines = itertools.chain((line for part in rows.iter(1_000) for line in part["text"]), [""])
    before = ""
    for line, after in itertools.pairwise(lines):
        alone = not before.strip() and not after.strip()  # a table's "= Goals ; A =" stands between other lines
        yield line, alone and re.fullmatch(r" = (?!= ).* = \n?", line) is not None
        before = line


def articles(rows):
    """The articles that WikiText's lines are made of, one after the other: {"title", "text"}; blank lines are left out."""
    title, text, empty = "", [], 0
    for line, begins in itertools.chain(marked_lines(rows), [("", True)]):
        if begins:
            if any(not part.startswith(" = ") for part in text):
                yield {"title": title, "text": "".join(text)}
            else:
                empty += bool(text)
            title, text = line.strip(" =\n"), []
        if line.strip():
            text.append(line)
    if empty:
        print(f"left out: {empty} with a title and no text")


def detokenize(text):
    """WikiText as people write it: "a 1 @,@ 240 @-@ metre hill ( the Knoll ) ." -> "a 1,240-metre hill (the Knoll)."."""
    text = re.sub(r" @(\W)@ ", r"\1", text)
    text = re.sub(r'" (.*?) "', r'"\1"', text)
    text = re.sub(r"([(\[$]) | ([)\]])", r"\1\2", text)
    return close_up(re.sub(r" *\n *", "\n", text))
