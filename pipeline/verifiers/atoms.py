"""The atoms of answers: numbers, words, commands, brackets, functions, matrices."""

from collections.abc import Callable
from typing import Final

from pipeline.verifiers.cursor import Cursor
from pipeline.verifiers.grammar import (
    exponent,
    flat_group,
    items,
    juxtaposed,
    postfix,
    power,
    raise_to,
    signed_power,
    starts_factor,
    sum_of_terms,
    times,
)
from pipeline.verifiers.notation import Token, Unreadable
from pipeline.verifiers.numerals import parse_number, parse_repeating
from pipeline.verifiers.tree import ONE, Node, number
from pipeline.verifiers.vocabulary import (
    CLOSES,
    DECORATIONS,
    DETERMINANTS,
    FUNCTIONS,
    GREEK,
    MATRICES,
    PENDING,
    RELATIONS,
    SAME_LETTER,
    WORD_CONSTANTS,
)

_MAX_EVENT: Final = 40
_EVENT_MARKS: Final = RELATIONS | {"|", "∩", "∪"}
_D: Final = Node("sym", value="d")


def primary(cursor: Cursor) -> Node:
    """Take one atom: whatever a power, a sign or a product can be made of."""
    token = cursor.take()
    if token.text in ("P", "Pr") and cursor.at("(") and (event := probability(cursor)) is not None:
        return event
    if token.kind in _BY_KIND:
        return _BY_KIND[token.kind](cursor, token)
    if token.text in _BY_MARK:
        return _BY_MARK[token.text](cursor)
    raise Unreadable(f"unexpected {token.text[:20]!r}" if token.text else "the answer ends too early")


def group(cursor: Cursor) -> Node:
    """Take the rest of a group in braces."""
    node = cursor.nested(whole, bars=0)
    cursor.expect("}")
    return node


def whole(cursor: Cursor) -> Node:
    """Take all that a group, or the answer, holds: a list, or the two halves of \\over or \\choose."""
    node = items(cursor)
    infix = cursor.peek()
    if infix.kind != "command" or infix.text not in ("over", "choose"):
        return node
    cursor.position += 1
    below = items(cursor)
    return Node("div", (node, below)) if infix.text == "over" else Node("call", (node, below), "binom")


def bracketed(cursor: Cursor, opening: str) -> Node:
    before = cursor.tokens[cursor.position - 2].text if cursor.position > 1 else ""
    node = cursor.nested(items, bars=0)
    closing = cursor.take().text
    if closing not in (")", "]"):
        raise Unreadable("a bracket that is not closed")
    if node.op == "list":
        if node.value != ",":
            raise Unreadable("words inside brackets")
        return Node("seq", node.args, opening + closing)
    if opening + closing == "[]" and node.op in ("seq", "matrix"):
        return Node("seq", (node,), "[]") if node.op == "seq" else node
    if closing != CLOSES[opening]:
        raise Unreadable("brackets that do not match")
    if opening == "[" and cursor.depth == 0 and cursor.position == len(cursor.tokens):
        return Node("seq", (node,), "[]")  # [42] is a list, not a number
    if opening == "[" and before in ("[", ",") and cursor.at("]", ","):
        return Node("seq", (node,), "[]")  # a row of one entry
    return node


def set_braces(cursor: Cursor) -> Node:
    if cursor.accept("set}"):
        return Node("empty")
    node = cursor.nested(items, bars=1)  # a bar after the first part is "such that", not an absolute value
    if cursor.accept("|", ":"):
        condition = cursor.nested(items, bars=0)
        cursor.expect("set}")
        return Node("builder", (node, condition))
    cursor.expect("set}")
    return Node("set", node.args if node.op == "list" else (node,))


def bar(cursor: Cursor) -> Node:
    node = cursor.nested(sum_of_terms, bars=1)
    cursor.expect("|")
    return Node("pending", (node,), "det") if node.op == "matrix" else Node("abs", (node,))


def word(cursor: Cursor, token: Token) -> Node:
    text = token.text
    if text in WORD_CONSTANTS:
        return Node("const", value=WORD_CONSTANTS[text])
    if text in ("sqrt", "cbrt"):
        return Node("root", (number(2 if text == "sqrt" else 3), argument(cursor)))
    if text in PENDING and cursor.peek().text in ("(", "{", "set{", "[", "_"):
        raise Unreadable(f"{text} is left to be worked out")
    for name in (text, text[:-1]):  # sin, sinx
        if name in FUNCTIONS:
            if name != text:
                cursor.position -= 1
                cursor.tokens[cursor.position] = Token("word", text[-1], False)
            return function(cursor, name)
    names_value = _is_capitalised(text) and cursor.at("=")  # Area = 42
    if token.kind == "word" and 1 < len(text) <= 4 and text.isalpha() and not names_value:
        node = _letter(text[0])
        for letter in text[1:-1]:
            node = times(node, _letter(letter))
        return times(node, postfix_letter(cursor, text[-1]))
    return _letter(text) if len(text) == 1 else Node("text", value=text)


