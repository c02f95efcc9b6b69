"""What a run's page tells, as plain numbers and rows: counts, refusals with examples, duplicates, leaks, lengths.

Reads the tables that the manifest lists and nothing else; what a stage has not come to is empty. Counts are of the
whole run. An unfinished run, and one from before a stage existed, can be told of too.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.calibration import Measured
from pipeline.records import SCHEMAS, VERDICTS, Assessment, Completion, Problem, Rejection, Verdict
from pipeline.report import COUNTED, StageCounts, stage_counts
from pipeline.run import STAGES, Run
from pipeline.store import iterate_records

EXAMPLES: Final = 3
SHOWN_CLUSTERS: Final = 20
SHOWN_LEAKS: Final = 20
CUT_OFF: Final = "length"
NOT_JUDGED: Final = "not judged"
KINDS: Final = ("problems", "completions")
CONTAMINATED: Final = "contaminated"
_ABOUT_COMPLETIONS: Final = ("select", "verify")
_PLACES: Final = {
    Problem: ("generate", "problems"),
    Completion: ("solve", "completions"),
    Verdict: ("verify", "verdicts"),
}


class Example(NamedTuple):
    """A refused record: its rejection, and the question it is about, where the run holds it."""

    rejection: Rejection
    question: str | None
    evidence: dict[str, str]


class Refused(NamedTuple):
    """A stage's refusals by one filter; the first few are the examples."""

    stage: str
    filter: str
    records: int
    examples: list[Example]


class Cluster(NamedTuple):
    """A kept question and those that left because of it."""

    original: str
    question: str
    origin: str
    refused: list[Example]


class Lengths(NamedTuple):
    """Completion tokens of one verdict; `cut_off` completions were stopped by the token limit."""

    verdict: str
    tokens: NDArray[np.int64]
    cut_off: int

    @property
    def quantiles(self) -> list[float]:
        """The median, the ninetieth percentile and the maximum."""
        return [float(number) for number in np.quantile(self.tokens, (0.5, 0.9, 1))]


class Outcome(NamedTuple):
    """So many problems have so many successes of so many attempts, hence this pass rate and interval."""

    successes: int
    attempts: int
    low: float
    high: float
    problems: int

    @property
    def rate(self) -> float | None:
        return self.successes / self.attempts if self.attempts else None


def begun_stages(run: Run) -> list[StageCounts]:
    """Sum up the stages that have begun; an unfinished run's need not fit together yet."""
    return [stage_counts(run, stage) for stage in COUNTED if run.manifest.of_stage(stage)]


def is_finished(folder: Path) -> bool:
    """Tell whether the last thing that a run did was to export."""
    path = folder / "manifest.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []  # what follows the last line end is torn
    return bool(lines) and json.loads(lines[-1]).get("stage") == "export"


def refusals(run: Run) -> list[Refused]:
    """Return every stage's refusals by filter, the most frequent first, with examples."""
    found: dict[tuple[str, str], int] = {}
    firsts: dict[tuple[str, str], list[Rejection]] = {}
    for stage in STAGES:
        for path in run.manifest.paths(stage, f"rejections/{stage}"):
            table = pq.read_table(path, partitioning=None)
            for name, count in _value_counts(table["filter"]):
                key = (stage, name)
                found[key] = found.get(key, 0) + count
                missing = EXAMPLES - len(firsts.setdefault(key, []))
                rows = table.filter(pc.equal(table["filter"], name)).slice(0, missing).to_pylist()
                firsts[key] += [Rejection(**row) for row in rows]
    questions = questions_of(run, [r for rows in firsts.values() for r in rows])
    order = sorted(found, key=lambda key: (STAGES.index(key[0]), -found[key], key))
    return [Refused(*key, found[key], [_example(r, questions) for r in firsts[key]]) for key in order]


def _value_counts(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    for pair in pc.value_counts(column).to_pylist():
        yield pair["values"], pair["counts"]


def _example(rejection: Rejection, questions: Mapping[str, str]) -> Example:
    told = json.loads(rejection.evidence)
    pairs = told.items() if isinstance(told, dict) else [("evidence", told)]
    texts = {str(k): v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in pairs if v is not None}
    return Example(rejection, questions.get(rejection.record_id), texts)


def questions_of(run: Run, rejections: Sequence[Rejection]) -> dict[str, str]:
    """Return the questions that rejections are about by record id, of a completion its problem's."""
    about = {r.record_id: r.record_id for r in rejections if r.stage not in _ABOUT_COMPLETIONS}
    completions = [r.record_id for r in rejections if r.stage in _ABOUT_COMPLETIONS]
    if completions:
        wanted = [("id", "in", completions)]
        rows = _read(run, Completion, ("id", "problem_id"), wanted).to_pylist()
        about |= {row["id"]: row["problem_id"] for row in rows}
    if not about:
        return {}
    wanted = [("id", "in", list(set(about.values())))]
    rows = _read(run, Problem, ("id", "question"), wanted).to_pylist()
    texts = {row["id"]: row["question"] for row in rows}
    return {record: texts[problem] for record, problem in about.items() if problem in texts}


def _read(run: Run, kind: type, columns: Sequence[str], filters: Any = None) -> pa.Table:
    """Read columns of a kind's table from all its shards; an empty table if there are none."""
    paths: list[Path] = run.manifest.paths(*_PLACES[kind])
    parts = [pq.read_table(path, columns=list(columns), filters=filters, partitioning=None) for path in paths]
    schema = pa.schema([SCHEMAS[kind].field(name) for name in columns])
    return pa.concat_tables(parts) if parts else schema.empty_table()


def clusters(run: Run) -> tuple[list[Cluster], int]:
    """Return the largest clusters of duplicates, each around the question that was kept, and how many there are."""
    found: dict[str, list[Rejection]] = {}
    for row in _screened_out(run, "duplicate"):
        found.setdefault(str(json.loads(row.evidence).get("duplicate_of", "?")), []).append(row)
    largest = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:SHOWN_CLUSTERS]
    questions = questions_of(run, [row for _, rows in largest for row in rows])
    return [_cluster(original, rows, questions) for original, rows in largest], len(found)


