"""Tables are whole or absent, ids are of the content, and any reader opens them."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import (
    SCHEMAS,
    Completion,
    Message,
    Problem,
    Provenance,
    Record,
    Rejection,
    Trace,
    content_id,
    from_table,
    make_problem,
    to_table,
)
from pipeline.store import StoreError, iterate_records, read_records, write_records, write_tables

PROBLEM = make_problem(
    "What is $1 + 1$?",
    "2",
    answer_type="integer",
    domain="arithmetic",
    family="sums",
    level=1,
    strategy="template",
    provenance=Provenance("template/sums", "1", seed=0, index=3, parents=("abc",)),
)
COMPLETION = Completion("c", PROBLEM.id, "m", "r", "boxed/1", "{}", 0, None, "\\boxed{2}", "stop", 5, 7, "vllm", "1")
TRACE = Trace(PROBLEM.id, "c", (Message("user", "q"), Message("assistant", "a")), ("sums",), 5, 7, "shortest")
REJECTION = Rejection(PROBLEM.id, "screen", "near duplicate", "words of another", 0.9, '{"duplicate_of":"x"}')


@pytest.mark.parametrize("record", [PROBLEM, COMPLETION, TRACE, REJECTION], ids=lambda r: type(r).__name__)
def test_round_trip_through_a_file(tmp_path: Path, record: Record) -> None:
    path = tmp_path / "rows.parquet"
    write_records(type(record), [record, record], path)
    assert read_records(type(record), path) == [record, record]
    assert list(iterate_records(type(record), [path, path])) == [record] * 4
    assert pq.read_schema(path).equals(SCHEMAS[type(record)])
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_datasets_opens_a_table_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_records(Problem, [PROBLEM], path)
    loaded = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded[0]["question"] == PROBLEM.question
    assert loaded[0]["provenance"]["parents"] == ["abc"]


def test_an_empty_table_keeps_its_schema(tmp_path: Path) -> None:
    write_records(Trace, [], tmp_path / "rows.parquet")
    assert pq.read_schema(tmp_path / "rows.parquet").equals(SCHEMAS[Trace])


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    first = write_records(Problem, [PROBLEM], tmp_path / "a.parquet")
    assert write_records(Problem, [PROBLEM], tmp_path / "b.parquet") == first
    assert write_records(Problem, [replace(PROBLEM, level=2)], tmp_path / "c.parquet") != first


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_records(Problem, [PROBLEM], path)

    def tables() -> list[pa.Table]:
        raise StoreError("disk full")

    with pytest.raises(StoreError):
        write_tables((table for _ in range(1) for table in tables()), SCHEMAS[Problem], path)
    assert read_records(Problem, path) == [PROBLEM]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Problem table lacks the column\\(s\\) answer"):
        from_table(Problem, to_table(Problem, [PROBLEM]).drop_columns(["answer"]))


def test_the_id_is_of_what_is_asked_and_how_it_is_judged() -> None:
    def problem(question: str = "q", answer: str = "1", tolerance: float | None = None, seed: int = 0) -> Problem:
        provenance = Provenance("g", "1", seed=seed)
        return make_problem(
            question, answer, tolerance=tolerance, domain="d", family="f", strategy="template", provenance=provenance
        )

    assert problem().id == problem(seed=9).id
    assert len({problem().id, problem("r").id, problem(answer="2").id, problem(tolerance=0.1).id}) == 4


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_ids_tell_fields_apart(parts: list[str]) -> None:
    joined = content_id("k", "".join(parts))
    assert content_id("k", *parts) != joined
    assert content_id("k", *parts) == content_id("k", *parts)
