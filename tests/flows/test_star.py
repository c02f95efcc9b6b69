"""STaR: what a round trains on, the measured leaks, and that SIGKILL in any step neither loses nor repeats a round."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from flows.star_report import Round, cells, finished_rounds, rounds_markdown
from flows.star_rounds import STATE, StarError, begin, load_star, open_star, run_step, steps_left
from flows.star_runs import CLOSED_BOOK, GENERATE, RATIONALISE, answering_model, run_config
from flows.star_traces import RATIONALISED, TRACES, collect, run_of, unsolved
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
from tests.flows.learner import COMPLETIONS, COUNT, HINT_MARK, KINDS, Learner, learner, star_settings
from tests.training.students import save_student, template
from tests.training.tiny import moved
from training.exports import read_sft
from training.loss_mask import IGNORED, labels_of
from training.templates_check import render
from training.trainer import load_tokenizer

EACH = COUNT // len(KINDS)
PRESET = Path(__file__).parents[2] / "training" / "configs" / "star.yaml"
HERE = """
import sys
from pathlib import Path
from flows.star_rounds import begin, finish, load_star, run_step, steps_left
settings = load_star(Path(sys.argv[1]))
begin(settings)
for number, step in steps_left(settings):
    print(f"round {number}: {step}", flush=True)
    run_step(step, settings.output, number)
