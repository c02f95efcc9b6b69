"""Exact values: a tree is folded to one rational number where rational arithmetic alone gives its value.

No floating point. Powers, factorials and binomials are computed only below a size that is harmless; beyond it, Limit.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, comb, factorial, floor, isqrt
from typing import Final

from pipeline.verifiers.notation import Limit, Undefined
from pipeline.verifiers.tree import Node

MAX_BITS: Final = 200_000
MAX_FACTORIAL: Final = 3_000


def rational(node: Node) -> Fraction | None:
    """Return the value of a tree if it is rational by exact arithmetic, else None. Raises Undefined and Limit."""
    op = node.op
    if op == "num":
        return node.value if isinstance(node.value, Fraction) else None
    if op in ("sym", "const", "pending", "text"):
        return None
    if op == "call" and node.value != "binom":
        return None
    values = [rational(arg) for arg in node.args]
    known = [v for v in values if v is not None]
    return _combine(op, known) if len(known) == len(values) and known else None


def _combine(op: str, values: list[Fraction]) -> Fraction | None:
    operation = _OPERATIONS.get(op)
    return operation(values) if operation else None


def _product(values: list[Fraction]) -> Fraction:
    out = Fraction(1)
    for value in values:
        out *= value
        if out.numerator.bit_length() > MAX_BITS:
            raise Limit("a product is too large")
    return out


def _quotient(values: list[Fraction]) -> Fraction:
    if values[1] == 0:
        raise Undefined("division by zero")
    return values[0] / values[1]


def _root_of(values: list[Fraction]) -> Fraction | None:
    index, radicand = values
    return power(radicand, 1 / index) if index > 0 and index.denominator == 1 else None


def _factorial(values: list[Fraction]) -> Fraction | None:
    if values[0].denominator != 1 or values[0] < 0:
        return None
    if values[0] > MAX_FACTORIAL:
        raise Limit("a factorial is too large")
    return Fraction(factorial(values[0].numerator))


def _binomial(values: list[Fraction]) -> Fraction | None:
    top, bottom = values
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        return None
    small = min(bottom, top - bottom)
    if small > MAX_FACTORIAL or (small > 0 and top.numerator.bit_length() * small > MAX_BITS):
        raise Limit("a binomial coefficient is too large")
    return Fraction(comb(top.numerator, bottom.numerator))


def power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """Return base^exponent if it is rational; a negative base has its real root where the root's index is odd."""
    if base == 0:
        if exponent <= 0:
            raise Undefined("zero to the power of zero or less")
        return base
    index = exponent.denominator
    if index > 1:
        base_root = _root(base, index)
        if base_root is None:
            return None
        base = base_root
    times = exponent.numerator
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base) != 1 and size * abs(times) > MAX_BITS:
        raise Limit("a power is too large")
    if abs(base) == 1:
        times %= 2
    return base**times


def _root(base: Fraction, index: int) -> Fraction | None:
    if base < 0 and index % 2 == 0:
        return None
    parts = [_integer_root(abs(n), index) for n in (base.numerator, base.denominator)]
    if parts[0] is None or parts[1] is None:
        return None
    value = Fraction(parts[0], parts[1])
    return -value if base < 0 else value


def _integer_root(n: int, index: int) -> int | None:
    """Return the exact root of n, or None if it is no integer."""
    if n in (0, 1):
        return n
    if index > n.bit_length():
        return None
    if index == 2:
        root = isqrt(n)
        return root if root * root == n else None
    low, high = 1, 1 << (n.bit_length() // index + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**index <= n else (low, middle - 1)
    return low if low**index == n else None


_OPERATIONS: Final[dict[str, Callable[[list[Fraction]], Fraction | None]]] = {
    "add": lambda values: sum(values, Fraction(0)),
    "mul": _product,
    "apply": _product,
    "neg": lambda values: -values[0],
    "div": _quotient,
    "pow": lambda values: power(values[0], values[1]),
    "root": _root_of,
    "abs": lambda values: abs(values[0]),
    "floor": lambda values: Fraction(floor(values[0])),
    "ceil": lambda values: Fraction(ceil(values[0])),
    "fact": _factorial,
    "call": _binomial,
}
