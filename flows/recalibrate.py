"""`gradatim recalibrate`: measure the problems of a run again for another model, such as a student, beside the old
assessment: a run of its own under RUN/recalibrated, made by the same stages, that goes on where it was stopped.

Its export/grpo is the pool calibrated to that model. The old run is read and left as it is.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import yaml
from rich.table import Table

from flows.stages import build
from pipeline.calibration import Measured, measured
from pipeline.config import Config, Teacher, load_config
from pipeline.config_files import ConfigError
from pipeline.lookup import RECALIBRATED
from pipeline.models import resolve
from pipeline.records import Decision
from pipeline.run import Run, open_run

DECISIONS: Final[tuple[Decision, ...]] = ("too easy", "keep", "too hard", "undecided")


class Recalibrated(NamedTuple):
    """The new run, how often an old decision became which new one, the mean pass rates over the problems that both
    models have one for, and Spearman's rank correlation of these (None if it has no meaning)."""

    run: Run
    old_model: str
    moves: Counter[tuple[str, str]]
    old_mean: float | None
    new_mean: float | None
    correlation: float | None


def recalibrate(
    folder: Path,
    model: str,
    *,
    revision: str | None = None,
    completions: int = 8,
    stopping: str = "curtailed",
    endpoints: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Recalibrated:
    """Measure every solvable problem of a run for `model`: a catalogue name, a folder, a Hub id, or, with `endpoints`,
    the name under which these servers have it. `revision` is one of a Hub id.
    `stopping` is curtailed, bayesian or fixed.

    The prompt is the one the student is trained on (select.prompt), the sampling that of the old reference model;
    `overrides` ("teachers.0.sampling.max_tokens=1024") may change them. Raises ConfigError, TeacherError, ModelError.
    """
    source = open_run(folder)
    if not source.manifest.of_stage("pool"):
        raise ConfigError(f"{folder}: not assessed yet; gradatim build {folder}/config.yaml goes on with it")
    config = student_config(
        source,
        model,
        revision=revision,
        completions=completions,
        stopping=stopping,
        endpoints=endpoints,
        overrides=overrides,
    )
    return _compared(source, build(config))


def student_config(
    source: Run,
    model: str,
    *,
    revision: str | None = None,
    completions: int,
    stopping: str,
    endpoints: Sequence[str],
    overrides: Sequence[str],
) -> Config:
    """Return the configuration of the new run. Its revision is pinned, so a student that was trained again is another
    student, with a run of its own."""
    old: Teacher = next(t for t in source.config.teachers if t.model == source.config.reference_model)
    if endpoints and revision:
        raise ConfigError("--revision: nothing says which revision a server has; leave it out with --endpoint")
    revision = None if endpoints else resolve(model, revision=revision).revision
    engine: dict[str, Any] = {"kind": "openai", "endpoints": list(endpoints)} if endpoints else {"kind": "vllm"}
    if old.engine.kind == engine["kind"]:
        engine = {**old.engine.model_dump(mode="json"), **engine}
    teacher = {
        "model": model,
        "revision": revision,
        "engine": engine,
        "prompt": source.config.select.prompt,
        "sampling": old.sampling.model_dump(mode="json"),
        "completions": completions,
        "stopping": None if stopping == "fixed" else {"rule": stopping},
    }
    same = source.config.model_dump(mode="json", exclude={"writer", "agree"})
    content = {
        **same,
        "run": run_name(model, revision),
        "runs_folder": str(source.folder / RECALIBRATED),
        "generate": {"sources": [{"strategy": "run", "path": str(source.folder)}]},
        "screen": {"near_duplicates": None},
        "teachers": [teacher],
        "assess": {**same["assess"], "reference_model": None},
    }
    return _checked(content, overrides)


def _checked(content: dict[str, Any], overrides: Sequence[str]) -> Config:
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "recalibrate.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        try:
            return load_config(path, overrides)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(path), "recalibrate")) from None


def run_name(model: str, revision: str | None) -> str:
    """Return the name of a model's run; a local folder's content is part of it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-._") or "student"
    content = (revision or "").partition("local:")[2]
    return f"{name}-{content[:8]}" if content else name


def _compared(source: Run, run: Run) -> Recalibrated:
    old = {one.problem.id: one for one in measured(source)}
    pairs = [(old[one.problem.id], one) for one in measured(run)]
    both = [
        (before.assessment.pass_rate, after.assessment.pass_rate)
        for before, after in pairs
        if before.assessment.pass_rate is not None and after.assessment.pass_rate is not None
    ]
    return Recalibrated(
        run=run,
        old_model=source.config.reference_model,
        moves=Counter((_decision(before), _decision(after)) for before, after in pairs),
        old_mean=_mean([before for before, _ in both]),
        new_mean=_mean([after for _, after in both]),
        correlation=rank_correlation(both),
    )


def _decision(one: Measured) -> str:
    return one.assessment.decision


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation; None where fewer than three pairs, or one side does not vary."""
    from scipy.stats import spearmanr

    if len(pairs) < 3 or any(len({pair[side] for pair in pairs}) == 1 for side in (0, 1)):
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def moves_table(found: Recalibrated) -> Table:
    """Return how the old decisions (rows) became new ones (columns), with the sums of both."""
    new_model = found.run.config.reference_model
    table = Table(title=f"{found.old_model} (rows) → {new_model} (columns)", title_justify="left")
    for head in ("", *DECISIONS, "in all"):
        table.add_column(head, justify="right" if head else "left")
    for old in DECISIONS:
        counts = [found.moves[(old, new)] for new in DECISIONS]
        table.add_row(old, *map(str, counts), str(sum(counts)), end_section=old == DECISIONS[-1])
    sums = [sum(found.moves[(old, new)] for old in DECISIONS) for new in DECISIONS]
    table.add_row("in all", *map(str, sums), str(sum(sums)))
    return table


def summary(found: Recalibrated) -> str:
    """Say in lines how the mean pass rate changed, how far the two orders agree, and where the new pool is."""
    means = [f"{mean:.2f}" if mean is not None else "unknown" for mean in (found.old_mean, found.new_mean)]
    rank = "not defined" if found.correlation is None else f"{found.correlation:.2f}"
    return (
        f"mean pass rate {means[0]} → {means[1]}; rank correlation of the problems (Spearman) {rank}\n"
        f"calibrated pool: {found.run.folder}/export/grpo"
    )
