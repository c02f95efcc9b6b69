"""The SymPy side of symbolic checks. Runs only in a worker process; builds expressions from trees, never from text."""

from typing import Any

import sympy

from pipeline.verifiers.tree import Node

_FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth, "exp": sympy.exp, "ln": sympy.log, "sgn": sympy.sign,
    "binom": sympy.binomial, "Re": sympy.re, "Im": sympy.im,
}  # fmt: skip
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}


class Unsupported(Exception):
    """The tree holds something that has no counterpart in SymPy here."""


def build(node: Node) -> Any:
    """Turn a tree into a SymPy expression."""
    op = node.op
    if op == "num":
        return sympy.Rational(node.value)
    if op == "sym":
        return sympy.Symbol(str(node.value))
    if op == "const":
        return _CONSTANTS[str(node.value)]
    args = [build(arg) for arg in node.args]
    if op == "add":
        return sympy.Add(*args)
    if op in ("mul", "apply"):
        return sympy.Mul(*args)
    if op == "neg":
        return -args[0]
    if op == "div":
        return args[0] / args[1]
    if op == "pow":
        return args[0] ** args[1]
    return _named(node, args)


def _named(node: Node, args: list[Any]) -> Any:
    op = node.op
    if op == "root":
        return sympy.root(args[1], args[0])
    if op == "deg":
        return args[0] * sympy.pi / 180
    if op in ("abs", "floor", "ceil", "fact"):
        return {"abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "fact": sympy.factorial}[op](args[0])
    if op == "call" and node.value in _FUNCTIONS:
        return _FUNCTIONS[str(node.value)](*args)
    if op == "call" and node.value in ("logb", "log10"):
        return sympy.log(args[0], args[1] if node.value == "logb" else 10)
    raise Unsupported(f"{op} {node.value or ''}")


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
