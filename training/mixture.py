"""Which rows a training takes, and how often: weights by tag, then a limit. The seed decides, nothing else does."""

from collections.abc import Mapping, Sequence
from math import prod

from pipeline.config_files import ConfigError
from pipeline.seeds import rng_for
from training.exports import SftRow
from training.settings import StudentConfig


def chosen_rows(rows: Sequence[SftRow], config: StudentConfig) -> list[SftRow]:
    """Return the rows that a configuration trains on, in their order; a row may occur several times."""
    return limited(mixed(rows, config.sft.mixture, config.seed), config.sft.limit, config.seed)


def mixed(rows: Sequence[SftRow], weights: Mapping[str, float], seed: int) -> list[SftRow]:
    """Resample rows by the product of the weights of their tags; a tag without a weight counts as 1.

    A row of weight w occurs floor(w) times, and once more with the probability that remains. Its own id decides, so
    that other rows change nothing. Raises ConfigError for a tag that no row carries, or if nothing is left.
    """
    carried = {tag for row in rows for tag in row.tags}
    if unknown := sorted(set(weights) - carried):
        raise ConfigError(f"sft.mixture: no row carries the tag {unknown[0]!r}; there are {', '.join(sorted(carried))}")
    drawn = [row for row in rows for _ in range(_copies(row, weights, seed))]
    if not drawn:
        raise ConfigError("sft.mixture: these weights leave no row")
    return drawn


def _copies(row: SftRow, weights: Mapping[str, float], seed: int) -> int:
    weight = prod(weights.get(tag, 1.0) for tag in row.tags)
    return int(weight) + (rng_for(f"mixture/{row.completion_id}", seed, 0).random() < weight % 1)


def limited(rows: Sequence[SftRow], limit: int | None, seed: int) -> list[SftRow]:
    """Return `limit` rows drawn by the seed, in their order; all if there are no more."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return [rows[i] for i in sorted(rng_for("distill/limit", seed, 0).sample(range(len(rows)), limit))]
