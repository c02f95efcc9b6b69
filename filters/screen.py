"""The screen stage: what need not be solved leaves before any teacher token is spent."""

from typing import Final

from filters.duplicates import DuplicateIndex, read_earlier
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Problem
from pipeline.run import Run
from pipeline.store import file_digest, read_records

STAGE: Final = "screen"


def screen(run: Run) -> None:
    """Screen shard after shard against everything that came before it, in this run and in earlier datasets.

    A shard depends on all shards before it, so a changed one makes those after it be screened again.
    """
    settings = run.config.screen
    units = run.manifest.of_stage("generate")
    index: DuplicateIndex | None = None
    inputs: list[object] = [settings.model_dump(mode="json"), [file_digest(path) for path in settings.against]]
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for position, unit in enumerate(units):
            inputs.append(unit.digest)
            work = run.unit(STAGE, unit.shard, *inputs)
            if not isinstance(work, Unit):
                index = index or _index_before(run, units[:position])
                problems = read_records(Problem, run.file(unit, "problems"))
                kept, rejections = index.screen(problems)
                run.commit(
                    work, {"screened": (Problem, kept)}, taken=len(problems), kept=len(kept), rejections=rejections
                )
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in units}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _index_before(run: Run, units: list[Unit]) -> DuplicateIndex:
    """Build the index as it stood after the given shards."""
    index = DuplicateIndex(run.config.screen.near_duplicates)
    for path in run.config.screen.against:
        index.add_earlier(read_earlier(path), path.name)
    for unit in units:
        index.screen(read_records(Problem, run.file(unit, "problems")))
    return index
