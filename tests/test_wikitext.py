"""WikiText as it is published: which lines are titles, that no line is lost, where a missing test file comes from, and the sentence for each fault."""

import datasets
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hub import hub, sentence, slept  # noqa: F401 (two fixtures)

from helpers.runtime import ReaderError
from helpers.wikitext import articles, detokenize, first_rows, load_wikitext, marked_lines

DAMS = [" \n", " = Dams of Vell = \n", " \n", " The dam is old . \n", " \n", " = = History = = \n", " \n", " It was built in 1 @,@ 240 days . \n"]
MILLS = [" \n", " \n", " = The Mill = \n", " \n", " A mill ground corn . \n", " It stands . \n"]
cases = settings(max_examples=100, deadline=None, database=None, derandomize=True)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The reader's cache stays as it is."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """A function that writes {name: text or lines} and returns the folder."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / "wiki" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else "".join(text).encode())
        return tmp_path / "wiki"

    return write


def whole(folder, **changes):
    return folder({"train.txt": DAMS + MILLS, "valid.txt": MILLS, "test.txt": DAMS} | changes)


def rows_of(lines):
    return Dataset.from_dict({"text": lines})


def titles(lines):
    return [line for line, begins in marked_lines(rows_of(lines)) if begins]


# Which lines are titles.

@pytest.mark.parametrize("line", [" = Dams of Vell = \n", " = Dams of Vell = ", " = E = m c 2 = \n", " = ! = \n"])
@pytest.mark.parametrize("before, after", [(["\n"], [" \n"]), ([" \n"], [""]), (["", ""], [" \n", "\n"]), ([], [" \n"]), ([""], [])])
def test_a_title_stands_between_blank_lines_or_at_an_end(line, before, after):
    assert titles([*before, line, *after]) == [line]


@pytest.mark.parametrize("line", [" = = History = = \n", " = = = Early years = = = \n", "= Dams = \n", " = Dams \n", " Dams = \n", " a = b \n",
                                  " = 2 x + 1 \n", " =Dams= \n", " = Dams = and more \n", " = \n", " = = \n", " \n", ""])
def test_headings_equations_and_blank_lines_are_no_titles(line):
    assert titles([" \n", line, " \n"]) == []


@pytest.mark.parametrize("before, after", [(" Player , Goals \n", " \n"), (" \n", " Ann , 3 \n"), (" Player , Goals \n", " Ann , 3 \n")])
def test_a_title_has_a_blank_line_on_both_sides(before, after):
    assert titles([before, " = Goals ; A = \n", after]) == []


def test_every_line_is_given_once_across_batches():
    lines = (DAMS + MILLS) * 200  # rows are read by the thousand
    assert [line for line, _ in marked_lines(rows_of(lines))] == lines
    assert len(titles(lines)) == 400


# The articles.

words = st.lists(st.sampled_from(["=", "Goals", ";", "@-@", "<unk>", "'s", "ção", "3", "\u2028", "."]), min_size=1, max_size=5).map(" ".join)
lines_of_text = words.map(lambda said: f" so {said} \n")
headings = words.map(lambda said: f" = = {said} = = \n")
tables = st.lists(st.one_of(words.map(lambda said: f" = {said} = \n"), lines_of_text), max_size=3).map(lambda inner: [" Table \n", *inner, " End \n"])
parts = st.one_of(lines_of_text.map(lambda line: [line]), headings.map(lambda line: [line]), tables)


@st.composite
def written(draw):
    """[(title, its parts)]; each part is lines without a blank one between them, and one of them at least is no heading."""
    title = st.tuples(st.sampled_from(["Dams", "É", "3"]), words, st.sampled_from(["A", "!", "( song )"])).map(" ".join)
    return draw(st.lists(st.tuples(title, st.lists(parts, min_size=1, max_size=4)), max_size=6).map(
        lambda found: [(title, [*inner, [" It is . \n"]]) for title, inner in found]))


@cases
@given(written(), st.sampled_from([[""], [" \n"], ["\n", " \n"]]))
def test_articles_lose_and_invent_no_line(made, blank):  # [""]: the hub's blank rows
    lines = [*blank]
    for title, inner in made:
        lines += [f" = {title} = \n", *blank]
        for part in inner:
            lines += [*part, *blank]
    expected = [{"title": title, "text": f" = {title} = \n" + "".join(sum(inner, []))} for title, inner in made]
    assert list(articles(rows_of(lines))) == expected
    assert "".join(found["text"] for found in expected) == "".join(line for line in lines if line.strip())


