"""What follows from a few rules about who takes part: must a conclusion be true, must it be false, or is it open?

The gold states the premises and the conclusion as formulas for the verifier `logic`, with the label that was proved.
"""

import json
from functools import partial
from itertools import product
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names
from pipeline.records import canonical_json
from pipeline.verifiers.logic_grammar import parse_formula
from pipeline.verifiers.logic_sorts import evaluate
from pipeline.verifiers.notation import Unreadable

LABELS: Final = ("entailed", "contradicted", "unknown")
OPPOSITE: Final = {"entailed": "contradicted", "contradicted": "entailed", "unknown": "unknown"}
FORMULAS: Final = {
    "is": "{0}",
    "if": "{0} implies {1}",
    "or": "{0} or {1}",
    "not both": "not ({0} and {1})",
    "one": "{0} xor {1}",
    "and": "{0} and {1}",
}
# Per level: people, the forms of the premises in order, the forms of the conclusion.
SHAPES: Final = (
    (3, (("is",), ("if",), ("if", "or", "not both")), ("is",)),
    (4, (("is",), ("if",), ("if", "or"), ("or", "not both", "one")), ("is",)),
    (5, (("is", "or"), ("if",), ("if",), ("or", "not both"), ("one", "if")), ("is", "or", "and")),
    (6, (("or", "one"), ("if",), ("if",), ("if", "not both"), ("or", "one"), ("if",)), ("is", "or", "and", "if")),
)
Literal = tuple[int, bool]
Statement = tuple[str, tuple[Literal, ...]]


class Rules(NamedTuple):
    """Statements about who takes part: a form of FORMULAS, and for each part a person and whether that one does.

    The label is drawn first, so that all three are as frequent; the guard keeps only what it is true of.
    """

    names: tuple[str, ...]
    premises: tuple[Statement, ...]
    conclusion: Statement
    label: str


def sample(rng: Random, level: int) -> Rules:
    people, forms, last = SHAPES[level - 1]
    label = rng.choice(LABELS)
    rules = Rules(pick_names(rng, people), (), ("is", ()), label)
    for _ in range(60):
        premises = [_statement(rng, people, rng.choice(choice)) for choice in forms]
        rng.shuffle(premises)
        rules = rules._replace(premises=tuple(premises), conclusion=_statement(rng, people, rng.choice(last)))
        if is_valid(rules):
            break
    return rules


def _statement(rng: Random, people: int, form: str) -> Statement:
    persons = rng.sample(range(people), 1 if form == "is" else 2)
    return form, tuple((i, form in ("not both", "one") or rng.random() < 0.75) for i in persons)


def _holds(statement: Statement, present: tuple[bool, ...]) -> bool:
    form, parts = statement
    values = [present[i] == wanted for i, wanted in parts]
    if form == "if":
        return values[1] or not values[0]
    if form in ("one", "not both"):
        return sum(values) == 1 if form == "one" else sum(values) < 2
    return any(values) if form == "or" else all(values)


def _label(premises: tuple[Statement, ...], conclusion: Statement, people: int) -> str | None:
    """Read the label from the truth table; None if the premises contradict each other."""
    rows = [row for row in product((True, False), repeat=people) if all(_holds(premise, row) for premise in premises)]
    seen = {_holds(conclusion, row) for row in rows}
    return None if not seen else "unknown" if len(seen) == 2 else "entailed" if seen == {True} else "contradicted"


def is_valid(p: Rules) -> bool:
    """The label is right, no premise alone settles the conclusion, no two are about the same people, all occur.

    Where nothing follows, something might: other premises speak of everybody in the conclusion.
    """
    people = len(p.names)
    about = [frozenset(i for i, _ in parts) for _, parts in p.premises]
    mentioned = frozenset[int]().union(*about)
    if len(set(about)) < len(about) or len(mentioned) < people or _label(p.premises, p.conclusion, people) != p.label:
        return False
    if p.label == "unknown":  # the conclusion could follow: its people are tied to others by rules
        return all(sum(i in group for group in about) > 1 for i, _ in p.conclusion[1])
    return all(_label((premise,), p.conclusion, people) == "unknown" for premise in p.premises)


def solve(p: Rules) -> str:
    label = _label(p.premises, p.conclusion, len(p.names))
    premises = [_formula(p, premise) for premise in p.premises]
    gold = {"kind": "entailment", "premises": premises, "conclusion": _formula(p, p.conclusion), "label": label}
    return canonical_json(gold)


def _formula(p: Rules, statement: Statement) -> str:
    form, parts = statement
    return FORMULAS[form].format(*(f"{'' if wanted else 'not '}{p.names[i]}" for i, wanted in parts))


def example(p: Rules) -> str:
    return rf"\boxed{{{_by_resolution(p)}}}"


