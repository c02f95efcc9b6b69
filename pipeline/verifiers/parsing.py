"""From text to tree. Raises Unreadable for what is not an answer and Limit for what is too large or too deep."""

from functools import lru_cache
from typing import Final

from pipeline.verifiers.atoms import primary, whole
from pipeline.verifiers.cursor import Cursor
from pipeline.verifiers.notation import Token, Unreadable, tokenise
from pipeline.verifiers.tree import Node

MAX_REMEMBERED: Final = 200  # a tree takes a thousand times the memory of its text


def parse(text: str, join_thousands: bool = True) -> Node:
    """Parse a whole answer. The result may be a value, a list, a relation, a set, an interval, a matrix."""
    return (_remembered if len(text) <= MAX_REMEMBERED else _parsed)(text, join_thousands)


def _parsed(text: str, join_thousands: bool) -> Node:
    return parse_tokens(tokenise(text, join_thousands=join_thousands))


_remembered = lru_cache(maxsize=8192)(_parsed)


def parse_tokens(tokens: list[Token]) -> Node:
    """Parse all of the tokens (the list is used up)."""
    if not tokens:
        raise Unreadable("the answer is empty")
    cursor = Cursor(tokens, primary)
    node = whole(cursor)
    if cursor.position < len(cursor.tokens):
        raise Unreadable(f"unexpected {cursor.peek().text[:20]!r}")
    return node
