"""`gradatim refilter`: a finished run's records through changed filters and selection, without a single new token.

The new run lies beside the old one and shares its files by hard links: what depends on nothing that was changed is not
made again. No model is asked: every completion that is recorded counts, and a decision that they do not settle is
undecided. What solving the problems that come in would take is told, and what such decisions need.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from flows.stages import STAGE_FUNCTIONS
from pipeline.assess import judged_by_teacher, problems_as_asked
from pipeline.compare import Difference, compare, difference_text
from pipeline.config import Config, load_config
from pipeline.config_files import ConfigError
from pipeline.manifest import run_lock
from pipeline.records import Completion
from pipeline.report import funnel, write_funnel
from pipeline.run import Run, open_run
from pipeline.stopping import lacking, same_model
from pipeline.store import file_digest, iterate_records, write_text

MADE_FROM: Final = "refiltered_from.json"
FIXED: Final = ("run", "seed", "runs_folder", "generate", "writer", "teachers")
RECOMPUTED: Final = tuple(name for name in STAGE_FUNCTIONS if name != "generate")


class Refiltered(NamedTuple):
    """The new run and how it differs from the old one, per table; how many problems came in `unsolved` with the
    completions `wanted` for them, and how many are `undecided` for want of at most `missing` more."""

    run: Run
    differences: tuple[Difference, ...]
    new_completions: int
    new_tokens: int
    unsolved: int
    wanted: int
    undecided: int
    missing: int
    derived: bool


def refilter(folder: Path, overrides: Sequence[str], name: str | None = None) -> Refiltered:
    """Apply changed settings to a finished run, into a new run beside it (default name "<run>-refiltered").

    The generated problems stay as they are, those with parents too. Raises ConfigError, before anything is written, for
    a run that is not finished, a change of what is paid for (seed, sources, teachers), or a name that is taken.
    """
    source = open_run(folder)
    if not source.manifest.of_stage("export"):
        raise ConfigError(f"{folder}: not finished; gradatim build {folder}/config.yaml goes on with it")
    config = _changed(source, overrides, name or f"{folder.name}-refiltered")
    _check_target(source, config.folder)
    with run_lock(config.folder):
        _take_over(source, config)
        run = open_run(config.folder, recorded_only=True)
        for stage in RECOMPUTED:
            STAGE_FUNCTIONS[stage](run)
        write_funnel(run, funnel(run))
    return _compared(source, run)


def _changed(source: Run, overrides: Sequence[str], name: str) -> Config:
    path = source.folder / "config.yaml"
    changed = load_config(path, overrides)
    fixed = next((key for key in FIXED if getattr(source.config, key) != getattr(changed, key)), None)
    if fixed is not None:
        changeable = ", ".join(key for key in Config.model_fields if key not in FIXED)
        raise ConfigError(
            f"--set {fixed}…: refilter asks no model and makes no problem; what can be changed: {changeable}; gradatim "
            "build makes another run (--set run=…)"
        )
    named = load_config(path, [*overrides, f"run={json.dumps(name)}"])
    return named.model_copy(update={"runs_folder": source.folder.parent})


def _check_target(source: Run, folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier refilter of this run as it is now."""
    if not folder.exists() or {path.name for path in folder.iterdir()} <= {".lock"}:
        return
    path = folder / MADE_FROM
    if not path.is_file() or json.loads(path.read_text(encoding="utf-8")) != _state(source):
        raise ConfigError(f"{folder}: is there already, and not from {source.folder} as it is now; choose another --as")


def _state(source: Run) -> dict[str, str]:
    return {"run": source.config.run, "manifest": file_digest(source.manifest.path)}


def _take_over(source: Run, config: Config) -> None:
    """Link every file of the old run into the new one; the manifest comes last, so that a torn copy is made again."""
    write_text(json.dumps(_state(source)) + "\n", config.folder / MADE_FROM)
    write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), config.folder / "config.yaml")
    manifest = config.folder / source.manifest.path.name
    if manifest.exists():
        return
    listed = {source.folder / file.path for unit in source.manifest.units.values() for file in unit.files}
    for path in sorted(listed | set((source.folder / "fingerprints").glob("*.parquet"))):
        _link(path, config.folder / path.relative_to(source.folder))
    write_text(source.manifest.path.read_text(encoding="utf-8"), manifest)


def _link(path: Path, target: Path) -> None:
    """Files are only ever replaced whole, never written into, so both runs can have the same one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(path)
    except OSError:  # another file system, or one without links
        shutil.copy2(path, target)


def _compared(source: Run, run: Run) -> Refiltered:
    recorded = {completion.id for completion in _completions(source.manifest.paths("solve", "completions"))}
    now = _completions(run.manifest.paths("solve", "completions"))
    new = [completion.completion_tokens for completion in now if completion.id not in recorded]
    unsolved, undecided = _lacking(run)
    return Refiltered(
        run=run,
        differences=tuple(compare(source, run)),
        new_completions=len(new),
        new_tokens=sum(new),
        unsolved=len(unsolved),
        wanted=sum(unsolved.values()),
        undecided=len(undecided),
        missing=sum(undecided.values()),
        derived=any(unit.shard.startswith("g") for unit in run.manifest.of_stage("generate")),
    )


def _completions(paths: Sequence[Path]) -> Iterator[Completion]:
    return iterate_records(Completion, paths)


def _lacking(run: Run) -> tuple[Counter[str], Counter[str]]:
    """Count the completions that are wanted for each screened problem that a model has none of, and the most that may
    be for each other one that a stopping rule would ask more for; what agree has refused is not asked for again."""
    teachers, units = run.config.teachers, run.manifest.units
    unsolved: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    for shard in (unit.shard for unit in run.manifest.of_stage("screen")):
        judged = judged_by_teacher(run, shard)
        solved = [run.file(units[("solve", f"{index}-{shard}")], "completions") for index in range(len(teachers))]
        there = [{completion.problem_id for completion in _completions([path])} for path in solved]
        for problem in problems_as_asked(run, shard).values():
            panel = [[verdict for _, verdict in part.get(problem.id, [])] for part in judged]
            for index, more in enumerate(lacking(run.config, problem, panel)):
                if not any(problem.id in there[entry] for entry in (index, *same_model(run.config, index))):
                    unsolved[problem.id] += teachers[index].completions
                elif more and (panel[index] or problem.id not in there[index]):
                    undecided[problem.id] += more
    return unsolved, undecided


def report(refiltered: Refiltered, examples: int = 3) -> str:
    """Say in lines what came in and went out, by reason, and how to solve what came in."""
    folder = refiltered.run.folder
    lines = [difference_text(difference, examples) for difference in refiltered.differences]
    lines.append(f"{refiltered.new_completions} new completions, {refiltered.new_tokens} new tokens; the run: {folder}")
    if refiltered.unsolved:
        lines.append(
            f"{refiltered.unsolved:,} problems came in that are not solved: {refiltered.wanted:,} completions would be "
            f"needed; to ask for them: gradatim build {folder}/config.yaml"
        )
    if refiltered.undecided:
        lines.append(
            f"{refiltered.undecided:,} problems need more completions for this band, {refiltered.missing:,} at most; "
            f"gradatim build {folder}/config.yaml asks for them"
        )
    if refiltered.derived:
        lines.append("problems made from other problems are as they were; gradatim build would make them anew")
    return "\n".join(lines)
