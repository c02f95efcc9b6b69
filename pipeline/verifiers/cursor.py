"""The state of one parse: the tokens, the position, the depth, and how many bars |…| are open."""

from collections.abc import Callable
from typing import Final

from pipeline.verifiers.notation import Limit, Token, Unreadable
from pipeline.verifiers.tree import Node

MAX_DEPTH: Final = 40
_END: Final = Token("end", "", False)


class Cursor:
    """Walks over tokens. `primary` is the rule for atoms, given by the parser that puts the rules together."""

    def __init__(self, tokens: list[Token], primary: "Callable[[Cursor], Node]") -> None:
        self.tokens = tokens
        self.primary = primary
        self.position = 0
        self.depth = 0
        self.bars = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without taking it; beyond the last one, an empty token of kind "end"."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else _END

    def take(self) -> Token:
        """Return the next token and step over it."""
        token = self.peek()
        self.position += 1
        return token

    def at(self, *marks: str) -> bool:
        """Tell whether one of the marks stands here."""
        token = self.peek()
        return token.kind == "mark" and token.text in marks

    def accept(self, *marks: str) -> bool:
        """Step over one of the marks, if it stands here."""
        found = self.at(*marks)
        self.position += found
        return found

    def expect(self, mark: str) -> None:
        """Step over a mark that must stand here."""
        if not self.accept(mark):
            raise Unreadable(f"expected {mark!r}, found {self.peek().text[:20]!r}")

    def nested(self, rule: "Callable[[Cursor], Node]", bars: int | None = None) -> Node:
        """Apply a rule one level deeper; `bars` says how many |…| are open inside (None: as outside)."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Limit(f"the answer is nested deeper than {MAX_DEPTH}")
        outside = self.bars
        self.bars = outside if bars is None else bars
        node = rule(self)
        self.bars = outside
        self.depth -= 1
        return node
