"""The last resort of equality: SymPy, in a worker that can be killed."""

from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.tree import Node


def symbolic_check(kind: str, left: Node, right: Node) -> bool:
    """Ask the worker pool."""
    raise Undecided("no symbolic check yet")
