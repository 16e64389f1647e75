"""Dialogues in blocks: what is counted is told by position, no document is cut or lost, and none sees its neighbour."""

import random

import numpy as np
import pytest
import torch
from conftest import make_runtime
from transformers import GPT2Config, GPT2LMHeadModel

from helpers.corpora import load_dialogues
from helpers.evaluation import token_losses
from helpers.runtime import ReaderError
from helpers.blocks import collate, fill_up, fingerprint_blocks, group_whole, to_blocks
from helpers.tokens import IGNORE, MARKS, add_marks, encode_dialogue, train_bpe

TEXTS = ["the cat sat on the mat , and the dog sat on the cat .", "is that a hat ? no , that 's a mat !"]
THREE = ["is that a cat ?", "no , that 's the dog .", "the dog !"]
LONG = [*THREE, "and the cat ?", "it sat on the mat ."]


def make_gpt2(tokenizer, seed=0, **settings):
    """A tiny GPT-2 of Transformers with large random weights, so that each token it sees makes a difference."""
    torch.manual_seed(seed)
    shape = dict(vocab_size=len(tokenizer), n_positions=64, n_layer=2, n_head=2, n_embd=32, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(GPT2Config(**shape, attn_implementation="sdpa", **settings)).eval()  # "eager" adds a mask of booleans to its scores
    model.loss_type = "ForCausalLM"
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture
def plain():
    """A tokenizer without the marks."""
    return train_bpe(TEXTS * 3, vocab_size=290)


@pytest.fixture
def taught(plain):
    """(tokenizer, model) that know the marks."""
    model = make_gpt2(plain)
    add_marks(plain, model)
    return plain, model


@pytest.fixture
def tokenizer(taught):
    return taught[0]


@pytest.fixture
def model(taught):
    return taught[1]


def block_of(tokenizer, *dialogues, size=64):
    """The one block that these dialogues share."""
    encoded = [encode_dialogue(turns, tokenizer, size) for turns in dialogues]
    return to_blocks(encoded, [list(range(len(encoded)))], size, tokenizer.eos_token_id)[0]


def length(turns, tokenizer):
    return sum(len(tokenizer(words)["input_ids"]) + 2 for words in turns)


def test_marks_are_three_new_tokens_with_the_mean_row(plain):
    model, size = make_gpt2(plain), len(plain)
    before = model.get_input_embeddings().weight.detach().clone()
    assert add_marks(plain, model) == [size, size + 1, size + 2] == plain.convert_tokens_to_ids(list(MARKS))
    after = model.get_input_embeddings().weight
    assert after is model.get_output_embeddings().weight and (len(after), model.config.vocab_size) == (size + 3, size + 3)
    assert torch.equal(after[:size], before) and torch.equal(after[size:], before.mean(0).expand(3, -1))
    assert plain("<|a|>the cat<|over|>")["input_ids"] == [size, *plain("the cat")["input_ids"], size + 2]
    assert plain.decode([size, size + 1, size + 2, 5], skip_special_tokens=True) == plain.decode([5])


def test_marks_that_are_known_stay_as_they_are(taught):
    tokenizer, model = taught
    ids = tokenizer.convert_tokens_to_ids(list(MARKS))
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] += 1  # trained
    before, size = model.get_input_embeddings().weight.detach().clone(), len(tokenizer)
    assert add_marks(tokenizer, model) == ids and len(tokenizer) == size
    assert torch.equal(model.get_input_embeddings().weight, before)


def test_a_fresh_model_gets_its_rows_from_a_tokenizer_that_knows_the_marks(plain):
    fresh = make_gpt2(plain)
    ids = add_marks(plain, make_gpt2(plain))
    assert add_marks(plain, fresh) == ids
    rows = fresh.get_input_embeddings().weight
    assert torch.equal(rows[ids], rows[: ids[0]].mean(0).expand(3, -1)) and len(rows) == len(plain)


