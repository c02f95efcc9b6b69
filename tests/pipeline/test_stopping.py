"""Stopping early: curtailed sampling decides as the fixed number would; the Bayesian rule errs as often as it says."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Assess, Band, Stopping, Teacher
from pipeline.pass_rate import decide
from pipeline.records import Verdict, VerdictValue
from pipeline.seeds import rng_for
from pipeline.stopping import rule_name, settled, wanted

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
