"""The generate stage: every source of the configuration becomes shards of problems, each gold checked."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from generators.backward import backward_shards
from generators.evolve import evolved_shards
from generators.gym import gym_shards
from generators.imported import ImportProblem, read_imported
from generators.made import Made, Part, Row
from generators.run_source import run_shards
from generators.templates import FAMILIES
from generators.templates.family import Family, ProofError, generate_problem
from generators.written import written_shards
from pipeline.ask import OutOfBudget, forget_journal
from pipeline.config_files import ConfigError
from pipeline.manifest import Unit
from pipeline.progress import say, track
from pipeline.records import Completion, Problem, Rejection, content_id
from pipeline.rows import exact_rows
from pipeline.run import Run, Work
from pipeline.shard import STOPPED
from pipeline.sources import ImportedSource, TemplateSource
from pipeline.store import file_digest
from pipeline.verifiers.golds import check_gold

STAGE: Final = "generate"


def generate(run: Run) -> None:
    """Make every shard of every source that is not there yet. Sources whose problems have parents give the shards whose
    parents are assessed; the stage is run again after the next round."""
    sources = run.config.generate.sources
    total = sum(getattr(s, "count", 0) for s in sources) if all(hasattr(s, "count") for s in sources) else None
    wanted: set[str] = set()
    with track(STAGE, total) as progress:
        for number, source in enumerate(sources):
            for part in SHARDS[source.strategy](run, source, number):
                wanted.add(part.shard)
                unit = _made(run, part)
                forget_journal(run, part.shard)
                progress.advance(unit.counts["in"])
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _made(run: Run, part: Part) -> Unit:
    """Make a shard unless it is there; one that the budget has no tokens left for is empty and says so."""
    work = run.unit(STAGE, part.shard, *part.inputs)
    if isinstance(work, Unit):
        return work
    try:
        return _finish(run, work, part.make)
    except OutOfBudget as stopped:
        empty = run.unit(STAGE, part.shard, *part.inputs, STOPPED, str(stopped))
        if isinstance(empty, Unit):
            return empty
        say(f"{part.shard}: stopped by budget: {stopped}")
        return run.commit(empty, {"problems": (Problem, [])}, taken=0, kept=0, details={STOPPED: str(stopped)})


def _finish(run: Run, work: Work, make: Callable[[], Made]) -> Unit:
    rows, drafts = make()
    problems = [row for row in rows if isinstance(row, Problem)]
    rejections = [row for row in rows if isinstance(row, Rejection)]
    if rejections and run.config.generate.strict:
        raise ImportProblem(f"--strict: {rejections[0].reason}")
    tables: dict[str, Any] = {"problems": (Problem, problems)}
    if drafts:
        tables["drafts"] = (Completion, list(drafts))
    tokens = sum(draft.completion_tokens for draft in drafts)
    return run.commit(work, tables, taken=len(rows), kept=len(problems), rejections=rejections, tokens=tokens)


def template_shards(run: Run, source: TemplateSource, number: int) -> Iterator[Part]:
    """Give the shards of a template source."""
    families = template_families(source)
    versions = [(family.name, family.version) for family in families]
    size, seed = run.config.generate.shard_rows, run.config.seed
    for part, start in enumerate(range(0, source.count, size)):
        stop = min(start + size, source.count)

        def make(start: int = start, stop: int = stop) -> Made:
            return Made([template_row(families, source.levels, seed, index) for index in range(start, stop)])

        yield Part(f"{number}-{part:05d}", (seed, source.model_dump(mode="json"), versions, start, stop), make)


def template_families(source: TemplateSource) -> list[Family[Any]]:
    """Return the families a source names. Raises ConfigError for an unknown family or a level that none of them has."""
    names = list(FAMILIES) if source.families == "all" else list(source.families)
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise ConfigError(f"unknown template family {unknown[0]}; there are: {', '.join(FAMILIES)}")
    families = [FAMILIES[name] for name in names]
    for level in source.levels or ():
        lacking = [family.name for family in families if level not in family.levels]
        if len(lacking) == len(families):
            raise ConfigError(f"no chosen template family has level {level}")
    return families


def template_row(families: list[Family[Any]], levels: tuple[int, ...] | None, seed: int, index: int) -> Row:
    """Make problem number `index` of a source: families take turns, and within a family its levels do."""
    turn, place = divmod(index, len(families))
    family = families[place]
    chosen = [level for level in family.levels if levels is None or level in levels] or list(family.levels)
    try:
        problem = generate_problem(family, seed, turn, chosen[turn % len(chosen)])
    except ProofError as error:
        return Rejection(content_id("draw", family.name, seed, turn), STAGE, "proof", str(error))
    refusal = check_gold(problem)
    return problem if refusal is None else Rejection(problem.id, STAGE, "gold", refusal)


def imported_shards(run: Run, source: ImportedSource, number: int) -> Iterator[Part]:
    """Give the shards of an imported set; the file is read once, in a stream, and not again if all of it is there."""
    identity: object = source.model_dump(mode="json")
    if source.path is not None:
        identity = [identity, file_digest(source.path) if source.path.is_file() else None]
    known = _imported_before(run, source, number, identity)
    if known is not None:
        yield from known
        return
    rows = read_imported(source, check_gold)
    part = 0
    while chunk := list(islice(rows, run.config.generate.shard_rows)):
        yield Part(f"{number}-{part:05d}", (identity, part, len(chunk)), partial(Made, chunk))
        part += 1


def _imported_before(run: Run, source: ImportedSource, number: int, identity: object) -> list[Part] | None:
    """Return the shards of a file that was imported to its end, or None: a million rows take minutes to check again."""
    rows = exact_rows(source.path) if source.path is not None and source.path.is_file() else None
    if rows is None:
        return None
    parts: list[Part] = []
    start = 0
    while (unit := run.manifest.units.get((STAGE, f"{number}-{len(parts):05d}"))) is not None:
        part = Part(unit.shard, (identity, len(parts), unit.counts["in"]), partial(_import, source, start, unit))
        if isinstance(run.unit(STAGE, part.shard, *part.inputs), Work):
            return None
        parts.append(part)
        start += unit.counts["in"]
    return parts if start == min(rows, source.limit or rows) else None


def _import(source: ImportedSource, start: int, unit: Unit) -> Made:
    return Made(list(islice(read_imported(source, check_gold), start, start + unit.counts["in"])))


SHARDS: Final[dict[str, Callable[[Run, Any, int], Iterator[Part]]]] = {
    "template": template_shards,
    "imported": imported_shards,
    "reasoning_gym": gym_shards,
    "written": written_shards,
    "evolved": evolved_shards,
    "backward": backward_shards,
    "run": run_shards,
}