def _cluster(original: str, rows: list[Rejection], questions: Mapping[str, str]) -> Cluster:
    examples = [_example(row, questions) for row in rows]
    evidence = examples[0].evidence
    return Cluster(original, evidence.get("question", ""), evidence.get("from", ""), examples)


def leaks(run: Run) -> tuple[list[Example], int]:
    """Return what resembles a benchmark question, the surest first, and how many there are."""
    rows = sorted(_screened_out(run, CONTAMINATED), key=lambda row: -(row.score or 0))
    questions = questions_of(run, rows[:SHOWN_LEAKS])
    return [_example(row, questions) for row in rows[:SHOWN_LEAKS]], len(rows)


def _screened_out(run: Run, name: str) -> Iterator[Rejection]:
    for stage in ("screen", "select"):
        rows = iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}"))
        yield from (row for row in rows if name in row.filter)


def assessments(run: Run) -> list[Assessment]:
    """Return every assessment of the run."""
    return list(iterate_records(Assessment, run.manifest.paths("assess", "assessments")))


def measured_problems(run: Run, rows: Sequence[Assessment]) -> list[Measured]:
    """Return the problems with their assessment by the reference model; runs without an agree stage have some too."""
    paths = run.manifest.paths("agree", "settled") or run.manifest.paths("screen", "screened")
    problems = {p.id: p for p in iterate_records(Problem, paths)}
    reference = run.config.reference_model
    return [Measured(problems[a.problem_id], a) for a in rows if a.model == reference and a.problem_id in problems]


def outcomes(rows: Sequence[Assessment], model: str) -> list[Outcome]:
    """Return what the problems' attempts by a model came to, by pass rate, then by attempts."""
    found = Counter(
        (a.successes, a.attempts, a.interval_low, a.interval_high) for a in rows if a.model == model and a.attempts
    )
    return sorted((Outcome(*key, n) for key, n in found.items()), key=lambda one: (one.rate, one.attempts))


def lengths(run: Run) -> list[Lengths]:
    """Return the completion tokens by verdict, in the order of VERDICTS; those without a verdict come last."""
    completions = _read(run, Completion, ("id", "completion_tokens", "finish_reason"))
    verdicts = _read(run, Verdict, ("completion_id", "verdict"))
    if not completions.num_rows:
        return []
    joined = completions.join(verdicts, keys="id", right_keys="completion_id", join_type="left outer")
    names = pc.fill_null(joined["verdict"], NOT_JUDGED)
    found = []
    for name in (*VERDICTS, NOT_JUDGED):
        rows = joined.filter(pc.equal(names, name))
        cut = pc.sum(pc.equal(rows["finish_reason"], CUT_OFF)).as_py() or 0
        if rows.num_rows:
            found.append(Lengths(name, rows["completion_tokens"].to_numpy().astype(np.int64), cut))
    return found


def prompt_tokens(run: Run) -> int:
    """Return the prompt tokens of all completions."""
    return int(pc.sum(_read(run, Completion, ("prompt_tokens",))["prompt_tokens"]).as_py() or 0)


def measures(run: Run) -> dict[str, tuple[float, float]]:
    """Add up what the select stage measured of the traces it kept: behaviours and diversity, each a part of a whole."""
    found: dict[str, tuple[float, float]] = {}
    for unit in run.manifest.of_stage("select"):
        for name, text in unit.details.items():
            part, _, whole = text.partition("/")
            before = found.get(name, (0.0, 0.0))
            found[name] = (before[0] + float(part), before[1] + float(whole))
    return found


class Made(NamedTuple):
    """What made some of a run's records, by name and version."""

    what: str
    name: str
    version: str
    records: int


def versions(run: Run) -> list[Made]:
    """Return every generator, model, engine, prompt and verifier that the run's tables name, with its version."""
    columns = ("model", "revision", "engine", "engine_version", "prompt_version")
    solved = _read(run, Completion, columns)
    judged = _read(run, Verdict, ("verifier", "verifier_version"))
    provenance = _read(run, Problem, ("provenance",))["provenance"]
    generator, generation, model, revision = (
        pc.struct_field(provenance, name) for name in ("generator", "generator_version", "model", "revision")
    )
    return [
        *_made("generator", generator, generation),
        *_made("writing model", model, revision),
        *_made("teacher", solved["model"], solved["revision"]),
        *_made("engine", solved["engine"], solved["engine_version"]),
        *_made("prompt", solved["prompt_version"], solved["prompt_version"]),
        *_made("verifier", judged["verifier"], judged["verifier_version"]),
    ]


def _made(what: str, names: pa.ChunkedArray, marks: pa.ChunkedArray) -> Iterator[Made]:
    pairs = pa.table({"name": names, "version": marks}).group_by(["name", "version"]).aggregate([([], "count_all")])
    rows = (row for row in pairs.to_pylist() if row["name"] is not None)
    for row in sorted(rows, key=lambda row: (row["name"], row["version"] or "")):
        mark = "" if row["version"] == row["name"] else row["version"] or ""
        yield Made(what, row["name"], mark, row["count_all"])
