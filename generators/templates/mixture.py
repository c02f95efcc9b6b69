"""Mixing two solutions or two goods: the strength or price of a blend, the amount to add, and a part replaced."""

from collections.abc import Callable
from fractions import Fraction
from math import gcd
from random import Random
from typing import Literal, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, pick_names

Kind = Literal["blend", "add", "replace", "replace how much"]
KINDS: tuple[Kind, ...] = ("blend", "add", "replace", "replace how much")

# what is mixed -> unit of amount, a sort of it, its strength as a noun phrase, unit of strength, lowest and highest
STUFFS = {
    "salt": ("litre", "{}% salt solution", "a salt concentration of {}%", "percent", 5, 40),
    "acid": ("litre", "{}% acid solution", "an acid concentration of {}%", "percent", 5, 60),
    "fruit juice": ("litre", "fruit drink with {}% juice", "a juice content of {}%", "percent", 10, 80),
    "coffee": (
        "kilogram",
        "coffee worth ${} per kilogram",
        "a value of ${} per kilogram",
        "dollars per kilogram",
        8,
        30,
    ),
    "tea": ("kilogram", "tea worth ${} per kilogram", "a value of ${} per kilogram", "dollars per kilogram", 12, 60),
    "nuts": ("kilogram", "nuts worth ${} per kilogram", "a value of ${} per kilogram", "dollars per kilogram", 6, 28),
}
MEASURES = {
    "salt": "the salt concentration",
    "acid": "the acid concentration",
    "fruit juice": "the juice content",
}

TEXTS: dict[Kind, tuple[str, ...]] = {
    "blend": (
        "{name} mixes {first} with {second}. Find {measure} of the mixture.",
        "What is {measure} of the mixture when {name} puts together {first} and {second}?",
        "A container holds {first}. Then {name} adds {second} and mixes everything well. "
        "Find {measure} of what is now in it.",
        "To make {total} of a mixture, {name} takes {first} and uses {sort_b} for all the rest. "
        "Find {measure} of the mixture.",
    ),
    "add": (
        "{name} has {first}. How many {units} of {sort_b} must be added so that the mixture has {wanted}?",
        "A recipe asks for {sort_a} and {sort_b} in such amounts that the mixture has {wanted}. {name} uses {first}. "
        "How many {units} of {sort_b} are then needed?",
        "How many {units} of {sort_b} does {name} need to turn {first} into a mixture with {wanted}?",
        "{name} tests a mixture and finds that it has {wanted}. It was made from {first} and an unknown amount of "
        "{sort_b}. Find the unknown amount in {units}.",
    ),
    "replace": (
        "{name} mixes {first} with {second}. Then {name} takes out {part} of the mixture and puts in the same "
        "amount of {sort_c}. Find {measure} of the final mixture.",
        "What is {measure} of the final mixture if {name} first mixes {first} with {second}, then removes {part} of "
        "this mixture, and finally adds {third}?",
        "A container holds {total} of a mixture that {name} made from {first} and {second}. From this container, "
        "{name} sells {part}, and then fills it up again to {total} with {sort_c}. Find {measure} of the new mixture.",
        "In the evening {name} stirs in {third}. Earlier in the day, {name} had mixed {first} with {second} and had "
        "given away {part} of that mixture. Find {measure} of the mixture in the end.",
    ),
    "replace how much": (
        "{name} mixes {first} with {second}. Some of the mixture is then taken out and replaced with the same amount "
        "of {sort_c}, so that the final mixture has {wanted}. How many {units} are replaced?",
        "How many {units} must {name} take out of a mixture of {first} and {second}, and replace with the same "
        "amount of {sort_c}, to get a mixture with {wanted}?",
        "A full container holds {total} of a mixture that was made from {first} and {second}. {name} wants the "
        "contents to have {wanted}. For this, some of the mixture is drawn off and the container is filled up again "
        "with {sort_c}. How many {units} must be drawn off?",
        "In the evening a full container of {total} holds a mixture with {wanted}. In the morning {name} had filled it "
        "with {first} and {second}, well mixed. At noon a part of this was sold, and the container was filled up again "
        "with {sort_c}. How many {units} were sold at noon?",
    ),
}


class Mixture(NamedTuple):
    """`x` of strength `a` and `y` of strength `b`; then `z` of the mixture is replaced by strength `c`.

    `wanted` is the final strength where it is told. What is asked for or does not happen is 0.
    """

    kind: Kind
    stuff: str
    name: str
    x: int
    y: int
    z: int
    a: int
    b: int
    c: int
    wanted: int


