"""The verbs that look at a run, as they are typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipeline.config_files import ConfigError
from tests.pipeline.made_run import make_run


def test_report_writes_the_page_and_says_where(tmp_path: Path) -> None:
    run = make_run(tmp_path, 12)
    done = CliRunner().invoke(app, ["report", str(run.folder)])
    assert done.exit_code == 0, done.output
    assert str(run.folder / "report.html") in done.output
    assert (run.folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    other = tmp_path / "elsewhere.html"
    assert CliRunner().invoke(app, ["report", str(run.folder), "--output", str(other)]).exit_code == 0
    assert "holds an equation" not in other.read_text(encoding="utf-8")
    assert "nearly the same words" in other.read_text(encoding="utf-8")


def test_watch_prints_one_look(tmp_path: Path) -> None:
    run = make_run(tmp_path, 12)
    done = CliRunner().invoke(app, ["watch", str(run.folder), "--once"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("made: finished")
    assert "export" in done.output


@pytest.mark.parametrize("verb", ["report", "watch"])
def test_a_folder_without_a_run_is_one_line(tmp_path: Path, verb: str) -> None:
    done = CliRunner().invoke(app, [verb, str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "not a run" in str(done.exception)
