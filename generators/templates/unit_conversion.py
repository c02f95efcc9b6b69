"""Converting through a chain of stated factors: plain units, rates, areas and volumes, and goods traded for goods."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm, prod
from random import Random
from typing import Literal, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, join_and, pick_names, plural

Kind = Literal["plain", "rate", "size", "trade"]
KINDS: tuple[Kind, ...] = ("plain", "rate", "size", "trade")
Links = tuple[tuple[int, int], ...]

# from large to small; the number is how many of the next unit make one
LADDERS: dict[str, tuple[tuple[str, int], ...]] = {
    "length": (("mile", 1760), ("yard", 3), ("foot", 12), ("inch", 0)),
    "metric length": (("kilometre", 1000), ("metre", 100), ("centimetre", 10), ("millimetre", 0)),
    "weight": (("ton", 2000), ("pound", 16), ("ounce", 0)),
    "volume": (("gallon", 4), ("quart", 2), ("pint", 2), ("cup", 0)),
    "time": (("week", 7), ("day", 24), ("hour", 60), ("minute", 60), ("second", 0)),
    "size": (("yard", 3), ("foot", 12), ("inch", 0)),
    "metric size": (("metre", 100), ("centimetre", 10), ("millimetre", 0)),
}
CARRIERS = {
    "length": "A cable is {} long",
    "metric length": "A cable is {} long",
    "weight": "A load of grain weighs {}",
    "volume": "A barrel holds {}",
    "time": "A sea voyage lasts {}",
}
# who, does what, to do it, the ladder, unit and time unit, lowest and highest rate
RATES = (
    ("A conveyor belt", "moves", "move", "length", "foot", "minute", 12, 120),
    ("A conveyor belt", "moves", "move", "length", "inch", "second", 2, 30),
    ("A drone", "flies", "fly", "metric length", "metre", "second", 3, 25),
    ("A snail", "crawls", "crawl", "metric length", "millimetre", "second", 2, 6),
    ("A pump", "delivers", "deliver", "volume", "gallon", "minute", 4, 60),
    ("A fountain", "delivers", "deliver", "volume", "pint", "second", 2, 12),
    ("A mill", "grinds", "grind", "weight", "pound", "minute", 4, 90),
    ("A machine", "packs", "pack", "weight", "ounce", "second", 2, 40),
)
LADDERS_OF: dict[Kind, tuple[str, ...]] = {"plain": tuple(CARRIERS), "size": ("size", "metric size")}
GOODS = ("shell", "bead", "feather", "pebble", "ribbon", "acorn", "button", "marble")
EXCHANGES: Links = tuple((n, m) for n in range(2, 8) for m in range(2, 8) if gcd(n, m) == 1)


TEXTS: dict[Kind, tuple[str, ...]] = {
    "plain": (
        "{carried}. How many {last} is that? Recall that {facts}.",
        "How many {last} make up {amount}? Recall that {facts}.",
        "Given that {facts}, convert {amount} first to {middle} and then to {last}. "
        "How many {last} are there in the end?",
        "{name} needs to know {amount} as a number of {last}. In a book of tables, {name} finds that {facts}. "
        "How many {last} is that?",
    ),
    "rate": (
        "{who} {does} {amount} per {time}. How many {last} per {last_time} is that? Recall that {facts}.",
        "How many {last} does {who_small} {do} in one {last_time}, if it {does} {amount} per {time} without a break? "
        "Recall that {facts}.",
        "For a table, {name} has to write the rate of {amount} per {time} in {last} per {last_time}. "
        "Which number belongs in the table, given that {facts}?",
        "{name} observes that {who_small} steadily {does} {amount} every {time}. Given that {facts}, find how many "
        "{last} it {does} every {last_time}.",
    ),
    "size": (
        "A {shape} measures {sides}. Find its {measure} in {power} {last}. Recall that {facts}.",
        "What is the {measure}, in {power} {last}, of a {shape} that measures {sides}? Recall that {facts}.",
        "{name} measures a {shape} and finds {sides}. Given that {facts}, what is its {measure} when it is written in "
        "{power} {last}?",
        "On a drawing of a {shape}, the sides are marked in {first}: {sides}. {name} has to state the {measure} in "
        "{power} {last} and knows that {facts}. What is the {measure} in {power} {last}?",
    ),
    "trade": (
        "At a market, {facts}. How many {last} are worth as much as {amount}?",
        "How many {last} does {name} get for {amount} at a fair? The rates of exchange there are these: {facts}.",
        "{name} has {amount} and trades all of them, step by step, until only {last} are left. "
        "The traders agree that {facts}. How many {last} does {name} have then?",
        "In a game every kind of thing has a fixed value: {facts}. A map is sold for {amount}, but {name} owns only "
        "{last}. How many {last} are worth the same as the map?",
    ),
}


class Conversion(NamedTuple):
    """`sizes` is an amount of the first unit, or the sides of a shape; a link (n, m) says n of a unit = m of the next.

    A rate has a second chain for the time unit. `order` is how the facts are listed, `swapped` which are turned round.
    """

    kind: Kind
    about: int
    ladder: str
    name: str
    sizes: tuple[int, ...]
    units: tuple[str, ...]
    links: Links
    times: tuple[str, ...]
    time_links: Links
    order: tuple[int, ...]
    swapped: tuple[bool, ...]


def sample(rng: Random, level: int) -> Conversion:
    kind = KINDS[level - 1]
    about = 0
    times: tuple[str, ...] = ("", "")
    time_links: Links = ()
    ladder = rng.choice(LADDERS_OF.get(kind, ("",)))
    if kind == "rate":
        about = rng.randrange(len(RATES))
        *_, ladder, unit, time, low, high = RATES[about]
        units, links = _walk(rng, ladder, unit, rng.randint(1, 2))
        times, time_links = _walk(rng, "time", time, rng.randint(1, 2))
        sizes: tuple[int, ...] = (rng.randint(low, high),)
    elif kind == "trade":
        units = tuple(rng.sample(GOODS, 5))
        links = tuple(rng.sample(EXCHANGES, len(units) - 1))
        sizes = (rng.randint(1, 12) * _whole_lots(links),)
    else:
        units, links = _walk(rng, ladder, "", 2 if kind == "plain" else rng.randint(1, 2))
        step, sides = _factor(links).denominator, 1 if kind == "plain" else rng.randint(2, 3)
        step = -(-step // 4) if kind == "size" else step
        sizes = tuple(step * rng.randint(2, 20) for _ in range(sides))
    count = len(links) + len(time_links)
    order = tuple(rng.sample(range(count), count))
    swapped = tuple(kind == "trade" and rng.random() < 0.5 for _ in order)
    (name,) = pick_names(rng, 1)
    return Conversion(kind, about, ladder, name, sizes, units, links, times, time_links, order, swapped)


def _walk(rng: Random, ladder: str, start: str, steps: int) -> tuple[tuple[str, ...], Links]:
    """Go `steps` rungs up or down a ladder from a unit, or from any unit, turning round where the ladder would end."""
    rungs = LADDERS[ladder]
    names = [name for name, _ in rungs]
    at = names.index(start) if start else rng.randrange(len(rungs))
    ends = [to for to in (at - steps, at + steps) if 0 <= to < len(rungs)] or [0 if at else len(rungs) - 1]
    to = rng.choice(ends)
    path = range(at, to + 1) if to > at else range(at, to - 1, -1)
    links = tuple((1, rungs[i][1]) if j > i else (rungs[j][1], 1) for i, j in pairwise(path))
    return tuple(names[i] for i in path), links


def _factor(links: Links) -> Fraction:
    """How many of the last unit make one of the first."""
    numerator, denominator = 1, 1
    for n, m in links:
        numerator, denominator = numerator * m, denominator * n
    return Fraction(numerator, denominator)


def _whole_lots(links: Links) -> int:
    """An amount must be a multiple of this to be traded in whole lots at every step."""
    lots, numerator, denominator = 1, 1, 1
    for n, m in links:
        denominator *= n
        lots = lcm(lots, denominator // gcd(numerator, denominator))
        numerator *= m
    return lots


def is_valid(p: Conversion) -> bool:
    """Numbers of a size met in practice, simple fractions only, no two sides alike, goods traded in whole lots."""
    answer = solve(p)
    if p.kind == "trade":
        return p.sizes[0] % _whole_lots(p.links) == 0 and p.sizes[0] <= 900 and 2 <= answer <= 1500
    if p.kind == "plain":
        return len(p.links) == 2 and p.sizes[0] <= 200_000 and 2 <= answer <= 200_000
    if p.kind == "rate":
        return answer.denominator <= 20 and Fraction(1, 2) <= answer <= 200_000
    return len(set(p.sizes)) == len(p.sizes) and answer.denominator <= 16 and 1 <= answer <= 5_000_000


def solve(p: Conversion) -> Fraction:
    if p.kind == "rate":
        return p.sizes[0] * _factor(p.links) / _factor(p.time_links)
    return prod(p.sizes) * _factor(p.links) ** len(p.sizes)


def check(p: Conversion, answer: Answer) -> bool:
    """Convert the answer back, link by link (for a rate: what is done in one new unit of time); sides one by one."""
    assert isinstance(answer, Fraction)
    if p.kind == "size":
        for side in p.sizes:
            answer *= _back(Fraction(1), p.links) / side
        return answer == 1
    span = _back(Fraction(1), p.time_links)
    return _back(answer, p.links) == p.sizes[0] * span


def _back(amount: Fraction, links: Links) -> Fraction:
    """Turn an amount of the last unit into the first unit."""
    for n, m in reversed(links):
        amount = amount / m * n
    return amount


def metamorphic(rng: Random, p: Conversion, answer: Answer) -> tuple[Conversion, Answer]:
    """The amount, or one side, k times as large: the answer is k times as large."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    return p._replace(name=pick_names(rng, 1)[0], sizes=(k * p.sizes[0], *p.sizes[1:])), k * answer


