"""Recipes: a model and the way it is trained, one idea more each time, from notebook 01's GPT to its successor.

`benchmarks/ablation.py` records what each is worth; `pretrain --model modern` trains the last one.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from .model import GPT, GPTConfig
from .modern import Modern, ModernConfig
from .muon import Muon
from .step import TrainConfig

OFF = dict(rope=False, rms_norm=False, qk_norm=False, relu2=False, untied=False, softcap=None, value_embeddings=False, x0_skip=False)
BLOCKS = dict(value_embeddings=False, x0_skip=False)  # the modern blocks alone


@dataclass(frozen=True)
class ModernTrainConfig(TrainConfig):
    """Settings of a run with another schedule, and with Muon where asked; rates not named are ``learning_rate`` times the schedule."""

    warm_down: float = 0.5               # share of the steps in which the rate falls, in a straight line, to min_learning_rate
    muon: bool = False                   # Muon for the blocks' matrices, at learning_rate; AdamW for all else, at the rates below
    embedding_rate: float = 0.4          # of token, position and value embeddings
    head_rate: float = 0.004             # of an untied head
    scalar_rate: float = 0.01            # of norms, biases, gates and skips

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.warm_down <= 1:
            raise ValueError(f"warm_down is a share of the steps: above 0 and at most 1, got {self.warm_down}")

    def rate(self, step, steps):
        """Linear warm-up, constant, linear warm-down (Zhai et al., 2022, section 3.4)."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        left = min(1.0, (steps - step) / (self.warm_down * steps))
        return self.min_learning_rate + (self.learning_rate - self.min_learning_rate) * left

    def optimizer(self, model):
        """AdamW as notebook 01's, or Muon with a group a kind of parameter; a group's ``scale`` is its rate over ``learning_rate``."""
        if not self.muon:
            return super().optimizer(model)
        kinds = {"qkv": [], "matrix": [], "embedding": [], "head": [], "scalar": []}
        for name, parameter in model.named_parameters():
            kinds[kind_of(name, parameter)].append(parameter)
        rates = {"embedding": self.embedding_rate, "head": self.head_rate, "scalar": self.scalar_rate}
        groups = [dict(params=kinds["qkv"], muon=True, parts=3), dict(params=kinds["matrix"], muon=True)]
        groups += [dict(params=kinds[kind], scale=rate / self.learning_rate) for kind, rate in rates.items() if kinds[kind]]
        return Muon(groups, lr=self.learning_rate, betas=self.betas, eps=1e-10, weight_decay=self.weight_decay)


def kind_of(name, parameter):
    """What a parameter of a `GPT` or a `Modern` is, by its name."""
    if name.endswith("c_attn.weight"):
        return "qkv"
    if name.endswith(("c_proj.weight", "c_fc.weight")):
        return "matrix"
    if name.endswith(("wte.weight", "wpe.weight", "value.weight")):
        return "embedding"
    return "head" if name.endswith("head.weight") else "scalar"


@dataclass(frozen=True)
class Recipe:
    """``idea``: what is new against the recipe before it. ``switches``: None for a plain GPT. ``train``: settings that differ from the scale's."""

    idea: str
    switches: dict | None
    train: dict | None  # None: notebook 01's cosine


ADAMW = dict(learning_rate=3e-3, min_learning_rate=1.5e-4)
MUON = dict(muon=True, learning_rate=0.02, min_learning_rate=0.001, betas=(0.8, 0.95), weight_decay=0.0, grad_clip=float("inf"), warmup_steps=0)
RECIPES = {
    "baseline": Recipe("notebook 01's GPT: AdamW, warm-up and cosine", None, None),
    "warm_down": Recipe("the rate stays high for half of the run, then falls to 5 %", None, dict(min_learning_rate=1e-4)),
    "muon": Recipe("Muon for the matrices", None, MUON | dict(embedding_rate=0.003, scalar_rate=0.003)),
    "modern": Recipe("modern blocks, with AdamW", BLOCKS, ADAMW),
    "modern_muon": Recipe("modern blocks, with Muon", BLOCKS, MUON),
    "all": Recipe("value embeddings and the skip to the embedding too", {}, MUON),
}


@dataclass(frozen=True)
class Scale:
    """The size of a comparison: the same for each of its recipes. ``train``: the baseline's settings. ``tokens``: of the training text, None: all."""

    model: GPTConfig
    train: TrainConfig
    tokens: int | None = None


SCALES = {  # by profile; cpu: notebook 01's model; t4: 4M tokens; full: 124M parameters
    "cpu": Scale(GPTConfig(vocab_size=2_048, block_size=128, n_layer=4, n_head=4, n_embd=128),
                 TrainConfig(batch_size=8, max_steps=120, learning_rate=3e-3, min_learning_rate=3e-4, warmup_steps=6, eval_every=15)),
    "t4": Scale(GPTConfig(), TrainConfig(max_steps=488, learning_rate=2e-3, min_learning_rate=2e-4, warmup_steps=24, eval_every=24), 4_000_000),
    "full": Scale(GPTConfig(block_size=1024, n_layer=12, n_head=12, n_embd=768),
                  TrainConfig(batch_size=64, micro_batch_size=16, max_steps=1_500, learning_rate=6e-4, min_learning_rate=6e-5, warmup_steps=75)),
}


def scale_for(runtime):
    """The profile's `Scale`; a rehearsal without a GPU takes one sequence a step, as a GPU's batch takes a CPU minutes."""
    scale = SCALES[runtime.profile]
    if runtime.steps and runtime.device.type == "cpu":
        scale = dataclasses.replace(scale, train=dataclasses.replace(scale.train, batch_size=1, micro_batch_size=None, eval_blocks=2))
    return scale


def tokens_to_reach(run, loss):
    """Training tokens after which a run's held-out loss was down at ``loss``, on a straight line between evaluations; NaN: never."""
    tokens, losses = run.curve("val_loss")
    below = np.flatnonzero(losses <= loss)
    if not len(below):
        return math.nan
    after = below[0]
    if after == 0:
        return 0.0
    share = (losses[after - 1] - loss) / (losses[after - 1] - losses[after])
    return tokens[after - 1] + share * (tokens[after] - tokens[after - 1])


def build(name, scale, **changes):
    """(model, training settings) of a recipe at a `Scale`; changes: of the training settings."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: choose one of {', '.join(RECIPES)}")
    recipe, shape = RECIPES[name], dataclasses.asdict(scale.model)
    model = GPT(scale.model) if recipe.switches is None else Modern(ModernConfig(**shape | recipe.switches))
    if recipe.train is None:
        return model, dataclasses.replace(scale.train, **changes)
    return model, ModernTrainConfig(**dataclasses.asdict(scale.train) | recipe.train | changes)
