"""Fine-tuning with the Hugging Face Trainer: its loop, with our settings, checkpoints and resume, on one device or under torchrun."""

import copy
import gc
import importlib.util
import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass

import torch
from transformers import AutoModelForCausalLM, PrinterCallback, TrainingArguments

from .budget import Budget, available_memory, flops_per_token, kept_bytes, peak_flops, states_bytes
from .checkpoints import checksum, damage, newest_checkpoint
from .model import GPTConfig
from .qlora import backend_of, keep_adapter, lora_frame, old_names
from .runs import Run, SystemMonitor, describe_hardware, make_header, settings_hash
from .runtime import ReaderError, at_step, seed_everything, shown, step_of
from .blocks import collate, count_labels, fingerprint_blocks
from .tokens import IGNORE
from .training import Stopped, stop_button
from .tuner import Even, FineTuner, Recorder, no_room, out_of_patience, rank, wait_for_all, world
from .weights import save_whole

WAYS = {"full": "adamw_torch_fused", "lora": "adamw_torch_fused", "8bit": "adamw_8bit", "qlora": "paged_adamw_8bit"}  # the Trainer's optimizers
for module in ("trainer", "trainer_utils"):  # they warn of a new micro_batch_size and of a folder that moved, which do no harm
    logging.getLogger(f"transformers.{module}").setLevel("ERROR")


