"""Problems of another run as they are: ids, golds and provenance stay. One shard for each shard of that run.

Their golds are settled there; `keep_golds` takes the place of the agree stage, so that a weak model's answers do not
put them in question.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from generators.made import Made, Part
from pipeline.config_files import ConfigError
from pipeline.hints import hint_for
from pipeline.manifest import Unit
from pipeline.prompts import HINT_LABEL
from pipeline.records import Agreement, Problem, Rejection
from pipeline.run import Run, Work, open_run
from pipeline.sources import RunSource
from pipeline.store import read_records

STAGES: Final = ("agree", "assess", "pool")
AGREE: Final = "agree"
UNSOLVED: Final = "unsolved"


def run_shards(_run: Run, source: RunSource, number: int) -> Iterator[Part]:
    """Give the shards of a run source. Raises ConfigError if the other run has not come as far as that stage."""
    other = open_run(source.path)
    unsolved = source.stage == UNSOLVED
    last = "assess" if unsolved else source.stage
    if not other.manifest.of_stage(last):
        raise ConfigError(f"{source.path}: its stage {last} is not done; gradatim build goes on with it")
    stages = STAGES[: STAGES.index(last) + 1]
    for place, unit in enumerate(other.manifest.of_stage(AGREE)):
        units = [other.manifest.units[(stage, unit.shard)] for stage in stages]
        counts = units[-1].counts
        if counts["in"] - counts["kept"] if unsolved else counts["kept"]:
            inputs: list[object] = [source.stage, [unit.digest for unit in units]]
            inputs += [HINT_LABEL] if source.hintable else []
            yield Part(f"{number}-{place:05d}", tuple(inputs), partial(_make, other, units, source))


def _make(other: Run, units: list[Unit], source: RunSource) -> Made:
    problems = read_records(Problem, other.file(units[0], "settled"))
    out = {r.record_id for unit in units[1:] for r in _rejections(other, unit)}
    wanted = [problem for problem in problems if (problem.id in out) == (source.stage == UNSOLVED)]
    return Made([p for p in wanted if not source.hintable or hint_for(p.verifier, p.answer) is not None])


def _rejections(run: Run, unit: Unit) -> list[Rejection]:
    paths = [run.folder / file.path for file in unit.files if file.path.startswith("rejections/")]
    return [rejection for path in paths for rejection in read_records(Rejection, path)]


def keep_golds(run: Run) -> None:
    """Settle the golds of a run whose only source is another run: every problem keeps the agreement it has there."""
    (source,) = run.config.generate.sources
    if not isinstance(source, RunSource):
        raise ConfigError(f"generate.sources.0: expected strategy run, got {source.strategy}")
    other = open_run(source.path)
    agreed = other.manifest.of_stage(AGREE)
    for unit in run.manifest.of_stage("screen"):
        theirs = agreed[int(unit.shard.rpartition("-")[2])]
        work = run.unit(AGREE, unit.shard, "as settled there", unit.digest, theirs.digest)
        if isinstance(work, Work):
            problems = read_records(Problem, run.file(unit, "screened"))
            wanted = {problem.id for problem in problems}
            agreements = [
                a for a in read_records(Agreement, other.file(theirs, "agreements")) if a.problem_id in wanted
            ]
            run.commit(
                work,
                {"settled": (Problem, problems), "agreements": (Agreement, agreements)},
                taken=len(problems),
                kept=len(problems),
            )
    shards = {unit.shard for unit in run.manifest.of_stage("screen")}
    run.manifest.forget(AGREE, keep=shards.__contains__)
