"""`fit`: a whole pretraining run with evaluation, early stopping, checkpoints and exact resume.

What happens at step s is a function of the settings, the seed, s and the state before it: the order of the data and the
random numbers of dropout are computed from (seed, step), never carried along. So a resumed run is the uninterrupted one.
"""

import contextlib
import math
import signal
import threading
import time
from dataclasses import asdict

import torch
import torch.distributed as dist
from tqdm import tqdm

from . import checkpoints
from .budget import OutOfMemory, out_of_memory_advice
from .checkpoints import WAIT, load_best
from .evaluation import loss_sum
from .launch import OncePerStep, check_share
from .runs import Run, SystemMonitor, make_header, settings_hash
from .runtime import ReaderError, at_step, shown
from .step import Diverged, TrainConfig, batch_at, train_step
from .tokens import check_length, fingerprint

__all__ = ["TrainConfig", "fit", "train_step"]
NOT_SETTINGS = ("micro_batch_size", "checkpoint_every", "keep_epochs", "log_every")  # they change files and speed, not the result


def settings_of(model, config, runtime):
    """What decides a run's result, as plain values."""
    train = {k: v for k, v in asdict(config).items() if k not in NOT_SETTINGS}
    return {"model": asdict(model.config), "train": train | {"betas": list(config.betas)}, "dtype": str(runtime.dtype)}


def run_folder(model, train_tokens, val_tokens, *, config, runtime):
    """Where `fit` keeps a run: ``<workspace>/<profile>-<hash of settings, data and seed>``."""
    key = settings_hash([settings_of(model, config, runtime), fingerprint(train_tokens, val_tokens), runtime.seed, runtime.steps])
    return runtime.workspace / f"{runtime.profile}-{key}"


class Stopped(ReaderError, KeyboardInterrupt):
    """The stop button was pressed; the state is saved."""


@contextlib.contextmanager
def stop_button(processes=1):
    """Turns the first interrupt into a flag (an Event), so that a step is never cut in half; a second one interrupts."""
    pressed = threading.Event()
    if processes > 1 or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def press(*_):
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


