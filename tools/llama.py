"""Make the tiny Llama that notebook 04 tunes in profile cpu: `make llama`.

What a model must be able to do before it can answer from a context is to copy. So it first reads segments of random tokens that come
twice, and then text on products (data/offline/products/generate.py --pretrain), in which there is no question, with some such segments
among it; `--further` goes on from there, with a learning rate that begins anew. data/offline/llama gets its weights (float16) and
tokenizer, data/reference/04 both logs.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from helpers.corpora import OFFLINE, documents
from helpers.corpora import read as read_text
from helpers.runs import REFERENCES, Run, make_header
from helpers.runtime import seed_everything, setup, shown
from helpers.tokens import END, pack
from tools.references import keep

PLACE = OFFLINE / "llama"
GENERATOR = OFFLINE / "products" / "generate.py"
SHAPE = dict(vocab_size=1024, hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=6,
             max_position_embeddings=256, tie_word_embeddings=False, rope_theta=10_000.0)
BLOCK, ROWS, REPEATED = 160, 16, 4  # tokens of a row, rows of a batch, and how many of them are a random segment twice
COPYING = 1_800  # steps at the beginning that copy short random segments and nothing else: the circuit for it forms all at once, after about 1,250
CARD = """# Tiny Llama

A Llama of {parameters:,} parameters (4 layers, 6 heads, 192 dims, byte-level BPE of 1,024 entries with single digits), trained from random weights on
[text on products](../products/README.md) and on random tokens that come twice. Licence of weights and text: CC0. It has never seen a question; it
can copy, which is what answering from a context takes. It is here so that QLoRA can be shown on a CPU without a network.

    make llama

{tokens:,} tokens, {minutes:.1f} minutes on {hardware}. Validation loss {loss:.3f} nats per token; of the second
copies of random segments it predicts {copied:.1%}. Weights in float16. The logs are data/reference/04/llama*-s1337.jsonl.
"""


def train_tokenizer(texts):
    """Byte-level BPE in which every digit is a token of its own, so that numbers are copied digit by digit."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=SHAPE["vocab_size"], special_tokens=[END], show_progress=False,
                                                       initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END)


def twice(draw, rows, shortest, longest):
    """(ids, labels), both (rows, 2 n): random segments of n tokens that come twice; only the second copy counts."""
    segment = torch.tensor(draw.integers(1, SHAPE["vocab_size"], (rows, int(draw.integers(shortest, longest + 1)))))
    ids = segment.repeat(1, 2)
    labels = ids.clone()
    labels[:, : segment.shape[1] + 1] = -100
    return ids, labels


