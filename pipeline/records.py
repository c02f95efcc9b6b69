"""The records a run is made of: every field named once, with its Arrow schema beside it.

Records are frozen dataclasses; a table is a list of them. Ids are content hashes, so the same content has the same id
in every run and on every machine. This module neither reads nor writes files (see store.py).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, Literal, TypeVar, get_args

import pyarrow as pa

SCHEMA_VERSION: Final = 1

Strategy = Literal["template", "backward", "evolved", "written", "imported", "reasoning_gym"]
VerdictValue = Literal["correct", "incorrect", "unparsable", "undecided"]
FinishReason = Literal["stop", "length", "filtered"]
GoldStatus = Literal["proved", "given", "confirmed", "adopted", "repaired"]
Decision = Literal["keep", "too easy", "too hard", "unsolved", "undecided"]
AnswerType = Literal[
    "integer",
    "rational",
    "decimal",
    "percent",
    "quantity",
    "expression",
    "equation",
    "tuple",
    "set",
    "interval",
    "matrix",
    "choice",
    "string",
    "boolean",
]
VERDICTS: Final[tuple[str, ...]] = get_args(VerdictValue)
ANSWER_TYPES: Final[tuple[str, ...]] = get_args(AnswerType)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a problem comes from; enough to make it again.

    `parameters` is canonical JSON. `model`, `revision` and `prompt_version` are set where a model wrote the problem,
    `source` ("file:line" or "dataset@revision:row") and `licence` where it was imported.
    """

    generator: str
    generator_version: str
    seed: int | None = None
    index: int | None = None
    parameters: str = "{}"
    parents: tuple[str, ...] = ()
    model: str | None = None
    revision: str | None = None
    prompt_version: str | None = None
    source: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its gold answer (None where nobody knows it yet) and the verifier that judges completions."""

    id: str
    question: str
    answer: str | None
    verifier: str
    answer_type: AnswerType | None
    tolerance: float | None
    domain: str
    family: str
    level: int | None
    strategy: Strategy
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished request to a model. The id is the request: the same request is never paid for twice.

    `text` is what the model committed to, `reasoning` its thinking block if the model emits one of its own.
    `sampling` is canonical JSON. Token counts are the engine's own.
    """

    id: str
    problem_id: str
    model: str
    revision: str
    prompt_version: str
    sampling: str
    sample_index: int
    reasoning: str | None
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    engine: str
    engine_version: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement of one completion. `undecided` never counts as wrong and never pays."""

    completion_id: str
    problem_id: str
    verdict: VerdictValue
    extracted: str | None
    reason: str
    verifier: str
    verifier_version: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """How hard a problem is *for a named model revision*: successes among the decided attempts, with an interval.

    `undecided` completions are in neither count. `interval_low`/`interval_high` bound the pass rate at
    `interval_level` by `interval_method`. `agreement` is the share of the panel's decided completions that gave the
    panel's most frequent answer, `agreed_answer`. `stopping` says how many completions were asked for: "fixed", or the
    rule that stopped early (then the pass rate is that of the first completions, and the interval is what it says).
    """

    problem_id: str
    model: str
    revision: str
    attempts: int
    successes: int
    undecided: int
    pass_rate: float | None
    interval_low: float
    interval_high: float
    interval_level: float
    interval_method: str
    decision: Decision
    agreement: float | None
    agreed_answer: str | None
    stopping: str = "fixed"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Where a problem's gold stands after the panel has spoken.

    `proved` by program, `given` with the problem, `confirmed` or `repaired` by the panel, `adopted` from it where there
    was none. `original` is the gold as it came (None where there was none). `votes` is canonical JSON, answer to number
    of completions; `voices` are the models and prompts that gave the agreed answer, `share` its share of the votes.
    """

    problem_id: str
    status: GoldStatus
    answer: str
    original: str | None
    votes: str
    voices: tuple[str, ...]
    share: float | None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, in the form chat templates take."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A verified completion chosen for training. `messages` holds the problem and the reasoning with its answer."""

    problem_id: str
    completion_id: str
    messages: tuple[Message, ...]
    tags: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
    chosen_because: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that left the run: at which stage, by which filter, why in words, and the score that decided.

    `evidence` is canonical JSON: the matched row, the raw line, the panel's answers.
    """

    record_id: str
    stage: str
    filter: str
    reason: str
    score: float | None = None
    evidence: str = "{}"


Record = Problem | Completion | Verdict | Assessment | Agreement | Trace | Rejection
R = TypeVar("R", bound=Record)

_PROVENANCE = pa.struct(
    [
        ("generator", pa.string()),
        ("generator_version", pa.string()),
        ("seed", pa.int64()),
        ("index", pa.int64()),
        ("parameters", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("prompt_version", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
    ]
)
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(columns, metadata={"gradatim.schema_version": str(SCHEMA_VERSION)})


SCHEMAS: Final[dict[type, pa.Schema]] = {
    Problem: _schema(
        ("id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("verifier", pa.string()),
        ("answer_type", pa.string()),
        ("tolerance", pa.float64()),
        ("domain", pa.string()),
        ("family", pa.string()),
        ("level", pa.int64()),
        ("strategy", pa.string()),
        ("provenance", _PROVENANCE),
    ),
    Completion: _schema(
        ("id", pa.string()),
        ("problem_id", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("prompt_version", pa.string()),
        ("sampling", pa.string()),
        ("sample_index", pa.int64()),
        ("reasoning", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("engine", pa.string()),
        ("engine_version", pa.string()),
    ),
    Verdict: _schema(
        ("completion_id", pa.string()),
        ("problem_id", pa.string()),
        ("verdict", pa.string()),
        ("extracted", pa.string()),
        ("reason", pa.string()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
    ),
    Assessment: _schema(
        ("problem_id", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("attempts", pa.int64()),
        ("successes", pa.int64()),
        ("undecided", pa.int64()),
        ("pass_rate", pa.float64()),
        ("interval_low", pa.float64()),
        ("interval_high", pa.float64()),
        ("interval_level", pa.float64()),
        ("interval_method", pa.string()),
        ("decision", pa.string()),
        ("agreement", pa.float64()),
        ("agreed_answer", pa.string()),
        ("stopping", pa.string()),
    ),
    Agreement: _schema(
        ("problem_id", pa.string()),
        ("status", pa.string()),
        ("answer", pa.string()),
        ("original", pa.string()),
        ("votes", pa.string()),
        ("voices", pa.list_(pa.string())),
        ("share", pa.float64()),
    ),
    Trace: _schema(
        ("problem_id", pa.string()),
        ("completion_id", pa.string()),
        ("messages", _MESSAGES),
        ("tags", pa.list_(pa.string())),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("chosen_because", pa.string()),
    ),
    Rejection: _schema(
        ("record_id", pa.string()),
        ("stage", pa.string()),
        ("filter", pa.string()),
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("evidence", pa.string()),
    ),
}


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: sorted keys, no blanks, Unicode kept."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_id(kind: str, *parts: object) -> str:
    """Return the id of a record: 24 hex digits (96 bits) of a hash over its canonical JSON."""
    text = canonical_json([kind, *parts])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def make_problem(
    question: str,
    answer: str | None,
    *,
    verifier: str = "math",
    answer_type: AnswerType | None = None,
    tolerance: float | None = None,
    domain: str,
    family: str,
    level: int | None = None,
    strategy: Strategy,
    provenance: Provenance,
) -> Problem:
    """Build a problem; its id is the hash of what is asked and how it is judged, not of where it came from."""
    identity = content_id("problem", question, answer, verifier, answer_type, tolerance)
    return Problem(
        identity, question, answer, verifier, answer_type, tolerance, domain, family, level, strategy, provenance
    )


def to_table(kind: type[R], rows: Sequence[R]) -> pa.Table:
    """Turn records into an Arrow table with the schema of their kind; nested records become structs."""
    schema = SCHEMAS[kind]
    names = [f.name for f in fields(kind)]
    nested = {"provenance", "messages"}
    columns = {
        name: [_plain(getattr(row, name)) if name in nested else getattr(row, name) for row in rows] for name in names
    }
    return pa.table({name: pa.array(columns[name], type=schema.field(name).type) for name in names}, schema=schema)


def _plain(value: Any) -> Any:
    return [asdict(v) for v in value] if isinstance(value, tuple) else asdict(value)


def from_table(kind: type[R], table: pa.Table) -> list[R]:
    """Turn an Arrow table back into records. Columns the kind does not know are ignored; a missing one is an error,
    unless the kind has a default for it (a column that came later)."""
    names = [f.name for f in fields(kind)]
    missing = [f.name for f in fields(kind) if f.name not in table.column_names and f.default is MISSING]
    if missing:
        raise ValueError(f"a {kind.__name__} table lacks the column(s) {', '.join(missing)}")
    present = [name for name in names if name in table.column_names]
    return [record_from(kind, row) for row in table.select(present).to_pylist()]


def record_from(kind: type[R], row: dict[str, Any]) -> R:
    """Build one record from a plain row, as read from Parquet or JSON."""
    row = {f.name: row[f.name] for f in fields(kind) if f.name in row or f.default is MISSING}
    if "provenance" in row:
        provenance = row["provenance"]
        row["provenance"] = Provenance(**{**provenance, "parents": tuple(provenance["parents"] or ())})
    if "messages" in row:
        row["messages"] = tuple(Message(**message) for message in row["messages"])
    for name in ("tags", "voices"):
        if name in row:
            row[name] = tuple(row[name])
    return kind(**row)
