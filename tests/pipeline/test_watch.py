"""What `gradatim watch` tells of a run from its files: finished, cut at any place, under way, torn."""

import fcntl
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.records import Completion, canonical_json
from pipeline.run import Run
from pipeline.store import read_records
from pipeline.watch import Snapshot, Stage, Tail, Watcher, duration, screen_of
from tests.pipeline.made_run import make_run

LINES_OF_A_SHARD = ("generate", "screen", "solve", "agree", "verify", "assess", "pool", "select")


@pytest.fixture(scope="module", name="finished")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ten problems in two shards; two of each shard leave when they are screened."""
    return make_run(tmp_path_factory.mktemp("runs"), 20, shard_rows=10)


@pytest.fixture(name="folder")
def copied_run(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


def cut(folder: Path, lines: int, torn: int = 0) -> None:
    """Leave so many lines of the manifest, and so many bytes of the next."""
    path = folder / "manifest.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:lines]) + (whole[lines][:torn] if torn else b""))


def progress(snapshot: Snapshot) -> dict[str, tuple[int, int | None]]:
    return {stage.name: (stage.done, stage.total) for stage in snapshot.stages}


def test_a_finished_run_is_finished(folder: Path) -> None:
    seen = Watcher(folder).look()
    assert seen.state == "finished"
    assert progress(seen) == {
        "generate": (20, 20),
        "screen": (20, 20),
        "solve": (64, 64),
        "agree": (16, 16),
        "verify": (64, 64),
        "assess": (16, 16),
        "pool": (12, 12),
        "select": (24, 24),
        "export": (1, 1),
    }


@pytest.mark.parametrize("torn", [0, 25])
@pytest.mark.parametrize("lines", range(1, 16))
def test_a_killed_run_is_told_from_a_manifest_cut_anywhere(folder: Path, lines: int, torn: int) -> None:
    cut(folder, lines, torn)
    seen = Watcher(folder).look()
    assert seen.state == "not running"
    done = progress(seen)
    whole, part = divmod(lines, len(LINES_OF_A_SHARD))
    begun = dict.fromkeys(LINES_OF_A_SHARD, whole) | dict.fromkeys(LINES_OF_A_SHARD[:part], whole + 1)
    assert [done[name][0] for name in ("generate", "screen", "solve", "agree")] == [
        size * begun[name] for name, size in (("generate", 10), ("screen", 10), ("solve", 32), ("agree", 8))
    ]
    assert done["generate"][1] == (10 * begun["generate"] if begun["select"] else 1000)
    assert done["solve"][1] == 32 * begun["screen"]
    assert done["export"] == (0, 1)


def journal_of(folder: Path, count: int) -> Path:
    """Put completions of the second shard into a journal, as if they were in flight; the manifest ends before them."""
    cut(folder, len(LINES_OF_A_SHARD) + 2)
    rows = read_records(Completion, folder / "completions" / "0-0-00001.parquet")[:count]
    path = folder / "solve" / "0-0-00001.jsonl"
    path.parent.mkdir()
    path.write_text("".join(canonical_json(asdict(row)) + "\n" for row in rows))
    return path


def test_completions_in_journals_count_and_give_a_rate(folder: Path) -> None:
    path = journal_of(folder, 5)
    watcher = Watcher(folder)
    assert progress(watcher.look())["solve"] == (32 + 5, 64)
    line = json.loads(path.read_text().split("\n")[0])
    with path.open("a") as handle:
        handle.write(json.dumps(line | {"id": "new", "completion_tokens": 7}) + "\n" + '{"id":"torn","comp')
    seen = watcher.look()
    (solve,) = (stage for stage in seen.stages if stage.name == "solve")
    assert (solve.done, solve.total) == (38, 64)
    assert solve.rate
    assert solve.tokens_per_second
    assert solve.seconds_left
    assert path.read_text().endswith('{"id":"torn","comp'), "a watcher must change nothing"


def test_a_journal_of_a_committed_shard_counts_once(folder: Path) -> None:
    path = folder / "solve" / "0-0-00000.jsonl"
    path.parent.mkdir()
    rows = read_records(Completion, folder / "completions" / "0-0-00000.parquet")[:3]
    path.write_text("no completion\n" + "".join(canonical_json(asdict(row)) + "\n" for row in rows))
    assert progress(Watcher(folder).look())["solve"] == (64, 64)


def test_a_journal_that_goes_or_is_made_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = Tail(path)
    assert tail.read() == {}
    path.write_text('{"id":"a","completion_tokens":3}\n')
    assert tail.read() == {"a": 3}
    path.with_suffix(".new").write_text('{"id":"b","completion_tokens":4}\n')
    path.with_suffix(".new").replace(path)
    assert tail.read() == {"b": 4}
    path.unlink()
    assert tail.read() == {}


def test_a_line_that_is_being_written_counts_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = Tail(path)
    path.write_text('{"id":"a","comple')
    assert tail.read() == {}
    with path.open("a") as handle:
        handle.write('tion_tokens":3}\n')
    assert tail.read() == {"a": 3}


def test_the_lock_tells_whether_a_process_is_at_work(folder: Path) -> None:
    cut(folder, 3)
    with (folder / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert Watcher(folder).look().state == "running"
    assert Watcher(folder).look().state == "not running"


def test_the_screen_says_what_to_do_with_a_killed_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    cut(folder, 5)
    Console(width=80).print(screen_of(Watcher(folder).look()))
    text = " ".join(capsys.readouterr().out.split())
    assert "…" not in text
    assert "made: not running (stopped or killed)" in text
    assert "the same gradatim build command goes on" in text
    assert "1,000" in text


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.6, "1 min 0 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h")]
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_nothing_is_said_to_be_left_without_a_rate() -> None:
    assert Stage("solve", "completions", 3, 10).seconds_left is None
    assert Stage("solve", "completions", 3, 10, rate=2.0).seconds_left == 3.5
