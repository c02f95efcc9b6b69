"""What a run did, for people: the funnel (every count balances), and token counts."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.table import Table

from pipeline.budget import budget_notes
from pipeline.run import CountsDoNotBalance, Run
from pipeline.store import write_text

COUNTED: Final = {
    "generate": "problems",
    "screen": "problems",
    "solve": "completions",
    "agree": "problems",
    "verify": "completions",
    "assess": "problems",
    "pool": "problems",
    "select": "completions",
}
_FEEDS: Final = {"screen": "generate", "agree": "screen", "verify": "solve", "assess": "agree", "pool": "assess"}


@dataclass(frozen=True)
class StageCounts:
    """A stage's counts over all its shards; `details` are counts of what was kept, such as verdicts."""

    stage: str
    counted: str
    taken: int
    kept: int
    rejected: dict[str, int]
    details: dict[str, int]
    seconds: float
    tokens: int

    @property
    def reasons(self) -> str:
        """The reasons with their counts in words; for the verify stage, the verdicts in brackets."""
        rejected = ", ".join(f"{n:,} {name}" for name, n in self.rejected.items())
        details = "(" + ", ".join(f"{n:,} {name}" for name, n in self.details.items()) + ")" if self.details else ""
        return " ".join(text for text in (rejected, details) if text) or "–"


def funnel(run: Run) -> list[StageCounts]:
    """Sum up every stage. Raises CountsDoNotBalance if a stage lost or invented a record."""
    rows = [stage_counts(run, stage) for stage in COUNTED]
    by_stage = {row.stage: row for row in rows}
    for row in rows:
        if row.taken != row.kept + sum(row.rejected.values()):
            raise CountsDoNotBalance(f"{row.stage}: {row.taken} in, {row.kept} kept, {row.rejected} rejected")
        before = by_stage.get(_FEEDS.get(row.stage, ""))
        if before is not None and before.kept != row.taken:
            raise CountsDoNotBalance(f"{before.stage} kept {before.kept}, but {row.stage} took {row.taken}")
    return rows


def stage_counts(run: Run, stage: str) -> StageCounts:
    """Sum up a stage over its shards."""
    units = run.manifest.of_stage(stage)
    counts: Counter[str] = Counter()
    details: Counter[str] = Counter()
    for unit in units:
        counts.update(unit.counts)
        details.update({name: int(text) for name, text in unit.details.items()} if stage == "verify" else {})
    rejected = {key.removeprefix("rejected: "): n for key, n in counts.items() if key.startswith("rejected: ")}
    return StageCounts(
        stage=stage,
        counted=COUNTED[stage],
        taken=counts["in"],
        kept=counts["kept"],
        rejected=dict(sorted(rejected.items(), key=lambda pair: (-pair[1], pair[0]))),
        details=dict(sorted(details.items())),
        seconds=round(sum(unit.seconds for unit in units), 3),
        tokens=sum(unit.tokens for unit in units),
    )


def funnel_table(rows: Sequence[StageCounts]) -> Table:
    """Return the funnel as a table for the terminal."""
    table = Table(title="funnel", title_justify="left")
    table.add_column("stage")
    table.add_column("of")
    table.add_column("in", justify="right")
    table.add_column("kept", justify="right")
    table.add_column("rejected, by reason")
    for row in rows:
        table.add_row(row.stage, row.counted, f"{row.taken:,}", f"{row.kept:,}", row.reasons)
    return table


def funnel_markdown(rows: Sequence[StageCounts]) -> str:
    """Return the funnel as a Markdown table, for the card and for Prefect's page."""
    lines = ["| stage | of | in | kept | rejected, by reason |", "|---|---|---:|---:|---|"]
    lines += [f"| {r.stage} | {r.counted} | {r.taken:,} | {r.kept:,} | {r.reasons} |" for r in rows]
    return "\n".join(lines)


def tokens_per_second(run: Run) -> tuple[int, float]:
    """Return all completion tokens of the run, and the rate over its sessions (loading not counted)."""
    sessions = run.manifest.of_stage("session")
    seconds = sum(unit.seconds for unit in sessions)
    rate = sum(unit.tokens for unit in sessions) / seconds if seconds else 0.0
    return sum(unit.tokens for unit in run.manifest.of_stage("solve")), rate


def write_funnel(run: Run, rows: Sequence[StageCounts]) -> None:
    """Write funnel.json beside the run's tables."""
    tokens, rate = tokens_per_second(run)
    content = {
        "run": run.config.run,
        "stages": [asdict(row) for row in rows],
        "completion_tokens": tokens,
        "tokens_per_second": round(rate, 1),
        "stopped_by_budget": budget_notes(run),
    }
    write_text(json.dumps(content, indent=2) + "\n", run.folder / "funnel.json")
