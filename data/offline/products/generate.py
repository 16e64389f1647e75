"""Write trn.json, qa.jsonl, fifteen.json and stats.json, or check that they can be written again.

    python data/offline/products/generate.py            write the files
    python data/offline/products/generate.py --check    compare them byte for byte
    python data/offline/products/generate.py --pretrain path/to/pretrain.txt
    python data/offline/products/generate.py --show 3 [--kind lamp] [--seed 7]

The products are drawn from the text files beside this one, with the names of the offline prose (../prose).
"""

import argparse
import html
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "prose")]

from corpus import corpus
from grammar import Chooser
from product import Grammar, Product, printed, shuffled
from world import write_or_check

SEED = 1729
BOOKS, GOODS = 10, 7  # products of each kind, to begin with
MORE = 600  # products of train beyond these
UNSEEN, RARE, SEEN, ASKED = 60, 40, 60, 5
SAME_TITLE, EMPTY_TITLE, EXACT, CLEANED = 6, 8, 8, 5
EMPTY = ["", "", "", " ", "   ", "\n", "<p></p>", "<br />", "&nbsp;"]  # the contents that are empty, or as good as
PRETRAIN = 6_000_000  # bytes after which no new document begins; too much to ship
FIFTEEN = [  # attributes of the fifteen questions, and whether they are about a book
    (("author",), True), (("pages",), True), (("colour",), False), (("height",), False), (("material",), False),
    (("price",), False), (("author",), True), (("size",), False), (("colour",), False), (("price",), True),
    (("material",), False), (("pages",), True), (("weight",), False), (("length", "width"), False), (("age",), False),
]  # fmt: skip
ENTITIES = ("&#8217;", "&#8211;", "&amp;", "&quot;", "&lt;", "&nbsp;")
TAGS = ("<p>", "<br />", "<b>")


def catalogue(grammar, chooser):
    """Draw the products; the first UNSEEN of them are never in train, RARE of these have a value that nobody else has."""
    kinds = shuffled(chooser, [k for k in grammar.kinds for _ in range(BOOKS if k.book else GOODS)])
    rare = {o for k in grammar.kinds for options in k.values.values() for o in options if o.startswith("~")}
    products, titles = [], set()
    for i, kind in enumerate(kinds):
        doubles = [p for p in products[UNSEEN:] if p.kind is kind and sum(q.title == p.title for q in products) == 1]
        again = doubles[0].title if doubles and i >= len(kinds) - SAME_TITLE else None
        wanted = rare if i < UNSEEN and sum(bool(p.rare) for p in products) < RARE else ()
        while (product := Product(grammar, chooser, kind, wanted, again)).title in titles and not again:
            pass
        if product.rare:
            rare.discard("~" + product.values[product.rare])
        finish(product, chooser, "unseen" if i < UNSEEN else "train")
        products.append(product)
        titles.add(product.title)
    return products


def finish(product, chooser, split):
    """Its last sentence, its marks, its uid and the order in which it is asked about."""
    product.body, product.split = product.content, split
    end = chooser.weighted([("", 12), ("press", 2), ("less", 1), ("neighbour", 4)])
    product.content += " " + chooser.pick(product.grammar.stories[end]) if end else ""
    if chooser.chance(0.6):
        product.content, product.title = printed(product.content), printed(product.title)
        product.values = {n: printed(v) for n, v in product.values.items()}
    product.uid = ("0" if product.kind.book else "B") + "".join(chooser.pick("0123456789") for _ in range(9))
    order = shuffled(chooser, [n for n in product.values if n != product.rare])
    product.order = [product.rare] * bool(product.rare) + order  # what is asked first: the rest is for the fifteen


