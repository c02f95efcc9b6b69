"""Speed, distance and time: meeting, catching up, average speed with a rest, and a meeting with a delay and a rest."""

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Literal, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

Kind = Literal["meeting", "catching up", "average", "delayed meeting"]
KINDS: tuple[Kind, ...] = ("meeting", "catching up", "average", "delayed meeting")

# traveller -> verb for several and for one, lowest and highest speed in km/h, their step, most hours
MODES = {
    "cyclist": ("cycle", "cycles", 12, 30, 1, 5),
    "runner": ("run", "runs", 7, 14, 1, 2),
    "driver": ("drive", "drives", 40, 100, 5, 5),
    "skier": ("ski", "skis", 6, 16, 1, 3),
}
PLACES = ("Fairview", "Birchwood", "Castleton", "Dunmore", "Greystone", "Hillcrest", "Larkfield", "Millbrook")
LEG_MINUTES = (20, 30, 36, 40, 45, 48, 60, 75, 80, 90)
ROUND = "as an integer or a simplified fraction."

TEXTS: dict[Kind, tuple[str, ...]] = {
    "meeting": (
        "{a} {does} from {p} towards {q} at {v} km/h. At the same moment {b} sets off from {q} and {does} along the "
        "same route towards {p} at {w} km/h. The route is {gap} km long. After how many hours do they meet?",
        "How many hours pass until {a} and {b} meet? They start at the same time at opposite ends of a route {gap} km "
        "long and {do} towards each other, {a} at {v} km/h and {b} at {w} km/h.",
        "{p} and {q} lie {gap} km apart. Both at nine o'clock, {a} leaves {p} for {q} at {v} km/h and {b} leaves {q} "
        "for {p} at {w} km/h on the same route. How many hours after nine o'clock do they pass each other?",
        "Two {traveller}s are {gap} km apart on a straight route and start at once towards each other. "
        "One keeps to {v} km/h, the other to {w} km/h. For how many hours do they {do} before they meet?",
    ),
    "catching up": (
        "{a} sets off from {p} and {does} at {v} km/h. Then, {delay} minutes later, {b} sets off from the same place "
        "on the same route at {w} km/h. How many hours after {b}'s start does {b} catch up with {a}?",
        "How many hours must {b} {do} to catch up with {a}? Both take the same route from {p}, {a} at {v} km/h and "
        "{b} at {w} km/h, but {a} has a head start of {delay} minutes.",
        "{a} left home {delay} minutes ago and {does} at a steady {v} km/h. Now {b} finds that {a} has forgotten the "
        "keys and follows on the same route at {w} km/h. After how many hours from now does {b} reach {a}?",
        "Two {traveller}s take the same route out of {p}. The slower one keeps to {v} km/h and leaves {delay} minutes "
        "before the faster one, who keeps to {w} km/h. For how many hours has the faster one been on the way when "
        "both are at the same point?",
    ),
    "average": (
        "{a} {does} {legs}, with a rest of {rest} minutes on the way. "
        "What is the average speed for the whole trip, the rest included?",
        "What is {a}'s average speed from {p} to {q}, counted from departure to arrival? On the way, {a} {does} "
        "{legs}, and stops once for {rest} minutes.",
        "On the way from {p} to {q}, {a} stops for {rest} minutes and otherwise {does} {legs}. {b} leaves {p} at the "
        "same time, takes the same route at one constant speed without stopping, and arrives together with {a}. "
        "At what speed does {b} travel?",
        "A {traveller} writes in a log: {log}; total time standing still: {rest} minutes. Which average speed, "
        "with the time standing still counted in, belongs at the end of the log?",
    ),
    "delayed meeting": (
        "The route from {p} to {q} is {gap} km long. {a} sets off from {p} towards {q} at {v} km/h, rests for {rest} "
        "minutes after the first {stop} km, and then goes on at the same speed. {b} sets off from {q} towards {p} "
        "{delay} minutes after {a} and {does} at {w} km/h without a rest. How many kilometres from {p} do they meet?",
        "At what distance from {p} do {a} and {b} meet? {a} leaves {p} and {does} at {v} km/h towards {q}, which is "
        "{gap} km away, but stands still for {rest} minutes at the {stop} km mark. {b} leaves {q} {delay} minutes "
        "later than {a} left {p}, and comes towards {a} on the same route at {w} km/h.",
        "{b} has to wait {delay} minutes before leaving {q} for {p} at {w} km/h. When that wait begins, {a} leaves "
        "{p} for {q} on the same route, {gap} km long, at {v} km/h. After {stop} km, {a} takes a break of {rest} "
        "minutes and then continues as before. How far from {p} is the point where the two meet?",
        "Two {traveller}s share a route of {gap} km. The first starts at the western end at {v} km/h; after {stop} km "
        "a stop takes {rest} minutes, and then the trip goes on at the same speed. The second starts at the "
        "eastern end {delay} minutes after the first, at {w} km/h. How far from the western end do they meet?",
    ),
}


class Travel(NamedTuple):
    """Distances in km, speeds in km/h, times in minutes. `distances` is the route, or the legs of a trip."""

    kind: Kind
    traveller: str
    names: tuple[str, ...]
    places: tuple[str, ...]
    distances: tuple[int, ...]
    speeds: tuple[int, ...]
    delay: int
    rest: int
    stop: int