def sample(rng: Random, level: int) -> Mixture:
    kind = KINDS[level - 1]
    stuff = rng.choice(tuple(STUFFS))
    *_, low, high = STUFFS[stuff]
    (name,) = pick_names(rng, 1)
    a, mean, b = sorted(rng.sample(range(low, high + 1), 3))
    k = rng.randint(1, 3 if level == 1 else 6)
    x, y = k * (b - mean) // gcd(b - mean, mean - a), k * (mean - a) // gcd(b - mean, mean - a)
    if rng.random() < 0.5:
        a, b, x, y = b, a, y, x
    if kind == "blend":
        return Mixture(kind, stuff, name, x, y, 0, a, b, 0, 0)
    if kind == "add":
        return Mixture(kind, stuff, name, x, 0, 0, a, b, 0, mean)
    c = rng.randint(low, high)
    if kind == "replace":
        return Mixture(kind, stuff, name, x, y, rng.randint(1, max(1, (x + y) * 2 // 3)), a, b, c, 0)
    simple = [t for t in range(min(mean, c) + 1, max(mean, c)) if 4 * (x + y) * (mean - t) % (mean - c) == 0]
    return Mixture(kind, stuff, name, x, y, 0, a, b, c, rng.choice(simple or [mean]))


def is_valid(p: Mixture) -> bool:
    """Different strengths, amounts one can handle, and a wanted strength that can be reached by a simple answer."""
    if len({p.a, p.b, p.c}) < 3 or not 2 <= p.x <= 40:
        return False
    if p.kind == "add":
        reachable = min(p.a, p.b) < p.wanted < max(p.a, p.b)
        return reachable and solve(p).denominator <= 4 and 1 <= solve(p) <= 60
    if not 2 <= p.y <= 40 or p.x == p.y or (p.kind == "blend" and p.x + p.y > 20):
        return False
    if p.kind == "replace how much":
        mean = _mean(p)
        reachable = mean < p.wanted < p.c or p.c < p.wanted < mean
        return reachable and solve(p).denominator <= 4 and solve(p) >= 1
    return p.z < p.x + p.y and solve(p).denominator <= (1 if p.kind == "blend" else 10)


def _mean(p: Mixture) -> Fraction:
    return Fraction(p.x * p.a + p.y * p.b, p.x + p.y)


def solve(p: Mixture) -> Fraction:
    if p.kind == "add":
        return Fraction(p.x * (p.wanted - p.a), p.b - p.wanted)
    mean, total = _mean(p), p.x + p.y
    if p.kind == "replace how much":
        return total * (mean - p.wanted) / (mean - p.c)
    return mean + Fraction(p.z, total) * (p.c - mean) if p.z else mean


def check(p: Mixture, answer: Answer) -> bool:
    """Follow each of the three liquids or goods: what the weak ones lack, the strong ones must have in excess."""
    assert isinstance(answer, Fraction)
    if answer <= 0:
        return False
    y = answer if p.kind == "add" else p.y
    z = answer if p.kind == "replace how much" else p.z
    final = p.wanted or answer
    kept = p.x + y - z
    excess = (p.x * kept * (p.a - final), y * kept * (p.b - final), z * (p.x + y) * (p.c - final))
    return kept > 0 and sum(excess) == 0


def metamorphic(rng: Random, p: Mixture, answer: Answer) -> tuple[Mixture, Answer]:
    """Every amount k times as large at the same strengths: amounts grow with it, strengths stay."""
    assert isinstance(answer, Fraction)
    k = rng.randint(2, 5)
    scaled = p._replace(name=pick_names(rng, 1)[0], x=k * p.x, y=k * p.y, z=k * p.z)
    return scaled, k * answer if p.wanted else answer


def _facts(p: Mixture) -> dict[str, str]:
    unit, sort, strength, *_ = STUFFS[p.stuff]
    sorts = {f"sort_{key}": sort.format(value) for key, value in (("a", p.a), ("b", p.b), ("c", p.c))}
    return {
        "name": p.name,
        "units": f"{unit}s",
        "first": f"{count_of(p.x, unit)} of {sorts['sort_a']}",
        "second": f"{count_of(p.y, unit)} of {sorts['sort_b']}",
        "third": f"{count_of(p.z, unit)} of {sorts['sort_c']}",
        "part": count_of(p.z, unit),
        "total": count_of(p.x + p.y, unit),
        "wanted": strength.format(p.wanted),
        "measure": MEASURES.get(p.stuff, "the value per kilogram"),
        **sorts,
    }


def _wording(i: int) -> Callable[[Mixture], str]:
    def text(p: Mixture) -> str:
        unit = f"{STUFFS[p.stuff][0]}s" if p.wanted else STUFFS[p.stuff][3]
        form = f"Give the answer in {unit}, as an integer or a simplified fraction."
        return f"{TEXTS[p.kind][i].format(**_facts(p))} {form}"

    return text


FAMILY = Family(
    name="mixture",
    domain="ratios",
    version=2,
    answer_type="rational",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(_wording(i) for i in range(4)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
