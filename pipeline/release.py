"""The folder that is published of a run: Parquet shards named by their content, the card, the configuration, and a
manifest with every file's hash and all that `gradatim reverify` needs.

Made under a temporary name and renamed when it is whole. The same run and options give the same bytes. Nothing here
contacts a host.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from pipeline.config import Config
from pipeline.dataset_card import CardFacts, dataset_card
from pipeline.licences import Part, combine, model_licence, problem_parts
from pipeline.manifest import Unit
from pipeline.records import SCHEMA_VERSION, canonical_json, content_id
from pipeline.release_facts import models_used, prompts_used
from pipeline.release_rows import KEYS, SPLITS, ReleaseError, portable, release_rows, release_schema, tables, type_name
from pipeline.run import Run
from pipeline.sources import ImportedSource
from pipeline.store import file_digest, write_tables, write_text
from pipeline.verifiers import VERSION

FORMAT: Final = 1
SHARD_ROWS: Final = 50_000
HASH_LETTERS: Final = 16
CONFIGS: Final = ("sft", "grpo", "preferences")
MANIFEST: Final = "manifest.json"
CARD: Final = "README.md"
ELSEWHERE: Final = "http://127.0.0.1:8000/v1"


class ReleaseOptions(NamedTuple):
    """What the publisher chooses. `licences` are those of models, as the publisher states them; `audit` holds rows of
    (verifier, cases, as expected, false accepts, false rejects); `writer_prompts` the messages by prompt version."""

    title: str
    configs: tuple[str, ...] = CONFIGS
    licences: Mapping[str, str] = {}
    audit: Sequence[tuple[str, ...]] = ()
    writer_prompts: Mapping[str, list[list[str]]] = {}
    shard_rows: int = SHARD_ROWS


class Release(NamedTuple):
    """A release on disk, and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def paths(self) -> list[str]:
        """Every file of the release, the manifest last."""
        return [*(file["path"] for file in self.manifest["files"]), MANIFEST]


class _Shards(NamedTuple):
    files: list[dict[str, Any]]
    parts: set[Part]


