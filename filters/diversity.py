"""How different the kept traces are: distinct n-grams, similarity among the traces of a problem, solution methods.

Every measure is a pair (part, whole) whose ratio is the figure. Pairs of shards add up to the whole run's, but for
distinct n-grams, where an n-gram that two shards share counts twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import Final, NamedTuple

from filters.arithmetic import equations
from filters.behaviours import BEHAVIOURS, label

SHINGLE_WORDS: Final = 3
MAX_PAIRS: Final = 200  # compared per problem

Words = Sequence[str]
Shingles = frozenset[tuple[str, ...]]
Embed = Callable[[Sequence[str]], Iterable[Iterable[float]]]


class Measure(NamedTuple):
    """A figure as part of a whole; sums of parts over sums of wholes give the figure of several shards."""

    part: float
    whole: float

    @property
    def ratio(self) -> float | None:
        """The figure; None where there was nothing to measure."""
        return self.part / self.whole if self.whole else None


def shingles(words: Words) -> Shingles:
    """Return the set of 3-word shingles; a shorter text is one shingle."""
    size = min(SHINGLE_WORDS, max(len(words), 1))
    return frozenset(zip(*(words[start:] for start in range(size)), strict=False))


def distance(a: Shingles, b: Shingles) -> float:
    """Return 1 minus the Jaccard similarity; 0 for two empty sets."""
    together = len(a | b)
    return 1 - len(a & b) / together if together else 0.0


def distinct_n(texts: Iterable[Words], size: int) -> Measure:
    """Return distinct n-grams of all n-grams (distinct-n; Li et al. 2016)."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for words in texts:
        windows = list(zip(*(words[start:] for start in range(size)), strict=False))
        seen.update(windows)
        total += len(windows)
    return Measure(len(seen), total)


def self_similarity(texts: Sequence[Words]) -> Measure:
    """Return the Jaccard similarities of 3-word shingles over the pairs of texts (200 at most), summed and counted."""
    pairs = list(combinations([shingles(words) for words in texts], 2))[:MAX_PAIRS]
    return Measure(sum(1 - distance(a, b) for a, b in pairs), len(pairs))


def method(text: str, question: str = "") -> tuple[str, ...]:
    """Return the calculations of a solution in the order in which they first appear, each named independently of the
    order of its numbers: two solutions with the same sequence solve the problem the same way."""
    return tuple(dict.fromkeys(equation.step for equation in equations(text, question)))


def distinct_methods(methods: Iterable[tuple[str, ...]]) -> Measure:
    """Return the distinct methods of one problem's traces of those that show calculations at all."""
    shown = [steps for steps in methods if steps]
    return Measure(len(set(shown)), len(shown))


def embedding_spread(texts: Sequence[str], embed: Embed) -> Measure:
    """Return the cosine distances over the pairs of texts (200 at most), summed and counted. `embed` gives one vector
    per text; a zero vector is at distance 1 from all."""
    vectors = [[float(x) for x in vector] for vector in embed(texts)] if len(texts) > 1 else []
    pairs = list(combinations(vectors, 2))[:MAX_PAIRS]
    return Measure(sum(1 - _cosine(a, b) for a, b in pairs), len(pairs))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    norms = sqrt(sum(x * x for x in a)) * sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def diversity(traces: Mapping[str, Sequence[str]], embed: Embed | None = None) -> dict[str, Measure]:
    """Measure the kept traces: `traces` holds, by question, the texts of its traces."""
    texts = [text for group in traces.values() for text in group]
    words = [text.split() for text in texts]
    labels = [label(text) for text in texts]
    measures = {
        "distinct 2-grams": distinct_n(words, 2),
        "distinct 4-grams": distinct_n(words, 4),
        "similarity within a problem": _sum(self_similarity([t.split() for t in g]) for g in traces.values()),
        "distinct methods": _sum(distinct_methods(method(t, q) for t in group) for q, group in traces.items()),
    }
    if embed is not None:
        measures["embedding spread within a problem"] = _sum(embedding_spread(g, embed) for g in traces.values())
    for behaviour in BEHAVIOURS:
        measures[behaviour] = Measure(sum(behaviour in found for found in labels), len(texts))
    return measures


def as_details(measures: Mapping[str, Measure]) -> dict[str, str]:
    """Write measures as a manifest unit's details: "part/whole"."""
    return {name: f"{measure.part:.6g}/{measure.whole:.6g}" for name, measure in measures.items()}


def from_details(details: Iterable[Mapping[str, str]]) -> dict[str, Measure]:
    """Add up the details of several units. Raises ValueError on text that `as_details` did not write."""
    found: dict[str, list[Measure]] = {}
    for unit in details:
        for name, text in unit.items():
            part, _, whole = text.partition("/")
            found.setdefault(name, []).append(Measure(float(part), float(whole)))
    return {name: _sum(measures) for name, measures in found.items()}


def _sum(measures: Iterable[Measure]) -> Measure:
    pairs = list(measures)
    return Measure(sum(m.part for m in pairs), sum(m.whole for m in pairs))
