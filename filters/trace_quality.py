"""The checks a completion passes to become a trace: each looks at one defect and objects with reason, score, evidence.

The table in run order is CHECKS; the first that objects decides. All are linear in the length of the completion, and
none asks a model.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from filters.answer_leak import copy_of_question, shown_to_writer, stated_in_question
from filters.arithmetic import wrong_equations
from filters.hint_leak import hint_leak, was_hinted
from filters.language_mixing import language_mixing
from filters.padding import padding
from pipeline.assess import Judged
from pipeline.config import Select
from pipeline.prompts import WHOLE_REPLY
from pipeline.records import Completion, Problem

VERSION: Final = "3"  # raise it when a check decides otherwise: finished shards are then selected anew
REPEATED_WORDS: Final = 8
SHOWN: Final = 200
SHOWN_LINES: Final = 5
WRONG_ARITHMETIC: Final = "wrong arithmetic"

_ANSWER = re.compile(r"\\boxed|<answer>|####|^\**(?:final )?answer\**\s*:", re.IGNORECASE | re.MULTILINE)


class Objection(NamedTuple):
    """Why a completion is no trace: the filter, the reason in words, the score that decided, and what shows it."""

    filter: str
    reason: str
    score: float | None
    evidence: dict[str, Any]


Check = Callable[[Problem, Judged, Select], Objection | None]


def whole_text(completion: Completion) -> str:
    """Return a completion's reasoning, if the model gives one of its own, and its text."""
    return completion.text if completion.reasoning is None else f"{completion.reasoning}\n{completion.text}"


def first_objection(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    """Return what the first check in order has against a completion, or None."""
    return next((found for check in CHECKS if (found := check(problem, judged, settings))), None)


def not_correct(_problem: Problem, judged: Judged, _settings: Select) -> Objection | None:
    verdict = judged[1]
    if verdict.verdict == "correct":
        return None
    answered = "" if verdict.extracted is None else f"answered {verdict.extracted[:SHOWN]}: "
    answer = None if verdict.extracted is None else verdict.extracted[:SHOWN]
    return Objection(verdict.verdict, f"{answered}{verdict.reason}", None, {"answered": answer})


def truncated(_problem: Problem, judged: Judged, _settings: Select) -> Objection | None:
    completion = judged[0]
    if completion.finish_reason == "stop":
        return None
    evidence = {"end": completion.text[-SHOWN:], "completion_tokens": completion.completion_tokens}
    return Objection("truncated", f"finish_reason is {completion.finish_reason}", None, evidence)


def repetitive(_problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    words = whole_text(judged[0]).split()
    share = repeated_share(words)
    if share <= settings.max_repetition:
        return None
    window, times = _windows(words).most_common(1)[0]
    evidence = {"words": " ".join(window)[:SHOWN], "times": times}
    return Objection("repetitive", f"{share:.0%} of its {REPEATED_WORDS}-word windows are repeated", share, evidence)


def answer_first(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    if problem.verifier in WHOLE_REPLY:  # the reply is the answer
        return None
    text = whole_text(judged[0])
    found = _ANSWER.search(text)
    start = found.start() if found else len(text)
    before = len(text[:start].split())
    if before >= settings.min_words_before_answer:
        return None
    evidence = {"text": text[: start + SHOWN][:SHOWN]}
    return Objection("answer before reasoning", f"only {before} words stand before the answer", float(before), evidence)


def mixed_languages(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    mixing = language_mixing(problem.question, whole_text(judged[0]))
    if mixing.share <= settings.max_foreign_letters:
        return None
    scripts = ", ".join(mixing.scripts)
    reason = f"{mixing.share:.1%} of its letters are {scripts}, which the question does not use"
    return Objection("language mixing", reason, mixing.share, {"scripts": scripts, "text": mixing.excerpt})


def leaked_answer(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    text = whole_text(judged[0])
    answer = problem.answer or ""
    if stated := stated_in_question(problem.question, answer):
        return Objection("answer leak", "the question states its own answer", None, {"question": stated[: 2 * SHOWN]})
    if shown := shown_to_writer(text, answer):
        return Objection("answer leak", "it leans on an answer it was shown", None, {"text": shown[: 2 * SHOWN]})
    copied = copy_of_question(problem.question, text)
    if copied.share_of_question <= settings.max_question_copied:
        return None
    reason = f"{copied.share_of_question:.0%} of the question stands in it word for word"
    evidence = {"question": problem.question[: 2 * SHOWN], "share of the trace": round(copied.share_of_trace, 4)}
    return Objection("prompt restated", reason, copied.share_of_question, evidence)


def hinted(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    if not was_hinted(judged[0]):
        return None
    leak = hint_leak(problem, whole_text(judged[0]), settings.min_words_before_answer)
    return None if leak is None else Objection("hint leak", leak.kind, None, {"text": leak.words[: 2 * SHOWN]})


def padded(_problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    found = padding(whole_text(judged[0]))
    if found.share <= settings.max_padding or len(found.sentences) < 2:
        return None
    evidence = {"sentences": [[rule, sentence[:SHOWN]] for rule, sentence in found.sentences[:SHOWN_LINES]]}
    return Objection("padding", f"{found.share:.0%} of its sentences say nothing of the problem", found.share, evidence)


def wrong_arithmetic(problem: Problem, judged: Judged, settings: Select) -> Objection | None:
    if settings.wrong_arithmetic != "reject":
        return None
    wrong = wrong_equations(whole_text(judged[0]), problem.question)
    if not wrong:
        return None
    shown = [
        {"equation": e.text, "line": e.line, "left": str(e.left), "right": str(e.right)} for e in wrong[:SHOWN_LINES]
    ]
    reason = f"{' '.join(wrong[0].text.split())} is wrong: the left side is {_readable(wrong[0].left)}"
    return Objection(WRONG_ARITHMETIC, reason, float(len(wrong)), {"wrong": shown})


CHECKS: Final[tuple[Check, ...]] = (
    not_correct,
    truncated,
    hinted,
    repetitive,
    answer_first,
    mixed_languages,
    leaked_answer,
    padded,
    wrong_arithmetic,
)


def repeated_share(words: Sequence[str]) -> float:
    """Return the share of 8-word windows that occurred before in the same text; 0 for a text too short to tell."""
    windows = _windows(words)
    total = windows.total()
    return (total - len(windows)) / total if total else 0.0


def _windows(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(REPEATED_WORDS)), strict=False))


def _readable(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.6g}"
