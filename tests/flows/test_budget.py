"""A budget that is reached ends a run cleanly: what is finished is exported, what is not asked for is counted, and a
higher budget goes on without asking for anything twice."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.stages import build, run_stage
from pipeline.budget import budget_notes
from pipeline.config import Budget, Config
from pipeline.manifest import Manifest
from pipeline.records import Completion, Rejection
from pipeline.report import StageCounts, funnel, write_funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import FakeServer, serve
from tests.flows.mixed import MixedModel, mixed_config
from tests.flows.solver import Solver, config, golds

COUNT = 40
ALL = Budget()


def rows(run: Run) -> dict[str, StageCounts]:
    return {row.stage: row for row in funnel(run)}


def tokens(run: Run) -> int:
    return sum(unit.tokens for stage in ("generate", "solve") for unit in run.manifest.of_stage(stage))


def tables(run: Run) -> dict[str, str]:
    units = run.manifest.units.values()
    return {f.path: f.sha256 for unit in units for f in unit.files if f.path.endswith(".parquet")}


def asked_twice(server: FakeServer) -> int:
    solving = (body for body in server.requests if "seed" in body)  # one that writes carries no seed
    bodies = Counter((body["messages"][-1]["content"], body["seed"]) for body in solving)
    return sum(count - 1 for count in bodies.values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    with serve(Solver(golds(config(folder, "http://unused", count=COUNT)))) as server:
        return build(config(folder, server.url, count=COUNT))


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"tokens": 1500}, "tokens 1,5"),
    ({"problems": 12}, "problems 1"),
    ({"minutes": 1e-9}, "minutes 0.0 of 1e-09"),
]


@pytest.mark.parametrize(("limits", "note"), LIMITS, ids=str)
def test_a_budget_stops_cleanly_and_a_higher_one_goes_on(
    limits: dict[str, Any], note: str, tmp_path: Path, whole: Run
) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as server:
        settings = config(tmp_path, server.url, count=COUNT)
        run = build(settings.model_copy(update={"budget": Budget(**limits)}))
        stopped = len(server.requests)
        solve = rows(run)["solve"]
        assert solve.kept == stopped < solve.taken == rows(whole)["solve"].taken
        assert solve.rejected == {"not asked": solve.taken - stopped}
        (said,) = budget_notes(run)
        assert said.startswith(note)
        write_funnel(run, list(rows(run).values()))
        assert json.loads((run.folder / "funnel.json").read_text())["stopped_by_budget"] == [said]
        assert (run.folder / "export/sft/train.parquet").is_file()
        lacking = list(iterate_records(Rejection, run.manifest.paths("solve", "rejections/solve")))
        assert {r.reason for r in lacking} == {f"budget: {said}"}
        manifest = run.manifest.path.read_bytes()
        assert build(run.config).manifest.path.read_bytes() == manifest  # the same command again does nothing
        assert len(server.requests) == stopped
        again = build(settings)
        assert budget_notes(again) == []
        assert asked_twice(server) == 0
        assert len(server.requests) == solve.taken
    assert tables(again) == tables(whole)
    assert {r.record_id for r in lacking} <= {
        c.id for c in iterate_records(Completion, again.manifest.paths("solve", "completions"))
    }


def test_tokens_are_spent_to_the_limit_and_hardly_beyond(tmp_path: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT))), seconds_per_answer=0.01) as server:
        settings = config(tmp_path, server.url, count=COUNT)
        spent = tokens(build(settings.model_copy(update={"budget": Budget(tokens=2000)})))
        assert 2000 <= spent < 2000 + 2 * 41  # a completion of the fake has 41 tokens
        more = tokens(build(settings.model_copy(update={"budget": Budget(tokens=3000)})))
        assert 3000 <= more < 3000 + 2 * 41


def test_kept_problems_reach_the_limit(tmp_path: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as server:
        run = build(config(tmp_path, server.url, count=COUNT, budget=Budget(problems=10).model_dump()))
    assert 10 <= rows(run)["assess"].kept <= 12


def test_a_killed_run_has_spent_what_is_in_its_journals(tmp_path: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as server:
        settings = config(tmp_path, server.url, count=COUNT)
        run = create_run(settings)
        for stage in ("generate", "screen"):
            run_stage(stage, run.folder)
        server.faults = [""] * 12 + ["400"]  # the thirteenth request stops the run, as a kill would
        with pytest.raises(Exception, match="400"):
            run_stage("solve", run.folder)
        server.faults = []
        run = build(settings.model_copy(update={"budget": Budget(tokens=1000)}))
        assert 1000 <= tokens(run) < 1000 + 2 * 41
        assert asked_twice(server) <= 4  # those in flight


class Clock:
    """Stands for the module time where minutes are counted; every answer takes one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = 0
        for module in ("budget", "run", "solve"):
            monkeypatch.setattr(f"pipeline.{module}.time", self)

    def monotonic(self) -> float:
        return 60.0 * self.answers


