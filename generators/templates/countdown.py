"""Countdown: reach a target from given integers with + - * / and brackets. Any right expression is a right answer.

The gold is the task itself, as JSON for the `countdown` verifier; a solution is neither told nor stored.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and
from pipeline.records import canonical_json

SMALL, LARGE = range(2, 25), (25, 50, 75, 100)
TARGETS = {3: (5, 150), 4: (10, 250), 5: (50, 500), 6: (101, 999)}
LISTED = 3
FORM = "Give only the expression itself, without an equals sign."


class Countdown(NamedTuple):
    """The numbers that may be used, each once, and the number to reach."""

    numbers: tuple[int, ...]
    target: int


def _sums(a: int, b: int) -> list[int]:
    return [a + b, abs(a - b)] if a != b else [a + b]


def _products(a: int, b: int) -> list[int]:
    low, high = min(a, b), max(a, b)
    return [a * b, high // low] if high % low == 0 else [a * b]


def sample(rng: Random, level: int) -> Countdown:
    """Join two random numbers at a time until one is left: the target. Level 1 only adds and subtracts."""
    large = rng.sample(LARGE, 2) if level == 5 else []
    numbers = large + rng.sample(SMALL, max(3, level + 1) - len(large))
    left = numbers[:]
    while len(left) > 1:
        rng.shuffle(left)
        a, b = left.pop(), left.pop()
        join = _sums if level == 1 or rng.random() < 0.5 else _products
        left.append(rng.choice(join(a, b)))
    rng.shuffle(numbers)
    return Countdown(tuple(numbers), left[0])


def is_valid(p: Countdown) -> bool:
    """No two numbers make the target, and it is of a size that suits their count."""
    pairs = (_sums(a, b) + _products(a, b) for a, b in combinations(p.numbers, 2))
    lowest, highest = TARGETS[len(p.numbers)]
    return lowest <= p.target <= highest and p.target not in p.numbers and all(p.target not in pair for pair in pairs)


def solve(p: Countdown) -> str:
    return canonical_json({"numbers": p.numbers, "target": p.target})


def _splits(numbers: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every way to split the numbers in two, the even ones first; the first part is never the larger."""
    places = range(len(numbers))
    for size in range(len(numbers) // 2, 0, -1):
        for chosen in combinations(places, size):
            yield tuple(numbers[i] for i in chosen), tuple(numbers[i] for i in places if i not in chosen)


@lru_cache(maxsize=2048)
def _values(numbers: tuple[int, ...]) -> frozenset[int]:
    """All positive integers that expressions with all these numbers make, by way of positive integers."""
    if len(numbers) == 1:
        return frozenset(numbers)
    found: set[int] = set()
    for one, other in _splits(numbers):
        for a in _values(one):
            for b in _values(other):
                found.update((a + b, a * b))
                if a != b:
                    found.add(abs(a - b))
                if a % b == 0:
                    found.add(a // b)
                elif b % a == 0:
                    found.add(b // a)
    return frozenset(found)


def _partners(a: int, target: int) -> Iterator[int]:
    """Every positive integer that one operation takes together with `a` to the target."""
    yield target + a
    yield target * a
    if a != target:
        yield abs(target - a)
    if target % a == 0:
        yield target // a
    elif a % target == 0:
        yield a // target


def _reachable(numbers: tuple[int, ...], target: int) -> bool:
    """Search backwards from the target, down to parts that are small enough to be listed."""
    if len(numbers) <= LISTED:
        return target in _values(numbers)
    return any(
        _reachable(rest, partner)
        for part, rest in _splits(numbers)
        for a in _values(part)
        for partner in _partners(a, target)
    )


def check(p: Countdown, answer: Answer) -> bool:
    """The gold must state this very task, and a search that knows nothing of the sampler must find an expression."""
    assert isinstance(answer, str)
    try:
        stated = json.loads(answer)
    except json.JSONDecodeError:
        return False
    return bool(stated == {"numbers": list(p.numbers), "target": p.target}) and _reachable(p.numbers, p.target)


def metamorphic(rng: Random, p: Countdown, answer: Answer) -> tuple[Countdown, Answer]:
    """One number more, and the target times that number: the old expression in brackets, times the new number."""
    assert isinstance(answer, str)
    k = rng.randint(2, 9)
    stated = json.loads(answer)
    more = canonical_json({"numbers": [*stated["numbers"], k], "target": k * stated["target"]})
    return Countdown((*p.numbers, k), k * p.target), more


def _listed(p: Countdown) -> str:
    return join_and([str(n) for n in p.numbers])


def _plain(p: Countdown) -> str:
    return (
        f"Reach the target {p.target} from the numbers {_listed(p)}. Each of them may be used at most once, with "
        f"addition, subtraction, multiplication, division, and brackets. {FORM}"
    )


def _cards(p: Countdown) -> str:
    return (
        f"On the table are cards with the numbers {_listed(p)}. Combine some or all of them, each card at most once, "
        f"by +, -, *, /, and parentheses into an expression that is worth exactly {p.target}. Cards may not be joined "
        f"to form longer numbers. {FORM}"
    )


def _target_last(p: Countdown) -> str:
    return (
        f"You are given the numbers {_listed(p)}, and you may add, subtract, multiply, and divide. No number may be "
        f"used more than once, but not all of them have to be used. "
        f"Write down an arithmetic expression whose value is {p.target}. {FORM}"
    )


def _show(p: Countdown) -> str:
    return (
        f"In a television show, the contestants have to make {p.target} by arithmetic. They may use each of these "
        f"numbers once or not at all: {_listed(p)}. Only the four basic operations and parentheses are allowed. "
        f"Find a solution. {FORM}"
    )


FAMILY = Family(
    name="countdown",
    domain="arithmetic",
    version=1,
    answer_type=None,
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _cards, _target_last, _show),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="countdown",
)
