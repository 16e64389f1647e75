"""QLoRA (Dettmers et al., 2023): a large model in 4 bits, small trainable matrices beside it; two backends behind one interface."""

import contextlib
import importlib.util
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig
from transformers.utils import logging

from .budget import available_memory, kept_bytes
from .checkpoints import damage, seal
from .corpora import OFFLINE
from .hub import asking_hub
from .products import extract_answer, format_example, format_prompt
from .runtime import ReaderError, shown
from .scoring import answer_in_context, exact_match, f1
from .tokens import IGNORE

logging.disable_progress_bar()  # of reading weights; downloads keep theirs
LLAMA = "unsloth/llama-3-8b-bnb-4bit"  # an ungated copy, quantised beforehand
BYTES_PER_WEIGHT = 0.5 + 1 / 64 + 4 / 64 / 256  # 4 bits; an 8-bit scale for every 64 weights, a 32-bit one for every 256 scales


@contextlib.contextmanager
def old_names():
    """Context for PEFT and TRL, which ask by names that Transformers 5.23 announces to drop: that is theirs to settle."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*gradient_checkpointing", FutureWarning)
        yield


def choose_backend(runtime, wish="auto"):
    """("unsloth" or "transformers", the reason in one line): Unsloth where the first cell has imported it, before the libraries that it changes.

    Raises ReaderError for a wish that is neither of them nor "auto", and for Unsloth where it cannot serve.
    """
    if wish not in ("auto", "unsloth", "transformers"):
        raise ReaderError(f"unknown backend {wish!r}: choose auto, unsloth or transformers")
    there = "unsloth" in sys.modules
    apart = runtime.device.type == "cpu" and torch.cuda.is_available()  # Unsloth takes the GPU where there is one
    if wish == "unsloth" and (apart or not there):
        raise ReaderError("Unsloth computes on this machine's GPU, profile cpu does not: choose another profile or the backend transformers" if there
                          else 'Unsloth was not imported: write extras="unsloth" in the first cell, restart the session, then Run all')
    if wish != "auto":
        return wish, "asked for"
    if there and not apart:
        return "unsloth", "the first cell imported it"
    return "transformers", "Unsloth computes on the GPU, this profile on the CPU" if there else 'for Unsloth write extras="unsloth" in the first cell'


def four_bit(dtype):
    """NF4 with double quantisation; products are computed in ``dtype``."""
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)


def load_4bit(runtime, name=None, *, backend="transformers", block_size=256):
    """(model, tokenizer) with the linear layers in 4 bits, says which. name: of the hub or a folder; None: the tiny Llama of data/offline.

    A folder ``llama-3-8b`` among the reader's data takes the place of `LLAMA`. A checkpoint that is not quantised is quantised as it is read. Raises ReaderError without bitsandbytes and where memory does not suffice.
    """
    own = Path(runtime.data) / "llama-3-8b"
    place = own if name == LLAMA and own.is_dir() else name or OFFLINE / "llama"
    if not importlib.util.find_spec("bitsandbytes"):
        raise ReaderError('a model in 4 bits needs bitsandbytes: run the first cell (Colab, Kaggle), or pip install "bitsandbytes>=0.50"')
    print(f"base model: {shown(place) if Path(place).is_dir() else place}, in 4 bits by {backend}")
    with asking_hub(place):
        config = AutoConfig.from_pretrained(place)
        check_room(runtime, config)
        tokenizer = AutoTokenizer.from_pretrained(place)  # for both: Unsloth would add a token to its own
        if backend == "unsloth":
            from unsloth import FastLanguageModel
            model, _ = FastLanguageModel.from_pretrained(str(place), max_seq_length=block_size, load_in_4bit=True, dtype=runtime.dtype)
        else:
            settings = {} if hasattr(config, "quantization_config") else {"quantization_config": four_bit(runtime.dtype)}
            model = AutoModelForCausalLM.from_pretrained(place, dtype=runtime.dtype, device_map={"": runtime.device}, attn_implementation="sdpa",
                                                         **settings)
    model.backend, model.loss_type = backend, "ForCausalLM"
    model.generation_config = GenerationConfig()  # what `answer` asks for, not the checkpoint's way of sampling
    make_trainable(model, runtime.dtype)
    return model, tokenizer


def make_trainable(model, dtype):
    """Let the 4-bit layers compute in ``dtype``, whatever their checkpoint says, and keep their way back; what is not in 4 bits gets ``dtype``.

    Of a checkpoint that was quantised beforehand, Transformers 5.23 leaves embeddings, norms and head in the checkpoint's dtype.
    bitsandbytes 0.50 repacks a layer's weights at the first pass without gradients on processors with AVX512-BF16; a training after that gets
    no gradient through it, and says so in a warning only.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit
    for parameter in model.parameters():
        if parameter.is_floating_point() and not isinstance(parameter, Params4bit):
            parameter.data = parameter.data.to(dtype)
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.compute_dtype, layer.compute_type_is_set, layer.support_avx512bf16_for_cpu = dtype, True, False


