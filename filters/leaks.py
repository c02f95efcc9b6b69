"""The comparison with benchmarks as the stages use it: one index per process, for problems and for traces."""

from collections.abc import Sequence
from functools import lru_cache, partial

from filters.contamination import TRACE_KINDS, ContaminationIndex, rejection
from filters.contamination_benchmark import read_benchmarks
from pipeline.contamination_settings import Decontamination
from pipeline.records import Problem, Rejection
from pipeline.store import file_digest


def benchmark_digests(settings: Decontamination | None) -> list[str]:
    """Return the digests of all files that a comparison depends on."""
    if settings is None:
        return []
    files = (*settings.benchmarks, *((settings.allow_file,) if settings.allow_file else ()))
    return [file_digest(path) for path in files]


@lru_cache(maxsize=2)
def index_of(settings: Decontamination) -> ContaminationIndex:
    """Build the index of the benchmarks that the settings name."""
    if not settings.semantic:
        return ContaminationIndex(read_benchmarks(settings), settings)
    from filters.embeddings import embed

    return ContaminationIndex(read_benchmarks(settings), settings, embed=partial(embed, model=settings.semantic_model))


def leaked_problems(problems: Sequence[Problem], settings: Decontamination, stage: str) -> dict[str, Rejection]:
    """Return a rejection for each problem that resembles a benchmark's question, by the problem's id."""
    hits = index_of(settings).check_many([problem.question for problem in problems])
    return {p.id: rejection(p.id, stage, hit) for p, hit in zip(problems, hits, strict=True) if hit is not None}


def leaked_trace(completion_id: str, text: str, settings: Decontamination, stage: str) -> Rejection | None:
    """Return a rejection if a trace holds a benchmark's question, or a stretch of one."""
    hit = index_of(settings).check(text, TRACE_KINDS)
    return None if hit is None else rejection(completion_id, stage, hit)
