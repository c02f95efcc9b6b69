"""Texts as contamination.py compares them: levelled in case, LaTeX spelling and Unicode, as tokens and as skeletons.

`letters` and `letters_and_digits` serve the first look at every row: they agree with the tokens on what the letters of
a text are and cost about a microsecond for plain ASCII.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from filters.shingles import NUMBER_WORDS, tokenise

SHINGLE_WORDS: Final = 3
_PART = r"\s{0,3}(?:\{([^{}]{0,60})\}|(\d))"
_FRACTION = re.compile(rf"\\[dtc]?frac{_PART}{_PART}")
_COMMAND = re.compile(r"\\([A-Za-z]+|[\s\S])")
_DEGREES = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|°")
_BRACKETS: Final = frozenset("()[]{}|")
_FORMAT = (
    *("left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "textstyle"),
    *("text", "textrm", "textbf", "textit", "mathrm", "mathbf", "mathit", "mathsf", "boldsymbol", "emph", "mbox"),
    *("operatorname", "quad", "qquad", "limits", "dfrac", "tfrac", "cfrac", "frac", "begin", "end", "boxed"),
)
_COMMANDS: Final = {
    **dict.fromkeys(_FORMAT, " "),
    **{"cdot": "*", "times": "*", "div": "/", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠"},
    **{"leqslant": "≤", "geqslant": "≥", "lbrace": "{", "rbrace": "}", "ldots": "...", "dots": "...", "cdots": "..."},
}
_SIGNS: Final = (
    *(("<=", "≤"), (">=", "≥"), ("!=", "≠"), ("**", "^"), ("\u2010", "-"), ("\u2011", "-")),
    *(("√", " sqrt "), ("π", " pi "), ("∞", " infty ")),
)
# What stands for no letter, and what a LaTeX command leaves of its name.
_NO_LETTERS: Final = dict.fromkeys(map(ord, "‘’“”–—−…×÷·⋅£€\u00a0\u202f\u2010\u2011"), " ")
_NAMES: Final = dict.fromkeys(_COMMANDS, " ")
_LOWER: Final = bytes(c + 32 if 65 <= c <= 90 else c for c in range(256))
_NO_LETTER: Final = bytes(c for c in range(128) if not chr(c).isalpha())
_NO_LETTER_OR_DIGIT: Final = bytes(c for c in range(128) if not chr(c).isalnum())


class View(NamedTuple):
    """A text as it is compared. `level` is what `normalise` gave, `tokens` has numbers and operators, `words` no
    operators, `plain` and `line` are words and tokens between blanks."""

    level: str
    tokens: list[str]
    words: list[str]
    plain: str
    line: str


def view(text: str) -> View:
    """Return how a text is compared."""
    level = normalise(text)
    tokens = _tokens(level)
    words = [token for token in tokens if token[0].isalnum()]
    return View(level, tokens, words, spaced(words), spaced(tokens))


def normalise(text: str) -> str:
    """Write LaTeX and its Unicode look-alikes one way; case is kept, as names are told by it."""
    text = _DEGREES.sub(" degrees ", text)
    if "\\" in text:
        text = _FRACTION.sub(r" \1\2/\3\4 ", text)
        text = _FRACTION.sub(r" \1\2/\3\4 ", text)  # the fraction around a fraction
        text = _COMMAND.sub(lambda match: _COMMANDS.get(match[1], f" {match[1]} "), text)
    for sign, plain in _SIGNS:
        text = text.replace(sign, plain)
    return text


def skeletons(seen: View) -> tuple[list[str], list[str]]:
    """Return the words without numbers, written in digits or not; and those also without what is capitalised."""
    nameless = " ".join(part for part in seen.level.split() if not part.lstrip("$([{*_\"'“‘-")[:1].isupper())
    return _numberless(seen.words), _numberless(_tokens(nameless))


def windows(words: Sequence[str], size: int) -> set[str]:
    """Return all runs of so many words, none if there are fewer."""
    return {" ".join(words[start : start + size]) for start in range(len(words) - size + 1)}


def spaced(words: Sequence[str]) -> str:
    """Join words so that whole words are found in them by `" a b " in text`."""
    return f" {' '.join(words)} "


def letters(text: str) -> bytes:
    """Return the letters of a text and nothing between them, in lower case."""
    plain = _plain(text)
    if plain is not None:
        return plain.encode().translate(_LOWER, _NO_LETTER)
    return joined(token for token in _tokens(normalise(text)) if token[0].isalpha())


def letters_and_digits(text: str) -> bytes:
    """Return the letters and digits of a text, likewise."""
    plain = _plain(text)
    if plain is not None:
        return plain.encode().translate(_LOWER, _NO_LETTER_OR_DIGIT)
    level = unicodedata.normalize("NFKC", normalise(text)).casefold()
    return "".join(filter(str.isalnum, level)).encode("utf-8", "replace")


def _plain(text: str) -> str | None:
    """Return a text in ASCII with the letters and digits that its tokens have, None where that takes the tokens."""
    if not text.isascii():
        text = text.translate(_NO_LETTERS)
        if not text.isascii():
            return None
    if "\\" in text:
        return None if "\\circ" in text else _COMMAND.sub(lambda match: _NAMES.get(match[1], match[1]), text)
    return text


def joined(words: Iterable[str]) -> bytes:
    """Return words as `letters` would find them in a text."""
    return "".join(words).encode("utf-8", "replace").translate(None, b"'")


def _tokens(level: str) -> list[str]:
    return [token for token in tokenise(level) if token not in _BRACKETS]


def _numberless(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token[0].isalpha() and token not in NUMBER_WORDS]
