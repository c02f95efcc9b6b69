"""`gradatim preview`: a stratified slice of a run, really made by the same stages, and what it says about the whole.

The slice is a run of its own beside the one it stands for. Problems that need no model are generated and screened in
full, so their number is known; of those that a model writes, fewer are asked for. The completions of the former are
handed to the run itself, which then does not ask for them again. forecast.py does the arithmetic.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from flows.forecast import Outcome, Predicted, Stratum, forecast
from flows.stages import plan, run_stage
from pipeline.config import Config
from pipeline.journal import Journal, recorded
from pipeline.manifest import RunLocked, Unit, run_lock
from pipeline.records import Completion, Problem, Rejection, Trace, Verdict, content_id
from pipeline.report import funnel, write_funnel
from pipeline.rows import count_rows
from pipeline.run import Run, Work, create_run, open_run
from pipeline.seeds import rng_for
from pipeline.shard import journal_path, table_path
from pipeline.sources import BackwardSource, EvolvedSource, ImportedSource, Source, WrittenSource, rounds_of
from pipeline.store import iterate_records, read_records, write_text
from pipeline.yields import source_of

FEWEST: Final = 4  # problems of the slice from each source
NOT_DRAWN: Final = "not in the slice"
CHOSEN: Final = "slice.json"
UNKNOWN_SIZE: Final = 1000


class Previewed(NamedTuple):
    """The slice's run, the rows of the forecast (the last is the whole), problems solved in the slice, seconds of the
    whole (`loading`, `solving` from low to high, `others`), its bytes, and completions handed over (None: locked)."""

    run: Run
    rows: list[Predicted]
    slice_problems: int
    loading: float
    solving: tuple[float, float, float]
    others: float
    tokens_per_second: float
    size_bytes: float
    handed_over: int | None


def preview(config: Config, problems: int = 32) -> Previewed:
    """Make the slice (or go on with it) and forecast the whole. Raises what a build raises."""
    settings = slice_config(config, problems)
    with run_lock(settings.folder):
        create_run(settings)
        for stage in plan(settings):
            run_stage(stage, settings.folder)
            if stage == "screen":
                narrow(open_run(settings.folder), problems)
        run = open_run(settings.folder)
        write_funnel(run, funnel(run))
    return _previewed(config, run)


def needs_model(source: Source) -> bool:
    """Tell whether a source's problems are written by a model or made from problems that a model has solved."""
    written = isinstance(source, WrittenSource | EvolvedSource)
    return written or (isinstance(source, BackwardSource) and source.method != "inverse")


def slice_config(config: Config, problems: int) -> Config:
    """Return the configuration of the slice: fewer problems of the sources that need a model, no budget, and a name
    that tells what it stands for."""
    sizes = [nominal_size(source) for source in config.generate.sources]
    sources = [
        _fewer(source, max(FEWEST, round(problems * size / sum(sizes)))) if needs_model(source) else source
        for source, size in zip(config.generate.sources, sizes, strict=True)
    ]
    kept = config.model_dump(mode="json", include={"seed", "generate", "screen", "teachers", "writer"})
    for model in [*kept["teachers"], kept["writer"] or {}]:
        model.pop("engine", None)
    name = f"{config.run}-preview-{content_id('preview', kept, problems)[:6]}"
    generate = config.generate.model_copy(update={"sources": tuple(sources)})
    return config.model_copy(update={"run": name, "generate": generate, "budget": type(config.budget)()})


def _fewer(source: Source, count: int) -> Source:
    """Return a source that asks for so many problems in all, shared by its rounds."""
    each = max(2, round(count / max(rounds_of(source), 1)))
    return source.model_copy(update={"count": min(int(getattr(source, "count", each)), each)})


def nominal_size(source: Source) -> int:
    """Return how many problems a source asks for, as far as that is known beforehand."""
    if isinstance(source, ImportedSource):
        rows = count_rows(source.path) if source.path is not None and source.path.is_file() else None
        return min(rows or UNKNOWN_SIZE, source.limit or rows or UNKNOWN_SIZE)
    return int(getattr(source, "count", UNKNOWN_SIZE)) * max(rounds_of(source), 1)


