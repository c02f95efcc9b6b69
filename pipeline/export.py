"""The export stage: traces and the calibrated pool in the form that TRL reads, split so that no problem crosses.

export/sft holds conversational prompt and completion columns; export/grpo holds prompt, answer and the measured
difficulty. manifest.json lists every file with its hash; README.md is the card.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from pipeline.card import card
from pipeline.config import Export, Splits
from pipeline.manifest import FileEntry, Unit
from pipeline.progress import track
from pipeline.prompts import render_prompt
from pipeline.records import Assessment, Message, Problem, Trace, content_id
from pipeline.run import Run, Work
from pipeline.store import read_records, write_tables, write_text
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
_SCHEMAS: Final = {"sft": SFT_SCHEMA, "grpo": GRPO_SCHEMA}


def export(run: Run) -> None:
    """Write export/ anew if anything it is made from has changed."""
    selected = [unit.digest for unit in run.manifest.of_stage("select")]
    assessed = [unit.digest for unit in run.manifest.of_stage("assess")]
    settings = (run.config.export.model_dump(mode="json"), run.config.select.prompt)
    work = run.unit(STAGE, "0", *settings, selected, assessed)
    if isinstance(work, Unit):
        return
    with track(STAGE, len(_SCHEMAS) * len(SPLITS)) as progress:
        files = []
        for name, schema in _SCHEMAS.items():
            for split in SPLITS:
                path = f"export/{name}/{split}.parquet"
                tables = [pa.Table.from_pylist(rows, schema=schema) for rows in _rows(run, name, split)]
                digest = write_tables(tables, schema, run.folder / path)
                files.append(FileEntry(path, sum(table.num_rows for table in tables), digest))
                progress.advance()
    _finish(run, work, files)


def _finish(run: Run, work: Work, files: list[FileEntry]) -> None:
    listed = [{"path": f.path.removeprefix("export/"), "rows": f.rows, "sha256": f.sha256} for f in files]
    manifest = {"run": run.config.run, "hash": content_id("export", listed), "files": listed}
    files.append(_text(run, "export/manifest.json", json.dumps(manifest, indent=2) + "\n"))
    files.append(_text(run, "export/README.md", card(run, files)))
    rows = sum(f.rows for f in files)
    run.commit(work, {}, taken=rows, kept=rows, extra_files=files)


def _text(run: Run, path: str, text: str) -> FileEntry:
    return FileEntry(path, 0, write_text(text, run.folder / path))


def _rows(run: Run, name: str, split: str) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of one export table and split, shard by shard, in problem order."""
    for unit in run.manifest.of_stage("select"):
        here = [
            (problem, assessment)
            for problem, assessment in solved_problems(run, unit.shard)
            if split_of(problem, run.config.export.splits) == split
        ]
        if name == "grpo":
            yield [_grpo_row(run, *pair) for pair in here if pair[1].decision == "keep"]
        else:
            problems = {problem.id: problem for problem, _ in here}
            traces = read_records(Trace, run.file(unit, "traces"))
            yield [_sft_row(problems[trace.problem_id], trace) for trace in traces if trace.problem_id in problems]


def split_of(problem: Problem, splits: Splits) -> str:
    """Return a problem's split: held-out families go to test, else its id (its first ancestor's, if it was made from
    another problem) decides, so that no problem and none of its children cross."""
    if problem.family in splits.holdout_families:
        return "test"
    root = problem.provenance.parents[0] if problem.provenance.parents else problem.id
    place = int(content_id("split", root), 16) / 16**24
    if place < splits.test:
        return "test"
    return "validation" if place < splits.test + splits.validation else "train"


def _messages(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def _about(problem: Problem) -> dict[str, Any]:
    return {"problem_id": problem.id, **{name: getattr(problem, name) for name, _ in _ABOUT[1:]}}


def _sft_row(problem: Problem, trace: Trace) -> dict[str, Any]:
    return {
        "prompt": _messages(trace.messages[:-1]),
        "completion": _messages(trace.messages[-1:]),
        **_about(problem),
        "completion_id": trace.completion_id,
        "tags": list(trace.tags),
        "completion_tokens": trace.completion_tokens,
    }


def _grpo_row(run: Run, problem: Problem, assessment: Assessment) -> dict[str, Any]:
    return {
        "prompt": _messages(render_prompt(run.config.select.prompt, problem.question)),
        **_about(problem),
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
