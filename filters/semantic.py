"""Semantic duplicates: questions with the same numbers whose embeddings point the same way.

Cosines are exact, by blocked matrix products among the questions that have the same numbers: two questions with the
same words and other numbers have a cosine of about 0.98, so the numbers decide first. Vectors have half precision and
cosines four digits before they are compared, so that the way a file is cut into batches does not show.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]
BLOCK_ROWS: Final = 16384


class Proposal(NamedTuple):
    """A question at or above the threshold: a kept one by its row, or an earlier one of the same batch by its place."""

    similarity: float
    row: int
    in_batch: bool


class SemanticIndex:
    """Embeddings of the kept questions in half precision, by group; a question may be in several groups."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._vectors: Half = np.empty((0, 0), np.float16)
        self._count = 0
        self._rows: list[int] = []
        self._groups: dict[str, list[int]] = defaultdict(list)

    def add(self, row: int, vector: Half, groups: Sequence[str]) -> None:
        """Keep a question's unit vector under its row."""
        if self._count == len(self._vectors):
            grown = np.empty((max(1024, 2 * self._count), len(vector)), np.float16)
            grown[: self._count] = self._vectors.reshape(self._count, len(vector))
            self._vectors = grown
        self._vectors[self._count] = vector
        for group in groups:
            self._groups[group].append(self._count)
        self._rows.append(row)
        self._count += 1

    def proposals(self, vectors: Half, groups: Sequence[Sequence[str]]) -> list[list[Proposal]]:
        """Return for each question of a batch those that reach the threshold in one of its groups."""
        found: list[list[Proposal]] = [[] for _ in groups]
        wide = vectors.astype(np.float32)
        members: dict[str, list[int]] = defaultdict(list)
        for place, names in enumerate(groups):
            for name in names:
                members[name].append(place)
        for name, places in members.items():
            own = wide[places]
            kept = self._groups.get(name, [])
            for start in range(0, len(kept), BLOCK_ROWS):
                block = kept[start : start + BLOCK_ROWS]
                for a, b, cosine in self._reaching(own, self._vectors[block].astype(np.float32)):
                    found[places[a]].append(Proposal(cosine, self._rows[block[b]], in_batch=False))
            for a, b, cosine in self._reaching(own, own):
                if b < a:
                    found[places[a]].append(Proposal(cosine, places[b], in_batch=True))
        return found

    def similarity(self, a: int, b: int) -> float:
        """Return the cosine of two kept rows."""
        first, second = (self._vectors[bisect_left(self._rows, row)].astype(np.float32) for row in (a, b))
        return round(min(float(first @ second), 1.0), 4)

    def _reaching(self, left: NDArray[np.float32], right: NDArray[np.float32]) -> list[tuple[int, int, float]]:
        cosines = np.minimum(left @ right.T, 1).round(4)
        return [(int(a), int(b), float(cosines[a, b])) for a, b in np.argwhere(cosines >= self.threshold)]
