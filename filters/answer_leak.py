"""An answer that was given away: the question states it, the trace leans on an answer it was shown, or the trace copies
the whole prompt. Each finding comes with the words that show it."""

import re
from collections import Counter
from typing import Final, NamedTuple

WINDOW: Final = 8
MAX_ANSWER: Final = 200
AT_ONCE: Final = 12  # characters between "the answer is" and the answer
NEARBY: Final = 80

_STATED = re.compile(
    r"(?:\b(?:the |correct |final )?(?:answer|solution)\b\W{0,4}(?:is\b|equals\b|=|:)|####|\\boxed\s?\{|<answer>"
    r"|\bans\s?[.:=])",
    re.IGNORECASE,
)
_SHOWN = re.compile(
    r"\b(?:(?:reference|provided|supplied|given|known|expected|official|stated) (?:final )?answer"
    r"(?! (?:choices?|options?|format|type|set))|(?:reference|official|provided) solution|answer key"
    r"|ground[- ]truth|answer (?:is|was) (?:already )?(?:given|provided|stated|known)"
    r"|(?:given|told|stated|know) that the (?:final |correct )?answer)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+|[^\w\s]")


class Copy(NamedTuple):
    """How much of a question a trace repeats, and how much of the trace that is."""

    share_of_question: float
    share_of_trace: float


def stated_in_question(question: str, answer: str) -> str | None:
    """Return the place where a question gives its own answer ("the answer is 42"), or None."""
    return _followed_by(_STATED, question, answer, AT_ONCE)


def shown_to_writer(text: str, answer: str) -> str | None:
    """Return the place where a trace speaks of an answer it was shown ("matches the reference answer 42"), or None."""
    return _followed_by(_SHOWN, text, answer, NEARBY)


def answer_stated(text: str, answer: str) -> int | None:
    """Return where a text first states the answer as such ("the answer is 42"), or None."""
    match = _match_before(_STATED, text, answer, AT_ONCE)
    return match.start() if match else None


def _followed_by(pattern: re.Pattern[str], text: str, answer: str, within: int) -> str | None:
    """Return the words around the first match that is followed by the answer, whole, within so many characters."""
    match = _match_before(pattern, text, answer, within)
    return text[max(0, match.start() - NEARBY) : match.end() + len(answer) + NEARBY].strip() if match else None


def _match_before(pattern: re.Pattern[str], text: str, answer: str, within: int) -> re.Match[str] | None:
    answer = answer.strip()
    if not answer or len(answer) > MAX_ANSWER:
        return None
    bracket = r"|\)" if len(answer) == 1 and answer.isalpha() else ""  # "Answer: A) 3 B) 4" lists choices
    whole = re.compile(rf"(?<![\w.,])(?<!-){re.escape(answer)}(?!\w|[.,]\d{bracket})", re.IGNORECASE)
    matches = pattern.finditer(text)
    return next((m for m in matches if whole.search(text, m.end(), m.end() + len(answer) + within)), None)


def copy_of_question(question: str, text: str) -> Copy:
    """Measure by windows of 8 words how much of the question stands in the trace word for word. A question that is
    shorter than a window is never a copy."""
    asked, written = _windows(question), _windows(text)
    if not asked:
        return Copy(0.0, 0.0)
    found = sum(asked[window] for window in asked if window in written)
    in_trace = sum(written[window] for window in asked if window in written)
    return Copy(found / asked.total(), in_trace / max(1, written.total()))


def _windows(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return Counter(zip(*(words[start:] for start in range(WINDOW)), strict=False))
