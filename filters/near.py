"""The index behind near-duplicate search: MinHash and LSH (Broder 1997; Indyk and Motwani 1998) propose, exact Jaccard
similarity decides. In between, the low bytes of the sketches (b-bit MinHash, Li and König 2010) weed out what is far
from similar, so that thousands of questions around one stock phrase stay cheap.

Sketches come from rensa; datasketch is the reference it is tested against, and the fallback where it is missing.
"""

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
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
    """MinHash sketches and the LSH index over them; a key is a number of the caller's. `name` says which algorithm
    made the bytes that `pack` returns, so that no other reads them."""

    name: str

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]: ...

    def insert(self, key: int, sketch: Any) -> None: ...

    def query(self, sketch: Any) -> list[int]: ...

    def low_bytes(self, sketch: Any) -> LowBytes: ...

    def pack(self, sketch: Any) -> bytes: ...

    def unpack(self, packed: bytes) -> Any: ...


class RensaSketches:
    """Full-set MinHash in Rust. Not its `rho` sketch, which depends on the order of the shingles."""

    def __init__(self, bands: int, rows: int) -> None:
        import rensa

        self._permutations = bands * rows
        self._minhash = rensa.RMinHash
        # The threshold serves only rensa's own estimate, which is not used.
        self._lsh = rensa.RMinHashLSH(0.5, bands * rows, bands)
        self.name = f"rensa/{version('rensa')}/{self._minhash.ALGORITHM_VERSION}/{bands * rows}/{MINHASH_SEED}"

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

    def pack(self, sketch: Any) -> bytes:
        packed: bytes = sketch.__getstate__()  # rensa's own numbers-only format, which it checks when reading
        return packed

    def unpack(self, packed: bytes) -> Any:
        sketch = self._minhash(self._permutations, MINHASH_SEED)
        sketch.__setstate__(packed)
        return sketch


class DatasketchSketches:
    """The same in Python and NumPy; see tests/benchmarks/bench_dedup.py for how much slower."""

    def __init__(self, bands: int, rows: int) -> None:
        import datasketch

        self._permutations = bands * rows
        self._minhash = datasketch.MinHash
        self._empty = datasketch.MinHash(bands * rows, seed=MINHASH_SEED)
        self._lsh = datasketch.MinHashLSH(num_perm=bands * rows, params=(bands, rows))
        self.name = f"datasketch/{version('datasketch')}/{self._empty.scheme}/{bands * rows}/{MINHASH_SEED}"

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

    def pack(self, sketch: Any) -> bytes:
        packed: bytes = sketch.hashvalues.tobytes()
        return packed

    def unpack(self, packed: bytes) -> Any:
        values = np.frombuffer(packed, self._empty.hashvalues.dtype)
        scheme = self._empty.scheme
        return self._minhash(self._permutations, seed=MINHASH_SEED, hashvalues=values, scheme=scheme)


def make_sketches(settings: NearDuplicates) -> Sketches:
    """Return rensa's index, or datasketch's where rensa cannot be imported."""
    bands, rows = banding(settings.threshold, settings.permutations)
    try:
        return RensaSketches(bands, rows)
    except ImportError:
        return DatasketchSketches(bands, rows)


def banding(threshold: float, permutations: int) -> tuple[int, int]:
    """Return LSH bands and rows per band, of at most so many permutations: the longest rows, then the fewest bands,
    that find a pair exactly at the threshold with a probability, 1 - (1 - threshold^rows)^bands, of at least RECALL.

    Long rows propose few pairs that are no duplicates; every band costs about 110 bytes a question.
    """
    for rows in range(permutations // 2, 1, -1):
        for bands in range(2, permutations // rows + 1):
            if 1 - (1 - threshold**rows) ** bands >= RECALL:
                return bands, rows
    return permutations, 1


class Near(NamedTuple):
    """A question at or above the threshold, by its row."""

    similarity: float
    row: int


def _never(_: int) -> bool:
    return False


class NearIndex:
    """Questions by their shingles, numbers in or (`blind`) left out. It keeps sketches; shingles are made again from
    `text_of(row)` when they are needed."""

    def __init__(self, settings: NearDuplicates, text_of: Callable[[int], str], *, blind: bool = False) -> None:
        self._settings = settings
        self._blind = blind
        self._sketches = make_sketches(settings)
        # The LSH's keys count up; a key's row stands in `rows`, its low bytes in a row of the matrix, which grows.
        self._rows = array("q")
        permutations = math.prod(banding(settings.threshold, settings.permutations))
        self._low = np.empty((1024, permutations), np.uint8)
        deviation = math.sqrt(settings.threshold * (1 - settings.threshold) / permutations)
        self._plausible = settings.threshold - DEVIATIONS * deviation
        self._shingles_of_row = lru_cache(REMEMBERED_ROWS)(lambda row: self._shingles(text_of(row)))

    def add(self, row: int, sketch: Any) -> None:
        """Keep a question under a row, which must be higher than those before."""
        key = len(self._rows)
        if key == len(self._low):
            self._low = np.concatenate([self._low, np.empty_like(self._low)])
        self._low[key] = self._sketches.low_bytes(sketch)
        self._sketches.insert(key, sketch)
        self._rows.append(row)

    def matches(self, text: str, sketch: Any, skip: Callable[[int], bool] = _never) -> Iterator[Near]:
        """Yield the kept questions at or above the threshold in the order of their rows; `skip` is asked first."""
        rows = self._candidates(sketch)
        shingles = self._shingles(text) if rows else frozenset()
        for row in rows:
            if not skip(row) and (similarity := jaccard(shingles, self._shingles_of_row(row))) >= self.threshold:
                yield Near(similarity, row)

    def similarity(self, text: str, row: int) -> float:
        """Return the exact Jaccard similarity of a text and a kept question."""
        return jaccard(self._shingles(text), self._shingles_of_row(row))

    @property
    def threshold(self) -> float:
        """The smallest similarity of duplicates."""
        return self._settings.threshold

    def _candidates(self, sketch: Any) -> list[int]:
        """Return the rows, in order, that may reach the threshold."""
        found = self._sketches.query(sketch)
        if not found:
            return []
        keys = np.array(found, np.int64)
        agreement = (self._low[keys] == self._sketches.low_bytes(sketch)).mean(axis=1)
        return [self._rows[key] for key in sorted(keys[agreement >= self._plausible].tolist())]

    def _shingles(self, text: str) -> frozenset[str]:
        return shingle_sets(tokenise(text), self._settings.shingle_words, self._blind)[-1]
