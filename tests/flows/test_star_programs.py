"""STaR on programs, judged by the real sandbox: the tests are the hint, and a program made of them is a leak."""

from pathlib import Path

from flows.reverify import reverify
from flows.stages import plan, run_stage
from flows.star_rounds import begin, run_step
from flows.star_runs import CLOSED_BOOK, GENERATE, RATIONALISE
from flows.star_traces import RATIONALISED, collect, run_of, unsolved
from pipeline.config import OpenAIEngine
from pipeline.records import Completion, Rejection
from pipeline.release import ReleaseOptions, build_release
from pipeline.run import create_run, open_run
from pipeline.store import iterate_records
from tests.fake_server import serve
from tests.flows.learner import star_settings, trained_rows
from tests.flows.programmer import SOURCE, Programmer
from tests.flows.solver import config
from tests.flows.tampering import first, tampered
from tests.isolation import needs_isolation
from tests.training.students import save_student, template


@needs_isolation
def test_programs_are_rationalised_by_their_tests(tmp_path: Path) -> None:
    model = Programmer()
    student = save_student(tmp_path / "student", template("smollm2"))
    with serve(model) as server:
        changes = {"generate": {"sources": [SOURCE]}, "hinted_completions": 1, "closed_book": 1}
        settings = star_settings(tmp_path, server.url, student, **changes)
        begin(settings)
        for step in (GENERATE, RATIONALISE, CLOSED_BOOK):
            run_step(step, settings.output, 1)
    assert unsolved(settings, 1) == (3, 0)
    assert sorted(model.asked) == ["hard-coded", "honest", "hopeless"]
    found = collect(settings, 1)
    assert found.rationalise is not None and found.closed_book is not None
    assert (found.rationalise.solved, found.closed_book.problems, found.closed_book.solved) == (2, 2, 0)
    assert found.leaks == {"holds a hidden test": 1}

    told = [row for row in trained_rows(settings) if RATIONALISED in row["tags"]]
    assert [[model.kinds[turn["content"]] for turn in row["prompt"]] for row in told] == [["honest"]]
    run = run_of(settings, 1, RATIONALISE)
    assert run is not None
    completions = iterate_records(Completion, run.manifest.paths("solve", "completions"))
    assert {completion.prompt_version for completion in completions} == {"bare/1+hint/2"}
    refused = iterate_records(Rejection, run.manifest.paths("select", "rejections/select"))
    assert [r.reason for r in refused if r.filter == "hint leak"] == ["holds a hidden test"]


@needs_isolation
def test_reverify_makes_the_requests_with_a_hint_again(tmp_path: Path) -> None:
    settings = config(tmp_path, "http://unused", generate={"sources": [SOURCE]})
    with serve(Programmer()) as server:
        engine = OpenAIEngine(kind="openai", endpoints=(server.url,), concurrency=2, timeout_seconds=10)
        teacher = settings.teachers[0].model_copy(update={"engine": engine, "hint": True, "completions": 1})
        run = create_run(settings.model_copy(update={"teachers": (teacher,)}))
        for stage in plan(run.config):
            run_stage(stage, run.folder)
    whole = build_release(open_run(run.folder), tmp_path / "release", ReleaseOptions("someone/programs")).folder
    assert reverify(str(whole)).equal
    change = first("completion_id", "0" * 24)
    found = reverify(str(tampered(whole, tmp_path / "tampered", "sft", change, fixed=True)))
    (told,) = [line for outcome in found.outcomes if outcome.check == "completion ids" for line in outcome.differences]
    assert "is not the id of a completion of it" in told
