"""Which rows of the version on the Hub a new one would drop: a release may add and correct, not lose in silence."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.hub import Head
from pipeline.release_rows import KEYS
from pipeline.rows import UNREADABLE

SHOWN: Final = 3


class RowsWouldGo(GradatimError):
    """The version on the Hub holds rows that the new one lacks, in one line."""


def removed_rows(repo: str, head: Head, folder: Path, manifest: dict[str, Any]) -> dict[str, list[str]]:
    """Return the keys of the rows that the head holds and the new release does not, by configuration.

    Shards that both hold are not read.
    """
    if head.manifest is None:
        return {}
    own = {file["path"] for file in manifest["files"]}
    found = {}
    for name, key in KEYS.items():
        gone = [file["path"] for file in head.manifest.get("files", ()) if file.get("config") == name]
        gone = [path for path in gone if path not in own and path in head.files]
        if not gone:
            continue
        kept = _keys((folder / f["path"] for f in manifest["files"] if f.get("config") == name), key)
        lost = _keys((_download(repo, path, head.commit) for path in gone), key) - kept
        if lost:
            found[name] = sorted(lost)
    return found


def refuse_removals(repo: str, removed: dict[str, list[str]]) -> None:
    """Raise RowsWouldGo if there are any."""
    if removed:
        counts = ", ".join(f"{len(keys):,} of {name} ({', '.join(keys[:SHOWN])} …)" for name, keys in removed.items())
        raise RowsWouldGo(
            f"{repo}: rows that are published would be dropped: {counts}; --allow-removal drops them (earlier versions "
            "keep them)"
        )


def _download(repo: str, path: str, commit: str) -> Path:
    import httpx
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=commit))
    except (httpx.HTTPError, OSError) as error:  # hf_xet raises built-in errors
        raise RowsWouldGo(f"{repo}: {path} of the published version cannot be read: {type(error).__name__}") from None


def _keys(paths: Iterable[Path], columns: Sequence[str]) -> set[str]:
    keys: set[str] = set()
    for path in paths:
        try:
            rows = pq.read_table(path, columns=list(columns)).to_pylist()
        except (*UNREADABLE, KeyError) as error:
            raise RowsWouldGo(f"{path.name}: cannot be read as a published table: {error}") from None
        keys |= {" / ".join(str(row[name]) for name in columns) for row in rows}
    return keys
