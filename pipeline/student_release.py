"""What is published of a trained student: weights, tokenizer, what it was trained on, and its card with the licence of
its base model and its evaluation. Checkpoints and the optimiser's state stay here."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.errors import GradatimError
from pipeline.licences import OTHER, hub_id, model_licence
from pipeline.model_catalogue import CATALOGUE
from pipeline.records import content_id
from pipeline.release_rows import portable
from pipeline.store import file_digest, write_text

RECORD: Final = "gradatim.json"
CARD: Final = "README.md"
MANIFEST: Final = "manifest.json"
RESULTS: Final = "evaluation/results.md"
KEPT: Final = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_HEAD: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


class StudentError(GradatimError):
    """A folder that is no finished student, in one line."""


def student_files(student: Path, scratch: Path, licences: Mapping[str, str]) -> dict[str, Path]:
    """Return the files to publish, path there to file here; what is written for it goes to `scratch`.

    `licences` are those of models as the publisher states them. Raises StudentError.
    """
    record = _record(student)
    if not (student / CARD).is_file():
        raise StudentError(f"{student}: has no {CARD}; the training script writes it when it ends, run it again")
    found = sorted({path for kind in KEPT for path in student.glob(kind) if path.is_file()})
    files = {path.name: path for path in found if path.name not in (RECORD, "started.json", MANIFEST)}
    if not any(name.endswith(".safetensors") for name in files):
        raise StudentError(f"{student}: holds no weights (*.safetensors)")
    write_text(json.dumps(_without_folders(record), indent=2, ensure_ascii=False) + "\n", scratch / RECORD)
    write_text(_card(student, record, licences), scratch / CARD)
    files |= {RECORD: scratch / RECORD, CARD: scratch / CARD}
    listed = [{"path": name, "sha256": file_digest(path)} for name, path in files.items()]
    manifest = {"gradatim": 1, "student": record["fingerprint"], "hash": content_id("student", listed), "files": listed}
    write_text(json.dumps(manifest, indent=2) + "\n", scratch / MANIFEST)
    return files | {MANIFEST: scratch / MANIFEST}


def _record(student: Path) -> dict[str, Any]:
    path = student / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise StudentError(f"{student}: no finished student (no {RECORD} there)") from None
    except ValueError as error:
        raise StudentError(f"{path}: not JSON: {error}") from None
    if not isinstance(record, dict) or not {"base", "fingerprint"} <= record.keys():
        raise StudentError(f"{path}: not the record of a training")
    return record


def _card(student: Path, record: dict[str, Any], licences: Mapping[str, str]) -> str:
    """Return the card with the base model's Hub id and licence in its head, and the evaluation at its end."""
    text = _plain_text((student / CARD).read_text(encoding="utf-8"), record)
    found = _HEAD.match(text)
    head = yaml.safe_load(found[1]) if found else {}
    base = str(record["base"]["name"])
    stated = model_licence(base, licences)
    known = hub_id(stated) if stated else None
    more = {"base_model": _hub_name(base), "license": known or OTHER}
    if known is None:
        more["license_name"] = "licence-of-the-base-model"
    body = text[found.end() :] if found else f"\n{text}"
    about = (
        f"\n## Licence\n\nThat of the base model `{portable(base)}`: {stated or '**stated nowhere**'}. The licences of "
        "the training data are told in the data's own card.\n"
    )
    results = student / RESULTS
    if results.is_file():
        about = f"\n## Evaluation\n\n{_under_a_heading(results.read_text(encoding='utf-8'))}\n{about}"
    text = yaml.safe_dump({**(head if isinstance(head, dict) else {}), **more}, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n{body.rstrip()}\n{about}"


def _hub_name(base: str) -> str:
    return next((model.hub_id for model in CATALOGUE if model.name == base), portable(base))


def _under_a_heading(text: str) -> str:
    return re.sub(r"^#{1,4} ", "### ", text, flags=re.MULTILINE).strip()


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return portable(value) if isinstance(value, str) else value


def _plain_text(text: str, record: dict[str, Any]) -> str:
    """Take this machine's folders out of a text that quotes the record."""
    for path in sorted(_paths(record), key=len, reverse=True):
        text = text.replace(path, portable(path))
    return text


def _paths(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_paths, value.values()))
    if isinstance(value, list):
        return set().union(*map(_paths, value))
    return {value} if isinstance(value, str) and portable(value) != value else set()
