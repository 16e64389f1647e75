# %% [markdown]
# # 03 · GPT-2 on Wikipedia, and perplexity done right
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/03_wikitext_finetune.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/03_wikitext_finetune.ipynb)
#
# **You will build** a GPT-2 that writes like an encyclopedia: fine-tuned on WikiText with Hugging Face's Trainer, and measured so that others can compare.
#
# **Afterwards you can explain** what transfer learning gives; how a text larger than memory becomes training blocks; what perplexity is, why the same model has five of them, and
# which one a paper means; what each setting of the Trainer does; and what fine-tuning makes a model forget.
#
# The notebook rebuilds a public student project, "GPT-2 Fine-Tuning on Google Colab (2022)", and learns from what went wrong there.
#
# | profile | for | minutes | memory |
# | --- | --- | --- | --- |
# | `cpu` | a laptop or a class without a GPU, no network | 3.0<!--03.notebook.minutes-->, recorded on 2 cores | 1.0<!--03.cpu_full.memory_gib--> GiB of RAM, recorded |
# | `t4` | Colab's or Kaggle's free GPU | estimate: 4 to 11 for each of two trainings, as 4.9M tokens x 0.86 GFLOP / (10 to 30 % of 65 TFLOP/s) | see the budget card in section 4 |
# | `full` | one or several A100, H100 or H200, WikiText-103 | see the budget card | see the budget card |

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
runtime = setup("03", profile=PROFILE, use_drive=USE_DRIVE)

# %% [markdown]
# The profiles differ only in scale. WikiText comes in two sizes: WikiText-2, with about two million words, and WikiText-103, with 103 million. Profile `t4` takes the small one; set `WIKITEXT` to
# 103 and it takes as much of the large one as `train_tokens` says.

# %%
from helpers.runtime import PROFILES

SETTINGS = {                  # cpu       t4                        full
    "base":                   (None,      "openai-community/gpt2",  "openai-community/gpt2"),  # None: the project's own tiny model
    "wikitext":               (2,         2,                        103),
    "block_size":             (256,       1_024,                    1_024),
    "tokens_per_step":        (1_024,     8_192,                    65_536),
    "blocks_per_pass":        (4,         4,                        8),          # smaller needs less memory, the result stays the same
    "train_tokens":           (250_000,   5_000_000,                None),       # at most; None: all
    "validation_tokens":      (16_384,    65_536,                   None),       # for each evaluation
    "window":                 (32,        1_024,                    1_024),      # of the chart of perplexity against stride
    "chart_tokens":           (4_096,     16_384,                   16_384),     # for that chart
    "test_bytes":             (None,      400_000,                  None),       # of the test split, at most
    "epochs":                 (2,         2,                        3),
    "learning_rate":          (3e-3,      1e-4,                     1e-4),
    "eval_every":             (40,        60,                       250),        # steps; a checkpoint as often
    "patience":               (3,         3,                        5),          # evaluations without a new best, then stop
}
settings = {name: values[PROFILES.index(runtime.profile)] for name, values in SETTINGS.items()}
print(settings)

# %%
WIKITEXT = "as the profile says"  # @param ["as the profile says", "2", "103"]
if WIKITEXT.isdigit():
    settings["wikitext"] = int(WIKITEXT)
if runtime.steps and runtime.device.type == "cpu":  # a rehearsal on a CPU: a GPU's batch would take minutes
    settings |= dict(tokens_per_step=settings["block_size"], blocks_per_pass=1, validation_tokens=2_048, chart_tokens=2_048, test_bytes=8_000)
block_size = settings["block_size"]
batch_size = settings["tokens_per_step"] // block_size
print(f"{batch_size} blocks of {block_size} tokens a step, {settings['blocks_per_pass']} a pass; WikiText-{settings['wikitext']}")

# %% [markdown]
# ## 1 · Look at the articles
#
# ### Lines
#
# WikiText is good and featured articles of Wikipedia, published one *line* a row:

# %%
from helpers.wikitext import load_wikitext

max_bytes = runtime.max_bytes or (settings["train_tokens"] and 6 * settings["train_tokens"])  # a token is less than 6 bytes
lines = load_wikitext(runtime.data, size=settings["wikitext"], max_bytes=max_bytes)
for line in lines["train"]["text"][:10]:
    print(repr(line[:100]))

# %%
blank = {split: sum(not line.strip() for line in rows["text"]) / len(rows) for split, rows in lines.items()}
for split, rows in lines.items():
    print(f"{split:10} {len(rows):9,} lines, {blank[split]:.1%} of them blank")

# %% [markdown]
# A third of WikiText's lines is blank, and nearly half in the offline articles, whose sections are short: whoever takes a line for an example trains on nothing that often. Two more things to see. There is a space on both sides of each comma, as in all data that was once cut into words; and
# `@-@`, `@,@` and `@.@` stand for marks *inside* a word or a number.
#
# ### Articles
#
# What belongs together is the article. A title looks like ` = Title = `, a section like ` = = Section = = `. Is that rule enough? Here is a short text with a trap:

# %% [[helpers/wikitext.py]]
import itertools, re

