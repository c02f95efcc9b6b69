"""Two (or three) people or machines do one job together: add their rates, exactly."""

from fractions import Fraction
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

JOBS = (
    "paint a fence",
    "stuff the envelopes for a mailing",
    "clear the snow from a car park",
    "pick the apples in an orchard",
)
GERUNDS = {
    "paint a fence": "painting a fence",
    "stuff the envelopes for a mailing": "stuffing the envelopes for a mailing",
    "clear the snow from a car park": "clearing the snow from a car park",
    "pick the apples in an orchard": "picking the apples in an orchard",
}
UNIT = "Give the answer in hours, as an integer or a simplified fraction."


class Work(NamedTuple):
    """Each person's time for the whole job, in hours."""

    names: tuple[str, ...]
    job: str
    hours: tuple[int, ...]


def sample(rng: Random, level: int) -> Work:
    workers = 2 if level < 3 else 3
    highest = 8 if level == 1 else 12
    return Work(pick_names(rng, workers), rng.choice(JOBS), tuple(rng.randint(2, highest) for _ in range(workers)))


def is_valid(p: Work) -> bool:
    """No two take equally long, and the answer is a fraction that one would say."""
    return len(set(p.hours)) == len(p.hours) and solve(p).denominator <= 40


def solve(p: Work) -> Fraction:
    return 1 / sum((Fraction(1, h) for h in p.hours), Fraction(0))


def check(p: Work, answer: Answer) -> bool:
    """In the time found, the shares of the job that each person does must add up to the whole job."""
    assert isinstance(answer, Fraction)
    common = answer.denominator
    for h in p.hours:
        common *= h
    return sum(common * answer.numerator // (answer.denominator * h) for h in p.hours) == common


def metamorphic(rng: Random, p: Work, answer: Answer) -> tuple[Work, Answer]:
    """Everyone k times as slow: the job takes k times as long. Names do not matter."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    return p._replace(names=pick_names(rng, len(p.names)), hours=tuple(k * h for h in p.hours)), k * answer


def _alone(p: Work) -> str:
    return join_and([f"{name} needs {hours} hours" for name, hours in zip(p.names, p.hours, strict=True)])


def _plain(p: Work) -> str:
    return (
        f"To {p.job} alone, {_alone(p)}. They work together, each at their own steady pace. "
        f"How many hours does the job take? {UNIT}"
    )


def _question_first(p: Work) -> str:
    return (
        f"How long does it take {join_and(p.names)} to {p.job} if they work together? "
        f"Working alone, {_alone(p)} for the same job. {UNIT}"
    )


def _rates(p: Work) -> str:
    times = join_and([f"{name} would finish in {hours} hours" for name, hours in zip(p.names, p.hours, strict=True)])
    return (
        f"{join_and(p.names)} are {GERUNDS[p.job]} together. Alone, {times}. After how many hours are they done? {UNIT}"
    )


def _manager(p: Work) -> str:
    times = join_and([f"{hours} hours for {name}" for name, hours in zip(p.names, p.hours, strict=True)])
    return (
        f"A manager knows how long it takes each helper to {p.job} alone: {times}. "
        f"If they start together and work side by side, how many hours pass until the job is done? {UNIT}"
    )


FAMILY = Family(
    name="work_rate",
    domain="rates",
    version=3,
    answer_type="rational",
    levels=(1, 2, 3),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _question_first, _rates, _manager),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
