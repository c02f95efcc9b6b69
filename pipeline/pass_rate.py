"""A pass rate: its confidence interval, and what the difficulty band makes of it."""

from functools import cache

from pipeline.config import Band
from pipeline.records import Decision


def decide(successes: int, attempts: int, band: Band) -> Decision:
    """Decide by the pass rate and the band; without a decided attempt nothing is known."""
    if attempts == 0:
        return "undecided"
    if successes / attempts < band.min_pass_rate:
        return "too hard"
    return "too easy" if successes / attempts > band.max_pass_rate else "keep"


@cache
def interval(successes: int, attempts: int, method: str, level: float) -> tuple[float, float]:
    """Return the confidence interval of a pass rate: Jeffreys (Brown, Cai and DasGupta 2001) or Clopper–Pearson (1934).

    With no attempts it is (0, 1). Jeffreys' ends are 0 and 1 at 0 and all successes, as the paper advises.
    """
    from scipy.stats import beta

    if attempts == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    failures = attempts - successes
    shape = (0.5, 0.5, 0.5, 0.5) if method == "jeffreys" else (0, 1, 1, 0)
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes + shape[0], failures + shape[1]))
    high = 1.0 if failures == 0 else float(beta.ppf(1 - tail, successes + shape[2], failures + shape[3]))
    return low, high
