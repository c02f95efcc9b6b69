"""Definite integrals of polynomials: net change, and areas or total change where the sign turns."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import polynomial

Polynomial = tuple[int, ...]
FORM = "Give the answer as an integer or a simplified fraction."


class Region(NamedTuple):
    """Two polynomials with coefficients from the constant up (`lower` is () where there is only one), and two limits.

    `ask` net is the integral of upper - lower, total that of its absolute value, whose sign turns at integers only.
    """

    upper: Polynomial
    lower: Polynomial
    start: int
    end: int
    ask: str


def sample(rng: Random, level: int) -> Region:
    if level == 1:
        upper = (*(rng.randint(0, 9) for _ in range(rng.randint(1, 2))), rng.randint(1, 6))
        return Region(upper, (), 0, rng.randint(1, 4), "net")
    if level == 2:
        upper = (*(rng.randint(-9, 9) for _ in range(rng.randint(2, 3))), rng.choice((-4, -3, -2, -1, 1, 2, 3, 4)))
        start = rng.randint(1, 3)
        return Region(upper, (), start, start + rng.randint(1, 4), "net")
    roots = sorted(rng.sample(range(7), 3 if level == 5 else 2))
    difference = _from_roots(rng.choice((-1, 1)) * rng.randint(1, 7 - level), roots)
    if level == 4:
        start, end = rng.randint(0, roots[0]), rng.randint(roots[1], 8)
        return Region(difference, (), start, end, "total")
    lower = (*(rng.randint(-6, 6) for _ in range(level - 3 or 1)), rng.choice((-3, -2, -1, 1, 2, 3)))
    padded = lower + (0,) * (len(difference) - len(lower))
    upper = tuple(a + b for a, b in zip(difference, padded, strict=True))
    return Region(upper, lower, roots[0], roots[-1], "total")


def _from_roots(lead: int, roots: Sequence[int]) -> Polynomial:
    coefficients = [lead]
    for r in roots:
        coefficients = [a - r * b for a, b in zip([0, *coefficients], [*coefficients, 0], strict=True)]
    return tuple(coefficients)


def is_valid(p: Region) -> bool:
    """More than one term; for areas, all turns of sign are at integers and, with one function, inside the limits."""
    if sum(c != 0 for c in p.upper) < 2 or p.start >= p.end or p.upper[-1] == 0:
        return False
    if p.ask == "net":
        return sum(c != 0 for c in p.upper[1:]) > 0 and solve(p) != 0
    difference = _difference(p)
    zeros = [x for x in range(9) if _at_half(difference, 2 * x) == 0]
    inside = sum(p.start < x < p.end for x in zeros)
    return len(zeros) == len(difference) - 1 and (bool(p.lower) or inside > 0)


def _difference(p: Region) -> list[int]:
    padded = p.lower + (0,) * (len(p.upper) - len(p.lower))
    return [a - b for a, b in zip(p.upper, padded, strict=True)]


def solve(p: Region) -> Fraction:
    """By antiderivative, in pieces between the zeros if the absolute value is asked for."""
    difference = _difference(p)

    def area(x: int) -> Fraction:
        """The antiderivative at x, over the common denominator 12."""
        return Fraction(sum(12 // (k + 1) * c * x ** (k + 1) for k, c in enumerate(difference)), 12)

    if p.ask == "net":
        return area(p.end) - area(p.start)
    zeros = [x for x in range(p.start + 1, p.end) if sum(c * x**k for k, c in enumerate(difference)) == 0]
    cuts = [p.start, *zeros, p.end]
    return sum((abs(area(b) - area(a)) for a, b in pairwise(cuts)), Fraction(0))


def check(p: Region, answer: Answer) -> bool:
    """Simpson's rule on every unit interval, exact up to degree 3; the sign never turns inside such an interval."""
    difference = _difference(p)
    values = [_at_half(difference, n) for n in range(2 * p.start, 2 * p.end + 1)]
    strips = [values[i] + 4 * values[i + 1] + values[i + 2] for i in range(0, len(values) - 2, 2)]
    total = sum(strips) if p.ask == "net" else sum(abs(s) for s in strips)
    return len(p.upper) <= 4 and answer == Fraction(total, 48)


