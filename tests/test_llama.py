"""The tiny Llama that notebook 04 tunes: what is shipped is what its log and its card say."""

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers.corpora import OFFLINE
from helpers.products import format_prompt, load_products, load_qa
from helpers.runs import REFERENCES, Run
from tools.llama import PLACE, SHAPE, batches, twice

LOGS = [Run(REFERENCES / "04" / f"{name}-s1337.jsonl") for name in ("llama", "llama_further")]
LOG = LOGS[-1]


def test_transformers_takes_it_as_it_is():
    model, tokenizer = AutoModelForCausalLM.from_pretrained(PLACE), AutoTokenizer.from_pretrained(PLACE)
    assert (model.dtype, model.config.model_type, len(tokenizer)) == (torch.float16, "llama", model.config.vocab_size)
    assert tokenizer.decode(tokenizer("Olá, 205 cm!")["input_ids"]) == "Olá, 205 cm!"
    assert len(tokenizer("205")["input_ids"]) == 3 and tokenizer.eos_token_id == model.config.eos_token_id == 0


@torch.no_grad()
def test_it_copies_as_its_log_says():
    model = AutoModelForCausalLM.from_pretrained(PLACE, dtype=torch.float32).eval()
    ids, labels = twice(np.random.default_rng(7), 32, 30, 30)
    guessed = model(ids).logits[:, :-1].argmax(-1)
    counted = labels[:, 1:] != -100
    share = (guessed == labels[:, 1:])[counted].float().mean().item()
    assert abs(share - [row["copied"] for row in LOG.rows if "copied" in row][-1]) < 0.03 and share > 0.9


def test_random_segments_come_twice_and_only_the_second_counts():
    ids, labels = twice(np.random.default_rng(0), 3, 5, 5)
    assert ids.shape == labels.shape == (3, 10) and torch.equal(ids[:, :5], ids[:, 5:]) and ids.min() >= 1
    assert (labels[:, :6] == -100).all() and torch.equal(labels[:, 6:], ids[:, 6:])


def test_a_steps_batch_follows_from_seed_and_step():
    stream = np.arange(1, 5_000, dtype=np.uint16) % SHAPE["vocab_size"]
    (text, labels), (copied, _) = batches(stream, 5_000, 1)
    assert torch.equal(text, labels) and (text[:, 1:] - text[:, :-1]).remainder(SHAPE["vocab_size"]).eq(1).all()
    assert torch.equal(text, batches(stream, 5_000, 1)[0][0]) and not torch.equal(text, batches(stream, 5_001, 1)[0][0])
    assert len(batches(stream, 0, 1)) == 1 and len(copied) < len(text)


def test_every_question_fits_its_context():
    tokenizer, contexts = AutoTokenizer.from_pretrained(PLACE), {p["uid"]: p["cleaned"] for p in load_products("offline")[0]}
    prompts = [format_prompt(contexts[r["uid"]], r["question"]) for rows in load_qa("offline").values() for r in rows]
    assert max(len(ids) for ids in tokenizer(prompts)["input_ids"]) + 24 <= SHAPE["max_position_embeddings"]


def test_it_is_small_and_its_card_has_the_logs_figures():
    assert sum(f.stat().st_size for f in PLACE.iterdir()) < 5_000_000
    assert sum(f.stat().st_size for f in OFFLINE.rglob("*") if f.is_file() and "__pycache__" not in f.parts) < 12_000_000
    card, end = (PLACE / "README.md").read_text(encoding="utf-8"), LOG.end
    assert f"{sum(log.end['tokens'] for log in LOGS):,} tokens" in card and f"Validation loss {end['val_loss']:.3f} nats" in card and "CC0" in card
