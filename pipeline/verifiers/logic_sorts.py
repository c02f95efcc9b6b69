"""What the names of formulas stand for (truth values, integers, elements), and the value of a formula in a model.

Sorts are inferred from use, over all formulas of a problem together; what has no use of its own is an element. A bound
variable is always an element: of the declared domain, or of some non-empty set where none is declared.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any, Final

from pipeline.verifiers.notation import Unreadable
from pipeline.verifiers.tree import Node

BOOL, INT, ELEMENT = "bool", "int", "element"
Value = bool | int | str
Signatures = dict[str, list[str]]
_CONNECTIVES: Final = frozenset(["not", "and", "or", "xor", "implies", "iff", "forall", "exists"])
_INTEGERS: Final = frozenset(["lt", "le", "add", "mul", "neg"])
_SORT: Final = -1
_BOOL, _INT, _ELEMENT = ((sort, _SORT) for sort in (BOOL, INT, ELEMENT))


class _Sorts:
    """Classes of places that must have one sort (union-find); a place is a sort, or a name and an argument."""

    def __init__(self) -> None:
        self.parents: dict[tuple[str, int], tuple[str, int]] = {}
        self.arity: dict[str, int] = {}

    def root(self, place: tuple[str, int]) -> tuple[str, int]:
        while (parent := self.parents.get(place, place)) != place:
            self.parents[place] = self.parents.get(parent, parent)
            place = parent
        return place

    def join(self, left: tuple[str, int], right: tuple[str, int], node: Node) -> None:
        a, b = self.root(left), self.root(right)
        if a[1] == _SORT and b[1] == _SORT and a != b:
            raise Unreadable(f"{node.value or node.op} is used as {a[0]} and as {b[0]}")
        if a[1] == _SORT:
            a, b = b, a
        self.parents[a] = b

    def of(self, node: Node) -> tuple[str, int]:
        """Return the place of a node's own value; on the way, join what its parts demand."""
        parts = [self.of(part) for part in node.args]
        if node.op in ("sym", "app"):
            return self.of_name(node, parts)
        if node.op == "bound":
            return _ELEMENT
        wanted = _BOOL if node.op in _CONNECTIVES else _INT if node.op in _INTEGERS else None
        for index, part in enumerate(parts):
            self.join(wanted or parts[0], part, node.args[index])
        return _INT if node.op in ("num", "add", "mul", "neg") else _BOOL

    def of_name(self, node: Node, parts: Sequence[tuple[str, int]]) -> tuple[str, int]:
        name = str(node.value)
        if self.arity.setdefault(name, len(parts)) != len(parts):
            raise Unreadable(f"{name} is used with {self.arity[name]} and with {len(parts)} arguments")
        for index, part in enumerate(parts, 1):
            self.join((name, index), part, node)
        return name, 0


def signatures(formulas: Iterable[Node], declared: Mapping[str, Sequence[str]]) -> Signatures:
    """Return for each name the sorts of its arguments and, last, of its value. Raises Unreadable where two clash.

    `declared` holds signatures that are fixed, whether or not a formula uses their names.
    """
    sorts = _Sorts()
    for name, signature in declared.items():
        sorts.arity[name] = len(signature) - 1
        for index, sort in enumerate(signature, 1):
            sorts.join((name, index % len(signature)), (sort, _SORT), Node("sym", value=name))
    for formula in formulas:
        sorts.join(sorts.of(formula), _BOOL, Node("sym", value="a formula"))
    found: Signatures = {}
    for name, arity in sorts.arity.items():
        roots = [sorts.root((name, index)) for index in (*range(1, arity + 1), 0)]
        found[name] = [root[0] if root[1] == _SORT else ELEMENT for root in roots]
    return found


def evaluate(node: Node, values: Mapping[str, Value]) -> Value:
    """Return the value of a formula without quantifiers and predicates, all of whose names have values; exact."""
    if node.op == "sym":
        return values[str(node.value)]
    if node.op == "num":
        return int(Fraction(node.value or 0))
    return _OPERATIONS[node.op]([evaluate(part, values) for part in node.args])


_OPERATIONS: Final[dict[str, Callable[[list[Any]], Value]]] = {
    "true": lambda _: True,
    "false": lambda _: False,
    "not": lambda parts: not parts[0],
    "and": all,
    "or": any,
    "implies": lambda parts: not parts[0] or parts[1],
    "xor": lambda parts: reduce(operator.xor, parts),
    "iff": lambda parts: reduce(operator.eq, parts),
    "eq": lambda parts: parts[0] == parts[1],
    "distinct": lambda parts: len(set(parts)) == len(parts),
    "lt": lambda parts: parts[0] < parts[1],
    "le": lambda parts: parts[0] <= parts[1],
    "add": sum,
    "mul": prod,
    "neg": lambda parts: -parts[0],
}