@dataclass(frozen=True)
class FineTuneConfig:
    """Settings of a fine-tuning run."""

    way: str = "full"                    # "full": all weights; "lora": small matrices beside frozen ones; "8bit": all weights, AdamW in 8 bit; "qlora": see `qlora`
    batch_size: int = 8                  # blocks per step
    micro_batch_size: int | None = None  # blocks per forward pass, at most; None: all at once
    epochs: float = 3.0
    learning_rate: float = 1e-4          # at the end of the warm-up; then half a cosine down to 0
    warmup_steps: int = 20
    weight_decay: float = 0.01
    grad_clip: float = 1.0               # largest norm of the gradient
    eval_every: int = 50                 # steps; a checkpoint is saved as often
    lora_rank: int = 16
    new_tokens: tuple = ()               # ids of marks whose embeddings LoRA trains too
    checkpointing: bool = False          # compute activations again in the backward pass: less memory, about a third more time
    patience: int | None = None          # early stopping: evaluations without a new best; None: never

    def __post_init__(self):
        if self.way not in WAYS:
            raise ValueError(f"unknown way {self.way!r}: choose one of {', '.join(WAYS)}")
        if self.batch_size < 1 or self.batch_size % world():
            wanted = f"a multiple of the {world()} processes" if world() > 1 else "at least 1"
            raise ValueError(f"batch_size must be {wanted}, got {self.batch_size}")
        if self.micro < 1 or self.batch_size % (self.micro * world()) or self.micro_batch_size and self.micro_batch_size > self.batch_size:
            processes = f" among {world()} processes" if world() > 1 else ""
            raise ValueError(f"micro_batch_size must divide batch_size ({self.batch_size}){processes}, got {self.micro_batch_size}")
        if self.way in ("8bit", "qlora") and not importlib.util.find_spec("bitsandbytes"):
            raise ReaderError('the 8-bit optimizer needs bitsandbytes, which is not installed: run pip install "bitsandbytes>=0.50", '
                              "or choose the way full or lora")

    @property
    def micro(self):
        return min(self.batch_size if self.micro_batch_size is None else self.micro_batch_size, self.batch_size // world())

    @property
    def accumulation(self):  # forward passes per step, on each device
        return self.batch_size // (self.micro * world())

    def steps(self, n_blocks):  # of the optimizer, in the whole run
        return math.ceil(self.epochs * math.ceil(n_blocks / self.batch_size))


def prepare(model, config):
    """The model with the weights that ``config.way`` trains set free: itself, or in LoRA's frame (Hu et al., 2021)."""
    model.loss_type = "ForCausalLM"  # the usual loss, which Transformers takes for GPT-2 too, but with a warning
    if config.way == "qlora":
        return lora_frame(model, config)
    if config.way != "lora":
        return model
    from peft import LoraConfig, get_peft_model
    frame = LoraConfig(task_type="CAUSAL_LM", r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules="all-linear",
                       trainable_token_indices={"wte": [*config.new_tokens]} if config.new_tokens else None, fan_in_fan_out=True)  # Conv1D: (in, out)
    with old_names():
        return get_peft_model(model, frame)


def fine_tune_budget(model, train, validation, *, config, runtime):
    """The `Budget` of `fine_tune`, tried on a copy: what the forward pass keeps is watched, speed is that of two passes there and back."""
    free = available_memory(runtime)
    copied, c = prepare(copy.deepcopy(model).to(runtime.device), config).train(), model.config
    batch, times = {k: v.to(runtime.device) for k, v in collate([train[i] for i in range(config.micro)]).items()}, []
    for _ in range(3):  # the first one warms up
        started = time.perf_counter()
        try:
            kept, loss = kept_bytes(copied, batch, runtime)
            loss.backward()
        except torch.OutOfMemoryError:
            raise ReaderError(no_room(config)) from None
        times.append((sum(p.grad.sum() for p in copied.parameters() if p.grad is not None).item(), time.perf_counter() - started)[1])  # waits
    forward = flops_per_token(GPTConfig(c.vocab_size, c.n_positions, c.n_layer, c.n_head, c.n_embd), training=False, context=batch["labels"].shape[1])
    flops, counted = forward["total"] * (2 if config.way == "lora" else 3), int((batch["labels"] != IGNORE).sum())  # frozen: no gradient
    memory = states_bytes(copied, config) | {"activations": kept, "gradient of the logits": batch["labels"].numel() * c.vocab_size * 4}
    name, speed, steps = describe_hardware(runtime.device), counted / min(times[1:]), min(config.steps(len(train)), runtime.steps or math.inf)
    return Budget(hardware=f"{name}, {str(runtime.dtype).removeprefix('torch.')}", parameters=model.num_parameters(), flops_per_token=flops,
                  memory=memory | {"total": sum(memory.values())}, memory_available=free, tokens_per_second=speed,
                  tokens=counted / config.micro * config.batch_size * steps, minutes_allowed={"cpu": 1.5, "t4": 15}.get(runtime.profile),
                  utilisation=(peak := peak_flops(name, runtime.dtype)) and speed * flops / peak,
                  evaluation_share=len(validation) / 3 / (config.eval_every * config.batch_size))


def optimizer_of(config, runtime):
    """The Trainer's name of the optimizer; paged ones, which move to RAM when a GPU is full, are a GPU's."""
    return WAYS[config.way].removeprefix("paged_" if runtime.device.type == "cpu" else "")


def training_arguments(config, runtime, folder):
    """The Trainer's arguments."""
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=config.epochs, per_device_train_batch_size=config.micro, per_device_eval_batch_size=config.micro,
        gradient_accumulation_steps=config.accumulation, learning_rate=config.learning_rate, lr_scheduler_type="cosine",
        warmup_steps=config.warmup_steps, weight_decay=config.weight_decay, max_grad_norm=config.grad_clip, optim=optimizer_of(config, runtime),
        **({"gradient_checkpointing": True} if config.checkpointing else {}),
        fp16=runtime.dtype == torch.float16, bf16=runtime.dtype == torch.bfloat16, use_cpu=runtime.device.type == "cpu",
        logging_steps=1, logging_nan_inf_filter=False, eval_strategy="steps", eval_steps=config.eval_every, save_steps=config.eval_every,
        save_total_limit=3, metric_for_best_model="eval_loss", greater_is_better=False, seed=runtime.seed, remove_unused_columns=False,
        dataloader_pin_memory=runtime.device.type == "cuda", ddp_find_unused_parameters=False, disable_tqdm=True, report_to="none")
    arguments._n_gpu = min(1, arguments.n_gpu)  # of several GPUs one: the Trainer would split each batch, and the settings say what a batch is
    return arguments


