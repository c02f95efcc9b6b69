"""The screen stage: what need not be solved leaves before any teacher token is spent."""

from pathlib import Path
from typing import Final

from filters.adjudication import adjudicator
from filters.dedup import DuplicateIndex, read_earlier
from filters.fingerprints import Kept, default_cache
from filters.leaks import benchmark_digests, leaked_problems
from filters.questions import USUAL_COLUMNS
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Problem, Rejection, canonical_json
from pipeline.run import Run
from pipeline.store import file_digest, read_records
from pipeline.well_posed import fault_of

STAGE: Final = "screen"


def screen(run: Run, number_blind: frozenset[str] = frozenset()) -> None:
    """Screen shard after shard against everything that came before it, in this run and in earlier datasets.

    What is wrong by itself (ill-posed, or like a benchmark's question) leaves first, so that it represents nothing.
    A shard depends on all shards before it, so a changed one makes those after it be screened again. Of duplicates the
    first is kept: only that does not depend on how problems are cut into shards. `number_blind` names the families
    whose problems are duplicates of one another whatever their numbers, beside those of the configuration.
    """
    settings = run.config.screen
    units = run.manifest.of_stage("generate")
    index: DuplicateIndex | None = None
    inputs: list[object] = [settings.model_dump(mode="json"), [file_digest(path) for path in settings.against]]
    inputs += [sorted(number_blind), benchmark_digests(settings.decontaminate)]
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for position, unit in enumerate(units):
            inputs.append(unit.digest)
            work = run.unit(STAGE, unit.shard, *inputs)
            if not isinstance(work, Unit):
                index = index or _index_before(run, units[:position], number_blind)
                path = run.file(unit, "problems")
                problems = read_records(Problem, path)
                fit, unfit = _by_themselves(run, unit.shard, problems)
                kept, doubled = index.screen(fit, _kept(run, path))
                run.commit(
                    work, {"screened": (Problem, kept)}, taken=len(problems), kept=len(kept), rejections=unfit + doubled
                )
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in units}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _index_before(run: Run, units: list[Unit], number_blind: frozenset[str]) -> DuplicateIndex:
    """Build the index as it stood after the given shards, without making their fingerprints again."""
    settings = run.config.screen
    index = DuplicateIndex(settings.near_duplicates, number_blind, settings.semantic_duplicates)
    for path in settings.against:
        index.add_earlier(read_earlier(path), Kept(default_cache(), file_digest(path)).under(*USUAL_COLUMNS))
    for unit in units:
        path = run.file(unit, "problems")
        fit, _ = _by_themselves(run, unit.shard, read_records(Problem, path))
        index.screen(fit, _kept(run, path))
    return index


def _by_themselves(run: Run, shard: str, problems: list[Problem]) -> tuple[list[Problem], list[Rejection]]:
    """Refuse what needs no comparison with other problems: ill-posed questions, and what resembles a benchmark."""
    settings = run.config.screen
    refused: dict[str, Rejection] = {}
    if settings.decontaminate is not None:
        refused = leaked_problems(problems, settings.decontaminate, STAGE, adjudicator(run, shard))
    for problem in problems if settings.ill_posed else []:
        # Proved problems are well-posed, and what a model wrote was examined when it was read.
        fault = fault_of(problem.question) if problem.strategy == "imported" else None
        if fault is not None:
            evidence = canonical_json({"shown_by": fault.shown_by})
            reason = f"ill-posed, {fault.name}: {fault.shown_by}"
            refused.setdefault(problem.id, Rejection(problem.id, STAGE, fault.name, reason, None, evidence))
    fit = [problem for problem in problems if problem.id not in refused]
    return fit, [refused[problem.id] for problem in problems if problem.id in refused]


def _kept(run: Run, path: Path) -> Kept:
    return Kept(run.folder / "fingerprints", file_digest(path))