def probability(cursor: Cursor) -> Node | None:
    """Take the event of P(X = 2) or P(A | B) as part of one name, where an equality sign follows; else None."""
    event: list[Token] = []
    depth = 1
    while depth and len(event) < _MAX_EVENT:
        event.append(cursor.peek(len(event)))
        depth = sum((t.text == "(") - (t.text == ")") for t in event)
    named = cursor.peek(len(event)).text == "=" and any(t.kind == "text" or t.text in _EVENT_MARKS for t in event)
    if depth or not named:
        return None
    cursor.position += len(event)
    return Node("sym", value=f"P{''.join(t.text for t in event)}")


def _is_capitalised(text: str) -> bool:
    """Tell whether letters are a written word, Area or Sum, and no product such as Bxy."""
    return len(text) > 2 and text.istitle() and not frozenset("aeiou").isdisjoint(text[1:])


def postfix_letter(cursor: Cursor, letter: str) -> Node:
    """Apply ^ and _ after a run of letters to its last letter only."""
    node = postfix(cursor, _letter(letter))
    return raise_to(cursor, node) if cursor.accept("^") else node


def command(cursor: Cursor, token: Token) -> Node:
    """Take what a command stands for."""
    name = token.text
    if name in _BY_COMMAND:
        return _BY_COMMAND[name](cursor)
    if name in GREEK:
        return Node("sym", value=SAME_LETTER.get(name, name))
    if name in FUNCTIONS:
        return function(cursor, name)
    if name in DECORATIONS:
        return Node("sym", value=f"{name} {flat_group(cursor)}")
    if name in PENDING:
        return pending(cursor, name)
    raise Unreadable(f"unknown command \\{name[:20]}")


def argument(cursor: Cursor) -> Node:
    """Take the argument of a command: a group, or exactly one character as TeX does."""
    token = cursor.peek()
    if token.kind == "number" and len(token.text) > 1:
        if not token.text.isdigit() or len(token.text) > 2 or cursor.tokens[cursor.position - 1].text != "frac":
            raise Unreadable("digits without braces after a command")
        cursor.tokens[cursor.position : cursor.position + 1] = [Token("number", c, False) for c in token.text]
    return cursor.nested(cursor.primary)


def fraction(cursor: Cursor) -> Node:
    """Take a fraction; d/dx and dy/dx are derivatives, left to be worked out."""
    top, bottom = argument(cursor), argument(cursor)
    if _is_differential(bottom) and (_is_differential(top) or _without_power(top) == _D):
        return Node("pending", (top, bottom), "derivative")
    return Node("div", (top, bottom))


def _is_differential(node: Node) -> bool:
    return node.op == "mul" and _without_power(node.args[0]) == _D


def _without_power(node: Node) -> Node:
    return node.args[0] if node.op == "pow" else node


def radical(cursor: Cursor, name: str) -> Node:
    index = number({"sqrt": 2, "cbrt": 3, "qdrt": 4}[name])
    if name == "sqrt" and cursor.accept("["):
        index = cursor.nested(sum_of_terms)
        cursor.expect("]")
    return Node("root", (index, argument(cursor)))


def rounded(cursor: Cursor, name: str) -> Node:
    node = cursor.nested(sum_of_terms)
    if cursor.take().text != {"lfloor": "rfloor", "lceil": "rceil"}[name]:
        raise Unreadable("a rounding bracket that is not closed")
    return Node(name[1:], (node,))


def angled(cursor: Cursor) -> Node:
    node = cursor.nested(items)
    if cursor.take().text != "rangle":
        raise Unreadable("an angle bracket that is not closed")
    return Node("seq", node.args if node.op == "list" else (node,), "()")


def field(cursor: Cursor) -> Node:
    name = flat_group(cursor)
    if name == "R":
        return Node("reals")
    event = probability(cursor) if name == "P" and cursor.at("(") else None
    return event or Node("sym", value=f"field {name}")


