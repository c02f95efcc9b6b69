"""Exact, near and semantic duplicates among questions.

Two questions with the same words and other numbers are different problems, unless their family says otherwise. Kept is
the first in order, which does not depend on how the problems are cut into shards; or, where all questions are at hand,
the best of each cluster (clusters.py).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from filters.clusters import Clusters, representative
from filters.fingerprints import Batch, Fingerprint, Fingerprinter, Kept
from filters.near import NearIndex
from filters.questions import USUAL_COLUMNS, Question, QuestionColumns, golds_differ, read_question
from filters.semantic import Proposal, SemanticIndex
from filters.shingles import tokenise
from pipeline.config import NearDuplicates, SemanticDuplicates
from pipeline.errors import GradatimError
from pipeline.records import Problem, Rejection, canonical_json
from pipeline.rows import UnreadableRows, missing_column, read_rows

THIS_RUN: Final = "this run"
EXACT: Final = "exact duplicate"
NEAR: Final = "near duplicate"
SEMANTIC: Final = "semantic duplicate"
LINKED: Final = "linked duplicate"

SAME_TEXT: Final = "is the same text as"
SHARED: Final = "shares {:.0%} of its word shingles, with the same numbers, with"
SHARED_BLIND: Final = "shares {:.0%} of its word shingles, numbers aside, with"
COSINE: Final = "has the same numbers as, and an embedding with a cosine of {:.3f} to,"
THROUGH_OTHERS: Final = "is linked through others of its cluster, at a similarity of {:.0%}, to"


class EarlierDatasetProblem(GradatimError):
    """An earlier dataset that cannot be compared against, in one line."""


class Match(NamedTuple):
    """A question, by its row, that another one duplicates: by which filter, how similar (1 is the same), in words."""

    filter: str
    similarity: float
    row: int
    says: str


Skip = Callable[[int], bool]


class DuplicateIndex:
    """All questions kept so far. Feed earlier datasets first, then the problems shard after shard.

    None for `near` or `semantic` leaves that comparison out. Problems of `number_blind` families are also compared with
    one another, and with earlier datasets, by their words alone. Memory: about 2.5 kB for
    each short question kept, and 0.8 kB with `semantic`.
    """

    def __init__(
        self,
        near: NearDuplicates | None,
        number_blind: frozenset[str] = frozenset(),
        semantic: SemanticDuplicates | None = None,
    ) -> None:
        self.questions: list[Question] = []
        self._number_blind = number_blind | frozenset(near.number_blind_families if near else ())
        self._fingerprints = Fingerprinter(near, semantic)
        self._rows: dict[bytes, int] = {}
        self._twins: dict[int, int] = {}
        self._near = NearIndex(near, self._text) if near else None
        self._blind = NearIndex(near, self._text, blind=True) if near else None
        self._semantic = SemanticIndex(semantic.threshold) if semantic else None

    def add_earlier(self, questions: Iterable[Question], kept: Kept | None = None) -> None:
        """Take in an earlier dataset; a question's `origin` is what rejections call it."""
        blind = bool(self._number_blind)
        marked = (question._replace(blind=blind or question.blind) for question in questions)
        for batch in self._fingerprints.batches(marked, kept and kept.under(blind)):
            for question, made in batch:
                if made.key not in self._rows:
                    self._keep(question, made)

    def screen(self, problems: Sequence[Problem], kept: Kept | None = None) -> tuple[list[Problem], list[Rejection]]:
        """Return the problems that duplicate none before them, and a rejection for each of the others."""
        unique: list[Problem] = []
        rejections: list[Rejection] = []
        decided = self.decide(map(self._question, problems), kept and kept.under(sorted(self._number_blind)))
        for problem, (question, match) in zip(problems, decided, strict=True):
            if match is None:
                unique.append(problem)
            else:
                rejections.append(rejection(question, match, self.questions[match.row]))
        return unique, rejections

    def decide(
        self, questions: Iterable[Question], kept: Kept | None = None
    ) -> Iterator[tuple[Question, Match | None]]:
        """Yield each question with what it duplicates among those kept; one that duplicates none is kept."""
        for batch in self._fingerprints.batches(questions, kept):
            for question, made, matches in self._matching(batch):
                best = _most_similar(matches(_none))
                if best is None:
                    self._keep(question, made)
                yield question, best

    def decide_best(self, questions: Iterable[Question]) -> Iterator[tuple[int, Question, Match]]:
        """Take in all questions, then yield those that are not the best of their cluster, with their number (from 0)
        and the best one as their match. All of them stay in memory."""
        clusters = Clusters()
        earlier = len(self.questions)
        for _ in range(earlier):
            clusters.add()
        for batch in self._fingerprints.batches(questions):
            for question, made, matches in self._matching(batch):
                row = clusters.add()
                for match in matches(partial(clusters.same, row)):
                    clusters.union(row, match.row)
                self._keep(question, made)
        for rows in clusters.members():
            best = representative(rows, self.questions, earlier)
            for row in rows:
                if row != best and row >= earlier:
                    yield row - earlier, self.questions[row], self._compare(row, best)

    def _matching(self, batch: Batch) -> Iterator[tuple[Question, Fingerprint, Callable[[Skip], Iterator[Match]]]]:
        """Yield each question with the function that finds its matches among those kept until then."""
        proposals: list[list[Proposal]] = [[] for _ in batch]
        if self._semantic:
            vectors = np.stack([made.vector for _, made in batch if made.vector is not None])
            proposals = self._semantic.proposals(vectors, [_groups(*pair) for pair in batch])
        placed: dict[int, int] = {}
        for place, (question, made) in enumerate(batch):
            row = len(self.questions)
            similar = {placed.get(p.row, -1) if p.in_batch else p.row: p.similarity for p in proposals[place]}
            similar.pop(-1, None)
            yield question, made, partial(self._matches, question, made, similar)
            if len(self.questions) > row:
                placed[place] = row

    def _matches(self, question: Question, made: Fingerprint, similar: dict[int, float], skip: Skip) -> Iterator[Match]:
        """Yield exact, then near, then semantic matches, each in the order of rows; `skip` is asked before each."""
        if made.key in self._rows:
            yield Match(EXACT, 1.0, self._rows[made.key], SAME_TEXT)
        for index, sketch, says in ((self._near, made.sketch, SHARED), (self._blind, made.blind, SHARED_BLIND)):
            if index and sketch is not None:
                for near in index.matches(question.text, sketch, skip):
                    yield Match(NEAR, near.similarity, near.row, says)
        for row, similarity in sorted(similar.items()):
            if not skip(row) and not golds_differ(question.answer, self.questions[row].answer):
                yield Match(SEMANTIC, similarity, row, COSINE)

    def _compare(self, row: int, best: int) -> Match:
        """Say how like the best of its cluster a question is, which may be less than the thresholds."""
        question, chosen = self.questions[row], self.questions[best]
        if (tokenise(question.text) or question.text) == (tokenise(chosen.text) or chosen.text):
            return Match(EXACT, 1.0, best, SAME_TEXT)
        indexes = [(self._near, SHARED)] + [(self._blind, SHARED_BLIND)] * (question.blind and chosen.blind)
        found = [Match(NEAR, i.similarity(question.text, best), best, says) for i, says in indexes if i]
        near = max(found, key=lambda match: match.similarity, default=Match(NEAR, 0.0, best, SHARED))
        if self._near and near.similarity >= self._near.threshold:
            return near
        twins = self._twins.get(row, row), self._twins.get(best, best)
        cosine = self._semantic.similarity(*twins) if self._semantic else 0.0
        if self._semantic and cosine >= self._semantic.threshold:
            return Match(SEMANTIC, cosine, best, COSINE)
        return Match(LINKED, max(near.similarity, cosine), best, THROUGH_OTHERS)

    def _keep(self, question: Question, made: Fingerprint) -> None:
        row = len(self.questions)
        self.questions.append(question)
        if self._rows.setdefault(made.key, row) != row:  # the same text: the first stands for it in the indexes
            self._twins[row] = self._rows[made.key]
            return
        for index, sketch in ((self._near, made.sketch), (self._blind, made.blind)):
            if index and sketch is not None:
                index.add(row, sketch)
        if self._semantic and made.vector is not None:
            self._semantic.add(row, made.vector, _groups(question, made))

    def _question(self, problem: Problem) -> Question:
        blind = problem.family in self._number_blind
        return Question(problem.id, problem.question, THIS_RUN, blind, problem.answer, problem.strategy)

    def _text(self, row: int) -> str:
        return self.questions[row].text