def settings_of(model, config, runtime):
    """What decides a run's result, as plain values."""
    unused = {"micro_batch_size", "checkpointing"}  # they do not change the result
    unused |= {"lora": set(), "qlora": {"new_tokens"}}.get(config.way, {"lora_rank", "new_tokens"})
    unused |= {"patience"} if config.patience is None else set()
    tune = {k: v for k, v in (asdict(config) | {"new_tokens": list(config.new_tokens)}).items() if k not in unused}
    tune |= {"backend": backend_of(model)} if backend_of(model) != "transformers" else {}  # it rounds otherwise, and may take another optimizer
    return {"tune": tune, "dtype": str(runtime.dtype), "parameters": model.num_parameters()}


def weights_of(model):
    """A checksum of the weights a run begins with; of a model in 4 bits, whose weights fill a card, the small tensors, scales among them."""
    small = 2**20 if getattr(model, "is_loaded_in_4bit", False) else math.inf
    return checksum({k: v.cpu().contiguous() for k, v in model.state_dict().items() if v.numel() <= small}, {})


def say_what_differs(run, settings):
    """Name unfinished runs of the same way beside this one, which other settings began."""
    for log in run.file.parent.parent.glob("*/log.jsonl"):
        other = Run(log)
        before, now = other.header.get("settings", {}).get("tune", {}), settings["tune"]
        if log != run.file and before.get("way") == now["way"] and not other.complete:
            changed = [f"{k} {before.get(k)} before, {now.get(k)} now" for k in before | now if before.get(k) != now.get(k)]
            changed = changed or ["other data, weights or seed"]
            print(f"{log.parent.name} was begun with other settings ({'; '.join(changed)}) and stays as it is: this run is another one")


def fine_tune(model, train, validation, *, config, runtime, name="", tracker="none", on_log=lambda run: None, tokenizer=None, card=None,
              trainer=FineTuner):
    """Fine-tune a Transformers model on blocks (see `blocks.to_blocks`) or other examples that are tokens; returns the `Run`.

    Its folder then holds ``model_final/``: the weights of the best evaluation, LoRA's merged, with ``tokenizer`` and a ``card``
    (README.md), which `AutoModelForCausalLM.from_pretrained` loads; beside a base in 4 bits, ``adapter/`` only. Run again with the same settings, data, weights and seed: an
    interrupted run goes on where it was saved, exactly; a complete one is read from its log. ``model`` itself is changed: load it anew
    for the next run. ``name`` tells runs with equal settings apart. ``trainer``: the class of the loop, such as `sft.SFTTuner`.
    Raises ReaderError for lack of memory and a loss that is not a number, and Stopped at the stop button.
    """
    settings = settings_of(model, config, runtime) | ({"name": name} if name else {})
    data = fingerprint_blocks(train, validation)
    weights = weights_of(model)  # not a setting: processors round differently
    folder = runtime.workspace / f"{runtime.profile}-{settings_hash([settings, data, weights, runtime.seed, runtime.steps])}"
    run = Run(folder / "log.jsonl")
    if run.complete:
        print(f"complete since {run.header['started']}: read from {shown(folder, 2)}" * (rank() == 0))
        on_log(run)
        return run
    last = min(steps := config.steps(len(train)), runtime.steps or math.inf)
    start = newest_checkpoint(folder / "checkpoints", last)  # from the last step the Trainer would take one more
    while start and out_of_patience(Run(start / "rows.jsonl").curve("val_loss")[1], config.patience):
        start = newest_checkpoint(folder / "checkpoints", step_of(start))  # it had stopped there: take that evaluation once more
    run.rows = Run(start / "rows.jsonl").rows if start else []
    seed_everything(runtime.seed)  # LoRA draws its first matrices
    with old_names():
        arguments = training_arguments(config, runtime, folder / "checkpoints")
    wait_for_all()  # nobody writes before everybody has read
    if rank() == 0:
        say_what_differs(run, settings)
        header = make_header(runtime, settings=settings, data=data) | {"steps": last, "name": name or config.way, "weights": weights}
        run.begin(header, step=step_of(start) if start else 0, tracker=tracker)
        print(f"resuming {at_step(start, steps)}, in" if start else f"training for {steps:,} steps"
              + (f", a rehearsal of {last}," if last < steps else "") + " in", shown(folder, 2))
    tokens = count_labels(train) / math.ceil(len(train) / config.batch_size)
    with stop_button(world()) as pressed:
        recorder = Recorder(run, runtime, last, tokens, on_log, pressed, config.patience)
        with old_names():
            trainer = trainer(prepare(model, config), arguments, data_collator=collate, eval_dataset=validation, callbacks=[recorder],
                              train_dataset=Even(train, config.micro * world()) if world() > 1 else train)
        trainer.recorder = recorder
        trainer.remove_callback(PrinterCallback)
        train_with(trainer, start, config, runtime)
        recorder.bar.close()
    if pressed.is_set() and trainer.state.global_step < last:
        raise Stopped(f"you stopped the training at step {trainer.state.global_step:,} of {steps:,}; everything is saved in {shown(folder, 2)}: "
                      "run this cell again to go on")
    if rank() == 0:
        finish(trainer, folder, config, tokenizer, card)
    wait_for_all()
    return run if rank() == 0 else Run(folder / "log.jsonl")


