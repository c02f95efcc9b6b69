"""Write a Python function that picks words of a text, changes each, and puts them together by a drawn rule.

The gold holds hidden tests for the verifier `code`; every rule that differs in one part fails at least one of them.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.functions import FORM, NAMES, fenced, gold_of, other_name
from pipeline.records import canonical_json

VOWELS: Final = "aeiou"
WORDS: Final = (
    "apple", "river", "stone", "light", "under", "ocean", "tree", "open", "window", "noon", "garden", "ice", "level",
    "i", "on", "market", "evening", "sun", "yellow", "idea", "cat", "sees", "bird", "old", "summer", "echo", "tent",
    "music", "oak", "paper", "is", "rabbit", "eye", "north", "banana", "door", "kayak", "up",
)  # fmt: skip
TEXT: Final = "consists of lower-case words separated by single spaces, and may be empty"


class Task(NamedTuple):
    """Which words count, what becomes of each, what is returned. `inputs[0]` is shown, all others are tests.

    keep holds a kind and a number or a letter ("" where the kind needs none).
    """

    name: str
    keep: tuple[str, str]
    change: str
    result: str
    inputs: tuple[str, ...]


class Part(NamedTuple):
    """One part of a rule: in words, as a Python expression, and as a function."""

    words: str
    python: str
    apply: Callable[..., Any]


KEEPS: Final = {
    "all": Part("all words", "True", lambda _w, _k: True),
    "long": Part("the words with at least {k} letters", "len(w) >= {k}", lambda w, k: len(w) >= int(k)),
    "short": Part("the words with at most {k} letters", "len(w) <= {k}", lambda w, k: len(w) <= int(k)),
    "exact": Part("the words with exactly {k} letters", "len(w) == {k}", lambda w, k: len(w) == int(k)),
    "vowel": Part("the words that begin with a vowel (a, e, i, o, u)", "w[0] in 'aeiou'", lambda w, _k: w[0] in VOWELS),
    "contains": Part("the words that contain the letter {k}", "'{k}' in w", lambda w, k: k in w),
    "without": Part("the words that do not contain the letter {k}", "'{k}' not in w", lambda w, k: k not in w),
    "ends": Part("the words whose last letter is {k}", "w[-1] == '{k}'", lambda w, k: w.endswith(k)),
    "same ends": Part("the words whose first and last letters are equal", "w[0] == w[-1]", lambda w, _k: w[0] == w[-1]),
}
CHANGES: Final = {
    "same": Part("", "w", lambda w: w),
    "backwards": Part("spelt backwards", "w[::-1]", lambda w: w[::-1]),
    "capitals": Part("written in capital letters", "w.upper()", str.upper),
    "first": Part("replaced by its first letter", "w[0]", lambda w: w[0]),
    "last": Part("replaced by its last letter", "w[-1]", lambda w: w[-1]),
    "twice": Part("written twice without a space in between", "w * 2", lambda w: w * 2),
    "stars": Part(
        "changed by putting an asterisk (*) in place of each vowel (a, e, i, o, u)",
        "''.join('*' if c in 'aeiou' else c for c in w)",
        lambda w: "".join("*" if c in VOWELS else c for c in w),
    ),
    "swapped": Part("changed by moving its first letter to its end", "w[1:] + w[0]", lambda w: w[1:] + w[0]),
}
RESULTS: Final = {
    "list": Part("a list of them in their original order", "ws", lambda ws: ws),
    "count": Part("how many there are", "len(ws)", len),
    "joined": Part("one string of them, joined by hyphens (-)", "'-'.join(ws)", "-".join),
    "reverse": Part("a list of them in reverse order", "ws[::-1]", lambda ws: ws[::-1]),
    "sorted": Part("a list of them in alphabetical order", "sorted(ws)", sorted),
    "longest": Part(
        "the longest of them (the first of the longest if there are several, an empty string if there are none)",
        "max(ws, key=len, default='')",
        lambda ws: max(ws, key=len, default=""),
    ),
    "letters": Part(
        "how many characters they have altogether", "sum(len(w) for w in ws)", lambda ws: sum(len(w) for w in ws)
    ),
    "lengths": Part(
        "a list of their lengths in the original order", "[len(w) for w in ws]", lambda ws: [*map(len, ws)]
    ),
    "counts": Part(
        "a dictionary that maps each of them to the number of times it occurs among them",
        "{w: ws.count(w) for w in ws}",
        lambda ws: {w: ws.count(w) for w in ws},
    ),
}
MIDDLE: Final = ("list", "count", "joined", "reverse", "sorted", "letters", "longest")
HARD: Final = ("joined", "sorted", "counts", "longest", "reverse")


def sample(rng: Random, level: int) -> Task:
    """Level 1 picks or changes, level 2 picks and puts together, levels 3 and 4 do all three."""
    kind = rng.choice([kind for kind in KEEPS if kind != "all"])
    letter = rng.choice("aeiorn")
    keep = (kind, {"long": str(rng.randint(4, 6)), "short": str(rng.randint(3, 5)), "exact": "5"}.get(kind, letter))
    change = rng.choice([change for change in CHANGES if change != "same"])
    result = rng.choice((("list", "count"), (*MIDDLE, "lengths"), MIDDLE, HARD)[level - 1])
    if level == 1 and rng.random() < 0.5:
        keep, result = ("all", ""), "list"
    elif level <= 2:
        change = "same"
    keep = keep if "{k}" in KEEPS[keep[0]].words else (keep[0], "")
    drawn = [rng.sample(WORDS, rng.randint(6, 8)) for _ in range(4)]
    drawn[1] += drawn[1][:3] + drawn[1][:1]
    texts = (" ".join(words) for words in drawn)
    return Task(rng.choice(NAMES), keep, change, result, (next(texts), "", rng.choice(WORDS), *texts))


def _run(p: Task, given: str) -> Any:
    keep, k = p.keep
    words = [CHANGES[p.change].apply(w) for w in given.split() if KEEPS[keep].apply(w, k)]
    return RESULTS[p.result].apply(words)


def _outputs(p: Task) -> list[Any]:
    return [_run(p, given) for given in p.inputs[1:]]


def _slips(p: Task) -> Iterator[Task]:
    """Every rule that differs in one part: other words, another change, another result, a number off by one."""
    kind, k = p.keep
    yield from (p._replace(keep=(other, k)) for other in KEEPS if other not in ("long", "short", "exact", kind))
    yield from (p._replace(change=other) for other in CHANGES if other != p.change)
    yield from (p._replace(result=other) for other in RESULTS if other != p.result)
    if k.isdigit():
        lengths = [(other, k) for other in ("long", "short", "exact") if other != kind]
        yield from (p._replace(keep=keep) for keep in (*lengths, (kind, str(int(k) - 1)), (kind, str(int(k) + 1))))


def is_valid(p: Task) -> bool:
    """The text that is shown has some words that count and some that do not, and the tests find out every slip."""
    kept = [word for word in p.inputs[0].split() if KEEPS[p.keep[0]].apply(word, p.keep[1])]
    if len(kept) < 2 or _idle(p) or (p.keep[0] != "all" and len(kept) == len(p.inputs[0].split())):
        return False
    outputs = _outputs(p)
    return all(_idle(slip) or _outputs(slip) != outputs for slip in _slips(p))


def _idle(p: Task) -> bool:
    """Tell whether the change cannot be seen in the result, or leaves no alphabetical order."""
    if p.result in ("count", "letters", "lengths"):
        return p.change != "same"
    return (p.result, p.change) in (("longest", "first"), ("longest", "last"), ("sorted", "stars"))


def solve(p: Task) -> str:
    return gold_of(p.name, p.inputs[1:], _outputs(p))


def example(p: Task) -> str:
    test = KEEPS[p.keep[0]].python.format(k=p.keep[1])
    return fenced(
        [
            f"def {p.name}(text):",
            f"    ws = [{CHANGES[p.change].python} for w in text.split() if {test}]",
            f"    return {RESULTS[p.result].python}",
        ]
    )


def check(p: Task, answer: Answer) -> bool:
    """Go through each text letter by letter, by a second account of every rule, and compare with the tests."""
    assert isinstance(answer, str)
    try:
        gold = json.loads(answer)
        tests = [(test["input"][0], test["output"]) for test in gold["tests"]]
    except (ValueError, KeyError, TypeError):
        return False
    expected = [(given, _by_hand(p, given)) for given in p.inputs[1:]]
    return bool((gold["mode"], gold["entry_point"]) == ("function", p.name) and tests == expected)


def _by_hand(p: Task, given: str) -> Any:
    picked: list[str] = []
    word = ""
    for letter in f"{given} ":
        if letter != " ":
            word += letter
        elif word:
            if _counts(p, list(word)):
                picked.append(_spelt(p, list(word)))
            word = ""
    return _together(p.result, picked)


def _counts(p: Task, letters: list[str]) -> bool:
    kind, k = p.keep
    if kind in ("long", "short", "exact"):
        missing = int(k) - len(letters)
        return missing == 0 or (missing < 0 and kind == "long") or (missing > 0 and kind == "short")
    if kind in ("contains", "without"):
        return bool(letters.count(k)) == (kind == "contains")
    first, last = letters[0], letters[-1]
    return {"all": True, "vowel": VOWELS.find(first) >= 0, "ends": last == k, "same ends": first == last}[kind]


def _spelt(p: Task, letters: list[str]) -> str:
    size = len(letters)
    if p.change in ("first", "last"):
        return letters[0 if p.change == "first" else size - 1]
    if p.change == "twice":
        return "".join(letters[k % size] for k in range(2 * size))
    if p.change in ("backwards", "swapped"):
        return "".join(letters[size - 1 - k if p.change == "backwards" else (k + 1) % size] for k in range(size))
    spelt = ""
    for letter in letters:
        hidden = p.change == "stars" and VOWELS.find(letter) >= 0
        spelt += "*" if hidden else chr(ord(letter) - 32) if p.change == "capitals" else letter
    return spelt


def _together(result: str, picked: list[str]) -> Any:
    if result in ("count", "letters"):
        return sum(1 if result == "count" else len(word) for word in picked)
    if result == "joined":
        return "".join(f"-{word}" for word in picked)[1:]
    if result == "counts":
        found: dict[str, int] = {}
        for word in picked:
            found[word] = found.get(word, 0) + 1
        return found
    if result == "longest":
        return next((w for w in picked if not any(len(other) > len(w) for other in picked)), "")
    ordered: list[Any] = []
    for word in picked:
        if result == "lengths":
            ordered.append(len(word))
        else:
            smaller = sum(other <= word for other in ordered)
            ordered.insert({"sorted": smaller, "reverse": 0}.get(result, len(ordered)), word)
    return ordered


def metamorphic(rng: Random, p: Task, answer: Answer) -> tuple[Task, Answer]:
    """The same function by another name, with its tests in the opposite order."""
    assert isinstance(answer, str)
    gold = json.loads(answer)
    changed = p._replace(name=other_name(rng, p.name), inputs=(p.inputs[0], *p.inputs[:0:-1]))
    return changed, canonical_json({**gold, "entry_point": changed.name, "tests": gold["tests"][::-1]})


def _rule(p: Task, pick: str, every: str, give: str) -> str:
    """Say the rule as steps: which words, what becomes of each, what is returned."""
    steps = [pick.format(keep=KEEPS[p.keep[0]].words.format(k=p.keep[1]))] if p.keep[0] != "all" else []
    steps += [every.format(change=CHANGES[p.change].words)] if p.change != "same" else []
    return " ".join([*steps, give.format(result=RESULTS[p.result].words)])


def _shown(p: Task) -> str:
    return json.dumps(_run(p, p.inputs[0]))


def _plain(p: Task) -> str:
    rule = _rule(p, "Use only {keep}.", "Each word used is {change}.", "Return {result}.")
    rule = rule.replace("Each word used", "Each word") if p.keep[0] == "all" else rule
    return (
        f"Write a Python function {p.name}(text). The string text {TEXT}. {rule} "
        f'For example, {p.name}("{p.inputs[0]}") must return {_shown(p)}. {FORM}'
    )


def _steps(p: Task) -> str:
    rule = _rule(p, "First it selects {keep}.", "Then each of these is {change}.", "Then it returns {result}.")
    rule = rule.replace("Then each of these", "First each word") if p.keep[0] == "all" else rule
    return (
        f"The function {p.name} takes one argument, a string, which {TEXT}. {rule} "
        f'So {p.name}("{p.inputs[0]}") gives {_shown(p)}. Implement {p.name} in Python. {FORM}'
    )


def _search(p: Task) -> str:
    rule = _rule(p, "Look only at {keep}.", "Let each remaining word be {change}.", "The result is {result}.")
    rule = rule.replace("each remaining word", "each word") if p.keep[0] == "all" else rule
    return (
        f"A program for word games needs a Python function {p.name} with one parameter, a string that {TEXT}. "
        f'{rule} If the string is "{p.inputs[0]}", then {_shown(p)} is returned. {FORM}'
    )


def _example_first(p: Task) -> str:
    rule = _rule(p, "keep only {keep};", "have each of them {change};", "return {result}.")
    rule = rule.replace("have each of them", "have each word") if p.keep[0] == "all" else rule
    return (
        f'Given the text "{p.inputs[0]}", a Python function named {p.name} should return {_shown(p)}. Its argument is '
        f"a string that {TEXT}. In general the function has to do this: {rule} Write it. {FORM}"
    )


FAMILY = Family(
    name="word_strings",
    domain="programming",
    version=2,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _steps, _search, _example_first),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="code",
    example=example,
)
