"""Ages of two or three people in whole years: relations that tie one person to the next, and a fact that closes them.

All facts are linear, so one equation in the last person's age decides everything.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

Fact = tuple[str, int, int]
WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
OLDEST = 99


class Ages(NamedTuple):
    """A fact is (relation, amount, years from now): links[i] is about persons i and i + 1, `closing` about the ends.

    Relations: "older" by `amount` years, "times" as old, "sum" of everyone's ages, and "riddle": the first person is
    `amount` times as old as the second was when the first was as old as the second is now.
    `asked` is a person and the years from now at which that person's age is wanted.
    """

    names: tuple[str, ...]
    links: tuple[Fact, ...]
    closing: Fact
    asked: tuple[int, int]


def _ages(links: tuple[Fact, ...], youngest: int) -> tuple[int, ...]:
    ages = [youngest]
    for relation, amount, when in reversed(links):
        ages.append(ages[-1] + amount if relation == "older" else amount * (ages[-1] + when) - when)
    return tuple(reversed(ages))


def _closed_by_sum(rng: Random, links: tuple[Fact, ...], when: int = 0) -> tuple[tuple[Fact, ...], Fact]:
    ages = _ages(links, rng.randint(5, 25))
    return links, ("sum", sum(ages) + len(ages) * when, when)


def _older_and_sum(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    return _closed_by_sum(rng, (("older", rng.randint(2, 15), 0),))


def _times_and_sum(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    return _closed_by_sum(rng, (("times", rng.randint(2, 4), 0),))


def _older_and_later_sum(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    return _closed_by_sum(rng, (("older", rng.randint(2, 30), 0),), rng.choice((-4, -3, -2, 2, 3, 4, 5, 6, 8, 10)))


def _older_and_times(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    times, when = rng.randint(2, 5), rng.choice((-6, -5, -4, -3, -2, 2, 3, 4, 5, 6, 7))
    return (("older", (times - 1) * rng.randint(4, 16), 0),), ("times", times, when)


def _times_twice(rng: Random, start: int = 0) -> tuple[tuple[Fact, ...], Fact]:
    more = rng.randint(3, 7)
    return (("times", more, start),), ("times", rng.randint(2, more - 1), rng.randint(2, 12))


def _times_before_and_after(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    return _times_twice(rng, -rng.randint(2, 10))


def _three_and_sum(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    links = [("older", rng.randint(2, 12), 0), ("times", rng.randint(2, 3), 0)]
    rng.shuffle(links)
    return _closed_by_sum(rng, tuple(links), rng.choice((0, 0, -3, -2, 4, 5)))


def _three_at_three_times(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    first, second, third = rng.sample((-7, -6, -5, -4, -3, -2, 2, 3, 4, 5, 6, 8), 3)
    links = [("older", rng.randint(2, 12), 0), ("times", rng.randint(2, 4), first)]
    if rng.random() < 0.5:
        links[0] = ("times", 2, second)
    rng.shuffle(links)
    return _closed_by_sum(rng, tuple(links), third)


def _riddle(rng: Random) -> tuple[tuple[Fact, ...], Fact]:
    return (("older", rng.randint(2, 18), 0),), ("riddle", rng.randint(2, 5), 0)


RECIPES: dict[int, tuple[Callable[[Random], tuple[tuple[Fact, ...], Fact]], ...]] = {
    1: (_older_and_sum,),
    2: (_times_and_sum, _older_and_later_sum),
    3: (_older_and_times, _times_twice),
    4: (_times_before_and_after, _three_and_sum),
    5: (_three_at_three_times, _three_at_three_times, _riddle),
}


def sample(rng: Random, level: int) -> Ages:
    links, closing = rng.choice(RECIPES[level])(rng)
    people = len(links) + 1
    when = rng.choice((-3, -2, 0, 4, 5, 9)) if level >= 4 else 0
    return Ages(pick_names(rng, people), links, closing, (rng.randrange(people), when))


def _lines(p: Ages) -> list[tuple[int, int]]:
    """Everyone's age now as (s, c), which stands for s times the last person's age plus c; in the order of names."""
    lines = [(1, 0)]
    for relation, amount, when in reversed(p.links):
        slope, shift = lines[0]
        line = (slope, shift + amount) if relation == "older" else (amount * slope, amount * (shift + when) - when)
        lines.insert(0, line)
    return lines


def _equation(p: Ages) -> tuple[int, int]:
    """Return (s, c): all facts hold exactly when s times the last person's age is c."""
    lines = _lines(p)
    relation, amount, when = p.closing
    slope, shift = lines[0]
    if relation == "sum":
        return sum(s for s, _ in lines), amount - sum(c + when for _, c in lines)
    if relation == "times":
        return slope - amount, (amount - 1) * when - shift
    return slope * (amount + 1) - 2 * amount, -shift * (amount + 1)


