"""Tiny stand-ins for what the series takes from the hub, under the real names and with the real columns.

All words are this project's own: the offline stories and dialogues.
"""

import functools
import io
import json
import random
import tempfile
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow
import pyarrow.parquet
import torch
import transformers
from huggingface_hub import constants, hf_api
from tokenizers import processors
from transformers import BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from helpers.corpora import OFFLINE, documents, read
from helpers.tokens import END, train_bpe

SPLITS = {  # (act, emotion, words) a turn: the first offline dialogues; act 2 is a question, 1 information; emotion 0 is none
    split: [[(2 if "?" in words else 1, 0, words) for words in map(str.strip, line.split("__eou__")[:-1])]
            for line in read(OFFLINE / "dialogues" / f"dialogues_{split}.txt").split("\n")[:count]]
    for split, count in (("train", 40), ("validation", 8), ("test", 8))}


@functools.cache
def stories():
    return documents(read(OFFLINE / "prose" / "train.txt"))


def parquet(columns):
    """A Parquet file's bytes."""
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def card(*configurations):
    """A dataset's README.md: the files of each configuration, if it has several; a shared folder is the file's name up to its dash."""
    lines = ["---", "license: mit"] + ["configs:"] * bool(configurations)
    for name in configurations:
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {name}/{split}-*" for split in SPLITS]
    return "\n".join([*lines, "---", "A stand-in for tests."]).encode()


def openwebtext():
    """Every story twice and shuffled: 2.8 MB, a document a row."""
    texts = stories() * 2
    random.Random(0).shuffle(texts)
    return {"README.md": card(), "data/train-00000-of-00001.parquet": parquet({"text": texts})}


def dialogue_files(make, path="data/{}-00000-of-00001.parquet"):
    """{path: bytes} of the three splits; ``make`` turns (number, dialogue) into rows."""
    files = {}
    for split, dialogues in SPLITS.items():
        rows = [row for pair in enumerate(dialogues) for row in make(*pair)]
        files[path.format(split)] = parquet({k: [r[k] for r in rows] for k in rows[0]})
    return files


def columns_of(dialogue):
    acts, emotions, words = map(list, zip(*dialogue))
    return acts, emotions, words


def roskon(number, dialogue):
    acts, emotions, words = columns_of(dialogue)
    return [{"id": number, "acts": acts, "emotions": emotions, "utterances": words}]


def better(number, dialogue):
    return [{"dialog_id": number, "utterance": words, "turn_type": act, "emotion": emotion} for act, emotion, words in dialogue]


def li2017(number, dialogue):
    acts, emotions, words = columns_of(dialogue)
    return [{"dialog": words, "act": acts, "emotion": emotions}]


def script(name):
    return {"README.md": card(), f"{name}.py": b"raise SystemExit('remote code ran')\n"}


def wikitext():
    """Two configurations in one repository; articles are told by their headings, as lines with a blank one after each."""
    files = {"README.md": card("wikitext-103-raw-v1", "wikitext-2-raw-v1")}
    for name, count in (("wikitext-103-raw-v1", 60), ("wikitext-2-raw-v1", 20)):
        for position, split in enumerate(SPLITS):
            lines = []
            for number, story in enumerate(stories()[position * 60:position * 60 + count]):
                lines += ["", f" = Story {number} = \n", ""]
                lines += [line for part in story.split("\n\n") for line in (f" {part} \n", "")]
            files[f"{name}/{split}-00000-of-00001.parquet"] = parquet({"text": lines})
    return files


def gpt2():
    """GPT-2's tokenizer files with fewer entries, and a model of two narrow blocks with GPT-2's 1,024 positions."""
    tokenizer = train_bpe(stories(), 50_257)  # far fewer: as many as the text gives
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    end = tokenizer.eos_token_id
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=1024, n_layer=2, n_head=2, n_embd=16,
                                       bos_token_id=end, eos_token_id=end))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        files = {f.name: f.read_bytes() for f in Path(folder).iterdir()}
    merges = "\n".join(["#version: 0.2", *(m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]), ""])
    return files | {"vocab.json": json.dumps(bpe["vocab"]).encode(), "merges.txt": merges.encode(),
                    "tokenizer.json": tokenizer.backend_tokenizer.to_str().encode(),
                    "tokenizer_config.json": json.dumps({"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer", "bos_token": END,
                                                         "eos_token": END, "unk_token": END}).encode()}


