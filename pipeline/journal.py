"""The journal of a shard being solved: one line per finished completion, appended the moment it is finished.

A completion is never lost to what happens to other files: a journal or a table that holds it counts, listed or not.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

import pyarrow as pa

from pipeline.progress import say
from pipeline.records import Completion, canonical_json, record_from
from pipeline.store import append_line, read_records, room_for

SYNC_EVERY_SECONDS = 1.0


class Journal:
    """An append-only file of finished completions. Every line is in the kernel's hands when `add` returns, so a killed
    process loses nothing; it is synced to disk once a second. A line cut short by a crash is dropped on opening, and
    one that cannot be read is passed over: its request is made again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.completions = {c.id: c for c in _read_journal(path)}
        self._file: IO[bytes] | None = None
        self._synced = 0.0

    def add(self, completion: Completion) -> None:
        """Record a finished completion. Raises StoreError where the disk is full."""
        if self._file is None:
            with room_for(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab", buffering=0)
        append_line(self._file, canonical_json(asdict(completion)).encode(), self.path)
        self.completions[completion.id] = completion
        if time.monotonic() - self._synced > SYNC_EVERY_SECONDS:
            self._synced = time.monotonic()
            os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Delete the journal once its completions are committed elsewhere."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


def _read_journal(path: Path) -> Iterator[Completion]:
    """Read what a journal holds and cut off a last line that a crash left unfinished."""
    if not path.exists():
        return
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        os.truncate(path, end)
    for line in whole[:end].splitlines():
        try:
            completion = record_from(Completion, json.loads(line))
        except (ValueError, KeyError, TypeError):
            say(f"{path}: a line that is no completion is passed over")
            continue
        yield completion


def recorded(table: Path) -> dict[str, Completion]:
    """Return the completions of a shard's table as an earlier commit wrote it, whether or not the manifest lists it
    still: the ids are those of the requests. A table that is damaged counts for nothing, and is told."""
    if not table.is_file():
        return {}
    try:
        return {completion.id: completion for completion in read_records(Completion, table)}
    except (OSError, ValueError, pa.ArrowException) as error:
        say(f"{table}: cannot be read, so its completions are asked for again: {str(error).splitlines()[0]}")
        return {}


def remove_finished(journal: Path, table: Path) -> None:
    """Delete a journal that a crash has left behind after its completions were committed; one that holds more stays."""
    if journal.is_file() and Journal(journal).completions.keys() <= recorded(table).keys():
        journal.unlink()
