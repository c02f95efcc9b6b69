"""Stopping early: curtailed sampling decides as the fixed number would; the Bayesian rule errs as often as it says."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Assess, Band, Config, Stopping, Teacher
from pipeline.pass_rate import decide
from pipeline.records import Problem, Provenance, Strategy, Verdict, VerdictValue, make_problem
from pipeline.seeds import rng_for
from pipeline.stopping import beside, lacking, rule_name, settled, votes_count, wanted

VALUES: dict[str, VerdictValue] = {"c": "correct", "w": "incorrect", "n": "unparsable", "?": "undecided"}
BANDS = (Band(), Band(min_pass_rate=0.25, max_pass_rate=0.75), Band(min_pass_rate=0.0, max_pass_rate=0.5))


def verdicts(letters: str) -> list[Verdict]:
    return [Verdict(str(i), "p", VALUES[letter], None, "", "math", "1") for i, letter in enumerate(letters)]


def rates(letters: str) -> tuple[int, int]:
    return letters.count("c"), len(letters) - letters.count("?")


def asked_for(letters: str, teacher: Teacher, assess: Assess) -> int:
    """Return how many of the recorded completions are asked for, wave by wave."""
    count = 0
    while (more := min(wanted(teacher, assess, verdicts(letters[:count])), len(letters))) > count:
        count = more
    return count


@pytest.mark.parametrize("band", BANDS)
def test_settled_is_exactly_when_no_outcome_of_what_is_left_changes_a_decision(band: Band) -> None:
    """Of the pool, and of assess: whether the problem is solved."""
    for successes, failures, left in product(range(4), range(4), range(4)):
        seen = "c" * successes + "w" * failures
        wholes = [seen + "".join(rest) for rest in product("cw?", repeat=left)]
        finals = {(decide(*rates(whole), band), "c" in whole) for whole in wholes}
        ((only, _),) = finals if len(finals) == 1 else ((None, False),)
        assert settled(successes, successes + failures, left, band) == (None if only == "undecided" else only)


@settings(deadline=None)  # SciPy is imported in the first example
@given(st.text("cwn?", min_size=1, max_size=16), st.integers(1, 5), st.sampled_from(BANDS))
def test_curtailed_stopping_never_changes_a_decision(letters: str, wave: int, band: Band) -> None:
    teacher = Teacher(model="m", completions=len(letters), stopping=Stopping(wave=wave))
    count = asked_for(letters, teacher, Assess(band=band))
    assert decide(*rates(letters[:count]), band) == decide(*rates(letters), band)
    assert ("c" in letters[:count]) == ("c" in letters)


@settings(deadline=None)
@given(st.text("cwn?", min_size=6, max_size=6), st.integers(1, 6), st.integers(1, 5), st.sampled_from(BANDS))
def test_entries_of_one_model_stop_on_what_they_have_together(letters: str, first: int, wave: int, band: Band) -> None:
    """The second one, asked after the first, may have nothing to do."""
    parts = [letters[:first], letters[first:]] if first < 6 else [letters[:3], letters[3:]]
    panel = run_config(*({"completions": len(p), "stopping": {"wave": wave}} for p in parts), assess={"band": band})
    seen = ["", ""]
    for index in (0, 1):
        teacher = panel.teachers[index]
        while (more := _wanted_of(panel, index, seen)) > len(seen[index]):
            seen[index] = parts[index][: min(more, teacher.completions)]
    asked = "".join(seen)
    assert (decide(*rates(asked), band), "c" in asked) == (decide(*rates(letters), band), "c" in letters)
    assert not any(lacking(panel, problem(), [verdicts(part) for part in seen]))


def _wanted_of(panel: Config, index: int, seen: list[str]) -> int:
    others = beside(panel, {1 - index: verdicts(seen[1 - index])})
    return wanted(panel.teachers[index], panel.assess, verdicts(seen[index]), others)


def run_config(*teachers: dict[str, Any], **changes: Any) -> Config:
    """Entries of one model with these settings."""
    rows = [{"model": "m", **teacher} for teacher in teachers]
    sources = {"sources": [{"strategy": "template", "count": 1}]}
    return Config.model_validate({"run": "r", "generate": sources, "teachers": rows, **changes})


def problem(strategy: Strategy = "template", answer: str | None = "42", verifier: str = "math") -> Problem:
    made_by = Provenance("g", "1")
    return make_problem("q", answer, verifier=verifier, domain="d", family="f", strategy=strategy, provenance=made_by)


RULE = {"completions": 6, "stopping": {"wave": 2}}
EDGE = {"completions": 4, "stopping": {"wave": 2, "edge": 16}}


@pytest.mark.parametrize(
    ("teachers", "seen", "missing"),
    [
        ([RULE], ["cw"], [0]),
        ([RULE], ["cc"], [4]),  # four failures would make it one to keep
        ([RULE], ["ww"], [4]),  # and a success one that is solved
        ([RULE], ["wwwwww"], [0]),
        ([RULE], [""], [6]),
        ([{"completions": 6}], ["cc"], [0]),  # no rule: only a budget stops it
        ([RULE, RULE], ["cc", "w"], [0, 0]),  # together they know
        ([RULE, RULE], ["cccc", "cccccc"], [2, 0]),
        ([RULE, {**RULE, "model": "other"}], ["cc", "w"], [4, 5]),
        ([EDGE], ["cccc"], [12]),
    ],
)
def test_what_a_rule_may_still_ask_for(teachers: list[dict[str, Any]], seen: list[str], missing: list[int]) -> None:
    assert lacking(run_config(*teachers), problem(), [verdicts(letters) for letters in seen]) == missing


ANOTHER = {"generate": {"sources": [{"strategy": "run", "path": "other"}]}}


@pytest.mark.parametrize(
    ("row", "changes", "count"),
    [
        (problem(), {"agree": {"disputed": "repair"}}, False),
        (problem("imported"), {}, False),  # refused only where no completion reached it: nothing stops before
        (problem("imported"), {"agree": {"disputed": "repair"}}, True),
        (problem("imported", verifier="constraint"), {"agree": {"disputed": "repair"}}, False),
        (problem("imported", None), {}, True),
        (problem("backward"), {}, True),
        (problem("backward"), ANOTHER, False),
        (problem("imported"), {**ANOTHER, "agree": {"disputed": "repair"}}, False),
    ],
)
def test_all_completions_are_wanted_where_votes_may_change_the_gold(
    row: Problem, changes: dict[str, Any], count: bool
) -> None:
    settings = run_config(RULE, **changes)
    assert votes_count(row, settings) is count
    assert lacking(settings, row, [verdicts("cw")]) == [4 if count else 0]


def test_curtailed_stopping_saves_what_it_can_and_no_rule_saves_nothing() -> None:
    teacher = Teacher(model="m", completions=16, stopping=Stopping(wave=2))
    assert asked_for("cw" + "c" * 14, teacher, Assess()) == 2
    assert asked_for("c" * 16, teacher, Assess()) == 16  # the last could still bring the rate under the band's end
    assert asked_for("c" * 16, teacher.model_copy(update={"stopping": None}), Assess()) == 16


def test_a_problem_on_an_edge_of_the_band_may_ask_for_more() -> None:
    assess = Assess(band=Band(min_pass_rate=0.2, max_pass_rate=0.8))
    teacher = Teacher(model="m", completions=4, stopping=Stopping(wave=4, edge=16))
    assert wanted(teacher, assess, verdicts("cccw")) == 8  # 0.75, its interval spans 0.8
    assert wanted(teacher, assess, verdicts("cccwcwcwcwcwcwcw")) == 16
    far = Assess(band=Band(min_pass_rate=0.0, max_pass_rate=0.99))
    assert wanted(teacher, far, verdicts("ccww")) == 4


def test_the_bayesian_rule_errs_no_more_often_than_it_says() -> None:
    """Pass rates drawn from the rule's own prior; of the problems it stops for, error_rate may be decided wrongly."""
    assess = Assess(band=Band(min_pass_rate=0.2, max_pass_rate=0.8))
    rate_of_error = 0.1
    teacher = Teacher(model="m", completions=64, stopping=Stopping(rule="bayesian", wave=1, error_rate=rate_of_error))
    stopped = wrong = 0
    for index in range(300):
        rng = rng_for("bayesian-stopping", 0, index)
        truth = rng.betavariate(0.5, 0.5)
        letters = "".join("c" if rng.random() < truth else "w" for _ in range(64))
        count = asked_for(letters, teacher, assess)
        if count < 64:
            stopped += 1
            wrong += decide(*rates(letters[:count]), assess.band) != decide(round(truth * 10**6), 10**6, assess.band)
    assert stopped > 200
    assert wrong / stopped <= rate_of_error + 0.05  # three standard errors of 250 draws


@pytest.mark.parametrize(
    ("stopping", "name"),
    [
        (None, "fixed"),
        (Stopping(), "curtailed of 16"),
        (Stopping(rule="bayesian", error_rate=0.1, edge=32), "bayesian 0.1, at most 16, edge 32"),
    ],
)
def test_the_rule_is_named_in_the_assessment(stopping: Stopping | None, name: str) -> None:
    assert rule_name(Teacher(model="m", completions=16, stopping=stopping)) == name
