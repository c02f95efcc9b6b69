"""The verdicts: the shared cases, our own table, and what must hold for any text."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.verifiers import VERIFIERS, judge
from pipeline.verifiers.fast import quick_equal
from pipeline.verifiers.judging import Case
from pipeline.verifiers.rows import verify_rows
from tests.pipeline.answer_table import ROWS, Row, as_cases, read_cases

SHARED = [case for name in ("math_dev", "other_dev", "own_cases") for case in read_cases(f"{name}.jsonl")]


@pytest.mark.parametrize("case", SHARED, ids=[case["id"] for case in SHARED])
def test_shared_cases(case: dict[str, Any]) -> None:
    (verdict,) = verify_rows([case])
    assert verdict["verdict"] in case["expected"], verdict["reason"]


def test_own_answers_in_whole_completions() -> None:
    cases = list(as_cases())
    judged = zip(cases, verify_rows(cases), strict=True)
    assert [(case["id"], verdict) for case, verdict in judged if verdict["verdict"] not in case["expected"]] == []


def boxed(row: Row, answer: str) -> str:
    text = f"So the result is \\boxed{{{answer}}}."
    return judge(
        "math", row.gold, text, answer_type=row.answer_type, tolerance=row.tolerance, question=row.question
    ).verdict


@pytest.mark.parametrize("row", ROWS, ids=[f"{k}-{row.answer_type}" for k, row in enumerate(ROWS)])
def test_own_table(row: Row) -> None:
    assert [answer for answer in row.right if boxed(row, answer) != "correct"] == []
    assert [answer for answer in row.wrong if boxed(row, answer) not in ("incorrect", "unparsable")] == []


@pytest.mark.parametrize("row", ROWS, ids=[f"{k}-{row.answer_type}" for k, row in enumerate(ROWS)])
def test_every_form_around_an_answer_means_nothing(row: Row) -> None:
    """A right answer stays right, and a wrong one wrong, in a sentence, after thinking, twice, or as an answer tag."""
    forms = (
        "<think>\\boxed{{0}}</think>\n$$\\boxed{{{0}}}$$",
        "\\boxed{{{0}}} so \\boxed{{{0}}}",
        "<answer>{0}</answer>",
    )
    for answers, right in ((row.right[:4], True), (row.wrong[:4], False)):
        for text in (form.format(answer) for answer in answers for form in forms):
            verdict = judge(
                "math", row.gold, text, answer_type=row.answer_type, tolerance=row.tolerance, question=row.question
            ).verdict
            assert (verdict == "correct") == right, text


def test_two_different_boxes_are_wrong_whichever_comes_last() -> None:
    assert judge("math", "42", r"\boxed{42} \boxed{43}").verdict == "incorrect"
    assert judge("math", "42", r"\boxed{43} \boxed{42}").verdict == "incorrect"
    assert judge("math", "1/2", r"\boxed{0.5} \boxed{\frac12}").verdict == "correct"


def test_a_gold_that_cannot_be_read_is_not_the_models_fault() -> None:
    assert judge("math", r"\frac{1", r"\boxed{42}", answer_type="rational").verdict == "undecided"
    assert judge("math", None, r"\boxed{42}").verdict == "undecided"
    assert judge("countdown", "{}", r"\boxed{42}").verdict == "undecided"
    assert judge("constraint", "[]", "some text").verdict == "undecided"


@pytest.mark.parametrize("k", range(12))
def test_expressions_that_agree_on_one_side_only_are_different(k: int) -> None:
    for gold, answer in (
        (f"|x-{k}|", f"x-{k}"),
        (f"\\sqrt{{(x+{k})^2}}", f"x+{k}"),
        (f"|x-{900 * k}|", f"{900 * k}-x"),
    ):
        assert judge("math", gold, f"\\boxed{{{answer}}}", answer_type="expression").verdict == "incorrect"
    assert judge("math", f"|x-{k}|", f"\\boxed{{\\sqrt{{(x-{k})^2}}}}", answer_type="expression").verdict == "correct"


def test_an_unknown_verifier_is_an_error() -> None:
    with pytest.raises(ValueError, match="known are"):
        judge("maths", "42", r"\boxed{42}")


NUMBERS = [
    "42",
    "-42",
    "+42",
    "042",
    "1,000",
    "1000",
    "0.5",
    r"\frac{1}{2}",
    "1/2",
    "2/4",
    "-1/2",
    r"\dfrac{-1}{2}",
    "1,00",
    "5.0",
    "1/0",
]


@pytest.mark.parametrize("gold", NUMBERS)
@pytest.mark.parametrize("answer", NUMBERS)
@pytest.mark.parametrize("answer_type", ["integer", "rational", "decimal", None])
def test_the_short_cut_decides_as_the_general_path_does(gold: str, answer: str, answer_type: str | None) -> None:
    text = f"\\boxed{{{answer}}}"
    quick = quick_equal(text, gold, answer_type)
    general = VERIFIERS["math"](Case("math", gold, answer_type, None, text, "stop", None)).verdict
    assert quick is None or ("correct" if quick[0] else "incorrect") == general


PIECES = [
    "\\frac",
    "{",
    "}",
    "^",
    "_",
    "(",
    ")",
    "1",
    "9",
    "x",
    "+",
    "-",
    "*",
    "/",
    "!",
    "\\sqrt",
    ",",
    "=",
    "<",
    "\\pi",
    "|",
]
PIECES += [
    "\\text{",
    "\\infty",
    "\\cup",
    "[",
    "]",
    "\\{",
    "\\}",
    "%",
    "e",
    "i",
    ".",
    " ",
    "\\pm",
    "\\sin",
    "\\begin{pmatrix}",
    "&",
]
PIECES += ["\\\\", "\\end{pmatrix}", "or", "and", "m", "\\sum", "\\log", "^\\circ", "\\binom", "_2", "∞", "√", "\\ln"]
TYPES = [
    None,
    "integer",
    "rational",
    "decimal",
    "percent",
    "quantity",
    "expression",
    "equation",
    "tuple",
    "set",
    "interval",
]
TYPES += ["matrix", "choice", "string", "boolean"]


LARGE = [
    "{",
    "$",
    "\\boxed{",
    "}",
    "\\frac",
    "\\sqrt{",
    "(",
    "1+",
    "9",
    "9!",
    "^",
    "x^2+",
    "|",
    "-",
    "&",
    "\\\\",
    ",",
    "42,",
    "\\{",
]
LARGE += [
    "\\text{",
    "_",
    "'",
    "a",
    "½",
    "\\pm",
    "\\cup",
    "=42",
    "x=",
    "\\sin ",
    "\\color{red}",
    "\\,",
    "*",
    "`",
    "<",
    "% ",
    "{{",
    "(1,",
]
LARGE += ["\\over", "P(", "[[1],", "{-}", "\\begin{pmatrix}", "5 m ", "0.\\dot{3}", "\\mathbf{", "~", "US$"]


@pytest.mark.parametrize("piece", LARGE)
def test_no_size_breaks_the_verifier(piece: str) -> None:
    """Every verdict comes in bounded processor time; the bound is loose, a quadratic reading takes minutes."""
    start = time.process_time()
    judge("math", "42", f"\\boxed{{{piece * (60_000 // len(piece))}}}")
    for answer in (piece * (8_000 // len(piece)), "42" + piece * 1500, piece * 1500 + "42"):
        for gold, answer_type in (("42", "integer"), ("5 m", "quantity"), ("y=2x", "equation"), ("42", None)):
            judge("math", gold, f"\\boxed{{{answer}}}", answer_type=answer_type)
    assert time.process_time() - start < 10


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14), st.sampled_from(TYPES), st.sampled_from([row.gold for row in ROWS])
)
def test_no_text_breaks_the_verifier(pieces: list[str], answer_type: str | None, gold: str) -> None:
    judgement = judge("math", gold, "<answer>" + "".join(pieces) + "</answer>", answer_type=answer_type)
    assert judgement.verdict in ("correct", "incorrect", "unparsable", "undecided")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.sampled_from(sorted(VERIFIERS)))
def test_no_unicode_breaks_a_verifier(text: str, verifier: str) -> None:
    gold = {"countdown": '{"numbers": [1], "target": 1}', "constraint": '[{"kind": "no_commas"}]'}.get(verifier, "42")
    for form in ("\\boxed{%s}", "Answer: %s", "%s"):
        assert judge(verifier, gold, form % text).verdict in ("correct", "incorrect", "unparsable", "undecided")
