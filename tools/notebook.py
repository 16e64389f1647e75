"""Execute notebooks. `python tools/notebook.py 01` runs one in its workspace, shows progress and sums it up;
`--in-place` stores the outputs of an honest `cpu` run, from an empty workspace, in the notebook itself."""

import argparse
import hashlib
import json
import math
import os
import re
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from tqdm import tqdm

from helpers.plots import loss_chart, verdict
from helpers.runs import REFERENCES, Run, describe_hardware, reference
from helpers.runtime import REPOSITORY, shown

DURATIONS = REFERENCES / "notebooks.json"  # how long each notebook took, in profile cpu


class Client(NotebookClient):
    """A notebook client that lets the terminal see the progress bars of the cells."""

    def output(self, outs, msg, display_id, cell_index):
        if msg["header"]["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            sys.stderr.write(msg["content"]["text"])
            sys.stderr.flush()
        return super().output(outs, msg, display_id, cell_index)


def notebooks():
    return sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def find(number):
    """The notebook file of a number such as 01 or 1."""
    files = [f for f in notebooks() if number.isdigit() and f.name.startswith(f"{int(number):02}_")]
    if not files:
        names = ", ".join(f.name[:2] for f in notebooks())
        sys.exit(f"there is no notebook {number!r}: choose one of {names}")
    return files[0]


def heading(cell):
    found = re.search(r"^#+ (.+)", cell.source, re.M)
    return found and found[1]


def fill_in(notebook, fields):
    """Give form fields (lines ``NAME = value  # @param ...``) other values; fields: ["NAME=value", ...], a word or a Python literal."""
    for name, _, value in (f.partition("=") for f in fields):
        value = value if re.fullmatch(r"True|False|-?[\d._]+(e-?\d+)?", value) else repr(value)
        cells = [c for c in notebook.cells if c.cell_type == "code" and re.search(rf"^{re.escape(name)} = .*# @param", c.source, re.M)]
        if not cells:
            sys.exit(f"no cell has a field {name}: lines such as RERUN = ...  # @param are fields")
        cells[0].source = re.sub(rf"^({re.escape(name)} = ).*?(\s+# @param)", lambda m: m[1] + value + m[2], cells[0].source, flags=re.M)


def execute(file, fields=(), *, quiet=False):
    """The executed notebook; raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(file, as_version=4)
    fill_in(notebook, fields)
    client = Client(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(file.parent)}},
                    extra_arguments=["--IPKernelApp.log_level=50"])  # it warns of unencrypted loopback, and of its own end
    with client.setup_kernel(), tqdm(total=len(notebook.cells), unit="cell", disable=quiet, file=sys.stdout) as bar:
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown" and heading(cell):
                bar.set_description_str(textwrap.shorten(heading(cell), 60, placeholder="..."))
            if cell.cell_type == "code":
                client.execute_cell(cell, index)
            bar.update()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
    notebook.metadata.pop("widgets", None)
    CoalesceStreamsPreprocessor().preprocess(notebook, {})  # of a progress bar only its last state stays
    return notebook


def store(file):
    """Execute in profile cpu from an empty workspace; write the outputs into the notebook and its duration into data/reference."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as empty:
        os.environ |= {"GPT_SERIES_WORKSPACE": str(Path(empty) / "workspace"), "GPT_SERIES_PROFILE": "cpu"}
        notebook = execute(file)
    nbformat.write(notebook, file)
    durations = json.loads(DURATIONS.read_text(encoding="utf-8")) if DURATIONS.exists() else {}
    durations[file.name[:2]] = {"seconds": round(time.monotonic() - started, 1), "hardware": describe_hardware(torch.device("cpu"))}
    DURATIONS.write_text(json.dumps(durations, indent=1) + "\n", encoding="utf-8")


def sources_hash(file):
    """Changes whenever the notebook or a helper does."""
    parts = [file, *sorted((REPOSITORY / "helpers").glob("*.py"))]
    return hashlib.sha256(b"".join(p.read_bytes() for p in parts)).hexdigest()[:12]


def newest_run(folder):
    """The run in a notebook's workspace that was written to last, among those of which the notebook kept a sample."""
    runs = [Run(f) for f in sorted(folder.glob("*/log.jsonl"), key=lambda f: f.stat().st_mtime)]
    return next((r for r in reversed(runs) if any("sample" in row for row in r.rows)), None)


def summary(run, executed):
    """The plain lines at the end."""
    end, result = run.end, [r for r in run.rows if "sample" in r][-1]
    chart = run.file.parent / "loss.png"
    loss_chart(run, band=reference(run)).savefig(chart, dpi=120)
    for when, loss in (("start", end["first_val_loss"]), ("end", end["val_loss"])):
        print(f"validation loss at the {when}: {loss:.3f} nats per token, perplexity {math.exp(loss):,.1f}")
    if "bits_per_byte" in result:
        print(f"bits per byte at the end: {result['bits_per_byte']:.3f}")
    print(verdict(run))
    print(f"speed: {end['tokens_per_second']:,.0f} tokens per second, {end['seconds']:.0f} s of training ({end['status']})")
    paragraphs = [textwrap.fill(p, 100) for p in result["sample"].splitlines() if p.strip()]
    print("sample:\n" + textwrap.indent("\n".join(paragraphs), "    "))
    for name, file in (("executed notebook", executed), ("as a page", executed.with_suffix(".html")), ("chart", chart), ("log", run.file)):
        print(f"{name + ':':18} {shown(file, 3)}")


def workspace_of(file):
    """A notebook's folder in the reader's workspace; in a rehearsal, beside it."""
    workspace = Path(os.environ.setdefault("GPT_SERIES_WORKSPACE", str(REPOSITORY / "workspace")))  # the kernel will see it too
    return (workspace.with_name(workspace.name + "-rehearsal") if os.environ.get("GPT_SERIES_STEPS") else workspace) / file.name[:2]


def run(file, fields=()):
    """Execute in the reader's workspace, or say that this was done already; then sum up."""
    folder = workspace_of(file)
    executed, stamp = folder / file.name, folder / "executed.txt"
    settings = " ".join([*(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("GPT_SERIES_")), *fields])
    state = f"{sources_hash(file)} {settings}"
    found = newest_run(folder)
    if found and found.complete and stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        print(f"complete since {found.header['started']}: nothing to do (delete {shown(folder)} to start anew)")
    else:
        notebook = execute(file, fields)
        nbformat.write(notebook, executed)
        executed.with_suffix(".html").write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
        stamp.write_text(state, encoding="utf-8")
        found = newest_run(folder)
    summary(found, executed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", help="notebooks, such as 01; none: all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="give a form field of the notebook another value")
    parser.add_argument("--in-place", action="store_true", help="store the outputs in the notebooks")
    args = parser.parse_args()
    if args.set and args.in_place:
        parser.error("--set is for a run of your own: what --in-place stores is the notebook as it stands")
    files = [find(n) for n in args.numbers] or notebooks()
    for file in files:
        print(f"{shown(file)}:", flush=True)
        try:
            store(file) if args.in_place else run(file, args.set)
        except KeyboardInterrupt:
            sys.exit("\nstopped: run the same command again, and training goes on from its last checkpoint")
        except CellExecutionError as error:
            sys.exit(f"{file.name} stopped: {error.ename}: {error.evalue}")


if __name__ == "__main__":
    main()
