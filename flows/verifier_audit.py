"""How often a run's verifiers are wrong on the cases with known verdicts that come with the source, for the card."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from flows.verify_command import THREADS_PER_WORKER, read_rows
from pipeline.pass_rate import interval
from pipeline.progress import track
from pipeline.records import Problem
from pipeline.run import Run
from pipeline.store import iterate_records
from pipeline.verifiers import VERIFIERS
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import configure

CASES: Final = Path(__file__).parents[1] / "tests" / "verifier_cases"
LEVEL: Final = 0.95
Case = dict[str, Any]


def audit_rows(run: Run, folder: Path = CASES) -> list[tuple[str, ...]]:
    """Return a row for each verifier that the run's problems use and that has cases: its name, the cases, how many are
    as expected, false accepts and false rejects with 95 % Jeffreys intervals. Empty without the cases."""
    used = {problem.verifier for problem in iterate_records(Problem, run.manifest.paths("agree", "settled"))}
    cases = [case for case in _cases(folder) if case["verifier"] in used]
    workers = run.config.verify.workers
    configure(workers=workers, deadline=run.config.verify.deadline_seconds)
    with ThreadPoolExecutor(workers * THREADS_PER_WORKER) as threads, track("audit", len(cases)) as progress:
        verdicts = []
        for verdict in threads.map(_verdict, cases):
            verdicts.append(verdict)
            progress.advance()
    return [
        _row(name, [(c, v) for c, v in zip(cases, verdicts, strict=True) if c["verifier"] == name])
        for name in VERIFIERS
        if any(case["verifier"] == name for case in cases)
    ]


def _cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.jsonl")):
        for _, row in read_rows(path):
            if isinstance(row, dict) and isinstance(row.get("expected"), list) and "completion" in row:
                yield row


def _verdict(case: Case) -> str:
    (found,) = verify_rows([case])
    return str(found["verdict"])


def _row(name: str, judged: Sequence[tuple[Case, str]]) -> tuple[str, ...]:
    refused = [verdict for case, verdict in judged if "correct" not in case["expected"]]
    accepted = [verdict for case, verdict in judged if case["expected"] == ["correct"]]
    right = sum(verdict in case["expected"] for case, verdict in judged)
    false_accepts, false_rejects = refused.count("correct"), len(accepted) - accepted.count("correct")
    rates = (_rate(false_accepts, len(refused)), _rate(false_rejects, len(accepted)))
    return (f"`{name}`", f"{len(judged):,}", f"{right:,}", *rates)


def _rate(count: int, total: int) -> str:
    if total == 0:
        return "–"
    low, high = interval(count, total, "jeffreys", LEVEL)
    return f"{count} of {total} [{low:.1%}, {high:.1%}]"
