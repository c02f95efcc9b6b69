"""What a slice of a run says about the whole: prediction intervals by simulation. Pure; reads no run.

A replicate is another whole run. Problems that were not drawn are like those of the slice, or like one that was not
seen, by a Pólya urn (the finite population Bayesian bootstrap, Lo 1988), widened for few problems. Those of the slice
are solved once more: correct completions are beta-binomial, the beta distribution of rates drawn from its posterior,
each problem's rate given its completions. So an interval holds what the slice does not tell, and that the whole run
draws its own completions.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.seeds import rng_for

REPLICATES: Final = 2000
LEVEL: Final = 0.95
MEANS: Final = np.linspace(0.01, 0.99, 50)
CONCENTRATIONS: Final = np.geomspace(0.1, 200, 30)
Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Outcome(NamedTuple):
    """What became of one problem of the slice: the tokens of each completion, how many completions were correct, and
    how many were fit to be traces, whether or not they were needed. A problem that was refused has no completions."""

    tokens: tuple[int, ...] = ()
    correct: int = 0
    fit: int = 0
    drafted: float = 0.0


class Stratum(NamedTuple):
    """Problems of one source: its strategy, how many there will be in the whole run, and the outcomes of those in the
    slice."""

    name: str
    size: int
    outcomes: tuple[Outcome, ...]


class Forecast(NamedTuple):
    """A quantity of the whole run: what it should be, and the ends of its prediction interval."""

    expected: float
    low: float
    high: float


class Predicted(NamedTuple):
    """The whole run, or one strategy of it."""

    name: str
    problems: int
    completions: float
    tokens: Forecast
    kept: Forecast
    traces: Forecast


def forecast(strata: Sequence[Stratum], traces_per_problem: int, seed: int = 0) -> list[Predicted]:
    """Return a row for each strategy, and the last one for the whole. What has no outcomes in the slice counts as
    nothing."""
    parts: dict[str, list[_Part]] = {}
    for place, stratum in enumerate(strata):
        rng = np.random.default_rng(rng_for("forecast", seed, place).getrandbits(63))
        part = _Part(stratum.size, _expected(stratum, traces_per_problem), simulate(stratum, traces_per_problem, rng))
        parts.setdefault(stratum.name, []).append(part)
    every = [part for those in parts.values() for part in those]
    return [*(_row(name, those) for name, those in parts.items()), _row("all", every)]


class _Part(NamedTuple):
    size: int
    expected: Array
    simulated: Array


def _row(name: str, parts: Sequence[_Part]) -> Predicted:
    expected = np.sum([part.expected for part in parts], axis=0)
    simulated = np.sum([part.simulated for part in parts], axis=0)
    low, high = np.quantile(simulated, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    tokens, kept, traces = (
        Forecast(float(expected[i + 1]), float(np.floor(low[i])), float(np.ceil(high[i])))  # counts are whole
        for i in range(len(simulated))
    )
    return Predicted(name, sum(part.size for part in parts), float(expected[0]), tokens, kept, traces)


def _expected(stratum: Stratum, most: int) -> Array:
    """Return completions, tokens, kept problems and traces, as the slice has them, at the size of the whole."""
    seen = [
        (len(o.tokens), sum(o.tokens) + o.drafted, float(o.correct > 0), min(o.fit, most)) for o in stratum.outcomes
    ]
    total: Array = np.asarray(seen, float).reshape(-1, 4).sum(axis=0)
    return total * (stratum.size / max(len(seen), 1))


def simulate(stratum: Stratum, most: int, rng: np.random.Generator) -> Array:
    """Return replicates of tokens, kept problems and traces, shape (3, REPLICATES)."""
    outcomes = stratum.outcomes
    if not outcomes:
        return np.zeros((3, REPLICATES))
    again = min(1.0, stratum.size / len(outcomes))  # the slice itself, solved once more
    copies = _copies(len(outcomes), stratum.size, rng)
    sums = np.array([sum(o.tokens) + o.drafted for o in outcomes])
    tokens = again * _tokens(outcomes, rng).sum(axis=1) + copies @ np.append(sums, sums.mean())
    counts = np.array([len(o.tokens) for o in outcomes])
    correct = _successes(np.array([o.correct for o in outcomes]), counts, 1, rng)
    fit = _successes(np.array([o.fit for o in outcomes]), counts, most, rng)
    kept, traces = (again * new.sum(axis=1) + (copies * like).sum(axis=1) for new, like in (correct, fit))
    totals = np.stack([tokens, kept, traces])
    centre = totals.mean(axis=1, keepdims=True)
    ceilings = np.array([[np.inf], [stratum.size], [stratum.size * most]])
    wide: Array = np.clip(centre + _widening(len(outcomes)) * (totals - centre), 0, ceilings)
    return wide


def _widening(drawn: int) -> float:
    """Return by how much a bootstrap's spread is too small with so few problems: Dirichlet weights have 1/(n + 2) in
    place of 1/(n - 1), and a quantile of the normal distribution takes the place of Student's."""
    from scipy.stats import norm, t

    free = max(drawn - 1, 1)
    return float(np.sqrt((drawn + 2) / free) * t.ppf((1 + LEVEL) / 2, free) / norm.ppf((1 + LEVEL) / 2))


