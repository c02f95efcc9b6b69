"""What the panel's votes make of a gold: adopted, confirmed, disputed, repaired, or refused with the votes shown."""

import json
from typing import Any

import pytest

from filters.solvability import looks_rounded, settle
from pipeline.config import Agree
from pipeline.records import Agreement, Completion, FinishReason, Problem, Provenance, Rejection, Strategy, make_problem


def problem(answer: str | None, strategy: Strategy = "imported", **fields: Any) -> Problem:
    return make_problem(
        "How many?", answer, domain="d", family="f", strategy=strategy, provenance=Provenance("g", "1"), **fields
    )


def panel(**voices: str) -> list[Completion]:
    """Build completions: a voice's answers, blank-separated; "-" commits to nothing, "~" was cut off."""
    rows = []
    for voice, answers in voices.items():
        for index, answer in enumerate(answers.split()):
            text = "no idea" if answer == "-" else f"so \\boxed{{{answer}}}"
            finish: FinishReason = "length" if answer == "~" else "stop"
            text = "and then" if answer == "~" else text
            rows.append(
                Completion(
                    f"{voice}{index}", "p", voice, "r", "boxed/1", "{}", index, None, text, finish, 1, 1, "e", "1"
                )
            )
    return rows


ADOPTIONS = [
    ({"a": "42 42", "b": "42.0 7"}, "adopted", "42"),
    ({"a": "1/2 0.5", "b": "\\frac{1}{2} 0.50"}, "adopted", "0.5"),
    ({"a": "42 42", "b": "42 ~ -"}, "adopted", "42"),
    ({"a": "42 42 42", "b": "7"}, "no agreement", "3 of 4 votes by 1 voices for 42"),
    ({"a": "42 42", "b": "7 42 7"}, "several stable answers", "42 (3), 7 (2)"),
    ({"a": "42 42", "b": "7 7"}, "several stable answers", "42 (2), 7 (2)"),
    ({"a": "40 50", "b": "1185"}, "no agreement", "1 of 3 votes"),  # three slips, not three answers
    ({"a": "42 7", "b": "42"}, "no agreement", "less than 30% for any other answer"),
    ({"a": "1 2 3", "b": "4 5 6"}, "no agreement", "1 of 6 votes"),
    ({"a": "- -", "b": "~"}, "no committed answer", "commits to an answer"),
    ({}, "no committed answer", "commits to an answer"),
]


@pytest.mark.parametrize(
    ("answer", "rounded"),
    [
        ("13.33", True),
        ("66.67", True),
        ("0.1667", True),
        ("83.75", False),
        ("37.5", False),
        ("12.37", False),
        ("4", False),
    ],
)
def test_a_fraction_that_was_cut_short_is_no_gold(answer: str, rounded: bool) -> None:
    assert looks_rounded(answer) is rounded
    found = settle(problem(None, "written"), panel(a=f"{answer} {answer}", b=answer), Agree())
    assert (found.filter if isinstance(found, Rejection) else found.status) == (
        "rounded gold" if rounded else "adopted"
    )


@pytest.mark.parametrize(("answers", "outcome", "detail"), ADOPTIONS)
def test_a_gold_is_adopted_only_where_independent_voices_agree(
    answers: dict[str, str], outcome: str, detail: str
) -> None:
    found = settle(problem(None, "written"), panel(**answers), Agree())
    if isinstance(found, Agreement):
        assert (found.status, found.answer, found.original) == (outcome, detail, None)
        assert found.voices == ("a@r boxed/1", "b@r boxed/1")
    else:
        assert found.filter == outcome
        assert detail in found.reason
        assert json.loads(found.evidence)["votes"] == {} or answers


WEIGHED = [
    ("42", {"a": "42 42", "b": "42"}, "refuse", "confirmed", "42"),
    ("$27", {"a": "27 27", "b": "27"}, "refuse", "confirmed", "$27"),
    ("41", {"a": "42 42", "b": "42 42"}, "refuse", "disputed gold", None),
    ("41", {"a": "42 42", "b": "42 42"}, "repair", "repaired", "42"),
    ("41", {"a": "42 42", "b": "42 42"}, "keep", "given", "41"),
    ("41", {"a": "42 42 42 42", "b": "41"}, "repair", "given", "41"),
    ("41", {"a": "42 42 42 42"}, "repair", "given", "41"),
    ("41", {"a": "~ -", "b": "-"}, "refuse", "given", "41"),
]


@pytest.mark.parametrize(("gold", "answers", "policy", "outcome", "answer"), WEIGHED)
def test_a_given_gold_is_disputed_only_by_a_panel_that_never_reaches_it(
    gold: str, answers: dict[str, str], policy: Any, outcome: str, answer: str | None
) -> None:
    found = settle(problem(gold), panel(**answers), Agree(disputed=policy))
    if isinstance(found, Rejection):
        assert (found.filter, answer) == (outcome, None)
        assert json.loads(found.evidence)["votes"]["42"] == 4
    else:
        assert (found.status, found.answer, found.original) == (outcome, answer, gold)
        if outcome in ("confirmed", "repaired"):
            assert found.voices == ("a@r boxed/1", "b@r boxed/1") and found.share == 1.0
            votes = {form: len(" ".join(answers.values()).split()) for form in answers["a"].split()[:1]}
            assert json.loads(found.votes) == {"votes": votes}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"a": "42 42", "b": "42"}, "confirmed"),
        ({"a": "42 7 8", "b": "42"}, "not confirmed"),  # half of the votes are not enough
        ({"a": "7 7", "b": "7 7"}, "not confirmed"),
        ({"a": "~ ~", "b": "-"}, "not confirmed"),
    ],
)
def test_a_question_written_to_its_answer_must_be_confirmed(answers: dict[str, str], outcome: str) -> None:
    found = settle(problem("42", "backward"), panel(**answers), Agree(disputed="repair"))
    assert (found.status if isinstance(found, Agreement) else found.filter) == outcome


@pytest.mark.parametrize(
    ("answers", "adopted"), [({"a": "42 7", "b": "42"}, False), ({"a": "42 7 42", "b": "42"}, True)]
)
def test_one_vote_can_still_prevent_an_adoption(answers: dict[str, str], adopted: bool) -> None:
    found = settle(problem(None, "written"), panel(**answers), Agree(min_votes=2))
    assert (found.status if isinstance(found, Agreement) else found.filter) == (
        "adopted" if adopted else "no agreement"
    )


def test_what_a_program_proved_stands_against_any_panel() -> None:
    found = settle(problem("41", "template"), panel(a="42 42 42", b="42 42 42"), Agree(disputed="repair"))
    assert isinstance(found, Agreement)
    assert (found.status, found.answer) == ("proved", "41")


def test_a_specification_is_not_put_to_the_vote() -> None:
    gold = '{"numbers": [1, 2], "target": 3}'
    found = settle(problem(gold, verifier="countdown"), panel(a="5 5 5", b="5 5 5"), Agree(disputed="repair"))
    assert isinstance(found, Agreement)
    assert (found.status, found.answer) == ("given", gold)
