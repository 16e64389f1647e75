# %% [markdown]
# # 01 · A GPT from scratch
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/01_gpt_from_scratch.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/01_gpt_from_scratch.ipynb)
#
# **You will build** a GPT-2 with 4 layers, write its training loop by hand, train it, and let it write.
#
# **Afterwards you can explain** what a token is; what attention computes; where every parameter, FLOP and byte goes; why an untrained
# model's loss is $\ln V$; what one training step does; and how to tell a good number from an impossible one.
#
# The notebook rebuilds a public student project, "GPT-2 - Treinamento do Zero", and learns from what went wrong there.
#
# | profile | for | minutes | memory |
# | --- | --- | --- | --- |
# | `cpu` | a laptop or a class without a GPU, no network | 2.7<!--01.notebook.minutes-->, recorded on 2 cores | 0.6<!--01.cpu.memory_gib--> GiB of RAM, recorded |
# | `t4` | Colab's or Kaggle's free GPU | estimate: 3 to 10, as 40M tokens x 99.3 MFLOP / (10 to 30 % of 65 TFLOP/s) | estimate: 4.4 GiB of GPU memory |
# | `full` | one A100, H100 or H200 | see the budget card in section 6 | see the budget card |

# %%
# @title Setup: finds the helpers (fetches them on Colab and Kaggle) and says where you are
PROFILE = "auto"   # @param ["auto", "cpu", "t4", "full"]
USE_DRIVE = False  # @param {type:"boolean"}
import importlib.util, IPython, os, subprocess, sys
if importlib.util.find_spec("helpers") is None:
    clone = ["git", "clone", "-q", "--depth=1", "https://github.com/OWNER/gpt-in-colab", "gpt-in-colab"]
    tries = [*clone, "--branch=v0.1.0"], clone  # the release; in a copy without its tag, the default branch
    if not os.path.isdir("gpt-in-colab/notebooks") and all(subprocess.run(t, capture_output=True).returncode for t in tries):
        raise IPython.core.error.UsageError("helpers not fetched: switch the internet on, delete any folder gpt-in-colab, run this again")
    sys.path.insert(0, os.path.abspath("gpt-in-colab"))
from helpers.runtime import setup
runtime = setup("01", profile=PROFILE, use_drive=USE_DRIVE)

# %% [markdown]
# The lines above say what this notebook runs on, and what it found in its workspace. If you stop it, or Colab disconnects while the
# workspace is kept on Drive, run all cells again: the training goes on where it was.
#
# Three profiles differ only in scale. Here they stand side by side:

# %% [[helpers/pretrain.py]]
@show helpers/pretrain.py SETTINGS

# %%
from helpers.pretrain import settings_for

config, train_config, train_tokens = settings_for(runtime)
print(config)

# %% [markdown]
# `t4` and `full` have the shape of the original: 4 layers, 256 numbers per token, a context of 256 tokens and GPT-2's vocabulary. Profile
# `cpu` shrinks the model, the vocabulary and the text, so that it trains in 1.5<!--01.cpu.minutes--> minutes (recorded) on two cores.
#
# ## 1 · Text becomes tokens
#
# Look at the data before anything else.

# %%
import html
from IPython.display import HTML, display
from helpers.corpora import load_prose

def quoted(text):
    return HTML(f"<blockquote style='white-space: pre-line'>{html.escape(text)}</blockquote>")

prose = load_prose(runtime.data, max_bytes=runtime.max_bytes or 6 * train_tokens)  # a token is less than 6 bytes of English
for split, rows in prose.items():
    print(f"{split:10} {len(rows):6,} documents, {sum(map(len, rows['text'])):12,} characters")
quoted(prose["train"]["text"][0][:700] + " ...")

# %% [markdown]
# The validation text is kept apart: the model never trains on it. How often does each word occur? Predict it: will the second most
# frequent word come half as often as the first, or a tenth as often?

# %%
import collections, re
from helpers.plots import new_figure

sample = " ".join(prose["train"]["text"][:500]).lower()[:2_000_000]
words = collections.Counter(re.findall(r"[a-z']+", sample)).most_common()
figure, axes = new_figure()
axes.loglog(range(1, len(words) + 1), [n for _, n in words])
axes.set(xlabel="rank of the word", ylabel="times it occurs")
axes.set_title("A few words come all the time, most come rarely", loc="left");

# %%
print(", ".join(f"{word} {n:,}" for word, n in words[:8]))
print(f"{len(words):,} different words; {sum(n < 5 for _, n in words):,} of them occur fewer than 5 times")

# %% [markdown]
# Near a straight line on two logarithmic axes: *Zipf's law*, by which the second word comes about half as often as the first. It decides how text is cut. A vocabulary of whole words would be huge and mostly
# rare. A vocabulary of characters makes the text very long. *Byte-pair encoding* (BPE) lies between: start from characters, and
# join the most frequent pair again and again. On toy text, by hand:

# %%
def most_frequent_pair(pieces):
    pairs = collections.Counter(zip(pieces, pieces[1:]))
    return max(pairs, key=pairs.get)

