"""The plot of an experiment's table: greedy pass@1 and cons@8 of every evaluated row, intervals as whiskers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.store import whole_or_absent

# Two colours of Okabe and Ito's palette and two marks: told apart without colours too.
MEASURES: Final = (("greedy pass@1", "#0072B2", "o", -0.14), ("cons@8", "#D55E00", "s", 0.14))
DPI: Final = 160


def write_plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the picture, 1280 pixels wide; none while no row is evaluated."""
    shown = [row for row in rows if _estimates(row)[0] or _estimates(row)[1]]
    if not shown:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.4 + 0.45 * len(shown)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (name, colour, mark, offset) in enumerate(MEASURES):
        points = [(y + offset, e) for y, row in enumerate(shown) if (e := _estimates(row)[place])]
        if points:
            _draw(axes, points, label=name, color=colour, marker=mark)
    _finish(axes, shown)
    with whole_or_absent(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _estimates(row: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Return what was measured of the two, None where it was not or nothing was decided."""
    found = (row["greedy"], row["cons@k"].get("8"))
    return [one if one and one["value"] is not None else None for one in found]


def _draw(axes: Any, points: Sequence[tuple[float, dict[str, Any]]], **style: str) -> None:
    values = [100 * e["value"] for _, e in points]
    spread = [[100 * abs(e["value"] - e[end]) for _, e in points] for end in ("low", "high")]
    places = [y for y, _ in points]
    axes.errorbar(values, places, xerr=spread, linestyle="none", markersize=7, capsize=3, clip_on=False, **style)


def _finish(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=11)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first row at the top
    for y in range(1, len(rows), 2):
        axes.axhspan(y - 0.5, y + 0.5, color="0.95", zorder=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"% of {max(row['problems'] for row in rows)} held-out problems, with 95 % intervals", fontsize=11)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=11)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(row: dict[str, Any]) -> str:
    seeds = f" ({len(row['seeds'])} seeds)" if len(row["seeds"]) > 1 else ""
    return f"{row['row']}{seeds}"
