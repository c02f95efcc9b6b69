"""A run: its folder, its resolved configuration, its manifest, and the one way to finish a unit of work.

A stage asks `Run.unit` whether a shard is already done from the same inputs, and `Run.commit`s it when it is; counts
must balance. Stages never talk to each other except through the committed tables.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.config import Config, load_config
from pipeline.config_files import ConfigError
from pipeline.manifest import FileEntry, Manifest, Unit
from pipeline.records import Record, Rejection, canonical_json, content_id
from pipeline.store import write_records, write_text

STAGES: Final = ("generate", "screen", "solve", "agree", "verify", "assess", "pool", "select", "export")


class CountsDoNotBalance(Exception):
    """A stage lost or invented records: in is not kept + rejected."""


@dataclass
class Work:
    """A unit of work under way."""

    stage: str
    shard: str
    fingerprint: str
    started: float = field(default_factory=time.monotonic)


@dataclass
class Run:
    """A run folder opened for work or for reading. With `recorded_only` no model is asked for anything."""

    folder: Path
    config: Config
    manifest: Manifest
    recorded_only: bool = False

    def unit(self, stage: str, shard: str, *inputs: object) -> Unit | Work:
        """Return the finished unit, or the work to do: the fingerprint covers the inputs that are named here."""
        fingerprint = content_id("fingerprint", stage, shard, *inputs)
        finished = self.manifest.finished(stage, shard, fingerprint)
        return finished or Work(stage, shard, fingerprint)

    def commit(
        self,
        work: Work,
        tables: Mapping[str, tuple[type[Any], Sequence[Record]]],
        *,
        taken: int,
        kept: int,
        rejections: Sequence[Rejection] = (),
        tokens: int = 0,
        details: Mapping[str, str] | None = None,
        extra_files: Sequence[FileEntry] = (),
    ) -> Unit:
        """Write the tables and rejections of a unit, check that its counts balance, and record it.

        Raises CountsDoNotBalance if taken != kept + rejections.
        """
        reasons = Counter(f"rejected: {rejection.filter}" for rejection in rejections)
        if taken != kept + sum(reasons.values()):
            raise CountsDoNotBalance(
                f"{work.stage} {work.shard}: {taken} in, {kept} kept and {sum(reasons.values())} rejected"
            )
        files = [self._write(table, work.shard, kind, rows) for table, (kind, rows) in tables.items()]
        if rejections:
            files.append(self._write(f"rejections/{work.stage}", work.shard, Rejection, rejections))
        unit = Unit(
            stage=work.stage,
            shard=work.shard,
            fingerprint=work.fingerprint,
            files=(*files, *extra_files),
            counts={"in": taken, "kept": kept, **dict(sorted(reasons.items()))},
            seconds=round(time.monotonic() - work.started, 3),
            tokens=tokens,
            details=dict(details or {}),
        )
        return self.manifest.commit(unit)

    def _write(self, table: str, shard: str, kind: type[Any], rows: Sequence[Record]) -> FileEntry:
        path = f"{table}/{shard}.parquet"
        return FileEntry(path, len(rows), write_records(kind, rows, self.folder / path))

    def file(self, unit: Unit, table: str) -> Path:
        """Return the path of a unit's file of one table."""
        (path,) = (f.path for f in unit.files if f.path.startswith(f"{table}/"))
        return self.folder / path


def open_run(folder: Path, *, recorded_only: bool = False) -> Run:
    """Open an existing run. Raises ConfigError if there is none."""
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder}: not a run (no config.yaml there)")
    return Run(folder, load_config(folder / "config.yaml"), Manifest(folder), recorded_only)


def create_run(config: Config) -> Run:
    """Open the run of a configuration, or begin it; the resolved configuration is saved beside the data.

    Raises ConfigError if the folder holds a run whose problems or completions were made with other settings: those are
    paid for, so another run name is needed. Later stages may change; they are recomputed.
    """
    path = config.folder / "config.yaml"
    if path.is_file():
        earlier = load_config(path)
        changed = _first_difference(_paid_for(earlier), _paid_for(config)) or _fewer_completions(earlier, config)
        if changed:
            raise ConfigError(f"{config.folder}: made with another {changed}; choose another run name (--set run=…)")
    write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), path)
    return Run(config.folder, config, Manifest(config.folder))


def _paid_for(config: Config) -> dict[str, Any]:
    """What determines the problems and the requests; how an engine is run does not."""
    dumped = config.model_dump(mode="json")
    teachers = [
        {k: v for k, v in t.items() if k not in {"engine", "completions", "stopping"}} for t in dumped["teachers"]
    ]
    generate = {k: v for k, v in dumped["generate"].items() if k != "strict"}
    return {"seed": dumped["seed"], "generate": generate, "screen": dumped["screen"], "teachers": teachers}


def _fewer_completions(old: Config, new: Config) -> str | None:
    pairs = enumerate(zip(old.teachers, new.teachers, strict=True))
    fewer = [(i, a.completions, b.completions) for i, (a, b) in pairs if b.completions < a.completions]
    return "teachers.{}.completions ({}, now {})".format(*fewer[0]) if fewer else None


def _first_difference(old: Any, new: Any, key: str = "") -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            found = _first_difference(old.get(name), new.get(name), f"{key}.{name}" if key else name)
            if found:
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        parts = (_first_difference(a, b, f"{key}.{i}") for i, (a, b) in enumerate(zip(old, new, strict=True)))
        return next((found for found in parts if found), None)
    return None if old == new else f"{key} ({_short(old)}, now {_short(new)})"


def _short(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= 60 else text[:57] + "…"
