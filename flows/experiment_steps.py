"""The steps of an experiment: commands with what they need, in the order of the rows. Pure functions of the
configuration and of what earlier steps have left on disk; nothing is started here.

A student is named ROW-SEED. Every row is trained, then evaluated on the same held-out problems; all students of the
experiment are compared at the end, on completions that are recorded by then.
"""

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.experiment_settings import GRPO_ROWS, SFT_ROWS, STAR_ROWS, Experiment, RowName
from flows.recalibrate import run_name
from pipeline.lookup import RECALIBRATED
from pipeline.records import content_id

DATA, HELD_OUT, ROWS, COMPARE = "data", "held-out", "rows", "compare"
ROW_FILES: Final = "sft"
CONTENT: Final = re.compile(r"(-[0-9a-f]{8})?")  # what run_name adds for a local folder
EVALUATION: Final = "evaluation"
GRPO_SCRIPT: Final = "training.grpo"  # a student of 135M held 13 GB: beside another it was killed on 24 GiB


class Step(NamedTuple):
    """A command, the steps that come before it, where its result is, and its configuration file's content, if it has
    one. `row` is the row of the table that its seconds count for; `beside` steps, most trainings, may run side by side,
    while an engine takes the whole machine, and GRPO its memory."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    output: Path
    settings: dict[str, Any] | None = None
    row: RowName | None = None
    beside: bool = False

    @property
    def fingerprint(self) -> str:
        """What the step does; where the interpreter lies is no part of it."""
        return content_id("step", self.name, self.command[1:], self.settings)


def plan(experiment: Experiment, only: Sequence[RowName] = ()) -> list[Step]:
    """Return the steps of the chosen rows (all by default) and what they need, each after what it needs."""
    rows = [row for row in experiment.rows if not only or row in only]
    found: dict[str, Step] = {}
    _add(found, _data_steps(experiment))
    for row in rows:
        for seed in experiment.seeds(row):
            _add(found, _row_steps(experiment, row, seed))
    return list(found.values())


def _add(found: dict[str, Step], steps: Iterable[Step]) -> None:
    for step in steps:
        found.setdefault(step.name, step)


def same_row(experiment: Experiment, row: RowName) -> RowName:
    """Return the row that this one is identical with: SFT then GRPO is grpo_calibrated where that starts from SFT."""
    return "grpo_calibrated" if row == "sft_grpo" and experiment.start("grpo_calibrated") == "sft" else row


def evaluation_name(row: RowName, seed: int) -> str:
    """Return the name of the step that evaluates a student."""
    return f"evaluate-{row}-{seed}"


def student_folder(experiment: Experiment, name: str) -> Path:
    """Return where a trained student is."""
    folder = experiment.output / "students" / name
    return folder / "student" if name.startswith("star") else folder


def start_of(experiment: Experiment, row: RowName, seed: int) -> str | None:
    """Return the student that a row begins with, None for the untrained one."""
    if experiment.start(row) == "base":
        return None
    seeds = experiment.seeds("sft_verified")
    return f"sft_verified-{seed if seed in seeds else seeds[0]}"


def module(name: str, *arguments: object) -> tuple[str, ...]:
    """Return the command that runs one of our modules."""
    return (sys.executable, "-m", name, *map(str, arguments))


def settings_file(experiment: Experiment, name: str) -> Path:
    """Return the configuration file of a step."""
    return experiment.output / "configs" / f"{name}.yaml"


def _data_steps(experiment: Experiment) -> Iterable[Step]:
    run, output = experiment.run_folder, experiment.output
    config = settings_file(experiment, DATA)
    needs = _run_is_there(experiment)
    if experiment.data is not None:
        content = experiment.data.model_dump(mode="json", exclude_unset=True)
        yield Step(DATA, module("flows.cli", "build", config), (), run, content)
    else:
        config = run / "config.yaml"
    if not experiment.held_out.problems:
        draw = experiment.held_out
        changes = (f"seed={draw.seed}", f"generate.sources.0.count={draw.count}")
        named = [argument for change in changes for argument in ("--set", change)]
        path = output / "held-out.jsonl"
        arguments = (config, *named, "--without", run, "--output", path)
        yield Step(HELD_OUT, module("flows.cli", "problems", *arguments), needs, path)
    rows = output / ROW_FILES
    arguments = ("--run", run, "--output", rows, "--rows", experiment.sft_rows)
    yield Step(ROWS, module("flows.experiment_rows", *arguments), needs, rows)


def _row_steps(experiment: Experiment, row: RowName, seed: int) -> Iterable[Step]:
    row = same_row(experiment, row)
    name = f"{row}-{seed}"
    trained: tuple[str, ...] = ()
    if row != "base":
        yield from _TRAINING[row](experiment, row, seed)
        trained = (name,)
    yield _evaluation(experiment, row, name, trained)


def _student(experiment: Experiment, start: str | None) -> dict[str, Any]:
    if start is None:
        return {"student": experiment.student, "revision": experiment.revision}
    return {"student": str(student_folder(experiment, start))}


def _train(experiment: Experiment, row: RowName, seed: int, script: str, needs: Sequence[str], **settings: Any) -> Step:
    name = f"{row}-{seed}"
    start = start_of(experiment, row, seed)
    output = experiment.output / "students" / name
    content = {**_student(experiment, start), "output": str(output), "seed": seed, **settings}
    command = module(script, "--config", settings_file(experiment, name))
    needed = (*needs, *([start] if start else []))
    return Step(name, command, needed, output, content, row, beside=script != GRPO_SCRIPT)


def _changes(experiment: Experiment, row: RowName) -> dict[str, Any]:
    return experiment.rows[row].set if row in experiment.rows else {}


def _sft(experiment: Experiment, row: RowName, seed: int) -> Iterable[Step]:
    """SFT rows take the same number of optimizer steps: twice the rows are passed over half as often."""
    limit = rows_of_each(experiment)
    sft = {"limit": limit, "check_answers": 1000, **experiment.sft}
    if row == "sft_unverified":
        sft["check_answers"] = 0
    if row == "sft_double":
        sft |= {"limit": 2 * limit, "epochs": sft.get("epochs", 2.0) / 2}
    data = [str(experiment.output / ROW_FILES / f"{row}.jsonl")]
    yield _train(experiment, row, seed, "training.distill", (ROWS,), data=data, sft=sft | _changes(experiment, row))


def rows_of_each(experiment: Experiment) -> int:
    """Return how many rows sft_verified takes: as asked for, until the rows are written and it is known."""
    path = experiment.output / ROW_FILES / "rows.json"
    if not path.is_file():
        return experiment.sft_rows
    return int(json.loads(path.read_text(encoding="utf-8"))["rows"])


def _grpo(experiment: Experiment, row: RowName, seed: int) -> Iterable[Step]:
    start = start_of(experiment, row, seed)
    if start:
        yield from _before(experiment, start)
    if row == "grpo_raw":
        pool, needs = experiment.output / ROW_FILES / "raw_pool", ROWS
    else:
        step = _calibration(experiment, start)
        yield step
        pool, needs = step.output, step.name
    settings = experiment.grpo.settings | _changes(experiment, row)
    yield _train(experiment, row, seed, GRPO_SCRIPT, (needs,), data=[str(pool)], grpo=settings)


def _before(experiment: Experiment, student: str) -> Iterable[Step]:
    """Give the steps that train the SFT student another row begins with."""
    yield from _sft(experiment, "sft_verified", int(student.rpartition("-")[2]))


def _calibration(experiment: Experiment, start: str | None) -> Step:
    """Measure the run's problems for a student, sampled as its GRPO will sample."""
    grpo, run = experiment.grpo, experiment.run_folder
    student = _student(experiment, start)
    model, revision = str(student["student"]), student.get("revision")
    changes = {
        "assess.band.min_pass_rate": grpo.band.min_pass_rate,
        "assess.band.max_pass_rate": grpo.band.max_pass_rate,
        "teachers.0.sampling.temperature": grpo.settings.get("temperature", 1.0),
        "teachers.0.sampling.max_tokens": grpo.settings.get("max_completion_length", 256),
    }
    named = [argument for key, value in changes.items() for argument in ("--set", f"{key}={value}")]
    pinned = ("--revision", revision) if revision else ()
    arguments = (run, "--model", model, *pinned, "--completions", grpo.completions, *named)
    needs = (*_run_is_there(experiment), *([start] if start else []))
    command = module("flows.cli", "recalibrate", *arguments)
    return Step(f"pool-{start or 'base'}", command, needs, _pool_folder(run, model))


