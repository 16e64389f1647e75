"""Dialogues from every source: the same dialogues, whole and in order; what is left out is said, what cannot be read is one sentence."""

import json

import pytest
from datasets import Dataset, DatasetDict
from hub import Hub
from standins import SPLITS, STANDINS, card, dialogue_files, li2017, point_clients, roskon, script

from helpers.corpora import OFFLINE, close_up, drop_repeats, load_dialogues
from helpers.runtime import ReaderError

ROSKO, LI = "roskoN/dailydialog", "li2017dailydialog/daily_dialog"
PIXELS, BENJAMIN = "pixelsandpointers/better_daily_dialog", "benjaminbeilharz/better_daily_dialog"
PARQUET = "refs/convert/parquet"
COPIES = [(ROSKO, "main"), (PIXELS, "main"), (BENJAMIN, "main"), (LI, PARQUET), (ROSKO, PARQUET)]  # in the order in which they are asked
ON_THE_HUB = {split: [[words for _, _, words in dialogue] for dialogue in dialogues] for split, dialogues in SPLITS.items()}
STATS = json.loads((OFFLINE / "dialogues" / "stats.json").read_text())
SHORT = {"dialogues_train.txt": "A ? __eou__ B . __eou__\n", "dialogues_validation.txt": "C ? __eou__ D . __eou__\n"}


@pytest.fixture
def folder(tmp_path):
    """A function that writes {name: text} and returns the folder."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / "mine" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "mine"

    return write


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with every copy of DailyDialog, which this process's clients ask."""
    with Hub() as hub:
        for place in STANDINS:
            if "dialog" in place[1]:
                hub.add(*place[:2], STANDINS[place](), place[2])
        hub.add("datasets", PIXELS, STANDINS["datasets", BENJAMIN, "main"]())
        hub.add("datasets", ROSKO, STANDINS["datasets", ROSKO, "main"](), PARQUET)
        point_clients(monkeypatch, hub.address, tmp_path / "cache")
        yield hub


def splits(dialogues):
    """{split: lists of turns}"""
    assert all(rows.column_names == ["turns"] for rows in dialogues.values())
    return {split: list(rows["turns"]) for split, rows in dialogues.items()}


def lines(dialogues):
    return "".join("".join(f"{turn} __eou__ " for turn in turns) + "\n" for turns in dialogues)


def sentence(load):
    with pytest.raises(ReaderError) as error:
        load()
    return str(error.value)


