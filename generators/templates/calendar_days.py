"""Find the weekday a number of days on or back, or on another date, within a year or across leap years."""

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import pick_names

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
YEARS = (
    "a leap year",
    "the year after a leap year",
    "the second year after a leap year",
    "the year before a leap year",
)
WORDS = ("no", "one", "two", "three", "four", "five")
FORM = "Give the name of the weekday."


class Weekday(NamedTuple):
    """A day with weekday `start` (0 is Monday); asked: the weekday `days` later, or, with days 0, on the date
    `second` (month, day) `years` after the year of the date `first`, which is `cycle` (0 to 3) years after a leap
    year."""

    name: str
    start: int
    days: int
    first: tuple[int, ...]
    second: tuple[int, ...]
    years: int
    cycle: int


def sample(rng: Random, level: int) -> Weekday:
    name, start = pick_names(rng, 1)[0], rng.randrange(7)
    if level <= 2:
        days = rng.randint(8, 60) if level == 1 else rng.randint(61, 999) * rng.choice((1, -1))
        return Weekday(name, start, days, (), (), 0, 0)
    years = 0 if level == 3 else rng.choice((-1, 1)) if level == 4 else rng.choice((-5, -4, -3, -2, 2, 3, 4, 5))
    return Weekday(name, start, 0, _sample_date(rng), _sample_date(rng), years, rng.randrange(4))


def _sample_date(rng: Random) -> tuple[int, int]:
    month = rng.randrange(12)
    return month + 1, rng.randint(1, LENGTHS[month])


def is_valid(p: Weekday) -> bool:
    """Whole weeks are too easy, and dates of one year are some weeks apart."""
    if p.days:
        return p.days % 7 != 0
    return bool(p.years) or abs(_day_number(p.second, 0) - _day_number(p.first, 0)) > 28


def solve(p: Weekday) -> str:
    days = p.days or _day_number(p.second, p.cycle + p.years) - _day_number(p.first, p.cycle)
    return WEEKDAYS[(p.start + days) % 7]


def _day_number(when: tuple[int, ...], year: int) -> int:
    """Days since the start of year 0, which is a leap year, as is every fourth one from there."""
    month, day = when
    leap_day = int(year % 4 == 0 and month > 2)
    return 365 * year + (year + 3) // 4 + sum(LENGTHS[: month - 1]) + leap_day + day


def check(p: Weekday, answer: Answer) -> bool:
    """Find real years in which the first date falls on that weekday, and look the second date up in the calendar."""
    if p.days:
        monday = date(2001, 1, 1)
        return answer == WEEKDAYS[(monday + timedelta(days=p.start) + timedelta(days=p.days)).weekday()]
    year = next(y for y in range(1948 + p.cycle, 2000, 4) if date(y, *_pair(p.first)).weekday() == p.start)
    return answer == WEEKDAYS[date(year + p.years, *_pair(p.second)).weekday()]


def _pair(when: tuple[int, ...]) -> tuple[int, int]:
    month, day = when
    return month, day


def metamorphic(rng: Random, p: Weekday, answer: Answer) -> tuple[Weekday, Answer]:
    """Move the known weekday on by some days: the weekday asked moves on by as many."""
    assert isinstance(answer, str)
    shift = rng.randint(1, 6)
    moved = WEEKDAYS[(WEEKDAYS.index(answer) + shift) % 7]
    return p._replace(name=pick_names(rng, 1)[0], start=(p.start + shift) % 7), moved


def _date(when: tuple[int, ...]) -> str:
    month, day = when
    return f"{day} {MONTHS[month - 1]}"


def _year(p: Weekday) -> str:
    """Describe the year of the first date, as far as it matters."""
    if p.years == 0:
        return "a leap year" if p.cycle == 0 else "a year that is not a leap year"
    return YEARS[p.cycle]


def _cycle(p: Weekday) -> str:
    return " Assume that every fourth year is a leap year." if p.years else ""


def _which(p: Weekday) -> str:
    """Name the year of the second date, seen from that of the first."""
    if p.years == 0:
        return "in the same year"
    count = "one calendar year" if abs(p.years) == 1 else f"{WORDS[abs(p.years)]} calendar years"
    return f"{count} {'later' if p.years > 0 else 'earlier'}"


def _distance(p: Weekday) -> str:
    return f"{abs(p.days)} days {'after' if p.days > 0 else 'before'}"


def _plain(p: Weekday) -> str:
    day = WEEKDAYS[p.start]
    if p.days:
        question = f"will it be in {p.days} days" if p.days > 0 else f"was it {-p.days} days ago"
        return f"Today is a {day}. What day of the week {question}? {FORM}"
    return (
        f"In {_year(p)}, {_date(p.first)} falls on a {day}. On which day of the week does {_date(p.second)} fall "
        f"{_which(p)}?{_cycle(p)} {FORM}"
    )


def _short(p: Weekday) -> str:
    day = WEEKDAYS[p.start]
    if p.days:
        return f"Which day of the week comes exactly {_distance(p)} a {day}? {FORM}"
    if p.years == 0:
        return (
            f"Find the weekday of {_date(p.second)} in {_year(p)}, if {_date(p.first)} of that year is a {day}. {FORM}"
        )
    return (
        f"A calendar for {_year(p)} shows that {_date(p.first)} is a {day}. Find the weekday of {_date(p.second)} "
        f"{_which(p)}.{_cycle(p)} {FORM}"
    )


def _birthday(p: Weekday) -> str:
    day = WEEKDAYS[p.start]
    if p.days:
        return (
            f"{p.name} was born on a {day}. {p.name}'s cousin was born {_distance(p)} that. "
            f"On which day of the week was the cousin born? {FORM}"
        )
    return (
        f"{p.name} was born on {_date(p.first)} in {_year(p)}. That day was a {day}. {p.name}'s cousin was born on "
        f"{_date(p.second)}, {_which(p)}.{_cycle(p)} On which day of the week was the cousin born? {FORM}"
    )


def _diary(p: Weekday) -> str:
    day = WEEKDAYS[p.start]
    if p.days:
        return (
            f"A ship's log mentions a storm and an eclipse of the moon; the eclipse came {_distance(p)} the storm, and "
            f"the storm was on a {day}. Find the weekday of the eclipse. {FORM}"
        )
    return (
        f"An old diary mentions a storm on {day}, {_date(p.first)}, and an eclipse on {_date(p.second)}, {_which(p)}. "
        f"The storm came in {_year(p)}.{_cycle(p)} Find the weekday of the eclipse. {FORM}"
    )


FAMILY = Family(
    name="calendar_days",
    domain="calendar",
    version=1,
    answer_type="string",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _short, _birthday, _diary),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
