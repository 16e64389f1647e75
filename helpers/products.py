"""Products of a shop: their records cleaned, questions about them, and one form in which a model is trained and asked."""

import atexit
import gzip
import hashlib
import html
import json
import re
import tempfile
import zlib
from pathlib import Path

from .corpora import OFFLINE
from .runtime import ReaderError, shown

SHIPPED = OFFLINE / "products"
LAYOUT = {"uid": "string", "title": "string", "content": "string", "cleaned": "string"}
LEFT_OUT = ("without title", "without content", "duplicates", "uid of another")  # of the records, in the order they are asked
INSIDE_WORDS = re.compile(r"</?(?:a|b|big|em|font|i|s|small|span|strong|sub|sup|u)\b[^<>]*>", re.IGNORECASE)  # tags that part no words
TAGS = re.compile(r"<!--.*?-->|</?[a-z!][^<>]*>|<\|[^<>|]*\|>|</?s>", re.IGNORECASE | re.DOTALL)  # <|...|> is a token to some models
END_OF_ANSWER = re.compile(r"<\|[^<>|]*\|>|</?s>|(?:Context|Instruction|Response):")
QUOTES = ("''", '""', "``", "\u2018\u2019", "\u201c\u201d", "\u00ab\u00bb")
BOOK = re.compile(r"\b(?:books?|novels?|authors?|editions?|stor(?:y|ies)|pages|readers?)\b", re.IGNORECASE)
COLOURS = ("black blue brown gold gray green grey indigo ivory lilac maroon navy orange pink purple red silver turquoise violet white yellow").split()
ASKED = [  # the question and the pattern whose group answers it
    ("For what ages is {}?", r"\b(?:[Aa]ges?|children of) (\d+(?: months| years)? ?(?:-|\u2013|to|and) ?\d+(?: months| years)?)\b"),
    ("How many pages does {} have?", r"\b(\d[\d,]* pages)\b"),
    ("How large is {}?", r"\b(\d+(?:\.\d+)?(?: ?x ?\d+(?:\.\d+)?)* ?(?:cm|mm|inches|inch|feet|metres|m)(?: (?:long|wide|high|tall))?)\b"),
    ("Who wrote {}?", r"(?:\b[Ww]ritten|[.!?]) by ((?:(?:Dr|Mrs?|Ms|[A-Z])\.? ?|[A-Z][\w-]+ ){1,2}(?:[A-Z]['\u2019])?[A-Z][\w-]+)"
                      r"(?!['\u2019]s\b|[\w-]| [A-Z])"),
    ("What colour is {}?", rf"\b((?:dark |light |pale )?(?:{'|'.join(COLOURS)}))\b"),
    ("How much does {} cost?", r"([$\u20ac\u00a3] ?\d+(?:[.,]\d\d)?|\b\d+(?:\.\d\d)? (?:pounds|dollars|euros)\b)(?! ?(?:of|off)\b)"),
]


def load_products(source, *, limit=None):
    """(products, counts): `Dataset` with columns "uid", "title", "content", "cleaned", and how many records each cleaning step left out.

    "title" and "content" are as in the file; "cleaned" is "title. content" of both once clean, what a question is asked about.
    source: "offline" (a catalogue written for this series), "hub" (which has no copy of the real one: the same catalogue is taken, and it
    is said), a folder that holds ``amazon_titles/trn.json`` or ``trn.json`` (``.gz`` too), or one such file: JSON lines.
    limit: stop at so many usable products. The file is read line by line, the products wait on the disk: its size does not matter.
    Raises ReaderError for a missing file, a line that is not JSON, a broken gzip, a record without uid, and no usable product.
    """
    if source == "hub":
        print("products: the hub has no copy of the Amazon catalogue, so the one written for this series is taken; "
              "for the real one put its trn.json.gz into a folder and name the folder")
    file = SHIPPED / "trn.json" if source in ("offline", "hub") else find_catalogue(Path(source))
    counts = {"records read": 0} | dict.fromkeys(LEFT_OUT, 0) | {"usable": 0}
    products = on_disk(usable(records(file), counts, limit, shown(file)))
    if not counts["usable"]:
        raise ReaderError(f"{shown(file)} has {counts['records read']:,} records and no usable product, one with a title and a content: "
                          "choose another file, or 'offline'")
    return products, counts


def find_catalogue(path):
    places = [folder / name for folder in (path / "amazon_titles", path) for name in ("trn.json", "trn.json.gz")]
    found = next((p for p in [path, *places] if p.is_file()), None)
    if found is None:
        raise ReaderError(f"no trn.json or trn.json.gz in {shown(path)} or its folder amazon_titles: put the catalogue there, or choose 'offline'")
    return found


def records(file):
    """(line number, record) of a file of JSON lines, one after the other; whether it is gzip is read from its first bytes."""
    number = 0
    try:
        with open(file, "rb") as start:
            zipped = start.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(file, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, json.loads(line)
    except json.JSONDecodeError:
        raise ReaderError(f"line {number:,} of {shown(file)} is not JSON ({line.strip()[:40]!r}): it must hold one record a line") from None
    except UnicodeDecodeError as error:
        raise ReaderError(f"{shown(file)} is not UTF-8 (byte {error.object[error.start]:#x} after line {number:,}): save it as UTF-8 first") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):  # cut short, damaged, not gzip
        raise ReaderError(f"{shown(file)} is a broken gzip file (readable up to line {number:,}): download it again") from None


