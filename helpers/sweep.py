"""A search for settings with Optuna in which every trial gets the same compute:

    python -m helpers.sweep --corpus machado --profile cpu --trials 8

What trial n tries is a function of the seed and of the n - 1 trials before it, and `fit` resumes exactly: a sweep that was
killed, wherever it stood, goes on as the uninterrupted one would have.
"""

import contextlib
import io
import math
import os
import sys
from dataclasses import asdict, dataclass, fields, replace
from types import SimpleNamespace

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from .budget import OutOfMemory, count_parameters, flops_per_token
from .model import GPT, GPTConfig
from .runs import Run
from .runtime import ReaderError, Runtime, seed_everything
from .step import Diverged, TrainConfig
from .studies import INTERRUPTED, alone, clear, describe, finished, load_study, open_study, save_study, summary, tidy
from .tokens import check_length, fingerprint
from .training import NOT_SETTINGS, fit, run_folder

__all__ = ["ORIGINAL_SPACE", "SPACE", "Sweep", "load_study", "save_study", "summary"]
OBJECTIVE = "val_loss"  # the column of the runs' logs by which trials are judged: the lower, the better
STARTUP = 4             # trials that are drawn at random, and that complete before any is pruned
WARMUP = 0.25           # share of its budget that every trial gets
FAULTS = (OutOfMemory, Diverged, torch.OutOfMemoryError)  # what ends a trial and not the sweep
KINDS = {"log": lambda low, high: FloatDistribution(low, high, log=True), "float": FloatDistribution, "int": IntDistribution,
         "choice": CategoricalDistribution}
FOLLOWS = {"vocab_size", "max_steps", "epochs", "eval_every", "patience", *NOT_SETTINGS}  # from data and budget: no space names them

ORIGINAL_SPACE = {  # Machado-GPT's; which batches and dropouts it tried is not told in full
    "batch_size": ("choice", [16, 32, 64]), "block_size": ("choice", [32, 64, 128]), "n_embd": ("choice", [16, 32, 64]),
    "n_head": ("choice", [4, 8, 16]), "n_layer": ("choice", [1, 2, 4, 6, 8]), "learning_rate": ("choice", [1e-3, 1e-4, 1e-5]),
    "dropout": ("choice", [0.2, 0.3, 0.4, 0.5])}
SPACE = {  # the heads divide every width; a learning rate is a matter of factors, so its logarithm is uniform
    "batch_size": ("choice", [4, 8, 16, 32]), "n_embd": ("choice", [64, 128, 192, 256]), "n_head": ("choice", [2, 4, 8]),
    "n_layer": ("int", 2, 6), "learning_rate": ("log", 3e-4, 1e-2), "dropout": ("float", 0.0, 0.3)}
SPACES = {"better": SPACE, "original": ORIGINAL_SPACE}


