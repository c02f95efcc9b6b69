"""The types a gold without a declared type may be read as.

Usually one; several where the gold is ambiguous, (1, 2) may be a point or an interval. What cannot be read is a text.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pipeline.verifiers.bases import based_digits
from pipeline.verifiers.intervals import read_region
from pipeline.verifiers.naming import split_name, unnamed
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, tokenise, visible
from pipeline.verifiers.parsing import parse, parse_tokens
from pipeline.verifiers.tree import Node, is_arithmetic, operations, symbols
from pipeline.verifiers.units import read_quantity


def read_percentage(text: str) -> tuple[Node, bool]:
    """Return the number of a percentage, and whether it has a percent sign or the word."""
    tokens = tokenise(text)
    words = [t.text.lower() for t in tokens[-2:]]
    signs = 1 if words[-1:] in (["%"], ["percent"], ["per cent"]) else 2 if words == ["per", "cent"] else 0
    node = unnamed(parse_tokens(tokens[: len(tokens) - signs]))
    if not is_arithmetic(node):
        raise Unreadable("not a single value")
    return node, bool(signs)


def _is_percentage(text: str) -> bool:
    try:
        return read_percentage(text)[1]
    except (Unreadable, Limit, Undefined):
        return False


def _is_quantity(text: str) -> bool:
    """Tell whether a text is a number with a unit, or with upright or long words (6\\text{ apples}, not 6 ab)."""
    try:
        counted = any(t.kind == "text" or (t.kind == "word" and len(t.text) > 4) for t in tokenise(text)[1:])
        quantity = read_quantity(text, strict=True, opaque=counted)
    except (Unreadable, Limit, Undefined):
        return False
    return quantity.unit is not None and not symbols(quantity.value)


def _is_word(text: str) -> bool:
    """Tell a word from a product of letters: three or more, one a vowel, not in the alphabet's order (abc, xyz)."""
    return re.fullmatch(r"(?=.*[aeiouy])[a-z]{3,}", text) is not None and list(text) != sorted(set(text))


@lru_cache(maxsize=8192)
def inferred_types(gold: str) -> tuple[str, ...]:
    """Return the types a gold without a declared type may be read as: usually one, several where it is ambiguous."""
    for types, fits in _BY_TEXT.items():
        if fits(gold):
            return types
    try:
        return _types_of(parse(gold))
    except (Unreadable, Undefined):
        return ("string",)


_BY_TEXT: Final[dict[tuple[str, ...], Callable[[str], object]]] = {
    ("base",): lambda gold: based_digits(gold) is not None,
    ("percent",): _is_percentage,
    ("choice", "expression"): lambda gold: re.fullmatch(r"\(?[A-Z]\)?", visible(gold)),
    ("boolean",): lambda gold: visible(gold).lower() in ("true", "false", "yes", "no"),
    ("string",): lambda gold: _is_word(visible(gold).lower()),
    ("quantity",): _is_quantity,
}


def _types_of(node: Node) -> tuple[str, ...]:
    name, value = split_name(node)
    if name is not None and not (node.op == "rel" and symbols(value) and name.op == "sym"):
        node = value
    if node.op == "seq":
        return ("tuple", "interval")[: len(node.args)] if node.value == "()" else ("interval", "members")
    if node.op == "rel":
        return ("equation",) if node.value == "=" else ("interval",) if _is_solved(node) else ("inequality",)
    if node.op == "union" and all(arg.op == "set" for arg in node.args):
        return ("set",)
    if node.op == "list" and len({split_name(arg)[0] for arg in node.args} - {None}) == len(node.args) > 1:
        return ("tuple",)
    if is_arithmetic(node):
        return ("expression",) if symbols(node) or operations(node) - {"num", "neg", "div"} else ("rational",)
    return _BY_SHAPE.get(node.op, ("string",))


def _is_solved(node: Node) -> bool:
    try:
        read_region(node)
    except Unreadable:
        return False
    return True


_BY_SHAPE: Final[dict[str, tuple[str, ...]]] = {
    "list": ("set", "interval"),
    **dict.fromkeys(("set", "empty", "pm"), ("set",)),
    **dict.fromkeys(("union", "inter", "minus", "reals", "builder"), ("interval",)),
    "matrix": ("matrix",),
}
