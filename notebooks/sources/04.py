# %% [markdown]
# # 04 · Llama-3 learns your catalogue
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/04_llama3_qlora_qa.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/OWNER/gpt-in-colab/blob/v0.1.0/notebooks/04_llama3_qlora_qa.ipynb)
#
# **You will build** a Llama-3-8B in 4 bits that answers questions on the products of a shop, trained on a free GPU with QLoRA.
#
# **Afterwards you can explain** how a model of 8 billion weights fits a small card; what NF4 and LoRA do to a matrix; how a data set of questions is made and checked; why training and asking must share one form; and how to tell
# whether a model reads or remembers.
#
# The notebook rebuilds a public student project, "Fine-tuning de um modelo pré-treinado", whose loss did not fall, and finds out why.
#
# The last word of the first cell chooses who trains: `peft bitsandbytes trl` is the plain stack and replaces nothing of Colab's; `unsloth` is faster on a GPU and replaces a few packages (see `requirements-llama.txt`). Choose before you run anything. The rest of the notebook is the same for both.
#
# | profile | for | minutes | memory |
# | --- | --- | --- | --- |
# | `cpu` | a laptop or a class without a GPU, no network: a tiny Llama, really in 4 bits | 3.0<!--04.notebook.minutes-->, recorded on 2 cores | 1.0<!--04.cpu_qlora.memory_gib--> GiB of RAM, recorded |
# | `t4` | Colab's or Kaggle's free GPU, Llama-3-8B | estimate: 4 to 11 for the training, by the formula in section 3 | estimate: 7.4<!--llama_estimate.checkpointing.total.gib--> GiB of GPU memory |
# | `full` | one A100, H100 or H200, 250 steps as in the original | see the budget card | see the budget card |

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
runtime = setup("04", profile=PROFILE, use_drive=USE_DRIVE, extras="peft bitsandbytes trl")

# %% [markdown]
# The profiles differ only in scale. "Run all" takes the catalogue and the questions that the project ships: no key, no further download of data. Your own catalogue and the API are two settings.

# %%
from helpers.runtime import PROFILES
from helpers.qlora import LLAMA

SETTINGS = {                  # cpu     t4       full
    "base":                   (None,    LLAMA,   LLAMA),    # None: the project's own tiny Llama
    "products":               (1_000,   1_000,   3_000),    # of the catalogue, at most
    "block_size":             (160,     256,     256),      # tokens of an example, at most
    "examples_per_step":      (16,      16,      24),
    "examples_per_pass":      (16,      4,       8),        # smaller needs less memory, the result stays the same
    "steps":                  (600,     70,      250),
    "learning_rate":          (2e-3,    2e-4,    2e-4),
    "lora_rank":              (16,      16,      16),
    "checkpointing":          (False,   True,    True),     # compute activations again instead of keeping them
    "eval_every":             (100,     35,      50),       # steps; a checkpoint as often
    "asked":                  (60,      40,      300),      # questions of each held-out kind
}
settings = {name: values[PROFILES.index(runtime.profile)] for name, values in SETTINGS.items()}
if runtime.steps:  # a rehearsal shows that all cells run
    settings |= dict(asked=4, examples_per_step=2, examples_per_pass=2)
print(settings)

# %%
QUESTIONS = "shipped"      # @param ["shipped", "rules", "api"]
API_MODEL = "gpt-4o-mini"  # @param {type:"string"}
API_ADDRESS = ""           # @param {type:"string"}
print("questions:", {"shipped": "the project's own, no key is needed", "rules": "found by six patterns in your catalogue, no key is needed",
                     "api": f"made by {API_MODEL} at {API_ADDRESS or 'OpenAI'}; your key is asked for"}[QUESTIONS])

# %% [markdown]
# ## 1 · The catalogue
#
# ### Look at the records
#
# A record is a line of JSON: an identifier, a title, a description, and the products that were bought together with it.

# %%
from helpers.products import SHIPPED, find_catalogue, load_products
from pathlib import Path

catalogue = SHIPPED / "trn.json" if runtime.data in ("offline", "hub") else find_catalogue(Path(runtime.data))
with open(catalogue, encoding="utf-8") as lines:
    for _, line in zip(range(3), lines):
        print(line[:420], "\n")

# %% [markdown]
# `&#8217;` is an apostrophe and `<br />` a line break: the text was made for a web page. What should be done first: take out the marks that are no letters, or turn the entities into characters?

# %% [[nbval-check-output]]
import re

