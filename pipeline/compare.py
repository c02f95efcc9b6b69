"""How two runs over the same records differ: what came in, what went out, and by which filter."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pipeline.calibration import measured
from pipeline.records import Rejection, Trace
from pipeline.run import STAGES, Run
from pipeline.store import iterate_records

UNKNOWN: Final = "no rejection names it"


class Difference(NamedTuple):
    """The difference in one table. `came_in` maps the reason that an id was out before to the ids, `went_out` the
    reason that it is out now; `changed` ids are in both with another content."""

    table: str
    before: int
    after: int
    came_in: dict[str, list[str]]
    went_out: dict[str, list[str]]
    changed: list[str]


def compare(before: Run, after: Run) -> list[Difference]:
    """Compare the pools and the traces of two runs."""
    reasons = _reasons(before), _reasons(after)
    return [
        _difference("problems in the pool", _pool(before), _pool(after), reasons),
        _difference("traces", _traces(before), _traces(after), reasons),
    ]


Content = Mapping[str, tuple[object, ...]]


def _pool(run: Run) -> Content:
    """Return what is in the pool with its gold and what its difficulty was counted on."""
    out = {r.record_id for stage in ("assess", "pool") for r in _rejections(run, stage)}
    return {
        problem.id: (problem.answer, assessment.attempts, assessment.successes, assessment.model)
        for problem, assessment in measured(run)
        if problem.id not in out
    }


def _traces(run: Run) -> Content:
    """Return the traces by "<problem>/<completion>" with their text."""
    rows = iterate_records(Trace, run.manifest.paths("select", "traces"))
    return {f"{trace.problem_id}/{trace.completion_id}": trace.messages for trace in rows}


def _rejections(run: Run, stage: str) -> Iterator[Rejection]:
    return iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}"))


def _reasons(run: Run) -> dict[str, str]:
    """Map every rejected record to the stage and filter that rejected it; the latest stage counts, as an earlier one
    may have rejected only a copy. Verify rejects only what belongs to a problem that agree has rejected."""
    stages = (stage for stage in STAGES if stage != "verify")
    return {r.record_id: f"{stage}, {r.filter}" for stage in stages for r in _rejections(run, stage)}


def _difference(table: str, before: Content, after: Content, reasons: tuple[Mapping[str, str], ...]) -> Difference:
    was_out, is_out = reasons
    return Difference(
        table=table,
        before=len(before),
        after=len(after),
        came_in=_by_reason([name for name in after if name not in before], was_out),
        went_out=_by_reason([name for name in before if name not in after], is_out),
        changed=[name for name in after if name in before and after[name] != before[name]],
    )


def _by_reason(names: list[str], reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Group ids by the reason of the record itself, or, for a trace, of its problem; the most frequent first."""
    groups: dict[str, list[str]] = {}
    for name in names:
        problem, _, completion = name.rpartition("/")
        reason = reasons.get(completion) or reasons.get(problem) or UNKNOWN
        groups.setdefault(reason, []).append(name)
    return dict(sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def difference_text(difference: Difference, examples: int) -> str:
    """Write a difference in lines: the totals, then in and out by reason with up to `examples` ids each."""
    came, went = (sum(map(len, groups.values())) for groups in (difference.came_in, difference.went_out))
    changed = f", {len(difference.changed):,} changed" if difference.changed else ""
    lines = [f"{difference.table}: {difference.before:,} → {difference.after:,} ({came:,} in, {went:,} out{changed})"]
    for word, groups in (("in, before out by", difference.came_in), ("out by", difference.went_out)):
        for reason, names in groups.items():
            lines.append(f"  {len(names):>6,} {word} {reason}{_shown(names, examples)}")
    return "\n".join(lines)


def _shown(names: list[str], examples: int) -> str:
    shown = "".join(f"\n           {name}" for name in names[:examples])
    return f"{shown} …" if shown and len(names) > examples else shown
