"""Arithmetic sequences, in symbols and as seats, savings, parcels and tiles: terms, sums and numbers of terms."""

from functools import partial
from itertools import accumulate
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of

STEEPEST = 12


class Arithmetic(NamedTuple):
    """What is known about the terms a_1, a_2, ... and what is asked.

    known "rule": (a_1, step). "terms": (i, a_i, j, a_j). "sums": (i, sum of the first i terms, j, sum of the first j).
    asked "term": (n,) for a_n. "sum": (m, n) for a_m + ... + a_n. "length": (total,) for how many terms make the total.
    """

    known: str
    facts: tuple[int, ...]
    asked: str
    about: tuple[int, ...]


def _drawn(rng: Random, known: str, asked: str, longest: int) -> Arithmetic:
    """Draw a sequence, then tell of it what `known` says."""
    first, step, n = rng.randint(3, 30), rng.randint(2, 9), rng.randint(5, longest)
    if known != "rule" and rng.random() < 0.4:
        first, step = first + n * step, -step
    terms = [first + i * step for i in range(max(n, 12))]
    i, j = sorted(rng.sample(range(3, 13), 2))
    told = {
        "rule": (first, step),
        "terms": (i, terms[i - 1], j, terms[j - 1]),
        "sums": (i, sum(terms[:i]), j, sum(terms[:j])),
    }
    start = 1 if rng.random() < 0.5 else rng.randint(3, n - 2)
    about = {"term": (n,), "sum": (1, n), "block": (start, n), "length": (sum(terms[:n]),)}
    return Arithmetic(known, told[known], "sum" if asked == "block" else asked, about[asked])


LEVELS = {
    1: (("rule", "term", 12),),
    2: (("rule", "sum", 15), ("rule", "term", 60)),
    3: (("terms", "term", 30), ("rule", "block", 30)),
    4: (("terms", "sum", 30), ("rule", "length", 20)),
    5: (("terms", "block", 40), ("sums", "term", 30), ("sums", "sum", 30), ("rule", "length", 45)),
}


def sample(rng: Random, level: int) -> Arithmetic:
    return _drawn(rng, *rng.choice(LEVELS[level]))


def _rule(p: Arithmetic) -> tuple[int, int]:
    """The first term and the step."""
    if p.known == "rule":
        return p.facts[0], p.facts[1]
    i, x, j, y = p.facts
    if p.known == "terms":
        step = (y - x) // (j - i)
        return x - (i - 1) * step, step
    step = 2 * (i * y - j * x) // (i * j * (j - i))
    return (2 * x - i * (i - 1) * step) // (2 * i), step


def is_valid(p: Arithmetic) -> bool:
    first, step = _rule(p)
    last = max(p.about[-1] if p.asked != "length" else 1, p.facts[2] if p.known != "rule" else 1)
    asked_is_told = p.asked == "term" and p.known == "terms" and p.about[0] in (p.facts[0], p.facts[2])
    return min(first, first + (last - 1) * step) > 0 and not asked_is_told


def _sum_of_first(first: int, step: int, n: int) -> int:
    return n * (2 * first + (n - 1) * step) // 2


def solve(p: Arithmetic) -> int:
    first, step = _rule(p)
    if p.asked == "term":
        return first + (p.about[0] - 1) * step
    if p.asked == "sum":
        m, n = p.about
        return _sum_of_first(first, step, n) - _sum_of_first(first, step, m - 1)
    low, high = 1, p.about[0]
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _sum_of_first(first, step, middle) < p.about[0] else (low, middle)
    return low


def _terms(first: int, step: int, length: int) -> list[int]:
    return list(accumulate([first] + [step] * (length - 1)))


def _fitting(p: Arithmetic) -> list[tuple[int, int]]:
    """Every first term and step, the step within bounds, whose written-out terms agree with what is known."""
    if p.known == "rule":
        return [(p.facts[0], p.facts[1])]
    i, x, j, y = p.facts
    found = []
    for step in range(-STEEPEST, STEEPEST + 1):
        shifts = _terms(0, step, j)
        if p.known == "terms":
            first = x - shifts[i - 1]
            fits = first + shifts[j - 1] == y
        else:
            first = (x - sum(shifts[:i])) // i
            fits = i * first + sum(shifts[:i]) == x and j * first + sum(shifts) == y
        if fits:
            found.append((first, step))
    return found


def check(p: Arithmetic, answer: Answer) -> bool:
    """Only one sequence fits what is known: write it out, look, and add up."""
    assert isinstance(answer, int)
    ((first, step),) = _fitting(p)
    if p.asked == "length":
        return answer > 0 and sum(_terms(first, step, answer)) == p.about[0]
    terms = _terms(first, step, p.about[-1])
    return answer == (terms[-1] if p.asked == "term" else sum(terms[p.about[0] - 1 :]))