def narrow(run: Run, problems: int) -> None:
    """Keep the slice of the screened problems that need no model; the rest is rejected as not drawn. What is drawn is
    written down first, so that a killed preview goes on with the same."""
    path = run.folder / CHOSEN
    if not path.is_file():
        write_text(json.dumps(sorted(choose(run, problems))) + "\n", path)
    chosen = set(json.loads(path.read_text(encoding="utf-8")))
    for unit in _base_units(run, "screen"):
        screened = read_records(Problem, run.file(unit, "screened"))
        out = [problem for problem in screened if problem.id not in chosen]
        if out:
            there = [run.folder / f.path for f in unit.files if f.path.startswith("rejections/")]
            refused = [rejection for path in there for rejection in read_records(Rejection, path)]
            refused += [Rejection(p.id, "screen", NOT_DRAWN, "the preview solves a slice of the problems") for p in out]
            kept = [problem for problem in screened if problem.id in chosen]
            work = Work("screen", unit.shard, unit.fingerprint)
            taken = len(kept) + len(refused)
            run.commit(work, {"screened": (Problem, kept)}, taken=taken, kept=len(kept), rejections=refused)


def choose(run: Run, problems: int) -> list[str]:
    """Draw the slice: from each source its share, spread evenly over levels and families."""
    by_source: dict[int, list[Problem]] = {}
    for unit in _base_units(run, "screen"):
        by_source.setdefault(int(unit.shard.partition("-")[0]), []).extend(
            read_records(Problem, run.file(unit, "screened"))
        )
    written = [s for s in run.config.generate.sources if needs_model(s)]
    left = max(problems - sum(nominal_size(source) for source in written), 0)
    quotas = share_out(left, {number: len(there) for number, there in by_source.items()})
    return [p.id for number, there in by_source.items() for p in _draw(run.config.seed, number, there, quotas[number])]


def share_out(count: int, sizes: Mapping[int, int]) -> dict[int, int]:
    """Divide `count` in proportion to the sizes, at least FEWEST to each, none more than there are."""
    total = max(sum(sizes.values()), 1)
    return {name: min(size, max(FEWEST, round(count * size / total))) for name, size in sizes.items()}


def _draw(seed: int, number: int, there: Sequence[Problem], quota: int) -> list[Problem]:
    if quota == 0:
        return []
    rng = rng_for("preview/slice", seed, number)
    # One of each stretch, by lot: at equal distances the slice could miss a level that comes round at the same pace.
    ordered = sorted(there, key=lambda p: (p.level or 0, p.family, rng.random()))
    step = len(ordered) / quota
    return [ordered[min(int((place + rng.random()) * step), len(ordered) - 1)] for place in range(quota)]


def _base_units(run: Run, stage: str) -> Iterator[Unit]:
    """Give the units of the sources that need no model."""
    return (unit for unit in run.manifest.of_stage(stage) if not needs_model(source_of(run, unit.shard)))


def _previewed(config: Config, run: Run) -> Previewed:
    strata = list(_strata(config, run))
    rows = forecast(strata, run.config.select.traces_per_problem, run.config.seed)
    whole = rows[-1]
    here = sum(len(outcome.tokens) for stratum in strata for outcome in stratum.outcomes)
    ratio = whole.completions / here if here else 0.0
    sessions = run.manifest.of_stage("session")
    spent, seconds = sum(u.tokens for u in sessions), sum(u.seconds for u in sessions)
    written = sum(s.size * s.outcomes[0].drafted for s in strata if s.outcomes)  # its time is in the stage generate's
    share = 1 - written / whole.tokens.expected if whole.tokens.expected else 0.0
    each = share * seconds / spent if spent else 0.0
    return Previewed(
        run=run,
        rows=rows,
        slice_problems=sum(bool(outcome.tokens) for stratum in strata for outcome in stratum.outcomes),
        loading=_loading(run),
        solving=(whole.tokens.expected * each, whole.tokens.low * each, whole.tokens.high * each),
        others=_other_seconds(run, ratio),
        tokens_per_second=spent / seconds if seconds else 0.0,
        size_bytes=_bytes(run, ratio),
        handed_over=hand_over(run, config),
    )


