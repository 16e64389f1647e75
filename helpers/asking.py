"""Questions and answers on products from an OpenAI model, or any server that speaks its protocol: each product is asked once and paid once.

Threads and the blocking client, for in Jupyter a loop of coroutines already runs. One thread, the caller's, writes the files.
"""

import contextlib
import getpass
import hashlib
import itertools
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from pathlib import Path

import openai
from tqdm import tqdm

from .replies import Asker, Journal, Unanswered, messages
from .runtime import ReaderError
from .training import Stopped, stop_button

O200K = hashlib.sha1(b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken").hexdigest()  # tiktoken's name for its file


class Key:
    """A key for an API that shows itself to the client only: printed, it is a placeholder."""

    def __init__(self, text):
        self._text = lambda: text  # not a plain attribute, which `vars` would show

    def __call__(self):
        return self._text()

    def __repr__(self):
        return "<a key, not shown>"


def find_key(name="OPENAI_API_KEY"):
    """The reader's key as a `Key`: from Colab's secrets, the environment, or a hidden prompt where somebody can answer it.

    Raises ReaderError where there is none.
    """
    found = ""
    with contextlib.suppress(Exception):  # no Colab, no such secret, not allowed to this notebook, no answer: each has its own exception
        from google.colab import userdata
        found = userdata.get(name) or ""
    found = found.strip() or os.environ.get(name, "").strip()
    kernel = getattr(getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "kernel", None)
    if not found and (getattr(kernel, "_allow_stdin", False) if kernel else sys.stdin is not None and sys.stdin.isatty()):
        with contextlib.suppress(EOFError, NotImplementedError):
            found = getpass.getpass(f"{name} (hidden): ").strip()
    if not found:
        raise ReaderError(f"no key: put {name} into Colab's secrets or the environment, or take the shipped questions or rule_based_qa, "
                          "which need none")
    return Key(found)


def estimate_cost(products, model, prices=None, *, questions=5, concurrency=8, seconds=5.0, folder=None):
    """What `generate_qa` will take, before it asks: a dict with "products", "tokens in", "tokens out", "counted by", "dollars", "minutes".

    prices: (dollars per million tokens in, per million out), from your provider's page of today; without them dollars is None.
    seconds: one answer's time, a guess of yours. folder: what was made there already is not counted.
    """
    done = Journal(Path(folder)).done if folder else ()
    texts = ["".join(m["content"] for m in messages(p, questions)) for p in products if p["uid"] not in done]
    files = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR") or Path(tempfile.gettempdir(), "data-gym-cache")
    count, by = (lambda text: len(text.encode()) // 4), "bytes / 4, a rule of thumb (tiktoken's files are not here)"
    if Path(files, O200K).exists():  # asked for otherwise, tiktoken would go to the network
        with contextlib.suppress(ImportError):
            import tiktoken
            encoding, by = tiktoken.get_encoding("o200k_base"), "tiktoken's o200k_base"
            count = lambda text: len(encoding.encode(text, disallowed_special=()))
    tokens_in, tokens_out = sum(map(count, texts)) + 10 * len(texts), 40 * questions * len(texts)  # 10: the protocol's own; 40: a pair in JSON
    return {"model": model, "products": len(texts), "tokens in": tokens_in, "tokens out": tokens_out, "counted by": by,
            "dollars": prices and (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6, "minutes": len(texts) * seconds / concurrency / 60}


def generate_qa(products, *, model, folder, client=None, base_url=None, key=None, questions=5, concurrency=8, timeout=60.0, retries=6,
                answer_tokens=2_000, prices=None):
    """(questions, counts): a `Dataset` with columns "uid", "question", "answer" of all that was made in ``folder``, and what became of the products.

    products: rows with "uid" and "cleaned", as from `load_products`. base_url: another server than OpenAI's; it gets the key only if ``key`` is
    given, a `Key`. client: your own `openai.OpenAI`. timeout: seconds for one reply. retries: further tries after a reply that may be better
    next time (429, 5xx, time-out, broken connection), by the server's Retry-After where it has one. answer_tokens: the longest reply.
    Each finished product is a line of ``qa.jsonl`` at once; what cannot be used is in ``set_aside.jsonl`` with its reason. Started again, it asks
    only for products that are in neither. Raises ReaderError for what the reader must mend, and Stopped at the stop button.
    """
    journal = Journal(Path(folder))
    todo = list({p["uid"]: p for p in products if p["uid"] not in journal.done}.values())
    counts = Counter({"made before": len(journal.done), "qa": 0, "set_aside": 0, "pairs set aside": 0, "unanswered": 0})
    if todo:
        expected = estimate_cost(todo, model, prices, questions=questions, concurrency=concurrency)
        print("to ask: " + ", ".join(f"{k} {v if isinstance(v, str) else format(v, ',.2f' if isinstance(v, float) else ',')}"
                                     for k, v in expected.items() if v is not None and k != "model"))
        client = client or openai.OpenAI(api_key=key or (find_key() if base_url is None else "none"), base_url=base_url, timeout=timeout)
        with stop_button() as stop:
            asker = Asker(client.with_options(max_retries=0, timeout=timeout), model, questions, retries, answer_tokens, stop)
            ask_all(asker, todo, Harvest(journal, counts, model, max(3, concurrency)), concurrency)
    rows = [{"uid": line["uid"]} | pair for line in journal.lines["qa"].values() for pair in line["pairs"]]
    print(summary(journal, len(rows), counts["unanswered"], prices))
    from datasets import Dataset
    return Dataset.from_dict({k: [row[k] for row in rows] for k in ("uid", "question", "answer")}), dict(counts)


def summary(journal, rows, unanswered, prices):
    """What is in the folder now, in words."""
    lines = [line for kind in journal.lines.values() for line in kind.values() if not line.get("partial")]
    spent = [sum(line["tokens"][i] for line in lines) for i in (0, 1)]
    why = Counter(line["reason"].partition(":")[0] for line in journal.lines["set_aside"].values() if not line.get("partial"))
    dollars = f", {(spent[0] * prices[0] + spent[1] * prices[1]) / 1e6:,.2f} dollars" if prices else ""
    said = [f"{len(journal.lines['qa']):,} products with {rows:,} questions", f"set aside {sum(why.values()):,}"
            + (f" ({', '.join(f'{n} {reason}' for reason, n in why.most_common())})" if why else ""),
            f"tokens in all {spent[0]:,} in, {spent[1]:,} out{dollars}"]
    return "; ".join(said + [f"no answer yet for {unanswered:,}: run this again to ask for them"] * bool(unanswered))


class Harvest:
    """What comes back, into the journal and the counts. ``fault``: the ReaderError that ends the asking, or None."""

    def __init__(self, journal, counts, model, patience):
        self.journal, self.counts, self.model, self.patience = journal, counts, model, patience
        self.worked = any(line["model"] == model for line in journal.lines["qa"].values())  # then a refusal is the product's, not the settings'
        self.refused, self.silent, self.fault = [], 0, None

    def take(self, future):
        """Write down one product's outcome; returns how many products that finished."""
        try:
            lines = future.result()
        except ReaderError as error:
            self.fault = self.fault or error
            return 0
        except CancelledError:  # it was waiting when all was stopped
            return 0
        except Unanswered as error:
            self.counts["unanswered"] += 1
            self.silent += 1
            if self.silent >= self.patience:
                self.end_if_nothing_worked(f"no answer to {self.silent} products one after the other ({error})")
            return 0
        self.silent = 0
        self.refused += [lines.pop("refused")] if "refused" in lines else []
        self.worked = self.worked or bool(lines)
        for name in ("set_aside", "qa"):  # "qa" last: it says that the product is finished
            if name in lines:
                self.write(name, lines[name])
        if len(self.refused) >= 3:
            self.end_if_nothing_worked(f"{self.refused[0]['reason']}, three times")
        while self.worked and self.refused:
            self.write("set_aside", self.refused.pop())
        return 1

    def write(self, name, line):
        self.journal.add(name, line)
        self.counts["pairs set aside" if line.get("partial") else name] += len(line["pairs"]) if line.get("partial") else 1

    def end_if_nothing_worked(self, what):
        if not self.worked or what.startswith("no answer"):
            self.fault = self.fault or ReaderError(f"{what}: see that the server knows the model {self.model!r}, the network, and base_url "
                                                   "if you set one, then run this again; what was made stays")


def ask_all(asker, todo, harvest, concurrency):
    """Ask for all products, ``concurrency`` at a time; what came before a stop or a fault is kept."""
    products, waiting = iter(todo), set()
    with ThreadPoolExecutor(concurrency) as pool, tqdm(total=len(todo), unit="product") as bar:
        try:
            while True:
                room = 0 if asker.stop.is_set() else concurrency - len(waiting)
                waiting |= {pool.submit(asker, product) for product in itertools.islice(products, room)}
                if not waiting:
                    break
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    bar.update(harvest.take(future))
                if harvest.fault:
                    asker.stop.set()
        finally:
            asker.stop.set()  # whatever ends this, no thread goes on waiting
    if not harvest.worked and (harvest.refused or harvest.silent):
        harvest.end_if_nothing_worked(harvest.refused[0]["reason"] if harvest.refused else "no answer to any product")
    if harvest.fault:
        raise harvest.fault from None
    left = sum(product["uid"] not in harvest.journal.done for product in todo) - harvest.counts["unanswered"]
    if left > 0:
        raise Stopped(f"you stopped with {left:,} of {len(todo):,} products to ask; what was made is kept: run this cell again to go on")