@dataclass(frozen=True)
class Sweep:
    """A sweep, stored in ``<workspace>/<name>.db``. Raises ReaderError for what cannot be searched."""

    space: dict             # field of GPTConfig or TrainConfig -> ("log" | "float" | "int", low, high) or ("choice", [values])
    model: GPTConfig        # what the space does not name
    train: TrainConfig
    streams: dict           # "train" and "validation": (n,) tokens
    runtime: Runtime
    flops: float            # of training, that a trial may spend
    evaluations: int = 8    # of a trial, at about equal shares of its budget
    name: str = "sweep"
    tracker: str = "none"
    build: type = GPT       # makes the model of a config

    def __post_init__(self):
        known = {f.name for f in (*fields(self.model), *fields(self.train))} - FOLLOWS
        if unknown := sorted(self.space.keys() - known):
            raise ReaderError(f"the space cannot name {unknown[0]!r}: choose from {', '.join(sorted(known))}")
        if not (self.space and self.flops > 0 and self.evaluations >= 1):
            raise ReaderError("a sweep needs at least one name in its space, flops above 0 and at least 1 evaluation a trial, "
                              f"got {len(self.space)}, {self.flops:g} and {self.evaluations}")
        self.distributions()

    def distributions(self):
        """Optuna's distribution of each name, sorted by name, so that the draws do not depend on how the space is written."""
        found = {}
        for name, given in sorted(self.space.items()):
            try:
                kind, *limits = given
                found[name] = KINDS[kind](*limits)
            except (KeyError, TypeError, ValueError):
                raise ReaderError(f"the space has {name}: {given}: give ('log' | 'float' | 'int', low, high), low not above high and "
                                  "above 0 for 'log', or ('choice', [values])") from None
        return found

    def settings(self, params):
        """(GPTConfig, TrainConfig) of a run that spends ``flops`` with these values of the space, such as ``study.best_params``.

        Steps: what ``flops`` pays for. The warm-up is at most a tenth of them, and the cosine ends at the same share of the learning rate as
        in ``train``. Raises ReaderError for values that do not go together.
        """
        of_model = {k: v for k, v in params.items() if k in {f.name for f in fields(self.model)}}
        of_train = {k: v for k, v in params.items() if k not in of_model}
        micro, floor = self.train.micro_batch_size, self.train.min_learning_rate / self.train.learning_rate
        try:
            model = replace(self.model, **of_model)
            train = replace(self.train, **of_train, micro_batch_size=micro and math.gcd(micro, of_train.get("batch_size", micro)))
        except ValueError as error:
            raise ReaderError(str(error)) from None
        step = flops_per_token(model)["total"] * train.batch_size * model.block_size
        steps = int(self.flops / step)
        every = steps // self.evaluations
        if not every:
            raise ReaderError(f"{self.flops:.3g} FLOPs pay for {steps} steps, fewer than the {self.evaluations} evaluations: "
                              "raise flops, or take such large models and batches out of the space")
        for name, stream in self.streams.items():
            check_length(stream, model.block_size, name)
        if not train.steps_per_epoch(len(self.streams["train"]), model.block_size):
            raise ReaderError(f"the training text has fewer than {train.batch_size} blocks of {model.block_size}: "
                              "take such large batches out of the space")
        return model, replace(train, max_steps=steps, eval_every=every, checkpoint_every=every, patience=None, keep_epochs=False,
                              warmup_steps=min(train.warmup_steps, steps // 10),
                              min_learning_rate=of_train.get("min_learning_rate", floor * train.learning_rate))

    def run_one(self, params, *, seed=None, on_log=lambda run: None):
        """The `Run` of these settings through `fit`: resumed where it was interrupted, read from its log when it is complete."""
        (model, train), runtime = self.settings(params), self.runtime if seed is None else replace(self.runtime, seed=seed)
        seed_everything(runtime.seed)
        try:
            return fit(self.build(model), self.streams["train"], self.streams["validation"], config=train, runtime=runtime,
                       tracker=self.tracker, on_log=on_log)
        finally:
            if self.tracker == "wandb" and "wandb" in sys.modules:
                sys.modules["wandb"].finish()  # else the next run is logged into this one

    def run(self, trials):
        """Go on until ``trials`` trials are finished, one after another; returns the `optuna.Study`.

        A trial is COMPLETE, PRUNED (worse than half of the others at the same share of the budget) or FAIL (out of memory, a loss that is not
        a number, values that do not go together: user_attrs["reason"]); the stop button and a full disk end the sweep, to go on from there.
        Raises ReaderError for a database that another process uses, that is damaged, or that holds a sweep of other settings.
        """
        if "RANK" in os.environ:
            raise ReaderError("a sweep is one process, but RANK is set: start it without torchrun, and train the final model on several GPUs")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with alone(self.file):
            pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=math.ceil(WARMUP * self.evaluations))
            study = open_study(self.file, self.facts(), pruner=pruner)
            clear(study)
            for last in finished(study)[-1:]:
                tidy(self.runtime.workspace, last)
            while (done := len(finished(study))) < trials:
                told = self.next_trial(study, done)
                tidy(self.runtime.workspace, told)
                print(f"trial {done + 1} of {trials}: {describe(told, OBJECTIVE)}")
            print(summary(study))
        return study

    @property
    def file(self):
        return self.runtime.workspace / f"{self.name}.db"

    def facts(self):
        """What decides the outcome of every trial, as plain values."""
        train = {k: v for k, v in asdict(self.train).items() if k not in NOT_SETTINGS}
        parts = {"space": self.space, "model": asdict(self.model), "train": train}
        facts = {f"{part} {name}": value for part, values in parts.items() for name, value in values.items()}
        return facts | dict(flops=self.flops, evaluations=self.evaluations, objective=OBJECTIVE, build=self.build.__name__, seed=self.runtime.seed,
                            dtype=str(self.runtime.dtype), rehearsal=self.runtime.steps, data=fingerprint(*self.streams.values()))

    def next_trial(self, study, done):
        """Ask for a trial, run it, tell how it ended; returns it finished."""
        seed = int(np.random.SeedSequence([self.runtime.seed, done]).generate_state(1)[0])  # none of the draws before is repeated
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        trial = study.ask(self.distributions())
        trial.set_user_attr("end", INTERRUPTED)  # what holds if this process dies
        state, value, notes = self.attempt(trial)
        for key, note in (notes | {"end": state.name}).items():
            trial.set_user_attr(key, note)
        return study.tell(trial, value, state=state)

    def attempt(self, trial):
        """(state, value, notes) of a trial."""
        try:
            model, train = self.settings(trial.params)
        except ReaderError as error:
            return TrialState.FAIL, None, {"reason": str(error), "flops": 0}
        streams, reported = (self.streams["train"], self.streams["validation"]), [0]
        log = run_folder(SimpleNamespace(config=model), *streams, config=train, runtime=self.runtime) / "log.jsonl"

        def on_log(run):
            for step, loss in objective(run):
                if math.isnan(loss):
                    raise Diverged(f"{OBJECTIVE} is not a number at step {step:,}")
                share = int((step + train.eval_every / 2) * self.evaluations / train.max_steps)  # the nearest evaluation stands for it
                if share > reported[-1]:
                    reported.append(share)
                    trial.report(loss, share)
                    if trial.should_prune():
                        raise optuna.TrialPruned

        state, value, reason = TrialState.FAIL, None, {}
        try:
            on_log(Run(log))  # a trial that goes on where it was interrupted has evaluations already
            with contextlib.redirect_stdout(io.StringIO()):  # a trial has one line, below its progress bar
                run = self.run_one(trial.params, on_log=on_log)
            state, value = TrialState.COMPLETE, min(loss for _, loss in objective(run))
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except FAULTS as error:
            reason = {"reason": str(error).partition("\n")[0]}
        return state, value, notes(trial, model, Run(log)) | reason


