"""Geometric sequences, in symbols and as messages, trees, prizes and books: terms, finite sums and missing terms."""

from fractions import Fraction
from functools import partial
from itertools import accumulate, count
from math import gcd
from operator import mul
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, plural

LARGEST = 40_000
RATIOS = tuple((p, q) for p in range(1, 10) for q in range(1, 10) if gcd(p, q) == 1 and p != q)
GROWING, FRACTIONS = ((2, 1), (3, 1), (4, 1), (5, 1)), ((1, 2), (1, 3), (2, 3), (3, 4), (3, 2), (4, 3), (5, 2), (5, 3))


class Geometric(NamedTuple):
    """What is known about the positive terms a_1, a_2, ... and what is asked; a ratio p/q is written as p, q.

    known "rule": (p, q, a_1). "sum": (p, q, n, sum of the first n terms). "terms": (i, a_i, j, a_j).
    asked "term": `about` is n, for a_n. "sum": n, for the sum of the first n terms. "passes": a limit, for the number
    of the first term above it.
    """

    known: str
    facts: tuple[int, ...]
    asked: str
    about: int


LEVELS = {
    1: (("rule", GROWING[:2], "term"),),
    2: (("rule", GROWING, "sum"), ("rule", ((1, 2), (1, 3)), "term")),
    3: (("terms", GROWING, "term"), ("rule", FRACTIONS, "term"), ("rule", GROWING, "passes")),
    4: (("sum", GROWING, "term"), ("rule", FRACTIONS, "sum"), ("terms", GROWING, "sum")),
    5: (("terms", FRACTIONS, "sum"), ("sum", FRACTIONS, "term"), ("sum", FRACTIONS, "sum")),
}


