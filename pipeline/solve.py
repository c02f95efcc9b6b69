"""The solve stage: every problem's completions from every teacher, each recorded the moment it is finished.

A finished completion goes to a journal at once; when a shard's last one is in, the journal becomes a Parquet shard in
problem order and is committed. A crash loses only what was in flight: the same run later asks only for what is missing.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field, replace

from pipeline import config
from pipeline.journal import Journal
from pipeline.manifest import Unit
from pipeline.progress import Track, say, track
from pipeline.prompts import PROMPTS
from pipeline.records import Completion, Problem
from pipeline.run import Run, Work
from pipeline.store import read_records
from pipeline.teacher import Request, Teacher, TeacherError, complete, make_request, open_teacher


class Shard:
    """One shard being solved by one teacher: what is wanted, what is there, what is missing."""

    def __init__(
        self, run: Run, work: Work, teacher: Teacher, settings: config.Teacher, problems: list[Problem]
    ) -> None:
        self.run, self.work = run, work
        self.journal = Journal(run.folder / "solve" / f"{work.shard}.jsonl")
        self.known = {**_committed(run, work.shard), **self.journal.completions}
        self.wanted = [make_request(teacher, settings, p, i) for p in problems for i in range(settings.completions)]
        self.missing = [request for request in self.wanted if request.id not in self.known]
        self.recorded_before = len(self.wanted) - len(self.missing)
        self.open = len(self.missing)

    def add(self, completion: Completion) -> None:
        """Record a finished completion; the last one commits the shard."""
        self.journal.add(completion)
        self.known[completion.id] = completion
        self.open -= 1
        if self.open == 0:
            self.commit()

    def commit(self) -> None:
        # A problem whose gold was mended keeps its completions: the request is the same, the problem's id is not.
        rows = [replace(self.known[request.id], problem_id=request.problem_id) for request in self.wanted]
        self.run.commit(
            self.work,
            {"completions": (Completion, rows)},
            taken=len(rows),
            kept=len(rows),
            tokens=sum(c.completion_tokens for c in rows),
            details={"recorded_before": str(self.recorded_before)},
        )
        self.journal.remove()


def _committed(run: Run, shard: str) -> dict[str, Completion]:
    """Completions of an earlier commit of this shard, such as the first four when eight are wanted now."""
    unit = run.manifest.units.get(("solve", shard))
    return {c.id: c for c in read_records(Completion, run.file(unit, "completions"))} if unit else {}


def solve(run: Run, teacher_index: int) -> None:
    """Have one teacher solve every screened problem. Does nothing, and loads nothing, if that is done already."""
    settings = run.config.teachers[teacher_index]
    units = run.manifest.of_stage("screen")
    works: list[tuple[Work, Unit]] = []
    for unit in units:
        work = run.unit("solve", f"{teacher_index}-{unit.shard}", solve_inputs(settings), unit.digest)
        if isinstance(work, Work):
            works.append((work, unit))
    wanted = {f"{index}-{unit.shard}" for index in range(len(run.config.teachers)) for unit in units}
    run.manifest.forget("solve", keep=wanted.__contains__, delete=False)
    if works:
        asyncio.run(_solve(run, settings, teacher_index, works))


def solve_inputs(settings: config.Teacher) -> dict[str, object]:
    """What determines a teacher's requests: not how its engine is run."""
    return {**settings.model_dump(mode="json", exclude={"engine"}), "prompt_version": PROMPTS[settings.prompt].label}


async def _solve(run: Run, settings: config.Teacher, index: int, works: list[tuple[Work, Unit]]) -> None:
    total = sum(unit.counts["kept"] for _, unit in works) * settings.completions
    say(f"solve: opening {settings.model} ({settings.engine.kind})")
    async with open_teacher(settings) as teacher:
        with track(f"solve {settings.model}", total) as progress:
            session = Session(progress)
            requests = _requests(run, teacher, settings, works, session)
            await _side_by_side(min(teacher.window, total), lambda: _work_through(teacher, requests, session))
        session.record(run, index)


@dataclass
class Session:
    """What one loading of a teacher has produced, for tokens per second."""

    progress: Track
    completions: int = 0
    tokens: int = 0
    started: float = field(default_factory=time.monotonic)

    def count(self, completion: Completion) -> None:
        self.completions += 1
        self.tokens += completion.completion_tokens
        self.progress.advance(note=f"{self.tokens / (time.monotonic() - self.started):,.0f} tokens/s")

    def record(self, run: Run, teacher_index: int) -> None:
        """Note the session in the manifest; it holds no files and no stage waits for it."""
        number = sum(unit.shard.startswith(f"{teacher_index}-") for unit in run.manifest.of_stage("session"))
        work = Work("session", f"{teacher_index}-{number}", "", self.started)
        run.commit(work, {}, taken=self.completions, kept=self.completions, tokens=self.tokens)


def _requests(
    run: Run, teacher: Teacher, settings: config.Teacher, works: list[tuple[Work, Unit]], session: Session
) -> Iterator[tuple[Shard, Request]]:
    """Open shard after shard and give out what is missing in it; a shard with nothing missing is committed at once."""
    for work, unit in works:
        problems = read_records(Problem, run.file(unit, "screened"))
        shard = Shard(run, work, teacher, settings, problems)
        session.progress.skip(shard.recorded_before)
        if shard.recorded_before:
            session.progress.say(
                f"shard {work.shard}: {shard.recorded_before} of {len(shard.wanted)} completions are already recorded"
            )
        if not shard.missing:
            shard.commit()
        for request in shard.missing:
            yield shard, request


async def _work_through(teacher: Teacher, requests: Iterator[tuple[Shard, Request]], session: Session) -> None:
    """Take the next request until there is none; all workers share the iterator."""
    for shard, request in requests:
        completion = await complete(teacher, request)
        shard.add(completion)
        session.count(completion)


async def _side_by_side(count: int, work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run `count` workers to their end; the first TeacherError stops them all and is what the caller sees."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(work())
    except* TeacherError as errors:
        raise errors.exceptions[0] from None


async def complete_requests(teacher: Teacher, requests: Iterable[Request], name: str) -> list[Completion]:
    """Answer requests without a run (evaluation); the completions come back in the requests' order."""
    wanted = list(requests)
    finished: dict[str, Completion] = {}
    remaining = iter(wanted)
    with track(name, len(wanted)) as progress:

        async def work() -> None:
            for request in remaining:
                finished[request.id] = await complete(teacher, request)
                progress.advance()

        await _side_by_side(min(teacher.window, len(wanted)), work)
    return [finished[request.id] for request in wanted]