def further(products):
    """MORE products of train, about none of which the text for pre-training tells anything; asked is what has been asked least."""
    grammar, chooser = products[0].grammar, Chooser(f"{SEED} further")
    told, taken, found = set(printed(pretrain()[0]).splitlines()), {printed(p.title) for p in products}, []
    kinds = [k for k in grammar.kinds for _ in range(BOOKS if k.book else GOODS)]
    times = Counter(n for p in products if p.split == "train" for n in p.order[:ASKED])
    while len(found) < MORE:
        product = Product(grammar, chooser, chooser.pick(kinds))
        sentences = {printed(product.content[: m.start() + 1]) for m in re.finditer(r"[.!](?= |$)", product.content)}
        if printed(product.title) not in taken and not told & {printed(product.title), *sentences}:
            taken.add(printed(product.title))
            finish(product, chooser, "train")
            product.order.sort(key=times.get)
            times.update(product.order[:ASKED])
            found.append(product)
    return found


def asked(product, name):
    """One question with its answer."""
    return {"uid": product.uid, "question": product.question(name), "answer": product.values[name]}


def questions(products, chooser):
    """The fifteen, and all the others with their splits."""
    fifteen, taken, qa = [], set(), []
    train = shuffled(chooser, [p for p in products if p.split == "train"])
    for names, book in FIFTEEN:
        product, name = next((p, n) for p in train for n in p.order[ASKED:] if n in names and p.kind.book is book and p.uid not in taken)
        taken.add(product.uid)
        fifteen.append(asked(product, name))
    seen = {p.uid for p in [p for p in train if p.uid not in taken][:SEEN]}
    for product in products:
        for i, name in enumerate(product.order[:ASKED]):
            split = "seen" if product.uid in seen and i == ASKED - 1 else product.split
            qa.append(asked(product, name) | {"split": split} | ({"rare": True} if name == product.rare else {}))
    return fifteen, qa


def soiled(text, chooser, values=()):
    """Make a text as untidy as those of real shops; html.unescape, then the removal of tags and of needless spaces, undo it."""
    tags = "<" not in text and values and chooser.weighted([("", 8), ("<p>", 3), ("<br />", 3), ("<b>", 2), ("&lt;br /&gt;", 1)])
    text = text if chooser.chance(0.15) else text.replace("&", "&amp;").replace('"', "&quot;")
    text = text.replace("<", "&lt;").replace("\u2019", "&#8217;").replace("\u2013", "&#8211;")
    if tags == "<p>":
        text = "<p>" + text.replace(". ", ".</p> <p>", 1) + "</p>"
    elif tags == "<b>":
        value = chooser.pick([v for v in values if v in text] or [text])
        text = text.replace(value, f"<b>{value}</b>")
    elif tags:
        text = text.replace(". ", f".{tags} ", 1)
    if chooser.chance(0.2):
        text = chooser.pick([" ", "", "\n", "\t"]) + text.replace(". ", chooser.pick([".  ", ".\n", ".   "])) + chooser.pick([" ", "  ", "\n"])
    return text


def record(uid, title, content, chooser):
    """A record in the layout of trn.json."""
    near = sorted({int(chooser.pick(range(2000))) for _ in range(chooser.pick([0, 0, 2, 3, 5, 8, 12]))})
    return {"uid": uid, "title": title, "content": content, "target_ind": near, "target_rel": [1.0] * len(near)}


def records(grammar, products, chooser):
    """All records with their dirt: empty ones, duplicates, and one uid that comes twice."""
    found = []
    for product in products:
        content = soiled(product.content, chooser, list(product.values.values()))
        found.append(record(product.uid, soiled(product.title, chooser), content, chooser))
    spare = [Product(grammar, chooser, chooser.pick(grammar.kinds)) for _ in range(EMPTY_TITLE + len(EMPTY))]
    uids = [f"B{n:09}" for n in range(EMPTY_TITLE + len(EMPTY) + EXACT + CLEANED)]
    twice = found[-1]["uid"]
    for i, product in enumerate(spare):
        title, content = (chooser.pick(["", "", " "]), product.content) if i >= len(EMPTY) else (product.title, EMPTY[i])
        found.append(record(twice if not i else uids.pop(), title, content, chooser))
    found = shuffled(chooser, found)
    of = {p.uid: p for p in products}
    originals = [r for r in shuffled(chooser, found) if r["uid"] in of and r["uid"] != twice]
    for i, original in enumerate(originals[: EXACT + CLEANED]):
        title, content = original["title"], original["content"]
        while i >= EXACT and content == original["content"]:
            content = soiled(of[original["uid"]].content, chooser, list(of[original["uid"]].values.values()))
        place = chooser.pick(range(found.index(original) + 1, len(found) + 1))
        found.insert(place, record(uids.pop(), title, content, chooser))
    return found


