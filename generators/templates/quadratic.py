"""Quadratic equations, plain or told as rectangles, pairs of numbers, and things thrown upward.

The answer is always the set of the two numbers that the question names.
"""

from collections.abc import Callable
from fractions import Fraction
from math import gcd, isqrt
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family, by_kind
from generators.templates.language import polynomial

FORM = "Write each number in it as an integer or a simplified fraction."


class Quadratic(NamedTuple):
    """The equation ax^2 + bx + c = 0 and how it is told.

    "equation": the roots are wanted; ex + f, with (e, f) = `line`, is added on both sides. "rectangle": the roots are
    the sides. "difference": one root is negative, and the absolute values of the roots are the numbers wanted.
    "throw": after x seconds something is f - bx - ax^2 metres high, and the times at a height of f + c are wanted.
    """

    kind: str
    letter: str
    a: int
    b: int
    c: int
    line: tuple[int, int] = (0, 0)


def _equation(rng: Random, level: int) -> Quadratic:
    """Take (px - q)(rx - s) apart; q and s have the same sign at level 1."""
    highest = (12, 12, 15, 9, 12)[level - 1]
    p, r = (1, 1) if level <= 3 else (rng.randint(2, level + 1), rng.randint(1, level))
    q, s = rng.sample(range(1, highest + 1), 2)
    signs = rng.choice(((1, 1), (-1, -1)) if level == 1 else ((1, -1), (-1, 1), (-1, -1)))
    q, s = signs[0] * q, signs[1] * s
    line = (rng.randint(-9, 9), rng.randint(-20, 20)) if level in (3, 5) else (0, 0)
    return Quadratic("equation", rng.choice("xtn"), p * r, -p * s - q * r, q * s, line)


def _story(rng: Random, level: int, kind: str) -> Quadratic:
    if kind == "throw":
        one, other = rng.sample(range(1, 7), 2)
        return Quadratic(kind, "t", 5, -5 * (one + other), 5 * one * other, (0, rng.randint(2, 30)))
    one, other = rng.sample(range(4, 31) if level < 4 else range(15, 75), 2)
    if kind == "rectangle":
        return Quadratic(kind, "x", 1, -one - other, one * other)
    return Quadratic(kind, "x", 1, abs(one - other), -one * other)


KINDS = {
    1: ("equation",),
    2: ("equation", "rectangle"),
    3: ("equation", "throw", "difference"),
    4: ("equation", "difference"),
    5: ("equation",),
}


def sample(rng: Random, level: int) -> Quadratic:
    kind = rng.choice(KINDS[level])
    return _equation(rng, level) if kind == "equation" else _story(rng, level, kind)


def _roots(p: Quadratic) -> tuple[Fraction, Fraction]:
    root = isqrt(p.b * p.b - 4 * p.a * p.c)
    return Fraction(-p.b - root, 2 * p.a), Fraction(-p.b + root, 2 * p.a)


def is_valid(p: Quadratic) -> bool:
    discriminant = p.b * p.b - 4 * p.a * p.c
    if discriminant <= 0 or isqrt(discriminant) ** 2 != discriminant or p.b * p.c == 0:
        return False
    if p.kind == "equation":
        lines_differ = p.line == (0, 0) or p.line[0] * p.line[1] * (p.b + p.line[0]) != 0
        return gcd(p.a, p.b, p.c) == 1 and lines_differ
    low, high = _roots(p)
    if p.kind == "throw":
        return p.b >= -45
    return low > 0 if p.kind == "rectangle" else low < 0 < high and p.b >= 2


def solve(p: Quadratic) -> frozenset[int | Fraction]:
    """The quadratic formula."""
    return frozenset(abs(x) if p.kind == "difference" else x for x in _roots(p))


def check(p: Quadratic, answer: Answer) -> bool:
    """Put both numbers back into what the question says; there are never more than two."""
    assert isinstance(answer, frozenset)
    if len(answer) != 2:
        return False
    low, high = sorted(answer)
    if p.kind == "rectangle":
        return 2 * (low + high) == -2 * p.b and low * high == p.c
    if p.kind == "difference":
        return low > 0 and high - low == p.b and low * high == -p.c
    e, f = p.line
    if p.kind == "throw":
        return all(f - x * (p.b + p.a * x) == f + p.c for x in answer)
    return all((p.a * x + p.b + e) * x + p.c + f == e * x + f for x in answer)


def metamorphic(rng: Random, p: Quadratic, answer: Answer) -> tuple[Quadratic, Answer]:
    """Both roots k times as large: b grows k-fold, c k squared-fold."""
    assert isinstance(answer, frozenset)
    k = rng.randint(2, 4)
    e, f = p.line
    return p._replace(b=k * p.b, c=k * k * p.c, line=(k * e, k * k * f)), frozenset(k * x for x in answer)


def _sides(p: Quadratic, letter: str) -> tuple[str, str]:
    e, f = p.line
    return polynomial((p.c + f, p.b + e, p.a), letter), polynomial((f, e), letter)


def _equation_plain(p: Quadratic) -> str:
    left, right = _sides(p, p.letter)
    return f"Find all real solutions of the equation ${left} = {right}$. Give the solution set. {FORM}"