def llama():
    """Llama-3's tokenizer files with fewer entries and its beginning before each text, and two narrow layers, quantised as in the copy."""
    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = train_bpe(stories(), 2_000)
    tokenizer.add_special_tokens({"bos_token": begin, "eos_token": end})
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)])
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                                         num_key_value_heads=2, max_position_embeddings=8192, rope_theta=500_000.0,
                                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id))
    model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.9, max_length=4096)  # as Meta's
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        whole, packed = Path(folder, "whole"), Path(folder, "packed")
        model.bfloat16().save_pretrained(whole)
        transformers.AutoModelForCausalLM.from_pretrained(whole, quantization_config=nf4, dtype=torch.bfloat16).save_pretrained(packed)
        tokenizer.save_pretrained(packed)
        return {"README.md": b"A stand-in for tests."} | {f.name: f.read_bytes() for f in packed.iterdir()}


GPT2 = "openai-community/gpt2"
LLAMA, LLAMA_COPY = "meta-llama/Meta-Llama-3-8B", "unsloth/llama-3-8b-bnb-4bit"
STANDINS = {  # (kind, name, revision) -> {path: bytes}
    ("models", GPT2, "main"): gpt2,
    ("models", LLAMA, "main"): lambda: {"config.json": b"{}"},
    ("models", LLAMA_COPY, "main"): llama,
    ("datasets", "Elriggs/openwebtext-100k", "main"): openwebtext,
    ("datasets", "Salesforce/wikitext", "main"): wikitext,
    ("datasets", "roskoN/dailydialog", "main"): lambda: {"README.md": card()} | dialogue_files(roskon),
    ("datasets", "benjaminbeilharz/better_daily_dialog", "main"): lambda: {"README.md": card()} | dialogue_files(better),
    ("datasets", "li2017dailydialog/daily_dialog", "main"): lambda: script("daily_dialog"),
    ("datasets", "li2017dailydialog/daily_dialog", "refs/convert/parquet"):
        lambda: dialogue_files(li2017, "default/{}/0000.parquet"),
    ("datasets", "daily_dialog", "main"): lambda: script("daily_dialog"),
}


@functools.cache
def build():
    """{(kind, name, revision): {path: bytes}}, made once a process."""
    return {place: make() for place, make in STANDINS.items()}


def fill(hub):
    """Put all stand-ins on a `Hub`."""
    for (kind, name, revision), files in build().items():
        hub.add(kind, name, dict(files), revision)
    hub.renamed["gpt2"] = GPT2
    hub.fail(LLAMA, "gated")


def point_clients(monkeypatch, address, cache):
    """Let the client libraries of this process ask ``address`` and keep what they get in ``cache``, as HF_ENDPOINT and HF_HOME do at a start."""
    for module, values in ((constants, {"ENDPOINT": address, "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
                                        "HF_HUB_CACHE": str(cache / "hub"), "HF_TOKEN_PATH": str(cache / "token"), "HF_HUB_OFFLINE": False}),
                           (datasets.config, {"HF_ENDPOINT": address, "HF_DATASETS_CACHE": cache / "datasets", "HF_HUB_OFFLINE": False,
                                              "USE_PARQUET_EXPORT": False, "HF_UPDATE_DOWNLOAD_COUNTS": False}),  # other hosts
                           (hf_api.api, {"endpoint": address}),
                           (transformers.utils.hub, {"_hf_api": None})):  # newer ones keep a client of their own, made at its first use
        for name, value in values.items():
            monkeypatch.setattr(module, name, value, raising=name != "_hf_api")
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    huggingface_hub.HfFileSystem.clear_instance_cache()  # it remembers listings
