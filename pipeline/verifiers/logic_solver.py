"""The solver's side of logic, run in a worker only: which sets of formulas have a model, by z3.

Trees come in as JSON, as they were parsed; z3 (De Moura & Bjørner 2008) never sees a text of a
model, only terms built here one by one.
"""

import operator
import resource
import time
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from pipeline.verifiers.tree import Node

MEMORY_SHARE: Final = 2  # z3 may use half of the worker's address space, so that it gives up before the kernel acts


def statuses(formulas: list[Node], problem: dict[str, Any]) -> list[str]:
    """Return "sat", "unsat" or "unknown" for each query of a problem, all within its `seconds`.

    A query lists formulas by number from 1, a negative number meaning the negation. `signatures` and `domain` are
    those of logic_sorts; the members of a domain are different from each other, and nothing else is in it.
    Raises ValueError where z3 gives up, or cannot be loaded within the worker's memory.
    """
    try:
        import z3
    except (ImportError, OSError) as error:
        raise ValueError("z3 cannot be loaded") from error
    end = time.monotonic() + float(problem["seconds"])
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        z3.set_param("memory_max_size", max(limit // MEMORY_SHARE >> 20, 64))
    try:
        context = z3.Context()
        names = _names(z3, context, problem["signatures"], problem["domain"])
        terms = [_term(z3, context, formula, names) for formula in formulas]
        return [_status(z3, context, [_signed(z3, terms, k) for k in query], end) for query in problem["queries"]]
    except z3.Z3Exception as error:
        raise ValueError("z3 gave up") from error


def _signed(z3: Any, terms: list[Any], number: int) -> Any:
    return terms[number - 1] if number > 0 else z3.Not(terms[-number - 1])


def _status(z3: Any, context: Any, terms: list[Any], end: float) -> str:
    left = int(1000 * (end - time.monotonic()))
    if left <= 0:
        return "unknown"
    solver = z3.Solver(ctx=context)
    solver.set("timeout", left)
    solver.add(*terms)
    return str(solver.check())


def _names(z3: Any, context: Any, signatures: dict[str, list[str]], domain: list[str]) -> dict[str, Any]:
    """Return z3's constant or function of each name; "" stands for the sort of elements (no name is empty)."""
    names: dict[str, Any] = {}
    if domain:
        names[""], members = z3.EnumSort("element", domain, context)
        names |= dict(zip(domain, members, strict=True))
    else:
        names[""] = z3.DeclareSort("element", context)
    sorts = {"bool": z3.BoolSort(context), "int": z3.IntSort(context), "element": names[""]}
    for name, signature in signatures.items():
        if name not in names:
            *arguments, value = (sorts[sort] for sort in signature)
            names[name] = z3.Function(name, *arguments, value) if arguments else z3.Const(name, value)
    return names


def _term(z3: Any, context: Any, node: Node, names: dict[str, Any]) -> Any:
    if node.op in ("forall", "exists"):
        variable = z3.Const(str(node.value), names[""])
        body = _term(z3, context, node.args[0], {**names, f"bound {node.value}": variable})
        return (z3.ForAll if node.op == "forall" else z3.Exists)([variable], body)
    if not node.args:
        return _leaf(z3, context, node, names)
    parts = [_term(z3, context, part, names) for part in node.args]
    if node.op == "app":
        return names[str(node.value)](*parts)
    if node.op in _CHAINED:
        return reduce(_CHAINED[node.op], parts)
    whole = {"not": z3.Not, "and": z3.And, "or": z3.Or, "distinct": z3.Distinct, "implies": z3.Implies}
    whole |= {"neg": operator.neg}
    return reduce(z3.Xor, parts) if node.op == "xor" else whole[node.op](*parts)


def _leaf(z3: Any, context: Any, node: Node, names: dict[str, Any]) -> Any:
    if node.op == "num":
        return z3.IntVal(str(node.value), context)
    if node.op in ("true", "false"):
        return z3.BoolVal(node.op == "true", context)
    return names[str(node.value) if node.op == "sym" else f"bound {node.value}"]


_CHAINED: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "add": operator.add,
    "mul": operator.mul,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "iff": operator.eq,
}
