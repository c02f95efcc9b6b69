"""From a completion to a verdict: extraction, the verifier of the problem, and what each failure means.

`judge` is the lower level of `verify`: it takes plain values. Results are kept in a bounded cache; `undecided` is not.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from pipeline.answers import Committed, extract, normalise, strip_marks, strip_special, strip_thinking
from pipeline.records import VerdictValue
from pipeline.verifiers.budget import one_call
from pipeline.verifiers.choice import same_choice
from pipeline.verifiers.constraint import failed_constraint
from pipeline.verifiers.countdown import same_countdown
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.fast import quick_equal
from pipeline.verifiers.format import shape_fault
from pipeline.verifiers.gym_score import same_gym_answer
from pipeline.verifiers.inference import inferred_types
from pipeline.verifiers.logic import same_logic
from pipeline.verifiers.mathematics import Context, compare, readable_gold
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, string_key
from pipeline.verifiers.program import failed_test, last_program, read_tests
from pipeline.verifiers.proof import last_proof, proof_fault, read_theorem
from pipeline.verifiers.qa import same_short_answer
from pipeline.verifiers.symbolic import symbolic_check
from pipeline.verifiers.worker import shared_pool

MAX_CACHED_CHARACTERS: Final = 8_000
CACHE_SIZE: Final = 16_384


class Judgement(NamedTuple):
    """A verdict with the answer that was judged and the reason in words."""

    verdict: VerdictValue
    extracted: str | None
    reason: str


class Case(NamedTuple):
    """All that a judgement depends on."""

    verifier: str
    gold: str
    answer_type: str | None
    tolerance: float | None
    text: str
    finish_reason: str
    question: str | None


class _NotDecided(Exception):
    """Carries an undecided judgement past the cache."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.reason)
        self.judgement = judgement


def judge(
    verifier: str,
    answer: str | None,
    completion_text: str,
    finish_reason: str = "stop",
    *,
    answer_type: str | None = None,
    tolerance: float | None = None,
    question: str | None = None,
) -> Judgement:
    """Judge one completion against a gold answer. Never raises for anything a model or a gold may hold."""
    if verifier not in JUDGES:
        raise ValueError(f"unknown verifier {verifier!r}; known are {', '.join(sorted(JUDGES))}")
    if answer is None:
        return Judgement("undecided", None, "the problem has no gold answer")
    case = Case(verifier, answer, answer_type, tolerance, completion_text, finish_reason, question)
    try:
        return (_cached if len(completion_text) <= MAX_CACHED_CHARACTERS else _fresh)(case)
    except _NotDecided as error:
        return error.judgement


def _fresh(case: Case) -> Judgement:
    if case.verifier == "math" and case.finish_reason != "length" and case.tolerance is None:
        quick = quick_equal(case.text, case.gold, case.answer_type)
        if quick is not None:
            return Judgement("correct" if quick[0] else "incorrect", quick[1], _REASONS[quick[0]])
    with one_call():
        judgement = JUDGES[case.verifier](case)
    if judgement.verdict == "undecided":
        raise _NotDecided(judgement)
    return judgement


_cached = lru_cache(maxsize=CACHE_SIZE)(_fresh)


def clear_cache() -> None:
    """Forget all judgements (for benchmarks and tests)."""
    _cached.cache_clear()


_REASONS: Final = {True: "equal to the gold", False: "not equal to the gold"}
_MISSING: Final[dict[str | None, tuple[VerdictValue, str]]] = {
    "cut off": ("undecided", "the output was cut off before its answer"),
    "thinking only": ("unparsable", "nothing stands after the thinking"),
    "none": ("unparsable", "no committed answer"),
}
Same = Callable[[Case, str], bool]


def _by_answer(same: Same) -> Callable[[Case], Judgement]:
    """Make a judge of the committed answer out of a comparison with the gold."""

    def judge_answer(case: Case) -> Judgement:
        committed = extract(case.text, case.finish_reason)
        if not committed.answers:
            verdict, reason = _MISSING[committed.missing]
            return Judgement(verdict, None, reason)
        return _all_agree(case, committed, same)

    return judge_answer


def _all_agree(case: Case, committed: Committed, same: Same) -> Judgement:
    """Judge every committed answer: one that is wrong makes the completion wrong, whichever comes last."""
    extracted = committed.answers[-1][:2_000]
    if len(committed.answers) > 64:
        return Judgement("incorrect", extracted, "many different answers")
    results = [_one(case, answer, same) for answer in committed.answers]
    several = len(results) > 1
    for wanted in ("incorrect", "unparsable", "undecided"):
        found = next((r for r in results if r[0] == wanted), None)
        if found is not None:
            verdict: VerdictValue = "incorrect" if several and wanted == "unparsable" else found[0]
            return Judgement(verdict, extracted, f"several answers: {found[1]}" if several else found[1])
    return Judgement("correct", extracted, results[0][1])


