"""The solve stage: every problem's completions from every teacher, each recorded the moment it is finished.

A finished completion goes to a journal at once; when a shard's last one is in, the journal becomes a Parquet shard in
problem order and is committed. A crash loses only what was in flight: the same run later asks only for what is missing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pipeline import config
from pipeline.budget import Spending
from pipeline.concurrency import Monitored
from pipeline.errors import GradatimError
from pipeline.journal import remove_finished
from pipeline.manifest import Unit
from pipeline.progress import Track, say, track
from pipeline.prompts import HINT_LABEL, PROMPTS
from pipeline.records import Completion, Problem, content_id
from pipeline.run import Run, Work
from pipeline.shard import STOPPED, Cut, Shard, journal_path, table_path
from pipeline.stopping import same_model
from pipeline.store import read_records
from pipeline.teacher import Request, Teacher, complete, identity_of, open_teacher
from pipeline.verifiers.worker import configure

RECORD_EVERY_SECONDS: Final = 10.0


def solve(run: Run, teacher_index: int) -> None:
    """Have one teacher solve every screened problem. Does nothing, and loads nothing, if that is done already.

    A run that takes recorded completions only (Run.recorded_only) commits what is there and asks for nothing.
    """
    settings = run.config.teachers[teacher_index]
    units = run.manifest.of_stage("screen")
    works: list[tuple[Work, Unit]] = []
    for unit in units:
        name = f"{teacher_index}-{unit.shard}"
        inputs = _inputs(run, teacher_index, unit)
        work = run.unit("solve", name, *inputs)
        if isinstance(work, Work):  # stopped by the budget as it stands now: it stays so
            cut = run.manifest.finished("solve", name, _cut(run, teacher_index, unit).fingerprint)
            work = cut or work
        if isinstance(work, Work) and run.recorded_only:
            work = run.unit("solve", name, "recorded only", *inputs)
        if isinstance(work, Work):
            works.append((work, unit))
        else:
            remove_finished(journal_path(run, name), table_path(run, name))
    wanted = {f"{index}-{unit.shard}" for index in range(len(run.config.teachers)) for unit in units}
    run.manifest.forget("solve", keep=wanted.__contains__, delete=False)
    if not works:
        return
    configure(workers=run.config.verify.workers, deadline=run.config.verify.deadline_seconds)
    # Where there is nothing to ask for, no model is loaded.
    quiet = works if run.recorded_only else [(work, unit) for work, unit in works if not unit.counts["kept"]]
    for shard in _shards(run, teacher_index, quiet):
        if not run.recorded_only:  # then all that is recorded is taken, whatever a rule would ask for
            shard.begin()
        shard.commit()
    rest = [pair for pair in works if pair not in quiet]
    if not rest:
        return
    spending = Spending(run, teacher_index)
    if spending.allows(0):
        asyncio.run(_solve(run, teacher_index, rest, spending))
    else:
        say(f"solve {settings.model}: stopped by budget: {spending.reached}")
        _stop(_shards(run, teacher_index, rest), spending)


def _cut(run: Run, index: int, unit: Unit) -> Cut:
    """Return how a shard is committed that the budget stops. What the budget kept from the first teacher is not asked
    of the others: without it there is no panel."""
    name = f"{index}-{unit.shard}"
    first = run.manifest.units.get(("solve", f"0-{unit.shard}")) if index else None
    reason = first.details.get(STOPPED) if first else None
    held: frozenset[str] = frozenset()
    if first and reason:
        begun = {c.problem_id for c in read_records(Completion, run.file(first, "completions"))}
        held = frozenset(p.id for p in read_records(Problem, run.file(unit, "screened")) if p.id not in begun)
    budget = run.config.budget.model_dump()
    inputs = (*_inputs(run, index, unit), STOPPED, budget, first.digest if first and reason else None)
    return Cut(content_id("fingerprint", "solve", name, *inputs), held, reason)


def _stop(shards: Iterable[Shard], spending: Spending) -> None:
    """Commit what is there of shards that nothing more is asked for."""
    for shard in shards:
        shard.begin()
        shard.commit(None if shard.finished else spending.reached)


def solve_inputs(settings: config.Teacher) -> list[object]:
    """What determines a teacher's requests: not how its engine is run."""
    later = {"hint", "first_index"}  # keys that earlier runs did not have
    own = settings.model_dump(mode="json", exclude={"engine", *later})
    inputs: list[object] = [{**own, "prompt_version": PROMPTS[settings.prompt].label}]
    if settings.hint or settings.first_index:
        inputs.append([HINT_LABEL if settings.hint else None, settings.first_index])
    return inputs


def _inputs(run: Run, index: int, unit: Unit) -> list[object]:
    """What determines a solved shard; with a stopping rule, all that decides how many completions are enough."""
    settings = run.config.teachers[index]
    inputs = solve_inputs(run.config.teachers[index])
    if settings.stopping is not None:
        others = same_model(run.config, index)
        earlier = [run.manifest.units.get(("solve", f"{other}-{unit.shard}")) for other in others if other < index]
        together = [run.config.teachers[other].completions for other in others], [one and one.digest for one in earlier]
        inputs.append([run.config.assess.model_dump(mode="json"), run.config.agree.disputed, together])
    return [*inputs, unit.digest]


