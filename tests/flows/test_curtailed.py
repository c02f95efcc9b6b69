"""Curtailed stopping against a fixed number, from the sources to the pool: all that is decided is decided the same."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.stages import STAGE_FUNCTIONS, run_stage
from pipeline.config import Config, Stopping
from pipeline.records import Agreement, Assessment, Rejection
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import FakeServer, serve
from tests.flows.solver import WORDS, config, golds

COUNT = 16
NARROW = {"min_pass_rate": 0.2, "max_pass_rate": 0.8}


class Uneven:
    """Solves every problem at a rate of its own, from never to always."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def __call__(self, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        question = next(question for question in self.known if question in text)
        right = random.Random(question).random() < 0.2 or self._lucky(question, text, body["seed"])
        return " ".join(random.Random(body["seed"]).choices(WORDS, k=40)) + (
            f" \\boxed{{{self.known[question] if right else -777}}}"
        )

    def _lucky(self, question: str, text: str, seed: int) -> bool:
        return random.Random(f"{seed} {text}").random() < random.Random(question).random()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with serve(Uneven(golds(config(tmp_path_factory.mktemp("golds"), "http://unused", count=COUNT)))) as served:
        yield served


def build(settings: Config) -> Run:
    run = create_run(settings)
    for stage in STAGE_FUNCTIONS:
        run_stage(stage, run.folder)
    return open_run(run.folder)


def decided(run: Run) -> dict[str, object]:
    """All that is decided: golds, what is refused where, and the difficulty of every problem."""
    agreed = iterate_records(Agreement, run.manifest.paths("agree", "agreements"))
    assessed = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    refused = [
        (r.record_id, r.stage, r.filter)
        for stage in ("agree", "assess", "pool")
        for r in iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}"))
    ]
    return {
        "golds": {a.problem_id: a.answer for a in agreed},
        "difficulty": {(a.problem_id, a.model): a.decision for a in assessed},
        "refused": sorted(refused),
    }


def imported(folder: Path, known: dict[str, str]) -> dict[str, Any]:
    """The problems as somebody else's, every second one with a wrong gold, that a panel may repair."""
    path = folder / "rows.jsonl"
    answers = [(question, "123456" if place % 2 else answer) for place, (question, answer) in enumerate(known.items())]
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in answers))
    return {
        "generate": {"sources": [{"strategy": "imported", "path": path}], "shard_rows": 16},
        "agree": {"disputed": "repair"},
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompts", "repair", "saved"),
    [(("boxed",), False, True), (("boxed", "plan"), False, True), (("boxed", "plan"), True, False)],
    ids=["one teacher", "two prompts of a model", "golds that the panel may repair"],
)
def test_the_decisions_are_those_of_the_fixed_number(
    prompts: tuple[str, ...], repair: bool, saved: bool, server: FakeServer, tmp_path: Path
) -> None:
    known = golds(config(tmp_path, "http://unused", count=COUNT))
    changes = imported(tmp_path, known) if repair else {}
    settings = config(tmp_path, server.url, count=COUNT, assess={"band": NARROW}, **changes)
    asked, found = [], []
    for name, rule in (("early", Stopping(wave=1)), ("fixed", None)):
        (teacher,) = settings.teachers
        panel = [teacher.model_copy(update={"completions": 6, "stopping": rule, "prompt": p}) for p in prompts]
        before = len(server.requests)
        found.append(decided(build(settings.model_copy(update={"run": name, "teachers": tuple(panel)}))))
        asked.append(len(server.requests) - before)
    assert found[0] == found[1]
    assert asked[1] == 6 * COUNT * len(prompts)
    assert asked[0] < asked[1] if saved else asked[0] == asked[1]
    assert all(name in str(found[1]["refused"]) for name in ("unsolved", "too hard", "too easy"))
