"""Exact and near duplicates among questions; the first in order is kept.

Two questions with the same words and other numbers are different problems, unless their family says otherwise. What is
kept does not depend on how the problems are cut into shards.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from filters.near import NearIndex, View
from filters.shingles import tokenise
from pipeline.config import NearDuplicates
from pipeline.errors import GradatimError
from pipeline.records import Problem, Rejection, canonical_json, content_id

THIS_RUN: Final = "this run"
BATCH_ROWS: Final = 1024


class EarlierDatasetProblem(GradatimError):
    """An earlier dataset that cannot be compared against, in one line."""


class _Question(NamedTuple):
    """A question and where it is from. `blind`: it is also compared with its numbers left out."""

    id: str
    text: str
    origin: str
    blind: bool


class DuplicateIndex:
    """All questions kept so far. Feed earlier datasets first, then the problems shard after shard.

    `settings` None looks for exact duplicates only. Problems of `number_blind_families` are also compared with one
    another, and with earlier datasets, by their words alone. Memory: about 3 kB for each short question kept.
    """

    def __init__(self, settings: NearDuplicates | None, number_blind_families: frozenset[str] = frozenset()) -> None:
        self._near = NearIndex(settings) if settings else None
        self._number_blind = number_blind_families
        self._kept: list[_Question] = []
        self._rows: dict[str, int] = {}

    def add_earlier(self, rows: Iterable[tuple[str, str]], name: str) -> None:
        """Take in (id, question) of an earlier dataset; `name` is what rejections call it."""
        blind = bool(self._number_blind)
        questions = (_Question(identity, text, name, blind) for identity, text in rows)
        while batch := list(islice(questions, BATCH_ROWS)):
            for question, key, views in self._prepare(batch):
                if key not in self._rows:
                    self._keep(question, key, views)

    def screen(self, problems: Sequence[Problem]) -> tuple[list[Problem], list[Rejection]]:
        """Return the problems that duplicate none before them, and a rejection for each of the others."""
        kept: list[Problem] = []
        rejections: list[Rejection] = []
        for start in range(0, len(problems), BATCH_ROWS):
            batch = problems[start : start + BATCH_ROWS]
            questions = [_Question(p.id, p.question, THIS_RUN, p.family in self._number_blind) for p in batch]
            for problem, (question, key, views) in zip(batch, self._prepare(questions), strict=True):
                rejection = self._duplicate(question, key, views)
                if rejection is None:
                    self._keep(question, key, views)
                    kept.append(problem)
                else:
                    rejections.append(rejection)
        return kept, rejections

    def _prepare(self, questions: Sequence[_Question]) -> Iterator[tuple[_Question, str, list[View]]]:
        """Give each question of a batch with the key of its normalised text and its views for near-duplicate search."""
        tokens = [tokenise(question.text) for question in questions]
        blind = [question.blind for question in questions]
        views = self._near.views(list(zip(tokens, blind, strict=True))) if self._near else [[] for _ in questions]
        for question, words, own in zip(questions, tokens, views, strict=True):
            yield question, content_id("question", words or question.text), own

    def _duplicate(self, question: _Question, key: str, views: Sequence[View]) -> Rejection | None:
        if key in self._rows:
            return _rejection(question, self._kept[self._rows[key]], "exact duplicate", "is the same text as", 1.0)
        match = self._near.best_match(views) if self._near else None
        if match is None:
            return None
        numbers = "numbers aside" if match.blind else "with the same numbers"
        says = f"shares {match.similarity:.0%} of its word shingles, {numbers}, with"
        return _rejection(question, self._kept[match.row], "near duplicate", says, match.similarity)

    def _keep(self, question: _Question, key: str, views: Sequence[View]) -> None:
        self._rows[key] = len(self._kept)
        self._kept.append(question)
        if self._near:
            self._near.add(question.text, question.blind, views)


def _rejection(question: _Question, original: _Question, name: str, says: str, score: float) -> Rejection:
    reason = f"the question {says} that of problem {original.id} ({original.origin})"
    evidence = {"duplicate_of": original.id, "question": original.text, "from": original.origin}
    return Rejection(question.id, "screen", name, reason, score, canonical_json(evidence))


def read_earlier(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, question) of a JSONL (also gzipped) or Parquet file with a column `question`, or `prompt` as TRL has
    it: a text, or messages of which the user's last is taken. A row without an `id` is called file:row.

    Raises EarlierDatasetProblem, in one line.
    """
    rows = _parquet_rows(path) if path.name.endswith(".parquet") else _jsonl_rows(path)
    try:
        for number, row in rows:
            question = row.get("question")
            if question is None:
                question = _last_user_message(row.get("prompt"))
            if not isinstance(question, str):
                columns = ", ".join(row) or "none"
                raise ValueError(f"row {number}: no text in a column question or prompt; it has: {columns[:300]}")
            identity = row.get("id")
            named = f"{path.name}:{number}" if identity is None else str(identity)
            # Half of a surrogate pair could not be written down as evidence.
            yield named, question.encode("utf-8", "replace").decode()
    except (OSError, EOFError, zlib.error, ValueError, pa.ArrowException) as error:
        raise EarlierDatasetProblem(f"{path}: cannot be compared against: {' '.join(str(error).split())}") from None


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: expected a JSON object")
            yield number, row


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with pq.ParquetFile(path) as file:
        names = [name for name in ("id", "question", "prompt") if name in file.schema_arrow.names]
        if not {"question", "prompt"} & set(names):
            raise ValueError(f"no column question or prompt; it has: {', '.join(file.schema_arrow.names)}")
        number = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=names):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _last_user_message(prompt: object) -> object:
    if not isinstance(prompt, list):
        return prompt
    texts = [turn.get("content") for turn in prompt if isinstance(turn, dict) and turn.get("role") == "user"]
    return texts[-1] if texts else None
