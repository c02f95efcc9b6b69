"""Greatest common divisors and least common multiples, plainly and in stories, with remainders at the upper levels."""

from collections.abc import Callable
from itertools import count
from math import gcd, lcm
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family, by_kind
from generators.templates.language import count_of, join_and

GOODS = ("pencil", "eraser", "sticker")
NTH = ("first", "second", "third")
HARDWARE = ("screws", "nuts", "washers")
HIGHEST_LCM = 1000


class Numbers(NamedTuple):
    """`left` are the remainders that belong to the numbers; without any it is empty.

    "gcd" and "lcm" speak for themselves. "gcd_left": the greatest divisor that leaves these remainders. "lcm_left":
    the least integer above all numbers that leaves these remainders, which are all equal or all equally far below
    their numbers. "other": the numbers are an integer, its gcd with another integer and their lcm; the other is wanted.
    """

    kind: str
    numbers: tuple[int, ...]
    left: tuple[int, ...] = ()


def _multiples(rng: Random, how_many: int, divisors: tuple[int, int], factors: tuple[int, int]) -> tuple[int, ...]:
    divisor = rng.randint(*divisors)
    return tuple(divisor * factor for factor in rng.sample(range(factors[0], factors[1] + 1), how_many))


def _gcd_left(rng: Random, how_many: int) -> Numbers:
    numbers = _multiples(rng, how_many, (8, 20 * (how_many - 1)), (3, 20))
    left = tuple(rng.randint(1, 7) for _ in numbers)
    return Numbers("gcd_left", tuple(n + r for n, r in zip(numbers, left, strict=True)), left)


def _lcm_left(rng: Random, how_many: int, short: bool) -> Numbers:
    numbers = tuple(rng.sample(range(5, 31), how_many))
    same = rng.randint(1, min(numbers) - 1)
    return Numbers("lcm_left", numbers, tuple(n - same if short else same for n in numbers))


def _other(rng: Random) -> Numbers:
    one, other = _multiples(rng, 2, (4, 24), (3, 16))
    return Numbers("other", (one, gcd(one, other), lcm(one, other)))


def sample(rng: Random, level: int) -> Numbers:
    divide = rng.random() < 0.5
    if level <= 3:
        how_many = 3 if level == 3 else 2
        if divide:
            divisors, factors = ((2, 12), (2, 9)) if level == 1 else ((6, 30), (4, 20))
            return Numbers("gcd", _multiples(rng, how_many, divisors, factors))
        return Numbers("lcm", tuple(rng.sample(range(4, 25) if level == 1 else range(9, 61), how_many)))
    if level == 4:
        return rng.choice((_other(rng), _gcd_left(rng, 2), _lcm_left(rng, 2, False)))
    return _gcd_left(rng, 3) if divide else _lcm_left(rng, 3, rng.random() < 0.7)


def is_valid(p: Numbers) -> bool:
    if p.kind == "other":
        return 1 < p.numbers[1] < p.numbers[0] < p.numbers[2] and p.numbers[2] <= HIGHEST_LCM
    if p.kind in ("gcd", "gcd_left"):
        return max(p.left, default=1) < solve(p) <= min(p.numbers) // 2
    return max(p.numbers) < lcm(*p.numbers) <= HIGHEST_LCM


def solve(p: Numbers) -> int:
    """Euclid's algorithm, by way of math.gcd and math.lcm."""
    if p.kind == "other":
        return p.numbers[1] * p.numbers[2] // p.numbers[0]
    if p.kind == "gcd":
        return gcd(*p.numbers)
    if p.kind == "gcd_left":
        return gcd(*(n - r for n, r in zip(p.numbers, p.left, strict=True)))
    if p.kind == "lcm":
        return lcm(*p.numbers)
    return lcm(*p.numbers) + (p.left[0] if len(set(p.left)) == 1 else p.left[0] - p.numbers[0])


