"""A rationalisation that gives away that its writer was told the answer: it speaks of the hint, argues from the answer,
states the answer before any reasoning, or is a program that holds a hidden test. Each finding comes with the words that
show it.

Only surface marks are seen; whether the reasoning carries the answer is what the closed-book rate measures.
"""

import re
from typing import Final, NamedTuple

from filters.answer_leak import answer_stated, shown_to_writer
from filters.hard_coded import hard_coded
from pipeline.prompts import HINT_LABEL
from pipeline.records import Completion, Problem

NEARBY: Final = 60
HINTED: Final = HINT_LABEL.partition("/")[0]

_ANSWER = r"(?:final |correct |right )?(?:answer|solution|result)"
_MENTION = re.compile(
    r"(?<!\btype )(?<!\btype-)\bhint(?:s|ed)?\b"
    rf"|\b{_ANSWER} (?:is |was |has been |that is |that was |as |,? ?which is )?(?:already )?"
    r"(?:given|provided|stated|told|supplied|revealed|known)\b"
    r"|\b(?:given|provided|stated|supplied|expected|reference|suggested|known) (?:final |correct )?(?:answer|result)\b"
    r"(?! (?:choices?|options?|format|type|set))"
    rf"|\b(?:told|informed|given|know|stated) that the {_ANSWER}\b"
    r"|\b(?:told|gave|given) (?:me|us|you) the (?:final |correct )?answer\b"
    r"|\bwork(?:ing|ed)? (?:back|backwards?) from\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    rf"\b(?:since|because|knowing|given|as) (?:that )?the {_ANSWER} (?:is|must be|should be|equals)\b", re.IGNORECASE
)
_ECHO = re.compile(
    r"\bas (?:was |is |it was |we were )?(?:already )?"
    r"(?:given|provided|stated|told|indicated|expected|required|desired)\b",
    re.IGNORECASE,
)


class Leak(NamedTuple):
    """What gives the writer away, and the words that show it."""

    kind: str
    words: str


def was_hinted(completion: Completion) -> bool:
    """Tell whether a completion was asked for with the answer told, by whichever version of the hint."""
    return HINTED in completion.prompt_version


def hint_leak(problem: Problem, text: str, min_words: int) -> Leak | None:
    """Return the first mark of the hint in a text, or None. An answer that is stated with fewer than `min_words` words
    before it is one; of a program, whose reply is the answer, a hidden test that stands in it."""
    answer = problem.answer or ""
    if words := _mention(text, answer):
        return Leak("mentions the hint", words)
    if problem.verifier == "code":
        literal = hard_coded(problem.question, answer, text)
        return Leak("holds a hidden test", literal) if literal else None
    if (place := answer_stated(text, answer)) is not None and len(text[:place].split()) < min_words:
        return Leak("answer before reasoning", text[: place + NEARBY].strip())
    return None


def _mention(text: str, answer: str) -> str | None:
    for pattern in (_MENTION, _REASON):
        if match := pattern.search(text):
            return _around(text, match.start(), match.end())
    if shown := shown_to_writer(text, answer):
        return shown
    for match in _ECHO.finditer(text):  # "which is 42, as given"
        before = text[max(0, match.start() - NEARBY) : match.start()]
        if answer.strip() and answer.strip() in before:
            return _around(text, match.start(), match.end())
    return None


def _around(text: str, start: int, end: int) -> str:
    return text[max(0, start - NEARBY) : end + NEARBY].strip()
