"""The real thing, small: a real model through vLLM, whose engine and whose parent are killed while it solves."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from subprocess import PIPE

import pytest

from flows.stages import run_stage
from pipeline.config import Config, Sampling, Teacher, VllmEngine
from pipeline.records import Completion
from pipeline.report import funnel
from pipeline.run import Run, create_run, open_run
from pipeline.store import iterate_records
from tests.chaos.cycle import Descendant, descendants, lingering, recorded_ids

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROGRAM = """
import sys
from pathlib import Path
from flows.stages import run_stage
from pipeline.errors import GradatimError
from pipeline.teacher_vllm import VllmTeacher

answer = VllmTeacher.answer

async def noted(self, request):
    with Path(sys.argv[2]).open("a") as sent:
        sent.write(request.id + "\\n")
    return await answer(self, request)

if __name__ == "__main__":
    VllmTeacher.answer = noted
    try:
        for stage in ("generate", "screen", "solve"):
            run_stage(stage, Path(sys.argv[1]))
    except GradatimError as error:
        sys.exit(f"gradatim: {error}")
"""
COMPLETIONS = 4
BATCH = 8
WINDOW = 2 * BATCH  # requests that the engine is given at once


def settings(folder: Path) -> Config:
    teacher = Teacher(
        model="smollm2-135m-instruct",
        engine=VllmEngine(max_num_seqs=BATCH, kv_cache_gib=1),
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


class Solving:
    """The stages up to solve as a process of their own; `sent` are the requests that were given to the engine."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.run, self.folder = run, folder
        (folder / "solve.py").write_text(PROGRAM)

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(self.folder / "solve.py"), str(self.run.folder), str(self.folder / "sent")]
        return subprocess.Popen(command, start_new_session=True, stdout=PIPE, stderr=PIPE, text=True)

    @property
    def sent(self) -> Counter[str]:
        return Counter((self.folder / "sent").read_text().splitlines())

    def until_recorded(self, more: int) -> subprocess.Popen[str]:
        """Start, and return once so many completions more are on disk."""
        wanted = len(recorded_ids(self.run.folder)) + more
        process = self.start()
        while len(recorded_ids(self.run.folder)) < wanted:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        return process

    def in_flight(self) -> int:
        return len(self.sent.keys() - recorded_ids(self.run.folder))


def engines(processes: list[Descendant]) -> list[Descendant]:
    """Return vLLM's engine processes, not their workers."""
    return [one for one in processes if b"EngineCore" in Path(f"/proc/{one.pid}/cmdline").read_bytes()]


def test_killed_engine_then_killed_parent_then_it_goes_on(tmp_path: Path) -> None:
    run = create_run(settings(tmp_path))
    solving = Solving(tmp_path, run)

    first = solving.until_recorded(3)
    children = descendants(first.pid)
    (engine,) = engines(children)
    engine.kill()
    printed, said = (text.splitlines() for text in first.communicate(timeout=600))
    assert first.returncode == 1
    assert not any("EngineDeadError" in line for line in printed + said)
    said = [line for line in said if line.startswith("gradatim: ")]
    assert len(said) == 1
    assert said[0].startswith("gradatim: smollm2-135m-instruct: vLLM's engine died")
    assert "the same command goes on" in said[0]
    assert not lingering(children, 300)
    in_flight = solving.in_flight()
    assert 0 < in_flight <= WINDOW

    second = solving.until_recorded(3)
    children = descendants(second.pid)
    assert engines(children)
    second.kill()  # the parent alone: nobody is left to stop its engine
    left = lingering(children, 300)
    for child in left:
        child.kill()
    second.communicate()  # ends once nobody holds its output
    assert not left
    kept = recorded_ids(run.folder)
    assert len(kept) >= 6
    out = solving.in_flight()
    assert 0 < out <= WINDOW

    third = solving.start()
    _, errors = third.communicate(timeout=1200)
    assert third.returncode == 0, errors
    sent = solving.sent
    assert sent.total() - len(sent) <= in_flight + out
    assert not kept & set((tmp_path / "sent").read_text().splitlines()[-(12 * COMPLETIONS - len(kept)) :])
    check_run(run.folder, len(kept))


def check_run(folder: Path, kept: int) -> None:
    run = open_run(folder)
    rows = list(iterate_records(Completion, run.manifest.paths("solve", "completions")))
    assert len(rows) == 12 * COMPLETIONS
    last = max(run.manifest.of_stage("session"), key=lambda unit: unit.shard)
    assert last.counts["in"] + kept == len(rows)
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
