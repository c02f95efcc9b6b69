"""The assess stage: how often each model solves each problem, with an interval, and what follows from it.

Two steps: a problem that no model of the panel solves is rejected (its gold may be wrong, or it is out of reach); a
problem outside the difficulty band of the reference model leaves the GRPO pool, not the run. A completion that could
not be judged enters no rate. With a stopping rule a decision is made only where no completion that is missing could
change it; else it is undecided.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pipeline.config import Assess, Band, Config
from pipeline.manifest import Unit
from pipeline.pass_rate import decide, interval
from pipeline.progress import track
from pipeline.records import (
    Assessment,
    Completion,
    Problem,
    Rejection,
    Verdict,
    canonical_json,
)
from pipeline.run import Run, Work
from pipeline.stopping import FIXED, lacking, rule_name, same_model
from pipeline.store import read_records
from pipeline.verifiers.golds import canonical_answer

STAGE: Final = "assess"
POOL: Final = "pool"
MORE: Final = "more completions could change that"
Judged = tuple[Completion, Verdict]


def assess(run: Run) -> None:
    """Assess every agreed shard for every teacher, and decide."""
    units = run.manifest.of_stage("agree")
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for unit in units:
            judged = judged_digests(run, unit.shard)
            inputs = (run.config.assess.model_dump(mode="json"), unit.digest, *judged, *_rules(run.config))
            pool = run.unit(POOL, unit.shard, *inputs)  # committed last: while it is missing, both are done again
            if isinstance(pool, Work) or run.manifest.finished(STAGE, unit.shard, pool.fingerprint) is None:
                works = (Work(stage, unit.shard, pool.fingerprint) for stage in (STAGE, POOL))
                _assess_shard(run, unit, *works)
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in units}
    run.manifest.forget(STAGE, keep=wanted.__contains__)
    run.manifest.forget(POOL, keep=wanted.__contains__)


def _rules(config: Config) -> list[object]:
    """Return what says which completions are missing: nothing without a stopping rule."""
    rules = [(teacher.completions, rule_name(teacher)) for teacher in config.teachers]
    return [[rules, config.agree.disputed]] if any(teacher.stopping for teacher in config.teachers) else []


def judged_digests(run: Run, shard: str) -> list[str]:
    """Return the digests of an agreed shard's completions and verdicts, of all teachers."""
    units = run.manifest.units
    names = [f"{index}-{shard}" for index in range(len(run.config.teachers))]
    return [units[(stage, name)].digest for name in names for stage in ("solve", "verify")]


def _assess_shard(run: Run, unit: Unit, work: Work, pool: Work) -> None:
    problems = read_records(Problem, run.file(unit, "settled"))
    by_teacher = judged_by_teacher(run, unit.shard)
    asked = problems_as_asked(run, unit.shard)
    rules = {teacher.model: rule_name(teacher) for teacher in run.config.teachers}
    assessments: list[Assessment] = []
    unsolved: list[Rejection] = []
    outside: list[Rejection] = []
    for problem in problems:
        parts = [judged.get(problem.id, []) for judged in by_teacher]
        panel = [pair for part in parts for pair in part]
        open_models = undecided_models(run.config, asked[problem.id], parts)
        found = [
            replace(
                a,
                stopping=rules.get(a.model, FIXED),
                decision="undecided" if (a.model, a.revision) in open_models else a.decision,
            )
            for a in assess_problem(problem, panel, run.config.assess)
        ]
        assessments += found
        refusal = solvability(problem, panel, found)
        if refusal is None:
            refused = not_in_pool(problem, found, run.config.reference_model, run.config.assess.band)
            outside += [refused] if refused else []
        else:
            unsolved.append(refusal)
    kept = len(problems) - len(unsolved)
    run.commit(work, {"assessments": (Assessment, assessments)}, taken=len(problems), kept=kept, rejections=unsolved)
    run.commit(pool, {}, taken=kept, kept=kept - len(outside), rejections=outside)


def judged_completions(run: Run, shard: str) -> dict[str, list[Judged]]:
    """Return each problem's completions with their verdicts, all teachers together, in the order of the requests."""
    judged: dict[str, list[Judged]] = {}
    for part in judged_by_teacher(run, shard):
        for problem, pairs in part.items():
            judged.setdefault(problem, []).extend(pairs)
    return judged


def judged_by_teacher(run: Run, shard: str) -> list[dict[str, list[Judged]]]:
    """Return for each teacher every problem's completions with their verdicts, in the order of the requests."""
    units = run.manifest.units
    parts: list[dict[str, list[Judged]]] = []
    for index in range(len(run.config.teachers)):
        name = f"{index}-{shard}"
        completions = read_records(Completion, run.file(units[("solve", name)], "completions"))
        verdicts = {v.completion_id: v for v in read_records(Verdict, run.file(units[("verify", name)], "verdicts"))}
        parts.append({})
        for completion in completions:
            if completion.id in verdicts:
                parts[index].setdefault(completion.problem_id, []).append((completion, verdicts[completion.id]))
    return parts


def problems_as_asked(run: Run, shard: str) -> dict[str, Problem]:
    """Return a shard's problems as the teachers were asked: with the golds of before the agree stage."""
    return {p.id: p for p in read_records(Problem, run.file(run.manifest.units[("screen", shard)], "screened"))}


