"""A linear equation in one unknown, in symbols or in words; the solutions become rational at the top levels."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family

Term = tuple[int, int, int, int]
Piece = tuple[int, str]
FORM = "Give the answer as an integer or a simplified fraction."


class Equation(NamedTuple):
    """Each side is a sum of terms; a term (n, d, p, q) stands for n/d times (px + q)."""

    left: tuple[Term, ...]
    right: tuple[Term, ...]


def _nonzero(rng: Random, low: int, high: int) -> int:
    return rng.choice([n for n in range(low, high + 1) if n])


def _plain_sides(rng: Random, level: int) -> Equation:
    """Levels 1 and 2: ax + b = c and ax + b = cx + d, made to hold at an integer."""
    x = rng.randint(2, 12) if level == 1 else _nonzero(rng, -9, 15)
    a, b = rng.randint(2, 9), _nonzero(rng, -12, 12)
    c = 0 if level == 1 else _nonzero(rng, -5, 7)
    return Equation(((1, 1, a, b),), ((1, 1, c, (a - c) * x + b),))


def _brackets(rng: Random) -> Equation:
    """Level 3: a(px + q) + rx + s = b(tx + u), made to hold at an integer."""
    x = _nonzero(rng, -9, 12)
    a, p, q = rng.randint(2, 9), rng.randint(1, 4), _nonzero(rng, -9, 9)
    b, t, u = rng.randint(2, 7), rng.randint(1, 5), _nonzero(rng, -9, 9)
    r = _nonzero(rng, -6, 6)
    return Equation(((a, 1, p, q), (1, 1, r, b * (t * x + u) - a * (p * x + q) - r * x)), ((b, 1, t, u),))


def _fraction_of_bracket(rng: Random, sign: int = 1) -> Term:
    d = rng.randint(2, 6)
    n = rng.choice([n for n in range(1, d) if gcd(n, d) == 1])
    return sign * n, d, rng.randint(1, 5), _nonzero(rng, -9, 9)


def _fractions(rng: Random, level: int) -> Equation:
    """Levels 4 and 5: fractions of brackets on both sides; the solution is what it is."""
    left, right = (_fraction_of_bracket(rng),), (_fraction_of_bracket(rng),)
    if level == 4:
        return Equation(left, right)
    plain = (1, 1, _nonzero(rng, -4, 4), _nonzero(rng, -9, 9))
    return Equation((*left, _fraction_of_bracket(rng, rng.choice((1, -1)))), (*right, plain))


def sample(rng: Random, level: int) -> Equation:
    if level <= 2:
        return _plain_sides(rng, level)
    return _brackets(rng) if level == 3 else _fractions(rng, level)


def _collected(p: Equation) -> tuple[int, int]:
    """Return (s, c): the equation, times the common denominator, is sx = c."""
    common = lcm(*(d for _, d, _, _ in p.left + p.right))
    signed = [(n * common // d, a, b) for n, d, a, b in p.left] + [(-n * common // d, a, b) for n, d, a, b in p.right]
    return sum(n * a for n, a, _ in signed), -sum(n * b for n, _, b in signed)


def is_valid(p: Equation) -> bool:
    slope, constant = _collected(p)
    if slope == 0 or constant == 0:
        return False
    x = Fraction(constant, slope)
    starts = (any(sign > 0 for sign, _ in _in_words(side)) for side in (p.left, p.right))
    return x.denominator <= 40 and abs(x.numerator) <= 120 and all(starts)


def solve(p: Equation) -> Fraction:
    slope, constant = _collected(p)
    return Fraction(constant, slope)


def _value(side: tuple[Term, ...], x: Fraction) -> Fraction:
    return sum((Fraction(n, d) * (a * x + b) for n, d, a, b in side), Fraction(0))


def check(p: Equation, answer: Answer) -> bool:
    """Both sides agree at the answer, and not one further on: so nowhere else, as the sides are linear."""
    assert isinstance(answer, Fraction)
    here, further = (_value(p.left, x) - _value(p.right, x) for x in (answer, answer + 1))
    return here == 0 and further != 0


def metamorphic(rng: Random, p: Equation, answer: Answer) -> tuple[Equation, Answer]:
    """All constants k times as large: the solution is, too."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    left, right = (tuple((n, d, a, k * b) for n, d, a, b in side) for side in (p.left, p.right))
    return Equation(left, right), k * answer