@pytest.mark.parametrize("turns", [THREE[:2], THREE])
def test_every_token_but_the_first_is_a_label(tokenizer, turns):
    a, b, over = tokenizer.convert_tokens_to_ids(["<|a|>", "<|b|>", "<|over|>"])
    words = [tokenizer(turn)["input_ids"] for turn in turns]
    expected = [a, *words[0], over, b, *words[1], over, *([a, *words[2], over] if len(turns) == 3 else []), tokenizer.eos_token_id]
    assert encode_dialogue(turns, tokenizer, 64) == {"input_ids": expected, "labels": [-100, *expected[1:]], "cut": 0}
    assert expected.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("whole", [2, 3, 4])
def test_a_long_dialogue_is_cut_at_a_whole_turn(tokenizer, whole):
    kept, one_more = length(LONG[:whole], tokenizer), length(LONG[: whole + 1], tokenizer)
    for size in (kept, one_more - 1):
        found = encode_dialogue(LONG, tokenizer, size)
        assert tokenizer.decode(found["input_ids"]) == "".join(MARKS[n % 2] + words + "<|over|>" for n, words in enumerate(LONG[:whole]))
        assert found["labels"] == [IGNORE, *found["input_ids"][1:]] and found["cut"] == len(LONG) - whole


@pytest.mark.parametrize("turns", [THREE[:2], THREE, LONG])
def test_a_dialogue_that_just_fits_is_not_cut(tokenizer, turns):
    size = length(turns, tokenizer) + 1
    found = encode_dialogue(turns, tokenizer, size)
    assert (len(found["input_ids"]), found["cut"], found["labels"][-1]) == (size, 0, tokenizer.eos_token_id)
    shorter = encode_dialogue(turns, tokenizer, size - 1)  # no room for its end
    assert shorter is None if len(turns) == 2 else shorter["cut"] == 1


def test_a_dialogue_of_which_not_two_turns_fit_is_none(tokenizer):
    assert encode_dialogue(LONG, tokenizer, length(LONG[:2], tokenizer) - 1) is encode_dialogue(["alone"], tokenizer, 64) is None


def test_a_tokenizer_without_the_marks_is_one_sentence(plain):
    with pytest.raises(ReaderError) as error:
        encode_dialogue(THREE, plain, 64)
    assert str(error.value) == "this tokenizer lacks the marks <|a|>, <|b|>, <|over|>: call add_marks(tokenizer, model) first"


@pytest.mark.parametrize("turns", [THREE[:2], THREE, LONG])
def test_the_chat_template_writes_the_same_tokens(tokenizer, turns):
    def ids(messages, **settings):
        return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **settings)["input_ids"]

    messages = [{"role": ("user", "assistant")[n % 2], "content": words} for n, words in enumerate(turns)]
    assert [*ids(messages), tokenizer.eos_token_id] == encode_dialogue(turns, tokenizer, 64)["input_ids"]
    prompt = ids(messages[:-1], add_generation_prompt=True)
    assert prompt == ids(messages)[: len(prompt)] and tokenizer.decode(prompt[-1]) == MARKS[(len(turns) - 1) % 2]


def test_grouping_by_hand():
    assert group_whole([2, 5, 3, 4], 7) == [[1, 0], [3, 2]]
    assert group_whole([7, 7, 1], 7) == [[0], [1], [2]]
    assert group_whole([3, 3, 3, 3], 6) == [[0, 1], [2, 3]]
    assert group_whole([], 7) == []


@pytest.mark.parametrize("seed", range(5))
def test_grouping_keeps_each_document_once_and_no_block_too_full(seed):
    draw = random.Random(seed)
    lengths = [draw.randint(1, 100) for _ in range(200)]
    groups = group_whole(lengths, 100)
    assert sorted(sum(groups, [])) == list(range(200)) and [] not in groups
    fullness = [sum(lengths[i] for i in group) for group in groups]
    assert max(fullness) <= 100 and sorted(fullness)[0] + sorted(fullness)[1] > 100  # no two of them fit into one
    assert groups == group_whole(list(lengths), 100)


