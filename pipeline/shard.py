"""One shard being solved by one teacher: what is wanted, what is there, what is missing.

Completions are asked for in waves if the teacher has a stopping rule. What is asked depends on recorded completions and
their verdicts alone, so a run that was stopped asks for the same ones again.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pipeline import config
from pipeline.journal import Journal, recorded
from pipeline.records import Completion, Problem, Rejection, Verdict, canonical_json
from pipeline.run import Run, Work
from pipeline.stopping import wanted
from pipeline.teacher import Request, make_request
from pipeline.verifiers import verify

STOPPED: Final = "stopped"  # the detail of a unit that says which limit of the budget stopped it


class Progressed(NamedTuple):
    """What follows from a finished completion: further requests, and how many will not be made after all."""

    requests: list[Request]
    spared: int = 0


class Cut(NamedTuple):
    """How a shard is committed that nothing more is asked for: its fingerprint then, and the problems that are `held`
    back from the beginning because of `reason`."""

    fingerprint: str
    held: frozenset[str] = frozenset()
    reason: str | None = None


class Shard:
    """State of a shard: per problem, the requests made so far and how many of them are out."""

    def __init__(
        self,
        run: Run,
        work: Work,
        identity: tuple[str, str],
        settings: config.Teacher,
        problems: list[Problem],
        *,
        cut: Cut | None = None,
    ) -> None:
        self.run, self.work = run, work
        self.journal = Journal(journal_path(run, work.shard))
        self.recorded_before = 0
        self._identity, self._settings, self._cut = identity, settings, cut
        self._known = {**recorded(table_path(run, work.shard)), **self.journal.completions}
        self._problems = {problem.id: problem for problem in problems}
        self._requests: dict[str, list[Request]] = {problem.id: [] for problem in problems}
        self._verdicts: dict[str, Verdict] = {}
        self._out: dict[str, int] = {}  # a problem stays here until `advance` wants nothing more of it
        self.committed = False

    def begin(self) -> Progressed:
        """Return the first requests that are missing; with none of them, the shard can be committed."""
        held = self._cut.held if self._cut else frozenset()
        found = [self.advance(problem) for problem in self._problems.values() if problem.id not in held]
        asked = (request for requests in self._requests.values() for request in requests)
        self.recorded_before = sum(request.id in self._known for request in asked)
        return Progressed([r for part in found for r in part.requests], sum(part.spared for part in found))

    def advance(self, problem: Problem) -> Progressed:
        """Ask on for one problem until something is missing or nothing more is wanted."""
        requests = self._requests[problem.id]
        while (count := self._wanted(problem)) > len(requests):
            first = self._settings.first_index
            places = range(first + len(requests), first + count)
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
        return not self._out and not self.committed

    def solved(self, problem: Problem) -> bool:
        """Tell whether a recorded completion reaches the problem's answer."""
        known = [request for request in self._requests[problem.id] if request.id in self._known]
        return problem.answer is not None and any(self._verdict(problem, r).verdict == "correct" for r in known)

    def commit(self, stopped: str | None = None) -> None:
        """Write what is there in problem order; the journal is not needed any more. Where a budget `stopped` the
        teacher, each completion that was not asked for is rejected as such."""
        self.committed = True
        stopped = stopped or (self._cut.reason if self._cut else None)
        refused = self._not_asked(stopped) if stopped else []
        if self._cut and refused:
            self.work = replace(self.work, fingerprint=self._cut.fingerprint)
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
            taken=len(rows) + len(refused),
            kept=len(rows),
            rejections=refused,
            tokens=sum(c.completion_tokens for c in rows),
            details={"recorded_before": str(self.recorded_before)}
            | ({STOPPED: stopped} if stopped and refused else {}),
        )
        self.journal.remove()

    def _not_asked(self, stopped: str) -> list[Rejection]:
        """Return a rejection for each completion that an unfinished problem lacks; a stopping rule may spare some."""
        held = self._cut.held if self._cut else frozenset()
        first, most = self._settings.first_index, self._settings.completions
        refused: list[Rejection] = []
        for problem in self._problems.values():
            if problem.id not in held and problem.id not in self._out:
                continue
            requests = self._requests[problem.id]
            places = range(first + len(requests), first + most)
            requests += [make_request(self._identity, self._settings, problem, place) for place in places]
            evidence = canonical_json({"problem_id": problem.id})
            lacking = [request.id for request in requests if request.id not in self._known]
            refused += [
                Rejection(identity, "solve", "not asked", f"budget: {stopped}", None, evidence) for identity in lacking
            ]
        return refused

    def _wanted(self, problem: Problem) -> int:
        if self._settings.stopping is None or problem.answer is None:  # without gold nothing can be judged yet
            return self._settings.completions
        verdicts = [self._verdict(problem, request) for request in self._requests[problem.id]]
        return wanted(self._settings, self.run.config.assess, verdicts)

    def _verdict(self, problem: Problem, request: Request) -> Verdict:
        if request.id not in self._verdicts:
            self._verdicts[request.id] = verify(problem, self._known[request.id])
        return self._verdicts[request.id]


def journal_path(run: Run, shard: str) -> Path:
    """Return where a solved shard's completions wait until it is committed."""
    return run.folder / "solve" / f"{shard}.jsonl"


def table_path(run: Run, shard: str) -> Path:
    """Return where a commit of a solved shard puts its completions, such as the first four when eight are wanted."""
    return run.folder / "completions" / f"{shard}.parquet"
