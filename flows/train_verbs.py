"""Verbs that train a student in several steps. cli.py puts them on the command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from pipeline.config_help import SET_HELP

Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)]
out = Console(markup=False, highlight=False)


def star(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, such as training/configs/star.yaml")],
    overrides: Overrides = None,
) -> None:
    """Let a student learn from its own verified solutions, in rounds (STaR), or go on where that was stopped."""
    from flows.quiet import quiet_prefect
    from flows.star_report import finished_rounds, rounds_table
    from flows.star_rounds import begin, finish, load_star, steps_left
    from pipeline.manifest import run_lock

    settings = load_star(config, overrides or ())
    if steps_left(settings):
        quiet_prefect()
        from flows.star import star as run

        try:
            run(str(config), overrides or [])
        except KeyboardInterrupt:
            print("stopped; what is finished is kept, the same command goes on", file=sys.stderr)
            raise typer.Exit(130) from None
    else:
        with run_lock(settings.output):
            begin(settings)
            finish(settings)
        out.print("nothing to do: all rounds are finished")
    student = settings.output / "student"
    out.print(rounds_table(finished_rounds(settings.output)))
    out.print(
        f"table:    {settings.output}/star.md\nstudent:  {student}\n"
        f"evaluate: python training/evaluate.py --models {settings.student} {student} --problems FILE",
        soft_wrap=True,
    )


TRAIN_VERBS: Final[dict[str, Callable[..., Any]]] = {"star": star}
