"""Rows of a run as people read them, for `gradatim show` and the summary pages."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

from pipeline.calibration import show_calibration
from pipeline.config_files import ConfigError
from pipeline.records import Assessment, Problem, Rejection, Trace
from pipeline.run import STAGES, Run
from pipeline.store import iterate_records


def show(run: Run, stage: str, count: int) -> Iterator[str]:
    """Give the first rows of a stage as text, a few of every shard: what SHOWN names.

    Raises ConfigError for another stage.
    """
    if stage not in SHOWN:
        raise ConfigError(f"--stage {stage}: choose one of {', '.join(SHOWN)}")
    return islice(SHOWN[stage](run), count)


def _problems(run: Run) -> Iterator[str]:
    for p in iterate_records(Problem, run.manifest.paths("screen", "screened")):
        level = "" if p.level is None else f", level {p.level}"
        yield f"{p.id}  {p.strategy}: {p.family}{level}\n{p.question}\n→ {p.answer}  ({p.answer_type}, {p.verifier})"


def _assessments(run: Run) -> Iterator[str]:
    questions = _questions(run)
    for a in iterate_records(Assessment, run.manifest.paths("assess", "assessments")):
        rate = "no decided attempt" if a.pass_rate is None else f"pass rate {a.pass_rate:.2f}"
        interval = f"[{a.interval_low:.2f}, {a.interval_high:.2f}]"
        yield (
            f"{a.problem_id}  {a.decision}: {a.successes} of {a.attempts} by {a.model}, {rate} {interval}\n"
            f"{questions[a.problem_id]}"
        )


def _traces(run: Run) -> Iterator[str]:
    for t in iterate_records(Trace, run.manifest.paths("select", "traces")):
        turns = "\n".join(f"[{m.role}] {m.content}" for m in t.messages)
        yield f"{t.problem_id} / {t.completion_id}  {t.completion_tokens} tokens, {t.chosen_because}\n{turns}"


def _rejections(run: Run) -> Iterator[str]:
    questions = _questions(run)
    rows = [iterate_records(Rejection, run.manifest.paths(stage, f"rejections/{stage}")) for stage in STAGES]
    for r in _in_turns(rows):
        score = "" if r.score is None else f" (score {r.score:.2f})"
        question = questions.get(r.record_id)
        about = f"\n{question}" if question else ""
        evidence = "" if r.evidence == "{}" else f"\nevidence: {_evidence(r.evidence)}"
        yield f"{r.record_id}  {r.stage} · {r.filter}: {r.reason}{score}{about}{evidence}"


def _in_turns(sources: list[Iterator[Rejection]]) -> Iterator[Rejection]:
    """Take one from every stage in turn, so that a few rows show all of them."""
    for row in zip_longest(*sources):
        yield from (rejection for rejection in row if rejection is not None)


def _evidence(text: str) -> str:
    return ", ".join(f"{key}={value}" for key, value in json.loads(text).items())


def _questions(run: Run) -> dict[str, str]:
    paths: list[Path] = run.manifest.paths("generate", "problems")
    return {p.id: p.question for p in iterate_records(Problem, paths)}


SHOWN: Final[dict[str, Callable[[Run], Iterator[str]]]] = {
    "problems": _problems,
    "assessments": _assessments,
    "traces": _traces,
    "rejections": _rejections,
    "calibration": show_calibration,
}


def traces_markdown(run: Run, count: int) -> str:
    """Return some traces as Markdown; model text goes into fences that it cannot close."""
    parts = []
    for text in show(run, "traces", count):
        longest = max((len(run_of_ticks) for run_of_ticks in re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        parts.append(f"{fence}text\n{text}\n{fence}")
    return "## Traces\n\n" + "\n\n".join(parts)
