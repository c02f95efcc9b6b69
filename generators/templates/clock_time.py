"""Elapsed time on a journey: what is left of it, in minutes, after the stops, over midnight and across time zones."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, join_and, pick_names, plural

DAY = 24 * 60
WORDS = ("no", "one", "two", "three", "four")


class Journey(NamedTuple):
    """Local times in minutes since midnight before the start (so `end` may lie above one day), stops in minutes;
    clocks at the end are `zone` hours ahead of those at the start."""

    name: str
    start: int
    end: int
    stops: tuple[int, ...]
    zone: int


def sample(rng: Random, level: int) -> Journey:
    name = pick_names(rng, 1)[0]
    if level == 1:
        start, moving = 5 * rng.randint(72, 220), 5 * rng.randint(4, 23)
        return Journey(name, start, start + moving, (), 0)
    stops = (1, rng.randint(2, 3), rng.randint(2, 3), rng.randint(3, 4))[level - 2]
    pauses = tuple(rng.randint(10, (25, 60, 75, 90)[level - 2]) for _ in range(stops))
    elapsed = rng.randint(60 + 50 * stops, 120 + 90 * level) + sum(pauses)
    start = rng.randint(6 * 60, 14 * 60) if level <= 3 else DAY - rng.randint(30, elapsed - 30)
    zone = rng.choice((-3, -2, -1, 1, 2, 3)) if level == 5 else 0
    return Journey(name, start, start + elapsed + 60 * zone, pauses, zone)


def is_valid(p: Journey) -> bool:
    """Different stops; shorter than a day, ending on the same day or the next, by all clocks later than it began."""
    if len(set(p.stops)) < len(p.stops):
        return False
    return solve(p) >= 15 and p.start < p.end < 2 * DAY and p.end - p.start < DAY - 60


def solve(p: Journey) -> int:
    return p.end - p.start - 60 * p.zone - sum(p.stops)


def check(p: Journey, answer: Answer) -> bool:
    """Set out, let the time found and all the stops go by, and read the clock and the calendar at the end."""
    assert isinstance(answer, int)
    now = datetime(2001, 1, 1, p.start // 60, p.start % 60, tzinfo=UTC)
    for minutes in (*p.stops, answer):
        now += timedelta(minutes=minutes)
    arrival = now.astimezone(timezone(timedelta(hours=p.zone)))
    days, clock = divmod(p.end, DAY)
    return answer > 0 and (arrival.day, arrival.hour, arrival.minute) == (1 + days, clock // 60, clock % 60)


def metamorphic(rng: Random, p: Journey, answer: Answer) -> tuple[Journey, Answer]:
    """Start earlier by one amount and arrive later by another: both are added to the time."""
    assert isinstance(answer, int)
    earlier, later = rng.randint(1, 20), rng.randint(1, 20)
    changed = p._replace(name=pick_names(rng, 1)[0], start=p.start - earlier, end=p.end + later)
    return changed, answer + earlier + later


def _clock_12(minutes: int) -> str:
    hour, minute = divmod(minutes % DAY, 60)
    return f"{(hour - 1) % 12 + 1}:{minute:02d} {'a.m.' if hour < 12 else 'p.m.'}"


def _clock_24(minutes: int) -> str:
    hour, minute = divmod(minutes % DAY, 60)
    return f"{hour:02d}:{minute:02d}"


def _day(p: Journey) -> str:
    """Which day the arrival is on, where that needs saying."""
    return " the next day" if p.end >= DAY else " the same day" if p.zone else ""


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = ([count_of(hours, "hour")] if hours else []) + ([count_of(rest, "minute")] if rest else [])
    return " ".join(parts)


def _stops(p: Journey) -> str:
    return join_and([_duration(minutes) for minutes in p.stops])


def _zone(p: Journey) -> str:
    if not p.zone:
        return ""
    return (
        f" Both times are local, and clocks at the destination are {count_of(abs(p.zone), 'hour')} "
        f"{'ahead of' if p.zone > 0 else 'behind'} those at the starting point."
    )


def _places(p: Journey, one: str) -> str:
    """Say "one station, for 20 minutes" or "two stations, for 20 minutes and 1 hour 5 minutes, respectively"."""
    if len(p.stops) == 1:
        return f"one {one}, for {_stops(p)}"
    return f"{WORDS[len(p.stops)]} {plural(one)}, for {_stops(p)}, respectively"


def _train(p: Journey) -> str:
    start = (
        f"{p.name}'s train leaves at {_clock_12(p.start)} and reaches its destination at "
        f"{_sentence_end(_clock_12(p.end) + _day(p))}{_zone(p)}"
    )
    if not p.stops:
        return f"{start} How many minutes does the train journey take?"
    return f"{start} On the way it stands in {_places(p, 'station')}. For how many minutes is the train moving?"


def _coach(p: Journey) -> str:
    times = f"sets off at {_clock_24(p.start)} and arrives at {_clock_24(p.end)}{_day(p)}."
    if not p.stops:
        return f"A coach {times} {p.name} is on board all the way. For how many minutes is {p.name} on board?"
    breaks = f"a break of {_stops(p)}" if len(p.stops) == 1 else f"{WORDS[len(p.stops)]} breaks, of {_stops(p)}"
    return (
        f"{p.name} drives a coach that {times}{_zone(p)} On the way {p.name} takes {breaks}; otherwise the coach never "
        f"stops. For how many minutes is {p.name} at the wheel?"
    )


def _ferry(p: Journey) -> str:
    times = f"It casts off at {_clock_24(p.start)} and ties up at its destination at {_clock_24(p.end)}{_day(p)}."
    calls = f" On the way it lies in {_places(p, 'port')}." if p.stops else ""
    return f"How many minutes does the ferry with {p.name} on board spend at sea? {times}{calls}{_zone(p)}"


def _plane(p: Journey) -> str:
    finally_ = "finally " if p.stops else ""
    times = f"takes off at {_clock_12(p.start)} and {finally_}lands at {_sentence_end(_clock_12(p.end) + _day(p))}"
    landings = f" In between it is on the ground at {_places(p, 'airfield')}." if p.stops else ""
    return f"{p.name}'s mail plane {times}{_zone(p)}{landings} How many minutes is the plane in the air?"


def _sentence_end(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


FAMILY = Family(
    name="clock_time",
    domain="time",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_train, _coach, _ferry, _plane),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
