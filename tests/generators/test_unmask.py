"""Backward questions: what is hidden, what is proved unique, and what is refused."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from generators.generate import template_families, template_row
from generators.templates import FAMILIES
from generators.templates.family import Family, format_answer, generate_problem
from generators.unmask import inverse_row, mask_row, masks, wording_of
from pipeline.records import Problem, Provenance, Rejection, make_problem
from pipeline.sources import TemplateSource


@pytest.mark.parametrize(
    ("question", "hidden"),
    [
        ("Ana has 14 pens and 9 cups.", {14, 9}),
        ("Ana has 14 pens and 14 cups.", set()),
        ("It costs $14 and takes 3/4 of an hour, 2.5 km, 20% off, the 5th day, x^7.", set()),
        ("Take 1 of 30 eggs.", {30}),
        ("In $2x + 11 = 31$ find the 4 terms.", {31, 11, 4}),
    ],
)
def test_only_plain_whole_numbers_that_stand_once_are_hidden(question: str, hidden: set[int]) -> None:
    found = list(masks(question))
    assert {m.value for m in found} == hidden
    assert all(m.with_value(m.value) == question for m in found)


def test_the_letter_is_new_to_the_question() -> None:
    (mask,) = masks("Solve for x when n is 30.")
    assert mask.question == "Solve for x when n is k."


def test_an_inverse_problem_has_exactly_one_value_that_gives_the_answer() -> None:
    """Checked again from the outside: the family solves its problem for every value near the hidden one."""
    rows = [inverse_row(("rectangles", "travel", "mixture", "committees"), 3, index) for index in range(24)]
    problems = [row for row in rows if isinstance(row, Problem)]
    assert len(problems) > 16
    assert len({p.question for p in problems}) == len(problems)
    for problem in problems:
        assert problem.provenance.generator == "backward/inverse"
        assert "What is the value of" in problem.question
        assert problem.answer is not None
        gives_the_answer = values_with_the_answer(problem, range(int(problem.answer) + 20))
        assert gives_the_answer == [int(problem.answer)], problem.question


def values_with_the_answer(problem: Problem, values: Iterable[int]) -> list[int]:
    """Put values at the hidden place; return those with which the family's own solution gives the told answer."""
    made = problem.provenance
    family = FAMILIES[problem.family.removeprefix("backward_")]
    parent = generate_problem(family, made.seed or 0, made.index or 0)
    wording = wording_of(family, parent)
    question, _, told = problem.question.partition("\n\nHere ")
    place, other = json.loads(made.parameters)["place"], int(problem.answer or 0) + 1
    text = question[:place] + str(other) + question[place:].removeprefix(told[0])
    names = [name for name, value in wording.parameters._asdict().items() if str(value) == problem.answer]

    def with_value(name: str, value: int) -> Any:
        return wording.parameters._replace(**{name: value})

    (name,) = [name for name in names if family.wordings[wording.wording](with_value(name, other)) == text]
    return [value for value in values if solution(family, with_value(name, value)) == parent.answer]


def solution(family: Family[Any], parameters: Any) -> str | None:
    try:
        return format_answer(family.solve(parameters))
    except (ValueError, ArithmeticError, AssertionError):
        return None  # there is none with this value


def test_a_number_that_does_not_matter_is_not_hidden() -> None:
    """A parent whose answer stays the same for other values of a number gives no backward problem with that number."""
    families = template_families(TemplateSource(strategy="template", count=1, families=("travel",)))
    for index in range(20):
        parent = template_row(families, None, 5, index)
        assert isinstance(parent, Problem)
        made = mask_row(parent, 0, index)
        if isinstance(made, Rejection):
            continue
        wording = wording_of(FAMILIES["travel"], parent)
        shown = [n for n, v in wording.parameters._asdict().items() if type(v) is int and str(v) == made.answer]
        answers = {
            FAMILIES["travel"].solve(wording.parameters._replace(**{shown[0]: value}))
            for value in range(int(made.answer or 0) + 1, int(made.answer or 0) + 20)
        }
        assert FAMILIES["travel"].solve(wording.parameters) not in answers


@pytest.mark.parametrize(("answer", "verifier"), [(None, "math"), ('{"numbers": [1], "target": 1}', "countdown")])
def test_a_parent_without_one_value_as_answer_is_refused(answer: str | None, verifier: str) -> None:
    parent = make_problem(
        "Use 14 and 9.", answer, verifier=verifier, domain="d", family="f", strategy="imported",
        provenance=Provenance("g", "1"),
    )  # fmt: skip
    assert isinstance(mask_row(parent, 0, 0), Rejection)


def test_a_parent_of_no_family_gives_an_unproved_problem_that_names_it() -> None:
    parent = make_problem(
        "Ana has 14 pens and buys 9. How many?", "23", domain="d", family="f", strategy="imported",
        provenance=Provenance("g", "1"),
    )  # fmt: skip
    made = mask_row(parent, 0, 0)
    assert isinstance(made, Problem)
    assert made.provenance.generator == "backward/mask_unproved"
    assert made.provenance.parents == (parent.id,)
    assert "The answer to the question above is 23." in made.question
    assert made.answer in {"14", "9"}
