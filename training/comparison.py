"""Rows of models on the same problems: greedy, pass@k, cons@k, undecided and floor by family and level, and the paired
difference of each row with the first.

A row is one model, or the seeds of one training. Undecided completions enter no rate; the floor counts them as wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final, NamedTuple

import numpy as np

from pipeline.records import Problem, VerdictValue
from training.estimates import (
    Estimate,
    Values,
    Vote,
    cons_at_k,
    difference_estimate,
    mcnemar,
    mean_estimate,
    pass_at_k,
)

ALL: Final = "all"


class Outcome(NamedTuple):
    """What one model made of one problem. Without `votable` replies have no answer to be counted."""

    greedy: VerdictValue | None
    sampled: tuple[Vote, ...]
    votable: bool = True


Outcomes = Mapping[str, Outcome]  # of one model, by problem id


@dataclass(frozen=True)
class Line:
    """How a row did on a group of problems; None where something was not measured. `undecided` is a share of all
    completions; `floor` is the greedy rate (without it, pass@1) if every undecided completion were wrong."""

    group: str
    problems: int
    greedy: Estimate | None
    pass_at: dict[int, Estimate | None]
    cons_at: dict[int, Estimate | None]
    undecided: float
    floor: Estimate | None

    @property
    def rate(self) -> Estimate | None:
        """What rows are compared by: the greedy rate, without it pass@1."""
        return self.greedy or self.pass_at.get(1)


@dataclass(frozen=True)
class Pair:
    """A row beside the base. `paired` counts the problems decided for both; McNemar's test needs one greedy completion
    of one model on either side."""

    group: str
    base: str
    student: str
    paired: int
    difference: Estimate | None
    mcnemar_p: float | None


class How(NamedTuple):
    """What is estimated: the k of pass@k and cons@k, the confidence level, and the seed of the resamples."""

    k: Sequence[int]
    cons: Sequence[int]
    level: float
    seed: int


def groups_of(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """Return the problem ids of all, of each family and of each level; families and levels where there are several."""
    groups = {ALL: [problem.id for problem in problems]}
    families = sorted({problem.family for problem in problems})
    if len(families) > 1:
        groups |= {f"family: {name}": [p.id for p in problems if p.family == name] for name in families}
    levels = sorted({problem.level for problem in problems if problem.level is not None})
    if len(levels) > 1:
        groups |= {f"level: {number}": [p.id for p in problems if p.level == number] for number in levels}
    return groups


def line(group: str, ids: Sequence[str], row: Sequence[Outcomes], how: How) -> Line:
    """Return the figures of one row on one group of problems."""

    def estimate(measure: Callable[[Outcome], float]) -> Estimate | None:
        return mean_estimate(table(measure, ids, row), how.level, how.seed)

    return Line(
        group=group,
        problems=len(ids),
        greedy=estimate(greedy),
        pass_at={k: estimate(sampled_pass(k)) for k in sorted({1, *how.k})},
        cons_at={k: estimate(consensus(k)) for k in sorted(how.cons)},
        undecided=_undecided([outcomes[problem] for outcomes in row for problem in ids]),
        floor=estimate(floor),
    )


def pair(
    group: str, ids: Sequence[str], names: tuple[str, str], rows: tuple[Sequence[Outcomes], ...], how: How
) -> Pair:
    """Return the paired difference of two rows (base, student) by the greedy completion, without it by pass@1."""
    measure = greedy if rows[0][0][ids[0]].greedy is not None else sampled_pass(1)
    base, student = (table(measure, ids, row) for row in rows)
    paired, difference = difference_estimate(student, base, how.level, how.seed)
    p_value = None
    if measure is greedy and len(base) == len(student) == 1:
        p_value = mcnemar(int((student[0] > base[0]).sum()), int((student[0] < base[0]).sum()))
    return Pair(group, *names, paired, difference, p_value)


def table(measure: Callable[[Outcome], float], ids: Sequence[str], row: Sequence[Outcomes]) -> Values:
    """Return a measure of every model of a row on every problem: models × problems."""
    return np.array([[measure(outcomes[problem]) for problem in ids] for outcomes in row], dtype=float)


def greedy(outcome: Outcome) -> float:
    """1 if the greedy completion is correct, 0 if not, NaN if undecided or not made."""
    return nan if outcome.greedy in (None, "undecided") else float(outcome.greedy == "correct")


def sampled_pass(k: int) -> Callable[[Outcome], float]:
    """Return pass@k as a measure of the sampled completions."""

    def measure(outcome: Outcome) -> float:
        verdicts = [verdict for verdict, _ in outcome.sampled]
        return pass_at_k(verdicts.count("correct"), len(verdicts) - verdicts.count("undecided"), k)

    return measure


def consensus(k: int) -> Callable[[Outcome], float]:
    """Return cons@k as a measure of the sampled completions."""
    return lambda outcome: cons_at_k(outcome.sampled, k) if outcome.votable else nan


def floor(outcome: Outcome) -> float:
    """Return the share of correct among all, undecided counted as wrong: greedy, without it the sampled ones."""
    if outcome.greedy is not None:
        return float(outcome.greedy == "correct")
    return sum(verdict == "correct" for verdict, _ in outcome.sampled) / len(outcome.sampled)


def _undecided(outcomes: Sequence[Outcome]) -> float:
    verdicts = [verdict for outcome in outcomes for verdict, _ in outcome.sampled]
    verdicts += [outcome.greedy for outcome in outcomes if outcome.greedy is not None]
    return verdicts.count("undecided") / len(verdicts)
