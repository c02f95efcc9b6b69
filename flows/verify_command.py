"""`gradatim verify`: verdicts for a file of cases or of (question, answer, completion) rows.

One verdict a row, in the order of the rows, as JSON lines; a row that cannot be judged is reported with its place and
the rest is judged all the same. Progress and the summary go to standard error, only verdicts to standard output.
"""

import json
import math
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.progress import track
from pipeline.records import ANSWER_TYPES, VERDICTS
from pipeline.verifiers import VERIFIERS, VERSION
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import configure

Row = dict[str, Any]
Report = Callable[[str], None]
AHEAD: Final = 256  # rows in flight: enough to keep all workers busy behind a slow one
THREADS_PER_WORKER: Final = 4  # rows that need no worker overtake those that wait for one


class VerifyError(GradatimError):
    """A file that cannot be read at all, in one line."""


class Summary(NamedTuple):
    """How many rows got which verdict, and how many could not be judged."""

    verdicts: Counter[str]
    broken: int

    def __str__(self) -> str:
        counts = ", ".join(f"{self.verdicts[name]:,} {name}" for name in VERDICTS)
        return f"{self.verdicts.total():,} rows verified: {counts}; {self.broken:,} could not be read"


def verify_file(path: Path, output: Path | None, *, workers: int, deadline: float) -> Summary:
    """Verify all rows of a file; verdicts go to `output` (whole or not at all), or to standard output as they come."""
    counts: Counter[str] = Counter()
    broken = 0

    def report(line: str) -> None:
        nonlocal broken
        broken += 1
        print(line, file=sys.stderr)

    with _writing(output) as out:  # before the progress bar, which takes standard output's place
        for row, verdict in verdicts(path, report, workers=workers, deadline=deadline):
            record = {**verdict, "verifier": row["verifier"], "verifier_version": VERSION}
            print(json.dumps(record, default=str), file=out, flush=output is None)
            counts[verdict["verdict"]] += 1
    return Summary(counts, broken)


def verdicts(path: Path, report: Report, *, workers: int, deadline: float) -> Iterator[tuple[Row, Row]]:
    """Yield every readable row with its verdict, in order; `report` hears about the others."""
    configure(workers=workers, deadline=deadline)
    waiting: deque[tuple[Row, Future[Row]]] = deque()
    with (
        ThreadPoolExecutor(workers * THREADS_PER_WORKER) as threads,
        track("verify", count_rows(path)) as progress,
    ):
        for place, found in read_rows(path):
            fault = found if isinstance(found, str) else row_fault(found)
            if isinstance(found, str) or fault is not None:
                report(f"{path}:{place}: {fault}")
                progress.advance()
                continue
            name = place if found.get("id") is None else found["id"]
            row = {**found, "id": name, "verifier": found.get("verifier") or "math"}
            waiting.append((row, threads.submit(_verdict, row)))
            while len(waiting) > AHEAD or (waiting and waiting[0][1].done()):
                yield _next(waiting)
                progress.advance()
        while waiting:
            yield _next(waiting)
            progress.advance()


def _verdict(row: Row) -> Row:
    (verdict,) = verify_rows([row])
    return verdict


def _next(waiting: deque[tuple[Row, Future[Row]]]) -> tuple[Row, Row]:
    row, future = waiting.popleft()
    return row, future.result()


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    """Give standard output, or a temporary file that takes the name of `output` when the body succeeds."""
    if output is None:
        yield sys.stdout
        return
    if output.is_dir():
        raise VerifyError(f"{output} is a folder, a file is expected")
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(output)
    except OSError as error:
        raise VerifyError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def count_rows(path: Path) -> int:
    """Return how many rows a file holds. Raises VerifyError where it cannot be read."""
    try:
        if is_parquet(path):
            return int(pq.ParquetFile(path).metadata.num_rows)
        with path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except OSError as error:
        raise VerifyError(f"{path} cannot be read: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise VerifyError(f"{path} cannot be read as Parquet: {error}") from error


def is_parquet(path: Path) -> bool:
    """Tell by the file's first bytes, whatever it is called."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    """Yield each row with its place, counted from 1 (the line of a JSONL file), or with what is wrong with it."""
    if is_parquet(path):
        batches = pq.ParquetFile(path).iter_batches(batch_size=256)
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _read_line(line.removeprefix(b"\xef\xbb\xbf"))


def _read_line(line: bytes) -> Row | str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "not UTF-8"
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else "a JSON object is expected"


FIELDS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "completion": (lambda v: isinstance(v, str), "a text"),
    "answer": (lambda v: v is None or isinstance(v, str), "a text or null"),
    "question": (lambda v: v is None or isinstance(v, str), "a text or null"),
    "verifier": (lambda v: v is None or v in VERIFIERS, f"one of {', '.join(VERIFIERS)}"),
    "answer_type": (lambda v: v is None or v in ANSWER_TYPES, f"one of {', '.join(ANSWER_TYPES)}, or null"),
    "finish_reason": (lambda v: v is None or isinstance(v, str), "a text such as stop or length, or null"),
    "tolerance": (lambda v: v is None or _is_tolerance(v), "a number from 0 on, or null"),
}


def _is_tolerance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def row_fault(row: Row) -> str | None:
    """Return why a row cannot be judged, naming the field and what was expected, or None."""
    missing = [name for name in ("completion", "answer") if name not in row]
    if missing:
        return f"the field {missing[0]} is missing"
    for name, (is_right, wanted) in FIELDS.items():
        value = row.get(name)
        if name in row and (isinstance(value, list | dict) or not is_right(value)):
            return f"{name}: {wanted} expected, got {json.dumps(value, default=str)[:80]}"
    return None