def clean(raw):
    """Unescape entities first, then remove tags and needless spaces."""
    return " ".join(re.sub(r"</?[a-zA-Z][^<>]*>", "", html.unescape(raw)).split())


def dirt(found):
    """Count the dirt of the records."""
    raw = [f"{r['title']} {r['content']}" for r in found]
    full = [r for r in found if clean(r["title"]) and clean(r["content"])]
    exact = len(full) - len({(r["title"], r["content"]) for r in full})
    usable = {(clean(r["title"]), clean(r["content"])) for r in full}
    titles = Counter(title for title, _ in usable)
    return {f"with {mark}": sum(mark in text for text in raw) for mark in ENTITIES + TAGS} | {
        "with an escaped tag": sum("&lt;br" in text for text in raw),
        "with &#8211; inside a number range": sum(bool(re.search(r"\d&#8211;\d", text)) for text in raw),
        "with needless spaces or line ends": sum(any(re.search(r"^\s|\s\s|\n|\s$", r[k]) is not None for k in ("title", "content")) for r in found),
        "empty title": sum(not clean(r["title"]) for r in found),
        "empty content": sum(not clean(r["content"]) for r in found),
        "exact duplicate": exact,
        "duplicate once cleaned": len(full) - exact - len(usable),
        "title shared with another content": sum(n for n in titles.values() if n > 1),
        "uid of another record": len(found) - len({r["uid"] for r in found}),
    }


def build():
    """Make all files in memory, as a dictionary from file name to text."""
    grammar, chooser = Grammar(), Chooser(f"{SEED} products")
    products = catalogue(grammar, chooser)
    products += further(products)
    fifteen, qa = questions(products, chooser)
    found = records(grammar, products, chooser)
    files = {
        "trn.json": "".join(json.dumps(r) + "\n" for r in found),
        "qa.jsonl": "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in qa),
        "fifteen.json": json.dumps(fifteen, indent=1, ensure_ascii=False) + "\n",
    }
    stats = {
        "seed": SEED, "records": len(found), "usable": len(products), "kinds": len(grammar.kinds),
        "books": sum(p.kind.book for p in products), "dirt": dirt(found),
        "questions": dict(sorted(Counter(q["split"] for q in qa).items())), "rare": sum("rare" in q for q in qa), "fifteen": len(fifteen),
        "bytes": {name: len(file.encode()) for name, file in files.items()},
    }  # fmt: skip
    return files | {"stats.json": json.dumps(stats, indent=2) + "\n"}


def pretrain(size=PRETRAIN):
    """(text for a base model, its documents by sort); a smaller text is the beginning of a larger one."""
    grammar = Grammar()
    products = catalogue(grammar, Chooser(f"{SEED} products"))
    taken = {printed(p.title) for p in products}, {printed(p.body) for p in products}
    return corpus(grammar, Chooser(f"{SEED} pretrain"), size, *taken)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--pretrain", type=Path, metavar="FILE", help="write the text for pre-training there, and nothing else")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N products with their questions")
    parser.add_argument("--kind", help="with --show: only this kind")
    parser.add_argument("--seed", default="show", help="with --show: another seed")
    args = parser.parse_args()
    if args.pretrain:
        return args.pretrain.write_bytes(pretrain()[0].encode())
    if not args.show:
        return write_or_check(HERE, build(), args.check)
    grammar, chooser = Grammar(), Chooser(args.seed)
    for _ in range(args.show):
        product = Product(grammar, chooser, chooser.pick([k for k in grammar.kinds if args.kind in (None, k.name)]))
        print(f"{product.title}\n{product.content}")
        for name in product.values:
            print(f"    {product.question(name)} {product.values[name]}")


if __name__ == "__main__":
    main()
