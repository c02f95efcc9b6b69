"""The difficulty of published problems, measured again by a given model: the stages of a build, in a folder that is
thrown away.

A problem differs where the published interval and the new one, widened for the number of problems (Bonferroni), do not
meet. The pool as a whole differs where its published successes are not what its total successes make likely (Mantel and
Haenszel 1959), given that a problem was only published with a rate inside the band.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import yaml

from flows.reverify_judged import Judging, rows_of
from flows.stages import plan, run_stage
from pipeline.config import Band, load_config
from pipeline.pass_rate import decide, interval
from pipeline.progress import say
from pipeline.published import Row, problem_of, question_of
from pipeline.records import Assessment, content_id
from pipeline.run import create_run, open_run
from pipeline.store import iterate_records

MISS: Final = 0.05
FARTHEST: Final = 3.29  # standard deviations: one time in a thousand by chance
STAGES: Final = ("generate", "screen", "solve", "agree", "verify", "assess")


class Asked(NamedTuple):
    """The model that is asked, the servers that have it (none: vLLM here), and the completions of each problem."""

    model: str
    endpoints: Sequence[str] = ()
    completions: int = 8


class Counts(NamedTuple):
    """Successes and attempts of one problem, as published and now."""

    successes: int
    attempts: int
    new_successes: int
    new_attempts: int


def remeasure(judging: Judging, asked: Asked) -> Iterator[str]:
    """Give a line for each problem of the pool whose difficulty is another for the model, asked as the run asked.

    Raises ConfigError, TeacherError or ModelError for a model that cannot be had.
    """
    rows = {_asked_id(judging, row): row for row in rows_of(judging, "grpo")}
    if not rows:
        say("reverify: there is no pool, so no difficulty to measure again")
        return
    with TemporaryDirectory(prefix="gradatim-reverify-") as scratch:
        found = _measured(Path(scratch), judging, list(rows.values()), asked)
    level = 1 - MISS / len(rows)
    means: list[tuple[float, float]] = []
    counted: list[Counts] = []
    for name, row in rows.items():
        new = found.get(name)
        if new is None or new.pass_rate is None:
            continue
        means.append((row.fields["pass_rate"], new.pass_rate))
        counted.append(Counts(row.fields["successes"], row.fields["attempts"], new.successes, new.attempts))
        low, high = interval(new.successes, new.attempts, "jeffreys", level)
        old_low, old_high = interval(row.fields["successes"], row.fields["attempts"], "jeffreys", level)
        if low > old_high or high < old_low:
            counts = f"{row.fields['successes']} of {row.fields['attempts']}, now {new.successes} of {new.attempts}"
            yield f"{row.place}: another difficulty for {asked.model}: {counts}"
    if len(means) < len(rows):
        say(f"reverify: {len(rows) - len(means)} of {len(rows)} problems gave no attempt that could be judged")
    old, now = (sum(pair[side] for pair in means) / len(means) if means else 0.0 for side in (0, 1))
    say(f"reverify: mean pass rate of {len(means)} problems: {old:.2f} published, {now:.2f} for {asked.model} now")
    apart = deviation(counted, judging.settings.assess.band if judging.settings else Band())
    if abs(apart) > FARTHEST:
        verb = "harder" if apart > 0 else "easier"
        yield f"the pool is {verb} for {asked.model} than published: {old:.2f}, now {now:.2f} ({apart:+.1f} deviations)"


def deviation(problems: Sequence[Counts], band: Band) -> float:
    """Return by how many standard deviations the published successes lie above what is likely, 0 if nothing tells."""
    from scipy.stats import hypergeom

    above, spread = 0.0, 0.0
    for successes, attempts, new_successes, new_attempts in problems:
        possible = [s for s in range(attempts + 1) if decide(s, attempts, band) == "keep"]
        total, drawn = attempts + new_attempts, successes + new_successes
        weights = [float(hypergeom.pmf(s, total, drawn, attempts)) for s in possible]
        if successes not in possible or not sum(weights):
            continue
        mean = sum(s * w for s, w in zip(possible, weights, strict=True)) / sum(weights)
        above += successes - mean
        spread += sum((s - mean) ** 2 * w for s, w in zip(possible, weights, strict=True)) / sum(weights)
    return float(above / spread**0.5) if spread else 0.0


def _asked_id(judging: Judging, row: Row) -> str:
    """Return the id that a row's problem gets when it is imported with its settled gold."""
    fields = row.fields
    question = question_of(fields, judging.settings)
    return content_id("problem", question, fields["answer"], fields["verifier"], fields["answer_type"], None)


def _measured(scratch: Path, judging: Judging, rows: Sequence[Row], asked: Asked) -> dict[str, Assessment]:
    """Solve and assess the problems. Returns the assessments by the imported problems' ids."""
    content = _config(scratch, judging, rows, asked)
    path = scratch / "remeasure.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    run = create_run(load_config(path))
    for stage in plan(run.config):
        if stage in STAGES:
            run_stage(stage, run.folder)
    read = open_run(run.folder)
    return {a.problem_id: a for a in iterate_records(Assessment, read.manifest.paths("assess", "assessments"))}


def _config(scratch: Path, judging: Judging, rows: Sequence[Row], asked: Asked) -> dict[str, Any]:
    """Return a configuration that imports the problems as they are: a file for each way of judging."""
    files: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for row in rows:
        problem = problem_of(row.fields, judging.settings)
        if problem is not None and problem.tolerance is None:
            own = {"question": problem.question, "answer": problem.answer}
            files.setdefault((problem.verifier, problem.answer_type), []).append(own)
    sources = []
    for number, ((verifier, answer_type), own_rows) in enumerate(files.items()):
        path = scratch / f"problems-{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in own_rows), encoding="utf-8")
        source = {"strategy": "imported", "path": str(path), "verifier": verifier, "answer_type": answer_type}
        sources.append(source)
    config = judging.published.manifest.get("config") or {}
    before: dict[str, Any] = next(iter(config.get("teachers", ())), {})
    engine: dict[str, Any] = {"kind": "vllm"}
    if asked.endpoints:
        engine = {"kind": "openai", "endpoints": list(asked.endpoints)}
    teacher = {"model": asked.model, "engine": engine, "completions": asked.completions}
    teacher |= {key: before[key] for key in ("prompt", "sampling") if key in before}
    return {
        "run": "remeasured",
        "runs_folder": str(scratch),
        "generate": {"sources": sources},
        "screen": {"near_duplicates": None, "ill_posed": False},
        "agree": {"disputed": "keep"},
        "teachers": [teacher],
    }
