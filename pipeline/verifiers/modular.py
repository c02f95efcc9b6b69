"""Proof by a prime field that two rational expressions are the same function: fast, and never wrong about "equal".

Irrational parts (roots, π, functions) count as unknowns of their own, so "not proved" says nothing about them.
The prime is larger than any coefficient the difference can have (the bound is computed), and the point is random.
"""

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Final

from pipeline.verifiers.exact import rational
from pipeline.verifiers.tree import Node

PRIMES: Final = tuple((1 << k) - 1 for k in (127, 521, 1279, 2203, 4423))
MAX_DEGREE: Final = 1_000_000
_RATIONAL_OPS: Final = frozenset(["num", "add", "mul", "apply", "neg", "div", "pow"])


def proved_equal(left: Node, right: Node, rng: Random) -> bool | None:
    """Return True if proved equal, False if proved different (no irrational parts), None if not proved.

    Schwartz-Zippel: a non-zero polynomial of degree d is zero at a random point of the field with probability
    at most d / p, here below 10^-30.
    """
    bits = _bits(left) + _bits(right)
    prime = next((p for p in PRIMES if p.bit_length() > bits + 2), None)
    if prime is None or _degree(left) + _degree(right) > MAX_DEGREE:
        return None
    atoms: dict[Node, int] = {}
    for _ in range(3):
        atoms.clear()
        try:
            a, b = (_value(side, prime, rng, atoms) for side in (left, right))
        except ZeroDivisionError:
            continue
        if a == b:
            return True
        return None if any(atom.op != "sym" for atom in atoms) else False
    return None


def _exponent(node: Node) -> int | None:
    value = rational(node.args[1])
    return value.numerator if value is not None and value.denominator == 1 else None


def _bits(node: Node) -> int:
    """Bound the size, in bits, of any coefficient of the numerator and denominator together."""
    if node.op == "num" and isinstance(node.value, Fraction):
        return node.value.numerator.bit_length() + node.value.denominator.bit_length()
    if node.op == "pow":
        exponent = _exponent(node)
        return 1 if exponent is None else abs(exponent) * (_bits(node.args[0]) + 1)
    if node.op not in _RATIONAL_OPS:
        return 1
    return sum(_bits(arg) + 1 for arg in node.args)


def _degree(node: Node) -> int:
    if node.op == "pow":
        exponent = _exponent(node)
        return 1 if exponent is None else abs(exponent) * _degree(node.args[0])
    if node.op in _RATIONAL_OPS:
        return sum(_degree(arg) for arg in node.args)
    return 1


def _value(node: Node, prime: int, rng: Random, atoms: dict[Node, int]) -> int:
    op = node.op
    if op == "num" and isinstance(node.value, Fraction):
        return node.value.numerator * pow(node.value.denominator, -1, prime) % prime
    exponent = _exponent(node) if op == "pow" else None
    if op not in _RATIONAL_OPS or (op == "pow" and exponent is None):
        return atoms.setdefault(node, rng.randrange(2, prime))
    values = [_value(arg, prime, rng, atoms) for arg in (node.args[:1] if op == "pow" else node.args)]
    if op == "pow":
        return _power(values[0], exponent or 0, prime)
    return _OPERATIONS[op](values, prime)


def _product(values: list[int], prime: int) -> int:
    out = 1
    for value in values:
        out = out * value % prime
    return out


_OPERATIONS: Final[dict[str, Callable[[list[int], int], int]]] = {
    "add": lambda values, prime: sum(values) % prime,
    "neg": lambda values, prime: -values[0] % prime,
    "div": lambda values, prime: values[0] * _inverse(values[1], prime) % prime,
    "mul": _product,
    "apply": _product,
}


def _inverse(value: int, prime: int) -> int:
    if value % prime == 0:
        raise ZeroDivisionError
    return pow(value, -1, prime)


def _power(base: int, exponent: int, prime: int) -> int:
    if exponent <= 0 and base == 0:
        raise ZeroDivisionError
    return pow(base, exponent, prime)
