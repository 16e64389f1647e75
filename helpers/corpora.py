"""Text as `datasets` objects: from the data shipped here, from the hub, or from a folder of your own.

A loader never switches to other data by itself: a missing source is an error that names the choices.
"""

import itertools
import random
import re
from pathlib import Path

from .hub import load_rows
from .runtime import REPOSITORY, ReaderError, shown

OFFLINE = REPOSITORY / "data" / "offline"
OPENWEBTEXT = "Elriggs/openwebtext-100k"
SPLITS = ["train", "validation", "test"]
DAILYDIALOG = [  # script-free copies: name, revision, the columns that hold the words (one row a dialogue, or one row a turn)
    ("roskoN/dailydialog", {}, ["utterances"]),
    ("pixelsandpointers/better_daily_dialog", {}, ["dialog_id", "utterance"]),
    ("benjaminbeilharz/better_daily_dialog", {}, ["dialog_id", "utterance"]),
    ("li2017dailydialog/daily_dialog", {"revision": "refs/convert/parquet"}, ["dialog"]),
    ("roskoN/dailydialog", {"revision": "refs/convert/parquet"}, ["utterances"]),
]


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


def load_dialogues(source, *, max_bytes=None):
    """Dialogues of two people who speak in turn: `DatasetDict` with "train", "validation" and "test", column "turns" (a list of str).

    source: "offline" (written for this series), "hub" (DailyDialog; its known copies are tried in order), or a folder that holds
    ``dailydialog/dialogues_<split>.txt`` or ``dialogues_<split>.txt``: a dialogue a line, each turn closed by ``__eou__``. Where there is
    no test file, the second half of validation takes its place. max_bytes: read at most this much, and a tenth of it for the others.
    Dialogues with an empty turn or a single one are left out and counted. Raises ReaderError for a missing split and text that is not UTF-8.
    """
    if source == "hub":
        splits = dialogues_from_hub()
    else:
        splits = dialogues_from_files(OFFLINE / "dialogues" if source == "offline" else Path(source))
    from datasets import Dataset, DatasetDict
    left_out, found = {"an empty turn": 0, "a single turn": 0}, {}
    for split, dialogues in splits.items():
        room, kept = max_bytes and max_bytes // (1 if split == "train" else 10), []
        for turns in ([turn.strip() for turn in dialogue] for dialogue in dialogues):
            fault = "an empty turn" if not all(turns) else "a single turn" if len(turns) < 2 else None
            if fault:
                left_out[fault] += 1
            elif room is None or (room := room - len(" ".join(turns).encode())) >= 0:
                kept.append(turns)
        found[split] = Dataset.from_dict({"turns": kept})
    if any(left_out.values()):
        print("dialogues left out:", ", ".join(f"{n} with {fault}" for fault, n in left_out.items() if n))
    return DatasetDict(found)


def dialogues_from_hub():
    """{split: lists of turns} of the first copy of DailyDialog that loads."""
    splits = {}
    for split, rows in zip(SPLITS, load_rows(DAILYDIALOG, SPLITS)):
        if "utterance" in rows.column_names:
            pairs = zip(rows["dialog_id"][:], rows["utterance"][:])
            splits[split] = [[words for _, words in turns] for _, turns in itertools.groupby(pairs, key=lambda pair: pair[0])]
        else:
            splits[split] = rows["utterances" if "utterances" in rows.column_names else "dialog"]
    return splits


def dialogues_from_files(path):
    """{split: lists of turns} of the ``dialogues_<split>.txt`` in ``path/dailydialog`` or ``path``."""
    folder, splits = path / "dailydialog" if (path / "dailydialog").is_dir() else path, {}
    for file in (folder / f"dialogues_{split}.txt" for split in SPLITS):
        if file.exists():
            splits[file.stem[10:]] = [line.removesuffix("__eou__").split("__eou__") for line in map(str.strip, read(file).split("\n")) if line]
        elif file.stem[10:] != "test":
            raise ReaderError(f"no {file.name} in {shown(folder)}: put your dialogues there, one a line, each turn closed by __eou__; "
                              "or choose 'offline' or 'hub'")
    if "test" not in splits:
        print("no dialogues_test.txt: the second half of validation takes its place")
        half = len(splits["validation"]) // 2
        splits["validation"], splits["test"] = splits["validation"][:half], splits["validation"][half:]
    return splits


def drop_repeats(dialogues):
    """(dialogues without repeats, {where: how many}): no dialogue stands twice in a split, none of training in validation or test."""
    keys = {split: [tuple(turns) for turns in rows["turns"]] for split, rows in dialogues.items()}
    counts = {f"twice in {split}": len(rows) - len(set(rows)) for split, rows in keys.items()}
    counts |= {f"in {a} and {b}": len(set(keys[a]) & set(keys[b])) for a, b in itertools.combinations(keys, 2)}
    seen, kept = set(), {}
    for split in reversed(keys):  # what is held out stays, training gives way
        first = {key: row for row, key in reversed(list(enumerate(keys[split]))) if key not in seen}
        seen |= first.keys()
        kept[split] = dialogues[split].select(sorted(first.values()))
        if not first:
            raise ReaderError(f"no dialogue is left in {split} once those that other splits hold too are taken out: give it more dialogues")
    return type(dialogues)({split: kept[split] for split in keys}), counts


def close_up(text):
    """Text as people write it, from text with spaces around its marks: "I ' m fine , thanks ." -> "I'm fine, thanks."."""
    text = re.sub(r"\s+([.,?!:;%])", r"\1", text.replace("\u2019", "'"))
    return re.sub(r"\s*'\s*(s|m|re|ve|ll|d|t|clock)\b", lambda found: "'" + found[1].lower(), text, flags=re.IGNORECASE)
