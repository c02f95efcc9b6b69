"""The select stage: rejection sampling of traces (Yuan et al. 2023). Of a problem's correct completions, up to m, the
most diverse first; each other completion is rejected with its reason.

A completion's filters run in the order of CHECKS; the first that objects decides.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from pipeline.assess import Judged, judged_completions, judged_digests
from pipeline.config import Select
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.prompts import render_prompt
from pipeline.records import Assessment, Message, Problem, Rejection, Trace
from pipeline.run import Run, Work
from pipeline.store import read_records

STAGE: Final = "select"
REPEATED_WORDS: Final = 8
SHINGLE_WORDS: Final = 3
Objection = tuple[str, str, float | None]  # filter, reason, score

_ANSWER = re.compile(r"\\boxed|<answer>|####|^\**(?:final )?answer\**\s*:", re.IGNORECASE | re.MULTILINE)


def select(run: Run) -> None:
    """Select traces shard by shard among the completions of the problems that were solved."""
    units = run.manifest.of_stage("assess")
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for unit in units:
            inputs = (run.config.select.model_dump(mode="json"), unit.digest)
            work = run.unit(STAGE, unit.shard, *inputs, judged_digests(run, unit.shard))
            if isinstance(work, Work):
                _select_shard(run, unit, work)
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in units}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _select_shard(run: Run, unit: Unit, work: Work) -> None:
    settings = run.config.select
    judged = judged_completions(run, unit.shard)
    traces: list[Trace] = []
    rejections: list[Rejection] = []
    taken = 0
    for problem, assessment in solved_problems(run, unit.shard):
        if settings.within_band and assessment.decision != "keep":
            continue
        chosen, refused = select_traces(problem, assessment, judged[problem.id], settings)
        taken += len(judged[problem.id])
        traces += chosen
        rejections += refused
    run.commit(work, {"traces": (Trace, traces)}, taken=taken, kept=len(traces), rejections=rejections)


def solved_problems(run: Run, shard: str) -> list[tuple[Problem, Assessment]]:
    """Return a shard's problems that some model solved, each with its assessment for the reference model."""
    problems = read_records(Problem, run.file(run.manifest.units[("agree", shard)], "settled"))
    assessments = read_records(Assessment, run.file(run.manifest.units[("assess", shard)], "assessments"))
    solved = {a.problem_id for a in assessments if a.successes}
    reference = {a.problem_id: a for a in assessments if a.model == run.config.reference_model}
    return [(p, reference[p.id]) for p in problems if p.id in solved]


def select_traces(
    problem: Problem, assessment: Assessment, panel: Sequence[Judged], settings: Select
) -> tuple[list[Trace], list[Rejection]]:
    """Return a problem's chosen traces, and a rejection for every other completion of it."""
    rejections: list[Rejection] = []
    candidates: list[Judged] = []
    for completion, verdict in panel:
        objection = next((found for check in CHECKS if (found := check((completion, verdict), settings))), None)
        if objection is None:
            candidates.append((completion, verdict))
        else:
            rejections.append(Rejection(completion.id, STAGE, *objection))
    ordered = _farthest_first(candidates)
    traces = []
    for place, (judged, distance) in enumerate(ordered):
        if distance == 0:
            rejections.append(Rejection(judged[0].id, STAGE, "same trace", "same words as a chosen trace", 0.0))
        elif place >= settings.traces_per_problem:
            reason = f"{settings.traces_per_problem} more diverse traces of this problem were chosen"
            rejections.append(Rejection(judged[0].id, STAGE, "surplus", reason, distance))
        else:
            because = f"distance {distance:.2f} from the traces before it"
            if place == 0:
                because = f"shortest of {len(candidates)} correct"
            traces.append(_trace(problem, assessment, judged, because, settings))
    return traces, rejections


def _trace(problem: Problem, assessment: Assessment, judged: Judged, because: str, settings: Select) -> Trace:
    completion, verdict = judged
    answer = Message("assistant", trace_text(completion.reasoning, completion.text, verdict.extracted or "", settings))
    return Trace(
        problem_id=problem.id,
        completion_id=completion.id,
        messages=(*render_prompt(settings.prompt, problem.question), answer),
        tags=(problem.family, assessment.decision),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        chosen_because=because,
    )


def trace_text(reasoning: str | None, text: str, answer: str, settings: Select) -> str:
    """Write a trace: the model's own thinking block where it has one, else its whole text as the thinking."""
    if settings.style == "plain" and reasoning is None:
        return text
    if reasoning is None:
        return f"<think>\n{text}\n</think>\n\n\\boxed{{{answer}}}"
    return f"<think>\n{reasoning}\n</think>\n\n{text}"


def _not_correct(judged: Judged, _: Select) -> Objection | None:
    verdict = judged[1]
    if verdict.verdict == "correct":
        return None
    answered = "" if verdict.extracted is None else f"answered {verdict.extracted[:200]}: "
    return verdict.verdict, f"{answered}{verdict.reason}", None


def _truncated(judged: Judged, _: Select) -> Objection | None:
    reason = judged[0].finish_reason
    return None if reason == "stop" else ("truncated", f"finish_reason is {reason}", None)


def _repetitive(judged: Judged, settings: Select) -> Objection | None:
    share = repeated_share(_words(judged))
    if share <= settings.max_repetition:
        return None
    return "repetitive", f"{share:.0%} of its {REPEATED_WORDS}-word windows are repeated", share


def _answer_first(judged: Judged, settings: Select) -> Objection | None:
    completion = judged[0]
    text = completion.text if completion.reasoning is None else completion.reasoning + "\n" + completion.text
    found = _ANSWER.search(text)
    before = len(text[: found.start()].split()) if found else len(text.split())
    if before >= settings.min_words_before_answer:
        return None
    return "answer before reasoning", f"only {before} words stand before the answer", float(before)


CHECKS: Final[tuple[Callable[[Judged, Select], Objection | None], ...]] = (
    _not_correct,
    _truncated,
    _repetitive,
    _answer_first,
)


def repeated_share(words: Sequence[str]) -> float:
    """Return the share of 8-word windows that occurred before in the same text; 0 for a text too short to tell."""
    windows = Counter(zip(*(words[i:] for i in range(REPEATED_WORDS)), strict=False))
    total = windows.total()
    return (total - len(windows)) / total if total else 0.0


def _words(judged: Judged) -> list[str]:
    completion = judged[0]
    return f"{completion.reasoning or ''} {completion.text}".split()


def _farthest_first(candidates: Sequence[Judged]) -> list[tuple[Judged, float]]:
    """Order candidates: the shortest first, then always the one farthest from all before it (Gonzalez 1985).

    The distance is 1 minus the Jaccard similarity of 3-word shingles; the first has distance 1.
    """
    shingles = {c.id: _shingles(_words((c, v))) for c, v in candidates}
    rest = sorted(candidates, key=lambda judged: (judged[0].completion_tokens, judged[0].id))
    ordered: list[tuple[Judged, float]] = []
    nearest = {c.id: 1.0 for c, _ in rest}
    while rest:
        best = max(rest, key=lambda judged: nearest[judged[0].id])
        rest.remove(best)
        ordered.append((best, nearest[best[0].id]))
        for completion, _ in rest:
            distance = _distance(shingles[completion.id], shingles[best[0].id])
            nearest[completion.id] = min(nearest[completion.id], distance)
    return ordered


def _shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    size = min(SHINGLE_WORDS, max(len(words), 1))
    return frozenset(zip(*(words[i:] for i in range(size)), strict=False))


def _distance(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    together = len(a | b)
    return 1 - len(a & b) / together if together else 0.0
