"""Names around a value: x = 42, f(x) = x^2 + 1, (x, y) = (1, 2), P(1, 2). One name and one equality sign, no more."""

from collections.abc import Callable
from typing import Final

from pipeline.verifiers.tree import ONE, Node, symbols

_FUNCTION_LETTERS: Final = frozenset("fghpqyuvwrstFGHPQYSTAEVN")
_DENYING_WORDS: Final = """
not no never wrong false incorrect isnt isn't except maybe perhaps probably possibly about approximately roughly around
nearly almost guess unsure or nor either neither if than least most under over unless likely suppose
"""
_DENIALS: Final = frozenset(_DENYING_WORDS.split())
_LEAD_INS: Final = frozenset(
    ["answer", "the answer", "the answer is", "final answer", "the final answer", "the final answer is", "result"]
)


def is_name(node: Node) -> bool:
    """Tell whether a tree is what a box may give a name to: x, x_1, AB, f(x), P(A), y', an angle, some plain words."""
    if node.op in _NAMES:
        return _NAMES[node.op](node)
    return node.op == "sym" or (node.op == "const" and node.value in ("e", "i"))


def _is_wording(node: Node) -> bool:
    words = str(node.value).lower().split()
    return 0 < len(words) <= 4 and not _DENIALS & set(words) and all(w.isalpha() for w in words)


def _is_function_value(node: Node) -> bool:
    head, argument = node.args
    parts = argument.args if argument.op == "seq" else (argument,)
    return str(head.value)[0] in _FUNCTION_LETTERS and all(p.op in ("sym", "num") for p in parts)


def _is_letters(node: Node) -> bool:
    """Tell whether a product is a segment such as AB, or the value of an inverse function, f^{-1}(x)."""
    first, second = node.args[:2]
    if len(node.args) > 2 or second.op != "sym":
        return False
    return _is_inverse(first) or (first.op == "sym" and f"{first.value}{second.value}".isupper())


_NAMES: Final[dict[str, Callable[[Node], bool]]] = {
    "text": _is_wording,
    "apply": _is_function_value,
    "mul": _is_letters,
    "abs": lambda node: is_name(node.args[0]),
    "pending": lambda node: node.value == "derivative",
    "seq": lambda node: all(part.op == "sym" for part in node.args),
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
    r"""Drop "Answer:" or "The answer is" in front of the answer inside a box."""
    stripped = text.strip()
    head, colon, rest = stripped.partition(":")
    words = " ".join(w for w in head.replace("\\text", " ").replace("{", " ").replace("}", " ").lower().split())
    if colon and words in _LEAD_INS and rest.strip(" }"):
        return rest.replace("}", "", rest.count("}") - rest.count("{")) if rest.count("}") > rest.count("{") else rest
    return text
