"""Where a problem comes from: its generator, its parents back to the seed, whether it is measurably harder than they
are, and the command that makes it again.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pipeline.lookup import assessments_of, find_problem, read_rows_of
from pipeline.records import Assessment, Completion, Problem, Provenance
from pipeline.run import Run

DEEPEST: Final = 20
LONGEST: Final = 4000  # characters of a draft that are shown


class Gain(NamedTuple):
    """Whether a problem is harder than every parent: a lower pass rate, and, `apart`, with an interval below theirs."""

    harder: bool
    apart: bool


def gain(child: Assessment, parents: Sequence[Assessment]) -> Gain | None:
    """Compare a problem with its parents by the same model's pass rates; None where one of them is not known."""
    rates = [parent.pass_rate for parent in parents if parent.pass_rate is not None]
    if child.pass_rate is None or not parents or len(rates) < len(parents):
        return None
    harder = child.pass_rate < min(rates)
    return Gain(harder, harder and child.interval_high < min(parent.interval_low for parent in parents))


def rate_text(assessment: Assessment) -> str:
    """Write a pass rate with its interval and what it was counted on."""
    if assessment.pass_rate is None:
        return f"no decided attempt ({assessment.undecided} undecided)"
    undecided = f", {assessment.undecided} undecided" if assessment.undecided else ""
    return (
        f"pass rate {assessment.pass_rate:.2f} [{assessment.interval_low:.2f}, {assessment.interval_high:.2f}], "
        f"{assessment.successes} of {assessment.attempts}{undecided}"
    )


def origin(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    """Give the lines on where a problem comes from, its parents included."""
    made = problem.provenance
    seeded = "" if made.seed is None else f", seed {made.seed}, index {made.index}"
    yield f"{made.generator} version {made.generator_version}{seeded}, shard {shard}"
    if made.parameters != "{}":
        yield f"parameters {made.parameters}"
    told = {"source": made.source, "licence": made.licence}
    if any(told.values()):
        yield ", ".join(f"{name} {value}" for name, value in told.items() if value)
    if made.model:
        yield f"written by {made.model}@{made.revision}, prompt {made.prompt_version}"
        yield from _draft(run, shard, made)
    yield from _parents(run, problem, shard)


def draft_id(made: Provenance) -> str | None:
    """Return the id of the draft that a problem was written as, if a model wrote it."""
    found = json.loads(made.parameters).get("draft")
    return found if isinstance(found, str) else None


def _draft(run: Run, shard: str, made: Provenance) -> Iterator[str]:
    for draft in read_rows_of(run, Completion, ("generate", shard, "drafts"), "id", [draft_id(made) or ""]):
        yield f"draft {draft.id}, {draft.completion_tokens} tokens:"
        yield f"  {draft.text[:LONGEST]}"


def _parents(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    """Give a problem's ancestors, each generation further in, and the comparison with the nearest."""
    if not problem.provenance.parents:
        return
    compared: list[Assessment] = []
    for parent_id in problem.provenance.parents:
        found = find_problem(run, parent_id)
        if found is None:
            yield f"parent {parent_id}, which this run does not hold"
            continue
        compared += assessments_of(run, found[1], parent_id)[:1]
        yield from _ancestor(run, *found, depth=1)
    own = assessments_of(run, shard, problem.id)[:1]
    whole = len(compared) == len(problem.provenance.parents)
    found_gain = gain(own[0], compared) if own and whole else None
    if found_gain is None:
        yield "measurably harder than its parent: not known, a pass rate is missing"
    else:
        below = " and ".join(f"{rate_text(parent)}" for parent in compared)
        apart = "the intervals are apart" if found_gain.apart else "the intervals overlap"
        verdict = f"yes, {apart}" if found_gain.harder else "no"
        yield f"measurably harder than its parent: {verdict} ({rate_text(own[0])}; parent {below})"


def _ancestor(run: Run, problem: Problem, shard: str, depth: int) -> Iterator[str]:
    margin = "  " * (depth - 1)
    level = "" if problem.level is None else f", level {problem.level}"
    rates = [rate_text(a) for a in assessments_of(run, shard, problem.id)[:1]] or ["not assessed"]
    made = problem.provenance
    seeded = "" if made.seed is None else f", seed {made.seed}, index {made.index}"
    source = f", {made.source}" if made.source else ""
    yield f"{margin}parent {problem.id}  {problem.strategy}: {problem.family}{level}{seeded}{source}; {rates[0]}"
    yield from (f"{margin}  {line}" for line in problem.question.splitlines())
    if depth == DEEPEST:
        yield f"{margin}  and so on"
        return
    for parent_id in problem.provenance.parents:
        found = find_problem(run, parent_id)
        if found is None:
            yield f"{margin}  parent {parent_id}, which this run does not hold"
        else:
            yield from _ancestor(run, *found, depth=depth + 1)


def remake_command(run: Run, problem: Problem, shard: str) -> str:
    """Return the one line that makes a problem again and prints it.

    A template problem needs no run. Any other is made again from what the run has recorded, a model's draft included:
    no model is asked.
    """
    made = problem.provenance
    level = json.loads(made.parameters).get("level")
    if problem.strategy != "template" or made.seed is None or made.index is None or not isinstance(level, int):
        return f"python -m generators.remake {shlex.quote(str(run.folder))} {problem.id} {shard}"
    program = (
        "from generators.templates import FAMILIES, family; "
        f"print(family.generate_problem(FAMILIES[{json.dumps(problem.family)}], {made.seed}, {made.index}, {level}))"
    )
    return f"python -c {shlex.quote(program)}"
