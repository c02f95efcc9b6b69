"""What a STaR round does, step by step: generate, rationalise, closed_book, collect, train.

Every step does nothing where its result is there, so the same command goes on after any stop. A round is finished when
its round.json is written. Nothing here needs Prefect; flows/star.py puts the steps into tasks.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from flows.stages import build
from flows.star_report import finished_rounds, round_file, write_report
from flows.star_runs import CLOSED_BOOK, GENERATE, RATIONALISE, run_config
from flows.star_traces import TRACES, collect, part_of, run_of, unsolved
from flows.training_command import check_student, start_training
from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.models import resolve
from pipeline.progress import say
from pipeline.star_settings import StarConfig
from pipeline.store import write_text

STATE: Final = "star.yaml"
CARD: Final = "gradatim.json"  # in a student's folder once its training is finished
FREE: Final = {"rounds", "engine", "verify", "launcher", "output"}  # may differ when a command goes on


class StarError(GradatimError):
    """A round that cannot go on, in one line."""


def load_star(path: Path, overrides: Sequence[str] = ()) -> StarConfig:
    """Read a configuration; raises ConfigError for any mistake, in the section sft too."""
    settings = parse_model(StarConfig, path, overrides)
    check_student(student_settings(settings, 1), f"{path}: ")
    return settings


def begin(settings: StarConfig) -> None:
    """Note the settings in the output folder, with the base model's revision.

    Raises ConfigError if the folder holds rounds of other settings, or of another base model.
    """
    path = settings.output / STATE
    pinned = settings.model_copy(update={"revision": resolve(settings.student, revision=settings.revision).revision})
    if path.is_file():
        old, new = (one.model_dump(mode="json", exclude=FREE) for one in (parse_model(StarConfig, path), pinned))
        changed = next((key for key in new if old[key] != new[key]), None)
        if changed:
            raise ConfigError(
                f"{settings.output}: its rounds were made with another {changed}; choose another folder "
                "(--set output=...)"
            )
    write_text(yaml.safe_dump(pinned.model_dump(mode="json"), sort_keys=False), path)


def open_star(output: Path) -> StarConfig:
    """Return the settings that a folder's rounds are made with."""
    return parse_model(StarConfig, output / STATE)


def student_settings(settings: StarConfig, number: int) -> dict[str, Any]:
    """Return the configuration that a round's student is trained by: always from the base model, on this round's
    traces alone."""
    return {
        "student": settings.student,
        "revision": settings.revision,
        "data": [str(settings.folder(number) / TRACES)],
        "output": str(settings.student_of(number)),
        "seed": settings.seed,
        "sft": {"too_long": "leave out", **settings.sft},
    }


def generate(settings: StarConfig, number: int) -> None:
    build(run_config(settings, number, GENERATE))


def rationalise(settings: StarConfig, number: int) -> None:
    """Ask again for what was not solved, if anything was left unsolved that can be asked with a hint."""
    if not settings.rationalise:
        return
    askable, left = unsolved(settings, number)
    if left:
        say(f"round {number}: {left:,} unsolved problems have no answer to hint at (proofs, constraints)")
    if askable:
        build(run_config(settings, number, RATIONALISE))


def closed_book(settings: StarConfig, number: int) -> None:
    """Ask once more, without the hint, for what was solved with it."""
    hinted = run_of(settings, number, RATIONALISE)
    if settings.closed_book and hinted and part_of(hinted).solved:
        build(run_config(settings, number, CLOSED_BOOK))


def train(settings: StarConfig, number: int) -> None:
    """Train the round's student from the base model and write round.json, which ends the round."""
    found = collect(settings, number)
    if not found.traces:
        raise StarError(
            f"round {number}: {found.model} solved none of {found.problems:,} problems in a way to train on; take "
            "easier ones, a stronger base model, or more completions"
        )
    file = settings.folder(number) / "student.yaml"
    write_text(yaml.safe_dump(student_settings(settings, number), sort_keys=False), file)
    status = start_training(file, settings.launcher)
    if status:
        raise StarError(f"round {number}: training/distill.py ended with status {status}; it says why above")
    student = settings.student_of(number)
    card = json.loads((student / CARD).read_text(encoding="utf-8"))
    whole = found.model_copy(update={"training": card["metrics"], "rows_trained_on": card["rows"]["train"]})
    write_text(whole.model_dump_json(indent=2) + "\n", round_file(settings.output, number))


STEPS: Final[dict[str, Callable[[StarConfig, int], None]]] = {
    GENERATE: generate,
    RATIONALISE: rationalise,
    CLOSED_BOOK: closed_book,
    "train": train,
}


def run_step(step: str, output: Path, number: int) -> None:
    """Run one step of a round to its end."""
    STEPS[step](open_star(output), number)


def steps_left(settings: StarConfig) -> list[tuple[int, str]]:
    """Return the steps of all rounds that are not finished, in order."""
    done = {one.round for one in finished_rounds(settings.output) if (settings.student_of(one.round) / CARD).is_file()}
    return [(number, step) for number in range(1, settings.rounds + 1) if number not in done for step in STEPS]


def finish(settings: StarConfig) -> Path:
    """Write the table over all rounds and let OUTPUT/student be the last round's student. Returns that folder."""
    write_report(settings.output, finished_rounds(settings.output))
    link = settings.output / "student"
    target = settings.student_of(settings.rounds).relative_to(settings.output)
    if not (link.is_symlink() and link.readlink() == target):
        temporary = link.with_name(".student.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
    return link
