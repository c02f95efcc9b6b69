"""Recalibration: the same problems, another model; the old run keeps every byte, and nothing is asked for twice."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.recalibrate import (
    Recalibrated,
    moves_table,
    rank_correlation,
    recalibrate,
    run_name,
    student_config,
    summary,
)
from flows.stages import run_stage
from generators.remake import remake
from pipeline.calibration import as_text, measured
from pipeline.config import Config
from pipeline.config_files import ConfigError
from pipeline.explain import explain
from pipeline.models import ModelError, resolve
from pipeline.records import Agreement, Assessment, Problem
from pipeline.report import funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import MODEL_NAME, FakeServer, serve
from tests.flows.mixed import MixedModel, digests, mixed_run
from tests.flows.solver import config

__all__ = ["mixed_run"]


@pytest.fixture(scope="module", name="weak")
def weak_student(mixed: Run) -> tuple[Recalibrated, FakeServer, dict[str, str]]:
    """The run measured again for a model that solves one template problem in five."""
    before = digests(mixed)
    with serve(MixedModel(right=0.2)) as server:
        found = recalibrate(mixed.folder, MODEL_NAME, endpoints=[server.url])
    return found, server, before


Weak = tuple[Recalibrated, FakeServer, dict[str, str]]


def problems(run: Run, stage: str = "agree", table: str = "settled") -> dict[str, Problem]:
    return {problem.id: problem for problem in iterate_records(Problem, run.manifest.paths(stage, table))}


def test_every_solvable_problem_is_measured_again_as_it_is(mixed: Run, weak: Weak) -> None:
    new = weak[0].run
    solved = {
        a.problem_id for a in iterate_records(Assessment, mixed.manifest.paths("assess", "assessments")) if a.successes
    }
    assert problems(new) == {name: problem for name, problem in problems(mixed).items() if name in solved}
    assert {one.problem.id for one in measured(new)} == solved
    rows = {row.stage: row for row in funnel(new)}
    assert not rows["screen"].rejected and not rows["agree"].rejected
    agreements = {a.problem_id: a for a in iterate_records(Agreement, mixed.manifest.paths("agree", "agreements"))}
    kept = {a.problem_id: a for a in iterate_records(Agreement, new.manifest.paths("agree", "agreements"))}
    assert kept == {name: agreement for name, agreement in agreements.items() if name in solved}
    assert {a.status for a in kept.values()} >= {"proved", "adopted", "confirmed"}


def test_the_old_run_is_left_as_it_is_and_the_new_one_lies_in_it(mixed: Run, weak: Weak) -> None:
    found, _, before = weak
    assert digests(mixed) == before
    assert found.run.folder == mixed.folder / "recalibrated" / "fake-model"


def test_the_moves_count_every_problem_and_the_student_is_weaker(mixed: Run, weak: Weak) -> None:
    found, _, _ = weak
    assert found.moves.total() == len(measured(found.run))
    assert found.new_mean is not None and found.old_mean is not None and found.new_mean < found.old_mean
    text = as_text(moves_table(found))
    assert text.splitlines()[-2].split()[-2] == str(found.moves.total())
    assert "mean pass rate 0." in summary(found) and "export/grpo" in summary(found)


def test_the_export_is_the_pool_of_the_student_in_the_same_splits(mixed: Run, weak: Weak) -> None:
    new = weak[0].run
    pool = {one.problem.id: one.assessment for one in measured(new) if one.assessment.decision == "keep"}
    rows = [(path.stem, row) for path in grpo(new) for row in pq.read_table(path).to_pylist()]
    assert {row["problem_id"] for _, row in rows} == set(pool)
    assert all(row["pass_rate"] == pool[row["problem_id"]].pass_rate for _, row in rows)
    splits = {row["problem_id"]: path.stem for path in grpo(mixed) for row in pq.read_table(path).to_pylist()}
    assert all(splits.get(row["problem_id"], split) == split for split, row in rows)


def grpo(run: Run) -> list[Path]:
    return run.manifest.paths("export", "export/grpo")


def test_sampling_stops_where_the_decision_is_known(weak: Weak) -> None:
    found, server, _ = weak
    rows = list(iterate_records(Assessment, found.run.manifest.paths("assess", "assessments")))
    assert {row.stopping for row in rows} == {"curtailed of 8"}
    assert len(server.requests) == sum(row.attempts + row.undecided for row in rows) < 8 * len(rows)


def test_the_same_again_asks_for_nothing_and_other_settings_are_refused(mixed: Run, weak: Weak) -> None:
    found, server, _ = weak
    manifest = found.run.manifest.path.read_bytes()
    again = recalibrate(mixed.folder, MODEL_NAME, endpoints=[server.url])  # the server is gone
    assert again.moves == found.moves
    assert found.run.manifest.path.read_bytes() == manifest
    with pytest.raises(ConfigError, match=r"completions \(8, now 4\)"):
        recalibrate(mixed.folder, MODEL_NAME, endpoints=[server.url], completions=4)


def test_a_problem_is_explained_with_both_measurements_and_remade_from_either_run(mixed: Run, weak: Weak) -> None:
    new = weak[0].run
    again = {one.problem.id: one.assessment for one in measured(new)}
    name, rate = next((name, a.pass_rate) for name, a in again.items() if a.pass_rate is not None)
    assert f"measured again for fake/model@served: pass rate {rate:.2f} [" in explain(mixed, name)
    for problem in list(problems(new, "generate", "problems").values())[:: len(problems(new)) // 4]:
        assert problem.question.splitlines()[0] in explain(new, problem.id)
        assert remake(new.folder, problem.id) == problem


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"completions": 0}, ConfigError, r"^recalibrate: teachers\.0\.completions"),
        ({"stopping": "never"}, ConfigError, "rule"),
        ({"overrides": ["teachers.0.colour=1"]}, ConfigError, "unknown key teachers.0.colour"),
        ({"revision": "v2"}, ConfigError, "--revision: nothing says which revision a server has"),
        ({"endpoints": [], "model": "no-such-model"}, ModelError, "neither a catalogue name, nor a folder"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    mixed: Run, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    there = sorted(mixed.folder.rglob("*"))
    with pytest.raises(error, match=message):
        recalibrate(mixed.folder, **{"model": "other", "endpoints": ["http://unused/v1"], **arguments})
    assert sorted(mixed.folder.rglob("*")) == there


def test_a_run_that_is_not_assessed_cannot_be_measured_again(tmp_path: Path) -> None:
    run = create_run(config(tmp_path, "http://unused", count=4))
    run_stage("generate", run.folder)
    with pytest.raises(ConfigError, match="not assessed yet"):
        recalibrate(run.folder, MODEL_NAME, endpoints=["http://unused/v1"])
    assert not (run.folder / "recalibrated").exists()


@pytest.mark.parametrize("stage", ["agree", "assess", "pool"])
def test_a_run_source_gives_what_its_stage_kept(mixed: Run, tmp_path: Path, stage: str) -> None:
    source = {"strategy": "run", "path": str(mixed.folder), "stage": stage}
    settings = mixed.config.model_dump() | {"runs_folder": tmp_path, "generate": {"sources": [source]}}
    run = create_run(Config.model_validate(settings))
    run_stage("generate", run.folder)
    made = sum(unit.counts["kept"] for unit in open_run(run.folder).manifest.of_stage("generate"))
    assert made == sum(unit.counts["kept"] for unit in mixed.manifest.of_stage(stage)) > 0


def test_a_student_in_a_folder_is_pinned_to_its_content(mixed: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    configs = []
    for weights in (b"before", b"after"):
        (tmp_path / "model.safetensors").write_bytes(weights)
        configs.append(
            student_config(
                mixed, str(tmp_path), completions=4, stopping="fixed", endpoints=(), overrides=["assess.level=0.9"]
            )
        )
    pinned: dict[str, Any] = {"completions": 4, "stopping": "fixed", "endpoints": (), "overrides": []}
    with pytest.raises(ModelError, match="revision v2 is asked for"):
        student_config(mixed, str(tmp_path), revision="v2", **pinned)
    first, second = configs
    assert first.folder != second.folder
    assert [c.teachers[0].revision for c in configs][1] == resolve(str(tmp_path)).revision
    assert first.teachers[0].engine.kind == "vllm" and first.teachers[0].stopping is None
    assert (first.assess.level, first.teachers[0].sampling) == (0.9, mixed.config.teachers[0].sampling)


@pytest.mark.parametrize(
    ("model", "revision", "name"),
    [
        ("Qwen/Qwen2.5-0.5B", "0123abcd", "Qwen-Qwen2.5-0.5B"),
        ("data/students/local", "local:89abcdef0123", "data-students-local-89abcdef"),
        ("../x", None, "x"),
        ("/", None, "student"),
    ],
)
def test_a_model_names_its_run(model: str, revision: str | None, name: str) -> None:
    assert run_name(model, revision) == name


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.1, 0.0), (0.5, 0.2), (0.9, 1.0)], 1.0),
        ([(0.1, 1.0), (0.5, 0.2), (0.9, 0.0)], -1.0),
        ([(0.1, 0.5), (0.5, 0.5), (0.9, 0.5)], None),
        ([(0.1, 0.5), (0.5, 0.6)], None),
    ],
)
def test_rank_correlation(pairs: list[tuple[float, float]], expected: float | None) -> None:
    assert rank_correlation(pairs) == (None if expected is None else pytest.approx(expected))
