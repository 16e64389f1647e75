"""Records of a shop, cleaned in the right order; one form for training and asking; an answer out of whatever a model writes."""

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from helpers import products
from helpers.products import clean, extract_answer, fits, format_example, format_prompt, load_products, load_qa, rule_based_qa, split_qa
from helpers.runtime import ReaderError
from helpers.scoring import answer_in_context, exact_match
from helpers.tokens import END, train_bpe

DIRTY = [  # what the real catalogue has
    {"uid": "1", "title": "Mog&amp;#8217;s Kittens", "content": "Judith Kerr&#8217;s <b>best</b>&#8211;selling<br/>cat. Ages 2&#8211;8 years.",
     "target_ind": [1]},
    {"uid": "2", "title": "", "content": "No title."},
    {"uid": "3", "title": "Empty", "content": "<p>&nbsp;</p>"},
    {"uid": "4", "title": "Mog\u2019s  Kittens ", "content": "<p>Judith Kerr\u2019s best\u2013selling cat. Ages 2\u20138 years.</p>"},
    {"uid": "1", "title": "Another", "content": "It has the uid of the first."},
    {"uid": "6", "title": "Null", "content": None},
    {"uid": "7", "title": "What now?", "content": "A book."},
]


@pytest.fixture
def catalogue(tmp_path):
    """A function that writes records, or bytes, to a file and returns it."""

    def write(content, name="trn.json"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, bytes) else "".join(json.dumps(r) + "\n" for r in content).encode()
        file.write_bytes(gzip.compress(text) if name.endswith(".gz") and not isinstance(content, bytes) else text)
        return file

    return write


def test_each_step_of_the_cleaning_is_counted(catalogue):
    rows, counts = load_products(catalogue(DIRTY))
    assert counts == {"records read": 7, "without title": 1, "without content": 2, "duplicates": 1, "uid of another": 1, "usable": 2}
    assert rows.column_names == ["uid", "title", "content", "cleaned"] and list(rows["uid"]) == ["1", "7"]
    assert rows[0]["cleaned"] == "Mog\u2019s Kittens. Judith Kerr\u2019s best\u2013selling cat. Ages 2\u20138 years."
    assert rows[0]["content"] == DIRTY[0]["content"] and rows[1]["cleaned"] == "What now? A book."


@pytest.mark.parametrize("name", ["trn.json", "trn.json.gz", "amazon_titles/trn.json", "amazon_titles/trn.json.gz"])
def test_a_folder_or_a_file_plain_or_gzip(catalogue, tmp_path, name):
    file = catalogue(DIRTY, name)
    assert load_products(tmp_path)[0].to_list() == load_products(file)[0].to_list() != []


def test_a_limit_stops_the_reading(catalogue):
    records = [{"uid": str(i), "title": f"Cup {i}", "content": "Tin."} for i in range(2_500)]
    file = catalogue(records)
    file.write_bytes(file.read_bytes() + b"this is never read")
    rows, counts = load_products(file, limit=2_200)
    assert len(rows) == counts["usable"] == counts["records read"] == 2_200 and rows[2_199]["title"] == "Cup 2199"


def test_the_file_is_never_in_memory_as_a_whole(catalogue):
    file = catalogue([{"uid": str(i), "title": f"Cup {i}", "content": f"{i} " * 500} for i in range(2_500)], "trn.json.gz")
    load_products(file, limit=10)  # imports
    tracemalloc.start()
    rows, _ = load_products(file)
    peak = tracemalloc.get_traced_memory()[1]
    print(f"peak {peak / 1e6:.1f} MB")
    tracemalloc.stop()
    assert sum(len(r["content"]) + len(r["cleaned"]) for r in rows) > 11e6 > 1.5 * peak


def test_the_hub_has_no_copy_and_it_is_said(capsys):
    rows, counts = load_products("hub")
    assert "the hub has no copy of the Amazon catalogue, so the one written for this series is taken" in capsys.readouterr().out
    assert rows.to_list() == load_products("offline")[0].to_list() and counts["usable"] >= 200