def _multiple(coefficient: int, symbol: str) -> str:
    return symbol if coefficient == 1 else f"{coefficient}{symbol}"


def _sum(pieces: Sequence[Piece]) -> str:
    text = "".join(f" {'-' if sign < 0 else '+'} {body}" for sign, body in pieces)
    return text.removeprefix(" + ") if pieces[0][0] > 0 else "-" + text.removeprefix(" - ")


def _linear(a: int, b: int, x: str) -> list[Piece]:
    return [(n, _multiple(abs(n), symbol) if symbol else str(abs(n))) for n, symbol in ((a, x), (b, "")) if n]


def _in_symbols(side: tuple[Term, ...], x: str) -> str:
    pieces: list[Piece] = []
    for n, d, a, b in side:
        if n == d:
            pieces += _linear(a, b, x)
        else:
            factor = str(abs(n)) if d == 1 else rf"\frac{{{abs(n)}}}{{{d}}}"
            pieces.append((n, f"{factor}({_sum(_linear(a, b, x))})"))
    return _sum(pieces or [(1, "0")])


def _in_words(side: tuple[Term, ...]) -> list[Piece]:
    """The signed parts of a side; those that are added come first."""
    pieces: list[Piece] = []
    for n, d, a, b in side:
        multiple = {1: "the number", 2: "twice the number"}.get(abs(a), f"{abs(a)} times the number")
        if n == d:
            pieces += [(c, text) for c, text in ((a, multiple), (b, str(abs(b)))) if c]
        else:
            factor = f"{abs(n)} times" if d == 1 else f"{abs(n)}/{d} of"
            pieces.append((n, f"{factor} the {'sum' if b > 0 else 'difference'} of {multiple} and {abs(b)}"))
    return sorted(pieces, key=lambda piece: piece[0] < 0)


def _recipe(side: tuple[Term, ...]) -> str:
    (_, first), *rest = _in_words(side)
    return f"{first}" + "".join(f", then {'add' if sign > 0 else 'subtract'} {text}" for sign, text in rest)


def _solve_for_x(p: Equation) -> str:
    return f"Solve the equation ${_in_symbols(p.left, 'x')} = {_in_symbols(p.right, 'x')}$ for $x$. {FORM}"


def _constant(side: tuple[Term, ...]) -> bool:
    return all(a == 0 for _, _, a, _ in side)


def _guess_my_number(p: Equation) -> str:
    same = f"the same result as when I take {_recipe(p.right)}"
    result = _in_symbols(p.right, "x") if _constant(p.right) else same
    return f"I am thinking of a number. When I take {_recipe(p.left)}, I get {result}. What is my number? {FORM}"


def _equal_values(p: Equation) -> str:
    return f"For which value of $t$ are ${_in_symbols(p.left, 't')}$ and ${_in_symbols(p.right, 't')}$ equal? {FORM}"


def _crossing(p: Equation) -> str:
    return (
        f"In the coordinate plane, the lines $y = {_in_symbols(p.left, 'x')}$ and $y = {_in_symbols(p.right, 'x')}$ "
        f"cross at exactly one point. What is the $x$-coordinate of that point? {FORM}"
    )


def _students(p: Equation) -> str:
    left, right = _in_symbols(p.left, "n"), _in_symbols(p.right, "n")
    if _constant(p.right):
        return (
            f"A student replaced $n$ in ${left}$ by a number and correctly got ${right}$. What was the number? {FORM}"
        )
    return (
        f"One student replaced $n$ in ${left}$ by a number, and another replaced $n$ in ${right}$ by the same number. "
        f"Both got the same value. What was the number? {FORM}"
    )


FAMILY = Family(
    name="linear_equation",
    domain="algebra",
    version=1,
    answer_type="rational",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_solve_for_x, _guess_my_number, _equal_values, _crossing, _students),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
