"""When two sides of an equation agree, and what may explain it if they do not: rounding, units, percent, words, doubts.

Everything here leans to the side of the author: an equation that is wrong in one reading and right in another passes.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from filters.arithmetic_parser import Expression, Unreadable, evaluate
from filters.arithmetic_tokens import MONEY, OPERATOR_WORDS, RATE, Token, singular, word_set

CLOSE: Final = Fraction(1, 200)  # how far off a product of decimals may be that look rounded
NEAR: Final = Fraction(1, 20)  # how far off ≈ may be
AHEAD: Final = 90  # characters after an equation in which it may be taken back
AROUND: Final = 180
# What one unit may hold of another, where only one of the two is named.
CONVERSIONS: Final = (7, 12, 16, 24, 30, 36, 52, 60, 100, 144, 365, 1000, 3600, 5280, 10**6)
MEASURES: Final = word_set(
    "second minute hour day week month year decade century foot feet inch yard mile meter metre kilometer centimeter "
    "millimeter gram kilogram ounce pound ton cup pint quart gallon liter litre milliliter teaspoon tablespoon cent "
    "penny pennie nickel dime degree kg mg cm mm km ml cl dl lb oz ft in hr mi yd gb mb kb megabyte gigabyte"
) | {MONEY}
# After one of these a number is a name: Step 2.
LABELS: Final = word_set(
    "step day week month year case part number no item section method option figure equation example problem question "
    "level grade box group round page chapter hour minute"
)
# These say something else of the number they follow at once, or within three words.
_AT_ONCE: Final = word_set("of out to by over squared cubed minus plus times more less fewer mod modulo choose")
_SOON: Final = word_set(
    "dozen dozens hundred hundreds thousand thousands million millions billion billions percent percentage remainder "
    "half halves third thirds fourths quarter quarters tenths am pm noon pair pairs couple score"
)
_OTHER_RULES = re.compile(
    r"\b(?:binary|hexadecimal|octal|base[- ]\d|modulo|modular|mod)\b|\\[pb]?mod\b|≡|\\equiv|[∘⊕★◦@] ?\d"
)
_OWN_OPERATION = re.compile(r"\bdefin\w{1,6}\b[^\n]{0,80}\boperat|\boperat[^\n]{0,80}\bdefin", re.IGNORECASE)
_ROUNDING = re.compile(
    r"\b(?:round|near|approx|about|whole|full|complete|remain|left|floor|ceil|estimat|roughly|integer)"
    r"|\bat (?:least|most)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|wrong|incorrect|mistake|false|oops|error|hmm|contradict\w{0,6}|impossible|scratch that|try again)\b"
    r"|\b(?:not|n't) (?:\w{1,12} )?(?:right|correct|true|equal|possible|match|work|valid|satisf)|\bno[,.!]|≠|\\neq?\b"
    r"|n't (?:match|work|equal|satisf|fit|hold)|[✗✘❌]",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[ $.)\\\]]{0,6}\?")


class Side(NamedTuple):
    """One side of an equation: the tokens of the expression, and the words next to it on the outside."""

    tokens: Sequence[Token]
    words: tuple[str, ...]


def speaks_of_other_rules(text: str) -> bool:
    """Return whether = or the digits may mean something else in a text: modulo, other bases, own operations."""
    return bool(_OTHER_RULES.search(text) or _OWN_OPERATION.search(text))


def taken_back(text: str, end: int) -> bool:
    """Return whether an equation is put as a question, or withdrawn in what follows it: "3 × 7 = 24? No"."""
    return bool(_ASKED.match(text, end) or _TAKEN_BACK.search(text, end, end + AHEAD))


def agree(
    left: Side,
    sides: tuple[Expression, Expression],
    relation: str,
    rounded: dict[Fraction, Fraction],
) -> bool:
    """Return whether the sides are equal in some reading; a rounded result is put into `rounded` with its exact value,
    so that what is worked out with it later may be exact or rounded."""
    a, b = sides
    if a.value in (b.value, b.lead):  # 3 + 4 = 7 + 5 = 12 goes on calculating
        return True
    if _is_rounded(a, b, relation):
        rounded[b.value] = a.value
        return True
    if _is_rounded(b, a, relation):
        return True
    if not rounded:
        return False
    try:
        exact = evaluate(left.tokens, rounded)
    except Unreadable:
        return False
    return exact.value == b.value or _is_rounded(exact, b, relation)


def _is_rounded(exact: Expression, written: Expression, relation: str) -> bool:
    """Return whether `written` is the other side rounded, or cut off, to the places that are written."""
    difference = abs(exact.value - written.value)
    place = Fraction(1, 10**written.decimals) / (100 if written.percent else 1)
    if relation == "≈" and difference <= NEAR * abs(exact.value):
        return True
    if relation == "≈" and not written.operators and exact.operators and difference <= place:
        return True
    if not written.operators and written.decimals and difference < place:
        return True
    looks_rounded = max(exact.decimals, written.decimals) >= 2 and set(exact.operators) & set("*/^")
    return bool(looks_rounded) and difference <= CLOSE * abs(exact.value)


def doubtful(text: str, left: Side, right: Side, sides: tuple[Expression, Expression]) -> bool:
    """Return whether units, percent, a sign, the words beside or rounding may be why two sides differ."""
    return (
        _words_matter(left, right)
        or _several_readings(left, right, sides)
        or _units_matter(right, sides)
        or _is_whole_part(text, left, right, sides)
    )


def _words_matter(left: Side, right: Side) -> bool:
    before = left.words[-1] if left.words else ""
    label = before in LABELS or singular(before) in LABELS
    if label or (before in OPERATOR_WORDS and left.words[-2:] not in (("total", "of"), ("sum", "of"))):
        return True
    goes_on = len(right.words) <= 3 and right.words[-1:] == ("and",)  # 5 weeks and 1 day
    return goes_on or bool(_AT_ONCE & set(right.words[:1]) or _SOON & set(right.words[:3]))


def _several_readings(left: Side, right: Side, sides: tuple[Expression, Expression]) -> bool:
    """Return whether 25 / 1/3 may mean 25 / (1/3), -3^2 may mean 9, or "= 1/3 of $150" is a remark."""
    if sides[0].unclear or sides[1].unclear or any(token.text == "of" for token in right.tokens):
        return True
    marks = ("n" if token.kind == "number" else token.text[:1] for token in left.tokens if token.kind != "unit")
    return "/n/n" in "".join(marks)


def _units_matter(right: Side, sides: tuple[Expression, Expression]) -> bool:
    a, b = sides
    additive = [set(side.operators) & set("+-") for side in sides]
    named = {singular(word) for word in right.words[:2]} & MEASURES
    units = a.units | b.units | named
    if RATE in units or len(units & MEASURES) > 1 or (any(additive) and len(a.units) > 1):
        return True
    if (a.percent and additive[0]) or (b.percent and additive[1]) or (a.units and not a.operators):
        return True  # 100 + 20%, "2 pens = 5 + 3"
    if not (units & MEASURES or a.percent or b.percent) or not a.value or not b.value:
        return False
    ratio = max(abs(a.value / b.value), abs(b.value / a.value))
    return any(abs(ratio - factor) <= CLOSE * factor for factor in CONVERSIONS)


def _is_whole_part(text: str, left: Side, right: Side, sides: tuple[Expression, Expression]) -> bool:
    """Return whether a division was brought to a whole number where rounding or a remainder is spoken of."""
    a, b = sides
    if "/" not in a.operators or a.value.denominator == 1 or b.value.denominator != 1 or abs(a.value - b.value) >= 1:
        return False
    start, end = left.tokens[0].start, right.tokens[-1].end
    return bool(_ROUNDING.search(text, max(0, start - AROUND), end + AROUND))