def _copies(drawn: int, size: int, rng: np.random.Generator) -> Array:
    """Draw how many of the problems that were not drawn are like each of the slice, and like none of them, shape
    (REPLICATES, drawn + 1)."""
    shares = rng.dirichlet(np.ones(drawn + 1), REPLICATES)
    return np.asarray(rng.multinomial(max(size - drawn, 0), shares), float)


def _successes(seen: Counts, counts: Counts, most: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return successes of each problem, no more than `most`: when the slice is solved once more, (REPLICATES, drawn),
    and for the problems like it, as they were seen and for one that is like none of them, (REPLICATES, drawn + 1)."""
    usual = round(float(counts[counts > 0].mean())) if counts.any() else 0
    tries = np.append(counts, usual)
    new = np.minimum(rng.binomial(tries, _rates(np.append(seen, 0), np.append(counts, 0), rng)), most)
    like = np.where(np.arange(len(tries)) < len(counts), np.minimum(np.append(seen, 0), most), new)
    return new[:, :-1].astype(float), like.astype(float)


def _rates(successes: Counts, counts: Counts, rng: np.random.Generator) -> Array:
    """Draw each problem's rate, shape (REPLICATES, problems), the beta distribution of rates from its posterior on a
    grid; problems without completions say nothing about it."""
    from scipy.special import betaln

    a, b = (grid.ravel() for grid in (np.outer(MEANS, CONCENTRATIONS), np.outer(1 - MEANS, CONCENTRATIONS)))
    tried = counts > 0
    k, n = successes[tried][:, None], counts[tried][:, None]
    likelihood = (betaln(a + k, b + n - k) - betaln(a, b)).sum(axis=0)
    weights = np.exp(likelihood - likelihood.max())
    chosen = rng.choice(len(a), REPLICATES, p=weights / weights.sum())
    rates: Array = rng.beta(a[chosen][:, None] + successes, b[chosen][:, None] + (counts - successes))
    return rates


def _tokens(outcomes: Sequence[Outcome], rng: np.random.Generator) -> Array:
    """Draw the tokens of the slice's problems solved once more, shape (REPLICATES, problems): both their means and the
    new completions are known but for the spread of one problem's completions."""
    sums = np.array([sum(o.tokens) + o.drafted for o in outcomes])
    apart = [np.subtract(o.tokens, np.mean(o.tokens)) for o in outcomes if len(o.tokens) > 1]
    free = sum(len(one) - 1 for one in apart)
    spread = sum(float(one @ one) for one in apart) / free if free else 0.0
    within = np.array([len(o.tokens) for o in outcomes]) * spread
    drawn: Array = rng.normal(sums, np.sqrt(2 * within), (REPLICATES, len(outcomes)))
    return drawn
