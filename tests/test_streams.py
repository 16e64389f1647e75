"""Token streams of any length: equal to what one pass in memory gives, whole whatever ends a process, and blocks that lose no token."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, IterableDataset
from faulty import faulty
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import runs, tokens
from helpers.runtime import REPOSITORY, ReaderError
from helpers.blocks import StreamBlocks, collate, count_labels, fingerprint_blocks, to_blocks
from helpers.tokens import IGNORE, pack, tokenize, train_bpe

TEXTS = ["the cat sat on the mat", "a hat, a mat, and that's that"]
LONG = "lighthouse" * 20
BPE = train_bpe(TEXTS * 3 + [LONG] * 2, vocab_size=300)  # LONG is one token: text that is soon tokenized
cases = settings(deadline=None, database=None, derandomize=True)


def rows(count):
    """Documents of about 800 bytes."""
    for number in range(count):
        yield {"text": f"{number} {LONG} {LONG} {LONG} {LONG}"}


def stream(count, folder):
    return tokenize({"train": IterableDataset.from_generator(rows, gen_kwargs={"count": count})}, BPE, folder)["train"]


def start(code, *arguments):
    """A process that runs this code with what this file holds."""
    code = f"import sys\nsys.path[:0] = [{str(REPOSITORY)!r}, {str(REPOSITORY / 'tests')!r}]\nfrom test_streams import *\n{code}"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})


def finish(child):
    """(exit status, lines of its output)"""
    out, errors = child.communicate(timeout=300)
    assert child.returncode <= 0, errors
    return child.returncode, out.splitlines()


@pytest.fixture
def dataset():
    return DatasetDict(train=Dataset.from_dict({"text": TEXTS}))


@cases
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=12).filter(any))
def test_a_stream_is_what_packing_gives(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    found = tokenize({"train": [{"text": text} for text in texts]}, BPE, folder)["train"]
    expected = pack(BPE(texts)["input_ids"], BPE.eos_token_id)
    assert np.array_equal(found, expected) and found.dtype == expected.dtype == np.uint16
    assert np.array_equal(found, tokenize(DatasetDict(train=Dataset.from_dict({"text": texts})), BPE, folder)["train"])
    assert len(list(folder.iterdir())) == 1


@cases
@given(texts=st.lists(st.text("ab", max_size=3), min_size=2, max_size=4))
def test_where_a_document_ends_makes_another_stream(texts, tmp_path_factory):
    folder, joined = tmp_path_factory.mktemp("streams"), ["".join(texts)]
    for some in (texts, joined) if joined[0] else ():
        assert np.array_equal(tokenize({"train": [{"text": text} for text in some]}, BPE, folder)["train"], pack(BPE(some)["input_ids"], 0))


def test_several_pieces_are_one_stream(tmp_path):
    pieces = list(tokens.token_pieces(rows(4_000), BPE, 1, "train"))
    assert len(pieces) == 4
    assert np.array_equal(stream(4_000, tmp_path), np.concatenate(pieces))
    assert np.array_equal(np.concatenate(pieces), pack(BPE([row["text"] for row in rows(4_000)])["input_ids"], BPE.eos_token_id))


def test_a_killed_process_leaves_nothing_that_is_trusted(tmp_path):
    code = """import os, signal
pieces = tokens.token_pieces
def killed(*arguments):
    made = pieces(*arguments)
    yield from (next(made), next(made))
    os.kill(os.getpid(), signal.SIGKILL)
tokens.token_pieces = killed
stream(4_000, sys.argv[1])"""
    assert finish(start(code, tmp_path)) == (-signal.SIGKILL, [])
    assert [file.suffix for file in tmp_path.iterdir()] == [".tmp"]
    assert np.array_equal(stream(4_000, tmp_path), stream(4_000, tmp_path / "alone"))
    (file,), (alone,) = tmp_path.glob("*.npy"), (tmp_path / "alone").iterdir()
    assert file.name == alone.name and file.read_bytes() == alone.read_bytes()


def test_two_processes_that_make_a_stream_at_once_do_not_damage_it(tmp_path):
    code = """pieces = tokens.token_pieces
def slowly(*arguments):
    for piece in pieces(*arguments):
        print("half way", flush=True)
        sys.stdin.readline()
        yield piece
tokens.token_pieces = slowly
found = stream(2_000, sys.argv[1])
print(len(found), tokens.fingerprint(found))"""
    children = [start(code, tmp_path) for _ in range(2)]
    assert [child.stdout.readline() for child in children] == ["half way\n"] * 2  # both have begun
    assert len(list(tmp_path.iterdir())) == 2 and list(tmp_path.glob("*.npy")) == []
    results = []
    for child in children:
        child.stdin.write("\n" * 9)
        results.append(finish(child)[1][-1])
    assert results[0] == results[1]
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]
    whole = np.load(next(tmp_path.iterdir()))
    assert results[0] == f"{len(whole)} {tokens.fingerprint(whole)}"


def test_memory_stays_while_the_text_grows_tenfold(tmp_path):
    code = """import resource
