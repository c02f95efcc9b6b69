"""An evaluation against a real server over HTTP, killed in the middle as the kernel kills."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fake_server import MODEL_NAME, FakeServer, serve
from tests.training.examples import grpo_row, problems
from training import evaluate

ROOT = Path(__file__).parents[2]
MADE = problems(12)


def arguments(folder: Path, server: FakeServer, *changes: str) -> list[str]:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps(grpo_row(p)) + "\n" for p in MADE))
    engine = f"evaluation.engine={{kind: openai, endpoints: ['{server.url}'], concurrency: 1, attempts: 1}}"
    found = ["--models", MODEL_NAME, "--problems", str(path), "--output", str(folder / "results")]
    return [*found, "--set", engine, *changes]


def solve(body: dict[str, Any]) -> str:
    question = body["messages"][0]["content"]
    return next(f"\\boxed{{{p.answer}}}" for p in MADE if p.question in question)


def test_a_server_that_fails_is_one_line_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(solve) as server:
        command = arguments(tmp_path, server, "evaluation.sampling_seed=per_request", "evaluation.completions=1")
        server.faults = ["500"]
        assert evaluate.main(command) == 1
        assert f"{server.url}: " in capsys.readouterr().err
        asked = len(server.requests)
        assert evaluate.main(command) == 0
    assert (asked, len(server.requests)) == (1, 25)
    line = json.loads((tmp_path / "results" / "results.json").read_text())["models"][MODEL_NAME]["lines"][0]
    assert (line["greedy"]["value"], line["pass@k"]["1"]["value"]) == (1.0, 1.0)
    sampled = [body for body in server.requests if body["temperature"] > 0]
    assert len({body["seed"] for body in sampled}) == 12  # each its own, and none for the greedy ones
    assert all("seed" not in body for body in server.requests if body["temperature"] == 0)


@pytest.mark.slow
def test_after_sigkill_the_same_command_asks_for_the_rest_only(tmp_path: Path) -> None:
    with serve(solve, seconds_per_answer=0.2) as server:
        command = arguments(tmp_path, server)
        script = [sys.executable, str(ROOT / "training" / "evaluate.py"), *command]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(script, stdout=subprocess.DEVNULL, env=environment) as process:
            while len(server.requests) < 5 and process.poll() is None:
                time.sleep(0.02)
            process.kill()
        asked = len(server.requests)
        assert 5 <= asked < 12
        server.seconds_per_answer = 0.0
        assert evaluate.main(command) == 0
        assert len(server.requests) - asked in (12 - asked, 12 - asked + 1)  # the one in flight was lost, or not
        assert evaluate.main(command) == 0
        assert len(server.requests) <= 13
    found = json.loads((tmp_path / "results" / "results.json").read_text())
    assert found["models"][MODEL_NAME]["lines"][0]["greedy"]["value"] == 1.0
