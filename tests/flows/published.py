"""A small finished run, and a fake Hub that the libraries of this process take for the real one; for several tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.release_command import Published, publish_run
from flows.stages import plan, run_stage
from pipeline.run import Run, create_run, open_run
from tests.fake_hub import FakeHub, serve_hub, watch_hosts
from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds

ROOT = Path(__file__).parents[2]
REPO = "someone/sums"
WAITED: list[float] = []
TOKEN = "hf_" + "SecretSecretSecret"
COUNT = 40


_BUILT: list[Run] = []
_WATCHED: list[bool] = []
LOOKED_UP: list[str] = []


@pytest.fixture(scope="module", name="run")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run, built once for all test files that ask for it. Nobody may change its tables."""
    if not _BUILT:
        folder = tmp_path_factory.mktemp("small")
        settings = config(folder, "http://unused", count=COUNT)
        with serve(Solver(golds(settings))) as server:
            run = create_run(config(folder, server.url, count=COUNT))
            for stage in plan(run.config):
                run_stage(stage, run.folder)
        _BUILT.append(open_run(run.folder))
    return _BUILT[0]


@pytest.fixture(name="hub")
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that this process' huggingface_hub talks to, with a token in the environment; and no other host is."""
    if not _WATCHED:
        _WATCHED.append(True)
        watch_hosts(LOOKED_UP.append)
    LOOKED_UP.clear()
    with serve_hub() as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        constants = {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "ENDPOINT": hub.url}
        for name, value in {**constants, "HUGGINGFACE_CO_URL_TEMPLATE": template}.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
    assert LOOKED_UP == []


def hub_environment(hub: FakeHub, home: Path) -> dict[str, str]:
    """What a process of its own needs to take the fake hub for the real one."""
    return {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets counts its loads at another host
        "USE_PARQUET_EXPORT": "0",  # and asks a viewer for exports
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "PYTHONPATH": str(ROOT),
    }


def in_a_process(
    program: str, *arguments: str, hub: FakeHub, home: Path, hosts: Path
) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own that notes every other host it looks up or connects to."""
    watched = (
        "from pathlib import Path\nfrom tests.fake_hub import watch_hosts\n"
        f"watch_hosts(lambda host: Path({str(hosts)!r}).open('a').write(host + '\\n'))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", watched + program, *arguments],
        capture_output=True,
        text=True,
        env=hub_environment(hub, home),
        cwd=home,
        timeout=240,
        check=False,
    )


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit's thousand cases are tested where it is; here a row of it will do."""
    row = ("`math`", "9", "9", "0 of 5 [0.0%, 3.0%]", "0 of 4 [0.0%, 4.0%]")
    monkeypatch.setattr("flows.release_command.audit_rows", lambda _: [row])


def publish(run: Run, folder: Path, **options: Any) -> Published:
    WAITED.clear()
    return publish_run(run.folder, REPO, output=folder / "release", wait=WAITED.append, **options)


def on_main(hub: FakeHub) -> dict[str, bytes]:
    return {path: data for path, data in hub.repos[REPO].main.items() if path != ".gitattributes"}


def on_disk(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