def pending(cursor: Cursor, name: str) -> Node:
    """Take all that follows: an operator that is left to be worked out has no parts we need."""
    rest = tuple(Node("text", value=f"{t.kind}:{t.text}") for t in cursor.tokens[cursor.position :])
    cursor.position = len(cursor.tokens)
    return Node("pending", rest, name)


def function(cursor: Cursor, name: str) -> Node:
    """Take what a function is applied to: sin x, sin^2 x, sin^{-1} x, log_2 8."""
    name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}.get(name, name)
    raised: Node | None = None
    base: Node | None = None
    for _ in range(2):
        if cursor.accept("^"):
            raised = exponent(cursor)
        elif cursor.accept("_"):
            base = argument(cursor)
    applied = function_argument(cursor)
    if base is not None and name != "log":
        raise Unreadable("a subscript on a function")
    node = Node("call", (applied,), name) if base is None else Node("call", (applied, base), "logb")
    if raised != Node("neg", (ONE,)):
        return node if raised is None else Node("pow", (node, raised))
    if name not in ("sin", "cos", "tan", "cot", "sec", "csc"):
        raise Unreadable("an inverse function")
    return Node("call", (applied,), f"arc{name}")


def function_argument(cursor: Cursor) -> Node:
    """Take a bracket, or the factors up to the next sign, bracket or function: sin 2x cos x is a product."""
    if cursor.at("(", "{", "["):
        return cursor.nested(primary)
    if cursor.at("-"):
        return cursor.nested(signed_power)
    node = cursor.nested(power)
    while starts_factor(cursor) and not starts_function(cursor) and not cursor.at("("):
        node = juxtaposed(cursor, node)
    return node


def starts_function(cursor: Cursor) -> bool:
    token = cursor.peek()
    return token.text in FUNCTIONS or token.text in PENDING


def environment(cursor: Cursor) -> Node:
    name = flat_group(cursor)
    if name == "array" and cursor.at("{"):
        flat_group(cursor)
    if name.endswith("*") and cursor.accept("["):
        while not cursor.accept("]"):
            if cursor.take().kind == "end":
                raise Unreadable("a matrix that does not end")
    if name not in MATRICES | DETERMINANTS:
        raise Unreadable(f"unknown environment {name[:20]!r}")
    rows: list[Node] = []
    while cursor.peek().text != "end":
        rows.append(row(cursor))
        if not cursor.accept("\\\\"):
            break
    if cursor.take().text != "end" or flat_group(cursor) != name:
        raise Unreadable("a matrix that does not end")
    node = Node("matrix", tuple(rows))
    return Node("pending", (node,), "det") if name in DETERMINANTS else node


def row(cursor: Cursor) -> Node:
    cells = [cursor.nested(sum_of_terms)]
    while cursor.accept("&"):
        cells.append(cursor.nested(sum_of_terms))
    return Node("row", tuple(cells))


def _letter(letter: str) -> Node:
    return Node("const", value=letter) if letter in "ei" else Node("sym", value=letter)


_BY_KIND: Final[dict[str, Callable[[Cursor, Token], Node]]] = {
    "number": lambda _cursor, token: number(parse_number(token.text)),
    "repeating": lambda _cursor, token: number(parse_repeating(token.text)),
    "word": word,
    "text": word,
    "command": command,
}
_BY_MARK: Final[dict[str, Callable[[Cursor], Node]]] = {
    "(": lambda cursor: bracketed(cursor, "("),
    "[": lambda cursor: bracketed(cursor, "["),
    "{": group,
    "set{": set_braces,
    "|": bar,
    "∞": lambda _cursor: Node("const", value="inf"),
    "∅": lambda _cursor: Node("empty"),
}
_BY_COMMAND: Final[dict[str, Callable[[Cursor], Node]]] = {
    "pi": lambda _cursor: Node("const", value="pi"),
    "R": lambda _cursor: Node("reals"),
    "frac": fraction,
    "binom": lambda cursor: Node("call", (argument(cursor), argument(cursor)), "binom"),
    "sqrt": lambda cursor: radical(cursor, "sqrt"),
    "cbrt": lambda cursor: radical(cursor, "cbrt"),
    "qdrt": lambda cursor: radical(cursor, "qdrt"),
    "lfloor": lambda cursor: rounded(cursor, "lfloor"),
    "lceil": lambda cursor: rounded(cursor, "lceil"),
    "begin": environment,
    "langle": angled,
    **dict.fromkeys(("mathbb", "Bbb", "mathds"), field),
}
