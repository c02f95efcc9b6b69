"""The verify stage: a verdict for every completion of a problem whose gold is settled."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Completion, Problem, Rejection, Verdict
from pipeline.run import Run, Work
from pipeline.store import read_records
from pipeline.verifiers import VERSION, verify
from pipeline.verifiers.worker import configure

STAGE: Final = "verify"


def verify_completions(run: Run) -> None:
    """Verify every solved shard that has no verdicts yet. A verdict rejects nothing; only the completions of problems
    that the agree stage has refused leave here."""
    solved = run.manifest.of_stage("solve")
    configure(workers=run.config.verify.workers, deadline=run.config.verify.deadline_seconds)
    with (
        track(STAGE, sum(unit.counts["kept"] for unit in solved)) as progress,
        ThreadPoolExecutor(run.config.verify.workers) as threads,
    ):
        for unit in solved:
            settled = settled_unit(run, unit.shard)
            inputs = (unit.digest, settled.digest, VERSION, run.config.verify.deadline_seconds)
            work = run.unit(STAGE, unit.shard, *inputs)
            if isinstance(work, Work):
                _verify_shard(run, unit, settled, work, threads)
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in solved}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _verify_shard(run: Run, unit: Unit, settled: Unit, work: Work, threads: ThreadPoolExecutor) -> None:
    problems = {p.id: p for p in read_records(Problem, run.file(settled, "settled"))}
    completions = read_records(Completion, run.file(unit, "completions"))
    judged = [c for c in completions if c.problem_id in problems]
    left = [c for c in completions if c.problem_id not in problems]
    verdicts = list(threads.map(verify, [problems[c.problem_id] for c in judged], judged))
    found = Counter(verdict.verdict for verdict in verdicts)
    run.commit(
        work,
        {"verdicts": (Verdict, verdicts)},
        taken=len(completions),
        kept=len(verdicts),
        rejections=[Rejection(c.id, STAGE, "problem refused", "the agree stage refused its problem") for c in left],
        details={name: str(count) for name, count in sorted(found.items())},
    )


def settled_unit(run: Run, solved_shard: str) -> Unit:
    """Return the agreed shard that a solved shard ("<teacher>-<screened shard>") belongs to."""
    return run.manifest.units[("agree", solved_shard.partition("-")[2])]
