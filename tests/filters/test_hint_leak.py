"""Marks of a hint in a text: those that give it away, and harmless words that look like them."""

import pytest

from filters.hint_leak import hint_leak

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
    leak = hint_leak(text, "42", min_words=8)
    assert (leak.kind if leak else None) == kind
    assert leak is None or leak.words in text


def test_long_texts_take_linear_time() -> None:
    """A quadratic search through these would take minutes."""
    for words in ("since the answer ", "as it was already ", "answer that is already ", "the answer is 4", "as given "):
        hint_leak(words * 40_000, "42", 8)
