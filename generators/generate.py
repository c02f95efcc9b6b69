"""The generate stage: every source of the configuration becomes shards of problems, each gold checked."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from generators.imported import ImportProblem, read_imported
from generators.templates import FAMILIES
from generators.templates.family import Family, ProofError, generate_problem
from pipeline.config import ImportedSource, TemplateSource
from pipeline.config_files import ConfigError
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Problem, Rejection, content_id
from pipeline.run import Run, Work
from pipeline.store import file_digest
from pipeline.verifiers.golds import check_gold

Row = Problem | Rejection
STAGE: Final = "generate"


def generate(run: Run) -> None:
    """Make every shard of every source that is not there yet."""
    total = sum(s.count for s in run.config.generate.sources if isinstance(s, TemplateSource)) or None
    wanted: set[str] = set()
    with track(STAGE, total) as progress:
        for number, source in enumerate(run.config.generate.sources):
            parts = template_shards(run, source) if isinstance(source, TemplateSource) else imported_shards(run, source)
            for part, (inputs, make) in enumerate(parts):
                shard = f"{number}-{part:05d}"
                wanted.add(shard)
                work = run.unit(STAGE, shard, *inputs)
                unit = work if isinstance(work, Unit) else _finish(run, work, make)
                progress.advance(unit.counts["in"])
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _finish(run: Run, work: Work, make: Callable[[], list[Row]]) -> Unit:
    rows = make()
    problems = [row for row in rows if isinstance(row, Problem)]
    rejections = [row for row in rows if isinstance(row, Rejection)]
    if rejections and run.config.generate.strict:
        raise ImportProblem(f"--strict: {rejections[0].reason}")
    return run.commit(
        work, {"problems": (Problem, problems)}, taken=len(rows), kept=len(problems), rejections=rejections
    )


Part = tuple[tuple[object, ...], Callable[[], list[Row]]]


def template_shards(run: Run, source: TemplateSource) -> Iterator[Part]:
    """Give the shards of a template source as (inputs, how to make it)."""
    families = template_families(source)
    versions = [(family.name, family.version) for family in families]
    size, seed = run.config.generate.shard_rows, run.config.seed
    for start in range(0, source.count, size):
        stop = min(start + size, source.count)

        def make(start: int = start, stop: int = stop) -> list[Row]:
            return [template_row(families, source.levels, seed, index) for index in range(start, stop)]

        yield (seed, source.model_dump(mode="json"), versions, start, stop), make


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


def imported_shards(run: Run, source: ImportedSource) -> Iterator[Part]:
    """Give the shards of an imported set; the file is read once, in a stream."""
    identity: object = source.model_dump(mode="json")
    if source.path is not None:
        identity = [identity, file_digest(source.path) if source.path.is_file() else None]
    rows = read_imported(source, check_gold)
    part = 0
    while chunk := list(islice(rows, run.config.generate.shard_rows)):
        yield (identity, part, len(chunk)), partial(list, chunk)
        part += 1
