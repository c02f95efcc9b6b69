"""Verbs for a run that is there: explain a row, filter again, measure for another model, draw a pool. cli.py puts them
on the command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from pipeline.config_help import SET_HELP

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="run folder, or its name under data/runs")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)]
out = Console(markup=False, highlight=False)


def folder_of(run: Path) -> Path:
    """Return the folder of a run that is named by its folder or by its name."""
    return run if run.is_dir() else Path("data/runs") / run


def explain(
    run: RunFolder,
    identity: Annotated[str, typer.Argument(metavar="ID", help="problem, completion or draft; 6 letters are enough")],
) -> None:
    """Tell everything that happened to one row and why, back to its seed, and how to remake it."""
    from pipeline.explain import explain as tell
    from pipeline.run import open_run

    out.print(tell(open_run(folder_of(run)), identity), soft_wrap=True)


def refilter(
    run: RunFolder,
    *,
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option("--as", help="name of the new run (default <run>-refiltered)")] = None,
    n: Annotated[int, typer.Option("--n", min=0, help="example ids per reason")] = 3,
) -> None:
    """Apply changed filters and selection to a finished run, without a new token, into a run beside it."""
    from flows.refilter import refilter as apply
    from flows.refilter import report

    out.print(report(apply(folder_of(run), overrides or (), name), n), soft_wrap=True)


def recalibrate(
    run: RunFolder,
    *,
    model: Annotated[str, typer.Option(help="catalogue name, folder, Hub id, or a server's name for it")],
    revision: Annotated[str | None, typer.Option(help="revision of a Hub id")] = None,
    completions: Annotated[int, typer.Option(min=1, help="completions per problem, at most")] = 8,
    stopping: Annotated[str, typer.Option(help="curtailed, bayesian or fixed")] = "curtailed",
    endpoint: Annotated[list[str] | None, typer.Option(help="URL of a server that has it, ending in /v1")] = None,
    overrides: Overrides = None,
) -> None:
    """Measure a run's problems again for another model, beside the old assessment."""
    from flows.recalibrate import moves_table, summary
    from flows.recalibrate import recalibrate as measure
    from pipeline.calibration import calibration, calibration_table, measured

    try:
        found = measure(
            folder_of(run),
            model,
            revision=revision,
            completions=completions,
            stopping=stopping,
            endpoints=endpoint or (),
            overrides=overrides or (),
        )
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    out.print(moves_table(found))
    out.print(calibration_table(calibration(measured(found.run)), f"calibration for {model}"))
    out.print(summary(found), soft_wrap=True)


def pool(
    run: RunFolder,
    *,
    distribution: Annotated[str, typer.Option(help="uniform, peaked, mirrored_j or curriculum")],
    count: Annotated[int, typer.Option(min=1, help="problems to draw")],
    output: Annotated[Path, typer.Option(help="file to write, .jsonl or .parquet")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    split: Annotated[str, typer.Option(help="split of export/grpo to draw from")] = "train",
) -> None:
    """Draw a pool with a wanted distribution of difficulty from a run's export."""
    from flows.pool_command import write_pool

    out.print(write_pool(folder_of(run), distribution, count, output, seed=seed, split=split), soft_wrap=True)


def preflight(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of a training")],
    overrides: Overrides = None,
) -> None:
    """Check a training before it starts: the loss mask, the length budget, the chat template, the verifier's view."""
    from flows.preflight_command import preflight as check

    raise typer.Exit(check(config, overrides or ()))


def behaviours(
    run: RunFolder,
    *,
    judge: Annotated[str, typer.Option(help="catalogue name, folder, Hub id, or a server's name for it")],
    n: Annotated[int, typer.Option("--n", min=1, help="traces to show the judge, drawn by the seed")] = 100,
    endpoint: Annotated[list[str] | None, typer.Option(help="URL of a server that has it, ending in /v1")] = None,
) -> None:
    """Have a model judge the cognitive behaviours of a run's traces, and report how far the rules agree with it."""
    from flows.behaviours_command import behaviours_table, judge_behaviours

    out.print(behaviours_table(judge_behaviours(folder_of(run), judge, n, endpoint or ()), judge))


RUN_VERBS: Final[dict[str, Callable[..., Any]]] = {
    "explain": explain,
    "refilter": refilter,
    "recalibrate": recalibrate,
    "pool": pool,
    "preflight": preflight,
    "behaviours": behaviours,
}
