"""Benchmark questions as contamination.py holds them: read from files, cut into n-grams, found again by their seeds.

A seed is a run of words, numbers aside. Every n-gram that counts holds one of up to seven words; a text with that seed
is a candidate. Every skeleton also has a few of four words, apart from one another and rare in the benchmark; a text
with two of them is a candidate too. A question that is compared whole is one seed. One scan clears most texts.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from filters.contamination_text import (
    SHINGLE_WORDS,
    View,
    joined,
    letters,
    letters_and_digits,
    skeletons,
    spaced,
    view,
    windows,
)
from filters.shingles import NUMBER_WORDS, says_nothing
from pipeline.contamination_settings import BOILERPLATE, Decontamination
from pipeline.errors import GradatimError
from pipeline.rows import UnreadableRows, first_of, read_rows, text_of

SEED_WORDS: Final = 4
NGRAM_SEED_WORDS: Final = 7
SKELETON_SEEDS: Final = 6
ENOUGH: Final = 2
MIN_WHOLE: Final = 4
MIN_LETTERS: Final = 10
REMEMBERED: Final = 8192
Patterns = dict[bytes, list[tuple[int, int]]]
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class BenchmarkProblem(GradatimError):
    """A benchmark that cannot be compared against, in one line."""


class BenchmarkQuestion(NamedTuple):
    """One question of a benchmark, the name of the file it is from, and its row there."""

    id: str
    file: str
    text: str
    row: int = 0


class Cut(NamedTuple):
    """A benchmark question as it is compared. `ngrams`: those that count, none where the question is compared whole.
    `shingles`: of both skeletons, none of a skeleton that is too short. `sentences`: as words between blanks."""

    view: View
    skeletons: tuple[list[str], list[str]]
    ngrams: frozenset[str]
    shingles: tuple[frozenset[str], frozenset[str]]
    sentences: tuple[str, ...]


def read_benchmarks(settings: Decontamination) -> list[BenchmarkQuestion]:
    """Read the benchmark files. Raises BenchmarkProblem, in one line, for the first row without a question, and for a
    file that holds none: a benchmark that is compared in part only, or not at all, would clear what it should not."""
    questions: list[BenchmarkQuestion] = []
    for path in settings.benchmarks:
        own = [question for question in _read(path, settings) if not says_nothing(question.text)]
        if not own:
            raise BenchmarkProblem(f"{path}: holds no question to compare with; name a benchmark that does")
        questions += own
    return questions


def _read(path: Path, settings: Decontamination) -> Iterator[BenchmarkQuestion]:
    try:
        for row in read_rows(path, (*settings.questions, settings.id, "id")):
            if row.fields is None:
                raise BenchmarkProblem(f"{path}:{row.number}: {row.broken}")
            text = text_of(row.fields, settings.questions)
            if text is None:
                columns = ", ".join(row.fields) or "none"
                wanted = ", ".join(settings.questions)
                raise BenchmarkProblem(f"{path}:{row.number}: no text in any of {wanted}; it has: {columns[:300]}")
            name = first_of(row.fields, (settings.id, "id"))
            place = f"{path.name}:{row.number}"
            yield BenchmarkQuestion(place if name is None else str(name), path.name, text, row.number)
    except UnreadableRows as error:
        raise BenchmarkProblem(f"{error} (a benchmark)") from None


class Benchmark:
    """All benchmark questions, and the scan for those that a text may resemble."""

    def __init__(self, questions: Sequence[BenchmarkQuestion], settings: Decontamination) -> None:
        self.questions = questions
        self._settings = settings
        self._allowed = [spaced(view(phrase).words) for phrase in allowed_phrases(settings)]
        self._common: frozenset[str] = frozenset()
        self.cut = lru_cache(REMEMBERED)(self._cut)
        self._common = self._too_common()
        self.cut.cache_clear()
        self._seeds, self._whole = self._scanners()

    def candidates(self, text: str) -> list[int]:
        """Return the rows, in order, of the questions that a text may resemble; for most texts none."""
        found = self._seeds.find(letters(text))
        if self._whole.patterns:
            found |= self._whole.find(letters_and_digits(text))
        return sorted(found)

    def _cut(self, row: int) -> Cut:
        seen = view(self.questions[row].text)
        counted = self._counted(seen.words)
        size, least = self._settings.ngram, self._least
        ngrams = (
            " ".join(seen.words[start : start + size])
            for start in range(len(seen.words) - size + 1)
            if sum(counted[start : start + size]) >= least
        )
        own = {word for word, counts in zip(seen.words, counted, strict=True) if counts}
        bones = skeletons(seen)
        first, second = (self._shingles(words, own) for words in bones)
        return Cut(seen, bones, frozenset(ngrams) - self._common, (first, second), _sentences(self.questions[row].text))

    @property
    def _least(self) -> int:
        return max(SEED_WORDS, self._settings.ngram // 2)

    def _counted(self, words: Sequence[str]) -> list[bool]:
        """Tell for each word whether it says something: two letters or more, and outside every allowed phrase."""
        counted = [len(word) > 1 and word[0].isalpha() for word in words]
        text = spaced(words)
        for phrase in self._allowed:
            at = text.find(phrase)
            while at >= 0:
                first = text.count(" ", 0, at)
                for place in range(first, first + phrase.count(" ") - 1):
                    counted[place] = False
                at = text.find(phrase, at + 1)
        return counted

    def _shingles(self, words: Sequence[str], own: set[str]) -> frozenset[str]:
        if len(words) < self._settings.skeleton_words:
            return frozenset()
        return frozenset(s for s in windows(words, SHINGLE_WORDS) if not own.isdisjoint(s.split()))

    def _too_common(self) -> frozenset[str]:
        """Return the n-grams of more than `common` questions; questions alike but for numbers and names are one."""
        counts: Counter[str] = Counter()
        seen: set[tuple[str, ...]] = set()
        for row in range(len(self.questions)):
            cut = self.cut(row)
            key = tuple(cut.skeletons[1])
            if key not in seen:
                seen.add(key)
                counts.update(cut.ngrams)
        return frozenset(ngram for ngram, count in counts.items() if count > self._settings.common)

    def _scanners(self) -> "tuple[Scanner, Scanner]":
        frequency: Counter[str] = Counter()
        for row in range(len(self.questions)):
            frequency.update(windows(_letter_words(self.cut(row).view.words), SEED_WORDS))
        seeds: Patterns = {}
        whole: Patterns = {}
        for row, question in enumerate(self.questions):
            cut = self.cut(row)
            for seed, weight in _seeds(cut, frequency, self._allowed).items():
                seeds.setdefault(joined(seed.split()), []).append((row, weight))
            if not cut.ngrams and len(letters(question.text)) >= MIN_LETTERS:
                seeds.setdefault(letters(question.text), []).append((row, ENOUGH))
            elif not cut.ngrams and letters_and_digits(question.text):
                whole.setdefault(letters_and_digits(question.text), []).append((row, ENOUGH))
        return Scanner(seeds), Scanner(whole)


def _seeds(cut: Cut, frequency: Counter[str], allowed: Sequence[str]) -> dict[str, int]:
    """Choose seeds, rather without names or number words, the rarest, the longest; give each with what it weighs."""
    names = set(cut.skeletons[0]) - set(cut.skeletons[1])

    def worth(seed: str) -> tuple[bool, int, int, str]:
        changes = any(word in names or word in NUMBER_WORDS for word in seed.split())
        return not changes, -frequency[seed], len(seed), seed

    chosen: dict[str, int] = {}
    if any(cut.shingles):
        words = _letter_words(cut.view.words)
        runs = {start: " ".join(words[start : start + SEED_WORDS]) for start in range(len(words) - SEED_WORDS + 1)}
        apart: list[int] = []
        for start in sorted(runs, key=lambda start: worth(runs[start]), reverse=True):
            known = any(f" {runs[start]} " in phrase for phrase in allowed)
            if len(apart) < SKELETON_SEEDS and not known and all(abs(start - o) >= SEED_WORDS for o in apart):
                apart.append(start)
        chosen = {runs[start]: ENOUGH if len(apart) <= ENOUGH else 1 for start in apart}
    for ngram in sorted(cut.ngrams):
        own = _letter_words(ngram.split())
        inside = windows(own, min(len(own), NGRAM_SEED_WORDS))
        if all(chosen.get(seed, 0) < ENOUGH for seed in inside):
            chosen[max(inside, key=worth)] = ENOUGH
    return chosen


class Scanner:
    """Which of many patterns occur in a text, by one pass over its bytes (Aho and Corasick 1975)."""

    def __init__(self, patterns: Patterns) -> None:
        import ahocorasick_rs

        self.patterns = list(patterns)
        self._rows = list(patterns.values())
        self._automaton = ahocorasick_rs.BytesAhoCorasick(self.patterns)

    def find(self, text: bytes) -> set[int]:
        """Return the rows whose patterns in a text weigh enough."""
        matches = self._automaton.find_matches_as_indexes(text, overlapping=True)
        if not matches:
            return set()
        weights: dict[int, int] = {}
        for pattern in {match[0] for match in matches}:
            for row, weight in self._rows[pattern]:
                weights[row] = weights.get(row, 0) + weight
        return {row for row, weight in weights.items() if weight >= ENOUGH}


def allowed_phrases(settings: Decontamination) -> list[str]:
    """Return the boilerplate phrases, built in and given. Raises BenchmarkProblem for a file that cannot be read."""
    phrases = [*BOILERPLATE, *settings.allow]
    if settings.allow_file is not None:
        try:
            phrases += settings.allow_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BenchmarkProblem(f"{settings.allow_file}: cannot be read: {error}") from None
    return [phrase for phrase in phrases if phrase.strip()]


def _letter_words(words: Sequence[str]) -> list[str]:
    return [word for word in words if word[0].isalpha()]


def _sentences(text: str) -> tuple[str, ...]:
    """Return a text's sentences of at least MIN_WHOLE words."""
    parts = (view(part).words for part in _SENTENCE_END.split(text))
    return tuple(spaced(words) for words in parts if len(words) >= MIN_WHOLE)
