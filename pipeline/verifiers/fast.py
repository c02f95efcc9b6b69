"""A short cut for the most frequent case: one box with a plainly written number, against a gold that is one too.

Returns None for everything else; what it decides, the general path decides in the same way (a test compares them).
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

NUMBER_TYPES: Final = frozenset([None, "integer", "rational", "decimal"])
_BOX: Final = r"\boxed{"
_NUMBER: Final = re.compile(
    r"([-+]?[0-9]{1,3}(?:,[0-9]{3})+|[-+]?[0-9]{1,18})(\.[0-9]{1,18})?"
    r"|([-+]?)(?:\\[dt]?frac\{(-?[0-9]{1,18})\}\{([0-9]{1,18})\}|([0-9]{1,18})/([0-9]{1,18}))"
)
# Whatever could hide a box, or move it out of the answer, goes the general way: tags, comments, commands that hide.
_SUSPECT: Final = re.compile(
    r"[<%]|\][(:]|\\(?:[hv]?phantom|label|href|url|\w*tip|hidden|transparent|\w*color|begin\{comment|iffalse|style"
    r"|\w*newcommand|[gex]?def)",
    re.IGNORECASE,
)


def quick_equal(text: str, gold: str, answer_type: str | None) -> tuple[bool, str] | None:
    """Return whether the boxed number equals the gold, and the answer's text; None if this is not the simple case."""
    if answer_type not in NUMBER_TYPES or not text.isascii():
        return None
    start = text.find(_BOX)
    if start < 0 or text.find("\\boxed", start + 1) >= 0 or _SUSPECT.search(text):
        return None
    end = text.find("}", start)
    if "{" in text[start + len(_BOX) : end]:  # a fraction: its own braces close first
        end = text.find("}}", start) + 1
    answer = text[start + len(_BOX) : end]
    given = _value(answer)
    wanted = _gold_value(gold)
    return None if given is None or wanted is None else (given == wanted, answer)


def _value(text: str) -> int | Fraction | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    whole, decimals, sign, *parts = match.groups()
    if whole is not None:
        digits = whole.replace(",", "")
        return Fraction(digits + decimals) if decimals else int(digits)
    top, bottom = (int(a or b) for a, b in zip(parts[:2], parts[2:], strict=True))
    return Fraction(-top if sign == "-" else top, bottom) if bottom else None


_gold_value = lru_cache(maxsize=8192)(_value)
