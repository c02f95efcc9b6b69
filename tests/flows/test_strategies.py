"""Every strategy in one run against a real HTTP server: rounds, lineage, golds by agreement, nothing written twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.stages import build, run_stage
from pipeline.config import Config, Splits
from pipeline.config_files import ConfigError
from pipeline.records import Agreement, Completion, Problem, Rejection
from pipeline.report import funnel
from pipeline.run import Run, create_run
from pipeline.splits import ancestors, split_of
from pipeline.store import iterate_records
from tests.fake_server import MODEL_NAME, serve
from tests.flows.writer import WriterAndSolver

SOURCES: list[dict[str, Any]] = [
    {"strategy": "template", "count": 6, "families": ["shopping", "rectangles"], "levels": [1]},
    {"strategy": "written", "count": 6},
    {"strategy": "backward", "method": "answer_first", "count": 6},
    {"strategy": "backward", "method": "inverse", "count": 6, "families": ["rectangles", "travel"]},
    {"strategy": "reasoning_gym", "datasets": ["chain_sum"], "count": 4},
    {"strategy": "evolved", "count": 7, "generations": 2},
    {"strategy": "backward", "method": "mask", "count": 4},
]


def settings(folder: Path, url: str, **changes: Any) -> Config:
    engine = {"kind": "openai", "endpoints": [url], "concurrency": changes.pop("concurrency", 4), "timeout_seconds": 10}
    teacher = {"model": MODEL_NAME, "engine": engine, "sampling": {"seed": "per_request"}, "completions": 3}
    raw: dict[str, Any] = {
        "run": "all",
        "runs_folder": folder,
        "generate": {"sources": SOURCES, "shard_rows": 4},
        "teachers": [teacher, {**teacher, "prompt": "plan"}],
        "writer": {"model": MODEL_NAME, "engine": engine, "sampling": {"seed": "per_request"}},
        "assess": {"band": {"max_pass_rate": 1.0}},
    }
    return Config.model_validate(raw | changes)


def tables(run: Run) -> dict[str, str]:
    return {f.path: f.sha256 for unit in run.manifest.units.values() for f in unit.files if f.path.endswith(".parquet")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    with serve(WriterAndSolver()) as server:
        run = build(settings(tmp_path_factory.mktemp("runs"), server.url))
        return run, len(server.requests)


def problems(run: Run) -> dict[str, Problem]:
    return {p.id: p for p in iterate_records(Problem, run.manifest.paths("generate", "problems"))}


def test_every_strategy_gives_problems_that_end_in_the_pool(finished: tuple[Run, int]) -> None:
    run, _ = finished
    funnel(run)
    settled = list(iterate_records(Problem, run.manifest.paths("agree", "settled")))
    assert {p.strategy for p in settled} == {"template", "written", "backward", "reasoning_gym", "evolved"}
    assert all(p.answer is not None for p in settled)


def test_golds_say_where_they_come_from(finished: tuple[Run, int]) -> None:
    run, _ = finished
    made = problems(run)
    statuses: dict[str, set[str]] = {}
    for agreement in iterate_records(Agreement, run.manifest.paths("agree", "agreements")):
        statuses.setdefault(made[agreement.problem_id].provenance.generator.split("/")[0], set()).add(agreement.status)
        if agreement.status in ("adopted", "confirmed"):
            assert len(agreement.voices) == 2
    assert statuses["template"] == statuses["reasoning_gym"] == {"proved"}
    assert statuses["written"] == statuses["evolve"] == {"adopted"}
    assert statuses["backward"] == {"proved"}
    refused = iterate_records(Rejection, run.manifest.paths("agree", "rejections/agree"))
    unconfirmed = [r for r in refused if r.filter == "not confirmed"]  # the plans multiply, this panel adds
    assert "backward/answer_first" in {made[r.record_id].provenance.generator for r in unconfirmed}


def test_lineage_leads_from_the_second_generation_to_a_problem_without_parents(finished: tuple[Run, int]) -> None:
    run, _ = finished
    made = problems(run)
    shards = {unit.shard for unit in run.manifest.of_stage("generate")}
    assert {"g1-5-00000", "g2-5-00000", "g1-6-00000"} <= shards
    evolved = [p for p in made.values() if p.strategy == "evolved"]
    depths = set()
    for problem in evolved:
        depth, parents = 0, problem.provenance.parents
        while parents:
            depth, parents = depth + 1, made[parents[0]].provenance.parents
        depths.add(depth)
    assert depths == {1, 2}
    assert all(p.provenance.model == MODEL_NAME and p.provenance.prompt_version for p in evolved)


def test_what_the_text_shows_to_be_no_problem_is_refused_with_the_draft(finished: tuple[Run, int]) -> None:
    run, _ = finished
    drafts = {c.id: c.text for c in iterate_records(Completion, run.manifest.paths("generate", "drafts"))}
    refused = iterate_records(Rejection, run.manifest.paths("generate", "rejections/generate"))
    shown = [(drafts[r.record_id], json.loads(r.evidence)["draft"]) for r in refused if r.record_id in drafts]
    assert shown and all(draft == kept for draft, kept in shown)


def test_the_same_command_again_asks_for_nothing(finished: tuple[Run, int]) -> None:
    run, _ = finished
    before = run.manifest.path.read_bytes()
    build(run.config)  # the server is gone
    assert run.manifest.path.read_bytes() == before


@pytest.mark.slow
def test_the_content_does_not_depend_on_workers_or_on_requests_in_flight(
    finished: tuple[Run, int], tmp_path: Path
) -> None:
    run, requests = finished
    with serve(WriterAndSolver()) as server:
        other = build(settings(tmp_path, server.url, concurrency=1, verify={"workers": 1}))
        assert len(server.requests) == requests
    assert tables(other) == tables(run)


def test_problems_without_gold_need_a_panel(tmp_path: Path) -> None:
    raw = settings(tmp_path, "http://unused").model_dump()
    with pytest.raises(ValueError, match="two models, or one model with two prompts; teachers has 1"):
        Config.model_validate({**raw, "teachers": raw["teachers"][:1]})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"strategy": "written", "count": 1, "topics": ["love"]}, "unknown topic love; there are: arithmetic"),
        ({"strategy": "evolved", "count": 1, "operations": ["twist"]}, "unknown operation twist; there are: add_con"),
        ({"strategy": "reasoning_gym", "count": 1, "datasets": ["no"]}, "unknown reasoning-gym dataset no"),
        ({"strategy": "backward", "method": "inverse", "count": 1, "families": ["no"]}, "unknown template family no"),
    ],
)
def test_an_unknown_name_is_one_line(tmp_path: Path, source: dict[str, Any], message: str) -> None:
    sources = [SOURCES[0], source]
    config = settings(tmp_path, "http://unused", generate={"sources": sources})
    with pytest.raises(ConfigError, match=message):
        run_stage("generate", create_run(config).folder)


def test_relatives_stay_in_one_split(finished: tuple[Run, int]) -> None:
    run, _ = finished
    made, ancestor = problems(run), ancestors(run)
    related = [(p, made[parent]) for p in made.values() for parent in p.provenance.parents if parent in made]
    assert any(len(p.provenance.parents) == 2 for p, _ in related)
    splits = Splits(validation=0.3, test=0.3)
    assert all(split_of(child, splits, ancestor) == split_of(parent, splits, ancestor) for child, parent in related)
    assert len({split_of(p, splits, ancestor) for p in made.values()}) == 3
