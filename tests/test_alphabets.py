"""Alphabets lose nothing, prompts outside them are refused, and what a model wrote is held against what it read."""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import OFFLINE
from helpers.evaluation import bits_per_byte, longest_copy, non_word_share, words_of
from helpers.model import GPTConfig
from helpers.runtime import ReaderError
from helpers.tokens import character_tokenizer, count_bytes, encode_prompt, fitting, pack, tokenizer_for, train_bpe

WORKS = sorted((OFFLINE / "machado").glob("*/*.txt"))


@cache
def text_of(file):
    return file.read_text(encoding="utf-8")


@cache
def alphabet(kind):
    """Characters of all works, or a BPE trained on all but the last."""
    return tokenizer_for("offline", [text_of(f) for f in (WORKS if kind == "characters" else WORKS[:-1])], int(kind) if kind.isdigit() else 0,
                         "bpe" if kind.isdigit() else kind)


@pytest.mark.parametrize("kind", ["characters", "300", "1024"])
@pytest.mark.parametrize("file", WORKS, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_every_work_comes_back_byte_for_byte(kind, file):
    tokenizer = alphabet(kind)
    ids = tokenizer(text_of(file), verbose=False)["input_ids"]
    assert tokenizer.decode(ids).encode() == file.read_bytes()
    assert len(ids) == len(text_of(file)) if kind == "characters" else len(ids) < len(text_of(file))


@given(st.text(alphabet="ãéçÊ ô—“”aB\n\t«\u0301你😀", max_size=60), st.sampled_from([300, 400]))
def test_a_bpe_brings_back_any_text_and_characters_their_own(text, size):
    bpe = trained(size)
    assert bpe.decode(bpe(text)["input_ids"]) == text
    characters = character_tokenizer([text, "x"])
    assert characters.decode(characters(text)["input_ids"]) == text


@cache
def trained(size):
    return train_bpe(["o coração não dói; — disse ele. " * 20], size)


def test_a_larger_alphabet_needs_fewer_tokens_for_the_same_bytes():
    text = text_of(WORKS[0])
    counts = {kind: len(alphabet(kind)(text, verbose=False)["input_ids"]) for kind in ("characters", "300", "1024")}
    assert counts["characters"] > counts["300"] > counts["1024"] > len(text.split())
    for kind in counts:
        stream = pack([alphabet(kind)(text, verbose=False)["input_ids"]], alphabet(kind).eos_token_id)[:-1]
        assert count_bytes(stream, alphabet(kind)) == len(text.encode())


def test_bits_per_byte_of_a_known_distribution():
    """Letters drawn with probabilities 1/2, 1/4, 1/8, 1/8 cost 1.75 bits each; written in two bytes each, half as much a byte."""
    losses = -np.log([0.5, 0.25, 0.125, 0.125])
    loss = float(np.dot(losses, [0.5, 0.25, 0.125, 0.125]))
    assert math.isclose(bits_per_byte(loss, tokens=1_000, bytes=1_000), 1.75)
    assert math.isclose(bits_per_byte(loss, tokens=1_000, bytes=2_000), 0.875)
    assert math.isclose(bits_per_byte(4 * loss, tokens=250, bytes=1_000), 1.75)  # the same text in tokens of four letters


def test_a_prompt_outside_the_alphabet_is_refused():
    tokenizer = character_tokenizer(["abc á"])
    assert encode_prompt(tokenizer, "cab á").tolist() == [tokenizer("cab á")["input_ids"]]
    with pytest.raises(ReaderError, match="^the alphabet lacks 'Z' 'ж': write a prompt with characters of the training text$"):
        encode_prompt(tokenizer, "aZжZ")
    for nothing in (tokenizer, trained(300)):
        with pytest.raises(ReaderError, match="^the prompt is empty: "):
            encode_prompt(nothing, "")
    assert encode_prompt(trained(300), "жZ").shape[1] == 3  # a BPE has all bytes


def test_the_model_has_room_for_the_tokenizer(monkeypatch):
    config = GPTConfig(vocab_size=1_024)
    assert fitting(config, trained(300)) is config  # a margin is kept, as GPT-2's
    assert fitting(dataclasses.replace(config, vocab_size=270), trained(300)).vocab_size == len(trained(300)) > 270
    assert fitting(config, character_tokenizer(["abc"])).vocab_size == 4
    monkeypatch.setattr(type(trained(300)), "__len__", lambda self: 50_257)
    assert fitting(config, trained(300)).vocab_size == 50_304


def test_words_that_are_none():
    vocabulary = set(words_of("Fecharei a porta; não — disse-lhe: dir-lhe-ei."))
    assert vocabulary == {"fecharei", "a", "porta", "não", "disse", "lhe", "dir", "ei"}
    share, unknown = non_word_share("Disse-lhe: A PORTA fê proviciosos 12 não_", vocabulary)
    assert (share, unknown) == (2 / 7, ["fê", "proviciosos"])
    assert non_word_share("não, não", vocabulary) == (0.0, [])
    with pytest.raises(ReaderError, match="no word in '... 12': generate a longer text"):
        non_word_share("... 12", vocabulary)


@given(st.text(alphabet="ab", max_size=25), st.text(alphabet="ab", max_size=25))
def test_the_longest_copy_is_the_longest_of_all_passages(text, source):
    every = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1) if text[i:j] in source]
    found = longest_copy(text, source)
    assert found in text and found in source and len(found) == max(map(len, every), default=0)


def test_a_recited_passage_is_found_whole():
    source = "Uma noite destas, vindo da cidade, encontrei no trem um rapaz aqui do bairro."
    assert longest_copy("xx vindo da cidade, encontrei no barco, um rapaz aqui", source) == " vindo da cidade, encontrei no "
    assert longest_copy(source, source) == source and longest_copy("?", source) == ""
