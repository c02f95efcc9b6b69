"""What a STaR round trains on: the traces of its runs in one file, counted, with the leaks measured.

Every row has the prompt without the hint. Only what the runs have committed is read; the same runs give the same file.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from filters.hint_leak import Leak, hint_leak
from filters.trace_quality import whole_text
from flows.star_report import Part, Round, Verdicts
from flows.star_runs import CLOSED_BOOK, GENERATE, RATIONALISE
from pipeline.assess import judged_completions
from pipeline.export import SFT_SCHEMA
from pipeline.hints import hint_for
from pipeline.records import Assessment, Problem, Rejection
from pipeline.report import funnel
from pipeline.run import Run, open_run
from pipeline.star_settings import StarConfig
from pipeline.store import iterate_records, read_records, write_table

TRACES: Final = "traces.parquet"
RATIONALISED: Final = "rationalised"  # tag of a trace whose writer was told the answer


def collect(settings: StarConfig, number: int) -> Round:
    """Write a round's training rows to traces.parquet and return what is known before the training."""
    folder = settings.folder(number)
    generated = open_run(folder / GENERATE)
    hinted, closed = (run_of(settings, number, name) for name in (RATIONALISE, CLOSED_BOOK))
    own = _rows(generated)
    told = [row | {"tags": [*row["tags"], RATIONALISED]} for row in _rows(hinted)] if hinted else []
    if settings.keep == "closed_book":
        resolved = _solved(closed) if closed else set()
        kept = [row for row in told if row["problem_id"] in resolved]
    else:
        kept = told
    write_table(pa.Table.from_pylist([*own, *kept], schema=SFT_SCHEMA), folder / TRACES)
    leaks = Counter(leak.kind for leak in _leaks(hinted, settings)) if hinted else Counter[str]()
    teacher = generated.config.teachers[0]
    part = part_of(generated)
    return Round(
        round=number,
        model=teacher.model,
        revision=teacher.revision or "",
        problems=part.problems,
        generate=part,
        rationalise=part_of(hinted) if hinted else None,
        leaking=leaks.total(),
        leaks=dict(sorted(leaks.items())),
        closed_book=part_of(closed) if closed else None,
        not_resolved=len(told) - len(kept),
        traces=len(own) + len(kept),
        rationalised_traces=len(kept),
    )


def part_of(run: Run) -> Part:
    """Return a run's counts, which the funnel has checked."""
    rows = {row.stage: row for row in funnel(run)}
    assessed = rows["assess"]
    return Part(problems=assessed.taken, solved=assessed.kept, completions=Verdicts(**rows["verify"].details))


def run_of(settings: StarConfig, number: int, name: str) -> Run | None:
    """Return one of a round's runs, None if the round had no use for it."""
    folder = settings.folder(number) / name
    return open_run(folder) if (folder / "config.yaml").is_file() else None


def unsolved(settings: StarConfig, number: int) -> tuple[int, int]:
    """Return how many problems a round left unsolved: those whose answer a hint can tell, and the others."""
    run = open_run(settings.folder(number) / GENERATE)
    out = {r.record_id for r in iterate_records(Rejection, run.manifest.paths("assess", "rejections/assess"))}
    problems = iterate_records(Problem, run.manifest.paths("agree", "settled"))
    askable = [hint_for(problem.verifier, problem.answer) is not None for problem in problems if problem.id in out]
    return askable.count(True), askable.count(False)


def _rows(run: Run) -> list[dict[str, Any]]:
    paths = [path for path in run.manifest.paths("export", "export/sft") if path.stem == "train"]
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def _solved(run: Run) -> set[str]:
    rows = iterate_records(Assessment, run.manifest.paths("assess", "assessments"))
    return {row.problem_id for row in rows if row.successes}


def _leaks(run: Run, settings: StarConfig) -> Iterator[Leak]:
    """Give the leaks among a run's correct completions, whether or not they became traces."""
    for unit in run.manifest.of_stage("agree"):
        judged = judged_completions(run, unit.shard)
        for problem in read_records(Problem, run.file(unit, "settled")):
            for completion, verdict in judged.get(problem.id, []):
                if verdict.verdict == "correct":
                    words = settings.select.min_words_before_answer
                    leak = hint_leak(problem, whole_text(completion), words)
                    if leak is not None:
                        yield leak
