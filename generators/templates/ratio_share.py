"""Sharing in one ratio of two or three parts, or in two linked ratios: from the total, a difference or a transfer."""

from itertools import count
from math import gcd
from random import Random
from typing import Literal, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, join_and, pick_names

Told = Literal["total", "difference", "transfer"]

THINGS = ("marbles", "stamps", "chestnuts", "beads", "shells", "trading cards")
EVERYBODY = -1
TOLD: dict[int, tuple[Told, ...]] = {
    1: ("total",),
    2: ("total", "difference"),
    3: ("difference", "transfer"),
    4: ("total", "difference", "transfer"),
}


class Sharing(NamedTuple):
    """`ratios` is one ratio of all shares, or two linked ones: first to second, and second to third.

    `value` is the total, or how many more `more` has than `less`, or how many `more` must hand to `less` to make the
    two equal. `asked` is a person's place, or EVERYBODY for the total.
    """

    names: tuple[str, ...]
    thing: str
    ratios: tuple[tuple[int, ...], ...]
    told: Told
    more: int
    less: int
    value: int
    asked: int


def sample(rng: Random, level: int) -> Sharing:
    told = rng.choice(TOLD[level])
    people = 2 if level == 1 or (level == 2 and told == "difference") else 3
    lengths = (people,) if level < 4 else (2, 2)
    ratios = tuple(tuple(rng.randint(1, 9) for _ in range(length)) for length in lengths)
    parts = _parts(ratios)
    unit = rng.randint(2, 12)
    less, more = sorted(rng.sample(range(people), 2), key=lambda i: parts[i])
    value = unit * (sum(parts) if told == "total" else parts[more] - parts[less])
    value = value // 2 if told == "transfer" else value
    asked = rng.randrange(-1 if told != "total" else 0, people)
    return Sharing(pick_names(rng, people), rng.choice(THINGS), ratios, told, more, less, value, asked)