def _one(case: Case, answer: str, same: Same) -> tuple[VerdictValue, str]:
    try:
        stripped = strip_marks(answer)
        if not stripped:
            return "unparsable", "the answer is empty"
        equal = same(case, stripped)
    except Unreadable as error:
        return "unparsable", str(error)
    except Undefined as error:
        return "incorrect", f"the answer has no value: {error}"
    except (Limit, Undecided) as error:
        return "undecided", str(error)
    return "correct" if equal else "incorrect", _REASONS[equal]


def _written(gold: str) -> str:
    """Return the gold as answers are read: plain digits and signs, nothing around it."""
    return strip_marks(normalise(gold))


def _context(case: Case) -> Context:
    tolerance = None if case.tolerance is None else Fraction(str(case.tolerance))
    return Context(case.question or "", tolerance, case.answer_type is None, symbolic_check)


def _same_math(case: Case, answer: str) -> bool:
    gold, context = _written(case.gold), _context(case)
    try:
        if compare(gold, answer, case.answer_type, context):
            return True
        failure: Exception | None = None
    except (Unreadable, Limit, Undefined) as error:
        failure = error
    if failure is None:
        return False
    if readable_gold(gold, case.answer_type, context):
        raise failure
    return _same_without_type(case, gold, answer, context)


def _same_without_type(case: Case, gold: str, answer: str, context: Context) -> bool:
    """Judge against a gold that does not fit its type: by what it looks like, else as a text, else not at all."""
    looks_like = inferred_types(gold)
    if case.answer_type is not None and looks_like != ("string",) and readable_gold(gold, None, context):
        return compare(gold, answer, None, replace(context, bare=True))
    if string_key(gold) == string_key(answer):
        return True
    raise Undecided("the gold answer cannot be read")


def _judge_constraint(case: Case) -> Judgement:
    text, closed = strip_thinking(case.text)
    text = strip_special(text)
    if case.finish_reason == "length" or not closed:
        return Judgement("undecided", None, "the output was cut off")
    try:
        fault = failed_constraint(case.gold, text)
    except Undecided as error:
        return Judgement("undecided", None, str(error))
    return Judgement("incorrect" if fault else "correct", text.strip()[:2_000], fault or "all constraints hold")


def _by_block(
    find: Callable[[str], str | None], fault_of: Callable[[Case, str], str | None], missing: str, passed: str
) -> Callable[[Case], Judgement]:
    """Make a judge of a block of program text out of what finds it and what says why it is wrong."""

    def judge_block(case: Case) -> Judgement:
        text, closed = strip_thinking(case.text)
        if case.finish_reason == "length" or not closed:
            return Judgement("undecided", None, "the output was cut off")
        block = find(text)
        if block is None:
            return Judgement("unparsable", None, missing)
        try:
            fault = fault_of(case, block)
        except Undecided as error:
            return Judgement("undecided", block[:2_000], str(error))
        return Judgement("incorrect" if fault else "correct", block[:2_000], fault or passed)

    return judge_block


def _code_fault(case: Case, program: str) -> str | None:
    return failed_test(read_tests(case.gold), program, shared_pool().deadline, case.tolerance)


def _proof_fault(case: Case, proof: str) -> str | None:
    return proof_fault(read_theorem(case.gold), proof, shared_pool().deadline)


def _judge_format(case: Case) -> Judgement:
    fault = shape_fault(case.text, case.finish_reason)
    verdict: VerdictValue = "undecided" if case.finish_reason == "length" else "incorrect" if fault else "correct"
    return Judgement(verdict, None, fault or "the shape is right")


JUDGES: Final[dict[str, Callable[[Case], Judgement]]] = {
    "math": _by_answer(_same_math),
    "choice": _by_answer(lambda case, answer: same_choice(_written(case.gold), answer, case.question)),
    "qa": _by_answer(lambda case, answer: same_short_answer(case.gold, answer)),
    "countdown": _by_answer(lambda case, answer: same_countdown(case.gold, answer)),
    "logic": _by_answer(lambda case, answer: same_logic(case.gold, answer)),
    "reasoning_gym": _by_answer(lambda case, answer: same_gym_answer(case.gold, answer)),
    "constraint": _judge_constraint,
    "code": _by_block(last_program, _code_fault, "no Python block", "all tests pass"),
    "proof": _by_block(last_proof, _proof_fault, "no Coq proof", "the proof holds"),
    "format": _judge_format,
}
