"""The last resort of equality: SymPy, in a worker that can be killed."""

from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.tree import Node
from pipeline.verifiers.worker import WorkerFailed, shared_pool
from pipeline.verifiers.worker_process import encode


def symbolic_check(kind: str, left: Node, right: Node) -> bool:
    """Decide by SymPy whether two trees are equal ("value") or have the same zeros ("equation"). Raises Undecided."""
    try:
        equal = shared_pool().ask([kind, encode(left), encode(right)]).get("equal")
    except WorkerFailed as error:
        raise Undecided(str(error)) from error
    if not isinstance(equal, bool):
        raise Undecided("SymPy does not decide it")
    return equal
