"""The statistics, against figures known from elsewhere and against what they must never do."""

import pytest

from pipeline.records import VerdictValue
from training.comparison import bootstrap, compare, compare_by_family, score

GREEDY: dict[str, VerdictValue] = {"c": "correct", "i": "incorrect", "p": "unparsable", "u": "undecided"}


def verdicts(*rows: str) -> dict[str, list[VerdictValue]]:
    """Problems p0, p1, ... from letters: correct, incorrect, unparsable (p), undecided."""
    return {f"p{i}": [GREEDY[letter] for letter in row] for i, row in enumerate(rows)}


def test_one_completion_per_problem_is_a_binomial_with_jeffreys_interval() -> None:
    found = score(verdicts(*"ccccciiiip"), 0.95, 0)
    assert found.pass_at_1.value == 0.5
    # Beta(5.5, 5.5) quantiles
    assert (found.pass_at_1.low, found.pass_at_1.high) == pytest.approx((0.2235, 0.7765), abs=5e-4)
    assert found.pass_at_1.method == "jeffreys"


def test_undecided_completions_enter_no_rate_and_are_counted() -> None:
    found = score(verdicts("c", "i", "u", "u"), 0.95, 0)
    assert (found.pass_at_1.value, found.undecided, found.correct, found.floor) == (0.5, 2, 1, 0.25)
    assert score(verdicts("ccuu", "uuuu"), 0.95, 0).pass_at_1.value == 1.0


def test_nothing_decided_is_no_rate() -> None:
    found = score(verdicts("u", "u"), 0.95, 0)
    assert (found.pass_at_1.value, found.pass_at_1.low, found.pass_at_1.high) == (None, 0.0, 1.0)
    assert compare("all", verdicts("u"), verdicts("c"), 0.95, 0).difference.value is None


def test_several_completions_count_by_problem_not_by_completion() -> None:
    found = score(verdicts("cccc", "iiii", "ciuu"), 0.95, 0)
    assert found.pass_at_1.value == pytest.approx(0.5)
    assert found.pass_at_1.method.startswith("bootstrap over problems")


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_holds() -> None:
    values = [1.0] * 120 + [0.0] * 80
    found = bootstrap(values, 0.95, 0, (0.0, 1.0))
    half = 1.96 * (0.6 * 0.4 / 200) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half), abs=0.01)
    assert bootstrap(values, 0.95, 0, (0.0, 1.0)) == found
    assert bootstrap(values, 0.8, 0, (0.0, 1.0)).low > found.low


def test_the_difference_is_paired() -> None:
    base, student = verdicts(*"iiiiiccccc"), verdicts(*"iciiiccccc")
    line = compare("all", base, student, 0.95, 0)
    assert line.difference.value == pytest.approx(0.1)
    # one problem of ten changed: an unpaired interval would be about ±0.44 wide
    assert line.difference.low >= 0.0
    assert line.difference.high <= 0.31


def test_only_problems_decided_for_both_are_paired() -> None:
    line = compare("all", verdicts("u", "i", "i"), verdicts("c", "u", "c"), 0.95, 0)
    assert (line.paired, line.difference.value) == (1, 1.0)


def test_families_come_after_all_and_add_up() -> None:
    families = {"p0": "b", "p1": "a", "p2": "b"}
    lines = compare_by_family(families, verdicts("i", "c", "i"), verdicts("c", "c", "i"), 0.95, 0)
    assert [(line.name, line.base.problems, line.base.correct, line.student.correct) for line in lines] == [
        ("all", 3, 1, 2),
        ("a", 1, 1, 1),
        ("b", 2, 0, 1),
    ]
