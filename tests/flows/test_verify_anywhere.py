"""A verify call works wherever it is made, and what kills its workers changes no verdict."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.verifiers.judging import clear_cache
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import configure, shared_pool
from tests.isolation import needs_isolation

ROOT = Path(__file__).parents[2]
pytestmark = needs_isolation

SUM = json.dumps({"mode": "stdin", "tests": [{"input": "2 3\n", "output": "5\n"}]})
PROGRAM = "```python\nprint({} + sum(map(int, input().split())))\n```"
ROWS: list[dict[str, Any]] = [
    {"id": "fast", "answer": "42", "completion": r"\boxed{42}"},
    {"id": "worker", "answer": "y=7/x", "answer_type": "equation", "completion": r"\boxed{xy=7}"},
    {"id": "worker, wrong", "answer": "y=7/x", "answer_type": "equation", "completion": r"\boxed{xy=8}"},
    {"id": "program", "answer": SUM, "verifier": "code", "completion": PROGRAM.format(0)},
    {"id": "program, wrong", "answer": SUM, "verifier": "code", "completion": PROGRAM.format(1)},
]
WANTED = ["correct", "correct", "incorrect", "correct", "incorrect"]


def verdicts() -> list[str]:
    clear_cache()
    return [verdict["verdict"] for verdict in verify_rows(ROWS)]


@pytest.fixture(autouse=True)
def small_pool() -> Iterator[None]:
    configure(workers=2, deadline=10)
    yield
    configure()


def test_from_many_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: verdicts(), range(4))) == [WANTED] * 4


def test_in_and_beside_an_event_loop() -> None:
    async def inside() -> list[list[str]]:
        return [verdicts(), *await asyncio.gather(asyncio.to_thread(verdicts), asyncio.to_thread(verdicts))]

    assert asyncio.run(inside()) == [WANTED] * 3


FLOW = """
import asyncio
from prefect import flow, task
from tests.flows.test_verify_anywhere import verdicts

judged = task(verdicts)

@task
async def judged_in_a_loop():
    return verdicts()

@flow
def judging():
    submitted = [judged.submit(), judged.submit()]
    return [judged(), *(future.result() for future in submitted)]

@flow
async def judging_in_a_loop():
    return await judged_in_a_loop()

if __name__ == "__main__":
    print(judging() + [asyncio.run(judging_in_a_loop())])
"""


@pytest.mark.slow
def test_in_prefect_tasks(tmp_path: Path) -> None:
    """Called, submitted to the task runner's threads, and asynchronous."""
    script = tmp_path / "judging.py"
    script.write_text(FLOW, encoding="utf-8")
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1:] == [str([WANTED] * 4)], done.stderr


def busy_workers() -> list[int]:
    """The processes forked by the pool's forking process, whatever they are doing."""
    parent = shared_pool().forking_pid()
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [int(pid) for pid in children.split()]


def test_workers_killed_at_random_change_no_verdict() -> None:
    """SIGKILL of a worker at any moment, and once of the process that forks them: every verdict is what it was."""
    rows = [
        {"answer": f"y={k}/x", "answer_type": "equation", "completion": rf"\boxed{{xy={k + k % 2}}}"}
        for k in range(1, 61)
    ]
    configure(workers=2, deadline=30)
    stop, rng = threading.Event(), random.Random(5)
    killed: list[int] = []

    def kill_now_and_then() -> None:
        while not stop.wait(0.1):
            alive = busy_workers()
            for pid in rng.sample(alive, min(1, len(alive))):
                victim = (shared_pool().forking_pid() or pid) if len(killed) == 3 else pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    found = []
    try:
        with ThreadPoolExecutor(2) as threads:
            while len(killed) < 8:
                clear_cache()
                found.append(list(threads.map(lambda row: next(verify_rows([row]))["verdict"], rows)))
    finally:
        stop.set()
        killer.join()
    wanted = ["incorrect" if k % 2 else "correct" for k in range(1, 61)]
    assert [verdicts for verdicts in found if verdicts != wanted] == []
