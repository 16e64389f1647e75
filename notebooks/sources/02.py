# %% [markdown]
# # 02 · GPT-2 learns to converse
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/02_dailydialog_finetune.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/02_dailydialog_finetune.ipynb)
#
# **You will build** a GPT-2 that holds everyday conversations: fine-tuned with Hugging Face's Trainer in three ways, all weights, LoRA, and all weights
# with an 8-bit optimizer.
#
# **Afterwards you can explain** what a loss mask is and how to check it; why padding makes a loss look good and a training slow; how
# dialogues share a block without seeing each other; what LoRA and an 8-bit optimizer save; and how a model learns to stop.
#
# The notebook rebuilds a public student project, "GPT-2 Small Fine-Tuning", and learns from what went wrong there.
#
# | profile | for | minutes | memory |
# | --- | --- | --- | --- |
# | `cpu` | a laptop or a class without a GPU, no network | 4.0<!--02.notebook.minutes-->, recorded on 2 cores | 1.0<!--02.cpu_full.memory_gib--> GiB of RAM, recorded |
# | `t4` | Colab's or Kaggle's free GPU | estimate: 3 to 9 for each of five trainings, as 4.5M tokens x 0.86 GFLOP / (10 to 30 % of 65 TFLOP/s) | see the budget cards in section 5 |
# | `full` | one A100, H100 or H200, GPT-2 medium | see the budget cards | see the budget cards |

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
runtime = setup("02", profile=PROFILE, use_drive=USE_DRIVE, extras="peft bitsandbytes")

# %% [markdown]
# The profiles differ only in scale. `tokens_per_step` is a step's batch: that many tokens, in blocks of `block_size`.

# %%
from helpers.runtime import PROFILES

SETTINGS = {                 # cpu     t4                        full
    "base":                   (None,   "openai-community/gpt2",  "openai-community/gpt2-medium"),  # None: the project's own tiny model
    "block_size":             (256,    1_024,                    1_024),
    "tokens_per_step":        (1_024,  8_192,                    16_384),
    "blocks_per_pass":        (4,      4,                        8),       # smaller needs less memory, the result stays the same
    "dialogues":              (1_100,  None,                     None),    # to train on at most; None: all
    "epochs":                 (2,      3,                        3),
    "learning_rate":          (3e-3,   2e-4,                     1e-4),
    "learning_rate_lora":     (1e-2,   1e-3,                     1e-3),
    "eval_every":             (40,     90,                       90),      # steps; a checkpoint as often
}
settings = {name: values[PROFILES.index(runtime.profile)] for name, values in SETTINGS.items()}
print(settings)

# %%
TRACKER = "tensorboard"  # @param ["none", "tensorboard", "wandb"]
if runtime.steps and runtime.device.type == "cpu":  # a rehearsal on a CPU: a GPU's batch would take minutes
    settings |= dict(tokens_per_step=settings["block_size"], blocks_per_pass=1)
block_size = settings["block_size"]
batch_size = settings["tokens_per_step"] // block_size
print(f"{batch_size} blocks of {block_size} tokens a step, {settings['blocks_per_pass']} a pass; tracker {TRACKER}")

# %% [markdown]
# The original is GPT-2 with 124M parameters, as in `t4`. Profile `cpu` takes a tiny GPT that the project trained on small stories, so that everything below happens in a class without a GPU.
#
# ## 1 · Look at the dialogues
#
# Look at the data before anything else.

# %%
from helpers.corpora import load_dialogues

dialogues = load_dialogues(runtime.data, max_bytes=runtime.max_bytes)
for split, rows in dialogues.items():
    print(f"{split:10} {len(rows):6,} dialogues, {sum(map(len, rows['turns'])):7,} turns")
print()
print("\n".join(f"- {turn}" for turn in dialogues["train"]["turns"][0]))

# %% [markdown]
# Two people who speak in turn. One thing is odd: there is a space before each comma and each full stop. The data went through a program that cuts text into words; GPT-2 learned from text as people write it. A model
# that is tuned on `fine , thanks .` will also answer like this. So we close the gaps first:

# %% [[helpers/corpora.py]]
import re

@show helpers/corpora.py close_up

# %% [[nbval-check-output]]
print(close_up("I ’ m fine , thanks . And you , don ' t you work on Sunday ?"))

# %% [markdown]
# A fine-tuned model is judged on dialogues that it has not seen. Are there any? Predict it: how many dialogues of the validation split also stand in
# the training split?

# %%
from datasets import Dataset, DatasetDict
from helpers.corpora import drop_repeats

closed = {split: [[close_up(turn) for turn in turns] for turns in rows["turns"]] for split, rows in dialogues.items()}
dialogues = DatasetDict({split: Dataset.from_dict({"turns": rows}) for split, rows in closed.items()})
dialogues, counts = drop_repeats(dialogues)
for where, count in counts.items():
    print(f"{count:4} dialogues {where}")
print({split: len(rows) for split, rows in dialogues.items()}, "are left")

# %% [markdown]
# Identical dialogues cross the splits. A model may know these by heart, and the held-out loss would praise it for that. `drop_repeats` keeps what is held out and
# takes the copies out of training. In the real DailyDialog, recorded, 569 dialogues stand twice in training and 68 are shared with validation.
#
# How long are they?

