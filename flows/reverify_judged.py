"""The checks of `gradatim reverify` that ask the verifier, the filters and the benchmarks: golds, traces, filters, near
duplicates, contamination. A sample of the rows may do; which ones is drawn from the rows' number alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from filters.contamination import TRACE_KINDS
from filters.dedup import DuplicateIndex
from filters.leaks import index_of
from filters.trace_quality import first_objection
from generators.templates import FAMILIES
from pipeline.contamination_settings import Decontamination
from pipeline.published import Published, Row, Settings, problem_of, read_rows
from pipeline.records import Completion, Problem, Verdict
from pipeline.seeds import rng_for
from pipeline.verifiers import VERSION, verify
from pipeline.verifiers.golds import check_gold
from pipeline.verifiers.worker import configure
from pipeline.well_posed import fault_of

AHEAD: Final = 256
PATIENCE: Final = 4  # times the run's deadline: an answer that only came late is no difference
SHOWN: Final = 60


class Judging(NamedTuple):
    """A published set with what to look at: at most `sample` rows of each configuration, and benchmark files."""

    published: Published
    sample: int | None
    against: tuple[Path, ...]
    workers: int = 2
    deadline: float = 5.0 * PATIENCE

    @property
    def settings(self) -> Settings | None:
        """The settings of the run."""
        return self.published.settings


def rows_of(judging: Judging, config: str | None = None) -> Iterator[Row]:
    """Give the rows to look at, in order."""
    for name in dict.fromkeys(table.config for table in judging.published.tables):
        if config not in (None, name):
            continue
        total = sum(table.rows for table in judging.published.tables if table.config == name)
        chosen = None
        if judging.sample is not None and judging.sample < total:
            chosen = set(rng_for(f"reverify/{name}", 0, total).sample(range(total), judging.sample))
        for number, row in enumerate(read_rows(judging.published, name)):
            if chosen is None or number in chosen:
                yield row


def problems_of(judging: Judging) -> Iterator[tuple[Row, Problem]]:
    """Give the problems of the rows to look at, each once; those that cannot be read are told by another check."""
    seen: set[str] = set()
    for row in rows_of(judging):
        problem = problem_of(row.fields, judging.settings)
        if problem is not None and problem.id not in seen:
            seen.add(problem.id)
            yield row, problem


def _in_threads(judging: Judging, check: Callable[[Any], list[str]], given: Iterator[Any]) -> Iterator[str]:
    configure(workers=judging.workers, deadline=judging.deadline)
    with ThreadPoolExecutor(judging.workers * 4) as threads:
        while batch := list(islice(given, AHEAD)):
            for lines in threads.map(check, batch):
                yield from lines


def golds(judging: Judging) -> Iterator[str]:
    """Have every verifier read and accept its problem's own gold."""

    def check(pair: tuple[Row, Problem]) -> list[str]:
        fault = check_gold(pair[1])
        return [f"{pair[0].place}: the gold is not accepted: {fault}"] if fault else []

    yield from _in_threads(judging, check, problems_of(judging))


def traces(judging: Judging) -> Iterator[str]:
    """Have the verifier judge every trace, and both sides of every pair, against the gold that the row tells."""

    def check(row: Row) -> list[str]:
        problem = problem_of(row.fields, judging.settings)
        if problem is None:
            return []
        found = []
        for column, wanted in _sides(row):
            text = str(row.fields[column][-1]["content"])
            verdict = verify(problem, completion_of(row, text))
            if verdict.verdict != wanted:
                about = f"{verdict.extracted!r:.{SHOWN}}, gold {problem.answer!r:.{SHOWN}}; {verdict.reason[:SHOWN]}"
                found.append(f"{row.place}: {column} is {verdict.verdict}, not {wanted}: {about}")
        return found

    yield from _in_threads(judging, check, (row for row in rows_of(judging) if row.config != "grpo"))


def _sides(row: Row) -> list[tuple[str, str]]:
    """Return the columns that hold a completion, each with the verdict that it must get."""
    if row.config == "sft":
        return [("completion", "correct")]
    return [("chosen", "correct"), ("rejected", str(row.fields["rejected_verdict"]))]


