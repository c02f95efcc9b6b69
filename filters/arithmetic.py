"""Every equation between numbers in a text, worked out again exactly: `3 × 7 = 24` is wrong whatever comes after it.

Plain text and LaTeX, chains (a + b = c = d), fractions, powers, percent, money, units, ≈. It never guesses: an equation
is called wrong only if it is wrong in every reading, rounding and units included; what holds a variable is not read.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Final, Literal, NamedTuple

from filters.arithmetic_parser import Expression, Unreadable, evaluate
from filters.arithmetic_readings import Side, agree, doubtful, speaks_of_other_rules, taken_back
from filters.arithmetic_tokens import RELATION, Token, plain, scan

Status = Literal["right", "wrong", "unclear"]

MAX_EQUATIONS: Final = 2000
REMEMBERED: Final = 4096  # texts: the traces of a shard
SHOWN: Final = 200


class Equation(NamedTuple):
    """Two sides that were said to be equal: right, wrong, or unclear (it differs, and a unit, a word beside it or what
    comes after may be why). `text` is what was read, in the `line` it stands in; `left` and `right` are the values;
    `step` names the calculation whatever the order of its numbers."""

    status: Status
    text: str
    line: str
    left: Fraction
    right: Fraction
    step: str


@lru_cache(maxsize=REMEMBERED)
def equations(text: str, question: str = "") -> tuple[Equation, ...]:
    """Return the equations between numbers of a text, in order (2,000 at most); linear in the length of the text. What
    was read lately is remembered: selection asks for wrong equations first, and for the methods of what it kept later.

    None where the question or the text speaks of other rules of arithmetic (modulo, other bases, own operations).
    """
    if speaks_of_other_rules(question) or speaks_of_other_rules(text):
        return ()
    text = plain(text)
    if not RELATION.search(text):
        return ()
    found: list[Equation] = []
    rounded: dict[Fraction, Fraction] = {}
    for clause in _clauses(scan(text)):
        found += islice(_of_clause(text, clause, rounded), MAX_EQUATIONS - len(found))
    return tuple(found)


def wrong_equations(text: str, question: str = "") -> list[Equation]:
    """Return the equations that are wrong in every reading and that the text does not take back."""
    return [equation for equation in equations(text, question) if equation.status == "wrong"]


def _clauses(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Give what stands between two breaks, led by the break before it, where there is a relation."""
    clause: list[Token] = [Token("break", "\n", 0, 0)]
    for token in (*tokens, clause[0]):
        if token.kind != "break":
            clause.append(token)
            continue
        if any(t.kind == "relation" for t in clause):
            yield clause
        clause = [token]


def _of_clause(text: str, clause: Sequence[Token], rounded: dict[Fraction, Fraction]) -> Iterator[Equation]:
    """Give the equations of a clause; `rounded` learns which numbers are rounded results."""
    relations = [i for i, token in enumerate(clause) if token.kind == "relation"]
    calculated = False  # whether the chain has worked something out before this relation
    for before, place, after in zip([0, *relations], relations, [*relations[1:], len(clause)], strict=False):
        left, right = _ending(clause[before + 1 : place]), _beginning(clause[place + 1 : after])
        calculated = calculated and not left.words
        try:
            sides = evaluate(left.tokens), evaluate(right.tokens)
        except Unreadable:
            calculated = False
            continue
        opens_line = before == 0 and clause[0].text == "\n" and not left.words
        if not (calculated or sides[0].operators or (sides[1].operators and opens_line)):
            continue  # "the price of 2 pens = 3 + 5"
        calculated = True
        start, end = left.tokens[0].start, right.tokens[-1].end
        status: Status = "right"
        if not agree(left, sides, clause[place].text, rounded):
            unsure = doubtful(text, left, right, sides) or taken_back(text, end)
            status = "unclear" if unsure else "wrong"
        yield Equation(
            status, text[start:end][:SHOWN], _line(text, start, end), sides[0].value, sides[1].value, _step(sides)
        )


def _ending(segment: Sequence[Token]) -> Side:
    """Return the expression that a segment ends with, and the words before it."""
    last = max((i for i, token in enumerate(segment) if token.kind == "words"), default=-1)
    if last < 0:
        return Side(segment, ())
    piece = segment[last + 1 :]
    is_variable = bool(piece) and piece[0].kind == "op"  # "profit - 3 + 5"
    return Side(() if is_variable else piece, tuple(segment[last].text.split()))


def _beginning(segment: Sequence[Token]) -> Side:
    """Return the expression that a segment begins with, and the words after it."""
    first = next((i for i, token in enumerate(segment) if token.kind == "words"), len(segment))
    return Side(segment[:first], tuple(segment[first].text.split()) if first < len(segment) else ())


def _line(text: str, start: int, end: int) -> str:
    floor = max(0, start - SHOWN)
    first = max(text.rfind("\n", floor, start) + 1, floor)
    last = text.find("\n", end, end + SHOWN)
    return text[first : last if last >= 0 else end + SHOWN].strip()


def _step(sides: tuple[Expression, Expression]) -> str:
    numbers = " ".join(map(str, sorted(sides[0].numbers)))
    return f"{sides[0].operators} {numbers} = {sides[1].value}"