class Trainer:
    """The state of one run and what is done to it; `fit` is the way in."""

    def __init__(self, model, train_tokens, val_tokens, *, config, runtime, tracker, on_log, name):
        self.model, self.train_tokens, self.val_tokens = model.to(runtime.device), train_tokens, val_tokens
        self.config, self.runtime, self.tracker, self.on_log, self.name = config, runtime, tracker, on_log, {"name": name} if name else {}
        self.block_size = model.config.block_size
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.check()
        self.data = fingerprint(train_tokens, val_tokens)
        self.folder = run_folder(model, train_tokens, val_tokens, config=config, runtime=runtime)
        self.run = Run(self.folder / "log.jsonl")
        self.optimizer = config.optimizer(model)
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.dtype == torch.float16)
        self.steps = config.steps(len(train_tokens), self.block_size)
        self.last = min(self.steps, runtime.steps or self.steps)  # a rehearsal keeps the schedule and ends early
        self.state = dict(step=0, best=None, best_step=-1, stale=0, seconds=0.0, step_seconds=0.0)
        self.pending = []  # numbers of steps that are still on the device

    def check(self):
        """Raise ReaderError for data or processes that do not fit the settings."""
        check_length(self.train_tokens, self.block_size, "training")
        check_length(self.val_tokens, self.block_size, "validation")
        if not self.config.steps_per_epoch(len(self.train_tokens), self.block_size):
            blocks = (len(self.train_tokens) - 1) // self.block_size
            raise ReaderError(f"the training text has {blocks} blocks of {self.block_size} tokens, fewer than one batch of "
                              f"{self.config.batch_size}: use a longer text, a smaller batch_size or a smaller block_size")
        check_share(self.config.batch_size, self.world)

    @property
    def out_of_patience(self):
        return self.config.patience is not None and self.state["stale"] >= self.config.patience

    @property
    def tokens_seen(self):
        return self.state["step"] * self.config.batch_size * self.block_size

    def resume(self):
        """Load the newest intact checkpoint, if there is one, and open the log at its step."""
        found = checkpoints.latest(self.folder / "checkpoints")
        self.optimizer.zero_grad(set_to_none=True)  # a step that failed in this session may have left gradients
        if found:
            tensors, self.state = found
            checkpoints.restore(tensors, self.model, self.optimizer)
            self.scaler.load_state_dict(self.state.pop("scaler"))
            self.run.rows = self.state.pop("rows", self.run.rows)  # the log as it was then, whatever became of the file
        elif any(r.get("step") for r in self.run.rows) or any((self.folder / "checkpoints").glob("step-*.safetensors")):
            raise ReaderError(f"{shown(self.folder, 2)} holds a run but no intact checkpoint with its best.safetensors: {WAIT}")
        if self.world > 1:
            dist.barrier()  # nobody writes before everybody has read
        if self.rank == 0:
            header = make_header(self.runtime, data=self.data, settings=settings_of(self.model, self.config, self.runtime))
            self.run.begin(header | {"steps": self.last} | self.name, step=self.state["step"], tracker=self.tracker)
            resumed = at_step(self.folder / "checkpoints" / f"step-{self.state['step']:06}.safetensors", self.steps) if self.state["step"] else ""
            rehearsal = f", a rehearsal of {self.last}" if self.last < self.steps else ""
            print(f"resuming {resumed}{rehearsal}, in" if resumed else f"training for {self.steps:,} steps{rehearsal} in", shown(self.folder, 2))

    def save(self, name, with_optimizer=True):
        """Write a checkpoint, after the log of the steps that it covers."""
        self.flush()
        if self.rank == 0:
            state = self.state | {"scaler": self.scaler.state_dict(), "rows": list(self.run.rows)}
            checkpoints.save(self.folder / "checkpoints" / name, self.model, self.optimizer if with_optimizer else None, **state)
            checkpoints.keep_last(self.folder / "checkpoints")

    def flush(self):
        """Fetch the pending numbers from the device and log them."""
        for step, loss, norm, rate in self.pending:
            if self.rank == 0:
                self.run.log(step=step, tokens=step * self.config.batch_size * self.block_size, loss=float(loss), grad_norm=float(norm),
                             learning_rate=rate, epoch=round(step / self.config.steps_per_epoch(len(self.train_tokens), self.block_size), 4))
            if not math.isfinite(float(loss)):
                raise Diverged(f"the loss is not a number at step {step:,}: lower learning_rate ({self.config.learning_rate:g}) "
                               f"or lengthen warmup_steps ({self.config.warmup_steps}), and build the model anew before the next fit")
        self.pending.clear()

    def one_step(self, model):
        """The next step, on this process's share of its batch."""
        step, started = self.state["step"], time.perf_counter()
        torch.manual_seed((self.runtime.seed * 1_000_003 + step) * self.world + self.rank)  # dropout's: the one thing that the number of processes changes
        tokens, targets = batch_at(self.train_tokens, step, block_size=self.block_size, batch_size=self.config.batch_size,
                                   seed=self.runtime.seed)
        tokens, targets = (t[self.rank :: self.world].to(self.runtime.device) for t in (tokens, targets))
        rate = self.config.rate(step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)  # a group may have a rate of its own, which follows the same schedule
        loss, norm = train_step(model, self.optimizer, self.scaler, tokens, targets, config=self.config, runtime=self.runtime)
        if self.world > 1:
            dist.all_reduce(loss)
            loss /= self.world
        self.pending.append((step + 1, loss, norm, rate))
        self.state["step"] = step + 1
        if self.due(self.config.log_every) or self.due(self.config.eval_every):
            self.flush()  # waits for the device, so the clock below is honest
        self.state["step_seconds"] += time.perf_counter() - started

    def due(self, every):
        """Is it time for something that happens every so many steps, and at the end?"""
        return self.state["step"] % every == 0 or self.state["step"] == self.last

    def evaluate(self):
        """Log the validation loss, keep the best weights, count evaluations without a new best."""
        self.flush()
        total, count = loss_sum(self.model, self.val_tokens, block_size=self.block_size, runtime=self.runtime,
                                batch_size=self.config.micro_batch_size or self.config.batch_size,
                                max_blocks=self.config.eval_blocks, part=(self.rank, self.world))
        if self.world > 1:
            sums = torch.tensor([total, count], dtype=torch.float64, device=self.runtime.device)
            dist.all_reduce(sums)
            total, count = sums.tolist()
        loss, state = total / count, self.state
        better = state["best"] is None or loss < state["best"]
        state |= dict(best=loss, best_step=state["step"], stale=0) if better else dict(stale=state["stale"] + 1)
        if self.rank == 0:
            rate = self.tokens_seen / state["step_seconds"] if state["step"] else None
            self.run.log(step=state["step"], tokens=self.tokens_seen, val_loss=loss, seconds=round(state["seconds"], 2), tokens_per_second=rate)
            self.on_log(self.run)
        if better:
            self.save("best.safetensors", with_optimizer=False)
        return loss

    def loop(self, pressed):
        """Step after step until the end, early stopping or the stop button; returns how it ended."""
        config, state = self.config, self.state
        passes = math.ceil(config.batch_size / self.world / (config.micro_batch_size or config.batch_size))
        model = OncePerStep(self.model, passes) if self.world > 1 else self.model
        epoch = config.steps_per_epoch(len(self.train_tokens), self.block_size)
        clock = time.perf_counter() - state["seconds"]
        self.model.train()
        if state["step"] == 0:
            self.save("step-000000.safetensors")  # a run begun anew in the same session begins with the same weights
            self.evaluate()
        with tqdm(total=self.last, initial=state["step"], unit="step", disable=self.rank > 0, mininterval=1.0) as bar:
            while state["step"] < self.last and not self.out_of_patience:
                self.one_step(model)
                bar.update()
                state["seconds"] = time.perf_counter() - clock
                if self.due(config.eval_every):
                    bar.set_postfix_str(f"validation loss {self.evaluate():.3f}")
                if self.due(config.checkpoint_every) or self.out_of_patience or pressed.is_set():
                    self.save(f"step-{state['step']:06}.safetensors")
                if config.keep_epochs and state["step"] % epoch == 0:
                    self.save(f"epoch-{state['step'] // epoch:03}.safetensors")
                if pressed.is_set():
                    return "stopped"
        return "early stop" if self.out_of_patience else "complete"

    def finish(self, status):
        """Close the log with the figures of the run, and give the model its best weights back."""
        state, memory = self.state, self.run.curve("memory_bytes", x="seconds")[1]
        if self.rank == 0:
            peak = torch.cuda.max_memory_allocated() if self.runtime.device.type == "cuda" else memory.max(initial=0)
            self.run.log("end", status=status, step=state["step"], tokens=self.tokens_seen, val_loss=state["best"], best_step=state["best_step"],
                         first_val_loss=float(self.run.curve("val_loss")[1][0]), seconds=round(state["seconds"], 2), peak_memory_bytes=int(peak),
                         tokens_per_second=round(self.tokens_seen / max(state["step_seconds"], 1e-9), 1))
            self.on_log(self.run)
        if status == "stopped":
            raise Stopped(f"you stopped the training at step {state['step']:,} of {self.steps:,}; everything is saved in "
                          f"{shown(self.folder, 2)}: run this cell again to go on")
        if self.world > 1:
            dist.barrier()  # the best checkpoint is written
        load_best(self.model, self.folder)


