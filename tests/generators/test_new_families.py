"""What the families with a specification as gold demand of a completion: near misses are refused, programs are run."""

import re
from typing import Any

import pytest

from generators.templates import FAMILIES
from generators.templates.family import Family, draw_parameters
from pipeline.seeds import rng_for
from pipeline.verifiers.judging import judge

LOGIC = ("knights_and_knaves", "ordering")
CODE = ("number_lists", "word_strings")


def drawn(family: Family[Any], level: int, number: int = 0) -> Any:
    return draw_parameters(family, rng_for(f"new/{family.name}/{level}", 0, number), level)


def verdict(family: Family[Any], parameters: Any, completion: str) -> str:
    return judge(family.verifier, str(family.solve(parameters)), completion).verdict


def example(family: Family[Any], parameters: Any) -> str:
    assert family.example is not None
    return family.example(parameters)


def assignment(family: Family[Any], parameters: Any) -> dict[str, str]:
    return dict(re.findall(r"(\w+) = (\w+)", example(family, parameters)))


def boxed(values: dict[str, str]) -> str:
    return f"\\boxed{{{', '.join(f'{name} = {value}' for name, value in values.items())}}}"


@pytest.mark.parametrize("name", LOGIC)
@pytest.mark.parametrize("number", range(4))
def test_a_changed_assignment_is_refused(name: str, number: int) -> None:
    """Each person in turn gets the value of somebody else or, of two values, the other one."""
    family = FAMILIES[name]
    for level in family.levels:
        parameters = drawn(family, level, number)
        right = assignment(family, parameters)
        values = parameters.kinds if name == "knights_and_knaves" else sorted(right.values())
        assert verdict(family, parameters, boxed(right)) == "correct"
        assert verdict(family, parameters, boxed(dict(list(right.items())[1:]))) == "incorrect"
        for person, value in right.items():
            other = next(v for v in values if v != value)
            swapped = {n: value if v == other and name == "ordering" else v for n, v in right.items()}
            assert verdict(family, parameters, boxed({**swapped, person: other})) == "incorrect"


def test_of_three_labels_one_is_accepted() -> None:
    family = FAMILIES["entailment"]
    for level in family.levels:
        parameters = drawn(family, level)
        for label in ("entailed", "contradicted", "unknown"):
            wanted = "correct" if label == parameters.label else "incorrect"
            assert verdict(family, parameters, f"\\boxed{{{label}}}") == wanted


def test_all_labels_are_about_as_frequent() -> None:
    family = FAMILIES["entailment"]
    labels = [drawn(family, 1 + n % 4, n).label for n in range(240)]
    assert all(50 <= labels.count(label) <= 110 for label in ("entailed", "contradicted", "unknown"))


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("level", [1, 4])
def test_the_reference_program_passes_and_one_with_a_slip_fails(name: str, level: int) -> None:
    family = FAMILIES[name]
    parameters = drawn(family, level)
    program = example(family, parameters)
    assert verdict(family, parameters, program) == "correct"
    changed = parameters._replace(keep=("all", type(parameters.keep[1])()), result="list")
    if family.solve(changed) == family.solve(parameters):
        changed = changed._replace(result="count")
    assert verdict(family, parameters, example(family, changed)) == "incorrect"
    assert verdict(family, parameters, program.replace("def ", "def my_")) == "incorrect"
    assert verdict(family, parameters, "No program.") == "unparsable"


@pytest.mark.slow
@pytest.mark.parametrize("name", CODE)
def test_every_rule_has_a_right_reference_program(name: str) -> None:
    """Many programs, all tests of each: a wrong phrase in the table of rules would show here."""
    family = FAMILIES[name]
    for number in range(24):
        parameters = drawn(family, 1 + number % 4, number)
        assert verdict(family, parameters, example(family, parameters)) == "correct", parameters


@pytest.mark.parametrize("name", ["short_texts", "formatted_replies"])
def test_a_reply_to_other_rules_is_refused(name: str) -> None:
    family = FAMILIES[name]
    replies = {level: drawn(family, level) for level in family.levels}
    for level, parameters in replies.items():
        wrong = [example(family, p) for other, p in replies.items() if other != level]
        assert all(verdict(family, parameters, reply) == "incorrect" for reply in wrong[level % 2 :][:2])


@pytest.mark.parametrize(("goal", "fit"), [(112, True), (113, False), (121, False), (122, True)])
def test_no_fee_takes_the_box_below_the_goal(goal: int, fit: bool) -> None:
    """Week 9 ends with 121 before the fee of 9 and 112 after it, week 10 with 122: looking before or after must do."""
    family = FAMILIES["savings_plan"]
    plan = drawn(family, 3)._replace(goal=goal, start=49, earned=10, spent=0, rise=0, every=3, fee=9)
    assert family.is_valid(plan) is fit