def usable(numbered, counts, limit, name):
    """The records that can be used, cleaned; what each step leaves out is added to ``counts``."""
    texts, uids = set(), set()
    for number, record in numbered:
        if not isinstance(record, dict) or not isinstance(record.get("uid"), str) or not record["uid"]:
            raise ReaderError(f"line {number:,} of {name} is a record without uid: each product needs a string \"uid\" of its own")
        counts["records read"] += 1
        title, content = (record.get(k) if isinstance(record.get(k), str) else "" for k in ("title", "content"))
        clean_title, clean_content = clean(title), clean(content)
        # 8 bytes each, not the texts: two million of them fit, and two in a million million million are taken for one by mistake
        text, uid = (hash_of(t) for t in (f"{clean_title}\n{clean_content}", record["uid"]))
        fault = next((f for f, is_so in zip(LEFT_OUT, (not clean_title, not clean_content, text in texts, uid in uids)) if is_so), "usable")
        counts[fault] += 1
        if fault == "usable":
            texts.add(text)
            uids.add(uid)
            stop = "" if clean_title.endswith((".", "!", "?")) else "."
            yield {"uid": record["uid"], "title": title, "content": content, "cleaned": f"{clean_title}{stop} {clean_content}"}
            if counts["usable"] == limit:
                return


def hash_of(text):
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def on_disk(rows):
    """A `Dataset` of the rows through a file that goes when Python ends; a thousand of them at a time are in memory."""
    import pyarrow
    from datasets import Dataset
    folder = tempfile.TemporaryDirectory(prefix="products-", ignore_cleanup_errors=True)  # Windows keeps files that are in use
    atexit.register(folder.cleanup)
    schema, batch, file = pyarrow.schema([(k, getattr(pyarrow, v)()) for k, v in LAYOUT.items()]), [], Path(folder.name) / "products.arrow"
    with pyarrow.OSFile(str(file), "wb") as out, pyarrow.ipc.new_stream(out, schema) as stream:
        for row in rows:
            batch.append({k: v.encode(errors="replace").decode() for k, v in row.items()})  # half a surrogate pair: JSON has it, UTF-8 not
            if len(batch) == 1_000:
                stream.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema))
                batch = []
        stream.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema))
    return Dataset.from_file(str(file))


def clean(text):
    """Text as it is read: entities become characters *first*, twice-escaped ones too, then tags go and spaces close up.

    In the other order "Kerr&#8217;s" loses its marks and becomes "Kerr8217s", and an escaped tag stays.
    """
    for _ in range(3):
        text = html.unescape(text)
    return " ".join(TAGS.sub(" ", INSIDE_WORDS.sub("", text)).split())


def format_prompt(context, question):
    """What a model is given to answer, in training and in asking: three lines, of which the last is "Response:".

    No space at the end: byte-level BPE puts the space to the word after it, so that the prompt's tokens are the same with an answer and
    without one.
    """
    context, question = (" ".join(TAGS.sub(" ", text).split()) for text in (context, question))  # a line each, and no token of a model's
    return f"Context: {context}\nInstruction: {question}\nResponse:"


def format_example(context, question, answer, eos):
    """{"prompt": `format_prompt`, "completion": " answer" and the end}: the form that TRL trains on, with a loss on the completion only."""
    return {"prompt": format_prompt(context, question), "completion": f" {' '.join(answer.split())}{eos}"}


def extract_answer(generated):
    """The answer in a model's raw output, be it the new tokens only or the prompt with them: what stands on the first line after "Response:".

    It ends at an end-of-text token and where the model begins a context, an instruction or a response of its own. Spaces, a pair of quotes
    around it and a full stop at its end are removed. Any text has an answer, if an empty one: this never raises.
    """
    text = str(generated or "")
    if re.match(r"(?:\s|<\|[^<>|]*\|>|<s>)*Context:", text):  # the prompt comes with it, perhaps after a beginning-of-text token
        text = "".join(re.split(r"^\s*Response:", text, maxsplit=1, flags=re.MULTILINE)[1:])
    text = END_OF_ANSWER.split(re.sub(r"\A\s*Response:", "", text), maxsplit=1)[0].strip()
    return tidy(text.splitlines()[0] if text else "")


def tidy(answer):
    """An answer without spaces, a pair of quotes and a full stop around it, whatever their order."""
    before = None
    while answer != before:
        before, answer = answer, " ".join(answer.split())
        inner = answer[1:-1]
        if len(answer) > 1 and answer[0] + answer[-1] in QUOTES and (inner.count(answer[0]) % 2 or answer[0] not in inner):
            answer = inner  # "12"" are twelve inches in quotes, "A" or "B" are two quotes
        if answer.endswith(".") and not answer.endswith(".."):
            answer = answer[:-1]
    return answer