@show helpers/wikitext.py marked_lines

# %% [[nbval-check-output]]
from datasets import Dataset

rows = ["", " = Marn Hill = \n", "", " Marn Hill is 80 m high . \n", "", " = = Games = = \n", "", " Key : G \n", " = Games ; A = \n", " Away . \n"]
for line, begins in marked_lines(Dataset.from_dict({"text": rows})):
    print("title" if begins else "     ", repr(line))

# %% [markdown]
# ` = Games ; A = ` is a piece of a table's key. Only the blank lines around a title tell the two apart. In the part of the real WikiText-2 that our recorded run read, the pattern alone finds
# 89<!--03.real_full.title_like_lines--> titles; there are 82<!--03.real_full.train_articles--> articles. Now the articles:

# %% [[helpers/wikitext.py]]
@show helpers/wikitext.py articles

# %%
for split, rows in lines.items():
    sizes = [len(article["text"].split()) for article in articles(rows)]
    print(f"{split:10} {len(sizes):6,} articles, {sum(sizes):11,} words, {min(sizes):,} to {max(sizes):,} words each")
first = next(articles(lines["train"]))
print(f"\n{first['title']}\n{first['text'][:600]}")

# %% [markdown]
# `articles` is a *generator*: it yields one article at a time and forgets it. This is how a text larger than memory is read.
#
# ### Raw, or with `<unk>`?
#
# WikiText is published twice: *raw*, with all words, and in a version for models that know words only, where each rare word is `<unk>`. The offline articles come in both:

# %% [[nbval-check-output]]
raw, replaced = (load_wikitext("offline", raw=kind)["test"]["text"] for kind in (True, False))
example = next(i for i, line in enumerate(replaced) if line.count("<unk>") >= 3)
print(raw[example][:300], replaced[example][:300], sep="\n")
words = [word for line in replaced for word in line.split()]
print(f"{words.count('<unk>') / len(words):.1%} of the words of the test split are <unk>")

# %% [markdown]
# The rare words are what a text is about. A model that is trained on `<unk>` writes `<unk>`, and its perplexity looks good, as it need not guess the hard words. We take the raw version.
#
# ## 2 · From articles to blocks
#
# ### The base model
#
# *Transfer learning*: a model that has learned from one text starts better on another. Our base was trained on other text than these articles. What does it know, compared with the same model with random weights?

# %%
import torch
from transformers import AutoModelForCausalLM
from helpers.runtime import seed_everything
from helpers.weights import load_base

base, tokenizer = load_base(runtime, settings["base"])
base.generation_config.pad_token_id = tokenizer.eos_token_id
base.to(runtime.device)
seed_everything(runtime.seed)
scratch = AutoModelForCausalLM.from_config(base.config).to(runtime.device)
print(f"{base.num_parameters():,} parameters, {len(tokenizer):,} tokens, positions up to {base.config.n_positions:,}")

# %%
import math
import torch.nn.functional as F

ids = torch.tensor([tokenizer(first["text"])["input_ids"][:block_size]], device=runtime.device)
with torch.no_grad():
    for name, model in (("random weights", scratch), ("base", base)):
        loss = F.cross_entropy(model(ids[:, :-1]).logits[0], ids[0, 1:])
        print(f"{name:15} {loss.item():.2f} nats per token")
print(f"ln V            {math.log(len(tokenizer)):.2f}")

# %% [markdown]
# Random weights know nothing: ln V, as in notebook 01. The base has opinions. On text like its own they help: GPT-2 has read much that looks like an encyclopedia. Our tiny base of profile `cpu` has read stories only, without a heading, a
# figure or a space before a comma, and a confident wrong guess costs more than none: it is *worse* than ln V. Is such a start a lead or a burden? Decide before section 4 shows it.
#
# ### One example per line
#
# Now the data for training. The original took one line for one example, cut it at 512 tokens, and filled it up to the longest line of its batch of two. Count what that does, before you read the table: which share of the
# positions is padding?

# %%
import random

cut_at = min(512, base.config.n_positions)
some = [line if line.strip() else "" for line in lines["train"]["text"][:4_000]]
random.Random(0).shuffle(some)  # the Trainer shuffles
lengths = [len(ids) for ids in tokenizer(some, verbose=False)["input_ids"]]
kept = [min(n, cut_at) for n in lengths]
pairs = [kept[i : i + 2] for i in range(0, len(kept), 2)]
positions = sum(2 * max(pair) for pair in pairs)

# %%
import pandas as pd

per_line = {"blank lines (%)": 100 * lengths.count(0) / len(lengths), "padding (%)": 100 * (1 - sum(kept) / positions),
            "text cut off (%)": 100 * (1 - sum(kept) / sum(lengths)), "tokens a step": sum(kept) / len(pairs),
            "batches of blank lines only (%)": 100 * sum(not any(pair) for pair in pairs) / len(pairs)}
packed = dict.fromkeys(per_line, 0.0) | {"tokens a step": float(settings["tokens_per_step"])}
pd.DataFrame({"one line, one example": per_line, "packed blocks": packed}).round(1)

