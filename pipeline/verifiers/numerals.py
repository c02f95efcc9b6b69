"""Exact reading of written numbers: digits of any length, decimals, scientific notation, repeating decimals."""

import re
from fractions import Fraction
from typing import Final

from pipeline.verifiers.notation import Limit, Undefined, Unreadable
from pipeline.verifiers.tree import Node, number

MAX_DIGITS: Final = 50_000
MAX_EXPONENT: Final = 20_000


def parse_digits(text: str) -> int:
    """Read a decimal integer of any length up to MAX_DIGITS (int() itself refuses more than 4,300 digits)."""
    if len(text) > MAX_DIGITS:
        raise Limit(f"a number has more than {MAX_DIGITS} digits")
    value = 0
    for start in range(0, len(text), 4000):
        part = text[start : start + 4000]
        value = value * 10 ** len(part) + int(part)
    return value


def parse_number(text: str) -> Fraction:
    """Read 12, 1.5, .5, 3., 2.5e-3 exactly."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    power = (int(exponent) if exponent else 0) - len(decimals)
    if abs(power) > MAX_EXPONENT + len(decimals):
        raise Limit(f"an exponent is beyond {MAX_EXPONENT}")
    digits = parse_digits(whole + decimals)
    return Fraction(digits * 10**power) if power >= 0 else Fraction(digits, 10**-power)


def parse_repeating(text: str) -> Fraction:
    """Read 0.1\\overline{6}, 0.\\bar{3}, 0.(3) and 0.\\dot{1}4\\dot{2} (dots over both ends of the period) exactly."""
    match = re.fullmatch(r"(\d*)\.(\d*)(\D.*)", text, re.DOTALL)
    period = re.sub(r"\D", "", match.group(3)) if match else ""
    if match is None or not period:
        raise Unreadable("a repeating decimal that cannot be read")
    whole, fixed, repeated = (parse_digits(g or "0") for g in (*match.groups()[:2], period))
    scale = 10 ** len(match.group(2))
    return whole + Fraction(fixed, scale) + Fraction(repeated, scale * (10 ** len(period) - 1))


def is_integer(node: Node) -> bool:
    """Tell whether a tree is one whole number."""
    return node.op == "num" and isinstance(node.value, Fraction) and node.value.denominator == 1


def mixed_number(whole: Node, part: Node) -> Node:
    """Add the fraction of a mixed number to its whole number."""
    top, bottom = (a.value for a in part.args)
    if not (isinstance(whole.value, Fraction) and isinstance(top, Fraction) and isinstance(bottom, Fraction)):
        raise Unreadable("a mixed number that cannot be read")
    if bottom == 0:
        raise Undefined("division by zero")
    return number(whole.value + top / bottom)