def metamorphic(rng: Random, p: Arithmetic, answer: Answer) -> tuple[Arithmetic, Answer]:
    """All terms k times as large: so are all sums, and the number of terms stays."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    first, second, *others = p.facts
    facts = (k * first, k * second) if p.known == "rule" else (first, k * second, others[0], k * others[1])
    if p.asked == "length":
        return p._replace(facts=facts, about=(k * p.about[0],)), answer
    return p._replace(facts=facts), k * answer


class Setting(NamedTuple):
    """The same facts and questions in one setting; {x} is an amount with its unit."""

    unit: str
    steady: str
    rule: str
    term: str
    total: str
    ask_term: str
    ask_sum: str
    ask_length: str


SETTINGS = (
    Setting(
        "",
        "The numbers $a_1, a_2, a_3, \\dots$ form an arithmetic sequence",
        "An arithmetic sequence has the first term $a_1 = {x}$ and the common difference {d}",
        "$a_{i} = {x}$",
        "$a_1 + \\dots + a_{i} = {x}$",
        "What is $a_{n}$?",
        "What is the sum $a_{m} + \\dots + a_{n}$?",
        "How many terms, beginning with $a_1$, add up to {x}?",
    ),
    Setting(
        "seat",
        "In a stadium, the number of seats changes by the same amount from each row to the next",
        "Row 1 of a stadium has {x}, and every further row has {d} more than the row before it",
        "row {i} has {x}",
        "rows 1 to {i} have {x} together",
        "How many seats are in row {n}?",
        "How many seats are there in rows {m} to {n} together?",
        "There are {x} in all. How many rows are there?",
    ),
    Setting(
        "dollar",
        "A girl saves money every week, and the amount changes by the same number of dollars from week to week",
        "A girl saves {x} in week 1, and in every further week she saves {d} more than in the week before",
        "in week {i} she saves {x}",
        "from week 1 to week {i} she saves {x} altogether",
        "How many dollars does she save in week {n}?",
        "How many dollars does she save from week {m} to week {n} altogether, both weeks included?",
        "After how many weeks has she saved {x} altogether?",
    ),
    Setting(
        "parcel",
        "The number of parcels that a new shop sends changes by the same amount from each day to the next",
        "A new shop sends {x} on day 1 and, on every further day, {d} more than on the day before",
        "on day {i} it sends {x}",
        "on days 1 to {i} it sends {x} altogether",
        "How many parcels does it send on day {n}?",
        "How many parcels does it send on days {m} to {n} altogether?",
        "After how many days has it sent {x} altogether?",
    ),
    Setting(
        "tile",
        "Patterns are laid with tiles; the number of tiles changes by the same amount from each pattern to the next",
        "Patterns are laid with tiles: {x} for pattern 1, and for each further one {d} more than for the one before",
        "pattern {i} needs {x}",
        "patterns 1 to {i} need {x} together",
        "How many tiles does pattern {n} need?",
        "How many tiles do patterns {m} to {n} need together?",
        "How many of these patterns, beginning with pattern 1, need exactly {x} in all?",
    ),
)  # fmt: skip


def _amount(number: int, setting: Setting) -> str:
    return count_of(number, setting.unit) if setting.unit else f"{number}"


def _index(i: int, setting: Setting) -> str:
    return f"{{{i}}}" if i >= 10 and not setting.unit else str(i)


def _knowledge(p: Arithmetic, setting: Setting) -> str:
    if p.known == "rule":
        first, step = p.facts
        return f"{setting.rule.format(x=_amount(first, setting), d=_amount(step, setting))}."
    i, x, j, y = p.facts
    pattern = setting.term if p.known == "terms" else setting.total
    one, other = (pattern.format(i=_index(n, setting), x=_amount(value, setting)) for n, value in ((i, x), (j, y)))
    return f"{setting.steady}. It is known that {one} and that {other}."


def _text(p: Arithmetic, setting: Setting) -> str:
    if p.asked == "term":
        question = setting.ask_term.format(n=_index(p.about[0], setting))
    elif p.asked == "sum":
        question = setting.ask_sum.format(m=_index(p.about[0], setting), n=_index(p.about[1], setting))
    else:
        question = setting.ask_length.format(x=_amount(p.about[0], setting))
    return f"{_knowledge(p, setting)} {question}"


FAMILY = Family(
    name="arithmetic_sequence",
    domain="sequences",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in SETTINGS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
