"""Ask a model for something other than a solution (a problem, a rewrite, a label), and never twice.

Every answer is journaled the moment it is finished; the caller commits them with what it made of them, as the table
`drafts`. A crash loses only what was in flight.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.budget import teacher_tokens, tokens_of, writing_stopped
from pipeline.config import Writer
from pipeline.errors import GradatimError
from pipeline.journal import Journal, recorded, remove_finished
from pipeline.progress import say, track
from pipeline.records import Completion, Message, content_id
from pipeline.run import Run
from pipeline.solve import side_by_side
from pipeline.teacher import Request, Teacher, complete, identity_of, open_teacher


class OutOfBudget(GradatimError):
    """Answers that the run's budget has no tokens left for; the text says how far it went."""


class NotRecorded(GradatimError):
    """Answers that only a model could give, where none may be asked; in one line."""


class Question(NamedTuple):
    """What a model is asked. `about` becomes the draft's problem_id; `schema` is a JSON Schema for the answer, as text;
    `draw` tells repeated questions apart."""

    about: str
    messages: tuple[Message, ...]
    prompt_version: str
    schema: str | None = None
    draw: int = 0


def ask(
    run: Run, shard: str, questions: Sequence[Question], writer: Writer, *, budgeted: bool = False
) -> list[Completion]:
    """Return an answer to every question, in order; the model is loaded only if one is missing.

    Raises NotRecorded if one is missing where no model may be asked (Run.recorded_only), and OutOfBudget if `budgeted`
    and the run's budget is spent before the last one is there; those that are there are kept.
    """
    identity = identity_of(writer)
    requests = [_request(question, identity, writer) for question in questions]
    journal = Journal(journal_path(run, shard))
    known = {**recorded(_table(run, shard)), **journal.completions}
    missing = [request for request in {r.id: r for r in requests}.values() if request.id not in known]
    if missing and run.recorded_only:
        raise NotRecorded(
            f"{shard}: {len(missing)} of {len(requests)} answers of {writer.model} are not recorded, and no model may "
            "be asked here; gradatim build asks it"
        )
    if missing:
        allowed = _allowance(run) if budgeted else None
        say(f"{shard}: opening {writer.model} to write ({len(requests) - len(missing)} of {len(requests)} recorded)")
        asyncio.run(_answer(missing, writer, journal, shard, allowed))
        journal.close()
    known.update(journal.completions)
    if any(request.id not in known for request in requests):
        spent = tokens_of(run, "generate") + sum(c.completion_tokens for c in journal.completions.values())
        raise OutOfBudget(f"tokens {spent + _solving(run):,} of {run.config.budget.tokens:,}")
    return [known[request.id] for request in requests]


def _allowance(run: Run) -> int | None:
    """Return how many tokens may be spent on writing now. Raises OutOfBudget if the run may not write any more."""
    stopped = writing_stopped(run)
    if stopped is not None:
        raise OutOfBudget(stopped)
    most = run.config.budget.tokens
    return None if most is None else most - tokens_of(run, "generate") - _solving(run)


def _solving(run: Run) -> int:
    return sum(teacher_tokens(run, index) for index in range(len(run.config.teachers)))


def journal_path(run: Run, shard: str) -> Path:
    """Return where answers wait until their shard is committed; the caller deletes it then (forget_journal)."""
    return run.folder / "asked" / f"{shard}.jsonl"


def forget_journal(run: Run, shard: str) -> None:
    """Delete the journal of a shard whose answers are committed."""
    remove_finished(journal_path(run, shard), _table(run, shard))


def _request(question: Question, identity: tuple[str, str], writer: Writer) -> Request:
    turns = [[m.role, m.content] for m in question.messages]
    parts = (turns, question.prompt_version, writer.sampling.model_dump(), question.schema, question.draw)
    return Request(
        id=content_id("draft", *identity, *parts),
        problem_id=question.about,
        messages=question.messages,
        prompt_version=question.prompt_version,
        sampling=writer.sampling,
        sample_index=question.draw,
        schema=question.schema,
    )


def _table(run: Run, shard: str) -> Path:
    return run.folder / "drafts" / f"{shard}.parquet"


async def _answer(missing: list[Request], writer: Writer, journal: Journal, name: str, allowed: int | None) -> None:
    remaining = iter(missing)
    spent = sum(completion.completion_tokens for completion in journal.completions.values())
    async with open_teacher(writer) as model:
        with track(f"write {name}", len(missing)) as progress:

            async def work(model: Teacher = model) -> None:
                nonlocal spent
                for request in remaining:
                    if allowed is not None and spent >= allowed:
                        return
                    answer = await complete(model, request)
                    spent += answer.completion_tokens
                    journal.add(answer)
                    progress.advance()

            await side_by_side(min(model.window, len(missing)), work)
