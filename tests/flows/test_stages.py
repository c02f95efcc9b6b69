"""The whole pipeline as plain functions against a real HTTP server: counts balance, nothing is paid for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from flows.stages import STAGE_FUNCTIONS, run_stage
from pipeline.config import Config, Stopping
from pipeline.config_files import ConfigError
from pipeline.journal import Journal
from pipeline.preferences import length_statistics
from pipeline.records import Assessment, Completion, Problem, Rejection, Trace
from pipeline.report import funnel
from pipeline.run import CountsDoNotBalance, Run, Work, create_run, open_run
from pipeline.show import SHOWN, show, traces_markdown
from pipeline.store import iterate_records, read_records
from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds, yaml_of

STAGES = tuple(STAGE_FUNCTIONS)


def build(settings: Config, stages: tuple[str, ...] = STAGES) -> Run:
    run = create_run(settings)
    for stage in stages:
        run_stage(stage, run.folder)
    return open_run(run.folder)


def files(run: Run) -> dict[str, str]:
    """Every committed file with its hash: the content of a run."""
    return {f.path: f.sha256 for unit in run.manifest.units.values() for f in unit.files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    folder = tmp_path_factory.mktemp("runs")
    settings = config(folder, "http://unused")
    with serve(Solver(golds(settings))) as server:
        run = build(config(folder, server.url))
        return run, len(server.requests)


def test_every_count_balances_and_every_request_is_made_once(finished: tuple[Run, int]) -> None:
    run, requests = finished
    rows = {row.stage: row for row in funnel(run)}
    assert rows["generate"].taken == 40
    assert requests == rows["solve"].kept == 4 * rows["screen"].kept
    assert sum(rows["verify"].details.values()) == requests
    assert rows["pool"].kept > 0
    assert rows["select"].rejected["incorrect"] > 0


def test_rejections_are_kept_with_their_reasons(finished: tuple[Run, int]) -> None:
    run, _ = finished
    for row in funnel(run):
        paths = run.manifest.paths(row.stage, f"rejections/{row.stage}")
        rejections = list(iterate_records(Rejection, paths))
        assert len(rejections) == sum(row.rejected.values())
        assert all(r.stage == row.stage and r.reason for r in rejections)


def test_exports_hold_what_was_selected_and_no_problem_crosses_splits(finished: tuple[Run, int]) -> None:
    run, _ = finished
    export = run.folder / "export"
    traces = list(iterate_records(Trace, run.manifest.paths("select", "traces")))
    sft = load_dataset(str(export), "sft", cache_dir=str(run.folder / "cache"))
    assert sum(len(sft[split]) for split in sft) == len(traces)
    splits = {split: set(sft[split]["problem_id"]) for split in sft}
    assert not splits["train"] & (splits["test"] | splits["validation"])
    row = sft["train"][0]
    assert [m["role"] for m in row["prompt"] + row["completion"]] == ["user", "assistant"]
    assert row["completion"][0]["content"].startswith("<think>\n")
    assert row["completion"][0]["content"].endswith(f"</think>\n\n\\boxed{{{row['answer']}}}")
    pool = pq.read_table(export / "grpo" / "train.parquet").to_pylist()
    assert pool
    assert all(0.01 <= r["pass_rate"] <= 0.95 and r["interval_low"] <= r["pass_rate"] for r in pool)
    assert {r["reference_model"] for r in pool} == {"fake/model"}


def test_the_export_manifest_names_every_file_with_its_hash(finished: tuple[Run, int]) -> None:
    run, _ = finished
    manifest = json.loads((run.folder / "export/manifest.json").read_text())
    assert {f["path"] for f in manifest["files"]} == {
        f"{table}/{split}.parquet"
        for table in ("sft", "grpo", "preferences")
        for split in ("train", "validation", "test")
    }
    for file in manifest["files"]:
        assert pq.ParquetFile(run.folder / "export" / file["path"]).metadata.num_rows == file["rows"]
        assert files(run)[f"export/{file['path']}"] == file["sha256"]
    pairs = pq.read_table(run.folder / "export" / "preferences" / "train.parquet").to_pylist()
    assert manifest["preferences"] == length_statistics([(p["chosen_tokens"], p["rejected_tokens"]) for p in pairs])


def test_the_same_command_again_does_nothing(finished: tuple[Run, int]) -> None:
    run, _ = finished
    before = run.manifest.path.read_bytes()
    assert files(build(run.config)) == files(run)  # the server is gone: a single request would fail
    assert run.manifest.path.read_bytes() == before


def test_rows_can_be_shown(finished: tuple[Run, int]) -> None:
    run, _ = finished
    for stage in SHOWN:
        texts = list(show(run, stage, 4))
        assert texts
        assert all(text.strip() for text in texts)
    assert "[assistant] <think>" in traces_markdown(run, 2)
    with pytest.raises(ConfigError, match="choose one of problems"):
        show(run, "colours", 1)


def test_later_stages_may_change_without_a_new_request_and_paid_ones_may_not(finished: tuple[Run, int]) -> None:
    run, _ = finished
    select = run.config.select.model_copy(update={"traces_per_problem": 1})
    changed = build(run.config.model_copy(update={"select": select}))
    assert len(list(iterate_records(Trace, changed.manifest.paths("select", "traces")))) == sum(
        unit.counts["kept"] for unit in changed.manifest.of_stage("assess")
    )
    assert funnel(changed)[2] == funnel(run)[2]
    build(run.config)
    with pytest.raises(ConfigError, match="made with another seed \\(0, now 1\\); choose another run name"):
        create_run(run.config.model_copy(update={"seed": 1}))


def test_more_completions_pay_only_for_the_new_ones(tmp_path: Path) -> None:
    known = golds(config(tmp_path, "http://unused", count=8))
    with serve(Solver(known)) as server:
        build(config(tmp_path, server.url, count=8))
        first = len(server.requests)
        settings = config(tmp_path, server.url, count=8)
        more = settings.teachers[0].model_copy(update={"completions": 6})
        build(settings.model_copy(update={"teachers": (more,)}))
        assert len(server.requests) == first * 6 // 4
        with pytest.raises(ConfigError, match=r"completions \(6, now 4\)"):
            build(settings)


def with_stopping(settings: Config, **changes: Any) -> Config:
    teacher = settings.teachers[0].model_copy(update={"completions": 8, **changes})
    return settings.model_copy(update={"teachers": (teacher,)})


def decisions(run: Run) -> dict[str, str]:
    rows = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    return {a.problem_id: a.decision for a in rows}


@pytest.fixture(scope="module")
def curtailed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    folder = tmp_path_factory.mktemp("curtailed")
    with serve(Solver(golds(config(folder, "http://unused")))) as server:
        run = build(with_stopping(config(folder, server.url), stopping=Stopping(wave=2)))
        return run, len(server.requests)


def test_curtailed_stopping_asks_for_less_and_decides_the_same(curtailed: tuple[Run, int], tmp_path: Path) -> None:
    run, asked = curtailed
    with serve(Solver(golds(run.config))) as server:
        fixed = build(with_stopping(config(tmp_path, server.url)))
        assert asked < 0.75 * len(server.requests)
    assert decisions(run) == decisions(fixed)
    assert {row.stopping for row in iterate_records(Assessment, run.manifest.paths("assess", "assessments"))} == {
        "curtailed of 8"
    }
    assert files(build(run.config)) == files(run)  # the server is gone: a single request would fail


def test_a_run_stopped_in_the_middle_of_its_waves_asks_for_nothing_twice(
    curtailed: tuple[Run, int], tmp_path: Path
) -> None:
    whole, _ = curtailed
    recorded = list(iterate_records(Completion, whole.manifest.paths("solve", "completions")))
    with serve(Solver(golds(whole.config))) as server:
        settings = with_stopping(config(tmp_path, server.url, run="stopped"), stopping=Stopping(wave=2))
        run = build(settings, ("generate", "screen"))
        journals = {
            unit.shard: Journal(run.folder / "solve" / f"0-{unit.shard}.jsonl")
            for unit in run.manifest.of_stage("screen")
        }
        shard_of = {
            p.id: u.shard
            for u in run.manifest.of_stage("screen")
            for p in read_records(Problem, run.file(u, "screened"))
        }
        for completion in recorded[::3]:  # holes in every wave, as a kill leaves them
            journals[shard_of[completion.problem_id]].add(completion)
        for journal in journals.values():
            journal.close()
        again = build(settings)
        assert len(server.requests) == len(recorded) - len(recorded[::3])
        assert contents(again) == contents(whole)


def contents(run: Run) -> dict[str, str]:
    """The tables of a run, without what names the run."""
    return {path: digest for path, digest in files(run).items() if path.endswith(".parquet")}


def test_recorded_completions_alone_are_taken_where_no_model_may_be_asked(tmp_path: Path) -> None:
    known = golds(config(tmp_path, "http://unused", count=8))
    with serve(Solver(known)) as server:
        settings = config(tmp_path, server.url, count=8)
        run = create_run(settings)
        for stage in ("generate", "screen"):
            run_stage(stage, run.folder)
    offline = open_run(run.folder, recorded_only=True)
    for stage in STAGES[2:]:
        STAGE_FUNCTIONS[stage](offline)
    rows = {row.stage: row for row in funnel(offline)}
    assert rows["solve"].kept == 0
    assert rows["assess"].rejected == {"undecided": rows["agree"].kept}


def test_two_teachers_form_a_panel(tmp_path: Path) -> None:
    settings = config(tmp_path, "http://unused", count=8)
    with serve(Solver(golds(settings))) as server:
        settings = config(tmp_path, server.url, count=8)
        second = settings.teachers[0].model_copy(update={"prompt": "boxed", "revision": "other"})
        run = build(settings.model_copy(update={"teachers": (*settings.teachers, second)}))
    rows = {row.stage: row for row in funnel(run)}
    assert rows["solve"].kept == 2 * 4 * rows["screen"].kept


KILLS = 4


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_finishes_and_pays_for_nothing_twice(
    tmp_path: Path, finished: tuple[Run, int]
) -> None:
    """SIGKILL while solving, again and again; the end is the same as without, byte by byte."""
    undisturbed, needed = finished
    known = golds(undisturbed.config)
    program = (
        "import sys; from pathlib import Path; from flows.stages import *\n"
        "for stage in STAGE_FUNCTIONS: run_stage(stage, Path(sys.argv[1]))"
    )
    with serve(Solver(known), seconds_per_answer=0.05) as server:
        run = create_run(config(tmp_path, server.url))
        for _ in range(KILLS):
            before = len(server.requests)
            process = subprocess.Popen([sys.executable, "-c", program, str(run.folder)], start_new_session=True)
            while len(server.requests) < before + 15 and process.poll() is None:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with Journal(next((run.folder / "solve").glob("*.jsonl"))).path.open("ab") as journal:
            journal.write(b'{"id": "torn')
        again = build(run.config)
        assert needed <= len(server.requests) <= needed + KILLS * 4
    assert completions(again) == completions(undisturbed)
    assert {k: v for k, v in files(again).items() if "export" in k and "README" not in k}.items() <= files(
        undisturbed
    ).items()
    assert not list((run.folder / "solve").glob("*.jsonl"))


def completions(run: Run) -> list[Completion]:
    return list(iterate_records(Completion, run.manifest.paths("solve", "completions")))


def test_a_stage_that_loses_a_record_fails_the_run(tmp_path: Path) -> None:
    run = create_run(config(tmp_path, "http://unused", count=4))
    run_stage("generate", run.folder)
    run = open_run(run.folder)
    rows = read_records(Problem, run.manifest.paths("generate", "problems")[0])
    with pytest.raises(CountsDoNotBalance, match="screen 0: 4 in, 3 kept and 0 rejected"):
        run.commit(Work("screen", "0", "f"), {"screened": (Problem, rows[:-1])}, taken=len(rows), kept=len(rows) - 1)


def test_a_config_can_be_read_back_by_the_command(tmp_path: Path) -> None:
    yaml_of(config(tmp_path, "http://unused"), tmp_path / "c.yaml")


def test_a_run_whose_problems_are_all_refused_ends_without_asking(tmp_path: Path) -> None:
    path = tmp_path / "ill.jsonl"
    path.write_text('{"question": "Prove that the sum of two odd numbers is even.", "answer": "1"}\n')
    source = {"strategy": "imported", "path": str(path)}
    run = build(config(tmp_path, "http://127.0.0.1:9/v1", generate={"sources": [source]}))
    rows = {row.stage: row for row in funnel(run)}
    assert rows["screen"].rejected == {"proof only": 1}
    assert rows["solve"].taken == rows["pool"].kept == 0
