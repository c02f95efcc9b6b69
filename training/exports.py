"""What a run has exported, read back only as its manifest lists it: a file with another hash is refused.

Several runs can be read together; a problem that one of them holds out is left out of the others' training rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.manifest import FileEntry
from pipeline.records import Message
from pipeline.store import file_digest


class ExportError(GradatimError):
    """Training data that cannot be used, in one line that says what to do."""


@dataclass(frozen=True)
class Export:
    """The export folder of one run and the files its manifest lists."""

    folder: Path
    run: str
    hash: str
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class SftRow:
    """One training row: a prompt and the completion to be learned."""

    problem_id: str
    completion_id: str
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]


@dataclass(frozen=True)
class SftData:
    """Training and validation rows of several runs, and how many rows were left out for which reason."""

    exports: tuple[Export, ...]
    train: list[SftRow]
    validation: list[SftRow]
    left_out: dict[str, int]


def open_export(run: Path) -> Export:
    """Open a run's export. Raises ExportError if the run has none or its manifest is not one."""
    path = run / "export" / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        files = {f["path"]: FileEntry(f["path"], f["rows"], f["sha256"]) for f in raw["files"]}
        return Export(path.parent, raw["run"], raw["hash"], files)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}; build the run first: gradatim build CONFIG") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path}: not an export manifest ({error!r})") from None


def read_split(export: Export, table: str, split: str) -> list[dict[str, Any]]:
    """Return the rows of one split, none if the run has no such split.

    Raises ExportError if the file is not the one that the manifest lists.
    """
    name = f"{table}/{split}.parquet"
    entry = export.files.get(name)
    if entry is None:
        return []
    path = export.folder / name
    if not path.is_file():
        raise ExportError(f"{path}: listed in the manifest but missing; export the run again")
    if file_digest(path) != entry.sha256:
        raise ExportError(f"{path}: not the file that the manifest lists (its hash differs); export the run again")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def read_sft(runs: Sequence[Path]) -> SftData:
    """Read the SFT rows of several runs, each completion once, no training row of a problem that any run holds out."""
    exports = tuple(open_export(run) for run in runs)
    held_out = {
        row["problem_id"]
        for export in exports
        for table in ("sft", "grpo")
        for split in ("validation", "test")
        for row in read_split(export, table, split)
    }
    left_out = {"held out by another run": 0, "in two runs": 0}
    train: dict[str, SftRow] = {}
    for row in (row for export in exports for row in _sft_rows(export, "train")):
        if row.problem_id in held_out:
            left_out["held out by another run"] += 1
        elif row.completion_id in train:
            left_out["in two runs"] += 1
        else:
            train[row.completion_id] = row
    if not train:
        raise ExportError(f"{', '.join(map(str, runs))}: no SFT training rows; build a run with more problems")
    validation = {row.completion_id: row for export in exports for row in _sft_rows(export, "validation")}
    return SftData(exports, list(train.values()), list(validation.values()), left_out)


def _sft_rows(export: Export, split: str) -> list[SftRow]:
    try:
        return [
            SftRow(row["problem_id"], row["completion_id"], _messages(row["prompt"]), _messages(row["completion"]))
            for row in read_split(export, "sft", split)
        ]
    except (KeyError, TypeError, pa.ArrowException) as error:
        raise ExportError(f"{export.folder}/sft/{split}.parquet: not SFT rows ({error!r})") from None


def _messages(turns: list[dict[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)
