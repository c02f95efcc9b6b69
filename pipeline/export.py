"""The export stage: traces and the calibrated pool in the form that TRL reads, split so that no problem crosses.

export/sft holds conversational prompt and completion columns; export/grpo holds prompt, answer and the measured
difficulty; export/preferences holds prompt, chosen and rejected. manifest.json lists every file with its hash,
and how the lengths of the training pairs compare; README.md is the card.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.card import card
from pipeline.config import Export
from pipeline.manifest import FileEntry, Unit
from pipeline.preferences import PAIR_COLUMNS, length_line, length_statistics, shard_rows
from pipeline.progress import Track, say, track
from pipeline.prompts import render_prompt
from pipeline.records import Agreement, Assessment, Message, Problem, Trace, content_id
from pipeline.run import Run, Work
from pipeline.splits import absent_families, ancestors, split_of
from pipeline.store import file_digest, read_records, table_writer, write_text
from pipeline.traces import solved_problems

STAGE: Final = "export"
SPLITS: Final = ("train", "validation", "test")

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ABOUT = [
    ("problem_id", pa.string()),
    ("domain", pa.string()),
    ("family", pa.string()),
    ("level", pa.int64()),
    ("answer", pa.string()),
    ("answer_type", pa.string()),
    ("verifier", pa.string()),
    ("tolerance", pa.float64()),
    ("strategy", pa.string()),
    ("gold_status", pa.string()),
    ("gold_original", pa.string()),
    ("parents", pa.list_(pa.string())),
]
SFT_SCHEMA: Final = pa.schema(
    [
        ("prompt", _MESSAGES),
        ("completion", _MESSAGES),
        *_ABOUT,
        ("completion_id", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("completion_tokens", pa.int64()),
    ]
)
GRPO_SCHEMA: Final = pa.schema(
    [
        ("prompt", _MESSAGES),
        *_ABOUT,
        ("question", pa.string()),
        ("attempts", pa.int64()),
        ("successes", pa.int64()),
        ("pass_rate", pa.float64()),
        ("interval_low", pa.float64()),
        ("interval_high", pa.float64()),
        ("interval_level", pa.float64()),
        ("reference_model", pa.string()),
        ("reference_revision", pa.string()),
        ("difficulty_bin", pa.string()),
    ]
)
PREFERENCES_SCHEMA: Final = pa.schema(
    [("prompt", _MESSAGES), ("chosen", _MESSAGES), ("rejected", _MESSAGES), *_ABOUT, *PAIR_COLUMNS]
)
_SCHEMAS: Final = {"sft": SFT_SCHEMA, "grpo": GRPO_SCHEMA, "preferences": PREFERENCES_SCHEMA}


def export(run: Run) -> None:
    """Write export/ anew if anything it is made from has changed."""
    selected = [unit.digest for unit in run.manifest.of_stage("select")]
    assessed = [unit.digest for unit in run.manifest.of_stage("assess")]
    settings = (run.config.export.model_dump(mode="json"), run.config.select.model_dump(mode="json"))
    columns = [schema.names for schema in _SCHEMAS.values()]
    work = run.unit(STAGE, "0", *settings, selected, assessed, columns)
    if isinstance(work, Unit):
        return
    for family in absent_families(run):
        say(f"export.splits.holdout_families: no problem is of the family {family!r}, so nothing is held out for it")
    with track(STAGE, len(_SCHEMAS) * len(selected)) as progress:
        ancestor = ancestors(run)
        files = [file for name in _SCHEMAS for file in _write(run, name, ancestor, progress)]
        lengths = _pair_lengths(run)
        progress.say(length_line(lengths))
    _finish(run, work, files, lengths)


def _write(run: Run, name: str, ancestor: Mapping[str, str], progress: Track) -> list[FileEntry]:
    """Write one table, all splits in one pass over the shards: a shard's rows are in memory, never a table's."""
    schema = _SCHEMAS[name]
    paths = {split: f"export/{name}/{split}.parquet" for split in SPLITS}
    counts = dict.fromkeys(SPLITS, 0)
    with ExitStack() as stack:
        writers = {split: stack.enter_context(table_writer(schema, run.folder / paths[split])) for split in SPLITS}
        for unit in run.manifest.of_stage("select"):
            for split, rows in _rows(run, name, unit, ancestor).items():
                writers[split](pa.Table.from_pylist(rows, schema=schema))
                counts[split] += len(rows)
            progress.advance()
    return [FileEntry(path, counts[split], file_digest(run.folder / path)) for split, path in paths.items()]


def _pair_lengths(run: Run) -> list[tuple[int, int]]:
    path = run.folder / "export" / "preferences" / "train.parquet"
    table = pq.read_table(path, columns=["chosen_tokens", "rejected_tokens"])
    return [(row["chosen_tokens"], row["rejected_tokens"]) for row in table.to_pylist()]


def _finish(run: Run, work: Work, files: list[FileEntry], lengths: Sequence[tuple[int, int]]) -> None:
    listed = [{"path": f.path.removeprefix("export/"), "rows": f.rows, "sha256": f.sha256} for f in files]
    named = {"run": run.config.run, "hash": content_id("export", listed), "files": listed}
    manifest = {**named, "preferences": length_statistics(lengths)}
    files.append(_text(run, "export/manifest.json", json.dumps(manifest, indent=2) + "\n"))
    files.append(_text(run, "export/README.md", card(run, files)))
    rows = sum(f.rows for f in files)
    run.commit(work, {}, taken=rows, kept=rows, extra_files=files)


def _text(run: Run, path: str, text: str) -> FileEntry:
    return FileEntry(path, 0, write_text(text, run.folder / path))


def _rows(run: Run, name: str, unit: Unit, ancestor: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return a selected shard's rows of one export table by split, each in problem order."""
    here = solved_problems(run, unit.shard)
    split = {problem.id: split_of(problem, run.config.export.splits, ancestor) for problem, _ in here}
    agreed = run.manifest.units[("agree", unit.shard)]
    golds = {a.problem_id: a for a in read_records(Agreement, run.file(agreed, "agreements"))}
    about = {problem.id: _about(problem, golds[problem.id]) for problem, _ in here}
    if name == "grpo":
        rows = [about[p.id] | _grpo_row(run, p, a) for p, a in here if a.decision == "keep"]
    elif name == "preferences":
        rows = [about[row["problem_id"]] | row for row in shard_rows(run, unit, here)]
    else:
        traces = read_records(Trace, run.file(unit, "traces"))
        rows = [about[trace.problem_id] | _sft_row(trace) for trace in traces if trace.problem_id in about]
    return {part: [row for row in rows if split[row["problem_id"]] == part] for part in SPLITS}


