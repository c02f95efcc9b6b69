"""Problems without a teacher: for evaluation on problems that no training run has seen."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.stages import screen_problems
from generators.generate import generate
from pipeline.config import Config
from pipeline.records import Problem
from pipeline.run import create_run, open_run
from pipeline.store import iterate_records, write_text

COLUMNS = ("id", "question", "answer", "verifier", "answer_type", "tolerance", "domain", "family", "level")


def write_problems(config: Config, output: Path, without: Sequence[Path]) -> int:
    """Generate and screen a configuration's problems and write them as JSONL; returns how many.

    Problems of the runs in `without` are left out by id, near-duplicates of them by the configuration's screen.
    """
    seen = {problem.id for folder in without for problem in _screened(folder)}
    with tempfile.TemporaryDirectory() as scratch:
        run = create_run(config.model_copy(update={"runs_folder": Path(scratch)}))
        generate(run)
        screen_problems(run)
        rows = [_row(problem) for problem in _screened(run.folder) if problem.id not in seen]
    write_text("".join(f"{row}\n" for row in rows), output)
    return len(rows)


def _screened(folder: Path) -> Iterator[Problem]:
    run = open_run(folder)
    return iterate_records(Problem, run.manifest.paths("screen", "screened"))


def _row(problem: Problem) -> str:
    return json.dumps({name: getattr(problem, name) for name in COLUMNS}, ensure_ascii=False)
