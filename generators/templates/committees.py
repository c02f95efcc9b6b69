"""Choose a committee from two groups under conditions: count the choices."""

from math import comb
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import a_or_an, count_of, pick_names, plural

SETTINGS = (
    ("teacher", "student", "committee", "A school"),
    ("nurse", "doctor", "working group", "A hospital"),
    ("violinist", "cellist", "ensemble", "A music academy"),
    ("engineer", "designer", "project team", "A company"),
    ("chemist", "physicist", "panel", "A research institute"),
    ("cook", "gardener", "crew", "A summer camp"),
    ("junior", "senior", "team", "A chess club"),
)
ANY, EXACTLY, BOUNDED = "any", "exactly", "bounded"


class Committee(NamedTuple):
    """`least` to `most` of the `size` members come from the first group. With `apart`, the two people named (one of
    each group) may not both be members; with `chair`, one member is made chair."""

    setting: int
    names: tuple[str, ...]
    groups: tuple[int, ...]
    size: int
    least: int
    most: int
    apart: bool
    chair: bool


def sample(rng: Random, level: int) -> Committee:
    low, high = ((3, 7), (4, 7), (5, 8), (5, 9), (6, 10))[level - 1]
    size = rng.randint(*((2, 3), (3, 4), (4, 5), (4, 5), (5, 6))[level - 1])
    k = rng.randint(1, size - 1)
    rule = (ANY, EXACTLY, BOUNDED, rng.choice((EXACTLY, BOUNDED)), BOUNDED)[level - 1]
    least, most = {ANY: (0, size), EXACTLY: (k, k), BOUNDED: rng.choice(((k, size), (0, k)))}[rule]
    groups = (rng.randint(low, high), rng.randint(low, high))
    return Committee(
        rng.randrange(len(SETTINGS)), pick_names(rng, 2), groups, size, least, most, apart=level >= 4, chair=level == 5
    )


def is_valid(p: Committee) -> bool:
    """Any split of the members between the groups is possible, and the groups differ in size."""
    return p.size <= min(p.groups) and p.groups[0] != p.groups[1]


def solve(p: Committee) -> int:
    first, second = p.groups
    total = 0
    for k in range(p.least, p.most + 1):
        total += comb(first, k) * comb(second, p.size - k)
        if p.apart and 0 < k < p.size:
            total -= comb(first - 1, k - 1) * comb(second - 1, p.size - k - 1)
    return total * p.size if p.chair else total


def check(p: Committee, answer: Answer) -> bool:
    """Let the people enter one after another, each staying out, joining, or joining as chair; count what happens."""
    plain, chaired = zip(*(_entering(group - 1, p.size) for group in p.groups), strict=True)
    ways = 0
    for a, b in ((0, 0), (1, 0), (0, 1), (1, 1)):
        if a and b and p.apart:
            continue
        for k in range(max(p.least, a), min(p.most, p.size - b) + 1):
            i, j = k - a, p.size - k - b
            if p.chair:
                ways += chaired[0][i] * plain[1][j] + plain[0][i] * chaired[1][j]
                ways += (a + b) * plain[0][i] * plain[1][j]
            else:
                ways += plain[0][i] * plain[1][j]
    return ways == answer


def _entering(people: int, size: int) -> tuple[list[int], list[int]]:
    """For 0..size joined out of `people`: the number of ways without a chair among them, and with one."""
    plain, chaired = [1] + [0] * size, [0] * (size + 1)
    for _ in range(people):
        for i in range(size, 0, -1):
            chaired[i] += chaired[i - 1] + plain[i - 1]
            plain[i] += plain[i - 1]
    return plain, chaired


def metamorphic(rng: Random, p: Committee, answer: Answer) -> tuple[Committee, Answer]:
    """Let the groups change roles: as many ways. Appointing a chair multiplies them by the size of the committee."""
    assert isinstance(answer, int)
    changed = p._replace(
        names=pick_names(rng, 2),
        groups=p.groups[::-1],
        least=p.size - p.most,
        most=p.size - p.least,
        chair=not p.chair,
    )
    return changed, answer // p.size if p.chair else answer * p.size


def _people(p: Committee) -> str:
    first, second, *_ = SETTINGS[p.setting]
    return f"{count_of(p.groups[0], first)} and {count_of(p.groups[1], second)}"


def _bound(p: Committee) -> str:
    first = SETTINGS[p.setting][0]
    if p.least == p.most:
        return f"exactly {count_of(p.least, first)}"
    if p.most == p.size:
        return f"at least {count_of(p.least, first)}"
    return f"at most {count_of(p.most, first)}"


def _rules(p: Committee) -> str:
    """The conditions as sentences, each with a blank before it; nothing if there are none."""
    first, second, body, _ = SETTINGS[p.setting]
    text = "" if p.most - p.least == p.size else f" The {body} must include {_bound(p)}."
    if p.apart:
        text += f" {p.names[0]}, one of the {plural(first)}, and {p.names[1]}, one of the {plural(second)}, "
        text += "cannot both be chosen."
    if p.chair:
        text += " One of those chosen is then made leader, and the same people with a different leader count as "
        text += "a different choice."
    return text


def _plain(p: Committee) -> str:
    _, _, body, owner = SETTINGS[p.setting]
    return (
        f"{owner} wants to form {a_or_an(body)} of {p.size} people, chosen from {_people(p)}.{_rules(p)} "
        "In how many ways can this be done?"
    )


def _question_first(p: Committee) -> str:
    body = SETTINGS[p.setting][2]
    return f"In how many ways can {a_or_an(body)} of {p.size} be chosen from {_people(p)}?{_rules(p)}"


def _volunteers(p: Committee) -> str:
    _, _, body, owner = SETTINGS[p.setting]
    return (
        f"{owner} has asked for volunteers, and {_people(p)} have come forward. Only {p.size} of these {sum(p.groups)} "
        f"people will make up the {body}.{_rules(p)} How many different choices are there?"
    )


def _rules_first(p: Committee) -> str:
    _, _, body, owner = SETTINGS[p.setting]
    return (
        f"{owner} is putting together {a_or_an(body)} with {p.size} members.{_rules(p)} "
        f"The candidates are {_people(p)}. Find the number of ways to make the selection."
    )


FAMILY = Family(
    name="committees",
    domain="combinatorics",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _question_first, _volunteers, _rules_first),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
