"""Near-duplicate search: rensa against datasketch's `update_batch` and `MinHash.bulk`, this with SHA-1 and with xxhash,
on the same shingles in one run.

    python tests/benchmarks/bench_dedup.py --problems 12000
    python tests/benchmarks/bench_dedup.py --million      # `gradatim dedup` on a million problems, see million.py

Questions are those of the template families, some with words changed or dropped, so that pairs lie on both sides of the
threshold. Every arm sketches, queries and inserts with the same bands and rows; the arms take turns and the median
counts. Recall is the share of the pairs with exact Jaccard similarity at or above 0.8 that the arm proposes.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Final

import datasketch
import xxhash

from filters.near import MINHASH_SEED, DatasketchSketches, RensaSketches, Sketches, banding
from filters.shingles import jaccard, shingle_sets, tokenise
from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.seeds import rng_for
from tests.benchmarks.million import million

THRESHOLD: Final = 0.8
PERMUTATIONS: Final = 128
Pairs = set[tuple[int, int]]


class XxhashSketches(DatasketchSketches):
    """`MinHash.bulk` with xxhash for SHA-1, as datasketch's documentation advises for speed."""

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]:
        encoded = ([shingle.encode() for shingle in shingles] for shingles in shingle_sets)
        sketches: Sequence[Any] = datasketch.MinHash.bulk(
            encoded, num_perm=self._permutations, seed=MINHASH_SEED, hashfunc=xxhash.xxh32_intdigest
        )
        return sketches


class UpdateBatchSketches(DatasketchSketches):
    """datasketch as its documentation shows it: one MinHash for each question."""

    def sketch(self, shingle_sets: Sequence[frozenset[str]]) -> Sequence[Any]:
        sketches = [datasketch.MinHash(self._permutations, seed=MINHASH_SEED) for _ in shingle_sets]
        for sketch, shingles in zip(sketches, shingle_sets, strict=True):
            sketch.update_batch([shingle.encode() for shingle in shingles])
        return sketches


ARMS: Final[dict[str, Callable[[int, int], Sketches]]] = {
    "rensa": RensaSketches,
    "datasketch bulk, xxhash": XxhashSketches,
    "datasketch bulk": DatasketchSketches,
    "datasketch update_batch": UpdateBatchSketches,
}


def questions(count: int) -> list[str]:
    """Template questions; two in three are a copy of an earlier one with up to five words dropped or changed."""
    families = list(FAMILIES.values())
    texts: list[str] = []
    for number in range(count):
        rng = rng_for("bench/dedup", 0, number)
        if number % 3 == 0:
            texts.append(generate_problem(families[number // 3 % len(families)], 0, number).question)
            continue
        words = texts[number - number % 3].split()
        for _ in range(rng.randint(0, 5)):
            words[rng.randrange(len(words))] = rng.choice(["", "then", "also"])
        texts.append(" ".join(words))
    return texts


def similar_pairs(sets: Sequence[frozenset[str]]) -> Pairs:
    """All pairs at or above the threshold, by comparing every two questions that have a shingle in common."""
    holders: dict[str, list[int]] = defaultdict(list)
    for number, shingles in enumerate(sets):
        for shingle in shingles:
            holders[shingle].append(number)
    meeting = {pair for numbers in holders.values() for pair in combinations(numbers, 2)}
    return {(a, b) for a, b in meeting if jaccard(sets[a], sets[b]) >= THRESHOLD}


def run(make: Callable[[int, int], Sketches], sets: Sequence[frozenset[str]]) -> tuple[float, float, Pairs]:
    """Return the seconds of sketching, those of the index, and the pairs it proposes."""
    index = make(*banding(THRESHOLD, PERMUTATIONS))
    started = time.perf_counter()
    sketches = index.sketch(sets)
    sketched = time.perf_counter()
    found: Pairs = set()
    for number, sketch in enumerate(sketches):
        found.update((key, number) for key in index.query(sketch))
        index.insert(number, sketch)
    return sketched - started, time.perf_counter() - sketched, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=12000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", type=int, nargs="?", const=1_000_000, metavar="COUNT")
    arguments = parser.parse_args()
    if arguments.million:
        million(arguments.million)
        return
    sets = [shingle_sets(tokenise(text), 3, False)[0] for text in questions(arguments.problems)]
    similar = similar_pairs(sets)
    runs: dict[str, list[tuple[float, float, Pairs]]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for name, make in ARMS.items():
            runs[name].append(run(make, sets))
    bands, rows = banding(THRESHOLD, PERMUTATIONS)
    print(f"{len(sets)} questions, {len(similar)} pairs with J >= {THRESHOLD}, {bands} bands of {rows} rows")
    print(f"{'':<24}{'sketch/s':>10}{'ratio':>8}{'index/s':>10}{'ratio':>8}{'recall':>8}{'candidates':>12}")
    medians = {
        name: (statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds))
        for name, rounds in runs.items()
    }
    base = medians["rensa"]
    for name, (sketching, indexing) in medians.items():
        found = runs[name][0][2]
        print(
            f"{name:<24}{len(sets) / sketching:>10,.0f}{sketching / base[0]:>7.1f}x{len(sets) / indexing:>10,.0f}"
            f"{indexing / base[1]:>7.1f}x{len(similar & found) / max(len(similar), 1):>8.4f}{len(found):>12,}"
        )


if __name__ == "__main__":
    main()
