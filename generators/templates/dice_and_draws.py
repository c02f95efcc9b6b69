"""Probabilities of a dice total, or of how many of one colour are drawn without putting back, as exact fractions."""

from collections import Counter
from fractions import Fraction
from itertools import product
from math import comb
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, join_and, plural

COLOURS = ("red", "blue", "green", "yellow", "white", "black", "purple", "pink")
WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight", 12: "twelve", 20: "twenty"}
DICE = (4, 6, 8, 12, 20)  # ten-sided dice are often numbered from 0
FORM = "Give the answer as a simplified fraction."


class Experiment(NamedTuple):
    """X is the total of dice with `sizes` faces, or how many of the first colour are among `draws` objects drawn when
    there are `sizes` objects of each colour (draws 0 means dice). Asked: P(X relation target), given X >= known."""

    colours: tuple[str, ...]
    sizes: tuple[int, ...]
    draws: int
    relation: str
    target: int
    known: int


def sample(rng: Random, level: int) -> Experiment:
    colours = tuple(rng.sample(COLOURS, 3))
    relation = rng.choice(("exactly", "at least", "at most"))
    if rng.random() < 0.4:
        return _sample_dice(rng, level, colours, relation)
    draws = (1, 2, 3, rng.randint(3, 4), rng.randint(4, 5))[level - 1]
    sizes = tuple(rng.randint(2, 9) for _ in range(rng.randint(2, 3)))
    relation = "exactly" if level <= 2 else relation
    target = draws if level <= 2 else rng.randint(0, draws)
    known = rng.randint(1, 2) if level == 5 else 0
    return Experiment(colours, sizes, draws, relation, target, known)


def _sample_dice(rng: Random, level: int, colours: tuple[str, ...], relation: str) -> Experiment:
    if level == 1:
        sizes: tuple[int, ...] = (rng.choice(DICE),)
        relation = rng.choice(("at least", "at most"))
    elif level <= 3:
        sizes = (rng.choice(DICE[:4]), rng.choice(DICE[:4]))
        relation = "exactly" if level == 2 else relation
    elif level == 4:
        sizes = rng.choice(((6, 6, 6), (4, 4, 6), (4, 8, 8), (6, 20), (8, 12), (8, 20), (6, 12), (12, 12)))
    else:
        sizes = rng.choice(((6, 6, 6), (4, 6, 6), (6, 6, 8), (4, 6, 8), (4, 4, 8), (8, 8), (6, 12), (8, 12), (12, 20)))
        relation = rng.choice(("at least", "at most"))
    lowest, highest = len(sizes), sum(sizes)
    margin = (highest - lowest) // 5 if level >= 3 else 0  # the outermost totals are counted too easily
    target = rng.randint(lowest + margin, highest - margin)
    known = rng.randint(lowest + margin, highest - margin) if level == 5 else 0
    return Experiment(colours, sizes, 0, relation, target, known)


def is_valid(p: Experiment) -> bool:
    """Nothing certain or impossible; "given" says something and is not the event itself."""
    if not p.draws:
        if p.relation == "exactly" and 2 * p.target == sum(p.sizes) + len(p.sizes):
            return False  # the middle total is its own mirror image, so the metamorphic relation would change nothing
    elif (
        p.draws >= sum(p.sizes) or p.sizes[0] < 2 or sum(p.sizes[1:]) < 2 or (p.relation != "exactly" and not p.target)
    ):
        return False
    weights = _weights(p)
    total = sum(w for x, w in weights.items() if x >= p.known)
    event = sum(w for x, w in weights.items() if x >= p.known and _holds(p, x))
    if p.known and (p.target <= p.known or total == sum(weights.values())):
        return False
    return 0 < event < total


def _holds(p: Experiment, x: int) -> bool:
    return x == p.target or (x > p.target and p.relation == "at least") or (x < p.target and p.relation == "at most")


def _weights(p: Experiment) -> dict[int, int]:
    """The distribution of X: by binomial coefficients for draws, by adding die after die otherwise."""
    if p.draws:
        first, others = p.sizes[0], sum(p.sizes[1:])
        return {x: comb(first, x) * comb(others, p.draws - x) for x in range(p.draws + 1)}
    weights = {0: 1}
    for faces in p.sizes:
        longer: dict[int, int] = {}
        for x, w in weights.items():
            for face in range(1, faces + 1):
                longer[x + face] = longer.get(x + face, 0) + w
        weights = longer
    return weights


def solve(p: Experiment) -> Fraction:
    weights = [(x, w) for x, w in _weights(p).items() if x >= p.known]
    return Fraction(sum(w for x, w in weights if _holds(p, x)), sum(w for _, w in weights))


def check(p: Experiment, answer: Answer) -> bool:
    """List every roll one by one; for draws, follow the tree of ordered draws and count its branches."""
    outcomes = _branches(p.sizes[0], sum(p.sizes[1:]), p.draws) if p.draws else _rolls(p.sizes)
    possible = {x: n for x, n in outcomes.items() if x >= p.known}
    good = {
        "exactly": possible.get(p.target, 0),
        "at least": sum(n for x, n in possible.items() if x >= p.target),
        "at most": sum(n for x, n in possible.items() if x <= p.target),
    }[p.relation]
    return answer == Fraction(good, sum(possible.values()))


def _rolls(sizes: tuple[int, ...]) -> Counter[int]:
    return Counter(map(sum, product(*(range(1, n + 1) for n in sizes))))


