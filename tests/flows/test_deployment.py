"""The Prefect sequence of the README, typed as written against a real server and a real worker."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.report import funnel
from pipeline.run import open_run
from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds, yaml_of

ROOT = Path(__file__).parents[2]
COUNT = 8
pytestmark = pytest.mark.slow


def readme_commands(port: int) -> list[list[str]]:
    """Return the commands of the README's Prefect section, with another port."""
    section = (ROOT / "README.md").read_text().split("## Prefect", 1)[1]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = [line.removesuffix("&").strip().replace("4200", str(port)) for line in block[1].strip().splitlines()]
    return [line.split() for line in lines]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def background(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(url: str, log: Path) -> None:
    for _ in range(480):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.5)
    raise AssertionError(f"no answer from {url}: {log.read_text()[-2000:]}")


def test_the_readme_sequence_completes_and_a_missing_model_fails(tmp_path: Path) -> None:
    export, server, pool, deploy, worker, run = readme_commands(port := free_port())
    name, _, value = export[1].partition("=")
    environment = {
        **os.environ,
        name: value,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_DATABASE_TIMEOUT": "60",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def typed(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    logs = {part: tmp_path / f"{part}.log" for part in ("server", "worker")}
    with background(server, environment, logs["server"]):
        wait_for(f"http://127.0.0.1:{port}/api/health", logs["server"])
        for command in (pool, deploy):
            done = typed(command)
            assert done.returncode == 0, done.stdout + done.stderr
        assert_as_written(listed(value, "deployments"), {row["id"]: row["name"] for row in listed(value, "flows")})
        with (
            background(worker, environment, logs["worker"]),
            serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as teacher,
        ):
            path = yaml_of(config(tmp_path / "runs", teacher.url, count=COUNT), tmp_path / "good.yaml")
            done = typed([part.replace("configs/demo.yaml", str(path)) for part in run])
            assert done.returncode == 0, done.stdout + done.stderr + logs["worker"].read_text()[-3000:]
            assert "Completed" in done.stdout
            assert funnel(open_run(tmp_path / "runs/small"))[2].kept == len(teacher.requests) > 0
            assert {"progress", "table", "markdown"} <= {row["type"] for row in listed(value, "artifacts")}

            missing = config(tmp_path / "other", teacher.url, count=COUNT)
            absent = missing.teachers[0].model_copy(update={"model": "no/such-model"})
            path = yaml_of(missing.model_copy(update={"teachers": (absent,)}), tmp_path / "bad.yaml")
            done = typed([part.replace("configs/demo.yaml", str(path)) for part in run])
            assert done.returncode != 0
            assert "finished in state 'Failed'" in done.stdout
            (failed,) = [run for run in listed(value, "flow_runs") if run["state"]["type"] == "FAILED"]
            (line,) = failed["state"]["message"].splitlines()
            assert "solve: http://127.0.0.1" in line
            assert "does not serve no/such-model; it serves fake/model" in line


def assert_as_written(deployments: list[dict[str, Any]], flows: dict[str, str]) -> None:
    """The server has every deployment of prefect.yaml, no schedule runs yet, and its page explains each parameter."""
    there = {f"{flows[row['flow_id']]}/{row['name']}": row for row in deployments}
    assert set(there) == {"build-dataset/local", "build-dataset/nightly", "star/local", "publish/local"}
    assert [name for name, row in there.items() if row["schedules"]] == ["build-dataset/nightly"]
    assert not any(schedule["active"] for row in deployments for schedule in row["schedules"])
    for name, row in there.items():
        properties = row["parameter_openapi_schema"]["properties"]
        assert set(row["parameters"]) <= set(properties)
        assert all(parameter.get("description") for parameter in properties.values()), name
        assert all((ROOT / path).is_file() for key, path in row["parameters"].items() if key == "config"), name


def listed(api: str, kind: str) -> list[dict[str, Any]]:
    """Ask the Prefect server for all it has of a kind."""
    rows: list[dict[str, Any]] = httpx.post(f"{api}/{kind}/filter", json={}, timeout=10).raise_for_status().json()
    return rows
