"""The select stage: rejection sampling of traces (Yuan et al. 2023). Of a problem's correct completions, up to m, the
most diverse first; each other completion is rejected with its reason and what shows it.

What makes a completion unfit is in trace_quality.py. The diversity of what was kept is in the details of each unit.
"""

from collections.abc import Sequence
from typing import Final

from filters import behaviours
from filters.arithmetic import equations, wrong_equations
from filters.diversity import as_details, distance, diversity, shingles
from filters.embeddings import embed
from filters.leaks import benchmark_digests, leaked_trace
from filters.trace_quality import VERSION, WRONG_ARITHMETIC, first_objection, whole_text
from pipeline.assess import Judged, judged_completions, judged_digests
from pipeline.config import Select
from pipeline.contamination_settings import Decontamination
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Assessment, Problem, Rejection, Trace, canonical_json
from pipeline.run import Run, Work
from pipeline.traces import solved_problems, write_trace

STAGE: Final = "select"


def select(run: Run) -> None:
    """Select traces shard by shard among the completions of the problems that were solved."""
    units = run.manifest.of_stage("assess")
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for unit in units:
            leaks = run.config.screen.decontaminate
            inputs = (run.config.select.model_dump(mode="json"), VERSION, unit.digest)
            benchmarks = [leaks.model_dump(mode="json") if leaks else None, benchmark_digests(leaks)]
            work = run.unit(STAGE, unit.shard, *inputs, benchmarks, judged_digests(run, unit.shard))
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
    kept_texts: dict[str, list[str]] = {}
    taken = 0
    for problem, assessment in solved_problems(run, unit.shard):
        if settings.within_band and assessment.decision != "keep":
            continue
        panel = judged[problem.id]
        leaked = _leaked(panel, run.config.screen.decontaminate)
        clean = [(completion, verdict) for completion, verdict in panel if completion.id not in leaked]
        chosen, refused = select_traces(problem, assessment, clean, settings)
        taken += len(panel)
        traces += chosen
        rejections += [*leaked.values(), *refused]
        kept = {trace.completion_id for trace in chosen}
        kept_texts[problem.question] = [whole_text(completion) for completion, _ in panel if completion.id in kept]
    run.commit(
        work,
        {"traces": (Trace, traces)},
        taken=taken,
        kept=len(traces),
        rejections=rejections,
        details=as_details(diversity(kept_texts, embed if settings.embedding_spread else None)),
    )
    for remembered in (equations, behaviours.label):
        remembered.cache_clear()  # texts of a finished shard are not asked about again


def _leaked(panel: Sequence[Judged], settings: Decontamination | None) -> dict[str, Rejection]:
    """Return a rejection for each judged completion that holds a benchmark's question, by its id. A wrong one counts
    too: it may be the rejected side of a preference pair."""
    if settings is None:
        return {}
    decided = (completion for completion, verdict in panel if verdict.verdict != "undecided")
    found = (leaked_trace(c.id, whole_text(c), settings, STAGE) for c in decided)
    return {rejection.record_id: rejection for rejection in found if rejection is not None}


def select_traces(
    problem: Problem, assessment: Assessment, panel: Sequence[Judged], settings: Select
) -> tuple[list[Trace], list[Rejection]]:
    """Return a problem's chosen traces, and a rejection for every other completion of it."""
    rejections: list[Rejection] = []
    candidates: list[Judged] = []
    for judged in panel:
        objection = first_objection(problem, judged, settings)
        if objection is None:
            candidates.append(judged)
        else:
            name, reason, score, evidence = objection
            rejections.append(Rejection(judged[0].id, STAGE, name, reason, score, canonical_json(evidence)))
    traces: list[Trace] = []
    for judged, apart, nearest in farthest_first(candidates):
        refused = _not_needed(judged, apart, nearest, settings, len(traces))
        if refused is not None:
            rejections.append(refused)
            continue
        because = f"distance {apart:.2f} from the traces before it"
        if not traces:
            because = f"shortest of {len(candidates)} correct"
        tags = _tags(problem, judged, settings)
        traces.append(write_trace(problem, assessment, judged, because=because, tags=tags, settings=settings))
    return traces, rejections


def _not_needed(judged: Judged, apart: float, nearest: str, settings: Select, chosen: int) -> Rejection | None:
    """Return why a fit completion is not chosen: it says the same as one before it, or there are enough."""
    evidence = canonical_json({"nearest": nearest, "distance": round(apart, 6)})
    if apart == 0:
        return Rejection(judged[0].id, STAGE, "same trace", "same words as a chosen trace", 0.0, evidence)
    if chosen < settings.traces_per_problem:
        return None
    reason = f"{settings.traces_per_problem} more diverse traces of this problem were chosen"
    return Rejection(judged[0].id, STAGE, "surplus", reason, apart, evidence)


def _tags(problem: Problem, judged: Judged, settings: Select) -> tuple[str, ...]:
    text = whole_text(judged[0])
    tagged = settings.wrong_arithmetic == "tag" and wrong_equations(text, problem.question)
    return (*behaviours.tags(text), *([WRONG_ARITHMETIC] if tagged else []))


def farthest_first(candidates: Sequence[Judged]) -> list[tuple[Judged, float, str]]:
    """Order candidates: the shortest first, then always the one farthest from all before it (Gonzalez 1985).

    With each comes its distance from the nearest before it, and that one's id. The distance is 1 minus the Jaccard
    similarity of 3-word shingles; the first has distance 1 from "".
    """
    sets = {completion.id: shingles(whole_text(completion).split()) for completion, _ in candidates}
    rest = sorted(candidates, key=lambda judged: (judged[0].completion_tokens, judged[0].id))
    ordered: list[tuple[Judged, float, str]] = []
    nearest = {completion.id: (1.0, "") for completion, _ in rest}
    while rest:
        best = max(rest, key=lambda judged: nearest[judged[0].id][0])
        rest.remove(best)
        ordered.append((best, *nearest[best[0].id]))
        for completion, _ in rest:
            apart = distance(sets[completion.id], sets[best[0].id])
            if apart < nearest[completion.id][0]:
                nearest[completion.id] = (apart, best[0].id)
    return ordered
