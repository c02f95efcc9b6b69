"""The completions of an evaluation: asked for once, recorded as each is finished, judged, and kept in records.

A killed evaluation goes on where it was: what the folder holds is not asked for again, and a model that has answered
everything is not loaded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pipeline import config
from pipeline.journal import Journal, recorded
from pipeline.progress import track
from pipeline.prompts import NO_ANSWER, PromptName, prompt_for, render_prompt
from pipeline.records import Completion, Problem, Verdict, content_id
from pipeline.solve import side_by_side
from pipeline.store import read_records, write_records
from pipeline.teacher import Request, complete, open_teacher
from pipeline.verifiers import VERSION, verify
from training.comparison import Outcome
from training.estimates import Vote
from training.held_out import HeldOut
from training.settings import Evaluation

PROBLEMS: Final = "problems.parquet"
COMPLETIONS: Final = "completions.parquet"
VERDICTS: Final = "verdicts.parquet"
JOURNAL: Final = "completions.jsonl"


class Model(NamedTuple):
    """A model to be evaluated: as it was named, and the name and revision that its completions are recorded under."""

    reference: str
    asked_revision: str | None
    name: str
    revision: str


Requests = dict[Model, list[Request]]


def sampling_of(settings: Evaluation) -> list[config.Sampling]:
    """Return the sampling parameters of each completion of a problem: the greedy one first."""
    seed, longest = settings.sampling_seed, settings.max_tokens
    sampled = config.Sampling(temperature=settings.temperature, top_p=settings.top_p, max_tokens=longest, seed=seed)
    greedy = [config.Sampling(temperature=0.0, max_tokens=longest)] if settings.greedy else []
    return [*greedy, *[sampled] * settings.completions]


def requests_for(model: Model, problems: Sequence[HeldOut], settings: Evaluation) -> list[Request]:
    """Return all requests to a model, problem by problem. Of each kind, greedy and sampled, they count from 0."""
    samplings = sampling_of(settings)
    return [
        request_for((model.name, model.revision), held, sampling, samplings[:place].count(sampling), settings.prompt)
        for held in problems
        for place, sampling in enumerate(samplings)
    ]


def request_for(
    identity: tuple[str, str], held: HeldOut, sampling: config.Sampling, index: int, prompt: PromptName
) -> Request:
    """Build the request for a problem that may bring its own messages (prompt version "given")."""
    own = held.prompt != render_prompt(prompt, held.problem.question, held.problem.verifier)
    version = "given" if own else prompt_for(prompt, held.problem.verifier).label
    asked = [[message.role, message.content] for message in held.prompt]
    parts = (asked, version, sampling.model_dump(), index, held.problem.id)
    return Request(content_id("completion", *identity, *parts), held.problem.id, held.prompt, version, sampling, index)


def answer_all(requests: Requests, engine: config.Engine, output: Path) -> dict[str, Completion]:
    """Have the models answer what the folder does not hold yet, one after the other. Returns completions by id.

    Raises TeacherError or ModelError; what is finished by then is kept.
    """
    journal = Journal(output / JOURNAL)
    known = {**recorded(output / COMPLETIONS), **journal.completions}
    try:
        for model, wanted in requests.items():
            missing = [request for request in wanted if request.id not in known]
            if missing:
                asyncio.run(_answer(model, missing, len(wanted), engine, journal))
    finally:
        journal.close()
    known |= journal.completions
    return known


async def _answer(model: Model, missing: list[Request], total: int, engine: config.Engine, journal: Journal) -> None:
    settings = config.Teacher(model=model.reference, revision=model.asked_revision, engine=engine)
    with track(f"evaluate {Path(model.name).name}", total) as progress:
        progress.skip(total - len(missing))
        async with open_teacher(settings) as teacher:
            remaining = iter(missing)

            async def work() -> None:
                for request in remaining:
                    journal.add(await complete(teacher, request))
                    progress.advance()

            await side_by_side(min(teacher.window, len(missing)), work)


def judge_all(
    requests: Requests, known: Mapping[str, Completion], problems: Mapping[str, Problem], output: Path
) -> dict[str, tuple[Completion, Verdict]]:
    """Verify every completion that was asked for: a text once, whichever models wrote it, and not again where the
    folder holds a decision on it. Returns them with their verdicts, by id."""
    decided = _decided(output, problems)
    verdicts = {_reply(known[name]): verdict for name, verdict in decided.items() if name in known}
    completions = [known[request.id] for wanted in requests.values() for request in wanted]
    left = {_reply(c): c for c in completions if _reply(c) not in verdicts}
    with ThreadPoolExecutor(2) as threads, track("verify", len(left)) as progress:
        found = threads.map(lambda completion: verify(problems[completion.problem_id], completion), left.values())
        for reply, verdict in zip(left, found, strict=True):
            verdicts[reply] = verdict
            progress.advance()
    return {c.id: (c, replace(verdicts[_reply(c)], completion_id=c.id)) for c in completions}


def _reply(completion: Completion) -> tuple[str, ...]:
    """Return all that a verdict depends on."""
    return completion.problem_id, completion.text, completion.finish_reason


def _decided(output: Path, problems: Mapping[str, Problem]) -> dict[str, Verdict]:
    """Return the folder's verdicts by completion, but for undecided ones, those of another version of the verifiers
    and those on problems that have changed."""
    if not (output / VERDICTS).is_file() or not (output / PROBLEMS).is_file():
        return {}
    same = {row.id for row in read_records(Problem, output / PROBLEMS) if problems.get(row.id) == row}
    return {
        row.completion_id: row
        for row in read_records(Verdict, output / VERDICTS)
        if row.problem_id in same and row.verdict != "undecided" and row.verifier_version == VERSION
    }


def store(
    output: Path,
    problems: Sequence[Problem],
    known: Mapping[str, Completion],
    judged: Mapping[str, tuple[Completion, Verdict]],
) -> None:
    """Write problems, completions and verdicts as records. Completions that were paid for in this folder are kept even
    where nothing asks for them now, with the decisions on them; those that count have a verdict."""
    earlier = [completion for name, completion in known.items() if name not in judged]
    kept = [v for v in _decided(output, {p.id: p for p in problems}).values() if v.completion_id not in judged]
    write_records(Completion, [*(c for c, _ in judged.values()), *earlier], output / COMPLETIONS)
    write_records(Verdict, [*(verdict for _, verdict in judged.values()), *kept], output / VERDICTS)
    write_records(Problem, list(problems), output / PROBLEMS)
    Journal(output / JOURNAL).remove()


def sampled(wanted: Sequence[Request]) -> list[str]:
    """Return the ids of the sampled completions among the requests."""
    return [request.id for request in wanted if request.sampling.temperature > 0]


def outcomes_of(
    wanted: Sequence[Request],
    judged: Mapping[str, tuple[Completion, Verdict]],
    problems: Mapping[str, Problem],
    votes: Mapping[str, str],
) -> dict[str, Outcome]:
    """Return what a model made of each problem, with what its completions vote for."""
    greedy = {r.problem_id: judged[r.id][1].verdict for r in wanted if r.sampling.temperature == 0}
    found: dict[str, list[Vote]] = {}
    for name in sampled(wanted):
        _, verdict = judged[name]
        found.setdefault(verdict.problem_id, []).append((verdict.verdict, votes.get(name)))
    return {
        name: Outcome(greedy.get(name), tuple(found.get(name, ())), problems[name].verifier not in NO_ANSWER)
        for name in dict.fromkeys(request.problem_id for request in wanted)
    }
