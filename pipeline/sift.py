"""Rows of a file into those kept and those not, for the verbs that filter data people already have.

Kept rows go to the output as they are, all columns, in the format of the input; the others beside it, as
OUTPUT.rejected.jsonl, with why. Streaming; both files are written whole or not at all. What to reject is the caller's.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.progress import Track, track
from pipeline.rows import UNREADABLE, Row, count_rows, missing_column, printable, read_rows, unreadable
from pipeline.store import whole_or_absent, write_tables

BATCH_ROWS: Final = 1024
MAX_SAID: Final = 20
SHOWN_CHARACTERS: Final = 500
BLANK: Final = "expected a question, found only blanks or punctuation"


class SiftProblem(GradatimError):
    """Files that cannot be filtered, in one line."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a row is not kept: the filter's name, the reason in words, the score that decided, and the evidence.

    The filter `broken` means that the row could not be judged.
    """

    filter: str
    reason: str
    score: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


# A row's number, from 1 (in JSONL the line's), and its fields.
Numbered = tuple[int, Mapping[str, Any]]
# Judges a batch of rows in order; None keeps a row.
Judge = Callable[[Sequence[Numbered]], Sequence[Verdict | None]]


@dataclass(slots=True)
class Sifted:
    """Counts: rows in, kept, and not kept by the name of the filter."""

    rows: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


def rejected_path(output: Path) -> Path:
    """Return where the rows go that are not kept."""
    return output.with_name(f"{output.name}.rejected.jsonl")


def counted(number: int, noun: str) -> str:
    """Return "1 row", "2 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def check_names(path: Path, output: Path, against: Sequence[Path] = ()) -> None:
    """Raise SiftProblem, in one line, if `path` cannot be filtered into `output`: another format, or a file that it is
    compared with would be overwritten."""
    shown = printable(str(output))
    if not output.name.endswith((".parquet", ".jsonl", ".jsonl.gz")):
        raise SiftProblem(f"{shown}: expected a name ending in .jsonl, .jsonl.gz or .parquet")
    if path.name.endswith(".parquet") != output.name.endswith(".parquet"):
        raise SiftProblem(f"{shown}: the output has the input's format: both .parquet, or both .jsonl or .jsonl.gz")
    compared = {other.resolve() for other in against}
    for written in (output, rejected_path(output)):
        if written.resolve() in compared:
            raise SiftProblem(
                f"{printable(str(written))}: is a file to compare with and would be overwritten; name another output"
            )


def check_columns(paths: Sequence[Path], *groups: Sequence[str]) -> None:
    """Raise SiftProblem, in one line with the columns there are, unless of each group of columns a file has one."""
    for columns in groups:
        missing = [missing_column(path, columns) for path in paths]
        if missing and missing[0] and all(missing):
            raise SiftProblem(missing[0])


def sift(name: str, path: Path, output: Path, judge: Judge, *, id_column: str = "id") -> Sifted:
    """Filter a JSONL (also gzipped) or Parquet file. A broken row is told on standard error by file and line.

    The names are those that `check_names` lets pass. Raises SiftProblem for an output that cannot be written and for a
    file of which no row could be judged, UnreadableRows for one that cannot be read; nothing is written then.
    """
    counts = Sifted()
    try:
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_or_absent(rejected_path(output)))
            # Half of a surrogate pair has no UTF-8; as \udXXX it is what JSON writes too.
            rejects = stack.enter_context(temporary.open("w", encoding="utf-8", errors="backslashreplace"))
            progress = stack.enter_context(track(name, count_rows(path)))

            def keeps(rows: Sequence[Row], whole: Callable[[int], Any]) -> list[bool]:
                verdicts = _verdicts(rows, judge)
                for number, verdict in enumerate(verdicts):
                    if verdict is not None:
                        _tell(progress, counts, path, rows[number], verdict)
                        print(_line(path, rows[number], verdict, whole(number), id_column), file=rejects)
                counts.rows += len(rows)
                counts.kept += verdicts.count(None)
                progress.advance(len(rows))
                return [verdict is None for verdict in verdicts]

            write = _write_parquet if path.name.endswith(".parquet") else _write_jsonl
            write(path, output, keeps, counts)
            return counts
    except OSError as error:
        raise SiftProblem(f"{printable(str(output))}: cannot be written: {error.strerror or error}") from None


Keeps = Callable[[Sequence[Row], Callable[[int], Any]], list[bool]]


def _write_jsonl(path: Path, output: Path, keeps: Keeps, counts: Sifted) -> None:
    with whole_or_absent(output) as temporary:
        packed = output.name.endswith(".gz")
        with gzip.open(temporary, "wb") if packed else temporary.open("wb") as out:
            rows = read_rows(path)
            while batch := list(islice(rows, BATCH_ROWS)):
                kept = keeps(batch, partial(_reread, batch))
                lines = (row.line or "" for row, stays in zip(batch, kept, strict=True) if stays)
                out.writelines(f"{line}\n".encode() for line in lines)
        _demand_some(path, counts)


def _write_parquet(path: Path, output: Path, keeps: Keeps, counts: Sifted) -> None:
    def tables() -> Iterator[pa.Table]:
        number = 0
        for batch in _batches(path):
            fields = batch.to_pylist()
            rows = [Row(number + place, row) for place, row in enumerate(fields, 1)]
            number += len(rows)
            yield pa.Table.from_batches([batch.filter(pa.array(keeps(rows, fields.__getitem__)))])
        _demand_some(path, counts)

    try:
        schema = pq.read_schema(path)
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    write_tables(tables(), schema, output)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS)
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def _verdicts(rows: Sequence[Row], judge: Judge) -> list[Verdict | None]:
    judged = iter(judge([(row.number, row.fields) for row in rows if row.fields is not None]))
    return [Verdict("broken", row.broken) if row.fields is None else next(judged) for row in rows]


def _tell(progress: Track, counts: Sifted, path: Path, row: Row, verdict: Verdict) -> None:
    counts.rejected[verdict.filter] += 1
    if verdict.filter != "broken":
        return
    if counts.rejected["broken"] <= MAX_SAID:
        progress.say(f"{printable(str(path))}:{row.number}: {verdict.reason}")
    elif counts.rejected["broken"] == MAX_SAID + 1:
        progress.say("there are more broken rows; all of them are among the rejected")


def _line(path: Path, row: Row, verdict: Verdict, whole: Any, id_column: str) -> str:
    place = f"{printable(path.name)}:{row.number}"
    name = None if row.fields is None else row.fields.get(id_column)
    record = {
        "id": place if name is None else str(name),
        "place": place,
        "filter": verdict.filter,
        "reason": verdict.reason,
        "score": verdict.score,
        **verdict.evidence,
        "row": whole,
    }
    return json.dumps(record, default=str, ensure_ascii=False)


def _reread(batch: Sequence[Row], number: int) -> Any:
    """Return what stands in a line, floats as JSON has them; of a broken line its beginning."""
    line = batch[number].line or "null"
    return line[:SHOWN_CHARACTERS] if batch[number].fields is None else json.loads(line)


def _demand_some(path: Path, counts: Sifted) -> None:
    """Refuse a file of which no row could be judged: a wrong column, or a wrong file."""
    if counts.rows and counts.rejected["broken"] == counts.rows:
        raise SiftProblem(
            f"{printable(str(path))}: none of its rows ({counts.rows:,}) could be used; nothing is written"
        )
