"""Tables on disk: Parquet files that are either whole or absent.

Everything is written under a temporary name, synced, read back and renamed; a killed process never leaves a
file that looks whole under its final name. Which files count is the manifest's business (manifest.py).
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.records import R, from_table, to_table

ROW_GROUP = 8192
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StoreError(GradatimError):
    """A table that cannot be written or is not what it should be, in one line."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Turn a full disk while the block writes a file into a StoreError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        why = os.strerror(error.errno)
        raise StoreError(f"{path}: {why}; what is finished is kept, with room the same command goes on") from error


def write_records(kind: type[R], rows: Sequence[R], path: Path) -> str:
    """Write records as one Parquet file, atomically. Returns the SHA-256 of its bytes."""
    return write_table(to_table(kind, rows), path)


def write_table(table: pa.Table, path: Path) -> str:
    """Write one Parquet file, atomically. Returns the SHA-256 of its bytes; equal tables give equal bytes."""
    return write_tables([table], table.schema, path)


def write_tables(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> str:
    """Write many tables into one Parquet file as they come, atomically. Returns the SHA-256 of its bytes."""
    with table_writer(schema, path) as write:
        for table in tables:
            write(table)
    return file_digest(path)


@contextmanager
def table_writer(schema: pa.Schema, path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that writes a table into one Parquet file; the file is there, whole, when the block succeeds."""
    with whole_or_absent(path) as temporary:
        written = 0
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:

            def write(table: pa.Table) -> None:
                nonlocal written
                writer.write_table(table, row_group_size=ROW_GROUP)
                written += table.num_rows

            yield write
        rows = pq.ParquetFile(temporary).metadata.num_rows
        if rows != written:
            raise StoreError(f"{path}: wrote {written} rows, the file holds {rows}")


def write_text(text: str, path: Path) -> str:
    """Write a text file the same way. Returns the SHA-256 of its bytes."""
    with whole_or_absent(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file_digest(path)


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; sync and rename when the body succeeds, remove it when it does not."""
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with room_for(path):
            yield temporary
            _sync(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def append_line(handle: IO[bytes], line: bytes, path: Path) -> None:
    """Append a line whole or not at all; the handle is unbuffered. Raises StoreError where the disk is full."""
    before = os.fstat(handle.fileno()).st_size
    rest = line + b"\n"
    with room_for(path):
        try:
            while rest:  # a disk that is nearly full takes a part and says nothing
                rest = rest[handle.write(rest) :]
        except OSError:
            os.ftruncate(handle.fileno(), before)
            raise


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of processes that were killed; only the holder of the folder may do that."""
    for path in folder.rglob(".*.tmp"):
        owner = path.name.split(".")[-2]
        if owner.isdigit() and not _alive(int(owner)):
            path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_records(kind: type[R], path: Path) -> list[R]:
    """Read one Parquet file as records of a kind."""
    return from_table(kind, pq.read_table(path))


def iterate_records(kind: type[R], paths: Sequence[Path]) -> Iterator[R]:
    """Read many files, a batch at a time."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=ROW_GROUP):
            yield from from_table(kind, pa.Table.from_batches([batch], schema=batch.schema))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