def test_the_offline_dialogues_are_all_there(capsys):
    found = splits(load_dialogues("offline"))
    assert list(found) == ["train", "validation", "test"]
    for split, dialogues in found.items():
        assert (len(dialogues), sum(map(len, dialogues))) == (STATS[split]["dialogues"], STATS[split]["turns"])
        assert all(turn and turn == turn.strip() and "__eou__" not in turn for turns in dialogues for turn in turns)
    assert found["train"][0][:2] == ["Hilda , do you still have my book ?", "Which book ?"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("inside", ["", "dailydialog/"])
def test_a_folder_of_ones_own(folder, inside, capsys):
    files = {f"{inside}dialogues_{split}.txt": lines(dialogues) for split, dialogues in ON_THE_HUB.items()}
    assert splits(load_dialogues(folder(files | {"notes.txt": "x", "dialogues_train.md": "x"}))) == ON_THE_HUB
    assert capsys.readouterr().out == ""


def test_the_folder_dailydialog_goes_before_the_files_around_it(folder):
    inside = {f"dailydialog/{name}": text.replace(" ?", " !") for name, text in SHORT.items()}
    assert splits(load_dialogues(folder(SHORT | inside)))["train"] == [["A !", "B ."]]


def test_without_a_test_file_half_of_validation_takes_its_place(folder, capsys):
    dialogues = [[f"Question {n} ?", f"Answer {n} ."] for n in range(9)]
    found = splits(load_dialogues(folder(SHORT | {"dialogues_validation.txt": lines(dialogues)})))
    assert (found["validation"], found["test"]) == (dialogues[:4], dialogues[4:])
    assert capsys.readouterr().out == "no dialogues_test.txt: the second half of validation takes its place\n"


@pytest.mark.parametrize("limit, train, others", [(None, 20, 20), (170, 10, 1), (169, 9, 0), (9_999, 20, 20)])
def test_max_bytes_is_an_upper_bound_in_bytes(folder, limit, train, others):
    every = lines([["😀😀😀", "çã"]] * 20)  # 12 and 4 bytes, and one between the two
    found = splits(load_dialogues(folder({f"dialogues_{split}.txt": every for split in SPLITS}), max_bytes=limit))
    assert {split: len(dialogues) for split, dialogues in found.items()} == {"train": train, "validation": others, "test": others}


def test_max_bytes_keeps_the_first_dialogues_whole():
    whole, found = splits(load_dialogues("offline")), splits(load_dialogues("offline", max_bytes=20_000))
    for split, limit in (("train", 20_000), ("validation", 2_000), ("test", 2_000)):
        n = len(found[split])
        assert found[split] == whole[split][:n] != [] and len("".join(sum(found[split], []))) <= limit


def test_a_last_turn_without_its_mark_is_kept_and_blank_lines_are_none(folder):
    found = splits(load_dialogues(folder(SHORT | {"dialogues_train.txt": "\ufeffA ? __eou__ B . __eou__ C !\r\n\r\n  D ?__eou__E ."})))
    assert found["train"] == [["A ?", "B .", "C !"], ["D ?", "E ."]]


@pytest.mark.parametrize("odd, said", [
    ("Alone . __eou__\n", "1 with a single turn"),
    ("A ? __eou__ __eou__ B . __eou__\n" * 2, "2 with an empty turn"),
    ("A ? __eou__ B . __eou__ __eou__\nAlone .\n__eou__\n", "2 with an empty turn, 1 with a single turn"),
])
def test_odd_dialogues_are_left_out_and_counted(folder, odd, said, capsys):
    files = {f"dialogues_{split}.txt": "First ? __eou__ Yes . __eou__\n" + odd * (split == "train") + "Last ? __eou__ Yes ." for split in SPLITS}
    found = splits(load_dialogues(folder(files)))
    assert found == dict.fromkeys(SPLITS, [["First ?", "Yes ."], ["Last ?", "Yes ."]])
    assert capsys.readouterr().out == f"dialogues left out: {said}\n"


@pytest.mark.parametrize("files, expected", [
    ({"dialogues_train.txt": None}, "no dialogues_train.txt in path/to/mine: "),
    ({"dialogues_validation.txt": None}, "no dialogues_validation.txt in path/to/mine: "),
    ({"dailydialog/notes.txt": "x"}, "no dialogues_train.txt in path/to/dailydialog: "),
    ({"dialogues_train.txt": "\n"}, "path/to/dialogues_train.txt is empty: put text into it or remove it"),
    ({"dialogues_test.txt": "caf\xe9 ? __eou__".encode("latin-1")},
     "path/to/dialogues_test.txt is not UTF-8 (byte 0xe9 at position 3): save it as UTF-8 first"),
])
def test_what_cannot_be_read_is_one_sentence(folder, files, expected):
    way_out = "put your dialogues there, one a line, each turn closed by __eou__; or choose 'offline' or 'hub'"
    there = folder({name: text for name, text in (SHORT | files).items() if text is not None})
    assert sentence(lambda: load_dialogues(there)) == expected + way_out * expected.endswith(": ")


@pytest.mark.parametrize("missing", range(len(COPIES)))
def test_the_copies_are_asked_in_order_and_give_the_same_dialogues(hub, missing, capsys):
    for name, revision in COPIES[:missing]:
        del hub.repositories["datasets", name][revision]
    assert splits(load_dialogues("hub")) == ON_THE_HUB
    assert capsys.readouterr().out == f"from the hub: {COPIES[missing][0]} (0.0 MB)\n"


WITHOUT_TEST = {path: content for path, content in dialogue_files(roskon).items() if "test" not in path}


@pytest.mark.parametrize("first", [None, script("dailydialog"), {"README.md": card()} | dialogue_files(li2017), {"README.md": card()} | WITHOUT_TEST],
                         ids=["gone", "a script only", "other columns", "a split is missing"])
def test_a_first_copy_that_will_not_do_gives_way(hub, first, capsys):
    if first is None:
        hub.fail(ROSKO, "no repository")
    else:
        hub.add("datasets", ROSKO, first)
    assert splits(load_dialogues("hub")) == ON_THE_HUB
    assert capsys.readouterr().out == f"from the hub: {PIXELS} (0.0 MB)\n"


def test_without_any_copy_one_sentence_names_each(hub):
    hub.repositories.clear()
    names = [name for name, _ in COPIES]
    assert sentence(lambda: load_dialogues("hub")) == "; ".join(f"the hub has no {name}, or it is private: check the name" for name in names)


def test_dialogues_of_the_hub_are_stripped_left_out_and_limited_too(hub, capsys):
    def with_a_single_turn(number, dialogue):
        return [{"utterances": [f" {words} " for _, _, words in dialogue[: 1 if number == 0 else None]]}]

    hub.add("datasets", ROSKO, {"README.md": card()} | dialogue_files(with_a_single_turn))
    second = ON_THE_HUB["train"][1]
    assert splits(load_dialogues("hub", max_bytes=len(" ".join(second))))["train"] == [second]
    assert capsys.readouterr().out.endswith("\ndialogues left out: 3 with a single turn\n")


def test_repeats_are_those_that_were_planted():
    before = load_dialogues("offline")
    after, counts = drop_repeats(before)
    planted = STATS["planted_duplicates"]
    assert counts == {"twice in train": planted["repeats_inside_train"], "twice in validation": 0, "twice in test": 0,
                      "in train and validation": planted["train_and_validation"], "in train and test": planted["train_and_test"],
                      "in validation and test": 0}
    whole, kept = splits(before), splits(after)
    assert list(kept) == list(whole) and (kept["validation"], kept["test"]) == (whole["validation"], whole["test"])
    held_out = whole["validation"] + whole["test"]
    assert kept["train"] == [turns for row, turns in enumerate(whole["train"]) if turns not in held_out + whole["train"][:row]]
    assert set(drop_repeats(after)[1].values()) == {0}


def test_what_is_held_out_longest_keeps_a_repeat():
    a, b, c, d, e = ([f"{name} ?", f"{name} ."] for name in "ABCDE")
    rows = {"train": [a, b, a, c], "validation": [c, d, d, b], "test": [d, e]}
    kept, counts = drop_repeats(DatasetDict({split: Dataset.from_dict({"turns": turns}) for split, turns in rows.items()}))
    assert splits(kept) == {"train": [a], "validation": [c, b], "test": [d, e]}
    assert counts == {"twice in train": 1, "twice in validation": 1, "twice in test": 0,
                      "in train and validation": 2, "in train and test": 0, "in validation and test": 1}


@pytest.mark.parametrize("empty, rows", [("train", ("AA", "AB", "BC")), ("validation", ("AB", "C", "CD"))])
def test_a_split_of_nothing_but_repeats_is_one_sentence(empty, rows):
    dialogues = DatasetDict({split: Dataset.from_dict({"turns": [[name, name] for name in names]}) for split, names in zip(SPLITS, rows)})
    expected = f"no dialogue is left in {empty} once those that other splits hold too are taken out: give it more dialogues"
    assert sentence(lambda: drop_repeats(dialogues)) == expected


@pytest.mark.parametrize("spaced, written", [
    ("Say , Jim !", "Say, Jim!"), ("Well ; it is so : fine . Is it ?", "Well; it is so: fine. Is it?"), ("Fifty % of it", "Fifty% of it"),
    ("I \u2019 Ve seen it", "I've seen it"), ("I ' m fine , thanks .", "I'm fine, thanks."), ("don ' t", "don't"), ("he 'll", "he'll"),
    ("Jim ' s", "Jim's"), ("at ten o \u2019 clock", "at ten o'clock"), ("at ten o'clock . Don't !", "at ten o'clock. Don't!"),
    ("the boys ' toys", "the boys ' toys"), ("Wait . . .", "Wait..."), ("two words (here) - and \"there\"", "two words (here) - and \"there\""),
    ("", ""),
])
def test_marks_close_up_to_their_words(spaced, written):
    assert close_up(spaced) == written == close_up(written)
