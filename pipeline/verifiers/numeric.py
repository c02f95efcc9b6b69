"""Numeric comparison of two trees at random points, in high precision (mpmath), with every size bounded.

Equal means equal to far more digits than either text holds, so an approximation never passes. The points are seeded
by the two texts. Where no point decides, the answer is None.
"""

import threading
from collections.abc import Iterable
from fractions import Fraction
from random import Random
from typing import Any, Final

import mpmath

from pipeline.verifiers.budget import own_time_is_over
from pipeline.verifiers.exact import rational
from pipeline.verifiers.notation import Limit, Undefined
from pipeline.verifiers.tree import Node, operations, symbols

BASE_DIGITS: Final = 60
MAX_DIGITS: Final = 4_000
MAX_NODES: Final = 4_000
MAX_LOG10: Final = 20_000.0
MAX_GAMMA_DIGITS: Final = 500
WANTED_POINTS: Final = 4
Value = Any  # an mpf or mpc of mpmath, which has no types
Point = dict[str, Value]


class _Skip(Exception):
    """The value is not defined at this point (or not a real number): take another point."""


class _OutOfTime(Exception):
    """This judgement has no more time of its own thread: a worker, which can be killed, may go on."""


class _NeedDigits(Exception):
    """A value is so small beside the others that more digits are needed to see it."""


_LOCAL = threading.local()


def _context() -> Any:
    """Return this thread's own mpmath context: precision is state, and threads must not share it."""
    if not hasattr(_LOCAL, "mp"):
        _LOCAL.mp = mpmath.MPContext()
    return _LOCAL.mp


def numerically_equal(left: Node, right: Node, rng: Random) -> bool | None:
    """Compare two arithmetic trees wherever both are defined; None if no point decides."""
    if _size(left) + _size(right) > MAX_NODES:
        raise Limit("the expressions are too long to compare numerically")
    digits = BASE_DIGITS + 2 * max(_digits(left), _digits(right))
    while digits <= MAX_DIGITS:
        try:
            return _compare(left, right, rng, digits)
        except _NeedDigits:
            digits *= 4
        except _OutOfTime:
            return None
    raise Limit("the values need more digits than the verifier computes")


def _size(node: Node) -> int:
    return 1 + sum(_size(arg) for arg in node.args)


def _digits(node: Node) -> int:
    """Return how many digits the longest number in the tree has, before or after the point."""
    if node.op == "num" and isinstance(node.value, Fraction):
        return max(node.value.numerator.bit_length(), node.value.denominator.bit_length()) * 302 // 1000
    return max((_digits(arg) for arg in node.args), default=0)


def _compare(left: Node, right: Node, rng: Random, digits: int) -> bool | None:
    names = sorted(symbols(left) | symbols(right))
    mp = _context()
    mp.dps = digits
    reach = min(max(_largest(left), _largest(right), 200), 10**9)
    complex_allowed = not names or _mentions_i(left) or _mentions_i(right)
    if not names:
        return _compare_at(left, right, [{}], mp, complex_allowed)
    steps = bool((operations(left) | operations(right)) & {"floor", "ceil"})  # they may differ at integers alone
    for draw, allowed in ((_real_point, complex_allowed), (_integer_point, complex_allowed), (_real_point, True)):
        points = ({name: draw(rng, mp, k, reach) for name in names} for k in range(5 * len(_SCALES)))
        verdict = _compare_at(left, right, points, mp, allowed)
        if verdict is False or (verdict and not (steps and draw is _real_point)):
            return verdict
    return None


def _compare_at(left: Node, right: Node, points: Iterable[Point], mp: Any, allow_complex: bool) -> bool | None:
    agreed = 0
    seen = []
    for tried, point in enumerate(points):
        if tried >= len(_SCALES) and agreed >= WANTED_POINTS:
            break
        if point in seen:  # x = 1 four times is one point
            continue
        seen.append(point)
        try:
            a, b = (_Evaluation(mp, point, allow_complex).value(side) for side in (left, right))
            if not _close(a, b, mp, point):
                return False
        except _Skip:
            continue
        agreed += 1
    return True if agreed >= WANTED_POINTS or (agreed and not point) else None


