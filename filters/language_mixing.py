"""Letters of a script that the question does not use: a trace that slips into another language half way.

Mathematics is no language: Greek symbols, letters like ℝ and 𝑥, LaTeX commands, and in a question of another script
short Latin names (x, cm, sin) are left out of account. Languages that share a script are not told apart.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Final, NamedTuple

EXCERPT: Final = 40
_SCRIPTS: Final = {
    **{name: name.title() for name in ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "HEBREW", "ARABIC")},
    **{name: name.title() for name in ("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "TAMIL", "TELUGU", "KANNADA")},
    **{name: name.title() for name in ("MALAYALAM", "SINHALA", "THAI", "LAO", "MYANMAR", "KHMER", "ETHIOPIC")},
    **dict.fromkeys(
        ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO"), "Chinese/Japanese"
    ),
    "HANGUL": "Hangul",
    "FULLWIDTH": "Latin",
}
_COMMAND = re.compile(r"\\[A-Za-z]+")
_GREEK_SYMBOLS = re.compile(r"(?<![\u0370-\u03ff])[\u0370-\u03ff]{1,3}(?![\u0370-\u03ff])")
_SHORT_LATIN = re.compile(r"(?<![A-Za-z])(?:[A-Za-z]{1,3}|[A-Z]{4,6})(?![A-Za-z])")


class Mixing(NamedTuple):
    """The share of letters in scripts foreign to the question, which scripts, and the first place where one begins."""

    share: float
    scripts: tuple[str, ...]
    excerpt: str


@lru_cache(maxsize=65536)
def script_of(character: str) -> str | None:
    """Return the script of a letter, Chinese and Japanese as one; None for what is no letter of a language."""
    if not character.isalpha():
        return None
    return _SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0])


def language_mixing(question: str, text: str) -> Mixing:
    """Measure the letters of a text in scripts that do not occur in its question; linear in its length."""
    own = set(_letters(_COMMAND.sub(" ", question)))
    foreign_latin = "Latin" not in own
    text = _COMMAND.sub(" ", text)
    if "Greek" not in own:
        text = _GREEK_SYMBOLS.sub(" ", text)
    if foreign_latin:
        text = _SHORT_LATIN.sub(" ", text)
    letters = _letters(text)
    foreign = {script: count for script, count in letters.items() if script not in own}
    if not own or not foreign:
        return Mixing(0.0, (), "")
    first = next(i for i, character in enumerate(text) if script_of(character) in foreign)
    excerpt = text[max(0, first - EXCERPT) : first + EXCERPT].strip()
    return Mixing(sum(foreign.values()) / letters.total(), tuple(sorted(foreign)), excerpt)


def _letters(text: str) -> Counter[str]:
    """Count the letters of each script."""
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        script = script_of(character)
        if script is not None:
            counts[script] += count
    return counts