for count in (3_700, 3_700, 37_000):
    folder = f"{sys.argv[1]}/{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}"
    print(len(stream(count, folder)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"""
    _, lines = finish(start(code, tmp_path))
    (_, _), (short, before), (long, after) = (map(int, line.split()) for line in lines)
    assert long > 9.5 * short and after - before < 15  # MiB; 3 MB of text before, 30 MB after


# A disk that is full.

@pytest.mark.parametrize("where", ["header", "pieces"])
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(where, dataset, tmp_path, monkeypatch):
    def full(*arguments):
        yield np.zeros(100_000, np.uint16)  # more than a buffer holds
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runs, "PAUSE", 0)
    with monkeypatch.context() as patch, pytest.raises(ReaderError) as error:
        if where == "pieces":
            patch.setattr(tokens, "token_pieces", full)
            tokenize(dataset, BPE, tmp_path)
        with faulty(tmp_path, "write", code=errno.ENOSPC):
            tokenize(dataset, BPE, tmp_path)
    file, said = str(error.value).split(" could not be written ")
    assert file.startswith("path/to/train-") and said == (
        "(No space left on device); what was saved before is intact: see that the folder can be written and has 0.0 MB free, then run this again")
    assert list(tmp_path.iterdir()) == []
    assert BPE.decode(tokenize(dataset, BPE, tmp_path)["train"]) == "".join(text + tokens.END for text in TEXTS)


# Blocks of a stream.

def random_stream(n, dtype=np.uint16):
    return np.random.default_rng(n).integers(0, 300, n).astype(dtype)


@cases
@given(n=st.integers(2, 200), block_size=st.integers(1, 40))
def test_blocks_of_a_stream_lose_and_invent_no_token(n, block_size):
    stream = random_stream(n)
    if n <= block_size:
        with pytest.raises(ReaderError, match=f"^the validation text has {n} tokens, fewer than one block of {block_size} and its next token: "):
            StreamBlocks(stream, block_size, "validation")
        return
    blocks = StreamBlocks(stream, block_size, "validation")
    found = np.concatenate([block["input_ids"] for block in blocks])
    assert np.array_equal(found, stream[: len(found)]) and 0 <= n - len(found) < block_size
    assert {block[k].shape for block in blocks for k in block} == {(block_size,)}
    for block in blocks:
        assert block["labels"].tolist() == [IGNORE, *block["input_ids"][1:].tolist()]
    assert count_labels(blocks) == count_labels(list(blocks)) == len(blocks) * (block_size - 1)


def test_blocks_are_read_from_the_file_when_they_are_asked_for(tmp_path):
    np.save(tmp_path / "stream.npy", random_stream(100, np.uint32))
    blocks = StreamBlocks(np.load(tmp_path / "stream.npy", mmap_mode="r"), 8)
    assert isinstance(blocks.tokens, np.memmap) and len(blocks) == 12
    assert blocks[11]["input_ids"].tolist() == random_stream(100)[88:96].tolist()
    for index in (12, -1):
        with pytest.raises(IndexError):
            blocks[index]


def test_a_batch_of_stream_blocks_is_tokens_and_labels():
    batch = collate([StreamBlocks(random_stream(50), 8)[n] for n in (0, 5)])
    assert list(batch) == ["input_ids", "labels"] and {t.dtype for t in batch.values()} == {torch.int64}
    assert batch["input_ids"].tolist() == [random_stream(50)[:8].tolist(), random_stream(50)[40:48].tolist()]
    assert batch["labels"][:, 0].tolist() == [IGNORE] * 2 and torch.equal(batch["labels"][:, 1:], batch["input_ids"][:, 1:])


def test_fingerprints_tell_sets_of_blocks_apart():
    a, b = random_stream(50), random_stream(51)
    dialogues = to_blocks([{"input_ids": [5, 6, 0], "labels": [IGNORE, 6, 0]}], [[0]], 8, pad=0)
    sets = [[StreamBlocks(a, 8)], [StreamBlocks(b, 8)], [StreamBlocks(a, 8), StreamBlocks(b, 8)], [StreamBlocks(b, 8), StreamBlocks(a, 8)],
            [dialogues], [dialogues * 2]]
    assert len({fingerprint_blocks(*some) for some in sets}) == 6
    assert fingerprint_blocks(StreamBlocks(a[:49], 8), dialogues) == fingerprint_blocks(StreamBlocks(a.copy(), 8), list(dialogues))  # the rest is no block


def test_labels_of_dialogues_are_counted_one_by_one():
    encoded = [{"input_ids": [5, 6, 0], "labels": [IGNORE, 6, 0]}, {"input_ids": [7], "labels": [IGNORE]}]
    assert count_labels(to_blocks(encoded, [[0, 1], [0]], 8, pad=0)) == 4