def _at_half(cubic: Sequence[int], halves: int) -> int:
    """Eight times the value of a polynomial of degree 3 or less at halves / 2, so that it is an integer."""
    value, weight = 0, 1 << (4 - len(cubic))
    for c in reversed(cubic):
        value = value * halves + weight * c
        weight *= 2
    return value


def metamorphic(rng: Random, p: Region, answer: Answer) -> tuple[Region, Answer]:
    """k times both functions: k times the integral."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    changed = p._replace(upper=tuple(k * c for c in p.upper), lower=tuple(k * c for c in p.lower))
    return changed, k * answer


def _integral(p: Region) -> str:
    upper, lower = polynomial(p.upper, "x"), polynomial(p.lower, "x")
    sign = f"\\int_{{{p.start}}}^{{{p.end}}}"
    if p.ask == "net":
        return f"Evaluate the definite integral ${sign} ({upper})\\,dx$. {FORM}"
    if not p.lower:
        return f"Evaluate the definite integral of an absolute value ${sign} |{upper}|\\,dx$. {FORM}"
    return (
        f"Let $f(x) = {upper}$ and $g(x) = {lower}$. Evaluate the definite integral ${sign} |f(x) - g(x)|\\,dx$. {FORM}"
    )


def _area(p: Region) -> str:
    upper = polynomial(p.upper, "x")
    limits = f"between $x = {p.start}$ and $x = {p.end}$"
    if p.lower:
        return (
            f"The graphs of $y = {upper}$ and $y = {polynomial(p.lower, 'x')}$ enclose "
            f"{'a region, which lies' if len(p.upper) == 3 else 'two regions, which lie'} {limits}. "
            f"What is the total area enclosed? {FORM}"
        )
    if p.ask == "total":
        return (
            f"What is the total area of the regions between the curve $y = {upper}$ and the $x$-axis, {limits}? {FORM}"
        )
    if min(p.upper) >= 0:
        return f"Find the area of the region under the curve $y = {upper}$ and above the $x$-axis, {limits}. {FORM}"
    return (
        f"Find the signed area between the curve $y = {upper}$ and the $x$-axis, {limits}: parts above the axis "
        f"count as positive, parts below it as negative. {FORM}"
    )


def _particle(p: Region) -> str:
    upper = polynomial(p.upper, "t")
    when = f"from $t = {p.start}$ to $t = {p.end}$"
    if p.lower:
        return (
            f"Two particles move along the same line. At time $t$ seconds the first has the velocity $v(t) = {upper}$ "
            f"and the second the velocity $w(t) = {polynomial(p.lower, 't')}$, both in centimetres per second. "
            f"How many centimetres does the first travel relative to the second {when}, if forward and backward "
            f"relative motion are both counted as positive distance? {FORM}"
        )
    asked = (
        f"Find its displacement, in centimetres (negative if backwards), {when}."
        if p.ask == "net"
        else f"Find the total distance, in centimetres, that it travels {when}; it may change direction on the way."
    )
    moves = (
        f"A particle moves along a line with the velocity $v(t) = {upper}$ centimetres per second at time $t$ seconds."
    )
    return f"{moves} {asked} {FORM}"


def _tank(p: Region) -> str:
    upper = polynomial(p.upper, "t")
    rate = (
        f"One pipe feeds a large tank at the rate $r(t) = {upper}$, and another pipe empties it at the rate "
        f"$q(t) = {polynomial(p.lower, 't')}$, both in litres per minute after $t$ minutes (where a rate is "
        "negative, the water in that pipe flows the other way)."
        if p.lower
        else f"After $t$ minutes, the volume of water in a large tank changes at the rate $r(t) = {upper}$, in litres "
        "per minute."
    )
    asked = (
        "By how many litres does the volume increase in that time (negative if it decreases)?"
        if p.ask == "net"
        else "Adding up all increases and all decreases of the volume of water in the tank in that time, both as "
        "positive amounts, how many litres do you get?"
    )
    return f"{rate} Consider the time from $t = {p.start}$ to $t = {p.end}$. {asked} {FORM}"


FAMILY = Family(
    name="integral",
    domain="calculus",
    version=1,
    answer_type="rational",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_integral, _area, _particle, _tank),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
