"""Pass rates of two models on the same problems, with intervals, and the paired difference between them.

A completion that could not be judged enters no rate and is counted. The interval of one completion per problem is
Jeffreys'; with several it is the percentile bootstrap over problems, as is always the difference's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.pass_rate import interval
from pipeline.records import VerdictValue
from pipeline.seeds import rng_for

RESAMPLES: Final = 10_000


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval; None where nothing was decided."""

    value: float | None
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Score:
    """How a model did on some problems. `floor` is pass@1 if every undecided completion were wrong."""

    problems: int
    completions: int
    correct: int
    undecided: int
    pass_at_1: Estimate
    floor: float


@dataclass(frozen=True)
class Line:
    """One line of the comparison: all problems, or those of one family. `paired` counts problems decided for both."""

    name: str
    base: Score
    student: Score
    paired: int
    difference: Estimate


Verdicts = Mapping[str, Sequence[VerdictValue]]  # by problem id


def score(verdicts: Verdicts, level: float, seed: int) -> Score:
    """Return pass@1 and its interval: the mean over problems of the share of decided completions that are correct."""
    rates = pass_rates(verdicts)
    everything = [verdict for row in verdicts.values() for verdict in row]
    correct, undecided = everything.count("correct"), everything.count("undecided")
    if all(len(row) == 1 for row in verdicts.values()):
        low, high = interval(correct, len(rates), "jeffreys", level)
        estimate = Estimate(float(np.mean(list(rates.values()))) if rates else None, low, high, "jeffreys")
    else:
        estimate = bootstrap(list(rates.values()), level, seed, (0.0, 1.0))
    return Score(len(verdicts), len(everything), correct, undecided, estimate, correct / max(len(everything), 1))


def pass_rates(verdicts: Verdicts) -> dict[str, float]:
    """Return each problem's share of correct among its decided completions; problems with none are absent."""
    decided = {name: [v for v in row if v != "undecided"] for name, row in verdicts.items()}
    return {name: row.count("correct") / len(row) for name, row in decided.items() if row}


def bootstrap(values: Sequence[float], level: float, seed: int, widest: tuple[float, float]) -> Estimate:
    """Return the mean with its percentile bootstrap interval (Efron 1979); `widest` where there is nothing to draw."""
    method = f"bootstrap over problems, {RESAMPLES} resamples"
    if not values:
        return Estimate(None, *widest, method)
    generator = np.random.default_rng(rng_for("evaluate/bootstrap", seed, len(values)).getrandbits(64))
    drawn = np.asarray(values, dtype=float)
    means = [drawn[generator.integers(0, len(drawn), len(drawn))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(drawn.mean()), float(low), float(high), method)


def compare(name: str, base: Verdicts, student: Verdicts, level: float, seed: int) -> Line:
    """Compare two models on the same problems; the difference is taken over problems that are decided for both."""
    before, after = pass_rates(base), pass_rates(student)
    gains = [after[problem] - before[problem] for problem in before if problem in after]
    difference = bootstrap(gains, level, seed, (-1.0, 1.0))
    return Line(name, score(base, level, seed), score(student, level, seed), len(gains), difference)


def compare_by_family(
    families: Mapping[str, str], base: Verdicts, student: Verdicts, level: float, seed: int
) -> list[Line]:
    """Compare on all problems first, then family by family (`families` by problem id)."""
    lines = [compare("all", base, student, level, seed)]
    names = sorted(set(families.values()))
    if len(names) > 1:
        for family in names:
            here = [problem for problem, name in families.items() if name == family]
            lines.append(compare(family, {p: base[p] for p in here}, {p: student[p] for p in here}, level, seed))
    return lines
