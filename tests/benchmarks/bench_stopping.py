"""Sequential sampling against a fixed number: completions asked for, and decisions that differ, on recorded verdicts.

    python tests/benchmarks/bench_stopping.py [--run data/runs/NAME]

Replays the verdicts of a real run with 16 completions a problem (by default the recorded ones in tests/data), in the
order in which they were sampled. A run is taken if no stopping rule was set when it was made.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Assess, Band, Stopping, Teacher
from pipeline.pass_rate import decide
from pipeline.records import Verdict, VerdictValue
from pipeline.stopping import wanted

Recorded = dict[str, Any]  # "model", and "problems": letters per problem
RECORDED = Path(__file__).parents[1] / "data" / "recorded_verdicts.json"
LETTERS: Mapping[str, VerdictValue] = {"c": "correct", "w": "incorrect", "n": "unparsable", "?": "undecided"}
BANDS = (Band(), Band(min_pass_rate=0.1, max_pass_rate=0.9), Band(min_pass_rate=0.2, max_pass_rate=0.8))


def main() -> None:
    """Print a row per band and rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run folder to replay instead")
    parser.add_argument("--record", type=Path, help="also write the run's verdicts to this file")
    arguments = parser.parse_args()
    recorded: Recorded = read_run(arguments.run) if arguments.run else json.loads(RECORDED.read_text())
    if arguments.record:
        arguments.record.write_text(json.dumps(recorded, indent=1) + "\n")
    problems = recorded["problems"]
    fixed = sum(map(len, problems.values()))
    print(f"{recorded['model']}: {len(problems)} problems, {fixed} completions at a fixed number")
    for band in BANDS:
        for rule in rules():
            asked, changed = replay(problems, rule, band)
            ends = f"{band.min_pass_rate:g} to {band.max_pass_rate:g}"
            name = f"{rule.rule}, waves of {rule.wave}"
            print(
                f"band {ends:<13} {name:<22} {asked:>5} completions, "
                f"{fixed / asked:.2f}x fewer, {changed} decisions changed"
            )


def rules() -> list[Stopping]:
    """The rules that are compared."""
    return [Stopping(wave=1), Stopping(wave=2), Stopping(wave=4), Stopping(rule="bayesian", wave=2, error_rate=0.05)]


def replay(problems: Mapping[str, str], rule: Stopping, band: Band) -> tuple[int, int]:
    """Return how many recorded completions a rule asks for, and how many decisions differ from those of all."""
    asked = changed = 0
    for letters in problems.values():
        teacher = Teacher(model="m", completions=len(letters), stopping=rule)
        count = 0
        while (more := wanted(teacher, Assess(band=band), verdicts(letters[:count]))) > count:
            count = more
        asked += count
        changed += decision(letters[:count], band) != decision(letters, band)
    return asked, changed


def verdicts(letters: str) -> list[Verdict]:
    """Turn letters into verdicts."""
    return [Verdict(str(i), "p", LETTERS[letter], None, "", "math", "1") for i, letter in enumerate(letters)]


def decision(letters: str, band: Band) -> tuple[str, bool]:
    """Decide by the verdicts of some completions: the place in the band, and whether the problem is solved."""
    return decide(letters.count("c"), len(letters) - letters.count("?"), band), "c" in letters


def read_run(folder: Path) -> Recorded:
    """Read a run's verdicts per problem, in the order of the samples, for the reference model."""
    from pipeline.assess import judged_completions
    from pipeline.run import open_run

    run = open_run(folder)
    if any(teacher.stopping for teacher in run.config.teachers):
        raise SystemExit(f"{folder}: was made with a stopping rule; the completions that it spared are missing")
    letter = {verdict: name for name, verdict in LETTERS.items()}
    problems: dict[str, str] = {}
    for unit in run.manifest.of_stage("agree"):
        for problem, judged in judged_completions(run, unit.shard).items():
            ordered = sorted(judged, key=lambda pair: pair[0].sample_index)
            problems[problem] = "".join(letter[verdict.verdict] for _, verdict in ordered)
    return {"model": run.config.reference_model, "problems": problems}


if __name__ == "__main__":
    main()