text = "Kerr&#8217;s book, ages 2&#8211;8 years"
print("marks first:   ", re.sub(r"[^\w\s]", "", text))

# %% [[helpers/products.py]]
import html
from helpers.products import INSIDE_WORDS, TAGS

@show helpers/products.py clean

# %% [[nbval-check-output]]
print("entities first:", clean(text))

# %% [markdown]
# In the wrong order "2–8 years" becomes "28211 8 years" or, with less luck, "28 years", and the model learns it. Entities first, then tags, then spaces. Now all records; each step says how many it left out:

# %% [[nbval-check-output]]
import pandas as pd

products, counts = load_products(runtime.data, limit=settings["products"])
print(pd.Series(counts).to_string())
print("\n" + products[0]["cleaned"])

# %% [markdown]
# Of two equal records one stays, and without a description there is nothing to ask. The file is read one line at a time, for the real catalogue has 2.2 million records, of which 45 % lack a title or a description.
#
# ## 2 · Questions and answers
#
# ### What a good pair is
#
# The original had GPT-3.5 write questions and answers. Published projects of this kind ask for what no title and no description can imply ("What are its main advantages?"). A model that is trained on answers it cannot find learns to invent. So every answer must *stand in the description*.
#
# The simplest maker of such pairs is a list of patterns. What will it find, and what will it miss?

# %% [[nbval-check-output]]
from helpers.products import rule_based_qa

for pair in [pair for product in products for pair in rule_based_qa(product)][:4]:
    print(f"{pair['question']} - {pair['answer']}")

# %% [markdown]
# Six patterns find what is said the way they expect, and nothing else. A language model asks better. It is told to answer from the description only, its replies must have a fixed structure, and each answer is looked up in the description: what does not stand there is set aside, with the reason. Before the first call, what would it cost?

# %%
from helpers.asking import estimate_cost, generate_qa

expected = estimate_cost(products, API_MODEL)
print(f"asking {API_MODEL} about {expected['products']} products: about {expected['tokens in']:,} tokens in, {expected['tokens out']:,} out, "
      f"{expected['minutes']:.0f} minutes ({expected['counted by']})")

# %% [markdown]
# Multiply by your provider's prices of today. Each finished product is written to the disk at once: stop it, or lose the machine, run the cell again, and nothing is paid twice. With `QUESTIONS = "shipped"` no call is made:

# %%
from helpers.products import load_qa, split_qa

if QUESTIONS == "api":
    made, _ = generate_qa(products, model=API_MODEL, base_url=API_ADDRESS or None, folder=runtime.workspace / "made")
    qa = split_qa(made)
elif QUESTIONS == "rules":
    qa = split_qa([pair for product in products for pair in rule_based_qa(product)])
else:
    qa, (products, _) = load_qa("offline"), load_products("offline")

# %% [[nbval-check-output]]
contexts = {p["uid"]: p["cleaned"] for p in products}
for split, rows in qa.items():
    print(f"{split:8} {len(rows):5,} questions on {len(set(rows['uid'])):3} products")
first = qa["train"][0]
print(f"\n{contexts[first['uid']]}\n{first['question']} - {first['answer']}")

# %% [markdown]
# `seen` asks other questions on products that stand in training; `unseen` asks on products that never do. `fifteen` are the fifteen that we ask before and after. Some answers of `unseen` are *rare*: their words stand nowhere else. Keep
# them in mind.
#
# ### One form, for training and for asking
#
# The form that the original used, written once:

# %% [[helpers/products.py]]
@show helpers/products.py format_prompt

# %% [[helpers/products.py]]
@show helpers/products.py format_example

# %% [[nbval-check-output]]
print(format_prompt(contexts[first["uid"]], first["question"]))

# %% [markdown]
# If training says `Response:` and asking says `Answer:`, or one has a space more, the model is asked in a language it was not taught. One function makes both impossible. And the loss: the model shall learn to answer, not to write
# descriptions, so only the answer is a label, and the *end* after it. Without the end in the loss it never learns to stop.

# %%
from helpers.qlora import choose_backend, load_4bit

backend, reason = choose_backend(runtime)
print(f"{backend}: {reason}")
model, tokenizer = load_4bit(runtime, settings["base"], backend=backend, block_size=settings["block_size"])
print(f"{model.num_parameters():,} weights, {len(tokenizer):,} tokens")

# %% [markdown]
# The base is loaded now because its tokenizer is needed; what "in 4 bits" means comes in section 3. The labels of an example are made by position, not by looking for a token:

# %% [[helpers/qlora.py]]
import numpy as np
from helpers.tokens import IGNORE