def completion_of(row: Row, text: str, reasoning: str | None = None) -> Completion:
    """Return a row's completion as a record; what a row does not tell is left empty."""
    fields = row.fields
    return Completion(
        id=fields.get("completion_id") or "",
        problem_id=fields["problem_id"],
        model=fields.get("model") or "",
        revision=fields.get("revision") or "",
        prompt_version=fields.get("prompt_version") or "",
        sampling="{}",
        sample_index=0,
        reasoning=reasoning,
        text=text,
        finish_reason="stop",
        prompt_tokens=0,
        completion_tokens=fields.get("completion_tokens") or 0,
        engine="",
        engine_version="",
    )


def filters(judging: Judging) -> Iterator[str]:
    """Replay the filters that a completion passes to become a trace, or the better side of a pair, on the model's own
    text; an answer that the question gives away is among them."""
    settings = judging.settings
    if settings is None:
        return

    def check(row: Row) -> list[str]:
        problem = problem_of(row.fields, settings)
        if problem is None:
            return []
        reasoning, text = own_text(str(row.fields[_sides(row)[0][0]][-1]["content"]))
        completion = completion_of(row, text, reasoning)
        verdict = Verdict(completion.id, problem.id, "correct", problem.answer, "", problem.verifier, VERSION)
        found = first_objection(problem, (completion, verdict), settings.select)
        return [f"{row.place}: {found.filter}: {found.reason}"] if found else []

    yield from _in_threads(judging, check, (row for row in rows_of(judging) if row.config != "grpo"))


def ill_posed(judging: Judging) -> Iterator[str]:
    """Screen the imported questions again for being ill-posed; the others are proved, or examined when written."""
    if judging.settings is None or not judging.settings.screen.ill_posed:
        return
    for row, problem in problems_of(judging):
        fault = fault_of(problem.question) if problem.strategy == "imported" else None
        if fault is not None:
            yield f"{row.place}: {fault.name}: {fault.shown_by[:SHOWN]}"


def own_text(trace: str) -> tuple[str | None, str]:
    """Return the reasoning and the text that a trace was written from: of one that only boxes its answer after the
    thinking, the thinking is the text."""
    if not trace.startswith("<think>\n") or "\n</think>" not in trace:
        return None, trace
    thinking, _, text = trace.removeprefix("<think>\n").rpartition("\n</think>")
    text = text.strip()
    boxed = text.startswith("\\boxed{") and text.endswith("}") and "\n" not in text
    return (None, thinking) if boxed or not text else (thinking, text)


def near_duplicates(judging: Judging) -> Iterator[str]:
    """Screen all problems again for exact and near duplicates, by the settings of the run; never a sample of them."""
    if judging.settings is None:
        return
    blind = frozenset(family.name for family in FAMILIES.values() if family.number_blind)
    index = DuplicateIndex(judging.settings.screen.near_duplicates, blind)
    everything = problems_of(judging._replace(sample=None))
    while batch := list(islice(everything, AHEAD * 16)):
        places = {problem.id: row.place for row, problem in batch}
        _, found = index.screen([problem for _, problem in batch])
        yield from (f"{places[one.record_id]}: {one.filter}: {one.reason}" for one in found)


def contamination(judging: Judging) -> Iterator[str]:
    """Compare questions, and traces, with the given benchmarks, by the settings of the run or else the usual ones."""
    if not judging.against:
        return
    own = judging.settings.screen.decontaminate if judging.settings else None
    settings = (own or Decontamination()).model_copy(update={"benchmarks": judging.against, "allow_file": None})
    index = index_of(settings)
    for row, problem in problems_of(judging):
        (hit,) = index.check_many([problem.question])
        if hit is not None:
            yield f"{row.place}: {hit.reason}"
    for row in (row for row in rows_of(judging) if row.config != "grpo"):
        for column, _ in _sides(row):
            hit = index.check(str(row.fields[column][-1]["content"]), TRACE_KINDS)
            if hit is not None:
                yield f"{row.place}: in the {'trace' if column == 'completion' else column}, {hit.reason}"