def check_room(runtime, config):
    """Raise ReaderError if a model of this configuration does not fit the free memory: linear layers in 4 bits, the rest in ``runtime.dtype``."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    every, head = model.num_parameters(), model.get_output_embeddings()
    linear = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head)
    needed, free = linear * BYTES_PER_WEIGHT + (every - linear) * runtime.dtype.itemsize, available_memory(runtime)
    if needed > free:
        raise ReaderError(f"{every / 1e9:.1f}B weights take {needed / 2**30:.1f} GiB in 4 bits (embeddings and head in {8 * runtime.dtype.itemsize}), "
                          f"{free / 2**30:.1f} GiB are free: take a model of {every * free / needed / 1.5e9:.1f}B weights or fewer, or a larger card")


def backend_of(model):
    """Which backend `load_4bit` took for this model, or for the one in LoRA's frame."""
    return getattr(model, "backend", "transformers")


def lora_frame(model, config):
    """The frozen 4-bit model with LoRA's matrices in all linear layers but the head; embeddings and norms keep their dtype."""
    rank = dict(r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules="all-linear")
    if backend_of(model) == "unsloth":  # its frame has kernels of its own; it seeds, so it gets the seed that is set
        from unsloth import FastLanguageModel
        with old_names():
            return FastLanguageModel.get_peft_model(model, **rank, lora_dropout=0, random_state=torch.initial_seed() % 2**32,
                                                    use_gradient_checkpointing="unsloth" if config.checkpointing else False)
    from peft import LoraConfig, get_peft_model
    for parameter in model.parameters():
        parameter.requires_grad = False
    if config.checkpointing:
        model.enable_input_require_grads()  # else no gradient reaches the recomputed layers
    with old_names():
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **rank))


def switch_checkpointing(framed, on):
    """Gradient checkpointing on or off, in a model that `lora_frame` made."""
    with old_names():
        framed.config.use_cache = not on  # what is computed again cannot be kept for generation
        framed.gradient_checkpointing_enable() if on else framed.gradient_checkpointing_disable()


def trainable_in_float32(model):
    """Trainable weights in float32: TRL makes them bfloat16, which the gradient scaler of a T4 cannot handle."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def base_name(model):
    """What an adapter notes of its base: the name on the hub, or the last part of a folder, which lies elsewhere on another machine."""
    name = str(getattr(model, "name_or_path", "") or model.config.name_or_path)
    return Path(name).name if Path(name).is_dir() else name


def keep_adapter(checkpoint, folder, model, tokenizer=None, card=None):
    """Copy LoRA's files from a checkpoint to ``folder``, with the tokenizer, a card and checksums of all."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("[!a]*"))  # adapter_*
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")) | {"base_model_name_or_path": base_name(model)}
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    if card:
        (folder / "README.md").write_text(card, encoding="utf-8")
    seal(folder, [])


def load_adapter(model, folder):
    """The model with a kept adapter on it. Raises ReaderError if the adapter is damaged or belongs to another base."""
    from peft import PeftModel
    folder = Path(folder)
    if fault := damage(folder):
        raise ReaderError(f"the adapter in {shown(folder, 2)} cannot be used ({fault}): delete that folder to train anew")
    made_for = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if made_for != base_name(model):
        raise ReaderError(f"the adapter in {shown(folder, 2)} was trained on {made_for}, not on {base_name(model)}: load that base")
    with old_names():
        return PeftModel.from_pretrained(model, folder)


