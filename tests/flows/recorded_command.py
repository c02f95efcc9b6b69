"""A stand-in for every command of an experiment, run as a script: FOLDER MODULE ARGUMENTS.

It notes in FOLDER/ran that it ran and in FOLDER/threads with how many threads, waits while `FOLDER/slow NAME` is there,
fails where `FOLDER/broken NAME` is, and leaves what the real one leaves: a student's card, an evaluation's results.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

SCRIPT = Path(__file__)


def main(folder: Path, module: str, arguments: list[str]) -> int:
    models = arguments[1 : arguments.index("--problems")] if module == "training.evaluate" else []
    config = Path(arguments[arguments.index("--config") + 1]) if "--config" in arguments else None
    if models:
        name = "evaluate " + ",".join(model.partition("=")[0] for model in models)
    else:
        name = config.stem if config else arguments[0] if module == "flows.cli" else module
    with (folder / "ran").open("a") as ran:
        print(name, file=ran)
    with (folder / "threads").open("a") as threads:
        print(name, os.environ.get("OMP_NUM_THREADS", "all"), file=threads)
    while (folder / f"slow {name}").exists():
        time.sleep(0.05)
    if (folder / f"broken {name}").exists():
        print("line one of the trouble\nline two of the trouble")
        return 3
    if config:
        train(yaml.safe_load(config.read_text()))
    if models:
        output = Path(arguments[arguments.index("--output") + 1])
        output.mkdir(parents=True, exist_ok=True)
        (output / "results.json").write_text(json.dumps(results(models)))
    return 0


def train(settings: dict[str, Any]) -> None:
    output = Path(settings["output"])
    output.mkdir(parents=True, exist_ok=True)
    metrics = {"steps": 4, "seconds": 9.5, "tokens": 1000 + settings["seed"]}
    grpo = {"group_size": 8, "batch_size": 16, "gradient_accumulation": 1}
    if "grpo" in settings:
        metrics["mean groups/zero_variance_accuracy"] = 0.25 if "recalibrated" in settings["data"][0] else 0.75
    whole = {"grpo": grpo} if "grpo" in settings else {}
    card = {"rows": {"train": settings.get("sft", {}).get("limit", 7)}, "metrics": metrics, "config": whole}
    (output / "gradatim.json").write_text(json.dumps(card))


def results(models: list[str]) -> dict[str, Any]:
    """Every row is five points better than the one before it."""
    rows = [model.partition("=") for model in models]
    found = {
        label: {"models": [{"model": path, "revision": "1"} for path in paths.split(",")], "lines": [line(place)]}
        for place, (label, _, paths) in enumerate(rows)
    }
    pairs = [
        {"base": rows[0][0], "student": label, "paired": 50, "difference": estimate(place / 20), "mcnemar_p": None}
        for place, (label, _, _) in enumerate(rows)
        if place
    ]
    return {"models": found, "pairs": pairs}


def line(place: int) -> dict[str, Any]:
    measured = {"greedy": estimate(0.2 + place / 20), "cons@k": {"8": estimate(0.3 + place / 20)}}
    return {
        "group": "all",
        "problems": 50,
        "undecided": 0.02,
        "pass@k": {"1": None},
        "floor": estimate(0.1),
        **measured,
    }


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "method": "recorded"}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
