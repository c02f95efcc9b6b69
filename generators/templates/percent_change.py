"""One or more percentage changes in a row: find the final value, or the original from the final value or the change."""

from fractions import Fraction
from math import lcm
from random import Random
from typing import Literal, NamedTuple

from generators.templates.family import Answer, Family

Told = Literal["start", "end", "difference"]

# what changes -> lowest and highest original value, how a value is written, what it is called once it is known
THINGS = {
    "the price of a bicycle": (100, 900, "${:,}", "the price"),
    "the yearly rent of a garden plot": (60, 600, "${:,}", "the rent"),
    "the number of members of a sports club": (80, 1200, "{:,}", "the number of members"),
    "the population of a town": (5000, 90000, "{:,}", "the population"),
    "the population of a village": (400, 9000, "{:,}", "the population"),
    "the number of books in a school library": (500, 9000, "{:,}", "the number of books"),
    "the number of lamps made in a factory per day": (100, 3000, "{:,}", "the number of lamps per day"),
}
SMALL = (10, 20, 25, 50)
LARGE = (4, 5, 8, 10, 12, 15, 20, 25, 30, 35, 40)
ORDINALS = ("first", "second", "third")


class Change(NamedTuple):
    """`value` is the original, the final value or the size of the whole change, by `told`; changes are in percent."""

    thing: str
    told: Told
    value: int
    changes: tuple[int, ...]


def sample(rng: Random, level: int) -> Change:
    thing = rng.choice(tuple(THINGS))
    low, high, *_ = THINGS[thing]
    count = (1, 2, rng.randint(1, 2), 3)[level - 1]
    percents = SMALL if level == 1 else LARGE
    changes = tuple(rng.choice((1, -1)) * rng.choice(percents) for _ in range(count))
    step = 20 if level == 1 else _whole_step(changes)
    start = step * rng.randint(-(-low // step), max(high, low + step) // step)
    end = int(start * _factor(changes))
    if level <= 2:
        return Change(thing, "start", start, changes)
    if level == 4 and rng.random() < 0.5:
        return Change(thing, "difference", abs(end - start), changes)
    return Change(thing, "end", end, changes)


def _factor(changes: tuple[int, ...]) -> Fraction:
    numerator, denominator = 1, 1
    for change in changes:
        numerator, denominator = numerator * (100 + change), denominator * 100
    return Fraction(numerator, denominator)


def _whole_step(changes: tuple[int, ...]) -> int:
    """The original must be a multiple of this for every value on the way to be whole."""
    return lcm(*(_factor(changes[: i + 1]).denominator for i in range(len(changes))))


def _original(p: Change) -> Fraction:
    if p.told == "start":
        return Fraction(p.value)
    if p.told == "end":
        return p.value / _factor(p.changes)
    return p.value / abs(_factor(p.changes) - 1)


def is_valid(p: Change) -> bool:
    """Every value on the way is whole, the original is of the right size, and the changes do not cancel out."""
    low, high, *_ = THINGS[p.thing]
    original = _original(p) if _factor(p.changes) != 1 else Fraction(0)
    return p.value >= 5 and low <= original <= high and original % _whole_step(p.changes) == 0


def solve(p: Change) -> int:
    original = _original(p)
    return int(original * _factor(p.changes)) if p.told == "start" else int(original)


def _applied(value: int, changes: tuple[int, ...]) -> int | None:
    """Add or take away the percentage step by step, in whole numbers; None where it would not be whole."""
    for change in changes:
        if value * change % 100:
            return None
        value += value * change // 100
    return value


def check(p: Change, answer: Answer) -> bool:
    """Undo the changes from a final value, or carry them out from an original, and compare with what was told."""
    assert isinstance(answer, int)
    if p.told == "start":
        value = answer
        for change in reversed(p.changes):
            if value * 100 % (100 + change):
                return False
            value = value * 100 // (100 + change)
        return value == p.value
    end = _applied(answer, p.changes)
    return answer > 0 and end is not None and p.value == (end if p.told == "end" else abs(end - answer))


def metamorphic(rng: Random, p: Change, answer: Answer) -> tuple[Change, Answer]:
    """A value k times as large with the same percentages: the answer is k times as large."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    return p._replace(value=k * p.value), k * answer


def _moves(p: Change, up: str, down: str) -> list[str]:
    return [f"{up if change > 0 else down} {abs(change)}%" for change in p.changes]


def _value(p: Change) -> str:
    return THINGS[p.thing][2].format(p.value)


def _short(p: Change) -> str:
    return THINGS[p.thing][3]


def _whole_change(p: Change) -> str:
    return f"{_value(p)} {'more' if _factor(p.changes) > 1 else 'less'}"


def _basis(p: Change) -> str:
    """Say what each percentage is a percentage of, with a trailing space, where there are several."""
    return "Each percentage refers to the value just before that change. " if len(p.changes) > 1 else ""


def _plain(p: Change) -> str:
    moves = ", then ".join(_moves(p, "rises by", "falls by"))
    if p.told == "start":
        return f"At first, {p.thing} is {_value(p)}. It {moves}. {_basis(p)}What is {_short(p)} after that?"
    now = _value(p) if p.told == "end" else f"{_whole_change(p)} than at first"
    return f"{p.thing.capitalize()} {moves}. {_basis(p)}It is now {now}. What was {_short(p)} at first?"


def _question_first(p: Change) -> str:
    moves = " followed by ".join(_moves(p, "a rise of", "a fall of"))
    if p.told == "start":
        return f"What is {p.thing} after {moves}, if it is {_value(p)} to begin with? {_basis(p)}".strip()
    now = f"to {_value(p)}" if p.told == "end" else f"to a value {_whole_change(p)} than the original one"
    return f"What was {p.thing} originally, if {moves} brought it {now}? {_basis(p)}".strip()


def _years(p: Change) -> str:
    yearly = " ".join(
        f"In the {ordinal} year it {move}."
        for ordinal, move in zip(ORDINALS, _moves(p, "went up by", "went down by"), strict=False)
    )
    about = f"A report describes {p.thing}"
    if p.told == "start":
        return f"{about}, which was {_value(p)} at the beginning. {yearly} {_basis(p)}What was it at the end?"
    end = f"it was {_value(p)}" if p.told == "end" else f"it was {_whole_change(p)} than at the beginning"
    return f"{about}. {yearly} {_basis(p)}At the end {end}. What was it at the beginning?"


def _clerk(p: Change) -> str:
    """The changes are signed numbers in a list here, and the told value comes first."""
    signed = ", ".join(f"{'+' if change > 0 else '−'}{abs(change)}%" for change in p.changes)
    listed = f"one change: {signed}" if len(p.changes) == 1 else f"these changes, one after the other: {signed}"
    if p.told == "start":
        return (
            f"A clerk notes that {p.thing} is {_value(p)}, and later notes {listed}. {_basis(p)}"
            f"What is {_short(p)} in the end according to these notes?"
        )
    now = _value(p) if p.told == "end" else f"{_whole_change(p)} than in a clerk's earliest note"
    return (
        f"Today {p.thing} is {now}. Between the earliest note and today, the clerk's book shows {listed}. {_basis(p)}"
        f"What was {_short(p)} in the earliest note?"
    )


FAMILY = Family(
    name="percent_change",
    domain="percentages",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _question_first, _years, _clerk),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
