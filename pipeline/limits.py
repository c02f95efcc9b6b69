"""What a user of a run's rows should know against them, from the run's own figures. Every line is one limit."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from pipeline.records import Assessment
from pipeline.release_facts import gold_counts, models_used
from pipeline.report import funnel
from pipeline.run import Run
from pipeline.store import iterate_records

FEW_ATTEMPTS: Final = 8


def limits(run: Run) -> list[str]:
    """Return the limits that hold for this run."""
    return [line for limit in _LIMITS for line in limit(run)]


def _unproved(run: Run) -> Iterator[str]:
    counts = gold_counts(run)
    agreed = counts["adopted"] + counts["repaired"]
    if agreed:
        yield (
            f"{agreed:,} of {counts.total():,} golds rest on the agreement of models (`gold_status` adopted or "
            "repaired); models that err alike agree on errors"
        )
    if counts["given"]:
        yield f"{counts['given']:,} golds are as they came with imported problems"


def _undecided(run: Run) -> Iterator[str]:
    verify = next(row for row in funnel(run) if row.stage == "verify")
    judged = sum(verify.details.values())
    undecided = verify.details.get("undecided", 0)
    if judged and undecided:
        yield (
            f"{undecided:,} of {judged:,} completions could not be judged (cut off at the token limit, or out of "
            "time). They count neither for nor against a problem, so pass rates lean to what is solved shortly"
        )


def _coarse(run: Run) -> Iterator[str]:
    assessments = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    attempts = Counter(a.attempts for a in assessments if a.model == run.config.reference_model)
    if attempts and max(attempts) < FEW_ATTEMPTS:
        yield (
            f"a pass rate rests on at most {max(attempts)} completions of a problem: read the interval, and measure "
            "again before you rely on single problems"
        )
    if any(teacher.stopping for teacher in run.config.teachers):
        yield "sampling stopped early where the decision was known, so attempts differ from problem to problem"


def _one_model(run: Run) -> Iterator[str]:
    models = {row["model"] for row in models_used(run) if row["role"] == "solved"}
    if len(models) == 1:
        yield f"all traces are of one model, `{models.pop()}`, with its habits and its errors on the way to an answer"
    yield "a verdict is on the final answer: steps on the way were filtered by rules, not proved"
    if run.config.select.wrong_arithmetic != "reject":
        yield "traces with a wrong line of arithmetic were not refused (`select.wrong_arithmetic`)"


def _unscreened(run: Run) -> Iterator[str]:
    screen = run.config.screen
    if screen.near_duplicates is None:
        yield "near duplicates were not looked for"
    if screen.decontaminate is None:
        yield "no benchmark was compared with: it may hold questions of one"
    if not screen.ill_posed:
        yield "imported questions were not checked for being ill-posed"
    if any(source.strategy == "template" for source in run.config.generate.sources):
        yield "template problems repeat their wordings with other numbers; their variety is that of the templates"


_LIMITS: Final[tuple[Callable[[Run], Iterator[str]], ...]] = (
    _unproved,
    _undecided,
    _coarse,
    _one_model,
    _unscreened,
)
