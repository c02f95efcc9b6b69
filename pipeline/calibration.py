"""How hard a run's levels and families turned out to be for its reference model, and whether levels climb as they say.

Rates are means over problems, not over completions: with early stopping a problem that is plain takes fewer of them.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean, variance
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.records import Assessment, Decision, Problem
from pipeline.run import Run
from pipeline.store import iterate_records

ALL: Final = "all"
LEVEL: Final = 0.95
DECISIONS: Final[tuple[Decision, ...]] = ("too easy", "keep", "too hard")
WIDTH: Final = 132


class Measured(NamedTuple):
    """A problem with its assessment by one model."""

    problem: Problem
    assessment: Assessment


class Calibrated(NamedTuple):
    """A row of the table. `family` and `level` are "all" in sums; `rate` is None where nothing was decided. `shares`
    are those of too easy, keep and too hard; `flag` says where a level is easier than the one below it."""

    family: str
    level: str
    problems: int
    attempts: int
    rate: float | None
    low: float
    high: float
    shares: tuple[float, float, float]
    flag: str = ""


def measured(run: Run) -> list[Measured]:
    """Return every problem with its assessment by the reference model, those no model solved included."""
    problems = {p.id: p for p in iterate_records(Problem, run.manifest.paths("agree", "settled"))}
    assessments = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    reference = run.config.reference_model
    return [Measured(problems[a.problem_id], a) for a in assessments if a.model == reference]


def calibration(rows: Sequence[Measured]) -> list[Calibrated]:
    """Return a row for each family and level, then each level of all families, then everything."""
    by_family = [
        row
        for family in sorted({one.problem.family for one in rows})
        for row in _levels(family, [one for one in rows if one.problem.family == family])
    ]
    return [*by_family, *_levels(ALL, rows), _row(ALL, ALL, rows)]


def _levels(family: str, rows: Sequence[Measured]) -> Iterator[Calibrated]:
    """Give the rows of a family's levels in order; a level with a higher mean pass rate than the one before says so."""
    before: Calibrated | None = None
    for level in sorted({one.problem.level for one in rows}, key=lambda level: (level is None, level)):
        row = _row(family, "–" if level is None else str(level), [o for o in rows if o.problem.level == level])
        if before is not None and level is not None and row.rate is not None and before.rate is not None:
            apart = ", intervals apart" if row.low > before.high else ""
            row = row._replace(flag=f"easier than level {before.level}{apart}" if row.rate > before.rate else "")
        yield row
        before = row if row.rate is not None else before


def _row(family: str, level: str, rows: Sequence[Measured]) -> Calibrated:
    assessments = [one.assessment for one in rows]
    rates = [a.pass_rate for a in assessments if a.pass_rate is not None]
    attempts = sum(a.attempts for a in assessments)
    low, high = mean_interval(rates, attempts)
    easy, keep, hard = (
        sum(a.decision == decision for a in assessments) / len(rates) if rates else 0.0 for decision in DECISIONS
    )
    return Calibrated(
        family, level, len(rows), attempts, fmean(rates) if rates else None, low, high, (easy, keep, hard)
    )


def mean_interval(rates: Sequence[float], attempts: int, level: float = LEVEL) -> tuple[float, float]:
    """Return an interval for the mean pass rate over problems: Jeffreys' with the effective number of attempts, as Korn
    and Graubard (1998) do for proportions in clusters; attempts of the same problem tell less than those of others.

    It is (0, 1) for no problem. Where all problems have the same rate, they count once each if that is 0 or 1.
    """
    from scipy.stats import beta

    if not rates:
        return 0.0, 1.0
    mean, count = fmean(rates), len(rates)
    spread = variance(rates) / count if count > 1 else 0.0
    effective = float(count) if mean in (0, 1) or count == 1 else float(attempts)
    if spread > 0:
        effective = min(mean * (1 - mean) / spread, float(attempts))
    successes, tail = mean * effective, (1 - level) / 2
    low = 0.0 if mean == 0 else float(beta.ppf(tail, successes + 0.5, effective - successes + 0.5))
    high = 1.0 if mean == 1 else float(beta.ppf(1 - tail, successes + 0.5, effective - successes + 0.5))
    return low, high


_HEADS: Final = ("family", "level", "problems", "attempts", "mean pass rate", *DECISIONS, "")


def _cells(row: Calibrated) -> tuple[str, ...]:
    rate = "–" if row.rate is None else f"{row.rate:.2f} [{row.low:.2f}, {row.high:.2f}]"
    shares = (f"{share:.0%}" for share in row.shares)
    return row.family, row.level, f"{row.problems:,}", f"{row.attempts:,}", rate, *shares, row.flag


def calibration_table(rows: Sequence[Calibrated], title: str) -> Table:
    """Return the calibration for the terminal, in eighty columns."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    if any(row.flag for row in rows):
        table.caption = "easier: than the level before (!: their intervals do not overlap)"
    for head in ("family", "level", "n", "tries", "mean pass rate", "easy/keep/hard"):
        table.add_column(head, justify="left" if head == "family" else "right", no_wrap=True)
    table.add_column("")
    for row in rows:
        shares = "/".join(f"{100 * share:.0f}" for share in row.shares) + " %"
        cells = (*_cells(row)[:5], shares, row.flag and ("easier!" if "apart" in row.flag else "easier"))
        table.add_row(*cells, end_section=row.family != ALL and row is _last_family_row(rows))
    return table


def _last_family_row(rows: Sequence[Calibrated]) -> Calibrated | None:
    return next((row for row in reversed(rows) if row.family != ALL), None)


def calibration_markdown(rows: Sequence[Calibrated]) -> str:
    """Return the calibration as a Markdown table, for the card."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|---|" + "---:|" * (len(_HEADS) - 2) + "---|"]
    return "\n".join([*lines, *("| " + " | ".join(_cells(row)) + " |" for row in rows)])


def show_calibration(run: Run) -> Iterator[str]:
    """Give the table as text, for `gradatim show RUN --stage calibration`."""
    yield as_text(calibration_table(calibration(measured(run)), f"calibration for {run.config.reference_model}"))


def as_text(*tables: Table, width: int = WIDTH) -> str:
    """Return tables as plain text."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get().rstrip()
