"""Questions as tokens and as sets of word shingles, for the comparison of one question with another.

Mathematics decides what is levelled out: case, blanks, mark-up and sentence punctuation are; signs, brackets, primes
and factorials are not.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_COUNTED = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
NUMBER_WORDS: Final = {word: str(number) for number, word in enumerate(_COUNTED, 1)}

_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_SIGNS: Final = str.maketrans({"−": "-", "–": "-", "⁄": "/", "×": "*", "⋅": "*", "·": "*", "÷": "/", "’": "'"})
# Mathematics delimiters say nothing themselves; a hyphen inside a compound word is no minus.
_MARKUP = re.compile(r"\\[()\[\]]|\$|(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})")
_CJK = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = rf"[^\W\d_{_CJK}]+"
_TOKEN = re.compile(
    r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d*\.?\d+"  # a number
    rf"|[{_CJK}]|{_WORD}(?:'{_WORD})*"  # a word; Chinese and Japanese write no blanks between theirs
    r"|(?:(?<=[\d)])|(?<=\b\w))[!']+"  # 5!, f'
    r"|[^\w\s.,;:!?\"'`…«»“”‘¿¡—。、「」『』《》]|_"  # an operator or a bracket; other punctuation is dropped
)


def says_nothing(text: str) -> bool:
    """Tell whether a text is blank: nothing but blanks, punctuation and control characters."""
    return all(unicodedata.category(character)[0] in "ZPC" for character in text)


def tokenise(text: str) -> list[str]:
    """Return a text's words, numbers and mathematical signs; numbers are written plainly, 1,000.0 as 1000."""
    if not text.isascii():
        # NFKC alone would read 10² as 102.
        text = _SUPERSCRIPT.sub(lambda match: "^" + match[0], text)
        text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    found: list[str] = _TOKEN.findall(_MARKUP.sub(" ", text.casefold()))
    return [_plain(token) if _is_number(token) else token for token in found]


def shingle_sets(tokens: Sequence[str], words: int, blind: bool) -> list[frozenset[str]]:
    """Return the set of shingles of so many words, each marked with all the question's numbers, so that questions with
    other numbers share none. If `blind`, a second set with "#" for every number."""
    tokens = [NUMBER_WORDS.get(token, token) for token in tokens]
    sets = [_windows(tokens, words, numbers_of(tokens) + "|")]
    if blind:
        sets.append(_windows(["#" if _is_number(token) else token for token in tokens], words, "#|"))
    return sets


def numbers_of(tokens: Sequence[str]) -> str:
    """Return all numbers of a question, signed, sorted and joined by blanks: equal for equal multisets."""
    tokens = [NUMBER_WORDS.get(token, token) for token in tokens]
    pairs = zip(["", *tokens], tokens, strict=False)
    return " ".join(sorted("-" + token if before == "-" else token for before, token in pairs if _is_number(token)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the exact Jaccard similarity of two sets that are not both empty."""
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def _windows(tokens: Sequence[str], words: int, mark: str) -> frozenset[str]:
    last = max(len(tokens) - words, 0)
    return frozenset(mark + " ".join(tokens[start : start + words]) for start in range(last + 1))


def _is_number(token: str) -> bool:
    return token[-1].isdecimal()


def _plain(number: str) -> str:
    number = number.replace(",", "")
    if "." not in number:
        return number
    number = number.rstrip("0").rstrip(".")
    return number if number[:1].isdecimal() else "0" + number
