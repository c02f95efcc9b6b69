"""Parents: the problems of this run that have been assessed and that some model solved, with their pass rates."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pipeline.records import Assessment, Problem
from pipeline.run import Run
from pipeline.store import read_records


class Parent(NamedTuple):
    """A solved problem and its pass rate for the reference model (None if nothing of it was decided)."""

    problem: Problem
    pass_rate: float | None


def solved_parents(run: Run, shards: Callable[[str], bool]) -> list[Parent] | None:
    """Return the solved problems of the generated shards that `shards` names, in order; None while one of them is not
    assessed yet."""
    names = [unit.shard for unit in run.manifest.of_stage("generate") if shards(unit.shard)]
    if any(("pool", name) not in run.manifest.units for name in names):
        return None
    return [parent for name in names for parent in _of_shard(run, name)]


def _of_shard(run: Run, shard: str) -> Iterable[Parent]:
    problems = read_records(Problem, run.file(run.manifest.units[("agree", shard)], "settled"))
    assessments = read_records(Assessment, run.file(run.manifest.units[("assess", shard)], "assessments"))
    solved = {a.problem_id for a in assessments if a.successes}
    rates = {a.problem_id: a.pass_rate for a in assessments if a.model == run.config.reference_model}
    return (Parent(problem, rates.get(problem.id)) for problem in problems if problem.id in solved)
