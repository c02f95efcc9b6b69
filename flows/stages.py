"""The stages of a build as plain functions of a run folder, in order. Flows and tests call the same ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from filters.screen import screen
from filters.selection import select
from filters.solvability import agree
from generators.generate import generate
from generators.run_source import keep_golds
from generators.templates import FAMILIES
from pipeline.assess import assess
from pipeline.config import Config
from pipeline.export import export
from pipeline.manifest import run_lock
from pipeline.report import funnel, write_funnel
from pipeline.run import Run, create_run, open_run
from pipeline.solve import solve
from pipeline.sources import golds_are_settled
from pipeline.verify import verify_completions


def screen_problems(run: Run) -> None:
    """Screen all problems; families say whether other numbers make another problem."""
    screen(run, frozenset(family.name for family in FAMILIES.values() if family.number_blind))


def settle_golds(run: Run) -> None:
    """Settle golds by the panel; problems taken over from another run bring theirs with them."""
    if golds_are_settled(run.config.generate.sources):
        keep_golds(run)
    else:
        agree(run)


def solve_all(run: Run) -> None:
    """Have every teacher of the panel solve, one after the other."""
    for index in range(len(run.config.teachers)):
        solve(run, index)


STAGE_FUNCTIONS: Final[dict[str, Callable[[Run], None]]] = {
    "generate": generate,
    "screen": screen_problems,
    "solve": solve_all,
    "agree": settle_golds,
    "verify": verify_completions,
    "assess": assess,
    "select": select,
    "export": export,
}


def plan(config: Config) -> tuple[str, ...]:
    """Return the stages in the order in which they run: problems that have parents wait for a round of solving, so the
    stages up to assess come once more for each such round."""
    order = tuple(STAGE_FUNCTIONS)
    until = order.index("assess") + 1
    return order[:until] * (1 + config.rounds) + order[until:]


def run_stage(name: str, folder: Path) -> dict[str, int]:
    """Run one stage of a run folder to its end; what is finished already is not done again. Returns its counts."""
    run = open_run(folder)
    STAGE_FUNCTIONS[name](run)
    units = run.manifest.of_stage(name)
    return {key: sum(unit.counts[key] for unit in units) for key in ("in", "kept")}


def build(config: Config) -> Run:
    """Run all stages of a configuration here, without any server; goes on where an earlier attempt was stopped."""
    with run_lock(config.folder):
        create_run(config)
        for stage in plan(config):
            run_stage(stage, config.folder)
        run = open_run(config.folder)
        write_funnel(run, funnel(run))
    return run