def merge(pieces, pair):
    joined, i = [], 0
    while i < len(pieces):
        both = tuple(pieces[i : i + 2]) == pair
        joined.append("".join(pair) if both else pieces[i])
        i += 2 if both else 1
    return joined

# %% [[nbval-check-output]]
pieces = list("low lower lowest slow slower slowest")
print(len(pieces), "pieces:", " | ".join(pieces))
for _ in range(6):
    pair = most_frequent_pair(pieces)
    pieces = merge(pieces, pair)
    print(f"{len(pieces)} pieces after joining {pair}")

# %%
print(" | ".join(pieces))

# %% [markdown]
# Six joins, and `low` has become a piece of its own. GPT-2's tokenizer did this 50,000 times on much of the web. The real thing:

# %%
from helpers.tokens import tokenizer_for

tokenizer = tokenizer_for(runtime.data, prose["train"]["text"], config.vocab_size)
sentence = "The storm broke the lamp, but the keeper was not afraid."
ids = tokenizer(sentence)["input_ids"]
print(len(tokenizer), "entries in the vocabulary")
print(" | ".join(tokenizer.decode([i]) for i in ids))
print(ids)

# %% [markdown]
# Common words are one token, with their leading space; rare ones are cut. Nothing can be unknown, as the smallest pieces are
# bytes. Check that no text is lost, and how many bytes a token holds on average:

# %%
strange = "Olá, São Paulo! 你好"
assert tokenizer.decode(tokenizer(strange)["input_ids"]) == strange
print(f"{len(strange)} characters, {len(tokenizer(strange)['input_ids'])} tokens, back again without loss")

# %%
from helpers.tokens import count_bytes, tokenize

streams = tokenize(prose, tokenizer, runtime.workspace / "tokens")
train, validation = streams["train"][:train_tokens], streams["validation"]
print(f"{len(train):,} training tokens, {len(validation):,} validation tokens")
print(f"{count_bytes(validation[:100_000], tokenizer) / len(validation[:100_000]):.2f} bytes per token")

# %% [markdown]
# All documents lie end to end in one *stream*, each closed by the token `<|endoftext|>`. It is cut into *blocks* of `block_size` tokens that do not
# overlap. The *target* of every token is the token after it. See it on a toy stream of 20 tokens:

# %% [[helpers/step.py]]
import functools
import numpy as np
import torch

@show helpers/step.py block_order

@show helpers/step.py batch_at

# %% [[nbval-check-output]]
toy = np.arange(20, dtype=np.uint16)
for step in range(2):
    inputs, targets = batch_at(toy, step, block_size=4, batch_size=2, seed=0)
    for x, y in zip(inputs.tolist(), targets.tolist()):
        print(f"step {step}: {x} -> {y}")

# %% [markdown]
# Every row predicts four tokens at once: after 0 comes 1, after 0 1 comes 2, and so on. Which blocks a step reads follows from the seed and the step
# alone. This is why an interrupted training can go on exactly as if nothing had happened.
#
# ## 2 · Attention
#
# ### Three tokens by hand
#
# A token has to know what stands before it. In *attention* each token asks a question (its *query*), offers a description (its *key*)
# and carries a content (its *value*), all of them short vectors. Take three tokens with vectors of two numbers:

# %% [[nbval-check-output]]
import math

q = torch.tensor([[1.0, 0.0], [0.0, 2.0], [2.0, 2.0]])  # what each token looks for
k = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # what each token offers
v = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])  # what each token says
scores = q @ k.T / math.sqrt(2)                         # (3, 3): row = who asks
print(scores)

# %% [markdown]
# A score says how well a question fits a description. The division by $\sqrt{\text{head size}}$ keeps scores from growing with the length
# of the vectors. A token must not see the future, so scores above the diagonal become $-\infty$:

# %% [[nbval-check-output]]
future = torch.ones(3, 3, dtype=torch.bool).triu(1)
weights = scores.masked_fill(future, -torch.inf).softmax(-1)
print(weights)

# %% [markdown]
# Each row sums to one. Row 0 can only look at itself. The output of a token is the mean of the values, weighted by its row:
# $\text{softmax}(QK^\top / \sqrt{d_{head}})\,V$. PyTorch has one call for all of it, the fast one:

# %% [[nbval-check-output]]
import torch.nn.functional as F

by_hand = weights @ v
fused = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
print(by_hand)
print("the same:", torch.allclose(by_hand, fused, atol=1e-6))

# %% [markdown]
# ### Many heads
#
# One set of weights per token is little: a word may have to find its subject and its adjective at once. So the width is split into *heads*
# that attend separately. This is the class that the whole series uses; `cache` is for section 9.

# %% [[helpers/model.py]]
from torch import nn

@show helpers/model.py CausalSelfAttention

# %% [markdown]
# Between attentions, each token is worked on by itself: a layer four times as wide, a smooth threshold (GELU), and back.

# %% [[helpers/model.py]]
@show helpers/model.py MLP

