"""What each strategy of a run yields: problems asked for, what became of them, and what a kept one costs."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.table import Table

from pipeline.lineage import gain
from pipeline.manifest import Unit
from pipeline.records import Assessment, Problem
from pipeline.run import Run
from pipeline.sources import BackwardSource, Source
from pipeline.store import iterate_records

REFUSING: Final = ("generate", "screen", "agree", "assess")


class Yield(NamedTuple):
    """A strategy's row. `asked` is what its sources gave, usable or not; `kept` the problems that are usable and
    solved; `refused` counts the others by reason; `tokens` are those of drafts and completions. `compared` problems
    have parents whose pass rates are known: `harder` of them have a lower one, `apart` with an interval below theirs.
    """

    strategy: str
    asked: int
    refused: dict[str, int]
    kept: int
    in_pool: int
    traces: int
    tokens: int
    compared: int
    harder: int
    apart: int

    @property
    def tokens_per_kept(self) -> float | None:
        return self.tokens / self.kept if self.kept else None


def source_of(run: Run, shard: str) -> Source:
    """Return the source that a generated shard ("<source>-<part>", "g<generation>-<source>-<part>") comes from."""
    parts = shard.split("-")
    return run.config.generate.sources[int(parts[1] if shard.startswith("g") else parts[0])]


def strategy_yields(run: Run) -> list[Yield]:
    """Sum up what every strategy of the run gave, in the order of its sources."""
    shards: dict[str, set[str]] = {_name(source): set() for source in run.config.generate.sources}
    for unit in run.manifest.of_stage("generate"):
        shards[_name(source_of(run, unit.shard))].add(unit.shard)
    rates = _reference_assessments(run)
    return [_yield(run, strategy, of_it, rates) for strategy, of_it in shards.items()]


def _name(source: Source) -> str:
    return f"backward, {source.method}" if isinstance(source, BackwardSource) else source.strategy


def _reference_assessments(run: Run) -> dict[str, Assessment]:
    rows = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    return {row.problem_id: row for row in rows if row.model == run.config.reference_model}


def _yield(run: Run, strategy: str, shards: set[str], rates: dict[str, Assessment]) -> Yield:
    units = {stage: _units(run, stage, shards) for stage in (*REFUSING, "pool", "select")}
    solved = [u for u in run.manifest.of_stage("solve") if u.shard.partition("-")[2] in shards]
    refused: Counter[str] = Counter()
    for stage in REFUSING:
        for unit in units[stage]:
            refused.update({k.removeprefix("rejected: "): n for k, n in unit.counts.items() if k.startswith("rej")})
    gains = _gains(run, shards, rates)
    return Yield(
        strategy=strategy,
        asked=sum(unit.counts["in"] for unit in units["generate"]),
        refused=dict(refused.most_common()),
        kept=sum(unit.counts["kept"] for unit in units["assess"]),
        in_pool=sum(unit.counts["kept"] for unit in units["pool"]),
        traces=sum(unit.counts["kept"] for unit in units["select"]),
        tokens=sum(unit.tokens for unit in (*units["generate"], *solved)),
        compared=len(gains),
        harder=sum(harder for harder, _ in gains),
        apart=sum(apart for _, apart in gains),
    )


def _units(run: Run, stage: str, shards: set[str]) -> list[Unit]:
    return [unit for unit in run.manifest.of_stage(stage) if unit.shard in shards]


def _gains(run: Run, shards: set[str], rates: dict[str, Assessment]) -> list[tuple[bool, bool]]:
    """Compare the solved problems that have parents with them."""
    paths = [run.file(unit, "settled") for unit in _units(run, "agree", shards)]
    children = (p for p in iterate_records(Problem, paths) if p.provenance.parents and p.id in rates)
    found = (
        gain(rates[child.id], [rates[parent] for parent in child.provenance.parents])
        for child in children
        if rates[child.id].successes and all(parent in rates for parent in child.provenance.parents)
    )
    return [(one.harder, one.apart) for one in found if one is not None]


_HEADS: Final = ("strategy", "asked", "kept", "in pool", "traces", "tokens/kept", "harder than parent", "refused")


def _cells(row: Yield) -> tuple[str, ...]:
    cost = "–" if row.tokens_per_kept is None else f"{row.tokens_per_kept:,.0f}"
    apart = f", {row.apart} beyond its interval" if row.apart else ""
    harder = f"{row.harder} of {row.compared}{apart}" if row.compared else "–"
    refused = ", ".join(f"{count:,} {name}" for name, count in row.refused.items()) or "–"
    counts = (f"{count:,}" for count in (row.asked, row.kept, row.in_pool, row.traces))
    return row.strategy, *counts, cost, harder, refused


def yields_table(rows: Sequence[Yield]) -> Table:
    """Return the yields for the terminal; the reasons stand in the funnel."""
    table = Table(title="yield by strategy", title_justify="left")
    for head in _HEADS[:-1]:
        table.add_column(head, justify="right" if head in _HEADS[1:6] else "left")
    for row in rows:
        table.add_row(*_cells(row)[:-1])
    return table


def yields_markdown(rows: Sequence[Yield]) -> str:
    """Return the yields as a Markdown table."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|---|---:|---:|---:|---:|---:|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(_cells(row)) + " |" for row in rows)])