def is_valid(p: Ages) -> bool:
    slope, constant = _equation(p)
    if slope == 0 or constant % slope:
        return False
    ages = _ages(p.links, constant // slope)
    earliest = min(0, p.closing[2], p.asked[1], *(when for _, _, when in p.links))
    back_in_riddle = ages[0] - ages[1] if p.closing[0] == "riddle" else 0
    return min(ages) > max(-earliest, back_in_riddle) and max(ages) <= OLDEST and len(set(ages)) == len(ages)


def solve(p: Ages) -> int:
    slope, constant = _equation(p)
    person, when = p.asked
    factor, shift = _lines(p)[person]
    return factor * constant // slope + shift + when


def _holds(fact: Fact, ages: tuple[int, ...]) -> bool:
    relation, amount, when = fact
    first, last = ages[0] + when, ages[-1] + when
    if relation == "older":
        return first - last == amount
    if relation == "times":
        return first == amount * last
    if relation == "sum":
        return sum(ages) + len(ages) * when == amount
    return first == amount * (last - (first - last))


def check(p: Ages, answer: Answer) -> bool:
    """Try every age for the last person: exactly one must make all the facts true."""
    person, when = p.asked
    tried = (_ages(p.links, youngest) for youngest in range(1, OLDEST + 1))
    fitting = [ages for ages in tried if _holds(p.closing, ages)]
    linked = all(_holds(link, ages[i : i + 2]) for ages in fitting for i, link in enumerate(p.links))
    return linked and [ages[person] + when for ages in fitting] == [answer]


def metamorphic(rng: Random, p: Ages, answer: Answer) -> tuple[Ages, Answer]:
    """Measure time in units k times as small: every number of years grows k-fold, and ratios stay."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)

    def scaled(fact: Fact) -> Fact:
        relation, amount, when = fact
        return relation, amount * k if relation in ("older", "sum") else amount, when * k

    links = tuple(scaled(link) for link in p.links)
    asked = (p.asked[0], p.asked[1] * k)
    return Ages(pick_names(rng, len(p.names)), links, scaled(p.closing), asked), k * answer


def _word(number: int) -> str:
    return WORDS[number] if number < len(WORDS) else str(number)


def _clause(fact: Fact, names: tuple[str, ...]) -> str:
    relation, amount, when = fact
    first, last = names[0], names[-1]
    verb, then = (("is", ""), ("will be", " will be then"), ("was", " was then"))[(when > 0) - (when < 0)]
    moment = f"in {_word(when)} years " if when > 0 else f"{_word(-when)} years ago " if when else ""
    times = "twice" if amount == 2 else f"{_word(amount)} times"
    if relation == "older":
        return f"{first} is {amount} years older than {last}"
    if relation == "sum":
        return f"{moment}the sum of the ages of {join_and(names)} {verb} {amount}"
    if relation == "times":
        return f"{moment}{first} {verb} {times} as old as {last}{then}"
    return f"{first} is {times} as old as {last} was when {first} was as old as {last} is now"


def _clauses(p: Ages) -> list[str]:
    return [_clause(link, p.names[i : i + 2]) for i, link in enumerate(p.links)] + [_clause(p.closing, p.names)]


def _sentences(clauses: list[str]) -> str:
    return " ".join(f"{clause[0].upper()}{clause[1:]}." for clause in clauses)


def _asked(p: Ages) -> str:
    """The question in indirect form, to follow "find out"."""
    name, when = p.names[p.asked[0]], p.asked[1]
    if when == 0:
        return f"how old {name} is now"
    return (
        f"how old {name} will be in {_word(when)} years" if when > 0 else f"how old {name} was {_word(-when)} years ago"
    )


def _question(p: Ages) -> str:
    name, when = p.names[p.asked[0]], p.asked[1]
    if when == 0:
        return f"How old is {name} now?"
    return (
        f"How old will {name} be in {_word(when)} years?"
        if when > 0
        else f"How old was {name} {_word(-when)} years ago?"
    )


def _plain(p: Ages) -> str:
    return f"{_sentences(_clauses(p))} {_question(p)}"


def _question_first(p: Ages) -> str:
    return f"{_question(p)} This is known about {join_and(p.names)}: {'; '.join(_clauses(p))}."


def _guest(p: Ages) -> str:
    return (
        f"At a family party a guest asks {_asked(p)}. Instead of an answer, the guest is given these hints. "
        f"{_sentences(_clauses(p))} What is the age that the guest asked for, in years?"
    )


def _set_up(p: Ages) -> str:
    return (
        f"Let $n$ be the present age of {p.names[-1]} in years. {_sentences(_clauses(p)[::-1])} "
        f"Set up an equation for $n$ and use it to find out {_asked(p)}."
    )


FAMILY = Family(
    name="ages",
    domain="algebra",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _question_first, _guest, _set_up),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
