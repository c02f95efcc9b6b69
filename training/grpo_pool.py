"""The problems of a reinforcement run: the GRPO rows of several runs, none that is held out, drawn by difficulty."""

from collections.abc import Sequence
from typing import Any

from pipeline.pool import sample_pool
from training.exports import Export, read_split
from training.foreign_rows import ExportError
from training.grpo_settings import AS_IT_IS, Grpo

Row = dict[str, Any]


def read_pool(exports: Sequence[Export]) -> list[Row]:
    """Read the GRPO training rows of several runs, each problem once, none that any of the runs holds out."""
    held_out = {
        row["problem_id"]
        for export in exports
        for table in ("sft", "grpo")
        for split in ("validation", "test")
        for row in read_split(export, table, split)
    }
    rows = {row["problem_id"]: row for export in exports for row in read_split(export, "grpo", "train")}
    kept = [row for identity, row in rows.items() if identity not in held_out]
    if not kept:
        folders = ", ".join(str(export.folder.parent) for export in exports)
        raise ExportError(f"{folders}: no GRPO training rows; build a run with more problems, or widen assess.band")
    return kept


def draw(rows: Sequence[Row], settings: Grpo, seed: int) -> list[Row]:
    """Draw the problems that are trained on. Raises PoolTooSmall, or ExportError if they fill not even one step."""
    count = settings.problems or len(rows)
    if settings.distribution == AS_IT_IS and count >= len(rows):
        drawn = list(rows)
    else:
        # What the pool is, in an order drawn by the seed, is the curriculum's choice too: it only sorts afterwards.
        shape = "curriculum" if settings.distribution == AS_IT_IS else settings.distribution
        drawn = sample_pool(rows, shape, count, seed)
    per_step = settings.batch_size * settings.gradient_accumulation // settings.group_size
    if len(drawn) < per_step:
        raise ExportError(f"a step takes {per_step} problems, there are {len(drawn)}: lower batch_size or build more")
    return drawn
