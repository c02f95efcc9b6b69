"""What has been published, opened for checking: a release's or an export's folder, or a dataset on the Hub.

Everything in it was written by strangers: the manifest is checked before it is believed, and no path leaves the folder.
An export has its run's configuration beside it; a release brings the settings in its manifest.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import Assess, Export, Screen, Select
from pipeline.errors import GradatimError
from pipeline.prompts import prompt_for
from pipeline.records import ANSWER_TYPES, Problem, record_from
from pipeline.rows import UNREADABLE
from pipeline.verifiers import VERIFIERS

MANIFEST: Final = "manifest.json"
WANTED: Final = ("*.parquet", MANIFEST, "README.md", "config.yaml")
BATCH_ROWS: Final = 256
_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_SPLIT: Final = re.compile(r"(train|validation|test)(?:-[0-9a-f]+)?\.parquet")


class NotPublished(GradatimError):
    """Nothing that can be checked, in one line."""


class Table(NamedTuple):
    """One listed Parquet file; `path` is relative to the folder."""

    path: str
    config: str
    split: str
    rows: int
    sha256: str


class Settings(BaseModel):
    """The settings that the filters are replayed with."""

    screen: Screen
    assess: Assess
    select: Select
    export: Export


class Published(NamedTuple):
    """A published folder: its tables, other listed files with their hashes, the manifest and the settings (None for an
    export without its run)."""

    name: str
    folder: Path
    tables: tuple[Table, ...]
    others: Mapping[str, str]
    manifest: Mapping[str, Any]
    settings: Settings | None


class Row(NamedTuple):
    """A row with its place, such as sft/train:12: rows count from 1 in each file."""

    place: str
    config: str
    split: str
    fields: dict[str, Any]


def open_published(place: str, revision: str | None = None) -> Published:
    """Open a folder with a manifest (a release, an export, a run with its export), or else a dataset on the Hub.

    Raises NotPublished.
    """
    folder = next((f for f in (Path(place), Path(place) / "export") if (f / MANIFEST).is_file()), None)
    if folder is None:
        if Path(place).exists() or not _HUB_ID.fullmatch(place):
            raise NotPublished(f"{place}: no manifest.json there; expected a release, an export, or organisation/name")
        folder = _from_hub(place, revision)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        tables = tuple(_table(file) for file in manifest["files"] if "rows" in file)
        others = {_inside(file["path"]): str(file["sha256"]) for file in manifest["files"] if "rows" not in file}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotPublished(f"{place}: manifest.json is not one of gradatim's: {error!r}"[:300]) from None
    return Published(place, folder, tables, others, manifest, _settings(folder, manifest))


def _from_hub(repo: str, revision: str | None) -> Path:
    import httpx
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=list(WANTED)))
    except (httpx.HTTPError, OSError) as error:  # hf_xet raises built-in errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NotPublished(f"{repo}: no such folder here, and the Hub does not give it ({reason})") from None


def _inside(path: str) -> str:
    """Return a relative path that stays in its folder. Raises ValueError."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError(f"the path {path!r} leaves the folder")
    return str(pure)


def _table(file: Mapping[str, Any]) -> Table:
    path = _inside(file["path"])
    config, _, name = path.rpartition("/")
    split = _SPLIT.fullmatch(name)
    if split is None:
        raise ValueError(f"{path}: expected config/split.parquet")
    return Table(path, config, split[1], int(file["rows"]), str(file["sha256"]))


def _settings(folder: Path, manifest: Mapping[str, Any]) -> Settings | None:
    content = manifest.get("config")
    beside = folder.parent / "config.yaml"
    if content is None and beside.is_file():
        content = yaml.safe_load(beside.read_text(encoding="utf-8"))
    if content is None:
        return None
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NotPublished(
            f"{folder}: made with other settings than this version has: {where}: {first['msg']}"
        ) from None


def read_rows(published: Published, config: str | None = None, *, broken: bool = False) -> Iterator[Row]:
    """Give the rows of all tables, or of one configuration's: those that have what every check needs, or, if `broken`,
    the others. A file that cannot be read has none: the check of hashes and schemas tells it."""
    for table in published.tables:
        if config not in (None, table.config):
            continue
        for number, fields in enumerate(_read(published.folder / table.path), 1):
            if (fault_of(table.config, fields) is not None) == broken:
                yield Row(f"{table.config}/{table.split}:{number}", table.config, table.split, {**USUAL, **fields})


def fault_of(config: str, fields: Mapping[str, Any]) -> str | None:
    """Return the column of a row that lacks what every check needs of it, None for a sound row."""
    needed = NEEDED | NEEDED_OF.get(config, {})
    return next((name for name, is_right in needed.items() if not is_right(fields.get(name))), None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _is_talk(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and _says(turn) for turn in value)


def _says(turn: Mapping[str, Any]) -> bool:
    return isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)


Test = Callable[[object], bool]
# An export of an older version lacks some columns.
USUAL: Final[dict[str, Any]] = {"domain": "", "family": "", "level": None, "strategy": "imported", "tolerance": None}
NEEDED: Final[dict[str, Test]] = {
    "problem_id": _is_text,
    "prompt": _is_talk,
    "answer": _is_text,
    "verifier": lambda value: value in VERIFIERS,
    "answer_type": lambda value: value is None or value in ANSWER_TYPES,
    "tolerance": lambda value: value is None or _is_number(value),
    "parents": lambda value: (
        value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    ),
}
NEEDED_OF: Final[dict[str, dict[str, Test]]] = {
    "sft": {"completion": _is_talk, "completion_id": _is_text},
    "grpo": dict.fromkeys(("attempts", "successes", "pass_rate", "interval_low", "interval_high"), _is_number),
    "preferences": {"chosen": _is_talk, "rejected": _is_talk, "rejected_verdict": _is_text},
}


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield from batch.to_pylist()
    except UNREADABLE:
        return


def schema_of(path: Path) -> pa.Schema | None:
    """Return a file's columns, None if it is not Parquet."""
    try:
        return pq.read_schema(path)
    except UNREADABLE:
        return None


def row_count(path: Path) -> int:
    """Return how many rows a readable file has."""
    return int(pq.read_metadata(path).num_rows)


def question_of(fields: Mapping[str, Any], settings: Settings | None) -> str | None:
    """Return the question of a row: its own column, or what its prompt was rendered from."""
    if isinstance(fields.get("question"), str):
        return str(fields["question"])
    if settings is None:
        return None
    before, _, after = prompt_for(settings.select.prompt, fields["verifier"]).user.partition("{question}")
    text = str(fields["prompt"][-1]["content"])
    fits = text.startswith(before) and text.endswith(after) and len(text) >= len(before) + len(after)
    return text[len(before) : len(text) - len(after)] if fits else None


NOWHERE: Final[dict[str, Any]] = {"generator": "", "generator_version": "", "parents": ()}


def problem_of(fields: Mapping[str, Any], settings: Settings | None) -> Problem | None:
    """Return the problem that a sound row tells, None where its question cannot be told."""
    question = question_of(fields, settings)
    if question is None:
        return None
    origin = fields.get("provenance") or {**NOWHERE, "parents": tuple(fields.get("parents") or ())}
    return record_from(Problem, {**fields, "id": fields["problem_id"], "question": question, "provenance": origin})
