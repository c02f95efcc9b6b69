"""Verifiers: a problem and a completion in, a verdict out. One table; usable from any thread or process."""

from collections.abc import Callable
from typing import Final

from pipeline.answers import extract, strip_marks
from pipeline.records import Completion, Problem, Verdict
from pipeline.verifiers.judging import JUDGES, Case, Judgement, judge

VERSION: Final = "2"
VERIFIERS: Final[dict[str, Callable[[Case], Judgement]]] = JUDGES


def verify(problem: Problem, completion: Completion) -> Verdict:
    """Judge a completion. Only its text counts; reasoning that the engine split off is never looked at."""
    verdict, extracted, reason = judge(
        problem.verifier,
        problem.answer,
        completion.text,
        completion.finish_reason,
        answer_type=problem.answer_type,
        tolerance=problem.tolerance,
        question=problem.question,
    )
    return Verdict(completion.id, problem.id, verdict, extracted, reason, problem.verifier, VERSION)


__all__ = ["VERIFIERS", "VERSION", "extract", "judge", "strip_marks", "verify"]
