"""STaR: what a round trains on, the measured leaks, and the mistakes; with real trainings: test_star_training.py."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import star_rounds, star_traces
from flows.star_report import Round, cells
from flows.star_rounds import StarError, begin, load_star, open_star, run_step, steps_left, student_settings
from flows.star_runs import CLOSED_BOOK, GENERATE, RATIONALISE, answering_model, run_config
from flows.star_traces import RATIONALISED, collect, run_of, unsolved
from generators import run_source
from generators.run_source import run_shards
from pipeline.config_files import ConfigError, parse_model
from pipeline.explain import explain
from pipeline.models import resolve
from pipeline.records import Completion, Rejection
from pipeline.sources import RunSource
from pipeline.star_settings import StarConfig
from pipeline.store import iterate_records
from pipeline.teacher import TeacherError
from tests.fake_server import FakeServer, serve
from tests.flows.learner import COMPLETIONS, COUNT, HINT_MARK, KINDS, Learner, learner, star_settings, trained_rows
from tests.training.students import save_student, template
from training.exports import read_sft
from training.loss_mask import IGNORED
from training.settings import StudentConfig
from training.templates_check import render
from training.trainer import build_trainer, load_model, load_tokenizer

EACH = COUNT // len(KINDS)
PRESET = Path(__file__).parents[2] / "training" / "configs" / "star.yaml"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student"), template("smollm2"))


Gathered = tuple[StarConfig, Round, Learner, FakeServer]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory, student: Path) -> Gathered:
    """A round as far as its training rows."""
    model = learner()
    with serve(model) as server:
        settings = star_settings(tmp_path_factory.mktemp("gathered"), server.url, student)
        begin(settings)
        for step in (GENERATE, RATIONALISE, CLOSED_BOOK):
            run_step(step, settings.output, 1)
    return settings, collect(settings, 1), model, server


def kinds_of(rows: list[dict[str, Any]], model: Learner) -> list[str]:
    questions = [row["prompt"][-1]["content"].split("\n\nSolve the problem")[0] for row in rows]
    return sorted(model.kinds[question] for question in questions)


def test_a_round_keeps_verified_and_rationalised_traces(gathered: Gathered) -> None:
    settings, found, model, _ = gathered
    collect(settings, 1)
    rows = trained_rows(settings)
    assert kinds_of(rows, model) == sorted(["easy", "later", "with the hint"] * EACH)
    told = [row for row in rows if RATIONALISED in row["tags"]]
    assert kinds_of(told, model) == sorted(["later", "with the hint"] * EACH)
    assert (found.problems, found.generate.solved, found.traces, found.rationalised_traces) == (COUNT, 2, 6, 4)
    hinted = found.rationalise
    assert hinted is not None
    assert (hinted.problems, hinted.solved, hinted.completions.correct) == (8, 6, 12)


def test_the_hint_is_asked_with_and_never_trained_on(gathered: Gathered) -> None:
    settings, _, model, server = gathered
    hinted = [body for body in server.requests if HINT_MARK in body["messages"][-1]["content"]]
    assert len(hinted) == (COUNT - EACH) * settings.hinted_completions
    for body in hinted:
        question, _, rest = body["messages"][-1]["content"].partition("\n\nSolve the problem")
        assert f"{HINT_MARK}{model.known[question]}. " in rest
    collect(settings, 1)
    rows = trained_rows(settings)
    texts = [message["content"] for row in rows for message in (*row["prompt"], *row["completion"])]
    assert rows and not any("int: the correct" in text or "hint" in text for text in texts)
    run = run_of(settings, 1, RATIONALISE)
    assert run is not None
    completions = iterate_records(Completion, run.manifest.paths("solve", "completions"))
    assert {completion.prompt_version for completion in completions} == {"boxed/1+hint/2"}


def test_leaks_are_counted_and_refused_with_their_words(gathered: Gathered) -> None:
    settings, found, _, _ = gathered
    assert found.leaking == EACH * settings.hinted_completions
    assert found.leaks == {"mentions the hint": found.leaking}
    run = run_of(settings, 1, RATIONALISE)
    assert run is not None
    refused = list(iterate_records(Rejection, run.manifest.paths("select", "rejections/select")))
    leaks = [rejection for rejection in refused if rejection.filter == "hint leak"]
    assert len(leaks) == found.leaking
    assert all("as the hint says" in rejection.evidence for rejection in leaks)
    assert "hint leak" in explain(run, leaks[0].record_id)


def test_the_closed_book_asks_anew_and_may_decide(gathered: Gathered) -> None:
    settings, found, model, server = gathered
    closed = found.closed_book
    assert closed is not None
    assert (closed.problems, closed.solved) == (6, EACH)
    assert closed.completions.rate == pytest.approx(EACH / 6)
    seeds = [body["seed"] for body in server.requests]
    assert len(set(seeds)) == len(seeds) == COUNT * COMPLETIONS + 8 * 2 + 6 * 2
    strict = collect(settings.model_copy(update={"keep": "closed_book"}), 1)
    assert (strict.traces, strict.rationalised_traces, strict.not_resolved) == (4, 2, 2)
    assert kinds_of(trained_rows(settings), model) == sorted(["easy", "later"] * EACH)


@pytest.mark.slow
def test_the_prompt_is_masked_in_what_is_trained_on(gathered: Gathered, student: Path, tmp_path: Path) -> None:
    """In the batches of a trainer of the round's own configuration: what is learned is the trace, and it alone."""
    settings = gathered[0]
    collect(settings, 1)
    config = StudentConfig.model_validate(student_settings(settings, 1))
    tokenizer, special = load_tokenizer(student)
    rows = read_sft(config.data).train
    rendered = render(tokenizer, special.stops, rows)
    model = load_model(student, config.sft.precision)
    trainer = build_trainer(
        model, tokenizer, rendered, [], settings=config.sft, max_length=1024, folder=tmp_path, seed=config.seed
    )
    learned = []
    for batch in trainer.get_train_dataloader():
        for tokens, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            first = next(place for place, label in enumerate(labels) if label != IGNORED)
            assert labels[first:] == tokens[first:]
            prompt = tokenizer.decode(tokens[:first])
            assert "Solve the problem step by step" in prompt and prompt.endswith("<|im_start|>assistant\n")
            assert HINT_MARK not in tokenizer.decode(tokens)
            learned.append(tokenizer.decode(labels[first:]))
    assert len(rows) == 6
    assert sorted(learned) == sorted(f"{row.completion[0].content}<|im_end|>\n" for row in rows)


