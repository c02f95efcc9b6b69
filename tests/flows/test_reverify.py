"""Checking what was published: a whole set has no difference, and each kind of tampering is found, hashes made right or
not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.remeasure import FARTHEST, Asked, Counts, deviation
from flows.reverify import NEEDS_SETTINGS, Reverified, reverify, reverify_text
from pipeline.config import Band
from pipeline.published import NotPublished, open_published
from pipeline.records import Completion, Problem, Verdict
from pipeline.release import ReleaseOptions, build_release
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.store import write_table
from pipeline.verifiers import verify
from tests.fake_server import MODEL_NAME, serve
from tests.flows.mixed import mixed_run
from tests.flows.published import small_run
from tests.flows.solver import Solver, config, golds
from tests.flows.tampering import TAMPERED, Rows, edit_text, tampered

__all__ = ["mixed_run", "small_run"]


@pytest.fixture(scope="module", name="whole")
def whole_release(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "release"
    return build_release(run, folder, ReleaseOptions("someone/sums")).folder


def found_in(found: Reverified) -> dict[str, tuple[str, ...]]:
    return {outcome.check: outcome.differences for outcome in found.outcomes if outcome.differences}


def test_a_release_an_export_and_a_run_have_no_difference(run: Run, whole: Path) -> None:
    for place in (whole, run.folder, run.folder / "export"):
        found = reverify(str(place))
        assert found.equal, reverify_text(found)
        skipped = {outcome.check for outcome in found.outcomes if outcome.skipped}
        assert skipped == {"contamination", "difficulty", *(["completion ids"] if place != whole else [])}
    assert reverify_text(found).endswith("no difference")


@pytest.mark.slow
def test_a_release_of_every_strategy_has_no_difference(mixed: Run, tmp_path: Path) -> None:
    found = reverify(str(build_release(mixed, tmp_path / "release", ReleaseOptions("someone/mixed")).folder))
    assert found.equal, reverify_text(found)
    assert {outcome.check for outcome in found.outcomes if outcome.skipped} == {"contamination", "difficulty"}


def test_an_export_without_its_run_says_what_it_cannot_check(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder / "export", tmp_path / "alone/export")
    found = reverify(str(tmp_path / "alone/export"))
    assert {o.check: o.skipped for o in found.outcomes if "settings" in o.skipped}.keys() == NEEDS_SETTINGS


@pytest.mark.parametrize("case", TAMPERED, ids=lambda c: f"{c[0]} {c[1].__name__}{' fixed' if c[2] else ''}")
def test_each_tampering_is_found(
    whole: Path, tmp_path: Path, case: tuple[str, Callable[[Rows], Any], bool, set[str]]
) -> None:
    name, change, fixed, checks = case
    found = found_in(reverify(str(tampered(whole, tmp_path / "copy", name, change, fixed=fixed))))
    assert found.keys() >= checks, found
    if fixed:
        assert "hashes" not in found


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"hash": "0" * 24}, "hashes"),
        ({"models": [{"model": 3}]}, "completion ids"),
        ({"models": []}, "completion ids"),
    ],
    ids=str,
)
def test_a_changed_manifest_is_found(whole: Path, tmp_path: Path, change: dict[str, Any], check: str) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    manifest = json.loads((whole / "manifest.json").read_text())
    (tmp_path / "copy/manifest.json").write_text(json.dumps(manifest | change))
    assert found_in(reverify(str(tmp_path / "copy"), sample=1)).keys() == {check}


def test_the_command_ends_with_1_where_anything_differs(whole: Path, tmp_path: Path) -> None:
    copy = tampered(whole, tmp_path / "copy", "sft", edit_text, fixed=False)
    for place, code, said in ((whole, 0, "no difference\n"), (copy, 1, "another hash")):
        done = CliRunner().invoke(app, ["reverify", str(place), "--sample", "1"])
        assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_problem_in_two_splits_is_found(whole: Path, tmp_path: Path) -> None:
    first = next(t for t in open_published(str(whole)).tables if (t.config, t.split) == ("sft", "test"))
    there = pq.read_table(whole / first.path).to_pylist()[0]

    def cross(rows: Rows) -> None:
        rows.append({**there, "completion_id": "1" * 24})

    def relate(rows: Rows) -> None:
        rows[0]["parents"] = [there["problem_id"]]

    for number, change in enumerate((cross, relate)):
        found = found_in(reverify(str(tampered(whole, tmp_path / str(number), "sft", change, fixed=True))))
        assert any(there["problem_id"] in line for line in found["splits"])


def test_missing_added_and_broken_files_are_found(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    tables = open_published(str(whole)).tables
    (tmp_path / "copy" / tables[0].path).unlink()
    (tmp_path / "copy" / tables[1].path).write_bytes(b"PAR1 not at all")
    (tmp_path / "copy/sft/train-0000.parquet").write_bytes(b"x")
    found = found_in(reverify(str(tmp_path / "copy")))
    text = "\n".join(found["hashes"])
    for said in (
        f"{tables[0].path}: listed, but not",
        f"{tables[1].path}: not the file",
        "train-0000.parquet: is there",
    ):
        assert said in text
    assert any("cannot be read as Parquet" in line for line in found["schema"])


def test_a_column_of_another_type_is_found(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    table = next(t for t in open_published(str(whole)).tables if t.config == "grpo")
    rows = pq.read_table(tmp_path / "copy" / table.path)
    place = rows.column_names.index("attempts")
    write_table(rows.set_column(place, "attempts", rows["attempts"].cast("float32")), tmp_path / "copy" / table.path)
    assert f"{table.path}: column attempts is float, not int64" in found_in(reverify(str(tmp_path / "copy")))["schema"]


def test_rows_without_what_a_check_needs_are_told_and_left_out(whole: Path, tmp_path: Path) -> None:
    def break_rows(rows: Rows) -> None:
        rows[0]["completion"] = []
        rows[1]["verifier"] = "oracle"
        rows[2]["prompt"] = None
        rows[3]["problem_id"] = None

    found = found_in(reverify(str(tampered(whole, tmp_path / "copy", "sft", break_rows, fixed=True))))
    assert [line.split(" ")[1] for line in found["schema"]] == ["completion", "verifier", "prompt", "problem_id"]
    assert set(found) == {"schema"}


def test_benchmarks_are_compared_with(whole: Path, tmp_path: Path) -> None:
    row = pq.read_table(whole / open_published(str(whole)).tables[0].path).to_pylist()[0]
    (tmp_path / "benchmark.jsonl").write_text(json.dumps({"id": "7", "question": row["question"]}) + "\n")
    (line, *_) = found_in(reverify(str(whole), against=[tmp_path / "benchmark.jsonl"]))["contamination"]
    assert "benchmark question 7 (benchmark.jsonl)" in line


@pytest.mark.parametrize(
    ("table", "column"), [("sft", "completion"), ("preferences", "chosen"), ("preferences", "rejected")]
)
def test_what_a_model_wrote_is_compared_with_benchmarks_too(
    whole: Path, tmp_path: Path, table: str, column: str
) -> None:
    leak = "A hall has 61 rows of 73 chairs in it. Then 19 more are carried in. How many chairs are there in all?"
    (tmp_path / "benchmark.jsonl").write_text(json.dumps({"id": "7", "question": leak}) + "\n")

    def recite(rows: Rows) -> None:
        rows[0][column][-1]["content"] += f" I know this: {leak}"

    place = str(tampered(whole, tmp_path / "copy", table, recite, fixed=True))
    (line,) = found_in(reverify(place, against=[tmp_path / "benchmark.jsonl"]))["contamination"]
    assert f"in the {'trace' if table == 'sft' else column}, the text contains the whole text of" in line


def test_a_sample_looks_at_some_rows_only(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counting(problem: Problem, completion: Completion) -> Verdict:
        seen.append(completion.text)
        return verify(problem, completion)

    monkeypatch.setattr("flows.reverify_judged.verify", counting)
    assert reverify(str(whole), sample=3).equal
    assert len(seen) == 3 + 2 * 3


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "not one of gradatim's"),
        ('{"files": 3}', "not one of gradatim's"),
        ('{"files": [{"path": "../x/train.parquet", "rows": 1, "sha256": ""}]}', "leaves the folder"),
        ('{"files": [{"path": "/etc/train.parquet", "rows": 1, "sha256": ""}]}', "leaves the folder"),
        ('{"files": [], "config": {"screen": {"spies": true}}}', "other settings than this version has: screen.spies"),
    ],
)
def test_a_hostile_manifest_is_one_line(tmp_path: Path, manifest: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(NotPublished, match=message) as caught:
        reverify(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_nothing_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match=r"no manifest\.json there"):
        reverify(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("right", "differs"), [(0.75, False), (0.0, True)])
def test_difficulty_is_measured_again(run: Run, whole: Path, right: float, differs: bool) -> None:
    known = golds(config(Path("unused"), "http://unused"))
    solver = Solver(known if right else dict.fromkeys(known, "-1"))
    with serve(lambda body: solver({"seed": 0, **body})) as server:
        found = reverify(str(whole), asked=Asked(MODEL_NAME, [server.url], 16))
    assert ("difficulty" in found_in(found)) is differs
    assert set(found_in(found)) <= {"difficulty"}


def drawn(old: float, new: float, seed: int) -> list[Counts]:
    """Draw problems with that pass rate, published where 4 attempts came out inside the band, and 8 new attempts."""
    rng = rng_for("drawn", seed, 0)
    rows: list[Counts] = []
    while len(rows) < 60:
        share = rng.random()
        first = sum(rng.random() < share * old for _ in range(4))
        if 0 < first < 4:
            rows.append(Counts(first, 4, sum(rng.random() < share * new for _ in range(8)), 8))
    return rows


def test_a_pool_chosen_by_its_rate_is_no_difference_by_itself() -> None:
    same = [deviation(drawn(1.0, 1.0, seed), Band()) for seed in range(40)]
    assert max(map(abs, same)) < FARTHEST
    assert abs(sum(same)) / len(same) < 0.5
    assert deviation(drawn(1.0, 0.5, 1), Band()) > FARTHEST
    assert deviation(drawn(0.5, 1.0, 1), Band()) < -FARTHEST
    assert deviation([], Band()) == 0


def test_the_card_and_the_list_are_compared(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    text = (tmp_path / "copy/README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    gone = head["configs"][1]["data_files"].pop()["path"][0]
    (tmp_path / "copy/README.md").write_text(f"---\n{yaml.safe_dump(head)}---\n")
    assert f"README.md: its configs lack {gone}" in found_in(reverify(str(tmp_path / "copy")))["hashes"]