@show helpers/qlora.py encode_qa

# %%
from helpers.plots import microscope

example = encode_qa(contexts[first["uid"]], first["question"], first["answer"], tokenizer)
shown_from = max(0, int((example["labels"] != IGNORE).argmax()) - 12)
microscope(tokenizer, example["input_ids"], example["labels"], first=shown_from)

# %% [markdown]
# This is notebook 02's microscope, cut to the last rows: counted are the answer and its end, nothing else.

# %%
def examples(rows, tokenizer, **changes):
    made = [encode_qa(contexts[r["uid"]], r["question"], r["answer"], tokenizer, **changes) for r in rows]
    return [e for e in made if len(e["input_ids"]) <= settings["block_size"]]

train, validation = examples(qa["train"], tokenizer), examples(qa["seen"], tokenizer)
lengths, counted = [len(e["input_ids"]) for e in train], [(e["labels"] != IGNORE).sum() for e in train]
print(f"{len(train):,} of {len(qa['train']):,} examples fit {settings['block_size']} tokens; {np.mean(lengths):.0f} tokens on average, "
      f"{np.mean(counted):.1f} of them counted")

# %%
from helpers.plots import new_figure

figure, axes = new_figure(size=(9, 3.2))
for values, label in ((lengths, "tokens of an example"), (counted, "counted in the loss")):
    axes.hist(values, bins=range(0, settings["block_size"] + 1, 4), label=label, alpha=0.8)
axes.set(xlabel="tokens", ylabel="examples")
axes.legend(frameon=False)
axes.set_title("A model reads much and learns from little", loc="left");

# %% [markdown]
# An example is mostly description: all of it is read in every step, and only the few tokens of the answer are in the loss. (Held-out questions on products of training, `seen`, serve as validation.)
#
# ## 3 · Four bits
#
# ### By hand
#
# Eight billion weights in 16 bits are 16 GB: more than the card. In 4 bits a weight is one of 16 levels. Which levels? Weights are distributed like a bell, so NF4 ("normal float") puts more levels where more weights are: each level stands for the same share of a normal distribution. Blocks of 64 weights share a
# *scale*, their largest value.

# %%
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

nf4 = torch.tensor(sorted(set(quantize_4bit(torch.linspace(-1, 1, 4096), quant_type="nf4")[1].code.tolist())))
print(" ".join(f"{level:.2f}" for level in nf4.tolist()))

# %%
torch.manual_seed(0)
weights = torch.randn(64, 64) * 0.02

def to_levels(weights, levels):
    blocks = weights.view(-1, 64)
    scales = blocks.abs().amax(1, keepdim=True)  # one for each block
    nearest = (blocks[..., None] / scales[..., None] - levels).abs().argmin(-1)  # 0 to 15: four bits
    return (levels[nearest] * scales).view_as(weights)

uniform = torch.linspace(-1, 1, 16)
for name, grid in (("NF4", nf4), ("16 even steps", uniform)):
    error = (to_levels(weights, grid) - weights).pow(2).mean().sqrt() / weights.std()
    print(f"{name:14} error {error:.1%} of the weights' spread")

# %%
figure, axes = new_figure(size=(9, 3.6))
axes.hist((weights.view(-1, 64) / weights.view(-1, 64).abs().amax(1, keepdim=True)).flatten(), bins=80)
for level in nf4.tolist():
    axes.axvline(level, color="#D55E00", lw=1)
axes.set(xlabel="weight / largest of its block", ylabel="weights")
axes.set_title("NF4 puts its 16 levels where the weights are", loc="left");

# %% [markdown]
# How the weights of a block lie between -1 and 1, its largest one, and the 16 levels over them: where many weights lie, the levels lie close. With even steps the outer levels are hardly used. The same by bitsandbytes:

# %%
packed, state = quantize_4bit(weights, blocksize=64, quant_type="nf4")
print("bitsandbytes and we agree:", torch.allclose(dequantize_4bit(packed, state), to_levels(weights, nf4), atol=1e-6))
print(f"{weights.nbytes:,} bytes in 32 bits, {packed.nbytes:,} packed, and {state.absmax.nbytes} of scales")

# %% [markdown]
# Four bits a weight, and 32 more for each 64 weights: half a bit. **Double quantisation** stores the scales themselves in 8 bits, and the half becomes an eighth. Here is a layer of the model that we loaded:

