"""Rows of reasoning-gym are checked by their own scorer before they become problems."""

from types import SimpleNamespace
from typing import Any

import pytest

from generators import gym
from pipeline.records import Problem, Rejection
from pipeline.sources import ReasoningGymSource


class Dataset:
    """One question; its scorer gives the gold `own` and any other answer `other` (an exception is raised)."""

    def __init__(self, gold: Any, own: float, other: float | Exception) -> None:
        self.gold, self.own, self.other = gold, own, other

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"question": "What is 5 + 7?", "answer": self.gold, "metadata": {}}

    def score_answer(self, answer: str | None, _entry: dict[str, Any]) -> float:
        if answer == self.gold:
            return self.own
        if isinstance(self.other, Exception):
            raise self.other
        return self.other


@pytest.mark.parametrize(
    ("gold", "own", "other", "refusal"),
    [
        ("12", 1.0, 0.0, None),
        ("12", 1.0, 0.99, None),
        ("12", 1.0, ValueError("not an answer"), None),  # a scorer that fails on a wrong answer does not accept it
        ("12", 0.5, 0.0, "its scorer gives its own gold 0.5"),
        ("12", 1.0, 1.0, "its scorer also accepts '22'"),
        ("", 1.0, 0.0, "no single answer"),
        (None, 1.0, 0.0, "no single answer"),
        (["12"], 1.0, 0.0, "no single answer"),
    ],
)
def test_a_row_whose_scorer_is_wrong_is_refused(
    monkeypatch: pytest.MonkeyPatch, gold: Any, own: float, other: float | Exception, refusal: str | None
) -> None:
    made = SimpleNamespace(create_dataset=lambda *_, **__: Dataset(gold, own, other), ProceduralDataset=Dataset)
    monkeypatch.setattr(gym, "_factory", lambda: made)
    row = gym.gym_row(ReasoningGymSource(strategy="reasoning_gym", datasets=("sums",), count=1), 0, 0)
    if refusal is None:
        assert isinstance(row, Problem) and row.answer == "12"
    else:
        assert isinstance(row, Rejection) and (row.filter, row.reason) == ("scorer", f"sums: {refusal}")


@pytest.mark.parametrize(
    ("gold", "wrong"),
    [
        ("12", "22"),
        ("0", "1"),
        ("-9/4", "-1/4"),
        (" true ", "False"),
        ("No", "Yes"),
        ("[a, b]", "[a, 1]"),
        ("x1", "x2"),
        ("()", ")"),
    ],
)
def test_a_perturbed_gold_is_another_answer(gold: str, wrong: str) -> None:
    assert gym.perturbed(gold) == wrong