def notes(trial, config, run):
    """What a trial's run took and reached, as far as its log tells."""
    last = lambda column: max((row.get(column) or 0 for row in run.rows if row["kind"] == "metric"), default=0)
    aside = "" if run.complete else f".trial-{trial.number}"
    return {"parameters": count_parameters(config)["total"], "flops": last("tokens") * flops_per_token(config)["total"], "seconds": last("seconds"),
            "folder": run.file.parent.name + aside, "best_step": min(objective(run), key=lambda pair: pair[1], default=[None])[0]}


def objective(run):
    """(step, objective) of each evaluation in a run's log; NaN where it is not a number. Raises ReaderError for a column it does not have."""
    rows = [row for row in run.rows if row["kind"] == "metric"]
    if rows and not any(OBJECTIVE in row for row in rows):
        logged = sorted({column for row in rows for column in row} - {"kind", "step", "tokens"})
        raise ReaderError(f"the runs log no {OBJECTIVE!r}: they log {', '.join(logged)}, choose one of these")
    return [(row["step"], math.nan if row[OBJECTIVE] is None else row[OBJECTIVE]) for row in rows if OBJECTIVE in row]


def main(argv=None):
    """The command: what is wrong with the input ends it with one sentence."""
    from . import pretrain  # a notebook has streams of its own
    parser = pretrain.parser()
    parser.prog, parser.description = "python -m helpers.sweep", "Search for settings; what the space does not name comes from the options below."
    parser.epilog = "Run the same command again to go on where it stopped, or with more --trials."
    parser.add_argument("--trials", type=int, default=8, help="finished trials to reach")
    parser.add_argument("--space", default="better", choices=SPACES, help="what is tried: ours, or that of the original")
    parser.add_argument("--flops", type=float, help="training FLOPs of a trial (a tenth of the profile's own run)")
    parser.add_argument("--evaluations", type=int, default=8, help="of a trial")
    parser.add_argument("--name", help="of the database in the workspace (space, profile and seed)")
    args = parser.parse_args(argv)
    try:
        model, training, validation, train, runtime, _ = pretrain.prepare(args)
        tokens = train.steps(len(training), model.config.block_size) * train.batch_size * model.config.block_size
        sweep = Sweep(SPACES[args.space], model.config, train, {"train": training, "validation": validation}, runtime,
                      args.flops or tokens * flops_per_token(model.config)["total"] / 10, args.evaluations,
                      args.name or f"sweep-{args.space}-{runtime.profile}-{runtime.seed}", args.tracker, type(model))
        study = sweep.run(args.trials)
        if any(trial.state == TrialState.COMPLETE for trial in study.trials):
            options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in study.best_params.items())
            print(f"to train the best at full length: python -m helpers.pretrain with the options of this sweep and {options}")
    except (ReaderError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
