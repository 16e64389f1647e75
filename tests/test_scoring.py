"""Scores against cases worked out by hand; where they differ from SQuAD's script it is on purpose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.scoring import answer_in_context, confidence_interval, exact_match, f1, normalise_answer


@pytest.mark.parametrize("text, expected", [
    ("The Red Cup.", "red cup"), ("  an  apple\n", "apple"), ("a", ""), ("...", ""), ("Kerr\u2019s", "kerrs"), ("Kerr's", "kerrs"),
    ("hand\u2013friendly", "handfriendly"), ("\u201cMog\u201d!", "mog"), ("Theatre", "theatre"), ("U.S.", "us"),
    ("2\u20138 years", "2-8 years"), ("$9.99", "9.99"), ("1,240 pages", "1240 pages"), ("3,5 cm", "3,5 cm"), ("12 cm.", "12 cm"),
    ("1,2345", "1,2345"),
])
def test_normalised_as_squad_does_but_for_marks_between_digits(text, expected):
    assert normalise_answer(text) == expected


def test_exact_match_tells_ranges_and_prices_apart():
    assert exact_match("the 2-8 Years.", "2\u20138 years") and exact_match("1240", "1,240")
    assert not exact_match("28 years", "2-8 years") and not exact_match("999", "9.99") and not exact_match("red", "dark red")


@pytest.mark.parametrize("answer, expected, score", [
    ("dark red", "red", 2 / 3),  # precision 1/2, recall 1
    ("the red cup of tin", "a cup of tin", 6 / 7),  # 3 shared of 4 and of 3
    ("red red", "red blue", 1 / 2),  # a word counts as often as both have it
    ("blue", "red", 0.0), ("", "", 1.0), ("the", "", 1.0), ("", "red", 0.0), ("red", "", 0.0), ("Red.", "red", 1.0),
])
def test_f1_by_hand(answer, expected, score):
    assert f1(answer, expected) == pytest.approx(score)


@given(st.text(), st.text())
def test_f1_is_symmetric_and_one_exactly_for_the_same_words(a, b):
    assert f1(a, b) == f1(b, a) and 0 <= f1(a, b) <= 1
    assert (f1(a, b) == 1) == (sorted(normalise_answer(a).split()) == sorted(normalise_answer(b).split()))
    assert exact_match(a, a) and f1(a, a) == 1


@pytest.mark.parametrize("answer, found", [
    ("12 cm", True), ("Kerr's", True), ("2-8 years", True), ("toddlers", True), ("the tin", True), ("hand-friendly", True), ("9.99", True),
    ("2 cm", False), ("8 years", False), ("red tin", False), ("99", False), ("", False), ("the", False), ("...", False), ("toddler", False),
])
def test_in_the_context_means_whole_words_in_this_order(answer, found):
    context = "Kerr\u2019s cup of Tin, 12 cm high: for babies/toddlers of 2\u20138 years, hand\u2013friendly, $9.99."
    assert answer_in_context(answer, context) == found


def test_wilsons_interval_by_hand():
    low, high = confidence_interval(8, 10)  # Wilson (1927): centre (0.8 + 0.19208) / 1.38416, half-width 0.2266
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert confidence_interval(0, 15) == pytest.approx((0.0, 0.2039), abs=1e-4)
    assert confidence_interval(15, 15) == pytest.approx((0.7961, 1.0), abs=1e-4)
    assert confidence_interval(0, 0) == (0.0, 1.0)
    for right, n in ((5, 4), (-1, 4)):
        with pytest.raises(ValueError, match=rf"right must be between 0 and n \({n}\), got {right}"):
            confidence_interval(right, n)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_in_bounds(case):
    low, high = confidence_interval(*case)
    assert 0 <= low <= case[0] / case[1] + 1e-12 and case[0] / case[1] - 1e-12 <= high <= 1 and low < high
