"""Ask a model for something other than a solution (a problem, a rewrite, a label), and never twice.

Every answer is journaled the moment it is finished; the caller commits them with what it made of them, as the table
`drafts`. A crash loses only what was in flight.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Writer
from pipeline.errors import GradatimError
from pipeline.journal import Journal
from pipeline.progress import say, track
from pipeline.records import Completion, Message, content_id
from pipeline.run import Run
from pipeline.solve import side_by_side
from pipeline.store import read_records
from pipeline.teacher import Request, Teacher, complete, identity_of, open_teacher


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


def ask(run: Run, shard: str, questions: Sequence[Question], writer: Writer) -> list[Completion]:
    """Return an answer to every question, in order; the model is loaded only if one is missing.

    Raises NotRecorded if one is missing where no model may be asked (Run.recorded_only).
    """
    identity = identity_of(writer)
    requests = [_request(question, identity, writer) for question in questions]
    journal = Journal(journal_path(run, shard))
    known = {**_committed(run, shard), **journal.completions}
    missing = [request for request in {r.id: r for r in requests}.values() if request.id not in known]
    if missing and run.recorded_only:
        raise NotRecorded(
            f"{shard}: {len(missing)} of {len(requests)} answers of {writer.model} are not recorded, and no model may "
            "be asked here; gradatim build asks it"
        )
    if missing:
        say(f"{shard}: opening {writer.model} to write ({len(requests) - len(missing)} of {len(requests)} recorded)")
        asyncio.run(_answer(missing, writer, journal, shard))
        journal.close()
    known.update(journal.completions)
    return [known[request.id] for request in requests]


def journal_path(run: Run, shard: str) -> Path:
    """Return where answers wait until their shard is committed; the caller deletes it then."""
    return run.folder / "asked" / f"{shard}.jsonl"


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


def _committed(run: Run, shard: str) -> dict[str, Completion]:
    unit = run.manifest.units.get(("generate", shard))
    if unit is None or not any(f.path.startswith("drafts/") for f in unit.files):
        return {}
    return {c.id: c for c in read_records(Completion, run.file(unit, "drafts"))}


async def _answer(missing: list[Request], writer: Writer, journal: Journal, name: str) -> None:
    remaining = iter(missing)
    async with open_teacher(writer) as model:
        with track(f"write {name}", len(missing)) as progress:

            async def work(model: Teacher = model) -> None:
                for request in remaining:
                    journal.add(await complete(model, request))
                    progress.advance()

            await side_by_side(min(model.window, len(missing)), work)