def check(p: Numbers, answer: Answer) -> bool:
    """Count up: no greater divisor, and no smaller multiple, has the property that is asked for."""
    assert isinstance(answer, int)
    if answer <= 0:
        return False
    if p.kind == "other":
        one, greatest, least = p.numbers
        divides = one % greatest == answer % greatest == least % one == least % answer == 0
        return divides and gcd(one // greatest, answer // greatest) == gcd(least // one, least // answer) == 1
    pairs = list(zip(p.numbers, p.left or (0,) * len(p.numbers), strict=True))
    if p.kind in ("gcd", "gcd_left"):
        n, r = min(pairs)
        fitting = [d for d in range(answer, n + 1) if n % d == r and all(m % d == s for m, s in pairs)]
        return fitting == [answer]
    step, start = max(pairs)
    return answer == next(m for m in count(step + start, step) if all(m % n == r for n, r in pairs))


def metamorphic(rng: Random, p: Numbers, answer: Answer) -> tuple[Numbers, Answer]:
    """All numbers and remainders k times as large, as in a smaller unit of length: so is the answer."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    return Numbers(p.kind, tuple(k * n for n in p.numbers), tuple(k * r for r in p.left)), k * answer


def _listed(p: Numbers) -> str:
    return join_and([f"{n:,}" for n in p.numbers])


def _goods(numbers: tuple[int, ...]) -> str:
    return join_and([count_of(n, noun) for n, noun in zip(numbers, GOODS, strict=False)])


def _each(p: Numbers, text: str) -> str:
    """Fill in `text` for every number with its remainder, and list the parts."""
    return join_and([text.format(n=n, r=r) for n, r in zip(p.numbers, p.left, strict=True)])


def _gcd_plain(p: Numbers) -> str:
    return f"What is the greatest common divisor of {_listed(p)}?"


def _gcd_ribbons(p: Numbers) -> str:
    ribbons = "Two ribbons" if len(p.numbers) == 2 else "Three ribbons"
    return (
        f"{ribbons} are {_listed(p)} centimetres long. They are to be cut into pieces that all have the same length, "
        f"with nothing left over. What is the greatest possible length of a piece, in centimetres?"
    )


def _gcd_bags(p: Numbers) -> str:
    return (
        f"A school shop packs {_goods(p.numbers)} into bags. All bags must have exactly the same contents, and nothing "
        f"may be left over. What is the greatest number of bags that can be packed?"
    )


def _gcd_squares(p: Numbers) -> str:
    size = " by ".join(f"{n} mm" for n in p.numbers)
    thing, parts = ("sheet of metal", "squares") if len(p.numbers) == 2 else ("block of wood", "cubes")
    return (
        f"How long, in millimetres, are the sides of the largest equal {parts} into which a {thing} of {size} "
        f"can be cut without waste?"
    )


def _gcd_left_plain(p: Numbers) -> str:
    return f"What is the greatest integer $d$ for which {_each(p, '{n} leaves the remainder {r}')} on division by $d$?"


def _gcd_left_children(p: Numbers) -> str:
    return (
        f"A teacher has {_goods(p.numbers)}. She shares out each kind equally among the children of a group, as far as "
        f"possible, and has {_goods(p.left)} left over. What is the greatest possible number of children in the group?"
    )


def _gcd_left_ribbons(p: Numbers) -> str:
    ribbons = "Two ribbons" if len(p.numbers) == 2 else "Three ribbons"
    return (
        f"{ribbons}, {_listed(p)} centimetres long, are cut into pieces of one and the same length. What remains is "
        f"shorter than a piece: {join_and([f'{r} cm' for r in p.left])}, in the same order. "
        f"What is the greatest length that the pieces can have, in centimetres?"
    )


def _gcd_left_rows(p: Numbers) -> str:
    bulbs = ("tulips", "daffodils", "crocuses")
    planted = [f"{n} {name}" for n, name in zip(p.numbers, bulbs, strict=False)]
    spare = [f"{r} of the {name}" for r, name in zip(p.left, bulbs, strict=False)]
    return (
        f"How many flowers at most can be in a row if a gardener plants {join_and(planted)}, each kind in rows of its "
        f"own, the same number of flowers in every row, and only {join_and(spare)} remain, too few for another row?"
    )


def _lcm_plain(p: Numbers) -> str:
    return f"What is the least common multiple of {_listed(p)}?"


def _lcm_buses(p: Numbers) -> str:
    lines = join_and([f"every {n} minutes on the {nth} line" for n, nth in zip(p.numbers, NTH, strict=False)])
    return (
        f"Buses leave a station {lines}. At 6 o'clock one bus of each line leaves. "
        f"How many minutes later does this happen again for the first time?"
    )


def _lcm_lights(p: Numbers) -> str:
    lights = join_and([f"one every {n} seconds" for n in p.numbers])
    return (
        f"After how many seconds do all the warning lights on a coast next flash together, if they have just done so "
        f"and each keeps its own rhythm: {lights}?"
    )


def _lcm_packs(p: Numbers) -> str:
    packs = join_and([f"{noun} in packs of {n}" for n, noun in zip(p.numbers, HARDWARE, strict=False)])
    return (
        f"A shop sells {packs}. A builder buys only full packs and wants equally many of each. "
        f"What is the smallest number of {HARDWARE[0]} that the builder can buy?"
    )


def _lcm_left_plain(p: Numbers) -> str:
    return (
        f"What is the smallest integer greater than {max(p.numbers)} that leaves "
        f"{_each(p, 'the remainder {r} on division by {n}')}?"
    )


def _lcm_left_eggs(p: Numbers) -> str:
    return (
        f"A farmer has more than {max(p.numbers)} eggs. If she fills boxes of one size as far as she can, there "
        f"remain {_each(p, '{r} with boxes of {n}')}. What is the smallest number of eggs that she can have?"
    )


def _lcm_left_band(p: Numbers) -> str:
    return (
        f"What is the smallest possible number of players in a parade, given that there are more than {max(p.numbers)} "
        f"and that, when they form as many full rows as they can, {_each(p, 'rows of {n} leave {r} over')}?"
    )


def _lcm_left_stickers(p: Numbers) -> str:
    return (
        f"A collector puts more than {max(p.numbers)} stickers into an album and fills one page after another: "
        f"{_each(p, 'with {n} to a page the last page holds {r}')}. "
        f"How many stickers must the collector have at least?"
    )


def _other_plain(p: Numbers) -> str:
    one, greatest, least = p.numbers
    return (
        f"The greatest common divisor of two positive integers is {greatest}, and their least common multiple is "
        f"{least:,}. One of the integers is {one}. What is the other one?"
    )


def _other_letters(p: Numbers) -> str:
    one, greatest, least = p.numbers
    return (
        rf"Find the positive integer $b$ for which $\gcd({one}, b) = {greatest}$ and the least common multiple of "
        f"{one} and $b$ is {least}."
    )


def _other_gears(p: Numbers) -> str:
    one, greatest, least = p.numbers
    return (
        f"Two toothed wheels turn each other; one has {one} teeth. After {least:,} teeth of each have passed the point "
        f"of contact, both wheels are in their starting position again for the first time. The greatest integer that "
        f"divides both numbers of teeth is {greatest}. How many teeth does the other wheel have?"
    )


def _other_bells(p: Numbers) -> str:
    one, greatest, least = p.numbers
    return (
        f"One bell rings every {one} seconds, another at a different whole number of seconds. Whenever both have rung "
        f"together, they do so again after {least:,} seconds and not before. The greatest whole number of seconds that "
        f"fits evenly into both intervals is {greatest}. How many seconds lie between two rings of the second bell?"
    )


TEXTS: dict[str, tuple[Callable[[Numbers], str], ...]] = {
    "gcd": (_gcd_plain, _gcd_ribbons, _gcd_bags, _gcd_squares),
    "gcd_left": (_gcd_left_plain, _gcd_left_ribbons, _gcd_left_children, _gcd_left_rows),
    "lcm": (_lcm_plain, _lcm_buses, _lcm_lights, _lcm_packs),
    "lcm_left": (_lcm_left_plain, _lcm_left_eggs, _lcm_left_band, _lcm_left_stickers),
    "other": (_other_plain, _other_letters, _other_gears, _other_bells),
}


FAMILY = Family(
    name="gcd_lcm",
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
