"""Write a Python function that picks integers from a list, changes each, and puts them together by a drawn rule.

The gold holds hidden tests for the verifier `code`; every rule that differs in one part fails at least one of them.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.functions import FORM, NAMES, fenced, gold_of, other_name
from pipeline.records import canonical_json

Numbers = list[int]


class Task(NamedTuple):
    """Which numbers count, what becomes of each, what is returned. `inputs[0]` is shown, all others are tests.

    keep and change hold a kind and a number (0 where the kind needs none).
    """

    name: str
    keep: tuple[str, int]
    change: tuple[str, int]
    result: str
    inputs: tuple[tuple[int, ...], ...]


class Part(NamedTuple):
    """One part of a rule: in words, as a Python expression, and as a function."""

    words: str
    python: str
    apply: Callable[..., Any]


KEEPS: Final = {
    "all": Part("all numbers", "True", lambda _x, _k: True),
    "even": Part("the even numbers", "x % 2 == 0", lambda x, _k: x % 2 == 0),
    "odd": Part("the odd numbers", "x % 2 == 1", lambda x, _k: x % 2 == 1),
    "positive": Part("the numbers greater than 0", "x > 0", lambda x, _k: x > 0),
    "negative": Part("the numbers less than 0", "x < 0", lambda x, _k: x < 0),
    "above": Part("the numbers greater than {k}", "x > {k}", lambda x, k: x > k),
    "least": Part("the numbers greater than or equal to {k}", "x >= {k}", lambda x, k: x >= k),
    "below": Part("the numbers less than {k}", "x < {k}", lambda x, k: x < k),
    "multiple": Part("the multiples of {k}", "x % {k} == 0", lambda x, k: x % k == 0),
}
CHANGES: Final = {
    "same": Part("", "x", lambda x, _k: x),
    "add": Part("increased by {k}", "x + {k}", lambda x, k: x + k),
    "times": Part("multiplied by {k}", "x * {k}", lambda x, k: x * k),
    "negate": Part("multiplied by -1", "-x", lambda x, _k: -x),
    "square": Part("squared", "x * x", lambda x, _k: x * x),
    "absolute": Part("replaced by its absolute value", "abs(x)", lambda x, _k: abs(x)),
}
RESULTS: Final = {
    "list": Part("a list of them in their original order", "list(xs)", list),
    "sum": Part("their sum (0 if there are none)", "sum(xs)", sum),
    "count": Part("how many there are", "len(xs)", len),
    "largest": Part("the largest of them, or 0 if there are none", "max(xs, default=0)", lambda xs: max(xs, default=0)),
    "smallest": Part(
        "the smallest of them, or 0 if there are none", "min(xs, default=0)", lambda xs: min(xs, default=0)
    ),
    "ascending": Part("a list of them from the smallest to the largest", "sorted(xs)", sorted),
    "descending": Part(
        "a list of them from the largest to the smallest",
        "sorted(xs, reverse=True)",
        lambda xs: sorted(xs, reverse=True),
    ),
    "reversed": Part("a list of them in reverse order", "xs[::-1]", lambda xs: xs[::-1]),
    "distinct": Part(
        "a list of them in increasing order, in which each value occurs only once",
        "sorted(set(xs))",
        lambda xs: sorted(set(xs)),
    ),
    "spread": Part(
        "the difference between the largest and the smallest of them, or 0 if there are none",
        "max(xs, default=0) - min(xs, default=0)",
        lambda xs: max(xs, default=0) - min(xs, default=0),
    ),
    "alternating": Part(
        "the alternating sum of them, in which the first is added, the second subtracted, the third added, and so on "
        "(0 if there are none)",
        "sum(xs[::2]) - sum(xs[1::2])",
        lambda xs: sum(xs[::2]) - sum(xs[1::2]),
    ),
    "totals": Part(
        "a list of the running totals: the first of them, the sum of the first two, and so on",
        "[sum(xs[: i + 1]) for i in range(len(xs))]",
        lambda xs: [sum(xs[: i + 1]) for i in range(len(xs))],
    ),
}
EASY: Final = ("list", "count")
SORTED: Final = ("sum", "count", "list", "ascending", "descending", "reversed", "distinct", "smallest", "largest")
HARD: Final = ("distinct", "descending", "spread", "alternating", "totals", "reversed")


def sample(rng: Random, level: int) -> Task:
    """Level 1 picks or changes, level 2 picks and puts together, levels 3 and 4 do all three."""
    keep = (rng.choice([kind for kind in KEEPS if kind != "all"]), rng.randint(2, 6))
    change = (rng.choice([kind for kind in CHANGES if kind != "same"]), rng.randint(2, 9))
    result = rng.choice((EASY, SORTED, SORTED, HARD)[level - 1])
    if level == 1 and rng.random() < 0.5:
        keep, result = ("all", 0), rng.choice(("list", "sum", "reversed"))
    elif level <= 2:
        change = ("same", 0)
    keep = keep if "{k}" in KEEPS[keep[0]].words else (keep[0], 0)
    change = change if "{k}" in CHANGES[change[0]].words else (change[0], 0)
    edge = tuple(rng.sample((keep[1] - 1, keep[1], keep[1] + 1, -keep[1], 0), 5))
    drawn = [tuple(rng.randint(-12, 15) for _ in range(rng.randint(5, 8))) for _ in range(4)]
    repeated = drawn[1] + drawn[1][:2] + (drawn[1][0],)
    inputs = (drawn[0], (), (rng.randint(-9, -1),), (rng.randint(1, 9),), edge, repeated, drawn[2], drawn[3])
    return Task(rng.choice(NAMES), keep, change, result, inputs)


def _run(p: Task, given: tuple[int, ...]) -> Any:
    (keep, k), (change, c) = p.keep, p.change
    return RESULTS[p.result].apply([CHANGES[change].apply(x, c) for x in given if KEEPS[keep].apply(x, k)])


def _outputs(p: Task) -> list[Any]:
    return [_run(p, given) for given in p.inputs[1:]]


def _slips(p: Task) -> Iterator[Task]:
    """Every rule that differs in one part: another choice, another change, another result, a number off by one."""
    yield from (p._replace(keep=(kind, p.keep[1] or 2)) for kind in KEEPS if kind != p.keep[0])
    yield from (p._replace(change=(kind, p.change[1] or 2)) for kind in CHANGES if kind != p.change[0])
    yield from (p._replace(result=kind) for kind in RESULTS if kind != p.result)
    if p.keep[1]:
        yield from (p._replace(keep=(p.keep[0], k)) for k in (p.keep[1] - 1, p.keep[1] + 1) if k)
    if p.change[1]:
        yield from (p._replace(change=(p.change[0], c)) for c in (p.change[1] - 1, p.change[1] + 1))


def is_valid(p: Task) -> bool:
    """The call that is shown keeps some numbers and says something, and the tests tell the rule from every slip."""
    kept = sum(KEEPS[p.keep[0]].apply(x, p.keep[1]) for x in p.inputs[0])
    if kept < 2 or _idle(p):
        return False
    outputs = _outputs(p)
    return all(_idle(slip) or _outputs(slip) != outputs for slip in _slips(p))


def _idle(p: Task) -> bool:
    """Tell whether a part of the rule changes nothing, whatever the numbers are."""
    signs = p.change[0] == "absolute" and p.keep[0] in ("positive", "above", "least")
    shift = p.result == "spread" and p.change[0] in ("add", "negate")
    return signs or shift or (p.result == "count" and p.change[0] != "same")


def solve(p: Task) -> str:
    return gold_of(p.name, p.inputs[1:], _outputs(p))


def example(p: Task) -> str:
    keep, change = (p.keep, KEEPS), (p.change, CHANGES)
    test, value = (table[kind].python.format(k=k) for (kind, k), table in (keep, change))
    return fenced(
        [
            f"def {p.name}(numbers):",
            f"    xs = [{value} for x in numbers if {test}]",
            f"    return {RESULTS[p.result].python}",
        ]
    )


def check(p: Task, answer: Answer) -> bool:
    """Go through each input number by number, by a second account of every rule, and compare with the tests."""
    assert isinstance(answer, str)
    try:
        gold = json.loads(answer)
        tests = [(tuple(test["input"][0]), test["output"]) for test in gold["tests"]]
    except (ValueError, KeyError, TypeError):
        return False
    expected = [(given, _by_hand(p, given)) for given in p.inputs[1:]]
    return bool((gold["mode"], gold["entry_point"]) == ("function", p.name) and tests == expected)


def _by_hand(p: Task, given: tuple[int, ...]) -> Any:
    picked: Numbers = []
    for number in given:
        if _counts(p, number):
            _insert(picked, _changed(p, number), p.result)
    if p.result == "count":
        return len(picked)
    if p.result in ("sum", "alternating", "totals"):
        totals, sign = [0], 1
        for number in picked:
            totals.append(totals[-1] + sign * number)
            sign = -sign if p.result == "alternating" else sign
        return totals[1:] if p.result == "totals" else totals[-1]
    if p.result in ("largest", "smallest", "spread"):
        low, high = (picked[0], picked[-1]) if picked else (0, 0)
        return {"largest": high, "smallest": low, "spread": high - low}[p.result]
    return picked


def _insert(picked: Numbers, number: int, result: str) -> None:
    """Put a number where the result needs it: behind, in front, or at its place by size."""
    if result == "distinct" and number in picked:
        return
    place = 0 if result == "reversed" else len(picked)
    if result in ("ascending", "largest", "smallest", "spread", "distinct"):
        place = sum(other <= number for other in picked)
    elif result == "descending":
        place = sum(other >= number for other in picked)
    picked.insert(place, number)


def _counts(p: Task, number: int) -> bool:
    kind, k = p.keep
    if kind in ("even", "odd", "multiple"):
        rest = abs(number)
        while rest >= (k or 2):
            rest -= k or 2
        return (rest == 0) != (kind == "odd")
    low = {"positive": 1, "above": k + 1, "least": k}.get(kind, number)
    high = {"negative": -1, "below": k - 1}.get(kind, number)
    return low <= number <= high


def _changed(p: Task, number: int) -> int:
    kind, c = p.change
    if kind in ("negate", "absolute"):
        return -number if kind == "negate" or number < 0 else number
    if kind in ("times", "square"):
        factor = c if kind == "times" else number
        return sum(number if factor > 0 else -number for _ in range(abs(factor)))
    return number + c


def metamorphic(rng: Random, p: Task, answer: Answer) -> tuple[Task, Answer]:
    """The same function by another name, with its tests in the opposite order."""
    assert isinstance(answer, str)
    gold = json.loads(answer)
    changed = p._replace(name=other_name(rng, p.name), inputs=(p.inputs[0], *p.inputs[:0:-1]))
    return changed, canonical_json({**gold, "entry_point": changed.name, "tests": gold["tests"][::-1]})


def _rule(p: Task, pick: str, every: str, give: str) -> str:
    """Say the rule as steps: which numbers, what becomes of each, what is returned."""
    keep, change = (table[kind].words.format(k=k) for (kind, k), table in ((p.keep, KEEPS), (p.change, CHANGES)))
    steps = [pick.format(keep=keep)] if p.keep[0] != "all" else []
    steps += [every.format(change=change)] if p.change[0] != "same" else []
    return " ".join([*steps, give.format(result=RESULTS[p.result].words)])


def _call(p: Task) -> str:
    return f"{p.name}({list(p.inputs[0])})"


def _plain(p: Task) -> str:
    rule = _rule(p, "Of its elements, only {keep} count.", "Each number that counts is {change}.", "Return {result}.")
    rule = rule.replace("Each number that counts", "Each number") if p.keep[0] == "all" else rule
    return (
        f"Write a Python function {p.name}(numbers). The argument is a list of integers, which may be empty. {rule} "
        f"For example, {_call(p)} must return {_run(p, p.inputs[0])}. {FORM}"
    )


def _steps(p: Task) -> str:
    rule = _rule(p, "First it selects {keep}.", "Then each of these is {change}.", "Then it returns {result}.")
    rule = rule.replace("Then each of these", "First each of these") if p.keep[0] == "all" else rule
    return (
        f"The function {p.name} takes one argument, a list that holds any number of integers, possibly none. {rule} "
        f"So {_call(p)} gives {_run(p, p.inputs[0])}. Implement {p.name} in Python. {FORM}"
    )


def _readings(p: Task) -> str:
    rule = _rule(
        p, "Only {keep} among the readings matter.", "Every reading used is {change}.", "The result is {result}."
    )
    rule = rule.replace("Every reading used", "Every reading") if p.keep[0] == "all" else rule
    return (
        f"A sensor delivers its readings as a Python list of integers, and sometimes the list is empty. Define a "
        f"function {p.name} that takes this list and returns a result as follows. {rule} "
        f"With the readings {list(p.inputs[0])}, the result is {_run(p, p.inputs[0])}. {FORM}"
    )


def _example_first(p: Task) -> str:
    rule = _rule(p, "drop everything except {keep};", "have each number {change};", "return {result}.")
    return (
        f"Given the list {list(p.inputs[0])}, a Python function named {p.name} should return "
        f"{_run(p, p.inputs[0])}. In general, for a list of integers (the empty list included), it has to do this: "
        f"{rule} Write that function. {FORM}"
    )


FAMILY = Family(
    name="number_lists",
    domain="programming",
    version=2,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _steps, _readings, _example_first),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="code",
    example=example,
)
