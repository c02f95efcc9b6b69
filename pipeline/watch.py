"""How far a run is, told from its files alone: manifest, journals, configuration, lock.

Works on a running run, a killed one and a finished one, changes nothing, and asks no process.

Counts are of what is committed or journaled. What a changed configuration will make be done again cannot be seen here.
"""

import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pyarrow.parquet as pq
from rich.console import Group, JustifyMethod
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.manifest import Unit
from pipeline.report import COUNTED
from pipeline.report_data import is_finished
from pipeline.run import Run, open_run

State = Literal["running", "finished", "not running"]
WINDOW_SECONDS: Final = 120.0
BAR_WIDTH: Final = 24
_FEEDS: Final = {"screen": "generate", "agree": "screen", "assess": "agree", "pool": "assess"}


class Stage(NamedTuple):
    """A stage's progress, of one teacher for solve. `total` is None where nobody can know it yet; `at_most` that fewer
    may be asked. `rate` is per second, seen between looks."""

    name: str
    counted: str
    done: int
    total: int | None
    tokens: int = 0
    at_most: bool = False
    rate: float | None = None
    tokens_per_second: float | None = None

    @property
    def seconds_left(self) -> float | None:
        return None if not self.rate or self.total is None else (self.total - self.done) / self.rate


class Snapshot(NamedTuple):
    """A run at one moment; `idle_seconds` since its files last changed."""

    run: str
    state: State
    idle_seconds: float
    stages: list[Stage]


class Watcher:
    """Looks at a run again and again; rates are those of the last two minutes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tails: dict[Path, Tail] = {}
        self._seen: dict[str, deque[tuple[float, int, int]]] = {}

    def look(self) -> Snapshot:
        """Return the run as it is now. Raises ConfigError if there is no run in the folder."""
        run, now = open_run(self.folder), time.monotonic()
        stages = [self._rated(stage, now) for stage in self._stages(run)]
        changed = [path.stat().st_mtime for path in self._living(run) if path.exists()]
        return Snapshot(run.config.run, state_of(self.folder), max(time.time() - max(changed), 0.0), stages)

    def _living(self, run: Run) -> list[Path]:
        journals = [path for part in ("solve", "asked") for path in (self.folder / part).glob("*.jsonl")]
        return [self.folder / "config.yaml", run.manifest.path, *journals]

    def _rated(self, stage: Stage, now: float) -> Stage:
        seen = self._seen.setdefault(stage.name, deque())
        seen.append((now, stage.done, stage.tokens))
        while now - seen[0][0] > WINDOW_SECONDS:
            seen.popleft()
        began, done, tokens = seen[0]
        if stage.done <= done or now - began <= 0:
            return stage
        return stage._replace(
            rate=(stage.done - done) / (now - began), tokens_per_second=max(stage.tokens - tokens, 0) / (now - began)
        )

    def _stages(self, run: Run) -> Iterator[Stage]:
        units = {name: run.manifest.of_stage(name) for name in (*COUNTED, "export")}
        for name, counted in COUNTED.items():
            if name == "solve":
                yield from (self._solve(run, index) for index in range(len(run.config.teachers)))
                continue
            total = _kept(units[_FEEDS[name]]) if name in _FEEDS else _other_total(run, name, units)
            taken, tokens = (sum(u.counts["in"] for u in units[name]), sum(u.tokens for u in units[name]))
            yield Stage(name, counted, taken, total, tokens)
        yield Stage("export", "dataset", len(units["export"]), 1)

    def _solve(self, run: Run, index: int) -> Stage:
        """Add what the journals hold beyond the committed tables to what those hold."""
        teacher = run.config.teachers[index]
        done = tokens = 0
        for screened in run.manifest.of_stage("screen"):
            shard = f"{index}-{screened.shard}"
            unit = run.manifest.units.get(("solve", shard))
            done, tokens = done + (unit.counts["kept"] if unit else 0), tokens + (unit.tokens if unit else 0)
            path = self.folder / "solve" / f"{shard}.jsonl"
            if path.is_file():
                known = _ids(run, unit) if unit else set()
                new = [(key, n) for key, n in self._tail(path).items() if key not in known]
                done, tokens = done + len(new), tokens + sum(n for _, n in new)
        total = _kept(run.manifest.of_stage("screen")) * teacher.completions
        name = "solve" if len(run.config.teachers) == 1 else f"solve {index}"
        return Stage(name, "completions", done, total, tokens, at_most=teacher.stopping is not None)

    def _tail(self, path: Path) -> dict[str, int]:
        return self._tails.setdefault(path, Tail(path)).read()


class Tail:
    """A journal read as it grows; a torn last line waits, and one that is no completion is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = self._offset = 0
        self._tokens: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        """Return the completion tokens by completion id; nothing once the journal is gone."""
        try:
            with self._path.open("rb") as handle:
                inode = os.fstat(handle.fileno()).st_ino
                if inode != self._inode:
                    self._inode, self._offset, self._tokens = inode, 0, {}
                handle.seek(self._offset)
                new = handle.read()
        except FileNotFoundError:
            return {}
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._tokens.update(_completions(whole))
        return self._tokens