def train_with(trainer, start, config, runtime):
    """The Trainer's loop from a checkpoint or the first step, with the system watched; lack of memory becomes a sentence."""
    gc.collect()  # models of earlier runs lie in cycles of references and hold memory
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with SystemMonitor(trainer.recorder.run, device=runtime.device, active=rank() == 0):
            if start is None:
                trainer.evaluate()
            trainer.train(resume_from_checkpoint=start and str(start))
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise ReaderError(no_room(config)) from None
        raise
    finally:
        if config.way in ("8bit", "qlora"):  # bitsandbytes would hold the embeddings, and know other weights of later runs by their address
            importlib.import_module("bitsandbytes.optim").GlobalOptimManager.get_instance().initialize()


def finish(trainer, folder, config, tokenizer, card):
    """Keep the best weights as a model anyone can load, and LoRA's small file beside it; close the log; let the checkpoints go."""
    run, step, losses = trainer.recorder.run, *trainer.recorder.run.curve("val_loss", x="step")
    kept = folder / "checkpoints" / f"checkpoint-{int(step[1:][losses[1:].argmin()])}"  # the first row is that of step 0
    if fault := damage(kept):
        raise ReaderError(f"the best checkpoint {kept.name} cannot be used ({fault}): delete {shown(folder, 2)} to train anew")
    if config.way in ("lora", "qlora"):
        trainer.model.load_adapter(kept, "default")
    if config.way == "qlora":
        keep_adapter(kept, folder / "adapter", trainer.model, tokenizer, card)
    elif config.way == "lora":
        model = trainer.model.merge_and_unload()
        shutil.copytree(kept, folder / "adapter", ignore=shutil.ignore_patterns("[!a]*"), dirs_exist_ok=True)  # adapter_*
    else:
        model = AutoModelForCausalLM.from_pretrained(kept, dtype=torch.float32)
    if config.way != "qlora":
        save_whole(folder / "model_final", model, tokenizer)
    if card and config.way != "qlora":
        (folder / "model_final" / "README.md").write_text(card, encoding="utf-8")
    peak = torch.cuda.max_memory_allocated() or run.curve("memory_bytes", x="seconds")[1].max(initial=0)
    seconds, tokens = trainer.recorder.seconds, round(trainer.state.global_step * trainer.recorder.tokens_per_step)
    status = "early stop" if out_of_patience(losses, config.patience) else "complete"
    run.log("end", status=status, step=trainer.state.global_step, tokens=tokens, val_loss=float(losses[1:].min()), best_step=step_of(kept),
            first_val_loss=float(losses[0]), seconds=round(seconds, 2), tokens_per_second=round(tokens / max(seconds, 1e-9), 1),
            peak_memory_bytes=int(peak), trainable=sum(p.numel() for group in trainer.optimizer.param_groups for p in group["params"]),
            optimizer_bytes=sum(t.nbytes for state in trainer.optimizer.state.values() for t in state.values() if torch.is_tensor(t)),
            disk_bytes=sum(f.stat().st_size for f in (folder / ("adapter" if "lora" in config.way else "model_final")).glob("*.safetensors")))
    trainer.recorder.show(run)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
