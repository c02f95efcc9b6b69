"""`gradatim experiment`: run the steps of an experiment one after the other, each as a command of its own.

A step is done when its command ended with 0 and OUTPUT/steps/STEP.json was written. Stopped or killed, the same command
goes on with the first step that is not done; every command itself goes on where it was. A step that fails is named with
the last lines of its log, and what does not need it is still done.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

import yaml

from flows.experiment_report import write_report
from flows.experiment_settings import STAR_ROWS, Experiment, RowName
from flows.experiment_state import earlier_seconds, finished, note_seconds, record, record_file, state_of
from flows.experiment_steps import Step, compare_step, module, plan, settings_file
from flows.star_rounds import student_settings
from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.progress import say
from pipeline.star_settings import StarConfig
from pipeline.store import write_text

LAST_LINES: Final = 12
PATIENCE_SECONDS: Final = 60.0


class StepFailed(GradatimError):
    """Steps that failed, with their logs; the last lines of these were shown when it happened."""


class Stopped(Exception):
    """The experiment was asked to stop, by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_experiment(experiment: Experiment, only: Sequence[RowName] = ()) -> None:
    """Do every step of the chosen rows that is not done yet, then compare all students that are evaluated.

    Raises StepFailed at the end; Stopped after SIGINT or SIGTERM.
    """
    failed: list[str] = []
    check(experiment, only)
    with run_lock(experiment.output), _stopping(), _step_lock(experiment.output) as lock:
        warned: set[str] = set()
        while (step := _next(experiment, only, failed, warned)) is not None:
            _do(experiment, step, lock, failed)
        last = compare_step(experiment, finished(experiment))
        if last is not None and state_of(experiment, last).state != "done":
            _do(experiment, last, lock, failed)
        write_report(experiment)
    if failed:
        logs = ", ".join(f"{name} ({experiment.output}/logs/{name}.log)" for name in failed)
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


def _next(experiment: Experiment, only: Sequence[RowName], failed: list[str], warned: set[str]) -> Step | None:
    """Return the first step that can be done. The plan is made anew each time: later steps depend on what is there."""
    found = {step.name: state_of(experiment, step) for step in plan(experiment, only)}
    for name, (step, state, _) in found.items():
        if state == "changed" and name not in warned:
            warned.add(name)
            path = record_file(experiment, step)
            say(f"{name}: done with other settings than now, and kept; delete {path} to do it again")
        if state == "left" and name not in failed and all(found[need].state != "left" for need in step.needs):
            return step
    return None


def _do(experiment: Experiment, step: Step, lock: int, failed: list[str]) -> None:
    """Run a step's command to its end and record it, or note why it failed."""
    log = experiment.output / "logs" / f"{step.name}.log"
    log.parent.mkdir(exist_ok=True)
    if step.settings is not None:
        content = yaml.safe_dump(step.settings, sort_keys=False, allow_unicode=True)
        write_text(content, settings_file(experiment, step.name))
    started, clock = datetime.now(UTC), time.monotonic()
    earlier = earlier_seconds(experiment, step)
    say(f"{step.name}: started; {log}")
    try:
        status = _command(step.command, log, lock)
    finally:
        seconds = round(earlier + time.monotonic() - clock, 3)
        note_seconds(experiment, step, seconds)
    if status:
        failed.append(step.name)
        say(failure(step.name, status, log))
        return
    record(experiment, step, started, seconds)
    say(f"{step.name}: done in {seconds:,.0f} s")


def _command(command: Sequence[str], log: Path, lock: int) -> int:
    """Run a command in a process group of its own, its output behind what the log holds; returns its exit status.

    The command inherits the lock: should this process be killed, it is held until the command ends.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it has started, gently first."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def failure(name: str, status: int, log: Path) -> str:
    """Name a failed step with the last lines of its log."""
    why = f"exit status {status}" if status > 0 else f"ended by {signal.Signals(-status).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join([f"{name}: failed ({why}); {log} ends:", *(f"    {line}" for line in lines)])


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
