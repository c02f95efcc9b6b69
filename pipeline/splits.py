"""Which split a problem belongs to: no problem crosses, and neither do its parents and children."""

from collections.abc import Mapping

from pipeline.config import Splits
from pipeline.records import Problem, content_id
from pipeline.run import Run, open_run
from pipeline.sources import RunSource
from pipeline.store import iterate_records


def split_of(problem: Problem, splits: Splits, ancestor: Mapping[str, str]) -> str:
    """Return a problem's split: held-out families go to test, else its ancestor's id decides (or its own)."""
    if problem.family in splits.holdout_families:
        return "test"
    place = int(content_id("split", ancestor.get(problem.id, problem.id)), 16) / 16**24
    if place < splits.test:
        return "test"
    return "validation" if place < splits.test + splits.validation else "train"


def ancestors(run: Run) -> dict[str, str]:
    """Return one ancestor for each problem that has parents or children, the same for all its relatives (union-find).

    A problem made of two joins their families; the least id stands for all of them.
    """
    found: dict[str, str] = {}
    for source in run.config.generate.sources:
        if isinstance(source, RunSource):  # relatives may be joined by a problem that was not taken over
            found.update(ancestors(open_run(source.path)))

    def root(identity: str) -> str:
        while (above := found.setdefault(identity, identity)) != identity:
            found[identity] = found.setdefault(above, above)
            identity = above
        return identity

    for problem in iterate_records(Problem, run.manifest.paths("generate", "problems")):
        for parent in problem.provenance.parents:
            first, second = sorted((root(problem.id), root(parent)))
            found[second] = first
    return {identity: root(identity) for identity in list(found)}
