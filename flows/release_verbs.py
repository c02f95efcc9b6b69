"""Verbs for what others get to see: publish a run, push a student, check what somebody has published. cli.py puts them
on the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from flows.run_verbs import RunFolder, folder_of
from pipeline.config_files import ConfigError

Repo = Annotated[str, typer.Option(metavar="NAME", help="repository on the Hub: name or organisation/name")]
Private = Annotated[bool, typer.Option("--private", help="make the repository private if it is made")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be sent; no host is contacted")]
Licences = Annotated[
    list[str] | None, typer.Option("--licence", metavar="MODEL=LICENCE", help="licence of a model, as you state it")
]
out = Console(markup=False, highlight=False)


def publish(
    run: RunFolder,
    *,
    repo: Repo,
    private: Private = False,
    configs: Annotated[str, typer.Option(help="tables, separated by commas")] = "sft,grpo,preferences",
    dry_run: DryRun = False,
    allow_removal: Annotated[
        bool, typer.Option("--allow-removal", help="let rows go that the published version has")
    ] = False,
    licence: Licences = None,
    output: Annotated[Path | None, typer.Option(help="folder for the release (default RUN/release)")] = None,
) -> None:
    """Publish a finished run as a dataset on the Hub: one commit, with card and manifest, tagged v1, v2, …"""
    from flows.release_command import publish_run, release_text

    names = [name.strip() for name in configs.split(",") if name.strip()]
    stated = _stated(licence)
    found = publish_run(
        folder_of(run),
        repo,
        private=private,
        configs=names,
        dry_run=dry_run,
        allow_removal=allow_removal,
        licences=stated,
        output=output,
    )
    out.print(release_text(found), soft_wrap=True)


def push_model(
    student: Annotated[Path, typer.Argument(metavar="STUDENT", help="folder of a trained student")],
    *,
    repo: Repo,
    private: Private = False,
    dry_run: DryRun = False,
    licence: Licences = None,
) -> None:
    """Put a trained student on the Hub with its model card and evaluation, in one commit."""
    from flows.release_command import push_student, pushed_text

    files, pushed = push_student(student, repo, private=private, dry_run=dry_run, licences=_stated(licence))
    for name, size in files:
        out.print(f"  {name}  {size:,} bytes", soft_wrap=True)
    out.print("nothing was sent" if pushed is None else pushed_text(pushed), soft_wrap=True)


def reverify(
    place: Annotated[str, typer.Argument(metavar="PATH|REPO", help="release, export, or organisation/name on the Hub")],
    *,
    revision: Annotated[str | None, typer.Option(help="version on the Hub, such as v1")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="rows of each table to verify and filter (default all)")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="benchmark, JSONL or Parquet; repeatable")
    ] = None,
    model: Annotated[str | None, typer.Option(help="measure the difficulty again with this model")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="URL of a server that has it, ending in /v1")] = None,
    completions: Annotated[int, typer.Option(min=1, help="completions per problem for --model")] = 8,
    workers: Annotated[int, typer.Option(min=1, help="verifier workers")] = 2,
) -> None:
    """Check a published set or an export from its own manifest; exit 1 if anything differs."""
    from flows.remeasure import Asked
    from flows.reverify import reverify as check
    from flows.reverify import reverify_text

    own = Path("data/runs") / place
    found = check(
        str(own) if own.is_dir() and not Path(place).exists() else place,
        revision=revision,
        sample=sample,
        against=against or (),
        asked=Asked(model, endpoint or (), completions) if model else None,
        workers=workers,
    )
    out.print(reverify_text(found), soft_wrap=True)
    if not found.equal:
        raise typer.Exit(1)


def _stated(licences: list[str] | None) -> dict[str, str]:
    wrong = next((text for text in licences or () if not all(text.partition("="))), None)
    if wrong is not None:
        raise ConfigError(f"--licence {wrong}: expected MODEL=LICENCE, such as my/model=apache-2.0")
    return {model: licence for model, _, licence in (text.partition("=") for text in licences or ())}


RELEASE_VERBS: Final[dict[str, Callable[..., Any]]] = {
    "publish": publish,
    "push-model": push_model,
    "reverify": reverify,
}
