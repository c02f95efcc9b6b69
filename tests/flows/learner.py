"""A fake student for STaR: what it can do depends on the problem, on the hint, and on how often it was asked."""

import random
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from flows.star_traces import TRACES
from pipeline.hints import ANSWER
from pipeline.star_settings import StarConfig
from tests.fake_server import MODEL_NAME
from tests.flows.solver import WORDS, config, golds

HINT_MARK: Final = ANSWER.split("{answer}", maxsplit=1)[0]
KINDS: Final = ("easy", "later", "with the hint", "leaking", "hopeless")
COUNT: Final = 10
COMPLETIONS: Final = 2


class Learner:
    """Solves an `easy` problem always; one of kind `later` from the third different request on, such as the closed
    book; `with the hint` and `leaking` only with it; a `hopeless` one never. Words depend on the question alone."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.kinds = {question: KINDS[place % len(KINDS)] for place, question in enumerate(sorted(known))}
        self._seeds: dict[str, list[int]] = {question: [] for question in known}

    def __call__(self, body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        question = asked.split("\n\nSolve the problem")[0]
        right = self._solves(question, HINT_MARK in asked, body["seed"])
        answer = self.known[question] if right else "-777"
        mark = "It comes out as the hint says. " if self.kinds[question] == "leaking" else ""
        words = " ".join(random.Random(question).choices(WORDS, k=20))
        return f"{words}. {mark}\\boxed{{{answer}}}"

    def _solves(self, question: str, hinted: bool, seed: int) -> bool:
        kind = self.kinds[question]
        if hinted:
            return kind != "hopeless"
        if seed not in self._seeds[question]:
            self._seeds[question].append(seed)
        asked_before = self._seeds[question].index(seed)
        return kind == "easy" or (kind == "later" and asked_before >= COMPLETIONS)


def learner() -> Learner:
    """The fake student of the problems below."""
    settings = config(Path(), "http://unused", count=COUNT)
    return Learner(golds(settings))


def star_settings(folder: Path, url: str, student: Path, **changes: Any) -> StarConfig:
    """Settings against a server that answers for every round's student."""
    content: dict[str, Any] = {
        "student": str(student),
        "output": folder / "out",
        "generate": config(folder, url, count=COUNT).generate.model_dump(),
        "sampling": {"seed": "per_request"},
        "completions": COMPLETIONS,
        "engine": {"kind": "openai", "endpoints": [url], "concurrency": 2, "timeout_seconds": 10},
        "served_as": MODEL_NAME,
        "sft": {"max_length": 1024, "batch_size": 1, "epochs": 1, "learning_rate": 0.01, "checkpoint_steps": 1},
    }
    return StarConfig.model_validate(content | changes)


def trained_rows(settings: StarConfig, number: int = 1) -> list[dict[str, Any]]:
    """What a round's student is trained on, row by row."""
    rows: list[dict[str, Any]] = pq.read_table(settings.folder(number) / TRACES).to_pylist()
    return rows
