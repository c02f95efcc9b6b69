"""The table of an experiment (table.md, table.json) and its plot, from the records of its steps, the students' cards
and the comparison. What is not there yet is a dash; nothing is computed again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from flows.experiment_plot import write_plot
from flows.experiment_settings import STAR_ROWS, Experiment, RowName
from flows.experiment_state import state_of
from flows.experiment_steps import EVALUATION, Step, evaluation_name, plan, same_row, start_of, student_folder
from flows.star_report import finished_rounds, rounds_markdown
from pipeline.pass_rate import interval
from pipeline.store import write_text

HEADS: Final = (
    "row",
    "begins with",
    "seeds",
    "rows",
    "steps",
    "tokens",
    "minutes",
    "greedy pass@1",
    "undecided as wrong",
    "cons@8",
    "against the first row, points",
    "undecided",
    "groups without signal",
)
NONE: Final = "–"
ABOUT: Final = (
    "Rows, steps, tokens (prompt and completion, every pass) and minutes are of a row's own training, means over "
    "its seeds; what it begins with was trained before. All SFT rows take the same number of steps, and STaR's "
    "rounds as many passes as these. Undecided completions (cut off, or not judged in time) enter no rate but the "
    "one that counts them as wrong. Intervals are over problems and seeds (95 % unless set otherwise). Groups "
    "without signal: the verifier's decided rewards are all equal; of how many, with a Jeffreys interval."
)
Facts = dict[str, Any]


def write_report(experiment: Experiment) -> list[Facts]:
    """Write table.json, table.md and table.png; returns the rows as they stand in table.json."""
    results = _results(experiment)
    steps = {step.name: step for step in plan(experiment)}
    rows = [facts(experiment, row, steps, results) for row in experiment.rows]
    output = experiment.output
    write_text(json.dumps({"rows": rows}, indent=2, ensure_ascii=False) + "\n", output / "table.json")
    write_text(markdown(experiment, rows), output / "table.md")
    write_plot(rows, output / "table.png")
    return rows


def _results(experiment: Experiment) -> Facts:
    path = experiment.output / EVALUATION / "results.json"
    found: Facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"models": {}, "pairs": []}
    return found


def facts(experiment: Experiment, row: RowName, steps: dict[str, Step], results: Facts) -> Facts:
    """Return all that is known of a row: what it begins with, what it was trained on and for how long (means over the
    seeds that are trained), and how it did on the held-out problems."""
    same = same_row(experiment, row)
    seeds = [s for s in experiment.seeds(same) if _done(experiment, steps, evaluation_name(same, s))]
    trained = [s for s in experiment.seeds(same) if same != "base" and _done(experiment, steps, f"{same}-{s}")]
    names = [f"{same}-{seed}" for seed in trained]
    start = start_of(experiment, same, 0)
    return {
        "row": row,
        "same_as": same if same != row else None,
        "start": start.rpartition("-")[0] if start else experiment.student,
        "seeds": seeds,
        "changed": [n for n in names if state_of(experiment, steps[n]).state == "changed"],
        "seconds": _mean([state_of(experiment, steps[name]).seconds for name in names]),
        **_training(experiment, same, names),
        **_evaluation(results, same if seeds else None),
    }


def _done(experiment: Experiment, steps: dict[str, Step], name: str) -> bool:
    return name in steps and state_of(experiment, steps[name]).state != "left"


def _training(experiment: Experiment, row: RowName, names: Sequence[str]) -> Facts:
    """Read the cards of a row's students; of STaR, all rounds count."""
    cards = [_card(student_folder(experiment, name)) for name in names]
    metrics = [card.get("metrics", {}) for card in cards]
    found: Facts = {
        "trained_on": _mean([card.get("rows", {}).get("train") for card in cards]),
        "steps": _mean([one.get("steps") for one in metrics]),
        "tokens": _mean([one.get("tokens") for one in metrics]),
        "training_seconds": _mean([one.get("seconds") for one in metrics]),
        "zero_variance": _mean([one.get("mean groups/zero_variance_accuracy") for one in metrics]),
        "groups": sum(filter(None, map(_groups, cards))) or None,
        "zero_variance_reward": _mean([one.get("mean groups/zero_variance") for one in metrics]),
        "undecided_rewards": _mean([one.get("mean rewards/undecided") for one in metrics]),
    }
    if row in STAR_ROWS and names:
        rounds = [finished_rounds(experiment.output / "students" / name) for name in names]
        found["rounds"] = [[one.model_dump(mode="json") for one in there] for there in rounds]
        for key in ("steps", "tokens"):
            found[key] = _mean([sum(one.training.get(key, 0.0) for one in there) or None for there in rounds])
    return found


