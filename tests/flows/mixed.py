"""A run of several strategies against one fake model that writes, rewrites and solves; built once for many tests."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from flows.stages import plan, run_stage
from generators.generate import template_families, template_row
from pipeline.config import Config, OpenAIEngine, Sampling, Teacher
from pipeline.records import Problem
from pipeline.run import Run, create_run, open_run
from pipeline.sources import TemplateSource
from pipeline.store import file_digest
from tests.fake_server import MODEL_NAME, serve
from tests.flows.solver import WORDS
from tests.flows.writer import NAMES, THINGS, WriterAndSolver

FAMILIES = ("travel", "work_rate")
TEMPLATES = TemplateSource(strategy="template", count=8, families=FAMILIES)


def mixed_config(folder: Path, url: str, **changes: Any) -> Config:
    """Templates, an imported file of sums, and what is made from them; two prompts of one model are the panel."""
    path = folder / "sums.jsonl"
    if not path.exists():
        path.write_text("".join(json.dumps(row) + "\n" for row in imported_rows()))
    engine = OpenAIEngine(kind="openai", endpoints=(url,), concurrency=4, timeout_seconds=10)
    teacher = Teacher(model=MODEL_NAME, engine=engine, sampling=Sampling(seed="per_request"), completions=4)
    settings: dict[str, Any] = {
        "run": "mixed",
        "runs_folder": folder,
        "generate": {
            "sources": [
                TEMPLATES.model_dump(),
                {"strategy": "imported", "path": path, "licence": "MIT"},
                {"strategy": "evolved", "count": 3, "generations": 2, "operations": ["more_steps", "concretise"]},
                {"strategy": "backward", "method": "answer_first", "count": 3},
                {"strategy": "backward", "method": "mask", "count": 3, "families": ["travel"]},
                {"strategy": "backward", "method": "inverse", "count": 3, "families": ["travel"]},
                {"strategy": "written", "count": 3},
            ],
            "shard_rows": 8,
        },
        "teachers": [teacher.model_dump(), teacher.model_copy(update={"prompt": "plan"}).model_dump()],
    }
    return Config.model_validate(settings | changes)


def imported_rows() -> list[dict[str, Any]]:
    """Ten sums as stories, one of them with a line that cannot be used."""
    rng = random.Random(5)
    rows: list[dict[str, Any]] = []
    for _ in range(10):
        first, second = rng.randint(2, 99), rng.randint(2, 99)
        name, thing = rng.choice(NAMES), rng.choice(THINGS)
        text = f"{name} finds {first} {thing} on one shelf, and {second} on another. How many {thing} are there?"
        rows.append({"question": text, "answer": str(first + second)})
    return [*rows, {"question": "This row has no gold at all, has it?"}]


class MixedModel:
    """Solves the templates it knows in a share `right` of cases, sums nearly always, and writes sums."""

    def __init__(self, right: float = 0.75) -> None:
        self.right = right
        families = template_families(TEMPLATES)
        rows = [template_row(families, None, 0, index) for index in range(TEMPLATES.count)]
        self.known = {row.question: row.answer or "" for row in rows if isinstance(row, Problem)}
        self.sums = WriterAndSolver(wrong=0.4 * (1 - right))

    def __call__(self, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        gold = next((answer for question, answer in self.known.items() if question in text), None)
        if gold is None or "response_format" in body:
            return self.sums(body)
        rng = random.Random(body["seed"])
        return " ".join(rng.choices(WORDS, k=40)) + f" \\boxed{{{gold if rng.random() < self.right else -777}}}"


def build(settings: Config) -> Run:
    """Run every stage, as often as problems with parents need it."""
    run = create_run(settings)
    for stage in plan(settings):
        run_stage(stage, run.folder)
    return open_run(run.folder)


_BUILT: list[Run] = []


@pytest.fixture(scope="module", name="mixed")
def mixed_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run, built once for all test files that ask for it; its server is gone. Nobody may change it."""
    if not _BUILT:
        with serve(MixedModel()) as server:
            _BUILT.append(build(mixed_config(tmp_path_factory.mktemp("mixed"), server.url)))
    return _BUILT[0]


def digests(run: Run) -> dict[str, str]:
    """Every file of a run's folder with its hash, those of runs inside it left out."""
    paths = (path for path in sorted(run.folder.rglob("*")) if path.is_file() and "recalibrated" not in path.parts)
    return {str(path.relative_to(run.folder)): file_digest(path) for path in paths}
