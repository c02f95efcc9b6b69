"""Problems to evaluate on: read from JSONL, Parquet or a run's test split, and kept apart from what was trained on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipeline.errors import GradatimError
from pipeline.prompts import PromptName, render_prompt
from pipeline.records import AnswerType, Message, Problem, Provenance, content_id, make_problem
from pipeline.verifiers import VERIFIERS
from training.exports import open_export, read_split

TRAINED_ON: Final = "trained_on.json"


class ProblemFileError(GradatimError):
    """A file of problems that cannot be used, with the line and what was expected."""


class OverlapError(GradatimError):
    """Problems to evaluate on that a model was trained on."""


@dataclass(frozen=True)
class HeldOut:
    """A problem and the messages that ask it."""

    problem: Problem
    prompt: tuple[Message, ...]


class _Row(BaseModel):
    question: str
    answer: str
    verifier: str = "math"
    answer_type: AnswerType | None = None
    tolerance: float | None = None
    domain: str = "evaluation"
    family: str = "all"
    level: int | None = None
    prompt: list[Message] | None = None


def read_problem_file(path: Path, prompt: PromptName) -> list[HeldOut]:
    """Read problems from JSONL or Parquet: columns question and answer, all others of a problem optional.

    `prompt` names the template for rows that bring no messages. Raises ProblemFileError naming the file and line.
    """
    try:
        return [_held_out(row, prompt, f"{path}:{line}") for line, row in _rows(path)]
    except OSError as error:
        raise ProblemFileError(f"{path}: {error.strerror or error}") from None


def read_test_splits(runs: Sequence[Path], prompt: PromptName) -> list[HeldOut]:
    """Read the GRPO test splits of runs: problems with a measured difficulty that no training row comes from."""
    found = [
        _held_out(row, prompt, f"{export.folder}/grpo/test.parquet:{line}")
        for export in map(open_export, runs)
        for line, row in enumerate(read_split(export, "grpo", "test"), start=1)
    ]
    if not found:
        raise ProblemFileError(
            f"{', '.join(map(str, runs))}: no problems in export/grpo/test.parquet; give a file (evaluation.problems)"
        )
    return found


def training_record(problem_ids: Sequence[str], prompts: Sequence[tuple[Message, ...]]) -> dict[str, list[str]]:
    """Return what a student keeps about its training problems: their ids, and hashes of the prompts."""
    return {"problem_ids": sorted(set(problem_ids)), "prompts": sorted({_prompt_id(prompt) for prompt in prompts})}


def trained_on(problems: Sequence[HeldOut], model: str) -> list[HeldOut] | None:
    """Return the problems that a model folder was trained on, None if the folder does not say."""
    path = Path(model) / TRAINED_ON
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    ids, prompts = set(record["problem_ids"]), set(record["prompts"])
    return [held for held in problems if held.problem.id in ids or _prompt_id(held.prompt) in prompts]


def refuse_overlap(problems: Sequence[HeldOut], model: str) -> None:
    """Raise OverlapError, with how many and the first three, if a model was trained on any of the problems."""
    seen = trained_on(problems, model)
    if seen:
        first = ", ".join(held.problem.id for held in seen[:3])
        raise OverlapError(
            f"{model}: trained on {len(seen)} of the {len(problems)} problems (such as {first}); "
            "give other problems, or say --allow-overlap"
        )


def _prompt_id(prompt: Sequence[Message]) -> str:
    return content_id("prompt", *([message.role, message.content] for message in prompt))


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    if path.suffix == ".parquet":
        yield from enumerate(pq.read_table(path).to_pylist(), start=1)
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError:
                    raise ProblemFileError(f"{path}:{number}: not JSON") from None


def _held_out(raw: Any, prompt: PromptName, place: str) -> HeldOut:
    try:
        row = _Row.model_validate(raw)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        key = ".".join(map(str, mistake["loc"])) or "row"
        raise ProblemFileError(f"{place}: {key}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}") from None
    if row.verifier not in VERIFIERS:
        raise ProblemFileError(f"{place}: verifier: {row.verifier!r} is none of {', '.join(VERIFIERS)}")
    problem = make_problem(
        row.question,
        row.answer,
        verifier=row.verifier,
        answer_type=row.answer_type,
        tolerance=row.tolerance,
        domain=row.domain,
        family=row.family,
        level=row.level,
        strategy="imported",
        provenance=Provenance(generator="evaluation", generator_version="1", source=place),
    )
    return HeldOut(problem, tuple(row.prompt) if row.prompt else render_prompt(prompt, row.question, row.verifier))
