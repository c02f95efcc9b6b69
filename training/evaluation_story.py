"""One problem or completion of an evaluation, told: what was asked, what each model wrote, and why it was judged so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.errors import GradatimError
from pipeline.records import Completion, Problem, R, Verdict
from pipeline.store import read_records
from training.answering import COMPLETIONS, PROBLEMS, VERDICTS

SHORTEST: Final = 6
LONGEST_TEXT: Final = 8000


class NotFound(GradatimError):
    """No evaluation, no such id in it, or several; in one line."""


def tell(folder: Path, identity: str) -> str:
    """Return the story of a problem, with all completions of it, or of one completion. Six letters of the id are
    enough where no other begins with them. Raises NotFound."""
    problems = {row.id: row for row in _read(Problem, folder / PROBLEMS)}
    completions = {row.id: row for row in _read(Completion, folder / COMPLETIONS)}
    verdicts = {row.completion_id: row for row in _read(Verdict, folder / VERDICTS)}
    found = [name for name in (*problems, *completions) if name.startswith(identity)]
    if len(identity) < SHORTEST or len(found) != 1:
        several = f"{len(found)} records begin with it" if len(found) > 1 else "no problem or completion has this id"
        raise NotFound(f"{folder}: {identity}: {several} (give at least {SHORTEST} letters)")
    (name,) = found
    if name in completions:
        told = [completions[name]]
        problem = problems.get(completions[name].problem_id)
    else:
        problem = problems[name]
        told = [completion for completion in completions.values() if completion.problem_id == name]
    lines = list(_problem(problem)) if problem else ["the problem is no longer part of this evaluation"]
    for completion in told:
        lines += ["", *_completion(completion, verdicts.get(completion.id))]
    return "\n".join(lines)


def _read(kind: type[R], path: Path) -> list[R]:
    if not path.is_file():
        raise NotFound(f"{path.parent}: holds no finished evaluation, {path.name} is missing")
    return read_records(kind, path)


def _problem(problem: Problem) -> Iterator[str]:
    level = "" if problem.level is None else f", level {problem.level}"
    yield f"problem {problem.id}  {problem.family}{level}"
    yield from (f"  {line}" for line in problem.question.splitlines())
    yield f"  → {problem.answer}  (verifier {problem.verifier}; {problem.provenance.source})"


def _completion(completion: Completion, verdict: Verdict | None) -> Iterator[str]:
    yield f"completion {completion.id}  of {completion.model}@{completion.revision}"
    yield f"  prompt {completion.prompt_version}, sample_index {completion.sample_index}, {completion.sampling}"
    yield f"  {completion.completion_tokens} tokens, finish_reason {completion.finish_reason}:"
    for text in (completion.reasoning, completion.text):
        yield from (f"  | {line}" for line in (text or "")[:LONGEST_TEXT].splitlines())
    if verdict is None:
        yield "verdict    none: nothing asks for this completion any more"
    else:
        answered = "no answer" if verdict.extracted is None else f"answered {verdict.extracted}"
        yield f"verdict    {verdict.verdict}, {answered}: {verdict.reason}"
