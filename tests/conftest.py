"""What the helpers' tests share: one thread, a tiny GPT, a Runtime in a temporary folder, token streams with a pattern to learn."""

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; child processes inherit it, so that results agree to the bit
for name in [n for n in os.environ if n.startswith("GPT_SERIES_")]:
    del os.environ[name]  # a classroom's settings are not the tests'
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pytest
import torch

from helpers.model import GPT, GPTConfig
from helpers.runtime import Runtime

torch.set_num_threads(1)


def make_gpt(seed=0, **settings):
    """A tiny GPT in eval mode, all of whose parameters are random: biases and norms too, so that none can be mixed up unseen."""
    shape = dict(vocab_size=61, block_size=16, n_layer=2, n_head=2, n_embd=32)
    torch.manual_seed(seed)
    model = GPT(GPTConfig(**shape | settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def make_stream(n, seed=0, vocab_size=61):
    """(n,) uint16 tokens: each follows from the one before it by a rule, but for a fifth of them, which are drawn."""
    draw = np.random.default_rng(seed)
    tokens = draw.integers(0, vocab_size, n)
    for i in np.flatnonzero(draw.random(n) < 0.8):
        tokens[i] = (3 * tokens[i - 1] + 1) % vocab_size
    return tokens.astype(np.uint16)


def make_runtime(workspace, dtype=torch.float32, **changes):
    answers = dict(notebook="test", profile="cpu", platform="local", device=torch.device("cpu"), dtype=dtype,
                   dtype_reason="chosen by a test", data="offline", workspace=Path(workspace), seed=1337)
    return Runtime(**answers | changes)


@pytest.fixture
def gpt():
    return make_gpt()


@pytest.fixture
def tokens():
    """(3, 12) token ids for the tiny GPT."""
    return torch.randint(0, 61, (3, 12), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def stream():
    return make_stream(700)


@pytest.fixture
def runtime(tmp_path):
    return make_runtime(tmp_path / "workspace")