def _completions(lines: bytes) -> Iterator[tuple[str, int]]:
    for line in lines.splitlines():
        try:
            row = json.loads(line)
            yield row["id"], int(row["completion_tokens"])
        except (ValueError, KeyError, TypeError):
            continue


def state_of(folder: Path) -> State:
    """Tell whether a process holds the run's lock; if none does, whether the run came to its end."""
    try:
        with (folder / ".lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once: shared, so watchers do not meet
    except BlockingIOError:
        return "running"
    except FileNotFoundError:
        pass
    return "finished" if is_finished(folder) else "not running"


def _kept(units: Sequence[Unit]) -> int:
    return sum(unit.counts["kept"] for unit in units)


def _ids(run: Run, unit: Unit) -> set[str]:
    return set(pq.read_table(run.file(unit, "completions"), columns=["id"], partitioning=None)["id"].to_pylist())


def _other_total(run: Run, stage: str, units: Mapping[str, Sequence[Unit]]) -> int | None:
    """Return what generate, verify or select have to take, where the run's files tell it."""
    if stage == "verify":
        return sum(unit.counts["in"] for unit in units["solve"])
    if stage == "generate" and not units["select"]:
        counts = [getattr(source, "count", None) for source in run.config.generate.sources]
        turns = [getattr(source, "generations", 1) for source in run.config.generate.sources]
        return None if None in counts else sum(n * m for n, m in zip(counts, turns, strict=True) if n)
    ended = units["select"] if stage == "generate" else units["export"]
    return sum(unit.counts["in"] for unit in units[stage]) if ended else None


def screen_of(snapshot: Snapshot) -> Group:
    """Return a snapshot for the terminal."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for place, head in enumerate(("stage", "", "done", "of", "", "tokens", "rate", "left")):
        justify: JustifyMethod = "left" if head in ("stage", "") else "right"
        bar = place == 1  # it alone gives way on a narrow screen
        table.add_column(head, justify=justify, no_wrap=not bar, max_width=BAR_WIDTH if bar else None)
    for stage in snapshot.stages:
        table.add_row(*_cells(stage))
    return Group(Text(_headline(snapshot)), table)


def _cells(stage: Stage) -> tuple[str | ProgressBar, ...]:
    bar = ProgressBar(total=max(stage.total or 1, 1), completed=stage.done if stage.total else 0)
    total = "?" if stage.total is None else f"{'≤ ' if stage.at_most else ''}{stage.total:,}"
    rate = f"{stage.rate:,.2g}/s" if stage.rate else ""
    if stage.rate and stage.tokens_per_second:
        rate += f", {stage.tokens_per_second:,.0f} tokens/s"
    left = "" if stage.seconds_left is None else duration(stage.seconds_left)
    tokens = f"{stage.tokens:,}" if stage.tokens else ""
    return stage.name, bar, f"{stage.done:,}", total, stage.counted, tokens, rate, left


def _headline(snapshot: Snapshot) -> str:
    ago = f"last change {duration(snapshot.idle_seconds)} ago"
    if snapshot.state == "not running":
        return f"{snapshot.run}: not running (stopped or killed), {ago}; the same gradatim build command goes on"
    return f"{snapshot.run}: {snapshot.state}, {ago}"


def duration(seconds: float) -> str:
    """Write a duration in the two units that matter."""
    whole = round(seconds)
    for size, unit, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {small}"
    return f"{whole} s"
