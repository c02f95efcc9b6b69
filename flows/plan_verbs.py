"""Verbs for planning: what a run will take before it is paid for. cli.py puts them on the command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from pipeline.config_help import SET_HELP

if TYPE_CHECKING:
    from flows.forecast import Forecast
    from flows.preview import Previewed

out = Console(markup=False, highlight=False)


def preview(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run")],
    *,
    problems: Annotated[int, typer.Option(min=4, help="problems of the slice")] = 32,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)] = None,
) -> None:
    """Build a small slice of a run with its real teacher, and say what the whole will take and give."""
    from flows.preview import preview as make
    from pipeline.config import load_config

    loaded = load_config(config, overrides or ())
    try:
        found = make(loaded, problems)
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    out.print(preview_table(found))
    for line in preview_lines(found, loaded.budget.tokens):
        out.print(line, soft_wrap=True)


def preview_table(found: "Previewed") -> Table:
    """Return the forecast by strategy, with its 95 % prediction intervals."""
    table = Table(title="the whole run, with 95 % prediction intervals", title_justify="left")
    for head in ("strategy", "problems", "completions", "tokens", "kept", "traces"):
        table.add_column(head, justify="left" if head == "strategy" else "right")
    rows = found.rows[-1:] if len(found.rows) == 2 else found.rows
    for row in rows:
        cells = (_interval(quantity) for quantity in (row.tokens, row.kept, row.traces))
        table.add_row(row.name, f"{row.problems:,}", f"{row.completions:,.0f}", *cells)
    return table


def _interval(quantity: "Forecast") -> str:
    return f"{quantity.expected:,.0f}\n{quantity.low:,.0f}–{quantity.high:,.0f}"


def preview_lines(found: "Previewed", budget: int | None) -> list[str]:
    """Return what the table does not say: time, disk, the budget, what becomes of the slice, and the method."""
    solving, low, high = (seconds / 60 for seconds in found.solving)
    whole = found.rows[-1]
    lines = [
        f"slice:   {found.slice_problems} problems, in {found.run.folder}",
        f"time:    {found.loading:,.0f} s until the teacher is ready, {solving:,.1f} min of solving ({low:,.1f} to "
        f"{high:,.1f}) at the slice's {found.tokens_per_second:,.0f} tokens/s, {found.others / 60:,.1f} min for the "
        "rest; a long run keeps the teacher busier than a slice, so it may be faster",
        f"disk:    {found.size_bytes / 1e6:,.1f} MB",
    ]
    if budget is not None:
        share = budget / whole.tokens.expected if whole.tokens.expected else 1.0
        far = f"ends the run after about {share:.0%} of it" if share < 1 else "is enough"
        lines.append(f"budget:  {budget:,} tokens, which {far}")
    if found.handed_over is None:
        lines.append("the run is at work now, so the slice's completions were not handed to it")
    else:
        lines.append(f"handed to the run, which will not ask for them again: {found.handed_over:,} completions")
    lines.append(
        "intervals: the problems that were not drawn by the finite population Bayesian bootstrap, new completions by a "
        "beta-binomial; so they hold a whole run that draws all its completions anew"
    )
    return lines


PLAN_VERBS: Final[dict[str, Callable[..., Any]]] = {"preview": preview}
