"""Remainders: of one number, of products and powers, and numbers found from several remainders at once."""

from collections.abc import Callable
from itertools import combinations, count
from math import gcd, prod
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family, by_kind
from generators.templates.language import join_and


class Remainder(NamedTuple):
    """What is divided by the moduli.

    "single": numbers (n,). "product": numbers (a, b, c) for ab + c. "power": numbers (a, e, c) for a^e + c.
    "common": one remainder for each modulus; the least positive integer with these remainders is wanted.
    """

    kind: str
    numbers: tuple[int, ...]
    moduli: tuple[int, ...]


def _common(rng: Random, how_many: int, low: int, high: int) -> Remainder:
    moduli = tuple(rng.sample(range(low, high + 1), how_many))
    return Remainder("common", tuple(rng.randrange(1, m) for m in moduli), moduli)


def _power(rng: Random, bases: tuple[int, int], exponents: tuple[int, int], moduli: tuple[int, int]) -> Remainder:
    added = 0 if exponents[1] < 100 else rng.randint(2, 50)
    return Remainder("power", (rng.randint(*bases), rng.randint(*exponents), added), (rng.randint(*moduli),))


def sample(rng: Random, level: int) -> Remainder:
    if level == 1:
        return Remainder("single", (rng.randint(40, 250),), (rng.randint(3, 12),))
    if level == 2:
        return Remainder(
            "product", (rng.randint(11, 25), rng.randint(13, 60), rng.randint(12, 60)), (rng.randint(5, 16),)
        )
    if rng.random() < 0.5:
        return _common(rng, *((2, 3, 13), (2, 7, 30), (3, 5, 19))[level - 3])
    powers = (((2, 12), (5, 20), (5, 13)), ((2, 30), (20, 150), (7, 20)), ((15, 99), (200, 2000), (13, 40)))
    return _power(rng, *powers[level - 3])


def is_valid(p: Remainder) -> bool:
    if p.kind == "common":
        coprime = all(gcd(m, n) == 1 for m, n in combinations(p.moduli, 2))
        return coprime and solve(p) > 2 * max(p.moduli)
    if p.kind == "power":
        a, m = p.numbers[0], p.moduli[0]
        return gcd(a, m) == 1 and a % m not in (1, m - 1)
    return p.numbers[0] % p.moduli[0] != 0


