"""The verify stage: a verdict for every completion."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Completion, Problem, Verdict
from pipeline.run import Run
from pipeline.store import read_records
from pipeline.verifiers import VERSION, verify
from pipeline.verifiers.worker import configure

STAGE: Final = "verify"


def verify_completions(run: Run) -> None:
    """Verify every solved shard that has no verdicts yet. Every verdict is kept: nothing is rejected here."""
    solved = run.manifest.of_stage("solve")
    configure(workers=run.config.verify.workers, deadline=run.config.verify.deadline_seconds)
    with (
        track(STAGE, sum(unit.counts["kept"] for unit in solved)) as progress,
        ThreadPoolExecutor(run.config.verify.workers) as threads,
    ):
        for unit in solved:
            screened = screened_unit(run, unit.shard)
            work = run.unit(
                STAGE, unit.shard, unit.digest, screened.digest, VERSION, run.config.verify.deadline_seconds
            )
            if not isinstance(work, Unit):
                problems = {p.id: p for p in read_records(Problem, run.file(screened, "screened"))}
                completions = read_records(Completion, run.file(unit, "completions"))
                verdicts = list(threads.map(verify, [problems[c.problem_id] for c in completions], completions))
                found = Counter(verdict.verdict for verdict in verdicts)
                run.commit(
                    work,
                    {"verdicts": (Verdict, verdicts)},
                    taken=len(verdicts),
                    kept=len(verdicts),
                    details={name: str(count) for name, count in sorted(found.items())},
                )
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in solved}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def screened_unit(run: Run, solved_shard: str) -> Unit:
    """Return the screened shard that a solved shard ("<teacher>-<screened shard>") belongs to."""
    return run.manifest.units[("screen", solved_shard.partition("-")[2])]
