"""Tokens become the same text again, documents are closed, streams are made once and read from disk."""

import json

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from tokenizers.pre_tokenizers import ByteLevel

from helpers import tokens
from helpers.runtime import ReaderError
from helpers.tokens import END, character_tokenizer, count_bytes, fingerprint, gpt2_tokenizer, pack, tokenize, train_bpe

TEXTS = ["the cat sat on the mat\nand the dog sat on the cat", "a hat , a mat . and that 's that !"]
ANYTHING = ["", " ", "  two  spaces ", "line\n\nbreaks\r\n\ttabs", "don't , I 'm fine .", "Machado de Assis: \u201cD. Casmurro\u201d, çãõ",
            "日本語 и русский", "😀👩‍👩‍👧 e\u0301 \u200b \ufeff", "\x00\x07 control", "".join(map(chr, range(32, 1000)))]


@pytest.fixture
def bpe():
    return train_bpe(TEXTS * 3, vocab_size=300)


@pytest.fixture
def gpt2_folder(tmp_path):
    """A folder of local copies with a GPT-2 tokenizer in its original format: 256 bytes, a few merges, the end of text."""
    folder = tmp_path / "gpt2_tokenizer"
    folder.mkdir()
    merges = ["t h", "Ġ th", "Ġth e", "a t"]
    vocabulary = [*sorted(ByteLevel.alphabet()), *(m.replace(" ", "") for m in merges), END]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}))
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    return tmp_path


@pytest.mark.parametrize("text", ANYTHING, ids=ascii)
def test_bpe_round_trip_of_any_text(bpe, text):
    assert bpe.decode(bpe(text)["input_ids"]) == text


@pytest.mark.parametrize("text", ANYTHING, ids=ascii)
def test_gpt2_round_trip_of_any_text(gpt2_folder, text):
    tokenizer = gpt2_tokenizer(gpt2_folder)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_gpt2_format_is_read_from_a_folder(gpt2_folder):
    tokenizer = gpt2_tokenizer(gpt2_folder)
    assert len(tokenizer) == 261
    assert tokenizer.convert_ids_to_tokens(tokenizer("that the cat")["input_ids"]) == ["th", "at", "Ġthe", "Ġ", "c", "at"]
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == (END, 260)


def test_bpe_merges_what_is_frequent(bpe):
    assert bpe.convert_ids_to_tokens(bpe("the cat sat")["input_ids"]) == ["the", "Ġcat", "Ġsat"]
    assert len(bpe("the cat sat")["input_ids"]) < len(train_bpe(TEXTS, vocab_size=258)("the cat sat")["input_ids"])


def test_bpe_is_the_same_every_time(bpe):
    assert train_bpe(TEXTS * 3, vocab_size=300).backend_tokenizer.to_str() == bpe.backend_tokenizer.to_str()


def test_end_of_text_is_one_token(bpe):
    for tokenizer in (bpe, character_tokenizer(TEXTS)):
        assert tokenizer.eos_token == END
        assert tokenizer(END)["input_ids"] == [tokenizer.eos_token_id]


@pytest.mark.parametrize("size", [257, 0])
def test_a_vocabulary_without_room_for_a_merge_is_refused(size):
    with pytest.raises(ValueError) as error:
        train_bpe(TEXTS, vocab_size=size)
    assert str(error.value) == f"vocab_size must be above 257 (256 bytes and the end of text), got {size}"


@pytest.mark.parametrize("text", [*TEXTS, "a\n\nb", " . ' , !", "é\u0301😀\r\n"], ids=ascii)
def test_character_round_trip(text):
    tokenizer = character_tokenizer([text])
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text) and len(tokenizer) == len(set(text)) + 1
    assert tokenizer.decode(ids) == text


def test_an_unknown_character_is_the_end_of_text():
    tokenizer = character_tokenizer(["abc"])
    assert tokenizer("aZc")["input_ids"] == [1, tokenizer.eos_token_id, 3]


def test_the_source_decides_the_tokenizer(gpt2_folder, tmp_path):
    assert len(tokens.tokenizer_for(gpt2_folder, TEXTS, 50_304)) == 261
    assert len(tokens.tokenizer_for(gpt2_folder, TEXTS, 270)) == 270  # a model of 270 tokens has no room for GPT-2's 50,257
    assert len(tokens.tokenizer_for("offline", TEXTS, 270)) == 270


@pytest.mark.parametrize("largest, dtype", [(65_535, np.uint16), (65_536, np.uint32)])
def test_pack_closes_documents(largest, dtype):
    stream = pack([[1, 2], [], [3, largest]], eos=0)
    assert stream.tolist() == [1, 2, 0, 0, 3, largest, 0]
    assert stream.dtype == dtype


def test_pack_makes_room_for_the_end_of_text_too():
    assert pack([[1]], eos=70_000).tolist() == [1, 70_000]


@pytest.fixture
def dataset():
    return DatasetDict(train=Dataset.from_dict({"text": TEXTS}), validation=Dataset.from_dict({"text": ["the mat"]}))