@pytest.mark.parametrize("content, sentence", [
    (b'{"uid": "1", "title": "a", "content": "b"}\n[\n', r"^line 2 of \S+trn.json is not JSON \('\['\): it must hold one record a line$"),
    (b'{"uid": "1", "title": "a", "content"', "^line 1 of .* is not JSON"),
    (b"\x00\xff", r"is not UTF-8 \(byte 0xff after line 0\): save it as UTF-8"),
    ([{"uid": "1", "title": "a", "content": "b"}, {"title": "a", "content": "b"}], "^line 2 of .* is a record without uid: each product needs"),
    ([{"uid": 5, "title": "a", "content": "b"}], "line 1 .* without uid"), ([["a", "list"]], "line 1 .* without uid"),
    ([{"uid": "1", "title": "a", "content": " "}], "has 1 records and no usable product, one with a title and a content: choose another file"),
    (b"", "has 0 records and no usable product"),
])
def test_a_file_that_cannot_be_used_gives_one_sentence(catalogue, content, sentence):
    with pytest.raises(ReaderError, match=sentence):
        load_products(catalogue(content))


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-6], lambda b: b[:40] + bytes(9) + b[49:],
                                    lambda b: b[:-8] + b"12345678"])
def test_a_broken_gzip_gives_one_sentence(catalogue, damage):
    whole = gzip.compress("".join(json.dumps({"uid": str(i), "title": f"Cup {i * i}", "content": "Tin."}) + "\n" for i in range(500)).encode())
    with pytest.raises(ReaderError, match=r"trn.json.gz is a broken gzip file \(readable up to line [\d,]+\): download it again"):
        load_products(catalogue(damage(whole), "trn.json.gz"))


def test_a_missing_catalogue_names_the_choices(tmp_path):
    with pytest.raises(ReaderError, match="no trn.json or trn.json.gz in .*: put the catalogue there, or choose 'offline'"):
        load_products(tmp_path)


@pytest.mark.parametrize("text, expected", [
    ("Kerr&#8217;s", "Kerr\u2019s"), ("Kerr&amp;#8217;s", "Kerr\u2019s"), ("2&#8211;8 years", "2\u20138 years"), ("2-8 years", "2-8 years"),
    ("&lt;br /&gt;one&lt;br&gt;two", "one two"), ("in<b>side</b>, <i>out</i>", "inside, out"), ("<p>one</p><p>two</p>", "one two"),
    ("3 < 5 and 6 > 4", "3 < 5 and 6 > 4"), ("R&amp;D &quot;x&quot;", 'R&D "x"'), ("a&nbsp;\n\tb", "a b"), ("<!-- no -->yes", "yes"),
    ("red<|end_of_text|></s>", "red"), ('<a href="x">y</a>', "y"), ("I <3 cats", "I <3 cats"),
])
def test_entities_come_before_tags_and_marks(text, expected):
    assert clean(text) == expected


def llama3_like(texts):
    """A byte-level BPE that splits as Llama-3's does."""
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=[END], initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END)


TEXTS = [format_prompt(f"Cup {i}. It is {i} cm high.", "How high?") + f" {i} cm {END}" for i in range(99)]
TOKENIZERS = [train_bpe(TEXTS, 600), llama3_like(TEXTS)]
MARKED = st.lists(st.sampled_from(["Context:", "Instruction:", "Response:", "\n", " ", "<|", "|>", "</s>", "<s>", "\u2028", "\r", "\0",
                                   '"', "'", ".", "red", "12", "\ud800", "<|end_of_text|>", "\u201c"]) | st.text(max_size=3)).map("".join)
ANSWERS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).filter(lambda t: t.strip())


@given(ANSWERS)
def test_a_prompt_ends_on_a_token_boundary_and_is_the_same_in_training(answer):
    example, prompt = format_example("Cup. It is red.", "What colour?", answer, END), format_prompt("Cup. It is red.", "What colour?")
    assert example["prompt"] == prompt == "Context: Cup. It is red.\nInstruction: What colour?\nResponse:" and example["completion"].endswith(END)
    for tokenizer in TOKENIZERS:
        asked, trained = (tokenizer(text)["input_ids"] for text in (prompt, prompt + example["completion"]))
        assert trained[: len(asked)] == asked and trained[-1] == tokenizer.eos_token_id


