"""The experiment: its steps, that a stopped or killed one goes on, what a failure says, and what the table holds.

The commands are a recorded script here; test_experiment_rows.py runs the real ones.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import experiment_steps
from flows.experiment import StepFailed, check, run_experiment
from flows.experiment_settings import ROW_NAMES, Experiment
from flows.experiment_state import states
from flows.experiment_steps import Step, compare_step, plan
from pipeline.config_files import ConfigError, parse_model
from tests.flows.recorded_command import SCRIPT
from tests.flows.solver import config, yaml_of

PRESET = Path(__file__).parents[2] / "training" / "configs" / "experiment.yaml"
# An experiment with the recorded commands in a process of its own.
DRIVER = """
import sys
from pathlib import Path
from flows import experiment_steps
from flows.experiment import Stopped, run_experiment
from flows.experiment_settings import Experiment
from pipeline.config_files import parse_model
script, scratch, file = sys.argv[1:]
experiment_steps.module = lambda name, *given: (sys.executable, script, scratch, name, *map(str, given))
import flows.experiment
flows.experiment.check = lambda *_: None
try:
    run_experiment(parse_model(Experiment, Path(file)))
except Stopped as stop:
    sys.exit(128 + stop.number)
"""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace all commands by the recorded one. Returns the folder in which it notes what ran."""
    command = (sys.executable, str(SCRIPT), str(tmp_path))
    monkeypatch.setattr(experiment_steps, "module", lambda name, *given: (*command, name, *map(str, given)))
    monkeypatch.setattr("flows.experiment.check", lambda *_: None)
    return tmp_path


def settings(folder: Path, **changes: Any) -> Experiment:
    """A small experiment on a run that is there, and trains on the prompt plan."""
    run = config(folder, "http://unused", run="run", select={"prompt": "plan"})
    run.folder.mkdir(exist_ok=True)
    yaml_of(run, run.folder / "config.yaml")
    content: dict[str, Any] = {
        "output": folder / "out",
        "run": folder / "run",
        "sft_rows": 10,
        "sft": {"epochs": 2},
        "rows": {"base": {}, "sft_verified": {"seeds": [0, 1]}},
    }
    return Experiment.model_validate(content | changes)


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    return path.read_text().splitlines() if path.is_file() else []


def step(experiment: Experiment, name: str) -> Step:
    return next(one for one in plan(experiment) if one.name == name)


PREPARED = ["problems", "flows.experiment_rows"]
TWO_SEEDS = [
    *PREPARED,
    *("evaluate base-0", "sft_verified-0", "evaluate sft_verified-0", "sft_verified-1", "evaluate sft_verified-1"),
    "evaluate base,sft_verified",
]
STEPS = [
    ({}, ["held-out", "rows", "evaluate-base-0"], {"base": {}}),
    (
        {},
        ["held-out", "rows", "sft_verified-1", "dpo-1", "evaluate-dpo-1"],
        {"dpo": {"seeds": [1]}},
    ),
    (
        {"grpo": {"start": "sft"}},
        [
            "held-out",
            "rows",
            "sft_verified-0",
            "pool-sft_verified-0",
            "grpo_calibrated-0",
            "evaluate-grpo_calibrated-0",
        ],
        {"grpo_calibrated": {}, "sft_grpo": {}},
    ),
    (
        {"grpo": {"start": "base"}},
        [
            *("held-out", "rows", "grpo_raw-0", "evaluate-grpo_raw-0"),
            *("pool-base", "grpo_calibrated-0", "evaluate-grpo_calibrated-0"),
            *("sft_verified-0", "pool-sft_verified-0", "sft_grpo-0", "evaluate-sft_grpo-0"),
        ],
        {"grpo_raw": {}, "grpo_calibrated": {}, "sft_grpo": {}},
    ),
]


@pytest.mark.parametrize(("changes", "names", "rows"), STEPS)
def test_the_steps_of_rows_come_after_what_they_need(
    tmp_path: Path, changes: dict[str, Any], names: list[str], rows: dict[str, Any]
) -> None:
    steps = plan(settings(tmp_path, **changes, rows=rows))
    assert [one.name for one in steps] == names
    for place, one in enumerate(steps):
        assert set(one.needs) <= set(names[:place])


