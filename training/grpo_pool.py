"""The problems of a reinforcement run: the GRPO rows of several runs, none that is held out, drawn by difficulty, and
checked before the first step."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from pipeline.pool import sample_pool
from pipeline.records import Message
from pipeline.seeds import rng_for
from pipeline.verifiers.golds import SPECIFICATIONS, specification_fault
from training.exports import Export, SftRow, read_split
from training.foreign_rows import ExportError
from training.grpo_settings import AS_IT_IS, Grpo
from training.preflight import check_room, say, show_rows, tell_notes
from training.rewards import accuracy
from training.templates_check import PreflightError, Special, check_special_tokens, render_prompts

Row = dict[str, Any]
JUDGED_BY: Final = ("problem_id", "question", "answer", "verifier", "answer_type", "tolerance")
GOLDS: Final = 1000  # so many are judged before the first step


def read_pool(exports: Sequence[Export]) -> list[Row]:
    """Read the GRPO training rows of several runs, each problem once, none that any of the runs holds out."""
    held_out = {
        row["problem_id"]
        for export in exports
        for table in ("sft", "grpo")
        for split in ("validation", "test")
        for row in read_split(export, table, split)
    }
    rows = {row["problem_id"]: row for export in exports for row in read_split(export, "grpo", "train")}
    kept = [row for identity, row in rows.items() if identity not in held_out]
    if not kept:
        folders = ", ".join(str(export.folder.parent) for export in exports)
        raise ExportError(f"{folders}: no GRPO training rows; build a run with more problems, or widen assess.band")
    return kept


def draw(rows: Sequence[Row], settings: Grpo, seed: int) -> list[Row]:
    """Draw the problems that are trained on. Raises PoolTooSmall, or ExportError if they fill not even one step."""
    count = settings.problems or len(rows)
    if settings.distribution == AS_IT_IS and count >= len(rows):
        drawn = list(rows)
    else:
        # What the pool is, in an order drawn by the seed, is the curriculum's choice too: it only sorts afterwards.
        shape = "curriculum" if settings.distribution == AS_IT_IS else settings.distribution
        drawn = sample_pool(rows, shape, count, seed)
    per_step = settings.batch_size * settings.gradient_accumulation // settings.group_size
    if len(drawn) < per_step:
        raise ExportError(f"a step takes {per_step} problems, there are {len(drawn)}: lower batch_size or build more")
    return drawn


def messages_of(row: Row) -> tuple[Message, ...]:
    """Return the messages that ask a row's problem."""
    return tuple(Message(turn["role"], turn["content"]) for turn in row["prompt"])


def check_pool(
    tokenizer: Any, special: Special, rows: Sequence[Row], settings: Grpo, *, seed: int, console: Console
) -> None:
    """Check what completions start from and what they are judged by, and print the prompts of three rows.

    Raises PreflightError, in one line with the problem and the reason.
    """
    check_special_tokens(tokenizer, special)
    prompts = render_prompts(tokenizer, [SftRow(row["problem_id"], "", messages_of(row), ()) for row in rows])
    tell_notes(prompts, console)
    check_room(prompts, special, settings.max_completion_length, "grpo.max_completion_length")
    golds = [row for row in rows if row.get("answer") is not None]
    say(console, check_golds(rng_for("preflight/golds", seed, 0).sample(golds, min(GOLDS, len(golds)))))
    show_rows(tokenizer, prompts, seed, console)


def check_golds(rows: Sequence[Row]) -> str:
    """Have the reward pay each row's own gold in a box; a gold that is a specification must be one that can be read.

    Returns the counts in a line. Raises PreflightError for the first that would pay no completion; what could not be
    judged is only counted.
    """
    boxed = [row for row in rows if row.get("verifier") not in SPECIFICATIONS]
    columns: dict[str, Any] = {name: [row.get(name) for row in boxed] for name in JUDGED_BY}
    replies = [f"\\boxed{{{row['answer']}}}" for row in boxed]
    paid = accuracy([row["prompt"] for row in boxed], replies, **columns)
    faults = {row["problem_id"]: "judges its own gold wrong" for row, pay in zip(boxed, paid, strict=True) if pay == 0}
    for row in rows:
        if row.get("verifier") in SPECIFICATIONS and (fault := specification_fault(row["verifier"], row["answer"])):
            faults[row["problem_id"]] = f"cannot judge by its gold ({fault})"
    first = next((row for row in rows if row["problem_id"] in faults), None)
    if first:
        raise PreflightError(
            f"problem {first['problem_id']}: the verifier {first.get('verifier') or 'math'} "
            f"{faults[first['problem_id']]}, so no completion would be paid; build the run again"
        )
    undecided = paid.count(None)
    return f"verifier: {len(rows) - undecided:,} of {len(rows):,} drawn golds accepted, {undecided:,} undecided"
