"""Is an answer right? SQuAD's exact match and token F1 (Rajpurkar et al., 2016), "it stands in the context", and how sure a share is."""

import math
import re
import string
from collections import Counter

MARKS = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212", "''\"\"------")  # typographic -> typewriter
PUNCTUATION = re.compile(rf"(?<!\d)[{re.escape(string.punctuation)}]|[{re.escape(string.punctuation)}](?!\d)")


def words(text, mark=""):
    """Lower-case words of a text without punctuation (each mark becomes ``mark``) and without a, an and the."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.translate(MARKS).lower())  # 1,240 is 1240
    return [word for word in PUNCTUATION.sub(mark, text).split() if word not in ("a", "an", "the")]


def normalise_answer(text):
    """An answer as it is compared: lower case, no punctuation, no articles, single spaces, as in SQuAD's own script; and two things more.

    Typographic marks count as the typewriter's. A mark between two digits stays: by SQuAD's script "2-8 years" equals "28 years" and
    "9.99" equals "999", which no shop may answer.
    """
    return " ".join(words(text))


def exact_match(answer, expected):
    """Whether two answers are the same once normalised."""
    return normalise_answer(answer) == normalise_answer(expected)


def f1(answer, expected):
    """Token F1 in 0..1: the harmonic mean of precision and recall over the words that two answers share, each as often as both have it.

    If one of the two has no words, 1.0 where both have none, else 0.0.
    """
    given, wanted = words(answer), words(expected)
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


def answer_in_context(answer, context):
    """Whether the words of an answer stand in the context, all of them, whole and in this order; no words stand nowhere.

    Here a punctuation mark parts words: "toddlers" stands in "babies/toddlers".
    """
    wanted = " ".join(words(answer, " "))
    return bool(wanted) and f" {wanted} " in f" {' '.join(words(context, ' '))} "


def confidence_interval(right, n, z=1.96):
    """(low, high) of the share right / n: Wilson's interval (1927), which stays in 0..1 and has a width at 0 and at n; z = 1.96 is 95 %.

    With n = 0 nothing is known: (0.0, 1.0). Raises ValueError if ``right`` is not in 0..n.
    """
    if not 0 <= right <= n:
        raise ValueError(f"right must be between 0 and n ({n}), got {right}")
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, z * z / n
    middle, half = (share + z2 / 2) / (1 + z2), z / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)
