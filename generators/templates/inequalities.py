"""Inequalities in one unknown, linear, between two bounds, with an absolute value or a square: solved as intervals."""

from fractions import Fraction
from itertools import pairwise
from math import isqrt
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import polynomial

FLIPPED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
SIGNS: Final = {"<": "<", ">": ">", "<=": r"\le", ">=": r"\ge"}
WORDS: Final = {"<": "less than", ">": "greater than", "<=": "at most", ">=": "at least"}
Piece = tuple[Fraction | None, bool, Fraction | None, bool]  # low, closed?, high, closed?; None is infinite


class Inequality(NamedTuple):
    """The coefficients of both sides from the constant up, and what stands in between.

    line: left relation right. between: low relation left relation right (relation is < or <=). absolute: |left|
    relation right. square: left relation 0 with a quadratic left.
    """

    kind: str
    left: tuple[int, ...]
    relation: str
    right: tuple[int, ...]
    low: int


def sample(rng: Random, level: int) -> Inequality:
    relation = rng.choice(tuple(FLIPPED))
    a, x = rng.choice((2, 3, 4, 5, 6, 7, 8)), rng.randint(-9, 12)
    b = rng.choice([n for n in range(-12, 13) if n])
    if level == 1:
        return Inequality("line", (b, a), relation, (a * x + b,), 0)
    if level == 2:
        c, sign = rng.randint(1, 9), rng.choice((-1, 1))
        left = (b, sign * a)
        return Inequality("line", left, relation, (b + (sign * a - c) * x, c), 0)
    if level == 3:
        a *= rng.choice((-1, 1))
        ends = sorted((a * x + b, a * (x + rng.randint(2, 9)) + b))
        return Inequality("between", (b, a), rng.choice(("<", "<=")), (ends[1],), ends[0])
    if level == 4:
        c = rng.randint(1, 8)
        return Inequality("absolute", (-a * x, a), relation, (a * c,) if rng.random() < 0.5 else (c,), 0)
    other = x + rng.randint(1, 9)
    first = rng.choice((-1, 1, 1, 2))
    return Inequality("square", (first * x * other, -first * (x + other), first), relation, (0,), 0)


def is_valid(p: Inequality) -> bool:
    """The unknown does not drop out."""
    return len(p.right) < 2 or p.left[1] != p.right[1]


def solve(p: Inequality) -> str:
    return _text(_solution(p))


def _solution(p: Inequality) -> list[Piece]:
    b, a = p.left[0], p.left[1]
    if p.kind == "line":
        slope = a - (p.right[1] if len(p.right) > 1 else 0)
        end = Fraction(p.right[0] - b, slope)
        return _ray(end, p.relation if slope > 0 else FLIPPED[p.relation])
    closed = p.relation.endswith("=")
    if p.kind == "square":
        root = isqrt(a * a - 4 * b * p.left[2])
        low, high = sorted(Fraction(-a + sign * root, 2 * p.left[2]) for sign in (-1, 1))
        inside = (p.relation[0] == "<") == (p.left[2] > 0)
    else:
        lowest = p.low if p.kind == "between" else -p.right[0]
        low, high = sorted(Fraction(bound - b, a) for bound in (lowest, p.right[0]))
        inside = p.kind == "between" or p.relation[0] == "<"
    return [(low, closed, high, closed)] if inside else [(None, False, low, closed), (high, closed, None, False)]


def _ray(end: Fraction, relation: str) -> list[Piece]:
    closed = relation.endswith("=")
    return [(None, False, end, closed)] if relation[0] == "<" else [(end, closed, None, False)]


def _text(pieces: list[Piece]) -> str:
    return r" \cup ".join(
        f"{'[' if low_closed else '('}{_end(low, '-')}, {_end(high, '')}{']' if high_closed else ')'}"
        for low, low_closed, high, high_closed in pieces
    )


def _end(end: Fraction | None, sign: str) -> str:
    return rf"{sign}\infty" if end is None else str(end)


def _read(text: str) -> list[Piece] | None:
    pieces: list[Piece] = []
    for part in text.split(r" \cup "):
        ends = part[1:-1].split(", ")
        try:
            low, high = (None if end.endswith(r"\infty") else Fraction(end) for end in ends)
        except ValueError:
            return None
        closed = (part[0] == "[", part[-1] == "]")
        if (low is None and closed[0]) or (high is None and closed[1]):
            return None
        pieces.append((low, closed[0], high, closed[1]))
    return pieces


