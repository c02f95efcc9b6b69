"""Who is where in a row: places in a race, seats, a queue, or floors, from clues that allow exactly one order.

The gold is the puzzle itself for the verifier `logic`, as formulas; the one solution is neither told nor stored.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations, islice, permutations
from math import factorial
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import NAMES, join_and, pick_names
from pipeline.records import canonical_json
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.logic import same_logic
from pipeline.verifiers.notation import Unreadable

FORMS: Final = (
    ("before", "just before", "at", "not at"),
    ("before", "just before", "not at", "beside"),
    ("before", "beside", "not at", "not beside", "between"),
    ("before", "not at", "not beside", "between", "apart"),
)
MOST_CLUES: Final = 9
Clue = tuple[str, tuple[int, ...]]


class Row(NamedTuple):
    """The people, and clues about their places 1, 2, ...: a form, then persons by number.

    before, just before, beside, not beside and apart (two places from each other) name two persons, between three (the
    first is somewhere between the others), at and not at a person and a place.
    """

    names: tuple[str, ...]
    clues: tuple[Clue, ...]


# Each form by the places of the persons it names, and as a formula of the verifier.
HOLDS: Final[dict[str, Callable[..., bool]]] = {
    "before": lambda a, b: a < b,
    "just before": lambda a, b: a + 1 == b,
    "beside": lambda a, b: abs(a - b) == 1,
    "not beside": lambda a, b: abs(a - b) != 1,
    "apart": lambda a, b: abs(a - b) == 2,
    "between": lambda a, b, c: min(b, c) < a < max(b, c),
    "at": lambda a, place: a == place,
    "not at": lambda a, place: a != place,
}
FORMULAS: Final = {
    "before": "{0} < {1}",
    "just before": "{0} + 1 = {1}",
    "beside": "{0} + 1 = {1} or {1} + 1 = {0}",
    "not beside": "{0} + 1 != {1} and {1} + 1 != {0}",
    "apart": "{0} + 2 = {1} or {1} + 2 = {0}",
    "between": "{1} < {0} < {2} or {2} < {0} < {1}",
    "at": "{0} = {1}",
    "not at": "{0} != {1}",
}


def sample(rng: Random, level: int) -> Row:
    """Draw an order and true clues about it until no other order fits, then drop clues that say nothing new."""
    people = level + 2
    true = rng.sample(range(1, people + 1), people)
    clues: list[Clue] = []
    left = _orders(people, ())
    while left > 1 and len(clues) < MOST_CLUES:
        clue = _clue(rng, people, rng.choice(FORMS[level - 1]))
        if _fits(clue, tuple(true)) and (fewer := _orders(people, (*clues, clue))) < left:
            clues.append(clue)
            left = fewer
    for clue in tuple(clues):
        others = [other for other in clues if other != clue]
        if _orders(people, others) == 1:
            clues = others
    rng.shuffle(clues)
    return Row(pick_names(rng, people), tuple(clues))


def _clue(rng: Random, people: int, form: str) -> Clue:
    if form in ("at", "not at"):
        return form, (rng.randrange(people), rng.randint(1, people))
    return form, tuple(rng.sample(range(people), 3 if form == "between" else 2))


def _fits(clue: Clue, places: tuple[int, ...]) -> bool:
    form, parts = clue
    if form in ("at", "not at"):
        return HOLDS[form](places[parts[0]], parts[1])
    return HOLDS[form](*(places[i] for i in parts))


def _orders(people: int, clues: Sequence[Clue]) -> int:
    """Return how many orders fit all clues."""
    fitting = (1 << factorial(people)) - 1
    for clue in clues:
        fitting &= _mask(people, clue)
    return fitting.bit_count()


@lru_cache(maxsize=1024)
def _mask(people: int, clue: Clue) -> int:
    """One bit for each order of the places: whether the clue is true of it."""
    return sum(_fits(clue, places) << k for k, places in enumerate(permutations(range(1, people + 1))))


def is_valid(p: Row) -> bool:
    """Exactly one order, at least two clues, and at most one person's place told outright."""
    told = [clue for clue in p.clues if clue[0] == "at"]
    return len(told) <= 1 and len(p.clues) >= 2 and _orders(len(p.names), p.clues) == 1


def solve(p: Row) -> str:
    places = list(range(1, len(p.names) + 1))
    constraints = [f"distinct({', '.join(p.names)})", *(_formula(p, clue) for clue in p.clues)]
    variables = dict.fromkeys(p.names, places)
    return canonical_json({"kind": "model", "variables": variables, "constraints": constraints, "unique": True})


def _formula(p: Row, clue: Clue) -> str:
    form, parts = clue
    named = [p.names[parts[0]], str(parts[1])] if form in ("at", "not at") else [p.names[i] for i in parts]
    return FORMULAS[form].format(*named)


def _rows(p: Row) -> Iterator[tuple[tuple[str, ...], list[Clue]]]:
    """Every row of names, from place 1 on, of which at most one clue is false, with that clue."""
    for row in permutations(p.names):
        false = list(islice((clue for clue in p.clues if not _told(p, clue, row)), 2))
        if len(false) < 2:
            yield row, false


def _told(p: Row, clue: Clue, row: tuple[str, ...]) -> bool:
    """Look at the row of names itself: who stands in front of whom, who is next to whom."""
    form, parts = clue
    one = p.names[parts[0]]
    if form in ("at", "not at"):
        return (row[parts[1] - 1] == one) == (form == "at")
    other = p.names[parts[1]]
    pairs = list(zip(row, row[2 if form == "apart" else 1 :], strict=False))
    if form == "before":
        return other in row[row.index(one) + 1 :]
    if form == "between":
        third = p.names[parts[2]]
        return [name for name in row if name in (one, other, third)][1] == one
    found = (one, other) in pairs or (form != "just before" and (other, one) in pairs)
    return found != (form == "not beside")


