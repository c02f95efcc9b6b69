"""A fake teacher for whole-pipeline tests: it knows the problems' golds, and errs where the request's seed says."""

import random
from pathlib import Path
from typing import Any

from generators.generate import template_families, template_row
from pipeline.config import Config, OpenAIEngine, Sampling, Teacher
from pipeline.config_files import parse_model
from pipeline.records import Problem
from pipeline.sources import TemplateSource
from tests.fake_server import MODEL_NAME

FAMILIES = ("work_rate", "shopping", "ages", "linear_system")
WORDS = [
    "first",
    "then",
    "add",
    "take",
    "away",
    "the",
    "rest",
    "of",
    "it",
    "we",
    "know",
    "that",
    "so",
    "now",
    "count",
    "each",
    "part",
    "once",
    "more",
    "and",
    "compare",
    "both",
]


def config(folder: Path, url: str, *, count: int = 40, **changes: Any) -> Config:
    """A small run against a server."""
    engine = OpenAIEngine(kind="openai", endpoints=(url,), concurrency=4, timeout_seconds=10)
    sampling = Sampling(seed="per_request")
    settings: dict[str, Any] = {
        "run": "small",
        "runs_folder": folder,
        "generate": {"sources": [{"strategy": "template", "count": count, "families": FAMILIES}], "shard_rows": 16},
        "teachers": [Teacher(model=MODEL_NAME, engine=engine, sampling=sampling, completions=4).model_dump()],
    }
    return Config.model_validate(settings | changes)


def yaml_of(settings: Config, path: Path) -> Path:
    """Write a configuration so that a command can read it."""
    path.write_text(settings.model_dump_json())
    assert parse_model(Config, path) == settings
    return path


def golds(settings: Config) -> dict[str, str]:
    """Map every question of the run to its gold."""
    source = settings.generate.sources[0]
    assert isinstance(source, TemplateSource)
    families = template_families(source)
    rows = [template_row(families, source.levels, settings.seed, i) for i in range(source.count)]
    return {row.question: row.answer or "" for row in rows if isinstance(row, Problem)}


class Solver:
    """Answers three of four requests right; reasons in words drawn by the request's seed, so that texts differ."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def __call__(self, body: dict[str, Any]) -> str:
        question = body["messages"][-1]["content"].split("\n\nSolve the problem")[0]
        rng = random.Random(body["seed"])
        answer = self.known[question] if rng.random() < 0.75 else "-777"
        return " ".join(rng.choices(WORDS, k=40)) + f" \\boxed{{{answer}}}"
