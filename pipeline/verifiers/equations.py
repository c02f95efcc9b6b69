"""Equations with the same solution set: sides swapped, terms moved, a constant multiple, expanded."""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from pipeline.verifiers.equality import SymbolicCheck, equal_values, fold, rng_of
from pipeline.verifiers.exact import rational
from pipeline.verifiers.notation import Undefined
from pipeline.verifiers.numeric import constant_value
from pipeline.verifiers.tree import ZERO, Node, is_arithmetic, number, operations, symbols

Equal = Callable[[Node, Node], bool]
_TRIES: Final = 8
_POLYNOMIAL: Final = frozenset(["num", "sym", "add", "mul", "apply", "neg", "div", "pow"])


def is_equation(node: Node) -> bool:
    """Tell whether a tree is one equality of two values."""
    return node.op == "rel" and node.value == "=" and len(node.args) == 2


def difference(node: Node) -> Node:
    """Return left side minus right side."""
    return Node("add", (node.args[0], Node("neg", (node.args[1],))))


def same_equation(left: Node, right: Node, symbolic: SymbolicCheck) -> bool:
    """Tell whether two equations hold for the same values of the same variables."""
    a, b = difference(left), difference(right)
    if symbols(a) != symbols(b) or not symbols(a):
        return False
    ratio = _ratio(a, b)
    if ratio is not None and equal_values(a, Node("mul", (ratio, b)), symbolic):
        return True
    if (operations(a) | operations(b)) - _POLYNOMIAL:
        return _holds_on(a, b) and _holds_on(b, a)
    return symbolic("equation", fold(a), fold(b))


def _holds_on(side: Node, other: Node) -> bool:
    """Tell whether the other side vanishes wherever this one does, by solving for a variable that stands linearly."""
    for name in sorted(symbols(side)):
        at_zero, at_one = (substitute(side, {name: number(k)}) for k in (0, 1))
        slope = Node("add", (at_one, Node("neg", (at_zero,))))
        point = {other_name: number(Fraction(k + 2, 7)) for k, other_name in enumerate(sorted(symbols(side)))}
        try:
            if not equal_values(slope, substitute(slope, point), _unproved):
                continue  # where the slope vanishes there may be more solutions
            if not equal_values(side, Node("add", (at_zero, Node("mul", (slope, Node("sym", value=name))))), _unproved):
                continue
            solution = Node("neg", (Node("div", (at_zero, slope)),))
            return equal_values(substitute(other, {name: solution}), ZERO, _unproved)
        except Undefined:
            continue
    return False


def _unproved(_kind: str, _left: Node, _right: Node) -> bool:
    return False


def is_inequality(node: Node) -> bool:
    """Tell whether a tree is one inequality of two values."""
    return node.op == "rel" and node.value in ("<", ">", "<=", ">=") and all(map(is_arithmetic, node.args))


def same_inequality(left: Node, right: Node, symbolic: SymbolicCheck) -> bool:
    """Tell whether two inequalities are the same up to sides, terms moved and a positive factor."""
    sides = [Node("rel", n.args[::-1]) if str(n.value)[0] == ">" else n for n in (left, right)]
    a, b = map(difference, sides)
    if symbols(a) != symbols(b) or len(str(left.value)) != len(str(right.value)):
        return False
    ratio = _ratio(a, b)
    size = None if ratio is None else constant_value(ratio)
    return size is not None and size > 0 and equal_values(a, Node("mul", (ratio or ZERO, b)), symbolic)


def _ratio(a: Node, b: Node) -> Node | None:
    """Return the quotient of the two at a point where neither is zero: the only constant that could join them."""
    rng = rng_of(fold(a), fold(b))
    names = sorted(symbols(a))
    for _ in range(_TRIES):
        point = {name: number(Fraction(rng.randint(1, 997), 7)) for name in names}
        try:
            values = [fold(substitute(side, point)) for side in (a, b)]
            sizes = [rational(v) if v.op == "num" else constant_value(v) for v in values]
        except Undefined:
            continue
        if all(size is not None and size != 0 for size in sizes):
            return Node("div", (values[0], values[1]))
    return None


def substitute(node: Node, point: dict[str, Node]) -> Node:
    """Put values in place of symbols."""
    if node.op == "sym":
        return point.get(str(node.value), node)
    return Node(node.op, tuple(substitute(arg, point) for arg in node.args), node.value) if node.args else node
