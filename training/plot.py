"""The plot of an evaluation: one band per row of models, one mark per measure, intervals as whiskers."""

from pathlib import Path
from typing import Any, Final

from pipeline.store import whole_or_absent
from training.estimates import Estimate
from training.evaluation_page import Results, measures

# Okabe and Ito's palette, told apart also by those who see fewer colours; the marks differ as well.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS: Final = "osD^vPX"
LONGEST_LABEL: Final = 28
DPI: Final = 160


def write_plot(results: Results, path: Path, level: float) -> None:
    """Write the rates of every row on all problems as a PNG picture, 1280 pixels wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {name: values for name, values in measures(results).items() if name != "floor"}
    labels = list(results.lines)
    height = 1.3 + len(labels) * (0.22 + 0.14 * len(found))
    figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (name, values) in enumerate(found.items()):
        offset = 0.7 * ((place + 0.5) / len(found) - 0.5)
        _draw(axes, name, [values[label] for label in labels], offset, place)
    _finish(axes, labels, results.lines[labels[0]][0].problems, level)
    with whole_or_absent(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(axes: Any, name: str, estimates: list[Estimate | None], offset: float, place: int) -> None:
    points = [(row, e) for row, e in enumerate(estimates) if e is not None]
    axes.errorbar(
        [100 * e.value for _, e in points],
        [row + offset for row, _ in points],
        xerr=[[100 * (e.value - e.low) for _, e in points], [100 * (e.high - e.value) for _, e in points]],
        label=name,
        color=COLOURS[place % len(COLOURS)],
        marker=MARKS[place % len(MARKS)],
        linestyle="none",
        markersize=6,
        capsize=3,
        elinewidth=1.6,
        clip_on=False,
        zorder=3,
    )


def _finish(axes: Any, labels: list[str], problems: int, level: float) -> None:
    axes.set_yticks(range(len(labels)), [_shortened(label) for label in labels], fontsize=11, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)  # the first row at the top
    for row in range(1, len(labels), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"% of {problems:,} held-out problems, with {level:.0%} intervals", fontsize=11)
    axes.tick_params(axis="x", labelsize=10)
    axes.tick_params(axis="y", length=0, pad=9)
    axes.grid(axis="x", color="0.85", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False, fontsize=11, handletextpad=0.3)


def _shortened(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"…{label[1 - LONGEST_LABEL :]}"