def _strata(config: Config, run: Run) -> Iterator[Stratum]:
    """Give the outcomes by strategy. What a model writes counts by what was asked for, refused or not; the rest by what
    was screened."""
    outcomes = _outcomes(run)
    sources = run.config.generate.sources
    for number, source in enumerate(sources):
        units = [u for u in run.manifest.of_stage("screen") if source_of(run, u.shard) is source]
        there = [outcomes[p.id] for p in iterate_records(Problem, [run.file(u, "screened") for u in units])]
        size = sum(u.counts["kept"] + u.counts.get(f"rejected: {NOT_DRAWN}", 0) for u in units)
        if needs_model(source):
            made = [u for u in run.manifest.of_stage("generate") if source_of(run, u.shard) is source]
            asked = max(sum(u.counts["in"] for u in made), len(there), 1)
            drafted = sum(u.tokens for u in made) / asked
            there = [o._replace(drafted=drafted) for o in there]
            there += [Outcome(drafted=drafted)] * (asked - len(there))
            size = nominal_size(config.generate.sources[number])
        name = f"backward, {source.method}" if isinstance(source, BackwardSource) else source.strategy
        yield Stratum(name, size, tuple(there))


def _outcomes(run: Run) -> dict[str, Outcome]:
    """Return what became of every problem that was screened."""
    verdicts = iterate_records(Verdict, run.manifest.paths("verify", "verdicts"))
    correct = {verdict.completion_id for verdict in verdicts if verdict.verdict == "correct"}
    fit = {t.completion_id for t in iterate_records(Trace, run.manifest.paths("select", "traces"))}
    refused = iterate_records(Rejection, run.manifest.paths("select", "rejections/select"))
    fit |= {rejection.record_id for rejection in refused if rejection.filter == "surplus"}
    found: dict[str, list[Completion]] = {}
    for completion in iterate_records(Completion, run.manifest.paths("solve", "completions")):
        found.setdefault(completion.problem_id, []).append(completion)
    problems = iterate_records(Problem, run.manifest.paths("screen", "screened"))
    return {problem.id: _outcome(found.get(problem.id, []), correct, fit) for problem in problems}


def _outcome(panel: Sequence[Completion], correct: set[str], fit: set[str]) -> Outcome:
    return Outcome(
        tokens=tuple(c.completion_tokens for c in panel),
        correct=sum(c.id in correct for c in panel),
        fit=sum(c.id in fit for c in panel),
    )


def _loading(run: Run) -> float:
    """Return how long the teachers take to be ready, each once."""
    longest: dict[str, float] = {}
    for unit in run.manifest.of_stage("session"):
        teacher = unit.shard.partition("-")[0]
        longest[teacher] = max(longest.get(teacher, 0.0), float(unit.details.get("loading_seconds", "0")))
    return sum(longest.values())


def _other_seconds(run: Run, ratio: float) -> float:
    """Return the seconds of the stages without a teacher, and of writing, at the size of the whole."""
    seconds = 0.0
    for unit in run.manifest.units.values():
        if unit.stage in ("generate", "screen"):
            seconds += unit.seconds * (ratio if needs_model(source_of(run, unit.shard)) else 1.0)
        elif unit.stage in ("agree", "verify", "assess", "pool", "select", "export"):
            seconds += unit.seconds * ratio
    return seconds


def _bytes(run: Run, ratio: float) -> float:
    """Return the size of the whole run's committed files: what was made in full as it is, the rest in proportion."""
    size = 0.0
    for unit in run.manifest.units.values():
        full = unit.stage in ("generate", "screen") and not needs_model(source_of(run, unit.shard))
        size += sum((run.folder / f.path).stat().st_size for f in unit.files) * (1.0 if full else ratio)
    return size


def hand_over(run: Run, config: Config) -> int | None:
    """Put the slice's completions where the run itself finds them, so that it does not ask for them again: those of the
    sources that need no model, whose shards and requests are the same. Returns how many; None if the run is at work."""
    handed = 0
    try:
        with run_lock(config.folder):
            target = Run(config.folder, config, run.manifest)
            for unit in run.manifest.of_stage("solve"):
                if not needs_model(source_of(run, unit.shard.partition("-")[2])):
                    handed += _hand_over(target, unit.shard, run.file(unit, "completions"))
    except RunLocked:
        return None
    return handed


def _hand_over(target: Run, shard: str, table: Path) -> int:
    journal = Journal(journal_path(target, shard))
    there = recorded(table_path(target, shard)) | journal.completions
    completions = [c for c in read_records(Completion, table) if c.id not in there]
    for completion in completions:
        journal.add(completion)
    journal.close()
    return len(completions)
