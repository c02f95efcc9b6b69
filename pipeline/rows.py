"""Rows of a JSONL (also gzipped) or Parquet file, read as a stream.

A line that is no JSON object comes as a Row without fields that says why, and reading goes on; a file that cannot be
read at all raises UnreadableRows. What a row must hold is the caller's business.
"""

import gzip
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".parquet")
MAX_LINE_BYTES: Final = 4 * 2**20
SHOWN_BYTES: Final = 2000
BATCH_ROWS: Final = 1024
QUESTION_COLUMNS: Final = ("question", "problem", "prompt")  # where a question usually is, in order
UNREADABLE: Final = (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException)


class UnreadableRows(GradatimError):
    """A file of rows that cannot be read at all, in one line that names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read: its number from 1 (in JSONL the line's), its fields (None where the line is broken, `broken`
    says what was expected) and, of JSONL, the line itself."""

    number: int
    fields: Mapping[str, Any] | None
    line: str | None = None
    broken: str = ""


def read_rows(path: Path, columns: Collection[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a file in order. Of Parquet only the given columns are read, as far as the file has them.

    Floats of JSONL come as Decimal, so that 0.1 stays 0.1. Raises UnreadableRows.
    """
    try:
        if path.name.endswith(".parquet"):
            yield from _parquet_rows(path, columns)
        elif path.name.endswith(".jsonl.gz"):
            with gzip.open(path, "rb") as packed:
                yield from _jsonl_rows(cast(IO[bytes], packed))
        elif path.name.endswith(".jsonl"):
            with path.open("rb") as handle:
                yield from _jsonl_rows(handle)
        else:
            raise UnreadableRows(f"{printable(str(path))}: expected a file ending in {', '.join(SUFFIXES)}")
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def column_names(path: Path) -> list[str] | None:
    """Return the columns of a Parquet file; None for JSONL, whose rows may differ. Raises UnreadableRows."""
    if not path.name.endswith(".parquet"):
        return None
    try:
        names: list[str] = pq.read_schema(path).names
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    return names


def first_of(fields: Mapping[str, Any], columns: Sequence[str]) -> Any:
    """Return the first value there is in these columns, or None."""
    return next((value for column in columns if (value := fields.get(column)) is not None), None)


def missing_column(path: Path, columns: Sequence[str]) -> str | None:
    """Return, in one line with the columns there are, that a file has none of these; None if it has one, or no rows.

    Of JSONL, rows are read until one has it. Raises UnreadableRows.
    """
    names = column_names(path)
    found = dict.fromkeys(names or ())
    for row in read_rows(path) if names is None else ():
        found.update(dict.fromkeys(row.fields or ()))
        if not found.keys().isdisjoint(columns):
            break
    if not found or not found.keys().isdisjoint(columns):
        return None
    return f"{printable(str(path))}: no column {' or '.join(columns)}; it has: {printable(', '.join(found))[:300]}"


def text_of(fields: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """Return the text in the first of the columns that has one; of messages, as TRL writes prompts, the user's last.

    Half of a surrogate pair, which could not be written down as evidence, becomes "?".
    """
    for column in columns:
        value = fields.get(column)
        if isinstance(value, list):
            turns = [turn.get("content") for turn in value if isinstance(turn, dict) and turn.get("role") == "user"]
            value = turns[-1] if turns else None
        if isinstance(value, str):
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return None


def count_rows(path: Path) -> int | None:
    """Return how many rows a file holds, for a progress bar: lines of JSONL, None if it is packed or unreadable."""
    try:
        if path.name.endswith(".parquet"):
            return int(pq.read_metadata(path).num_rows)
        if path.name.endswith(".jsonl"):
            with path.open("rb") as handle:
                return sum(block.count(b"\n") for block in iter(lambda: handle.read(2**20), b""))
    except UNREADABLE:
        pass
    return None


def exact_rows(path: Path) -> int | None:
    """Return how many rows a file holds, if that is known without reading them: of JSONL no line is taken to be blank,
    so there may be fewer; None if it is packed or unreadable."""
    lines = count_rows(path)
    if not lines or path.name.endswith(".parquet"):
        return lines
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return lines + (handle.read(1) != b"\n")


def unreadable(place: Path | str, error: Exception) -> UnreadableRows:
    """Return, not raise, what to say of a place whose rows cannot be read."""
    return UnreadableRows(f"{printable(str(place))}: cannot be read: {' '.join(str(error).split())[:300]}")


def kind_of(value: object) -> str:
    """Name a value's type as JSON does."""
    names = {bool: "a boolean", str: "text", dict: "an object", list: "a list", type(None): "null"}
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return "a number" if number else names.get(type(value), f"a {type(value).__name__}")


def printable(name: str) -> str:
    """File names may hold line breaks, escape sequences or broken Unicode: put ? for what cannot be shown."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _jsonl_rows(handle: IO[bytes]) -> Iterator[Row]:
    number = 0
    while line := handle.readline(MAX_LINE_BYTES):
        number += 1
        too_long = len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")
        if too_long:
            while (rest := handle.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            shown = line[:SHOWN_BYTES].decode("utf-8", "replace")
            yield Row(number, None, shown, f"expected a line of at most {MAX_LINE_BYTES:,} bytes")
        elif line.strip():
            yield _parsed(number, line)


def _parsed(number: int, line: bytes) -> Row:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError:
        return Row(number, None, line.decode("utf-8", "replace").strip(), "expected UTF-8 text")
    try:
        fields = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        return Row(number, None, text, f"expected a JSON object, found no JSON: {error}")
    if not isinstance(fields, dict):
        return Row(number, None, text, f"expected a JSON object, found {kind_of(fields)}")
    return Row(number, fields, text)


def _parquet_rows(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
        number = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            for fields in batch.to_pylist():
                number += 1
                yield Row(number, fields)
