"""YAML files into configuration models, and their mistakes into one line.

Used for runs (config.py) and for training scripts. A mistake raises ConfigError, which names the file, the key and
what is allowed there; nothing is written.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import GradatimError

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """What every section of a run's configuration is: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfigError(GradatimError):
    """A mistake in a configuration, in one line."""


def parse_model(model: type[M], path: Path, overrides: Sequence[str] = ()) -> M:
    """Read any configuration model from YAML the same way; training scripts use it too."""
    raw = _read_yaml(path)
    for override in overrides:
        _apply(raw, override)
    return check_model(model, raw, str(path))


def check_model(model: type[M], raw: Any, name: str) -> M:
    """Return a configuration of what was read. Raises ConfigError, in one line that begins with the name."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{name}: {_first_mistake(model, error)}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(raw).__name__}")
    return raw


def _apply(raw: dict[str, Any], override: str) -> None:
    """Set one `a.b.0.c=value` in the raw configuration; missing sections are made, list positions must exist."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {override}: expected key.path=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not YAML") from None
    *parents, last = dotted.split(".")
    place: Any = raw
    for key in parents:
        place = _step(place, key, override)
    if isinstance(place, list):
        _step(place, last, override)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"--set {override}: {parents[-1]} is not a section")


def _step(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        if not key.isdigit() or int(key) >= len(place):
            raise ConfigError(f"--set {override}: {key} is not a position in a list of {len(place)}")
        return place[int(key)]
    if not isinstance(place, dict):
        raise ConfigError(f"--set {override}: {key} is not inside a section")
    return place.setdefault(key, {})


def _first_mistake(model: type[BaseModel], error: ValidationError) -> str:
    """Say the first mistake in one line: the key, what is wrong, what is allowed."""
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    location = first["loc"]
    key = ".".join(str(part) for part in location if part not in {"template", "imported", "vllm", "openai"})
    more = f" ({len(mistakes) - 1} more mistakes)" if len(mistakes) > 1 else ""
    if first["type"] == "extra_forbidden":
        allowed = sorted(_keys_at(model, location[:-1]))
        return f"unknown key {key}; allowed here: {', '.join(allowed)}{more}"
    if first["type"] == "missing":
        return f"missing key {key}{more}"
    given = first["input"]
    shown = "" if isinstance(given, dict | list | BaseModel) else f", got {given!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key or 'config'}: {message[0].lower()}{message[1:]}{shown}{more}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """Return the keys allowed at a location of a pydantic error (field names, list positions, union tags)."""
    models = [model]
    for part in location:
        fields = [m.model_fields[part] for m in models if isinstance(part, str) and part in m.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
        elif isinstance(part, str):
            models = [m for m in models if any(part in get_args(f.annotation) for f in m.model_fields.values())]
    return {name for m in models for name in m.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]
