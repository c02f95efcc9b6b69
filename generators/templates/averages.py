"""Averages: of numbers, a missing number, one more or one less, two groups together, a number that was misread."""

from fractions import Fraction
from functools import partial
from math import gcd
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

KINDS: Final = (
    ("mean",),
    ("missing", "mean"),
    ("joined", "left"),
    ("groups", "joined"),
    ("misread", "groups", "target"),
)


class Average(NamedTuple):
    """`values` are all numbers of the story; what is told of them, and what is asked, depends on the kind.

    mean: all, asked their mean. missing: all but the last and the mean, asked the last. joined and left: the means with
    and without the last one, asked the last. groups: the means of the first `cut` and of the others, asked that of all.
    misread: the mean with the last one taken to be `other` (else 0), asked the true mean. target: the mean of all but
    the last two, asked what the last two have to average for the mean of all.
    """

    name: str
    kind: str
    values: tuple[int, ...]
    cut: int
    other: int


def sample(rng: Random, level: int) -> Average:
    """Draw numbers, then move some of them so that every mean of the story is whole."""
    n = (rng.randint(3, 4), rng.randint(4, 6), rng.randint(4, 9), rng.randint(5, 12), rng.randint(6, 16))[level - 1]
    low, high = rng.choice(((5, 25), (15, 40), (40, 85)))
    values = [rng.randint(low, high) for _ in range(n)]
    kind, cut, step = rng.choice(KINDS[level - 1]), rng.randint(2, n - 2) if n > 3 else 1, rng.choice((-2, -1, 1, 2))
    last = {"joined": 1, "left": 1, "target": 2}.get(kind, 0)
    values[: n - last] = _whole(values[: n - last])
    mean = sum(values[: n - last]) // (n - last)
    if kind in ("joined", "left"):
        values[-1] = mean + step * n
    elif kind == "target":
        half, gap = (2 * mean + step * n) // 2, rng.randint(1, 5)
        values[-2:] = [half - gap, half + gap]
    elif kind == "groups":
        first, second = _whole(values[:cut]), _whole(values[cut:])
        shift = sum(first) // cut + step * (n // gcd(cut, n)) - sum(second) // (n - cut)
        values = [*first, *(value + shift for value in second)]
    return Average(pick_names(rng, 1)[0], kind, tuple(values), cut, values[-1] - step * n if kind == "misread" else 0)


def _whole(values: list[int]) -> list[int]:
    """Make the first number so much smaller that the mean is whole."""
    return [values[0] - sum(values) % len(values), *values[1:]]


def _mean(values: tuple[int, ...]) -> Fraction:
    return Fraction(sum(values), len(values))


def _told(p: Average) -> tuple[Fraction, ...]:
    """The means that the story tells."""
    return {
        "mean": (),
        "missing": (_mean(p.values),),
        "joined": (_mean(p.values[:-1]), _mean(p.values)),
        "left": (_mean(p.values), _mean(p.values[:-1])),
        "groups": (_mean(p.values[: p.cut]), _mean(p.values[p.cut :])),
        "misread": (_mean((*p.values[:-1], p.other)),),
        "target": (_mean(p.values[:-2]), _mean(p.values)),
    }[p.kind]


def is_valid(p: Average) -> bool:
    """Every mean that is told or asked is a whole number, and they differ where the story is about a change."""
    told = _told(p)
    if any(mean.denominator > 1 for mean in told) or len(set(told)) < len(told):
        return False
    if p.kind == "groups" and 2 * p.cut == len(p.values):
        return False
    return (
        all(1 <= value <= 100 for value in p.values) and type(solve(p)) is int and (p.other > 0 or p.kind != "misread")
    )


def solve(p: Average) -> int | Fraction:
    """Work from the means that are told to what is asked, by way of totals."""
    told, n = _told(p), len(p.values)
    if p.kind == "mean":
        value = _mean(p.values)
    elif p.kind == "missing":
        value = told[0] * n - sum(p.values[:-1])
    elif p.kind == "joined":
        value = told[1] * n - told[0] * (n - 1)
    elif p.kind == "left":
        value = told[0] * n - told[1] * (n - 1)
    elif p.kind == "groups":
        value = (told[0] * p.cut + told[1] * (n - p.cut)) / n
    elif p.kind == "misread":
        value = told[0] + Fraction(p.values[-1] - p.other, n)
    else:
        value = (told[1] * n - told[0] * (n - 2)) / 2
    return int(value) if value.denominator == 1 else value


def check(p: Average, answer: Answer) -> bool:
    """What lies above a mean and what lies below it must balance, in the numbers that the story was made of."""
    assert isinstance(answer, int | Fraction)
    if p.kind in ("mean", "groups", "misread"):
        return sum(value - answer for value in p.values) == 0
    if p.kind == "target":
        return p.values[-1] - answer == answer - p.values[-2]
    return answer == p.values[-1]


def metamorphic(rng: Random, p: Average, answer: Answer) -> tuple[Average, Answer]:
    """Every number larger by k: so is what is asked."""
    assert isinstance(answer, int)
    k = rng.randint(1, 9)
    values = tuple(value + k for value in p.values)
    return p._replace(name=pick_names(rng, 1)[0], values=values, other=p.other and p.other + k), answer + k


class Setting(NamedTuple):
    """Who has the numbers and what they count; {n} is how many there are, {x} a number, {m} a mean."""

    all: str
    known: str
    mean: str
    first: str
    after_joining: str
    after_leaving: str
    groups: str
    misread: str
    target: str
    asks: tuple[str, str, str, str, str]