def test_a_step_that_is_done_asks_for_nothing(gathered: Gathered) -> None:
    settings = gathered[0]
    manifests = {path: path.read_bytes() for path in settings.output.rglob("manifest.jsonl")}
    assert len(manifests) == 3
    for step in (GENERATE, RATIONALISE, CLOSED_BOOK):  # the server is gone
        run_step(step, settings.output, 1)
    assert {path: path.read_bytes() for path in manifests} == manifests


def test_without_rationalisation_only_what_was_solved_is_trained_on(tmp_path: Path, student: Path) -> None:
    model = learner()
    with serve(model) as server:
        settings = star_settings(tmp_path, server.url, student, rationalise=False)
        begin(settings)
        for step in (GENERATE, RATIONALISE, CLOSED_BOOK):
            run_step(step, settings.output, 1)
    found = collect(settings, 1)
    assert (found.rationalise, found.closed_book, found.leaking) == (None, None, 0)
    assert kinds_of(trained_rows(settings), model) == ["easy"] * EACH
    assert len(server.requests) == COUNT * COMPLETIONS
    assert "–" in cells(found.model_copy(update={"training": {"steps": 1, "first_loss": 1, "last_loss": 1}}))


def test_a_round_without_traces_says_what_to_do(tmp_path: Path, student: Path) -> None:
    with serve(lambda _: "It is \\boxed{-777}") as server:
        settings = star_settings(tmp_path, server.url, student)
        begin(settings)
        for step in (GENERATE, RATIONALISE, CLOSED_BOOK):
            run_step(step, settings.output, 1)
        with pytest.raises(StarError, match=r"round 1: fake/model solved none of 10 problems .* take easier ones"):
            run_step("train", settings.output, 1)
    assert not settings.student_of(1).exists()


def test_a_server_that_does_not_have_the_student_is_named(tmp_path: Path, student: Path) -> None:
    with serve(learner()) as server:
        settings = star_settings(tmp_path, server.url, student, served_as="star-{round}")
        begin(settings)
        with pytest.raises(TeacherError, match="does not serve star-1; it serves fake/model"):
            run_step(GENERATE, settings.output, 1)