# %% [markdown]
# A *block* is the two of them. Both *add* to the stream of vectors `x`, so that what was known is kept, and both read it after a
# normalisation (mean 0, variance 1).

# %% [[helpers/model.py]]
@show helpers/model.py Block

# %% [markdown]
# The model: an embedding for *which* token and one for *where* it stands, a pile of blocks, a last norm, and a score (*logit*) for each entry of the
# vocabulary. The head has no weights of its own: it compares with the token embedding (*tied* weights).

# %% [[helpers/model.py]]
@show helpers/model.py IGNORE

@show helpers/model.py GPT.__init__,_init_weights,features,forward

# %% [markdown]
# That is all of GPT-2. From here on we import it: `helpers/model.py` holds the very same code, and a test keeps it so.

# %%
from helpers.model import GPT, GPTConfig
from helpers.runtime import seed_everything

seed_everything(runtime.seed)
model = GPT(config).to(runtime.device).eval()  # no dropout until `fit` switches it on
tokens = torch.tensor([ids], device=runtime.device)
logits, _ = model(tokens)
print(tuple(tokens.shape), "->", tuple(logits.shape))

# %% [markdown]
# One sentence in; for each of its tokens, one logit per entry of the vocabulary out.
#
# ## 3 · Counting
#
# ### Parameters
#
# Predict it: which part holds the most parameters, the layers or the vocabulary?

# %%
from helpers.budget import count_parameters
from helpers.plots import bar_chart

parts = count_parameters(config)
assert parts["total"] == sum(p.numel() for p in model.parameters())
bar_chart(parts, title=f"{parts['total']:,} parameters", unit="thousand parameters", scale=1e3);

# %% [markdown]
# The formula and the model agree to the unit. Now the original project: it published **15,103,616** parameters, and described a GPT-2 with a 4x
# MLP. Take both apart:

# %% [[nbval-check-output]]
V, n, d, L = 50_304, 256, 256, 4
square = d * d + d                   # a layer of d x d with its bias
norms = L * 4 * d + 2 * d
published = V * d + n * d + L * (4 * square + 4 * square) + norms + V
described = count_parameters(GPTConfig(V, n, L, 4, d))["total"]
print(f"published: {published:,}")
print(f"described: {described:,}")

# %% [markdown]
# The published figure is exact, for what its code builds: an "MLP" of four $256 \times 256$ layers in place of 256 → 1024 → 256, and an output bias
# of 50,304. The architecture of its text has 16,102,912. A count that you can take apart is a test of the code.
#
# ### FLOPs
#
# A matrix product of $(a \times b)$ and $(b \times c)$ takes $2abc$ floating-point operations. Per token and layer: queries, keys and values $6d^2$, scores
# $2nd$, weighted sum $2nd$, projection $2d^2$, MLP $16d^2$; and once the head, $2dV$. The backward pass costs twice the forward pass.

# %%
from helpers.budget import flops_per_token

terms = flops_per_token(config)
bar_chart(terms, title=f"{terms['total'] / 1e6:.1f} MFLOP to train on one token", unit="MFLOP", scale=1e6, digits=2);

# %% [markdown]
# Work follows the matrices: a large vocabulary makes the head the longest bar, a small one the MLP. Does arithmetic match reality? PyTorch can count the operations that it runs:

# %%
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

x, y = (t.to(runtime.device) for t in batch_at(train, 0, block_size=config.block_size, batch_size=2, seed=0))
with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the fused kernel is not counted on a CPU
    model(x, y)[1].backward()
model.zero_grad()
print(f"estimated {terms['total'] * x.numel():,}\ncounted   {counter.get_total_flops():,}")
print(f"ratio     {terms['total'] * x.numel() / counter.get_total_flops():.3f}")

# %% [markdown]
# A ratio of 1.000: no term is forgotten. In a layer each term grows with $d^2$, except two: scores and weighted sum grow with $n$. Over a sequence of $n$ tokens the whole model costs
# $O(L\,(n^2 d + n d^2))$. The $n^2$ should be visible in a clock. Measure one layer, at contexts that double:

# %%
import time

def seconds(f, repeats=5):
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        f()
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)  # the fastest is the least disturbed

# %%
from helpers.model import Block
from helpers.plots import scaling_chart

contexts = [256, 512, 1024, 2048, 4096, 8192]
layer = Block(GPTConfig(block_size=max(contexts), n_embd=64, n_head=4)).to(runtime.device).eval()
with torch.no_grad():
    layer(torch.randn(1, 8192, 64, device=runtime.device))  # the first call allocates memory: do not time it
    measured = [1000 * seconds(lambda: layer(torch.randn(1, n, 64, device=runtime.device))) for n in contexts]
powers = np.stack([np.array(contexts), np.array(contexts) ** 2.0], axis=1)
weight = 1 / np.array(measured)  # every point counts by its relative error
(a, b), *_ = np.linalg.lstsq(powers * weight[:, None], np.ones(len(contexts)), rcond=None)
scaling_chart(contexts, measured, linear=a, quadratic=b);

