"""Digits in a stated base: 101_2."""

import re
from typing import Final

from pipeline.verifiers.notation import visible

_BASE_NAMES: Final = "two three four five six seven eight nine ten eleven twelve"
_BASE_WORDS: Final = {word: base for base, word in enumerate(_BASE_NAMES.split(), 2)} | {"sixteen": 16}
_BASED: Final = re.compile(r"\(?((?=[A-F]*[0-9])[0-9A-F]+)\)?_(?:\(?([0-9]{1,2})\)?|([a-z]+))")


def based_digits(text: str) -> tuple[str, int] | None:
    """Return the digits and the base of 101_2 or 1A_{16}; None if no base is stated."""
    match = _BASED.fullmatch(re.sub(r"\s|\\,", "", visible(text)))
    if match is None:
        return None
    base = int(match.group(2)) if match.group(2) else _BASE_WORDS.get(match.group(3), 0)
    return match.group(1).lstrip("0") or "0", base
