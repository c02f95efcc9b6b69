"""Two or three linear equations: two kinds of things counted in two ways, two purchases, or plain symbols.

The answer is always the ordered pair or triple that the question names.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family, by_kind
from generators.templates.language import a_or_an, count_of, join_and, plural, signed_sum

Rows = tuple[tuple[int, ...], ...]
LETTERS = (("x", "y", "z"), ("a", "b", "c"), ("u", "v", "w"))


class Count(NamedTuple):
    """Things of two kinds; `values` lists how many units each may count for, the smaller one first."""

    place: str
    things: str
    first: str
    second: str
    verb: str
    unit: str
    values: tuple[tuple[int, int], ...]


COUNTS = (
    Count("On a farm there are", "animal", "chicken", "rabbit", "have", "leg", ((2, 4),)),
    Count("A jar holds", "coin", "nickel", "dime", "are worth", "cent", ((5, 10),)),
    Count("A cash box holds", "coin", "dime", "quarter", "are worth", "cent", ((10, 25),)),
    Count("In a car park there are", "vehicle", "motorcycle", "car", "have", "wheel", ((2, 4),)),
    Count("A workshop builds", "toy", "tricycle", "wagon", "have", "wheel", ((3, 4),)),
    Count("A van carries", "box", "small box", "large box", "weigh", "kilogram", ((3, 8), (4, 9), (5, 12))),
    Count("A test has", "question", "short question", "long question", "are worth", "point", ((2, 5), (3, 8), (2, 7))),
    Count("A school play sells", "ticket", "child ticket", "adult ticket", "bring in", "dollar", ((4, 7), (5, 9))),
)  # fmt: skip
PRICES = (
    ("pen", (1, 4), "folder", (3, 7)),
    ("muffin", (2, 4), "sandwich", (5, 9)),
    ("notebook", (2, 5), "calculator", (9, 16)),
    ("child ticket", (4, 9), "adult ticket", (8, 18)),
    ("T-shirt", (9, 18), "sweater", (20, 45)),
    ("small pizza", (7, 11), "large pizza", (12, 19)),
)


class System(NamedTuple):
    """`kind` is "count", "price" or "symbols"; `scene` picks the setting; rows times unknowns give the totals."""

    kind: str
    scene: int
    rows: Rows
    totals: tuple[int, ...]


def _totals(rows: Rows, unknowns: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(a * x for a, x in zip(row, unknowns, strict=True)) for row in rows)


def _counted(rng: Random, highest: int) -> System:
    scene = rng.randrange(len(COUNTS))
    rows = ((1, 1), rng.choice(COUNTS[scene].values))
    return System("count", scene, rows, _totals(rows, [rng.randint(highest // 6, highest) for _ in range(2)]))


def _bought(rng: Random) -> System:
    scene = rng.randrange(len(PRICES))
    _, cheap, _, dear = PRICES[scene]
    rows = tuple((rng.randint(1, 7), rng.randint(1, 7)) for _ in range(2))
    return System("price", scene, rows, _totals(rows, (rng.randint(*cheap), rng.randint(*dear))))


def sample(rng: Random, level: int) -> System:
    if level <= 2:
        return _counted(rng, 12 if level == 1 else 30)
    if level == 3:
        return _bought(rng)
    scene = rng.randrange(len(LETTERS))
    if level == 4:
        coefficients = [n for n in range(-9, 10) if n]
        pairs = tuple((rng.choice(coefficients), rng.choice(coefficients)) for _ in range(2))
        return System("symbols", scene, pairs, (rng.randint(-20, 20), rng.randint(-20, 20)))
    rows = tuple(tuple(rng.randint(-5, 6) for _ in range(3)) for _ in range(3))
    return System("symbols", scene, rows, _totals(rows, [rng.randint(-9, 9) for _ in range(3)]))


def _determinant(rows: Sequence[Sequence[int]]) -> int:
    if len(rows) == 2:
        return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    minors = ([row[:i] + row[i + 1 :] for row in map(tuple, rows[1:])] for i in range(3))
    return sum((-1) ** i * a * _determinant(minor) for i, (a, minor) in enumerate(zip(rows[0], minors, strict=True)))


def _replaced(p: System, column: int) -> Rows:
    return tuple((*row[:column], t, *row[column + 1 :]) for row, t in zip(p.rows, p.totals, strict=True))


def solve(p: System) -> tuple[Answer, ...]:
    """Cramer's rule."""
    bottom = _determinant(p.rows)
    return tuple(Fraction(_determinant(_replaced(p, i)), bottom) for i in range(len(p.rows)))