def test_the_offline_dialogues_fill_their_blocks():
    dialogues = load_dialogues("offline")["train"]["turns"][:]
    tokenizer = train_bpe([" ".join(turns) for turns in dialogues], vocab_size=1000)
    tokenizer.add_tokens(list(MARKS), special_tokens=True)
    encoded = [found for found in (encode_dialogue(turns, tokenizer, 256) for turns in dialogues) if found]
    lengths = [len(found["input_ids"]) for found in encoded]
    groups = group_whole(lengths, 256)
    assert len(encoded) == len(dialogues) and len(groups) < 0.6 * len(encoded)
    blocks = to_blocks(encoded, groups, 256, tokenizer.eos_token_id)
    assert {block[k].shape for block in blocks for k in block} == {(256,)}
    assert sum((block["documents"] >= 0).sum() for block in blocks) == sum(lengths) > 0.97 * 256 * len(blocks)
    ends = sum((block["labels"] == tokenizer.eos_token_id).sum() for block in blocks)
    assert ends == sum(found["cut"] == 0 for found in encoded)


def test_padding_is_told_by_its_position():
    encoded = [{"input_ids": [5, 6, 0], "labels": [IGNORE, 6, 0]}, {"input_ids": [7, 0], "labels": [IGNORE, 0]}, {"input_ids": [8], "labels": [8]}]
    first, second = to_blocks(encoded, [[1, 0], [2]], 7, pad=0)
    assert first["input_ids"].tolist() == [7, 0, 5, 6, 0, 0, 0]
    assert first["labels"].tolist() == [-100, 0, -100, 6, 0, -100, -100]  # the pad is the token that ends a document
    assert first["documents"].tolist() == [0, 0, 1, 1, 1, -1, -1]
    assert (second["input_ids"].tolist(), second["documents"].tolist()) == ([8, 0, 0, 0, 0, 0, 0], [0, -1, -1, -1, -1, -1, -1])


def test_collate_lets_a_token_see_what_stands_before_it_in_its_document():
    documents = [[0, 0, 1, 1, 1, -1], [0, 0, 0, 0, 0, 0], [0, 1, 2, 2, -1, -1]]
    blocks = [{"input_ids": np.arange(6) + 10 * n, "labels": np.arange(6) - n, "documents": np.array(d)} for n, d in enumerate(documents)]
    batch = collate(blocks)
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 0, 1]]
    assert batch["input_ids"][2].tolist() == [20, 21, 22, 23, 24, 25] and batch["labels"][2].tolist() == [-2, -1, 0, 1, 2, 3]
    expected = [[[row[i] == row[j] and j <= i for j in range(6)] for i in range(6)] for row in documents]
    assert batch["attention_mask"].shape == (3, 1, 6, 6) and batch["attention_mask"].dtype == torch.bool
    assert batch["attention_mask"][:, 0].tolist() == expected
    assert {batch[k].dtype for k in ("input_ids", "labels", "position_ids")} == {torch.int64}


def test_rows_of_different_lengths_are_filled_up_and_lose_nothing(model, tmp_path):
    rows = [{"input_ids": np.arange(1, n + 1), "labels": np.r_[[IGNORE] * 2, 3 : n + 1]} for n in (5, 3, 7)]
    batch, even = fill_up(rows), collate([rows[0], rows[0]])
    assert batch["input_ids"][1].tolist() == [1, 2, 3, 0, 0, 0, 0] and batch["labels"][1].tolist() == [-100, -100, 3, *[-100] * 4]
    assert batch["attention_mask"].sum(1).tolist() == [5, 3, 7] and batch["attention_mask"][1].tolist() == [True] * 3 + [False] * 4
    assert set(even) == {"input_ids", "labels"} and even["labels"].tolist() == [[-100, -100, 3, 4, 5]] * 2
    together, alone = (torch.cat([token_losses(model, fill_up(p), make_runtime(tmp_path)).flatten() for p in parts]) for parts in ([rows], zip(rows)))
    torch.testing.assert_close(together[~together.isnan()], alone[~alone.isnan()], atol=1e-5, rtol=0)


