"""`gradatim dedup` as a plain function: files in, kept and rejected rows out, nothing lost, nothing changed."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.dedup import EarlierDatasetProblem
from filters.near import RensaSketches
from filters.questions import QuestionColumns
from flows.dedup_command import Keep, Summary, dedup_file
from pipeline.config import NearDuplicates
from pipeline.rows import UnreadableRows
from pipeline.sift import SiftProblem

STORY = (
    "A farmer packs 12 crates of apples in the morning and 30 crates of pears in the afternoon. Each crate weighs the "
    "same, and the lorry can carry no more than 9 tonnes. How many crates does the farmer pack on that day altogether?"
)
USUAL = "question or problem or prompt"
NEAR = STORY.replace("altogether", "in total")
ROWS: list[dict[str, Any]] = [
    {"id": "a", "question": STORY, "answer": None, "more": [1.5, {"x": "ü"}]},
    {"id": "b", "question": "What is 2 + 3?", "answer": "5", "more": None},
    {"id": "c", "question": NEAR, "answer": "42", "more": None},
    {"id": "d", "question": "what is 2+3", "answer": "6", "more": None},
    {"id": "e", "question": STORY.replace("30", "31"), "answer": "43", "more": None},
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "cache"))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([{**row, "more": json.dumps(row.get("more"))} for row in rows]), path)
        return path
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def run(
    path: Path, rows: list[dict[str, Any]], **settings: Any
) -> tuple[Summary, list[str], dict[str, dict[str, Any]]]:
    """The summary, the ids kept, and the others by their ids."""
    output = path.with_name(f"out-{path.name}")
    summary = dedup_file(write(path, rows), output, **settings)
    rejected = read(output.with_name(f"{output.name}.rejected.jsonl"))
    kept = [row["id"] for row in read(output)]
    assert summary.counts.rows == len(kept) + len(rejected) == summary.counts.kept + len(rejected)
    return summary, kept, {row["id"]: row for row in rejected}


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.parquet"])
@pytest.mark.parametrize(
    ("keep", "expected", "matched"),
    [("first", ["a", "b", "e"], {"c": "a", "d": "b"}), ("best", ["b", "c", "e"], {"a": "c", "d": "b"})],
)
def test_kept_and_rejected(tmp_path: Path, name: str, keep: Keep, expected: list[str], matched: dict[str, str]) -> None:
    path = tmp_path / name
    summary, kept, rejected = run(path, ROWS, keep=keep)
    assert kept == expected and {name: row["matched_id"] for name, row in rejected.items()} == matched
    questions = {row["id"]: row["question"] for row in ROWS}
    for row in rejected.values():
        assert row["matched_text"] == questions[row["matched_id"]] and row["from"] == "this file"
        assert row["row"]["question"] == questions[row["id"]] and row["matched_id"] in row["reason"]
    assert rejected["d"]["gold differs"] == ["6", "5"] and rejected["d"]["score"] == 1.0
    near = rejected["c" if keep == "first" else "a"]
    assert near["filter"] == "near duplicate" and 0.8 <= near["score"] < 1 and "gold differs" not in near
    assert "5 rows: 3 kept, 1 exact duplicate, 1 near duplicate, 0 could not be read" in str(summary)
    whole = {row["id"]: row for row in read(path)}
    assert read(path.with_name(f"out-{name}")) == [whole[name] for name in expected], "all columns as they were"
    if name.endswith(".parquet"):
        assert pq.read_schema(path.with_name(f"out-{name}")) == pq.read_schema(path)


@pytest.mark.parametrize("keep", ["first", "best"])
def test_against_earlier_files(tmp_path: Path, keep: Keep) -> None:
    earlier = [
        write(tmp_path / "old.parquet", ROWS[:1]),
        write(tmp_path / "older.jsonl", [{"question": "What is 2+3"}]),
    ]
    summary, kept, rejected = run(tmp_path / "in.jsonl", ROWS, against=earlier, keep=keep)
    assert kept == ["e"] and summary.earlier == 2 and "beside 2 earlier questions" in str(summary)
    assert [(rejected[name]["from"], rejected[name]["matched_id"]) for name in "abcd"] == [
        ("old.parquet", "a"),
        ("older.jsonl", "older.jsonl:1"),
        ("old.parquet", "a"),
        ("older.jsonl", "older.jsonl:1"),
    ]


@pytest.mark.parametrize("keep", ["first", "best"])
def test_broken_rows_are_told_by_line_and_the_rest_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: Keep
) -> None:
    path, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = ['{"question": "One?"}', "", "broken", '{"text": "no question"}', '{"question": "one"}', "[1]", "\xff"]
    path.write_bytes("\n".join(lines).encode("latin-1"))
    summary = dedup_file(path, output, keep=keep)
    said = capsys.readouterr().err
    assert all(f"{path}:{line}: " in said for line in (3, 4, 6, 7)) and summary.broken == 4
    rejected = read(tmp_path / "out.jsonl.rejected.jsonl")
    assert {row["place"]: row["filter"] for row in rejected if row["filter"] != "broken"} == {
        "in.jsonl:5": "exact duplicate"
    }
    (duplicate,) = (row for row in rejected if row["filter"] != "broken")
    assert duplicate["matched_id"] == "in.jsonl:1" and read(output) == [{"question": "One?"}]


def test_columns_threshold_and_numbers_are_flags(tmp_path: Path) -> None:
    renamed = [{"key": row["id"], "text": row["question"], "id": row["id"]} for row in ROWS]
    columns = QuestionColumns(ids=("key",), questions=("text",))
    assert run(tmp_path / "a.jsonl", renamed, columns=columns)[1] == ["a", "b", "e"]
    strict = NearDuplicates(threshold=1.0)
    assert run(tmp_path / "b.jsonl", renamed, columns=columns, near=strict)[1] == ["a", "b", "c", "e"]
    blind = run(tmp_path / "c.jsonl", renamed, columns=columns, number_blind=True)
    assert blind[1] == ["a", "b"] and "numbers aside" in blind[2]["e"]["reason"]


def test_an_earlier_file_is_sketched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    sketch = RensaSketches.sketch

    def counting(self: RensaSketches, sets: Sequence[frozenset[str]]) -> Sequence[Any]:
        made.append(len(sets))
        return sketch(self, sets)

    monkeypatch.setattr(RensaSketches, "sketch", counting)
    old = write(tmp_path / "old.jsonl", [{"question": f"How many are {n} crates?"} for n in range(300)])
    first = run(tmp_path / "in.jsonl", ROWS, against=[old])[1:]
    assert sum(made) == 305
    assert run(tmp_path / "in.jsonl", ROWS, against=[old])[1:] == first and sum(made) == 310
    write(old, [{"question": STORY}] * 300)
    assert run(tmp_path / "in.jsonl", ROWS, against=[old])[1] == ["b", "e"] and sum(made) == 615


@pytest.mark.parametrize(
    ("name", "content", "out", "against", "error", "says"),
    [
        ("in.jsonl", b'{"question": "Q?"}', "out.parquet", None, SiftProblem, "the input's format"),
        ("in.csv", b"question", "out.jsonl", None, UnreadableRows, "expected a file ending in"),
        ("missing.jsonl", None, "out.jsonl", None, UnreadableRows, "No such file"),
        ("in.parquet", b"none", "out.parquet", None, UnreadableRows, "in.parquet"),
        ("in.jsonl", b'{"text": "Q?"}', "out.jsonl", None, SiftProblem, f"no column {USUAL}; it has: text"),
        (
            "in.jsonl",
            b'{"prompt": " "}\n{"question": "?!"}',
            "out.jsonl",
            None,
            SiftProblem,
            "none of its rows (2) could",
        ),
        ("in.jsonl", b'{"prompt": null}', "out.jsonl", None, SiftProblem, "none of its rows (1) could be used"),
        ("in.jsonl", b'{"question": "Q?"}', "out.jsonl", b"broken", EarlierDatasetProblem, "line 1"),
    ],
)
@pytest.mark.parametrize("keep", ["first", "best"])
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    *,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    out: str,
    against: bytes | None,
    error: type[Exception],
    says: str,
    keep: Keep,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    earlier = tmp_path / "old.jsonl"
    earlier.write_bytes(against or b'{"question": "Old?"}')
    with pytest.raises(error) as caught:
        dedup_file(tmp_path / name, tmp_path / out, against=[earlier], keep=keep)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*out*"))
