"""Draw from a pool of problems with measured pass rates so that the difficulties are distributed as training wants.

Without replacement, and the same rows for the same seed whatever order they come in. A distribution that the pool
cannot give is an error that says how much it can give; nothing is filled up with other difficulties.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pipeline.errors import GradatimError
from pipeline.seeds import rng_for

Row = dict[str, Any]
BINS: Final = 5
BAR: Final = 40
CURRICULUM: Final = "curriculum"


class PoolTooSmall(GradatimError):
    """A pool that does not hold what is asked of it, in one line."""


# The integral from 0 to p of the wanted density (any multiple of it) over pass rates.
CUMULATIVE: Final[Mapping[str, Callable[[float], float]]] = {
    "uniform": lambda p: p,
    # p(1 - p), the variance of a binary reward, which bounds what a problem can teach (Bae et al. 2025, arXiv
    # 2504.03380): a group of completions that all get the same reward gives GRPO no advantage.
    "peaked": lambda p: p**2 / 2 - p**3 / 3,
    # Most of it hard, a tail, some of it easy: the shape that Polaris recommends (An et al. 2025, "POLARIS: a
    # post-training recipe"), which gives no formula; here (1 - p)² + p²/4, 39 % of it below a pass rate of 0.2.
    "mirrored_j": lambda p: (1 - (1 - p) ** 3) / 3 + p**3 / 12,
}
DISTRIBUTIONS: Final = (*CUMULATIVE, CURRICULUM)


def sample_pool(
    rows: Sequence[Row], distribution: str, count: int, seed: int = 0, *, key: str = "problem_id", bins: int = BINS
) -> list[Row]:
    """Draw `count` rows, each with a `pass_rate` from 0 to 1 and a unique `key`.

    `uniform`, `peaked` and `mirrored_j` share the rows out to bins of pass rates, of equal width, in the proportion of
    the density (by Sainte-Laguë's method; bins that hold no row at all get none) and return them shuffled.
    `curriculum` draws as the pool is, and sorts from easy to hard, ties in an order drawn by the seed.
    Raises PoolTooSmall, with the largest count that can be drawn; GradatimError for an unknown distribution or a row
    without a pass rate.
    """
    if distribution not in DISTRIBUTIONS:
        raise GradatimError(f"distribution {distribution}: choose one of {', '.join(DISTRIBUTIONS)}")
    ordered = sorted(rows, key=lambda row: str(row[key]))
    rng = rng_for(f"pool/{distribution}", seed, 0)
    rng.shuffle(ordered)
    in_bins: dict[int, list[Row]] = {}
    for row in ordered:
        in_bins.setdefault(bin_of(row, bins, key), []).append(row)
    if len(rows) < count:
        raise PoolTooSmall(f"{count} problems are asked for, the pool holds {len(rows)}")
    if distribution == CURRICULUM:
        return sorted(ordered[:count], key=lambda row: -float(row["pass_rate"]))
    shares = allot({place: len(there) for place, there in in_bins.items()}, distribution, count, bins)
    drawn = [row for place, share in sorted(shares.items()) for row in in_bins[place][:share]]
    rng.shuffle(drawn)
    return drawn


def bin_of(row: Row, bins: int, key: str) -> int:
    """Return the bin of a row's pass rate; 1.0 belongs to the last one."""
    rate = row.get("pass_rate")
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise GradatimError(f"row {row.get(key)}: pass_rate {rate!r} is no number from 0 to 1")
    return min(int(rate * bins), bins - 1)


def allot(available: Mapping[int, int], distribution: str, count: int, bins: int) -> dict[int, int]:
    """Return how many of `count` rows each bin gives, one after the other to the bin that lags most behind its share.

    Raises PoolTooSmall at the first bin that is asked for more than it has.
    """
    cumulative = CUMULATIVE[distribution]
    weights = {b: round(cumulative((b + 1) / bins) - cumulative(b / bins), 12) for b in sorted(available)}
    shares = Counter(dict.fromkeys(weights, 0))
    for given in range(count):
        place = max(weights, key=lambda place: weights[place] / (2 * shares[place] + 1))
        if shares[place] == available[place]:
            low, high = place / bins, (place + 1) / bins
            raise PoolTooSmall(
                f"{count} problems are asked for, {distribution}: the pool has only {available[place]} with a pass "
                f"rate from {low:.2g} to {high:.2g}, which is enough for {given} in all"
            )
        shares[place] += 1
    return dict(shares)


def describe(rows: Sequence[Row], *, bins: int = BINS, key: str = "problem_id") -> str:
    """Return a histogram of the pass rates as text, one line a bin from hard to easy."""
    counts = Counter(bin_of(row, bins, key) for row in rows)
    largest = max(counts.values(), default=1)
    lines = [f"{len(rows):,} problems by pass rate"]
    for place in range(bins):
        bar = "█" * round(BAR * counts[place] / largest)
        share = counts[place] / len(rows) if rows else 0.0
        lines.append(f"{place / bins:.2f}–{(place + 1) / bins:.2f} {counts[place]:>7,} {share:>5.0%} {bar}".rstrip())
    return "\n".join(lines)
