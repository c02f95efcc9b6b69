"""Countdown: an expression of the listed numbers, each used as often as listed at most, that gives the target."""

import json
import re
from collections import Counter
from fractions import Fraction
from typing import Final

from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.notation import Limit, Unreadable

MAX_LENGTH: Final = 2_000
MAX_DEPTH: Final = 40
_SIGNS: Final = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
}
_TOKEN: Final = re.compile(r"\s*(?:([0-9]{1,9})|([-+*/()]))\s*")


def read_problem(gold: str) -> tuple[Counter[int], Fraction]:
    """Read the numbers and the target of a problem. Raises Undecided if they cannot be read."""
    try:
        spec = json.loads(gold)
        return Counter(int(n) for n in spec["numbers"]), Fraction(spec["target"])
    except (ValueError, KeyError, TypeError) as error:
        raise Undecided(f"the problem's numbers and target cannot be read: {error}") from error


def same_countdown(gold: str, answer: str) -> bool:
    """Judge an expression against {"numbers": […], "target": N}."""
    numbers, target = read_problem(gold)
    tokens = _tokens(answer)
    used = Counter(int(t) for t in tokens if t.isdigit())
    value, rest = _sum(tokens, 0, 0)
    if rest != len(tokens):
        raise Unreadable("the expression does not end where it should")
    return not used - numbers and value == target


def _tokens(answer: str) -> list[str]:
    if len(answer) > MAX_LENGTH:
        raise Limit("the expression is too long")
    for sign, plain in _SIGNS.items():
        answer = answer.replace(sign, f" {plain} " if sign[0] == "\\" else plain)
    answer = re.sub(r"\\(?:left|right|[bB]igg?[lr]?|[,;:! ])|[$]", " ", answer)
    answer = re.sub(r"\\d?frac\s*\{(\d+)\}\s*\{(\d+)\}", r"(\1/\2)", answer)
    answer = re.sub(
        r"\\(?:text|math)(?:bf|rm|it|tt)?(?![A-Za-z])|\\(?:boxed|displaystyle)(?![A-Za-z])|[{}]", " ", answer
    )
    tokens: list[str] = []
    position = 0
    while position < len(answer):
        match = _TOKEN.match(answer, position)
        if match is None:
            raise Unreadable(f"unexpected {answer[position : position + 10]!r} in an expression")
        tokens.append(match.group(1) or match.group(2))
        position = match.end()
    return tokens


def _sum(tokens: list[str], position: int, depth: int) -> tuple[Fraction, int]:
    value, position = _product(tokens, position, depth)
    while position < len(tokens) and tokens[position] in "+-":
        sign = tokens[position]
        term, position = _product(tokens, position + 1, depth)
        value = value + term if sign == "+" else value - term
    return value, position


def _product(tokens: list[str], position: int, depth: int) -> tuple[Fraction, int]:
    value, position = _factor(tokens, position, depth)
    while position < len(tokens) and tokens[position] in "*/":
        sign = tokens[position]
        factor, position = _factor(tokens, position + 1, depth)
        if sign == "/" and factor == 0:
            raise Unreadable("division by zero")
        value = value * factor if sign == "*" else value / factor
    return value, position


def _factor(tokens: list[str], position: int, depth: int) -> tuple[Fraction, int]:
    if position >= len(tokens):
        raise Unreadable("the expression ends too early")
    if depth > MAX_DEPTH:
        raise Limit(f"the expression is nested deeper than {MAX_DEPTH}")
    mark = tokens[position]
    if mark in ("-", "+"):
        value, position = _factor(tokens, position + 1, depth + 1)
        return (-value if mark == "-" else value), position
    if mark == "(":
        value, position = _sum(tokens, position + 1, depth + 1)
        if position >= len(tokens) or tokens[position] != ")":
            raise Unreadable("a parenthesis that is not closed")
        return value, position + 1
    if not mark.isdigit():
        raise Unreadable(f"unexpected {mark!r} in an expression")
    return Fraction(int(mark)), position + 1