def check(p: Rules, answer: Answer) -> bool:
    """The formulas must say what the story says in every row of the truth table, the label what resolution finds."""
    assert isinstance(answer, str)
    try:
        gold = json.loads(answer)
        formulas = [parse_formula(text) for text in (*gold["premises"], gold["conclusion"])]
    except (ValueError, Unreadable):
        return False
    statements = (*p.premises, p.conclusion)
    for row in product((True, False), repeat=len(p.names)):
        values = dict(zip(p.names, row, strict=True))
        if [evaluate(f, values) for f in formulas] != [_holds(statement, row) for statement in statements]:
            return False
    return bool(gold["label"] == _by_resolution(p) and gold["kind"] == "entailment")


def _by_resolution(p: Rules) -> str:
    premises = [clause for premise in p.premises for clause in _clauses(premise)]
    if _refutable(premises + _clauses(_negation(p.conclusion))):
        return "entailed"
    return "contradicted" if _refutable(premises + _clauses(p.conclusion)) else "unknown"


def _negation(statement: Statement) -> Statement:
    form, parts = statement
    flipped = tuple((i, not wanted) for i, wanted in parts)
    if form == "if":
        return "and", (parts[0], flipped[1])
    return {"is": "is", "or": "and", "and": "or"}[form], flipped


def _clauses(statement: Statement) -> list[frozenset[Literal]]:
    form, parts = statement
    flipped = tuple((i, not wanted) for i, wanted in parts)
    if form in ("is", "and"):
        return [frozenset([part]) for part in parts]
    if form == "if":
        return [frozenset((flipped[0], parts[1]))]
    every = {"or": (parts,), "not both": (flipped,), "one": (parts, flipped)}[form]
    return [frozenset(clause) for clause in every]


def _refutable(clauses: list[frozenset[Literal]]) -> bool:
    """Resolve until nothing new comes (Robinson 1965); the empty clause means a contradiction."""
    known = set(clauses)
    while True:
        new = {
            (one - {literal}) | (other - {(literal[0], not literal[1])})
            for one in known
            for literal in one
            for other in known
            if (literal[0], not literal[1]) in other
        }
        if frozenset() in new:
            return True
        if new <= known:
            return False
        known |= new


def metamorphic(_rng: Random, p: Rules, answer: Answer) -> tuple[Rules, Answer]:
    """The negated conclusion has the opposite label."""
    assert isinstance(answer, str)
    label = OPPOSITE[json.loads(answer)["label"]]
    changed = p._replace(conclusion=_negation(p.conclusion), label=label)
    gold = {**json.loads(answer), "conclusion": _formula(changed, changed.conclusion), "label": label}
    return changed, canonical_json(gold)


class Setting(NamedTuple):
    """What people take part in: how one says that someone does, does not, not both do, or one does; what is around."""

    does: str
    does_not: str
    not_both: str
    one: str
    opening: str
    question: str


FORM: Final = (
    "Answer with one word: entailed if this statement must be true, contradicted if it must be false, and unknown if "
    "neither is the case."
)
SETTINGS: Final = (
    Setting(
        "{} comes to the party",
        "{} does not come to the party",
        "{0} and {1} do not both come to the party",
        "exactly one of {0} and {1} comes to the party",
        "About a party that {names} are invited to, the following is known.",
        'What follows about the conclusion "{conclusion}"?',
    ),
    Setting(
        "{} passed the exam",
        "{} did not pass the exam",
        "{0} and {1} did not both pass the exam",
        "exactly one of {0} and {1} passed the exam",
        "{names} sat an exam, and each of them either passed or did not. This much is known.",
        'Their teacher says: "{conclusion}."',
    ),
    Setting(
        "lamp {} is on",
        "lamp {} is off",
        "the lamps {0} and {1} are not both on",
        "exactly one of the lamps {0} and {1} is on",
        "The lamps on a control panel bear the names {names}, and each is either on or off. The following is certain.",
        'An engineer claims: "{conclusion}." Can you tell whether that is so?',
    ),
    Setting(
        "{} sings at the concert",
        "{} does not sing at the concert",
        "{0} and {1} do not both sing at the concert",
        "exactly one of {0} and {1} sings at the concert",
        "{names} are members of a choir. Before its concert the director has settled a few things.",
        'A singer concludes: "{conclusion}."',
    ),
)


def _sentence(p: Rules, statement: Statement, setting: Setting) -> str:
    form, parts = statement
    clauses = [(setting.does if wanted else setting.does_not).format(p.names[i]) for i, wanted in parts]
    text = {
        "is": "{0}",
        "if": "if {0}, then {1}",
        "or": "{0} or {1}, or both",
        "and": "{0}, and {1}",
        "not both": setting.not_both,
        "one": setting.one,
    }[form].format(*(clauses if form in ("is", "if", "or", "and") else [p.names[i] for i, _ in parts]))
    return text[0].upper() + text[1:]


def _text(p: Rules, setting: Setting) -> str:
    rules = " ".join(f"{_sentence(p, premise, setting)}." for premise in p.premises)
    question = setting.question.format(conclusion=_sentence(p, p.conclusion, setting))
    return f"{setting.opening.format(names=join_and(p.names))} {rules} {question} {FORM}"


FAMILY = Family(
    name="entailment",
    domain="logic",
    version=1,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in SETTINGS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="logic",
    example=example,
)