def _shards(run: Run, index: int, works: list[tuple[Work, Unit]]) -> Iterator[Shard]:
    settings = run.config.teachers[index]
    identity = None if run.recorded_only else identity_of(settings)
    for work, unit in works:
        problems = read_records(Problem, run.file(unit, "screened"))
        cut = None if run.recorded_only else _cut(run, index, unit)
        yield Shard(run, work, identity or _recorded_identity(run, settings, work.shard), settings, problems, cut=cut)


def _recorded_identity(run: Run, settings: config.Teacher, shard: str) -> tuple[str, str]:
    """Return the model and revision that a shard's completions were recorded under; the model itself may be gone."""
    unit = run.manifest.units.get(("solve", shard))
    recorded = read_records(Completion, run.file(unit, "completions")) if unit else []
    return (recorded[0].model, recorded[0].revision) if recorded else (settings.model, settings.revision or "")


async def _solve(run: Run, index: int, works: list[tuple[Work, Unit]], spending: Spending) -> None:
    settings = run.config.teachers[index]
    total = sum(unit.counts["kept"] for _, unit in works) * settings.completions
    say(f"solve: opening {settings.model} ({settings.engine.kind})")
    opened = time.monotonic()
    async with open_teacher(settings) as teacher:
        with track(f"solve {settings.model}", total) as progress:
            session = Session(progress, teacher, spending, run, index, loading=time.monotonic() - opened)
            shards = _shards(run, index, works)
            requests = Requests(_first_requests(shards, session), spending)
            try:
                await side_by_side(
                    min(teacher.window, total), lambda: _work_through(teacher, requests, session), session.keep_time
                )
            finally:
                for shard in session.begun:
                    shard.journal.close()
                session.record()
    unfinished = [shard for shard in session.begun if not shard.committed]
    if unfinished:
        say(f"solve {settings.model}: stopped by budget: {spending.reached}")
    for shard in unfinished:
        shard.commit(spending.reached)
    _stop(shards, spending)


@dataclass
class Session:
    """What one loading of a teacher has produced, for tokens per second; `loading` took so many seconds."""

    progress: Track
    teacher: Teacher
    spending: Spending
    run: Run
    index: int
    loading: float
    completions: int = 0
    tokens: int = 0
    begun: list[Shard] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = sum(unit.shard.startswith(f"{self.index}-") for unit in self.run.manifest.of_stage("session"))
        self.work = Work("session", f"{self.index}-{number}", "", time.monotonic())
        self.spending.start()

    def begin(self, shard: Shard) -> None:
        """Note a shard that requests go out for; those that are committed are let go."""
        self.begun = [*(s for s in self.begun if not s.committed), shard]

    def count(self, completion: Completion) -> None:
        self.completions += 1
        self.tokens += completion.completion_tokens
        self.spending.count(completion)
        speed = f"{self.tokens / (time.monotonic() - self.work.started):,.0f} tokens/s"
        busy = self.teacher.load() if isinstance(self.teacher, Monitored) else ""
        self.progress.advance(note=", ".join(text for text in (speed, busy) if text))

    async def keep_time(self) -> None:
        """Record the session again and again: a killed process has then spent what it had by the last time."""
        while True:
            await asyncio.sleep(RECORD_EVERY_SECONDS)
            self.record()

    def record(self) -> None:
        """Note in the manifest what the session has come to, in place of what it said before; it holds no files and no
        stage waits for it."""
        details = {"loading_seconds": f"{self.loading:.1f}"}
        if isinstance(self.teacher, Monitored):
            details["retries"] = str(self.teacher.retries)
        done = self.completions
        self.run.commit(self.work, {}, taken=done, kept=done, tokens=self.tokens, details=details)


class Requests:
    """What is to be asked: what finished waves ask for, then the first requests of shard after shard; nothing more once
    the budget is spent."""

    def __init__(self, first: Iterator[tuple[Shard, Request]], spending: Spending) -> None:
        self._first = first
        self._spending = spending
        self._later: deque[tuple[Shard, Request]] = deque()
        self._out = 0
        self._changed = asyncio.Event()

    async def take(self) -> tuple[Shard, Request] | None:
        """Return the next request; None once there is none and none can come any more."""
        while True:
            if self._spending.allows(self._out):
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
        if begun.requests:
            session.begin(shard)
        else:
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
            if session.spending.limits.problems and not more and await asyncio.to_thread(shard.solved, problem):
                session.spending.note_solved(problem)
            if shard.finished:
                shard.commit()
        requests.done((shard, request) for request in more)


async def _idle() -> None:
    """Do nothing."""


async def side_by_side(
    count: int,
    work: Callable[[], Coroutine[None, None, None]],
    beside: Callable[[], Coroutine[None, None, None]] = _idle,
) -> None:
    """Run `count` workers to their end, and `beside` for as long; the first failure of a teacher or a disk stops them
    all and is what the caller sees."""
    try:
        async with asyncio.TaskGroup() as group:
            other = group.create_task(beside())
            await asyncio.gather(*[group.create_task(work()) for _ in range(count)], return_exceptions=True)
            other.cancel()
    except* GradatimError as errors:
        raise errors.exceptions[0] from None
