"""Equality of two single values (numbers or expressions): exact, then modular, then numeric, then symbolic.

Raises Limit (or Undecided, from the worker) when it cannot be decided, Undefined when a side has no value.
"""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Final

from pipeline.verifiers.exact import rational
from pipeline.verifiers.modular import proved_equal
from pipeline.verifiers.numeric import numerically_equal
from pipeline.verifiers.tree import Node, number

_SYMMETRIC: Final = frozenset(["add", "mul", "set"])


class Undecided(Exception):
    """No method decided, or the verifier's own machinery failed: never counted as wrong."""


SymbolicCheck = Callable[[str, Node, Node], bool]


def fold(node: Node) -> Node:
    """Replace every part that has a rational value by that value, and sort the parts of sums and products."""
    value = rational(node) if node.op not in ("num", "sym", "const", "text", "seq", "set", "list") else None
    if value is not None:
        return number(value)
    if not node.args:
        return node
    args = [fold(arg) for arg in node.args]
    if node.op in _SYMMETRIC:
        args = sorted(flattened(node.op, args), key=render)
    return Node(node.op, tuple(args), node.value)


def flattened(op: str, args: list[Node]) -> list[Node]:
    """Lift the parts of a nested sum into the sum, of a nested product into the product."""
    out: list[Node] = []
    for arg in args:
        out += arg.args if arg.op == op and op != "set" else [arg]
    return out


def render(node: Node) -> str:
    """Write a tree as one unambiguous line."""
    if node.op == "num":
        return str(node.value) if _is_short(node.value) else hex(hash(node.value))
    head = node.op if node.value is None else f"{node.op}:{node.value}"
    if not node.args:
        return str(node.value) if node.op in ("sym", "const") else head
    return f"{head}({' '.join(map(render, node.args))})"


def _is_short(value: object) -> bool:
    return isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) < 10_000


def equal_values(left: Node, right: Node, symbolic: SymbolicCheck) -> bool:
    """Tell whether two arithmetic trees have the same value wherever both are defined."""
    a, b = fold(left), fold(right)
    if a == b:
        return True
    if (a.op == "num" and b.op == "num") or _mentions_infinity(a) or _mentions_infinity(b):
        return False
    rng = rng_of(a, b)
    proved = proved_equal(a, b, rng)
    if proved is None:
        proved = numerically_equal(a, b, rng)
    return symbolic("value", a, b) if proved is None else proved


def _mentions_infinity(node: Node) -> bool:
    return (node.op == "const" and node.value == "inf") or any(map(_mentions_infinity, node.args))


def rng_of(*nodes: Node) -> Random:
    """Return a random generator seeded by the trees themselves: the same question gets the same points."""
    text = "\x00".join(map(render, nodes))
    return Random(int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(), "big"))


def key_of(node: Node) -> str:
    """Return the canonical text of a value: equal rational values have equal texts."""
    return render(fold(node))