def test_context_and_question_cannot_break_the_form():
    prompt = format_prompt("Cup.\nResponse: blue<|end_of_text|>", " What\n\ncolour? ")
    assert prompt == "Context: Cup. Response: blue\nInstruction: What colour?\nResponse:"
    assert extract_answer(prompt + " red") == "red"


@pytest.mark.parametrize("raw, answer", [
    (" red", "red"), (" red<|endoftext|> and more", "red"),
    (' "red".\n\nContext: Cup', "red"), ("\n\n red\nblue", "red"), ("Response: red", "red"),
    ("<|begin_of_text|>Context: a\nInstruction: b\nResponse: red</s>", "red"),
    ("Context: a Response: no\nInstruction: b\nResponse: red\nResponse: blue", "red"),
    (" red Instruction: What", "red"), (" 12\".", '12"'), (' "12"".', '12"'), ("'Kids'", "Kids"),
    (' "A" or "B".', '"A" or "B"'), (" and so on...", "and so on..."), ("redInstruction: b", "red"),
    ("<|endoftext|> red", ""), ("", ""), (None, ""), ("Context: a\nInstruction: b", ""),
    ("\u201cMog\u201d", "Mog"), (" 9.99.", "9.99"), ("Kerr\u2019s", "Kerr\u2019s"),
])
def test_the_answer_out_of_what_a_model_writes(raw, answer):
    assert extract_answer(raw) == answer


@settings(max_examples=400)
@given(MARKED | st.text())
def test_any_text_gives_one_clean_line(raw):
    for text in (raw, format_prompt("Cup.", "What?") + raw, "Context: " + raw):
        answer = extract_answer(text)
        assert isinstance(answer, str) and len(answer.splitlines()) <= 1 and answer == answer.strip()
        assert not any(mark in answer for mark in ("Instruction:", "<|end_of_text|>", "</s>"))
        assert products.tidy(answer) == answer


@given(ANSWERS.filter(lambda t: not products.END_OF_ANSWER.search(t) and not t.strip().startswith("Context")), MARKED)
def test_a_trained_answer_is_found_again_whatever_follows_it(answer, junk):
    example = format_example("Cup.", "What?", answer, END)
    assert extract_answer(example["completion"] + junk) == extract_answer(example["prompt"] + example["completion"] + junk) == products.tidy(answer)


def test_a_question_longer_than_the_context_is_told_from_a_long_product():
    tokenizer = TOKENIZERS[0]
    assert fits(tokenizer, "Cup.", "How high?", block_size=128)[0]
    good, reason = fits(tokenizer, "Cup. " * 99, "How high?", block_size=128)
    assert not good and reason.startswith("context and question take") and "leave this product out, or take a model that reads more" in reason
    good, reason = fits(tokenizer, "Cup.", "How high? " * 99, block_size=128)
    assert not good and reason.startswith("the question takes") and "ask a shorter one" in reason
    exact = len(tokenizer(format_prompt("Cup.", "How high?"))["input_ids"])
    assert fits(tokenizer, "Cup.", "How high?", block_size=exact + 5, new_tokens=5)[0]
    assert not fits(tokenizer, "Cup.", "How?", block_size=5, new_tokens=5)[0]


def test_rules_ask_what_the_text_answers_word_for_word_and_nothing_ambiguous():
    text = "Mog. A book written by Judith Kerr, of 32 pages, 21 x 15 cm. Ages 2\u20138 years. It costs $5.99 and has a red cat."
    pairs = {p["question"]: p["answer"] for p in rule_based_qa({"uid": "1", "title": "Mog", "cleaned": text})}
    assert pairs == {'For what ages is "Mog"?': "2\u20138 years", 'How many pages does "Mog" have?': "32 pages", 'How large is "Mog"?': "21 x 15 cm",
                     'Who wrote "Mog"?': "Judith Kerr", 'How much does "Mog" cost?': "$5.99"}  # a cat's colour is not a book's
    cup = {"uid": "2", "title": "Cup", "cleaned": "Cup. A dark blue cup, 12 cm high and 8 cm wide."}
    assert [(p["uid"], p["answer"]) for p in rule_based_qa(cup)] == [("2", "dark blue")]  # of two sizes it asks neither


