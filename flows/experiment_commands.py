"""The commands of an experiment's steps as processes: started with their share of the cores, waited for, ended."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from flows.experiment_settings import Experiment
from flows.experiment_state import earlier_seconds, note_seconds
from flows.experiment_steps import Step, settings_file
from pipeline.progress import say
from pipeline.store import write_text

LAST_LINES: Final = 12
PATIENCE_SECONDS: Final = 60.0
LOOK_EVERY: Final = 0.1


class Started(NamedTuple):
    """A step whose command runs, since when, and the seconds of its earlier attempts."""

    step: Step
    process: subprocess.Popen[bytes]
    log: Path
    at: datetime
    clock: float
    earlier: float


def start(experiment: Experiment, step: Step, lock: int, lanes: int = 1) -> Started:
    """Start a step's command in a process group of its own, its output behind what its log holds.

    Where `lanes` commands share the machine, each gets as many threads as its share has cores. The command inherits the
    lock: should this process be killed, it is held until the command ends.
    """
    log = experiment.output / "logs" / f"{step.name}.log"
    log.parent.mkdir(exist_ok=True)
    if step.settings is not None:
        content = yaml.safe_dump(step.settings, sort_keys=False, allow_unicode=True)
        write_text(content, settings_file(experiment, step.name))
    share = {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // lanes))} if lanes > 1 else {}
    at, clock, earlier = datetime.now(UTC), time.monotonic(), earlier_seconds(experiment, step)
    say(f"{step.name}: started; {log}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            step.command,
            env={**os.environ, **share},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
    return Started(step, process, log, at, clock, earlier)


def wait_for_one(running: Sequence[Started]) -> Started:
    """Wait until the command of one of them has ended, and return that one."""
    while True:
        for one in running:
            if one.process.poll() is not None:
                return one
        time.sleep(LOOK_EVERY)


def run_alone(experiment: Experiment, step: Step, lock: int) -> Started:
    """Run a step's command to its end."""
    one = start(experiment, step, lock)
    try:
        return wait_for_one([one])
    finally:
        if one.process.returncode is None:
            end(experiment, one)


def stop_clock(experiment: Experiment, one: Started) -> float:
    """Write down and return the seconds that all attempts at a step have taken."""
    seconds = round(one.earlier + time.monotonic() - one.clock, 3)
    note_seconds(experiment, one.step, seconds)
    return seconds


def end(experiment: Experiment, one: Started) -> None:
    """End a command and all that it has started, gently first; its seconds count."""
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, signal.SIGTERM)
        try:
            one.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
    stop_clock(experiment, one)


def failure(name: str, status: int, log: Path) -> str:
    """Name a failed step with the last lines of its log."""
    why = f"exit status {status}" if status > 0 else f"ended by {signal.Signals(-status).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join([f"{name}: failed ({why}); {log} ends:", *(f"    {line}" for line in lines)])
