"""STaR with real, tiny trainings: two rounds by the command; SIGKILL in any step neither loses nor repeats one."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from flows.star_report import finished_rounds, rounds_markdown
from flows.star_rounds import STATE
from pipeline.models import resolve
from pipeline.star_settings import StarConfig
from tests.fake_server import serve
from tests.flows.learner import COUNT, KINDS, learner, star_settings, trained_rows
from tests.training.students import save_student, template
from tests.training.tiny import moved

EACH = COUNT // len(KINDS)
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


Whole = tuple[StarConfig, Path, subprocess.CompletedProcess[str]]


def environment(folder: Path) -> dict[str, str]:
    patience = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300"}  # a busy machine is no failure
    return {**os.environ, **patience, "PREFECT_HOME": str(folder / "prefect"), "OMP_NUM_THREADS": "1"}


def gradatim(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        verb(config), capture_output=True, text=True, env=environment(config.parent), timeout=400, check=False
    )


def verb(path: Path) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "star", str(path)]


def here(path: Path) -> list[str]:
    return [sys.executable, "-c", HERE, str(path)]


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


# The steps as plain functions are soon started; from the training on it is the command itself, its flow and all.
KILLS = (
    ("round-1/generate/solve/*.jsonl", here),
    ("round-1/rationalise/solve/*.jsonl", here),
    ("round-1/closed_book/solve/*.jsonl", here),
    ("round-1/student/checkpoints/checkpoint-*/trainer_state.json", verb),
    ("round-2/generate/solve/*.jsonl", verb),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigkill_in_each_step_loses_and_repeats_nothing(whole: Whole, tmp_path: Path, student: Path) -> None:
    """The traces are those of the undisturbed run, in the same order, and what is trained on them from a checkpoint on
    is the same student; no request is sent again but those in flight."""
    with serve(learner(), seconds_per_answer=0.1) as server:
        settings = star_settings(tmp_path, server.url, student)
        path = yaml_file(settings, tmp_path)
        said = [kill_when(settings.output, pattern, command(path), tmp_path) for pattern, command in KILLS]
        final = subprocess.run(here(path), capture_output=True, text=True, env=environment(tmp_path), check=False)
    assert final.returncode == 0, final.stderr
    assert f"Going on from {settings.student_of(1)}/checkpoints/checkpoint-" in said[-1]
    expected, found = (load_file(one.student_of(1) / "model.safetensors") for one in (whole[0], settings))
    assert expected.keys() == found.keys()
    assert [name for name in expected if not (expected[name] == found[name]).all()] == []
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


def kill_when(output: Path, pattern: str, command: list[str], folder: Path) -> str:
    """Start the rounds, kill them as soon as the file is there and holds something; return what they said."""
    process = subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not any(found.stat().st_size for found in output.glob(pattern)):
        assert process.poll() is None, f"ended before {pattern} was there"
        assert time.monotonic() < deadline, pattern
        time.sleep(0.01)
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