def _pool_folder(run: Path, model: str) -> Path:
    """Return the newest recalibrated run of a model; its name is known only once the model is there."""
    name = run_name(model, None)
    found = [path.parent for path in (run / RECALIBRATED).glob(f"{name}*/config.yaml")]
    ours = [path for path in found if CONTENT.fullmatch(path.name.removeprefix(name))]
    return max(ours, key=lambda path: path.stat().st_mtime, default=run / RECALIBRATED / name)


def _dpo(experiment: Experiment, row: RowName, seed: int) -> Iterable[Step]:
    start = start_of(experiment, row, seed)
    yield from _before(experiment, str(start))
    settings = experiment.dpo | _changes(experiment, row)
    runs = [str(experiment.run_folder)]
    needs = _run_is_there(experiment)
    yield _train(experiment, row, seed, "training.preferences", needs, data=runs, dpo=settings)


def _run_is_there(experiment: Experiment) -> tuple[str, ...]:
    return (DATA,) if experiment.data is not None else ()


def _star(experiment: Experiment, row: RowName, seed: int) -> Iterable[Step]:
    """STaR on the run's problems, solved by the teacher or not; its trainings are as the SFT rows' are."""
    start = start_of(experiment, row, seed)
    if start:
        yield from _before(experiment, start)
    source = {"strategy": "run", "path": str(experiment.run_folder), "stage": "agree"}
    run_select = experiment.run_config.select
    select = {"prompt": run_select.prompt, "style": run_select.style, **experiment.star.get("select", {})}
    name = f"{row}-{seed}"
    content = {
        **_student(experiment, start),
        "output": str(experiment.output / "students" / name),
        "seed": seed,
        "generate": {"sources": [source]},
        "rationalise": row == "star_rationalised",
        "sft": experiment.sft,
        **experiment.star,
        "select": select,
        **_changes(experiment, row),
    }
    command = module("flows.cli", "star", settings_file(experiment, name))
    needs = (*_run_is_there(experiment), *([start] if start else []))
    yield Step(name, command, needs, student_folder(experiment, name), content, row)


