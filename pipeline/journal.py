"""The journal of a shard being solved: one line per finished completion, appended the moment it is finished."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

from pipeline.records import Completion, canonical_json, record_from

SYNC_EVERY_SECONDS = 1.0


class Journal:
    """An append-only file of finished completions. Every line is in the kernel's hands when `add` returns, so a killed
    process loses nothing; it is synced to disk once a second. A line cut short by a crash is dropped on opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.completions = {c.id: c for c in _read_journal(path)}
        self._file: IO[bytes] | None = None
        self._synced = 0.0

    def add(self, completion: Completion) -> None:
        """Record a finished completion."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        self._file.write(canonical_json(asdict(completion)).encode() + b"\n")
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
        yield record_from(Completion, json.loads(line))