def test_sft_rows_take_the_same_number_of_steps(tmp_path: Path) -> None:
    three = ("sft_verified", "sft_unverified", "sft_double")
    experiment = settings(tmp_path, rows={row: {"seeds": [3]} for row in three})
    taken = {row: step(experiment, f"{row}-3").settings or {} for row in three}
    assert {row: (t["sft"]["limit"], t["sft"]["epochs"]) for row, t in taken.items()} == {
        "sft_verified": (10, 2),
        "sft_unverified": (10, 2),
        "sft_double": (20, 1.0),
    }
    assert {t["seed"] for t in taken.values()} == {3}
    assert taken["sft_unverified"]["sft"]["check_answers"] == 0 < taken["sft_verified"]["sft"]["check_answers"]


def test_a_row_changes_its_own_section_only(tmp_path: Path) -> None:
    rows = {"sft_verified": {"seeds": [0], "set": {"epochs": 5}}, "sft_double": {"seeds": [0]}}
    experiment = settings(tmp_path, rows=rows)
    epochs = [(step(experiment, f"{row}-0").settings or {})["sft"]["epochs"] for row in rows]
    assert epochs == [5, 1.0]


def test_students_are_asked_with_the_prompt_they_are_trained_on(tmp_path: Path) -> None:
    asked = [settings(tmp_path), settings(tmp_path, evaluation={"prompt": "bare"})]
    commands = [step(one, "evaluate-base-0").command for one in asked]
    assert [[word for word in command if "prompt" in word] for command in commands] == [
        ['evaluation.prompt="plan"'],
        ['evaluation.prompt="bare"'],
    ]


def test_the_revision_of_the_student_reaches_whatever_asks_it(tmp_path: Path) -> None:
    rows = {"base": {}, "grpo_calibrated": {"start": "base"}, "sft_grpo": {}}
    experiment = settings(tmp_path, rows=rows, student="some/model", revision="v2")
    assert "base-0=some/model@v2" in step(experiment, "evaluate-base-0").command
    assert "base=some/model@v2" in (compare_step(experiment, {"evaluate-base-0"}) or step(experiment, "rows")).command
    pool = step(experiment, "pool-base").command
    assert pool[pool.index("--revision") + 1] == "v2"
    assert "--revision" not in step(experiment, "pool-sft_verified-0").command
    assert (step(experiment, "grpo_calibrated-0").settings or {})["revision"] == "v2"


def test_star_takes_the_run_s_problems_and_prompt(tmp_path: Path) -> None:
    rows = {"star": {"start": "sft"}, "star_rationalised": {}}
    experiment = settings(tmp_path, rows=rows, star={"rounds": 3, "select": {"traces_per_problem": 1}})
    found = {row: step(experiment, f"{row}-0") for row in rows}
    contents = {row: one.settings or {} for row, one in found.items()}
    assert [contents[row]["rationalise"] for row in rows] == [False, True]
    assert [contents[row]["rounds"] for row in rows] == [3, 3]
    assert contents["star"]["student"].endswith("students/sft_verified-0")
    assert contents["star_rationalised"]["student"] == experiment.student
    assert contents["star"]["select"] == {"prompt": "plan", "style": "think", "traces_per_problem": 1}
    assert contents["star"]["generate"]["sources"][0]["path"] == str(experiment.run_folder)


def test_only_sft_and_dpo_run_side_by_side() -> None:
    names = [one.name for one in plan(parse_model(Experiment, PRESET)) if one.beside]
    assert {name.rpartition("-")[0] for name in names} == {"sft_verified", "sft_unverified", "sft_double", "dpo"}


def test_the_preset_holds_all_rows_and_is_sound() -> None:
    experiment = parse_model(Experiment, PRESET)
    assert set(experiment.rows) == set(ROW_NAMES)
    check(experiment)
    assert len(plan(experiment)) > 2 * len(ROW_NAMES)


MISTAKES = [
    (["sft.epochz=1"], "sft_verified-0.yaml: unknown key sft.epochz"),
    (["grpo.settings.group_size=1"], "grpo_raw-0.yaml: grpo.group_size"),
    (["star.roundz=1"], "star-0.yaml: unknown key roundz"),
    (["rows={star: {}}", "sft.epochz=1"], "star-0.yaml: unknown key sft.epochz"),
    (["rows={star: {set: {sft: {epochs: 0}}}}"], "star-0.yaml: sft.epochs"),
    (["evaluation.greedyy=1"], "unknown key evaluation.greedyy"),
    (["rows.dpo.start=sft"], "rows.dpo"),
    (["rows.nothing={}"], "rows.nothing"),
    (["run=data/runs/demo"], "give either data"),
]


