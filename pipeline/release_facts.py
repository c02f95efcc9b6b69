"""What a card tells of a run beyond its tables: models with revisions, prompts, decontamination, difficulty, limits.

Reads the run's committed tables; asks nobody.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow.parquet as pq

from pipeline.calibration import Measured
from pipeline.prompts import PROMPTS, render_prompt
from pipeline.records import Agreement, Rejection
from pipeline.release_rows import portable
from pipeline.run import Run
from pipeline.store import iterate_records

COLUMNS: Final = ["model", "revision", "prompt_version", "sampling", "engine", "engine_version"]
CONTAMINATED: Final = "contaminated"
HISTOGRAM_BINS: Final = 10
BAR: Final = 30


def models_used(run: Run) -> list[dict[str, Any]]:
    """Return every model that solved or wrote, by revision, prompt, sampling and engine, with its tokens."""
    rows: Counter[tuple[str, ...]] = Counter()
    tokens: Counter[tuple[str, ...]] = Counter()
    for role, stage, table in (("wrote problems", "generate", "drafts"), ("solved", "solve", "completions")):
        for path in run.manifest.paths(stage, table):
            for row in pq.read_table(path, columns=[*COLUMNS, "completion_tokens"]).to_pylist():
                key = (role, *(str(row[name]) for name in COLUMNS))
                rows[key] += 1
                tokens[key] += row["completion_tokens"]
    found: list[dict[str, Any]] = []
    for key in sorted(rows):
        told = dict(zip(("role", *COLUMNS), key, strict=True))
        found.append({**told, "model": portable(told["model"]), "requests": rows[key], "tokens": tokens[key]})
    return found


def prompts_used(run: Run) -> dict[str, list[list[str]]]:
    """Return the messages of every solving prompt of the run and of the one that traces are written for, by label."""
    labels = {row["prompt_version"] for row in models_used(run)} | {PROMPTS[run.config.select.prompt].label}
    return {
        prompt.label: [[message.role, message.content] for message in render_prompt(prompt.name, "{question}")]
        for prompt in PROMPTS.values()
        if prompt.label in labels
    }


def gold_counts(run: Run) -> Counter[str]:
    """Count the problems of the run by how their gold was settled."""
    return Counter(a.status for a in iterate_records(Agreement, run.manifest.paths("agree", "agreements")))


def contamination_counts(run: Run) -> Counter[tuple[str, str, str]]:
    """Count what was refused for resembling a benchmark, by stage, benchmark file and kind of resemblance."""
    return Counter(
        (rejection.stage, portable(str(evidence.get("from"))), str(evidence.get("kind")))
        for rejection, evidence in _refused(run, CONTAMINATED)
    )


def _refused(run: Run, name: str) -> Iterator[tuple[Rejection, dict[str, Any]]]:
    for stage in ("screen", "select"):
        for rejection in iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}")):
            if rejection.filter == name:
                yield rejection, json.loads(rejection.evidence)


def histogram(rows: Sequence[Measured]) -> list[tuple[str, int, str]]:
    """Return (pass rates from-to, problems, bar) in ten bins of equal width; problems without a decided attempt are in
    none of them."""
    rates = [row.assessment.pass_rate for row in rows if row.assessment.pass_rate is not None]
    counts = Counter(min(int(rate * HISTOGRAM_BINS), HISTOGRAM_BINS - 1) for rate in rates)
    most = max(counts.values(), default=1)
    return [
        (
            f"{place / HISTOGRAM_BINS:.1f} to {(place + 1) / HISTOGRAM_BINS:.1f}",
            counts[place],
            "█" * -(-counts[place] * BAR // most),
        )
        for place in range(HISTOGRAM_BINS)
    ]
