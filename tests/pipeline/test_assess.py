"""Rates count only what was decided, intervals are the textbook's, and every decision says why."""

import json
from dataclasses import replace
from math import asin, comb, cos, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assess import assess_problem, not_in_pool, outside_band, solvability, undecided_models
from pipeline.config import Assess, Band, Config
from pipeline.pass_rate import decide, interval
from pipeline.records import Completion, FinishReason, Provenance, Verdict, VerdictValue, make_problem

PROBLEM = make_problem(
    "q", "42", answer_type="integer", domain="d", family="f", strategy="template", provenance=Provenance("g", "1")
)
LETTERS: dict[str, tuple[VerdictValue, str]] = {
    "c": ("correct", "\\boxed{42}"),
    "w": ("incorrect", "\\boxed{43}"),
    "W": ("incorrect", "\\boxed{44}"),
    "n": ("unparsable", "no idea"),
    "?": ("undecided", "cut o"),
}


def panel(letters: str, model: str = "m") -> list[tuple[Completion, Verdict]]:
    """Build judged completions: c correct, w and W wrong in two ways, n unparsable, ? undecided."""
    rows = []
    for i, letter in enumerate(letters):
        verdict, text = LETTERS[letter]
        name = f"{model}{i}"
        finish: FinishReason = "length" if verdict == "undecided" else "stop"
        completion = Completion(name, PROBLEM.id, model, "r", "p", "{}", i, None, text, finish, 1, 1, "e", "1")
        rows.append((completion, Verdict(name, PROBLEM.id, verdict, None, "", "math", "1")))
    return rows


@pytest.mark.parametrize(
    ("letters", "attempts", "successes", "undecided", "decision"),
    [
        ("cccc", 4, 4, 0, "too easy"),
        ("cwWn", 4, 1, 0, "keep"),
        ("wwnn", 4, 0, 0, "too hard"),
        ("c???", 1, 1, 3, "too easy"),
        ("????", 0, 0, 4, "undecided"),
    ],
)
def test_undecided_enters_no_rate(letters: str, attempts: int, successes: int, undecided: int, decision: str) -> None:
    (assessment,) = assess_problem(PROBLEM, panel(letters), Assess())
    assert (assessment.attempts, assessment.successes, assessment.undecided) == (attempts, successes, undecided)
    assert assessment.pass_rate == (successes / attempts if attempts else None)
    assert assessment.decision == decision


def test_each_model_of_the_panel_is_assessed_for_itself_and_agreement_is_of_all() -> None:
    first, second = assess_problem(PROBLEM, [*panel("cww"), *panel("www?", "other")], Assess())
    assert (first.model, first.successes, second.model, second.successes) == ("m", 1, "other", 0)
    assert first.agreement == second.agreement == pytest.approx(5 / 6)
    assert first.agreed_answer == second.agreed_answer == "43"


def test_a_problem_nobody_solves_is_rejected_with_the_votes() -> None:
    rows = panel("wwWn")
    rejection = solvability(PROBLEM, rows, assess_problem(PROBLEM, rows, Assess()))
    assert rejection is not None
    assert rejection.filter == "unsolved"
    assert rejection.reason == (
        "no model reached 42 in 4 attempts: 0 of 4 correct for m, interval [0.00, 0.44]; 2 agree on 43"
    )
    assert '"43":2' in rejection.evidence


def test_one_attempt_is_an_attempt() -> None:
    rows = panel("w")
    rejection = solvability(PROBLEM, rows, assess_problem(PROBLEM, rows, Assess()))
    assert rejection is not None
    assert rejection.reason.startswith("no model reached 42 in 1 attempt: ")


def test_one_solving_model_is_enough_and_no_verdict_is_no_evidence() -> None:
    rows = [*panel("wwww"), *panel("c", "other")]
    assert solvability(PROBLEM, rows, assess_problem(PROBLEM, rows, Assess())) is None
    rows = panel("??")
    rejection = solvability(PROBLEM, rows, assess_problem(PROBLEM, rows, Assess()))
    assert rejection is not None
    assert rejection.filter == "undecided"


def test_outside_the_band_says_the_model_the_interval_and_the_band() -> None:
    (easy,) = assess_problem(PROBLEM, panel("cccc"), Assess())
    rejection = outside_band(easy, Band())
    assert rejection is not None
    assert rejection.reason == "4 of 4 correct for m, interval [0.56, 1.00]; band 0.01 to 0.95"
    assert rejection.score == 1.0


def test_a_problem_that_the_reference_model_was_not_asked_is_undecided() -> None:
    found = assess_problem(PROBLEM, panel("cwcw", model="other"), Assess())
    rejection = not_in_pool(PROBLEM, found, "m", Band())
    assert rejection is not None
    assert (rejection.filter, rejection.reason) == ("undecided", "no completion of it by m")
    assert not_in_pool(PROBLEM, found, "other", Band()) is None


