"""Logic: what a completion commits to is checked against premises, constraints or formulas, never against a label.

The gold is one JSON object; `kind` says what is asked, every other key stands in logic_spec.KEYS:
entailment      one of entailed, contradicted, unknown ("binary": true asks whether it follows: yes or no), by z3
satisfiability  satisfiable or unsatisfiable, by z3; with "require_model" an assignment in place of the first
model           an assignment (a = 3, b = true; or JSON) of all "variables", by exact evaluation of every constraint
steps           a chain of formulas in the box or answer tag, one a line or between semicolons: each must follow from
                the premises and the steps before it (semantically, by z3), the last be equivalent to the conclusion;
                "min_steps" counts different formulas that are no premises, which bounds length and not work
A `label` beside the premises is only checked. z3 runs in a worker, and what it does not decide in time is undecided.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.logic_answers import (
    CONTRADICTED,
    ENTAILED,
    UNKNOWN,
    read_assignment,
    read_entailment,
    read_satisfiability,
    read_steps,
)
from pipeline.verifiers.logic_sorts import Signatures, evaluate, signatures
from pipeline.verifiers.logic_spec import Spec, read_spec
from pipeline.verifiers.notation import Unreadable
from pipeline.verifiers.tree import Node
from pipeline.verifiers.worker import WorkerFailed, shared_pool
from pipeline.verifiers.worker_process import encode

SOLVER_SHARE: Final = 0.8  # of the deadline: z3 stops itself before its worker is killed


def same_logic(gold: str, answer: str) -> bool:
    """Judge an answer against a gold. Raises Unreadable for the answer, Limit or Undecided where it is not decided."""
    spec = read_spec(gold)
    return _KINDS[spec.kind](spec, gold, answer)


def _entailment(spec: Spec, gold: str, answer: str) -> bool:
    allowed = read_entailment(answer, binary=bool(spec.options.get("binary")))
    return _truth(gold) in allowed


def _satisfiability(spec: Spec, gold: str, answer: str) -> bool:
    try:
        says = read_satisfiability(answer)
    except Unreadable:
        if not spec.options.get("require_model"):
            raise
        return _is_model(spec, answer)
    if says and spec.options.get("require_model"):
        raise Unreadable("no model, where one was asked for")
    return says == _satisfiable(gold)


def _is_model(spec: Spec, answer: str) -> bool:
    given = read_assignment(answer, spec.sorts)
    values = {value.casefold(): value for value in spec.domain}
    model = {name: values.get(v.casefold(), v) if isinstance(v, str) else v for name, v in given.items()}
    complete = {name: value for name, value in model.items() if value is not None}
    if complete.keys() != spec.sorts.keys():
        return False
    complete |= {value: value for value in spec.domain}
    return all(evaluate(formula, complete) for formula in spec.formulas)


def _steps(spec: Spec, _gold: str, answer: str) -> bool:
    steps = read_steps(answer)
    known = signatures(steps, spec.signatures)
    wanted = int(spec.options.get("min_steps", 1))
    if wanted > 1 and len({*steps} - {*spec.formulas}) < wanted:
        return False
    first = len(spec.formulas)
    queries = [[*range(1, first + k + 1), -(first + k + 1)] for k in range(len(steps))]
    same = Node("xor", (steps[-1], spec.conclusion or steps[-1]))
    queries += [[first + len(steps) + 1], [*range(1, first + 1)]]
    *refuted, consistent = _statuses([*spec.formulas, *steps, same], queries, known, spec.domain)
    if consistent != "sat":
        raise Undecided("the premises contradict each other, or z3 cannot tell")
    if "sat" in refuted:
        return False
    if "unknown" in refuted:
        raise Undecided("z3 does not decide every step in time")
    return True


_KINDS: Final[dict[str, Callable[[Spec, str, str], bool]]] = {
    "entailment": _entailment,
    "satisfiability": _satisfiability,
    "model": lambda spec, _gold, answer: _is_model(spec, answer),
    "steps": _steps,
}


def _all_formulas(formulas: list[Node], spec: Spec) -> list[Node]:
    return [*formulas, spec.conclusion] if spec.conclusion else formulas


def _statuses(
    formulas: Sequence[Node], queries: list[list[int]], known: Signatures, domain: Sequence[str]
) -> list[str]:
    """Ask z3 which of the queries have a model; see logic_solver for their form. Raises Undecided."""
    pool = shared_pool()
    problem = {
        "signatures": known,
        "domain": list(domain),
        "queries": queries,
        "seconds": SOLVER_SHARE * pool.deadline,
    }
    try:
        found: list[str] = pool.ask(["logic", [encode(formula) for formula in formulas], problem])["statuses"]
    except WorkerFailed as error:
        raise Undecided(str(error)) from error
    return found


@lru_cache(maxsize=64)
def _truth(gold: str) -> str:
    """Return whether the conclusion is entailed, contradicted or unknown. Raises Undecided."""
    spec = read_spec(gold)
    last = len(spec.formulas) + 1
    premises = list(range(1, last))
    queries = [[*premises, -last], [*premises, last]]
    found = _statuses(_all_formulas([*spec.formulas], spec), queries, spec.signatures, spec.domain)
    if "unknown" in found:
        raise Undecided("z3 does not decide it in time")
    if found == ["unsat", "unsat"]:
        raise Undecided("the premises contradict each other")
    return ENTAILED if found[0] == "unsat" else CONTRADICTED if found[1] == "unsat" else UNKNOWN


@lru_cache(maxsize=64)
def _satisfiable(gold: str) -> bool:
    spec = read_spec(gold)
    (found,) = _statuses(spec.formulas, [list(range(1, len(spec.formulas) + 1))], spec.signatures, spec.domain)
    if found == "unknown":
        raise Undecided("z3 does not decide it in time")
    return found == "sat"


def check_logic(gold: str) -> None:
    """Check that a gold can be read, is decided, and is what it claims to be. Raises Undecided with the reason."""
    spec = read_spec(gold)
    if spec.kind in ("entailment", "satisfiability"):
        _check_label(spec, gold)
    elif spec.kind == "steps" and _truth(gold) != ENTAILED:
        raise Undecided(f"the conclusion is {_truth(gold)}, so no steps can reach it")
    elif spec.kind == "model":
        if not _satisfiable(gold):
            raise Undecided("the constraints contradict each other")
        if spec.options.get("unique") and _has_two_models(spec):
            raise Undecided("the model is not unique")


def _check_label(spec: Spec, gold: str) -> None:
    found = _truth(gold) if spec.kind == "entailment" else _satisfiable(gold)
    label = spec.options.get("label")
    if label is None:
        return
    try:
        if spec.kind == "entailment":
            agrees = found in read_entailment(label, binary=bool(spec.options.get("binary")))
        else:
            agrees = read_satisfiability(label) == found
    except Unreadable as error:
        raise Undecided(f"the label {label!r}: {error}") from error
    if not agrees:
        raise Undecided(f"the label {label!r} is wrong by z3")


def _has_two_models(spec: Spec) -> bool:
    """Ask for two copies of the variables that both satisfy everything and differ somewhere."""
    copies = {name: f"{name}*" for name in spec.sorts}
    differ = [Node("not", (Node("eq", (Node("sym", value=a), Node("sym", value=b))),)) for a, b in copies.items()]
    other = [_renamed(formula, copies) for formula in spec.formulas]
    formulas = [*spec.formulas, *other, differ[0] if len(differ) == 1 else Node("or", tuple(differ))]
    known = spec.signatures | {copy: spec.signatures[name] for name, copy in copies.items()}
    (found,) = _statuses(formulas, [list(range(1, len(formulas) + 1))], known, spec.domain)
    if found == "unknown":
        raise Undecided("z3 does not decide in time whether the model is unique")
    return found == "sat"


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    if node.op == "sym":
        return Node("sym", value=names.get(str(node.value), str(node.value)))
    return Node(node.op, tuple(_renamed(part, names) for part in node.args), node.value)
