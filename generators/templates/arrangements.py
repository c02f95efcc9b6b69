"""Order objects in a row, alike within a colour, under conditions: count the rows."""

from functools import cache
from math import comb, factorial, prod
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import a_or_an, count_of, join_and, plural

# Initials differ, so that a wording can use letters in place of colours.
COLOURS = (
    "red", "blue", "green", "yellow", "white", "purple", "orange", "silver", "maroon", "turquoise", "lilac", "crimson",
)  # fmt: skip
EASY = ((1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1, 1), (2, 1), (2, 1, 1), (3, 1), (3, 1, 1), (2, 2), (3, 2), (4, 1))
SPECIAL = {"free": 0, "together": 1, "ends": 1, "apart": 1, "together and apart": 2}


class Row(NamedTuple):
    """`counts[i]` objects of `colours[i]`; the rule speaks of the first colour, or of the first two."""

    colours: tuple[str, ...]
    counts: tuple[int, ...]
    rule: str


def sample(rng: Random, level: int) -> Row:
    rule = ("free", "free", rng.choice(("together", "ends")), "apart", "together and apart")[level - 1]
    repeated = tuple(rng.randint(2, 3) for _ in range(SPECIAL[rule] or 1))
    others = tuple(rng.randint(1, 3) for _ in range(rng.randint(2, 4)))
    counts = rng.choice(EASY) if level == 1 else repeated + others
    return Row(tuple(rng.sample(COLOURS, len(counts))), counts, rule)


def is_valid(p: Row) -> bool:
    """Two ordinary colours, nothing so large that counting becomes silly, and at least three different rows."""
    if len(p.counts) < SPECIAL[p.rule] + 2 or sum(p.counts) > 11 or min(p.counts[: SPECIAL[p.rule]], default=2) < 2:
        return False
    return solve(p) >= 3


def solve(p: Row) -> int:
    first, rest = p.counts[0], p.counts[1:]
    if p.rule == "together":
        return _multinomial((1, *rest))
    if p.rule == "ends":
        return _multinomial((first - 2, *rest))
    if p.rule == "apart":
        return _multinomial(rest) * comb(sum(rest) + 1, first)
    if p.rule == "together and apart":
        return _multinomial((1, *rest[1:])) * comb(sum(rest[1:]) + 2, rest[0])
    return _multinomial(p.counts)


def _multinomial(counts: tuple[int, ...]) -> int:
    return factorial(sum(counts)) // prod(factorial(n) for n in counts)


def check(p: Row, answer: Answer) -> bool:
    """Lay the row from left to right, object by object, and count the ways that keep to the rule."""
    return _rows(p.counts, -1, p.rule) == answer


@cache
def _rows(left: tuple[int, ...], last: int, rule: str) -> int:
    """The ways to lay the objects left after one of colour number `last` (-1 at the left end)."""
    if not any(left):
        return int(rule != "ends" or last == 0)
    apart = {"apart": 0, "together and apart": 1}.get(rule)
    ways = 0
    for i, n in enumerate(left):
        breaks_block = "together" in rule and last == 0 and i != 0 and left[0] > 0
        if n == 0 or breaks_block or (i == last == apart) or (rule == "ends" and last == -1 and i != 0):
            continue
        ways += _rows((*left[:i], n - 1, *left[i + 1 :]), i, rule)
    return ways


def metamorphic(rng: Random, p: Row, answer: Answer) -> tuple[Row, Answer]:
    """Recolour one object of the last colour (b of them) as the colour before it (a of them): b / (a + 1) as many."""
    assert isinstance(answer, int)
    *start, a, b = p.counts
    colours = tuple(rng.sample(COLOURS, len(p.colours)))
    counts = (*start, a + 1, b - 1) if b > 1 else (*start, a + 1)
    return p._replace(colours=colours[: len(counts)], counts=counts), answer * b // (a + 1)


def _objects(p: Row, noun: str) -> str:
    if max(p.counts) == 1:
        return join_and([f"{a_or_an(colour)} {noun}" for colour in p.colours])
    return join_and([count_of(n, f"{colour} {noun}") for n, colour in zip(p.counts, p.colours, strict=True)])


def _rule(p: Row, noun: str) -> str:
    """The condition as one sentence with a blank before it; nothing if there is none."""
    first, second, many = p.colours[0], p.colours[1], plural(noun)
    together = f" The {p.counts[0]} {first} {many} must be side by side, with no other {noun} between them"
    if p.rule == "together and apart":
        return f"{together}; on the other hand, no two {second} {many} may be next to each other."
    return {
        "together": f"{together}.",
        "apart": f" No two {first} {many} may be next to each other.",
        "ends": f" There must be {a_or_an(first)} {noun} at each end.",
    }.get(p.rule, "")


def _alike(p: Row, noun: str) -> str:
    return "" if max(p.counts) == 1 else f" {plural(noun).capitalize()} of the same colour look alike."


def _flags(p: Row) -> str:
    return (
        f"A sailor hangs {_objects(p, 'flag')} on a line, in a row from left to right.{_alike(p, 'flag')}"
        f"{_rule(p, 'flag')} How many different signals can be made in this way, if every flag is used?"
    )


def _notebooks(p: Row) -> str:
    return (
        f"In how many distinguishable ways can {_objects(p, 'notebook')} be lined up on a shelf?"
        f"{_alike(p, 'notebook')}{_rule(p, 'notebook')}"
    )


def _tiles(p: Row) -> str:
    return (
        f"A strip above a door has room for {sum(p.counts)} square tiles side by side.{_rule(p, 'tile')} "
        f"The tiler has {_objects(p, 'tile')} and will use them all.{_alike(p, 'tile')} "
        "How many different patterns, read from left to right, are possible?"
    )


def _letters(p: Row) -> str:
    initials = [colour[0].upper() for colour in p.colours]
    letters = [letter for letter, n in zip(initials, p.counts, strict=True) for _ in range(n)]
    together = f" The {p.counts[0]} letters {initials[0]} must stand side by side, with no other letter between them"
    rule = {
        "together": f"{together}.",
        "apart": f" No two letters {initials[0]} may stand next to each other.",
        "ends": f" The string must both begin and end with {initials[0]}.",
        "together and apart": f"{together}; on the other hand, no two letters {initials[1]} may be neighbours.",
    }.get(p.rule, "")
    return (
        f"A string is made by writing the {len(letters)} letters {join_and(letters)} in some order, with no letter "
        f"left out.{rule} How many different strings are there?"
    )


FAMILY = Family(
    name="arrangements",
    domain="combinatorics",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_flags, _notebooks, _tiles, _letters),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
