"""Exports are read as their manifest lists them, and several runs never leak held-out problems into training."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.records import Message
from tests.training.examples import grpo_row, problems, sft_row, write_run
from training.exports import open_export, read_sft, read_split
from training.foreign_rows import ExportError, is_hub_id

TRAIN = problems(6)
TEST = problems(3, seed=1)


def a_run(folder: Path) -> Path:
    return write_run(
        folder, sft_train=[sft_row(p) for p in TRAIN[:4]], sft_validation=[sft_row(TRAIN[4])], grpo_test=[]
    )


def test_a_run_is_read_back(tmp_path: Path) -> None:
    data = read_sft([a_run(tmp_path / "demo")])
    assert [row.problem_id for row in data.train] == [p.id for p in TRAIN[:4]]
    assert [row.problem_id for row in data.validation] == [TRAIN[4].id]
    assert data.train[0].completion[0].content.endswith(f"\\boxed{{{TRAIN[0].answer}}}")
    assert (data.exports[0].run, data.exports[0].hash) == ("demo", "hash of demo")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path / "demo")
    path = run / "export" / "sft" / "train.parquet"
    other = write_run(tmp_path / "other", sft_train=[sft_row(p) for p in TEST])
    path.write_bytes((other / "export" / "sft" / "train.parquet").read_bytes())
    with pytest.raises(ExportError, match=r"sft/train.parquet: not the file that the manifest lists"):
        read_sft([run])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    run = a_run(tmp_path / "demo")
    (run / "export" / "sft" / "validation.parquet").unlink()
    with pytest.raises(ExportError, match=r"sft/validation.parquet: listed in the manifest but missing"):
        read_sft([run])


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "demo"}', '{"run": "r", "hash": "h", "files": [{"path": "x"}]}'])
def test_a_broken_manifest_is_one_line(tmp_path: Path, text: str) -> None:
    path = a_run(tmp_path / "demo") / "export" / "manifest.json"
    path.write_text(text)
    with pytest.raises(ExportError, match=r"manifest.json: not an export manifest") as caught:
        open_export(path.parents[1])
    assert "\n" not in str(caught.value)


def test_a_run_without_export_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="build the run first"):
        read_sft([tmp_path])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    row = sft_row(TRAIN[0])
    del row["completion"]
    with pytest.raises(ExportError, match=r"sft/train.parquet:1: not an SFT row, it has no column completion"):
        read_sft([write_run(tmp_path, sft_train=[row])])


def test_several_runs_share_no_row_and_hold_out_each_others_test_problems(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", sft_train=[sft_row(p) for p in TRAIN], grpo_test=[grpo_row(p) for p in TEST])
    two = write_run(tmp_path / "two", sft_train=[sft_row(TEST[0]), sft_row(TRAIN[0]), sft_row(TRAIN[0], 1)])
    data = read_sft([one, two])
    assert [row.completion_id for row in data.train] == [f"{p.id}-0" for p in TRAIN] + [f"{TRAIN[0].id}-1"]
    assert data.left_out == {"held out by another run": 1, "in two runs": 1}


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no SFT training rows"):
        read_sft([write_run(tmp_path, grpo_test=[grpo_row(TEST[0])])])


def test_a_split_that_a_run_lacks_is_empty(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    listed = json.loads((run / "export" / "manifest.json").read_text())["files"]
    assert "sft/test.parquet" not in {entry["path"] for entry in listed}
    assert read_split(open_export(run), "sft", "test") == []


def test_the_export_folder_of_a_run_is_a_source_too(tmp_path: Path) -> None:
    run = a_run(tmp_path / "demo")
    assert read_sft([run / "export"]) == read_sft([run])


def test_tags_levels_and_golds_are_read(tmp_path: Path) -> None:
    row = read_sft([a_run(tmp_path)]).train[0]
    assert row.tags == ("keep", "level:1")
    assert (row.answer, row.verifier, row.answer_type) == (TRAIN[0].answer, "math", TRAIN[0].answer_type)


ASKED = (Message("user", "1+1?"),)
ANSWERED = (Message("assistant", "2"),)
TURNS = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "1+1?", "completion": "2"},
        {"prompt": TURNS[:1], "completion": TURNS[1:]},
        {"messages": TURNS},
        {"messages": TURNS, "level": None, "tags": None},
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_of_another_origin_are_read(tmp_path: Path, row: dict[str, Any], kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    write_rows(path, [{**row, "problem_id": name} for name in (None, "p2")])
    data = read_sft([path])
    assert [(r.prompt, r.completion) for r in data.train] == [(ASKED, ANSWERED)] * 2
    assert data.train[1].problem_id == "p2"
    assert data.train[0].completion_id != data.train[1].completion_id
    assert (data.exports[0].run, len(data.exports[0].hash)) == (str(path), 64)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"prompt": "1+1?"}', "rows.jsonl train:2: not an SFT row, it has no column completion"),
        ('{"messages": [{"role": "user"}]}', "rows.jsonl train:2: messages: a text or a list of messages expected"),
        ('{"messages": [{"role": "user", "content": "1"}]}', "a prompt and one answer of the assistant expected"),
        ('{"prompt": "1", "completion": [{"role": "user", "content": "1"}]}', "one answer of the assistant expected"),
        ('{"prompt": [{"role": "user", "content": 1}], "completion": "2"}', "role and content of a message are texts"),
        ("[1]", "rows.jsonl:2: a JSON object expected"),
        ("{", "rows.jsonl:2: not JSON"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "1+1?", "completion": "2"}\n' + text + "\n")
    with pytest.raises(ExportError) as caught:
        read_sft([path])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "on_the_hub"),
    [("org/name", True), ("org/name@v1.0", True), ("data/runs/demo", False), ("demo", False), ("/org/name", False)],
)
def test_hub_ids_are_told_from_paths(source: str, on_the_hub: bool) -> None:
    assert is_hub_id(Path(source)) == on_the_hub


def in_the_hubs_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the snapshot folder of the dataset org/traces in an otherwise empty cache."""
    repository = cache / "datasets--org--traces"
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return snapshot


def test_an_export_on_the_hub_is_read_like_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "demo")
    shutil.copytree(run / "export", in_the_hubs_cache(tmp_path / "hub", monkeypatch), dirs_exist_ok=True)
    found, expected = read_sft([Path("org/traces")]), read_sft([run])
    assert (found.train, found.validation) == (expected.train, expected.validation)
    assert found.exports[0].hash == expected.exports[0].hash
    with pytest.raises(ExportError, match="org/other: no such folder or file here, and the Hub does not give it"):
        read_sft([Path("org/other")])


def test_another_dataset_on_the_hub_is_read_by_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = in_the_hubs_cache(tmp_path / "hub", monkeypatch)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    write_rows(snapshot / "train.parquet", [{"prompt": f"{n}+1?", "completion": "2"} for n in range(3)])
    write_rows(snapshot / "validation.parquet", [{"prompt": "2+1?", "completion": "3"}])
    data = read_sft([Path("org/traces")])
    assert (len(data.train), len(data.validation)) == (2, 1)
    assert data.left_out["held out by another run"] == 1
    assert (data.exports[0].run, data.exports[0].hash) == ("org/traces", "c" * 40)