def sample(rng: Random, level: int) -> Travel:
    kind = KINDS[level - 1]
    traveller = rng.choice(tuple(MODES))
    *_, low, high, step, hours = MODES[traveller]
    count = rng.randint(2, 3) if kind == "average" else 2
    speeds = tuple(rng.randrange(low, high + 1, step) for _ in range(count))
    distances: tuple[int, ...] = ()
    if kind == "meeting":
        distances = (sum(speeds) * rng.randint(2, 2 * hours) // 2,)
    elif kind == "average":
        distances = tuple(v * rng.choice([m for m in LEG_MINUTES if v * m % 60 == 0]) // 60 for v in speeds)
    elif kind == "delayed meeting":
        distances = (sum(speeds) * rng.randint(6, 4 * hours) // 4,)
    delay = 5 * rng.randint(2, 18) if kind in ("catching up", "delayed meeting") else 0
    rest = 5 * rng.randint(2, 9) if kind in ("average", "delayed meeting") else 0
    stop = rng.randint(low // 3, high) if kind == "delayed meeting" else 0
    places = tuple(rng.sample(PLACES, 2))
    return Travel(kind, traveller, pick_names(rng, 2), places, distances, speeds, delay, rest, stop)


def is_valid(p: Travel) -> bool:
    """The answer is a positive simple fraction; a rest is over, and the later start made, before the two meet."""
    if len(set(p.speeds)) < len(p.speeds) or (p.kind == "catching up" and p.speeds[0] > p.speeds[1]):
        return False
    answer = solve(p)
    if p.kind == "meeting":
        return answer.denominator <= 2
    if p.kind == "catching up":
        return answer.denominator <= 6 and Fraction(1, 4) <= answer <= 2
    if p.kind == "average":
        whole = all(60 * d % v == 0 for d, v in zip(p.distances, p.speeds, strict=True))
        return whole and answer.denominator <= 15
    first_needs = answer / p.speeds[0] * 60 + p.rest
    return p.stop < answer < p.distances[0] and first_needs > p.delay + 5 and answer.denominator <= 12


def solve(p: Travel) -> Fraction:
    v, w = p.speeds[:2]
    delay, rest = Fraction(p.delay, 60), Fraction(p.rest, 60)
    if p.kind == "meeting":
        return Fraction(p.distances[0], v + w)
    if p.kind == "catching up":
        return v * delay / (w - v)
    if p.kind == "average":
        hours = sum((Fraction(d, speed) for d, speed in zip(p.distances, p.speeds, strict=True)), rest)
        return sum(p.distances) / hours
    hours = (p.distances[0] + v * rest + w * delay) / (v + w)
    return v * (hours - rest)


def check(p: Travel, answer: Answer) -> bool:
    """Look where both are at the time found, or when both arrive at the place found; all times in minutes."""
    assert isinstance(answer, Fraction)
    if answer <= 0:
        return False
    v, w = p.speeds[:2]
    minutes = 60 * answer
    if p.kind == "meeting":
        return v * minutes == 60 * p.distances[0] - w * minutes
    if p.kind == "catching up":
        return v * (minutes + p.delay) == w * minutes
    if p.kind == "average":
        on_the_way = p.rest + sum(60 * d // speed for d, speed in zip(p.distances, p.speeds, strict=True))
        return answer * on_the_way == 60 * sum(p.distances)
    first_arrives = Fraction(60 * p.stop, v) + p.rest + 60 * (answer - p.stop) / v
    return first_arrives == p.delay + 60 * (p.distances[0] - answer) / w


def metamorphic(rng: Random, p: Travel, answer: Answer) -> tuple[Travel, Answer]:
    """Every distance and every given time k times as large at the same speeds: all is stretched, averages stay."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    distances = tuple(k * d for d in p.distances)
    stretched = p._replace(distances=distances, delay=k * p.delay, rest=k * p.rest, stop=k * p.stop)
    return stretched, answer if p.kind == "average" else k * answer


def _facts(p: Travel) -> dict[str, object]:
    do, does, *_ = MODES[p.traveller]
    legs = [f"{d} km at {v} km/h" for d, v in zip(p.distances, p.speeds, strict=False)]
    return {
        "a": p.names[0],
        "b": p.names[1],
        "p": p.places[0],
        "q": p.places[1],
        "traveller": p.traveller,
        "do": do,
        "does": does,
        "v": p.speeds[0],
        "w": p.speeds[1],
        "gap": p.distances[0] if p.distances else 0,
        "delay": p.delay,
        "rest": p.rest,
        "stop": p.stop,
        "legs": join_and([legs[0], *(f"then {leg}" for leg in legs[1:])]) if legs else "",
        "log": "; ".join(f"leg {i}: {leg}" for i, leg in enumerate(legs, 1)),
    }


def _wording(i: int) -> Callable[[Travel], str]:
    def text(p: Travel) -> str:
        unit = {"average": "km/h", "delayed meeting": "kilometres"}.get(p.kind, "hours")
        return f"{TEXTS[p.kind][i].format(**_facts(p))} Give the answer in {unit}, {ROUND}"

    return text


FAMILY = Family(
    name="travel",
    domain="rates",
    version=3,
    answer_type="rational",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(_wording(i) for i in range(4)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