def fits(tokenizer, context, question, *, block_size, new_tokens=32):
    """(whether a prompt leaves room for an answer, the reason in one sentence).

    tokenizer: a Transformers tokenizer. block_size: tokens that the model can read at once. new_tokens: tokens kept for the answer.
    """
    count = lambda text: len(tokenizer(text)["input_ids"])
    whole, alone = (count(format_prompt(text, question)) for text in (context, ""))
    if alone + new_tokens > block_size:
        return False, (f"the question takes {alone:,} tokens and the answer {new_tokens} of a context of {block_size:,}: "
                       "ask a shorter one, or take a model that reads more at once")
    if whole + new_tokens > block_size:
        return False, (f"context and question take {whole:,} tokens and the answer {new_tokens} of a context of {block_size:,}: "
                       "leave this product out, or take a model that reads more at once")
    return True, f"{whole + new_tokens:,} of {block_size:,} tokens"


def load_qa(source):
    """{"train": ..., "seen": ..., "unseen": ..., "fifteen": ...}: `Dataset`s with columns "uid", "question", "answer" and "rare".

    seen: other questions on products of train. unseen: products that train never asks about. rare: the answer's words occur in no other
    product. fifteen: the questions asked before and after a training. source: "offline" and "hub" take the shipped questions, else a folder
    with ``qa.jsonl`` and ``fifteen.json``. Raises ReaderError for a missing file and a line that is not a question.
    """
    from datasets import Dataset
    folder, splits = SHIPPED if source in ("offline", "hub") else Path(source), {}
    for file in (folder / "qa.jsonl", folder / "fifteen.json"):
        if not file.is_file():
            raise ReaderError(f"no {file.name} in {shown(folder)}: make questions with generate_qa or rule_based_qa, or choose 'offline'")
    for number, row in records(folder / "qa.jsonl"):
        splits.setdefault(row.get("split", "train") if isinstance(row, dict) else "train", []).append((f"line {number:,} of qa.jsonl", row))
    try:
        fifteen = json.loads((folder / "fifteen.json").read_text(encoding="utf-8"))
        splits["fifteen"] = [(f"entry {i} of fifteen.json", row) for i, row in enumerate(fifteen, start=1)]
    except (ValueError, TypeError):
        raise ReaderError(f"fifteen.json in {shown(folder)} is not a JSON list: put a list of questions there, or choose 'offline'") from None
    for place, row in (pair for rows in splits.values() for pair in rows):
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) and row[k].strip() for k in ("uid", "question", "answer")):
            raise ReaderError(f"{place} in {shown(folder)} is no question: it needs \"uid\", \"question\" and \"answer\", each a text")
    return {split: Dataset.from_list([{k: row[k] for k in ("uid", "question", "answer")} | {"rare": bool(row.get("rare"))} for _, row in rows])
            for split, rows in splits.items()}


def split_qa(rows):
    """The splits of `load_qa` for questions of your own: rows with "uid", "question" and "answer", several a product.

    A fifth of the products is `unseen`. Of each other product that has two questions, one is held out: the first fifteen of these are `fifteen`,
    the others `seen`. Which are unseen follows from the uid alone, so that more products change nothing there. Raises ReaderError below 40
    products with questions, or 16 to train on that have a second one.
    """
    from datasets import Dataset
    by_product = {}
    for row in rows:
        by_product.setdefault(row["uid"], []).append({k: row[k] for k in ("uid", "question", "answer")} | {"rare": False})
    if len(by_product) < 40:
        raise ReaderError(f"{len(by_product)} products with questions are too few to train on some and ask on others: 40 are needed")
    splits = {"train": [], "seen": [], "unseen": [], "fifteen": []}
    for uid in sorted(by_product, key=hash_of):
        mine = by_product[uid]
        if hash_of(uid) % 5 == 0:
            splits["unseen"] += mine
            continue
        if len(mine) > 1:
            splits["fifteen" if len(splits["fifteen"]) < 15 else "seen"].append(mine.pop())
        splits["train"] += mine
    if not splits["seen"]:
        raise ReaderError(f"{len(splits['fifteen'])} products to train on have a second question, which is held out: 16 are needed, so ask more about each")
    return {split: Dataset.from_list(rows) for split, rows in splits.items()}


def rule_based_qa(product):
    """Questions and answers on a product by six patterns, for who has no key: a list of {"uid", "question", "answer"}.

    Age, pages, size, author, colour, price: each answer is found word for word in the product's text. Where a pattern finds two values,
    it asks nothing, for it cannot tell them apart. It understands nothing: "12 inches" may be the box's and "20 pages" the
    preface's, and what is said in other words is never asked about. An API's questions are more varied and more often right.
    """
    title, pairs = clean(product["title"]), []
    for question, pattern in ASKED:
        found = {match.strip() for match in re.findall(pattern, product["cleaned"])}
        if len(found) == 1 and not ("colour" in question and BOOK.search(product["cleaned"])):  # in a book's text it is not the book's
            pairs.append({"uid": product["uid"], "question": question.format(f'"{title}"'), "answer": found.pop()})
    return pairs