def _parts(ratios: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The parts of everybody in lowest terms."""
    parts = ratios[0]
    if len(ratios) == 2:
        (first, second), (second_again, third) = ratios
        parts = (first * second_again, second * second_again, second * third)
    common = gcd(*parts)
    return tuple(part // common for part in parts)


def _told_parts(p: Sharing) -> int:
    """How many parts of the whole the told value stands for (a transfer closes the gap from both sides)."""
    parts = _parts(p.ratios)
    return sum(parts) if p.told == "total" else parts[p.more] - parts[p.less]


def is_valid(p: Sharing) -> bool:
    """Ratios in lowest terms, all shares different, parts of more than one thing, and a total people can have."""
    parts = _parts(p.ratios)
    if any(gcd(*ratio) > 1 for ratio in p.ratios) or len(set(parts)) < len(parts) or p.value < 2:
        return False
    if len(p.ratios) == 2 and (p.ratios[0][1] == p.ratios[1][0] or 1 in (p.ratios[0][1], p.ratios[1][0])):
        return False
    value = 2 * p.value if p.told == "transfer" else p.value
    if value % _told_parts(p):
        return False
    return value > _told_parts(p) and value // _told_parts(p) * sum(parts) <= 1500


def solve(p: Sharing) -> int:
    parts = _parts(p.ratios)
    value = 2 * p.value if p.told == "transfer" else p.value
    unit = value // _told_parts(p)
    return unit * (sum(parts) if p.asked == EVERYBODY else parts[p.asked])


def check(p: Sharing, answer: Answer) -> bool:
    """Let everybody's share grow as the ratios demand until what is told comes true; then look at the asked share."""
    first, second = p.ratios[0][:2]
    for k in count(1):
        shares = [k * first, k * second]
        if len(p.names) == 3:
            base, whole, part = (shares[0], first, p.ratios[0][2]) if len(p.ratios) == 1 else (shares[1], *p.ratios[1])
            if base % whole:
                continue
            shares.append(base // whole * part)
        surplus = _surplus(p, shares)
        if surplus >= 0:
            return surplus == 0 and answer == (sum(shares) if p.asked == EVERYBODY else shares[p.asked])
    return False


def _surplus(p: Sharing, shares: list[int]) -> int:
    """How far the shares exceed what is told; it grows with them."""
    if p.told == "total":
        return sum(shares) - p.value
    if p.told == "difference":
        return shares[p.more] - (shares[p.less] + p.value)
    return (shares[p.more] - p.value) - (shares[p.less] + p.value)


def metamorphic(rng: Random, p: Sharing, answer: Answer) -> tuple[Sharing, Answer]:
    """The told value k times as large with the same ratios: the answer is k times as large."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    return p._replace(names=pick_names(rng, len(p.names)), value=k * p.value), k * answer


def _ratio(p: Sharing) -> str:
    return " : ".join(map(str, p.ratios[0]))


def _everybody(p: Sharing) -> str:
    """Name all people, where "they" could mean the two that were named last."""
    return "the two" if len(p.names) == 2 else "all three"


def _linked(p: Sharing, what: str) -> str:
    """The sentence with both linked ratios."""
    (a, b), (c, d) = p.ratios
    first, second, third = p.names
    return (
        f"The ratio of {first}'s {what} to {second}'s is {a} : {b}, "
        f"and the ratio of {second}'s {what} to {third}'s is {c} : {d}."
    )


def _collection(p: Sharing) -> str:
    more, less = p.names[p.more], p.names[p.less]
    shared = f"{join_and(p.names)} own {p.thing} in the ratio {_ratio(p)}, in this order."
    told = {
        "total": f"Together they own {p.value:,} {p.thing}.",
        "difference": f"{more} owns {p.value:,} more {p.thing} than {less}.",
        "transfer": f"If {more} gave {p.value:,} {p.thing} to {less}, these two would own equally many.",
    }[p.told]
    asked = f"{_everybody(p)} own together" if p.asked == EVERYBODY else f"{p.names[p.asked]} owns"
    ratio = shared if len(p.ratios) == 1 else _linked(p, f"number of {p.thing}")
    return f"{ratio} {told} Find how many {p.thing} {asked}."


def _profit(p: Sharing) -> str:
    """The question comes first."""
    more, less = p.names[p.more], p.names[p.less]
    asked = "is the whole profit" if p.asked == EVERYBODY else f"is {p.names[p.asked]}'s share"
    told = {
        "total": f"The whole profit is ${p.value:,}.",
        "difference": f"{more} gets ${p.value:,} more than {less}.",
        "transfer": f"If {more} passed ${p.value:,} on to {less}, these two would have the same amount.",
    }[p.told]
    ratio = f"The agreed ratio is {_ratio(p)}, in the order of the names."
    return (
        f"How many dollars {asked} when {join_and(p.names)} divide the profit of a market stall? "
        f"{ratio if len(p.ratios) == 1 else _linked(p, 'share')} {told}"
    )


def _election(p: Sharing) -> str:
    """What is told comes before the ratio."""
    more, less = p.names[p.more], p.names[p.less]
    told = {
        "total": f"{p.value:,} votes are cast, all of them valid",
        "difference": f"{more} gets {p.value:,} more votes than {less}",
        "transfer": f"{more} and {less} would have tied if {p.value:,} of {more}'s voters had voted for {less} instead",
    }[p.told]
    ratio = f"The votes for {join_and(p.names)} are in the ratio {_ratio(p)}, in this order."
    asked = "did the candidates get in all" if p.asked == EVERYBODY else f"did {p.names[p.asked]} get"
    return (
        f"In a club election with {'two' if len(p.names) == 2 else 'three'} candidates, {told}. "
        f"{ratio if len(p.ratios) == 1 else _linked(p, 'number of votes')} How many votes {asked}?"
    )


def _quiz(p: Sharing) -> str:
    """The ratio is told as parts: for every so many points of one, so many of the other."""
    more, less = p.names[p.more], p.names[p.less]
    first, second, *_ = p.names
    pairs = [
        f"{name} scores {count_of(part, 'point')}" for name, part in zip(p.names[1:], p.ratios[0][1:], strict=False)
    ]
    matched = f"For every {count_of(p.ratios[0][0], 'point')} that {first} scores, {join_and(pairs)}"
    if len(p.ratios) == 2:
        whole, part = (count_of(n, "point") for n in p.ratios[1])
        matched += f", and for every {whole} that {second} scores, {p.names[2]} scores {part}"
    told = {
        "total": f"The final scores add up to {p.value:,}.",
        "difference": f"{more} finishes {p.value:,} points ahead of {less}.",
        "transfer": f"Moving {p.value:,} points from {more} to {less} would make these two scores equal.",
    }[p.told]
    asked = f"do {_everybody(p)} score together" if p.asked == EVERYBODY else f"does {p.names[p.asked]} score"
    return f"{join_and(p.names)} compare their scores after a quiz. {matched}. {told} How many points {asked}?"


FAMILY = Family(
    name="ratio_share",
    domain="ratios",
    version=3,
    answer_type="integer",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_collection, _profit, _election, _quiz),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
