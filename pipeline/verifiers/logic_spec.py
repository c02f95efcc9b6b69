"""The golds of logic: a JSON object with formulas, read, sorted and checked as far as no solver is needed for it."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.logic_answers import is_name
from pipeline.verifiers.logic_grammar import parse_formula
from pipeline.verifiers.logic_sorts import BOOL, ELEMENT, INT, Signatures, signatures
from pipeline.verifiers.notation import Limit, Unreadable
from pipeline.verifiers.tree import Node, number

MAX_GOLD: Final = 200_000
MAX_FORMULAS: Final = 2_000
KEYS: Final[dict[str, tuple[str, str, dict[str, type]]]] = {  # the formulas, the conclusion, what else there may be
    "entailment": ("premises", "conclusion", {"domain": list, "binary": bool, "label": str}),
    "satisfiability": ("formulas", "", {"domain": list, "require_model": bool, "label": str}),
    "model": ("constraints", "", {"variables": dict, "unique": bool}),
    "steps": ("premises", "conclusion", {"domain": list, "min_steps": int}),
}


class Spec(NamedTuple):
    """A gold, read: `formulas` are the premises or constraints, `sorts` the variables that a model must give."""

    kind: str
    formulas: tuple[Node, ...]
    conclusion: Node | None
    signatures: Signatures
    domain: tuple[str, ...]
    sorts: dict[str, str]
    options: Mapping[str, Any]


@lru_cache(maxsize=64)
def read_spec(gold: str) -> Spec:
    """Read a gold. Raises Undecided where nothing could be judged by it."""
    if len(gold) > MAX_GOLD:
        raise Undecided("the logic problem is too long")
    try:
        data = json.loads(gold)
        kind = data["kind"]
        listed, concluded, optional = KEYS[kind]
        _check_keys(data, {listed: list, concluded: str} | optional, (listed, concluded))
        formulas = [parse_formula(text) for text in data[listed]]
        if len(formulas) > MAX_FORMULAS or (listed != "premises" and not formulas):
            raise ValueError(f"between 1 and {MAX_FORMULAS} {listed} are needed")
        conclusion = parse_formula(data[concluded]) if concluded else None
        if kind == "model":
            return _with_variables(formulas, data)
        return _with_signatures(kind, formulas, conclusion, data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Unreadable, Limit) as error:
        raise Undecided(f"the logic problem cannot be read: {error}") from error


def _check_keys(data: dict[str, Any], known: dict[str, type], needed: Iterable[str]) -> None:
    for key, value in data.items():
        if key != "kind" and (key not in known or type(value) is not known[key]):
            raise ValueError(f"{key!r} is unknown or not a {known.get(key, str).__name__}")
    for key in filter(None, needed):
        if key not in data:
            raise ValueError(f"{key!r} is missing")


def _with_signatures(kind: str, formulas: list[Node], conclusion: Node | None, data: dict[str, Any]) -> Spec:
    domain = _names(data.get("domain", []))
    found = signatures([*formulas, *([conclusion] if conclusion else [])], {member: [ELEMENT] for member in domain})
    sorts = {name: signature[-1] for name, signature in found.items()}
    if data.get("require_model"):
        _check_evaluable(formulas)
        if ELEMENT in sorts.values():
            raise ValueError("a model can be asked for of truth values and integers only")
    return Spec(kind, tuple(formulas), conclusion, found, domain, sorts, data)


def _with_variables(formulas: list[Node], data: dict[str, Any]) -> Spec:
    """Read the declared variables; that a variable has one of its listed values becomes one more constraint."""
    variables: dict[str, Any] = data["variables"]
    lists = {name: kind for name, kind in variables.items() if isinstance(kind, list)}
    sorts = {name: _sort(kind) for name, kind in variables.items()}
    values = _names(dict.fromkeys(v for name in lists for v in lists[name] if sorts[name] == ELEMENT))
    _names([*variables, *values])
    for name, choices in lists.items():
        equal = [Node("eq", (Node("sym", value=name), _leaf(choice))) for choice in choices]
        formulas.append(equal[0] if len(equal) == 1 else Node("or", tuple(equal)))
    _check_evaluable(formulas)
    found = signatures(formulas, {name: [sorts.get(name, ELEMENT)] for name in (*sorts, *values)})
    if strangers := found.keys() - sorts.keys() - set(values):
        raise ValueError(f"{min(strangers)} is neither a variable nor a value")
    return Spec("model", tuple(formulas), None, found, values, sorts, data)


def _sort(kind: object) -> str:
    if kind in (BOOL, INT):
        return str(kind)
    if isinstance(kind, list) and kind and all(type(value) is type(kind[0]) for value in kind):
        if isinstance(kind[0], str):
            return ELEMENT
        if type(kind[0]) is int:
            return INT
    raise ValueError("a variable is bool, int, or a list of integers or of names")


def _leaf(choice: int | str) -> Node:
    return Node("sym", value=choice) if isinstance(choice, str) else number(choice)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    names = tuple(given)
    if not all(isinstance(name, str) and is_name(name) for name in names) or len(set(names)) != len(names):
        raise ValueError("variables, values and members of a domain must be different names")
    return names


def _check_evaluable(formulas: Iterable[Node]) -> None:
    stack = list(formulas)
    while stack:
        node = stack.pop()
        if node.op in ("app", "forall", "exists"):
            raise ValueError("a model is for formulas without quantifiers and predicates")
        stack += node.args