def _card(student: Path) -> Facts:
    path = student / "gradatim.json"
    found: Facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _groups(card: Facts) -> float | None:
    """Return how many groups of completions a GRPO training has seen; None for another training."""
    settings = card.get("config", {}).get("grpo")
    if settings is None:
        return None
    completions = float(settings["batch_size"] * settings["gradient_accumulation"])
    return float(card["metrics"]["steps"]) * completions / float(settings["group_size"])


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def _evaluation(results: Facts, row: RowName | None) -> Facts:
    """Take a row's line on all problems, and its difference from the first row, from the comparison."""
    if row not in results["models"]:
        return {
            "problems": None,
            "greedy": None,
            "pass@k": {},
            "cons@k": {},
            "undecided": None,
            "floor": None,
            "difference": None,
        }
    line = next(one for one in results["models"][row]["lines"] if one["group"] == "all")
    pair = next((one for one in results["pairs"] if one["student"] == row), None)
    taken = {name: line[name] for name in ("problems", "greedy", "pass@k", "cons@k", "undecided", "floor")}
    return {**taken, "difference": pair and pair["difference"], "mcnemar_p": pair and pair["mcnemar_p"]}


def markdown(experiment: Experiment, rows: Sequence[Facts]) -> str:
    """Return the table with what it means, and the rounds of the STaR rows."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * 2 + "--:|" * (len(HEADS) - 2)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    notes = [
        ABOUT,
        *([f"Minutes are of {experiment.jobs} trainings at once, where as many were left."] * (experiment.jobs > 1)),
        *(f"{row['row']} is the same training as {row['same_as']} here." for row in rows if row["same_as"]),
        *(f"{name}: made with other settings than the file has now." for row in rows for name in row["changed"]),
    ]
    for row in rows:
        for seed, rounds in zip(row["seeds"], row.get("rounds", []), strict=False):
            folder = experiment.output / "students" / f"{row['row']}-{seed}"
            if rounds:
                notes.append(f"{row['row']}, seed {seed}:\n\n{rounds_markdown(finished_rounds(folder))}")
    return "\n".join(lines) + "\n\n" + "\n\n".join(notes) + "\n"


def _cells(row: Facts) -> list[str]:
    difference = row["difference"]
    return [
        row["row"],
        row["start"],
        str(len(row["seeds"])) if row["seeds"] else NONE,
        _number(row["trained_on"]),
        _number(row["steps"]),
        _number(row["tokens"]),
        _number(row["seconds"] and row["seconds"] / 60, 1),
        _rate(row["greedy"]),
        _rate(row["floor"]),
        _rate(row["cons@k"].get("8")),
        _rate(difference, "+.1f", ""),
        _share(row["undecided"]),
        _silent(row),
    ]


def _number(value: float | None, digits: int = 0) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _silent(row: Facts) -> str:
    """Write the share of groups without signal, of how many, with its Jeffreys interval."""
    share, groups = row["zero_variance"], row["groups"]
    if share is None or not groups:
        return NONE
    low, high = interval(round(share * groups), round(groups), "jeffreys", 0.95)
    return f"{share:.0%} of {groups:.0f} [{low:.0%}, {high:.0%}]"


def _rate(estimate: Facts | None, form: str = ".1f", unit: str = " %") -> str:
    if estimate is None or estimate["value"] is None:
        return NONE
    value, low, high = (100 * estimate[name] for name in ("value", "low", "high"))
    return f"{value:{form}}{unit} [{low:{form}}, {high:{form}}]"
