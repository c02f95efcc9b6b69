"""The index behind near-duplicate search: MinHash and LSH (Broder 1997; Indyk and Motwani 1998) propose, exact Jaccard
similarity decides.

Sketches come from rensa; datasketch is the reference it is tested against, and the fallback where it is missing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from filters.shingles import jaccard, shingle_sets, tokenise
from pipeline.config import NearDuplicates

MINHASH_SEED: Final = 1
RECALL: Final = 0.99
REMEMBERED_ROWS: Final = 8192


class Sketches(Protocol):
    """MinHash sketches and the LSH index over them; a key is a number of the caller's."""

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]: ...

    def insert(self, key: int, sketch: Any) -> None: ...

    def query(self, sketch: Any) -> list[int]: ...


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
    """Questions by their shingles. It keeps texts and sketches' band hashes, and makes shingles again when needed."""

    def __init__(self, settings: NearDuplicates) -> None:
        self._settings = settings
        self._sketches = make_sketches(settings)
        self._questions: list[tuple[str, bool]] = []
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
            self._sketches.insert(2 * row + number, view.sketch)

    def best_match(self, views: Sequence[View]) -> Match | None:
        """Return the kept question of the highest similarity at or above the threshold; the first of equals."""
        best: Match | None = None
        for number, view in enumerate(views):
            for row in sorted(key // 2 for key in self._sketches.query(view.sketch) if key % 2 == number):
                similarity = jaccard(view.shingles, self._shingles_of(row)[number])
                if similarity >= self._settings.threshold and (best is None or similarity > best.similarity):
                    best = Match(similarity, row, bool(number))
        return best

    def _shingle_row(self, row: int) -> list[frozenset[str]]:
        question, blind = self._questions[row]
        return shingle_sets(tokenise(question), self._settings.shingle_words, blind)