finish(settings)
"""


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


def trained_rows(settings: StarConfig, number: int = 1) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(settings.folder(number) / TRACES).to_pylist()
    return rows


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
    assert {completion.prompt_version for completion in completions} == {"boxed/1+hint/1"}


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


def test_the_prompt_is_masked_in_what_is_trained_on(gathered: Gathered, student: Path) -> None:
    settings = gathered[0]
    collect(settings, 1)
    tokenizer, special = load_tokenizer(student)
    rows = render(tokenizer, special.stops, read_sft([settings.folder(1) / TRACES]).train)
    assert len(rows) == 6
    for row in rows:
        labels = labels_of(row)
        masked = tokenizer.decode([t for t, label in zip(row.tokens, labels, strict=True) if label == IGNORED])
        assert "Solve the problem step by step" in masked
        assert HINT_MARK not in tokenizer.decode(row.tokens)
        assert set(labels[: row.prompt_length]) == {IGNORED} != set(labels[row.prompt_length :])


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


def test_problems_that_a_hint_cannot_help_with_are_not_asked_again(gathered: Gathered) -> None:
    settings = gathered[0]
    run = run_of(settings, 1, GENERATE)
    assert run is not None
    left = {"strategy": "run", "path": run.folder, "stage": "unsolved"}
    counts = []
    for verifiers in ((), ("code", "proof"), ("math",)):
        source = RunSource.model_validate({**left, "without_verifiers": verifiers})
        made = [row for part in run_shards(run, source, 0) for row in part.make().rows]
        counts.append(len(made))
    assert counts == [COUNT - EACH, COUNT - EACH, 0]
    assert unsolved(settings, 1) == COUNT - EACH


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


# From here on real, tiny trainings.

Whole = tuple[StarConfig, Path, subprocess.CompletedProcess[str]]


def environment(folder: Path) -> dict[str, str]:
    patience = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300"}  # a busy machine is no failure
    return {**os.environ, **patience, "PREFECT_HOME": str(folder / "prefect"), "OMP_NUM_THREADS": "1"}


def gradatim(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "star", str(config)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(config.parent), timeout=400, check=False
    )


def yaml_file(settings: StarConfig, folder: Path) -> Path:
    path = folder / "star.yaml"
    path.write_text(settings.model_dump_json())
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, student: Path) -> Whole:
    """Two rounds by the command, undisturbed, and the same command again without any server."""
    folder = tmp_path_factory.mktemp("whole")
    with serve(learner()) as server:
        settings = star_settings(folder, server.url, student)
        path = yaml_file(settings, folder)
        done = gradatim(path)
    assert done.returncode == 0, done.stderr + done.stdout
    return settings, path, done


@pytest.mark.slow
def test_two_rounds_train_from_the_base_and_move_it(whole: Whole, student: Path) -> None:
    settings, _, done = whole
    first, second = finished_rounds(settings.output)
    assert (first.round, second.round) == (1, 2)
    # What was re-solved closed book in round 1 is solved without a hint in round 2.
    assert (first.generate.solved, second.generate.solved) == (EACH, 2 * EACH)
    assert second.revision == resolve(str(settings.student_of(1))).revision
    for one in (first, second):
        folder = settings.student_of(one.round)
        card = json.loads((folder / "gradatim.json").read_text())
        assert card["base"]["name"] == str(student)
        assert card["rows"]["train"] == one.rows_trained_on == one.traces
        assert all(math.isfinite(card["metrics"][name]) for name in ("first_loss", "last_loss"))
        assert one.training["steps"] == one.traces
        assert moved(student, folder)
    assert (settings.output / "student").resolve() == settings.student_of(2).resolve()
    assert resolve(str(settings.output / "student")).revision == resolve(str(settings.student_of(2))).revision
    assert "STaR" in done.stdout and "training/evaluate.py --models" in done.stdout
    page = (settings.output / "star.md").read_text()
    assert rounds_markdown([first, second]) in page
    assert [one["round"] for one in json.loads((settings.output / "star.json").read_text())["rounds"]] == [1, 2]


@pytest.mark.slow
def test_the_same_command_again_does_nothing(whole: Whole) -> None:
    settings, path, _ = whole
    before = {p: p.stat().st_mtime_ns for p in settings.output.rglob("*") if p.is_file() and p.name[0] != "."}
    again = gradatim(path)  # the server is gone
    assert again.returncode == 0, again.stderr
    assert "nothing to do: all rounds are finished" in again.stdout
    after = {p: p.stat().st_mtime_ns for p in before}
    assert {p.name for p in before if before[p] != after[p]} <= {STATE, "star.json", "star.md"}


KILLS = (
    "round-1/generate/solve/*.jsonl",
    "round-1/rationalise/solve/*.jsonl",
    "round-1/closed_book/solve/*.jsonl",
    "round-1/student/checkpoints/checkpoint-*/trainer_state.json",
    "round-2/generate/solve/*.jsonl",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigkill_in_each_step_loses_and_repeats_nothing(whole: Whole, tmp_path: Path, student: Path) -> None:
    """The traces are those of the undisturbed run, in the same order; no request is sent again but those in flight."""
    with serve(learner(), seconds_per_answer=0.1) as server:
        settings = star_settings(tmp_path, server.url, student)
        path = yaml_file(settings, tmp_path)
        begun = [kill_when(settings.output, pattern, path) for pattern in KILLS]
        final = subprocess.run(here(path), capture_output=True, text=True, env=environment(tmp_path), check=False)
    assert final.returncode == 0, final.stderr
    assert begun[-1].splitlines()[0] == "round 1: generate" and "round 2: generate" in begun[-1]
    assert final.stdout.splitlines()[0] == "round 2: generate"  # the finished round is not begun again
    for number in (1, 2):
        assert comparable(settings, number) == comparable(whole[0], number)
    assert [one.traces for one in finished_rounds(settings.output)] == [
        one.traces for one in finished_rounds(whole[0].output)
    ]
    seeds = [body["seed"] for body in server.requests]
    in_flight = settings.engine.concurrency if settings.engine.kind == "openai" else 0
    assert len(seeds) - len(set(seeds)) <= in_flight * len(KILLS)
    assert len(finished_rounds(settings.output)) == 2
    assert (settings.output / "student").resolve() == settings.student_of(2).resolve()


def here(path: Path) -> list[str]:
    return [sys.executable, "-c", HERE, str(path)]


def kill_when(output: Path, pattern: str, path: Path) -> str:
    """Start the rounds, kill them as soon as the file is there and holds something; return what they said."""
    process = subprocess.Popen(here(path), env=environment(path.parent), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not any(found.stat().st_size for found in output.glob(pattern)):
        assert process.poll() is None, f"ended before {pattern} was there"
        assert time.monotonic() < deadline, pattern
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    return said


def comparable(settings: StarConfig, number: int) -> list[dict[str, Any]]:
    """A round's rows without the ids of requests: they name the student's content, which holds the time it took."""
    return [
        {name: value for name, value in row.items() if name != "completion_id"}
        for row in trained_rows(settings, number)
    ]