def _equation_graphs(p: Quadratic) -> str:
    left, right = _sides(p, "x")
    other = "the $x$-axis" if right == "0" else f"the line $y = {right}$"
    return f"The parabola $y = {left}$ meets {other} at two points. Give the set of their $x$-coordinates. {FORM}"


def _equation_values(p: Quadratic) -> str:
    left, right = _sides(p, p.letter)
    condition = "equal to zero" if right == "0" else f"equal to ${right}$"
    return f"For which values of ${p.letter}$ is ${left}$ {condition}? Give the set of all such values. {FORM}"


def _equation_functions(p: Quadratic) -> str:
    left, right = _sides(p, p.letter)
    x = p.letter
    if right == "0":
        return f"A function is given by $f({x}) = {left}$. Determine the set of its zeros. {FORM}"
    return (
        f"Two functions are given by $f({x}) = {left}$ and $g({x}) = {right}$. "
        f"Determine the set of all real numbers ${x}$ with $f({x}) = g({x})$. {FORM}"
    )


def _rectangle_garden(p: Quadratic) -> str:
    return (
        f"A rectangular garden has a perimeter of {-2 * p.b} metres and an area of {p.c} square metres. "
        f"How long are its sides? Give the set of the two different side lengths, in metres."
    )


def _rectangle_fence(p: Quadratic) -> str:
    return (
        f"A farmer wants to enclose a rectangle of {p.c} square metres and uses up exactly {-2 * p.b} metres of fence, "
        f"all the way round. Which two different side lengths, in metres, must the rectangle have? Give them as a set."
    )


def _rectangle_numbers(p: Quadratic) -> str:
    return f"Which two numbers have the sum {-p.b} and the product {p.c}? Give the set of the two numbers."


def _rectangle_letters(p: Quadratic) -> str:
    return (
        f"The sides of a rectangle are $x$ and $y$ centimetres long, with $x + y = {-p.b}$. "
        f"Its area is {p.c} square centimetres. Give the set of the two side lengths, in centimetres."
    )


def _difference_field(p: Quadratic) -> str:
    return (
        f"A rectangular field is {p.b} metres longer than it is wide, and its area is {-p.c:,} square metres. "
        f"Give the set that consists of its length and its width, in metres."
    )


def _difference_numbers(p: Quadratic) -> str:
    return (
        f"The product of two positive numbers is {-p.c:,}, and one of them is {p.b} greater than the other. "
        f"Give the set of the two numbers."
    )


def _difference_seats(p: Quadratic) -> str:
    return (
        f"A hall has {-p.c:,} seats in equal rows. The number of seats in each row is {p.b} more than the number of "
        f"rows. How many rows are there, and how many seats are in each? Give the set of these two numbers."
    )


def _difference_letters(p: Quadratic) -> str:
    return (
        f"A banner is $x$ centimetres high and $x + {p.b}$ centimetres long, and its area is {-p.c:,} square "
        f"centimetres. Set up an equation for $x$ and give the set that consists of the height and the length, "
        f"in centimetres."
    )


def _height(p: Quadratic) -> str:
    return f"$h = {polynomial((p.line[1], -p.b, -p.a), 't')}$"


def _throw_ball(p: Quadratic) -> str:
    return (
        f"A ball is thrown upward from a platform {p.line[1]} metres above the ground. After $t$ seconds its height "
        f"above the ground is {_height(p)} metres. At which two times is the ball exactly {p.line[1] + p.c} metres "
        f"above the ground? Give the set of these times, in seconds."
    )


def _throw_flare(p: Quadratic) -> str:
    return (
        f"The height of a signal flare, in metres above the sea, is {_height(p)}, where $t$ is the time in seconds "
        f"since it was fired. A ridge hides the flare while it is lower than {p.line[1] + p.c} metres. "
        f"At which two times is it exactly {p.line[1] + p.c} metres high? Give the set of these times, in seconds."
    )


def _throw_question_first(p: Quadratic) -> str:
    return (
        f"How many seconds after it is thrown does a stone pass a window {p.line[1] + p.c} metres above the ground? "
        f"It does so twice, on its way up and on its way down. Its height above the ground in metres, $t$ seconds "
        f"after it is thrown, is {_height(p)}. Give the set of the two times, in seconds."
    )


def _throw_rocket(p: Quadratic) -> str:
    return (
        f"The engine of a toy rocket stops at a height of {p.line[1]} metres. From then on its height after $t$ more "
        f"seconds is {_height(p)}, in metres. For which values of $t$ is the rocket {p.line[1] + p.c} metres high? "
        f"Give the set of these values."
    )


TEXTS: dict[str, tuple[Callable[[Quadratic], str], ...]] = {
    "equation": (_equation_plain, _equation_graphs, _equation_values, _equation_functions),
    "rectangle": (_rectangle_garden, _rectangle_fence, _rectangle_numbers, _rectangle_letters),
    "difference": (_difference_field, _difference_numbers, _difference_seats, _difference_letters),
    "throw": (_throw_ball, _throw_flare, _throw_question_first, _throw_rocket),
}


FAMILY = Family(
    name="quadratic",
    domain="algebra",
    version=1,
    answer_type="set",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=by_kind(TEXTS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
