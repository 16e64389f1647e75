"""The text for pre-training: products whose attributes come back in other words, lists read twice, short stories; no question."""

from grammar import polish
from product import Product, enumeration, printed, shuffled

SORTS = [("product", 0.62), ("list", 0.13), ("pairs", 0.06), ("story", 0.19)]


def corpus(grammar, chooser, size, titles, contents):
    """Write documents, two blank lines between them, until ``size`` is reached; none is about a product of trn.json."""
    documents, sorts = [], dict.fromkeys((s for s, _ in SORTS), 0)
    values = dict.fromkeys(v for kind in grammar.kinds for options in kind.values.values() for v in options if not v.startswith("~"))
    deck, written = [], 0
    while written < size:
        sort = chooser.weighted(SORTS)
        if sort == "product":
            product = Product(grammar, chooser, chooser.pick(grammar.kinds))
            if printed(product.title) in titles or printed(product.content) in contents:
                continue
            document = about(product, chooser)
        else:
            deck = deck if len(deck) > 9 else deck + shuffled(chooser, values)  # so that each value has its turn
            document = other(grammar, chooser, sort, deck)
        sorts[sort] += 1
        documents.append(printed(document) if chooser.chance(0.35) else document)
        written += len(documents[-1].encode()) + 3
    return "\n\n\n".join(documents) + "\n", sorts


def people(grammar, chooser):
    """Somebody with a pronoun, and somebody with a title."""
    she = chooser.chance(0.5)
    hero, title = grammar.draw("girl" if she else "boy", chooser), chooser.pick(["Mr", "Mrs", "Miss"])
    forms = {"he": "she", "him": "her", "his": "her"} if she else {"he": "he", "him": "him", "his": "his"}
    return forms | {"hero": hero, "friend": f"{title} {grammar.draw('surname', chooser)}"}


def about(product, chooser):
    """Describe a product, then say it again in other words."""
    grammar, forms, known = product.grammar, product.grammar.attributes, list(product.values)
    verbs = [product.fill(chooser.pick(forms[n]["clause"]), n) for n in shuffled(chooser, [n for n in known if "clause" in forms[n]])[:3]]
    ticket = [f"{forms[n]['label'][0]} {product.values[n]}" for n in shuffled(chooser, known)[:4]]
    again = [product.fill(chooser.pick(forms[n]["again"]), n) for n in shuffled(chooser, known)[: chooser.pick([3, 4, 5])]]
    slots = product.kind.slots | people(grammar, chooser) | {
        "ticket": "; ".join([product.kind.the[4:], *ticket]),
        "facts": product.kind.slots["The"] + " " + enumeration(verbs),
    }
    end = [grammar.expand(chooser.pick(grammar.stories[s]), chooser, slots) for s in ("between", "ticket", "memory") if chooser.chance(0.5)]
    head = product.title + "\n\n" if chooser.chance(0.4) else ""
    middle, last = shuffled(chooser, again), end[:2]
    return head + product.content + "\n\n" + polish(" ".join(middle[:2] + last[:1] + middle[2:] + last[1:]))


def other(grammar, chooser, sort, deck):
    """A list that is read twice, words that go together, or a story."""
    slots = people(grammar, chooser)
    if sort == "list":
        slots["list"] = ", ".join(words(grammar, chooser, deck, chooser.pick([3, 4, 5, 6, 7, 8])))
    if sort == "pairs":
        pairs = words(grammar, chooser, deck, chooser.pick([2, 3, 4]))
        things = shuffled(chooser, grammar.lists["thing"])
        slots["pairs"] = "; ".join(f"{t}: {v}" for t, v in zip(things, pairs, strict=False))
        slots["notes"] = " ".join(f"On the {t}: {v}." for t, v in zip(things, pairs, strict=False))
    return polish(grammar.expand(chooser.pick(grammar.stories[sort]), chooser, slots))


def words(grammar, chooser, deck, n):
    """The next values of a deck."""
    return [grammar.expand(deck.pop(), chooser, {}) for _ in range(n)]
