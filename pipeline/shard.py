"""One shard being solved by one teacher: what is wanted, what is there, what is missing.

Completions are asked for in waves if the teacher has a stopping rule. What is asked depends on recorded completions and
their verdicts alone, so a run that was stopped asks for the same ones again. What was paid for is kept: a completion
that is recorded stays, even where a rule would not ask for it now.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pipeline import config
from pipeline.journal import Journal, recorded
from pipeline.records import Completion, Problem, Rejection, Verdict, canonical_json
from pipeline.run import Run, Work
from pipeline.stopping import beside, same_model, votes_count, wanted
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
        self._others = _beside(run, work.shard) if settings.stopping else {}
        self._added = 0
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
        self._added += 1
        self._out[completion.problem_id] -= 1
        return None if self._out[completion.problem_id] else self._problems[completion.problem_id]

    @property
    def finished(self) -> bool:
        """Whether every problem has all that is wanted, and nothing is committed yet."""
        return not self._out and not self.committed

    def solved(self, problem: Problem) -> bool:
        """Tell whether a recorded completion reaches the problem's answer."""
        known = [request for request in self._requests[problem.id] if request.id in self._known]
        correct = (self._verdict(problem, self._known[request.id]).verdict == "correct" for request in known)
        return problem.answer is not None and any(correct)

    def commit(self, stopped: str | None = None) -> None:
        """Write what is there in problem order; the journal is not needed any more. Where a budget `stopped` the
        teacher, each completion that was not asked for is rejected as such."""
        self.committed = True
        stopped = stopped or (self._cut.reason if self._cut else None)
        refused = self._not_asked(stopped) if stopped else []
        if self._cut and refused:
            self.work = replace(self.work, fingerprint=self._cut.fingerprint)
        # A problem whose gold was mended keeps its completions: the request is the same, the problem's id is not.
        edge = self._settings.stopping.edge if self._settings.stopping else None
        most = max(self._settings.completions, edge or 0)
        rows = [
            replace(self._known[request.id], problem_id=problem.id)
            for problem in self._problems.values()
            for request in self._up_to(problem, most)
            if request.id in self._known
        ]
        self.run.commit(
            self.work,
            {"completions": (Completion, rows)},
            taken=len(rows) + len(refused),
            kept=len(rows),
            rejections=refused,
            tokens=sum(c.completion_tokens for c in rows),
            details={"recorded_before": str(len(rows) - self._added)}
            | ({STOPPED: stopped} if stopped and refused else {}),
        )
        self.journal.remove()

    def _not_asked(self, stopped: str) -> list[Rejection]:
        """Return a rejection for each completion that an unfinished problem lacks; a stopping rule may spare some."""
        held = self._cut.held if self._cut else frozenset()
        refused: list[Rejection] = []
        for problem in self._problems.values():
            if problem.id not in held and problem.id not in self._out:
                continue
            requests = self._up_to(problem, self._settings.completions)
            evidence = canonical_json({"problem_id": problem.id})
            lacking = [request.id for request in requests if request.id not in self._known]
            refused += [
                Rejection(identity, "solve", "not asked", f"budget: {stopped}", None, evidence) for identity in lacking
            ]
        return refused

    def _up_to(self, problem: Problem, most: int) -> list[Request]:
        """Return the requests made for a problem, and those that would follow up to `most`."""
        made, first = self._requests[problem.id], self._settings.first_index
        places = range(first + len(made), first + most)
        return [*made, *(make_request(self._identity, self._settings, problem, place) for place in places)]

    def _wanted(self, problem: Problem) -> int:
        if self._settings.stopping is None or votes_count(problem, self.run.config):
            return self._settings.completions
        verdicts = [self._verdict(problem, self._known[request.id]) for request in self._requests[problem.id]]
        theirs = {i: found.get(problem.id, []) for i, found in self._others.items()}
        others = {i: [self._verdict(problem, completion) for completion in found] for i, found in theirs.items()}
        return wanted(self._settings, self.run.config.assess, verdicts, beside(self.run.config, others))

    def _verdict(self, problem: Problem, completion: Completion) -> Verdict:
        if completion.id not in self._verdicts:
            self._verdicts[completion.id] = verify(problem, completion)
        return self._verdicts[completion.id]


def _beside(run: Run, name: str) -> dict[int, dict[str, list[Completion]]]:
    """Return what the other entries of a teacher's model have recorded of its shard, by problem."""
    index, _, shard = name.partition("-")
    found: dict[int, dict[str, list[Completion]]] = {}
    for other in same_model(run.config, int(index)):
        problems = found.setdefault(other, {})
        for completion in recorded(table_path(run, f"{other}-{shard}")).values():
            problems.setdefault(completion.problem_id, []).append(completion)
    return found


def journal_path(run: Run, shard: str) -> Path:
    """Return where a solved shard's completions wait until it is committed."""
    return run.folder / "solve" / f"{shard}.jsonl"


def table_path(run: Run, shard: str) -> Path:
    """Return where a commit of a solved shard puts its completions, such as the first four when eight are wanted."""
    return run.folder / "completions" / f"{shard}.parquet"