def is_valid(p: System) -> bool:
    if _determinant(p.rows) == 0:
        return False
    unknowns = [Fraction(x) for x in solve(p) if isinstance(x, Fraction)]
    if p.kind != "symbols":
        return all(x.denominator == 1 and x > 0 for x in unknowns)
    sane = all(x.denominator <= 12 and abs(x.numerator) <= 40 for x in unknowns)
    return sane and len(set(unknowns)) > 1 and all(sum(a != 0 for a in row) >= 2 for row in p.rows)


def check(p: System, answer: Answer) -> bool:
    """Put the unknowns back into every equation; the guard has made sure that they are the only ones."""
    assert isinstance(answer, tuple)
    unknowns = [x for x in answer if isinstance(x, int | Fraction)]
    equations = zip(p.rows, p.totals, strict=True)
    return all(sum(a * x for a, x in zip(row, unknowns, strict=True)) == total for row, total in equations)


def metamorphic(rng: Random, p: System, answer: Answer) -> tuple[System, Answer]:
    """All totals k times as large: so are the unknowns."""
    assert isinstance(answer, tuple)
    k = rng.randint(2, 5)
    scaled = tuple(k * x for x in answer if isinstance(x, int | Fraction))
    return p._replace(totals=tuple(k * total for total in p.totals)), scaled


def _kinds(p: System) -> tuple[Count, str, str]:
    """The scene of a count, and its two kinds with their values in brackets."""
    scene = COUNTS[p.scene]
    values = [f"({count_of(value, scene.unit)} each)" for value in p.rows[1]]
    return scene, f"{plural(scene.first)} {values[0]}", f"{plural(scene.second)} {values[1]}"


def _pair_of_counts(scene: Count) -> str:
    return f"Give the answer as the ordered pair (number of {plural(scene.first)}, number of {plural(scene.second)})."


def _count_plain(p: System) -> str:
    scene, first, second = _kinds(p)
    return (
        f"{scene.place} {count_of(p.totals[0], scene.things)}: {first} and {second}. "
        f"Together they {scene.verb} {count_of(p.totals[1], scene.unit)}. How many {plural(scene.first)} and "
        f"how many {plural(scene.second)} are there? {_pair_of_counts(scene)}"
    )


def _count_difference(p: System) -> str:
    scene, first, second = _kinds(p)
    more = p.totals[1] - p.totals[0] * p.rows[1][0]
    return (
        f"{scene.place} {count_of(p.totals[0], scene.things)}, some of them {first} and the rest {second}. "
        f"Together they {scene.verb} {count_of(more, scene.unit)} more than they would "
        f"{scene.verb.replace('are ', 'be ')} if all of them were {plural(scene.first)}. "
        f"How many of each kind are there? {_pair_of_counts(scene)}"
    )


def _count_letters(p: System) -> str:
    scene, first, second = _kinds(p)
    return (
        f"{scene.place} $x$ {first} and $y$ {second}. In total, that makes {count_of(p.totals[0], scene.things)} "
        f"and {count_of(p.totals[1], scene.unit)}. Set up two equations and find the ordered pair $(x, y)$."
    )


def _count_question_first(p: System) -> str:
    scene = COUNTS[p.scene]
    kinds = ((scene.first, p.rows[1][0]), (scene.second, p.rows[1][1]))
    either = " or ".join(f"{a_or_an(kind)} ({count_of(value, scene.unit)})" for kind, value in kinds)
    return (
        f"Find the ordered pair (number of {plural(scene.first)}, number of {plural(scene.second)}). "
        f"{scene.place} {count_of(p.totals[0], scene.things)}, each of which is either {either}. "
        f"All of them together {scene.verb} {count_of(p.totals[1], scene.unit)}."
    )


