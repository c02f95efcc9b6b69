"""How the steps of an experiment stand, by their records.

OUTPUT/steps/STEP.json is written when a command has ended with 0; STEP.seconds holds what all attempts took, also those
that were stopped or failed, but for one that was killed with the whole experiment.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from flows.experiment_settings import Experiment, RowName
from flows.experiment_steps import Step, compare_step, plan
from pipeline.store import write_text


class State(NamedTuple):
    """A step and how it stands; `changed` is done, with other settings than the configuration has now."""

    step: Step
    state: Literal["left", "done", "changed"]
    seconds: float | None


def states(experiment: Experiment, only: Sequence[RowName] = ()) -> list[State]:
    """Return how every step of the chosen rows stands, the comparison last."""
    last = compare_step(experiment, finished(experiment))
    return [state_of(experiment, step) for step in [*plan(experiment, only), *([last] if last else [])]]


def state_of(experiment: Experiment, step: Step) -> State:
    """Return how a step stands."""
    path = record_file(experiment, step)
    if not path.is_file():
        return State(step, "left", earlier_seconds(experiment, step) or None)
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return State(step, "done" if record["fingerprint"] == step.fingerprint else "changed", record["seconds"])


def finished(experiment: Experiment) -> list[str]:
    """Return the names of the steps that are done."""
    return [step.name for step in plan(experiment) if state_of(experiment, step).state != "left"]


def record(experiment: Experiment, step: Step, started: datetime, seconds: float) -> None:
    """Write down that a step is done."""
    content = {
        "step": step.name,
        "command": [Path(step.command[0]).name, *step.command[1:]],
        "started": started.isoformat(timespec="seconds"),
        "seconds": seconds,
        "fingerprint": step.fingerprint,
    }
    write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", record_file(experiment, step))


def record_file(experiment: Experiment, step: Step) -> Path:
    """Return where a finished step is recorded."""
    return experiment.output / "steps" / f"{step.name}.json"


def note_seconds(experiment: Experiment, step: Step, seconds: float) -> None:
    """Write down what a step has taken so far."""
    write_text(f"{seconds}\n", _seconds_file(experiment, step))


def earlier_seconds(experiment: Experiment, step: Step) -> float:
    """Return what earlier attempts have taken."""
    path = _seconds_file(experiment, step)
    return float(path.read_text(encoding="utf-8")) if path.is_file() else 0.0


def _seconds_file(experiment: Experiment, step: Step) -> Path:
    return experiment.output / "steps" / f"{step.name}.seconds"
