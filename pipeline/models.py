"""Find a model: a catalogue name, a local folder or a Hub id becomes a folder with a revision that pins its content.

A catalogue model comes from the Hub, or, where the Hub is out of reach, from the package index (model_packages.py).
A folder built from the index is used without asking anyone.
"""

import fnmatch
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from pipeline.model_catalogue import CATALOGUE, ModelError, PackagedModel
from pipeline.model_hub import HUB_FILES, HubUnavailableError, cached_snapshot, missing_file, snapshot
from pipeline.model_packages import build_folder
from pipeline.records import content_id

__all__ = ["CatalogueModel", "ModelError", "ModelFolder", "Source", "catalogue", "fetch", "resolve"]

Source = Literal["auto", "hub", "index"]
SOURCES: Final[dict[str, Source]] = {"auto": "auto", "hub": "hub", "index": "index"}

HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
SMALL: Final = 64 << 20
BLOCKS, BLOCK_BYTES = 256, 4096


@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine. `revision` is the Hub's commit, `sha256:` and the GGUF file's hash, or `local:` and a
    hash of the folder's content."""

    name: str
    path: Path
    revision: str


@dataclass(frozen=True)
class CatalogueModel:
    """A row of the catalogue's listing; `path` is None where the model is not cached."""

    name: str
    licence: str
    size_bytes: int
    download_bytes: int
    source: str
    path: Path | None


def resolve(
    reference: str, *, source: Source | None = None, revision: str | None = None, progress: bool = True
) -> ModelFolder:
    """Return the model's folder, fetching it if need be.

    `source` (default: GRADATIM_MODEL_SOURCE, else auto) concerns catalogue names only. `revision` asks for a Hub
    commit, or demands the content that a ModelFolder recorded. ModelError, in one line, when it cannot be had.
    """
    if any(model.name == reference for model in CATALOGUE):
        return fetch(reference, source=source, revision=revision, progress=progress)
    path = Path(reference).expanduser()
    if path.is_dir():
        return _local_folder(reference, path, revision)
    if HUB_ID.fullmatch(reference):
        try:
            return _from_hub(reference, reference, revision, progress)
        except HubUnavailableError as error:
            raise ModelError(
                f"{reference}: no such folder here, and the Hub does not give it ({error}); {_names()}"
            ) from None
    raise ModelError(
        f"{reference}: neither a catalogue name, nor a folder, nor a Hub id (organisation/name); {_names()}"
    )


def fetch(
    name: str, *, source: Source | None = None, revision: str | None = None, progress: bool = True
) -> ModelFolder:
    """Return a catalogue model's folder. ModelError if the catalogue has no such name."""
    model = next((model for model in CATALOGUE if model.name == name), None)
    if model is None:
        raise ModelError(f"{name}: the catalogue holds no such model; {_names()}")
    source = _source(source)
    if revision is not None:
        source = "index" if revision.startswith("sha256:") else "hub"
        if source == "index" and revision != model.index_revision:
            raise ModelError(
                f"{name}: revision {revision} is asked for, the package index holds {model.index_revision}"
            )
    commit = model.hub_revision if revision is None else revision
    indexed = ModelFolder(name, cache_folder() / model.folder_name, model.index_revision)
    if source == "hub" or (source == "auto" and (cached_snapshot(model.hub_id, commit) or not indexed.path.is_dir())):
        try:
            return _from_hub(name, model.hub_id, commit, progress)
        except HubUnavailableError as error:
            if source == "hub":
                raise ModelError(f"{name}: the Hub does not give {model.hub_id} ({error}); try source index") from None
            if progress:
                note = f"{name}: the Hub does not give {model.hub_id} ({error}); taking it from the package index"
                Console(stderr=True).print(note, highlight=False, soft_wrap=True)
    if not indexed.path.is_dir():
        build_folder(model, indexed.path, progress=progress)
    return indexed


def catalogue() -> list[CatalogueModel]:
    """List the catalogue, and what of it is on this machine."""
    return [
        CatalogueModel(
            model.name,
            model.licence,
            model.size_bytes,
            model.download_bytes,
            f"Hub {model.hub_id}@{model.hub_revision[:12]}, else {len(model.packages)} wheel(s) of the package index",
            _cached(model),
        )
        for model in CATALOGUE
    ]


def cache_folder() -> Path:
    """Where folders built from the package index lie: `models` under GRADATIM_CACHE, else ~/.cache/gradatim."""
    return Path(os.environ.get("GRADATIM_CACHE") or "~/.cache/gradatim").expanduser() / "models"


def _cached(model: PackagedModel) -> Path | None:
    indexed = cache_folder() / model.folder_name
    return cached_snapshot(model.hub_id, model.hub_revision) or (indexed if indexed.is_dir() else None)


def _source(source: Source | None) -> Source:
    wanted = source or os.environ.get("GRADATIM_MODEL_SOURCE") or "auto"
    if wanted not in SOURCES:
        raise ModelError(f"model source {wanted!r} (GRADATIM_MODEL_SOURCE): use one of {', '.join(SOURCES)}")
    return SOURCES[wanted]


def _names() -> str:
    return f"the catalogue holds {', '.join(model.name for model in CATALOGUE)}; or give a local folder or a Hub id"


def _from_hub(name: str, hub_id: str, revision: str | None, progress: bool) -> ModelFolder:
    path = snapshot(hub_id, revision, progress=progress)
    return ModelFolder(name, path, path.name)


def _local_folder(reference: str, path: Path, revision: str | None) -> ModelFolder:
    if lacking := missing_file(path):
        raise ModelError(f"{reference}: this folder is no model, it has no {lacking}; {_names()}")
    found = folder_revision(path)
    if revision not in (None, found):
        raise ModelError(f"{reference}: revision {revision} is asked for, the folder's content is now {found}")
    return ModelFolder(reference, path.resolve(), found)


def folder_revision(folder: Path) -> str:
    """Hash a model folder's content: small files whole, weights by size and 256 blocks spread over the file.

    Weights that were trained again differ in nearly every block, and the blocks take milliseconds to read.
    """
    paths = sorted(path for path in folder.iterdir() if any(fnmatch.fnmatch(path.name, kind) for kind in HUB_FILES))
    return "local:" + content_id("model folder", [(path.name, path.stat().st_size, _digest(path)) for path in paths])


def _digest(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as handle:
        if size <= SMALL:
            digest.update(handle.read())
        else:
            for block in range(BLOCKS):
                handle.seek(block * (size - BLOCK_BYTES) // (BLOCKS - 1))
                digest.update(handle.read(BLOCK_BYTES))
    return digest.hexdigest()