# %%
print(f"time = {a * 1e3:.2f} us x n + {b * 1e6:.2f} ns x n^2")
for short, long in ((0, 1), (4, 5)):
    print(f"from n = {contexts[short]} to {contexts[long]} the time grew {measured[long] / measured[short]:.1f} times")

# %% [markdown]
# Doubling a short context doubles the time; doubling a long one costs more: there the $n^2$ term takes over.
#
# ### Memory
#
# Training holds the weights, their gradients, two averages per weight for AdamW, and the *activations*: what the forward pass must keep for the
# backward pass. Last, logits: one number per token *and* vocabulary entry.

# %%
from helpers.budget import gib, memory_by_term

memory = memory_by_term(config, train_config.batch_size, runtime.dtype)
bar_chart(memory, title=f"{gib(memory['total'])} to train on {train_config.batch_size} sequences at once", unit="MiB", scale=2**20);

# %% [markdown]
# Two of the bars belong to the activations. Check them: PyTorch lets us watch every tensor that it keeps for the backward pass.

# %%
kept = {}

def watch(tensor):
    storage = tensor.untyped_storage()
    kept[storage.data_ptr()] = storage.nbytes()  # a dict: a tensor that is kept twice is stored once
    return tensor

weights_of_model = {p.untyped_storage().data_ptr() for p in model.parameters()}
with torch.autograd.graph.saved_tensors_hooks(watch, lambda tensor: tensor):
    _, loss = model(x, y)
measured_bytes = sum(size for pointer, size in kept.items() if pointer not in weights_of_model)

# %%
two = memory_by_term(config, 2, torch.float32)
estimate = two["activations"] + two["logits"] / 3  # of the three copies of the logits, one waits for the backward pass
print(f"estimated {gib(estimate)}, kept {gib(measured_bytes)}, ratio {estimate / measured_bytes:.2f}")

# %% [markdown]
# A ratio near 1 again: the formula knows what waits for the backward pass.
#
# ### MFU
#
# *Model FLOPs utilisation* is the share of the hardware's peak that the model's own arithmetic uses: tokens per second times FLOPs per token, divided by the
# peak of the data sheet. We know the peaks of some cards; for others, and for CPUs, the honest answer is "n/a".

# %%
from helpers.budget import PEAK_FLOPS

for card, peaks in PEAK_FLOPS.items():
    print(f"{card:10}", ", ".join(f"{dtype} {flops / 1e12:,.1f} TFLOP/s" for dtype, flops in peaks.items()))

# %% [markdown]
# The same card is many times faster at 16 bits than at 32: what counts as the peak depends on the dtype.
#
# ### Where an untrained model looks
#
# What should the attention of a model with random weights look like? It has no reason to prefer any token. (A dot stands for a space.)

# %%
from helpers.evaluation import attention_weights
from helpers.plots import attention_chart

labels = [tokenizer.decode([i]).replace(" ", "·") for i in ids]
maps = attention_weights(model, tokens, layer=config.n_layer - 1).cpu()
attention_chart(maps, labels, title="Before training, every token looks at all before it alike");

# %% [markdown]
# Row $i$ spreads $1/i$ on each token up to itself, and nothing on the future. We will look again after the training.
#
# ## 4 · An untrained model knows one thing: nothing
#
# Before training, every one of the $V$ tokens should look equally likely. A uniform guess costs $-\ln(1/V) = \ln V$ nats. So we can predict the very
# first loss, before running anything.

# %% [[nbval-check-output]]
print(f"ln 50,304 = {math.log(50_304):.2f}")

# %%
from helpers.evaluation import mean_loss

reading = dict(block_size=config.block_size, batch_size=16, runtime=runtime)
first_loss = mean_loss(model, validation, max_blocks=train_config.eval_blocks, **reading)
print(f"ln V = {math.log(config.vocab_size):.2f}, loss = {first_loss:.2f}")

# %% [markdown]
# As predicted: the initialisation is healthy, and the loss is computed over the right axis. A first loss far above $\ln V$ is an alarm.
#
# The original reported **13.0** with a vocabulary of 50,304. A model of random weights cannot be that sure of wrong things. Can you guess? Try
# 10.83 × 6/5, then look at how it averaged:

# %% [[nbval-check-output]]
def mean_loss_as_published(losses, n=5):
    total = 0.0
    for i, loss in enumerate(losses):
        if i <= n:            # six batches pass: 0, 1, 2, 3, 4, 5
            total += loss
    return total / n          # divided by five

print(f"{mean_loss_as_published([math.log(50_304)] * 10):.2f}")

# %% [markdown]
# 12.99, the published 13.0. Six losses were added and divided by five, so every loss of that project is 1.2 times too big: its final 5.3 and
# 9.4 are 4.42 and 7.83. A perplexity of $e^{7.83} \approx 2{,}500$ on validation text is not "slight overfitting". `mean_loss` divides by
# the tokens that it summed, so the mistake cannot be made.
#
# What *would* be a bad model's loss? One that knows how often each token comes, but not when, reaches the *unigram entropy*:

# %%
from helpers.evaluation import unigram_entropy

