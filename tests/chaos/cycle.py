"""One cycle of the crash campaign: start a build, wait for a moment, kill it, and see what is on disk.

A build is watched from outside: by the stages it announces and by the manifest and the journals as they grow.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq

ROOT: Final = Path(__file__).parents[2]
DRIVER: Final = ("-m", "tests.chaos.driver")
GRADATIM: Final = ("-m", "flows.cli", "build")  # with Prefect's own server
TOO_LONG: Final = 600.0
LOOK_EVERY: Final = 0.002
START_UP: Final = "start-up"


class Moment(NamedTuple):
    """When to strike: so many stages have been announced, the files have grown so often since, and seconds passed."""

    stages: int
    growths: int
    seconds: float


class Build:
    """A build in a process of its own; what it prints is in files beside its configuration."""

    def __init__(
        self,
        config: Path,
        folder: Path,
        *,
        program: tuple[str, ...] = DRIVER,
        flags: tuple[str, ...] = (),
        first_on_path: Path = ROOT,
    ) -> None:
        self.folder = folder
        self._out, self._error = config.with_suffix(".out"), config.with_suffix(".err")
        own = {
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": os.pathsep.join([str(first_on_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
            "PREFECT_HOME": str(config.parent / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        }
        with self._out.open("wb") as out, self._error.open("wb") as error:
            self.process = subprocess.Popen(
                [sys.executable, *program, str(config), *flags],
                cwd=ROOT,
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                start_new_session=True,
            )

    @property
    def announced(self) -> list[str]:
        """The stages that the driver has begun."""
        return self._out.read_text(encoding="utf-8", errors="replace").splitlines()

    @property
    def said(self) -> str:
        """Everything on standard error."""
        return self._error.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, moment: Moment) -> bool:
        """Wait for the moment; False if the build ended before it."""
        end = time.monotonic() + TOO_LONG
        while len(self.announced) < moment.stages and self.running() and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
        size, grown = written_bytes(self.folder), 0
        while grown < moment.growths and self.running() and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            now = written_bytes(self.folder)
            size, grown = now, grown + (now != size)
        time.sleep(moment.seconds)
        return self.running()

    def end(self, number: signal.Signals) -> int:
        """Send a signal to the one process, as an OOM killer or an operator does, and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(TOO_LONG)

    def finish(self) -> int:
        """Wait for the build's own end."""
        return self.process.wait(TOO_LONG)


@contextmanager
def started(config: Path, folder: Path, **how: Any) -> Iterator[Build]:
    """Start a build; whatever of it is left when the block ends is killed."""
    build = Build(config, folder, **how)
    try:
        yield build
    finally:
        children = descendants(build.process.pid)
        with suppress(ProcessLookupError):
            build.process.kill()
        build.process.wait()
        for child in children:
            child.kill()


class Descendant(NamedTuple):
    """A process by its id and the time it began, so that an id that is used again is not taken for it."""

    pid: int
    began: str

    def alive(self) -> bool:
        fields = _stat(self.pid)
        return fields is not None and fields[19] == self.began and fields[0] != "Z"

    def kill(self) -> None:
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def descendants(pid: int) -> list[Descendant]:
    """Return the children of a process, theirs, and so on."""
    found = {int(path.name): _stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()}
    below, ring = [], {pid}
    while ring:
        ring = {child for child, fields in found.items() if fields is not None and int(fields[1]) in ring}
        below += [Descendant(child, fields[19]) for child in ring if (fields := found[child]) is not None]
    return below


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat behind the name: state, parent, …, the 20th the time it began."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def lingering(processes: list[Descendant], seconds: float) -> list[Descendant]:
    """Return those that are still there after so long at most."""
    end = time.monotonic() + seconds
    while (left := [process for process in processes if process.alive()]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def written_bytes(folder: Path) -> int:
    """Return how long the manifest and all journals are together."""
    total = 0
    for path in (folder / "manifest.jsonl", *folder.glob("solve/*.jsonl"), *folder.glob("asked/*.jsonl")):
        with suppress(FileNotFoundError):  # a journal goes when its shard is committed
            total += path.stat().st_size
    return total


def recorded_ids(folder: Path) -> set[str]:
    """Return the completions and drafts on disk, whether in a journal's whole lines or in a table."""
    found: set[str] = set()
    for path in (*folder.glob("solve/*.jsonl"), *folder.glob("asked/*.jsonl")):
        found.update(json.loads(line)["id"] for line in path.read_bytes().split(b"\n")[:-1])
    for table in ("completions", "drafts"):
        for path in (folder / table).glob("*.parquet"):
            found.update(pq.read_table(path, columns=["id"])["id"].to_pylist())
    return found


def stage_hit(build: Build) -> str:
    """Return the stage in which a build was struck: the last it announced, or that of the manifest's last line."""
    if build.announced:
        return build.announced[-1]
    manifest = build.folder / "manifest.jsonl"
    lines = manifest.read_bytes().split(b"\n")[:-1] if manifest.exists() else []
    last = json.loads(lines[-1]) if lines else {}
    return str(last.get("stage") or last.get("forget", [START_UP])[0]).replace("session", "solve")
