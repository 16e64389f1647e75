"""The check against the published perplexity: it passes on those very numbers only, and where it cannot be run it says so."""

import pytest
import torch
import torch.nn.functional as F
from conftest import make_runtime
from test_hub import hub, slept  # noqa: F401 (fixtures)
from transformers import AutoTokenizer, GPT2LMHeadModel

from helpers.hub import load_rows
from helpers.tokens import GPT2
from helpers.wikitext import WIKITEXT
from tools import published


@pytest.fixture
def on_hub(tmp_path, hub):  # noqa: F811
    return make_runtime(tmp_path, data="hub")


def expected():
    """(tokens, perplexity) of the stand-ins, block after block without our window's code; each block's first token is seen by the one before."""
    text = "\n\n".join(load_rows([(WIKITEXT, {"name": "wikitext-2-raw-v1"}, ["text"])], "test")["text"][:])
    ids = AutoTokenizer.from_pretrained(GPT2)(text, return_tensors="pt", verbose=False)["input_ids"][0]
    model, losses = GPT2LMHeadModel.from_pretrained(GPT2), []
    for target in range(1, len(ids), 1_024):
        last = min(target + 1_024, len(ids))
        begin = target - 1 if last - target == 1_024 else max(0, last - 1 - 1_024)
        with torch.no_grad():
            logits = model(ids[None, begin : last - 1]).logits[0, target - 1 - begin :]
        losses.append(F.cross_entropy(logits, ids[target:last], reduction="none"))
    return len(ids), torch.cat(losses).double().mean().exp().item()


def test_another_text_and_model_do_not_pass(on_hub):
    passed, finding = published.check_published(on_hub)
    assert passed is False and finding.endswith("published: 287,644 tokens, about 29.9")


def test_it_measures_what_it_says(on_hub, monkeypatch):
    tokens, perplexity = expected()
    monkeypatch.setattr(published, "TOKENS", tokens)
    for shift, passes in ((0, True), (0.2, False), (-0.2, False)):
        monkeypatch.setattr(published, "PERPLEXITY", perplexity + shift)
        passed, finding = published.check_published(on_hub)
        assert passed is passes and finding.startswith(f"{tokens:,} tokens, perplexity {perplexity:.2f} at stride 1,024")
    monkeypatch.setattr(published, "PERPLEXITY", perplexity)
    monkeypatch.setattr(published, "TOKENS", tokens + 1)
    assert published.check_published(on_hub)[0] is False


def test_what_cannot_be_asked_is_not_run_and_never_passed(on_hub, tmp_path, hub, monkeypatch):  # noqa: F811
    assert published.check_published(make_runtime(tmp_path)) == (None, "no hub")
    assert published.check_published(make_runtime(tmp_path, data="hub", steps=3)) == (None, "a rehearsal")
    hub.fail(GPT2, "gated")
    passed, finding = published.check_published(on_hub)
    assert passed is None and finding.startswith(f"the hub refuses {GPT2}")
    monkeypatch.setattr(published, "answers", lambda: False)
    assert published.check_published(on_hub) == (None, "no hub")