unigram = unigram_entropy(train)
print(f"unigram entropy: {unigram:.2f} nats per token; uniform: {math.log(config.vocab_size):.2f}")

# %% [markdown]
# Remember this number: only below it does a model use the context at all.
#
# And what would be a *perfect* model's? For the stories of profile `cpu` we know: the program that wrote them counted its own choices, 0.20 bits per byte of the
# training stories, and no model that has not learned them by heart can be expected below that.
# For human text nobody knows.
#
# ## 5 · The training step
#
# ### The optimizer
#
# *AdamW* moves each weight by its gradient's running mean, divided by the gradient's running size, and pulls weights towards zero (*weight
# decay*). Biases and norms are left out of the pull: zero is no better place for them.

# %% [[helpers/step.py]]
@show helpers/step.py make_optimizer

# %%
optimizer = make_optimizer(model, train_config)
for group in optimizer.param_groups:
    print(f"weight decay {group['weight_decay']}: {len(group['params'])} tensors, {sum(p.numel() for p in group['params']):,} parameters")

# %% [markdown]
# Nearly all parameters stand in matrices and are pulled; the few in biases and norms are free.
#
# ### The learning rate
#
# AdamW's averages need some steps to mean anything, so the learning rate *warms up*. Later, smaller steps settle into better places, so it follows
# half a *cosine* down.

# %% [[helpers/step.py]]
@show helpers/step.py learning_rate_at

# %%
steps = train_config.steps(len(train), config.block_size)
figure, axes = new_figure(size=(8, 3))
axes.plot([learning_rate_at(step, steps, train_config) for step in range(steps)])
axes.set(xlabel="step", ylabel="learning rate")
axes.set_title(f"Warm-up over {train_config.warmup_steps} steps, then a cosine", loc="left");

# %% [markdown]
# Steep up, gently down: the largest steps come early, the finest last.
#
# ### The step
#
# Forward, loss, backward, clip, update. Three refinements: a batch too large for the memory goes through in *micro-batches* whose gradients add up;
# in float16 the loss is multiplied by a large factor first (the *scaler*), so that small gradients do not become zero; a gradient longer than
# `grad_clip` is shortened, so that one strange batch cannot wreck the model.

# %% [[helpers/step.py]]
from torch.nn.utils import clip_grad_norm_

@show helpers/step.py train_step

# %% [markdown]
# Test it before trusting it. One batch of four, and four micro-batches of one, must give the same gradient:

# %%
import copy, dataclasses

def norm_of_gradient(micro_batch_size):
    clone = copy.deepcopy(model)
    settings = dataclasses.replace(train_config, batch_size=4, micro_batch_size=micro_batch_size)
    x, y = (t.to(runtime.device) for t in batch_at(train, 0, block_size=config.block_size, batch_size=4, seed=0))
    exact = dataclasses.replace(runtime, dtype=torch.float32)  # rounding shall not blur the comparison
    loss, norm = train_step(clone, make_optimizer(clone, settings), torch.amp.GradScaler(enabled=False), x, y,
                            config=settings, runtime=exact)
    return norm.item()

print(f"4 at once: {norm_of_gradient(4):.4f}   1 + 1 + 1 + 1: {norm_of_gradient(1):.4f}")

# %% [markdown]
# The same norm, so memory is no limit on the batch size. And a model that cannot learn one batch by heart will not learn a language. Twenty steps on the same batch:

# %%
clone, scaler = copy.deepcopy(model), torch.amp.GradScaler(enabled=runtime.dtype == torch.float16)
settings = dataclasses.replace(train_config, batch_size=4)
optimizer = make_optimizer(clone, settings)
x, y = (t.to(runtime.device) for t in batch_at(train, 0, block_size=config.block_size, batch_size=4, seed=0))
losses = [train_step(clone, optimizer, scaler, x, y, config=settings, runtime=runtime)[0].item() for _ in range(runtime.steps or 20)]
print(" ".join(f"{loss:.2f}" for loss in losses))

# %% [markdown]
# The loss falls: gradients arrive everywhere. Now the real thing.
#
# ## 6 · The budget, before the run
#
# Say what it will cost before paying. The card multiplies the counts of section 3 with the length of the run, and times a few steps on a copy of the model.

# %%
from helpers.budget import budget

card = budget(model, train_config, runtime, len(train))
print(card)

# %% [markdown]
# If the card warns, change the settings now; the notebook's own profiles fit where they belong.
#
# Keep a sample of the untrained model, for later:

# %%
prompt = torch.tensor([tokenizer("The")["input_ids"]], device=runtime.device)
before = model.generate(prompt, 40, seed=runtime.seed)
quoted(tokenizer.decode(before[0].tolist()))

# %% [markdown]
# ## 7 · The run
#
# `fit` repeats the step, evaluates on validation text every `eval_every` steps, keeps the best weights, saves checkpoints, and stops early when
# validation no longer improves. The grey band is where recorded runs of this setting lay, with other seeds. Your curve should fall into it.

# %%
from helpers.plots import LiveChart, verdict
from helpers.training import fit

