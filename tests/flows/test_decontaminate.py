"""`decontaminate`: kept rows as they were, the others beside them with the evidence, nothing half-written."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.contamination_benchmark import BenchmarkProblem
from flows.decontaminate_command import Summary, decontaminate_file
from pipeline.contamination_settings import Decontamination
from pipeline.rows import UnreadableRows, count_rows
from pipeline.sift import SiftProblem

LEAKED = "A gardener plants 17 rows of tulips with 23 bulbs in each and gives away a tenth of them. How many are left?"
CLEAN = '{"id": "c1", "question": "What is 2 + 3?", "extra": 0.10, "note": "ü"}'
LEAK = json.dumps({"id": "l1", "question": f"Solve: {LEAKED}", "weight": 0.5})


@pytest.fixture
def settings(tmp_path: Path) -> Decontamination:
    path = tmp_path / "bench.jsonl"
    path.write_text(json.dumps({"id": 7, "problem": LEAKED}) + "\n", encoding="utf-8")
    return Decontamination(benchmarks=(path,))


def write(path: Path, *lines: str) -> Path:
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def rejected(output: Path) -> list[dict[str, Any]]:
    lines = Path(f"{output}.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.counts.rows, summary.counts.kept, summary.counts.rejected["contaminated"], summary.broken


@pytest.mark.parametrize("names", [("in.jsonl", "out.jsonl"), ("in.jsonl.gz", "out.jsonl"), ("in.jsonl", "o.jsonl.gz")])
def test_jsonl_rows_are_kept_as_they_are(
    tmp_path: Path, settings: Decontamination, names: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (CLEAN, LEAK, "broken", "", '{"id": 3, "question": null}', '{"problem": "Why?"}')
    path, output = write(tmp_path / names[0], *lines), tmp_path / "new" / names[1]
    summary = decontaminate_file(path, output, settings)
    assert counts(summary) == (5, 2, 1, 2) and summary.kinds == {"embedded": 1}
    raw = output.read_bytes()
    kept = (gzip.decompress(raw) if names[1].endswith(".gz") else raw).decode()
    assert kept == f'{CLEAN}\n{{"problem": "Why?"}}\n'
    leak, line, null = rejected(output)
    assert leak["id"] == "l1" and leak["matched_id"] == "7" and leak["matched_text"] == LEAKED
    assert leak["score"] == 1.0 and leak["filter"] == "contaminated" and "bench.jsonl" in leak["reason"]
    assert leak["row"] == json.loads(LEAK) and leak["place"] == f"{names[0]}:2"
    assert (line["id"], line["filter"], line["row"]) == (f"{names[0]}:3", "broken", "broken")
    assert null["id"] == "3" and "expected a text in a column question or problem or prompt" in null["reason"]
    said = capsys.readouterr().err
    assert f"{path}:3: expected a JSON object" in said and f"{path}:5: expected a text" in said
    assert "5 rows against 1 benchmark question: 2 kept, 1 contaminated (1 embedded), 2 could not be" in str(summary)


def test_parquet_keeps_all_columns_and_their_types(tmp_path: Path, settings: Decontamination) -> None:
    questions = ["What is 2 + 3?", LEAKED, None, "And 3 + 4?"] * 600
    table = pa.table(
        {
            "uid": pa.array(range(2400), pa.int16()),
            "task": questions,
            "tags": pa.array([["a", "b"], None, [], ["c"]] * 600, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
            "blob": pa.array([b"\xff"] * 2400),
        }
    ).replace_schema_metadata({"mine": "yes"})
    path, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table, path)
    summary = decontaminate_file(path, output, settings, questions=["task"], id_column="uid")
    assert counts(summary) == (2400, 1200, 600, 600)
    expected = pq.read_table(path).filter(pa.array([True, False, False, True] * 600))
    assert expected.schema.metadata == {b"mine": b"yes"}
    assert pq.read_table(output).equals(expected, check_metadata=True)
    first = rejected(output)[0]
    assert (first["id"], first["place"], first["row"]["tags"]) == ("1", "in.parquet:2", None)


@pytest.mark.parametrize(
    ("name", "output", "content", "error", "says"),
    [
        ("in.jsonl", "out.parquet", CLEAN, SiftProblem, "the output has the input's format"),
        ("in.jsonl", "out.csv", CLEAN, SiftProblem, "expected a name ending in .jsonl"),
        ("in.jsonl", "folder.jsonl", CLEAN, SiftProblem, "cannot be written"),
        (
            "in.jsonl",
            "out.jsonl",
            '{"text": "Q?"}',
            SiftProblem,
            "no column question or problem or prompt; it has: text",
        ),
        ("in.jsonl", "out.jsonl", '{"question": " "}', SiftProblem, "none of its rows (1) could be used"),
        ("in.parquet", "out.parquet", "no parquet", UnreadableRows, "cannot be read"),
        ("missing.jsonl", "out.jsonl", None, UnreadableRows, "cannot be read"),
        ("in.jsonl.gz", "out.jsonl", None, UnreadableRows, "cannot be read"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(
    tmp_path: Path, settings: Decontamination, *, name: str, output: str, content: str | None, error: type, says: str
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    if content is not None:
        (tmp_path / name).write_text(content + "\n", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        decontaminate_file(tmp_path / name, tmp_path / output, settings)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_broken_benchmark_stops_before_anything_is_read(tmp_path: Path, settings: Decontamination) -> None:
    settings.benchmarks[0].write_text("broken\n", encoding="utf-8")
    with pytest.raises(BenchmarkProblem, match=r"bench\.jsonl:1: expected a JSON object"):
        decontaminate_file(tmp_path / "missing.jsonl", tmp_path / "out.jsonl", settings)


def test_many_broken_rows_are_told_shortly(
    tmp_path: Path, settings: Decontamination, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "in.jsonl", *["broken"] * 50, CLEAN)
    summary = decontaminate_file(path, tmp_path / "out.jsonl", settings)
    assert counts(summary) == (51, 1, 0, 50) and len(rejected(tmp_path / "out.jsonl")) == 50
    assert capsys.readouterr().err.count("\n") == 21


def test_embeddings_come_from_the_named_model(
    tmp_path: Path, settings: Decontamination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(texts: list[str], model: str) -> Any:
        assert model == "tiny"
        return np.array([[1, 0] if "tulip" in text else [0, 1] for text in texts], np.float32)

    monkeypatch.setattr("filters.embeddings.embed", embed)
    path = write(tmp_path / "in.jsonl", CLEAN, '{"question": "On tulips, again."}')
    semantic = settings.model_copy(update={"semantic": True, "semantic_model": "tiny"})
    assert decontaminate_file(path, tmp_path / "out.jsonl", semantic).kinds == {"semantic": 1}
    assert decontaminate_file(path, tmp_path / "out.jsonl", settings).kinds == {}


def test_memory_does_not_grow_with_the_input(tmp_path: Path, settings: Decontamination) -> None:
    def peak(rows: int) -> int:
        path = write(tmp_path / "in.jsonl", *[json.dumps({"question": "Why " + "x" * 500})] * rows)
        assert count_rows(path) == rows
        tracemalloc.start()
        decontaminate_file(path, tmp_path / "out.jsonl", settings)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(100)
    assert peak(10_000) < 1.5 * peak(2_500)
