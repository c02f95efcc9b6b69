"""Rows that no run has exported: JSONL and Parquet files, and datasets of the Hugging Face Hub, by split.

Only reads; what a row must look like is said in exports.py.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.store import file_digest

HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
HUB_FILES: Final = ("*.parquet", "*.jsonl", "*.json", "*.md")
Splits = dict[str, list[dict[str, Any]]]


class ExportError(GradatimError):
    """Training data that cannot be used, in one line that says what to do."""


def is_hub_id(source: Path) -> bool:
    """Tell whether a source can only be a dataset on the Hub: organisation/name, and nothing here has that path."""
    return not source.exists() and HUB_ID.fullmatch(str(source)) is not None


def hub_folder(source: Path) -> Path:
    """Return the folder of a Hub dataset, named like its commit; what is cached serves without the Hub."""
    import httpx
    from huggingface_hub import snapshot_download

    name, _, revision = str(source).partition("@")
    try:
        return Path(
            snapshot_download(name, repo_type="dataset", revision=revision or None, allow_patterns=list(HUB_FILES))
        )
    except (httpx.HTTPError, OSError) as error:  # hf_xet raises built-in errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{source}: no such folder or file here, and the Hub does not give it ({reason})") from None


def foreign_splits(path: Path) -> tuple[Splits, str]:
    """Return the rows of a file (all to train on) or of a Hub dataset's folder (train, validation), and their hash."""
    if path.is_dir():
        return _hub_splits(path), path.name
    if path.suffix == ".parquet":
        try:
            return {"train": pq.read_table(path).to_pylist()}, file_digest(path)
        except pa.ArrowException as error:
            raise ExportError(f"{path}: not Parquet ({error})") from None
    lines = path.read_text(encoding="utf-8").splitlines()
    return {"train": [_line(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]}, file_digest(path)


def _line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise ExportError(f"{path}:{number}: not JSON") from None
    if not isinstance(row, dict):
        raise ExportError(f"{path}:{number}: a JSON object expected")
    return row


def _hub_splits(folder: Path) -> Splits:
    from datasets import load_dataset

    try:
        found = load_dataset(str(folder))
    except (ValueError, OSError) as error:
        raise ExportError(f"{folder}: not a dataset ({str(error).splitlines()[0]})") from None
    return {name: found[name].to_list() for name in ("train", "validation") if name in found}
