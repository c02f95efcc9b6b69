"""What completions vote for in cons@k: their answer in canonical form, or, where the answer is a program, what it does.

Programs that pass all tests are one choice; the others are told apart by what comes out of every test, which is kept in
the folder of the evaluation.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pipeline.answers import strip_marks
from pipeline.progress import track
from pipeline.prompts import NO_ANSWER
from pipeline.records import Completion, Problem, Verdict, content_id
from pipeline.store import write_text
from pipeline.verifiers import VERSION
from pipeline.verifiers.golds import canonical_answer, canonical_form, program_behaviour

BEHAVIOURS: Final = "behaviours.json"
PASSING: Final = "all tests pass"

Judged = Mapping[str, tuple[Completion, Verdict]]


def votes_of(sampled: Sequence[str], judged: Judged, problems: Mapping[str, Problem], output: Path) -> dict[str, str]:
    """Return what the sampled completions vote for, by id; those that vote for nothing are left out."""
    behaviours = _behaviours([judged[name] for name in sampled], problems, output)
    found: dict[str, str] = {}
    for name in sampled:
        completion, verdict = judged[name]
        problem = problems[completion.problem_id]
        failing = _fails(problem, verdict)
        vote = behaviours[_key(problem, completion)] if failing else _answer(problem, completion, verdict)
        if vote is not None:
            found[name] = vote
    return found


def _answer(problem: Problem, completion: Completion, verdict: Verdict) -> str | None:
    """Return the answer that a completion votes for. One that gives several answers votes for none of them, unless they
    were found to be the same."""
    if verdict.verdict not in ("correct", "incorrect") or problem.verifier in NO_ANSWER:
        return None
    if problem.verifier == "code":
        return PASSING
    answer = canonical_answer(problem, completion)
    if answer is None and verdict.verdict == "correct" and verdict.extracted is not None:
        return canonical_form(problem, strip_marks(verdict.extracted))
    return answer


def _fails(problem: Problem, verdict: Verdict) -> bool:
    return problem.verifier == "code" and verdict.verdict == "incorrect"


def _behaviours(
    judged: Sequence[tuple[Completion, Verdict]], problems: Mapping[str, Problem], output: Path
) -> dict[str, str | None]:
    """Run the programs that fail on all their tests, each text once; what the folder knows is not run again.
    What could not be found out, for want of time or of a sandbox, is None and not kept."""
    path = output / BEHAVIOURS
    known: dict[str, str | None] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    failing = [(problems[c.problem_id], c) for c, verdict in judged if _fails(problems[c.problem_id], verdict)]
    missing = {key: pair for pair in failing if (key := _key(*pair)) not in known}
    if missing:
        with ThreadPoolExecutor(2) as threads, track("run programs for cons@k", len(missing)) as progress:
            found = threads.map(lambda pair: program_behaviour(*pair), missing.values())
            for key, behaviour in zip(missing, found, strict=True):
                known[key] = behaviour
                progress.advance()
        settled = {key: behaviour for key, behaviour in known.items() if behaviour is not None}
        write_text(json.dumps(settled, indent=0) + "\n", path)
    return known


def _key(problem: Problem, completion: Completion) -> str:
    return content_id("vote", VERSION, problem.answer, problem.tolerance, completion.text)