def slow_solver(settings: Config, clock: Clock, at: dict[int, Callable[[], None]]) -> Callable[[dict[str, Any]], str]:
    """Answer in a minute by the clock, one request at a time; `at` is what happens before answers of these numbers."""
    solver, lock = Solver(golds(settings)), threading.Lock()

    def answer(body: dict[str, Any]) -> str:
        with lock:
            at.get(clock.answers, lambda: None)()
            clock.answers += 1
        return solver(body)

    return answer


def test_minutes_are_those_of_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    settings = config(tmp_path, "http://unused", count=COUNT, budget={"minutes": 20})
    with serve(slow_solver(settings, clock, {})) as server:
        settings = config(tmp_path, server.url, count=COUNT, budget={"minutes": 20})
        run = create_run(settings)
        for stage in ("generate", "screen"):
            run_stage(stage, run.folder)
        server.faults = [""] * 12 + ["400"]
        with pytest.raises(Exception, match="400"):
            run_stage("solve", run.folder)
        assert 8 <= clock.answers < 20  # stopped before its budget; what was on its way is answered, too
        server.faults = []
        (said,) = budget_notes(build(settings))
    assert said.startswith("minutes 2")
    assert 20 <= clock.answers <= 20 + 2 * 4  # at the end of either session up to four answers are on their way
    spent = [unit.seconds / 60 for unit in open_run(run.folder).manifest.of_stage("session")]
    assert len(spent) == 2
    assert clock.answers - 2 * 4 <= sum(spent) <= clock.answers


def test_minutes_of_a_session_that_is_killed_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr("pipeline.solve.RECORD_EVERY_SECONDS", 0.01)
    settings = config(tmp_path / "killed", "http://unused", count=COUNT)

    def kill() -> None:
        """Copy the folder as a kill would leave it, once the tenth minute is in the manifest."""
        end = time.monotonic() + 8  # less than an answer may take
        while time.monotonic() < end:
            if any(unit.seconds >= 600 for unit in Manifest(settings.folder).of_stage("session")):
                break
            time.sleep(0.01)
        shutil.copytree(settings.folder, tmp_path / "copy" / settings.run)

    with serve(slow_solver(settings, clock, {10: kill})) as server:
        build(config(tmp_path / "killed", server.url, count=COUNT))
        sent = len(server.requests)
        again = build(config(tmp_path / "copy", server.url, count=COUNT, budget={"minutes": 10}))
        assert len(server.requests) == sent
    (said,) = budget_notes(again)
    assert said == "minutes 10.0 of 10"


@pytest.mark.slow
def test_a_panel_shares_and_writing_counts(tmp_path: Path) -> None:
    """Two voices, written and derived problems: the counts balance wherever the budget falls."""
    with serve(MixedModel()) as server:
        settings = mixed_config(tmp_path, server.url)
        for most in (400, 4000):
            run = build(settings.model_copy(update={"budget": Budget(tokens=most)}))
            assert budget_notes(run), most
            rows(run)  # raises if a count does not balance
            assert tokens(run) < most + 300, most
            first, second = (
                {c.problem_id for c in iterate_records(Completion, [run.file(unit, "completions")])}
                for unit in (run.manifest.units[("solve", f"{i}-0-00000")] for i in (0, 1))
            )
            assert second <= first
        finished = build(settings)
        assert budget_notes(finished) == []
        assert asked_twice(server) == 0
