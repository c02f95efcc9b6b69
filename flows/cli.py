"""The `gradatim` command. Each verb is a few lines over a function; heavy imports wait until a verb needs them."""

import os
import sys
from pathlib import Path
from shutil import which
from typing import Annotated

import typer
from rich.console import Console

from flows.config_command import EPILOGUES
from flows.data_verbs import DATA_VERBS
from flows.doctor_verbs import DOCTOR_VERBS
from flows.experiment_verbs import EXPERIMENT_VERBS
from flows.look_verbs import LOOK_VERBS
from flows.plan_verbs import PLAN_VERBS
from flows.quiet import quiet_prefect
from flows.release_verbs import RELEASE_VERBS
from flows.run_verbs import RUN_VERBS, RunFolder, folder_of
from flows.train_verbs import TRAIN_VERBS
from pipeline.config import load_config
from pipeline.config_files import ConfigError
from pipeline.config_help import SET_HELP
from pipeline.errors import GradatimError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
models_app = typer.Typer(help="List the models of the catalogue, or fetch one.", invoke_without_command=True)
app.add_typer(models_app, name="models")
for name, verb in (
    DATA_VERBS | DOCTOR_VERBS | EXPERIMENT_VERBS | LOOK_VERBS | PLAN_VERBS | RELEASE_VERBS | RUN_VERBS | TRAIN_VERBS
).items():
    app.command(name, cls=EPILOGUES.get(name))(verb)
out = Console(markup=False, highlight=False)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run, such as configs/demo.yaml")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)]


@app.callback()
def gradatim() -> None:
    """Make synthetic reasoning data: problems, verified traces, and a pool whose difficulty was measured."""


@app.command()
def build(
    config: ConfigPath,
    overrides: Overrides = None,
    strict: Annotated[bool, typer.Option("--strict", help="stop at the first broken row of an imported set")] = False,
) -> None:
    """Build the dataset of a configuration, or go on where an earlier attempt was stopped."""
    changes = [*(overrides or ()), *(["generate.strict=true"] if strict else ())]
    loaded = load_config(config, changes)
    quiet_prefect()
    from flows.build_dataset import build_dataset
    from pipeline.budget import budget_notes
    from pipeline.report import funnel, funnel_table, tokens_per_second
    from pipeline.run import open_run
    from pipeline.yields import strategy_yields, yields_table

    finished_before = (loaded.folder / "funnel.json").is_file() and (loaded.folder / "manifest.jsonl").read_bytes()
    try:
        build_dataset(str(config), changes)
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    run = open_run(loaded.folder)
    if finished_before and finished_before == run.manifest.path.read_bytes():
        out.print("nothing to do: this run is finished")
    out.print(funnel_table(funnel(run)))
    if len({source.strategy for source in loaded.generate.sources}) > 1:
        out.print(yields_table(strategy_yields(run)))
    tokens, rate = tokens_per_second(run)
    speed = f", {rate:,.0f} tokens/s while solving" if rate else ""
    out.print(f"{tokens:,} completion tokens{speed}")
    for note in budget_notes(run):
        out.print(f"stopped by budget: {note}; with a higher budget the same command goes on", soft_wrap=True)
    out.print(next_steps(loaded.folder), soft_wrap=True)


def next_steps(folder: Path) -> str:
    """Say where the files are and what to type next."""
    other = "" if folder.name == "demo" else f" --set 'data=[{folder}]' output=data/students/{folder.name}"
    here = "" if which("gradatim") else f"{os.path.relpath(Path(sys.executable).parent)}/"
    return (
        f"traces:      {folder}/export/sft\n"
        f"GRPO pool:   {folder}/export/grpo\n"
        f"look at it:  {here}gradatim show {folder} --stage traces --n 3\n"
        f"             {here}gradatim show {folder} --stage rejections --n 10\n"
        f"train:       {here}python training/distill.py --config training/configs/demo.yaml{other}"
    )


@app.command()
def show(
    run: RunFolder,
    stage: Annotated[str, typer.Option(help="problems, assessments, traces, rejections or calibration")] = "traces",
    n: Annotated[int, typer.Option("--n", min=1, help="how many rows")] = 5,
) -> None:
    """Print rows of a run for people."""
    from pipeline.run import open_run
    from pipeline.show import show as rows

    for number, text in enumerate(rows(open_run(folder_of(run)), stage, n)):
        out.print("" if number == 0 else "─" * 60)
        out.print(text, soft_wrap=True)


@app.command()
def problems(
    config: ConfigPath,
    output: Annotated[Path, typer.Option(help="JSONL file to write")],
    overrides: Overrides = None,
    without: Annotated[list[Path] | None, typer.Option(help="run folder whose problems must not occur")] = None,
) -> None:
    """Generate and screen the problems of a configuration without any teacher, such as held-out ones (--set seed=…)."""
    from flows.heldout import write_problems

    count = write_problems(load_config(config, overrides or ()), output, without or [])
    out.print(f"{count} problems: {output}")


@models_app.callback()
def models(context: typer.Context) -> None:
    """List the models of the catalogue."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.models import catalogue

    for model in catalogue():
        where = model.path or f"not here yet: gradatim models fetch {model.name}"
        size = f"{model.size_bytes / 1e9:.1f} GB"
        out.print(f"{model.name}  {size}, {model.licence}, {model.source}", soft_wrap=True)
        out.print(f"    {where}", soft_wrap=True)


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(help="a name that `gradatim models` lists")]) -> None:
    """Fetch a model into the cache and say where it is."""
    from pipeline.models import fetch

    folder = fetch(name)
    out.print(f"{folder.name} {folder.revision}\n{folder.path}", soft_wrap=True)


def main() -> None:
    """Run the command. A failure the user can act on is one line; exit 2 for a bad configuration, 1 for the rest."""
    try:
        app()
    except GradatimError as error:
        print(f"gradatim: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) or isinstance(error.__cause__, ConfigError) else 1)


if __name__ == "__main__":
    main()
