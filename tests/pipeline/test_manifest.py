"""The manifest survives a crash at any byte, and a changed input or a damaged file means the work is done again."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.manifest import FileEntry, Manifest, RunLocked, Unit, run_lock
from pipeline.store import write_text


def unit(folder: Path, shard: str, fingerprint: str = "f", text: str = "x") -> Unit:
    digest = write_text(text, folder / f"problems/{shard}.parquet")
    return Unit("generate", shard, fingerprint, (FileEntry(f"problems/{shard}.parquet", 1, digest),), {"in": 1})


def test_a_committed_unit_is_found_again(tmp_path: Path) -> None:
    committed = Manifest(tmp_path).commit(unit(tmp_path, "0"))
    again = Manifest(tmp_path)
    assert again.finished("generate", "0", "f") == committed
    assert again.finished("generate", "0", "other inputs") is None
    assert again.finished("screen", "0", "f") is None
    assert again.paths("generate", "problems") == [tmp_path / "problems/0.parquet"]


def test_a_damaged_or_lost_file_is_not_finished(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.commit(unit(tmp_path, "0"))
    manifest.commit(unit(tmp_path, "1"))
    (tmp_path / "problems/0.parquet").write_text("y")
    (tmp_path / "problems/1.parquet").unlink()
    assert manifest.finished("generate", "0", "f") is None
    assert manifest.finished("generate", "1", "f") is None


def test_a_manifest_cut_at_any_byte_loses_at_most_its_last_line(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for shard in "012":
        manifest.commit(unit(tmp_path, shard))
    whole = manifest.path.read_bytes()
    before_last = whole[:-1].rfind(b"\n") + 1
    for length in range(before_last, len(whole)):
        manifest.path.write_bytes(whole[:length])
        cut = Manifest(tmp_path)
        assert [u.shard for u in cut.of_stage("generate")] == ["0", "1"]
        cut.commit(unit(tmp_path, "3"))
        assert [u.shard for u in Manifest(tmp_path).of_stage("generate")] == ["0", "1", "3"]


def test_the_latest_line_of_a_shard_counts_and_forgotten_shards_are_gone(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for shard, fingerprint in (("0", "a"), ("1", "a"), ("0", "b")):
        manifest.commit(unit(tmp_path, shard, fingerprint))
    manifest.forget("generate", keep={"0"}.__contains__)
    again = Manifest(tmp_path)
    assert [(u.shard, u.fingerprint) for u in again.of_stage("generate")] == [("0", "b")]
    assert not (tmp_path / "problems/1.parquet").exists()


def test_a_second_process_is_refused_and_a_dead_one_lets_go(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from pipeline.manifest import run_lock\n"
        "with run_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLocked, match="another process is working on this run"), run_lock(tmp_path):
            pass
        holder.kill()
    with run_lock(tmp_path):
        pass
