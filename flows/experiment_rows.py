"""What the experiment's students are trained on, written from one finished run: rows for SFT and a pool as it came.

sft_verified.jsonl: verified traces of problems within the teacher's difficulty band. sft_double.jsonl: all verified
traces. sft_unverified.jsonl: every whole completion in the same words around it, right or wrong. raw_pool/: all
problems of the run, undrawn, as export/grpo has them. rows.json: how many. Nothing is asked of a model.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.assess import judged_completions
from pipeline.errors import GradatimError
from pipeline.export import GRPO_SCHEMA
from pipeline.prompts import WHOLE_REPLY, render_prompt
from pipeline.records import Assessment, Problem, content_id
from pipeline.run import Run, open_run
from pipeline.store import read_records, write_table, write_text
from pipeline.traces import trace_text

COLUMNS: Final = (
    "prompt",
    "completion",
    "problem_id",
    "completion_id",
    "family",
    "level",
    "tags",
    "answer",
    "verifier",
    "answer_type",
    "tolerance",
)


class NotEnoughRows(GradatimError):
    """A run that is not finished, or that holds no rows of a kind."""


def write_rows(folder: Path, output: Path, rows: int) -> dict[str, int]:
    """Write all files for a run; returns rows.json: what there is of each kind, and `rows`, which is what sft_verified
    and sft_unverified take (sft_double twice that): as asked, or as far as all three kinds reach.

    Raises NotEnoughRows.
    """
    run = open_run(folder)
    exported = run.folder / "export" / "sft" / "train.parquet"
    if not run.manifest.of_stage("export") or not exported.is_file():
        raise NotEnoughRows(f"{folder}: not finished; gradatim build {folder}/config.yaml goes on with it")
    traces = [{name: row[name] for name in COLUMNS} for row in pq.read_table(exported).to_pylist()]
    verified = [row for row in traces if "keep" in row["tags"]]
    unverified = list(_unverified(run))
    counts = {"sft_verified": len(verified), "sft_unverified": len(unverified), "sft_double": len(traces)}
    common = min(rows, len(verified), len(unverified), len(traces) // 2)
    if not common:
        raise NotEnoughRows(f"{folder}: no rows of some kind ({counts}); build a run with more problems")
    for name, kind in (("sft_verified", verified), ("sft_unverified", unverified), ("sft_double", traces)):
        write_text(_jsonl(kind), output / f"{name}.jsonl")
    counts |= {"raw_pool": _raw_pool(run, output / "raw_pool"), "asked for": rows, "rows": common}
    write_text(json.dumps(counts, indent=2) + "\n", output / "rows.json")
    return counts


def _jsonl(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _unverified(run: Run) -> Iterator[dict[str, Any]]:
    """Give every completion that was not cut off, written as a trace would be. There is no column answer: nothing may
    judge these rows."""
    settings = run.config.select
    for unit in run.manifest.of_stage("agree"):
        judged = judged_completions(run, unit.shard)
        for problem in read_records(Problem, run.file(unit, "settled")):
            for completion, verdict in judged.get(problem.id, []):
                if completion.finish_reason != "stop" or not completion.text.strip():
                    continue
                boxed = None if problem.verifier in WHOLE_REPLY else verdict.extracted
                text = trace_text(completion.reasoning, completion.text, boxed, settings)
                yield {
                    "prompt": _prompt(run, problem),
                    "completion": [{"role": "assistant", "content": text}],
                    "problem_id": problem.id,
                    "completion_id": completion.id,
                    "family": problem.family,
                    "level": problem.level,
                    "tags": [problem.family, verdict.verdict],
                }


def _prompt(run: Run, problem: Problem) -> list[dict[str, str]]:
    return [asdict(m) for m in render_prompt(run.config.select.prompt, problem.question, problem.verifier)]


def _raw_pool(run: Run, output: Path) -> int:
    """Write an export folder with every problem of the run, whatever its pass rate. Returns how many."""
    rows = []
    for unit in run.manifest.of_stage("agree"):
        assessed = run.manifest.units[("assess", unit.shard)]
        found = read_records(Assessment, run.file(assessed, "assessments"))
        rates = {a.problem_id: a for a in found if a.model == run.config.reference_model}
        rows += [_pool_row(run, p, rates.get(p.id)) for p in read_records(Problem, run.file(unit, "settled"))]
    path = output / "grpo" / "train.parquet"
    digest = write_table(pa.Table.from_pylist(rows, schema=GRPO_SCHEMA), path)
    listed = [{"path": "grpo/train.parquet", "rows": len(rows), "sha256": digest}]
    manifest = {"run": f"{run.config.run} (raw pool)", "hash": content_id("export", listed), "files": listed}
    write_text(json.dumps(manifest, indent=2) + "\n", output / "manifest.json")
    return len(rows)


def _pool_row(run: Run, problem: Problem, assessment: Assessment | None) -> dict[str, Any]:
    about = ("question", "answer", "verifier", "answer_type", "tolerance", "domain", "family", "level", "strategy")
    measured = (
        {
            "attempts": assessment.attempts,
            "successes": assessment.successes,
            "pass_rate": assessment.pass_rate,
            "reference_model": assessment.model,
            "reference_revision": assessment.revision,
        }
        if assessment
        else {}
    )
    named = {name: getattr(problem, name) for name in about}
    return {"prompt": _prompt(run, problem), "problem_id": problem.id, **named, **measured}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m flows.experiment_rows", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--rows", type=int, required=True, help="rows of sft_verified and sft_unverified")
    options = parser.parse_args(arguments)
    try:
        counts = write_rows(options.run, options.output, options.rows)
    except GradatimError as error:
        print(error, file=sys.stderr)
        return 1
    short = f" ({options.rows} asked for: the run has no more)" if counts["rows"] < options.rows else ""
    print(f"{counts['rows']} rows for each SFT student{short}, twice that for sft_double; {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
