"""The results of an evaluation as JSON, as a Markdown page and as tables for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from rich.table import Table

from training.comparison import ALL, Line, Pair
from training.estimates import Estimate
from training.settings import Evaluation


class Results(NamedTuple):
    """What an evaluation found: per label the models (name, revision), the lines and, but for the first label, the
    pairs with it; lines and pairs begin with the group of all problems."""

    models: dict[str, list[tuple[str, str]]]
    lines: dict[str, list[Line]]
    pairs: dict[str, list[Pair]]


WIDEST: Final = 3  # rows of models beside each other in a terminal
Grid = list[tuple[str, ...]]  # the header, then the rows


def as_json(results: Results) -> dict[str, Any]:
    """Return the results as they stand in results.json; None where something was not measured."""
    models = {
        label: {
            "models": [{"model": name, "revision": revision} for name, revision in results.models[label]],
            "lines": [_line(line) for line in lines],
        }
        for label, lines in results.lines.items()
    }
    pairs = [{key: value for key, value in asdict(p[0]).items() if key != "group"} for p in results.pairs.values()]
    return {"models": models, "pairs": pairs}


def _line(line: Line) -> dict[str, Any]:
    names = {"pass_at": "pass@k", "cons_at": "cons@k"}
    found = {names.get(name, name): value for name, value in asdict(line).items()}
    return found | {name: {str(k): estimate for k, estimate in found[name].items()} for name in names.values()}


def measures(results: Results) -> dict[str, dict[str, Estimate | None]]:
    """Return what was measured on all problems: by measure, then by label."""
    found: dict[str, dict[str, Estimate | None]] = {}
    for label, (line, *_) in results.lines.items():
        several = {f"pass@{k}": e for k, e in line.pass_at.items()} | {f"cons@{k}": e for k, e in line.cons_at.items()}
        for name, estimate in {"greedy": line.greedy, **several, "floor": line.floor}.items():
            found.setdefault(name, {})[label] = estimate
    return {name: values for name, values in found.items() if any(e is not None for e in values.values())}


def overall(results: Results) -> Grid:
    """Return a table of the rows on all problems."""
    found = measures(results)
    grid: Grid = [("", "n", *found, "undecided")]
    for label, (line, *_) in results.lines.items():
        seeds = len(results.models[label])
        name = f"{label} ({seeds} seeds)" if seeds > 1 else label
        figures = (percent(values[label]) for values in found.values())
        grid.append((name, str(line.problems), *figures, f"{line.undecided:.0%}"))
    return grid


def by_group(results: Results) -> Grid:
    """Return a table of the groups with every row's rate; with two rows, also their difference."""
    labels = list(results.lines)
    pairs = results.pairs[labels[1]] if len(labels) == 2 else []
    grid: Grid = [("problems", "n", *labels, *(["difference"] if pairs else []))]
    for place, lines in enumerate(zip(*results.lines.values(), strict=True)):
        difference = [percent(pairs[place].difference, signed=True)] if pairs else []
        grid.append((lines[0].group, str(lines[0].problems), *(percent(line.rate) for line in lines), *difference))
    return grid


def in_words(pair: Pair, measure: str) -> str:
    """Say in one sentence whether a row is better than the base, beyond its interval."""
    gain = pair.difference
    if gain is None:
        return f"{pair.student}: nothing was decided for both it and {pair.base}."
    claim = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "not clearly different from"
    test = "" if pair.mcnemar_p is None else f"; McNemar's exact p = {pair.mcnemar_p:.2g}"
    return (
        f"{pair.student} is {claim} {pair.base}: {measure} changes by {percent(gain, signed=True)} on the "
        f"{pair.paired} problems that are decided for both{test}."
    )


def sentences(results: Results, settings: Evaluation) -> list[str]:
    """Return a sentence for every row but the first."""
    return [in_words(pairs[0], _measure(settings)) for pairs in results.pairs.values()]


def markdown(results: Results, settings: Evaluation) -> str:
    """Return the results as a Markdown page."""
    page = [f"# {' · '.join(results.lines)}", _markdown_table(overall(results)), *sentences(results, settings)]
    if len(next(iter(results.lines.values()))) > 1:
        page += [f"{_measure(settings)} by family and level:", _markdown_table(by_group(results))]
    return "\n\n".join([*page, _how(results, settings)]) + "\n"


def terminal(results: Results, settings: Evaluation) -> list[Table]:
    """Return the same tables for the terminal; by group only where a terminal is wide enough for the rows."""
    tables = [_rich_table("all problems", overall(results))]
    if len(next(iter(results.lines.values()))) > 1 and len(results.lines) <= WIDEST:
        tables.append(_rich_table(f"{_measure(settings)} by family and level", by_group(results)))
    return tables


def percent(estimate: Estimate | None, *, signed: bool = False) -> str:
    """Write an estimate with its interval, in percent; a difference, `signed`, in percentage points."""
    if estimate is None:
        return "–"
    form, unit = ("+.1f", "points") if signed else (".1f", "%")
    return f"{100 * estimate.value:{form}} {unit} [{100 * estimate.low:{form}}, {100 * estimate.high:{form}}]"


def _measure(settings: Evaluation) -> str:
    return "greedy pass@1" if settings.greedy else "pass@1"


def _how(results: Results, settings: Evaluation) -> str:
    greedy = ["one greedy completion"] * settings.greedy
    sampled = f"{settings.completions} sampled completions at temperature {settings.temperature:g}"
    asked = " and ".join([*greedy, *([sampled] if settings.completions else [])])
    methods = {e.method for lines in results.lines.values() for e in (lines[0].rate, lines[0].floor) if e is not None}
    methods |= {pairs[0].difference.method for pairs in results.pairs.values() if pairs[0].difference is not None}
    note = (
        f"Per problem {asked}, at most {settings.max_tokens} tokens each. {settings.level:.0%} intervals: "
        f"{'; '.join(sorted(methods))}. Undecided completions (cut off, or not judged in time) enter no rate, so "
        "pass@k takes the problems with at least k decided completions; the floor counts them as wrong."
    )
    if settings.completions:
        note += (
            " cons@k: majority vote over canonical answers (programs vote for what comes out of their tests); in a tie "
            "each of the leading answers counts in part."
        )
    missing = [k for k in {*settings.k, *settings.cons} if k > settings.completions > 0]
    if missing:
        note += f" Not measured with so few completions: k = {', '.join(map(str, sorted(missing)))}."
    return note


def _markdown_table(grid: Grid) -> str:
    header, *rows = ([cell.replace("|", "\\|") for cell in row] for row in grid)
    marks = "|".join(["---", *["--:"] * (len(header) - 1)])
    return "\n".join([f"| {' | '.join(header)} |", f"|{marks}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _rich_table(title: str, grid: Grid) -> Table:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(grid[0]):
        table.add_column(name, justify="right" if place else "left")
    for row in grid[1:]:
        table.add_row(*row, end_section=row[0] == ALL)
    return table


def summary(results: Results, settings: Evaluation) -> Sequence[Table | str]:
    """Return what is shown at the end: the tables and the sentences."""
    return [*terminal(results, settings), *sentences(results, settings)]
