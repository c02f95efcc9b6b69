"""What runs have exported, read back only as their manifests list it: a file with another hash is refused.

Several sources can be read together; a problem that one of them holds out is left out of the others' training rows.
A source is a run folder, its export folder, an export on the Hub, or rows of another origin (foreign_rows.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.manifest import FileEntry
from pipeline.records import Message, content_id
from pipeline.store import file_digest
from training.foreign_rows import ExportError, foreign_splits, hub_folder, is_hub_id


@dataclass(frozen=True)
class Export:
    """The export folder of one run and the files its manifest lists; a foreign source lists none."""

    folder: Path
    run: str
    hash: str
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class SftRow:
    """One training row: a prompt and the completion to be learned.

    `tags` holds the trace's tags and "level:N". `answer`, where there is one, is what the verifier judges it by.
    """

    problem_id: str
    completion_id: str
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    tags: tuple[str, ...] = ()
    answer: str | None = None
    verifier: str = "math"
    answer_type: str | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class SftData:
    """Training and validation rows of several sources, and how many rows were left out for which reason."""

    exports: tuple[Export, ...]
    train: list[SftRow]
    validation: list[SftRow]
    left_out: dict[str, int]


def open_export(run: Path) -> Export:
    """Open an export: a run's folder, or the export folder itself.

    Raises ExportError if there is none or its manifest is not one.
    """
    path = run / "manifest.json"
    if not path.is_file():
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


def read_sft(sources: Sequence[Path]) -> SftData:
    """Read the SFT rows of several sources, each completion once, no training row of a problem that any holds out."""
    opened = [_open(source) for source in sources]
    exports = tuple(export for export, _ in opened)
    held_out = {
        row["problem_id"]
        for export in exports
        for table in ("sft", "grpo")
        for split in ("validation", "test")
        for row in read_split(export, table, split)
    }
    validation = {row.completion_id: row for _, splits in opened for row in splits.get("validation", [])}
    held_out |= {row.problem_id for row in validation.values()}
    left_out = {"held out by another run": 0, "in two runs": 0}
    train: dict[str, SftRow] = {}
    for row in (row for _, splits in opened for row in splits.get("train", [])):
        if row.problem_id in held_out:
            left_out["held out by another run"] += 1
        elif row.completion_id in train:
            left_out["in two runs"] += 1
        else:
            train[row.completion_id] = row
    if not train:
        raise ExportError(f"{', '.join(map(str, sources))}: no SFT training rows; build a run with more problems")
    return SftData(exports, list(train.values()), list(validation.values()), left_out)


def _open(source: Path) -> tuple[Export, dict[str, list[SftRow]]]:
    """Open a source; returns its rows by split."""
    folder = hub_folder(source) if is_hub_id(source) else source
    if folder.is_file() or (folder != source and not (folder / "manifest.json").is_file()):
        rows, digest = foreign_splits(folder)
        splits = {
            name: [sft_row(row, f"{source} {name}:{place}") for place, row in enumerate(found, start=1)]
            for name, found in rows.items()
        }
        return Export(folder, str(source), digest, {}), splits
    export = open_export(folder)
    return export, {split: _sft_rows(export, split) for split in ("train", "validation")}


def _sft_rows(export: Export, split: str) -> list[SftRow]:
    path = f"{export.folder}/sft/{split}.parquet"
    try:
        rows = read_split(export, "sft", split)
    except pa.ArrowException as error:
        raise ExportError(f"{path}: not SFT rows ({error!r})") from None
    return [sft_row(row, f"{path}:{place}") for place, row in enumerate(rows, start=1)]


def sft_row(raw: Mapping[str, Any], place: str) -> SftRow:
    """Build a row from TRL's formats: prompt and completion (messages or texts), or messages that end with an answer.

    All other columns of an export are optional. Raises ExportError naming the place and the column.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    if "messages" in given:
        turns = _messages(given["messages"], "user", f"{place}: messages")
        prompt, completion = turns[:-1], turns[-1:]
    else:
        missing = [name for name in ("prompt", "completion") if name not in given]
        if missing:
            raise ExportError(f"{place}: not an SFT row, it has no column {missing[0]} (and no column messages)")
        prompt = _messages(given["prompt"], "user", f"{place}: prompt")
        completion = _messages(given["completion"], "assistant", f"{place}: completion")
    if not prompt or [message.role for message in completion] != ["assistant"]:
        raise ExportError(f"{place}: a prompt and one answer of the assistant expected")
    asked = [[message.role, message.content] for message in prompt]
    problem = given.get("problem_id") or content_id("prompt", *asked)
    level = [f"level:{given['level']}"] if "level" in given else []
    return SftRow(
        problem_id=problem,
        completion_id=given.get("completion_id") or content_id("completion", problem, completion[0].content),
        prompt=prompt,
        completion=completion,
        tags=(*given.get("tags", ()), *level),
        answer=given.get("answer"),
        verifier=given.get("verifier", "math"),
        answer_type=given.get("answer_type"),
        tolerance=given.get("tolerance"),
    )


def _messages(turns: Any, role: str, place: str) -> tuple[Message, ...]:
    if isinstance(turns, str):
        return (Message(role, turns),)
    try:
        messages = tuple(Message(turn["role"], turn["content"]) for turn in turns)
    except (KeyError, TypeError) as error:
        raise ExportError(f"{place}: a text or a list of messages expected ({error!r})") from None
    if not all(isinstance(m.role, str) and isinstance(m.content, str) for m in messages):
        raise ExportError(f"{place}: role and content of a message are texts")
    return messages
