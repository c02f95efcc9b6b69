"""Estimates from judged completions: pass@k, cons@k, their intervals over problems and seeds, and McNemar's test.

A model's figures are an array, models of one row × problems, NaN where nothing was decided. Pure functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb, nan
from statistics import fmean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.pass_rate import interval
from pipeline.records import VerdictValue
from pipeline.seeds import rng_for

RESAMPLES: Final = 10_000
CELLS_AT_ONCE: Final = 1_000_000

Values = NDArray[np.float64]
Vote = tuple[VerdictValue, str | None]  # the verdict on a completion, and its answer in canonical form


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its confidence interval and how that was found."""

    value: float
    low: float
    high: float
    method: str


def pass_at_k(correct: int, decided: int, k: int) -> float:
    """Return the chance that one of k completions is correct: 1 − C(n−c, k) / C(n, k), unbiased (Chen et al. 2021,
    arXiv 2107.03374). NaN with fewer than k decided completions."""
    return nan if decided < k else 1 - comb(decided - correct, k) / comb(decided, k)


def cons_at_k(votes: Sequence[Vote], k: int) -> float:
    """Return the share of majority votes of k completions that are right (Wang et al. 2023, arXiv 2203.11171): the mean
    over consecutive blocks of k, those that `majority` leaves undecided left out. NaN without any."""
    blocks = [votes[start : start + k] for start in range(0, len(votes) - k + 1, k)]
    found = [value for value in map(majority, blocks) if not np.isnan(value)]
    return fmean(found) if found else nan


def majority(votes: Sequence[Vote]) -> float:
    """Return whether the most frequent answer is right. Among answers of equal frequency one would be drawn: the value
    is the expectation, such as 0.5 for a tie of a right and a wrong one.

    Unparsable and undecided completions vote for nothing. Without any vote the value is NaN if a completion is
    undecided, else 0.
    """
    ballots: dict[str, list[float]] = {}
    for verdict, answer in votes:
        if verdict in ("correct", "incorrect") and answer is not None:
            ballots.setdefault(answer, []).append(float(verdict == "correct"))
    if not ballots:
        return nan if any(verdict == "undecided" for verdict, _ in votes) else 0.0
    most = max(map(len, ballots.values()))
    return fmean(fmean(ballot) for ballot in ballots.values() if len(ballot) == most)


def mean_estimate(values: Values, level: float, seed: int) -> Estimate | None:
    """Return the mean over problems of a row's values in [0, 1]; None where nothing is decided.

    One model whose problems are all 0 or 1 is a binomial: Jeffreys' interval. All else by the bootstrap.
    """
    decided = values[:, ~np.isnan(values).all(axis=0)]
    count = decided.shape[1]
    if len(values) == 1 and count and np.isin(decided, (0.0, 1.0)).all():
        low, high = interval(int(decided.sum()), count, "jeffreys", level)
        return Estimate(float(decided.mean()), low, high, f"Jeffreys over {count} problems")
    return _bootstrap([decided], level, seed, (0.0, 1.0))


def difference_estimate(student: Values, base: Values, level: float, seed: int) -> tuple[int, Estimate | None]:
    """Return the paired difference of two rows on the problems decided for both, and the number of these problems."""
    both = ~np.isnan(student).all(axis=0) & ~np.isnan(base).all(axis=0)
    return int(both.sum()), _bootstrap([student[:, both], base[:, both]], level, seed, (-1.0, 1.0))


def _bootstrap(rows: Sequence[Values], level: float, seed: int, widest: tuple[float, float]) -> Estimate | None:
    """Return the mean over problems of the first row (minus the second) with its percentile bootstrap interval (Efron
    1979). Every problem is decided in every row by at least one model.

    Problems and the models of a row are drawn independently (the pigeonhole bootstrap, Owen 2007). Few seeds make the
    interval too narrow: of S seeds it shows (S − 1) / S of the variance between them.
    """
    count = rows[0].shape[1]
    if not count:
        return None
    values = _per_problem(rows, [np.ones((1, len(row))) for row in rows])[0]
    mean = float(values.mean())
    if np.ptp(values) == 0 and all(_same(row) for row in rows):
        _, unseen = interval(0, count, "jeffreys", level)  # a bootstrap would give an interval without width
        low, high = (mean + unseen * (end - mean) for end in widest)
        return Estimate(mean, low, high, f"Jeffreys over {count} problems, none of which differs")
    generator = np.random.default_rng(rng_for("evaluate/bootstrap", seed, count).getrandbits(64))
    means = np.concatenate(list(_resampled_means(rows, generator)))
    ends = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    models = " × ".join(str(len(row)) for row in rows if len(row) > 1)
    over = f"{count} problems and {models} seeds" if models else f"{count} problems"
    return Estimate(mean, float(ends[0]), float(ends[1]), f"bootstrap over {over}, {RESAMPLES:,} resamples")


def _same(row: Values) -> bool:
    """Tell whether the models of a row agree on every problem."""
    return bool((np.nanmax(row, axis=0) == np.nanmin(row, axis=0)).all())


def _resampled_means(rows: Sequence[Values], generator: np.random.Generator) -> Iterator[Values]:
    count = rows[0].shape[1]
    at_once = min(RESAMPLES, max(1, CELLS_AT_ONCE // count))
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        weights = [
            generator.multinomial(len(row), np.full(len(row), 1 / len(row)), size) if len(row) > 1 else np.ones((1, 1))
            for row in rows
        ]
        values = _per_problem(rows, weights)
        drawn = generator.integers(0, count, (size, count))
        found = values[0][drawn] if len(values) == 1 else np.take_along_axis(values, drawn, axis=1)
        decided = ~np.isnan(found)
        with np.errstate(invalid="ignore"):
            yield np.where(decided, found, 0.0).sum(axis=1) / decided.sum(axis=1)


def _per_problem(rows: Sequence[Values], weights: Sequence[NDArray[np.float64] | NDArray[np.int64]]) -> Values:
    """Return each problem's weighted mean over a row's models, the second row's subtracted: resamples × problems."""
    means: list[Values] = []
    for row, weight in zip(rows, weights, strict=True):
        decided = ~np.isnan(row)
        with np.errstate(invalid="ignore"):
            means.append((weight @ np.where(decided, row, 0.0)) / (weight @ decided))
    return means[0] if len(means) == 1 else np.subtract(*means)


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947): whether problems that only one model solves are as
    often the one's as the other's. 1.0 without any such problem."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
