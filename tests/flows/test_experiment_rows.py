"""What the experiment's students are trained on, from a fake teacher's run; and the real commands on a tiny student."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from flows import experiment_steps
from flows.experiment import run_experiment
from flows.experiment_rows import NotEnoughRows, main, write_rows
from flows.experiment_settings import Experiment
from flows.stages import plan, run_stage
from pipeline.records import Completion, Problem, Verdict
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import serve
from tests.flows.recorded_command import SCRIPT
from tests.flows.solver import Solver, config, golds
from tests.training.students import save_student, template
from tests.training.tiny import moved
from training.exports import open_export, read_sft
from training.grpo_pool import read_pool

EVERYTHING = {"traces_per_problem": 4, "min_words_before_answer": 0, "max_padding": 1.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run: every completion ends, three of four are right."""
    folder = tmp_path_factory.mktemp("experiment")
    settings = config(folder, "http://unused", count=24)
    known = golds(settings)
    with serve(Solver(known)) as server:
        splits = {"splits": {"validation": 0.0, "test": 0.0}}
        built = config(folder, server.url, count=24, select=EVERYTHING, export=splits)
        create_run(built)
        for stage in plan(built):
            run_stage(stage, built.folder)
    return open_run(built.folder)


def verdicts(run: Run) -> dict[str, str]:
    return {v.completion_id: v.verdict for v in iterate_records(Verdict, run.manifest.paths("verify", "verdicts"))}


def test_rows_of_each_kind_are_what_they_are_called(run: Run, tmp_path: Path) -> None:
    counts = write_rows(run.folder, tmp_path, 5)
    found = {
        name: read_sft([tmp_path / f"{name}.jsonl"]).train for name in ("sft_verified", "sft_unverified", "sft_double")
    }
    assert {name: len(rows) for name, rows in found.items()} == {name: counts[name] for name in found}
    assert counts["rows"] == counts["asked for"] == 5
    judged = verdicts(run)
    assert {judged[row.completion_id] for name in ("sft_verified", "sft_double") for row in found[name]} == {"correct"}
    assert all("keep" in row.tags for row in found["sft_verified"])
    assert any("too easy" in row.tags for row in found["sft_double"])
    assert {row.completion_id for row in found["sft_unverified"]} == {
        c.id for c in iterate_records(Completion, run.manifest.paths("solve", "completions"))
    }
    assert {judged[row.completion_id] for row in found["sft_unverified"]} >= {"correct", "incorrect"}
    assert all(row.answer is None for row in found["sft_unverified"])


def test_a_right_completion_is_written_alike_in_both_files(run: Run, tmp_path: Path) -> None:
    write_rows(run.folder, tmp_path, 5)
    double, unverified = (
        {row.completion_id: row for row in read_sft([tmp_path / f"{name}.jsonl"]).train}
        for name in ("sft_double", "sft_unverified")
    )
    assert double
    for name, row in double.items():
        assert (row.prompt, row.completion) == (unverified[name].prompt, unverified[name].completion)


def test_the_raw_pool_is_every_problem(run: Run, tmp_path: Path) -> None:
    counts = write_rows(run.folder, tmp_path, 5)
    rows = read_pool([open_export(tmp_path / "raw_pool")])
    problems = {problem.id: problem for problem in iterate_records(Problem, run.manifest.paths("agree", "settled"))}
    assert counts["raw_pool"] == len(rows) == len(problems) == 24
    for row in rows:
        problem = problems[row["problem_id"]]
        assert (row["answer"], row["verifier"], row["question"]) == (problem.answer, problem.verifier, problem.question)
        assert problem.question in row["prompt"][-1]["content"]
    assert {row["pass_rate"] for row in rows} > {1.0}


def test_all_three_take_as_many_rows_as_the_scarcest_has(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--run", str(run.folder), "--output", str(tmp_path), "--rows", "1000"]) == 0
    counts = json.loads((tmp_path / "rows.json").read_text())
    assert counts["rows"] == min(counts["sft_verified"], counts["sft_unverified"], counts["sft_double"] // 2)
    assert "1000 asked for: the run has no more" in capsys.readouterr().out


def test_a_run_that_is_not_finished_is_refused(run: Run, tmp_path: Path) -> None:
    begun = create_run(run.config.model_copy(update={"runs_folder": tmp_path}))
    with pytest.raises(NotEnoughRows, match="not finished"):
        write_rows(begun.folder, tmp_path / "rows", 5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_real_trainings_of_a_tiny_student(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All commands are real but the evaluations: those need an engine that serves every student."""
    real = experiment_steps.module

    def command(name: str, *given: object) -> tuple[str, ...]:
        recorded = (sys.executable, str(SCRIPT), str(tmp_path), name, *map(str, given))
        return recorded if name == "training.evaluate" else real(name, *given)

    monkeypatch.setattr(experiment_steps, "module", command)
    student = save_student(tmp_path / "student", template("smollm2"))
    run_experiment(tiny_experiment(run, student, tmp_path))
    output = tmp_path / "out"
    rows = {row["row"]: row for row in json.loads((output / "table.json").read_text())["rows"]}
    for row in ("sft_unverified", "dpo", "grpo_raw"):
        assert rows[row]["tokens"] > 0 and rows[row]["steps"] == 2 and rows[row]["seconds"] > 0
    assert moved(student, output / "students" / "sft_unverified-0")
    assert moved(output / "students" / "sft_verified-0", output / "students" / "dpo-0")
    assert rows["sft_unverified"]["trained_on"] == 6
    assert rows["grpo_raw"]["zero_variance"] == 1.0  # a random student solves nothing
    held_out = [json.loads(line)["id"] for line in (output / "held-out.jsonl").read_text().splitlines()]
    problems = {problem.id for problem in iterate_records(Problem, run.manifest.paths("agree", "settled"))}
    assert held_out and not problems & set(held_out)


def tiny_experiment(run: Run, student: Path, folder: Path) -> Experiment:
    grpo = {"max_steps": 2, "group_size": 2, "batch_size": 2, "max_completion_length": 8}
    content: dict[str, Any] = {
        "output": folder / "out",
        "run": run.folder,
        "student": str(student),
        "held_out": {"count": 8},
        "sft_rows": 6,
        "sft": {"max_steps": 2, "batch_size": 2, "max_length": 2000},
        "grpo": {"start": "base", "settings": grpo},
        "dpo": {"max_steps": 2, "batch_size": 2, "max_length": 2000},
        "rows": {name: {"seeds": [0]} for name in ("base", "sft_unverified", "dpo", "grpo_raw")},
    }
    return Experiment.model_validate(content)
