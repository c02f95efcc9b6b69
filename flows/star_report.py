"""What STaR rounds came to: round.json for each, and the table over all of them (star.json, star.md).

Rates are over what could be judged; undecided completions are counted apart, as everywhere.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field
from rich.table import Table

from pipeline.config_files import Section
from pipeline.store import write_text

HEADS: Final = (
    "round",
    "problems",
    "solved",
    "pass@1",
    "rationalised",
    "leaking",
    "closed book: pass@1",
    "problems re-solved",
    "traces",
    "rationalised traces",
    "steps",
    "loss",
)


class Verdicts(Section):
    """Completions by verdict."""

    correct: int = 0
    incorrect: int = 0
    unparsable: int = 0
    undecided: int = 0

    @property
    def rate(self) -> float | None:
        """The share that is correct of what was decided; None if nothing was."""
        decided = self.correct + self.incorrect + self.unparsable
        return self.correct / decided if decided else None


class Part(Section):
    """One run of a round: problems asked, problems with a correct completion, and all completions by verdict."""

    problems: int
    solved: int
    completions: Verdicts


class Round(Section):
    """A round. `model` answered in it; `leaking` are the correct completions with the hint that show it; `traces` is
    what was trained on, `rationalised_traces` among them; `not_resolved` were left out by keep: closed_book."""

    round: int
    model: str
    revision: str
    problems: int
    generate: Part
    rationalise: Part | None = None
    leaking: int = 0
    leaks: dict[str, int] = Field({})
    closed_book: Part | None = None
    not_resolved: int = 0
    traces: int
    rationalised_traces: int = 0
    rows_trained_on: int = 0
    training: dict[str, float] = Field({})


def round_file(output: Path, number: int) -> Path:
    """Return where a finished round is described."""
    return output / f"round-{number}" / "round.json"


def finished_rounds(output: Path) -> list[Round]:
    """Return the rounds that are finished, in order."""
    paths = sorted(output.glob("round-*/round.json"))
    return sorted((Round.model_validate_json(p.read_text(encoding="utf-8")) for p in paths), key=lambda one: one.round)


def cells(one: Round) -> list[str]:
    """Return a round's row of the table, in the order of HEADS."""
    hinted, closed, training = one.rationalise, one.closed_book, one.training
    return [
        str(one.round),
        f"{one.problems:,}",
        f"{one.generate.solved:,}",
        _percent(one.generate.completions.rate),
        f"{hinted.solved:,} of {hinted.problems:,}" if hinted else "–",
        f"{one.leaking:,} of {hinted.completions.correct:,}" if hinted else "–",
        _percent(closed.completions.rate) if closed else "–",
        f"{closed.solved:,} of {closed.problems:,}" if closed else "–",
        f"{one.traces:,}",
        f"{one.rationalised_traces:,}" if hinted else "–",
        f"{training['steps']:.0f}",
        f"{training['first_loss']:.3f} → {training['last_loss']:.3f}",
    ]


def rounds_table(rounds: Sequence[Round]) -> Table:
    """Return the rounds as a table for the terminal, a column for each."""
    table = Table(title="STaR", title_justify="left")
    columns = [HEADS, *map(cells, rounds)]
    for column in columns:
        table.add_column(column[0], justify="left" if column is HEADS else "right")
    for row in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*row)
    return table


def rounds_markdown(rounds: Sequence[Round]) -> str:
    """Return the same table in Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---:|" * len(HEADS)]
    return "\n".join([*lines, *(f"| {' | '.join(cells(one))} |" for one in rounds)])


def write_report(output: Path, rounds: Sequence[Round]) -> None:
    """Write star.json and star.md beside the rounds."""
    content = {"rounds": [one.model_dump(mode="json") for one in rounds]}
    write_text(json.dumps(content, indent=2) + "\n", output / "star.json")
    notes = (
        "pass@1 is the share of correct completions among those decided. Leaking: correct completions with the hint "
        "that mention it, begin with the answer or hold a hidden test; they are not trained on. Closed book: the same "
        "model, asked again without the hint for what it had solved with it. Loss: of the first and of the last batch."
    )
    write_text(f"# STaR\n\n{rounds_markdown(rounds)}\n\n{notes}\n", output / "star.md")


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
