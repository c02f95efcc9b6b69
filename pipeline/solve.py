"""The solve stage: every problem's completions from every teacher, each recorded the moment it is finished.

A finished completion goes to a journal at once; when a shard's last one is in, the journal becomes a Parquet shard in
problem order and is committed. A crash loses only what was in flight: the same run later asks only for what is missing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field

from pipeline import config
from pipeline.manifest import Unit
from pipeline.progress import Track, say, track
from pipeline.prompts import PROMPTS
from pipeline.records import Completion, Problem
from pipeline.run import Run, Work
from pipeline.shard import Shard
from pipeline.store import read_records
from pipeline.teacher import Request, Teacher, TeacherError, complete, identity_of, open_teacher
from pipeline.verifiers.worker import configure


def solve(run: Run, teacher_index: int) -> None:
    """Have one teacher solve every screened problem. Does nothing, and loads nothing, if that is done already.

    A run that takes recorded completions only (Run.recorded_only) commits what is there and asks for nothing.
    """
    settings = run.config.teachers[teacher_index]
    units = run.manifest.of_stage("screen")
    works: list[tuple[Work, Unit]] = []
    for unit in units:
        name = f"{teacher_index}-{unit.shard}"
        work = run.unit("solve", name, *solve_inputs(run, settings), unit.digest)
        if isinstance(work, Work) and run.recorded_only:
            work = run.unit("solve", name, "recorded only", *solve_inputs(run, settings), unit.digest)
        if isinstance(work, Work):
            works.append((work, unit))
    wanted = {f"{index}-{unit.shard}" for index in range(len(run.config.teachers)) for unit in units}
    run.manifest.forget("solve", keep=wanted.__contains__, delete=False)
    if not works:
        return
    configure(workers=run.config.verify.workers, deadline=run.config.verify.deadline_seconds)
    # Where there is nothing to ask for, no model is loaded.
    quiet = works if run.recorded_only else [(work, unit) for work, unit in works if not unit.counts["kept"]]
    for shard in _shards(run, settings, quiet):
        shard.begin()
        shard.commit()
    rest = [pair for pair in works if pair not in quiet]
    if rest:
        asyncio.run(_solve(run, settings, teacher_index, rest))


def solve_inputs(run: Run, settings: config.Teacher) -> list[object]:
    """What determines a teacher's requests: not how its engine is run."""
    own = {**settings.model_dump(mode="json", exclude={"engine"}), "prompt_version": PROMPTS[settings.prompt].label}
    inputs: list[object] = [own]
    if settings.stopping is not None:
        inputs.append(run.config.assess.model_dump(mode="json"))
    return inputs


def _shards(run: Run, settings: config.Teacher, works: list[tuple[Work, Unit]]) -> Iterator[Shard]:
    identity = None if run.recorded_only else identity_of(settings)
    for work, unit in works:
        problems = read_records(Problem, run.file(unit, "screened"))
        yield Shard(run, work, identity or _recorded_identity(run, settings, work.shard), settings, problems)


def _recorded_identity(run: Run, settings: config.Teacher, shard: str) -> tuple[str, str]:
    """Return the model and revision that a shard's completions were recorded under; the model itself may be gone."""
    unit = run.manifest.units.get(("solve", shard))
    recorded = read_records(Completion, run.file(unit, "completions")) if unit else []
    return (recorded[0].model, recorded[0].revision) if recorded else (settings.model, settings.revision or "")


async def _solve(run: Run, settings: config.Teacher, index: int, works: list[tuple[Work, Unit]]) -> None:
    total = sum(unit.counts["kept"] for _, unit in works) * settings.completions
    say(f"solve: opening {settings.model} ({settings.engine.kind})")
    async with open_teacher(settings) as teacher:
        with track(f"solve {settings.model}", total) as progress:
            session = Session(progress)
            requests = Requests(_first_requests(_shards(run, settings, works), session))
            await side_by_side(min(teacher.window, total), lambda: _work_through(teacher, requests, session))
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


class Requests:
    """What is to be asked: what finished waves ask for, then the first requests of shard after shard."""

    def __init__(self, first: Iterator[tuple[Shard, Request]]) -> None:
        self._first = first
        self._later: deque[tuple[Shard, Request]] = deque()
        self._out = 0
        self._changed = asyncio.Event()

    async def take(self) -> tuple[Shard, Request] | None:
        """Return the next request; None once there is none and none can come any more."""
        while True:
            found = self._later.popleft() if self._later else next(self._first, None)
            if found is not None:
                self._out += 1
                return found
            if self._out == 0:
                return None
            await self._changed.wait()

    def done(self, more: Iterable[tuple[Shard, Request]]) -> None:
        """Note that a request is finished and what it led to."""
        self._later.extend(more)
        self._out -= 1
        self._changed.set()
        self._changed = asyncio.Event()


def _first_requests(shards: Iterator[Shard], session: Session) -> Iterator[tuple[Shard, Request]]:
    """Open shard after shard and give out what is missing in it; a shard with nothing missing is committed at once."""
    for shard in shards:
        begun = shard.begin()
        session.progress.skip(shard.recorded_before + begun.spared)
        if shard.recorded_before:
            session.progress.say(f"shard {shard.work.shard}: {shard.recorded_before} completions are already recorded")
        if not begun.requests:
            shard.commit()
        for request in begun.requests:
            yield shard, request


async def _work_through(teacher: Teacher, requests: Requests, session: Session) -> None:
    """Take the next request until there is none; all workers share them."""
    while (taken := await requests.take()) is not None:
        shard, request = taken
        completion = await complete(teacher, request)
        session.count(completion)
        problem = shard.add(completion)
        more: list[Request] = []
        if problem is not None:
            # Judging a wave may take a symbolic check, which must not hold up the others.
            more, spared = await asyncio.to_thread(shard.advance, problem)
            session.progress.skip(spared)
            if shard.finished:
                shard.commit()
        requests.done((shard, request) for request in more)


async def side_by_side(count: int, work: Callable[[], Coroutine[None, None, None]]) -> None:
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

        await side_by_side(min(teacher.window, len(wanted)), work)
    return [finished[request.id] for request in wanted]