def _committed(row: tuple[str, ...]) -> str:
    return ", ".join(f"{name} = {place}" for place, name in enumerate(row, 1))


def example(p: Row) -> str:
    return rf"\boxed{{{_committed(next(row for row, false in _rows(p) if not false))}}}"


def check(p: Row, answer: Answer) -> bool:
    """One row fits; the verifier accepts it, and neither rows in which two people have changed places nor, for each
    clue, one of those rows of which this clue alone is false (so the gold states every clue)."""
    assert isinstance(answer, str)
    rows = list(_rows(p))
    (fitting, *more), loose = (
        [row for row, false in rows if not false],
        {false[0]: row for row, false in rows if false},
    )
    wrong = {*loose.values(), *(_swapped(fitting, i, j) for i, j in combinations(range(len(fitting)), 2))}
    try:
        accepted = same_logic(answer, _committed(fitting))
        return accepted and not more and not any(same_logic(answer, _committed(row)) for row in wrong)
    except (Undecided, Unreadable):
        return False


def _swapped(row: tuple[str, ...], i: int, j: int) -> tuple[str, ...]:
    changed = list(row)
    changed[i], changed[j] = changed[j], changed[i]
    return tuple(changed)


def metamorphic(rng: Random, p: Row, answer: Answer) -> tuple[Row, Answer]:
    """Other people, to whom the same clues apply."""
    assert isinstance(answer, str)
    names = tuple(rng.sample([name for name in NAMES if name not in p.names], len(p.names)))
    new = dict(zip(p.names, names, strict=True))
    gold = json.loads(re.sub(r"\w+", lambda word: new.get(word.group(), word.group()), answer))
    return p._replace(names=names), canonical_json(gold)


class Setting(NamedTuple):
    """A place to be in a row, with a phrase for every form of clue."""

    opening: str
    phrases: dict[str, str]
    question: str
    form: str


RACE: Final = Setting(
    "{names} ran a race, and no two of them finished at the same time",
    {
        "before": "{0} finished ahead of {1}",
        "just before": "{0} finished exactly one place ahead of {1}",
        "beside": "{0} and {1} finished directly one after the other, in one order or the other",
        "not beside": "at least one other runner finished between {0} and {1}",
        "apart": "exactly one runner finished between {0} and {1}",
        "between": "{0} finished after one of {1} and {2}, and before the other",
        "at": "{0} finished in place {1}",
        "not at": "{0} did not finish in place {1}",
    },
    "In which place did each of them finish? The winner has place 1.",
    "the number of the place",
)
SEATS: Final = Setting(
    "{names} sit side by side in one row of {count} seats, which are numbered from 1 at the left end to {count} at the "
    "right end",
    {
        "before": "{0} sits somewhere to the left of {1}",
        "just before": "{0} sits immediately to the left of {1}",
        "beside": "{0} and {1} sit next to each other",
        "not beside": "{0} and {1} do not sit next to each other",
        "apart": "exactly one person sits between {0} and {1}",
        "between": "{0} sits somewhere between {1} and {2}",
        "at": "{0} sits in seat {1}",
        "not at": "{0} does not sit in seat {1}",
    },
    "Who sits where?",
    "the number of the seat",
)
QUEUE: Final = Setting(
    "{names} are the only people in a queue at a ticket office, one behind the other",
    {
        "before": "{0} will be served before {1}",
        "just before": "{1} stands directly behind {0}",
        "beside": "nobody stands between {0} and {1}",
        "not beside": "somebody stands between {0} and {1}",
        "apart": "there is exactly one person between {0} and {1}",
        "between": "{0} stands behind one of {1} and {2} and in front of the other",
        "at": "{0} is number {1} in the queue",
        "not at": "{0} is not number {1} in the queue",
    },
    "Find everybody's number in the queue, counted from 1 for the person at the front.",
    "the number in the queue",
)
FLOORS: Final = Setting(
    "A house has {count} floors, from floor 1 at the bottom to floor {count} at the top, and on each of them lives one "
    "of {names}",
    {
        "before": "{0} lives lower down than {1}",
        "just before": "{1} lives on the floor directly above {0}",
        "beside": "one of {0} and {1} lives on the floor directly above the other",
        "not beside": "between the floors of {0} and {1} there is at least one other floor",
        "apart": "between the floors of {0} and {1} there is exactly one floor",
        "between": "{0} lives above one of {1} and {2} and below the other",
        "at": "{0} lives on floor {1}",
        "not at": "{0} does not live on floor {1}",
    },
    "On which floor does each of them live?",
    "the number of the floor",
)


def _text(p: Row, setting: Setting) -> str:
    clues = []
    for form, parts in p.clues:
        named = [p.names[parts[0]], parts[1]] if form in ("at", "not at") else [p.names[i] for i in parts]
        clue = setting.phrases[form].format(*named)
        clues.append(f"{clue[0].upper()}{clue[1:]}.")
    opening = setting.opening.format(names=join_and(p.names), count=len(p.names))
    gaps = ", ".join(f"{name} = ..." for name in p.names)
    return (
        f'{opening}. {" ".join(clues)} {setting.question} Answer in the form "{gaps}", with {setting.form} after each '
        f"equals sign."
    )


FAMILY = Family(
    name="ordering",
    domain="logic",
    version=1,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in (RACE, SEATS, QUEUE, FLOORS)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="logic",
    example=example,
)
