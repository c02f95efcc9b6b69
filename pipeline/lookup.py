"""Find what a run holds under an id, or the beginning of one, and read the rows that concern a record.

Reads what the manifest lists and nothing else; of a large table, only the rows that are asked for become records.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import GradatimError
from pipeline.records import Assessment, Problem, R, Rejection, from_table
from pipeline.run import Run, open_run

RECALIBRATED: Final = "recalibrated"  # inside a run: the runs that measure its problems for other models
SHORTEST: Final = 6
SHOWN: Final = 10
Kind = Literal["problem", "draft", "completion", "refusal"]
# Where ids stand: the kind of record, the stage whose units hold it, the table, the column.
_PLACES: Final[tuple[tuple[Kind, str, str, str], ...]] = (
    ("problem", "generate", "problems", "id"),
    ("draft", "generate", "drafts", "id"),
    ("refusal", "generate", "rejections/generate", "record_id"),
    ("completion", "solve", "completions", "id"),
)


class NotFound(GradatimError):
    """An id that a run does not hold, or that several records begin with; in one line."""


class Found(NamedTuple):
    """A record: what it is, its whole id, and the shard that holds it ("<teacher>-<shard>" for a completion)."""

    kind: Kind
    id: str
    shard: str


def find(run: Run, identity: str) -> list[Found]:
    """Return the places of the one record with this id; a trace is named "<problem>/<completion>".

    Six letters of an id are enough where no other begins with them. The same problem may stand in several shards.
    Raises NotFound.
    """
    found = _holding(run, identity.lower()) or _holding(run, identity)
    if not found and "/" in identity:
        return find(run, identity.rpartition("/")[2])
    ids = sorted({one.id for one in found})
    if len(ids) > 1:
        shown = ", ".join(f"{one} ({_kind(found, one)})" for one in ids[:SHOWN])
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        raise NotFound(f"{identity}: {len(ids)} records begin with it: {shown}{more}")
    if not found:
        short = f" (at least {SHORTEST} letters of an id are needed)" if len(identity) < SHORTEST else ""
        raise NotFound(f"{identity}: {run.folder} holds no such problem, completion, trace or draft{short}")
    return found


def _holding(run: Run, prefix: str) -> list[Found]:
    found = []
    for kind, stage, table, column in _PLACES:
        for unit in run.manifest.of_stage(stage):
            for path in _paths(run, stage, unit.shard, table):
                ids = pq.read_table(path, columns=[column], partitioning=None)[column]
                begins = ids.filter(pc.starts_with(ids, prefix)).to_pylist()
                found += [Found(kind, one, unit.shard) for one in begins]
    exact = [one for one in found if one.id == prefix]
    return exact or (found if len(prefix) >= SHORTEST else [])


def _kind(found: list[Found], identity: str) -> str:
    return next(one.kind for one in found if one.id == identity)


def _paths(run: Run, stage: str, shard: str, table: str) -> list[Path]:
    unit = run.manifest.units.get((stage, shard))
    return [run.folder / file.path for file in unit.files if file.path.startswith(f"{table}/")] if unit else []


def read_rows_of(run: Run, kind: type[R], place: tuple[str, str, str], column: str, ids: Collection[str]) -> list[R]:
    """Read the rows whose column holds one of the ids from the table of a place (stage, shard, table), in order; none
    if the stage has not come to that shard."""
    wanted = [(column, "in", list(ids))]
    return [
        row
        for path in (_paths(run, *place) if ids else [])
        for row in from_table(kind, pq.read_table(path, filters=wanted, partitioning=None))
    ]


def rejections_of(run: Run, stage: str, shard: str, record_id: str) -> list[Rejection]:
    """Return a stage's rejections of one record."""
    return read_rows_of(run, Rejection, (stage, shard, f"rejections/{stage}"), "record_id", [record_id])


def find_problem(run: Run, problem_id: str) -> tuple[Problem, str] | None:
    """Return a problem as it was made, and its shard, by its whole id; None if the run does not hold it."""
    return next(_problems(run, problem_id), None)


def _problems(run: Run, problem_id: str) -> Iterator[tuple[Problem, str]]:
    for unit in run.manifest.of_stage("generate"):
        for problem in read_rows_of(run, Problem, ("generate", unit.shard, "problems"), "id", [problem_id]):
            yield problem, unit.shard


def measured_again(run: Run, problem_id: str) -> Iterator[Assessment]:
    """Give a problem's assessments by the models that the run was recalibrated for."""
    for path in sorted((run.folder / RECALIBRATED).glob("*/config.yaml")):
        other = open_run(path.parent)
        found = find_problem(other, problem_id)
        yield from assessments_of(other, found[1], problem_id) if found else ()


def assessments_of(run: Run, shard: str, problem_id: str) -> list[Assessment]:
    """Return a problem's assessments, one for each model, the reference model's first."""
    rows = read_rows_of(run, Assessment, ("assess", shard, "assessments"), "problem_id", [problem_id])
    return sorted(rows, key=lambda row: row.model != run.config.reference_model)