def solve(p: Remainder) -> int:
    """Modular exponentiation, and the Chinese remainder theorem for the remainders in common."""
    a, (m, *_) = p.numbers[0], p.moduli
    if p.kind == "single":
        return a % m
    if p.kind == "product":
        return (a * p.numbers[1] + p.numbers[2]) % m
    if p.kind == "power":
        return (pow(a, p.numbers[1], m) + p.numbers[2]) % m
    whole = prod(p.moduli)
    parts = (r * whole // n * pow(whole // n, -1, n) for r, n in zip(p.numbers, p.moduli, strict=True))
    return sum(parts) % whole


def check(p: Remainder, answer: Answer) -> bool:
    """Count: take the modulus away, add and multiply one step at a time, or try one number after another."""
    if p.kind == "common":
        start, step = max(zip(p.moduli, p.numbers, strict=True))[::-1]
        pairs = list(zip(p.moduli, p.numbers, strict=True))
        return answer == next(n for n in count(start, step) if all(n % m == r for m, r in pairs))
    first, modulus = p.numbers[0], p.moduli[0]
    if p.kind == "single":
        return answer in range(modulus) and answer in range(first, -1, -modulus)
    if p.kind == "product":
        total = p.numbers[2] + sum(p.numbers[1] for _ in range(first))
        return answer in range(modulus) and answer in range(total, -1, -modulus)
    value = 1
    for _ in range(p.numbers[1]):
        value = value * first % modulus
    return answer in range(modulus) and answer in range(value + p.numbers[2], -1, -modulus)


def metamorphic(rng: Random, p: Remainder, answer: Answer) -> tuple[Remainder, Answer]:
    """A multiple of the modulus added to the first number changes nothing; all signs turned reflect a common number."""
    assert isinstance(answer, int)
    if p.kind == "common":
        negative = tuple(m - r for r, m in zip(p.numbers, p.moduli, strict=True))
        return p._replace(numbers=negative), prod(p.moduli) - answer
    first, *others = p.numbers
    return p._replace(numbers=(first + rng.randint(1, 5) * p.moduli[0], *others)), answer


def _single_plain(p: Remainder) -> str:
    return f"What is the remainder when {p.numbers[0]} is divided by {p.moduli[0]}?"


def _single_eggs(p: Remainder) -> str:
    return (
        f"A farmer has {p.numbers[0]} eggs and packs them into boxes of {p.moduli[0]}. She fills as many boxes as "
        f"possible. How many eggs are left over?"
    )


def _single_beads(p: Remainder) -> str:
    return (
        f"A pattern of {p.moduli[0]} beads is repeated along a string of {p.numbers[0]} beads until the string ends. "
        f"How many beads are there after the last complete pattern?"
    )


def _single_marbles(p: Remainder) -> str:
    return (
        f"How many marbles remain in the bag if {p.numbers[0]} marbles are shared out among {p.moduli[0]} children so "
        f"that all children get equally many, and as many as possible?"
    )


def _product(p: Remainder) -> str:
    a, b, c = p.numbers
    return rf"${a} \cdot {b} + {c}$"


def _product_plain(p: Remainder) -> str:
    return f"What is the remainder when {_product(p)} is divided by {p.moduli[0]}?"


def _product_bakery(p: Remainder) -> str:
    a, b, c = p.numbers
    return (
        f"A bakery has {a} trays with {b} rolls each and {c} more rolls in a basket. The rolls are packed into as many "
        f"full bags of {p.moduli[0]} as possible. How many rolls are left over?"
    )


def _product_board(p: Remainder) -> str:
    a, b, c = p.numbers
    return (
        f"The {p.moduli[0]} fields of a circular game board are numbered from 0 to {p.moduli[0] - 1}, and after field "
        f"{p.moduli[0] - 1} comes field 0 again. A piece on field 0 first moves {c} fields towards higher numbers and "
        f"then {a} times {b} fields in the same direction. On which field does it end?"
    )


def _product_tables(p: Remainder) -> str:
    a, b, c = p.numbers
    return (
        f"How many guests of a street festival are not at a full table if {a} buses bring {b} guests each, another {c} "
        f"guests come on foot, and as many tables of {p.moduli[0]} as possible are filled?"
    )


def _powered(p: Remainder) -> str:
    a, e, c = p.numbers
    return f"${a}^{{{e}}} + {c}$" if c else f"${a}^{{{e}}}$"


def _power_plain(p: Remainder) -> str:
    return f"What is the remainder when {_powered(p)} is divided by {p.moduli[0]}?"


def _power_congruence(p: Remainder) -> str:
    m = p.moduli[0]
    return rf"Find the integer $r$ with $0 \le r < {m}$ for which {_powered(p)} is congruent to $r$ modulo {m}."


def _power_board(p: Remainder) -> str:
    m = p.moduli[0]
    return (
        f"The fields of a circular game board are numbered from 0 to {m - 1}, and after field {m - 1} comes field 0 "
        f"again. A piece on field 0 moves {_powered(p)} fields towards higher numbers. On which field does it end?"
    )


def _power_machine(p: Remainder) -> str:
    a, e, c = p.numbers
    m = p.moduli[0]
    end = f" At the end, {c} is added, and the remainder on division by {m} is taken once more." if c else ""
    return (
        f"A machine shows the number 1. In each step it multiplies the number shown by {a} and then shows the "
        f"remainder of the product on division by {m}. It makes {e} steps.{end} Which number is shown finally?"
    )


def _each(p: Remainder, text: str) -> str:
    return join_and([text.format(m=m, r=r) for r, m in zip(p.numbers, p.moduli, strict=True)])


def _common_plain(p: Remainder) -> str:
    return f"What is the smallest positive integer that leaves {_each(p, 'the remainder {r} on division by {m}')}?"


def _common_crates(p: Remainder) -> str:
    return (
        f"A barn holds some apples. If they are packed into crates of one size, as many full crates as possible, there "
        f"remain {_each(p, '{r} with crates of {m}')}. What is the smallest number of apples that the barn can hold?"
    )


def _common_rows(p: Remainder) -> str:
    return (
        f"How many people at least take part in a parade if, when they form as many full rows as possible, "
        f"{_each(p, 'rows of {m} leave {r} over')}?"
    )


def _common_congruences(p: Remainder) -> str:
    congruences = _each(p, r"$n \equiv {r} \pmod{{{m}}}$")
    return f"Find the least positive integer $n$ with {congruences}."


TEXTS: dict[str, tuple[Callable[[Remainder], str], ...]] = {
    "single": (_single_plain, _single_eggs, _single_beads, _single_marbles),
    "product": (_product_plain, _product_bakery, _product_board, _product_tables),
    "power": (_power_plain, _power_congruence, _power_board, _power_machine),
    "common": (_common_plain, _common_crates, _common_rows, _common_congruences),
}


FAMILY = Family(
    name="remainder",
    domain="number theory",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=by_kind(TEXTS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
