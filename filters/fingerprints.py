"""What the duplicate search compares of a question: the key of its text, its numbers, its sketches and its embedding.

Making them is most of the work, so those of a whole file can be kept in a folder, under the file's digest and the
settings; a second search over the same file then makes none. The folder holds no texts and may be deleted.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from filters.embeddings import embed
from filters.near import make_sketches
from filters.questions import Question
from filters.shingles import numbers_of, shingle_sets, tokenise
from pipeline.config import NearDuplicates, SemanticDuplicates
from pipeline.records import content_id
from pipeline.store import write_tables

VERSION: Final = 1  # raise it when tokens, shingles or keys change
BATCH_ROWS: Final = 1024
SMALLEST: Final = 256
SCHEMA: Final = pa.schema(
    [
        ("key", pa.binary()),
        ("numbers", pa.string()),
        ("sketch", pa.binary()),
        ("blind", pa.binary()),
        ("vector", pa.binary()),
    ]
)


class Fingerprint(NamedTuple):
    """Equal keys mean equal normalised texts. `blind` is the sketch without numbers, of a number-blind question."""

    key: bytes
    numbers: str
    sketch: Any | None
    blind: Any | None
    vector: NDArray[np.float16] | None


class Kept(NamedTuple):
    """Where the fingerprints of some questions are kept: a folder, and a digest that stands for exactly these questions
    in this order."""

    folder: Path
    digest: str

    def under(self, *more: object) -> "Kept":
        """Return the same for questions that more than the digest determines."""
        return Kept(self.folder, content_id("questions", self.digest, *more))


Batch = list[tuple[Question, Fingerprint]]


def default_cache() -> Path:
    """Return the folder for files outside of a run: `fingerprints` under GRADATIM_CACHE, else ~/.cache/gradatim."""
    return Path(os.environ.get("GRADATIM_CACHE") or "~/.cache/gradatim").expanduser() / "fingerprints"


class Fingerprinter:
    """Makes fingerprints; None for `near` or `semantic` leaves that part out."""

    def __init__(self, near: NearDuplicates | None, semantic: SemanticDuplicates | None = None) -> None:
        self._near, self._semantic = near, semantic
        self._sketches = make_sketches(near) if near else None

    def batches(self, questions: Iterable[Question], kept: Kept | None = None) -> Iterator[Batch]:
        """Yield the questions with their fingerprints, a batch at a time: those kept, or new ones, which are then kept
        (of fewer than 256 questions they are not worth it)."""
        path = self._file(kept) if kept else None
        if path is None:
            yield from ((list(zip(batch, self._make(batch), strict=True))) for batch in _cut(questions))
        elif path.is_file() and (file := _readable(path)) is not None:
            with file:
                packed = (row for batch in file.iter_batches(BATCH_ROWS) for row in batch.to_pylist())
                for batch in _cut(questions):
                    rows = islice(packed, len(batch))
                    yield [(q, self._unpack(row)) for q, row in zip(batch, rows, strict=True)]
        else:
            yield from self._making(questions, path)

    def _making(self, questions: Iterable[Question], path: Path) -> Iterator[Batch]:
        """Yield batches, then write what was made of all of them; nothing is written if the reader stops early."""
        packed: list[pa.Table] = []
        for batch in _cut(questions):
            made = self._make(batch)
            packed.append(pa.Table.from_pylist([self._pack(one) for one in made], schema=SCHEMA))
            yield list(zip(batch, made, strict=True))
        if sum(table.num_rows for table in packed) >= SMALLEST:
            write_tables(packed, SCHEMA, path)

    def _make(self, batch: Sequence[Question]) -> list[Fingerprint]:
        tokens = [tokenise(question.text) for question in batch]
        sketches: list[Any] = [None] * len(batch)
        blind: list[Any] = [None] * len(batch)
        vectors: Sequence[Any] = [None] * len(batch)
        if self._sketches and self._near:
            sets = [shingle_sets(t, self._near.shingle_words, q.blind) for t, q in zip(tokens, batch, strict=True)]
            sketches = list(self._sketches.sketch([both[0] for both in sets]))
            places = [place for place, question in enumerate(batch) if question.blind]
            for place, sketch in zip(places, self._sketches.sketch([sets[p][1] for p in places]), strict=True):
                blind[place] = sketch
        if self._semantic:
            vectors = list(embed([question.text for question in batch], self._semantic.model).astype(np.float16))
        keys = [_key(words or question.text) for words, question in zip(tokens, batch, strict=True)]
        columns = zip(keys, map(numbers_of, tokens), sketches, blind, vectors, strict=True)
        return [Fingerprint(*values) for values in columns]

    def _pack(self, made: Fingerprint) -> dict[str, Any]:
        pack = self._sketches.pack if self._sketches else bytes
        return {
            "key": made.key,
            "numbers": made.numbers,
            "sketch": None if made.sketch is None else pack(made.sketch),
            "blind": None if made.blind is None else pack(made.blind),
            "vector": None if made.vector is None else made.vector.tobytes(),
        }

    def _unpack(self, row: dict[str, Any]) -> Fingerprint:
        unpack = self._sketches.unpack if self._sketches else bytes
        sketch, blind = (None if row[name] is None else unpack(row[name]) for name in ("sketch", "blind"))
        vector = None if row["vector"] is None else np.frombuffer(row["vector"], np.float16)
        return Fingerprint(row["key"], row["numbers"], sketch, blind, vector)

    def _file(self, kept: Kept) -> Path:
        words = self._near.shingle_words if self._near else None
        algorithm = self._sketches.name if self._sketches else None
        model = self._semantic.model if self._semantic else None
        return kept.folder / f"{kept.under(VERSION, algorithm, words, model).digest}.parquet"


def _readable(path: Path) -> pq.ParquetFile | None:
    """Open a cache file; one that is damaged is made again."""
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException):
        return None


def _cut(questions: Iterable[Question]) -> Iterator[list[Question]]:
    rows = iter(questions)
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _key(content: list[str] | str) -> bytes:
    text = content if isinstance(content, str) else "\n".join(content)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