def build_release(run: Run, folder: Path, options: ReleaseOptions) -> Release:
    """Write the release of a run to `folder`; one that is there already from the same run and options is kept.

    Raises ReleaseError for a run without export, a table it has not, or a release without any row.
    """
    exported = _export_unit(run)
    fingerprint = content_id("release", FORMAT, exported.digest, VERSION, *options, portable_config(run.config))
    kept = open_release(folder, fingerprint)
    if kept is not None:
        return kept
    with _whole_folder(folder) as work:
        shards = _write_shards(run, work, options)
        prompts = {**prompts_used(run), **options.writer_prompts}
        licence = combine(sorted(shards.parts))
        facts = CardFacts(options.title, shards.files, sorted(shards.parts), licence, prompts, options.audit)
        config = portable_config(run.config)
        write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), work / "config.yaml")
        write_text(dataset_card(run, facts), work / CARD)
        files = [*shards.files, *_others(work)]
        manifest = _manifest(run, files, fingerprint, config, prompts) | {
            "licence": {"ids": licence.ids, "parts": [part._asdict() for part in facts.parts]}
        }
        write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", work / MANIFEST)
    return Release(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")))


def open_release(folder: Path, fingerprint: str) -> Release | None:
    """Return the release in a folder if it is the one asked for and every file is what its manifest lists."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("fingerprint") != fingerprint:
        return None
    listed = ((folder / file["path"], file["sha256"]) for file in manifest["files"])
    intact = all(path.is_file() and file_digest(path) == digest for path, digest in listed)
    return Release(folder, manifest) if intact else None


def _export_unit(run: Run) -> Unit:
    again = f"gradatim build {run.folder}/config.yaml"
    units = run.manifest.of_stage("export")
    if not units or run.manifest.finished("export", "0", units[0].fingerprint) is None:
        raise ReleaseError(f"{run.folder}: its export is missing or was changed; {again} makes it")
    if not run.manifest.of_stage("agree"):
        raise ReleaseError(f"{run.folder}: made by an older version, without the stage agree; {again} goes on with it")
    return units[0]


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place when the body succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ReleaseError(f"{folder}: holds something other than a release; choose another folder")
    work = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        shutil.rmtree(folder, ignore_errors=True)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_shards(run: Run, work: Path, options: ReleaseOptions) -> _Shards:
    unlicensed = any(isinstance(s, ImportedSource) and s.licence is None for s in run.config.generate.sources)
    shards = _Shards([], set())
    for name in options.configs:
        if not (run.folder / "export" / name).is_dir():
            raise ReleaseError(f"{run.folder}: its export has no table {name}; there are {', '.join(CONFIGS)}")
        for split in SPLITS:
            rows = release_rows(run, name, split)
            while batch := list(islice(rows, options.shard_rows)):
                for row in batch:
                    shards.parts.update(problem_parts(row, unlicensed, options.licences))
                    if row.get("model"):
                        licence = model_licence(row["model"], options.licences)
                        shards.parts.add(Part(f"completions of {row['model']}", licence))
                shards.files.append(_shard(batch, name, split, work))
    if not shards.files:
        raise ReleaseError(f"{run.folder}: nothing to publish in {', '.join(options.configs)}: no row was kept")
    return shards


def _shard(rows: list[dict[str, Any]], name: str, split: str, work: Path) -> dict[str, Any]:
    schema = release_schema(name)
    written = work / name / "shard.parquet"
    digest = write_tables(tables(iter(rows), schema), schema, written)
    path = f"{name}/{split}-{digest[:HASH_LETTERS]}.parquet"
    written.replace(work / path)
    return {"path": path, "config": name, "split": split, "rows": len(rows), "sha256": digest}


def _others(work: Path) -> list[dict[str, Any]]:
    return [{"path": name, "sha256": file_digest(work / name)} for name in ("config.yaml", CARD)]


def _manifest(
    run: Run, files: Sequence[dict[str, Any]], fingerprint: str, config: dict[str, Any], prompts: dict[str, Any]
) -> dict[str, Any]:
    rows = [file for file in files if "rows" in file]
    names = list(dict.fromkeys(file["config"] for file in rows))
    return {
        "gradatim": FORMAT,
        "run": run.config.run,
        "hash": content_id("export", rows),
        "fingerprint": fingerprint,
        "schema_version": SCHEMA_VERSION,
        "verifier_version": VERSION,
        "files": list(files),
        "keys": {name: KEYS[name] for name in names},
        "schemas": {name: {field.name: type_name(field.type) for field in release_schema(name)} for name in names},
        "seed": run.config.seed,
        "models": models_used(run),
        "prompts": prompts,
        "benchmarks": benchmarks(run.config),
        "config": config,
    }


def benchmarks(config: Config) -> list[dict[str, str]]:
    """Return the benchmark files that a run was compared with, by name and hash."""
    settings = config.screen.decontaminate
    found = settings.benchmarks if settings else ()
    return [
        {"file": path.name, "sha256": file_digest(path) if path.is_file() else "not there any more"} for path in found
    ]


def portable_config(config: Config) -> dict[str, Any]:
    """Return a run's configuration without this machine's folders and hosts; it can be loaded again."""
    content: dict[str, Any] = json.loads(canonical_json(config.model_dump(mode="json")))
    content["runs_folder"] = "data/runs"
    for model in (*content["teachers"], *([content["writer"]] if content["writer"] else [])):
        if "endpoints" in model["engine"]:
            model["engine"]["endpoints"] = [ELSEWHERE]
    found: dict[str, Any] = _portable(content)
    return found


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _portable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_portable(inner) for inner in value]
    return portable(value) if isinstance(value, str) else value
