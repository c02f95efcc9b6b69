"""Knights and knaves: who always tells the truth and who always lies, from what each says of the others.

The gold is the puzzle itself for the verifier `logic`, as formulas; the one solution is neither told nor stored.
"""

import re
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import NAMES, a_or_an, join_and, pick_names
from pipeline.records import canonical_json
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.logic import same_logic
from pipeline.verifiers.notation import Unreadable

KINDS: Final = (("knight", "knave"), ("truthteller", "liar"), ("saint", "rogue"))
COUNTS: Final = ("None", "Exactly one", "Exactly two", "Exactly three", "Exactly four")
FORMS: Final = (
    ("is", "same", "different"),
    ("is", "same", "different", "and"),
    ("is", "same", "different", "and", "or"),
    ("same", "different", "and", "or", "count"),
)
Claim = tuple[str, tuple[tuple[int, bool], ...]]


class Island(NamedTuple):
    """The people, the words for those who tell the truth and those who lie, and what each person says.

    A claim is a form and its parts (person, tells the truth): is (one part), and, or, same, different (two), or count,
    whose one part is how many of all of them lie.
    """

    names: tuple[str, ...]
    kinds: tuple[str, str]
    claims: tuple[Claim, ...]


def sample(rng: Random, level: int) -> Island:
    people = level + 1
    claims = tuple(_claim(rng, speaker, people, rng.choice(FORMS[level - 1])) for speaker in range(people))
    return Island(pick_names(rng, people), rng.choice(KINDS), claims)


def _claim(rng: Random, speaker: int, people: int, form: str) -> Claim:
    if form == "count":
        return form, ((rng.randint(1, people - 1), True),)
    others = [i for i in range(people) if i != speaker]
    if form == "is":
        return form, ((rng.choice(others), rng.random() < 0.5),)
    about = rng.sample(others, 2) if people > 2 and rng.random() < 0.6 else [speaker, rng.choice(others)]
    truths = (True, True) if form in ("same", "different") else (rng.random() < 0.5, rng.random() < 0.5)
    return form, tuple(zip(about, truths, strict=True))


def _is_true(claim: Claim, honest: tuple[bool, ...]) -> bool:
    form, parts = claim
    if form == "count":
        return honest.count(False) == parts[0][0]
    if form in ("same", "different"):
        return (honest[parts[0][0]] == honest[parts[1][0]]) == (form == "same")
    return (any if form == "or" else all)(honest[i] == kind for i, kind in parts)


def _solutions(p: Island) -> Iterator[tuple[bool, ...]]:
    """Every way to be honest or not in which the true claims are those of honest people."""
    for honest in product((True, False), repeat=len(p.names)):
        if all(_is_true(claim, honest) == honest[i] for i, claim in enumerate(p.claims)):
            yield honest


def is_valid(p: Island) -> bool:
    """Exactly one solution, and no two people who say the same thing."""
    return len(set(p.claims)) == len(p.claims) and len(list(_solutions(p))) == 1


def solve(p: Island) -> str:
    claims = [f"({name} = {p.kinds[0]}) iff ({_formula(p, c)})" for name, c in zip(p.names, p.claims, strict=True)]
    variables = dict.fromkeys(p.names, p.kinds)
    return canonical_json({"kind": "model", "variables": variables, "constraints": claims, "unique": True})


def _formula(p: Island, claim: Claim) -> str:
    form, parts = claim
    if form == "count":
        return " or ".join(f"({_these_lie(p, lying)})" for lying in _groups(len(p.names), parts[0][0]))
    if form in ("same", "different"):
        return f"{p.names[parts[0][0]]} {'=' if form == 'same' else '!='} {p.names[parts[1][0]]}"
    return f" {form} ".join(f"{p.names[i]} = {p.kinds[not kind]}" for i, kind in parts)


def _groups(people: int, size: int) -> Iterator[tuple[bool, ...]]:
    return (lying for lying in product((False, True), repeat=people) if sum(lying) == size)


def _these_lie(p: Island, lying: tuple[bool, ...]) -> str:
    return " and ".join(f"{name} = {p.kinds[lies]}" for name, lies in zip(p.names, lying, strict=True))


def _committed(p: Island, honest: tuple[bool, ...]) -> str:
    return ", ".join(f"{name} = {p.kinds[not truth]}" for name, truth in zip(p.names, honest, strict=True))


def example(p: Island) -> str:
    return rf"\boxed{{{_committed(p, next(_solutions(p)))}}}"


