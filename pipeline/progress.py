"""Progress of a stage for the person at the keyboard: a rich bar with rate and ETA, or a line every ten seconds.

A watcher (Prefect's artifact) may listen in. Nothing here knows what is being counted.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_SECONDS = 10.0
WATCH_EVERY_SECONDS = 5.0
ENOUGH_FOR_A_PACE = 0.1  # of what there is to do

Watcher = Callable[[str, int, int | None], None]
_watchers: list[Watcher] = []


@dataclass
class Track:
    """Counts one stage. `note` is shown behind the numbers, such as tokens per second."""

    name: str
    total: int | None
    done: int = 0
    skipped: int = 0
    note: str = ""
    started: float = field(default_factory=time.monotonic)
    _bar: tuple[Progress, TaskID] | None = None
    _said: float = field(default_factory=time.monotonic)
    _watched: float = 0.0

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Count finished things; cheap enough to call for each."""
        self.done += count
        self.note = self.note if note is None else note
        now = time.monotonic()
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=self.done, note=self._text(now))
        elif now - self._said > LINE_EVERY_SECONDS:
            self._said = now
            say(f"{self.name}: {self.done:,}{self._of()} {self._text(now)}{self._left(now)}")
        if now - self._watched > WATCH_EVERY_SECONDS:
            self._watched = now
            self.tell_watchers()

    def skip(self, count: int) -> None:
        """Count what was done in an earlier session: it is no part of the rate."""
        self.skipped += count
        self.advance(count)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar[0].console.print(f"{self.name}: {line}", highlight=False)
        else:
            say(f"{self.name}: {line}")

    def tell_watchers(self) -> None:
        """Pass the counts on to whoever listens."""
        for watcher in _watchers:
            watcher(self.name, self.done, self.total)

    def _of(self) -> str:
        return f"/{self.total:,}" if self.total is not None else ""

    def _text(self, now: float) -> str:
        rate = (self.done - self.skipped) / max(now - self.started, 1e-6)
        pace = f"{rate:,.1f}/s" if rate >= 1 else f"{60 * rate:,.1f}/min"
        return f"{pace} {self.note}".rstrip()

    def _left(self, now: float) -> str:
        """Tell how long it will take, once there is a pace: what is answered side by side comes late at first."""
        own = self.done - self.skipped
        if self.total is None or own <= ENOUGH_FOR_A_PACE * (self.total - self.skipped):
            return ""
        seconds = (self.total - self.done) * (now - self.started) / own
        return f", {seconds:,.0f} s left" if seconds < 120 else f", {seconds / 60:,.0f} min left"


def say(line: str) -> None:
    """Tell the person at the keyboard something, on the error stream: standard output is for results."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def track(name: str, total: int | None) -> Iterator[Track]:
    """Show progress of a stage while the block runs."""
    counted = Track(name, total)
    if not sys.stderr.isatty():
        yield counted
        counted.tell_watchers()
        return
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as progress:  # the cores are busy
        counted._bar = (progress, progress.add_task(name, total=total, note=""))
        yield counted
        counted.tell_watchers()


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let a function hear about progress while the block runs."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
