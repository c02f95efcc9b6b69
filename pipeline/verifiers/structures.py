"""Comparison of what holds several values: tuples, sets, matrices, and members of any kind inside them."""

import re
from collections.abc import Callable
from typing import Final

from pipeline.verifiers.equality import fold, render
from pipeline.verifiers.intervals import EMPTY_WORDS, read_region, same_region
from pipeline.verifiers.naming import is_name, split_name, unnamed
from pipeline.verifiers.notation import Limit, Unreadable
from pipeline.verifiers.tree import Node, is_arithmetic, number

Equal = Callable[[Node, Node], bool]
MAX_PAIRS: Final = 2_500


def same_any(left: Node, right: Node, equal: Equal) -> bool:
    """Compare two members: values, tuples, sets, matrices, regions; different kinds are different."""
    if left.op == "seq" or right.op == "seq":
        same_brackets = left.op == right.op and left.value == right.value and len(left.args) == len(right.args)
        return same_brackets and all(same_any(a, b, equal) for a, b in zip(left.args, right.args, strict=True))
    if left.op == "matrix" or right.op == "matrix":
        return left.op == right.op and same_matrix(left, right, equal)
    if left.op in ("set", "empty") and right.op in ("set", "empty"):
        return same_members(list(left.args), list(right.args), equal)
    if left.op == "union" or right.op == "union":
        return same_region(read_region(left), read_region(right), equal)
    if is_arithmetic(left) and is_arithmetic(right):
        return equal(left, right)
    a, b = (n._replace(value=str(n.value).casefold()) if n.op == "text" else fold(n) for n in (left, right))
    return a == b


def same_members(left: list[Node], right: list[Node], equal: Equal) -> bool:
    """Compare two collections without order: equal texts first, the rest pair by pair."""
    a, b = ({render(f): f for f in map(fold, side)} for side in (left, right))
    rest_a, rest_b = ([node for key, node in one.items() if key not in other] for one, other in ((a, b), (b, a)))
    if len(rest_a) != len(rest_b):
        return False
    if all(n.op == "num" for n in rest_a + rest_b):
        return not rest_a
    if len(rest_a) * len(rest_b) > MAX_PAIRS:
        raise Limit("a set with too many members to compare")
    for node in rest_a:
        match = next((k for k, other in enumerate(rest_b) if same_any(node, other, equal)), None)
        if match is None:
            return False
        rest_b.pop(match)
    return True


def members(node: Node) -> list[Node]:
    """Return the members of a set, however it is written: braces, a bare list, ±, named roots, a union, no solution."""
    if node.op == "rel" and node.value == "∈" and is_name(node.args[0]) and len(node.args) == 2:
        return members(node.args[1])
    node = unnamed(node)
    if node.op == "empty" or (node.op == "text" and str(node.value).lower() in EMPTY_WORDS):
        return []
    if node.op == "set":
        return [m for arg in node.args for m in _signs(arg)]
    if node.op == "list":
        return _listed(node)
    if node.op == "union":
        if any(arg.op not in ("set", "empty") for arg in node.args):
            raise Unreadable("a union of something else than sets of values")
        return [m for arg in node.args for m in members(arg)]
    return _signs(node)


def _listed(node: Node) -> list[Node]:
    """Return the members of a bare list; where they have names, one name for all (x = 1, x = 2, or x_1 and x_2)."""
    names: set[str] = set()
    out: list[Node] = []
    for arg in node.args:
        name, value = split_name(arg)
        if name is not None and arg.op == "rel":
            names.add(re.split("[_^']", str(name.value))[0] if name.op == "sym" else render(name))
        out += _signs(value)
    if len(names) > 1:
        raise Unreadable("values of several names")
    return out


def _signs(node: Node) -> list[Node]:
    """Write a value with ± as its two values; anything else must be one member."""
    if node.op == "pm":
        if len(node.args) == 1:
            first, second = node.args[0], Node("neg", node.args)
        else:
            first, second = Node("add", node.args), Node("add", (node.args[0], Node("neg", (node.args[1],))))
        return [first, second]
    if node.op in ("mul", "div", "neg", "add") and any(arg.op == "pm" for arg in node.args):
        place = next(k for k, arg in enumerate(node.args) if arg.op == "pm")
        before, after = node.args[:place], node.args[place + 1 :]
        return [m for v in _signs(node.args[place]) for m in _signs(Node(node.op, (*before, v, *after), node.value))]
    if not is_arithmetic(node) and node.op not in ("seq", "matrix", "set", "empty", "text"):
        raise Unreadable("a member that is not a value")
    return [node]


def read_tuple(node: Node, question: str) -> tuple[Node, ...]:
    """Return the coordinates of (a, b), of <a, b>, of (x, y) = (a, b), of P(a, b), or of x = a, y = b."""
    if node.op == "list":
        return _coordinates(node, question)
    name, value = split_name(node)
    if value.op != "seq" or str(value.value) != "()":
        raise Unreadable("not a tuple")
    if name is not None and name.op == "seq":
        if len(name.args) != len(value.args):
            raise Unreadable("more names than values")
        return _ordered([str(n.value) for n in name.args], list(value.args), question)
    return value.args


def _coordinates(node: Node, question: str) -> tuple[Node, ...]:
    names, values = [], []
    for arg in node.args:
        name, value = split_name(arg)
        if name is None or name.op != "sym" or arg.op != "rel" or node.value == "or":
            raise Unreadable("a list is not a tuple")
        names.append(str(name.value))
        values.append(value)
    if len(set(names)) < len(names):
        raise Unreadable("one name with two values")
    return _ordered(names, values, question)


def _ordered(names: list[str], values: list[Node], question: str) -> tuple[Node, ...]:
    """Put named values in the order of their names, unless the question itself asks for this order."""
    asked = re.sub(r"[\s\\{}$]|left|right", "", question)
    if f"({','.join(names)})" in asked:
        return tuple(values)
    return tuple(value for _, value in sorted(zip(names, values, strict=True), key=lambda pair: pair[0]))


def same_matrix(left: Node, right: Node, equal: Equal) -> bool:
    """Compare entry by entry; the shape must be the same."""
    if [len(row.args) for row in left.args] != [len(row.args) for row in right.args]:
        return False
    pairs = zip(left.args, right.args, strict=True)
    return all(equal(a, b) for p, q in pairs for a, b in zip(p.args, q.args, strict=True))


def _scaled(factor: Node, matrix: Node) -> Node:
    rows = (Node("row", tuple(Node("mul", (factor, cell)) for cell in row.args)) for row in matrix.args)
    return Node("matrix", tuple(rows))


def read_matrix(node: Node) -> Node:
    """Return a matrix with rows of one length, from an environment, from [[1, 2], [3, 4]], or as a multiple of one."""
    node = unnamed(node)
    if node.op == "neg":
        return _scaled(number(-1), read_matrix(node.args[0]))
    if node.op == "mul" and node.args[-1].op == "matrix" and all(map(is_arithmetic, node.args[:-1])):
        return _scaled(Node("mul", node.args[:-1]), read_matrix(node.args[-1]))
    if node.op == "seq" and node.value == "[]" and all(arg.op == "seq" and arg.value == "[]" for arg in node.args):
        node = Node("matrix", tuple(Node("row", arg.args) for arg in node.args))
    if node.op != "matrix" or len({len(row.args) for row in node.args}) != 1:
        raise Unreadable("not a matrix")
    if not all(is_arithmetic(cell) for row in node.args for cell in row.args):
        raise Unreadable("a matrix entry that is not a value")
    return node
