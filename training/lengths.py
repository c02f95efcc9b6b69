"""The length budget: how long rows are in tokens, which of them would be cut, and the budget that cuts none."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from training.templates_check import PreflightError, Rendered

ROUND_TO: Final = 8
BINS: Final = 8
BAR: Final = 30


def within_budget(
    rows: list[Rendered], cap: int, *, remedy: str, leave_out: bool = False, console: Console
) -> list[Rendered]:
    """Print the histogram of lengths and return the rows of at most `cap` tokens.

    Raises PreflightError naming the longest rows that would be cut and the remedy, unless they may be left out.
    """
    for line in length_histogram([len(row.tokens) for row in rows], cap):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    cut = sorted((row for row in rows if len(row.tokens) > cap), key=lambda row: -len(row.tokens))
    if not cut:
        return rows
    if leave_out and len(cut) < len(rows):
        return [row for row in rows if len(row.tokens) <= cap]
    named = ", ".join(f"{row.name} ({len(row.tokens)} tokens)" for row in cut[:3])
    more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
    raise PreflightError(
        f"{len(cut)} of {len(rows)} rows are longer than max_length {cap}, so their answers would be cut: {named}{more}"
        f"; {remedy}"
    )


def length_histogram(lengths: Sequence[int], cap: int) -> list[str]:
    """Return the lengths (in tokens) in bins up to `cap`, and above it those that would be cut, as lines of text."""
    width = -(-cap // BINS)
    bins = Counter(min((length - 1) // width, BINS - 1) if length <= cap else BINS for length in lengths)
    highest = max(bins.values(), default=1)
    lines = [f"length in tokens, {len(lengths):,} rows, max_length {cap}:"]
    names = {place: f"{place * width + 1}-{min((place + 1) * width, cap)}" for place in range(BINS)}
    shown = range(max((place for place in bins if place < BINS), default=-1) + 1)
    for place in (*shown, BINS):
        bar = "█" * -(-BAR * bins[place] // highest)
        lines.append(f"  {names.get(place, f'over {cap}'):>13}  {bar:<{BAR}} {bins[place]:,}")
    lines[-1] += f" ({bins[BINS] / max(len(lengths), 1):.1%} would be cut)"
    return lines


def length_budget(rows: Sequence[Rendered], cap: int) -> int:
    """Return the max_length that cuts nothing: the longest row, rounded up, at most `cap`."""
    longest = max(len(row.tokens) for row in rows)
    return min(cap, -(-longest // ROUND_TO) * ROUND_TO)
