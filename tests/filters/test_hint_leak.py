"""Marks of a hint in a text: those that give it away, and harmless words that look like them."""

from dataclasses import replace

import pytest

from filters.hint_leak import hint_leak, was_hinted
from tests.filters.judged import PROBLEM, judged

MENTION, FIRST = "mentions the hint", "answer before reasoning"
STEPS = "First we add the two lengths and then we double what comes out of that. "


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (STEPS + "According to the hint it is 42.", MENTION),
        (STEPS + "This gives 42, as given.", MENTION),
        (STEPS + "That is \\boxed{42}, as expected", MENTION),
        (STEPS + "So 42 matches the provided answer.", MENTION),
        (STEPS + "Since the answer is 42 we must have x = 6.", MENTION),
        (STEPS + "The correct answer is already stated to be 42.", MENTION),
        (STEPS + "We were told that the correct answer is 42.", MENTION),
        (STEPS + "Working backwards from 42 we find x.", MENTION),
        (STEPS + "It agrees with the answer key: 42.", MENTION),
        ("The answer is 42. " + STEPS, FIRST),
        ("\\boxed{42} because " + STEPS, FIRST),
        (STEPS + "The correct answer is \\boxed{42}.", None),
        (STEPS + "Two numbers were given in the question; so the final answer is 42.", None),
        (STEPS + "The speeds are known, as stated in the question, and the answer is 42.", None),
        (STEPS + "As required, x is positive. The answer is 42.", None),
        (STEPS + "Walking back from 50 by 8 leads to 42.", None),
    ],
)
def test_marks_of_a_hint(text: str, kind: str | None) -> None:
    leak = hint_leak(PROBLEM, text, min_words=8)
    assert (leak.kind if leak else None) == kind
    assert leak is None or leak.words in text


def test_long_texts_take_linear_time() -> None:
    """A quadratic search through these would take minutes."""
    for words in ("since the answer ", "as it was already ", "answer that is already ", "the answer is 4", "as given "):
        hint_leak(PROBLEM, words * 40_000, 8)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("```python\ndef f(x):\n    return 2 * x\n```", None),
        ("With type hints:\n```python\ndef f(x: int) -> int:\n    return 2 * x\n```", None),
        ("```python\ndef f(x):  # as in the hint\n    return 2 * x\n```", MENTION),
        ("```python\ndef f(x):\n    return {1234567: 2469134}[x]\n```", "holds a hidden test"),
    ],
)
def test_marks_of_a_hint_in_a_program(text: str, kind: str | None) -> None:
    gold = '{"mode": "function", "entry_point": "f", "tests": [{"input": [1234567], "output": 2469134}]}'
    leak = hint_leak(replace(PROBLEM, verifier="code", answer=gold), text, min_words=8)
    assert (leak.kind if leak else None) == kind


@pytest.mark.parametrize(("version", "hinted"), [("boxed/1", False), ("boxed/1+hint/1", True), ("bare/1+hint/2", True)])
def test_a_hint_of_any_version_is_one(version: str, hinted: bool) -> None:
    assert was_hinted(judged("c", "x", prompt_version=version)[0]) == hinted