def _branches(first: int, others: int, draws: int) -> dict[int, int]:
    if draws == 0:
        return {0: 1}
    branches: dict[int, int] = {}
    if first:
        for x, n in _branches(first - 1, others, draws - 1).items():
            branches[x + 1] = branches.get(x + 1, 0) + first * n
    if others:
        for x, n in _branches(first, others - 1, draws - 1).items():
            branches[x] = branches.get(x, 0) + others * n
    return branches


def metamorphic(rng: Random, p: Experiment, answer: Answer) -> tuple[Experiment, Answer]:
    """The opposite event has 1 - P. Mirrored dice totals are as likely; the other colours' shares do not matter."""
    assert isinstance(answer, Fraction)
    if p.draws:
        *start, last = p.sizes
        sizes = (p.sizes[0], sum(p.sizes[1:])) if len(p.sizes) == 3 else (*start, last - 1, 1)
        p = p._replace(sizes=sizes, colours=tuple(rng.sample(COLOURS, 3)))
    if p.relation == "at least":
        return p._replace(relation="at most", target=p.target - 1), 1 - answer
    if p.relation == "at most":
        return p._replace(relation="at least", target=p.target + 1), 1 - answer
    return (p if p.draws else p._replace(target=sum(p.sizes) + len(p.sizes) - p.target)), answer


def _dice(p: Experiment) -> str:
    parts = []
    for faces, n in sorted(Counter(p.sizes).items()):
        parts.append(f"a fair {WORDS[faces]}-sided die" if n == 1 else f"{WORDS[n]} fair {WORDS[faces]}-sided dice")
    return join_and(parts)


def _objects(p: Experiment, noun: str) -> str:
    return join_and([count_of(n, f"{c} {noun}") for n, c in zip(p.sizes, p.colours, strict=False)])


def _amount(p: Experiment, value: int, relation: str) -> str:
    """Say "at least 2 of them are red", "both are red", "none of them is red"."""
    if value == 0:
        start = "none of them is" if p.draws > 1 else "it is not"
    elif value == p.draws and relation != "at most":
        start = "it is" if value == 1 else "both are" if value == 2 else f"all {WORDS[value]} are"
    else:
        start = f"{relation} {value} of them {'is' if value == 1 else 'are'}"
    return f"{start} {p.colours[0]}"


def _what(p: Experiment, event: str) -> str:
    """Open the question, with the condition if there is one."""
    return f"Given that {event}, what is the probability" if p.known else "What is the probability"


def _draw_sentence(p: Experiment, container: str, noun: str) -> str:
    if p.draws == 1:
        return f"one {noun} is taken at random from {container}"
    return f"{WORDS[p.draws]} {plural(noun)} are taken at random from {container}, without putting any back"


def _plain(p: Experiment) -> str:
    if p.draws:
        drawn = _draw_sentence(p, "the bag", "marble").capitalize()
        question = f"{_what(p, _amount(p, p.known, 'at least'))} that {_amount(p, p.target, p.relation)}?"
        return f"A bag holds {_objects(p, 'marble')}. {drawn}. {question} {FORM}"
    rolled = f"A fair {WORDS[p.sizes[0]]}-sided die is rolled." if len(p.sizes) == 1 else ""
    rolled = rolled or f"{_dice(p).capitalize()} are rolled together."
    total = "number" if len(p.sizes) == 1 else "total"
    what = _what(p, f"the {total} is at least {p.known}")
    return f"{rolled} {what} that the {total} is {p.relation} {p.target}? {FORM}"


def _question_first(p: Experiment) -> str:
    if p.draws:
        known = f", given that {_amount(p, p.known, 'at least')}" if p.known else ""
        return (
            f"When {_draw_sentence(p, 'a box', 'pen')}, what is the probability that "
            f"{_amount(p, p.target, p.relation)}{known}? The box contains {_objects(p, 'pen')}. {FORM}"
        )
    known = f", given that it is at least {p.known}" if p.known else ""
    shown = "number shown by" if len(p.sizes) == 1 else "sum of the numbers shown by"
    return f"Find the probability that the {shown} {_dice(p)} is {p.relation} {p.target}{known}. {FORM}"


def _game(p: Experiment) -> str:
    if p.draws:
        return (
            f"At a school fair, a drum contains {_objects(p, 'ticket')}. In each game, "
            f"{_draw_sentence(p, 'the drum', 'ticket')}, and the player wins if {_amount(p, p.target, p.relation)}. "
            f"{_what(p, _amount(p, p.known, 'at least'))} that the player wins? {FORM}"
        )
    return (
        f"In a board game you roll {_dice(p)} and move forward by as many squares as the "
        f"{'number' if len(p.sizes) == 1 else 'total'} rolled. "
        f"{_what(p, f'you move at least {p.known} squares')} that you move "
        f"{p.relation} {count_of(p.target, 'square')}? {FORM}"
    )


def _round(p: Experiment) -> str:
    if p.draws:
        known = f" under the condition that {_amount(p, p.known, 'at least')}" if p.known else ""
        return (
            f"A drawer contains {count_of(sum(p.sizes), 'sock')}: {_objects(p, 'sock')}. In the dark, "
            f"{_draw_sentence(p, 'the drawer', 'sock')}. Find the probability that {_amount(p, p.target, p.relation)}"
            f"{known}. {FORM}"
        )
    result = "number" if len(p.sizes) == 1 else "sum of the numbers"
    return (
        f"A round of a game is won if the {result} rolled with {_dice(p)} is {p.relation} {p.target}. "
        f"{_what(p, f'this sum is at least {p.known}')} that the round is won? {FORM}"
    )


FAMILY = Family(
    name="dice_and_draws",
    domain="probability",
    version=3,
    answer_type="rational",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _question_first, _game, _round),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
