"""Every key of a configuration model as lines of text, for --help: its description, its default, the kind it needs."""

from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

SET_HELP: Final = "change keys of the file, such as seed=3 or 'data=[a, b]'; values are YAML, dots lead into sections"
Model = type[BaseModel]


def help_text(*models: Model) -> str:
    """List every key of configuration models with its default and what it means; each key once."""
    lines = dict.fromkeys(line for model in models for line in _lines(model, "", ""))
    return "keys of the configuration, for the YAML file and --set:\n" + "\n".join(lines)


def _lines(model: Model, prefix: str, kind: str) -> Iterator[str]:
    own = _kind(model).partition(" ")[0]
    for name, field in model.model_fields.items():
        if name == own:
            continue  # it is what tells the kind
        key = f"{prefix}{name}"
        sections = list(_sections(field.annotation))
        if field.description:
            yield f"  {key:<29}  {field.description} [{_default(field, sections)}]{f' ({kind})' if kind else ''}"
        for section in sections:
            yield from _lines(section, f"{key}{_place(field.annotation)}.", _kind(section) or kind)


def _sections(annotation: Any) -> Iterator[Model]:
    """Yield the sections that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _place(annotation: Any) -> str:
    """Return what stands between a key and those of its sections: a place of a list, a name of a mapping."""
    places = {tuple: ".0", dict: ".NAME"}
    found = [places.get(get_origin(each), "") for each in (annotation, *get_args(annotation))]
    return next((place for place in found if place), "")


def _kind(section: Model) -> str:
    """Return what tells a section from others that may stand in its place, such as `kind vllm`; or nothing."""
    single = {name: get_args(field.annotation) for name, field in section.model_fields.items()}
    return next((f"{name} {said[0]}" for name, said in single.items() if _is_one_text(said)), "")


def _is_one_text(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], str)


def _default(field: FieldInfo, sections: list[Model]) -> str:
    value: Any = None if field.is_required() else field.default
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if value and isinstance(value, dict) and all(isinstance(each, BaseModel) for each in value.values()):
        return ", ".join(value)
    if kinds := [kind for section in sections if (kind := _kind(section))]:
        given = _kind(type(value)) if isinstance(value, BaseModel) else None
        said = [f"{kind} (default)" if kind == given else kind for kind in kinds]
        return " | ".join([said[0], *(kind.partition(" ")[2] for kind in said[1:])])
    if field.is_required():
        return "required"
    if choices:
        return " | ".join(f"{choice} (default)" if choice == value else choice for choice in choices)
    if isinstance(value, BaseModel):
        return "its keys' defaults"
    return "none" if value in (None, (), {}) else str(value)