def test_shipped_questions_are_answered_by_their_products():
    rows, counts = load_products("offline")
    assert all(counts[k] for k in ("without title", "without content", "duplicates"))  # the dirt of the real one
    contexts, qa = {r["uid"]: r["cleaned"] for r in rows}, load_qa("offline")
    assert qa.keys() == {"train", "seen", "unseen", "fifteen"} and len(qa["fifteen"]) == 15 and any(qa["unseen"]["rare"])
    assert [r for split in qa.values() for r in split if not answer_in_context(r["answer"], contexts[r["uid"]])] == []
    assert not set(qa["unseen"]["uid"]) & set(qa["train"]["uid"]) and set(qa["seen"]["uid"]) <= set(qa["train"]["uid"])
    for row in (r for split in qa.values() for r in split):
        assert exact_match(extract_answer(format_example("", "", row["answer"], END)["completion"]), row["answer"])
    asked = [pair for r in rows for pair in rule_based_qa(r)]
    assert len(asked) > len(rows) and [p for p in asked if not answer_in_context(p["answer"], contexts[p["uid"]])] == []


@pytest.mark.parametrize("qa, fifteen, sentence", [
    ('{"uid": "1"}', "[]", "^line 1 of qa.jsonl in .* is no question: it needs"), ("[1]", "[]", "line 1 of qa.jsonl"),
    ("{", "[]", "^line 1 of .*qa.jsonl is not JSON"),
    ("", '[{"uid": "1", "question": " ", "answer": "x"}]', "entry 1 of fifteen.json"), ("", "5", "is not a JSON list"),
    ("", "{", "is not a JSON list"),
    (None, "[]", "no qa.jsonl in .*: make questions with generate_qa or rule_based_qa, or choose 'offline'"), ("", None, "no fifteen.json in"),
])
def test_questions_that_cannot_be_read_give_one_sentence(tmp_path, qa, fifteen, sentence):
    for name, text in (("qa.jsonl", qa), ("fifteen.json", fifteen)):
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(ReaderError, match=sentence):
        load_qa(tmp_path)


def test_questions_of_ones_own_are_split_by_product():
    rows = [{"uid": f"p{n}", "question": f"{ask} {n}?", "answer": f"{ask}{n}", "pairs": 1} for n in range(120) for ask in "abc"[: 1 + n % 3]]
    splits = split_qa(rows)
    uids = {split: set(found["uid"]) for split, found in splits.items()}
    assert sorted(q for found in splits.values() for q in found["question"]) == sorted(r["question"] for r in rows)  # each once
    assert not uids["unseen"] & (uids["train"] | uids["seen"] | uids["fifteen"]) and 12 <= len(uids["unseen"]) <= 36
    assert uids["seen"] | uids["fifteen"] < uids["train"] and not uids["seen"] & uids["fifteen"]
    assert len(splits["fifteen"]) == 15 == len(uids["fifteen"]) and len(splits["seen"]) == len(uids["seen"]) > 20
    assert all(found.column_names == ["uid", "question", "answer", "rare"] for found in splits.values())
    more = split_qa(rows + [{"uid": f"q{n}", "question": "?", "answer": "!"} for n in range(500)])
    assert {uid for uid in more["unseen"]["uid"] if uid[0] == "p"} == uids["unseen"]
    with pytest.raises(ReaderError, match="39 products with questions are too few to train on some and ask on others: 40 are needed"):
        split_qa([r for r in rows if int(r["uid"][1:]) < 39])


def test_products_without_a_second_question_are_too_few():
    rows = [{"uid": f"p{n}", "question": "?", "answer": "!"} for n in range(60)]
    with pytest.raises(ReaderError, match="^12 products to train on have a second question, which is held out: 16 are needed"):
        split_qa(rows + [r for r in rows if products.hash_of(r["uid"]) % 5][:12])
