"""The crash campaign's short form, and every other disturbance: the same command goes on, and the end is the same."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from flows.stages import build
from pipeline.config import Config
from tests.chaos.audit import audit
from tests.chaos.campaign import run_campaign
from tests.chaos.cycle import (
    DRIVER,
    GRADATIM,
    LOOK_EVERY,
    ROOT,
    TOO_LONG,
    Moment,
    descendants,
    lingering,
    recorded_ids,
    started,
)
from tests.chaos.recording import WINDOW, Recorded, Undisturbed, key_of, settings, undisturbed
from tests.chaos.small_disk import namespace
from tests.fake_server import FakeServer, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KILLS = 16
PROGRAMS = {"plain": DRIVER, "gradatim": GRADATIM}
TABLES = (
    "problems", "drafts", "rejections/generate", "screened", "completions", "settled", "agreements", "verdicts",
    "assessments", "rejections/pool", "traces", "export/sft",
)  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(tmp_path_factory.mktemp("undisturbed"))


class Scene:
    """A run that is going to be disturbed, and its server."""

    def __init__(self, folder: Path, expected: Undisturbed, server: FakeServer) -> None:
        self.folder, self.expected, self.server = folder, expected, server
        self.path = folder / "config.yaml"
        self.use()

    def use(self, runs: Path | None = None, **engine: Any) -> Config:
        """Write the configuration that the commands are given."""
        inputs = self.expected.run.folder.parents[1] / "inputs"
        self.config = settings(inputs, runs or self.folder / "runs", self.server.url, **engine)
        self.path.write_text(self.config.model_dump_json(), encoding="utf-8")
        return self.config

    def copy_of_the_finished_run(self) -> Path:
        shutil.copytree(self.expected.run.folder, self.config.folder)
        return self.config.folder

    def in_flight(self) -> int:
        """Requests that the server has and the disk does not, once the build is dead."""
        return len(set(map(key_of, self.server.requests))) - len(recorded_ids(self.config.folder))

    def finish(self, in_flight: int, *, recorded_before: int = 0, program: tuple[str, ...] = DRIVER) -> None:
        """Let the same command finish, and check that the end is the same; `recorded_before` requests were not made of
        this server, as the run was copied with them."""
        with started(self.path, self.config.folder, program=program) as again:
            assert again.finish() == 0, again.said
        self.check(in_flight, recorded_before=recorded_before)

    def check(self, in_flight: int, *, recorded_before: int = 0, folder: Path | None = None) -> None:
        found = audit(folder or self.config.folder, self.expected, self.server)
        assert found.faults(in_flight) == ([f"{recorded_before} requests were never made"] if recorded_before else [])


@pytest.fixture
def scene(tmp_path: Path, expected: Undisturbed) -> Iterator[Scene]:
    model = Recorded(expected.answers)
    with serve(model, seconds_per_answer=0.01) as server:
        yield Scene(tmp_path, expected, server)
    assert not model.unknown


def test_killed_at_random_moments_every_run_ends_the_same(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = []
    campaign = run_campaign(KILLS, 1, entries.append, tmp_path)
    assert not campaign.wrong, json.dumps(entries, indent=1)
    assert campaign.kills == KILLS
    assert len(campaign.stages) >= 6, campaign.stages
    assert set(campaign.programs) == set(campaign.finishers) == set(PROGRAMS)
    assert entries[-1]["content hash equal"] == f"{campaign.runs} of {campaign.runs} runs"


@pytest.mark.parametrize("program", PROGRAMS)
def test_sigterm_ends_a_build_with_all_its_processes_and_it_goes_on(scene: Scene, program: str) -> None:
    with started(scene.path, scene.config.folder, program=PROGRAMS[program]) as first:
        assert first.wait_for(Moment(0, 12, 0)), first.said
        children = descendants(first.process.pid)
        assert first.end(signal.SIGTERM) != 0
        assert not lingering(children, 20)
    scene.finish(scene.in_flight(), program=PROGRAMS[program])


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_second_process_on_the_same_run_is_refused_in_one_line(scene: Scene, program: str) -> None:
    with started(scene.path, scene.config.folder) as first:
        first.wait_for(Moment(1, 0, 0))
        first.process.send_signal(signal.SIGSTOP)  # however long the other one takes to start
        other = scene.folder / "other.yaml"
        shutil.copy(scene.path, other)
        with started(other, scene.config.folder, program=PROGRAMS[program]) as second:
            assert second.finish() == 1
            assert "another process is working on this run" in second.said.splitlines()[-1]
        first.process.send_signal(signal.SIGCONT)
        assert first.finish() == 0, first.said
    scene.check(0)


def test_a_disk_that_is_full_again_and_again(scene: Scene, tmp_path: Path) -> None:
    mount, copy = tmp_path / "disk", tmp_path / "copy"
    mount.mkdir()
    prefix = namespace(mount)
    if prefix is None:  # no mounts here: a limit on the size of every file gives the same short writes
        fill_by_limits(scene)
        return
    config = scene.use(mount)
    command = [*prefix, sys.executable, "-m", "tests.chaos.small_disk", str(scene.path), str(mount), str(copy)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, done.stderr
    attempts = json.loads(done.stdout.splitlines()[-1])
    assert attempts.pop()["code"] == 0
    assert len(attempts) >= 3
    for attempt in attempts:
        assert attempt["code"] == 1
        assert "No space left on device" in attempt["said"][0]
    scene.check(WINDOW * len(attempts), folder=copy / config.run)


def test_files_that_may_not_grow(scene: Scene) -> None:
    fill_by_limits(scene)


def fill_by_limits(scene: Scene) -> None:
    """Let every file have so many bytes only; the journals are cut in the middle of a line by the kernel itself."""
    limits = (900, 2500, 6000, 11_000, 25_000)
    in_flight = 0
    for limit in limits:
        flags = ("--largest-file", str(limit))
        with started(scene.path, scene.config.folder, flags=flags) as build:
            assert build.finish() == 1, build.said
            assert "File too large" in build.said.splitlines()[-1]
        in_flight += scene.in_flight()
    assert in_flight <= WINDOW * len(limits)
    scene.finish(in_flight)


@pytest.mark.parametrize("table", TABLES)
def test_a_torn_file_is_made_again(scene: Scene, table: str) -> None:
    folder = scene.copy_of_the_finished_run()
    torn = sorted((folder / table).glob("*.parquet"))
    rows = len(recorded_ids(folder))
    torn[-1].write_bytes(torn[-1].read_bytes()[: torn[-1].stat().st_size // 2])
    lost = rows - len(recorded_ids_of_whole_files(folder))
    build(scene.config)
    assert len(scene.server.requests) == lost
    scene.check(0, recorded_before=rows - lost)


def recorded_ids_of_whole_files(folder: Path) -> set[str]:
    from pipeline.journal import recorded

    return {name for table in ("completions", "drafts") for p in (folder / table).glob("*") for name in recorded(p)}


@pytest.mark.parametrize("place", range(6))
def test_a_manifest_that_is_cut_anywhere_costs_no_request(scene: Scene, place: int) -> None:
    folder = scene.copy_of_the_finished_run()
    manifest = folder / "manifest.jsonl"
    whole = manifest.read_bytes()
    cut = len(whole) - 1 if place == 0 else random.Random(place).randrange(len(whole))
    manifest.write_bytes(whole[:cut])
    build(scene.config)
    assert not scene.server.requests
    scene.check(0, recorded_before=scene.expected.requests)


@pytest.mark.parametrize("damage", ["cut", "garbage", "zeros"])
def test_a_damaged_journal_costs_the_lines_that_are_lost(scene: Scene, damage: str) -> None:
    with started(scene.path, scene.config.folder) as first:
        assert first.wait_for(Moment(3, 0, 0)), first.said
        scene.server.seconds_per_answer = 1.0  # a shard is not finished between the look and the kill
        journal = journal_of(scene.config.folder, lines=6)
        first.end(signal.SIGKILL)
    scene.server.seconds_per_answer = 0.01
    before, in_flight = recorded_ids(scene.config.folder), scene.in_flight()
    data = journal.read_bytes()
    middle = data.find(b"\n", len(data) // 2) + 40
    kept = {"cut": data[:middle], "garbage": data[:middle] + b"\xff{" + data[middle:], "zeros": data + 5000 * b"\0"}
    journal.write_bytes(kept[damage])
    lost = {"cut": data[middle:].count(b"\n") + 1, "garbage": 1, "zeros": 0}[damage]
    assert len(before) > lost
    scene.finish(in_flight + lost)


def journal_of(folder: Path, *, lines: int) -> Path:
    """Wait for a shard's journal of so many completions."""
    end = time.monotonic() + TOO_LONG
    while time.monotonic() < end:
        for path in folder.glob("solve/*.jsonl"):
            with suppress(FileNotFoundError):  # its shard was committed between the two looks
                if path.read_bytes().count(b"\n") >= lines:
                    return path
        time.sleep(LOOK_EVERY)
    raise TimeoutError("no shard has recorded so many completions")


