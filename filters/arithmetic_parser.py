"""Works out one expression of numbers exactly, from tokens, by recursive descent. Nothing is ever executed.

Sizes are capped: tokens, depth, powers, and the bits of every result. What cannot be read for certain (a variable,
two numbers side by side, 6/2(3)) raises Unreadable.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from filters.arithmetic_tokens import Token

MAX_TOKENS: Final = 200
MAX_DEPTH: Final = 12
MAX_POWER: Final = 32
MAX_BITS: Final = 512


class Unreadable(Exception):
    """Tokens that are no expression, or one that has several readings."""


class Expression(NamedTuple):
    """An expression worked out. `lead` is the value of its first number, `numbers` are all of them as written, `units`
    what they are counted in; `decimals` is the most decimal places written; `unclear` says what makes a reading
    doubtful (a sign before a power)."""

    value: Fraction
    lead: Fraction
    numbers: tuple[Fraction, ...]
    operators: str
    units: frozenset[str]
    decimals: int
    percent: bool
    unclear: bool


def evaluate(tokens: Sequence[Token], instead: Mapping[Fraction, Fraction] | None = None) -> Expression:
    """Work out an expression; `instead` gives exact values for numbers that were rounded when they were written.

    Raises Unreadable.
    """
    if not tokens or len(tokens) > MAX_TOKENS:
        raise Unreadable
    reader = _Reader(tokens, instead or {})
    try:
        value = reader.sum()
    except ZeroDivisionError:
        raise Unreadable from None
    if reader.position != len(tokens):
        raise Unreadable
    numbers = [token for token in tokens if token.kind == "number"]
    first = tokens[0].value if tokens[0].kind == "number" else value
    return Expression(
        value=value,
        lead=first,
        numbers=tuple(token.value for token in numbers),
        operators="".join(sorted(reader.operators)),
        units=frozenset(token.unit for token in tokens if token.unit),
        decimals=max((token.decimals for token in numbers), default=0),
        percent=any(token.kind == "percent" for token in tokens),
        unclear=reader.unclear,
    )


class _Reader:
    """A place in the tokens, and what was met on the way there."""

    def __init__(self, tokens: Sequence[Token], instead: Mapping[Fraction, Fraction]) -> None:
        self.tokens = tokens
        self.instead = instead
        self.position = 0
        self.depth = 0
        self.operators: list[str] = []
        self.unclear = False

    def peek(self) -> str:
        """Return the sign of an operator or the kind of any other token, "" at the end; units say nothing."""
        while self.position < len(self.tokens) and self.tokens[self.position].kind == "unit":
            self.position += 1
        if self.position == len(self.tokens):
            return ""
        token = self.tokens[self.position]
        return token.text if token.kind in ("op", "open", "close") else token.kind

    def sum(self) -> Fraction:
        value = self.product()
        while (sign := self.peek()) in ("+", "-"):
            self.take(sign)
            term = self.product()
            value = _small(value + term if sign == "+" else value - term)
        return value

    def product(self) -> Fraction:
        value = self.signed()
        divided = False
        while True:
            sign = self.peek()
            if sign in ("*", "/"):
                self.take(sign)
                factor = self.signed()
                value = _small(value * factor if sign == "*" else value / factor)
                divided = divided or sign == "/"
            elif sign == "of":
                self.take("*")
                value = _small(value * self.signed())
            elif sign == "(":
                if divided:
                    raise Unreadable  # 6/2(3)
                self.operators.append("*")
                value = _small(value * self.power())
            else:
                return value

    def signed(self) -> Fraction:
        if self.peek() != "-":
            return self.power()
        self.position += 1
        inside = self.position
        value = -self.power()
        self.unclear = self.unclear or any(token.text == "^" for token in self.tokens[inside : self.position])
        return value

    def power(self) -> Fraction:
        value = self.atom()
        if self.peek() != "^":
            return value
        self.take("^")
        exponent = self.atom()
        if exponent.denominator != 1 or abs(exponent) > MAX_POWER:
            raise Unreadable
        return _small(value ** int(exponent))

    def atom(self) -> Fraction:
        kind = self.peek()
        if kind == "number":
            value = self.tokens[self.position].value
            value = self.instead.get(value, value)
            self.position += 1
            if value.denominator == 1 and self.peek() in ("number", "fraction"):
                value += self.proper_fraction()
        elif kind == "fraction":
            value = self.fraction()
        elif kind == "(":
            value = self.bracket()
        else:
            raise Unreadable
        if self.peek() == "percent":
            self.position += 1
            value /= 100
        return value

    def bracket(self) -> Fraction:
        if self.peek() != "(" or self.depth == MAX_DEPTH:
            raise Unreadable
        self.position += 1
        self.depth += 1
        value = self.sum()
        self.depth -= 1
        if self.peek() != ")":
            raise Unreadable
        self.position += 1
        return value

    def fraction(self) -> Fraction:
        self.take("/")
        return _small(self.bracket() / self.bracket())

    def proper_fraction(self) -> Fraction:
        """Read the rest of a mixed number: 1/2 in 3 1/2."""
        rest = self.tokens[self.position : self.position + 3]
        if rest[0].kind == "fraction":
            value = self.fraction()
        elif [token.kind for token in rest] == ["number", "op", "number"] and rest[1].text == "/":
            self.position += 3
            value = rest[0].value / rest[2].value
        else:
            raise Unreadable
        if not 0 < value < 1:
            raise Unreadable
        return value

    def take(self, sign: str) -> None:
        self.operators.append(sign)
        self.position += 1


def _small(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise Unreadable
    return value
