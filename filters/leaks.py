"""The comparison with benchmarks as the stages use it: one index per process, for problems and for traces."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from filters.contamination import TRACE_KINDS, ContaminationIndex, Hit, rejection
from filters.contamination_benchmark import read_benchmarks
from pipeline.contamination_settings import Decontamination
from pipeline.records import Problem, Rejection
from pipeline.store import file_digest

Pair = tuple[str, str]  # a text and a benchmark's question
AskSame = Callable[[Sequence[Pair]], Sequence[bool]]


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


def leaked_problems(
    problems: Sequence[Problem], settings: Decontamination, stage: str, ask_same: AskSame | None = None
) -> dict[str, Rejection]:
    """Return a rejection for each problem that resembles a benchmark's question, by the problem's id. With `ask_same`
    a hit in the grey zone counts only where this says that both are the same problem."""
    questions = [problem.question for problem in problems]
    index = index_of(settings)
    hits = index.check_many(questions) if ask_same is None else _adjudicated(index, questions, ask_same)
    return {p.id: rejection(p.id, stage, hit) for p, hit in zip(problems, hits, strict=True) if hit is not None}


def _adjudicated(index: ContaminationIndex, texts: Sequence[str], ask_same: AskSame) -> list[Hit | None]:
    """Check texts again and again, each time with the answers to what the time before had to ask."""
    known: dict[Pair, bool] = {}
    while True:
        unknown: dict[Pair, None] = {}

        def same(text: str, question: str, unknown: dict[Pair, None] = unknown) -> bool:
            pair = (text, question)
            if pair not in known:
                unknown[pair] = None
            return known.get(pair, True)

        hits = index.judged_by(same).check_many(texts)
        if not unknown:
            return hits
        known.update(zip(unknown, ask_same(list(unknown)), strict=True))


def leaked_trace(completion_id: str, text: str, settings: Decontamination, stage: str) -> Rejection | None:
    """Return a rejection if a trace holds a benchmark's question, or a stretch of one."""
    hit = index_of(settings).check(text, TRACE_KINDS)
    return None if hit is None else rejection(completion_id, stage, hit)