# %% [markdown]
# Much of the arithmetic is spent on padding, some batches hold nothing at all, and a step learns from so few tokens that its gradient is mostly noise. On the real WikiText-2, recorded:
# 35.0<!--03.real_full.blank_percent--> % blank lines, 40.0<!--03.real_full.padding_percent--> % padding, 1.0<!--03.real_full.cut_percent--> % of the text cut off, 100<!--03.real_full.tokens_a_step--> tokens a step. In packed blocks every position
# holds a token of text.
#
# ### Tokenised once, kept on disk
#
# All articles end to end, each closed by `<|endoftext|>`, make one *stream*. WikiText-103 has over 100 million tokens. As a Python list that is gigabytes; so the text goes through the tokenizer in pieces of a megabyte, and the
# tokens go straight to a file:

# %% [[helpers/tokens.py]]
import numpy as np

@show helpers/tokens.py write_stream

# %%
import time
from datasets import IterableDataset
from helpers.tokens import tokenize

texts = {split: IterableDataset.from_generator(articles, gen_kwargs={"rows": rows}) for split, rows in lines.items()}
started = time.perf_counter()
streams = tokenize(texts, tokenizer, runtime.workspace / "tokens")
for split, stream in streams.items():
    print(f"{split:10} {len(stream):11,} tokens, {stream.nbytes / 1e6:8.1f} MB on disk, {stream.dtype}")
print(f"{time.perf_counter() - started:.1f} seconds; the next time they are found on the disk")

# %% [markdown]
# The file's name holds a checksum of text and tokenizer: other text, other file. It gets its name only when it is whole, so that a half-written one is never taken for it. The file is *memory-mapped*: it looks like an array, and
# the disk is read where the array is touched. See what that means for the size of WikiText-103:

# %%
import psutil

memory = lambda: psutil.Process().memory_info().rss / 1e6
file = runtime.workspace / "large.npy"
np.lib.format.open_memmap(file, mode="w+", dtype=np.uint16, shape=(110_000_000,)).flush()
before = memory()
large = np.load(file, mmap_mode="r")
total = sum(int(large[i : i + block_size].sum()) for i in range(0, len(large), 1_000_000))
print(f"{large.nbytes / 1e6:.0f} MB on disk; opening it and reading {len(large) // 1_000_000} blocks took {memory() - before:.1f} MB of memory")
del large
file.unlink()

# %% [markdown]
# Memory grows with what is touched, not with the file.
#
# ### Blocks
#
# A block is a window of the stream. Nothing is copied until a block is asked for:

# %% [[helpers/blocks.py]]
from helpers.tokens import IGNORE, check_length

@show helpers/blocks.py StreamBlocks

# %% [[nbval-check-output]]
train = StreamBlocks(streams["train"][: settings["train_tokens"]], block_size)
validation = StreamBlocks(streams["validation"][: settings["validation_tokens"]], block_size, "validation")
used = sum(len(train[i]["input_ids"]) for i in range(len(train)))
print(f"{len(train):,} blocks to train on, {len(validation):,} for validation")
print(f"{used:,} of {len(streams['train'][: settings['train_tokens']]):,} tokens stand in a block")

# %% [markdown]
# All but a rest shorter than one block. A block may begin in the middle of a sentence and hold the end of one article and the beginning of the next, with `<|endoftext|>` between them. GPT-2 was trained this way: articles are longer than blocks, so
# there is less to gain from keeping them apart than with the short dialogues of notebook 02.
#
# ## 3 · Perplexity
#
# ### What it is
#
# A model gives every next token a probability. *Perplexity* is the number of equally likely tokens that would be as hard to guess: $\mathrm{PPL} = \exp\big(-\tfrac{1}{n}\sum_i \ln p_i\big)$. Predict
# it: three tokens with probabilities 1/2, 1/4 and 1/8.

# %% [[nbval-check-output]]
p = torch.tensor([1 / 2, 1 / 4, 1 / 8])
print(f"perplexity {torch.exp(-p.log().mean()):.2f}")

# %% [markdown]
# As if the model chose between four tokens each time. It is the exponential of the loss: nothing new, but easier to imagine.
#
# ### With how much context?
#
# A long text does not fit the model's context. Cut it into blocks, and the first token of each block is guessed with hardly any context. Or slide a *window*: move it by `stride` tokens, and score only the tokens that no window has scored
# before. A small stride gives each token more context and costs more passes. These are the windows:

# %% [[helpers/evaluation.py]]
@show helpers/evaluation.py windows_of

# %% [[nbval-check-output]]
for begin, stop, new in windows_of(12, block_size=4, stride=3):
    print(f"reads tokens {begin:2} to {stop - 2:2}, scores {stop - new:2} to {stop - 1:2}")

# %% [markdown]
# Twelve tokens, a window of four that moves by three. The last move is shorter: one token was left. Each of the tokens 1 to 11 is scored once. Now with a model:

# %% [[helpers/evaluation.py]]
from tqdm import tqdm
from helpers.evaluation import check_window, device_of, evaluating

@show helpers/evaluation.py window_losses

# %% [[helpers/evaluation.py]]
@show helpers/evaluation.py perplexity