def check(p: Island, answer: Answer) -> bool:
    """Of all assignments the verifier must accept exactly those that the story allows, and that is one."""
    assert isinstance(answer, str)
    allowed = list(_solutions(p))
    try:
        accepted = [x for x in product((True, False), repeat=len(p.names)) if same_logic(answer, _committed(p, x))]
    except (Undecided, Unreadable):
        return False
    return accepted == allowed and len(allowed) == 1


def metamorphic(rng: Random, p: Island, answer: Answer) -> tuple[Island, Answer]:
    """Other people, and other words for the two kinds, say the same things of each other."""
    assert isinstance(answer, str)
    names = tuple(rng.sample([name for name in NAMES if name not in p.names], len(p.names)))
    kinds = rng.choice([kinds for kinds in KINDS if kinds != p.kinds])
    new = dict(zip(p.names + p.kinds, names + kinds, strict=True))
    renamed = re.sub(r"\w+", lambda word: new.get(word.group(), word.group()), answer)
    gold = re.sub(r'"variables":\{.*?\}', f'"variables":{canonical_json(dict.fromkeys(names, kinds))}', renamed)
    return p._replace(names=names, kinds=kinds), gold


def _said(p: Island, speaker: int) -> str:
    """What a person says, as a sentence without its full stop."""
    form, parts = p.claims[speaker]
    if form == "count":
        number = parts[0][0]
        return f"{COUNTS[number]} of us {'is' if number == 1 else 'are'} {_lying(p, number)}"
    if form in ("same", "different"):
        one, other = sorted((i for i, _ in parts), key=lambda i: i == speaker)
        pair = f"{p.names[one]} and {'I' if other == speaker else p.names[other]}"
        return f"{pair} are {'' if form == 'same' else 'not '}of the same kind"
    clauses = [f"{'I am' if i == speaker else f'{p.names[i]} is'} {a_or_an(p.kinds[not kind])}" for i, kind in parts]
    return f" {form} ".join(clauses) + (", or both" if form == "or" else "")


def _lying(p: Island, number: int) -> str:
    return a_or_an(p.kinds[1]) if number == 1 else f"{p.kinds[1]}s"


def _speeches(p: Island, between: str = " ", verb: str = " says: ") -> str:
    return between.join(f'{name}{verb}"{_said(p, i)}."' for i, name in enumerate(p.names))


def _form(p: Island) -> str:
    honest, liar = p.kinds
    gaps = ", ".join(f"{name} = ..." for name in p.names)
    return f'Answer in the form "{gaps}", with the word {honest} or {liar} after each equals sign.'


def _island(p: Island) -> str:
    honest, liar = p.kinds
    return (
        f"Everyone on an island is either {a_or_an(honest)}, who always tells the truth, or {a_or_an(liar)}, who "
        f"always lies. You meet {join_and(p.names)}. {_speeches(p)} What is each of them? {_form(p)}"
    )


def _question_first(p: Island) -> str:
    honest, liar = p.kinds
    return (
        f"Who of {join_and(p.names)} is {a_or_an(honest)}, and who is {a_or_an(liar)}? Every statement of "
        f"{a_or_an(honest)} is true, every statement of {a_or_an(liar)} is false, and each of the "
        f"{('two', 'three', 'four', 'five')[len(p.names) - 2]} is one or the other. {_speeches(p)} {_form(p)}"
    )


def _notebook(p: Island) -> str:
    honest, liar = p.kinds
    return (
        f"In a country where some people are {honest}s and all others are {liar}s, a traveller noted what "
        f"{join_and(p.names)} said about one another:\n{_speeches(p, chr(10), ': ')}\n{honest.capitalize()}s only say "
        f"what is true, and {liar}s only say what is false. Find out what each of these people is. {_form(p)}"
    )


def _judge(p: Island) -> str:
    honest, liar = p.kinds
    return (
        f"{join_and(p.names)} stand before a judge, who knows that each of them is {a_or_an(honest)} or "
        f"{a_or_an(liar)}. {a_or_an(liar).capitalize()} never says anything true, and {a_or_an(honest)} never says "
        f"anything false. {_speeches(p, verb=' declares: ')} With this the judge can tell what each of them is. "
        f"Do the same. {_form(p)}"
    )


FAMILY = Family(
    name="knights_and_knaves",
    domain="logic",
    version=1,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_island, _question_first, _notebook, _judge),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="logic",
    example=example,
)
