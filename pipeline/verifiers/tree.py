"""The tree of a parsed answer. A node is plain data: nothing in it can be executed."""

from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

Scalar: TypeAlias = Fraction | str | None


class Node(NamedTuple):
    """One operation: what it is, its parts, and for leaves and named operations a value.

    op is num (value: Fraction), sym (name), const (pi, e, i, inf), add, mul, div, neg, pow, root (index, radicand),
    fact, abs, floor, ceil, call (function name), apply (symbol, argument: f(x) or x·(…)), pm, pct, deg, seq (value: the
    brackets), set, builder, list (value: what joins it), rel (value: the signs), union, inter, minus, matrix (rows),
    row, reals, empty, text, pending (value: an operator left to be worked out).
    """

    op: str
    args: tuple["Node", ...] = ()
    value: Scalar = None


ZERO: Final = Node("num", value=Fraction(0))
ONE: Final = Node("num", value=Fraction(1))
_ARITHMETIC_OPS: Final = "num sym const add mul div neg pow root fact abs floor ceil call apply deg pending"
ARITHMETIC: Final = frozenset(_ARITHMETIC_OPS.split())


def number(value: Fraction | int) -> Node:
    """Return the leaf of a rational number."""
    return Node("num", value=Fraction(value))


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the free symbols."""
    names: set[str] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current.op == "sym":
            names.add(str(current.value))
        stack.extend(current.args)
    return frozenset(names)


def operations(node: Node) -> set[str]:
    """Return every op in the tree; pending operators appear with their name, as "pending:int"."""
    found: set[str] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        found.add(f"pending:{current.value}" if current.op == "pending" else current.op)
        stack.extend(current.args)
    return found


def is_arithmetic(node: Node) -> bool:
    """Tell whether the tree is a single value: no relation, list, set or text anywhere in it."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.op not in ARITHMETIC:
            return False
        stack.extend(current.args)
    return True