# %% [markdown]
# Do not trust it; test it. The slow truth asks the model for one token at a time, with exactly the context that the definition gives it:

# %%
def slow_losses(model, tokens, block_size, stride):
    losses = []
    for i in range(1, len(tokens)):
        windows = 0 if i <= block_size else math.ceil((i - block_size) / stride)  # how often the window has moved before it reaches i
        begin = min(block_size + windows * stride, len(tokens) - 1) - block_size
        with torch.no_grad():
            logits = model(tokens[None, max(0, begin) : i].to(runtime.device)).logits[0, -1]
        losses.append(-logits.float().log_softmax(-1)[tokens[i]].item())
    return torch.tensor(losses)

# %%
some = torch.tensor(streams["test"][:100].astype(int))
for window, stride in ((32, 32), (32, 7), (64, 1)):
    fast, slow = window_losses(base, some, block_size=window, stride=stride), slow_losses(base, some, window, stride)
    print(f"window {window}, stride {stride:2}: {len(fast)} tokens scored, largest difference {(fast - slow).abs().max():.0e}, perplexity {fast.mean().exp():.2f}")

# %% [markdown]
# Token by token the same, the last, shorter move of the window included. The first token of all is never scored: nothing stands before it.
#
# Now the price of context. Take a text that the base can read: the test split for GPT-2, with its whole context as the window; for the tiny base, stories like those that it learned from, and a window of 32 tokens, as such a
# small model hardly looks further back.

# %%
from helpers.corpora import load_prose

stories = "\n\n".join(load_prose("offline")["validation"]["text"])
readable = streams["test"] if settings["base"] else np.array(tokenizer(stories, verbose=False)["input_ids"])
few = readable[: settings["chart_tokens"]]
print(f"{len(few):,} tokens, beginning with {tokenizer.decode(few[:12])!r}")

# %%
from helpers.plots import stride_chart