def check(p: Inequality, answer: Answer) -> bool:
    """Put numbers in: every end itself, a number between neighbouring ends, and one beyond the outermost.

    At an end the two sides must be equal (they are continuous), so the truth changes nowhere else: as many ends as
    there are such equalities leave no room for another.
    """
    assert isinstance(answer, str)
    pieces = _read(answer)
    if pieces is None:
        return False
    ends = sorted({end for piece in pieces for end in (piece[0], piece[2]) if end is not None})
    if len(ends) != (1 if p.kind == "line" else 2) or not all(_at_bound(p, end) for end in ends):
        return False
    points = [ends[0] - 1, *ends, *((a + b) / 2 for a, b in pairwise(ends)), ends[-1] + 1]
    return all(_holds(p, x) == any(_within(piece, x) for piece in pieces) for x in points)


def _within(piece: Piece, x: Fraction) -> bool:
    low, low_closed, high, high_closed = piece
    above = low is None or x > low or (low_closed and x == low)
    return above and (high is None or x < high or (high_closed and x == high))


def _value(coefficients: tuple[int, ...], x: Fraction) -> Fraction:
    value = Fraction(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def _sides(p: Inequality, x: Fraction) -> tuple[Fraction, Fraction]:
    left = _value(p.left, x)
    return abs(left) if p.kind == "absolute" else left, _value(p.right, x)


def _at_bound(p: Inequality, x: Fraction) -> bool:
    left, right = _sides(p, x)
    return left == right or (p.kind == "between" and left == p.low)


def _holds(p: Inequality, x: Fraction) -> bool:
    left, right = _sides(p, x)
    if p.kind == "between" and not (p.low < left or (p.relation == "<=" and p.low == left)):
        return False
    return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[p.relation]


def metamorphic(rng: Random, p: Inequality, answer: Answer) -> tuple[Inequality, Answer]:
    """Put x - h in place of x: every end moves by h."""
    assert isinstance(answer, str)
    h = rng.choice((-5, -3, -2, 2, 3, 4, 6))
    pieces = _read(answer)
    assert pieces is not None
    moved: list[Piece] = [
        (low if low is None else low + h, one, high if high is None else high + h, other)
        for low, one, high, other in pieces
    ]
    return p._replace(left=_moved(p.left, h), right=_moved(p.right, h)), _text(moved)


def _moved(coefficients: tuple[int, ...], h: int) -> tuple[int, ...]:
    """The coefficients in x of a polynomial in x - h."""
    b, a, square = (*coefficients, 0, 0)[:3]
    return (b - a * h + square * h * h, a - 2 * square * h, square)[: len(coefficients)]


FORM: Final = "Give the solution set in interval notation."


def _shown(p: Inequality) -> str:
    sign, left, right = SIGNS[p.relation], polynomial(p.left, "x"), polynomial(p.right, "x")
    if p.kind == "between":
        return f"${p.low} {sign} {left} {sign} {right}$"
    return f"$|{left}| {sign} {right}$" if p.kind == "absolute" else f"${left} {sign} {right}$"


def _solve(p: Inequality) -> str:
    return f"Solve the inequality {_shown(p)}. {FORM}"


def _which(p: Inequality) -> str:
    return f"For which real numbers $x$ is {_shown(p)}? {FORM}"


def _true(p: Inequality) -> str:
    return f"Find all real values of $x$ that make {_shown(p)} a true statement. {FORM}"


def _functions(p: Inequality) -> str:
    """Compare two functions, or a function with a number."""
    left = f"|{polynomial(p.left, 'x')}|" if p.kind == "absolute" else polynomial(p.left, "x")
    if p.kind == "between":
        more = "or equal to one of them" if p.relation == "<=" else "but not equal to either of them"
        wanted = f"between {p.low} and {p.right[0]}, {more}"
    elif len(p.right) > 1:
        wanted = f"{WORDS[p.relation]} the value of $g(x) = {polynomial(p.right, 'x')}$ for the same $x$"
    else:
        wanted = f"{WORDS[p.relation]} {p.right[0]}"
    return f"The function $f(x) = {left}$ is defined for all real $x$. For which $x$ is its value {wanted}? {FORM}"


FAMILY = Family(
    name="inequalities",
    domain="algebra",
    version=1,
    answer_type="interval",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_solve, _which, _true, _functions),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