def test_text_before_the_first_title_is_an_article_without_one():
    assert list(articles(rows_of([" The end of it . \n", *DAMS])))[0] == {"title": "", "text": " The end of it . \n"}


def test_articles_of_headings_only_are_left_out_and_counted(capsys):
    bare = [" \n", " = Bare = \n", " \n", " = = Notes = = \n", " \n"]
    assert [found["title"] for found in articles(rows_of(bare + DAMS + bare + MILLS))] == ["Dams of Vell", "The Mill"]
    assert capsys.readouterr().out == "left out: 2 with a title and no text\n"


@pytest.mark.parametrize("lines", [DAMS, ["", ""], [" \n"]], ids=["an article", "hub's blanks", "a blank"])
def test_where_none_is_left_out_nothing_is_said(lines, capsys):
    assert len(list(articles(rows_of(lines)))) == (lines is DAMS)
    assert capsys.readouterr().out == ""


# Files.

def test_the_rows_are_the_files_lines(folder, capsys):
    found = load_wikitext(whole(folder))
    assert {split: rows["text"][:] for split, rows in found.items()} == {"train": DAMS + MILLS, "validation": MILLS, "test": DAMS}
    assert {tuple(rows.column_names) for rows in found.values()} == {("text",)} and capsys.readouterr().out == ""


@pytest.mark.parametrize("size", [2, 103])
def test_the_sizes_folder_goes_before_the_files_around_it(folder, size):
    name = f"wikitext{size}"
    found = load_wikitext(whole(folder, **{f"{name}/{file}": DAMS for file in ("train.txt", "valid.txt", "test.txt")}), size=size)
    assert found["train"]["text"][:] == found["validation"]["text"][:] == DAMS
    assert load_wikitext(whole(folder), size=105 - size)["train"]["text"][:] == DAMS + MILLS


def test_the_version_of_rare_words_has_files_of_its_own(folder):
    unk = whole(folder, **{"train.unk.txt": [" \n", " <unk> . \n"], "valid.unk.txt": DAMS, "test.unk.txt": MILLS})
    found = load_wikitext(unk, raw=False)
    assert [found[split]["text"][:] for split in ("train", "validation", "test")] == [[" \n", " <unk> . \n"], DAMS, MILLS]
    (unk / "valid.unk.txt").unlink()
    with pytest.raises(ReaderError, match="^no valid.unk.txt in path/to/wiki: "):
        load_wikitext(unk, raw=False)


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_text(folder):
    file = b"\xef\xbb\xbf" + "".join(DAMS[1:]).replace("\n", "\r\n").encode()
    found = load_wikitext(whole(folder, **{"train.txt": file}))
    assert found["train"]["text"][:] == DAMS[1:] and titles(found["train"]["text"][:]) == [" = Dams of Vell = \n"]


def test_only_line_feeds_end_a_line(folder):
    lines = [" a\x85b\u2028c\x0cd\x1ce \n", " \n", " no end"]
    assert load_wikitext(whole(folder, **{"train.txt": lines}))["train"]["text"][:] == lines


def test_a_changed_file_is_read_anew(folder):
    assert load_wikitext(whole(folder))["train"]["text"][:] == DAMS + MILLS
    changed = "".join(DAMS + MILLS).replace("old", "new")  # of the same length
    (whole(folder) / "train.txt").write_text(changed, encoding="utf-8")
    assert "".join(load_wikitext(folder({}))["train"]["text"]) == changed


def test_without_a_test_file_validation_is_cut_between_two_articles(folder, capsys):
    place = whole(folder, **{"valid.txt": DAMS + DAMS + MILLS + MILLS})  # its middle line lies in the second article
    (place / "test.txt").unlink()
    found = load_wikitext(place)
    assert capsys.readouterr().out == "no test file: the second half of validation takes its place\n"
    assert found["validation"]["text"][:] + found["test"]["text"][:] == DAMS + DAMS + MILLS + MILLS
    assert [[a["title"] for a in articles(found[split])] for split in ("validation", "test")] == [
        ["Dams of Vell"] * 2, ["The Mill"] * 2]


@pytest.mark.parametrize("lines", [DAMS, [" one . \n", " two . \n"]], ids=["one article", "no title"])
def test_both_halves_of_validation_have_a_text(folder, lines):
    place = whole(folder, **{"valid.txt": lines})
    (place / "test.txt").unlink()
    found = load_wikitext(place)
    assert found["validation"]["text"][:] + found["test"]["text"][:] == lines
    assert all("".join(found[split]["text"]).strip() for split in ("validation", "test"))


