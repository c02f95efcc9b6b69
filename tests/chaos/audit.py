"""What must hold of a run that was disturbed and then finished: the same content, no row lost or there twice, nothing
left behind, and no request sent again that was not in flight."""

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from pipeline.report import funnel
from pipeline.run import Run, open_run
from tests.chaos.recording import Undisturbed, key_of
from tests.fake_server import FakeServer


class Audit(NamedTuple):
    """What was found; `sent_again` are requests that arrived more than once, `never_sent` those that were not made."""

    hash_equal: bool
    lost: int
    duplicated: int
    left_behind: tuple[str, ...]
    sent_again: int
    never_sent: int

    def faults(self, in_flight: int) -> list[str]:
        """Return what is wrong, if at most so many requests were in flight when the run was disturbed."""
        said = {
            "the content hash differs": not self.hash_equal,
            f"{self.lost} rows lost": self.lost,
            f"{self.duplicated} rows more than there should be": self.duplicated,
            f"left behind: {', '.join(self.left_behind)}": self.left_behind,
            f"{self.sent_again} requests sent again, {in_flight} were in flight": self.sent_again > in_flight,
            f"{self.never_sent} requests were never made": self.never_sent,
        }
        return [text for text, wrong in said.items() if wrong]


def audit(folder: Path, expected: Undisturbed, server: FakeServer) -> Audit:
    """Compare a finished run with the undisturbed one. The server has seen this run's requests alone."""
    run = open_run(folder)
    funnel(run)  # raises where the counts do not balance
    wanted, found = rows_of(expected.run), rows_of(run)
    sent = Counter(map(key_of, server.requests))
    return Audit(
        hash_equal=content_hash(run) == content_hash(expected.run) and tables(run) == tables(expected.run),
        lost=(wanted - found).total(),
        duplicated=(found - wanted).total(),
        left_behind=tuple(sorted(set(files_in(folder)) - set(files_in(expected.run.folder)))),
        sent_again=sent.total() - len(sent),
        never_sent=len(expected.answers.keys() - sent.keys()),
    )


def content_hash(run: Run) -> str:
    """Return the hash of all exported tables, as the export's manifest says it."""
    found: str = json.loads((run.folder / "export" / "manifest.json").read_text(encoding="utf-8"))["hash"]
    return found


def tables(run: Run) -> dict[str, str]:
    """Return every committed table with the hash of its bytes."""
    files = (file for unit in run.manifest.units.values() for file in unit.files)
    return {file.path: file.sha256 for file in files if file.path.endswith(".parquet")}


def rows_of(run: Run) -> Counter[tuple[str, str]]:
    """Count every row of every committed table, by the table and its whole content."""
    counts: Counter[tuple[str, str]] = Counter()
    for path in tables(run):
        table = str(Path(path).parent)
        counts.update((table, json.dumps(row, sort_keys=True)) for row in pq.read_table(run.folder / path).to_pylist())
    return counts


def files_in(folder: Path) -> list[str]:
    """Name every file of a run's folder; the lock is always there once a process has worked on it."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
