"""Imported sets: good rows become problems, every kind of broken row a rejection that says where and why."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generators.imported import MAX_CHARACTERS, ImportProblem, read_imported
from pipeline.records import Problem, Rejection, to_table
from pipeline.rows import MAX_LINE_BYTES
from pipeline.sources import Columns, ImportedSource

GSM8K = Path(__file__).parent.parent / "data" / "gsm8k_excerpt.jsonl"
GOOD = '{"question": "What is 2 + 3?", "answer": 5}'


def source(path: Path, **settings: Any) -> ImportedSource:
    return ImportedSource(strategy="imported", path=path, **settings)


def accept(problem: Problem) -> str | None:
    return None


def read(
    settings: ImportedSource, check: Callable[[Problem], str | None] = accept
) -> tuple[list[Problem], list[Rejection]]:
    records = list(read_imported(settings, check))
    return [r for r in records if isinstance(r, Problem)], [r for r in records if isinstance(r, Rejection)]


def jsonl(folder: Path, *lines: str | bytes, name: str = "set.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


def test_gsm8k_is_read_whole() -> None:
    problems, rejections = read(source(GSM8K, answer_after="####", answer_type="integer", licence="MIT", domain="word"))
    assert not rejections
    assert [p.answer for p in problems][:4] + [p.answer for p in problems][-5:] == [
        *("72", "10", "5", "42"),
        *("1,080", "850,000", "2,250", "10,000", "-7"),
    ]
    first = problems[0]
    assert first.question.startswith("Natalia sold clips to 48") and first.strategy == "imported"
    assert (first.verifier, first.answer_type, first.domain, first.family) == (
        *("math", "integer", "word"),
        "gsm8k_excerpt",
    )
    assert (first.provenance.source, first.provenance.licence) == ("gsm8k_excerpt.jsonl:1", "MIT")
    assert len({p.id for p in problems}) == 20 and problems[-1].provenance.source == "gsm8k_excerpt.jsonl:20"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("27", "27"),
        ("27.0", "27"),
        ("0.1", "0.1"),
        ("-0.0", "0"),
        ("-3.50", "-3.5"),
        ("1e3", "1000"),
        ("2.5e-3", "0.0025"),
        ("100", "100"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("true", "true"),
        ("false", "false"),
        ('" x + 1 "', "x + 1"),
        ('"27.0"', "27.0"),
    ],
)
def test_gold_becomes_text_exactly(tmp_path: Path, value: str, expected: str) -> None:
    problems, rejections = read(source(jsonl(tmp_path, f'{{"question": "Q?", "answer": {value}}}')))
    assert not rejections and [p.answer for p in problems] == [expected]


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("not json", "set.jsonl:2", "expected a JSON object"),
        ('{"question": "cut off', "set.jsonl:2", "expected a JSON object"),
        ("[" * 100_000, "set.jsonl:2", "expected a JSON object"),
        ('{"answer": ' + "9" * 5000 + "}", "set.jsonl:2", "expected a JSON object"),
        ('{"answer": 1e99999999999999999999}', "set.jsonl:2", "expected a JSON object"),
        ("[1, 2]", "set.jsonl:2", "expected a JSON object, found a list"),
        (b'{"question": "caf\xe9", "answer": "1"}', "set.jsonl:2", "expected UTF-8"),
        ('{"answer": "5"}', "question", "the field is missing"),
        ('{"question": "Q?"}', "answer", "the field is missing"),
        ('{"question": null, "answer": "5"}', "question", "found null"),
        ('{"question": "  ", "answer": "5"}', "question", "found an empty text"),
        ('{"question": 7, "answer": "5"}', "question", "expected text, found a number"),
        ('{"question": ["Q?"], "answer": "5"}', "question", "expected text, found a list"),
        ('{"question": "Q?", "answer": ""}', "answer", "found an empty text"),
        ('{"question": "Q?", "answer": null}', "answer", "found null"),
        ('{"question": "Q?", "answer": {"value": 5}}', "answer", "found an object"),
        ('{"question": "Q?", "answer": NaN}', "answer", "at most 100 digits"),
        ('{"question": "Q?", "answer": 1e999999}', "answer", "at most 100 digits"),
        ('{"question": "\\ud800?", "answer": "5"}', "question", "surrogate"),
        (json.dumps({"question": "x" * (MAX_CHARACTERS + 1), "answer": "5"}), "question", "at most 20,000 characters"),
        ('"' + "x" * MAX_LINE_BYTES + '"', "set.jsonl:2", "bytes"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_a_broken_row_is_rejected_and_the_run_goes_on(
    tmp_path: Path, line: str | bytes, field: str, expected: str
) -> None:
    problems, rejections = read(source(jsonl(tmp_path, GOOD, line, GOOD)))
    assert [p.provenance.source for p in problems] == ["set.jsonl:1", "set.jsonl:3"]
    (rejection,) = rejections
    assert (rejection.record_id, rejection.stage, rejection.filter) == ("set.jsonl:2", "generate", "import")
    assert rejection.reason.startswith("set.jsonl:2: ") and field in rejection.reason and expected in rejection.reason
    evidence = json.loads(rejection.evidence)["line"]
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    assert evidence and text.startswith(evidence) and len(evidence) <= 500
    to_table(Rejection, rejections)  # what is rejected can be stored


def test_gold_after_the_last_mark(tmp_path: Path) -> None:
    rows = ["#### 3 no, #### 1,000 ", "no mark", "####  ", 7]
    path = jsonl(tmp_path, *(json.dumps({"question": f"Q{i}?", "answer": a}) for i, a in enumerate(rows)))
    problems, rejections = read(source(path, answer_after="####"))
    assert [p.answer for p in problems] == ["1,000"]
    assert [r.record_id for r in rejections] == ["set.jsonl:2", "set.jsonl:3", "set.jsonl:4"]
    assert "'####', which is not there" in rejections[0].reason and "found nothing" in rejections[1].reason


def test_a_refused_gold_is_rejected_with_the_verifiers_reason(tmp_path: Path) -> None:
    path = jsonl(tmp_path, GOOD, '{"question": "Q?", "answer": "somewhere"}')
    problems, rejections = read(source(path), lambda p: None if p.answer == "5" else "not a number")
    assert [p.answer for p in problems] == ["5"]
    assert rejections[0].reason == "set.jsonl:2: answer: expected an answer the verifier can read: not a number"


def test_columns_are_mapped_and_a_duplicate_id_is_rejected(tmp_path: Path) -> None:
    rows = [{"uid": uid, "task": f"Task {n}", "gold": "1", "question": "no"} for n, uid in enumerate([7, "8", "7", 9])]
    del rows[3]["uid"]
    columns = Columns(question="task", answer="gold", id="uid")
    settings = source(jsonl(tmp_path, *map(json.dumps, rows)), columns=columns, family="mine")
    problems, rejections = read(settings)
    assert [(p.question, p.family, p.provenance.parameters) for p in problems] == [
        ("Task 0", "mine", '{"id":"7"}'),
        ("Task 1", "mine", '{"id":"8"}'),
    ]
    assert [r.reason for r in rejections] == [
        "set.jsonl:3: uid: expected a new id, '7' came before",
        "set.jsonl:4: uid: expected text or a number, the field is missing",
    ]


@pytest.mark.parametrize("column", ["question", "answer", "id"])
def test_a_column_that_no_row_has_stops_the_import(tmp_path: Path, column: str) -> None:
    columns = Columns(**{"question": "b", "answer": "b", "id": "b", column: "wanted"})
    for path in (jsonl(tmp_path, '{"a": "1"}', "broken", '{"b": "2"}'), parquet(tmp_path, {"a": ["1"], "b": ["2"]})):
        with pytest.raises(ImportProblem) as caught:
            read(source(path, columns=columns))
        assert str(caught.value) == f"{path}: no column wanted; it has: a, b"


def test_a_column_that_comes_late_is_no_missing_column(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *['{"question": "Q?"}'] * 99, GOOD)
    problems, rejections = read(source(path))
    assert len(problems) == 1 and len(rejections) == 99


def parquet(folder: Path, columns: dict[str, Any], name: str = "set.parquet") -> Path:
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_and_gzip_give_the_same_problems(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"question": f"What is {i} + 1?", "answer": float(i + 1)} for i in range(2500)]
    rows[1200]["question"] = None
    columns = {name: [row[name] for row in rows] for name in ("question", "answer")}
    packed = tmp_path / "set.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    plain = read(source(jsonl(tmp_path, *map(json.dumps, rows))))
    for path in (packed, parquet(tmp_path, {**columns, "unused": [b"x"] * 2500})):
        problems, rejections = read(source(path))
        assert [(p.id, p.family) for p in problems] == [(p.id, "set") for p in plain[0]]
        assert [r.record_id for r in rejections] == [f"{path.name}:1201"]
        assert "question: expected text, found null" in rejections[0].reason
        assert problems[-1].answer == "2500" and problems[-1].provenance.source == f"{path.name}:2500"


def test_parquet_decimals_and_types_that_are_no_answer(tmp_path: Path) -> None:
    problems, _ = read(source(parquet(tmp_path, {"question": ["Q?"], "answer": [Decimal("1.50")]})))
    assert problems[0].answer == "1.5"
    _, rejections = read(source(parquet(tmp_path, {"question": ["Q?"], "answer": [[1, 2]]})))
    assert "answer: expected text, a number or a boolean, found a list" in rejections[0].reason
    assert json.loads(rejections[0].evidence) == {"line": '{"question": "Q?", "answer": [1, 2]}'}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.jsonl", None),
        ("broken.parquet", b"PAR1 and nothing else"),
        ("broken.jsonl.gz", b"not gzip"),
        ("cut.jsonl.gz", gzip.compress(GOOD.encode() * 1000, mtime=0)[:40]),
        ("table.csv", b"question,answer"),
    ],
)
def test_an_unreadable_file_stops_the_import_in_one_line(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImportProblem) as caught:
        read(source(path))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_limit_counts_rows_good_and_bad(tmp_path: Path) -> None:
    path = jsonl(tmp_path, GOOD, "broken", "", GOOD, GOOD)
    problems, rejections = read(source(path, limit=3))
    assert [p.provenance.source for p in problems] == ["set.jsonl:1", "set.jsonl:4"] and len(rejections) == 1


def test_a_hostile_file_name_is_only_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    path = jsonl(folder, GOOD, "broken", name="a\n\x1b[31m\udcff$(id).jsonl")
    problems, rejections = read(source(path))
    assert problems[0].provenance.source == "a??[31m?$(id).jsonl:1" and problems[0].family == "a??[31m?$(id)"
    assert "secret" not in repr(problems) + repr(rejections)
    to_table(Problem, problems)
    with pytest.raises(ImportProblem) as caught:
        read(source(path, columns=Columns(question="q")))
    assert "\n" not in str(caught.value)


def test_reading_is_a_stream(tmp_path: Path) -> None:
    row = json.dumps({"question": "Q " + "x" * 1000, "answer": "1"})
    path = jsonl(tmp_path, *[row] * 20_000)
    tracemalloc.start()
    count = sum(1 for _ in read_imported(source(path), accept))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000 and peak < 5 * 2**20


def test_a_dataset_is_streamed_through_the_datasets_library(tmp_path: Path) -> None:
    folder = tmp_path / "little-set"
    folder.mkdir()
    jsonl(folder, GOOD, '{"question": null, "answer": 1}', name="train.jsonl")
    settings = ImportedSource(strategy="imported", dataset=str(folder), revision="abc123", licence="MIT")
    problems, rejections = read(settings)
    assert [(p.question, p.answer, p.family) for p in problems] == [("What is 2 + 3?", "5", "little-set")]
    assert problems[0].provenance.source == "little-set@abc123:0"
    assert [r.record_id for r in rejections] == ["little-set@abc123:1"]
    with pytest.raises(ImportProblem, match="no column gold; it has: question, answer"):
        read(settings.model_copy(update={"columns": Columns(answer="gold")}))
    with pytest.raises(ImportProblem, match="cannot be read"):
        read(settings.model_copy(update={"split": "nowhere"}))


def test_revision_and_configuration_reach_the_datasets_library(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def load(*names: Any, **settings: Any) -> list[dict[str, Any]]:
        calls.append((names, settings))
        return [{"question": "Q?", "answer": "#### 1"}]

    monkeypatch.setattr("datasets.load_dataset", load)
    settings = ImportedSource(
        strategy="imported", dataset="openai/gsm8k", dataset_config="main", split="test", revision="e53f048"
    )
    problems, _ = read(settings.model_copy(update={"answer_after": "####"}))
    assert calls == [(("openai/gsm8k", "main"), {"split": "test", "revision": "e53f048", "streaming": True})]
    assert problems[0].provenance.source == "openai/gsm8k@e53f048:0" and problems[0].family == "openai/gsm8k"
