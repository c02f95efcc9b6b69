"""Local model folders: what they must hold, and a revision that follows their content."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import models
from pipeline.models import ModelError, folder_revision, resolve


def make_folder(folder: Path, weights: bytes = b"w" * 100) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.mark.parametrize(
    ("file", "content", "same"),
    [
        ("README.md", b"words", True),
        ("trainer.pt", b"state", True),
        ("config.json", b'{"a": 1}', False),
        ("chat_template.jinja", b"hello", False),
        ("model.safetensors", b"v" * 100, False),
    ],
)
def test_local_revision_follows_the_content(tmp_path: Path, file: str, content: bytes, same: bool) -> None:
    folder = make_folder(tmp_path / "mine")
    before = resolve(str(folder)).revision
    (folder / file).write_bytes(content)
    after = resolve(str(folder)).revision
    assert (before == after) is same
    assert resolve(str(folder), revision=after).path == folder
    if not same:
        with pytest.raises(ModelError, match="the folder's content is now local:"):
            resolve(str(folder), revision=before)


def test_local_revision_sees_large_weights_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "SMALL", 1000)
    random = np.random.default_rng(1)
    first, second = (make_folder(tmp_path / name, random.bytes(2_000_000)) for name in "ab")
    assert folder_revision(first) != folder_revision(second)
    shutil.copy(first / "model.safetensors", second / "model.safetensors")
    assert folder_revision(first) == folder_revision(second)


@pytest.mark.parametrize(
    ("files", "lacking"),
    [
        ({}, "config.json"),
        ({"config.json": "{}"}, "model.safetensors"),
        (
            {"config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"x": "model-1.safetensors"}}'},
            "model-1.safetensors",
        ),
    ],
)
def test_folder_that_is_no_model_is_named(tmp_path: Path, files: dict[str, str], lacking: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=f"has no {lacking}"):
        resolve(str(tmp_path))
