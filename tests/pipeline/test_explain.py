"""What `explain` tells of every kind of record, that it is true, and that the command it gives makes the same row."""

import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from generators.remake import remake
from pipeline.errors import GradatimError
from pipeline.explain import explain
from pipeline.lineage import Gain, gain, remake_command
from pipeline.lookup import NotFound, find
from pipeline.records import Assessment, Completion, Problem, R, Rejection, Trace
from pipeline.run import Run
from pipeline.store import iterate_records, read_records
from tests.flows.mixed import mixed_run

__all__ = ["mixed_run"]


def rows(run: Run, kind: type[R], stage: str, table: str) -> list[R]:
    return list(iterate_records(kind, run.manifest.paths(stage, table)))


def problems(run: Run) -> list[Problem]:
    return rows(run, Problem, "generate", "problems")


def first(run: Run, wanted: Callable[[Problem], bool]) -> Problem:
    return next(problem for problem in problems(run) if wanted(problem))


def shard_of(run: Run, problem: Problem) -> str:
    units = run.manifest.of_stage("generate")
    return next(u.shard for u in units if problem in read_records(Problem, run.file(u, "problems")))


def made_by(name: str) -> Callable[[Problem], bool]:
    return lambda problem: problem.provenance.generator.startswith(name)


GENERATORS = [
    ("template/travel", ["seed 0, index", '"level":', "gold proved", "python -c"]),
    ("imported", ["source sums.jsonl:", "licence MIT", "votes={", "python -m generators.remake"]),
    ("evolve/", ["written by fake/model@served, prompt evolve/", "draft ", "measurably harder than its parent: "]),
    ("backward/answer_first", ['"plan":[', "draft "]),
    ("backward/mask", ["parent ", "template: travel", "measurably harder than its parent: "]),
    ("backward/inverse", ['"parent":', "gold proved"]),
    ("written", ["no gold yet", "gold adopted"]),
]


@pytest.mark.parametrize(("generator", "expected"), GENERATORS, ids=[name for name, _ in GENERATORS])
def test_the_story_of_a_problem_of_every_strategy(mixed: Run, generator: str, expected: list[str]) -> None:
    problem = first(mixed, made_by(generator))
    stories = explain(mixed, problem.id[:12]).split("\n\nproblem ")  # the same problem may come from two sources
    story = next(f"problem {story.removeprefix('problem ')}" for story in stories if generator in story)
    for text in (problem.id, problem.question.splitlines()[0], "passed", "fake/model, prompt plan: 4", *expected):
        assert text in story, text
    stages = [line.split()[0] for line in story.splitlines() if not line.startswith((" ", "problem"))]
    assert stages == sorted(stages, key=["generate", *STAGES, "remake"].index)


STAGES = ("screen", "solve", "agree", "verify", "assess", "pool", "select", "export")


@pytest.mark.parametrize("generator", [name for name, _ in GENERATORS])
def test_the_command_makes_the_same_row(mixed: Run, generator: str) -> None:
    problem = first(mixed, made_by(generator))
    assert remake(mixed.folder, problem.id, shard_of(mixed, problem)) == problem


@pytest.mark.parametrize("generator", ["template/work_rate", "written"])
def test_the_command_can_be_typed_as_it_is_shown(mixed: Run, generator: str) -> None:
    problem = first(mixed, made_by(generator))
    command = remake_command(mixed, problem, shard_of(mixed, problem))
    assert command in explain(mixed, problem.id)
    _, *arguments = shlex.split(command)
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(problem)


def test_ancestors_are_told_back_to_the_seed(mixed: Run) -> None:
    by_id = {problem.id: problem for problem in problems(mixed)}
    grandchild = first(mixed, lambda p: any(by_id[x].provenance.parents for x in p.provenance.parents))
    story = explain(mixed, grandchild.id)
    parent = by_id[grandchild.provenance.parents[0]]
    seed = by_id[parent.provenance.parents[0]]
    assert story.index(f"parent {parent.id}") < story.index(f"parent {seed.id}")
    assert seed.question.splitlines()[0] in story


