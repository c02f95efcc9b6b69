"""`gradatim pool`: draw a pool of a wanted difficulty distribution from a run's export, as a file for training."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config_files import ConfigError
from pipeline.pool import describe, sample_pool
from pipeline.store import write_table, write_text


def write_pool(
    folder: Path, distribution: str, count: int, output: Path, *, seed: int = 0, split: str = "train"
) -> str:
    """Draw `count` rows of a run's export/grpo and write them as JSONL or, if the name says so, Parquet.

    Returns the histograms of the pool and of what was drawn. Raises ConfigError where the run has no such export, and
    what sample_pool raises; then nothing is written.
    """
    path = folder / "export" / "grpo" / f"{split}.parquet"
    if not path.is_file():
        raise ConfigError(f"{path}: not there; is {folder} a run that was built to its end?")
    table = pq.read_table(path)
    rows: list[dict[str, Any]] = table.to_pylist()
    drawn = sample_pool(rows, distribution, count, seed)
    if output.suffix == ".parquet":
        write_table(pa.Table.from_pylist(drawn, schema=table.schema), output)
    else:
        write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in drawn), output)
    return f"pool: {describe(rows)}\n\n{distribution}: {describe(drawn)}"
