"""What every training script checks before its first step, and `gradatim preflight CONFIG` alone.

With the student's own tokenizer and chat template: generation and training start alike, thinking and answer are learned
as they are, nothing is cut, the verifier accepts what is learned. A failure is one line with the row and the reason;
nothing is repaired silently. The labels themselves are checked on the trainer's own rows (loss_mask.check_trained).
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from pipeline.config_files import parse_model
from pipeline.errors import GradatimError
from pipeline.models import resolve
from pipeline.seeds import rng_for
from pipeline.verifiers import judge
from training.exports import SftRow, read_sft
from training.lengths import within_budget
from training.loss_mask import check_labels, labels_of, legend, show_mask
from training.mixture import chosen_rows
from training.outputs import told
from training.settings import Sft, StudentConfig, help_text
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
from training.trainer import load_tokenizer

__all__ = ["Checked", "PreflightError", "check_answers", "preflight", "refuse_prefilled"]

THREADS: Final = 4
SHOWN_ROWS: Final = 3


@dataclass(frozen=True)
class Checked:
    """Rows that may be trained on, how many were left out as too long, and what the chat template does to them."""

    rows: list[Rendered]
    too_long: int
    notes: Counter[str]


def preflight(
    tokenizer: Any, special: Special, rows: Sequence[SftRow], settings: Sft, *, seed: int, console: Console
) -> Checked:
    """Check rows, print what was found and the loss mask of three of them, and return those to train on.

    Raises PreflightError, in one line with the row and the reason.
    """
    check_special_tokens(tokenizer, special)
    rendered = render(tokenizer, special.stops, rows)
    notes = Counter(note for row in rendered for note in row.notes)
    for note, count in notes.items():
        say(console, f"note: {note} ({count:,} of {len(rendered):,} rows)")
    if settings.prefilled_think == "refuse":
        refuse_prefilled(rendered)
    fitting = within_budget(rendered, settings.max_length, leave_out=settings.too_long == "leave out", console=console)
    for row in fitting:
        check_labels(tokenizer, row, labels_of(row))
    check_answers(tokenizer, fitting, settings.check_answers, seed=seed, console=console)
    if fitting:
        console.print(legend(console))
    for row in _drawn("preflight/shown", fitting, SHOWN_ROWS, seed):
        show_mask(console, tokenizer, row, labels_of(row))
    return Checked(fitting, len(rendered) - len(fitting), notes)


def say(console: Console, text: str) -> None:
    """Print plain text as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def refuse_prefilled(rows: Sequence[Rendered]) -> None:
    """Raise PreflightError for the first row whose thinking block the chat template opens."""
    first = next((row for row in rows if PREFILLED in row.notes), None)
    if first:
        raise PreflightError(
            f"{first.name}: {PREFILLED}, and stops thinking wherever another template is used; "
            "if that is meant, say sft.prefilled_think=allow"
        )


def check_answers(tokenizer: Any, rows: Sequence[Rendered], count: int, *, seed: int, console: Console) -> None:
    """Have the verifier judge `count` rows that have a gold, drawn by the seed, as they are learned.

    Raises PreflightError for the first that is wrong or unreadable; an undecided one is only counted.
    """
    drawn = _drawn("preflight/answers", [row for row in rows if row.row.answer is not None], count, seed)
    with ThreadPoolExecutor(THREADS) as threads:
        judgements = list(threads.map(lambda row: _judge(tokenizer, row), drawn))
    for row, judgement in zip(drawn, judgements, strict=True):
        if judgement.verdict in ("incorrect", "unparsable"):
            raise PreflightError(
                f"{row.name}: the verifier {row.row.verifier} calls what is learned {judgement.verdict} "
                f"({judgement.reason}); sft.check_answers=0 trains on unverified rows"
            )
    if drawn:
        undecided = sum(judgement.verdict == "undecided" for judgement in judgements)
        say(
            console,
            f"verifier: {len(drawn) - undecided:,} of {len(drawn):,} drawn rows accepted, {undecided:,} undecided",
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


def _drawn(name: str, rows: Sequence[Rendered], count: int, seed: int) -> list[Rendered]:
    places = rng_for(name, seed, 0).sample(range(len(rows)), min(count, len(rows)))
    return [rows[place] for place in sorted(places)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(
        prog="gradatim preflight", description=__doc__, epilog=help_text(), formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the student")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="change a key")
    options = parser.parse_args(arguments)
    try:
        config = parse_model(StudentConfig, options.config, options.set)
        rows = chosen_rows(read_sft(config.data).train, config)
        student = resolve(config.student, revision=config.revision)
        tokenizer, special = load_tokenizer(student.path, config.sft.chat_template_path)
        checked = preflight(tokenizer, special, rows, config.sft, seed=config.seed, console=Console())
    except GradatimError as error:
        return told(error)
    left_out = f", {checked.too_long:,} left out as too long" if checked.too_long else ""
    print(f"{student.name}: {len(checked.rows):,} rows are fit to train on{left_out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
