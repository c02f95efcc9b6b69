"""Derivatives of polynomials: rates and slopes at a point, where a slope occurs, the optimum, and the tangent line."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import polynomial

Polynomial = tuple[int, ...]
FORM = "Give the answer as an integer or a simplified fraction."


class Curve(NamedTuple):
    """A polynomial as its factors, each with coefficients from the constant up. `ask` is one of
    rate: the derivative at `at`; where: the place at which the derivative is `at`; optimum: the largest value;
    tangent: the value at `to` of the tangent line at `at`."""

    factors: tuple[Polynomial, ...]
    ask: str
    at: int
    to: int


def sample(rng: Random, level: int) -> Curve:
    if level == 1:
        return Curve((_sample_polynomial(rng, 2, 9),), "rate", rng.randint(1, 5), 0)
    if level == 2:
        return Curve((_sample_polynomial(rng, rng.randint(3, 4), 9),), "rate", rng.randint(2, 5), 0)
    if level == 3:
        return Curve((_sample_polynomial(rng, 2, 12),), "where", rng.randint(-9, 20), 0)
    if level == 4:
        a, b, c = -rng.randint(1, 8), rng.randint(1, 40), rng.randint(-30, 30)
        return Curve(((c, b, a),), "optimum", 0, 0)
    at = rng.randint(1, 4)
    factors = (_sample_polynomial(rng, 2, 6), _sample_polynomial(rng, rng.randint(1, 2), 6))
    return Curve(factors, "tangent", at, at + rng.randint(1, 4))


def _sample_polynomial(rng: Random, degree: int, high: int) -> Polynomial:
    return (*(rng.randint(-high, high) for _ in range(degree)), rng.choice((-3, -2, -1, 1, 2, 3, 4, 5)))


def is_valid(p: Curve) -> bool:
    """At least two terms in every factor, and places where time and output are positive."""
    if any(sum(c != 0 for c in factor) < 2 for factor in p.factors) or len(set(p.factors)) < len(p.factors):
        return False
    if p.ask in ("where", "optimum"):
        _, b, a = p.factors[0]
        return b != 0 and 0 < Fraction(p.at - b, 2 * a) <= 20 and p.at != b
    return True


def _value(coefficients: Sequence[int | Fraction], x: int | Fraction) -> Fraction:
    result = Fraction(0)
    for c in reversed(coefficients):
        result = result * x + c
    return result


def solve(p: Curve) -> Fraction:
    """The power rule, and the product rule where the polynomial is a product."""
    if p.ask in ("where", "optimum"):
        c, b, a = p.factors[0]
        x = Fraction(p.at - b, 2 * a)
        return x if p.ask == "where" else a * x * x + b * x + c
    value, slope = Fraction(1), Fraction(0)
    for factor in p.factors:
        factor_value = _value(factor, p.at)
        factor_slope = _value([k * c for k, c in enumerate(factor)][1:], p.at)
        value, slope = value * factor_value, slope * factor_value + value * factor_slope
    return slope if p.ask == "rate" else value + slope * (p.to - p.at)


def check(p: Curve, answer: Answer) -> bool:
    """The line found must touch the curve: curve minus line is divisible twice by (x - a), as division shows."""
    assert isinstance(answer, Fraction)
    curve = _expanded(p.factors)
    if p.ask == "optimum":
        c, b, a = curve
        return a < 0 and b * b == 4 * a * (c - answer)
    if p.ask == "where":
        return _touches(curve, answer, Fraction(p.at))
    if p.ask == "rate":
        return _touches(curve, Fraction(p.at), answer)
    through = answer - _divide(curve, Fraction(p.at))[1]
    return _touches(curve, Fraction(p.at), through / (p.to - p.at))


def _expanded(factors: tuple[Polynomial, ...]) -> list[int]:
    product = [1]
    for factor in factors:
        longer = [0] * (len(product) + len(factor) - 1)
        for i, a in enumerate(product):
            for j, b in enumerate(factor):
                longer[i + j] += a * b
        product = longer
    return product


def _divide(coefficients: Sequence[int | Fraction], a: Fraction) -> tuple[list[Fraction], Fraction]:
    """Quotient and remainder on division by (x - a)."""
    quotient: list[Fraction] = []
    carry = Fraction(0)
    for c in reversed(coefficients):
        carry = carry * a + c
        quotient.append(carry)
    remainder = quotient.pop()
    return quotient[::-1], remainder


def _touches(curve: Sequence[int], a: Fraction, slope: Fraction) -> bool:
    quotient, _ = _divide(curve, a)  # the remainder is the height of the point of contact, whatever it is
    quotient[0] -= slope
    return _divide(quotient, a)[1] == 0


def metamorphic(rng: Random, p: Curve, answer: Answer) -> tuple[Curve, Answer]:
    """k times the polynomial has k times the values and slopes; k times the slope occurs in the same place."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    first, *others = p.factors
    changed = p._replace(factors=(tuple(k * c for c in first), *others))
    return (changed._replace(at=k * p.at), answer) if p.ask == "where" else (changed, k * answer)


