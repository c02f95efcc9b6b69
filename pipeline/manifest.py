"""The manifest: an append-only journal of what a run has finished. Readers see only what it lists.

A line is one finished unit of work: a stage's shard, its files with rows and hashes, its counts, and the fingerprint of
everything it was made from. A unit whose fingerprint is unchanged and whose files are intact is never done again.
A last line that a crash cut short is dropped.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from pipeline.errors import GradatimError
from pipeline.records import canonical_json, content_id
from pipeline.store import append_line, file_digest, remove_leftovers, room_for


class RunLocked(GradatimError):
    """Another process works on this run."""


@dataclass(frozen=True)
class FileEntry:
    """One committed file, relative to the run's folder."""

    path: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Unit:
    """One finished unit of work. `counts` has "in", "kept" and "rejected: <reason>"; they balance."""

    stage: str
    shard: str
    fingerprint: str
    files: tuple[FileEntry, ...]
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    tokens: int = 0
    details: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of the files' contents, for the fingerprints of what is made from them."""
        return content_id("unit", [[f.path, f.rows, f.sha256] for f in self.files])


class Manifest:
    """The manifest of one run folder; the latest line of a (stage, shard) counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.jsonl"
        self.units: dict[tuple[str, str], Unit] = {}
        for unit in _read(self.path):
            self._note(unit)

    def finished(self, stage: str, shard: str, fingerprint: str) -> Unit | None:
        """Return the unit if it was finished from the same inputs and its files are still what was written."""
        unit = self.units.get((stage, shard))
        if unit is None or unit.fingerprint != fingerprint or not self._intact(unit):
            return None
        return unit

    def commit(self, unit: Unit) -> Unit:
        """Append a finished unit and sync. Its files must be complete on disk before."""
        _append_line(self.path, canonical_json(asdict(unit)))
        self._note(unit)
        return unit

    def of_stage(self, stage: str) -> list[Unit]:
        """Return a stage's units in shard order."""
        return [unit for (name, _), unit in sorted(self.units.items()) if name == stage]

    def paths(self, stage: str, table: str) -> list[Path]:
        """Return the files of one table that a stage has committed, in shard order."""
        files = (f for unit in self.of_stage(stage) for f in unit.files)
        return [self.folder / f.path for f in files if f.path.startswith(f"{table}/")]

    def forget(self, stage: str, keep: Callable[[str], bool], *, delete: bool = True) -> None:
        """Drop the stage's shards that are no longer wanted, with their files unless those were paid for."""
        for unit in self.of_stage(stage):
            if not keep(unit.shard):
                _append_line(self.path, canonical_json({"forget": [stage, unit.shard]}))
                del self.units[(stage, unit.shard)]
                for file in unit.files if delete else ():
                    (self.folder / file.path).unlink(missing_ok=True)

    def _note(self, unit: Unit | tuple[str, str]) -> None:
        if isinstance(unit, Unit):
            self.units[(unit.stage, unit.shard)] = unit
        else:
            self.units.pop(unit, None)

    def _intact(self, unit: Unit) -> bool:
        paths = [(self.folder / f.path, f.sha256) for f in unit.files]
        return all(path.is_file() and file_digest(path) == digest for path, digest in paths)


def _append_line(path: Path, line: str) -> None:
    """Append one line and sync; a torn last line of an earlier crash is cut off first."""
    with room_for(path), path.open("a+b", buffering=0) as handle:
        _cut_torn_line(handle)
        append_line(handle, line.encode(), path)
        os.fsync(handle.fileno())


def _cut_torn_line(handle: IO[bytes]) -> None:
    if handle.seek(0, os.SEEK_END) == 0:
        return
    handle.seek(-1, os.SEEK_END)
    if handle.read(1) != b"\n":
        handle.seek(0)
        handle.truncate(handle.read().rfind(b"\n") + 1)


def _read(path: Path) -> Iterator[Unit | tuple[str, str]]:
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    for line in lines[:-1]:  # what follows the last line end was cut short
        row = json.loads(line)
        if "forget" in row:
            yield (row["forget"][0], row["forget"][1])
        else:
            yield Unit(**{**row, "files": tuple(FileEntry(**f) for f in row["files"])})


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run for this process; the kernel lets go of it when the process dies. What a dead one was writing is
    swept away."""
    with room_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLocked(f"{folder}: another process is working on this run") from None
        remove_leftovers(folder)
        yield
