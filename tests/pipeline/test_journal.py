"""A journal holds whole lines whatever the disk does, and what was paid for is found again."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.journal import Journal, recorded, remove_finished
from pipeline.manifest import Manifest, Unit, run_lock
from pipeline.records import Completion
from pipeline.store import StoreError, write_records

ONE = Completion("c", "p", "m", "r", "boxed/1", "{}", 0, None, "\\boxed{2}", "stop", 5, 7, "vllm", "1")
SOME = [replace(ONE, id=f"c{number}", sample_index=number) for number in range(5)]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes: a write then takes a part, and the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_whole_lines_and_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "solve" / "0.jsonl")
    journal.add(SOME[0])
    line = journal.path.stat().st_size
    with largest_file(3 * line - 20), pytest.raises(StoreError, match=r"0\.jsonl: File too large; what is finished"):
        for completion in SOME[1:]:
            journal.add(completion)
    assert journal.path.stat().st_size == 2 * line
    journal.add(SOME[4])  # there is room again, and no line is glued to half of another
    journal.close()
    assert list(Journal(journal.path).completions) == ["c0", "c1", "c4"]


def test_a_manifest_on_a_full_disk_stays_whole(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.commit(Unit("generate", "0", "f", ()))
    line = manifest.path.stat().st_size
    with largest_file(line + 9), pytest.raises(StoreError, match="File too large"):
        manifest.commit(Unit("generate", "1", "f", ()))
    assert manifest.path.stat().st_size == line
    manifest.commit(Unit("generate", "2", "f", ()))
    assert [unit.shard for unit in Manifest(tmp_path).of_stage("generate")] == ["0", "2"]


def test_a_table_on_a_full_disk_is_absent(tmp_path: Path) -> None:
    with largest_file(500), pytest.raises(StoreError, match=r"c\.parquet: File too large"):
        write_records(Completion, SOME, tmp_path / "c.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", [b"{", b"\0\0\0", b"\xff\xfe", b"[1]", b'{"id": "c9"}', b"null"])
def test_a_line_that_is_no_completion_is_passed_over(
    tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / "0.jsonl")
    journal.add(SOME[0])
    journal.close()
    with journal.path.open("ab") as handle:
        handle.write(line + b"\n")
    again = Journal(journal.path)
    again.add(SOME[1])
    again.close()
    assert list(Journal(journal.path).completions) == ["c0", "c1"]
    assert "passed over" in capsys.readouterr().err


def test_a_damaged_table_counts_for_nothing_and_an_unlisted_one_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "0.parquet"
    assert recorded(table) == {}
    write_records(Completion, SOME, table)
    assert list(recorded(table)) == [one.id for one in SOME]
    table.write_bytes(table.read_bytes()[:-50])
    assert recorded(table) == {}
    assert "its completions are asked for again" in capsys.readouterr().err


@pytest.mark.parametrize(("committed", "stays"), [(5, False), (1, True), (0, True)])
def test_a_journal_left_by_a_crash_goes_only_when_all_of_it_is_committed(
    tmp_path: Path, committed: int, stays: bool
) -> None:
    journal = Journal(tmp_path / "0.jsonl")
    for completion in SOME[:2]:
        journal.add(completion)
    journal.close()
    if committed:
        write_records(Completion, SOME[:committed], tmp_path / "0.parquet")
    remove_finished(journal.path, tmp_path / "0.parquet")
    assert journal.path.exists() is stays


def test_whoever_locks_a_run_sweeps_up_what_dead_processes_were_writing(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "problems").mkdir()
    names = {pid: tmp_path / "problems" / f".0-00000.parquet.{pid}.tmp" for pid in (dead.pid, 1)}
    for path in names.values():
        path.write_bytes(b"half a table")
    (tmp_path / "problems" / "0.parquet").write_bytes(b"x")
    with run_lock(tmp_path):
        left = sorted(path.name for path in (tmp_path / "problems").iterdir())
    assert left == [names[1].name, "0.parquet"]  # process 1 lives
