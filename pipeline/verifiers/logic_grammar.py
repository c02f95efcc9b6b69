"""The formulas of logic: ASCII, Unicode, LaTeX and words become one tree of plain data; nothing in it is executed.

Precedence, tightest first: - * + comparisons, not, and, xor, or, implies (to the right), iff. A quantifier with a dot
("forall x. …", also : and ,) reaches as far as it can, one without binds like not. Lengths and depth are capped.
"""

import re
from fractions import Fraction
from typing import Final

from pipeline.answers import normalise
from pipeline.verifiers.notation import Limit, Unreadable
from pipeline.verifiers.tree import Node

MAX_CHARACTERS: Final = 100_000
MAX_TOKENS: Final = 40_000
MAX_DEPTH: Final = 100
MAX_DIGITS: Final = 30

_SPELLINGS: Final = {
    "not": r"~ ! ¬ \neg \lnot",
    "and": r"& && ∧ \land \wedge",
    "or": r"| || ∨ \lor \vee",
    "xor": r"⊕ ⊻ \oplus \veebar",
    "implies": r"-> --> => ==> → ⇒ ⟶ ⟹ ⊃ \to \rightarrow \Rightarrow \longrightarrow \Longrightarrow \implies \supset",
    "iff": r"<-> <--> <=> <==> ↔ ⇔ ⟷ ⟺ ≡ \leftrightarrow \Leftrightarrow \longleftrightarrow \equiv \iff",
    "true": r"⊤ \top",
    "false": r"⊥ \bot",
    "forall": r"∀ \forall",
    "exists": r"∃ \exists",
    "=": "==",
    "!=": r"≠ \ne \neq",
    "<": r"\lt",
    ">": r"\gt",
    "<=": r"≤ \le \leq \leqslant",
    ">=": r"≥ \ge \geq \geqslant",
    "*": r"· × ⋅ \cdot \times",
    "(": "[",
    ")": "]",
    ".": ":",
}
_SIGNS: Final = {sign: mark for mark, signs in _SPELLINGS.items() for sign in signs.split()}
KEYWORDS: Final = frozenset(
    ["not", "and", "or", "xor", "implies", "iff", "true", "false", "forall", "exists", "distinct"]
)
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\\[,;:! ]|\\(?:q?quad|left|right|[bB]igg?[lr]?)(?![A-Za-z])|[$`]|\\[()\[\]])
    |(?P<number>[0-9]+)
    |(?P<word>[^\W\d]\w*'*)
    |(?P<sign>\\[A-Za-z]+|<-->|<==>|<->|<=>|-->|==>|->|=>|<=|>=|!=|==|&&|\|\||[-~!&|=<>+*()\[\].:,¬∧∨⊕⊻→⇒⟶⟹⊃↔⇔⟷⟺≡⊤⊥∀∃≠≤≥·×⋅])""",
    re.VERBOSE,
)
_UPRIGHT: Final = re.compile(r"\\(?:text|text[a-z]{2}|mathrm|mathit|mathbf|mathsf|mathtt|operatorname)\{([^{}]*)\}")
_SUBSCRIPT: Final = re.compile(r"\\?_\{(\w{1,40})\}|\\_")
_RELATIONS: Final = frozenset(["=", "!=", "<", ">", "<=", ">="])
_POWERS: Final = {"iff": 1, "implies": 2, "or": 3, "xor": 4, "and": 5, "+": 8, "-": 8, "*": 9} | dict.fromkeys(
    _RELATIONS, 7
)
_NOT_POWER: Final = 6
_END: Final = ""


def parse_formula(text: str) -> Node:
    """Read one formula. Raises Unreadable, and Limit where it is larger than the caps.

    op is sym, bound and app (value: the name), num, true, false, not, and, or, xor, implies, iff, eq, lt, le, add, mul,
    neg, distinct, forall and exists (value: the variable). and, or, xor, iff, add and mul have two or more parts.
    """
    reader = _Reader(_tokens(text))
    tree = reader.expression(0)
    if reader.mark != _END:
        raise Unreadable(f"unexpected {reader.mark!r} in a formula")
    _check(tree)
    return tree


def plain(text: str) -> str:
    """Return a text without upright LaTeX fonts, and with x_1 for every way to write that subscript. Raises Limit."""
    if len(text) > MAX_CHARACTERS:
        raise Limit(f"the text has more than {MAX_CHARACTERS} characters")
    return _SUBSCRIPT.sub(lambda m: f"_{m.group(1) or ''}", _UPRIGHT.sub(r"\1", normalise(text)))


def _tokens(text: str) -> list[str]:
    text = plain(text)
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(f"unexpected {text[position : position + 10]!r} in a formula")
        position = match.end()
        mark = match.group()
        if match.lastgroup == "sign":
            tokens.append(_SIGNS.get(mark, mark))
        elif match.lastgroup != "space":
            tokens.append(mark.casefold() if mark.casefold() in KEYWORDS else mark)
    if len(tokens) > MAX_TOKENS:
        raise Limit(f"the formula has more than {MAX_TOKENS} tokens")
    return tokens[:-1] if tokens[-1:] == ["."] else tokens


def _is_name(mark: str) -> bool:
    return mark not in KEYWORDS and (mark[:1].isalpha() or mark[:1] == "_")


class _Reader:
    """A position in the tokens, how deep the parser is, and the variables that are bound there."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.position, self.depth = tokens, 0, 0
        self.bound: list[str] = []

    @property
    def mark(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else _END

    def take(self) -> str:
        mark = self.mark
        self.position += 1
        return mark

    def expect(self, wanted: str) -> None:
        if (mark := self.take()) != wanted:
            raise Unreadable(f"expected {wanted!r} in a formula, found {mark or 'its end'!r}")

    def expression(self, power: int) -> Node:
        """Read operators that bind tighter than `power` (precedence climbing, Pratt 1973)."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Limit(f"the formula is nested deeper than {MAX_DEPTH}")
        left = self.prefix()
        while _POWERS.get(self.mark, 0) > power:
            left = self.infix(left)
        self.depth -= 1
        return left

    def infix(self, left: Node) -> Node:
        mark = self.mark
        power = _POWERS[mark]
        if mark == "implies":
            self.take()
            return Node("implies", (left, self.expression(power - 1)))
        if mark in _RELATIONS:
            return self.chain(left)
        parts = [left]
        while _POWERS.get(self.mark) == power:
            sign = self.take()
            part = self.expression(power)
            parts.append(Node("neg", (part,)) if sign == "-" else part)
        return Node({"+": "add", "-": "add", "*": "mul"}.get(mark, mark), tuple(parts))

    def chain(self, left: Node) -> Node:
        """Read a < b, or a chain a < b <= c, which says all of it."""
        links: list[Node] = []
        while self.mark in _RELATIONS:
            sign = self.take()
            right = self.expression(_POWERS[sign])
            links.append(_relation(sign, left, right))
            left = right
        return links[0] if len(links) == 1 else Node("and", tuple(links))

    def prefix(self) -> Node:
        mark = self.take()
        if mark == "(":
            inner = self.expression(0)
            self.expect(")")
            return inner
        if mark == "not":
            return Node("not", (self.expression(_NOT_POWER - 1),))
        if mark == "-":
            return Node("neg", (self.expression(_POWERS["*"]),))
        if mark in ("forall", "exists"):
            return self.quantified(mark)
        return self.distinct() if mark == "distinct" else self.leaf(mark)

    def leaf(self, mark: str) -> Node:
        if mark in ("true", "false"):
            return Node(mark)
        if mark.isdigit():
            if len(mark) > MAX_DIGITS:
                raise Limit(f"a number has more than {MAX_DIGITS} digits")
            return Node("num", value=Fraction(int(mark)))
        if not _is_name(mark):
            raise Unreadable(f"unexpected {mark or 'end'!r} in a formula")
        if mark in self.bound:
            return Node("bound", value=mark)
        return Node("app", self.arguments(), mark) if self.mark == "(" else Node("sym", value=mark)

    def distinct(self) -> Node:
        parts = self.arguments()
        if len(parts) < 2:
            raise Unreadable("distinct needs two parts or more")
        return Node("distinct", parts)

    def arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        parts = [self.expression(0)]
        while self.mark == ",":
            self.take()
            parts.append(self.expression(0))
        self.expect(")")
        return tuple(parts)

    def quantified(self, op: str) -> Node:
        names = [self.variable()]
        while self.mark == "," and self.tokens[self.position + 2 : self.position + 3] in ([","], ["."]):
            self.take()
            names.append(self.variable())
        if len(names) > MAX_DEPTH:
            raise Limit(f"more than {MAX_DEPTH} variables behind one quantifier")
        reaches_far = self.mark in (".", ",")
        if reaches_far:
            self.take()
        self.bound += names
        body = self.expression(0 if reaches_far else _NOT_POWER - 1)
        del self.bound[-len(names) :]
        for name in reversed(names):
            body = Node(op, (body,), name)
        return body

    def variable(self) -> str:
        if not _is_name(mark := self.take()):
            raise Unreadable("a quantifier without a variable")
        return mark


def _relation(sign: str, left: Node, right: Node) -> Node:
    if sign in ("=", "!="):
        equal = Node("eq", (left, right))
        return equal if sign == "=" else Node("not", (equal,))
    swapped = (right, left) if sign[0] == ">" else (left, right)
    return Node("le" if sign.endswith("=") else "lt", swapped)


def _check(tree: Node) -> None:
    """Refuse a tree that is too deep, and variables of which it is not plain whether a quantifier means them."""
    free: set[str] = set()
    used: set[str] = set()
    quantified: set[str] = set()
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise Limit(f"the formula is nested deeper than {MAX_DEPTH}")
        kinds = {"sym": free, "app": free, "bound": used, "forall": quantified, "exists": quantified}
        if node.op in kinds:
            kinds[node.op].add(str(node.value))
        stack += [(part, depth + 1) for part in node.args]
    if free & quantified:
        raise Unreadable(f"{min(free & quantified)} stands inside and outside of its quantifier")
    if quantified - used:
        raise Unreadable(f"nothing is said of {min(quantified - used)} behind its quantifier")