def _messages(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def _about(problem: Problem, gold: Agreement) -> dict[str, Any]:
    return {
        "problem_id": problem.id,
        "domain": problem.domain,
        "family": problem.family,
        "level": problem.level,
        "answer": problem.answer,
        "answer_type": problem.answer_type,
        "verifier": problem.verifier,
        "tolerance": problem.tolerance,
        "strategy": problem.strategy,
        "gold_status": gold.status,
        "gold_original": gold.original,
        "parents": list(problem.provenance.parents),
    }


def _sft_row(trace: Trace) -> dict[str, Any]:
    return {
        "prompt": _messages(trace.messages[:-1]),
        "completion": _messages(trace.messages[-1:]),
        "completion_id": trace.completion_id,
        "tags": list(trace.tags),
        "completion_tokens": trace.completion_tokens,
    }


def _grpo_row(run: Run, problem: Problem, assessment: Assessment) -> dict[str, Any]:
    return {
        "prompt": _messages(render_prompt(run.config.select.prompt, problem.question, problem.verifier)),
        "question": problem.question,
        "attempts": assessment.attempts,
        "successes": assessment.successes,
        "pass_rate": assessment.pass_rate,
        "interval_low": assessment.interval_low,
        "interval_high": assessment.interval_high,
        "interval_level": assessment.interval_level,
        "reference_model": assessment.model,
        "reference_revision": assessment.revision,
        "difficulty_bin": difficulty_bin(assessment.pass_rate or 0.0, run.config.export),
    }


def difficulty_bin(pass_rate: float, settings: Export) -> str:
    """Return the bin of a pass rate, such as "0.4-0.6"; 1.0 belongs to the last bin."""
    bins = settings.difficulty_bins
    place = min(int(pass_rate * bins), bins - 1)
    return f"{place / bins:.2g}-{(place + 1) / bins:.2g}"