def test_tokenize_gives_a_stream_of_each_split(dataset, bpe, tmp_path):
    streams = tokenize(dataset, bpe, tmp_path)
    assert list(streams) == ["train", "validation"]
    assert bpe.decode(streams["train"].tolist()) == "".join(text + END for text in TEXTS)
    assert bpe.decode(streams["validation"].tolist()) == "the mat" + END


def test_tokenizing_is_done_once_and_memory_mapped(dataset, bpe, tmp_path, monkeypatch):
    first = tokenize(dataset, bpe, tmp_path)
    monkeypatch.setattr(tokens, "pack", lambda *_: pytest.fail("tokenized again"))
    second = tokenize(dataset, bpe, tmp_path)
    for split in first:
        assert isinstance(first[split], np.memmap) and isinstance(second[split], np.memmap)
        assert np.array_equal(first[split], second[split])
    assert {p.suffix for p in tmp_path.iterdir()} == {".npy"}


def test_another_text_or_tokenizer_is_tokenized_anew(dataset, bpe, tmp_path):
    before = tokenize(dataset, bpe, tmp_path)["validation"]
    other = DatasetDict(validation=Dataset.from_dict({"text": ["the mats"]}))
    assert not np.array_equal(tokenize(other, bpe, tmp_path)["validation"], before)
    characters = character_tokenizer(TEXTS)
    assert len(tokenize(dataset, characters, tmp_path)["validation"]) == len("the mat") + 1
    assert np.array_equal(tokenize(dataset, bpe, tmp_path)["validation"], before)


def test_a_half_written_stream_is_not_taken_for_a_whole_one(dataset, bpe, tmp_path, monkeypatch):
    def half(*arguments):
        yield next(pieces(*arguments))
        raise KeyboardInterrupt

    pieces = tokens.token_pieces
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tokens, "token_pieces", half)
        tokenize(dataset, bpe, tmp_path)
    assert list(tmp_path.glob("*.npy")) == []
    assert bpe.decode(tokenize(dataset, bpe, tmp_path)["validation"].tolist()) == "the mat" + END


@pytest.mark.parametrize("keep", [0, 1, 60, 127, 128, 129, -1], ids=lambda n: f"{n} bytes")
def test_a_truncated_stream_is_made_again(dataset, bpe, tmp_path, keep):
    whole = np.array(tokenize(dataset, bpe, tmp_path)["train"])
    file = next(tmp_path.glob("train-*"))
    content = file.read_bytes()
    file.write_bytes(content[:keep])  # 128 bytes are the header
    again = tokenize(dataset, bpe, tmp_path)["train"]
    assert np.array_equal(again, whole) and again.dtype == whole.dtype and file.read_bytes() == content


@pytest.mark.parametrize("texts", [[], [""], ["", ""]], ids=["no row", "an empty row", "two empty rows"])
def test_a_split_without_text_is_one_sentence(bpe, tmp_path, texts):
    with pytest.raises(ReaderError) as error:
        tokenize({"train": [{"text": "the mat"}], "validation": [{"text": text} for text in texts]}, bpe, tmp_path)
    assert str(error.value) == "there is no text in validation: choose a longer text"


@pytest.mark.parametrize("entries, dtype", [(65_536, np.uint16), (65_537, np.uint32)])
def test_a_stream_has_room_for_every_token(tmp_path, entries, dtype):
    pieces = [np.array([1, entries - 1]), np.array([], dtype=np.uint16), np.array([7], dtype=np.uint16)]
    tokens.write_stream(tmp_path / "stream.npy", iter(pieces), entries)
    found = np.load(tmp_path / "stream.npy", mmap_mode="r")
    assert found.dtype == dtype and found.tolist() == [1, entries - 1, 7]


def test_a_stream_is_written_in_pieces_of_about_a_million_bytes(bpe):
    texts = ["a " * 250_000, "é" * 300_000, "b " * 100, "", "c" * 100]  # a text is never cut
    pieces = list(tokens.token_pieces([{"text": text} for text in texts], bpe, 1, "train"))
    assert [bpe.decode(piece.tolist()) for piece in pieces] == [texts[0] + END + texts[1] + END, "".join(t + END for t in texts[2:])]


@pytest.mark.parametrize("text", ANYTHING, ids=ascii)
def test_count_bytes_is_exact(bpe, text):
    stream = pack([bpe(text)["input_ids"], bpe("mat")["input_ids"]], bpe.eos_token_id)
    assert count_bytes(stream, bpe) == len(text.encode()) + 3


def test_fingerprints_tell_streams_apart():
    a = np.array([1, 2, 3, 4], dtype=np.uint16)
    prints = [fingerprint(a), fingerprint(a[:3]), fingerprint(a[::-1]), fingerprint(a.astype(np.uint32)), fingerprint(a, a)]
    assert len(set(prints)) == 5
    assert fingerprint(a.copy()) == prints[0] and len(prints[0]) == 12


def test_a_stream_shorter_than_a_block_is_one_sentence():
    tokens.check_length(np.zeros(9), 8, "training")
    with pytest.raises(ReaderError) as error:
        tokens.check_length(np.zeros(8), 8, "training")
    assert str(error.value) == ("the training text has 8 tokens, fewer than one block of 8 and its next token: "
                                "use a longer text or a smaller block_size")
