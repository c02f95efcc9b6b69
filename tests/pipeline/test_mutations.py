"""Right answers that are changed must become wrong, and right answers that are only dressed otherwise must stay right.

The right answers are those of the shared cases and of our own table; every change is drawn from a seeded generator.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from pipeline.answers import extract, normalise, strip_marks
from pipeline.seeds import rng_for
from pipeline.verifiers.rows import verify_rows
from tests.pipeline.answer_table import as_cases, read_cases

RIGHT: Final = [
    case
    for case in [*read_cases("math_dev.jsonl"), *read_cases("own_cases.jsonl"), *as_cases()]
    if case["expected"] == ["correct"] and case["verifier"] == "math" and len(case["completion"]) < 3000
]
NUMBERS: Final = ("integer", "rational", "decimal", "percent")
_STANDING: Final = re.compile(  # digits that say nothing about the value: subscripts, names, colours, lengths, options
    r"_\{?\\?[\w{]*\}?|\\(?:color|textcolor|colorbox)\*?(?:\[\w*\])?\{[^{}]*\}|\\[hv]space\{[^{}]*\}|\[[\d.]+pt\]|.*[=:∈]"
    r"|\\in(?![a-z])|0\.?0*(?![\d.])|\\dot\{?\d\}?",
    re.DOTALL,
)


def verdict(case: dict[str, Any], answer: str) -> str:
    """Judge an answer in a plain box in place of the case's own completion."""
    (row,) = verify_rows([{**case, "completion": f"\\boxed{{{answer}}}"}])
    return str(row["verdict"])


def answers_of(case: dict[str, Any]) -> str:
    return strip_marks(normalise(extract(case["completion"]).answers[-1]))


def changed_digit(answer: str, name: str) -> Iterator[str]:
    """Replace one digit that counts by another."""
    standing = {k for match in _STANDING.finditer(answer) for k in range(*match.span())}
    places = [k for k, c in enumerate(answer) if c in "0123456789" and k not in standing]
    if places and "\\cup" not in answer:  # overlapping parts may be the same set whatever the digit
        rng = rng_for("tests.mutations", 0, len(name))
        place = rng.choice(places)
        yield answer[:place] + rng.choice([d for d in "123456789" if d != answer[place]]) + answer[place + 1 :]


def other_sign(answer: str, _name: str) -> Iterator[str]:
    if re.fullmatch(r"[\d.,/]*[1-9][\d.,/]*", answer):
        yield f"-{answer}"


def ten_times(answer: str, _name: str) -> Iterator[str]:
    if re.fullmatch(r"-?[1-9]\d*", answer):
        yield f"{answer}0"
        yield f"{answer[:-1]}.{answer[-1]}"


def swapped_pair(answer: str, _name: str) -> Iterator[str]:
    pair = re.fullmatch(r"\((-?\d+),\s*(-?\d+)\)", answer)
    if pair and pair[1] != pair[2]:
        yield f"({pair[2]}, {pair[1]})"
        yield f"({pair[1]}, {pair[2]}, 0)"


def other_unit(answer: str, _name: str) -> Iterator[str]:
    number = re.match(r"-?[\d.]+(?=\s*(?:\\,|~)?\s*\\text)", answer)
    if number:
        yield from (f"{number[0]}\\text{{ {unit}}}" for unit in ("furlongs", "mol", "A"))


def other_ends(answer: str, _name: str) -> Iterator[str]:
    for mark, other in (("\\le ", "<"), ("\\ge ", ">"), ("\\leq ", "<"), ("<", "\\le "), (">", "\\ge ")):
        if mark in answer and f"{mark}=" not in answer:
            yield answer.replace(mark, other)
    if re.fullmatch(r"[\[(]-?\d+(?:\.\d+)?,\s*-?\d+(?:\.\d+)?[\])]", answer):
        yield ("(" if answer[0] == "[" else "[") + answer[1:]
        yield answer[:-1] + (")" if answer[-1] == "]" else "]")


MUTATIONS: Final = {
    changed_digit: (*NUMBERS, "expression", "equation", "tuple", "set", "interval", "matrix", "quantity", "string"),
    other_sign: NUMBERS,
    ten_times: NUMBERS,
    swapped_pair: ("tuple",),
    other_unit: ("quantity",),
    other_ends: ("interval",),
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_changed_answer_is_never_correct(mutation: Any) -> None:
    mutants = [
        (case, answer, mutant)
        for case in RIGHT
        if case["answer_type"] in MUTATIONS[mutation] and case.get("tolerance") is None
        for answer in [answers_of(case)]
        for mutant in mutation(answer, case["id"])
    ]
    assert len(mutants) >= 10
    paid = [(case["answer"], answer, mutant) for case, answer, mutant in mutants if verdict(case, mutant) == "correct"]
    assert paid == []


DRESSES: Final = (
    "%s",
    "  %s  ",
    "\\,%s\\;",
    "\\displaystyle %s",
    "{%s}",
    "\\quad %s\\,",
    "\\color{red}{%s}",
    "%s.",
    "**%s**",
    "\\large %s",
)
FORMS: Final = (
    "The answer is \\boxed{%s}.",
    "<think>Is it \\boxed{17}? Or 18?</think>\n\n\\boxed{%s}",
    "Is it \\boxed{17}?\n</think>\n**Answer:** $\\boxed{%s}$",
    "\\[\\boxed{%s}\\]\n\nI hope this helps! Ask me anything else.",
    "\\boxed{%s}<|im_end|>",
    "We get $\\boxed{%s}$, so the final answer is $\\boxed{%s}$.",
    "<answer>\\boxed{%s}</answer>",
    "Put it in \\boxed{}: \\boxed{%s}",
)


@pytest.mark.parametrize("dress", DRESSES)
def test_a_right_answer_stays_right_in_other_dress(dress: str) -> None:
    lost = [
        (case["answer"], answer)
        for case in RIGHT
        for answer in [answers_of(case)]
        if not ("*" in dress and "*" in answer) and verdict(case, dress.replace("%s", answer)) != "correct"
    ]
    assert lost == []


@pytest.mark.parametrize("form", FORMS)
def test_a_right_answer_stays_right_in_any_form(form: str) -> None:
    lost = []
    for case in RIGHT:
        (given,) = extract(case["completion"]).answers[-1:]
        text = form.replace("%s", given)
        (row,) = verify_rows([{**case, "completion": text}])
        if row["verdict"] != "correct":
            lost.append((case["answer"], text))
    assert lost == []
