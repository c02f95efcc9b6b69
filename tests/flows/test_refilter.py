"""Refiltering: the server is gone, so a single request would fail; the old run keeps every byte."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from flows.refilter import Refiltered, refilter, report
from flows.stages import plan, run_stage
from pipeline.ask import NotRecorded, Question, ask
from pipeline.config import Stopping
from pipeline.config_files import ConfigError
from pipeline.records import Assessment, Completion, Message, Problem, Rejection, Trace
from pipeline.report import funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import serve
from tests.flows.mixed import build, digests, mixed_run
from tests.flows.solver import Solver, config, golds

__all__ = ["mixed_run"]


def changes(refiltered: Refiltered) -> dict[str, tuple[Counter[str], Counter[str], int]]:
    return {
        d.table: (
            Counter({reason: len(ids) for reason, ids in d.came_in.items()}),
            Counter({reason: len(ids) for reason, ids in d.went_out.items()}),
            len(d.changed),
        )
        for d in refiltered.differences
    }


NOTHING: Counter[str] = Counter()


def test_fewer_traces_recompute_selection_only(mixed: Run) -> None:
    before = digests(mixed)
    found = refilter(mixed.folder, ["select.traces_per_problem=1"], "one-trace")
    assert digests(mixed) == before
    traces = len(list(iterate_records(Trace, mixed.manifest.paths("select", "traces"))))
    problems = sum(unit.counts["kept"] for unit in mixed.manifest.of_stage("assess"))
    assert changes(found) == {
        "problems in the pool": (NOTHING, NOTHING, 0),
        "traces": (NOTHING, Counter({"select, surplus": traces - problems}), 0),
    }
    assert found.new_completions == found.wanted == 0
    assert found.run.folder == mixed.folder.parent / "one-trace"
    for stage in ("generate", "screen", "verify", "assess"):
        theirs = {unit.shard: unit for unit in mixed.manifest.of_stage(stage)}
        assert {unit.shard: unit for unit in found.run.manifest.of_stage(stage)} == theirs
    same = mixed.manifest.paths("verify", "verdicts")[0]
    assert same.samefile(found.run.folder / same.relative_to(mixed.folder))


BLIND = "{threshold: 0.3, number_blind_families: [travel, work_rate, shopping, ages]}"


@pytest.mark.parametrize(
    ("setting", "table", "side", "reason"),
    [
        ("assess.band.max_pass_rate=1.0", "problems in the pool", 0, "pool, too easy"),
        ("assess.band.max_pass_rate=0.5", "problems in the pool", 1, "pool, too easy"),
        ("select.traces_per_problem=4", "traces", 0, "select, surplus"),
        ("select.min_words_before_answer=100", "traces", 1, "select, answer before reasoning"),
        ("agree.min_votes=9", "problems in the pool", 1, "agree, no agreement"),
        ("agree.min_votes=9", "traces", 1, "agree, no agreement"),
        (f"screen.near_duplicates={BLIND}", "problems in the pool", 1, "screen, near duplicate"),
    ],
)
def test_what_comes_in_and_goes_out_is_counted_by_its_reason(
    mixed: Run, setting: str, table: str, side: int, reason: str
) -> None:
    name = re.sub(r"\W+", "-", f"{setting}-{table}").strip("-")
    found = refilter(mixed.folder, [setting], name)
    difference = next(d for d in found.differences if d.table == table)
    assert (difference.came_in, difference.went_out)[side][reason]
    entered, left = (sum(map(len, groups.values())) for groups in (difference.came_in, difference.went_out))
    assert difference.after == difference.before + entered - left
    assert found.new_completions == 0
    assert reason in report(found)


def test_other_writing_of_the_same_traces_is_told_as_changed(mixed: Run) -> None:
    found = refilter(mixed.folder, ["select.style=plain"], "plain")
    (_, traces) = found.differences
    assert traces.before == traces.after == len(traces.changed) > 0


def test_the_same_again_does_nothing_and_other_settings_go_on_from_there(mixed: Run) -> None:
    first = refilter(mixed.folder, ["select.traces_per_problem=1"])
    assert first.run.folder.name == "mixed-refiltered"
    manifest = first.run.manifest.path.read_bytes()
    assert refilter(mixed.folder, ["select.traces_per_problem=1"]).differences == first.differences
    assert first.run.manifest.path.read_bytes() == manifest
    back = refilter(mixed.folder, [])
    assert all(not d.came_in and not d.went_out and not d.changed for d in back.differences)
    assert funnel(back.run)[0] == funnel(mixed)[0]


@pytest.mark.parametrize(
    ("overrides", "name", "message"),
    [
        (["seed=1"], None, "--set seed…: refilter asks no model"),
        (["generate.shard_rows=3"], None, "--set generate…: refilter asks no model"),
        (["teachers.0.completions=9"], None, "--set teachers…: refilter asks no model"),
        (["writer={model: x}"], None, "--set writer…: refilter asks no model"),
        (["select.colour=1"], None, "unknown key select.colour"),
        ([], "mixed", "is there already, and not from"),
        ([], "a/b", "run"),
    ],
)
def test_what_is_paid_for_cannot_be_changed(mixed: Run, overrides: list[str], name: str | None, message: str) -> None:
    before = digests(mixed)
    with pytest.raises(ConfigError, match=message):
        refilter(mixed.folder, overrides, name)
    assert digests(mixed) == before


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run = create_run(config(tmp_path, "http://unused", count=4))
    run_stage("generate", run.folder)
    with pytest.raises(ConfigError, match=r"not finished; gradatim build .*config\.yaml goes on with it"):
        refilter(run.folder, [])


def test_what_comes_in_unsolved_is_told_and_the_teacher_then_solves_just_that(tmp_path: Path) -> None:
    strict = {"near_duplicates": yaml.safe_load(BLIND)}
    with serve(Solver(golds(config(tmp_path, "http://unused")))) as server:
        source = build(config(tmp_path, server.url, screen=strict))
        url = server.url
    dropped = sum(unit.counts.get("rejected: near duplicate", 0) for unit in source.manifest.of_stage("screen"))
    assert dropped > 0
    found = refilter(source.folder, ["screen.near_duplicates=null"])
    assert (found.new_completions, found.unsolved, found.wanted) == (0, dropped, 4 * dropped)
    assert f"{dropped} problems came in that are not solved: {4 * dropped} completions" in report(found)
    came_in = {p.id for p in iterate_records(Problem, found.run.manifest.paths("screen", "screened"))}
    refused = list(iterate_records(Rejection, found.run.manifest.paths("assess", "rejections/assess")))
    assert sum(r.filter == "undecided" and r.record_id in came_in for r in refused) == dropped
    assert url in (found.run.folder / "config.yaml").read_text()
    with serve(Solver(golds(config(tmp_path, "http://unused")))) as server:
        settings = found.run.config
        engine = settings.teachers[0].engine.model_copy(update={"endpoints": (server.url,)})
        teacher = settings.teachers[0].model_copy(update={"engine": engine})
        build(settings.model_copy(update={"teachers": (teacher,)}))
        assert len(server.requests) == found.wanted


def decisions(run: Run) -> dict[str, str]:
    rows = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    return {row.problem_id: row.decision for row in rows}


def test_another_band_after_stopping_decides_what_is_settled_and_says_what_is_not(tmp_path: Path) -> None:
    """From the wide band to a narrow one, which needs more completions than were asked for, and back, which needs
    fewer: what was paid for stays, and so do the traces."""
    narrow = {"min_pass_rate": 0.3, "max_pass_rate": 0.6}
    with serve(Solver(golds(config(tmp_path, "http://unused")))) as server:
        settings = config(tmp_path, server.url, count=10)
        (teacher,) = settings.teachers
        curtailed = (teacher.model_copy(update={"completions": 6, "stopping": Stopping(wave=2)}),)
        source = build(settings.model_copy(update={"teachers": curtailed}))
        asked = len(server.requests)
        found = refilter(source.folder, [f"assess.band={narrow}"], "narrow")
        at_first = decisions(found.run)
        whole = build(found.run.config)
        more = len(server.requests) - asked
        fixed = (teacher.model_copy(update={"completions": 6}),)
        exact = config(tmp_path, server.url, count=10, run="fixed", assess={"band": narrow})
        expected = decisions(build(exact.model_copy(update={"teachers": fixed})))
    assert found.undecided == Counter(at_first.values())["undecided"] > 0
    assert {name: decision for name, decision in at_first.items() if decision != "undecided"}.items() < expected.items()
    assert changes(found)["traces"] == (NOTHING, NOTHING, 0)
    assert f"{found.undecided} problems need more completions for this band, {found.missing} at most" in report(found)
    assert found.unsolved == 0 < more <= found.missing
    assert decisions(whole) == expected
    back = refilter(whole.folder, ["assess.band={}"], "back")
    assert (back.undecided, decisions(back.run)) == (0, decisions(source))
    assert changes(back)["traces"] == (NOTHING, NOTHING, 0)
    assert contents(back.run) == contents(whole) != contents(source)


def contents(run: Run) -> set[str]:
    return {completion.id for completion in iterate_records(Completion, run.manifest.paths("solve", "completions"))}


def test_no_model_is_asked_to_write_where_only_what_is_recorded_counts(mixed: Run) -> None:
    run = open_run(mixed.folder, recorded_only=True)
    question = Question("about", (Message("user", "Write a problem."),), "test/1")
    with pytest.raises(NotRecorded, match="6-00000: 1 of 1 answers of fake/model are not recorded"):
        ask(run, "6-00000", [question], run.config.writing)


def test_a_whole_run_in_rounds_is_refiltered_once(mixed: Run) -> None:
    refilter(mixed.folder, ["agree.min_votes=9"], "rounds")  # no rewrite is left that could be a parent
    found = refilter(mixed.folder, ["agree.min_votes=9"], "rounds")
    assert len(plan(mixed.config)) > len(plan(config(mixed.folder, "http://unused")))
    assert found.derived and "gradatim build would make them anew" in report(found)
    theirs = {u.shard: u.digest for u in mixed.manifest.of_stage("generate")}
    assert {u.shard: u.digest for u in found.run.manifest.of_stage("generate")} == theirs
