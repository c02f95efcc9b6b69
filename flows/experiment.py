"""`gradatim experiment`: run the steps of an experiment, each as a command of its own, trainings side by side if asked.

A step is done when its command ended with 0 and OUTPUT/steps/STEP.json was written. Stopped or killed, the same command
goes on with the first step that is not done; every command itself goes on where it was. A step that fails is named with
the last lines of its log, and what does not need it is still done.
"""

import fcntl
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import yaml

from flows.experiment_commands import Started, end, failure, run_alone, start, stop_clock, wait_for_one
from flows.experiment_report import write_report
from flows.experiment_settings import STAR_ROWS, Experiment, RowName
from flows.experiment_state import finished, record, record_file, state_of
from flows.experiment_steps import Step, compare_step, module, plan
from flows.star_rounds import student_settings
from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.progress import say
from pipeline.star_settings import StarConfig


class StepFailed(GradatimError):
    """Steps that failed, with their logs; the last lines of these were shown when it happened."""


class Stopped(Exception):
    """The experiment was asked to stop, by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class Outcome:
    """The steps that failed, and those whose other settings were spoken of."""

    failed: list[str] = field(default_factory=list)
    warned: set[str] = field(default_factory=set)


def run_experiment(experiment: Experiment, only: Sequence[RowName] = ()) -> None:
    """Do every step of the chosen rows that is not done yet, then compare all students that are evaluated.

    Raises StepFailed at the end; Stopped after SIGINT or SIGTERM.
    """
    done = Outcome()
    check(experiment, only)
    with run_lock(experiment.output), _stopping(), _step_lock(experiment.output) as lock:
        _do_all(experiment, only, lock, done)
        last = compare_step(experiment, finished(experiment))
        if last is not None and state_of(experiment, last).state != "done":
            _book(experiment, run_alone(experiment, last, lock), done)
        write_report(experiment)
    if done.failed:
        logs = ", ".join(f"{name} ({experiment.output}/logs/{name}.log)" for name in done.failed)
        raise StepFailed(f"failed: {logs}; what needs none of these is done, the same command tries again")


def check(experiment: Experiment, only: Sequence[RowName] = ()) -> None:
    """Have the training scripts check the configurations of all trainings, so that a mistake is not found hours later.

    Raises ConfigError with the first.
    """
    contents = {step.name: step.settings for step in plan(experiment, only) if step.row and step.settings}
    stars = [name for name in contents if name.startswith(STAR_ROWS)]
    section = {"evaluation": experiment.evaluation_settings}
    with TemporaryDirectory() as scratch:
        paths = {name: Path(scratch) / f"{name}.yaml" for name in contents}
        for name, content in contents.items():
            paths[name].write_text(yaml.safe_dump(content if name in stars else content | section), encoding="utf-8")
        try:
            for name in stars:
                student = student_settings(parse_model(StarConfig, paths[name]), 1)
                paths[name].write_text(yaml.safe_dump(student | section), encoding="utf-8")
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{scratch}/", "experiment: ")) from None
        command = module("training.check_config", *paths.values())
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(done.stderr.strip().replace(f"{scratch}/", "experiment: "))


def _next(ready: Sequence[Step], running: Sequence[Started], jobs: int) -> Step | None:
    """Return the first step that can begin beside those that run: a training beside trainings, anything beside none."""
    if len(running) >= jobs or not all(one.step.beside for one in running):
        return None
    return next((step for step in ready if step.beside or not running), None)


def _ready(experiment: Experiment, only: Sequence[RowName], done: Outcome, running: Sequence[Started]) -> list[Step]:
    """Return the steps that are left, have not failed and do not run, and whose needs are met.

    The plan is made anew each time, as later steps depend on what is there.
    """
    found = {step.name: state_of(experiment, step) for step in plan(experiment, only)}
    for name, (step, state, _) in found.items():
        if state == "changed" and name not in done.warned:
            done.warned.add(name)
            path = record_file(experiment, step)
            say(f"{name}: done with other settings than now, and kept; delete {path} to do it again")
    not_now = {*done.failed, *(one.step.name for one in running)}
    return [
        step
        for name, (step, state, _) in found.items()
        if state == "left" and name not in not_now and all(found[need].state != "left" for need in step.needs)
    ]


def _do_all(experiment: Experiment, only: Sequence[RowName], lock: int, done: Outcome) -> None:
    """Do what can be done, up to `jobs` trainings at once."""
    running: list[Started] = []
    try:
        while True:
            ready = _ready(experiment, only, done, running)
            while (step := _next(ready, running, experiment.jobs)) is not None:
                beside = sum(one.beside for one in ready) if step.beside else 1
                lanes = min(experiment.jobs, len(running) + beside)
                running.append(start(experiment, step, lock, lanes))
                ready.remove(step)
            if not running:
                return
            ended = wait_for_one(running)
            running.remove(ended)
            _book(experiment, ended, done)
    finally:
        for one in running:
            end(experiment, one)


def _book(experiment: Experiment, ended: Started, done: Outcome) -> None:
    """Record a step whose command has ended, or note why it failed."""
    seconds, step = stop_clock(experiment, ended), ended.step
    if ended.process.returncode:
        done.failed.append(step.name)
        say(failure(step.name, ended.process.returncode, ended.log))
        return
    record(experiment, step, ended.at, seconds)
    say(f"{step.name}: done in {seconds:,.0f} s")


@contextmanager
def _stopping() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Stopped while the block runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def _step_lock(output: Path) -> Iterator[int]:
    """Give the descriptor of a lock that every step inherits; wait for a step that a killed experiment left running."""
    with (output / ".step.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{output}: waiting for the step that a killed experiment has left running")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()