# %%
layer = next(m for m in model.modules() if type(m).__name__ == "Linear4bit")
state = layer.weight.quant_state
print(f"{layer.in_features} x {layer.out_features} weights: {layer.weight.data.nbytes:,} bytes of {layer.weight.data.dtype}, "
      f"levels {state.quant_type}, scales in {state.absmax.dtype}, products in {layer.compute_dtype}")

# %% [markdown]
# Two weights share a byte. For a product the layer turns its bytes back into numbers of the dtype at the end, for this moment only.
#
# ### LoRA by hand
#
# Levels cannot be trained: a step of a thousandth does not reach the next one. So the 4-bit weights stay, and beside each matrix learn two thin ones: $y = W x + \tfrac{\alpha}{r} B A x$.

# %% [[nbval-check-output]]
d_in, d_out, r = 4_096, 4_096, 16
W = d_in * d_out
A, B = r * d_in, d_out * r
print(f"W {W:,} weights, A and B {A + B:,}: {(A + B) / W:.2%}")

# %%
torch.manual_seed(0)
x, W = torch.randn(8), torch.randn(8, 8)
A, B = torch.randn(2, 8), torch.zeros(8, 2)  # B begins at zero: the model begins as it was
print("at the start equal:", torch.equal(W @ x + B @ (A @ x), W @ x))
B = torch.randn(8, 2)
print("one matrix in the end:", torch.allclose(W @ x + B @ (A @ x), (W + B @ A) @ x, atol=1e-5))

# %% [markdown]
# At the start nothing changes, and in the end the two matrices can be added to the one. PEFT does the same to every linear layer of the 4-bit model:

# %%
from dataclasses import replace
from helpers.finetuning import FineTuneConfig
from helpers.qlora import lora_frame, qlora_memory, switch_checkpointing

