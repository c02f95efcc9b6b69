"""From outcomes to lines and pairs: what enters which figure, by group, and the base of every difference."""

from dataclasses import replace

import pytest

from pipeline.records import VerdictValue
from tests.training.examples import problems
from training.comparison import How, Line, Outcome, groups_of, line, pair
from training.estimates import Vote

VERDICTS: dict[str, VerdictValue] = {"c": "correct", "i": "incorrect", "p": "unparsable", "u": "undecided"}
HOW = How((1, 2), (2,), 0.95, 0)


def outcomes(*words: str, votable: bool = True) -> dict[str, Outcome]:
    """Problems p0, p1, ...: the first letter is the greedy verdict (- for none), the others those of the sampled
    completions; a correct one answers 7, a wrong one 8."""
    answers = {"c": "7", "i": "8"}
    found = {}
    for place, word in enumerate(words):
        votes: list[Vote] = [(VERDICTS[letter], answers.get(letter)) for letter in word[1:]]
        found[f"p{place}"] = Outcome(VERDICTS.get(word[0]), tuple(votes), votable)
    return found


def values(found: Line) -> dict[str, float | None]:
    named = {"greedy": found.greedy, "pass@1": found.pass_at[1], "pass@2": found.pass_at[2], "cons@2": found.cons_at[2]}
    return {name: None if estimate is None else estimate.value for name, estimate in named.items()}


def test_undecided_completions_enter_no_rate_and_all_but_the_floor_leave_them_out() -> None:
    model = outcomes("ccc", "iuc", "uuu")
    found = line("all", list(model), [model], HOW)
    # pass@1: 1 and 1 of the first two; pass@2 and the vote: the third has nothing decided
    assert values(found) == {"greedy": 0.5, "pass@1": 1.0, "pass@2": 1.0, "cons@2": 1.0}
    assert (found.problems, found.undecided) == (3, 4 / 9)
    assert found.floor is not None and found.floor.value == pytest.approx(1 / 3)


def test_what_was_not_asked_for_is_not_measured() -> None:
    greedy, sampled = outcomes("c", "i"), outcomes("-cci", "-iii")
    assert values(line("all", list(greedy), [greedy], HOW)) == {
        "greedy": 0.5,
        "pass@1": None,
        "pass@2": None,
        "cons@2": None,
    }
    found = line("all", list(sampled), [sampled], HOW)
    assert values(found) == {"greedy": None, "pass@1": pytest.approx(1 / 3), "pass@2": 0.5, "cons@2": 0.5}
    assert found.floor is not None and found.floor.value == pytest.approx(1 / 3)
    assert found.rate == found.pass_at[1]


def test_replies_that_are_judged_whole_have_no_votes() -> None:
    model = outcomes("ccc", votable=False)
    assert values(line("all", ["p0"], [model], HOW))["cons@2"] is None


def test_the_first_row_is_the_base_and_mcnemar_counts_the_discordant() -> None:
    base, student = outcomes(*"iiiiiccu"), outcomes(*"ccccciuc")
    found = pair("all", list(base), ("base", "student"), ([base], [student]), HOW)
    assert (found.base, found.student, found.paired) == ("base", "student", 6)
    assert found.difference is not None and found.difference.value == pytest.approx(4 / 6)
    assert found.mcnemar_p == pytest.approx(2 * 7 / 64)  # five gained, one lost


def test_mcnemar_needs_one_greedy_completion_on_either_side() -> None:
    base, student = outcomes("-ii", "-ci"), outcomes("-cc", "-ci")
    sampled = pair("all", list(base), ("a", "b"), ([base], [student]), HOW)
    assert sampled.mcnemar_p is None
    assert sampled.difference is not None and sampled.difference.value == 0.5
    one = outcomes("c", "i")
    assert pair("all", list(one), ("a", "b"), ([one], [one, one]), HOW).mcnemar_p is None


def test_families_and_levels_come_after_all_where_there_are_several() -> None:
    made = [replace(p, id=f"p{i}", family="ba"[i % 2], level=1 + i // 2) for i, p in enumerate(problems(4))]
    assert groups_of(made) == {
        "all": ["p0", "p1", "p2", "p3"],
        "family: a": ["p1", "p3"],
        "family: b": ["p0", "p2"],
        "level: 1": ["p0", "p1"],
        "level: 2": ["p2", "p3"],
    }
    alike = [replace(p, family="a", level=None) for p in made]
    assert list(groups_of(alike)) == ["all"]
