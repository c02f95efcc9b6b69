"""The command as people type it: one flow behind it, one line for a mistake, and nothing lost by Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.report import funnel
from pipeline.run import open_run
from pipeline.sources import ImportedSource
from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds, yaml_of

COUNT = 8


def gradatim(*arguments: str, prefect_home: Path, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PREFECT_HOME": str(prefect_home)}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.fixture(scope="module")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.mark.slow
def test_build_then_build_again_then_show(tmp_path: Path, prefect_home: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as server:
        path = yaml_of(config(tmp_path, server.url, count=COUNT), tmp_path / "config.yaml")
        done = gradatim("build", str(path), prefect_home=prefect_home)
        assert done.returncode == 0, done.stderr
        requests = len(server.requests)
        again = gradatim("build", str(path), prefect_home=prefect_home)
        assert len(server.requests) == requests > 0
    for expected in ("funnel", "screen", "completion tokens", "export/sft", "python training/distill.py"):
        assert expected in done.stdout
    assert "Traceback" not in done.stderr
    assert "nothing to do" not in done.stdout
    assert "nothing to do: this run is finished" in again.stdout
    saved = json.loads((tmp_path / "small/funnel.json").read_text())
    assert [stage["kept"] for stage in saved["stages"]] == [row.kept for row in funnel(open_run(tmp_path / "small"))]
    shown = gradatim("show", str(tmp_path / "small"), "--stage", "traces", "--n", "2", prefect_home=prefect_home)
    assert shown.stdout.count("[assistant] <think>") == 2


@pytest.mark.slow
def test_the_flow_file_is_a_script_too(tmp_path: Path, prefect_home: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT)))) as server:
        path = yaml_of(config(tmp_path, server.url, count=COUNT), tmp_path / "config.yaml")
        environment = {**os.environ, "PREFECT_HOME": str(prefect_home)}
        command = [sys.executable, "flows/build_dataset.py", str(path)]
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)
    assert funnel(open_run(tmp_path / "small"))[2].kept > 0


def mistakes(folder: Path) -> list[tuple[str, list[str], int, str]]:
    """Give (name, arguments after the config, exit code, what the line must say)."""
    broken = folder / "broken.jsonl"
    broken.write_text('{"question": "What is 1 + 1?", "answer": "2"}\n{"question": \n')
    columns = folder / "columns.jsonl"
    columns.write_text('{"prompt": "What is 1 + 1?", "gold": "2"}\n')

    def source(path: Path) -> str:
        text = ImportedSource(strategy="imported", path=path).model_dump_json()
        return f"generate.sources=[{text}]"

    return [
        ("unknown key", ["--set", "colour=red"], 2, "unknown key colour; allowed here: agree, assess, budget, export"),
        (
            "missing column",
            ["--set", source(columns)],
            1,
            "generate: {columns}: no column question; it has: prompt, gold",
        ),
        ("broken line", ["--strict", "--set", source(broken)], 1, "broken.jsonl:2: expected a JSON object"),
        ("unreachable", [], 1, "solve: http://127.0.0.1:9/v1: no answer"),
        ("missing file", ["--set", source(folder / "absent.jsonl")], 1, "absent.jsonl: cannot be read"),
        ("unknown family", ["--set", "generate.sources.0.families=[x]"], 2, "generate: unknown template family x"),
    ]


@pytest.mark.slow
def test_each_mistake_is_one_line_with_its_exit_code(tmp_path: Path, prefect_home: Path) -> None:
    for name, arguments, code, message in mistakes(tmp_path):
        runs = tmp_path / name
        path = yaml_of(config(runs, "http://127.0.0.1:9/v1", count=COUNT), tmp_path / "config.yaml")
        done = gradatim("build", str(path), *arguments, prefect_home=prefect_home)
        said = done.stderr.strip().splitlines()
        assert sum(line.endswith("; tried again in 20 s") for line in said) == (2 if name == "unreachable" else 0)
        lines = [line for line in said if not line.startswith("solve: opening") and "; tried again" not in line]
        assert done.returncode == code, (name, done.stderr)
        assert len(lines) == 1, (name, done.stderr)
        assert message.format(columns=tmp_path / "columns.jsonl") in lines[0]
        if name == "unknown key":
            assert not runs.exists()


@pytest.mark.slow
def test_a_broken_line_goes_to_the_rejections_and_the_run_goes_on(tmp_path: Path, prefect_home: Path) -> None:
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text('{"question": "What is 1 + 1?", "answer": "2"}\n{"question": \n')
    settings = config(tmp_path, "http://unused", count=COUNT)
    source = ImportedSource(strategy="imported", path=mixed)
    with serve(Solver({"What is 1 + 1?": "2"})) as server:
        settings = config(tmp_path, server.url, generate={"sources": [source.model_dump(mode="json")]})
        done = gradatim("build", str(yaml_of(settings, tmp_path / "config.yaml")), prefect_home=prefect_home)
    assert done.returncode == 0, done.stderr
    assert funnel(open_run(tmp_path / "small"))[0].rejected == {"import": 1}
    shown = gradatim("show", str(tmp_path / "small"), "--stage", "rejections", prefect_home=prefect_home)
    assert "mixed.jsonl:2: expected a JSON object" in shown.stdout


@pytest.mark.slow
def test_ctrl_c_stops_within_ten_seconds_and_nothing_is_lost(tmp_path: Path, prefect_home: Path) -> None:
    with serve(Solver(golds(config(tmp_path, "http://unused", count=COUNT))), seconds_per_answer=0.5) as server:
        path = yaml_of(config(tmp_path, server.url, count=COUNT), tmp_path / "config.yaml")
        # A shell that put the tests into the background has SIGINT ignored in all its children: undo that.
        program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        command = [sys.executable, "-c", program + "from flows.cli import main; main()", "build", str(path)]
        environment = {**os.environ, "PREFECT_HOME": str(prefect_home)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while len(server.requests) < 10:
                time.sleep(0.05)
                assert process.poll() is None
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            stopped = time.monotonic() - started
            assert process.stderr is not None
            errors = process.stderr.read()
        assert process.returncode == 130, errors
        assert "the same command goes on" in errors
        assert stopped < 10
        journal = next((tmp_path / "small/solve").glob("*.jsonl")).read_text().splitlines()
        assert len(journal) >= 4
        before = len(server.requests)
        server.seconds_per_answer = 0.0
        assert gradatim("build", str(path), prefect_home=prefect_home).returncode == 0
        wanted = funnel(open_run(tmp_path / "small"))[2].kept
        assert len(server.requests) - before == wanted - len(journal)
