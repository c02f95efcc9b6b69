"""A set that was imported to its end is not read again when the run goes on; one that was not is."""

import json
from pathlib import Path
from typing import Any

import pytest

from generators.generate import generate
from generators.imported import read_imported
from pipeline.config import Config
from pipeline.run import Run, create_run, open_run

ROWS = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(8)]


def opened(folder: Path, **source: Any) -> Run:
    raw = {
        "run": "again",
        "runs_folder": folder,
        "generate": {"sources": [{"strategy": "imported", "path": folder / "set.jsonl"} | source], "shard_rows": 4},
        "teachers": [{"model": "m", "engine": {"kind": "openai", "endpoints": ["http://unused/v1"]}}],
    }
    return create_run(Config.model_validate(raw))


@pytest.mark.parametrize(
    ("text", "source", "reads"),
    [
        ("\n".join(ROWS) + "\n", {}, 1),
        ("\n".join(ROWS), {}, 1),
        ("\n".join(ROWS[:7]), {}, 1),
        ("\n".join(ROWS) + "\n", {"limit": 6}, 1),
        ("\n\n".join(ROWS) + "\n", {}, 2),  # blank lines: only reading tells how many rows there are
        ("not JSON\n" + "\n".join(ROWS), {}, 1),  # a broken row is a row
    ],
)
def test_a_finished_import_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, source: dict[str, Any], reads: int
) -> None:
    (tmp_path / "set.jsonl").write_text(text)
    calls: list[None] = []

    def counted(*arguments: Any) -> Any:
        calls.append(None)
        return read_imported(*arguments)

    monkeypatch.setattr("generators.generate.read_imported", counted)
    run = opened(tmp_path, **source)
    generate(run)
    before = run.manifest.path.read_bytes()
    generate(open_run(run.folder))
    assert run.manifest.path.read_bytes() == before
    assert len(calls) == reads


@pytest.mark.parametrize("length", [4, 5, 8])
def test_an_import_that_was_stopped_goes_on(tmp_path: Path, length: int) -> None:
    """After the first shard of four rows, with and without a row behind it that has no line end."""
    (tmp_path / "set.jsonl").write_text("\n".join(ROWS[:length]))
    run = opened(tmp_path)
    generate(run)
    whole = run.manifest.path.read_bytes()
    run.manifest.path.write_bytes(whole[: whole.index(b"\n") + 1])
    again = open_run(run.folder)
    generate(again)
    assert sum(unit.counts["in"] for unit in again.manifest.of_stage("generate")) == length


def test_a_changed_set_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("\n".join(ROWS))
    generate(opened(tmp_path))
    (tmp_path / "set.jsonl").write_text("\n".join(reversed(ROWS)))
    run = open_run(tmp_path / "again")
    before = run.manifest.path.read_bytes()
    generate(run)
    assert run.manifest.path.read_bytes() != before
