"""`gradatim publish` and `gradatim push-model`: make the folder, then put it on the Hub whole. Plain functions; the
flow in publish.py calls the same ones."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from flows.verifier_audit import audit_rows
from flows.writer_prompts import writer_prompts
from pipeline.errors import GradatimError
from pipeline.hub import Head, Pushed, Wait, push
from pipeline.release import CONFIGS, Release, ReleaseOptions, build_release
from pipeline.release_rows import KEYS, ReleaseError
from pipeline.removals import refuse_removals, removed_rows
from pipeline.run import open_run
from pipeline.student_release import student_files

REPO: Final = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")


class BadRepo(GradatimError):
    """A name that cannot be a repository's."""


class Published(NamedTuple):
    """The folder with what is published, and where it is now (None if nothing was sent)."""

    release: Release
    pushed: Pushed | None


def publish_run(
    folder: Path,
    repo: str,
    *,
    private: bool = False,
    configs: Sequence[str] = CONFIGS,
    dry_run: bool = False,
    allow_removal: bool = False,
    licences: Mapping[str, str] | None = None,
    output: Path | None = None,
    wait: Wait | None = None,
) -> Published:
    """Make the release of a finished run (in RUN/release, or `output`) and, unless `dry_run`, put it on the Hub.

    Raises ReleaseError, HubError or RowsWouldGo, in one line; main of the repository is then as it was.
    """
    _check_repo(repo)
    unknown = sorted(set(configs) - set(KEYS))
    if unknown or not configs:
        raise ReleaseError(f"--configs {','.join(configs)}: allowed are {', '.join(CONFIGS)}")
    run = open_run(folder)
    options = ReleaseOptions(
        title=repo,
        configs=tuple(name for name in CONFIGS if name in configs),
        licences=dict(licences or {}),
        audit=audit_rows(run),
        writer_prompts=writer_prompts(run),
    )
    release = build_release(run, output or folder / "release", options)
    if dry_run:
        return Published(release, None)

    def before(head: Head) -> None:
        removed = removed_rows(repo, head, release.folder, release.manifest)
        if not allow_removal:
            refuse_removals(repo, removed)

    more: dict[str, Any] = {"wait": wait} if wait else {}
    files = {path: release.folder / path for path in release.paths}
    pushed = push(repo, "dataset", files, private=private or None, before=before, **more)
    return Published(release, pushed)


def push_student(
    student: Path,
    repo: str,
    *,
    private: bool = False,
    dry_run: bool = False,
    licences: Mapping[str, str] | None = None,
    wait: Wait | None = None,
) -> tuple[list[tuple[str, int]], Pushed | None]:
    """Put a trained student on the Hub with its model card. Returns its files with their sizes, and where they are."""
    _check_repo(repo)
    with TemporaryDirectory(prefix="gradatim-student-") as scratch:
        files = student_files(student, Path(scratch), dict(licences or {}))
        sizes = [(path, file.stat().st_size) for path, file in files.items()]
        if dry_run:
            return sizes, None
        more: dict[str, Any] = {"wait": wait} if wait else {}
        return sizes, push(repo, "model", files, private=private or None, **more)


def _check_repo(repo: str) -> None:
    if not REPO.fullmatch(repo):
        raise BadRepo(f"--repo {repo}: expected name or organisation/name")


def release_text(published: Published) -> str:
    """Say which files there are, with their rows and sizes, and where they are now."""
    release, pushed = published
    lines = [f"{release.folder}:"]
    for file in [*release.manifest["files"], {"path": "manifest.json"}]:
        rows = f"  {file['rows']:,} rows" if "rows" in file else ""
        lines.append(f"  {file['path']}  {(release.folder / file['path']).stat().st_size:,} bytes{rows}")
    licence = " and ".join(release.manifest["licence"]["ids"])
    unknown = [part["what"] for part in release.manifest["licence"]["parts"] if part["licence"] is None]
    lines.append(f"licence: {licence}" + (f"; stated nowhere for {', '.join(unknown)}" if unknown else ""))
    if pushed is None:
        lines.append("nothing was sent")
        return "\n".join(lines)
    lines.append(pushed_text(pushed))
    lines.append(f"check:   gradatim reverify {pushed.repo}")
    return "\n".join(lines)


def pushed_text(pushed: Pushed) -> str:
    """Say which version is where."""
    what = "published" if pushed.changed else "nothing to do: main holds this already"
    return f"{what}: {pushed.repo} {pushed.version} ({pushed.commit[:12]})"
