"""What every training script checks before its first step, and `gradatim preflight CONFIG` alone.

With the student's own tokenizer and chat template: generation and training start alike, thinking and answer are learned
as they are, nothing is cut, the verifier accepts what is learned. A failure is one line with the row and the reason;
nothing is repaired silently. The labels are those of TRL's own tokenisation, and are checked again on the trainer's own
rows (loss_mask.check_trained) and in a batch of them (loss_mask.check_batch).
"""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from pipeline.seeds import rng_for
from pipeline.verifiers import judge
from training.exports import SftRow
from training.lengths import within_budget
from training.loss_mask import check_trained, labels_of, legend, show_mask
from training.settings import Sft
from training.templates_check import (
    CLOSE,
    OPEN,
    PREFILLED,
    PreflightError,
    Rendered,
    Special,
    check_special_tokens,
    render,
)
from training.trainer import tokenised_by_trl

__all__ = ["Checked", "PreflightError", "check_answers", "preflight"]

THREADS: Final = 4
SHOWN_ROWS: Final = 3
WRONG: Final = ("incorrect", "unparsable")


@dataclass(frozen=True)
class Checked:
    """Rows that may be trained on, how many were left out as too long, and what the chat template does to them."""

    rows: list[Rendered]
    too_long: int
    notes: Counter[str]


def check_splits(
    tokenizer: Any,
    special: Special,
    splits: tuple[Sequence[SftRow], Sequence[SftRow]],
    settings: Sft,
    *,
    seed: int,
    console: Console,
) -> tuple[Checked, list[Rendered]]:
    """Check the rows to train on, and without a word those for validation. Returns what is fit of both.

    Raises PreflightError, in one line with the row and the reason.
    """
    train, validation = splits
    checked = preflight(tokenizer, special, train, settings, seed=seed, console=console)
    held_out = preflight(tokenizer, special, validation, settings, seed=seed, console=Console(quiet=True)).rows
    check_tokenisation(tokenizer, checked.rows, seed)
    return checked, held_out


def preflight(
    tokenizer: Any, special: Special, rows: Sequence[SftRow], settings: Sft, *, seed: int, console: Console
) -> Checked:
    """Check rows, print what was found and the loss mask of three of them, and return those to train on.

    Raises PreflightError, in one line with the row and the reason.
    """
    check_special_tokens(tokenizer, special)
    rendered = render(tokenizer, special.stops, rows)
    notes = tell_notes(rendered, console, refuse_prefilled="sft" if settings.prefilled_think == "refuse" else None)
    fitting = within_budget(
        rendered,
        settings.max_length,
        remedy="raise sft.max_length, or say sft.too_long='leave out'",
        leave_out=settings.too_long == "leave out",
        console=console,
    )
    check_answers(tokenizer, fitting, settings.check_answers, section="sft", seed=seed, console=console)
    show_rows(tokenizer, fitting, seed, console)
    return Checked(fitting, len(rendered) - len(fitting), notes)


def say(console: Console, text: str) -> None:
    """Print plain text as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def tell_notes(rows: Sequence[Rendered], console: Console, *, refuse_prefilled: str | None = None) -> Counter[str]:
    """Print and return what the chat template does to how many rows.

    Raises PreflightError for the first whose thinking block it opens, if `refuse_prefilled` names a section whose
    switch refuses that.
    """
    notes = Counter(note for row in rows for note in row.notes)
    for note, count in notes.items():
        say(console, f"note: {note} ({count:,} of {len(rows):,} rows)")
    first = next((row for row in rows if PREFILLED in row.notes), None)
    if first and refuse_prefilled:
        raise PreflightError(
            f"{first.name}: {PREFILLED}, and stops thinking wherever another template is used; "
            f"if that is meant, say {refuse_prefilled}.prefilled_think=allow"
        )
    return notes


def check_answers(
    tokenizer: Any,
    rows: Sequence[Rendered],
    count: int,
    *,
    section: str,
    rejected: bool = False,
    seed: int,
    console: Console,
) -> None:
    """Have the verifier judge `count` rows that have a gold, drawn by the seed, as they are learned.

    Raises PreflightError for the first that is wrong or unreadable (of `rejected` sides of pairs: that is correct); an
    undecided one is only counted.
    """
    drawn = draw_rows("preflight/answers", [row for row in rows if row.row.answer is not None], count, seed)
    with ThreadPoolExecutor(THREADS) as threads:
        judgements = list(threads.map(lambda row: _judge(tokenizer, row), drawn))
    what, refused = ("is to be avoided", ("correct",)) if rejected else ("is learned", WRONG)
    for row, judgement in zip(drawn, judgements, strict=True):
        if judgement.verdict in refused:
            raise PreflightError(
                f"{row.name}: the verifier {row.row.verifier} calls what {what} {judgement.verdict} "
                f"({judgement.reason}); {section}.check_answers=0 trains on unverified rows"
            )
    if drawn:
        undecided = sum(judgement.verdict == "undecided" for judgement in judgements)
        verb = "refused" if rejected else "accepted"
        say(
            console,
            f"verifier: {len(drawn) - undecided:,} of {len(drawn):,} drawn rows {verb}, {undecided:,} undecided",
        )


def _judge(tokenizer: Any, row: Rendered) -> Any:
    """Judge the tokens that are learned, decoded again, with the opening tag that the template has put before."""
    text = tokenizer.decode(row.tokens[row.prompt_length : row.end])
    given = row.row
    return judge(
        given.verifier,
        given.answer,
        f"{OPEN}{text}" if PREFILLED in row.notes and CLOSE in text else text,
        answer_type=given.answer_type,
        tolerance=given.tolerance,
        question=given.prompt[-1].content if given.prompt else None,
    )


def check_tokenisation(tokenizer: Any, rows: Sequence[Rendered], seed: int) -> None:
    """Compare tokens and labels of three rows, drawn by the seed, with TRL's own tokenisation of their messages.

    Raises PreflightError where they differ. Nothing is done where several processes train together: a trainer that is
    built for this alone would wait for the others.
    """
    drawn = draw_rows("preflight/tokenisation", rows, SHOWN_ROWS, seed)
    if drawn and os.environ.get("WORLD_SIZE", "1") == "1":
        check_trained(tokenizer, drawn, tokenised_by_trl(tokenizer, [row.row for row in drawn]))


def check_room(rows: Sequence[Rendered], special: Special, completion: int, key: str) -> None:
    """Raise PreflightError if a prompt and a completion of full length do not fit into the model's positions; `key`
    sets that length."""
    for row in rows:
        if special.positions is not None and row.prompt_length + completion > special.positions:
            raise PreflightError(
                f"{row.name}: a prompt of {row.prompt_length} tokens and {key} {completion} are more than the model's "
                f"{special.positions} positions; lower {key}"
            )


def show_rows(tokenizer: Any, rows: Sequence[Rendered], seed: int, console: Console) -> None:
    """Print what is learned of three rows, drawn by the seed."""
    if rows:
        console.print(legend(console))
    for row in draw_rows("preflight/shown", rows, SHOWN_ROWS, seed):
        show_mask(console, tokenizer, row, labels_of(row))


def draw_rows(name: str, rows: Sequence[Rendered], count: int, seed: int) -> list[Rendered]:
    """Return so many rows, drawn by the seed, in their order."""
    places = rng_for(name, seed, 0).sample(range(len(rows)), min(count, len(rows)))
    return [rows[place] for place in sorted(places)]
