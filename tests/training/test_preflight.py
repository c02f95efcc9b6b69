"""Every way in which training would silently go wrong is one line with the row and the reason."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.records import Message
from tests.training.examples import CharTokenizer, rendered
from training.exports import SftRow
from training.preflight import IGNORED, PreflightError, Rendered, check_trained, length_budget, render

STOPS = {ord("$")}


def row(question: str = "1+1?", completion: str = "<think>two</think>2", name: str = "c1") -> SftRow:
    return SftRow("p1", name, (Message("user", question),), (Message("assistant", completion),))


def as_trained(rows: list[Rendered]) -> list[dict[str, Any]]:
    """What a faultless trainer holds."""
    return [{"input_ids": r.tokens, "labels": [IGNORED] * r.prompt_length + r.tokens[r.prompt_length :]} for r in rows]


def unmask_prompt(given: dict[str, Any], prompt: int) -> None:
    given["labels"][prompt - 1] = given["input_ids"][prompt - 1]


def mask_end(given: dict[str, Any], prompt: int) -> None:
    given["labels"][-1] = IGNORED


def mask_answer(given: dict[str, Any], prompt: int) -> None:
    given["labels"][prompt + 3] = IGNORED


def cut(given: dict[str, Any], prompt: int) -> None:
    given["input_ids"], given["labels"] = given["input_ids"][:-4], given["labels"][:-4]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (unmask_prompt, "1 tokens of the prompt carry a label, the first is ':'"),
        (mask_end, "1 tokens of the end of turn carry no label, the first is '[$]'"),
        (mask_answer, "1 tokens of the answer carry no label"),
        (cut, "the trainer's tokens are not those of the chat template"),
    ],
)
def test_damaged_labels_are_found(damage: Callable[[dict[str, Any], int], None], reason: str) -> None:
    tokenizer = CharTokenizer()
    rows = rendered(tokenizer, [row(), row(name="c2")])
    given = as_trained(rows)
    check_trained(tokenizer, STOPS, rows, given)
    damage(given[1], rows[1].prompt_length)
    with pytest.raises(PreflightError, match=f"row c2 of problem p1: {reason}"):
        check_trained(tokenizer, STOPS, rows, given)


def test_dropped_rows_are_counted() -> None:
    tokenizer = CharTokenizer()
    rows = rendered(tokenizer, [row(), row(name="c2"), row(name="c3")])
    with pytest.raises(PreflightError, match="dropped 2 of 3 rows"):
        check_trained(tokenizer, STOPS, rows, as_trained(rows)[:1])


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (CharTokenizer(end="#"), "no token ends generation"),
        (CharTokenizer(strip_thinking=True), "the chat template changes the completion; it is learned as '2'"),
        (CharTokenizer(opening="A:<think>"), "the chat template changes the completion"),
        (CharTokenizer(opening="B:"), "starts generation with 'B:', the training text goes on with 'A:"),
    ],
)
def test_unfit_chat_templates_are_found(tokenizer: CharTokenizer, reason: str) -> None:
    with pytest.raises(PreflightError, match="row c1 of problem p1") as caught:
        rows = rendered(tokenizer, [row()])
        check_trained(tokenizer, STOPS, rows, as_trained(rows))
    assert reason in str(caught.value)


@pytest.mark.parametrize(("longest", "cap", "budget"), [(20, 100, 24), (24, 100, 24), (25, 100, 32), (30, 30, 30)])
def test_the_budget_is_the_longest_row_rounded_up(longest: int, cap: int, budget: int) -> None:
    tokenizer = CharTokenizer()
    short = render(tokenizer, row(question="?", completion="2"))
    fill = longest - len(render(tokenizer, row(completion="")).tokens)
    assert length_budget([short, render(tokenizer, row(completion="x" * fill))], cap) == budget


def test_rows_that_would_be_cut_are_named() -> None:
    rows = rendered(CharTokenizer(), [row(completion="x" * n, name=f"c{n}") for n in (5, 50, 60, 70, 80)])
    with pytest.raises(PreflightError) as caught:
        length_budget(rows, 40)
    message = str(caught.value)
    assert message.startswith("4 of 5 rows are longer than max_length 40")
    assert "row c80 of problem p1 (90 tokens)" in message
    assert "and 1 more" in message
    assert "\n" not in message
