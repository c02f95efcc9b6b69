"""What a run may spend, and what it has spent: completion tokens, minutes of solving, solved problems.

Each teacher of a panel has a share in proportion to its completions; what was spent on writing problems comes off the
tokens first. Nothing here stops anything: solve.py and ask.py ask whether one more request is allowed.
"""

import time
from typing import NamedTuple

from pipeline.journal import Journal, recorded
from pipeline.records import Completion, Problem
from pipeline.run import Run
from pipeline.shard import STOPPED, journal_path, table_path
from pipeline.store import read_records
from pipeline.verifiers import verify


class Limits(NamedTuple):
    """What one teacher may spend; None is without limit."""

    tokens: int | None
    minutes: float | None
    problems: int | None


class Spending:
    """What counts against the budget of one teacher while it solves."""

    def __init__(self, run: Run, teacher: int) -> None:
        settings = run.config.teachers[teacher]
        self.limits = limits_of(run, teacher)
        self.tokens = teacher_tokens(run, teacher) if self.limits.tokens is not None else 0
        self.solved = _solved(run, teacher) if self.limits.problems is not None else set()
        self._seconds_before = sum(u.seconds for u in run.manifest.of_stage("session") if _is_of(u.shard, teacher))
        self._started: float | None = None
        self._finished = self._new_tokens = self._new_solved = 0
        self._longest, self._per_problem = settings.sampling.max_tokens, settings.completions
        panel = len(run.config.teachers) > 1
        self._whose = f", the share of {settings.model} ({settings.prompt})" if panel else ""
        self._budget, self._drafted = run.config.budget, tokens_of(run, "generate")

    def start(self) -> None:
        """Let the minutes run from now."""
        self._started = time.monotonic()

    def count(self, completion: Completion) -> None:
        """Note a finished completion."""
        self._finished += 1
        self._new_tokens += completion.completion_tokens
        self.tokens += completion.completion_tokens

    def note_solved(self, problem: Problem) -> None:
        """Note that a completion reached a problem's answer."""
        self._new_solved += problem.id not in self.solved
        self.solved.add(problem.id)

    @property
    def minutes(self) -> float:
        """Minutes of solving in all sessions, loading left out."""
        now = 0.0 if self._started is None else time.monotonic() - self._started
        return (self._seconds_before + now) / 60

    def allows(self, out: int) -> bool:
        """Tell whether one more request may be made while `out` are on their way, which count as what those before them
        turned out to be on average. With none on its way, False means that a limit is reached."""
        tokens, minutes, problems = self.limits
        if minutes is not None and self.minutes >= minutes:
            return False
        mean = self._new_tokens / self._finished if self._finished else self._longest
        if tokens is not None and self.tokens + out * mean >= tokens:
            return False
        rate = self._new_solved / self._finished if self._finished else 1 / self._per_problem
        return problems is None or len(self.solved) + out * rate < problems

    @property
    def reached(self) -> str:
        """Say which limit is reached: "tokens 50,112 of 50,000"."""
        tokens, minutes, problems = self.limits
        if problems is not None and len(self.solved) >= problems:
            return f"problems {len(self.solved):,} of {problems:,}{self._whose}"
        if minutes is not None and self.minutes >= minutes:
            return f"minutes {self.minutes:.1f} of {minutes:g}{self._whose}"
        if self._whose:
            return f"tokens {self.tokens:,} of {tokens:,}{self._whose}"
        return f"tokens {self.tokens + self._drafted:,} of {self._budget.tokens:,}"


def limits_of(run: Run, teacher: int) -> Limits:
    """Return a teacher's share of the budget."""
    budget, panel = run.config.budget, run.config.teachers
    share = panel[teacher].completions / sum(one.completions for one in panel)
    tokens = None if budget.tokens is None else max(0, round((budget.tokens - tokens_of(run, "generate")) * share))
    return Limits(tokens, None if budget.minutes is None else budget.minutes * share, budget.problems)


def tokens_of(run: Run, stage: str) -> int:
    """Return the completion tokens that a stage has committed: "generate" the drafts', "solve" the completions'."""
    return sum(unit.tokens for unit in run.manifest.of_stage(stage))


def teacher_tokens(run: Run, teacher: int) -> int:
    """Return what a teacher has spent, what a killed run has left in its journals too."""
    units = [unit for unit in run.manifest.of_stage("solve") if _is_of(unit.shard, teacher)]
    committed = sum(unit.tokens for unit in units)
    for name in _names(run, teacher):
        path = journal_path(run, name)
        if path.is_file():
            there = recorded(table_path(run, name))
            committed += sum(c.completion_tokens for c in Journal(path).completions.values() if c.id not in there)
    return committed


def writing_stopped(run: Run) -> str | None:
    """Say why no further problems may be written: a limit that is reached already, or None."""
    stopped = next((unit.details[STOPPED] for unit in run.manifest.of_stage("solve") if STOPPED in unit.details), None)
    if stopped is not None:
        return stopped
    most = run.config.budget.tokens
    spent = tokens_of(run, "generate") + sum(teacher_tokens(run, i) for i in range(len(run.config.teachers)))
    return None if most is None or spent < most else f"tokens {spent:,} of {most:,}"


def budget_notes(run: Run) -> list[str]:
    """Return what stopped the run before it was whole: nothing if it is whole."""
    units = [*run.manifest.of_stage("solve"), *run.manifest.of_stage("generate")]
    return list(dict.fromkeys(unit.details[STOPPED] for unit in units if STOPPED in unit.details))


def _names(run: Run, teacher: int) -> list[str]:
    return [f"{teacher}-{unit.shard}" for unit in run.manifest.of_stage("screen")]


def _is_of(shard: str, teacher: int) -> bool:
    return shard.partition("-")[0] == str(teacher)


def _solved(run: Run, teacher: int) -> set[str]:
    """Return the problems of which a recorded completion reaches the answer."""
    solved: set[str] = set()
    for unit in run.manifest.of_stage("screen"):
        problems = {problem.id: problem for problem in read_records(Problem, run.file(unit, "screened"))}
        name = f"{teacher}-{unit.shard}"
        there = recorded(table_path(run, name)) | Journal(journal_path(run, name)).completions
        for completion in there.values():
            problem = problems.get(completion.problem_id)
            if problem is None or problem.answer is None or problem.id in solved:
                continue
            if verify(problem, completion).verdict == "correct":
                solved.add(problem.id)
    return solved