@pytest.mark.parametrize("missing", ["train.txt", "valid.txt"])
def test_a_missing_file_is_one_sentence(folder, missing):
    (whole(folder) / missing).unlink()
    said = sentence(lambda: load_wikitext(folder({})))
    assert said == f"no {missing} in path/to/wiki: put WikiText's files there, or choose 'offline' or 'hub'"


@pytest.mark.parametrize("name", ["train.txt", "valid.txt", "test.txt"])
@pytest.mark.parametrize("text, fault", [
    (b"", "holds no text, only blank lines: put text into it or remove it"),
    (b" \n\n \n", "holds no text, only blank lines: put text into it or remove it"),
    (b"\xef\xbb\xbf\n", "holds no text, only blank lines: put text into it or remove it"),
    (" \n a façade \n".encode("latin-1"), "is not UTF-8 (byte 0xe7): save it as UTF-8 first"),
    (b" fine \n" * 9_000 + b"\xff", "is not UTF-8 (byte 0xff): save it as UTF-8 first"),
    (" cut \u20ac".encode()[:-1], "is not UTF-8 (byte 0xe2): save it as UTF-8 first"),
], ids=["empty", "blank", "only a mark", "Latin-1", "late", "cut"])
def test_a_file_that_cannot_be_used_is_one_sentence(folder, name, text, fault):
    assert sentence(lambda: load_wikitext(whole(folder, **{name: text}))) == f"path/to/{name} {fault}"


@cases
@given(st.lists(st.sampled_from(["", "\n", " a \n", " ção \n", " word " * 9 + "\n"]), max_size=12), st.integers(0, 200))
def test_whole_rows_are_kept_and_no_more_than_asked(lines, most):
    kept = first_rows(rows_of(lines), most)["text"][:]
    size = len("".join(kept).encode())
    assert kept == lines[: len(kept)] and size <= most
    assert kept == lines or size + len(lines[len(kept)].encode()) > most  # not a row short of it


@pytest.mark.parametrize("most", [5, 100, 300])
def test_max_bytes_is_for_train_and_a_tenth_of_it_for_the_others(folder, most):
    place = whole(folder, **dict.fromkeys(["train.txt", "valid.txt", "test.txt"], DAMS * 9))
    found, everything = load_wikitext(place, max_bytes=most), load_wikitext(place)
    for split, limit in (("train", most), ("validation", most // 10), ("test", most // 10)):
        assert found[split]["text"][:] == first_rows(everything[split], limit)["text"][:]
        assert len("".join(found[split]["text"]).encode()) <= limit and everything[split]["text"][:] == DAMS * 9


# The hub.

@pytest.mark.parametrize("size", [2, 103])
def test_the_hubs_rows_are_given_as_they_are(hub, size, capsys):  # noqa: F811
    found = load_wikitext("hub", size=size)
    assert list(found) == ["train", "validation", "test"] and "Salesforce/wikitext" in capsys.readouterr().out
    assert len(list(articles(found["train"]))) == {2: 20, 103: 60}[size]
    assert next(articles(found["train"]))["text"].startswith(" = Story 0 = \n ")
    small = load_wikitext("hub", size=size, max_bytes=9_000)["train"]["text"][:]
    assert 0 < len("".join(small).encode()) <= 9_000 and small == found["train"]["text"][: len(small)]


def test_what_the_hub_does_not_have_is_one_sentence(hub):  # noqa: F811
    with pytest.raises(ValueError) as error:
        load_wikitext("hub", raw=False)
    assert str(error.value) == "BuilderConfig 'wikitext-2-v1' not found. Available: ['wikitext-103-raw-v1', 'wikitext-2-raw-v1']"


# As people write it.

@pytest.mark.parametrize("text, expected", [
    ("a 1 @,@ 240 @-@ metre hill ( the Knoll ) .", "a 1,240-metre hill (the Knoll)."),
    ("1 @,@ 240 @,@ 500 and 3 @.@ 5 x @-@ y @-@ z", "1,240,500 and 3.5 x-y-z"),
    ('" Hello , " he said , " how are you ? "', '"Hello," he said, "how are you?"'),
    ('( a ) [ sic ] ( " b " ) ( 1 @,@ 000 )', '(a) [sic] ("b") (1,000)'),
    ("the dog 's tail , they 're , didn 't , 10 % ; US $ 5", "the dog's tail, they're, didn't, 10%; US $5"),
    (" one – two / three \n = Dams = \n", " one – two / three\n= Dams =\n"), ("", ""), ("@-@", "@-@"),
])
def test_text_is_closed_up_as_people_write_it(text, expected):
    assert detokenize(text) == expected
