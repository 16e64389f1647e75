"""Anyone's own text is a folder away: how works are split, what is cut, and the sentence for what cannot be read."""

import pytest

from helpers.corpora import load_prose
from helpers.runtime import ReaderError


@pytest.fixture
def works(tmp_path):
    """A function that writes {name: text} and returns the folder."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / "works" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "works"

    return write


def splits(source, **settings):
    """(train texts, validation texts)"""
    dataset = load_prose(source, **settings)
    assert dataset["train"].column_names == dataset["validation"].column_names == ["text"]
    return list(dataset["train"]["text"]), list(dataset["validation"]["text"])


def test_up_to_four_works_give_their_last_tenth(works):
    folder = works({"a.txt": "0123456789" * 10, "b.txt": "abcdefghij"})
    assert splits(folder) == (["0123456789" * 9, "abcdefghi"], ["0123456789", "j"])


def test_from_five_works_on_whole_works_are_held_out(works):
    texts = {f"{n:03}.txt": f"work number {n}" for n in range(40)}
    train, validation = splits(works(texts))
    assert (len(train), len(validation)) == (38, 2)  # 5 %
    assert sorted(train + validation) == sorted(texts.values())
    assert validation != [texts["038.txt"], texts["039.txt"]]  # not simply the last authors
    assert splits(works({})) == (train, validation)  # the same works every time


def test_files_named_valid_are_the_validation(works):
    folder = works({"train.txt": "one\n\n\ntwo\n\n\n\nthree", "valid.txt": "four\n\n\nfive", "test.txt": "six", "names.txt": "seven"})
    assert splits(folder) == (["one", "two", "three"], ["four", "five"])


def test_the_folder_prose_goes_before_the_files_around_it(works):
    folder = works({"prose/a.txt": "0123456789", "README.txt": "not this"})
    assert splits(folder) == splits(folder / "prose") == (["012345678"], ["9"])


def test_one_file_is_a_corpus(works):
    assert splits(works({"a.txt": "0123456789", "b.txt": "x"}) / "a.txt") == (["012345678"], ["9"])


def test_a_byte_order_mark_and_the_blanks_around_a_text_are_removed(works):
    assert splits(works({"a.txt": b"\xef\xbb\xbf\n  0123456789\n\n"})) == (["012345678"], ["9"])


@pytest.mark.parametrize("text", ["abcdefghij" * 10, "çãéíõü€ñßâ" * 10, "😀" * 30], ids=["ASCII", "accents", "emoji"])
@pytest.mark.parametrize("limit", [10, 55, 10_000])
def test_max_bytes_is_an_upper_bound_in_bytes(works, text, limit):
    train, validation = splits(works({"a.txt": text, "b.txt": text}), max_bytes=limit)
    whole_train, whole_validation = splits(works({}))
    for texts, whole, most in ((train, whole_train, limit), (validation, whole_validation, limit // 10)):
        size = len("".join(texts).encode())
        assert size <= most and "".join(whole).startswith("".join(texts))
        assert size > most - 4 or texts == whole  # not a whole character short of it


def test_the_shipped_stories_load_without_a_network():
    train, validation = splits("offline")
    assert len(train) > len(validation) > 0
    assert not set(train) & set(validation)


@pytest.mark.parametrize("files, sentence", [
    ({"notes.md": "x"}, "no .txt file in path/to/works: put your text there, or choose 'offline' or 'hub'"),
    ({"a.txt": "fine", "b.txt": " \n "}, "path/to/b.txt is empty: put text into it or remove it"),
    ({"a.txt": "façade".encode("latin-1")}, "path/to/a.txt is not UTF-8 (byte 0xe7 at position 2): save it as UTF-8 first"),
    ({"valid.txt": "held out", "work.txt": "of another name"},
     "no train*.txt in path/to/works beside its valid.txt: put your training text there under such a name"),
])
def test_what_cannot_be_read_is_one_sentence(works, files, sentence):
    with pytest.raises(ReaderError) as error:
        load_prose(works(files))
    assert str(error.value) == sentence
