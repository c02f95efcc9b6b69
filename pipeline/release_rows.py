"""The rows of a release: those of the export, each with its question, where the problem comes from and who solved it.

The export lists problems shard by shard, so only one shard's origins are held at a time. Nothing names a folder of the
machine that the run was made on.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.export import GRPO_SCHEMA, PREFERENCES_SCHEMA, SFT_SCHEMA
from pipeline.records import SCHEMA_VERSION, SCHEMAS, Problem
from pipeline.run import Run
from pipeline.store import read_records

PROVENANCE: Final = ("provenance", SCHEMAS[Problem].field("provenance").type)
QUESTION: Final = ("question", pa.string())
PROMPT: Final = ("prompt_version", pa.string())
ADDED: Final = {
    "sft": (QUESTION, ("model", pa.string()), ("revision", pa.string()), PROMPT, PROVENANCE),
    "grpo": (PROVENANCE,),
    "preferences": (QUESTION, PROMPT, PROVENANCE),
}
_EXPORTED: Final = {"sft": SFT_SCHEMA, "grpo": GRPO_SCHEMA, "preferences": PREFERENCES_SCHEMA}
KEYS: Final = {
    "sft": ("completion_id",),
    "grpo": ("problem_id",),
    "preferences": ("chosen_id", "rejected_id"),
}
SPLITS: Final = ("train", "validation", "test")
BATCH_ROWS: Final = 1024
_FOLDER: Final = re.compile(r"^(?:[/~]|\.\.?/|[A-Za-z]:[\\/]).*[/\\]")


class ReleaseError(GradatimError):
    """A run that cannot be released, in one line."""


class _Origins(NamedTuple):
    problems: dict[str, Problem]
    completions: dict[str, dict[str, Any]]


def release_schema(name: str) -> pa.Schema:
    """Return the columns of one configuration of a release."""
    metadata = {"gradatim.schema_version": str(SCHEMA_VERSION)}
    return pa.schema([*_EXPORTED[name], *map(pa.field, *zip(*ADDED[name], strict=True))], metadata=metadata)


def type_name(kind: pa.DataType) -> str:
    """Return a column's type in words; Parquet calls a list's values element, Arrow item."""
    return str(kind).replace("<element: ", "<item: ")


def portable(text: str) -> str:
    """Return a text that begins like the path of a file without its folders; any other as it is."""
    return _FOLDER.sub("", text)


def release_rows(run: Run, name: str, split: str) -> Iterator[dict[str, Any]]:
    """Give the rows of one exported table and split with what a release adds. Raises ReleaseError if the export is not
    of the run's tables as they are."""
    path = run.folder / "export" / name / f"{split}.parquet"
    origins = _shards(run)
    here = _Origins({}, {})
    for row in _read(path):
        while row["problem_id"] not in here.problems:
            following = next(origins, None)
            if following is None:
                raise ReleaseError(f"{path}: not of the run as it is now; gradatim build {run.folder}/config.yaml")
            here = following
        yield row | _added(row, here)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()


def _shards(run: Run) -> Iterator[_Origins]:
    for unit in run.manifest.of_stage("select"):
        settled = run.file(run.manifest.units[("agree", unit.shard)], "settled")
        completions: dict[str, dict[str, Any]] = {}
        for index in range(len(run.config.teachers)):
            solved = run.file(run.manifest.units[("solve", f"{index}-{unit.shard}")], "completions")
            table = pq.read_table(solved, columns=["id", "model", "revision", "prompt_version"])
            completions |= {row.pop("id"): row for row in table.to_pylist()}
        yield _Origins({problem.id: problem for problem in read_records(Problem, settled)}, completions)


def _added(row: dict[str, Any], here: _Origins) -> dict[str, Any]:
    problem = here.problems[row["problem_id"]]
    made = asdict(problem.provenance)
    solved = here.completions.get(row.get("completion_id") or row.get("chosen_id") or "", {})
    solved = {key: portable(value) for key, value in solved.items() if row.get(key) is None}
    own = {key: portable(made[key]) if made[key] else made[key] for key in ("source", "model")}
    named = {key: portable(row[key]) for key in ("model", "reference_model") if row.get(key)}
    return {"question": problem.question, **solved, **named, "provenance": made | own}


def tables(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Give rows as tables of a few at a time."""
    while batch := list(islice(rows, BATCH_ROWS)):
        yield pa.Table.from_pylist(batch, schema=schema)