def test_the_fingerprint_tells_where_rows_are_cut():
    row = lambda *ids, labels=None: {"input_ids": np.array(ids), "labels": np.array(labels or ids)}
    sets = [[row(1, 2), row(3)], [row(3), row(1, 2)], [row(1, 2), row(3, labels=[IGNORE])], [row(7, 7), row(7)], [row(7), row(7, 7)]]
    prints = [fingerprint_blocks(rows) for rows in sets]
    assert len(set(prints)) == 5 and prints == [fingerprint_blocks([dict(r) for r in rows]) for rows in sets]


def test_no_document_sees_its_neighbour(tokenizer, model, tmp_path):
    runtime, first, second = make_runtime(tmp_path), ["is that a hat ?", "no !"], THREE
    n, size = length(first, tokenizer) + 1, length(second, tokenizer) + 1
    block, alone = block_of(tokenizer, first, second), block_of(tokenizer, second)
    other = block | {"input_ids": np.concatenate([(block["input_ids"][:n] + 7) % 256, block["input_ids"][n:]])}

    def losses(block):
        found = token_losses(model, collate([block]), runtime)[0]
        return found[n + 1 : n + size] if block is not alone else found[1:size]  # of the second dialogue

    assert torch.isfinite(losses(block)).all()
    torch.testing.assert_close(losses(block), losses(alone), atol=1e-5, rtol=0)
    assert torch.equal(losses(other), losses(block))
    as_one = [b | {"documents": np.zeros(64, dtype=int)} for b in (block, other)]  # the usual causal mask
    assert (losses(as_one[0]) - losses(as_one[1])).abs().min() > 1e-3


def test_padding_changes_nothing(tokenizer, model, tmp_path):
    runtime, size = make_runtime(tmp_path), length(THREE, tokenizer) + 1
    block, full = block_of(tokenizer, THREE), block_of(tokenizer, THREE, size=size)
    other = block | {"input_ids": np.where(block["documents"] < 0, 9, block["input_ids"])}
    losses = [token_losses(model, collate([b]), runtime)[0] for b in (block, other, full)]
    assert torch.isnan(losses[0][size:]).all() and torch.isfinite(losses[0][1:size]).all()
    assert torch.equal(losses[0][1:size], losses[1][1:size])
    torch.testing.assert_close(losses[0][:size], losses[2], atol=1e-5, rtol=0, equal_nan=True)


@pytest.mark.parametrize("training", [True, False])
def test_token_losses_are_those_of_transformers(tokenizer, tmp_path, training):
    model = make_gpt2(tokenizer, resid_pdrop=0.5 if training else 0.0).train(training)
    batch = collate([block_of(tokenizer, THREE[:2], LONG), block_of(tokenizer, THREE)])
    batch["labels"][1, 0] = 5  # nothing predicts it
    losses = token_losses(model, batch, make_runtime(tmp_path))
    counted = batch["labels"] != -100
    counted[:, 0] = False
    assert losses.shape == (2, 64) and model.training is training and not losses.requires_grad
    assert torch.equal(losses.isnan(), ~counted)
    with torch.no_grad():
        found = model.eval()(**batch)
    assert losses.nanmean().item() == pytest.approx(found.loss.item(), rel=1e-6)
    by_hand = -found.logits.log_softmax(-1)[0, 4, batch["labels"][0, 5]]
    assert losses[0, 5].item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert "labels" in batch  # the caller's batch is left whole
