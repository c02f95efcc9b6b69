"""The problems and completions that a run's page carries in full: a stratified part, cut into text and maths.

A page for 100,000 problems must still open at once, so problems are drawn evenly from the strata (family × what became
of the problem) and completions are capped; both say how many there are. Ids are hashes, so their order is the draw.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq

from pipeline.lookup import read_rows_of
from pipeline.mathml import Formula, pieces
from pipeline.records import Agreement, Assessment, Completion, Problem, Trace, Verdict
from pipeline.report_data import NOT_JUDGED
from pipeline.run import Run

MOST_PROBLEMS: Final = 200
MOST_OF_A_SIDE: Final = 3  # completions of a problem: so many correct ones, and so many others
LONGEST_TEXT: Final = 4000
UNDER_WAY: Final = "not assessed"
_REFUSING: Final = ("agree", "assess")

Piece = str | int  # an int is a place in Sample.formulas


class Place(NamedTuple):
    """A problem that was screened, with what became of it: a decision on its difficulty, or who refused it."""

    id: str
    shard: str
    family: str
    decision: str


class Sample(NamedTuple):
    """What the page carries: plain data for JSON. `formulas` holds each formula once, as [source, MathML]."""

    problems: list[dict[str, Any]]
    formulas: list[tuple[str, str]]
    of_problems: int
    strata: int


def sample(run: Run, rows: Sequence[Assessment], most: int = MOST_PROBLEMS) -> Sample:
    """Draw the problems, and read them with their completions, verdicts and traces; `rows` are all assessments."""
    places = _places(run, rows)
    strata: dict[tuple[str, str], list[Place]] = {}
    for place in sorted(places, key=lambda place: place.id):
        strata.setdefault((place.family, place.decision), []).append(place)
    turns = chain.from_iterable(zip_longest(*strata.values()))
    chosen = [place for place in turns if place is not None][:most]
    reference = {a.problem_id: a for a in rows if a.model == run.config.reference_model}
    cutter = Cutter()
    problems = [
        told
        for shard in sorted({place.shard for place in chosen})
        for told in _shard(run, shard, {p.id: p for p in chosen if p.shard == shard}, reference, cutter)
    ]
    problems.sort(key=lambda told: (told["family"], told["level"] or 0, told["id"]))
    return Sample(problems, cutter.formulas, len(places), len(strata))


class Cutter:
    """Cuts texts into pieces, and keeps each formula once."""

    def __init__(self) -> None:
        self.formulas: list[tuple[str, str]] = []
        self._known: dict[Formula, int] = {}

    def cut(self, text: str) -> list[Piece]:
        """Return a text as plain pieces and places in `formulas`."""
        return [piece if isinstance(piece, str) else self._place(piece) for piece in pieces(text)]

    def _place(self, formula: Formula) -> int:
        if formula not in self._known:
            self._known[formula] = len(self.formulas)
            self.formulas.append((formula.source, formula.mathml))
        return self._known[formula]


def _places(run: Run, rows: Sequence[Assessment]) -> list[Place]:
    became: dict[str, str] = {a.problem_id: a.decision for a in rows if a.model == run.config.reference_model}
    refused: dict[str, str] = {}
    for stage in _REFUSING:
        for path in run.manifest.paths(stage, f"rejections/{stage}"):
            table = pq.read_table(path, columns=["record_id", "filter"], partitioning=None)
            refused.update(zip(table["record_id"].to_pylist(), table["filter"].to_pylist(), strict=True))
    found = []
    for unit in run.manifest.of_stage("screen"):
        table = pq.read_table(run.file(unit, "screened"), columns=["id", "family"], partitioning=None)
        for name, family in zip(table["id"].to_pylist(), table["family"].to_pylist(), strict=True):
            found.append(Place(name, unit.shard, family, refused.get(name) or became.get(name, UNDER_WAY)))
    return found


def _shard(
    run: Run, shard: str, wanted: Mapping[str, Place], rates: Mapping[str, Assessment], cutter: Cutter
) -> list[dict[str, Any]]:
    ids = list(wanted)
    golds = {a.problem_id: a for a in read_rows_of(run, Agreement, ("agree", shard, "agreements"), "problem_id", ids)}
    traces = {t.completion_id: t for t in read_rows_of(run, Trace, ("select", shard, "traces"), "problem_id", ids)}
    completions: dict[str, list[Completion]] = {}
    verdicts: dict[str, Verdict] = {}
    for index in range(len(run.config.teachers)):
        name = f"{index}-{shard}"
        for completion in read_rows_of(run, Completion, ("solve", name, "completions"), "problem_id", ids):
            completions.setdefault(completion.problem_id, []).append(completion)
        found = read_rows_of(run, Verdict, ("verify", name, "verdicts"), "problem_id", ids)
        verdicts |= {verdict.completion_id: verdict for verdict in found}
    return [
        _problem(problem, wanted[problem.id], golds.get(problem.id), rates.get(problem.id), cutter)
        | _sides(completions.get(problem.id, []), verdicts, traces, cutter)
        for problem in read_rows_of(run, Problem, ("screen", shard, "screened"), "id", ids)
    ]


def _problem(
    problem: Problem, place: Place, gold: Agreement | None, rate: Assessment | None, cutter: Cutter
) -> dict[str, Any]:
    return {
        "id": problem.id,
        "question": cutter.cut(problem.question[:LONGEST_TEXT]),
        "answer": problem.answer if gold is None else gold.answer,
        "gold": None if gold is None else gold.status,
        "family": problem.family,
        "level": problem.level,
        "strategy": problem.strategy,
        "decision": place.decision,
        "rate": None if rate is None else rate.pass_rate,
        "low": None if rate is None else round(rate.interval_low, 3),
        "high": None if rate is None else round(rate.interval_high, 3),
        "successes": None if rate is None else rate.successes,
        "attempts": None if rate is None else rate.attempts,
    }


def _sides(
    completions: Sequence[Completion], verdicts: Mapping[str, Verdict], traces: Mapping[str, Trace], cutter: Cutter
) -> dict[str, Any]:
    """Return a problem's correct completions, those that became traces first, and the others, one of each verdict in
    turn; `counts` are those of all."""
    by_verdict: dict[str, list[Completion]] = {}
    for completion in completions:
        verdict = verdicts.get(completion.id)
        by_verdict.setdefault(verdict.verdict if verdict else NOT_JUDGED, []).append(completion)
    counts = {name: len(rows) for name, rows in by_verdict.items()}
    correct = sorted(by_verdict.pop("correct", []), key=lambda completion: completion.id not in traces)
    others = [c for c in chain.from_iterable(zip_longest(*by_verdict.values())) if c is not None]
    sides = {"correct": correct[:MOST_OF_A_SIDE], "others": others[:MOST_OF_A_SIDE]}
    return {"counts": counts} | {
        side: [_completion(c, verdicts.get(c.id), traces.get(c.id), cutter) for c in rows]
        for side, rows in sides.items()
    }


def _completion(completion: Completion, verdict: Verdict | None, trace: Trace | None, cutter: Cutter) -> dict[str, Any]:
    whole = completion.text
    if completion.reasoning is not None:
        whole = f"<think>\n{completion.reasoning}\n</think>\n\n{completion.text}"
    return {
        "id": completion.id,
        "by": completion.model,
        "prompt": completion.prompt_version,
        "tokens": completion.completion_tokens,
        "cut_off": completion.finish_reason == "length",
        "verdict": verdict.verdict if verdict else NOT_JUDGED,
        "extracted": verdict.extracted if verdict else None,
        "reason": verdict.reason[:300] if verdict else None,
        "trace": trace.chosen_because if trace else None,
        "tags": list(trace.tags) if trace else [],
        "text": cutter.cut(whole[:LONGEST_TEXT]),
        "left_out": max(len(whole) - LONGEST_TEXT, 0),
    }