def _baskets(p: System) -> tuple[str, str]:
    first, _, second, _ = PRICES[p.scene]
    one, two = (f"{count_of(row[0], first)} and {count_of(row[1], second)}" for row in p.rows)
    return one, two


def _pair_of_prices(p: System) -> str:
    first, _, second, _ = PRICES[p.scene]
    return f"the ordered pair (price of one {first}, price of one {second}) in dollars"


def _price_plain(p: System) -> str:
    (one, two), (first, _, second, _) = _baskets(p), PRICES[p.scene]
    return (
        f"Every {first} has the same price, and so does every {second}. Together, {one} cost {p.totals[0]} dollars, "
        f"while {two} cost {p.totals[1]} dollars. What are the two prices? Give {_pair_of_prices(p)}."
    )


def _price_customers(p: System) -> str:
    one, two = _baskets(p)
    return (
        f"A customer buys {one} and pays {p.totals[0]} dollars. At the same prices, the next customer buys {two} "
        f"and pays {p.totals[1]} dollars. Find {_pair_of_prices(p)}."
    )


def _price_letters(p: System) -> str:
    (one, two), (first, _, second, _) = _baskets(p), PRICES[p.scene]
    return (
        f"Let $x$ be the price of one {first} and $y$ the price of one {second}, both in dollars. An order of {one} "
        f"comes to {p.totals[0]} dollars, and an order of {two} comes to {p.totals[1]} dollars. "
        f"Which ordered pair $(x, y)$ fits both orders?"
    )


def _price_question_first(p: System) -> str:
    (one, two), (first, _, second, _) = _baskets(p), PRICES[p.scene]
    return (
        f"What does one {first} cost, and what does one {second} cost? The price list is lost, but two receipts are "
        f"left: one is for {one} at a total of {p.totals[0]} dollars, the other for {two} at a total of "
        f"{p.totals[1]} dollars. Give {_pair_of_prices(p)}."
    )


def _symbols(p: System) -> tuple[list[str], str, str]:
    """The equations, the letters as a list, and the pair or triple of letters with its name."""
    letters = LETTERS[p.scene][: len(p.rows)]
    equations = [f"${signed_sum(row, letters)} = {t}$" for row, t in zip(p.rows, p.totals, strict=True)]
    name = "ordered pair" if len(letters) == 2 else "ordered triple"
    return equations, join_and([f"${x}$" for x in letters]), f"{name} $({', '.join(letters)})$"


FORM = "Write every number in it as an integer or a simplified fraction."


def _symbols_plain(p: System) -> str:
    equations, _, ordered = _symbols(p)
    return f"Solve the system of equations {join_and(equations)}. Give the solution as the {ordered}. {FORM}"


def _symbols_meeting(p: System) -> str:
    equations, letters, ordered = _symbols(p)
    shapes = "lines" if len(equations) == 2 else "planes"
    return (
        f"In a coordinate system with the axes {letters}, the {shapes} with the equations {join_and(equations)} have "
        f"exactly one point in common. Find its coordinates, as the {ordered}. {FORM}"
    )


def _symbols_question_first(p: System) -> str:
    equations, _, ordered = _symbols(p)
    every = "both" if len(equations) == 2 else "all three"
    return f"Which {ordered} makes {every} of these equations true: {'; '.join(equations)}? {FORM}"


def _symbols_numbers(p: System) -> str:
    equations, letters, ordered = _symbols(p)
    first, *rest = equations
    return f"The numbers {letters} satisfy {first}. They also satisfy {join_and(rest)}. Determine the {ordered}. {FORM}"


TEXTS: dict[str, tuple[Callable[[System], str], ...]] = {
    "count": (_count_plain, _count_difference, _count_letters, _count_question_first),
    "price": (_price_plain, _price_customers, _price_letters, _price_question_first),
    "symbols": (_symbols_plain, _symbols_meeting, _symbols_question_first, _symbols_numbers),
}


FAMILY = Family(
    name="linear_system",
    domain="algebra",
    version=1,
    answer_type="tuple",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=by_kind(TEXTS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
