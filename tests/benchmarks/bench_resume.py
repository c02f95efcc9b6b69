"""Many recorded completions from generation to export: seconds and peak memory by stage, and what a resume costs.

    python tests/benchmarks/bench_resume.py [--rows 1000000] [--prefect]

Rows are completions, four to a problem of the template families, a quarter of them wrong; they are written into the
journals that the solve stage finds, so nothing is asked. The run is made at a fifth of the size first: memory that is
flat is the same for both. A resume is the same command on the finished run; its first second or two is imports.
`--prefect` adds the flow's own cost on the finished run, as a share of the build.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from flows.quiet import quiet_prefect
from flows.stages import STAGE_FUNCTIONS, run_stage
from pipeline.config import Config, OpenAIEngine, Teacher, load_config
from pipeline.manifest import run_lock
from pipeline.records import Completion, Problem, canonical_json
from pipeline.run import create_run, open_run
from pipeline.seeds import rng_for
from pipeline.shard import journal_path
from pipeline.store import read_records
from pipeline.teacher import identity_of, make_request
from tests.fake_server import MODEL_NAME, serve

PER_PROBLEM: Final = 4
DEFAULT_ROWS: Final = 50_000
FAMILIES: Final = ("work_rate", "shopping", "ages", "linear_system", "travel", "rectangles")
WORDS: Final = (
    "first",
    "then",
    "add",
    "take",
    "away",
    "rest",
    "we",
    "know",
    "that",
    "so",
    "now",
    "count",
    "each",
    "part",
)
BEFORE_SOLVE: Final = ("generate", "screen")


def settings(folder: Path, url: str, rows: int) -> Config:
    """A run of so many completions; problems that turn out to be duplicates make it a few per cent fewer."""
    engine = OpenAIEngine(kind="openai", endpoints=(url,))
    source = {"strategy": "template", "count": rows // PER_PROBLEM, "families": FAMILIES}
    return Config.model_validate(
        {
            "run": "resume",
            "runs_folder": folder,
            "generate": {"sources": [source], "shard_rows": 1000},
            "teachers": [Teacher(model=MODEL_NAME, engine=engine, completions=PER_PROBLEM).model_dump()],
        }
    )


def record(config: Config) -> int:
    """Write every completion of the screened problems into the journals; return how many."""
    run = open_run(config.folder)
    (teacher,) = config.teachers
    identity = identity_of(teacher)
    count = 0
    for unit in run.manifest.of_stage("screen"):
        path = journal_path(run, f"0-{unit.shard}")
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8") as out:
            for problem in read_records(Problem, run.file(unit, "screened")):
                for place in range(PER_PROBLEM):
                    out.write(canonical_json(asdict(_completion(identity, teacher, problem, place))) + "\n")
                    count += 1
    return count


def _completion(identity: tuple[str, str], teacher: Teacher, problem: Problem, place: int) -> Completion:
    request = make_request(identity, teacher, problem, place)
    rng = rng_for("bench/resume/" + request.id, 0, place)
    answer = problem.answer if place else "-777"
    text = " ".join(rng.choices(WORDS, k=60)) + f" \\boxed{{{answer}}}"
    sampling = canonical_json(request.sampling.model_dump())
    model, revision = identity
    version = request.prompt_version
    return Completion(
        request.id, problem.id, model, revision, version, sampling, place, None, text, "stop", 90, 64, "openai", "1"
    )


def work(path: Path, stages: list[str]) -> None:
    """Run stages in this process; print seconds and the peak so far for each of them, in MB."""
    config = load_config(path)
    with run_lock(config.folder):
        create_run(config)
        for stage in stages:
            began, cpu = time.perf_counter(), time.process_time()
            kept = record(config) if stage == "record" else run_stage(stage, config.folder)["kept"]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds, own = time.perf_counter() - began, time.process_time() - cpu
            print(json.dumps({"stage": stage, "seconds": seconds, "cpu": own, "peak": peak, "kept": kept}), flush=True)


def in_process(path: Path, *stages: str) -> tuple[list[dict[str, Any]], float]:
    """Run stages in a process of their own; return their rows and the whole process's seconds."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--work", str(path), *stages]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()], time.perf_counter() - began


def flow_seconds(path: Path) -> float:
    """Run the flow, Prefect's server included, on a run that is finished."""
    program = "import sys; from flows.build_dataset import build_dataset; build_dataset(sys.argv[1])"
    prefect = {"PREFECT_HOME": str(path.parent / "prefect"), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300"}
    environment = {**os.environ, **prefect}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, env=environment)
    return time.perf_counter() - began


def measure(rows: int, with_prefect: bool) -> float:
    """Build and resume a run of so many completions; returns the peak memory in MB."""
    stages = tuple(STAGE_FUNCTIONS)
    with tempfile.TemporaryDirectory() as scratch, serve(lambda _body: "nothing is asked") as server:
        folder = Path(scratch)
        path = folder / "config.yaml"
        config = settings(folder, server.url, rows)
        path.write_text(config.model_dump_json(), encoding="utf-8")
        before, _ = in_process(path, *BEFORE_SOLVE)
        in_process(path, "record")
        after, _ = in_process(path, *(stage for stage in stages if stage not in BEFORE_SOLVE))
        assert not server.requests
        (completions,) = (row["kept"] for row in after if row["stage"] == "solve")
        print(f"\n{completions:,} completions of {before[-1]['kept']:,} problems")
        for row in (*before, *after):
            rate = completions / row["cpu"]
            times = f"{row['seconds']:8.1f} s, {row['cpu']:8.1f} s of CPU, {rate:10,.0f} rows/s of CPU"
            print(f"  {row['stage']:9} {times}, peak {row['peak']:6,.0f} MB")
        finished = (config.folder / "manifest.jsonl").read_bytes()
        again, whole = in_process(path, *stages)
        assert (config.folder / "manifest.jsonl").read_bytes() == finished
        took = sum(row["seconds"] for row in again)
        print(
            f"  resume: {whole:.1f} s, of which {took:.2f} s looking: {took / completions * 1e6:.1f} s per million rows"
        )
        build = sum(row["seconds"] for row in (*before, *after))
        if with_prefect:
            flow_seconds(path)  # the first one makes Prefect's database
            over = flow_seconds(path) - whole
            print(f"  Prefect: {len(stages)} tasks, {over:.1f} s, {over / (build + over):.1%} of the build")
        return float(max(row["peak"] for row in (*before, *after)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS)
    parser.add_argument("--prefect", action="store_true")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(Path(arguments.work[0]), arguments.work[1:])
        return
    quiet_prefect()
    small = measure(arguments.rows // 5, False)
    large = measure(arguments.rows, arguments.prefect)
    more = arguments.rows - arguments.rows // 5
    print(f"\npeak memory {large:,.0f} MB; {large - small:,.0f} MB more for {more:,} more completions")


if __name__ == "__main__":
    main()
