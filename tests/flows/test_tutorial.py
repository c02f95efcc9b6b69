"""The tutorial typed as written, in a fresh folder: all of it that needs no real model, after the demo's own problems
were solved by the tests' server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.stages import plan, run_stage
from pipeline.config import Config, OpenAIEngine, load_config
from pipeline.run import create_run
from tests.fake_server import MODEL_NAME, serve
from tests.flows.solver import Solver, golds
from tests.test_docs import commands

ROOT = Path(__file__).parents[2]
PAGE = "docs/tutorial.md"
# What installs, asks a real model or trains one; these are parsed in tests/test_docs.py.
NEED_MORE = ("make setup", ". .venv", "gradatim build", "gradatim recalibrate", "python training/")
pytestmark = pytest.mark.slow


def demo(folder: Path, url: str) -> Config:
    """The demo's configuration with the tests' server as the teacher."""
    settings = load_config(ROOT / "configs/demo.yaml", [f"runs_folder={folder / 'data/runs'}"])
    engine = OpenAIEngine(kind="openai", endpoints=(url,), concurrency=4)
    (teacher,) = settings.teachers
    sampling = teacher.sampling.model_copy(update={"seed": "per_request"})
    changed = teacher.model_copy(update={"model": MODEL_NAME, "engine": engine, "sampling": sampling})
    return settings.model_copy(update={"teachers": (changed,)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("clone")
    for name in ("configs", "training"):
        (place / name).symlink_to(ROOT / name)
    settings = demo(place, "http://unused/v1")
    with serve(Solver(golds(settings))) as server:
        settings = demo(place, server.url)
        run = create_run(settings)
        for stage in plan(settings):
            run_stage(stage, run.folder)
    yield place


def test_every_command_works_as_it_is_typed(folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    typed = [words for words in commands(PAGE) if not " ".join(words).startswith(NEED_MORE)]
    assert len(typed) >= 8
    for words in typed:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        # The doctor may miss something here that only the real teacher needs.
        assert done.returncode == 0 or words[1] == "doctor", f"{' '.join(words)}: {done.stderr}{done.stdout}"
        assert done.stdout.strip(), words
        assert "Traceback" not in done.stderr, done.stderr
