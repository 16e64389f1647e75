"""Make the tiny base model that later notebooks fine-tune: `make base`.

It is notebook 01's GPT of profile cpu with a context of 256 tokens, trained on the offline prose for longer. data/offline/base gets
its weights (float16) and tokenizer in Hugging Face's format, data/reference its log.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from helpers.corpora import OFFLINE
from helpers.runs import Run
from helpers.runtime import shown
from tools.references import keep

BASE = OFFLINE / "base"
RECIPE = ["--corpus", "prose", "--profile", "cpu", "--data", "offline", "--seed", "1337", "--block-size", "256", "--batch-size", "4",
          "--epochs", "4", "--dropout", "0.1"]
CARD = """# Tiny base model

A GPT-2 of {parameters:,} parameters (4 layers, 4 heads, 128 dims, context 256, byte-level BPE of 2,048 entries), trained from random weights on
[the offline prose](../prose/README.md) and on nothing else. Licence of weights and text: CC0. It writes small stories, not well; it is here
so that fine-tuning can be shown on a CPU without a network.

    make base        # python -m helpers.pretrain {recipe}

{epochs:g} epochs, {tokens:,} tokens, {minutes:.1f} minutes on {hardware}. Validation loss {first:.3f} -> {loss:.3f} nats per token, {bits:.3f} bits per
byte, best at step {best:,}; the weights of that step, in float16. The log is data/reference/01/base-s1337.jsonl.
"""


def main():
    with tempfile.TemporaryDirectory() as workspace:
        subprocess.run([sys.executable, "-m", "helpers.pretrain", *RECIPE, "--output", workspace], check=True)
        [log] = Path(workspace).glob("*/*/log.jsonl")
        recorded = Run(keep(log, "base"))
        model = AutoModelForCausalLM.from_pretrained(log.parent / "model_final", dtype=torch.float16)
        model.save_pretrained(BASE)
        for file in (log.parent / "model_final").glob("tokenizer*"):
            (BASE / file.name).write_bytes(file.read_bytes())
    end, result = recorded.end, recorded.rows[-1]
    (BASE / "README.md").write_text(CARD.format(
        parameters=model.num_parameters(), recipe=" ".join(RECIPE), epochs=recorded.header["settings"]["train"]["epochs"], tokens=end["tokens"],
        minutes=end["seconds"] / 60, hardware=recorded.header["hardware"], first=end["first_val_loss"], loss=end["val_loss"],
        bits=result["bits_per_byte"], best=end["best_step"]), encoding="utf-8")
    print(f"{shown(BASE)}: " + json.dumps({f.name: f.stat().st_size for f in sorted(BASE.iterdir())}))


if __name__ == "__main__":
    main()
