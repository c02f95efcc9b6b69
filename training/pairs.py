"""Preference pairs as DPO is given them: read from runs, rendered in the student's tokens, checked, their lengths told.

Both sides must begin with the same prompt tokens, end their turn, and fit the length budget; nothing is cut.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pipeline.records import Message
from training.exports import Export, SftRow, read_split
from training.foreign_rows import ExportError
from training.templates_check import PreflightError, Rendered, render

JUDGED_BY: Final = ("answer", "verifier", "answer_type", "tolerance")


@dataclass(frozen=True)
class PairRow:
    """A prompt with a preferred and a dispreferred completion; the ids name the two completions. `answer`, where there
    is one, is what the verifier judges both by."""

    problem_id: str
    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    chosen_id: str
    rejected_id: str
    answer: str | None = None
    verifier: str = "math"
    answer_type: str | None = None
    tolerance: float | None = None

    @property
    def id(self) -> str:
        """The pair's name."""
        return f"{self.chosen_id}/{self.rejected_id}"


@dataclass(frozen=True)
class RenderedPair:
    """A pair in the student's tokens."""

    row: PairRow
    chosen: Rendered
    rejected: Rendered

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of the two completions, chosen first."""
        chosen, rejected = (len(side.tokens) - side.prompt_length for side in (self.chosen, self.rejected))
        return chosen, rejected


def read_pairs(exports: Sequence[Export]) -> list[PairRow]:
    """Read the training pairs of several runs, each once, none of a problem that any of the runs holds out."""
    held_out = {
        row["problem_id"]
        for export in exports
        for table in ("sft", "grpo", "preferences")
        for split in ("validation", "test")
        for row in read_split(export, table, split)
    }
    found: dict[str, PairRow] = {}
    for export in exports:
        for place, raw in enumerate(read_split(export, "preferences", "train"), start=1):
            row = _pair_row(raw, f"{export.folder}/preferences/train.parquet:{place}")
            if row.problem_id not in held_out:
                found.setdefault(row.id, row)
    if not found:
        folders = ", ".join(str(export.folder.parent) for export in exports)
        raise ExportError(
            f"{folders}: no preference pairs; a pair needs a correct and an incorrect completion of one problem: "
            "raise teachers.0.completions, or set export.preferences.length=any"
        )
    return list(found.values())


def _pair_row(raw: dict[str, Any], place: str) -> PairRow:
    try:
        prompt, chosen, rejected = (
            tuple(Message(turn["role"], turn["content"]) for turn in raw[name])
            for name in ("prompt", "chosen", "rejected")
        )
        judged_by = {name: raw[name] for name in JUDGED_BY if raw.get(name) is not None}
        return PairRow(raw["problem_id"], prompt, chosen, rejected, raw["chosen_id"], raw["rejected_id"], **judged_by)
    except (KeyError, TypeError) as error:
        raise ExportError(f"{place}: not a preference pair ({error!r})") from None


def render_pairs(tokenizer: Any, stops: frozenset[int], rows: Sequence[PairRow]) -> list[RenderedPair]:
    """Apply the chat template to both sides. Raises PreflightError for the first side that is unfit."""
    sides = [
        render(tokenizer, stops, [_side(*each) for each in named])
        for named in (
            [(row, row.chosen_id, row.chosen) for row in rows],
            [(row, row.rejected_id, row.rejected) for row in rows],
        )
    ]
    return [RenderedPair(row, chosen, rejected) for row, chosen, rejected in zip(rows, *sides, strict=True)]


def _side(row: PairRow, name: str, completion: tuple[Message, ...]) -> SftRow:
    judged_by = {column: getattr(row, column) for column in JUDGED_BY}
    return SftRow(row.problem_id, name, row.prompt, completion, **judged_by)


def within_ratio(pairs: Sequence[RenderedPair], ratio: float | None) -> list[RenderedPair]:
    """Return the pairs whose longer side has at most `ratio` times the tokens of the shorter one."""
    if ratio is None:
        return list(pairs)
    return [pair for pair in pairs if max(pair.lengths) <= ratio * min(pair.lengths)]


def columns(row: PairRow) -> dict[str, list[dict[str, str]]]:
    """Return a pair in TRL's conversational form."""
    return {name: [asdict(turn) for turn in getattr(row, name)] for name in ("prompt", "chosen", "rejected")}


def check_pairs(pairs: Sequence[RenderedPair], trained: Sequence[dict[str, Any]]) -> None:
    """Compare the trainer's own rows (prompt_ids, chosen_ids, rejected_ids) with the rendered pairs.

    Raises PreflightError if pairs were dropped, or for the first whose tokens differ: the trainer masks prompt_ids, so
    a prompt token among the others would be trained.
    """
    if len(trained) != len(pairs):
        raise PreflightError(f"the trainer holds {len(trained)} pairs for the {len(pairs)} it was given")
    for pair, given in zip(pairs, trained, strict=True):
        for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            prompt, completion = side.tokens[: side.prompt_length], side.tokens[side.prompt_length :]
            if list(given["prompt_ids"]) != prompt or list(given[f"{name}_ids"]) != completion:
                raise PreflightError(f"{side.name}: the trainer's {name} tokens are not those of the chat template")
