"""Exports are read as their manifest lists them, and several runs never leak held-out problems into training."""

import json
from pathlib import Path

import pytest

from tests.training.examples import grpo_row, problems, sft_row, write_run
from training.exports import ExportError, open_export, read_sft, read_split

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
    with pytest.raises(ExportError, match=r"sft/train.parquet: not SFT rows \(KeyError\('completion'\)\)"):
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
