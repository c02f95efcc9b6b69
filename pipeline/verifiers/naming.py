"""Names around a value: x = 42, f(x) = x^2 + 1, (x, y) = (1, 2), P(1, 2). One name and one equality sign, no more."""

import re
from collections.abc import Callable
from typing import Final

from pipeline.verifiers.tree import ONE, Node, is_arithmetic, symbols

_FUNCTION_LETTERS: Final = frozenset("fghpqyuvwrstFGHPQYSTAEVN")
_UNKNOWNS: Final = frozenset("xyntkm")  # |x| = 3 is an equation with two solutions, |AB| = 3 and |z| = 3 are values
_DENYING_WORDS: Final = """
not no never wrong false incorrect isnt isn't except maybe perhaps probably possibly about approximately roughly around
nearly almost guess unsure or nor either neither if than least most under over unless likely suppose
"""
_JUDGING_WORDS: Final = """
reward rewards score verdict judgement judgment grade graded grader correct correctness right true pass passed accepted
reference gold truth label key solved valid verified
"""
_DENIALS: Final = frozenset(f"{_DENYING_WORDS} {_JUDGING_WORDS}".split())
_LEAD_INS: Final = frozenset(
    ["answer", "the answer", "the answer is", "final answer", "the final answer", "the final answer is", "result"]
)
_LEAD_IN: Final = re.compile(
    r"\s*(?:\\(?:text|textbf|mathrm|mbox)\s*\{)?\s*(?:the\s{1,9})?(?:final\s{1,9})?answer\s{1,9}is(?![A-Za-z])"
    r"\s*:?[\s~]*(\})?",
    re.IGNORECASE,
)


def is_name(node: Node) -> bool:
    """Tell whether a tree is what a box may give a name to: x, x_1, AB, f(x), P(A), y', an angle, some plain words."""
    if node.op in _NAMES:
        return _NAMES[node.op](node)
    return node.op == "sym" or (node.op == "const" and node.value in ("e", "i"))


def _is_wording(node: Node) -> bool:
    """Tell whether a few plain words may name a value: Area, number of rolls; not a denial, not a verdict."""
    words = str(node.value).lower().split()
    return 0 < len(words) <= 4 and not _DENIALS & set(words) and all(w.isalpha() for w in words)


def _is_function_value(node: Node) -> bool:
    head, argument = node.args
    parts = argument.args if argument.op == "seq" else (argument,)
    if head.value == "n":  # n(A), the size of a set; n(n+1) and n(3) are products
        return argument.op == "sym" and str(argument.value).isupper()
    inner = all(p.op in ("sym", "num") or (p.op == "apply" and _is_function_value(p)) for p in parts)
    return str(head.value)[0] in _FUNCTION_LETTERS and inner


def _is_letters(node: Node) -> bool:
    """Tell whether a product is AB or ABCD, an inverse function f^{-1}(x), a measure m\\angle A, or E[X], Var(X)."""
    first, *rest = node.args
    if len(rest) == 1 and _is_inverse(first):
        return str(first.args[0].value) in _FUNCTION_LETTERS and rest[0].op in ("sym", "num")
    if not all(part.op == "sym" for part in rest) or len(rest) > 4:
        return False
    letters = "".join(str(part.value) for part in rest)
    if first.op == "text":
        return _is_wording(first) and letters.isupper()
    if first.value == "m":
        return "angle" in letters
    return first.op == "sym" and f"{str(first.value).removeprefix('field ')}{letters}".isupper()


_NAMES: Final[dict[str, Callable[[Node], bool]]] = {
    "text": _is_wording,
    "apply": _is_function_value,
    "mul": _is_letters,
    "abs": lambda node: is_name(node.args[0]) and node.args[0].value not in _UNKNOWNS,
    "pending": lambda node: node.value == "derivative",
    "seq": lambda node: all(part.op == "sym" for part in node.args),
    "matrix": lambda node: all(cell.op == "sym" for row in node.args for cell in row.args),
}


def _is_inverse(node: Node) -> bool:
    return node.op == "pow" and node.args[0].op == "sym" and node.args[1] == Node("neg", (ONE,))


def split_name(node: Node) -> tuple[Node | None, Node]:
    """Return the name and the value of `name = value` (either way round), or None and the node itself."""
    if node.op == "rel" and node.value == "=" and len(node.args) == 2:
        for name, value in (node.args, node.args[::-1]):
            if (
                (is_name(name) or (value.op == "matrix" and _is_inverse(name)))
                and not _base_names(name) & symbols(value)
                and value.op not in ("rel", "text")
                and not (name.op in ("seq", "matrix") and is_arithmetic(value))
            ):
                return name, value
    if node.op == "apply" and node.args[1].op == "seq" and len(node.args[1].args) > 1:
        return node.args[0], node.args[1]
    return None, node


def _base_names(name: Node) -> frozenset[str]:
    """Return the symbols that would make an equation of the naming: those of f(x) are only f."""
    if name.op == "mul" and _is_inverse(name.args[0]):
        return symbols(name.args[0])
    return symbols(name.args[0]) if name.op == "apply" else symbols(name) if name.op != "pending" else frozenset()


def unnamed(node: Node) -> Node:
    """Return the value without its name."""
    return split_name(node)[1]


def without_lead_in(text: str) -> str:
    r"""Drop "Answer:", "The answer is" or a lone equality sign in front of the answer inside a box."""
    lead_in = _LEAD_IN.match(text)
    if lead_in and text[lead_in.end() :].strip(" }.$"):
        rest = text[lead_in.end() :]
        return rest.removesuffix("}") if "{" in lead_in.group() and not lead_in.group(1) else rest
    stripped = text.strip()
    if stripped.startswith("=") and not stripped.startswith("=="):
        return stripped[1:]
    head, colon, rest = stripped.partition(":")
    words = " ".join(w for w in head.replace("\\text", " ").replace("{", " ").replace("}", " ").lower().split())
    if colon and words in _LEAD_INS and rest.strip(" }"):
        return rest.replace("}", "", rest.count("}") - rest.count("{")) if rest.count("}") > rest.count("{") else rest
    return text