def test_a_completion_says_its_verdict_and_whether_it_became_a_trace(mixed: Run) -> None:
    trace = rows(mixed, Trace, "select", "traces")[0]
    for name in (trace.completion_id, f"{trace.problem_id}/{trace.completion_id}"):
        story = explain(mixed, name)
        assert f"a trace: {trace.chosen_because}" in story.split("\n\n")[0]
        assert trace.messages[-1].content.splitlines()[1] in story
        assert f"problem {trace.problem_id}" in story.split("\n\n")[1]
    for refused in (rows(mixed, Rejection, "select", "rejections/select")[0], *no_trace(mixed, "incorrect")[:1]):
        head = explain(mixed, refused.record_id).split("\n\n")[0]
        assert f"rejected, {refused.filter}: {refused.reason}" in head


def no_trace(run: Run, name: str) -> list[Rejection]:
    return [r for r in rows(run, Rejection, "select", "rejections/select") if r.filter == name]


@pytest.mark.parametrize("stage", ["generate", "screen", "agree", "assess", "pool"])
def test_every_rejection_of_a_problem_is_told_with_filter_and_reason(mixed: Run, stage: str) -> None:
    found = rows(mixed, Rejection, stage, f"rejections/{stage}")
    assert found or stage == "screen"
    for rejection in found:
        assert f"rejected, {rejection.filter}: {rejection.reason[:200]}" in explain(mixed, rejection.record_id)


def test_a_draft_leads_to_the_problem_it_became(mixed: Run) -> None:
    draft = rows(mixed, Completion, "generate", "drafts")[0]
    story = explain(mixed, draft.id)
    assert draft.text in story and f"draft {draft.id}" in story
    assert "problem " in story.split("\n\n")[1]


def test_an_id_that_is_too_short_unknown_or_shared_says_so(mixed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problems(mixed)[0]
    with pytest.raises(NotFound, match="at least 6 letters"):
        find(mixed, problem.id[:5])
    with pytest.raises(NotFound, match="holds no such problem"):
        find(mixed, "0123456789")
    monkeypatch.setattr("pipeline.lookup.SHORTEST", 1)
    with pytest.raises(
        NotFound, match=rf"^{problem.id[0]}: \d+ records begin with it: .*\((problem|completion|draft)\)"
    ):
        find(mixed, problem.id[0])
    completion = rows(mixed, Completion, "solve", "completions")[0]
    with pytest.raises(GradatimError, match="not a problem of"):
        remake(mixed.folder, completion.id)


def assessed(successes: int, attempts: int, low: float, high: float) -> Assessment:
    rate = successes / attempts if attempts else None
    counts = (attempts, successes, 0, rate, low, high, 0.95, "jeffreys")
    return Assessment("p", "m", "r", *counts, "keep", None, None)


EASY, MIDDLE, HARD = assessed(7, 8, 0.55, 0.99), assessed(4, 8, 0.2, 0.8), assessed(0, 8, 0, 0.26)


@pytest.mark.parametrize(
    ("child", "parents", "expected"),
    [
        (MIDDLE, [EASY], Gain(True, False)),
        (HARD, [EASY], Gain(True, True)),
        (EASY, [MIDDLE], Gain(False, False)),
        (MIDDLE, [MIDDLE], Gain(False, False)),
        (MIDDLE, [EASY, HARD], Gain(False, False)),
        (HARD, [EASY, MIDDLE], Gain(True, False)),
        (MIDDLE, [], None),
        (MIDDLE, [assessed(0, 0, 0, 1)], None),
        (assessed(0, 0, 0, 1), [EASY], None),
    ],
)
def test_harder_is_a_lower_pass_rate_than_every_parents(
    child: Assessment, parents: list[Assessment], expected: Gain | None
) -> None:
    assert gain(child, parents) == expected