def fit(model, train_tokens, val_tokens, *, config, runtime, tracker="none", on_log=lambda run: None, name=None):
    """Train ``model`` on a token stream (n,), with evaluations on another (m,); returns the `Run`.

    Run again with the same settings, data and seed: an interrupted run goes on where it was saved, exactly; a complete
    one is read from its log. At the end the model has the weights of its best evaluation. ``on_log(run)`` is called after
    each evaluation. Under ``torchrun`` (process group initialised) the processes share each batch. ``name``: kept in the log's header.
    Raises ReaderError for data that does not fit and lack of disk, OutOfMemory, Diverged, and Stopped at the stop button.
    """
    trainer = Trainer(model, train_tokens, val_tokens, config=config, runtime=runtime, tracker=tracker, on_log=on_log, name=name)
    if trainer.run.complete:
        print(f"complete since {trainer.run.header['started']}: read from {shown(trainer.folder, 2)}")
        load_best(model, trainer.folder)
        on_log(trainer.run)
        return trainer.run
    trainer.resume()
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()  # the peak in the log is this run's
    try:
        with stop_button(trainer.world) as pressed, SystemMonitor(trainer.run, device=runtime.device, active=trainer.rank == 0):
            status = trainer.loop(pressed)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise OutOfMemory(out_of_memory_advice(model.config, config, runtime, trainer.world)) from None
        raise
    trainer.finish(status)
    return trainer.run