window = settings["window"]
strides = [window // 2**i for i in range(3 if runtime.steps else 6)]
measured = {}
for stride in strides:
    started = time.perf_counter()
    found = perplexity(base, few, block_size=window, stride=stride, batch_size=max(4, 1_024 // window))
    measured[stride] = found, time.perf_counter() - started
stride_chart(measured, title="A smaller stride: better numbers, more passes");

# %%
best, worst = measured[strides[-1]], measured[strides[0]]
print(f"stride {strides[0]}: {worst[0]:.2f} in {worst[1]:.1f} s; stride {strides[-1]}: {best[0]:.2f} in {best[1]:.1f} s")
print(f"{1 - best[0] / worst[0]:.1%} lower for {best[1] / worst[1]:.0f} times the time: the model has not changed")

# %% [markdown]
# The same model and the same text, and yet two numbers. A perplexity without its window and its stride cannot be compared. From here on the window is one block, and the stride half of it.
#
# ### Per what?
#
# Per *token*, says the formula, and every tokenizer cuts differently. Divide the same sum of losses by the number of words or bytes, and the tokenizer drops out. And which text? The raw one has spaces around its commas,
# which no person writes; *detokenised*, the text is as people write it.

# %%
from helpers.wikitext import detokenize

whole = "".join(article["text"] for article in articles(lines["test"]))
text = whole[: settings["test_bytes"]]
forms = {"raw": text, "detokenised": detokenize(text)}
print(f"{len(text):,} of {len(whole):,} characters of the test split")
print(text[200:500], forms["detokenised"][200:480], sep="\n\n")

# %%
def measures(model, text, words):
    tokens = torch.tensor(tokenizer(text, verbose=False)["input_ids"])
    total = window_losses(model, tokens, block_size=block_size, stride=block_size // 2).double().sum().item()
    return {"tokens": len(tokens), "per token": math.exp(total / (len(tokens) - 1)), "per word": math.exp(total / words),
            "bits per byte": total / math.log(2) / len(text.encode())}

words = len(text.split())  # of the raw text, for both forms: the same articles shall be divided by the same number
table = {form: measures(base, written, words) for form, written in forms.items()}
pd.DataFrame(table).T.round(2)

# %% [markdown]
# One model, one set of articles, and six numbers (huge ones for the tiny base, which has never seen such a text). Detokenised text has fewer tokens and is more like what the base has read. Per word the perplexity is far higher than per token, because a word
# is several tokens and costs all of them. When you read "perplexity", ask: per what, on which text, with which stride?
#
# ### The published numbers
#
# For GPT-2 small on the test split of WikiText-2 you will find these:
#
# | source | perplexity | per | text | stride |
# | --- | --- | --- | --- | --- |
# | public reproductions | about 29.9 | token | raw, rows joined by a blank line: 287,644 tokens | 1,024 |
# | the GPT-2 paper, WikiText-2 | 29.41 | word | detokenised by a recipe that was not published | not told |
# | the GPT-2 paper, WikiText-103 | 37.50 | word | the same | not told |
#
# The first can be checked by anyone, and our code must agree with it. The check needs the hub:

# %%
from tools.published import check_published

passed, finding = check_published(runtime)
print({True: "passed", False: "FAILED", None: "not run"}[passed] + ": " + finding)

# %% [markdown]
# The paper's numbers stand here as published. Public attempts to reproduce them have failed, since text and recipe are not known; that they look so near the first line is chance.
#
# ## 4 · Fine-tuning
#
# ### The Trainer's settings, one at a time
#
# The original is a good tour of them. Two of its names are gone; this is what each does:
#
# | the original | today | what it does | here |
# | --- | --- | --- | --- |
# | `learning_rate=5e-5` | the same | the step's size; falls to 0 along a line, by default | higher: a step sees far more tokens |
# | `per_device_train_batch_size=2` | the same | examples a pass and device | `blocks_per_pass` |
# | `per_device_eval_batch_size=2` | the same | the same for the evaluation, which keeps no gradients | `blocks_per_pass` |
# | `num_train_epochs=3` | the same | how often all examples are read | `epochs` |
# | `weight_decay=0.01` | the same | every step shrinks each weight by learning rate x 0.01 of itself | the same |
# | `evaluation_strategy="epoch"` | `eval_strategy` | when the held-out loss is computed | every `eval_every` steps |
# | `logging_steps=10` | the same | how often the loss is noted | every step |
# | `save_steps=500` | the same | how often everything is saved, to go on after a disconnect | every `eval_every` steps |
# | `save_total_limit=2` | the same | how many checkpoints stay | 3: the last two and the best |
# | `load_best_model_at_end=True` | the same | keep the weights of the best evaluation | the same, on validation |
# | `Trainer(tokenizer=)` | `processing_class=` | is saved beside the model | we save it ourselves |
#
# Two of them deserve a number. How many tokens does a step see, and how much does weight decay shrink a weight that gets no gradient at all?

# %%
from helpers.finetuning import FineTuneConfig

config = FineTuneConfig(batch_size=batch_size, micro_batch_size=settings["blocks_per_pass"], epochs=settings["epochs"],
                        learning_rate=settings["learning_rate"], eval_every=settings["eval_every"], patience=settings["patience"])
steps = config.steps(len(train))
original_steps = 3 * len(lines["train"]) // 2
print(f"the original: {original_steps:8,} steps of {per_line['tokens a step']:8,.0f} tokens; a weight keeps {math.exp(-original_steps * 5e-5 / 2 * 0.01):.2%}")
print(f"here:         {steps:8,} steps of {settings['tokens_per_step']:8,} tokens; a weight keeps {math.exp(-steps * config.learning_rate / 2 * 0.01):.2%}")

# %% [markdown]
# (The learning rate is half of its largest value on average.) Weight decay is a slow force: it matters over a hundred thousand steps, hardly over a few hundred.
#
# **Early stopping** is ours: when `patience` evaluations in a row bring no new best validation loss, the training ends. The best weights are kept in any case. All choices are made on the *validation* split. The test split waits
# until section 5, where it is asked once.
#
# ### The budget

# %%
from helpers.finetuning import fine_tune_budget

card = fine_tune_budget(base, train, validation, config=config, runtime=runtime)
print(card)

# %% [markdown]
# ### Two runs, one difference
#
# Same model, same data, same order, same budget: one starts from the base, one from random weights. Predict the curves: where does each start, and do they meet?

# %%
import copy
from helpers.finetuning import fine_tune
from helpers.plots import LiveChart, verdict

offline = runtime.data == "offline"
words, licence = ("the offline articles of GPT in Colab", "cc0-1.0") if offline else ("WikiText (Merity et al., 2016)", "cc-by-sa-3.0")
CARD = f"---\nlicense: {licence}\n---\nA GPT-2 that was fine-tuned on {words} by notebook 03 of that series. It writes like an encyclopedia; what it writes is not true.\n"
common = dict(config=config, runtime=runtime, tokenizer=tokenizer, card=CARD)
runs = {"base": fine_tune(copy.deepcopy(base), train, validation, on_log=LiveChart(), **common)}
print(verdict(runs["base"]))

# %%
runs["random"] = fine_tune(scratch, train, validation, name="random", **common)
print(f"from random weights {runs['random'].end['val_loss']:.3f}, from the base {runs['base'].end['val_loss']:.3f} nats per token")

# %%
from helpers.plots import compare_chart

compare_chart({f"from {'the ' * (name == 'base')}{name}{' weights' * (name == 'random')}": run for name, run in runs.items()},
              title="The same articles, the same budget, another start");

# %%
loss = runs["random"].end["val_loss"]
tokens, losses = runs["base"].curve("val_loss")
reached = next((int(t) for t, value in zip(tokens, losses) if value <= loss), None)
print(f"the run from the base is as good as the other one at its best after {reached or int(tokens[-1]):,} of {int(tokens[-1]):,} tokens")

# %% [markdown]
# This is transfer learning. Even a base that starts *behind*, because the layout surprises it, is in front after a few steps: how words follow each other it need not learn again. And the lead does not melt away within this budget.
#
# ### More than one GPU
#
# The same run from a command line, on one GPU or several, with one settings file:

# %%
from helpers.finetune import Job
from helpers.runtime import shown

job = Job(profile=runtime.profile, data=runtime.data, seed=runtime.seed, base=settings["base"], size=settings["wikitext"], block_size=block_size,
          train_tokens=settings["train_tokens"], validation_tokens=settings["validation_tokens"], tune=config)
job.save(runtime.workspace / "settings.json")
where = shown(runtime.workspace / "settings.json", 3)
print(f"python -m helpers.finetune {where}")
print(f"torchrun --standalone --nproc_per_node=2 -m helpers.finetune {where}")

# %% [markdown]
# The first command finds the run above complete and reads it from its log. The second gives each process its share of every batch; the gradients are averaged, so that the curve is the same. A test holds two processes to that.
#
# ## 5 · Before and after
#
# ### The test, once
#
# Until now no choice has looked at the test split. Beside it stands what the base was good at: stories. What has the model learned, and what has it forgotten?

# %%
load = lambda run: AutoModelForCausalLM.from_pretrained(run.file.parent / "model_final", dtype=torch.float32).to(runtime.device)
models = {"base": base, "tuned": load(runs["base"]), "random, tuned": load(runs["random"])}
pages = {"articles (test)": text, "stories (offline prose)": stories[: len(text)]}
scores = {page: {name: measures(model, written, len(written.split())) for name, model in models.items()} for page, written in pages.items()}

# %%
columns = {(page, unit): {name: row[unit] for name, row in rows.items()} for page, rows in scores.items() for unit in ("per token", "per word", "bits per byte")}
pd.DataFrame(columns).round(2)

# %%
learned, forgotten = (scores[page]["tuned"]["per token"] / scores[page]["base"]["per token"] for page in pages)
print(f"perplexity on articles: {1 - learned:.1%} lower; on stories: {abs(forgotten - 1):.1%} {'higher' if forgotten > 1 else 'lower'}")

# %% [markdown]
# Fine-tuning moves a model: towards the new text, and away from the old. Whoever reports only the first column calls that progress. A smaller learning rate or some of the old text among the new makes the model forget less.
#
# ### Samples
#
# The original asked for 50 tokens after one fixed prompt. How the next token is *chosen* matters as much as the model: the most likely one (greedy), a draw with lower temperature, a draw among the k best, a draw among the
# best that hold 90 % of the probability (top-p), or the most likely sequence of several (beam search).

# %%
PROMPT = "The future of artificial intelligence is"
DECODING = {"greedy": dict(do_sample=False), "temperature 0.7": dict(do_sample=True, temperature=0.7, top_k=0),
            "top-k 50": dict(do_sample=True, top_k=50), "top-p 0.9": dict(do_sample=True, top_p=0.9, top_k=0),
            "beam search, 4 beams": dict(do_sample=False, num_beams=4)}

def continue_prompt(model, prompt=PROMPT, new=50, **decoding):
    batch = tokenizer(prompt, return_tensors="pt").to(runtime.device)
    torch.manual_seed(runtime.seed)
    return tokenizer.decode(model.generate(**batch, max_new_tokens=new, min_new_tokens=new, **decoding)[0], skip_special_tokens=True)

# %%
samples = {name: {how: continue_prompt(models[name], **decoding) for how, decoding in DECODING.items()} for name in ("base", "tuned")}
pd.DataFrame(samples).style.set_properties(**{"text-align": "left", "white-space": "pre-wrap", "max-width": "32em"})

# %% [markdown]
# Do not ask whether it is true: ask whether it looks like an article. And does it repeat itself? *Repetition* here is the share of three-word sequences that stood in the text before:

# %%
from helpers.evaluation import distinct

more = {name: {how: continue_prompt(models[name], new=100, **decoding) for how, decoding in DECODING.items()} for name in ("base", "tuned")}
repetition = {name: {how: 100 * (1 - distinct([written], 3)) for how, written in rows.items()} for name, rows in more.items()}
pd.DataFrame(repetition).round(1).rename_axis("repetition (%)")

# %% [markdown]
# Choosing the most likely token, or sequence, runs in circles: what has been said makes itself more likely. Drawing does not. The most probable text is not the most human one (Holtzman et al., 2020).
#
# ## 6 · What the original did
#
# As printed, the original does not run. Meet its errors one after the other, as its author's readers did. `attempt` raises each for real and prints its first line:

# %%
from transformers import Trainer, TrainingArguments

def attempt(action, cure):
    try:
        action()
        print("it ran")
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[0][:150]}\ncure: {cure}")

attempt(lambda: tokenizer(["A hill .", "A high hill ."], padding=True),
        "GPT-2 has no token for padding; pack, or take the end of text and hide it from the loss by its position")

# %%
def train_with(examples, **changes):
    arguments = TrainingArguments(output_dir=str(runtime.workspace / "original"), max_steps=1, report_to="none", disable_tqdm=True,
                                  use_cpu=runtime.device.type == "cpu", **changes)
    Trainer(model=copy.deepcopy(base), args=arguments, train_dataset=examples, eval_dataset=examples).train()

without_labels = [{"input_ids": train[i]["input_ids"][:32]} for i in range(2)]
attempt(lambda: train_with(without_labels), "give each example labels: for a language model, the tokens themselves")

# %%
attempt(lambda: train_with(without_labels, load_best_model_at_end=True, eval_strategy="epoch", save_strategy="steps", save_steps=500),
        "evaluate and save at the same steps: the best evaluation needs its checkpoint")

# %% [[nbval-check-output]]
attempt(lambda: TrainingArguments(output_dir="original", evaluation_strategy="epoch"), "eval_strategy, since 2024")
attempt(lambda: Trainer(model=base, tokenizer=tokenizer), "processing_class, since 2024")

# %% [markdown]
# Three errors of 2022 and two names that have gone since. An error is the kind side of a mistake: it stops. What the original would have done *after* these cures raises nothing and costs more. First, its examples:
# measure how many tokens of text a second gets through in batches of two lines, and in packed blocks.

# %%
from helpers.blocks import collate

def tokens_per_second(batches):
    model, count = copy.deepcopy(base).train(), 0
    for number, batch in enumerate(batches):
        if number == 2:  # the first two warm up
            count, started = 0, time.perf_counter()
        with runtime.autocast():
            model(**{name: tensor.to(runtime.device) for name, tensor in batch.items()}).loss.backward()
        count += int((batch["labels"] != IGNORE).sum())
    next(model.parameters()).grad.sum().item()  # reading a number waits for the device
    return count / (time.perf_counter() - started)

# %%
def padded(pair):
    rows = [tokenizer(line)["input_ids"][:cut_at] for line in pair]
    longest = max(map(len, rows))
    ids, labels = ([row + [fill] * (longest - len(row)) for row in rows] for fill in (tokenizer.eos_token_id, IGNORE))
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), "attention_mask": torch.tensor(labels) != IGNORE}

few, n = 6 if runtime.steps else 60, settings["blocks_per_pass"]
some = [line if line.strip() else "" for line in lines["train"]["text"][:400]]
as_original = [padded(pair) for pair in zip(some[0::2], some[1::2]) if any(pair)][:few]
as_blocks = [collate([train[n * step + i] for i in range(n)]) for step in range(max(4, few // 6))]
speeds = {"two lines": tokens_per_second(as_original), "packed blocks": tokens_per_second(as_blocks)}
times = speeds["packed blocks"] / speeds["two lines"]
print(f"two lines {speeds['two lines']:,.0f}, packed blocks {speeds['packed blocks']:,.0f} tokens of text per second: {times:.1f} times")

# %% [markdown]
# Second, it chose its best checkpoint on the *test* split and then had nothing left to test with: a number chosen on a split says nothing about new text. Third, it printed no number at all. And it called the 124M model
# "1.5 billion parameters", which are GPT-2 XL's. None of this needs a better model. It needs the measuring of this notebook.
#
# Keep the figures with the run:

# %%
title = re.compile(r" = (?!= ).* = \n?")
found = {"train_articles": sum(begins for _, begins in marked_lines(lines["train"])),
         "title_like_lines": sum(title.fullmatch(line) is not None for line in lines["train"]["text"]),
         "blank_percent": per_line["blank lines (%)"], "padding_percent": per_line["padding (%)"], "cut_percent": per_line["text cut off (%)"],
         "tokens_a_step": per_line["tokens a step"], "packing_times": times}
runs["base"].log("budget", tokens=card.tokens, minutes=card.minutes, tokens_per_second=card.tokens_per_second, memory_bytes=card.memory["total"])
for name, model in (("base", "tuned"), ("random", "random, tuned")):
    rows = {"test": scores["articles (test)"], "prose": scores["stories (offline prose)"]}
    numbers = {f"{page}_{who}_{unit.replace(' ', '_')}": row[key][unit] for page, row in rows.items() for who, key in (("base", "base"), ("tuned", model))
               for unit in ("per token", "per word", "bits per byte")}
    runs[name].log("result", bits_per_byte=rows["test"][model]["bits per byte"], sample=samples["tuned"]["top-p 0.9"], **numbers,
                   **(found | {"strides": {str(stride): row for stride, row in measured.items()}} if name == "base" else {}))

# %% [markdown]
# ## 7 · Save, and read again elsewhere
#
# A model is saved when another process can load it and writes the same text. `model_final/` holds weights, settings, tokenizer and a card. Start a fresh Python and ask it:

# %%
folder = runs["base"].file.parent / "model_final"
program = f"""
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer, model = AutoTokenizer.from_pretrained(sys.argv[1]), AutoModelForCausalLM.from_pretrained(sys.argv[1]).to("{runtime.device}")
batch = tokenizer({PROMPT!r}, return_tensors="pt").to(model.device)
print(tokenizer.decode(model.generate(**batch, max_new_tokens=50, min_new_tokens=50, do_sample=False, pad_token_id=tokenizer.eos_token_id)[0], skip_special_tokens=True))
"""
there = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, encoding="utf-8")
print("the same text:", there.stdout.strip() == samples["tuned"]["greedy"].strip())

# %%
print(there.stdout.strip())
for file in sorted(folder.iterdir()):
    print(f"{file.stat().st_size / 1e3:10,.1f} kB  {file.name}")

# %% [markdown]
# Run the notebook again, and every complete run is read from its log in seconds.
#
# ## Try it
#
# **1 · Easy, 3 minutes.** A model has a loss of 3.2 nats per token, and its tokenizer makes 1.3 tokens of a word. What is its perplexity per word?

# %% [[exercise-1]]
my_answer = None

# %% [[check-1]]
known = {64: "right", 25: "that is per token", 12: "you divided: a word costs all of its tokens, so multiply", 32: "multiply the loss, not the perplexity",
         4: "that is the loss per word; take its exponential"}
print("fill in my_answer first" if my_answer is None else known.get(round(my_answer), "not yet: what does a word cost, in nats?"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_answer = math.exp(3.2 * 1.3)
# ```
# </details>
#
# **2 · Medium, 15 minutes.** Write the slow truth yourself: given n tokens, a window of `block_size` and a `stride`, return for each token from 1 to n - 1 with how many tokens of *context* it is scored. What is the smallest one, beyond the first window?

# %% [[exercise-2]]
def my_contexts(n, block_size, stride):
    return [block_size] * (n - 1)

# %% [[check-2]]
def diagnose(contexts):
    findings = {(1, 2, 3, 4, 2, 3, 4, 2, 3, 4, 4): "right",
                (1, 2, 3, 4, 2, 3, 4, 2, 3, 4, 2): "the last window holds as much as the others: it moves by less, its one new token gets the longest context",
                (1, 2, 3, 4, 1, 2, 3, 1, 2, 3, 1): "the window keeps block_size - stride tokens of context when it moves",
                (1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4): "that is stride 1: the window moves by three at a time"}
    if len(contexts) != 11:
        return "of 12 tokens, 11 are scored: nothing stands before the first"
    if min(contexts) < 1 or max(contexts) > 4:
        return "a token has at least one and at most block_size tokens of context"
    return findings.get(tuple(contexts), "not yet: the first window gives 1, 2, 3, 4; what does the first token of the second window see?")

try:
    print(diagnose(my_contexts(12, 4, 3)))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_contexts(n, block_size, stride):
#     contexts, scored = [], 1
#     while scored < n:
#         stop = min(scored + (stride if contexts else block_size), n)
#         begin = max(0, stop - 1 - block_size)
#         contexts += [token - begin for token in range(scored, stop)]
#         scored = stop
#     return contexts
# ```
# </details>
#
# **3 · Hard, 20 minutes.** In our blocks the first token of each is no label. Make blocks in which every token of the stream but its very first is a label exactly once: return a list of (inputs, targets), both of `block_size` tokens, the target
# of a position being the token after it; a rest is left out.

# %% [[exercise-3]]
def my_blocks(stream, block_size):
    return [(stream[i : i + block_size], stream[i : i + block_size]) for i in range(0, len(stream), block_size)]

# %% [[check-3]]
def diagnose_blocks(blocks, stream=list(range(20, 31)), size=3):
    if blocks == [([20, 21, 22], [21, 22, 23]), ([23, 24, 25], [24, 25, 26]), ([26, 27, 28], [27, 28, 29])]:
        return "right"
    if any(inputs == targets for inputs, targets in blocks):
        return "the target is the token itself: the model would learn to copy; shift by one"
    if any(len(inputs) != size or len(targets) != size for inputs, targets in blocks):
        return "a block has another size: leave the rest out"
    targets = [t for _, block in blocks for t in block]
    if len(targets) != len(set(targets)):
        return "a token is a target twice: blocks overlap by the one token that is a target here and an input there"
    return "a token is no target: the next block begins where this one's last target stands"

try:
    print(diagnose_blocks([(list(x), list(y)) for x, y in my_blocks(list(range(20, 31)), 3)]))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_blocks(stream, block_size):
#     starts = range(0, len(stream) - block_size, block_size)
#     return [(stream[i : i + block_size], stream[i + 1 : i + 1 + block_size]) for i in starts]
# ```
# </details>
#
# ## Recap
#
# - What belongs together is an article, not a line: packed blocks have no padding and cut nothing off.
# - A text larger than memory is read once, in pieces, into a file of tokens that is mapped, not loaded.
# - A perplexity has three companions: per what, on which text, with which stride. Without them it is a number about nothing.
# - Transfer learning is a lead that pre-training gives; and fine-tuning forgets.
# - Choose on validation; ask the test split once.
#
# Have you run this on a GPU? No T4 has measured this notebook's figures yet. Tick the box to compare the card with your run and to check the GPU's
# arithmetic in a minute; the file that it names holds versions and measurements, nothing of yours.

# %%
# @title Optional: check this GPU, and write one file to send back
CHECK_GPU = False  # @param {type:"boolean"}
if CHECK_GPU:
    from tools.check_gpu import check_gpu
    check_gpu(runtime, runs["base"])

# %% [markdown]
# **What comes next.** A model of 8 billion weights does not fit a T4 as it is. Notebook 04 stores it in 4 bits, trains a small part beside it, and lets it answer questions about products.
