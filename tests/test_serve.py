"""Once against a server that no one here wrote: `transformers serve` with a tiny Llama of random weights.

What it says is noise, so what counts is that each product is finished: made or set aside with its reason, asked once.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import torch
from test_asking import finished, lines, products
from transformers import LlamaConfig, LlamaForCausalLM

from helpers.asking import generate_qa
from helpers.runtime import ReaderError
from helpers.tokens import train_bpe

SERVING = all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "opentelemetry"))
TEMPLATE = "{% for m in messages %}{{ m['content'] + '\\n' }}{% endfor %}"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, name of the model) of a running server."""
    folder = tmp_path_factory.mktemp("serve")
    tokenizer = train_bpe([p["cleaned"] for p in products(50)], 300)
    tokenizer.chat_template, tokenizer.pad_token = TEMPLATE, tokenizer.eos_token
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
                                         bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, max_position_embeddings=2048))
    model.generation_config.do_sample = True  # else the server ignores temperature and seed, and repeats one token
    for part in (model, tokenizer):
        part.save_pretrained(folder / "model")
    (folder / "hub").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder / "model"), "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")})
    try:
        for _ in range(600):
            assert server.poll() is None, (folder / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1", str(folder / "model")
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.skipif(not SERVING, reason="needs pip install transformers[serving]")
def test_each_answer_of_a_foreign_server_is_taken_or_set_aside_with_its_reason(served, tmp_path, capsys):
    address, name = served
    settings = {"model": name, "folder": tmp_path, "base_url": address, "timeout": 20, "concurrency": 2, "answer_tokens": 24, "retries": 1}
    _, counts = generate_qa(products(6), **settings)
    assert finished(tmp_path) == [p["uid"] for p in products(6)] and counts["unanswered"] == 0
    aside = lines(tmp_path, "set_aside")
    assert len(aside) == 6 and all(line["reason"] and line["tokens"][0] > 50 for line in aside)
    assert {line["reason"].partition(":")[0] for line in aside} <= {"cut off at the limit of tokens", "malformed", "wrong schema", "empty reply"}
    started = time.monotonic()
    _, counts = generate_qa(products(6), **settings)
    assert counts["made before"] == 6 and counts["set_aside"] == 0 and time.monotonic() - started < 5  # nobody was asked


@pytest.mark.skipif(not SERVING, reason="needs pip install transformers[serving]")
def test_a_model_that_a_foreign_server_does_not_know_is_said(served, tmp_path):
    with pytest.raises(ReaderError, match="see that the server knows the model 'no-such-model'|knows no model 'no-such-model'"):
        generate_qa(products(4), model="no-such-model", folder=tmp_path, base_url=served[0], timeout=20, retries=1)
    assert finished(tmp_path) == []