run = fit(model, train, validation, config=train_config, runtime=runtime, on_log=LiveChart())
print(verdict(run))

# %% [markdown]
# The two curves go down together while the model learns language; where the training loss goes on falling and validation does not, it learns *this
# text* by heart. (In profile `cpu` the validation stories have names and turns of phrase of their own, so their loss is higher from the start:
# recorded, 4.60<!--01.cpu.val_loss--> nats over 3<!--01.cpu.seeds--> seeds.) Stop the cell if you like and run it again: it goes on at the step where it was.
#
# ## 8 · Before and after, estimate and measurement
#
# Perplexity is $e^{loss}$: among how many equally likely tokens the model hesitates, in effect. *Bits per byte* divides by the length of the text in
# place of the number of tokens, so that models with other tokenizers compare.

# %%
from helpers.evaluation import bits_per_byte

blocks = min((len(validation) - 1) // config.block_size, train_config.eval_blocks)
scored = blocks * config.block_size  # the tokens that evaluations read
size = count_bytes(validation[1 : scored + 1], tokenizer)
for when, loss in (("before", run.end["first_val_loss"]), ("after", run.end["val_loss"])):
    bits = bits_per_byte(loss, tokens=scored, bytes=size)
    print(f"{when:7} {loss:6.3f} nats per token   perplexity {math.exp(loss):9,.1f}   {bits:.3f} bits per byte")
print(f"unigram {unigram:6.3f} nats per token: what can be had without context")

# %%
after = model.generate(prompt, 120, temperature=0.7, top_p=0.9, seed=runtime.seed)
sample = tokenizer.decode(after[0].tolist())
run.log("result", bits_per_byte=bits, unigram_entropy=unigram, sample=sample, sample_seed=runtime.seed)
quoted(sample)

# %% [markdown]
# Words, sentences, names that return: compare with the noise before training. The attention has changed as well:

# %%
maps = attention_weights(model, tokens, layer=config.n_layer - 1).cpu()
attention_chart(maps, labels, title="After training, heads have learned where to look");

# %% [markdown]
# Was the budget card right?

# %%
import pandas as pd

end = run.end
run.log("budget", tokens=card.tokens, minutes=card.minutes, tokens_per_second=card.tokens_per_second, memory_bytes=card.memory["total"])
used = end["tokens_per_second"] * card.flops_per_token
pd.DataFrame({
    "minutes": [card.minutes, end["seconds"] / 60],
    "tokens per second": [card.tokens_per_second, end["tokens_per_second"]],
    "TFLOP/s": [card.tokens_per_second * card.flops_per_token / 1e12, used / 1e12],
    "memory (GiB)": [card.memory["total"] / 2**30, end["peak_memory_bytes"] / 2**30],
}, index=["estimate", "measured"]).round(3)

# %% [markdown]
# On a CPU the measured memory is that of the whole Python process, libraries included; on a GPU it is what PyTorch allocated. Time differs from
# the card where other programs use the machine, or where the run was stopped early.
#
# The original published a full table of such figures. Its formula for the forward pass, $6NT$, already contains the backward pass; multiplied by three
# again, its MFU came out three times too high. Published, corrected (same run, right arithmetic, attention included), and yours:

# %%
def cost(forward, tokens_per_second, context, peak):
    return {"GFLOP per sequence, forward": forward * context / 1e9, "with backward": 3 * forward * context / 1e9,
            "tokens per second": tokens_per_second, "sequences per second": tokens_per_second / context,
            "TFLOP/s": 3 * forward * tokens_per_second / 1e12,
            "MFU (%)": 100 * 3 * forward * tokens_per_second / peak if peak else float("nan")}

published_forward = 4 * (16 * 256**2 + 4 * 256 * 256) + 2 * 256 * 50_304  # its blocks: 8 d^2 + 8 d^2, and attention

# %%
from helpers.budget import peak_flops

peak = peak_flops(run.header["hardware"], runtime.dtype)
own_forward = flops_per_token(config, training=False)["total"]
table = pd.DataFrame({
    "published": {"GFLOP per sequence, forward": 23.2, "with backward": 69.6, "tokens per second": 10_369, "sequences per second": 40.5,
                  "TFLOP/s": 2.82, "MFU (%)": 4.03},
    "corrected": cost(published_forward, 10_369, 256, 70e12),
    "yours": cost(own_forward, end["tokens_per_second"], config.block_size, peak)})
table.round(2)

# %%
batches, per_batch = 2_848, 32 * 256
losses = pd.DataFrame({
    "published": {"first loss": "13.0", "final training loss": "5.3", "final validation loss": "9.4", "minutes per epoch": "37.5",
                  "FLOP per epoch": "6.34e15", "parameters": "15,103,616"},
    "corrected": {"first loss": "10.83", "final training loss": "4.42", "final validation loss": "7.83", "minutes per epoch": "37.5",
                  "FLOP per epoch": f"{3 * published_forward * batches * per_batch:.2e}", "parameters": f"{described:,} as described"}})
losses["yours"] = [f"{end['first_val_loss']:.2f}", f"{np.mean(run.curve('loss')[1][-20:]):.2f}", f"{end['val_loss']:.2f}",
                   f"{len(train) / end['tokens_per_second'] / 60:.1f}", f"{card.flops_per_token * len(train):.2e}", f"{card.parameters:,}"]
losses

# %% [markdown]
# Losses of models with different vocabularies do not compare; that is what bits per byte are for. "MFU" is empty where no peak is known.
#
# ## 9 · Sampling
#
# The model gives a probability to every next token; *sampling* draws one. Three knobs change the draw. *Temperature* divides the logits: below 1 the likely gets
# likelier. *Top-k* keeps the k likeliest tokens. *Top-p* keeps the likeliest until their sum reaches p.

# %% [[helpers/generation.py]]
@show helpers/generation.py next_token_probabilities

# %%
from helpers.plots import probability_chart

opening = '"Good morning," said'
with torch.no_grad():
    logits = model(torch.tensor([tokenizer(opening)["input_ids"]], device=runtime.device))[0][:, -1]
top = logits[0].topk(8).indices
knobs = {"as it is": {}, "temperature 0.5": dict(temperature=0.5), "temperature 2": dict(temperature=2.0), "top_k 3": dict(top_k=3),
         "top_p 0.5": dict(top_p=0.5)}
shapes = {name: next_token_probabilities(logits, **settings)[0, top].tolist() for name, settings in knobs.items()}
probability_chart(shapes, [repr(tokenizer.decode([t])) for t in top.tolist()], title=f"{opening} ...");

# %% [markdown]
# The order never changes, the shares do: a low temperature sharpens, a high one flattens, top-k cuts after the third, top-p after as many as make up
# half of the probability. And the text that comes of it:

# %%
ways = {"greedy": dict(temperature=0), "temperature 0.7, top_p 0.9": dict(temperature=0.7, top_p=0.9), "temperature 1.5": dict(temperature=1.5)}
for name, knob in ways.items():
    text = tokenizer.decode(model.generate(prompt, 40, seed=1, **knob)[0].tolist())
    display(quoted(f"{name}: {text}"))

# %% [markdown]
# Greedy text is safe and soon repeats itself; a high temperature invents. Between them lies what we read as natural.
#
# ### The cache
#
# To write token 100, the model reads the 99 before it. Their keys and values have not changed since the last step, so a *KV cache* keeps them.
# What does it save?

# %%
length = runtime.steps or config.block_size - prompt.shape[1]  # a rehearsal is short here too
without = seconds(lambda: model.generate(prompt, length, temperature=0, use_cache=False), repeats=2)
with_cache = seconds(lambda: model.generate(prompt, length, temperature=0), repeats=2)
print(f"without cache {length / without:6.0f} tokens per second")
print(f"with cache    {length / with_cache:6.0f} tokens per second, {without / with_cache:.1f} times as fast")

# %%
same = torch.equal(model.generate(prompt, 60, temperature=0), model.generate(prompt, 60, temperature=0, use_cache=False))
print("the same text:", same)

# %% [markdown]
# The longer the context and the larger the model, the more it saves; the text is the same to the letter.
#
# ## 10 · What the original did
#
# The loss was not its only trouble. "4M tokens" were 4M *characters*, under 1M tokens, cut into windows that overlap: each token was read some 25 times in
# an epoch. And dropout was 0.7: 70 % of the activations were erased. Let us measure both, small: the same number of steps, three ways.

# %%
repeats = 16
few = len(train) // repeats              # a sixteenth of the text ...
stride = config.block_size // repeats    # ... read 16 times, each time a little later: windows that overlap
overlapping = np.concatenate([train[i * stride : i * stride + few] for i in range(repeats)])
arms = {"distinct text": (train, 0.0), "overlapping windows": (overlapping, 0.0), "dropout 0.7": (train, 0.7)}
print(f"{len(train):,} distinct tokens, or {few:,} tokens {repeats} times")

# %%
short = dataclasses.replace(train_config, epochs=1, max_steps=100, warmup_steps=10, eval_every=50, patience=None)
results = {}
for name, (stream, dropout) in arms.items():
    seed_everything(runtime.seed)
    arm = GPT(dataclasses.replace(config, dropout=dropout))
    log = fit(arm, stream, validation, config=short, runtime=runtime)
    results[name] = mean_loss(arm, stream, max_blocks=train_config.eval_blocks, **reading), log.end["val_loss"]

# %%
best = results["distinct text"][1]
rows = [(name, on_training, on_validation, math.exp(on_validation - best)) for name, (on_training, on_validation) in results.items()]
pd.DataFrame(rows, columns=["arm", "training loss", "validation loss", "perplexity / that of distinct text"]).set_index("arm").round(2)

# %% [markdown]
# Overlap flatters the training loss and harms validation: the model sees the same sentences again. Dropout 0.7 starves it. More passes would widen the
# gap. So we count distinct tokens, let no window overlap, and use little dropout (none where the text is read about once).
#
# ## Try it
#
# **1 · Easy, 3 minutes.** GPT-2 "small" has 12 layers, 12 heads, 768 dims, context 1,024 and 50,257 tokens. How many parameters? Work it out from
# section 3, by hand or with a formula of your own (not with `count_parameters`), and put it here:

# %% [[exercise-1]]
my_answer = None

# %% [[check-1]]
known = {None: "fill in my_answer first", 124_439_808: "right", 163_037_184: "you counted the head again: it is tied to the token embedding",
         123_653_376: "the position embedding is missing", 124_356_864: "the biases of the layers are missing",
         124_401_408: "the layer norms are missing: a weight and a bias each", 124_438_272: "the last norm is missing"}
print(known.get(my_answer, "not yet: compare part by part with the bars of section 3"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# V, n, d, L = 50_257, 1_024, 768, 12
# attention = 3 * d * d + 3 * d + d * d + d
# mlp = 4 * d * d + 4 * d + 4 * d * d + d
# my_answer = V * d + n * d + L * (attention + mlp + 4 * d) + 2 * d
# ```
# </details>
#
# **2 · Medium, 10 minutes.** Write top-k yourself: given logits `(V,)`, return them with all but the `k` largest set to $-\infty$.

# %% [[exercise-2]]
def my_top_k(logits, k):
    return logits

# %% [[check-2]]
def diagnose(filtered, wanted=torch.tensor([-math.inf, 3.0, -math.inf, 2.5])):
    if torch.equal(filtered, wanted):
        return "right"
    if (filtered == 0).any():
        return "zero is a logit like any other: what must never be drawn needs -inf"
    kept = int(filtered.isfinite().sum())
    return f"{kept} tokens are left, 2 were wanted" if kept != 2 else "two are left, but not the largest, or their values changed"

try:
    print(diagnose(my_top_k(torch.tensor([1.0, 3.0, -2.0, 2.5]), 2)))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_top_k(logits, k):
#     smallest = logits.topk(k).values[-1]
#     return logits.masked_fill(logits < smallest, -math.inf)
# ```
# </details>
#
# **3 · Hard, 20 minutes.** *Sliding-window attention*: a token sees only itself and the `w - 1` tokens before it. Return the attention weights `(T, T)`
# for queries and keys `(T, head_size)`.

# %% [[exercise-3]]
def my_window_attention(q, k, w):
    return (q @ k.T).softmax(-1)

# %% [[check-3]]
def diagnose_window(weights, w=2):
    T = len(weights)
    distance = torch.arange(T)[:, None] - torch.arange(T)[None]
    mask = (distance >= 0) & (distance < w)
    wanted = (q @ k.T / math.sqrt(2)).masked_fill(~mask, -math.inf).softmax(-1)
    findings = {"right": torch.allclose(weights, wanted, atol=1e-5), "it sees the future": (weights[distance < 0] > 0).any(),
                "it sees too far back": (weights[distance >= w] > 0).any(), "the window is one too short": weights[1, 0] == 0,
                "the rows must sum to one: mask before the softmax": not torch.allclose(weights.sum(-1), torch.ones(T))}
    return next((text for text, found in findings.items() if found), "the scale is missing: divide by the root of head_size")

try:
    print(diagnose_window(my_window_attention(q, k, 2)))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_window_attention(q, k, w):
#     T, head_size = q.shape
#     distance = torch.arange(T)[:, None] - torch.arange(T)[None]
#     allowed = (distance >= 0) & (distance < w)
#     scores = q @ k.T / math.sqrt(head_size)
#     return scores.masked_fill(~allowed, -math.inf).softmax(-1)
# ```
# </details>
#
# ## Recap
#
# - A token is predicted from the tokens before it; attention decides which of them matter.
# - Parameters, FLOPs and memory follow from five numbers: $V, n, d, L$ and the batch.
# - The first loss is $\ln V$; a useful loss lies below the unigram entropy; both are known before training.
# - A step is forward, loss, backward, clip, update. All else is bookkeeping, and it must be exact.
# - Estimate first, then measure, then put both side by side.
#
# Save the model in Hugging Face's format, so that other notebooks and tools can load it:

# %%
folder = run.file.parent / "model_final"
model.save_pretrained(folder, tokenizer)
reloaded = GPT.from_pretrained(folder).to(runtime.device)
print("saved and loaded again:", torch.allclose(reloaded.eval()(tokens)[0], model.eval()(tokens)[0], atol=1e-4))

# %% [markdown]
# Have you run this on a GPU? No T4 has measured this notebook's figures yet. Tick the box to compare the card with your run and to check the GPU's
# arithmetic in a minute; the file that it names holds versions and measurements, nothing of yours.

# %%
# @title Optional: check this GPU, and write one file to send back
CHECK_GPU = False  # @param {type:"boolean"}
if CHECK_GPU:
    from tools.check_gpu import check_gpu
    check_gpu(runtime, run)

# %% [markdown]
# **What comes next.** A model trained from scratch on a small text has never seen a conversation. Notebook 02 takes GPT-2 as OpenAI trained it and teaches it to
# talk.
