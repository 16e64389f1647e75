"""What fine-tuning GPT-2 at its real size takes in profile t4: `python benchmarks/finetune_memory.py`.

Weights, gradients and optimizer are counted; what a forward pass keeps is watched on the CPU in bfloat16, whose numbers are as long as a T4's
float16, for one and for two blocks of 1,024 tokens, and extended to the four of the profile. An estimate: no GPU has confirmed it.
"""

import copy
import json

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from helpers.finetuning import FineTuneConfig, kept_bytes, prepare, states_bytes
from helpers.runs import REFERENCES, describe_hardware
from helpers.runtime import setup, shown
from helpers.blocks import collate
from helpers.weights import FAST

BLOCKS, VOCABULARY, MARKS = 4, 50_260, (50_257, 50_258, 50_259)


def block():
    ids = np.random.default_rng(0).integers(0, VOCABULARY, 1_024)
    return {"input_ids": ids, "labels": ids, "documents": np.repeat(np.arange(8), 128)}


def main():
    runtime = setup("benchmark", profile="t4", data="offline", dtype="bfloat16")
    model, rows = AutoModelForCausalLM.from_config(GPT2Config(vocab_size=VOCABULARY, **FAST)), {}
    for way in ("full", "lora", "8bit"):
        config = FineTuneConfig(way=way, new_tokens=MARKS)
        copied = prepare(copy.deepcopy(model), config).train()
        one, two = (kept_bytes(copied, collate([block()] * n), runtime)[0] for n in (1, 2))
        memory = states_bytes(copied, config) | {"activations": one + (BLOCKS - 1) * (two - one),
                                                 "gradient of the logits": BLOCKS * 1_024 * VOCABULARY * 4}
        rows[way] = memory | {"total": sum(memory.values())}
        print(way, {name: f"{size / 2**30:.2f} GiB" for name, size in rows[way].items()}, flush=True)
    file = REFERENCES / "benchmarks" / "finetune_memory.json"
    file.write_text(json.dumps({"hardware": describe_hardware(runtime.device), "blocks": BLOCKS, "bytes": rows}, indent=1) + "\n", encoding="utf-8")
    print(shown(file))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