def sample(rng: Random, level: int) -> Geometric:
    known, ratios, asked = rng.choice(LEVELS[level])
    p, q = rng.choice(ratios)
    n, length = rng.randint(3, 5) if level == 1 else rng.randint(4, 6), 6 if q > 1 else 7
    # a power of q, so that every term that is told or asked for is an integer
    first = rng.randint(3, 40) * (q ** (max(n, 5) - 1))
    terms = [first * p**k // q**k for k in range(length)]
    i, j = sorted(rng.sample(range(1, 6), 2))
    m = n - 1 if asked == "sum" else rng.randint(3, 5)
    told = {"rule": (p, q, first), "sum": (p, q, m, sum(terms[:m])), "terms": (i, terms[i - 1], j, terms[j - 1])}
    limit = rng.randint(min(terms), max(terms))
    return Geometric(known, told[known], asked, limit if asked == "passes" else n)


def _root(number: int, degree: int) -> int:
    return next(b for b in count(1) if b**degree >= number)


def _rule(g: Geometric) -> tuple[Fraction, Fraction]:
    """The first term and the ratio."""
    if g.known == "rule":
        return Fraction(g.facts[2]), Fraction(g.facts[0], g.facts[1])
    if g.known == "sum":
        p, q, n, total = g.facts
        ratio = Fraction(p, q)
        return total * (ratio - 1) / (ratio**n - 1), ratio
    i, x, j, y = g.facts
    power = Fraction(y, x)
    ratio = Fraction(_root(power.numerator, j - i), _root(power.denominator, j - i))
    return x / ratio ** (i - 1), ratio


def is_valid(g: Geometric) -> bool:
    first, ratio = _rule(g)
    if g.asked == "passes":
        last = next(n for n in count(1) if first * ratio ** (n - 1) > g.about)
        return last > 3 and g.about <= LARGEST
    if g.known == "terms" and g.asked == "term" and g.about in (g.facts[0], g.facts[2]):
        return False
    ends = first, first * ratio ** (g.about - 1)
    return all(end.denominator == 1 and 2 <= end <= LARGEST for end in ends)


def solve(g: Geometric) -> int:
    first, ratio = _rule(g)
    if g.asked == "term":
        return int(first * ratio ** (g.about - 1))
    if g.asked == "sum":
        return int(first * (ratio**g.about - 1) / (ratio - 1))
    n = 1
    while first * ratio ** (n - 1) <= g.about:
        n += 1
    return n


def _fitting(g: Geometric) -> list[tuple[Fraction, Fraction]]:
    """Every first term and ratio that agree with what is known, found by multiplying step by step."""
    if g.known == "rule":
        return [(Fraction(g.facts[2]), Fraction(g.facts[0], g.facts[1]))]
    if g.known == "sum":
        p, q, n, total = g.facts
        units = sum(p**k * q ** (n - 1 - k) for k in range(n))
        return [(Fraction(total * q ** (n - 1), units), Fraction(p, q))]
    i, x, j, y = g.facts
    found = []
    for p, q in RATIOS:
        if x * p ** (j - i) == y * q ** (j - i):
            found.append((Fraction(x * q ** (i - 1), p ** (i - 1)), Fraction(p, q)))
    return found


def check(g: Geometric, answer: Answer) -> bool:
    """One sequence alone fits what is known: write it out term after term, look, and add up."""
    assert isinstance(answer, int)
    if answer <= 0:
        return False
    ((first, ratio),) = _fitting(g)
    length = answer if g.asked == "passes" else g.about
    terms: list[Fraction] = list(accumulate([first] + [ratio] * (length - 1), mul))
    if g.asked == "passes":
        return terms[-1] > g.about and all(term <= g.about for term in terms[:-1])
    return answer == (terms[-1] if g.asked == "term" else sum(terms))


def metamorphic(rng: Random, g: Geometric, answer: Answer) -> tuple[Geometric, Answer]:
    """All terms k times as large: so are sums and limits, while the number of the term that passes stays."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    a, b, *rest = g.facts
    facts = {
        "rule": (a, b, k * rest[0]),
        "sum": (a, b, rest[0], k * rest[-1]),
        "terms": (a, k * b, rest[0], k * rest[-1]),
    }
    if g.asked == "passes":
        return g._replace(facts=facts[g.known], about=k * g.about), answer
    return g._replace(facts=facts[g.known]), k * answer


class Setting(NamedTuple):
    """The same facts and questions in one setting; {x} is an amount with its unit, {r} compares two amounts."""

    unit: str
    rule: str
    growth: str
    steady: str
    term: str
    total: str
    ask_term: str
    ask_sum: str
    ask_passes: str


SETTINGS = (
    Setting(
        "",
        "A geometric sequence has the first term $a_1 = {x}$ and the common ratio ${r}$",
        "A geometric sequence has the common ratio ${r}$",
        "The positive numbers $a_1, a_2, a_3, \\dots$ form a geometric sequence",
        "$a_{i} = {x}$",
        "the first {i} terms add up to {x}",
        "What is $a_{n}$?",
        "What is the sum of the first {n} terms?",
        "What is the smallest $n$ with $a_n > {x}$?",
    ),
    Setting(
        "message",
        "In round 1 of a campaign, {x} are sent. In every further round, {r} are sent as in the round before",
        "In every round of a campaign after round 1, {r} are sent as in the round before",
        "In a campaign, the number of messages sent changes by the same factor from each round to the next",
        "{x} are sent in round {i}",
        "{x} are sent in rounds 1 to {i} together",
        "How many messages are sent in round {n}?",
        "How many messages are sent in rounds 1 to {n} together?",
        "In which round are more than {x} sent for the first time?",
    ),
    Setting(
        "tree",
        "A forest project plants {x} in year 1 and, in every further year, {r} as in the year before",
        "In every year after year 1, a forest project plants {r} as in the year before",
        "The number of trees that a forest project plants changes by the same factor from each year to the next",
        "it plants {x} in year {i}",
        "it plants {x} in years 1 to {i} together",
        "How many trees does it plant in year {n}?",
        "How many trees does it plant in years 1 to {n} together?",
        "In which year does it plant more than {x} for the first time?",
    ),
    Setting(
        "dollar",
        "A quiz show pays {x} for question 1 and, for every further question, {r} as for the question before",
        "For every question after question 1, a quiz show pays {r} as for the question before",
        "The amount that a quiz show pays changes by the same factor from each question to the next",
        "it pays {x} for question {i}",
        "it pays {x} for questions 1 to {i} together",
        "How many dollars does it pay for question {n}?",
        "How many dollars does it pay for questions 1 to {n} together?",
        "What is the number of the first question for which it pays more than {x}?",
    ),
    Setting(
        "copy",
        "A publisher sells {x} of a book in month 1 and, in every further month, {r} as in the month before",
        "In every month after month 1, a publisher sells {r} of a book as in the month before",
        "The number of copies of a book that are sold changes by the same factor from each month to the next",
        "{x} are sold in month {i}",
        "{x} are sold in months 1 to {i} together",
        "How many copies are sold in month {n}?",
        "How many copies are sold in months 1 to {n} together?",
        "In which month are more than {x} sold for the first time?",
    ),
)  # fmt: skip


def _amount(number: int, setting: Setting) -> str:
    return count_of(number, setting.unit) if setting.unit else f"{number}"


def _factor(p: int, q: int, setting: Setting) -> str:
    """The ratio in symbols, or a comparison such as "twice as many trees"."""
    if not setting.unit:
        return str(p) if q == 1 else rf"\frac{{{p}}}{{{q}}}"
    words = {(2, 1): "twice", (1, 2): "half", (1, 3): "one third"}
    times = f"{p} times" if q == 1 else f"{p}/{q} times" if p > q else f"{p}/{q}"
    return f"{words.get((p, q), times)} as many {plural(setting.unit)}"


def _knowledge(g: Geometric, setting: Setting) -> str:
    a, b, *rest = g.facts
    if g.known == "rule":
        return f"{setting.rule.format(x=_amount(rest[0], setting), r=_factor(a, b, setting))}."
    if g.known == "sum":
        total = setting.total.format(i=rest[0], x=_amount(rest[1], setting))
        return f"{setting.growth.format(r=_factor(a, b, setting))}. It is known that {total}."
    one, other = (setting.term.format(i=n, x=_amount(x, setting)) for n, x in ((a, b), (rest[0], rest[1])))
    return f"{setting.steady}. It is known that {one} and that {other}."


def _text(g: Geometric, setting: Setting) -> str:
    if g.asked == "passes":
        question = setting.ask_passes.format(x=_amount(g.about, setting))
    else:
        question = (setting.ask_term if g.asked == "term" else setting.ask_sum).format(n=g.about)
    return f"{_knowledge(g, setting)} {question}"


FAMILY = Family(
    name="geometric_sequence",
    domain="sequences",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in SETTINGS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