def answer(model, tokenizer, prompts, *, max_new_tokens=32, batch_size=8):
    """What the model writes after each prompt, up to its end of sequence: the most likely token each time; list of str, as raw text.

    Raises ReaderError for a prompt that leaves no room for its answer.
    """
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    device, written = next(model.parameters()).device, []
    was_training = model.training
    model.eval()
    for first in range(0, len(prompts), batch_size):
        rows = [tokenizer(p)["input_ids"] for p in prompts[first : first + batch_size]]
        longest = max(map(len, rows))
        if longest + max_new_tokens > (most := model.config.max_position_embeddings):
            raise ReaderError(f"a prompt of {longest:,} tokens and an answer of {max_new_tokens} are more than the {most:,} that this model reads: "
                              "shorten the description")
        ids = torch.tensor([[pad] * (longest - len(r)) + r for r in rows], device=device)  # (b, longest): padding on the left
        mask = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows], device=device)
        found = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=pad,
                               eos_token_id=tokenizer.eos_token_id)
        written += [tokenizer.decode(row[longest:], skip_special_tokens=True) for row in found]
    model.train(was_training)
    return written


def encode_qa(context, question, reply, tokenizer, *, prompt_too=False, end=True):
    """A question and its answer as {"input_ids", "labels"}: the prompt as it will be asked, then the answer and the end of sequence.

    Only answer and end are labels, by their position. prompt_too and end=False are what the original did: a loss on the prompt, no end.
    """
    prompt = tokenizer(format_prompt(context, question))["input_ids"]
    said = tokenizer(format_example(context, question, reply, "")["completion"], add_special_tokens=False)["input_ids"]
    said += [tokenizer.eos_token_id] * end
    labels = [IGNORE, *prompt[1:]] if prompt_too else [IGNORE] * len(prompt)
    return {"input_ids": np.array(prompt + said), "labels": np.array(labels + said)}


def ask(model, tokenizer, questions, contexts, **settings):
    """One row a question: {"question", "expected", "raw", "answer", "exact", "f1", "in context"}; settings go to `answer`."""
    raw = answer(model, tokenizer, [format_prompt(c, q["question"]) for q, c in zip(questions, contexts, strict=True)], **settings)
    rows = []
    for q, context, text in zip(questions, contexts, raw):
        found = extract_answer(text)
        rows.append({"question": q["question"], "expected": q["answer"], "raw": text, "answer": found, "exact": exact_match(found, q["answer"]),
                     "f1": f1(found, q["answer"]), "in context": answer_in_context(found, context)})
    return rows


def qlora_memory(model, config, batch, runtime):
    """Bytes by term for training LoRA beside this 4-bit model: what is held is counted, what one forward pass keeps is watched."""
    size = lambda tensors: sum(t.nbytes for t in tensors)
    linear = [m for m in model.modules() if type(m).__name__ == "Linear4bit"]
    packed = size(m.weight.data for m in linear)
    scales = sum(size(t for t in m.weight.quant_state.as_dict(packed=True).values()) for m in linear)
    whole = size(p.data for p in model.parameters())
    was_training, was_free = model.training, [p for p in model.parameters() if p.requires_grad]
    hooks = model.get_input_embeddings()._forward_hooks
    own = set(hooks)
    framed = lora_frame(model, config).train()
    switch_checkpointing(framed, config.checkpointing)
    sizes = [p.numel() for p in framed.parameters() if p.requires_grad]
    free, small = sum(sizes), sum(n for n in sizes if config.way == "qlora" and n >= 4096)  # bitsandbytes' rule
    try:
        kept, _ = kept_bytes(framed, {k: v.to(runtime.device) for k, v in batch.items()}, runtime)
    except torch.OutOfMemoryError:
        raise ReaderError(f"out of memory with {len(batch['input_ids'])} examples a pass: take fewer a pass, or shorter ones") from None
    finally:
        switch_checkpointing(framed, False)
        framed.unload().train(was_training)
        for hook in set(hooks) - own:  # checkpointing lets the embeddings' output have a gradient
            del hooks[hook]
        for parameter in was_free:
            parameter.requires_grad = True
    passing = 8 * batch["input_ids"].numel() * model.config.vocab_size  # gradients of the loss and of the logits, both float32
    parts = {"4-bit weights": packed, "their scales": scales, "embeddings, head and norms": whole - packed, "LoRA's weights": 4 * free,
             "LoRA's gradients": 4 * free, "optimizer": 8 * (free - small) + 2 * small + small // 32, "activations": kept, "logits in passing": passing}
    return parts | {"total": sum(parts.values())}
