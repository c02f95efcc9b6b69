"""Problems to evaluate on: read from JSONL, Parquet or a run's test split, and kept apart from what was trained on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipeline.errors import GradatimError
from pipeline.prompts import PromptName, render_prompt
from pipeline.records import AnswerType, Message, Problem, Provenance, content_id, make_problem
from pipeline.verifiers import VERIFIERS
from pipeline.verifiers.golds import SPECIFICATIONS, check_gold
from training.exports import open_export, read_split

TRAINED_ON: Final = "trained_on.json"
REASON_CHARACTERS: Final = 200
MAX_DIGITS: Final = 100
SOLUTION_MARK: Final = "####"  # of GSM8K, before the answer; a verifier would take the whole text for the answer


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
    family: str | None = None
    level: int | None = None
    prompt: list[Message] | None = None


def read_problem_file(
    path: Path,
    prompt: PromptName,
    *,
    question: str = "question",
    answer: str = "answer",
    answer_after: str | None = None,
) -> list[HeldOut]:
    """Read problems from JSONL or Parquet: a question and its answer, all other columns of a problem optional.

    `question` and `answer` name their columns; the answer is what follows the last `answer_after`, if that is given.
    `prompt` names the template for rows that bring no messages; the family is by default the file's name. Raises
    ProblemFileError naming the file and line, also for an answer that the verifier would not accept.
    """
    found = []
    try:
        for number, raw in _rows(path):
            place = f"{path}:{number}"
            row = _named(raw, question, answer)
            held = _held_out(_without_solution(row, answer_after, place), prompt, place, path.stem)
            _demand_readable(held.problem, place)
            found.append(held)
    except (OSError, pa.ArrowException) as error:
        raise ProblemFileError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return found


def read_test_splits(runs: Sequence[Path], prompt: PromptName) -> list[HeldOut]:
    """Read the GRPO test splits of runs: problems with a measured difficulty that no training row comes from."""
    found = [
        _held_out(row, prompt, f"{export.folder}/grpo/test.parquet:{line}", export.run)
        for export in map(open_export, runs)
        for line, row in enumerate(read_split(export, "grpo", "test"), start=1)
    ]
    if not found:
        raise ProblemFileError(
            f"{', '.join(map(str, runs))}: no problems in export/grpo/test.parquet; give a file (evaluation.problems)"
        )
    return found


def training_record(
    base: Path, problem_ids: Sequence[str], prompts: Sequence[tuple[Message, ...]]
) -> dict[str, list[str]]:
    """Return what a student keeps about its training problems: their ids, and hashes of the prompts; with those of the
    model in the folder `base`, which it began as."""
    earlier = _record(base) or {"problem_ids": [], "prompts": []}
    return {
        "problem_ids": sorted({*earlier["problem_ids"], *problem_ids}),
        "prompts": sorted({*earlier["prompts"], *map(_prompt_id, prompts)}),
    }


def trained_on(problems: Sequence[HeldOut], model: str) -> list[HeldOut] | None:
    """Return the problems that a model folder was trained on, None if the folder does not say."""
    record = _record(Path(model))
    if record is None:
        return None
    ids, prompts = set(record["problem_ids"]), set(record["prompts"])
    return [held for held in problems if held.problem.id in ids or _prompt_id(held.prompt) in prompts]


def _record(folder: Path) -> dict[str, list[str]] | None:
    path = folder / TRAINED_ON
    if not path.is_file():
        return None
    record: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return record


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


def _named(raw: Any, question: str, answer: str) -> Any:
    """Return a row with its question and answer under these names."""
    if not isinstance(raw, Mapping):
        return raw
    own = {name: raw[column] for name, column in (("question", question), ("answer", answer)) if column in raw}
    return {**{name: value for name, value in raw.items() if name not in ("question", "answer")}, **own}


def _without_solution(row: Any, mark: str | None, place: str) -> Any:
    """Write the answer as text; of a worked solution only what follows the last mark."""
    if not isinstance(row, Mapping) or "answer" not in row:
        return row
    text = _as_text(row["answer"])
    if mark is not None and isinstance(text, str):
        if mark not in text:
            raise ProblemFileError(f"{place}: answer: expected the mark {mark!r} before it")
        text = text.rpartition(mark)[2].strip()
    return {**row, "answer": text}


def _as_text(value: object) -> object:
    """Write a number or a boolean as an answer, 27.0 as "27"; all else stays what it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float | Decimal):
        return value
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        return value
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _demand_readable(problem: Problem, place: str) -> None:
    solution = problem.verifier not in SPECIFICATIONS and SOLUTION_MARK in str(problem.answer)
    refused = "it holds a worked solution" if solution else check_gold(problem)
    if refused is not None:
        raise ProblemFileError(
            f"{place}: answer: the verifier would not accept it: {refused[:REASON_CHARACTERS]} "
            "(evaluation.answer_after names a mark before the answer, evaluation.answer_column another column)"
        )


def _held_out(raw: Any, prompt: PromptName, place: str, family: str) -> HeldOut:
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
        family=family if row.family is None else row.family,
        level=row.level,
        strategy="imported",
        provenance=Provenance(generator="evaluation", generator_version="1", source=place),
    )
    return HeldOut(problem, tuple(row.prompt) if row.prompt else render_prompt(prompt, row.question, row.verifier))
