"""A problem and completions with verdicts, for the tests of selection."""

from dataclasses import replace
from typing import Any

from pipeline.assess import Judged
from pipeline.records import Completion, Problem, Provenance, Verdict, VerdictValue, make_problem

QUESTION = "Ann has forty apples and gets two pears. How many pieces of fruit does Ann have?"


def problem(question: str = QUESTION, answer: str | None = "42") -> Problem:
    """A problem with this question and gold."""
    return make_problem(question, answer, domain="d", family="f", strategy="template", provenance=Provenance("g", "1"))


PROBLEM = problem()


def judged(name: str, text: str, verdict: VerdictValue = "correct", **changes: Any) -> Judged:
    """A completion called `name` with its verdict."""
    completion = Completion(
        name, PROBLEM.id, "m", "r", "boxed/1", "{}", 0, None, text, "stop", 9, len(text.split()), "vllm", "1"
    )
    return replace(completion, **changes), Verdict(name, PROBLEM.id, verdict, "42", "not it", "math", "1")
