"""Right and wrong answers by gold, written from the contract in tests/verifier_cases/README.md, rule by rule.

The rows are in tests/verifier_cases/own_answers.jsonl: gold, answer_type (null: the gold decides), right answers, wrong
answers, and where needed tolerance and question.
"""

import json
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One gold with what a box may and may not hold."""

    gold: str
    answer_type: str | None
    right: list[str]
    wrong: list[str]
    tolerance: float | None = None
    question: str | None = None


_FILE = Path(__file__).parents[1] / "verifier_cases" / "own_answers.jsonl"
ROWS = tuple(Row(**json.loads(line)) for line in _FILE.read_text(encoding="utf-8").splitlines())