def _fact(p: Conversion, i: int, swapped: bool) -> str:
    """One factor in words: the larger unit first, or the goods either way round."""
    units, links = (p.units, p.links) if i < len(p.links) else (p.times, p.time_links)
    at = i if i < len(p.links) else i - len(p.links)
    n, m = links[at]
    left, right = count_of(n, units[at]), count_of(m, units[at + 1])
    if p.kind == "trade":
        return f"{right} are worth {left}" if swapped else f"{left} are worth {right}"
    return f"{left} = {right}" if n == 1 else f"{right} = {left}"


def _facts(p: Conversion) -> dict[str, str]:
    facts = join_and([_fact(p, i, swapped) for i, swapped in zip(p.order, p.swapped, strict=True)])
    amounts = [count_of(size, p.units[0]) for size in p.sizes]
    who, does, do, *_ = RATES[p.about]
    flat = len(p.sizes) == 2
    return {
        "name": p.name,
        "amount": amounts[0],
        "facts": facts,
        "carried": CARRIERS.get(p.ladder, "").format(amounts[0]),
        "first": plural(p.units[0]),
        "middle": plural(p.units[1]),
        "last": plural(p.units[-1]),
        "time": p.times[0],
        "last_time": p.times[-1],
        "who": who,
        "who_small": who.lower(),
        "does": does,
        "do": do,
        "shape": "rectangle" if flat else "rectangular block",
        "sides": " by ".join(amounts),
        "measure": "area" if flat else "volume",
        "power": "square" if flat else "cubic",
    }


def _wording(i: int) -> Callable[[Conversion], str]:
    def text(p: Conversion) -> str:
        form = "an integer" if p.kind in ("plain", "trade") else "an integer or a simplified fraction"
        return f"{TEXTS[p.kind][i].format(**_facts(p))} Give the answer as {form}."

    return text


FAMILY = Family(
    name="unit_conversion",
    domain="units",
    version=1,
    answer_type="rational",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(_wording(i) for i in range(4)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
