"""Which split a problem belongs to: no problem crosses, and neither do its parents and children."""

from collections.abc import Collection, Mapping
from typing import Final

from pipeline.config import Splits
from pipeline.records import Problem, content_id
from pipeline.run import Run, open_run
from pipeline.sources import RunSource
from pipeline.store import iterate_records

HELD_OUT: Final = ""  # the ancestor of held-out families and all their relatives; the least id there is


def split_of(problem: Problem, splits: Splits, ancestor: Mapping[str, str]) -> str:
    """Return a problem's split: what is related to a held-out family goes to test, else its ancestor's id decides (or
    its own)."""
    decides = ancestor.get(problem.id, problem.id)
    if decides == HELD_OUT:
        return "test"
    place = int(content_id("split", decides), 16) / 16**24
    if place < splits.test:
        return "test"
    return "validation" if place < splits.test + splits.validation else "train"


def ancestors(run: Run, families: Collection[str] | None = None) -> dict[str, str]:
    """Return one ancestor for each problem that has parents or children, the same for all its relatives (union-find).

    A problem made of two joins their families; the least id stands for all of them. HELD_OUT stands for the problems
    of the held-out families (by default the run's own) and their relatives.
    """
    held_out = run.config.export.splits.holdout_families if families is None else families
    found: dict[str, str] = {}
    for source in run.config.generate.sources:
        if isinstance(source, RunSource):  # relatives may be joined by a problem that was not taken over
            found.update(ancestors(open_run(source.path), held_out))

    def root(identity: str) -> str:
        while (above := found.setdefault(identity, identity)) != identity:
            found[identity] = found.setdefault(above, above)
            identity = above
        return identity

    for problem in iterate_records(Problem, run.manifest.paths("generate", "problems")):
        related = [HELD_OUT] if problem.family in held_out else []
        for parent in (*problem.provenance.parents, *related):
            first, second = sorted((root(problem.id), root(parent)))
            found[second] = first
    return {identity: root(identity) for identity in list(found)}


def absent_families(run: Run) -> list[str]:
    """Return the held-out families that no problem of the run is of: most likely misspelt."""
    held_out = run.config.export.splits.holdout_families
    if not held_out:
        return []
    there = {problem.family for problem in iterate_records(Problem, run.manifest.paths("generate", "problems"))}
    return [family for family in held_out if family not in there]
