"""Problems from an existing set: JSONL (also gzipped), Parquet, or a dataset on the Hub, read as a stream.

A row that cannot be used becomes a Rejection that names file, line, field and what was expected, and the run goes on;
a whole missing column or an unreadable file raises ImportProblem. Whether a gold answer can be read is the verifier's
business: `check_gold` comes from the caller.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from pipeline.errors import GradatimError
from pipeline.records import Problem, Provenance, Rejection, canonical_json, make_problem
from pipeline.rows import (
    SUFFIXES,
    UNREADABLE,
    Row,
    UnreadableRows,
    column_names,
    kind_of,
    printable,
    read_rows,
    unreadable,
)
from pipeline.sources import ImportedSource

VERSION: Final = "1"
MAX_CHARACTERS: Final = 20_000
MAX_DIGITS: Final = 100
EVIDENCE_CHARACTERS: Final = 500
LOOK_AHEAD: Final = 100


class ImportProblem(GradatimError):
    """A set that cannot be read at all, in one line."""


class _BadRow(Exception):
    """Why one row cannot be used: the field and what was expected."""


def read_imported(source: ImportedSource, check_gold: Callable[[Problem], str | None]) -> Iterator[Problem | Rejection]:
    """Yield a Problem or a Rejection for each row of a set, in its order.

    `check_gold` returns why the verifier cannot read a problem's answer, or None. Raises ImportProblem, in one line,
    for an unreadable file or a column that none of the first rows has.
    """
    place = _place(source)
    rows = islice(_rows(source), source.limit)
    first = list(islice(rows, LOOK_AHEAD))
    _demand_columns(source, first)
    seen: set[bytes] = set()
    for row in chain(first, rows):
        where = f"{place}:{row.number}"
        try:
            problem = _problem(source, row, where, seen)
            refused = check_gold(problem)
            if refused is not None:
                raise _BadRow(f"{source.columns.answer}: expected an answer the verifier can read: {refused}")
        except _BadRow as bad:
            yield _rejection(row, where, str(bad))
        else:
            yield problem


def _rejection(row: Row, where: str, why: str) -> Rejection:
    line = row.line if row.line is not None else json.dumps(row.fields, default=str)
    evidence = canonical_json({"line": line[:EVIDENCE_CHARACTERS]})
    return Rejection(where, "generate", "import", f"{where}: {why}", evidence=evidence)


def _problem(source: ImportedSource, row: Row, where: str, seen: set[bytes]) -> Problem:
    if row.fields is None:
        raise _BadRow(row.broken)
    columns = source.columns
    own_id = None if columns.id is None else _own_id(row.fields, columns.id, seen)
    return make_problem(
        _question(row.fields, columns.question),
        _gold(row.fields, columns.answer, source.answer_after),
        verifier=source.verifier,
        answer_type=source.answer_type,
        domain=source.domain,
        family=source.family or _family(source),
        strategy="imported",
        provenance=Provenance(
            generator="imported",
            generator_version=VERSION,
            index=row.number,
            parameters=canonical_json({} if own_id is None else {"id": own_id}),
            source=where,
            licence=source.licence,
        ),
    )


def _own_id(fields: Mapping[str, Any], column: str, seen: set[bytes]) -> str:
    own_id = _text(fields, column, "text or a number")
    digest = blake2b(own_id.encode(), digest_size=12).digest()
    if digest in seen:
        raise _BadRow(f"{column}: expected a new id, {own_id[:80]!r} came before")
    seen.add(digest)
    return own_id


def _question(fields: Mapping[str, Any], column: str) -> str:
    if not isinstance(fields.get(column), str | None):
        raise _BadRow(f"{column}: expected text, found {kind_of(fields[column])}")
    return _text(fields, column, "text")


def _gold(fields: Mapping[str, Any], column: str, mark: str | None) -> str:
    whole = _text(fields, column, "text, a number or a boolean")
    if mark is None:
        return whole
    _, found, gold = whole.rpartition(mark)
    if not found:
        raise _BadRow(f"{column}: expected the answer after the mark {mark!r}, which is not there")
    if not gold.strip():
        raise _BadRow(f"{column}: expected the answer after the last mark {mark!r}, found nothing")
    return gold.strip()


def _text(fields: Mapping[str, Any], column: str, expected: str) -> str:
    """Return a field as text; numbers and booleans are written exactly, 27.0 as "27"."""
    if column not in fields:
        raise _BadRow(f"{column}: expected {expected}, the field is missing")
    value = fields[column]
    text = value.strip() if isinstance(value, str) else _scalar(value, column, expected)
    if not text:
        raise _BadRow(f"{column}: expected {expected}, found an empty text")
    if len(text) > MAX_CHARACTERS:
        raise _BadRow(f"{column}: expected at most {MAX_CHARACTERS:,} characters, found {len(text):,}")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise _BadRow(f"{column}: expected Unicode text, found half of a surrogate pair")
    return text


def _scalar(value: object, column: str, expected: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float | Decimal):
        raise _BadRow(f"{column}: expected {expected}, found {kind_of(value)}")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    # Writing out 1e999999999 would fill the memory.
    if not number.is_finite() or (number and abs(number.adjusted()) > MAX_DIGITS):
        raise _BadRow(f"{column}: expected a number of at most {MAX_DIGITS} digits, found one that is not")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if number == 0 else text


def _demand_columns(source: ImportedSource, rows: list[Row]) -> None:
    """Raise ImportProblem for a mapped column that no readable row among the first has."""
    readable = [row.fields for row in rows if row.fields is not None]
    columns = list(dict.fromkeys(name for fields in readable for name in fields))
    for column in _mapped(source):
        if readable and column is not None and column not in columns:
            raise _no_column(_location(source), column, columns)


def _mapped(source: ImportedSource) -> tuple[str | None, ...]:
    return (source.columns.question, source.columns.answer, source.columns.id)


def _no_column(location: str, column: str, columns: list[str]) -> ImportProblem:
    shown = ", ".join(printable(name)[:40] for name in columns[:30]) or "none"
    return ImportProblem(f"{location}: no column {column}; it has: {shown}")


def _rows(source: ImportedSource) -> Iterator[Row]:
    if source.path is None:
        yield from _hub_rows(source)
        return
    mapped = [column for column in _mapped(source) if column is not None]
    try:
        names = column_names(source.path)
        for column in mapped:
            if names is not None and column not in names:
                raise _no_column(_location(source), column, names)
        yield from read_rows(source.path, mapped)
    except UnreadableRows as error:
        raise ImportProblem(str(error)) from None


def _hub_rows(source: ImportedSource) -> Iterator[Row]:
    """Stream a dataset; rows are numbered from 0, as the dataset itself numbers them."""
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        rows = datasets.load_dataset(
            source.dataset, source.dataset_config, split=source.split, revision=source.revision, streaming=True
        )
        for number, fields in enumerate(rows):
            yield Row(number, fields)
    except (*UNREADABLE, ValueError, DatasetsError) as error:
        raise ImportProblem(str(unreadable(_location(source), error))) from None


def _place(source: ImportedSource) -> str:
    """Where rows come from, for provenance: a file's bare name, or dataset@revision."""
    if source.path is not None:
        return printable(source.path.name)
    return f"{_dataset_name(source)}@{printable(source.revision or 'main')}"


def _location(source: ImportedSource) -> str:
    """Where rows come from, for an error message: here the whole path helps."""
    return printable(str(source.path or source.dataset))


def _family(source: ImportedSource) -> str:
    if source.path is None:
        return _dataset_name(source)
    name = source.path.name
    return printable(next((name.removesuffix(s) for s in reversed(SUFFIXES) if name.endswith(s)), name))


def _dataset_name(source: ImportedSource) -> str:
    """The Hub id; of a local folder only its name, as provenance must mean the same on every machine."""
    dataset = Path(str(source.dataset))
    return printable(dataset.name if dataset.exists() else str(dataset))
