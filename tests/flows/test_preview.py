"""The preview of a run: a slice that is really made, intervals that cover the whole, and nothing paid for twice."""

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from flows.forecast import Outcome, Predicted, Stratum, forecast
from flows.plan_verbs import preview_lines, preview_table
from flows.preview import FEWEST, NOT_DRAWN, Previewed, preview, share_out
from flows.stages import plan, run_stage
from pipeline.config import Config
from pipeline.records import Problem, Trace
from pipeline.report import funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import serve
from tests.flows.mixed import MixedModel, mixed_config
from tests.flows.solver import FAMILIES, WORDS, Solver, config, golds

WORLDS = 60
MOST = 2


def world(rng: np.random.Generator, size: int, drawn: int, completions: int) -> tuple[Stratum, dict[str, float]]:
    """A population of problems, a slice of it, and what another run of all of them gives."""
    easy = rng.random(size) < 0.7
    rates = np.where(easy, rng.beta(5, 1, size), rng.beta(0.3, 3, size))
    means = rng.gamma(20, 10, size)

    def outcome(problem: int) -> Outcome:
        right = rng.random(completions) < rates[problem]
        fit = right & (rng.random(completions) < 0.9)
        tokens = rng.gamma(8, means[problem] / 8, completions)
        return Outcome(tuple(int(t) + 1 for t in tokens), int(right.sum()), int(fit.sum()))

    stratum = Stratum("template", size, tuple(outcome(p) for p in rng.choice(size, drawn, replace=False)))
    whole = [outcome(p) for p in range(size)]
    truth = {
        "tokens": float(sum(sum(o.tokens) for o in whole)),
        "kept": float(sum(o.correct > 0 for o in whole)),
        "traces": float(sum(min(o.fit, MOST) for o in whole)),
    }
    return stratum, truth


def covered(row: Predicted, truth: dict[str, float]) -> dict[str, bool]:
    return {name: getattr(row, name).low <= value <= getattr(row, name).high for name, value in truth.items()}


@pytest.mark.parametrize(("size", "drawn", "completions"), [(42, 32, 4), (42, 42, 4), (1000, 32, 4), (300, 24, 2)])
def test_intervals_cover_another_run_about_as_often_as_they_say(size: int, drawn: int, completions: int) -> None:
    rng = np.random.default_rng(size + drawn)
    inside: Counter[str] = Counter()
    for number in range(WORLDS):
        stratum, truth = world(rng, size, drawn, completions)
        whole = forecast([stratum], MOST, seed=number)[-1]
        inside.update(name for name, is_in in covered(whole, truth).items() if is_in)
        assert whole.kept.low <= whole.kept.expected <= whole.kept.high
        assert whole.kept.high - whole.kept.low < 0.55 * size
    assert all(inside[name] >= 0.87 * WORLDS for name in ("tokens", "kept", "traces")), inside


def test_a_forecast_depends_on_the_slice_alone_and_adds_up() -> None:
    rng = np.random.default_rng(1)
    strata = [world(rng, 40, 16, 4)[0], world(rng, 90, 16, 4)[0]._replace(name="imported")]
    rows = forecast(strata, MOST)
    assert rows == forecast(strata, MOST)
    assert [row.name for row in rows] == ["template", "imported", "all"]
    for name in ("tokens", "kept", "traces"):
        one, two, whole = (getattr(row, name) for row in rows)
        assert whole.expected == pytest.approx(one.expected + two.expected)
        assert max(one.high, two.high) < whole.high
    merged = forecast([strata[0], strata[1]._replace(name="template")], MOST)
    assert [row.name for row in merged] == ["template", "all"]
    assert merged[0].problems == 130


EDGES = [
    ("nothing", Stratum("written", 50, ())),
    ("all refused", Stratum("written", 50, (Outcome(drafted=30.0),) * 4)),
    ("one completion each", Stratum("written", 50, (Outcome((40,), 1, 1), Outcome((60,), 0, 0)))),
    ("more drawn than there are", Stratum("evolved", 2, (Outcome((40, 50), 2, 2),) * 4)),
]


@pytest.mark.parametrize(("name", "stratum"), EDGES, ids=[name for name, _ in EDGES])
def test_odd_slices_give_numbers(name: str, stratum: Stratum) -> None:
    whole = forecast([stratum], MOST)[-1]
    for quantity in (whole.tokens, whole.kept, whole.traces):
        assert 0 <= quantity.low <= quantity.high < float("inf"), name
    assert whole.kept.high <= stratum.size


