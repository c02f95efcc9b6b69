"""Right and wrong answers by gold, written from the contract in tests/verifier_cases/README.md, rule by rule.

The rows are in tests/verifier_cases/own_answers.jsonl: category, why, gold, answer_type (null: the gold decides), right
answers, wrong answers, and where needed tolerance and question. `as_cases` writes them out in the format of the README.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One gold with what a box may and may not hold."""

    category: str
    why: str
    gold: str
    answer_type: str | None
    right: list[str]
    wrong: list[str]
    tolerance: float | None = None
    question: str | None = None


FOLDER = Path(__file__).parents[1] / "verifier_cases"
ROWS = tuple(Row(**json.loads(line)) for line in (FOLDER / "own_answers.jsonl").read_text("utf-8").splitlines())
TEMPLATES = (
    "So the result is \\boxed{%s}.",
    "<think>\nFirst I tried \\boxed{0}.\n</think>\n\n$$\\boxed{%s}$$",
    "Hence \\(\\boxed{ %s }\\).\n\nLet me know if anything is unclear!",
)


def read_cases(name: str) -> list[dict[str, Any]]:
    """Read a file of cases in the format of the README."""
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line]


def as_cases() -> Iterator[dict[str, Any]]:
    """Write every answer of the table as a whole completion with the verdicts that are right for it."""
    for number, row in enumerate(ROWS):
        for expected, answers in ((["correct"], row.right), (["incorrect", "unparsable"], row.wrong)):
            for place, answer in enumerate(answers):
                yield {
                    "id": f"own-{row.category}-row{number}-{expected[0]}-{place}",
                    "category": row.category,
                    "verifier": "math",
                    "answer_type": row.answer_type,
                    "answer": row.gold,
                    "tolerance": row.tolerance,
                    "question": row.question,
                    "completion": TEMPLATES[(number + place) % len(TEMPLATES)].replace("%s", answer),
                    "finish_reason": "stop",
                    "expected": expected,
                    "why": row.why,
                }
