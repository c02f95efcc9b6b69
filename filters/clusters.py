"""Clusters of duplicates by union-find, and the best question of each.

Best is, in this order: one of an earlier dataset; one with a gold answer; the strategy (STRATEGY_ORDER: the surer the
gold, the earlier); the earlier row.
"""

from array import array
from collections.abc import Sequence
from typing import Final

from filters.questions import Question

STRATEGY_ORDER: Final = ("template", "reasoning_gym", "imported", "backward", "evolved", "written")


class Clusters:
    """Disjoint sets of rows, which count up from 0 (Tarjan 1975; smaller rows are roots, paths are halved)."""

    def __init__(self) -> None:
        self._parents = array("q")

    def add(self) -> int:
        """Begin a cluster of its own; returns the row."""
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def find(self, row: int) -> int:
        """Return the smallest row of the cluster."""
        parents = self._parents
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    def union(self, a: int, b: int) -> None:
        """Make one cluster of two."""
        first, second = sorted((self.find(a), self.find(b)))
        self._parents[second] = first

    def same(self, a: int, b: int) -> bool:
        """Tell whether two rows are in one cluster."""
        return self.find(a) == self.find(b)

    def members(self) -> list[list[int]]:
        """Return the rows, in order, of every cluster of more than one."""
        found: dict[int, list[int]] = {}
        for row in range(len(self._parents)):
            root = self.find(row)
            if root != row:
                found.setdefault(root, [root]).append(row)
        return list(found.values())


def representative(rows: Sequence[int], questions: Sequence[Question], earlier: int) -> int:
    """Return the best row of a cluster; the first `earlier` rows are those of earlier datasets."""
    return min(rows, key=lambda row: (row >= earlier, *_rank(questions[row]), row))


def _rank(question: Question) -> tuple[bool, int]:
    known = question.strategy in STRATEGY_ORDER
    order = STRATEGY_ORDER.index(question.strategy) if known and question.strategy else len(STRATEGY_ORDER)
    return question.answer is None, order