def test_a_slice_is_shared_out_in_proportion_but_nobody_is_left_out() -> None:
    assert share_out(32, {0: 600, 1: 200, 2: 5, 3: 2}) == {0: 24, 1: 8, 2: FEWEST, 3: 2}


class Varied(Solver):
    """Problems differ in how hard they are, completions in how long they are."""

    def __call__(self, body: dict[str, Any]) -> str:
        question = body["messages"][-1]["content"].split("\n\nSolve the problem")[0]
        own, rng = random.Random(question), random.Random(body["seed"])
        answer = self.known[question] if rng.random() < own.betavariate(1, 0.5) else "-777"
        return " ".join(rng.choices(WORDS, k=rng.randint(20, 20 + own.randint(1, 60)))) + f" \\boxed{{{answer}}}"


def build(settings: Config) -> Run:
    run = create_run(settings)
    for stage in plan(settings):
        run_stage(stage, run.folder)
    return open_run(run.folder)


def test_the_slice_is_made_once_and_its_completions_are_not_asked_for_again(tmp_path: Path) -> None:
    count, drawn = 48, 20
    settings = config(tmp_path, "http://unused", count=count)
    with serve(Varied(golds(settings))) as server:
        settings = config(tmp_path, server.url, count=count)
        found = preview(settings, drawn)
        asked = len(server.requests)
        assert asked == 4 * found.slice_problems == found.handed_over
        assert abs(found.slice_problems - drawn) <= 2
        assert_a_stratified_slice(found.run)
        again = preview(settings, drawn)
        assert len(server.requests) == asked
        assert (again.rows, again.handed_over) == (found.rows, 0)
        made = {row.stage: row for row in funnel(build(settings))}
        assert len(server.requests) == made["solve"].kept
    assert found.rows[-1].problems == made["screen"].kept
    assert found.rows[-1].completions == made["solve"].kept
    assert found.size_bytes > 0
    assert_it_can_be_read(found)


@pytest.mark.slow
def test_intervals_from_a_real_slice_cover_the_whole_with_the_same_and_with_other_completions(tmp_path: Path) -> None:
    inside: list[bool] = []
    for seed in range(4):
        with serve(Varied(golds(config(tmp_path, "http://unused", count=48, seed=seed)))) as server:
            settings = config(tmp_path, server.url, count=48, seed=seed, run=f"run{seed}")
            whole = preview(settings, 20).rows[-1]
            teacher = settings.teachers[0].model_copy(update={"first_index": 50})
            other = settings.model_copy(update={"run": f"other{seed}", "teachers": (teacher,)})
            for run in (build(settings), build(other)):
                inside += covered(whole, truth_of(run)).values()
    assert sum(inside) >= 0.85 * len(inside), inside


def truth_of(run: Run) -> dict[str, float]:
    return {
        "tokens": sum(unit.tokens for unit in run.manifest.of_stage("solve")),
        "kept": {row.stage: row for row in funnel(run)}["assess"].kept,
        "traces": len(list(iterate_records(Trace, run.manifest.paths("select", "traces")))),
    }


def assert_a_stratified_slice(run: Run) -> None:
    families = Counter(p.family for p in iterate_records(Problem, run.manifest.paths("screen", "screened")))
    assert set(families) == set(FAMILIES)
    assert max(families.values()) - min(families.values()) <= 2
    screen = {row.stage: row for row in funnel(run)}["screen"]
    assert screen.rejected[NOT_DRAWN] == screen.taken - screen.kept - sum(
        n for name, n in screen.rejected.items() if name != NOT_DRAWN
    )


def assert_it_can_be_read(found: Previewed) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(preview_table(found))
    text = console.export_text() + "\n".join(preview_lines(found, budget=1000))
    for expected in ("kept", "all", "until the teacher is ready", "MB", "budget:  1,000 tokens, which ends"):
        assert expected in text


@pytest.mark.slow
def test_every_strategy_is_in_the_slice(tmp_path: Path) -> None:
    with serve(MixedModel()) as server:
        settings = mixed_config(tmp_path, server.url)
        found = preview(settings, 16)
    names = [row.name for row in found.rows]
    assert names == [
        "template", "imported", "evolved", "backward, answer_first", "backward, mask", "backward, inverse", "written",
        "all",
    ]  # fmt: skip
    rows = {row.name: row for row in found.rows}
    assert rows["template"].problems <= 8
    assert (rows["evolved"].problems, rows["written"].problems) == (6, 3)
    assert rows["all"].tokens.expected > 0
    assert rows["template"].kept.low > 0
