"""Small pieces of English for the wordings: names, plurals, money, lists. No family logic lives here."""

from collections.abc import Sequence
from fractions import Fraction
from random import Random

NAMES = (
    "Amara", "Ben", "Carla", "Diego", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kavya", "Liam", "Mei",
    "Noah", "Olga", "Priya", "Quinn", "Rosa", "Samir", "Tessa", "Umar", "Vera", "Wendy", "Yusuf", "Zoe",
)  # fmt: skip

_IRREGULAR = {
    "child": "children", "person": "people", "foot": "feet", "half": "halves", "shelf": "shelves", "loaf": "loaves",
    "die": "dice", "mouse": "mice", "knife": "knives", "leaf": "leaves",
}  # fmt: skip


def pick_names(rng: Random, count: int) -> tuple[str, ...]:
    """Draw `count` different first names."""
    return tuple(rng.sample(NAMES, count))


def plural(noun: str) -> str:
    """Return the plural of an English noun phrase; its last word carries the plural."""
    head, _, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        word = _IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        word = last + "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        word = last[:-1] + "ies"
    else:
        word = last + "s"
    return f"{head} {word}" if head else word


def count_of(number: int, noun: str) -> str:
    """Write "1 apple" or "3 apples"."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def a_or_an(noun: str) -> str:
    """Put the indefinite article before a noun, by its first letter."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def dollars(cents: int) -> str:
    """Write an amount of cents as "$7" or "$7.50"."""
    whole, rest = divmod(cents, 100)
    return f"${whole:,}" if rest == 0 else f"${whole:,}.{rest:02d}"


def join_and(parts: Sequence[str]) -> str:
    """Write "a", "a and b" or "a, b, and c"."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + f", and {parts[-1]}"


def mixed_or_integer(value: Fraction) -> str:
    """Write a positive fraction for a sentence: "3", "2/5" or "1 1/2"."""
    whole, rest = divmod(value.numerator, value.denominator)
    if rest == 0:
        return str(whole)
    return f"{whole} {rest}/{value.denominator}" if whole else f"{rest}/{value.denominator}"


def signed_sum(coefficients: Sequence[int], symbols: Sequence[str]) -> str:
    """Write a sum of terms in LaTeX: (2, -1, 5) of ("x^2", "x", "") is "2x^2 - x + 5"; terms of 0 are left out."""
    text = ""
    for coefficient, symbol in zip(coefficients, symbols, strict=True):
        if coefficient:
            size = "" if abs(coefficient) == 1 and symbol else str(abs(coefficient))
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else sign.strip("+")) + size + symbol
    return text or "0"


def polynomial(coefficients: Sequence[int], variable: str) -> str:
    """Write a polynomial, given from the constant up, with its highest power first: "2x^3 - x + 4"."""
    powers = ["", variable, *(f"{variable}^{n}" for n in range(2, len(coefficients)))][: len(coefficients)]
    return signed_sum(coefficients[::-1], powers[::-1])
