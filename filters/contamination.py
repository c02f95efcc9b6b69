"""Contamination: does a text resemble a benchmark question, and by which evidence.

A question shorter than an n-gram, or without one that counts, is a hit only where all of it, operators included, stands
in the text. An n-gram counts if at least half of it, and four words, are words of two letters or more outside every
boilerplate phrase, and no more than `common` benchmark questions have it. A skeleton is the words without numbers, or
without what is capitalised too: the same problem with other numbers or renamed people. What it does not find: a
question told in other words (that is what embeddings are for) or translated.
"""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from filters.contamination_benchmark import MIN_WHOLE, Benchmark, BenchmarkQuestion, Cut
from filters.contamination_text import SHINGLE_WORDS, skeletons, spaced, view, windows
from pipeline.contamination_settings import Decontamination
from pipeline.records import Rejection, canonical_json

Kind = Literal["exact", "embedded", "reordered", "ngram", "skeleton", "semantic"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
TRACE_KINDS: Final[tuple[Kind, ...]] = ("exact", "embedded", "ngram")
REJECTED_BY: Final = "contaminated"
SURE_NGRAMS: Final = 0.3
SURE_SKELETON: Final = 0.8
_SAYS: Final[dict[Kind, str]] = {
    "exact": "is the text of",
    "embedded": "contains the whole text of",
    "reordered": "has all sentences, in another order, of",
    "ngram": "shares {score:.0%} of the n-grams of",
    "skeleton": "has {score:.0%} of the wording, numbers and names aside, of",
    "semantic": "has an embedding of similarity {score:.2f} with that of",
}
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Adjudicate = Callable[[str, str], bool]


class Hit(NamedTuple):
    """A resemblance: its kind, its score in (0, 1], the benchmark question and the longest run of words in common
    (numbers and names left out in a skeleton's, nothing for an embedding's)."""

    kind: Kind
    score: float
    question: BenchmarkQuestion
    shared: str

    @property
    def in_grey_zone(self) -> bool:
        """Tell whether a model is worth asking: few n-grams, much but not most of a skeleton, or an embedding."""
        sure = {"ngram": SURE_NGRAMS, "skeleton": SURE_SKELETON, "semantic": 2.0}
        return self.score < sure.get(self.kind, 0.0)

    @property
    def reason(self) -> str:
        """Say it in words; the subject is the text."""
        says = _SAYS[self.kind].format(score=self.score)
        return f"the text {says} benchmark question {self.question.id} ({self.question.file})"

    @property
    def evidence(self) -> dict[str, Any]:
        """Return the matched question and the shared text, by name."""
        question = self.question
        return {
            "kind": self.kind,
            "matched_id": question.id,
            "matched_text": question.text,
            "from": question.file,
            "matched_place": f"{question.file}:{question.row}",
            "shared": self.shared,
        }


class _Seen:
    """A text that is checked, cut once, and no more than it takes, for all questions that it is compared with."""

    def __init__(self, text: str, ngram: int) -> None:
        self.view = view(text)
        self._ngram = ngram

    @cached_property
    def ngrams(self) -> set[str]:
        return windows(self.view.words, self._ngram)

    @cached_property
    def skeletons(self) -> tuple[list[str], list[str]]:
        return skeletons(self.view)

    @cached_property
    def shingles(self) -> tuple[set[str], set[str]]:
        first, second = self.skeletons
        return windows(first, SHINGLE_WORDS), windows(second, SHINGLE_WORDS)


class ContaminationIndex:
    """All benchmark questions, ready to be compared with.

    `embed` gives unit vectors, float32 of shape (texts, dimensions), and is used if `settings.semantic`.
    `adjudicate(text, benchmark question)` is asked about hits in the grey zone; where it says False the hit is none.
    """

    def __init__(
        self,
        questions: Sequence[BenchmarkQuestion],
        settings: Decontamination,
        *,
        embed: Embed | None = None,
        adjudicate: Adjudicate | None = None,
    ) -> None:
        self._benchmark = Benchmark(questions, settings)
        self._settings = settings
        self._adjudicate = adjudicate
        self._embed = embed if settings.semantic and questions else None
        self._vectors = self._embed([question.text for question in questions]) if self._embed else None

    def judged_by(self, adjudicate: Adjudicate) -> "ContaminationIndex":
        """Return the same index with another judge of the grey zone."""
        other = copy(self)
        other._adjudicate = adjudicate
        return other

    def check(self, text: str, kinds: Collection[Kind] = KINDS) -> Hit | None:
        """Return the surest resemblance of a text among the kinds asked for, embeddings aside, or None."""
        rows = self._benchmark.candidates(text)
        if not rows:
            return None
        seen = _Seen(text, self._settings.ngram)
        found = [hit for row in rows if (hit := self._compare(row, seen, kinds)) is not None]
        return self._first_upheld(text, found)

    def check_many(self, texts: Sequence[str], kinds: Collection[Kind] = KINDS) -> list[Hit | None]:
        """Check a batch of texts; only here are embeddings compared, for the texts without any other hit."""
        hits = [self.check(text, kinds) for text in texts]
        rest = [number for number, hit in enumerate(hits) if hit is None and texts[number].strip()]
        if self._embed is None or self._vectors is None or "semantic" not in kinds or not rest:
            return hits
        similarity = self._embed([texts[number] for number in rest]) @ self._vectors.T
        nearest = similarity.argmax(axis=1)
        for number, row, own in zip(rest, nearest, similarity, strict=True):
            score = min(float(own[row]), 1.0)
            if score >= self._settings.semantic_share:
                hit = Hit("semantic", score, self._benchmark.questions[row], "")
                hits[number] = self._first_upheld(texts[number], [hit])
        return hits

    def _first_upheld(self, text: str, hits: list[Hit]) -> Hit | None:
        for hit in sorted(hits, key=lambda hit: (KINDS.index(hit.kind), -hit.score)):
            if self._adjudicate is None or not hit.in_grey_zone or self._adjudicate(text, hit.question.text):
                return hit
        return None

    def _compare(self, row: int, seen: _Seen, kinds: Collection[Kind]) -> Hit | None:
        """Return the surest kind of resemblance with one benchmark question."""
        cut = self._benchmark.cut(row)
        least = {"ngram": self._settings.ngram_share, "skeleton": self._settings.skeleton_share}
        for kind in KINDS:
            score = _score(kind, cut, seen) if kind in kinds else 0.0
            if score and score >= least.get(kind, 0.0):
                return Hit(kind, score, self._benchmark.questions[row], _shared(kind, cut, seen))
        return None


def rejection(record_id: str, stage: str, hit: Hit) -> Rejection:
    """Return the rejection of a record whose text is a hit, with the evidence."""
    return Rejection(record_id, stage, REJECTED_BY, hit.reason, hit.score, canonical_json(hit.evidence))


def _score(kind: Kind, cut: Cut, seen: _Seen) -> float:
    """Return how much of a benchmark question is in a text by one kind of comparison, 0 for nothing."""
    whole = not cut.ngrams
    text = seen.view
    if kind == "exact":
        score = float(text.tokens == cut.view.tokens)
    elif kind == "embedded" and whole:
        score = float(len(cut.view.tokens) >= MIN_WHOLE and cut.view.line in text.line)
    elif kind == "embedded":
        score = float(cut.view.plain in text.plain)
    elif kind == "reordered":
        score = float(len(cut.sentences) > 1 and all(sentence in text.plain for sentence in cut.sentences))
    elif kind == "ngram" and not whole:
        score = len(cut.ngrams & seen.ngrams) / len(cut.ngrams)
    elif kind == "skeleton":
        score = max(_shares(cut, seen))
    else:
        score = 0.0
    return score


def _shares(cut: Cut, seen: _Seen) -> list[float]:
    """Return what share of each of a benchmark question's skeletons is in the same skeleton of a text."""
    if not any(cut.shingles):
        return [0.0]
    both = zip(cut.shingles, seen.shingles, strict=True)
    return [len(own & others) / len(own) if own else 0.0 for own, others in both]


def _shared(kind: Kind, cut: Cut, seen: _Seen) -> str:
    if kind != "skeleton":
        return _longest_run(cut.view.words, seen.view.plain)
    shares = _shares(cut, seen)
    which = shares.index(max(shares))
    return _longest_run(cut.skeletons[which], spaced(seen.skeletons[which]))


def _longest_run(words: Sequence[str], plain: str) -> str:
    """Return the longest run of words that stands in a text between blanks."""
    best, start = "", 0
    for end in range(1, len(words) + 1):
        while start < end and spaced(words[start:end]) not in plain:
            start += 1
        best = max(best, " ".join(words[start:end]), key=lambda run: (run.count(" "), len(run)))
    return best
