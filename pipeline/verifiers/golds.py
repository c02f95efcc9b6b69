"""What golds and agreement need of the verifiers: a gold's self-check, and an answer in a form that can be counted."""

from collections.abc import Callable
from typing import Final

from pipeline.answers import extract, strip_marks, strip_thinking
from pipeline.records import Completion, GoldStatus, Problem
from pipeline.verifiers.constraint import read_specs
from pipeline.verifiers.countdown import read_problem
from pipeline.verifiers.equality import Undecided, key_of
from pipeline.verifiers.gym_score import read_row
from pipeline.verifiers.judging import Judgement, judge
from pipeline.verifiers.logic import check_logic
from pipeline.verifiers.naming import unnamed
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, string_key
from pipeline.verifiers.parsing import parse
from pipeline.verifiers.program import behaviour, last_program, read_tests
from pipeline.verifiers.proof import check_theorem
from pipeline.verifiers.structures import members
from pipeline.verifiers.worker import shared_pool

SPECIFICATIONS: Final[dict[str, Callable[[str], object]]] = {
    "countdown": read_problem,
    "constraint": read_specs,
    "code": read_tests,
    "reasoning_gym": read_row,
    "proof": check_theorem,
    "logic": check_logic,
}
PROVING_STRATEGIES: Final = ("template", "reasoning_gym")
PROVING_GENERATORS: Final = ("backward/inverse", "backward/mask")


def firm_status(problem: Problem) -> GoldStatus | None:
    """Return the status of a gold that no vote can change: a program proved it, or it is a specification; else None."""
    if problem.answer is None:
        return None
    if problem.strategy in PROVING_STRATEGIES or problem.provenance.generator in PROVING_GENERATORS:
        return "proved"
    return "given" if problem.verifier in SPECIFICATIONS else None


def check_gold(problem: Problem) -> str | None:
    """Return why the verifier would not accept the problem's own gold, or None.

    A gold that is a specification (countdown, constraint) must be one that can be read.
    """
    if problem.answer is None:
        return None
    if problem.verifier in SPECIFICATIONS:
        return specification_fault(problem.verifier, problem.answer)
    result = judge_answer(problem, problem.answer)
    return None if result.verdict == "correct" else f"{problem.answer!r} is {result.verdict}: {result.reason}"


def specification_fault(verifier: str, answer: str) -> str | None:
    """Return why a gold that is a specification cannot be read, or None."""
    try:
        SPECIFICATIONS[verifier](answer)
    except (ValueError, Undecided) as error:
        return f"the {verifier} specification: {error}"
    return None


def judge_answer(problem: Problem, answer: str) -> Judgement:
    """Judge a bare answer against the problem's gold."""
    return judge(
        problem.verifier,
        problem.answer,
        f"\\boxed{{{answer}}}",
        answer_type=problem.answer_type,
        tolerance=problem.tolerance,
        question=problem.question,
    )


def committed_answer(completion: Completion) -> str | None:
    """Return the one answer that a completion commits to, as it was written; None if there is none, or several."""
    committed = extract(completion.text, completion.finish_reason)
    return strip_marks(committed.answers[0]) if len(committed.answers) == 1 else None


def canonical_answer(problem: Problem, completion: Completion) -> str | None:
    """Return the committed answer in a form in which equal numbers are equal texts; None if none was committed."""
    answer = committed_answer(completion)
    return None if answer is None else canonical_form(problem, answer)


def canonical_form(problem: Problem, answer: str) -> str:
    """Return an answer to a problem in a form in which equal numbers are equal texts."""
    if problem.verifier != "math":
        return answer
    try:
        node = unnamed(parse(answer))
        if node.op == "text":
            return string_key(answer)
        if node.op in ("list", "set") and problem.answer_type != "tuple":
            return f"{{{', '.join(sorted({key_of(m) for m in members(node)}))}}}"
        return key_of(node)
    except (Unreadable, Undefined, Limit):
        return string_key(answer)


def program_behaviour(problem: Problem, completion: Completion) -> str | None:
    """Return a key that is equal for programs that do the same on the problem's tests; None without a program, and
    where not all tests could be run to their end."""
    program = last_program(strip_thinking(completion.text)[0])
    if program is None or problem.answer is None:
        return None
    try:
        return behaviour(read_tests(problem.answer), program, shared_pool().deadline, problem.tolerance)
    except Undecided:
        return None