steps_per_epoch = -(-len(train) // settings["examples_per_step"])
config = FineTuneConfig(way="qlora", batch_size=settings["examples_per_step"], micro_batch_size=settings["examples_per_pass"],
                        epochs=settings["steps"] / steps_per_epoch, learning_rate=settings["learning_rate"], warmup_steps=settings["steps"] // 20,
                        lora_rank=settings["lora_rank"], checkpointing=settings["checkpointing"], eval_every=settings["eval_every"])
framed = lora_frame(model, config)
learning, every = framed.get_nb_trainable_parameters()
print(f"{learning:,} of {every:,} weights learn: {learning / every:.1%}")
model = framed.unload()

# %% [markdown]
# The share is larger in a small model: `r` stays, and the layers' width grows.
#
# ### The memory, by term
#
# Gradient checkpointing keeps only what enters a layer and computes the rest again in the backward pass. Predict: which term does it shrink, and which gradients does it change?

# %%
from helpers.blocks import collate

batch = collate(sorted(train, key=lambda e: -len(e["input_ids"]))[: settings["examples_per_pass"]])  # the longest
plain, checkpointed = (qlora_memory(model, replace(config, checkpointing=on), batch, runtime) for on in (False, True))
memory = {"all kept": plain, "checkpointed": checkpointed, "all kept, 32-bit optimizer": plain | {"optimizer": 2 * plain["LoRA's weights"]}}
memory["all kept, 32-bit optimizer"]["total"] += memory["all kept, 32-bit optimizer"]["optimizer"] - plain["optimizer"]
(pd.DataFrame(memory) / 2**20).round(2).rename_axis("MiB")

# %% [markdown]
# Checkpointing shrinks the activations and nothing else; the 8-bit optimizer shrinks what Adam remembers of each weight that learns, and it is *paged*: where a card is full, it waits in the machine's memory. ("Logits in passing": around the loss, a number for each token and each entry of the vocabulary stands twice in float32, for a moment.)
#
# For Llama-3-8B on a T4, with 4 examples of 256 tokens a pass, the same terms give an estimate of 7.4<!--llama_estimate.checkpointing.total.gib--> GiB with checkpointing and 14.3<!--llama_estimate.without_checkpointing.total.gib--> without, of 14.5. Its price is time: a token takes 44.8<!--llama_estimate.checkpointing.gflop_per_token--> GFLOP instead of 30.7<!--llama_estimate.without_checkpointing.gflop_per_token-->. So 70 steps of 16 examples of 83 tokens (the shipped questions, padded to the longest of four, counted with GPT-2's tokenizer) at 10 to 30 % of the card's 65 TFLOP/s take an estimate of 4 to 11 minutes.
#
# Checkpointing computes the same numbers again, so the gradients are the same. The original blamed it for its loss; a test in a cell:

# %%
def gradients(checkpointing):
    torch.manual_seed(0)
    framed = lora_frame(model, replace(config, checkpointing=checkpointing)).train()
    switch_checkpointing(framed, checkpointing)
    with runtime.autocast():
        framed(**{k: v.to(runtime.device) for k, v in batch.items()}).loss.backward()
    found = {name: p.grad.float().cpu() for name, p in framed.named_parameters() if p.grad is not None}
    switch_checkpointing(framed, False)
    framed.unload()
    return found

kept, again = gradients(False), gradients(True)
print(f"{len(kept)} gradients, largest difference {max((kept[name] - again[name]).abs().max().item() for name in kept):.1e}")

# %% [markdown]
# The difference is rounding, or none at all. The budget of the run that follows, and whether it fits here:

# %%
import time
from helpers.budget import available_memory

started = time.perf_counter()
gradients(config.checkpointing)
passes = settings["steps"] * settings["examples_per_step"] / settings["examples_per_pass"]
card, free = checkpointed if config.checkpointing else plain, available_memory(runtime)
print(f"{card['total'] / 2**30:.2f} GiB for model and training, {free / 2**30:.1f} GiB are free beside the model: "
      + ("it fits" if card["total"] - card["4-bit weights"] < free else "too much: set examples_per_pass to half, or checkpointing to True"))
print(f"about {passes * (time.perf_counter() - started) / 60:.1f} minutes for {settings['steps']} steps, from one pass of the longest examples")

# %% [markdown]
# ## 4 · Before and after
#
# ### Fifteen questions, before
#
# The base has read text, never a question of ours. Ask it, in the form of the training:

# %%
from helpers.qlora import ask

def ask_all(model, rows, without_context=False):
    rows = rows.select(range(min(settings["asked"], len(rows))))
    return ask(model, tokenizer, rows, [" " if without_context else contexts[r["uid"]] for r in rows], max_new_tokens=24)

before = ask_all(model, qa["fifteen"])
pd.DataFrame(before)[["question", "expected", "raw"]].style.set_properties(**{"text-align": "left", "max-width": "28em"})

# %% [markdown]
# The raw text is shown on purpose: what the model really wrote, before any function takes an answer out of it.
#
# ### Training
#
# The loop is TRL's `SFTTrainer`, under the log, the evaluation and the checkpoints of notebook 02. TRL turns LoRA's weights into bfloat16, which a T4's gradient scaler cannot handle; `SFTTuner` turns them back:

# %% [[helpers/qlora.py]]
@show helpers/qlora.py trainable_in_float32

# %%
from helpers.finetuning import fine_tune
from helpers.plots import LiveChart, verdict
from helpers.sft import SFTTuner

CARD = f"""---
base_model: {settings['base'] or 'the tiny Llama of GPT in Colab'}
library_name: peft
---
A LoRA adapter that answers questions on products from a description, trained by notebook 04 of GPT in Colab. It reads what it is given; it knows nothing of the
world. The base model's own licence holds for it too (Llama 3: the Meta Llama 3 Community License).
"""
run = fine_tune(model, train, validation, config=config, runtime=runtime, tokenizer=tokenizer, card=CARD, trainer=SFTTuner, on_log=LiveChart())
print(verdict(run))

# %% [markdown]
# The loss of the answers falls at once: the form is learnt in the first steps, to look in the right place takes the rest.
#
# The adapter lies in the workspace. Open the notebook again, and the run is found, its files are checked against their sums, and nothing is trained twice. (With `USE_DRIVE` it survives the machine: the first step of the original.) A fresh base, and the adapter on it:

# %%
from helpers.qlora import load_adapter

model = None  # on a small card there is no room for two
model, _ = load_4bit(runtime, settings["base"], backend=backend, block_size=settings["block_size"])
tuned = load_adapter(model, run.file.parent / "adapter")
for file in sorted((run.file.parent / "adapter").iterdir()):
    print(f"{file.stat().st_size / 1e3:9,.1f} kB  {file.name}")

# %% [markdown]
# Compare the budget with what was measured:

# %%
measured = {"LoRA's weights": 4 * run.end["trainable"], "optimizer": run.end["optimizer_bytes"]}
measured |= {"total": run.end["peak_memory_bytes"]} if runtime.device.type == "cuda" else {}  # of a process on a CPU the libraries are most
print("\n".join(f"{term:16} estimated {card[term] / 2**20:8,.2f} MiB, measured {value / 2**20:8,.2f} MiB" for term, value in measured.items()))

# %% [markdown]
# ### Fifteen questions, after

# %%
after = ask_all(tuned, qa["fifteen"])
beside = pd.DataFrame({"question": [r["question"] for r in after], "expected": [r["expected"] for r in after],
                       "before": [r["answer"] for r in before], "after": [r["answer"] for r in after], "right": [r["exact"] for r in after]})
beside.style.set_properties(**{"text-align": "left", "max-width": "22em"})

# %%
print(f"right before: {sum(r['exact'] for r in before)} of {len(before)}, after: {sum(r['exact'] for r in after)} of {len(after)}")

# %% [markdown]
# ### Does it read, or remember?
#
# Fifteen questions are few, and it may know these products by heart. So ask others: on products it has seen, on products it has never seen, on answers with words it has never met, and the fifteen once more *without the description*. Predict the five numbers. (Exact match and token F1 are
# SQuAD's; the interval says how far a share of so few questions may be off.)

# %%
from helpers.scoring import confidence_interval

unseen = qa["unseen"]
rare, usual = (unseen.select([i for i, is_rare in enumerate(unseen["rare"]) if is_rare == wanted]) for wanted in (True, False))
asked = {"fifteen": after, "other questions, products seen": ask_all(tuned, qa["seen"]), "products never seen": ask_all(tuned, usual),
         "words never met": ask_all(tuned, rare), "fifteen, without the description": ask_all(tuned, qa["fifteen"], without_context=True)}

# %%
def summary(rows):
    right, n = sum(r["exact"] for r in rows), len(rows)
    low, high = confidence_interval(right, n)
    return {"right": f"{right} of {n}", "95 % interval": f"{low:.0%} to {high:.0%}", "F1": np.mean([r["f1"] for r in rows]).round(2),
            "in the description": f"{np.mean([r['in context'] for r in rows]):.0%}"}

pd.DataFrame({name: summary(rows) for name, rows in asked.items()}).T

# %% [markdown]
# It *reads*: new products are answered nearly as well as known ones, and without the description it knows nothing. And a small model cannot copy a word that it has never met; it puts one in its place that it knows. Look:

# %%
pd.DataFrame(asked["words never met"])[["question", "expected", "answer"]].head(5)

# %% [markdown]
# Fifteen or sixty questions leave wide intervals: a difference of one or two answers means nothing.

# %%
right = {name: 100 * np.mean([r["exact"] for r in rows]) for name, rows in asked.items()}
run.log("budget", tokens=run.end["tokens"], minutes=run.end["seconds"] / 60, tokens_per_second=run.end["tokens_per_second"], memory_bytes=card["total"])
run.log("result", fifteen_before=sum(r["exact"] for r in before), fifteen=sum(r["exact"] for r in after),
        seen_percent=right["other questions, products seen"], unseen_percent=right["products never seen"], rare_percent=right["words never met"],
        without_percent=right["fifteen, without the description"], tokens_written=np.mean([len(tokenizer(r["raw"])["input_ids"]) for r in after]),
        sample=f"{after[0]['question']} - {after[0]['answer']}")
print(f"the log and the adapter are in {run.file.parent.name}")

# %% [markdown]
# ## 5 · What the original did
#
# Its loss did not fall, and it names the data, the model, LoRA and gradient checkpointing. Three of its settings differ from ours: the learning rate (5e-5 with a cosine), a loss on the prompt too, and no end after the answer (the last two as in its published neighbours; its own code is not known). With the tiny Llama a run takes little, so we changed one at a time and recorded each. Predict which one holds the loss:

# %%
FACTORS = {"rate": ("learning rate 5e-5", dict(learning_rate=5e-5)), "prompt": ("loss on the prompt too", dict(prompt_too=True)),
           "endless": ("no end in the loss", dict(end=False)),
           "original": ("all three", dict(learning_rate=5e-5, prompt_too=True, end=False))}
RERUN = "none"  # @param ["none", "rate", "prompt", "endless", "original", "all"]
tiny = {name: values[0] for name, values in SETTINGS.items()}  # the tiny Llama with its settings, in every profile

def tune_with(learning_rate=tiny["learning_rate"], **changes):
    llama, words = load_4bit(runtime, backend=backend)
    sets = examples(qa["train"], words, **changes), examples(qa["seen"], words)
    epochs = tiny["steps"] / -(-len(sets[0]) // tiny["examples_per_step"])
    some = replace(config, batch_size=tiny["examples_per_step"], micro_batch_size=tiny["examples_per_step"], learning_rate=learning_rate,
                   epochs=epochs, warmup_steps=tiny["steps"] // 20, lora_rank=tiny["lora_rank"], checkpointing=False, eval_every=tiny["eval_every"])
    return llama, words, some, sets

# %%
def rerun(name):
    changes = FACTORS[name][1]
    llama, words, some, sets = tune_with(**changes)
    log = fine_tune(llama, *sets, config=some, runtime=runtime, name=name, tokenizer=words, trainer=SFTTuner)
    rows = qa["fifteen"].select(range(min(settings["asked"], 15)))
    right = ask(load_adapter(load_4bit(runtime, backend=backend)[0], log.file.parent / "adapter"), words, rows, [contexts[r["uid"]] for r in rows])
    log.log("result", fifteen=sum(r["exact"] for r in right), tokens_written=np.mean([len(words(r["raw"])["input_ids"]) for r in right]))
    return log

reruns = {FACTORS[name][0]: rerun(name) for name in FACTORS if RERUN in (name, "all")}
print("trained here:", ", ".join(reruns) or "none; the curves below are recorded ones")

# %%
from helpers.plots import compare_chart
from helpers.runs import REFERENCES, Run

files = {"ours": "cpu_qlora"} | {label: f"cpu_{name}" for name, (label, _) in FACTORS.items()}
recorded = {label: Run(REFERENCES / "04" / f"{file}-s1.jsonl") for label, file in files.items()}
curves = {"ours": run} | {label: log for label, log in recorded.items() if log.complete} | reruns
compare_chart(curves, x="step", title="One factor at a time, measured on the same answers");

# %%
results = {label: next(row for row in log.rows if row["kind"] == "result") for label, log in curves.items()}
pd.DataFrame({label: {"loss of the answers": curves[label].end["val_loss"], "right of 15": result["fifteen"],
                      "tokens written": result["tokens_written"]} for label, result in results.items()}).T.round(2)

# %% [markdown]
# All are measured on the same thing, the loss of the answers and their end. The learning rate holds it: at 5e-5 it falls from 0.00<!--04.cpu_rate.first_val_loss--> to 0.00<!--04.cpu_rate.val_loss--> (recorded), with ours to 0.00<!--04.cpu_qlora.val_loss-->. LoRA's `B` begins at zero, and a rate that suits all the weights of a model is too small for two thin matrices. A loss on the prompt spends most of the gradient on writing descriptions, for they have many more tokens than answers: 0.00<!--04.cpu_prompt.val_loss-->. Without the end the loss of the *words* may be small, and yet the model goes on writing, 0<!--04.cpu_endless.tokens_written--> tokens in place of 0<!--04.cpu_qlora.tokens_written-->, so that its answer is no answer. All three together give the original's flat curve; what it blames, LoRA and gradient checkpointing, is in every one of these runs, or changes no gradient.
#
# ## 6 · Use it elsewhere
#
# The adapter is small; the base is loaded beside it. In a fresh process:

# %%
from helpers.products import extract_answer
from helpers.runtime import REPOSITORY

program = """
import sys
from helpers.qlora import answer, load_4bit, load_adapter
from helpers.runtime import setup

profile, data, base, adapter, prompt = sys.argv[1:]
model, tokenizer = load_4bit(setup("04", profile=profile, data=data), base or None)
print("ANSWER", answer(load_adapter(model, adapter), tokenizer, [prompt])[0])
"""
question = qa["fifteen"][0]
call = [runtime.profile, runtime.data, settings["base"] or "", str(run.file.parent / "adapter"), format_prompt(contexts[question["uid"]], question["question"])]
there = subprocess.run([sys.executable, "-c", program, *call], capture_output=True, text=True, encoding="utf-8", cwd=REPOSITORY)
found = extract_answer(there.stdout.rpartition("ANSWER")[2])
print(f"there: {found!r}, here: {after[0]['answer']!r}")

# %% [markdown]
# Now ask about a product of your own. A description that is too long, or a question, is refused with the reason:

# %%
DESCRIPTION = "Grey Scarf. A light grey scarf of felt, 2.8 m long. It costs 11 pounds and comes from Woodbridge."  # @param {type:"string"}
QUESTION = "What is the scarf made of?"  # @param {type:"string"}

for row in ask(tuned, tokenizer, [{"question": QUESTION, "answer": ""}], [DESCRIPTION]):
    print(f"raw text: {row['raw']!r}\nanswer:   {row['answer']}\nstands in the description: {row['in context']}")

# %% [markdown]
# That last line is a test that needs no right answer, and a shop can run it on every reply. Merging writes $W + BA$ into one matrix, which takes the weights in 16 bits:

# %%
needed, free = 2 * model.num_parameters(), available_memory(runtime)
print(f"a merged model in 16 bits takes {needed / 2**30:.2f} GiB, {free / 2**30:.1f} GiB are free: "
      + ("it would fit" if 1.2 * needed < free else "it does not fit here; ship the adapter and load it beside the 4-bit base"))

# %% [markdown]
# ## Try it
#
# **1 · Easy, 3 minutes.** A matrix of 4,096 × 14,336 weights in NF4 with blocks of 64 and scales of 8 bits (leave the scales' own scales out): how many bits does a weight take?

# %% [[exercise-1]]
my_answer = None

# %% [[check-1]]
known = {4.125: "right", 4.0: "that is without the scales", 4.5: "that is with scales of 32 bits: double quantisation stores them in 8",
         12.0: "a scale is shared by 64 weights", 0.125: "that is the scales alone"}
print("fill in my_answer first" if my_answer is None else known.get(my_answer, "not yet: 4 bits, and an eighth of ... bits for each?"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_answer = 4 + 8 / 64
# ```
# </details>
#
# **2 · Medium, 10 minutes.** Write the labels of an example: given the tokens of the prompt and of the answer and the id of the end, return (ids, labels), with a loss on the answer and its end only. (-100 is left out.)

# %% [[exercise-2]]
def my_example(prompt, answer, end):
    return prompt + answer, prompt + answer

# %% [[check-2]]
def diagnose(ids, labels):
    if (ids, labels) == ([5, 6, 7, 8, 9, 0], [-100, -100, -100, 8, 9, 0]):
        return "right"
    if len(ids) != len(labels):
        return "ids and labels have one number a token each"
    if 0 not in ids:
        return "the end is missing: such a model never stops"
    if any(label != -100 for label in labels[:3]):
        return "the prompt is in the loss: the model learns to write descriptions"
    return "the end must be a label too" if labels[-1] == -100 else "not yet: labels are the tokens themselves, not shifted"

try:
    print(diagnose(*map(list, my_example([5, 6, 7], [8, 9], 0))))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_example(prompt, answer, end):
#     said = answer + [end]
#     return prompt + said, [-100] * len(prompt) + said
# ```
# </details>
#
# **3 · Hard, 20 minutes.** Quantise a block of weights to levels yourself: given weights `(n,)` and sorted levels `(16,)` in -1..1, return the weights as they come back.

# %% [[exercise-3]]
def my_quantise(weights, levels):
    return weights

# %% [[check-3]]
def diagnose_levels(back, weights=torch.tensor([0.5, -1.0, 0.1, 2.0]), levels=torch.linspace(-1, 1, 5)):
    if torch.allclose(back, torch.tensor([0.0, -1.0, 0.0, 2.0])) or torch.allclose(back, torch.tensor([1.0, -1.0, 0.0, 2.0])):
        return "right"
    if torch.equal(back, weights):
        return "these are the weights themselves: nothing was rounded"
    if back.abs().max() <= 1:
        return "multiply by the scale in the end"
    return "divide by the largest absolute value first, then take the nearest level" if back.abs().max() != 2 else "not yet: take the nearest level"

try:
    print(diagnose_levels(my_quantise(torch.tensor([0.5, -1.0, 0.1, 2.0]), torch.linspace(-1, 1, 5))))
except Exception as error:
    print(f"not yet: {type(error).__name__}: {error}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_quantise(weights, levels):
#     scale = weights.abs().max()
#     nearest = (weights[:, None] / scale - levels).abs().argmin(1)
#     return levels[nearest] * scale
# ```
# </details>
#
# ## Recap
#
# - Entities first. Every answer stands in its description.
# - One function writes the form for training and for asking; only the answer and its end are in the loss.
# - Four bits hold the weights, LoRA's matrices learn; checkpointing changes memory and time, never a gradient.
# - Fifteen questions show, held-out ones prove; a question without its description tells reading from remembering.
# - A loss that does not fall has a reason: change one thing at a time.
#
# Have you run this on a GPU? No T4 has measured this notebook's figures yet. Tick the box to compare the card with your run and to check the GPU's
# arithmetic in a minute; the file that it names holds versions and measurements, nothing of yours.

# %%
# @title Optional: check this GPU, and write one file to send back
CHECK_GPU = False  # @param {type:"boolean"}
if CHECK_GPU:
    from tools.check_gpu import check_gpu
    check_gpu(runtime, run)

# %% [markdown]
# **What comes next.** Notebook 05 returns to small models and one author: a GPT on the complete works of Machado de Assis, and a search for its settings that tells the truth.