_TRAINING: Final[dict[RowName, Callable[[Experiment, RowName, int], Iterable[Step]]]] = {
    **dict.fromkeys(SFT_ROWS, _sft),
    **dict.fromkeys(GRPO_ROWS, _grpo),
    **dict.fromkeys(STAR_ROWS, _star),
    "dpo": _dpo,
}


def problem_files(experiment: Experiment) -> tuple[Path, ...]:
    """Return the files of held-out problems."""
    return experiment.held_out.problems or (experiment.output / "held-out.jsonl",)


def _evaluation(experiment: Experiment, row: RowName, name: str, trained: tuple[str, ...]) -> Step:
    needs = (*trained, *(() if experiment.held_out.problems else (HELD_OUT,)))
    command = _evaluate(experiment, [f"{name}={_model(experiment, name)}"], experiment.output / EVALUATION)
    return Step(f"evaluate-{name}", command, needs, experiment.output / EVALUATION, row=row)


def _model(experiment: Experiment, name: str) -> str:
    if name != "base-0":
        return str(student_folder(experiment, name))
    return f"{experiment.student}@{experiment.revision}" if experiment.revision else experiment.student


def _evaluate(experiment: Experiment, models: Sequence[str], output: Path) -> tuple[str, ...]:
    changes = [f"evaluation.{key}={json.dumps(value)}" for key, value in experiment.evaluation_settings.items()]
    problems = problem_files(experiment)
    return module(
        "training.evaluate", "--models", *models, "--problems", *problems, "--output", output, "--set", *changes
    )


def compare_step(experiment: Experiment, done: Collection[str]) -> Step | None:
    """Return the comparison of all students that are evaluated, the seeds of a row together; None if there is none."""
    models: dict[RowName, list[str]] = {}
    for row in experiment.rows:
        names = [f"{row}-{seed}" for seed in experiment.seeds(row)]
        there = [_model(experiment, name) for name in names if f"evaluate-{name}" in done]
        if there and same_row(experiment, row) == row:
            models[row] = there
    if not models:
        return None
    grouped = [f"{row}={','.join(there)}" for row, there in models.items()]
    output = experiment.output / EVALUATION
    return Step(COMPARE, _evaluate(experiment, grouped, output), (), output)
