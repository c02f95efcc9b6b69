"""The index behind near-duplicate search: MinHash and LSH (Broder 1997; Indyk and Motwani 1998) propose, exact Jaccard
similarity decides. In between, the low bytes of the sketches (b-bit MinHash, Li and König 2010) weed out what is far
from similar, so that thousands of questions around one stock phrase stay cheap.

Sketches come from rensa; datasketch is the reference it is tested against, and the fallback where it is missing.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from filters.shingles import jaccard, shingle_sets, tokenise
from pipeline.config import NearDuplicates

MINHASH_SEED: Final = 1
RECALL: Final = 0.99
DEVIATIONS: Final = 3.5
REMEMBERED_ROWS: Final = 4096
LowBytes = NDArray[np.uint8]


class Sketches(Protocol):
    """MinHash sketches and the LSH index over them; a key is a number of the caller's."""

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]: ...

    def insert(self, key: int, sketch: Any) -> None: ...

    def query(self, sketch: Any) -> list[int]: ...

    def low_bytes(self, sketch: Any) -> LowBytes: ...


class RensaSketches:
    """Full-set MinHash in Rust. Not its `rho` sketch, which depends on the order of the shingles."""

    def __init__(self, bands: int, rows: int) -> None:
        import rensa

        self._permutations = bands * rows
        self._minhash = rensa.RMinHash
        # The threshold serves only rensa's own estimate, which is not used.
        self._lsh = rensa.RMinHashLSH(0.5, bands * rows, bands)

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]:
        sketches: Sequence[Any] = self._minhash.from_token_sets(shingle_sets, self._permutations, MINHASH_SEED)
        return sketches

    def insert(self, key: int, sketch: Any) -> None:
        self._lsh.insert(key, sketch)

    def query(self, sketch: Any) -> list[int]:
        keys: list[int] = self._lsh.query(sketch)
        return keys

    def low_bytes(self, sketch: Any) -> LowBytes:
        return np.array(sketch.digest(), np.uint32).astype(np.uint8)


class DatasketchSketches:
    """The same in Python and NumPy; see tests/benchmarks/bench_dedup.py for how much slower."""

    def __init__(self, bands: int, rows: int) -> None:
        import datasketch

        self._permutations = bands * rows
        self._minhash = datasketch.MinHash
        self._lsh = datasketch.MinHashLSH(num_perm=bands * rows, params=(bands, rows))

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]:
        encoded = ([shingle.encode() for shingle in shingles] for shingles in shingle_sets)
        sketches: Sequence[Any] = self._minhash.bulk(encoded, num_perm=self._permutations, seed=MINHASH_SEED)
        return sketches

    def insert(self, key: int, sketch: Any) -> None:
        self._lsh.insert(key, sketch)

    def query(self, sketch: Any) -> list[int]:
        return [int(str(key)) for key in self._lsh.query(sketch)]

    def low_bytes(self, sketch: Any) -> LowBytes:
        low: LowBytes = sketch.hashvalues.astype(np.uint8)
        return low


def make_sketches(settings: NearDuplicates) -> Sketches:
    """Return rensa's index, or datasketch's where rensa cannot be imported."""
    bands, rows = banding(settings.threshold, settings.permutations)
    try:
        return RensaSketches(bands, rows)
    except ImportError:
        return DatasketchSketches(bands, rows)


def banding(threshold: float, permutations: int) -> tuple[int, int]:
    """Return LSH bands and rows per band: those with the fewest false candidates that find a pair exactly at the
    threshold with a probability of at least RECALL, which is 1 - (1 - threshold^rows)^bands."""
    for rows in range(permutations // 2, 1, -1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return permutations, 1


class View(NamedTuple):
    """One way to see a question: its shingles (with its numbers, or without) and their sketch."""

    shingles: frozenset[str]
    sketch: Any


class Match(NamedTuple):
    """The most similar question of those kept: its row, and whether the numbers were left out of the comparison."""

    similarity: float
    row: int
    blind: bool


class NearIndex:
    """Questions by their shingles. It keeps texts and sketches, not shingles: those are made again when needed."""

    def __init__(self, settings: NearDuplicates) -> None:
        self._settings = settings
        self._sketches = make_sketches(settings)
        self._questions: list[tuple[str, bool]] = []
        # The owner of key k is 2 * row + number of the view; its low bytes are row k of the matrix, which grows.
        self._owners: list[int] = []
        permutations = math.prod(banding(settings.threshold, settings.permutations))
        self._low = np.empty((1024, permutations), np.uint8)
        deviation = math.sqrt(settings.threshold * (1 - settings.threshold) / permutations)
        self._plausible = settings.threshold - DEVIATIONS * deviation
        self._shingles_of = lru_cache(REMEMBERED_ROWS)(self._shingle_row)

    def views(self, questions: Sequence[tuple[list[str], bool]]) -> list[list[View]]:
        """Sketch a batch of (tokens, number-blind); a number-blind question has a second view, without its numbers."""
        sets = [shingle_sets(tokens, self._settings.shingle_words, blind) for tokens, blind in questions]
        sketches = iter(self._sketches.sketch([shingles for both in sets for shingles in both]))
        return [[View(shingles, next(sketches)) for shingles in both] for both in sets]

    def add(self, question: str, blind: bool, views: Sequence[View]) -> None:
        """Keep a question under the next row."""
        row = len(self._questions)
        self._questions.append((question, blind))
        for number, view in enumerate(views):
            key = len(self._owners)
            if key == len(self._low):
                self._low = np.concatenate([self._low, np.empty_like(self._low)])
            self._low[key] = self._sketches.low_bytes(view.sketch)
            self._sketches.insert(key, view.sketch)
            self._owners.append(2 * row + number)

    def best_match(self, views: Sequence[View]) -> Match | None:
        """Return the kept question of the highest similarity at or above the threshold; the first of equals."""
        best: Match | None = None
        for number, view in enumerate(views):
            for row in self._candidates(view.sketch, number):
                similarity = jaccard(view.shingles, self._shingles_of(row)[number])
                if similarity >= self._settings.threshold and (best is None or similarity > best.similarity):
                    best = Match(similarity, row, bool(number))
        return best

    def _candidates(self, sketch: Any, number: int) -> list[int]:
        """Return the rows, in order, whose view of that number may reach the threshold."""
        keys = np.array(self._sketches.query(sketch), np.int64)
        if not len(keys):
            return []
        agreement = (self._low[keys] == self._sketches.low_bytes(sketch)).mean(axis=1)
        owners = (self._owners[key] for key in keys[agreement >= self._plausible])
        return sorted(owner // 2 for owner in owners if owner % 2 == number)

    def _shingle_row(self, row: int) -> list[frozenset[str]]:
        question, blind = self._questions[row]
        return shingle_sets(tokenise(question), self._settings.shingle_words, blind)
