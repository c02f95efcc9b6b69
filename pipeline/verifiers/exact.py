"""Exact values: a tree is folded to one rational number where rational arithmetic alone gives its value.

No floating point. Powers, factorials and binomials are computed only below a size that is harmless; beyond it, Limit.
"""

from fractions import Fraction
from math import comb, factorial, isqrt
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
    first = values[0]
    if op == "add":
        return sum(values, Fraction(0))
    if op in ("mul", "apply"):
        return _product(values)
    if op == "neg":
        return -first
    if op == "div":
        if values[1] == 0:
            raise Undefined("division by zero")
        return first / values[1]
    if op == "pow":
        return power(first, values[1])
    if op == "root":
        return power(values[1], 1 / first) if first > 0 and first.denominator == 1 else None
    return _integer_function(op, values)


def _product(values: list[Fraction]) -> Fraction:
    out = Fraction(1)
    for value in values:
        out *= value
        if out.numerator.bit_length() > MAX_BITS:
            raise Limit("a product is too large")
    return out


def _integer_function(op: str, values: list[Fraction]) -> Fraction | None:
    first = values[0]
    if op == "abs":
        return abs(first)
    if op == "floor":
        return Fraction(first.numerator // first.denominator)
    if op == "ceil":
        return Fraction(-(-first.numerator // first.denominator))
    if op == "fact":
        if first.denominator != 1 or first < 0:
            return None
        if first > MAX_FACTORIAL:
            raise Limit("a factorial is too large")
        return Fraction(factorial(first.numerator))
    if op == "call":
        return _binomial(*values)
    return None


def _binomial(top: Fraction, bottom: Fraction) -> Fraction | None:
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