LEAPS = """
import itertools, os, time
real, leaps, mark = time.time, itertools.cycle((86_400.0, -86_400.0, 0.0, 400 * 86_400.0)), os.environ["LEAPS_MARK"]
def leaping():
    if not os.path.exists(mark):
        open(mark, "w").close()
    return real() + next(leaps)
time.time, time.time_ns = leaping, lambda: int(leaping() * 1e9)
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wall_clock_that_leaps_at_every_look(
    scene: Scene, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """time.time and time.time_ns leap in every process of the build; the monotonic clock and datetime go on."""
    shim, mark = tmp_path / "shim", tmp_path / "looked"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(LEAPS)
    monkeypatch.setenv("LEAPS_MARK", str(mark))
    with started(scene.path, scene.config.folder, program=PROGRAMS[program], first_on_path=shim) as leaping:
        assert leaping.finish() == 0, leaping.said
    assert mark.exists()
    scene.check(0)


def test_verifier_processes_that_die_are_replaced(scene: Scene) -> None:
    killed: set[int] = set()
    with started(scene.path, scene.config.folder) as first:
        while first.running():
            children = descendants(first.process.pid)
            for child in (one for one in children if one.pid not in killed and len(killed) < 3):
                killed.add(child.pid)
                child.kill()
            time.sleep(0.05)
        assert first.finish() == 0, first.said
    assert len(killed) == 3
    scene.check(0)


FAULTS = ("429", "500", "503", "close", "not json", "no choices", "two choices", "hang")


def test_a_server_with_every_fault(scene: Scene) -> None:
    scene.use(timeout_seconds=2)
    scene.server.faults = [fault for one in FAULTS for fault in (one, "", "", "")]
    with started(scene.path, scene.config.folder) as first:
        assert first.finish() == 0, first.said
    assert not any(scene.server.faults)
    scene.check(len(FAULTS))


def test_a_server_that_goes_away_and_comes_back(scene: Scene) -> None:
    scene.use(attempts=2)
    scene.server.faults = [*([""] * 60), *(["500"] * 2000)]
    with started(scene.path, scene.config.folder) as first:
        assert first.finish() == 1
        assert scene.server.url in first.said.splitlines()[-1]
    failed = 2000 - len(scene.server.faults)
    assert failed > 0
    scene.server.faults = []
    scene.finish(failed)