@pytest.mark.parametrize(
    ("letters", "band", "name", "shown", "ends"),
    [
        ("cccc", Band(), "too easy", "4 of 4 correct for m, interval [0.56, 1.00]", [0.5555, 1.0]),
        ("cwww", Band(min_pass_rate=0.5), "too hard", "1 of 4 correct for m, interval [0.03, 0.72]", [0.0281, 0.7164]),
        ("wwww", Band(), "unsolved", "0 of 4 correct for m, interval [0.00, 0.44]", [0.0, 0.4445]),
    ],
)
def test_too_easy_and_too_hard_leave_with_the_interval_and_its_model(
    letters: str, band: Band, name: str, shown: str, ends: list[float]
) -> None:
    rows = panel(letters)
    (found,) = assess_problem(PROBLEM, rows, Assess(band=band))
    rejection = solvability(PROBLEM, rows, [found]) or outside_band(found, band)
    assert rejection is not None
    assert (rejection.filter, shown in rejection.reason) == (name, True)
    evidence = json.loads(rejection.evidence)
    (measured,) = evidence.get("measured", [evidence])
    assert (measured["model"], measured["revision"], measured["attempts"], measured["level"]) == ("m", "r", 4, 0.95)
    assert measured["interval"] == pytest.approx(ends, abs=1e-3)


@pytest.mark.parametrize("letters", ["cc", "ww"])
def test_what_is_not_settled_is_undecided_and_says_that_more_could_change_it(letters: str) -> None:
    rows = panel(letters)
    teachers = [{"model": "m", "completions": 4, "stopping": {}}]
    sources = {"sources": [{"strategy": "template", "count": 1}]}
    config = Config.model_validate({"run": "r", "generate": sources, "teachers": teachers})
    assert undecided_models(config, PROBLEM, [rows]) == {("m", "r")}
    assert undecided_models(config, PROBLEM, [panel(letters + "cw")]) == set()
    (found,) = assess_problem(PROBLEM, rows, Assess())
    found = replace(found, decision="undecided")
    rejection = solvability(PROBLEM, rows, [found]) or outside_band(found, Band())
    assert rejection is not None
    assert (rejection.filter, "but more completions could change that" in rejection.reason) == ("undecided", True)


@pytest.mark.parametrize(("rate", "decision"), [((1, 4), "keep"), ((3, 4), "too easy"), ((0, 4), "too hard")])
def test_the_band_is_inclusive(rate: tuple[int, int], decision: str) -> None:
    assert decide(*rate, Band(min_pass_rate=0.25, max_pass_rate=0.5)) == decision
    assert decide(1, 2, Band(min_pass_rate=0.25, max_pass_rate=0.5)) == "keep"


@pytest.mark.parametrize(("successes", "attempts"), [(1, 4), (6, 12), (1, 12), (15, 16)])
def test_clopper_pearson_ends_leave_the_binomial_tails(successes: int, attempts: int) -> None:
    def at_most(count: int, rate: float) -> float:
        return sum(comb(attempts, i) * rate**i * (1 - rate) ** (attempts - i) for i in range(count + 1))

    low, high = interval(successes, attempts, "clopper-pearson", 0.95)
    assert 1 - at_most(successes - 1, low) == pytest.approx(0.025)
    assert at_most(successes, high) == pytest.approx(0.025)


@pytest.mark.parametrize(("successes", "attempts"), [(1, 4), (6, 12), (1, 12), (15, 16)])
def test_jeffreys_ends_cut_the_posterior(successes: int, attempts: int) -> None:
    """The posterior is Beta(s + 1/2, f + 1/2); with rate = sin²t its density is a smooth function of t."""

    def mass(end: float, steps: int = 20_000) -> float:
        width = asin(sqrt(end)) / steps
        angles = (width * (i + 0.5) for i in range(steps))
        return width * sum(sin(t) ** (2 * successes) * cos(t) ** (2 * (attempts - successes)) for t in angles)

    low, high = interval(successes, attempts, "jeffreys", 0.9)
    assert mass(low) / mass(1.0) == pytest.approx(0.05, abs=1e-4)
    assert mass(high) / mass(1.0) == pytest.approx(0.95, abs=1e-4)


def test_intervals_at_the_ends() -> None:
    assert interval(0, 0, "jeffreys", 0.95) == (0.0, 1.0)
    assert interval(0, 10, "clopper-pearson", 0.95) == pytest.approx((0.0, 1 - 0.025**0.1))
    assert interval(10, 10, "jeffreys", 0.95)[1] == 1.0


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from(["jeffreys", "clopper-pearson"]))
def test_intervals_hold_the_rate_and_mirror(successes: int, attempts: int, method: str) -> None:
    successes = min(successes, attempts)
    low, high = interval(successes, attempts, method, 0.9)
    assert 0 <= low <= successes / attempts <= high <= 1
    mirrored = interval(attempts - successes, attempts, method, 0.9)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))
