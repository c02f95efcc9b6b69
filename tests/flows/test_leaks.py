"""Benchmarks in a whole run: no trace, no pair and no rewritten problem holds a question of one; and the spread of what
is kept, by embeddings."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from filters.behaviours import BEHAVIOURS
from flows.stages import build, run_stage
from pipeline.config import Config, Select
from pipeline.html_report import render
from pipeline.records import Completion, Problem, Rejection, Verdict
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from pipeline.traces import solved_problems
from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds
from tests.flows.test_strategies import settings
from tests.flows.writer import WriterAndSolver

HALL = "A hall has 61 rows of 73 chairs in it. Then 19 more are carried in. How many chairs are there in all?"
SPREAD = "embedding spread within a problem"


class Reciter(Solver):
    """A solver that tells a benchmark's question in about every third completion, right or wrong."""

    def __call__(self, body: dict[str, Any]) -> str:
        recalled = (
            f"This is like one I know: {HALL} " if random.Random(f"recite {body['seed']}").random() < 0.35 else ""
        )
        return recalled + super().__call__(body)


class Copyist(WriterAndSolver):
    """A writer whose rewrites are, but for some, a benchmark's question."""

    def _problem(self, text: str, rng: random.Random) -> str:
        return HALL if rng.random() < 0.6 else super()._problem(text, rng)


def screened(folder: Path) -> dict[str, Any]:
    path = folder / "bench.jsonl"
    path.write_text(json.dumps({"id": "hall", "question": HALL}) + "\n")
    return {"decontaminate": {"benchmarks": [path]}}


@pytest.fixture(scope="module")
def recited(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    changes = {"screen": screened(folder), "export": {"preferences": {"length": "any", "pairs_per_problem": 4}}}
    with serve(Reciter(golds(config(folder, "http://unused", count=16)))) as server:
        return build(config(folder, server.url, count=16, **changes))


def rejections(run: Run, stage: str) -> dict[str, Rejection]:
    found = iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}"))
    return {r.record_id: r for r in found if r.filter == "contaminated"}


def test_a_completion_with_a_benchmark_question_is_no_trace_and_on_no_side_of_a_pair(recited: Run) -> None:
    solved = {p.id for u in recited.manifest.of_stage("assess") for p, _ in solved_problems(recited, u.shard)}
    completions = iterate_records(Completion, recited.manifest.paths("solve", "completions"))
    leaking = {c.id for c in completions if HALL in c.text and c.problem_id in solved}
    verdicts = iterate_records(Verdict, recited.manifest.paths("verify", "verdicts"))
    assert {v.verdict for v in verdicts if v.completion_id in leaking} == {"correct", "incorrect"}
    found = rejections(recited, "select")
    assert found.keys() == leaking
    evidence = [json.loads(rejection.evidence) for rejection in found.values()]
    assert {(e["kind"], e["matched_id"], e["matched_place"]) for e in evidence} == {
        ("embedded", "hall", "bench.jsonl:1")
    }
    for table, columns in {"sft": ["completion"], "preferences": ["chosen", "rejected"]}.items():
        rows = [r for path in (recited.folder / "export" / table).iterdir() for r in pq.read_table(path).to_pylist()]
        texts = [row[column][-1]["content"] for row in rows for column in columns]
        assert len(texts) > 5 and not any(HALL in text for text in texts), table


def test_a_rewrite_that_is_a_benchmark_question_is_never_solved(tmp_path: Path) -> None:
    parent = {
        "question": "Ana has 12 pens in a box. Then Ana gets 30 more. How many pens are there in all?",
        "answer": "42",
    }
    (tmp_path / "sums.jsonl").write_text(json.dumps(parent) + "\n")
    sources = [
        {"strategy": "imported", "path": tmp_path / "sums.jsonl"},
        {"strategy": "evolved", "count": 6, "operations": ["breadth"]},
    ]
    with serve(Copyist()) as server:
        run = build(settings(tmp_path, server.url, generate={"sources": sources}, screen=screened(tmp_path)))
        assert not any(HALL in request["messages"][-1]["content"] for request in server.requests)
    made = {p.id: p for p in iterate_records(Problem, run.manifest.paths("generate", "problems"))}
    leaks = {p.id for p in made.values() if p.question == HALL}
    assert leaks and {made[name].strategy for name in leaks} == {"evolved"}
    assert rejections(run, "screen").keys() == leaks
    kept = list(iterate_records(Problem, run.manifest.paths("screen", "screened")))
    assert {p.strategy for p in kept} == {"imported", "evolved"} and not leaks & {p.id for p in kept}


def selected(run: Run, **changes: Any) -> tuple[Run, dict[str, tuple[float, float]]]:
    """Select again with other settings; returns the run and the sums of the spread's part and whole."""
    changed: Config = run.config.model_copy(update={"select": Select(**changes)})
    run_stage("select", create_run(changed).folder)
    again = open_run(run.folder)
    sums: dict[str, tuple[float, float]] = {}
    for unit in again.manifest.of_stage("select"):
        for name, text in unit.details.items():
            part, _, whole = text.partition("/")
            before = sums.get(name, (0.0, 0.0))
            sums[name] = (before[0] + float(part), before[1] + float(whole))
    return again, sums


def test_the_spread_by_embeddings_is_measured_where_asked_for(recited: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        """The traces of a problem at right angles to one another."""
        return np.eye(len(texts), dtype=np.float32)

    monkeypatch.setattr("filters.selection.embed", embed)
    run, sums = selected(recited)
    pairs = sums["similarity within a problem"][1]
    assert pairs > 3 and SPREAD not in sums
    run, sums = selected(recited, embedding_spread=True)
    assert sums[SPREAD] == (pairs, pairs)
    assert SPREAD in render(run, {}, BEHAVIOURS)
