"""How fast does our GPT train? Each rung of the ladder beside nanoGPT and Transformers, on the same shape and batch.

    python benchmarks/ladder.py --nanogpt path/to/nanoGPT --threads 1 2 --output ladder.json

Every variant lives in a process of its own, so that each can have its own memory settings, and takes a step to warm up and six timed ones
a turn; rounds are interleaved (A B C, then C B A, ...), so that a slow minute of the machine falls on all. A ratio is taken within a round.
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers.ladder import Worker, interleave, make_rung, quartiles, random_batch, serve, times_as_fast
from helpers.model import GPTConfig
from helpers.roofline import bandwidth, floor, matmul_rate, share_reached
from helpers.rungs import half_precision, rungs
from helpers.runs import describe_hardware
from helpers.runtime import ReaderError

CONFIG = GPTConfig(vocab_size=50_304, block_size=256, n_layer=4, n_head=4, n_embd=256)
NANOGPT, EQUAL, TRANSFORMERS = "nanoGPT", "nanoGPT, our settings", "Transformers"


# --- the variants: each is (a step that returns its loss, a check that has nothing to say) ---


def step_by_hand(model, loss_of, optimizer, device, dtype):
    """The step that every training loop takes, with clipping at 1; a scaler where the dtype is float16."""
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def step():
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = loss_of()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step, lambda: None


def nanogpt(settings, device):
    """karpathy/nanoGPT's GPT and optimizer, from its model.py."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(settings["nanogpt"]) / "model.py")
    module = sys.modules["nanogpt_model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    model = module.GPT(module.GPTConfig(**settings["config"], bias=True)).to(device)
    optimizer = model.configure_optimizers(0.1, 3e-4, (0.9, 0.95), device.type)
    tokens, targets = random_batch(CONFIG, settings["batch_size"], device)
    return step_by_hand(model, lambda: model(tokens, targets)[1], optimizer, device, getattr(torch, settings["dtype"]))


def transformers(settings, device):
    """Transformers' GPT-2, which takes the labels itself, with the fused AdamW that its Trainer has."""
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.manual_seed(0)
    c = CONFIG
    model = GPT2LMHeadModel(GPT2Config(vocab_size=c.vocab_size, n_positions=c.block_size, n_layer=c.n_layer, n_head=c.n_head, n_embd=c.n_embd,
                                       resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens, _ = random_batch(CONFIG, settings["batch_size"], device)
    return step_by_hand(model, lambda: model(input_ids=tokens, labels=tokens).loss, optimizer, device, getattr(torch, settings["dtype"]))


MAKERS = {NANOGPT: nanogpt, EQUAL: nanogpt, TRANSFORMERS: transformers}


def child(settings):
    serve(MAKERS.get(settings["variant"], make_rung), settings)


def variants(args, batch, threads):
    """[(name, settings of the child, its environment)] and {name: why it is left out}."""
    device, half = torch.device(args.device), half_precision(torch.device(args.device))[0] or torch.float32
    shared = dict(config=vars(CONFIG), batch_size=batch, device=args.device, threads=threads, nanogpt=args.nanogpt, check=True)
    name_of = lambda dtype: str(dtype).removeprefix("torch.")
    ladder, wanted, left_out = rungs(device), [], {}
    if args.nanogpt:
        wanted += [(NANOGPT, shared | dict(variant=NANOGPT, dtype="float32"), {}),
                   (EQUAL, shared | dict(variant=EQUAL, dtype=name_of(half)), ladder[-1].environment)]
    wanted.append((TRANSFORMERS, shared | dict(variant=TRANSFORMERS, dtype="float32"), {}))
    for rung in ladder:
        if rung.compiled and not args.compile:
            left_out[rung.name] = "not asked for: --compile"
        elif rung.reason_skipped:
            left_out[rung.name] = rung.reason_skipped
        else:
            wanted.append((rung.name, shared | dict(variant=rung.name, rung=vars(rung) | dict(dtype=name_of(rung.dtype))), rung.environment))
    return wanted, left_out


# --- measuring and reporting ---


def measure(args, batch, threads):
    """One cell of the record: all variants with so many sequences a step and so many threads."""
    torch.set_num_threads(threads)
    wanted, left_out = variants(args, batch, threads)
    workers, tokens, half = [], batch * CONFIG.block_size, half_precision(torch.device(args.device))[0] or torch.float32
    try:
        for name, settings, environment in wanted:
            try:
                workers.append(Worker(name, settings, environment=environment, command=(__file__, "--child")))
            except ReaderError as error:
                left_out[name] = str(error)
        rates = [matmul_rate(half, args.device)]
        answers = interleave(workers, args.rounds, 6 if args.device == "cpu" else 10)
        rates.append(matmul_rate(half, args.device))  # before and after: the higher one is the machine's
    finally:
        for worker in workers:
            worker.close()
    rate, copied = max(rates), bandwidth(args.device)
    base = NANOGPT if args.nanogpt else workers[0].name
    summary = {worker.name: dict(
        peak_bytes=answers[worker.name][-1]["peak_bytes"], differences=worker.first["differences"], first_seconds=worker.first["first_seconds"],
        **{clock: summarize(answers, worker.name, base, clock, tokens, rate, threads) for clock in ("cpu", "wall")}) for worker in workers}
    return dict(batch=batch, threads=threads, tokens=tokens, load_average=psutil.getloadavg()[0], rate=rate, rate_dtype=str(half), bandwidth=copied,
                floor=floor(CONFIG, tokens, rate, copied, half), base=base, left_out=left_out, summary=summary,
                seconds={name: {clock: [round(row[clock], 5) for row in rows] for clock in ("cpu", "wall")} for name, rows in answers.items()})


def summarize(answers, name, base, clock, tokens, rate, threads):
    """Quartiles of tokens per second and of the ratio to the base, and the share of the measured matmul rate (of one thread, by CPU time)."""
    speed = quartiles([tokens / row[clock] for row in answers[name]])
    return dict(tokens_per_second=speed, times=times_as_fast(answers, name, base, clock),
                share_of_peak=share_reached(speed[0], CONFIG, rate / (threads if clock == "cpu" else 1)))


def table(cell):
    lines = [f"batch {cell['batch']} x {CONFIG.block_size}, {cell['threads']} thread{'s' * (cell['threads'] > 1)}; "
             f"{cell['rate_dtype'].removeprefix('torch.')} matrix products reach {cell['rate'] / 1e9:,.0f} GFLOP/s, memory {cell['bandwidth'] / 1e9:,.0f} GB/s",
             f"  {'':29}{'tokens/s (CPU time)':>24}{'times ' + cell['base']:>22}{'share of peak':>15}{'tokens/s (wall)':>17}{'times':>7}{'peak MB':>9}"]
    for name, s in cell["summary"].items():
        (speed, low, high), (times, times_low, times_high) = s["cpu"]["tokens_per_second"], s["cpu"]["times"]
        peak = f"{s['peak_bytes'] / 1e6:,.0f}" if s["peak_bytes"] else "n/a"
        lines.append(f"  {name:29}{f'{speed:,.0f} [{low:,.0f}..{high:,.0f}]':>24}{f'{times:.2f} [{times_low:.2f}..{times_high:.2f}]':>22}"
                     f"{s['cpu']['share_of_peak']:>15.0%}{s['wall']['tokens_per_second'][0]:>17,.0f}{s['wall']['times'][0]:>7.2f}{peak:>9}")
    return "\n".join(lines + [f"  {name:29}left out: {reason}" for name, reason in cell["left_out"].items()])


def versions(folder):
    import transformers
    git = folder and subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=False, capture_output=True, text=True)
    return dict(python=platform.python_version(), torch=torch.__version__, transformers=transformers.__version__,
                nanogpt=git.stdout.strip() or None if folder else None)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", help="a checkout of karpathy/nanoGPT; without it, nanoGPT is left out")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--batch", type=int, nargs="+", default=[4])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="the rung torch.compile too, which takes up to a minute to start on a CPU")
    parser.add_argument("--output", default=ROOT / "workspace" / "benchmarks" / "ladder.json")
    args = parser.parse_args()
    if args.nanogpt and not (Path(args.nanogpt) / "model.py").exists():
        parser.error(f"no model.py in {args.nanogpt}: name a checkout of karpathy/nanoGPT")
    return args


def main(args):
    record = dict(kind="benchmark", benchmark="ladder", measured=time.strftime("%Y-%m-%d %H:%M"), device=args.device,
                  hardware=describe_hardware(torch.device(args.device)), versions=versions(args.nanogpt),
                  settings=dict(vars(CONFIG), rounds=args.rounds), cells=[])
    for threads in args.threads:
        for batch in args.batch:
            record["cells"].append(measure(args, batch, threads))
            print(table(record["cells"][-1]), flush=True)
            Path(args.output).parent.mkdir(parents=True, exist_ok=True)  # after every cell: the next one may take minutes
            Path(args.output).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"recorded in {args.output}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(json.loads(sys.argv[2]))
    else:
        main(arguments())