def _close(a: Value, b: Value, mp: Any, point: Point) -> bool:
    size = max(abs(a), abs(b))
    if a != b and size < mp.mpf(10) ** (-mp.dps // 3):
        raise _Skip if point else _NeedDigits
    return bool(abs(a - b) <= size * mp.mpf(10) ** (-mp.dps // 2))


# Small points of both signs, and points of both signs beyond the largest number written (None): |x - 100| and 100 - x
# agree on all but those.
_SCALES: Final = (3, -3, None, -1, 30, None, -30)


_FAR_BELOW: Final = 5


def _real_point(rng: Random, mp: Any, number: int, reach: int) -> Value:
    scale = _SCALES[number % len(_SCALES)]
    sign = rng.choice((1, -1)) if number >= len(_SCALES) else -1 if number == _FAR_BELOW else 1
    return sign * (scale or 5 * reach) * mp.mpf(rng.randint(4 * 10**11, 10**12)) / 10**12


def _integer_point(rng: Random, mp: Any, number: int, _reach: int) -> Value:
    return mp.mpf(rng.randint(1, 6 + 2 * number))


def _largest(node: Node) -> int:
    """Return the size of the largest number written in the tree."""
    own = int(abs(node.value)) + 1 if node.op == "num" and isinstance(node.value, Fraction) else 0
    return max([own, *map(_largest, node.args)])


def _mentions_i(node: Node) -> bool:
    return (node.op == "const" and node.value == "i") or any(map(_mentions_i, node.args))


class _Evaluation:
    """One evaluation: the context, the point, and whether complex values count as defined."""

    def __init__(self, mp: Any, point: Point, allow_complex: bool) -> None:
        self.mp, self.point, self.allow_complex = mp, point, allow_complex

    def value(self, node: Node) -> Value:
        if own_time_is_over():
            raise _OutOfTime
        out = self.raw(node)
        if isinstance(out, self.mp.mpc):
            if out.imag == 0:
                out = out.real
            elif not self.allow_complex:
                raise _Skip
        if not self.mp.isfinite(out):
            raise _Skip
        return out

    def raw(self, node: Node) -> Value:
        mp, op = self.mp, node.op
        if op == "num" and isinstance(node.value, Fraction):
            return mp.mpf(node.value.numerator) / node.value.denominator
        if op == "sym":
            return self.point[str(node.value)]
        if op == "const":
            return self.constant(str(node.value))
        values = [self.value(arg) for arg in node.args]
        if op in ("add", "mul", "apply"):
            return self.sum(values) if op == "add" else self.product(values)
        if op in ("div", "pow"):
            return self.quotient(*values) if op == "div" else self.power(values[0], values[1], node)
        return self.special(op, values, node)

    def constant(self, name: str) -> Value:
        if name == "inf":
            raise _Skip
        return self.mp.mpc(0, 1) if name == "i" else +getattr(self.mp, name)

    def sum(self, values: list[Value]) -> Value:
        self.seen(values)
        return self.chopped(sum(values[1:], values[0]), max(abs(v) for v in values))

    def chopped(self, value: Value, scale: Value) -> Value:
        """Sums and functions that vanish leave a rounding error behind: read it as zero."""
        return self.mp.mpf(0) if abs(value) < scale * self.mp.mpf(10) ** (-self.mp.dps * 3 // 4) else value

    def product(self, values: list[Value]) -> Value:
        out = values[0]
        for value in values[1:]:
            out = out * value
        return self.bounded(out)

    def quotient(self, top: Value, bottom: Value) -> Value:
        if self.vanishes(bottom):
            if not self.point:
                raise Undefined("division by zero")
            raise _Skip
        return self.bounded(top / bottom)

    def vanishes(self, value: Value) -> bool:
        return bool(abs(value) < self.mp.mpf(10) ** (-self.mp.dps * 3 // 4))

    def bounded(self, value: Value) -> Value:
        if value != 0 and abs(self.mp.mag(value)) > MAX_LOG10 / 0.302:
            raise _Skip if self.point else Limit("a value is too large")
        return value

    def seen(self, terms: list[Value]) -> None:
        """Ask for more digits if one term of a sum is too small, beside the others, to be seen at this precision."""
        sizes = [self.mp.mag(t) for t in terms if t != 0]
        if len(sizes) > 1 and (max(sizes) - min(sizes)) * 0.302 > self.mp.dps / 3:
            raise _Skip if self.point else _NeedDigits

    def power(self, base: Value, exponent: Value, node: Node) -> Value:
        if self.vanishes(base):
            if self.mp.re(exponent) <= 0:
                raise _Skip if self.point else Undefined("zero to a power that is not positive")
            return self.mp.mpf(0)
        size = abs(self.mp.ln(abs(base), prec=60)) / 2.302585 * abs(exponent) + abs(self.mp.im(exponent))
        if size > MAX_LOG10:
            raise _Skip if self.point else Limit("a power is too large")
        fraction = rational(node.args[1])
        if fraction is not None and fraction.denominator == 1:
            return base ** int(fraction)
        return self.mp.power(base, exponent)

    def special(self, op: str, values: list[Value], node: Node) -> Value:
        if not values:  # an operator by itself, such as \sum
            raise _Skip
        mp, first = self.mp, values[0]
        if op in ("floor", "ceil") and mp.im(first) == 0:
            return getattr(mp, op)(first)
        if op == "call":
            return self.function(str(node.value), values)
        operations = {
            "neg": lambda: -first,
            "abs": lambda: abs(first),
            "deg": lambda: first * mp.pi / 180,
            "root": lambda: self.root(*values),
            "fact": lambda: self.gamma(first + 1),
        }
        if op not in operations:
            raise _Skip
        return operations[op]()

    def root(self, index: Value, radicand: Value) -> Value:
        if self.mp.im(index) != 0 or index != int(index) or not 1 <= index <= 1000:
            raise _Skip
        if self.vanishes(radicand):
            return self.mp.mpf(0)
        if self.mp.im(radicand) == 0 and radicand < 0 and int(index) % 2:
            return -self.mp.root(-radicand, int(index))
        return self.mp.root(radicand, int(index))

    def gamma(self, value: Value) -> Value:
        if abs(value) > 3000 or self.mp.dps > MAX_GAMMA_DIGITS:
            raise _Skip if self.point else Limit("a factorial is too large")
        if self.mp.im(value) == 0 and value <= 0 and abs(value - self.mp.nint(value)) < 1e-9:
            raise _Skip
        return self.mp.gamma(value)

    def function(self, name: str, values: list[Value]) -> Value:
        first = values[0]
        if self.mp.mag(first) > (1500 if name.startswith(("l", "ar", "b")) else 15):
            raise _Skip if self.point else Limit("the argument of a function is too large")
        if name == "binom":
            n, k = values
            return self.gamma(n + 1) / (self.gamma(k + 1) * self.gamma(n - k + 1))
        if name in ("ln", "log", "log10", "logb"):
            return self.logarithm(name, values)
        if name in ("cot", "sec", "csc", "tan", "coth"):
            return self.ratio(name, first)
        function = _FUNCTIONS.get(name)
        if function is None:
            raise _Skip
        return self.chopped(getattr(self.mp, function)(first), self.mp.mpf(1))

    def logarithm(self, name: str, values: list[Value]) -> Value:
        if any(self.vanishes(v) for v in values):
            raise _Skip if self.point else Undefined("the logarithm of zero")
        out = self.chopped(self.mp.log(values[0]), self.mp.mpf(1))
        if name == "log":  # the base is not stated: e and 10 are both usual, so neither is assumed
            return out * UNSTATED_BASE
        if name == "log10":
            return out / self.mp.log(10)
        return self.quotient(out, self.mp.log(values[1])) if name == "logb" else out

    def ratio(self, name: str, x: Value) -> Value:
        mp = self.mp
        if name == "coth":
            return self.quotient(mp.cosh(x), mp.sinh(x))
        top = {"cot": mp.cos, "tan": mp.sin}.get(name)
        bottom = {"cot": mp.sin, "tan": mp.cos, "sec": mp.cos, "csc": mp.sin}[name]
        return self.quotient(top(x) if top else mp.mpf(1), self.chopped(bottom(x), mp.mpf(1)))


UNSTATED_BASE: Final = 0.8362514720981
_FUNCTIONS: Final = {
    "sin": "sin", "cos": "cos", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "exp": "exp", "sgn": "sign",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "arsinh": "asinh", "arcosh": "acosh", "artanh": "atanh", "Re": "re", "Im": "im",
}  # fmt: skip


def constant_value(node: Node) -> Value | None:
    """Return the real value of a tree without symbols to 50 digits, or None if it has none."""
    mp = _context()
    mp.dps = 50
    try:
        return _Evaluation(mp, {}, False).value(node)
    except (_Skip, _NeedDigits, _OutOfTime, KeyError):
        return None
