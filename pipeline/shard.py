"""One shard being solved by one teacher: what is wanted, what is there, what is missing.

Completions are asked for in waves if the teacher has a stopping rule. What is asked depends on recorded completions and
their verdicts alone, so a run that was stopped asks for the same ones again.
"""

from dataclasses import replace
from typing import NamedTuple

from pipeline import config
from pipeline.journal import Journal
from pipeline.records import Completion, Problem, Verdict
from pipeline.run import Run, Work
from pipeline.stopping import wanted
from pipeline.store import read_records
from pipeline.teacher import Request, make_request
from pipeline.verifiers import verify


class Progressed(NamedTuple):
    """What follows from a finished completion: further requests, and how many will not be made after all."""

    requests: list[Request]
    spared: int = 0


class Shard:
    """State of a shard: per problem, the requests made so far and how many of them are out."""

    def __init__(
        self, run: Run, work: Work, identity: tuple[str, str], settings: config.Teacher, problems: list[Problem]
    ) -> None:
        self.run, self.work = run, work
        self.journal = Journal(run.folder / "solve" / f"{work.shard}.jsonl")
        self.recorded_before = 0
        self._identity, self._settings = identity, settings
        self._known = {**_recorded(run, work.shard), **self.journal.completions}
        self._problems = {problem.id: problem for problem in problems}
        self._requests: dict[str, list[Request]] = {problem.id: [] for problem in problems}
        self._verdicts: dict[str, Verdict] = {}
        self._out: dict[str, int] = {}  # a problem stays here until `advance` wants nothing more of it
        self._committed = False

    def begin(self) -> Progressed:
        """Return the first requests that are missing; with none of them, the shard can be committed."""
        found = [self.advance(problem) for problem in self._problems.values()]
        asked = (request for requests in self._requests.values() for request in requests)
        self.recorded_before = sum(request.id in self._known for request in asked)
        return Progressed([r for part in found for r in part.requests], sum(part.spared for part in found))

    def advance(self, problem: Problem) -> Progressed:
        """Ask on for one problem until something is missing or nothing more is wanted."""
        requests = self._requests[problem.id]
        while (count := self._wanted(problem)) > len(requests):
            places = range(len(requests), count)
            new = [make_request(self._identity, self._settings, problem, place) for place in places]
            requests += new
            missing = [request for request in new if request.id not in self._known]
            if missing:
                self._out[problem.id] = len(missing)
                return Progressed(missing)
        self._out.pop(problem.id, None)
        return Progressed([], max(self._settings.completions - len(requests), 0))

    def add(self, completion: Completion) -> Problem | None:
        """Record a finished completion; return its problem if it was the last of its wave: `advance` it then."""
        self.journal.add(completion)
        self._known[completion.id] = completion
        self._out[completion.problem_id] -= 1
        return None if self._out[completion.problem_id] else self._problems[completion.problem_id]

    @property
    def finished(self) -> bool:
        """Whether every problem has all that is wanted, and nothing is committed yet."""
        return not self._out and not self._committed

    def commit(self) -> None:
        """Write what is there in problem order; the journal is not needed any more."""
        self._committed = True
        # A problem whose gold was mended keeps its completions: the request is the same, the problem's id is not.
        rows = [
            replace(self._known[request.id], problem_id=problem)
            for problem, requests in self._requests.items()
            for request in requests
            if request.id in self._known
        ]
        self.run.commit(
            self.work,
            {"completions": (Completion, rows)},
            taken=len(rows),
            kept=len(rows),
            tokens=sum(c.completion_tokens for c in rows),
            details={"recorded_before": str(self.recorded_before)},
        )
        self.journal.remove()

    def _wanted(self, problem: Problem) -> int:
        if self._settings.stopping is None or problem.answer is None:  # without gold nothing can be judged yet
            return self._settings.completions
        verdicts = [self._verdict(problem, request) for request in self._requests[problem.id]]
        return wanted(self._settings, self.run.config.assess, verdicts)

    def _verdict(self, problem: Problem, request: Request) -> Verdict:
        if request.id not in self._verdicts:
            self._verdicts[request.id] = verify(problem, self._known[request.id])
        return self._verdicts[request.id]


def _recorded(run: Run, shard: str) -> dict[str, Completion]:
    """Completions of an earlier commit of this shard, such as the first four when eight are wanted now."""
    unit = run.manifest.units.get(("solve", shard))
    return {c.id: c for c in read_records(Completion, run.file(unit, "completions"))} if unit else {}