QUIZ: Final = Setting(
    "In {n} quizzes {name} scored {xs} points",
    "In the first {k} of {n} quizzes {name} scored {xs} points",
    "The average of all {n} scores is {m} points",
    "After {k} quizzes {name}'s average score is {m} points",
    "After one more quiz it is {m}",
    "When the score of one quiz is left out, the average of the other {k} is {m}",
    "{name} took {k} quizzes in spring with an average score of {a} points and {l} in autumn with an average of {b}",
    "{name} worked out the average of {n} scores as {m} points, but had read one score as {w} instead of {x}",
    "{name} wants to have an average of {m} points after {n} quizzes, with two quizzes still to come",
    (
        "What was the average score, in points?",
        "How many points did {name} score in {what} quiz?",
        "What is the average score of all these quizzes, in points?",
        "What is the correct average, in points?",
        "What must the average score of the last two quizzes be, in points?",
    ),
)
LESSONS: Final = Setting(
    "On {n} days {name} jogged for {xs} minutes",
    "On the first {k} of {n} days {name} jogged for {xs} minutes",
    "The average over all {n} days is {m} minutes",
    "Over {k} days {name} jogged for an average of {m} minutes a day",
    "With one further day included, the average is {m} minutes",
    "With one of these days left out, the average of the other {k} is {m} minutes",
    "On {k} days {name} jogged for {a} minutes a day on average, and on {l} other days for {b} minutes on average",
    "From a diary of {n} days {name} found an average jogging time of {m} minutes, but one day was taken to be {w} "
    "minutes when it was really {x}",
    "The plan is an average of {m} minutes over {n} days, of which two are left",
    (
        "For how many minutes a day did {name} jog on average?",
        "For how many minutes did {name} jog on {what} day?",
        "What is the average over all these days, in minutes?",
        "What is the true average, in minutes?",
        "What must the average of the two remaining days be, in minutes?",
    ),
)
BOXES: Final = Setting(
    "{name} weighs {n} parcels and finds {xs} kilograms",
    "{name} weighs {k} of {n} parcels and finds {xs} kilograms",
    "All {n} parcels weigh {m} kilograms on average",
    "{name} has put {k} parcels on a trolley, and their average weight is {m} kilograms",
    "When another parcel is added, the average weight becomes {m} kilograms",
    "When one of them is taken off, the average weight of the remaining {k} is {m} kilograms",
    "On {name}'s trolley, {k} parcels weigh {a} kilograms on average, and {l} others weigh {b} kilograms on average",
    "{name} calculates that {n} parcels weigh {m} kilograms on average, but has written down {w} kilograms for one "
    "that weighs {x} kilograms",
    "Two more parcels are to be added so that all {n} weigh {m} kilograms on average",
    (
        "What is their average weight in kilograms?",
        "How many kilograms does {what} parcel weigh?",
        "What is the average weight of all the parcels, in kilograms?",
        "What is their real average weight, in kilograms?",
        "What must the average weight of these two be, in kilograms?",
    ),
)
NUMBERS: Final = Setting(
    "{name} writes {n} numbers on the board: {xs}",
    "{name} has chosen {n} numbers. The first {k} of them are {xs}",
    "The arithmetic mean of all {n} numbers is {m}",
    "The arithmetic mean of the {k} numbers that {name} has written down is {m}",
    "{name} writes one more number, and the mean changes to {m}",
    "{name} crosses out one of them, and the mean of those that are left changes to {m}",
    "{name} writes down {k} numbers with the mean {a} and then {l} numbers with the mean {b}",
    "Having mistaken the number {x} for {w}, {name} gets {m} as the arithmetic mean of {n} numbers",
    "After two more numbers, the mean of all {n} is to be {m}",
    (
        "Find their arithmetic mean.",
        "What is {what} number?",
        "Find the arithmetic mean of all these numbers.",
        "What is the mean without this mistake?",
        "What must the mean of these two numbers be?",
    ),
)
WHAT: Final = {"missing": "the last", "joined": "that", "left": "that"}


def _text(p: Average, setting: Setting) -> str:
    told, n = [*map(str, _told(p)), "", ""], len(p.values)
    small = {"left": n - 1, "groups": p.cut, "target": n - 2}.get(p.kind, n - 1)
    words = {"name": p.name, "n": n, "k": small, "l": n - p.cut, "a": told[0], "b": told[1]}
    ask = setting.asks[{"mean": 0, "groups": 2, "misread": 3, "target": 4}.get(p.kind, 1)]
    if p.kind in ("mean", "missing"):
        known = p.values if p.kind == "mean" else p.values[:-1]
        pattern = setting.all if p.kind == "mean" else setting.known
        parts = [pattern.format(**words, xs=join_and([str(x) for x in known]))]
        parts += [setting.mean.format(**words, m=told[0])] if p.kind == "missing" else []
    elif p.kind in ("groups", "misread"):
        parts = [getattr(setting, p.kind).format(**words, m=told[0], w=p.other, x=p.values[-1])]
    else:
        after = {"joined": setting.after_joining, "left": setting.after_leaving, "target": setting.target}[p.kind]
        count = n if p.kind == "left" else small
        parts = [setting.first.format(**{**words, "k": count}, m=told[0]), after.format(**words, m=told[1])]
    return " ".join(f"{part}." for part in parts) + f" {ask.format(**words, what=WHAT.get(p.kind, ''))}"


FAMILY = Family(
    name="averages",
    domain="statistics",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in (QUIZ, LESSONS, BOXES, NUMBERS)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
