"""Verbs to look at a run with: a page of it, and how far it is. cli.py puts them on the command."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live

from flows.run_verbs import RunFolder, folder_of

out = Console(markup=False, highlight=False)


def report(
    run: RunFolder,
    output: Annotated[Path | None, typer.Option(help="file to write (default: RUN/report.html)")] = None,
) -> None:
    """Write a run as one HTML page that needs nothing else: funnel, rejections, difficulty, costs, traces, settings."""
    from filters import FILTERS
    from filters.behaviours import BEHAVIOURS
    from pipeline.html_report import FILE, write_report
    from pipeline.run import open_run

    folder = folder_of(run)
    path = output or folder / FILE
    size = write_report(open_run(folder), path, FILTERS, BEHAVIOURS)
    out.print(f"{path}  ({size / 1e6:.1f} MB; open it in a browser)", soft_wrap=True)


def watch(
    run: RunFolder,
    *,
    once: Annotated[bool, typer.Option("--once", help="print one look and stop")] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="seconds between looks, or for which --once measures")] = 2.0,
) -> None:
    """Show how far a running or killed run is, from its files alone. Ctrl-C leaves; the run goes on."""
    from pipeline.watch import Watcher, screen_of

    watcher = Watcher(folder_of(run))
    seen = watcher.look()
    if once or not sys.stdout.isatty():
        if seen.state == "running":
            time.sleep(interval)
            seen = watcher.look()
        out.print(screen_of(seen))
        return
    try:
        with Live(screen_of(seen), console=out, auto_refresh=False) as live:
            while seen.state == "running":
                time.sleep(interval)
                seen = watcher.look()
                live.update(screen_of(seen), refresh=True)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


LOOK_VERBS: Final[dict[str, Callable[..., Any]]] = {"report": report, "watch": watch}