def no_hint(_verifier: str, _answer: str | None) -> None:
    """What hint_for returns for proofs and constraints."""


def test_problems_that_a_hint_cannot_help_with_are_not_asked_again(
    gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(gathered[0], 1, GENERATE)
    assert run is not None
    left = {"strategy": "run", "path": run.folder, "stage": "unsolved"}

    def count(**changes: Any) -> int:
        source = RunSource.model_validate({**left, **changes})
        return sum(len(part.make().rows) for part in run_shards(run, source, 0))

    assert count() == count(hintable=True) == COUNT - EACH
    monkeypatch.setattr(run_source, "hint_for", no_hint)
    assert (count(), count(hintable=True)) == (COUNT - EACH, 0)


def test_unsolved_problems_without_an_answer_to_hint_at_are_told(
    gathered: Gathered, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = gathered[0]
    assert unsolved(settings, 1) == (COUNT - EACH, 0)
    monkeypatch.setattr(star_traces, "hint_for", no_hint)
    monkeypatch.setattr(star_rounds, "build", lambda _: pytest.fail("was asked with a hint"))
    star_rounds.rationalise(settings, 1)
    assert "round 1: 8 unsolved problems have no answer to hint at" in "".join(capsys.readouterr())
    star_rounds.rationalise(settings.model_copy(update={"rationalise": False}), 1)
    assert "".join(capsys.readouterr()) == ""


def test_students_answer_under_their_folder_or_the_name_they_are_served_as(tmp_path: Path, student: Path) -> None:
    settings = star_settings(tmp_path, "http://unused/v1", student, served_as="star-{round}")
    save_student(settings.student_of(1), template("smollm2"))
    pinned = resolve(str(settings.student_of(1))).revision
    assert answering_model(settings, 2) == ("star-2", pinned)
    plain = settings.model_copy(update={"served_as": None})
    assert answering_model(plain, 1)[0] == str(student)
    assert answering_model(plain, 2) == (str(settings.student_of(1)), pinned)
    closed = run_config(settings, 2, CLOSED_BOOK).teachers[0]
    assert (closed.first_index, closed.completions, closed.hint) == (COMPLETIONS, 2, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown key colour; allowed here: closed_book, completions, engine"),
        ({"sft": {"lerning_rate": 1}}, r"unknown key sft\.lerning_rate; allowed here: attn_implementation"),
        ({"sft": {"epochs": 0}}, r"sft\.epochs: input should be greater than 0, got 0"),
        ({"closed_book": 0, "keep": "closed_book"}, "keep closed_book needs closed_book above 0"),
        ({"generate": {"sources": [{"strategy": "written", "count": 3}]}}, "a model writes the problems of strategy"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = yaml.safe_load(PRESET.read_text()) | change | {"output": str(tmp_path / "out")}
    path = tmp_path / "star.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match=message) as mistake:
        load_star(path)
    assert str(mistake.value).startswith(str(path)) and "\n" not in str(mistake.value)
    assert not (tmp_path / "out").exists()


def test_the_configuration_we_ship_is_valid() -> None:
    assert parse_model(StarConfig, PRESET).rounds == 2


def test_a_folder_takes_more_rounds_and_no_other_settings(tmp_path: Path, student: Path) -> None:
    settings = star_settings(tmp_path, "http://unused/v1", student)
    begin(settings)
    begin(settings.model_copy(update={"rounds": 5}))
    assert open_star(settings.output).rounds == 5
    with pytest.raises(ConfigError, match=r"its rounds were made with another seed; choose another folder"):
        begin(settings.model_copy(update={"seed": 1}))
    assert steps_left(open_star(settings.output))[:5] == [
        (1, GENERATE),
        (1, RATIONALISE),
        (1, CLOSED_BOOK),
        (1, "train"),
        (2, GENERATE),
    ]


def test_a_training_does_not_outlive_the_command_that_started_it() -> None:
    program = "import time; print('started', flush=True); time.sleep(300)"
    starts = (
        "import sys; from pathlib import Path; from flows.training_command import start_training; "
        f"start_training(Path('x'), (sys.executable, '-c', {program!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    process.kill()
    process.communicate(timeout=60)  # ends when nobody holds the other end any more
