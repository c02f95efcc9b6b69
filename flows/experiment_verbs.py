"""The verb `gradatim experiment`. cli.py puts it on the command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from pipeline.config_help import SET_HELP

out = Console(markup=False, highlight=False)


def experiment(
    config: Annotated[Path, typer.Argument(metavar="[CONFIG]", help="YAML file of the experiment")] = Path(
        "training/configs/experiment.yaml"
    ),
    *,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)] = None,
    status: Annotated[bool, typer.Option("--status", help="only say what is done and what is left")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="ROW", help="only this row; repeatable")] = None,
) -> None:
    """Train students on one run in different ways, evaluate them on the same problems, and write the table; goes on
    where it was stopped."""
    from flows.experiment import Stopped, run_experiment
    from flows.experiment_settings import Experiment
    from pipeline.config_files import ConfigError, parse_model

    loaded = parse_model(Experiment, config, overrides or ())
    rows = [row for row in loaded.rows if not only or row in only]
    if unknown := set(only or ()) - set(rows):
        raise ConfigError(f"--only {sorted(unknown)[0]}: no row of {config}; there are {', '.join(loaded.rows)}")
    if status:
        out.print(_states(loaded, rows))
        return
    try:
        run_experiment(loaded, rows)
        table = loaded.output / "table.md"
        out.print(f"{table.read_text(encoding='utf-8')}\n{table}", soft_wrap=True)
    except Stopped as stop:
        print(f"stopped by {stop}; what is done is kept, the same command goes on", file=sys.stderr)
        raise typer.Exit(128 + stop.number) from None


def _states(loaded: Any, rows: Any) -> Table:
    from flows.experiment_state import states

    table = Table(title=f"experiment {loaded.output}", title_justify="left")
    for head in ("step", "state", "seconds"):
        table.add_column(head, justify="right" if head == "seconds" else "left")
    for step, state, seconds in states(loaded, rows):
        table.add_row(step.name, state, "" if seconds is None else f"{seconds:,.0f}")
    return table


EXPERIMENT_VERBS: Final[dict[str, Callable[..., Any]]] = {"experiment": experiment}
