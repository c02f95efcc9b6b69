"""The real thing, small: a real model through vLLM, killed while it solves, and the same command again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.stages import run_stage
from pipeline.config import Config, Sampling, Teacher, VllmEngine
from pipeline.records import Completion
from pipeline.report import funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROGRAM = (
    "import sys; from pathlib import Path; from flows.stages import run_stage\n"
    "if __name__ == '__main__':\n"
    "    for stage in ('generate', 'screen', 'solve'): run_stage(stage, Path(sys.argv[1]))\n"
)
COMPLETIONS = 4


def settings(folder: Path) -> Config:
    teacher = Teacher(
        model="smollm2-135m-instruct",
        engine=VllmEngine(max_num_seqs=8, kv_cache_gib=1),
        sampling=Sampling(max_tokens=64, seed="per_request"),
        completions=COMPLETIONS,
    )
    source = {"strategy": "template", "count": 12, "families": ["gcd_lcm", "rectangles", "shopping"], "levels": [1]}
    return Config.model_validate(
        {
            "run": "real",
            "runs_folder": folder,
            "generate": {"sources": [source], "shard_rows": 6},
            "teachers": [teacher.model_dump()],
        }
    )


def start(program: Path, run: Run) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(program), str(run.folder)], start_new_session=True)


def recorded(run: Run) -> dict[str, bytes]:
    """What is on disk of the completions: journal lines by their beginning (the id is in it), and finished shards."""
    lines = [line for path in (run.folder / "solve").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return {line[-200:].decode(errors="replace"): line for line in lines}


def test_killed_while_solving_nothing_finished_is_generated_again(tmp_path: Path) -> None:
    run = create_run(settings(tmp_path))
    program = tmp_path / "solve.py"
    program.write_text(PROGRAM)
    process = start(program, run)
    try:
        while len(recorded(run)) < 5:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.2)
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for child in children:  # vLLM's own processes are in the group; see that none is left holding memory
        with contextlib.suppress(psutil.NoSuchProcess):
            child.wait(timeout=20)
    before = recorded(run)
    process = start(program, run)
    assert process.wait(timeout=400) == 0
    run = open_run(run.folder)
    again = sum(int(unit.details["recorded_before"]) for unit in run.manifest.of_stage("solve"))
    assert again == len(before) >= 5
    (session,) = run.manifest.of_stage("session")
    rows = list(iterate_records(Completion, run.manifest.paths("solve", "completions")))
    assert session.counts["in"] + again == len(rows) == 12 * COMPLETIONS
    check_completions(rows)
    for stage in ("agree", "verify", "assess", "select", "export"):
        run_stage(stage, run.folder)
    assert {row.stage: row.taken for row in funnel(open_run(run.folder))}["verify"] == len(rows)


def check_completions(rows: list[Completion]) -> None:
    assert len({c.id for c in rows}) == len(rows)
    assert {c.model for c in rows} == {"smollm2-135m-instruct"}
    assert {c.engine for c in rows} == {"vllm"}
    assert all(c.revision.startswith(("sha256:", "12fd25")) for c in rows)
    assert all(0 < c.completion_tokens <= 64 and c.prompt_tokens > 20 for c in rows)
    assert all((c.finish_reason == "length") == (c.completion_tokens == 64) for c in rows)
    assert len({c.text for c in rows}) > len(rows) // 2
