"""A model decides on weak resemblances of problems with a benchmark's question, once, and only on those."""

import json
from pathlib import Path
from typing import Any

import pytest

from filters.screen import screen
from generators.generate import generate
from pipeline.config import Config
from pipeline.records import Rejection
from pipeline.run import Run, create_run
from pipeline.store import read_records
from tests.fake_server import MODEL_NAME, serve

WALK = (
    "Every morning Aya goes for a 9-kilometer-long walk and stops at a coffee shop afterwards. When she walks at a "
    "constant speed of s kilometers per hour, the walk takes her 4 hours. How long does the walk take her?"
)
WEAK = "Ben goes for a run and stops at a coffee shop afterwards when he has 3 dollars. How many cups at 1 dollar each?"

CLEAN = "What is 3 plus 4, times 5, less 6?"


def settings(folder: Path, url: str, adjudicate: bool) -> Config:
    engine = {"kind": "openai", "endpoints": [url], "timeout_seconds": 10}
    raw: dict[str, Any] = {
        "run": "r",
        "runs_folder": folder,
        "generate": {"sources": [{"strategy": "imported", "path": folder / "rows.jsonl"}]},
        "screen": {
            "near_duplicates": None,
            "decontaminate": {"benchmarks": [folder / "bench.jsonl"], "adjudicate": adjudicate, "ngram": 5},
        },
        "teachers": [{"model": MODEL_NAME, "engine": engine}],
    }
    return Config.model_validate(raw)


def rejected(run: Run) -> set[str]:
    (unit,) = run.manifest.of_stage("screen")
    files = [file.path for file in unit.files if file.path.startswith("rejections/")]
    rows = [row for path in files for row in read_records(Rejection, run.folder / path)]
    return {str(json.loads(row.evidence)["kind"]) for row in rows}


@pytest.mark.parametrize(
    ("adjudicate", "answer", "kinds", "asked"),
    [
        (False, "", {"exact", "ngram"}, 0),
        (True, '{"same": false}', {"exact"}, 1),
        (True, '{"same": true}', {"exact", "ngram"}, 1),
        (True, "well, it depends", {"exact", "ngram"}, 1),
    ],
)
def test_a_model_clears_what_is_weak(
    tmp_path: Path, adjudicate: bool, answer: str, kinds: set[str], asked: int
) -> None:
    (tmp_path / "bench.jsonl").write_text(json.dumps({"id": "b1", "question": WALK}) + "\n")
    rows = [{"question": question, "answer": "4"} for question in (WEAK, WALK, CLEAN)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serve(lambda _: answer) as server:
        run = create_run(settings(tmp_path, server.url, adjudicate))
        generate(run)
        screen(run)
        assert rejected(run) == kinds
        assert len(server.requests) == asked
        if asked:
            assert WEAK in server.requests[0]["messages"][-1]["content"]
