"""The SymPy side of symbolic checks. Runs only in a worker process; builds expressions from trees, never from text."""

from collections.abc import Callable
from typing import Any

import sympy

from pipeline.verifiers.tree import Node

_FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth, "exp": sympy.exp, "ln": sympy.log, "sgn": sympy.sign,
    "binom": sympy.binomial, "Re": sympy.re, "Im": sympy.im,
    "logb": sympy.log, "log10": lambda a: sympy.log(a, 10),
}  # fmt: skip
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}


class Unsupported(Exception):
    """The tree holds something that has no counterpart in SymPy here."""


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": sympy.Add,
    "mul": sympy.Mul,
    "apply": sympy.Mul,
    "neg": lambda a: -a,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "root": lambda index, a: sympy.root(a, index),
    "deg": lambda a: a * sympy.pi / 180,
    "abs": sympy.Abs,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "fact": sympy.factorial,
}
_LEAVES: dict[str, Callable[[Any], Any]] = {
    "num": sympy.Rational,
    "sym": lambda value: sympy.Symbol(str(value)),
    "const": lambda value: _CONSTANTS[str(value)],
}


def build(node: Node) -> Any:
    """Turn a tree into a SymPy expression."""
    if node.op in _LEAVES:
        return _LEAVES[node.op](node.value)
    operation = _FUNCTIONS.get(str(node.value)) if node.op == "call" else _OPERATIONS.get(node.op)
    if operation is None:
        raise Unsupported(f"{node.op} {node.value or ''}")
    return operation(*map(build, node.args))


def decide(kind: str, left: Node, right: Node) -> bool | None:
    """Decide whether two values are equal ("value"), or two functions have the same zeros ("equation")."""
    a, b = build(left), build(right)
    if kind == "equation":
        return _same_zeros(a, b)
    difference = sympy.simplify(a - b)
    if difference == 0:
        return True
    verdict = difference.equals(0)
    return verdict if isinstance(verdict, bool) else None


def _same_zeros(a: Any, b: Any) -> bool:
    """Compare the square-free parts of the numerators: polynomials with equal ones have the same zeros."""
    parts = []
    for side in (a, b):
        top = sympy.numer(sympy.together(side))
        if not top.is_polynomial(*top.free_symbols) or not top.free_symbols:
            return False
        parts.append(sympy.Poly(top, *sorted(top.free_symbols, key=str)).sqf_part().monic())
    return bool(parts[0].gens == parts[1].gens and (parts[0] - parts[1]).is_zero)