# %%
from helpers.plots import new_figure

turns = [len(t) for t in dialogues["train"]["turns"]]
words = [sum(len(turn.split()) for turn in t) for t in dialogues["train"]["turns"]]
figure, axes = new_figure(1, 2, size=(10, 3.4), sharey=True)
for panel, values, label in zip(axes, (turns, words), ("turns", "words")):
    panel.hist(values, bins=range(min(values), max(values) + 2, max(1, max(values) // 30)))
    panel.set_xlabel(f"{label} of a dialogue")
axes[0].set_ylabel("dialogues")
axes[0].set_title("How long the dialogues of the training split are", loc="left");

# %%
import statistics

print(f"turns: median {statistics.median(turns):.0f}, largest {max(turns)}")
print(f"words: median {statistics.median(words):.0f}, largest {max(words)}")

# %% [markdown]
# Keep the picture in mind: whoever gives each dialogue the room of the longest one wastes most of it. Section 3 measures how much.
#
# ## 2 · A dialogue becomes tokens
#
# ### Marks
#
# A GPT continues text. For a conversation it must know three more things: who speaks, when a turn is over, and when the dialogue is over. We give it three
# tokens of their own, *marks*: `<|a|>` and `<|b|>` say who speaks; `<|over|>` ends a turn, as radio operators say "over" when they hand over. The dialogue
# ends with the token that ended every text in pre-training, `<|endoftext|>`.

# %%
import torch
from helpers.runtime import seed_everything
from helpers.tokens import add_marks
from helpers.weights import load_base

seed_everything(runtime.seed)
base, tokenizer = load_base(runtime, settings["base"])
vocabulary = len(tokenizer)
marks = add_marks(tokenizer, base)
print(f"{base.num_parameters():,} parameters, {vocabulary:,} + {len(marks)} tokens, positions up to {base.config.n_positions:,}")

# %% [markdown]
# The new rows of the embedding begin as the mean of all rows: no token is surprised by a neighbour that it has never met. Training does the rest. This is how a dialogue is written:

# %% [[helpers/tokens.py]]
from helpers.runtime import ReaderError
from helpers.tokens import IGNORE, MARKS

@show helpers/tokens.py encode_dialogue

# %% [[nbval-check-output]]
toy = encode_dialogue(["Good morning!", "Hello, Hilda."], tokenizer, block_size)
print(tokenizer.decode(toy["input_ids"]))
print(len(toy["input_ids"]), "tokens,", sum(label != IGNORE for label in toy["labels"]), "of them counted")

# %% [markdown]
# ### The loss mask, under the microscope
#
# The model is trained to predict each *label*: here, every token but the first, which nothing precedes. A label of -100 is left out of the loss. (In Hugging Face's
# convention a label stands at the place of its own token, and the model compares it with the prediction made one place before.) The microscope shows which is which, for two dialogues that share a block of 32 positions:

# %%
from helpers.plots import microscope
from helpers.blocks import to_blocks

short = [encode_dialogue(t, tokenizer, 32) for t in (["Good morning!", "Hello, Hilda."], ["Is it raining?", "No."])]
[block] = to_blocks(short, [[0, 1]], 32, tokenizer.eos_token_id)
microscope(tokenizer, block["input_ids"], block["labels"])

# %% [markdown]
# Read it from top to bottom. Speaker marks, words and each `<|over|>` are counted: this is how the model learns to hand over. So is the one `<|endoftext|>` at the end
# of each dialogue: this is how it learns to stop. The first token of the second dialogue is not counted, as the first dialogue must not predict it. The grey rows at the end are *padding*: they fill the block up, with the
# same token as the end of a dialogue, and are not counted.
#
# ### The usual mistake
#
# GPT-2 has no token for padding, so most recipes take the end of text for it, and let a ready-made collator hide it from the loss. It hides by *value*. What does that do to the end of the dialogue?

# %% [[nbval-check-output]]
from transformers import DataCollatorForLanguageModeling

tokenizer.pad_token = tokenizer.eos_token
by_value = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": toy["input_ids"]}])["labels"][0]
print("label of the end of dialogue, padding told by value:   ", by_value[-1].item())
print("label of the end of dialogue, padding told by position:", toy["labels"][-1])

# %% [markdown]
# With the padding, the end of every dialogue has left the loss. Such a model never learns to stop, and no error message says so. Ours tells padding by its position, so the end stays.
#
# ## 3 · Padding, measured
#
# ### How much is padding?
#
# Encode all dialogues with the longest context that the model has, and count positions three ways: every dialogue filled up to that context; filled up to the longest
# of its batch of eight; and *packed*, several dialogues in a block. Predict the first share before you run it.

# %%
longest = base.config.n_positions
encoded = [encode_dialogue(t, tokenizer, longest) for t in dialogues["train"]["turns"]]
lengths = [len(e["input_ids"]) for e in encoded if e]
cut = sum(e is not None and e["cut"] > 0 for e in encoded)
print(f"{sum(lengths):,} tokens, {sum(lengths) / len(lengths):.1f} a dialogue, the longest {max(lengths)}")
print(f"{cut} dialogues were cut at a turn to fit {longest}, {encoded.count(None)} left out: no two turns fit")

# %% [markdown]
# To pack, take the longest dialogue first and put each into the fullest block that still has room. No dialogue is cut:

# %% [[helpers/blocks.py]]
import bisect

@show helpers/blocks.py group_whole

# %% [[nbval-check-output]]
print(group_whole([5, 2, 6, 3, 4], block_size=8))

# %% [markdown]
# Lengths 5, 2, 6, 3 and 4 fill blocks of 8: 6 with 2, 5 with 3, and 4 alone. Now all dialogues:

# %%
import pandas as pd

batches = [lengths[i : i + 8] for i in range(0, len(lengths), 8)]
groups = group_whole(lengths, longest)
positions = {f"filled up to {longest:,}": len(lengths) * longest, "filled up to the batch's longest": sum(len(b) * max(b) for b in batches),
             f"packed into blocks of {longest:,}": len(groups) * longest}
padding = {name: 1 - sum(lengths) / count for name, count in positions.items()}
pd.DataFrame({"positions (millions)": {k: v / 1e6 for k, v in positions.items()},
              "padding (%)": {k: 100 * v for k, v in padding.items()}}).round(2)

# %% [markdown]
# Every position costs the same arithmetic, whether it holds a word or nothing. On the real data with GPT-2's context of 1,024, recorded, 87.0<!--02.real_full.padding_filled_percent--> % of the
# positions are padding when each dialogue is filled up, 45.0<!--02.real_full.padding_batch_percent--> % with the batch's longest and 0.2<!--02.real_full.padding_packed_percent--> % when packed.
#
# ### Packed, but not mixed
#
# In a packed block a token must not see another dialogue. The attention mask says who sees whom: row $i$ sees column $j$ where it is dark. Here is the block of the
# microscope:

# %%
from helpers.blocks import collate

batch = collate([block])
figure, axes = new_figure(size=(4.6, 4.2))
axes.imshow(batch["attention_mask"][0, 0], cmap="Blues")
axes.set(xlabel="position that is seen", ylabel="position that looks")
axes.grid(False)
axes.set_title("Each dialogue sees only itself", loc="left");

# %% [markdown]
# Three triangles: two dialogues and the padding. Positions begin at 0 in each dialogue, so that a packed dialogue is for the model the same as one alone. Test it before trusting it: change the words of the
# first dialogue. The loss of the second must not move.

# %%
from helpers.evaluation import token_losses

base.to(runtime.device)
changed = {**block, "input_ids": block["input_ids"].copy()}
changed["input_ids"][1:4] = 7
second = slice(len(short[0]["input_ids"]), len(short[0]["input_ids"]) + len(short[1]["input_ids"]))
for name, mix in (("own dialogue only", False), ("everything before", True)):
    one = {"documents": 0 * block["documents"]} if mix else {}
    before, after = (token_losses(base, collate([{**b, **one}]), runtime)[0, second].nanmean() for b in (block, changed))
    print(f"attention over {name}: loss of the second dialogue {before:.4f}, with other words in the first {after:.4f}")

# %% [markdown]
# With the mask the second dialogue does not notice. Without it, it does: it would train on noise. (Transformers can also be given `position_ids` alone; for GPT-2, in the versions tried here, that does *not* keep packed texts apart.
# The test of this cell is how we know.) What the mixing costs in loss we measure in section 8.
#
# ### What does packing save?
#
# The same model, the same dialogues, three ways to make batches. Time a few training steps of each, and count only real tokens:

# %%
import time

def seconds_of(batches):
    for timed in (False, True):  # the first round warms up
        started = time.perf_counter()
        for blocks in batches:
            batch = {k: v.to(runtime.device) for k, v in collate(blocks).items()}
            with runtime.autocast():
                base(**batch).loss.backward()
        base.zero_grad()
        next(base.parameters()).sum().item()  # reading a number waits for the device
    return time.perf_counter() - started

# %%
rows = [e for e in encoded if e][: 4 if runtime.steps else 32]
fours = [rows[i : i + 4] for i in range(0, len(rows), 4)]
alone, end = [[i] for i in range(4)], tokenizer.eos_token_id
sizes = [len(e["input_ids"]) for e in rows]
packed = to_blocks(rows, group_whole(sizes, longest), longest, end)
ways = {"filled up": [to_blocks(four, alone, longest, end) for four in fours],
        "batch's longest": [to_blocks(four, alone, max(len(e["input_ids"]) for e in four), end) for four in fours],
        "packed": [packed[i : i + 4] for i in range(0, len(packed), 4)]}
speeds = {name: sum(sizes) / seconds_of(batches) for name, batches in ways.items()}
for name, speed in speeds.items():
    print(f"{name:16} {speed:8,.0f} real tokens per second, {speed / speeds['filled up']:.1f} times the first")

# %% [markdown]
# Fewer positions, less time: nearly as many times as there are fewer positions. Nothing was lost for it.
#
# ## 4 · Before the training
#
# ### Blocks for training
#
# The real blocks, with the block size of the settings:

# %%
def blocks_of(rows):
    encoded = [e for turns in rows["turns"] if (e := encode_dialogue(turns, tokenizer, block_size))]
    print(f"{len(encoded):,} of {len(rows):,} dialogues, {sum(e['cut'] > 0 for e in encoded)} of them cut at a turn to fit {block_size} tokens")
    return to_blocks(encoded, group_whole([len(e["input_ids"]) for e in encoded], block_size), block_size, tokenizer.eos_token_id)

train, validation, test = (blocks_of(dialogues[split].select(range(min(len(dialogues[split]), settings["dialogues"] or 10**9))))
                           for split in dialogues)
print(f"{len(train):,} blocks to train on, {len(validation):,} for validation, {len(test):,} for the test at the end")

# %% [markdown]
# ### What does the base model know?
#
# A fair question needs a fair form: the base model has never seen our marks, so we give it the words alone, a turn a line, and count the words alone. Later the tuned models are
# asked for the same words.

# %%
import numpy as np

def plain(block):
    starts = np.diff(block["documents"], prepend=-2) != 0
    keep = starts | ~np.isin(block["input_ids"], marks[:2])
    line = tokenizer("\n")["input_ids"][0]
    ids = np.where(block["input_ids"] == marks[2], line, block["input_ids"])
    ids = np.where(starts, tokenizer.eos_token_id, ids)  # a text of the pre-training began after the end of another
    return {"input_ids": ids[keep], "labels": block["labels"][keep], "documents": block["documents"][keep]}

print(tokenizer.decode(plain(validation[0])["input_ids"][:80]))

# %%
def word_loss(model, blocks):
    losses = []
    for block in blocks[: 4 if runtime.steps else None]:
        words = ~np.isin(block["labels"], [*marks, tokenizer.eos_token_id, IGNORE])
        losses.append(token_losses(model, collate([block]), runtime)[0].cpu()[words])
    return torch.cat(losses).mean().item()

print(f"base model, plain text:      {word_loss(base, [plain(b) for b in validation]):.3f} nats per token of words")
print(f"base model, with our marks:  {word_loss(base, validation):.3f}")

# %% [markdown]
# The first number is what the base model knows of such talk. Marks that it has never seen only disturb it; the training has to beat the better of the two.
#
# ### One starting point
#
# All trainings below begin with the same weights, so save them once, with the tokenizer that knows the marks, and with the *generation settings*: a reply is drawn with
# temperature 0.7 and ends at `<|over|>`, or at the end of the dialogue.

# %%
from transformers import AutoModelForCausalLM
from helpers.weights import save_whole

base.generation_config.update(do_sample=True, temperature=0.7, top_p=0.9, max_new_tokens=60, pad_token_id=tokenizer.eos_token_id,
                              eos_token_id=[marks[2], tokenizer.eos_token_id])
start = runtime.workspace / "start"
save_whole(start, base, tokenizer)

def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(runtime.device)

print(", ".join(sorted(file.name for file in start.iterdir())))

# %% [markdown]
# Files in Hugging Face's format: every library of that world can read them.
#
# ## 5 · Three ways, and what they will cost
#
# **Full**: all weights are trained. AdamW keeps two averages per weight, so that training holds four numbers for each: weight, gradient and these two.
#
# **LoRA** freezes the weights. Beside each matrix $W$ it trains two thin ones, $A$ and $B$, whose product is added: $W + \tfrac{\alpha}{r} BA$. Count it for one
# matrix of GPT-2, 768 × 2,304, with *rank* $r = 16$:

# %% [[nbval-check-output]]
d_in, d_out, r = 768, 2_304, 16
print(f"W: {d_in * d_out:,} weights; A and B: {r * d_in + d_out * r:,}, {(r * d_in + d_out * r) / (d_in * d_out):.1%} of it")

# %% [markdown]
# Three weights in a hundred. The marks are new, so their three rows of the embedding are trained as well. After training, $BA$ is added into $W$, and the
# model is as fast as before.
#
# **8 bit**: all weights, but AdamW's averages are stored in 8 bits: each block of them keeps its largest value, and every number becomes one of 256 levels between. See it on four numbers:

# %% [[nbval-check-output]]
from bitsandbytes.functional import dequantize_blockwise, quantize_blockwise

numbers = torch.tensor([0.001, -0.02, 0.3, 1.0])
levels, state = quantize_blockwise(numbers, blocksize=64)
print("levels:", levels.tolist())
print("back:  ", [round(n, 4) for n in dequantize_blockwise(levels, state).tolist()])

# %% [markdown]
# Small numbers keep their size: the levels are dense near zero. An average that steers a step needs no more. (Embeddings stay in 32 bits: rare words have rare gradients.)
#
# ### The budget
#
# Say what it will cost before paying. The card counts weights, gradients and the optimizer's numbers, watches what a forward pass keeps, and times two passes.

# %%
from helpers.finetuning import FineTuneConfig, fine_tune_budget

configs = {way: FineTuneConfig(way=way, batch_size=batch_size, micro_batch_size=settings["blocks_per_pass"], epochs=settings["epochs"],
                               learning_rate=settings["learning_rate_lora" if way == "lora" else "learning_rate"],
                               eval_every=settings["eval_every"], new_tokens=tuple(marks)) for way in ("full", "lora", "8bit")}
cards = {way: fine_tune_budget(load(start), train, validation, config=config, runtime=runtime) for way, config in configs.items()}
print(cards["full"])

# %%
memory = pd.DataFrame({way: {part: size / 2**20 for part, size in card.memory.items()} for way, card in cards.items()})
memory.loc["minutes"] = [card.minutes for card in cards.values()]
memory.round(1).rename_axis("MiB")

# %%
for way, card in cards.items():
    for warning in card.warnings:
        print(f"{way}: {warning}")
print("cards that warn:", sum(bool(card.warnings) for card in cards.values()), "of", len(cards))

# %% [markdown]
# LoRA saves gradients and the optimizer; 8 bit saves most of the optimizer. What a forward pass keeps is about the same in all three: for short blocks and a small model it is the largest part.
#
# ## 6 · The runs
#
# `fine_tune` hands model, blocks and settings to Hugging Face's `Trainer`. The loop is theirs. Ours are the log, an evaluation that counts each token once, and checkpoints that are checked
# before they are used. These are the Trainer's arguments:

# %% [[helpers/finetuning.py]]
from transformers import TrainingArguments
from helpers.finetuning import optimizer_of

@show helpers/finetuning.py training_arguments

# %% [markdown]
# Beside the weights will lie a *model card*: what it is, what it was trained on, and under which licence. DailyDialog may not be used commercially, and a model trained on it inherits the question.

# %%
offline = runtime.data == "offline"
licence = "cc0-1.0" if offline else "cc-by-nc-sa-4.0"
words = "the offline dialogues of GPT in Colab (CC0)" if offline else "DailyDialog (Li et al., 2017), whose licence is CC BY-NC-SA 4.0"
limits = "" if offline else "For non-commercial use only. "
CARD = f"""---
license: {licence}
---
A GPT-2 that was fine-tuned on {words}
by notebook 02 of that series. {limits}It makes conversation and knows nothing: do not ask it for facts or advice.
Speakers are marked <|a|> and <|b|>, a turn ends with <|over|>, a dialogue with <|endoftext|>; the tokenizer's chat template writes them.
"""
print(CARD)

# %% [markdown]
# Now the first way. Predict it: where will the validation loss end, compared with the base model's above?

# %%
from helpers.finetuning import fine_tune
from helpers.plots import LiveChart, verdict

common = dict(runtime=runtime, tokenizer=tokenizer, card=CARD, tracker=TRACKER)
runs = {"full": fine_tune(load(start), train, validation, config=configs["full"], on_log=LiveChart(), **common)}
print(verdict(runs["full"]))

# %% [markdown]
# The loss falls steeply while the model learns the marks, then slowly while it learns to converse. The grey band, where there is one, shows recorded runs with other seeds. Stop the cell if you like, and run it again: it goes on
# at its last checkpoint, and ends where it would have ended. The same budget for LoRA:

# %%
runs["lora"] = fine_tune(load(start), train, validation, config=configs["lora"], on_log=LiveChart(), **common)
print(verdict(runs["lora"]))

# %% [markdown]
# And for all weights with AdamW in 8 bits:

# %%
runs["8bit"] = fine_tune(load(start), train, validation, config=configs["8bit"], on_log=LiveChart(), **common)
print(verdict(runs["8bit"]))

# %% [markdown]
# What did the pre-training give? The same model from random weights, with the same budget, knows:

# %%
seed_everything(runtime.seed)
scratch = AutoModelForCausalLM.from_config(load(start).config)
scratch.generation_config = base.generation_config
runs["random"] = fine_tune(scratch, train, validation, config=configs["full"], name="random", **common)
print(f"from random weights {runs['random'].end['val_loss']:.3f}, from the base model {runs['full'].end['val_loss']:.3f}")

# %%
from helpers.plots import compare_chart

compare_chart(runs, title="The same budget, four ways");

# %% [markdown]
# The distance between the curve of random weights and that of all weights is what was learned before: it is given, not trained again. LoRA trains few weights and asks for
# a higher learning rate; whether it keeps up is told by the number behind its name.

# %%
table = {name: {"trainable weights": run.end["trainable"], "optimizer (MB)": run.end["optimizer_bytes"] / 1e6,
                "peak memory (GiB)": run.end["peak_memory_bytes"] / 2**30, "tokens per second": run.end["tokens_per_second"],
                "validation loss": run.end["val_loss"], "perplexity": np.exp(run.end["val_loss"]),
                "file (MB)": run.end["disk_bytes"] / 1e6} for name, run in runs.items()}
pd.DataFrame(table).T.round(3)

# %% [markdown]
# LoRA's file is its adapter alone, small enough to send in a letter; the others are whole models. On a CPU the peak memory is that of the whole Python process with everything it has
# loaded; on a GPU it is what PyTorch allocated.
#
# ## 7 · Watching a run
#
# All charts are drawn from the run's own log, one line of JSON for each step. No account is needed.

# %%
from helpers.plots import training_chart

training_chart(runs["full"]);

# %% [markdown]
# The learning rate rises for a few steps and falls along half a cosine. The gradient's norm is large at first, when the marks are new. And the machine:

# %%
from helpers.plots import system_chart

system_chart(runs["full"]);

# %%
from helpers.runtime import shown

print(runs["full"].file.read_text(encoding="utf-8").splitlines()[3])
print("TensorBoard reads the same numbers: tensorboard --logdir", shown(runtime.workspace, 2))

# %% [markdown]
# TensorBoard opens in Colab with `%load_ext tensorboard`, then `%tensorboard --logdir` and the folder above. Weights & Biases gets the run only if you choose it in the settings.
#
# ## 8 · Does it converse?
#
# ### The test, once
#
# Until now no choice has looked at the test split. Now, once:

# %%
models = {name: load(run.file.parent / "model_final") for name, run in runs.items()}
scores = {"base": word_loss(base, [plain(b) for b in test])} | {name: word_loss(model, test) for name, model in models.items()}
pd.DataFrame({"test loss (nats per token of words)": scores, "perplexity": {name: np.exp(loss) for name, loss in scores.items()},
              "loss below the base's (%)": {name: 100 * (1 - loss / scores["base"]) for name, loss in scores.items()}}).round(2)

# %% [markdown]
# The same words for all. Fine-tuning has to win over the base model clearly, and over random weights: then the pre-training was used, not overwritten.
#
# Where does it win? The microscope on the beginning of a test dialogue, with the loss of each token before and after:

# %%
columns = {"tuned": token_losses(models["full"], collate(test[:1]), runtime)[0], "base": token_losses(base, collate(test[:1]), runtime)[0]}
microscope(tokenizer, test[0]["input_ids"], test[0]["labels"], columns, last=40)

# %% [markdown]
# The marks cost the tuned model nearly nothing: it knows whose turn it is. Names and things that only this dialogue can tell stay expensive, for any model.
#
# ### Packed, but mixed: the bill
#
# Now we can say what it costs to forget the mask of section 3: the tuned model reads the same test blocks, once with each dialogue by itself, once with all that stands before it in the block.

# %%
mixed = [{**b, "documents": np.where(b["documents"] < 0, -1, 0)} for b in test]
apart, together = word_loss(models["full"], test), word_loss(models["full"], mixed)
print(f"own dialogue only {apart:.3f}, everything before {together:.3f}: {together - apart:+.3f} nats per token")

# %% [markdown]
# A loss that is reported on mixed blocks measures something else than a conversation. In training the same mixing would teach the model that an answer may depend on strangers.
#
# ### Replies, side by side
#
# The first turns of test dialogues, and what each model answers:

# %%
openings = [t[0] for t in dialogues["test"]["turns"][: 4 if runtime.steps else 60]]

def reply(model, prompts, **settings):
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left").to(runtime.device)
    torch.manual_seed(runtime.seed)
    rows = model.generate(**batch, **settings)[:, batch["input_ids"].shape[1] :].tolist()
    ends = [next((i for i, token in enumerate(row) if token in (marks[2], tokenizer.eos_token_id)), None) for row in rows]
    return [tokenizer.decode(row[:end]).strip() for row, end in zip(rows, ends)], [end is not None for end in ends]

# %%
marked = [f"{MARKS[0]}{opening}{MARKS[2]}{MARKS[1]}" for opening in openings]
answers = {"base": reply(base, [opening + "\n" for opening in openings])}
answers |= {name: reply(model, marked) for name, model in models.items()}
beside = pd.DataFrame({"opening": openings} | {name: answers[name][0] for name in ("base", "full", "lora")})
beside.head(6).style.set_properties(**{"text-align": "left", "white-space": "pre-line", "max-width": "20em"}).hide(axis="index")

# %% [markdown]
# The base model goes on with the text, as it always did. The tuned ones answer, in one turn, and stop. Three numbers say how well. *Distinct-n* is the share of different n-grams among all n-grams of the replies: a
# model that always says the same has a low one.

# %% [[helpers/evaluation.py]]
@show helpers/evaluation.py distinct

# %%
answers["the data"] = [t[1] for t in dialogues["test"]["turns"][: len(openings)]], [True] * len(openings)
quality = {name: {"distinct-1": distinct(texts, 1), "distinct-2": distinct(texts, 2), "ends by itself (%)": 100 * np.mean(ended),
                  "words of a reply": np.mean([len(text.split()) for text in texts])} for name, (texts, ended) in answers.items()}
pd.DataFrame(quality).T.round(2)

# %% [markdown]
# Compare with the last line, what people (or the generator of the offline data) answered. A tuned model ends nearly all replies by itself, because the end of a turn was in its loss. The
# base model has no such notion: it writes on, mostly until the limit of 60 tokens.
#
# ### Talk to it
#
# The saved folder knows model, tokenizer, generation settings and the template that writes a conversation with the marks. So a pipeline needs only its name. Change the lines and run the cell again:

# %%
from transformers import pipeline

folder = runs["full"].file.parent / "model_final"
chat = pipeline("text-generation", model=str(folder), device=runtime.device)
torch.manual_seed(runtime.seed)
messages = []
for line in ["Hello! Can you help me, please?", "I have lost my bag.", "Thank you very much. Goodbye!"]:
    messages = chat([*messages, {"role": "user", "content": line}])[0]["generated_text"]
    print(f"you:   {line}\nmodel: {messages[-1]['content']}\n")

# %% [markdown]
# It takes its turn, stays on the subject for a while, and makes things up. A larger model makes things up more smoothly.

# %%
# @title Optional: a window to talk in, where Gradio is installed (Colab has it)
OPEN_WINDOW = False  # @param {type:"boolean"}

def answer(message, history):
    said = [turn["content"] for turn in history]
    said = [content if isinstance(content, str) else content[0]["text"] for content in said]  # newer versions of Gradio send parts
    turns = [{"role": "user", "content": text} for text in [*said, message]]  # the template tells speakers by their order
    return chat(turns)[0]["generated_text"][-1]["content"]

if OPEN_WINDOW:
    import gradio
    gradio.ChatInterface(answer).launch()

# %% [markdown]
# ## 9 · What the original did
#
# The project that this notebook rebuilds published a final loss of **0.2676**, a perplexity of 1.3. No language model is that good at conversation. Its recipe glued the turns together without any mark, filled every
# dialogue up to 1,024 tokens with the end of text, and took *all* positions as labels. Reproduce it, small:

# %%
def as_published(rows, count):
    ids = [tokenizer(" ".join(turns))["input_ids"][:longest] for turns in rows["turns"][:count]]
    blocks = to_blocks([{"input_ids": i, "labels": i} for i in ids], [[i] for i in range(len(ids))], longest, tokenizer.eos_token_id)
    return [{"input_ids": b["input_ids"], "labels": b["input_ids"], "documents": 0 * b["documents"]} for b in blocks], list(map(len, ids))

steps = 150
few, _ = as_published(dialogues["train"], 2 * steps)
held_out, real_lengths = as_published(dialogues["validation"], 40)
print(f"{1 - sum(real_lengths) / len(real_lengths) / longest:.1%} of the positions are padding, and all of them are counted")

# %%
recipe = FineTuneConfig(batch_size=2, epochs=2 * steps / len(few), learning_rate=settings["learning_rate"], eval_every=steps)
runs["original"] = fine_tune(load(start), few, held_out, config=recipe, name="original", **common)
reported = runs["original"].end["val_loss"]
print(f"reported loss {reported:.3f}, perplexity {np.exp(reported):.2f}")

# %% [markdown]
# A proud number. Now ask the same model, on the same dialogues, for the loss of the real tokens only:

# %%
model = load(runs["original"].file.parent / "model_final")
losses = [token_losses(model, collate([block]), runtime)[0, :length] for block, length in zip(held_out, real_lengths)]
on_words = torch.cat(losses).nanmean().item()
share = 1 - sum(real_lengths) / len(real_lengths) / longest
print(f"on real tokens {on_words:.3f}, perplexity {np.exp(on_words):.1f}: {on_words / reported:.1f} times the reported loss")
print(f"padding alone explains 1 / (1 - {share:.3f}) = {1 / (1 - share):.1f} times")

# %% [markdown]
# The model is sure of the padding, which costs nothing and is most of the mean. The published figure, in the same way, with the 113.6 tokens of an average dialogue:

# %% [[nbval-check-output]]
share_of_padding = 1 - 113.6 / 1_024
on_real_tokens = 0.2676 / (1 - share_of_padding)
print(f"{share_of_padding:.1%} padding: 0.2676 is about {on_real_tokens:.2f} nats per real token, perplexity {np.exp(on_real_tokens):.0f}")

# %% [markdown]
# Not 1.3 but about 11: nine times diluted. And the time? It took 11,789 seconds on a T4 for 3 epochs, in float32, without packing:

# %% [[nbval-check-output]]
published_positions = 11_118 * 1_024
packed_positions = 11_118 * 113.6 / 0.998  # blocks that are 99.8 % full
fewer = published_positions / packed_positions
print(f"{published_positions / 1e6:.1f}M positions an epoch, packed {packed_positions / 1e6:.2f}M: {fewer:.1f} times fewer")
for float16 in (2, 4):
    print(f"11,789 s / {fewer:.1f} / {float16} for float16 (an estimate) = {11_789 / fewer / float16 / 60:.0f} minutes")

# %% [markdown]
# The first factor is counted. The second is an estimate: a T4's data sheet gives 8 times as many operations in float16 as in float32, and a training sees some 2 to 4 of them. Marks add two tokens a turn, which this leaves out. Your own factors are in section 3.
#
# Keep the figures of this notebook with the run:

# %%
for way, card in cards.items():
    runs[way].log("budget", tokens=card.tokens, minutes=card.minutes, tokens_per_second=card.tokens_per_second, memory_bytes=card.memory["total"])
size = sum(len(" ".join(turns).encode()) for turns in dialogues["test"]["turns"])
n_words = sum((~np.isin(b["labels"], [*marks, tokenizer.eos_token_id, IGNORE])).sum() for b in test)
for name in ("lora", "8bit", "random"):
    bits = scores[name] * float(n_words) / np.log(2) / size
    runs[name].log("result", bits_per_byte=bits, test_loss=scores[name], base_test_loss=scores["base"], sample=answers[name][0][0])
filled, by_batch, packed_share = padding.values()
bits = scores["full"] * float(n_words) / np.log(2) / size
runs["full"].log("result", bits_per_byte=bits, test_loss=scores["full"], base_test_loss=scores["base"], mixing_costs=together - apart,
                 packing_times=speeds["packed"] / speeds["filled up"], reported_loss=reported, real_loss=on_words,
                 sample=f"{openings[0]} - {answers['full'][0][0]}",
                 padding_filled_percent=100 * filled, padding_batch_percent=100 * by_batch, padding_packed_percent=100 * packed_share,
                 speed_filled=speeds["filled up"], speed_batch=speeds["batch's longest"], speed_packed=speeds["packed"])

# %% [markdown]
# ## 10 · Use it elsewhere
#
# The original's usage example took the *base* model's tokenizer and asked in Portuguese. Corrected: the tokenizer comes from the saved folder, which knows the marks; the
# question is in the language of the training; and the reply is cut where the model ends it.

# %%
from transformers import AutoTokenizer

tokenizer_there, model_there = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
prompt = tokenizer_there.apply_chat_template([{"role": "user", "content": "Good morning!"}], add_generation_prompt=True, return_tensors="pt",
                                             return_dict=True)
print(tokenizer_there.decode(prompt["input_ids"][0]))
torch.manual_seed(runtime.seed)
written = model_there.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
print(tokenizer_there.decode(written, skip_special_tokens=True))

# %%
for file in sorted(folder.iterdir()):
    print(f"{file.stat().st_size / 1e3:10,.1f} kB  {file.name}")

# %% [markdown]
# These files are all that another machine needs. Run the notebook again, and every complete run is read from its log in seconds.
#
# ## Try it
#
# **1 · Easy, 3 minutes.** GPT-2 "small" has 12 layers, each with one matrix of 768 × 2,304 for queries, keys and values. How many weights does LoRA train if it stands
# beside these alone, with rank 8?

# %% [[exercise-1]]
my_answer = None

# %% [[check-1]]
known = {None: "fill in my_answer first", 294_912: "right", 24_576: "that is one layer; there are 12",
         14_155_776: "you counted A B, the product; LoRA trains A and B",
         21_233_664: "you counted the frozen matrices", 589_824: "that is rank 16", 221_184: "B is missing its rank: A has r x 768, B has 2,304 x r",
         73_728: "A alone; B is missing"}
print(known.get(my_answer, "not yet: A is r x 768, B is 2,304 x r, and there is one pair a layer"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_answer = 12 * 8 * (768 + 2_304)
# ```
# </details>
#
# **2 · Medium, 10 minutes.** Write the labels of a padded text yourself: given ids `(T,)` and the number of real tokens, return labels in which the padding and the first
# token are -100, and all else is counted. The padding is the same token as the end.

# %% [[exercise-2]]
def my_labels(ids, length):
    return ids.clone()

# %% [[check-2]]
def diagnose(labels):
    if labels.tolist() == [-100, 5, 6, 0, -100, -100]:
        return "right"
    if labels[3] != 0:
        return "the end of the text has left the loss: mask by position, not by value"
    if (labels[4:] != -100).any():
        return "padding is still counted"
    return "the first token has nothing before it: nobody can predict it" if labels[0] != -100 else "a word has left the loss"

try:
    print(diagnose(my_labels(torch.tensor([4, 5, 6, 0, 0, 0]), 4)))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_labels(ids, length):
#     labels = ids.clone()
#     labels[length:] = -100
#     labels[0] = -100
#     return labels
# ```
# </details>
#
# **3 · Hard, 20 minutes.** Write the attention mask of a packed block: given the number of the document at each position `(T,)`, return `(T, T)` booleans, true where row $i$ may see column $j$.

# %% [[exercise-3]]
def my_mask(documents):
    return torch.ones(len(documents), len(documents), dtype=torch.bool)

# %% [[check-3]]
def diagnose_mask(mask, documents=torch.tensor([0, 0, 0, 1, 1, 2])):
    T = len(documents)
    same, past = documents[:, None] == documents[None], torch.ones(T, T, dtype=torch.bool).tril()
    findings = {"right": torch.equal(mask, same & past), "it sees the future": (mask & ~past).any(), "it sees other documents": (mask & ~same).any(),
                "a token must see itself": not mask.diagonal().all()}
    return next((text for text, found in findings.items() if found), "it sees too little of its own document")

try:
    print(diagnose_mask(my_mask(torch.tensor([0, 0, 0, 1, 1, 2]))))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_mask(documents):
#     same = documents[:, None] == documents[None]
#     return same.tril()
# ```
# </details>
#
# ## Recap
#
# - A conversation needs marks: who speaks, when a turn is over, when all is over. What is not in the loss is not learned.
# - Padding is told by its position. Look at the mask before you believe a loss.
# - Packing saves the time of the padding, and the attention mask keeps the dialogues apart; a test shows that it does.
# - LoRA and 8-bit optimizers save memory in different places; the table says what they cost.
# - A loss without its denominator means nothing: 0.27 over all positions was 2.4 on words.
#
# Have you run this on a GPU? No T4 has measured this notebook's figures yet. Tick the box to compare the card with your run and to check the GPU's
# arithmetic in a minute; the file that it names holds versions and measurements, nothing of yours.

# %%
# @title Optional: check this GPU, and write one file to send back
CHECK_GPU = False  # @param {type:"boolean"}
if CHECK_GPU:
    from tools.check_gpu import check_gpu
    check_gpu(runtime, *(runs[way] for way in cards))

# %% [markdown]
# **What comes next.** Perplexity is easy to compute and easy to get wrong. Notebook 03 fine-tunes GPT-2 on Wikipedia and measures it so that others can compare.
