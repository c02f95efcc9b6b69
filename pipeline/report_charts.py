"""Drawings of a run's page as inline SVG: shapes and classes only, so that the page's style sheet colours them.

Whatever a colour says is also said by a place, a shape or a word. What is returned is markup, its texts escaped.
"""

import html
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Band
from pipeline.report_data import Lengths, Outcome

WIDTH: Final = 400
LEFT: Final = 76
RIGHT: Final = 12
MOST_OUTCOMES: Final = 24
BINS: Final = 32


def step(taken: int, kept: int, largest: int) -> str:
    """Draw one step of the funnel: as wide above as what came in, as wide below as what was kept."""
    above, below = (50 * n / max(largest, 1) for n in (taken, kept))
    shape = f"{50 - above:.2f},0 {50 + above:.2f},0 {50 + below:.2f},20 {50 - below:.2f},20"
    lost = f'<rect class="lost" x="{50 - above:.2f}" width="{2 * above:.2f}" height="20"/>'
    return f'{_open(100, 20, "step", stretch=True)}{lost}<polygon class="kept" points="{shape}"/></svg>'


def bar(share: float) -> str:
    """Draw a share as a bar."""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'{_open(100, 10, "bar", stretch=True)}<rect class="kept" width="{width:.1f}" height="10"/></svg>'


def span(rate: float | None, low: float, high: float, band: Band) -> str:
    """Draw a pass rate with its interval on a line from 0 to 1, over the band."""
    dot = "" if rate is None else f'<circle class="dot" cx="{5 + 100 * rate:.1f}" cy="7" r="3.2"/>'
    shade = _rect("band", 5 + 100 * band.min_pass_rate, 0, 100 * (band.max_pass_rate - band.min_pass_rate), 14)
    line = _line("interval", 5 + 100 * low, 7, 5 + 100 * high, 7)
    return f"{_open(110, 14, 'span')}{shade}{_line('axis', 5, 13.5, 105, 13.5)}{line}{dot}</svg>"


def rates(outcomes: Sequence[Outcome], band: Band, label: str) -> str:
    """Draw the distribution of pass rates over the band, and below it each outcome with its interval: one line for
    all problems with the same successes and attempts, the most frequent outcomes if there are many."""
    frequent = sorted(outcomes, key=lambda one: -one.problems)[:MOST_OUTCOMES]
    shown = sorted(frequent, key=lambda one: (one.rate, one.attempts))
    top, row = 130, 14
    height = top + 42 + row * len(shown)
    x = [LEFT + (WIDTH - LEFT - RIGHT) * share / 100 for share in range(101)]
    left, right = (LEFT + (WIDTH - LEFT - RIGHT) * edge for edge in (band.min_pass_rate, band.max_pass_rate))
    parts = [
        _rect("band", left, 14, right - left, height - 38),
        _text(f"band {band.min_pass_rate:g} to {band.max_pass_rate:g}", (left + right) / 2, 10, "middle"),
        *_rate_bars(outcomes, top),
        _line("axis", LEFT, top, WIDTH - RIGHT, top),
        *(_text(f"{share / 100:g}", x[share], height - 10, "middle") for share in (0, 25, 50, 75, 100)),
        _text("problems", 2, 28),
    ]
    for number, one in enumerate(shown):
        y = top + 18 + row * number
        ends = (LEFT + (WIDTH - LEFT - RIGHT) * edge for edge in (one.low, one.high))
        parts += [
            _line("interval", next(ends), y, next(ends), y),
            f'<circle class="dot" cx="{x[round(100 * (one.rate or 0))]:.1f}" cy="{y}" r="3.5"/>',
            _text(f"{one.successes}/{one.attempts} · {one.problems:,}", 2, y + 4),
        ]
    return f"{_open(WIDTH, height, 'chart', label)}{''.join(parts)}</svg>"


def _rate_bars(outcomes: Sequence[Outcome], top: int) -> list[str]:
    """Bars over the pass rates that occur; twenty equal bins where those are many."""
    heights: dict[float, int] = {}
    many = len({one.rate for one in outcomes}) > 17
    for one in outcomes:
        rate = one.rate or 0.0
        place = (min(int(rate * 20), 19) + 0.5) / 20 if many else rate
        heights[place] = heights.get(place, 0) + one.problems
    largest = max(heights.values(), default=1)
    parts = []
    for place, count in sorted(heights.items()):
        x, tall = LEFT + (WIDTH - LEFT - RIGHT) * place, (top - 46) * count / largest
        parts += [_rect("kept", x - 6, top - tall, 12, tall), _text(f"{count:,}", x, top - tall - 4, "middle")]
    return parts


def token_lengths(rows: Sequence[Lengths], label: str) -> str:
    """Draw the completion tokens of each verdict, one histogram below the other, with the median."""
    longest = max((int(row.tokens.max()) for row in rows), default=1)
    tall, height = 62, 62 * len(rows) + 24
    parts = []
    for number, row in enumerate(rows):
        base = tall * (number + 1) - 6
        parts += _histogram(row.tokens, longest, base, tall - 24, row.verdict.replace(" ", "-"))
        parts.append(_text(f"{row.verdict}, {len(row.tokens):,}", LEFT, base - tall + 19))
    ticks = (0, longest // 4, longest // 2, 3 * longest // 4, longest)
    marks = [_text(f"{tick:,}", _x(tick, longest), height - 6, "middle") for tick in ticks]
    return f"{_open(WIDTH, height, 'chart', label)}{''.join([*parts, *marks])}</svg>"


def _histogram(tokens: NDArray[np.int64], longest: int, base: int, tall: int, name: str) -> list[str]:
    counts, edges = np.histogram(tokens, bins=BINS, range=(0, longest))
    width = (WIDTH - LEFT - RIGHT) / BINS
    median = _x(float(np.median(tokens)), longest)
    bars = [
        _rect(f"of-{name}", _x(edge, longest) + 0.5, base - tall * n / counts.max(), width - 1, tall * n / counts.max())
        for n, edge in zip(counts, edges[:-1], strict=True)
        if n
    ]
    return [
        *bars,
        _line("axis", LEFT, base, WIDTH - RIGHT, base),
        _line("median", median, base - tall, median, base),
        _text(f"{counts.max():,}", LEFT - 4, base - tall + 9, "end"),
    ]


def _x(tokens: float, longest: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * tokens / longest


def _open(width: int, height: int, kind: str, label: str = "", *, stretch: bool = False) -> str:
    """Begin a drawing; without a label it only repeats what stands beside it, and screen readers pass it over."""
    ratio = ' preserveAspectRatio="none"' if stretch else ""
    role = f' role="img" aria-label="{html.escape(label)}"' if label else ' aria-hidden="true"'
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}"{ratio}{role}>'


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(words: str, x: float, y: float, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