def _formula(p: Curve, variable: str) -> str:
    if len(p.factors) == 1:
        return polynomial(p.factors[0], variable)
    return "".join(f"({polynomial(factor, variable)})" for factor in p.factors)


def _text(p: Curve, setting: Mapping[str, str], variable: str) -> str:
    story = setting["story"].replace("FORMULA", _formula(p, variable))
    return f"{story} {setting[p.ask].format(at=p.at, to=p.to)} {FORM}"


FUNCTION: Final = {
    "story": "Let $f(x) = FORMULA$.",
    "rate": "Find $f'({at})$.",
    "where": "For which value of $x$ is $f'(x) = {at}$?",
    "optimum": "Find the maximum value of $f(x)$ over all real $x$.",
    "tangent": "Let $L$ be the linear function whose graph is the tangent line to the graph of $f$ at $x = {at}$. "
    "Find $L({to})$.",
}
CURVE: Final = {
    "story": "A curve has the equation $y = FORMULA$.",
    "rate": "What is the slope of the tangent line to the curve at the point where $x = {at}$?",
    "where": "At which value of $x$ does the tangent line to the curve have slope ${at}$?",
    "optimum": "What is the $y$-coordinate of the highest point of the curve?",
    "tangent": "The tangent line at the point of the curve where $x = {at}$ meets the vertical line $x = {to}$ in a "
    "point. What is the $y$-coordinate of that point?",
}
PARTICLE: Final = {
    "story": "A particle moves along a straight line. After $t$ seconds its position, measured in millimetres from a "
    "fixed mark on the line, is $s(t) = FORMULA$.",
    "rate": "What is its velocity, in millimetres per second, when $t = {at}$?",
    "where": "After how many seconds is its velocity ${at}$ millimetres per second?",
    "optimum": "What is the largest value that $s(t)$ reaches for $t \\ge 0$, in millimetres?",
    "tangent": "At $t = {at}$ the force on it is switched off, so that from then on it keeps the velocity it has at "
    "that moment. What is its position, in millimetres from the mark, at $t = {to}$?",
}
PROFIT: Final = {
    "story": "An economist models the monthly profit of a factory that makes $x$ thousand lamps a month as "
    "$P(x) = FORMULA$ thousand dollars (negative values mean a loss).",
    "rate": "Find the marginal profit $P'(x)$ at $x = {at}$, in thousands of dollars per thousand lamps.",
    "where": "For which $x$ is the marginal profit $P'(x)$ equal to ${at}$ thousand dollars per thousand lamps?",
    "optimum": "What is the largest possible monthly profit in this model, in thousands of dollars?",
    "tangent": "Use the tangent line to the graph of $P$ at $x = {at}$ to estimate the profit at $x = {to}$, in "
    "thousands of dollars.",
}


def _function(p: Curve) -> str:
    return _text(p, FUNCTION, "x")


def _curve(p: Curve) -> str:
    return _text(p, CURVE, "x")


def _particle(p: Curve) -> str:
    return _text(p, PARTICLE, "t")


def _profit(p: Curve) -> str:
    return _text(p, PROFIT, "x")


FAMILY = Family(
    name="derivative",
    domain="calculus",
    version=1,
    answer_type="rational",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_function, _curve, _particle, _profit),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