@pytest.mark.parametrize(("overrides", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_found_before_the_first_step(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(parse_model(Experiment, PRESET, overrides))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_everything_is_done_once(recorded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    experiment = settings(recorded)
    run_experiment(experiment)
    assert ran(recorded) == TWO_SEEDS
    assert {one.state for one in states(experiment)} == {"done"}
    run_experiment(experiment)
    assert ran(recorded) == TWO_SEEDS
    record = json.loads((experiment.output / "steps" / "sft_verified-1.json").read_text())
    assert record["command"][2:] == [
        str(recorded),
        "training.distill",
        "--config",
        str(experiment.output / "configs/sft_verified-1.yaml"),
    ]
    assert record["seconds"] > 0 and record["started"]
    assert "sft_verified-1: done in" in capfd.readouterr().err


def test_only_some_rows(recorded: Path) -> None:
    experiment = settings(recorded, rows={"base": {}, "sft_verified": {"seeds": [0]}, "dpo": {"seeds": [0]}})
    run_experiment(experiment, ["base"])
    assert ran(recorded) == [*PREPARED, "evaluate base-0", "evaluate base"]
    run_experiment(experiment)
    assert ran(recorded)[4:] == [
        *("sft_verified-0", "evaluate sft_verified-0", "dpo-0", "evaluate dpo-0", "evaluate base,sft_verified,dpo")
    ]


def test_a_failing_step_is_named_and_the_others_are_done(recorded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = {"dpo": {"seeds": [0, 1]}, "sft_double": {"seeds": [0]}}
    experiment = settings(recorded, rows=rows)
    trouble = recorded / "broken sft_verified-0"
    trouble.touch()
    with pytest.raises(StepFailed, match="sft_verified-0"):
        run_experiment(experiment)
    said = capfd.readouterr().err
    assert "sft_verified-0: failed (exit status 3)" in said and "    line two of the trouble" in said
    assert "dpo-0" not in ran(recorded) and {"dpo-1", "sft_double-0"} <= set(ran(recorded))
    before = len(ran(recorded))
    trouble.unlink()
    run_experiment(experiment)
    assert ran(recorded)[before:] == ["sft_verified-0", "dpo-0", "evaluate dpo-0", "evaluate dpo,sft_double"]


def test_a_failing_training_does_not_stop_the_one_beside_it(recorded: Path) -> None:
    (recorded / "broken sft_verified-0").touch()
    experiment = settings(recorded, jobs=2)
    with pytest.raises(StepFailed, match="sft_verified-0"):
        run_experiment(experiment)
    assert "evaluate sft_verified-1" in ran(recorded) and "evaluate sft_verified-0" not in ran(recorded)


def test_other_settings_do_not_undo_what_is_done(recorded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_experiment(settings(recorded))
    changed = settings(recorded, sft={"epochs": 3})
    run_experiment(changed)
    assert ran(recorded) == TWO_SEEDS
    assert "sft_verified-0: done with other settings" in capfd.readouterr().err
    assert [one.step.name for one in states(changed) if one.state == "changed"] == ["sft_verified-0", "sft_verified-1"]
    assert "sft_verified-0: made with other settings" in (changed.output / "table.md").read_text()


def start(folder: Path, **changes: Any) -> subprocess.Popen[str]:
    """Start an experiment in a process of its own."""
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(settings(folder, **changes).model_dump(mode="json")))
    command = [sys.executable, "-c", DRIVER, str(SCRIPT), str(folder), str(file)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, name: str) -> None:
    for _ in range(1200):
        if name in ran(folder):
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} did not begin: {ran(folder)}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_experiment_goes_on_with_the_step_it_was_at(recorded: Path, kind: signal.Signals) -> None:
    slow = recorded / "slow sft_verified-0"
    slow.touch()
    first = start(recorded)
    wait_for(recorded, "sft_verified-0")
    first.send_signal(kind)
    first.communicate(timeout=120)
    assert first.returncode == (-kind if kind == signal.SIGKILL else 128 + kind)
    if kind != signal.SIGKILL:
        slow.unlink()
    second = start(recorded)
    said = ""
    if kind == signal.SIGKILL:
        assert second.stderr is not None
        said = second.stderr.readline()
        assert ran(recorded)[-1] == "sft_verified-0"  # nothing begins beside the step that was left behind
        slow.unlink()
    said += second.communicate(timeout=120)[1]
    assert second.returncode == 0, said
    assert ("waiting for the step" in said) == (kind == signal.SIGKILL)
    assert ran(recorded) == [*TWO_SEEDS[:4], *TWO_SEEDS[3:]]


@pytest.mark.slow
def test_trainings_run_side_by_side_with_their_share_of_the_cores_and_an_engine_runs_alone(recorded: Path) -> None:
    held = [recorded / f"slow sft_verified-{seed}" for seed in (0, 1)]
    for path in held:
        path.touch()
    changes = {"jobs": 2, "rows": {"base": {}, "sft_verified": {"seeds": [0, 1, 2]}}}
    whole = start(recorded, **changes)
    for name in ("sft_verified-0", "sft_verified-1"):
        wait_for(recorded, name)  # both run, or this would wait in vain
    assert set(ran(recorded)) == {*PREPARED, "evaluate base-0", "sft_verified-0", "sft_verified-1"}
    held[1].unlink()
    wait_for(recorded, "sft_verified-2")  # beside the first; evaluations wait
    held[0].unlink()
    said = whole.communicate(timeout=120)[1]
    assert whole.returncode == 0, said
    evaluations = [*(f"evaluate sft_verified-{seed}" for seed in (0, 1, 2)), "evaluate base,sft_verified"]
    assert ran(recorded)[-4:] == evaluations
    threads = dict(line.rsplit(" ", 1) for line in (recorded / "threads").read_text().splitlines())
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert [threads[f"sft_verified-{seed}"] for seed in (0, 1)] == [share, share]
    assert {threads[name] for name in evaluations} == {os.environ.get("OMP_NUM_THREADS", "all")}
    assert {one.state for one in states(settings(recorded, **changes))} == {"done"}


def test_the_table_comes_out_of_recorded_evaluations(recorded: Path) -> None:
    rows = {
        "base": {},
        "sft_verified": {"seeds": [0, 1]},
        "grpo_raw": {},
        "grpo_calibrated": {},
        "sft_grpo": {},
        "dpo": {"seeds": [0]},
    }
    experiment = settings(recorded, rows=rows)
    run_experiment(experiment, ["base", "sft_verified", "grpo_raw", "grpo_calibrated", "sft_grpo"])
    table = {row["row"]: row for row in json.loads((experiment.output / "table.json").read_text())["rows"]}
    assert list(table) == list(rows)
    assert (table["base"]["start"], table["base"]["trained_on"]) == (experiment.student, None)
    assert (table["sft_verified"]["seeds"], table["sft_verified"]["tokens"]) == ([0, 1], 1000.5)
    assert table["sft_verified"]["trained_on"] == 10
    assert [table[row]["start"] for row in ("grpo_raw", "sft_grpo", "dpo")] == ["sft_verified"] * 3
    assert (table["grpo_raw"]["zero_variance"], table["grpo_calibrated"]["zero_variance"]) == (0.75, 0.25)
    same = {key: value for key, value in table["sft_grpo"].items() if key not in ("row", "same_as")}
    assert same.items() <= table["grpo_calibrated"].items() and table["sft_grpo"]["same_as"] == "grpo_calibrated"
    assert table["grpo_raw"]["greedy"]["value"] == pytest.approx(0.3) and table["dpo"]["greedy"] is None
    page = (experiment.output / "table.md").read_text()
    assert "| sft_verified | smollm2-135m-instruct | 2 | 10 | 4 | 1,000 |" in page
    measured = "25.0 % [15.0, 35.0] | 10.0 % [0.0, 20.0] | 35.0 % [25.0, 45.0] | +5.0 [-5.0, +15.0] | 2%"
    assert f"{measured} | – |" in page
    assert "| 75% of 8 [41%, 94%] |" in page and "| 25% of 8 [6%, 59%] |" in page
    assert "sft_grpo is the same training as grpo_calibrated here." in page
    assert (experiment.output / "table.png").read_bytes().startswith(b"\x89PNG")