def batches(stream, step, seed):
    """What a step reads, a list of (ids, labels): first random segments only, then windows of the stream at random places beside some."""
    draw = np.random.default_rng([seed, step])
    if step < COPYING:
        return [twice(draw, 32, 4, 40)]
    starts = draw.integers(0, len(stream) - BLOCK, ROWS - REPEATED)
    ids = torch.tensor(np.stack([stream[s : s + BLOCK] for s in starts]).astype(np.int64))
    return [(ids, ids), twice(draw, REPEATED, 8, BLOCK // 2)]


@torch.no_grad()
def probe(model, stream, seed):
    """(validation loss, share of the second copies of random segments that are predicted)."""
    model.eval()
    rows = torch.tensor(stream[: len(stream) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.int64))[:64]
    loss = model(rows, labels=rows).loss.item()
    draw = np.random.default_rng(seed)
    segment = torch.tensor(draw.integers(1, SHAPE["vocab_size"], (32, 30)))
    guessed = model(segment.repeat(1, 2)).logits[:, 30:-1].argmax(-1)
    model.train()
    return loss, (guessed == segment[:, 1:]).float().mean().item()


def train(runtime, tokens_to_read, start=None):
    """(model, tokenizer, its finished log); start: a folder from whose weights it goes on."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "pretrain.txt"
        subprocess.run([sys.executable, GENERATOR, "--pretrain", text], check=True)
        texts = documents(read_text(text))
    np.random.default_rng(0).shuffle(texts)
    tokenizer = AutoTokenizer.from_pretrained(start) if start else train_tokenizer(texts)
    encoded = tokenizer(texts)["input_ids"]
    held_out, stream = pack(encoded[:100], 0), pack(encoded[100:], 0)
    seed_everything(runtime.seed)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, bos_token_id=0, eos_token_id=0))
    if start:
        model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
    model.loss_type = "ForCausalLM"
    copying, learning_rate, name = (0, 1e-3, "llama_further") if start else (COPYING, 2e-3, "llama")
    first = 10**6 if start else 0  # other places of the text
    steps, read = copying + tokens_to_read // (ROWS * BLOCK), 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.1, fused=True)
    progress = lambda s: max(0.0, (s - copying) / (steps - copying))
    schedule = lambda s: min(1, (s + 1) / 100) * (0.5 if s < copying else 0.1 + 0.9 * (1 + math.cos(math.pi * progress(s))) / 2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    run = Run(runtime.workspace / name / "log.jsonl")
    settings = SHAPE | dict(block=BLOCK, rows=ROWS, repeated=REPEATED, copying=copying, learning_rate=learning_rate, tokens=tokens_to_read)
    run.begin(make_header(replace(runtime, notebook="04"), settings=settings, data="") | {"steps": steps, "name": name})
    before, _ = probe(model, held_out, 7)
    started = time.perf_counter()
    for step in tqdm(range(steps), mininterval=10):
        parts = batches(stream, first + step, runtime.seed)
        counted = sum((labels[:, 1:] != -100).sum().item() for _, labels in parts)
        losses = [model(ids, labels=labels).loss * ((labels[:, 1:] != -100).sum() / counted) for ids, labels in parts]
        loss = sum(losses)
        loss.backward()
        read += sum(ids.numel() for ids, _ in parts)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(), scheduler.step(), optimizer.zero_grad()
        row = dict(step=step + 1, tokens=read)
        if (step + 1) % 10 == 0:
            run.log(**row, loss=loss.item(), grad_norm=norm.item(), learning_rate=scheduler.get_last_lr()[0])
        if (step + 1) % 100 == 0 or step + 1 == steps:
            val_loss, copied = probe(model, held_out, 7)
            run.log(**row, val_loss=val_loss, copied=copied, seconds=round(time.perf_counter() - started, 1))
            print(f"\nstep {step + 1}: validation loss {val_loss:.3f}, copied {copied:.1%}", flush=True)
    seconds = time.perf_counter() - started
    run.log("end", status="complete", step=steps, best_step=steps, tokens=read, val_loss=val_loss, copied=copied, seconds=seconds,
            first_val_loss=before, tokens_per_second=read / seconds, peak_memory_bytes=0)
    return model, tokenizer, run


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=7_000_000, help="of text and segments, after the first segments")
    parser.add_argument("--further", action="store_true", help="go on from the weights in --output")
    parser.add_argument("--output", type=Path, default=PLACE)
    args = parser.parse_args()
    runtime = setup("llama", profile="cpu", data="offline", seed=1337)
    model, tokenizer, run = train(runtime, args.tokens, args.output if args.further else None)
    model.half().save_pretrained(args.output)
    tokenizer.save_pretrained(args.output)
    logs = [Run(keep(run.file, run.header["name"])) if args.output == PLACE else run]
    if args.further and args.output == PLACE:
        logs.insert(0, Run(REFERENCES / "04" / f"llama-s{runtime.seed}.jsonl"))
    end = logs[-1].end
    (args.output / "README.md").write_text(CARD.format(
        parameters=model.num_parameters(), tokens=sum(log.end["tokens"] for log in logs), minutes=sum(log.end["seconds"] for log in logs) / 60,
        hardware=logs[-1].header["hardware"], loss=end["val_loss"], copied=end["copied"]), encoding="utf-8")
    print(f"{shown(args.output)}: " + json.dumps({f.name: f.stat().st_size for f in sorted(args.output.iterdir())}))


if __name__ == "__main__":
    main()