def rejection(question: Question, match: Match, original: Question) -> Rejection:
    """Return the rejection of a question that duplicates `original`, which it names with its text."""
    says = match.says.format(match.similarity)
    reason = f"the question {says} that of problem {original.id} ({original.origin})"
    evidence: dict[str, object] = {"duplicate_of": original.id, "question": original.text, "from": original.origin}
    if differing := differing_golds(question, original):
        reason += "; gold differs"
        evidence |= differing
    return Rejection(question.id, "screen", match.filter, reason, match.similarity, canonical_json(evidence))


def differing_golds(question: Question, original: Question) -> dict[str, object]:
    """Return as evidence the golds of a question and of the one it duplicates where they differ, else nothing."""
    differ = golds_differ(question.answer, original.answer)
    return {"gold differs": [question.answer, original.answer]} if differ else {}


def read_earlier(path: Path, columns: QuestionColumns = USUAL_COLUMNS) -> Iterator[Question]:
    """Yield the questions of a JSONL (also gzipped) or Parquet file; a row without an id is called file:row.

    Raises EarlierDatasetProblem, in one line, at the first row without a question.
    """
    try:
        if missing := missing_column(path, columns.questions):
            raise ValueError(missing)
        for row in read_rows(path, columns.names):
            if row.fields is None:
                raise ValueError(f"line {row.number}: {row.broken}")
            try:
                yield read_question(row.fields, columns, path.name, row.number, path.name)
            except ValueError as error:
                raise ValueError(f"row {row.number}: {error}") from None
    except (UnreadableRows, ValueError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise EarlierDatasetProblem(f"{path}: cannot be compared against: {reason}") from None


def _most_similar(matches: Iterator[Match]) -> Match | None:
    """Return the exact match, else the most similar near one, else semantic one; the first of equals."""
    best: Match | None = None
    for match in matches:
        if match.filter == EXACT:
            return match
        if best is None or (match.filter == best.filter and match.similarity > best.similarity):
            best = match
    return best


def _groups(question: Question, made: Fingerprint) -> list[str]:
    return [made.numbers, "numbers aside"] if question.blind else [made.numbers]


def _none(_: int) -> bool:
    return False