def undecided_models(config: Config, problem: Problem, parts: Sequence[Sequence[Judged]]) -> set[tuple[str, str]]:
    """Return the models, with revision, for which completions that are missing could change the decision; `parts` are
    those of each teacher."""
    missing = lacking(config, problem, [[verdict for _, verdict in part] for part in parts])
    entries = [i for i, t in enumerate(config.teachers) if missing[i] and len(parts[i]) < t.completions]
    together = {i for entry in entries for i in (entry, *same_model(config, entry))}
    return {(completion.model, completion.revision) for i in together for completion, _ in parts[i]}


def assess_problem(problem: Problem, panel: Sequence[Judged], settings: Assess) -> list[Assessment]:
    """Return one assessment per model of the panel, in the order in which the models first appear."""
    answers = _answers(problem, panel)
    agreed, votes = answers.most_common(1)[0] if answers else (None, 0)
    agreement = votes / answers.total() if answers else None
    by_model: dict[tuple[str, str], list[Verdict]] = {}
    for completion, verdict in panel:
        by_model.setdefault((completion.model, completion.revision), []).append(verdict)
    assessments = []
    for (model, revision), verdicts in by_model.items():
        successes = sum(v.verdict == "correct" for v in verdicts)
        attempts = sum(v.verdict != "undecided" for v in verdicts)
        low, high = interval(successes, attempts, settings.interval, settings.level)
        assessments.append(
            Assessment(
                problem_id=problem.id,
                model=model,
                revision=revision,
                attempts=attempts,
                successes=successes,
                undecided=len(verdicts) - attempts,
                pass_rate=successes / attempts if attempts else None,
                interval_low=low,
                interval_high=high,
                interval_level=settings.level,
                interval_method=settings.interval,
                decision=decide(successes, attempts, settings.band),
                agreement=agreement,
                agreed_answer=agreed,
            )
        )
    return assessments


def _answers(problem: Problem, panel: Sequence[Judged]) -> Counter[str]:
    """Count the panel's committed answers in canonical form, those that could not be read left out."""
    found = (canonical_answer(problem, c) for c, v in panel if v.verdict in ("correct", "incorrect"))
    return Counter(answer for answer in found if answer is not None)


def solvability(problem: Problem, panel: Sequence[Judged], assessments: Sequence[Assessment]) -> Rejection | None:
    """Return why a problem is not known to be solvable: no model of the panel reached its answer, or None."""
    if any(a.successes for a in assessments):
        return None
    attempts = sum(a.attempts for a in assessments)
    answers = _answers(problem, panel)
    votes_of_all, rates = dict(answers.most_common()), [_measured(a) for a in assessments]
    evidence = canonical_json({"answer": problem.answer, "panel": votes_of_all, "measured": rates})
    if not panel:
        return Rejection(problem.id, STAGE, "undecided", "not solved: no completion of it is recorded", None, evidence)
    if attempts == 0:
        reason = f"none of the {len(panel)} completions could be judged (cut off, or out of time)"
        return Rejection(problem.id, STAGE, "undecided", reason, None, evidence)
    agreed, votes = answers.most_common(1)[0] if answers else ("nothing", 0)
    tried = f"no model reached {problem.answer} in {attempts} attempt{'s' * (attempts > 1)}"
    if any(a.decision == "undecided" and a.attempts for a in assessments):
        return Rejection(problem.id, STAGE, "undecided", f"{tried}, but {MORE}", None, evidence)
    reason = f"{tried}: {'; '.join(map(_counted, assessments))}; {votes} agree on {agreed}"
    return Rejection(problem.id, STAGE, "unsolved", reason, votes / attempts, evidence)


def not_in_pool(problem: Problem, assessments: Sequence[Assessment], model: str, band: Band) -> Rejection | None:
    """Return why a problem is not in the pool of the reference model, or None: a budget may have ended the run before
    that model was asked."""
    reference = next((a for a in assessments if a.model == model), None)
    if reference is None:
        return Rejection(problem.id, POOL, "undecided", f"no completion of it by {model}", None, "{}")
    return outside_band(reference, band)


def outside_band(assessment: Assessment, band: Band) -> Rejection | None:
    """Return why a problem is not in the pool: its pass rate for the reference model is outside the band, or None."""
    if assessment.decision == "keep":
        return None
    allowed = f"band {band.min_pass_rate:g} to {band.max_pass_rate:g}"
    more = f", but {MORE}" if assessment.decision == "undecided" and assessment.attempts else ""
    reason = f"{_counted(assessment)}; {allowed}{more}"
    evidence = canonical_json(_measured(assessment))
    return Rejection(assessment.problem_id, POOL, assessment.decision, reason, assessment.pass_rate, evidence)


def _counted(assessment: Assessment) -> str:
    ends = f"[{assessment.interval_low:.2f}, {assessment.interval_high:.2f}]"
    return f"{assessment.successes} of {assessment.attempts} correct for {assessment.model}, interval {ends}"


def _measured(assessment: Assessment) -> dict[str, object]:
    """Return what a decision rests on, as evidence."""
    return {
        "model": assessment.model,
        "revision": assessment.revision,
        "successes": assessment.successes,
        "attempts": assessment.attempts,
        "interval": [round(assessment.interval_low, 4), round(assessment.interval_high, 4)],
        "level": assessment.interval_level,
        "method": assessment.interval_method,
    }
