"""The estimates against figures worked out by hand, and against what they must never do."""

from itertools import combinations
from math import isnan, nan

import numpy as np
import pytest

from pipeline.records import VerdictValue
from training.estimates import (
    Estimate,
    Values,
    Vote,
    cons_at_k,
    difference_estimate,
    majority,
    mcnemar,
    mean_estimate,
    pass_at_k,
)

VERDICTS: dict[str, VerdictValue] = {"c": "correct", "i": "incorrect", "p": "unparsable", "u": "undecided"}


def votes(text: str) -> list[Vote]:
    """Votes from words: a verdict's letter and an answer, such as "c7 i8 p u"."""
    return [(VERDICTS[word[0]], word[1:] or None) for word in text.split()]


def row(*models: str) -> Values:
    """A row of models from letters: 1, 0, or u for undecided; one letter a problem."""
    return np.array([[nan if letter == "u" else float(letter) for letter in model] for model in models])


def found(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


@pytest.mark.parametrize(
    ("correct", "decided", "k", "expected"),
    [
        (0, 8, 8, 0.0),
        (1, 8, 8, 1.0),
        (1, 8, 1, 1 / 8),
        (2, 4, 2, 5 / 6),  # of the six pairs, one holds both wrong ones
        (3, 10, 5, 1 - 21 / 252),
        (8, 8, 3, 1.0),
        (7, 7, 8, nan),
        (0, 0, 1, nan),
    ],
)
def test_pass_at_k_by_hand(correct: int, decided: int, k: int, expected: float) -> None:
    assert pass_at_k(correct, decided, k) == pytest.approx(expected, nan_ok=True)


def test_pass_at_k_is_the_share_of_all_choices_of_k_that_hold_a_correct_one() -> None:
    right = [True] * 3 + [False] * 6
    for k in range(1, 10):
        choices = [any(choice) for choice in combinations(right, k)]
        assert pass_at_k(3, 9, k) == pytest.approx(sum(choices) / len(choices))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c7 c7 i8", 1.0),
        ("c7 i8 i8", 0.0),
        ("c7 i8", 0.5),  # a tie: one of the two would be drawn
        ("c7 i8 i9", 1 / 3),
        ("c7 c7 i8 i8 i9", 0.5),
        ("c7 p p p", 1.0),  # what commits to nothing votes for nothing
        ("c7 u u u", 1.0),
        ("p p", 0.0),
        ("p u", nan),
        ("u u", nan),
        ("c7 c7 i7", 2 / 3),  # one form of the answer judged in two ways
    ],
)
def test_majority_by_hand(text: str, expected: float) -> None:
    assert majority(votes(text)) == pytest.approx(expected, nan_ok=True)
    assert majority(votes(text)[::-1]) == pytest.approx(expected, nan_ok=True)


def test_cons_at_k_votes_in_blocks() -> None:
    assert cons_at_k(votes("c7 c7 i8 i8 i8 c7"), 3) == 0.5
    assert cons_at_k(votes("c7 c7 i8 i8"), 3) == 1.0  # what does not fill a block is left out
    assert cons_at_k(votes("u u c7 c7"), 2) == 1.0
    assert isnan(cons_at_k(votes("c7 c7"), 3))


def test_zeros_and_ones_of_one_model_are_a_binomial_with_jeffreys_interval() -> None:
    estimate = found(mean_estimate(row("1111100000uu"), 0.95, 0))
    assert estimate.value == 0.5
    assert (estimate.low, estimate.high) == pytest.approx((0.2235, 0.7765), abs=5e-4)  # quantiles of Beta(5.5, 5.5)
    assert estimate.method == "Jeffreys over 10 problems"


def test_nothing_decided_is_no_estimate() -> None:
    assert mean_estimate(row("uu"), 0.95, 0) is None
    assert difference_estimate(row("u1"), row("1u"), 0.95, 0) == (0, None)


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_holds() -> None:
    values = np.array([[0.8] * 120 + [0.2] * 80])
    estimate = found(mean_estimate(values, 0.95, 0))
    half = 1.96 * 0.6 * (0.6 * 0.4 / 200) ** 0.5
    assert estimate.value == pytest.approx(0.56)
    assert (estimate.low, estimate.high) == pytest.approx((0.56 - half, 0.56 + half), abs=0.005)
    assert mean_estimate(values, 0.95, 0) == estimate
    assert found(mean_estimate(values, 0.8, 0)).low > estimate.low
    assert estimate.method == "bootstrap over 200 problems, 10,000 resamples"


def test_seeds_that_differ_widen_the_interval() -> None:
    good, bad = "1" * 90 + "0" * 10, "1" * 10 + "0" * 90
    alike = found(mean_estimate(row(good, good), 0.95, 0))
    differing = found(mean_estimate(row(good, bad), 0.95, 0))
    assert (alike.value, differing.value) == pytest.approx((0.9, 0.5))
    assert alike.high - alike.low < 0.15
    # both, the good one twice, or the bad one twice: the ends lie near the two models' own rates
    assert (differing.low, differing.high) == pytest.approx((0.1, 0.9), abs=0.08)
    assert differing.method == "bootstrap over 100 problems and 2 seeds, 10,000 resamples"


def test_a_problem_counts_once_however_many_seeds_decide_it() -> None:
    assert found(mean_estimate(row("11", "0u"), 0.95, 0)).value == 0.75


@pytest.mark.parametrize(
    ("student", "base", "paired", "value"),
    [
        ("0100011111", "0000011111", 10, 0.1),
        ("u111", "0u00", 2, 1.0),
        ("1111", "1111", 4, 0.0),
    ],
)
def test_the_difference_is_paired(student: str, base: str, paired: int, value: float) -> None:
    count, estimate = difference_estimate(row(student), row(base), 0.95, 0)
    assert count == paired
    assert found(estimate).value == pytest.approx(value)


def test_one_changed_problem_of_ten_gives_a_narrow_difference() -> None:
    _, estimate = difference_estimate(row("0100011111"), row("0000011111"), 0.95, 0)
    # an unpaired interval would be about ±0.44 wide
    assert 0.0 <= found(estimate).low < found(estimate).high <= 0.31


def test_no_difference_anywhere_is_still_uncertain() -> None:
    _, few = difference_estimate(row("1100"), row("1100"), 0.95, 0)
    _, many = difference_estimate(row("1100" * 50), row("1100" * 50), 0.95, 0)
    assert found(few).low == -found(few).high < -0.3
    assert -0.05 < found(many).low < 0


def test_seeds_are_drawn_on_both_sides_of_a_difference() -> None:
    base = row("0" * 20, "0" * 20)
    count, estimate = difference_estimate(row("1" * 20, "0" * 20), base, 0.95, 0)
    assert (count, found(estimate).value, found(estimate).low, found(estimate).high) == (20, 0.5, 0.0, 1.0)
    assert "20 problems and 2 × 2 seeds" in found(estimate).method


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (8, 2, 2 * (1 + 10 + 45) / 1024), (3, 3, 1.0)],
)
def test_mcnemar_by_hand(gained: int, lost: int, p_value: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p_value)
