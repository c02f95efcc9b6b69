"""Write docs/reference.md: every configuration key with its type, default and meaning, read from the pydantic models.

`python docs/write_reference.py` writes the page; a test demands that it is current and that every key has a
description. A section that several configurations have is described once, the others link to it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import MinLen
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from flows.experiment_settings import Experiment
from pipeline.config import Config, OpenAIEngine, Sampling, VllmEngine
from pipeline.star_settings import StarConfig
from training.grpo_settings import GrpoConfig
from training.preference_settings import PreferenceConfig
from training.settings import Evaluation, StudentConfig

PAGE: Final = Path(__file__).with_name("reference.md")
Model = type[BaseModel]


class Kind(NamedTuple):
    """A kind of configuration file, or a section of several: its heading, its model, and where it belongs."""

    title: str
    model: Model
    place: str = ""


KINDS: Final = (
    Kind("A run", Config, "`gradatim build CONFIG`"),
    Kind("Engine: vllm", VllmEngine),
    Kind("Engine: openai", OpenAIEngine),
    Kind("Sampling", Sampling),
    Kind("Distillation", StudentConfig, "`python training/distill.py --config FILE`"),
    Kind("GRPO", GrpoConfig, "`python training/grpo.py --config FILE`"),
    Kind("Preferences", PreferenceConfig, "`python training/preferences.py --config FILE`"),
    Kind(
        "Evaluation",
        Evaluation,
        "The section `evaluation` of any training's file, and of `python training/evaluate.py`.",
    ),
    Kind("STaR", StarConfig, "`gradatim star CONFIG`"),
    Kind("Experiment", Experiment, "`gradatim experiment CONFIG`"),
)
INTRODUCTION: Final = """\
# Reference of configuration keys

Written by `python docs/write_reference.py` from the models that check the files. A file is YAML; unknown keys are
refused. Every key can be changed on the command line, `--set key.path=value`; places in a list are numbers, as in
`--set teachers.0.completions=8`. A key without a default is **required**."""
WORDS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "anything"}
SIGNS: Final = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def page(kinds: Sequence[Kind] = KINDS) -> str:
    """Return the whole page. Raises ValueError for a key without a description."""
    titles: dict[Model, str] = {kind.model: kind.title for kind in kinds}
    described: list[tuple[str, list[Model]]] = []
    for kind in kinds:
        own = []
        for model, key in inner_sections(kind.model, ""):
            if model not in titles:
                title = inner_title(model, key)
                titles[model] = f"{title}, {kind.title}" if title in titles.values() else title
                own.append(model)
        described.append((f"## {kind.title}" + (f"\n\n{kind.place}" if kind.place else ""), [kind.model, *own]))
    parts = [INTRODUCTION, " · ".join(link(kind.title) for kind in kinds)]
    for head, models in described:
        parts.append(head)
        for place, model in enumerate(models):
            parts += [f"### {titles[model]}"] if place else []
            parts += [escaped(sentences(model)), table(model, titles)]
    return "\n\n".join(parts) + "\n"


def inner_sections(model: Model, prefix: str) -> Iterator[tuple[Model, str]]:
    """Yield the sections that a model holds, however deep, each with the keys that lead to it."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}{'[]' if in_list(field.annotation) else ''}"
        for inner in models_in(field.annotation):
            yield inner, key
            yield from inner_sections(inner, f"{key}.")


def inner_title(model: Model, key: str) -> str:
    """Return the heading of a section that is not a file's whole configuration."""
    return f"`{key}`" + (f", `{tag(model)}`" if tag(model) else "")


def table(model: Model, titles: dict[Model, str]) -> str:
    """Return the table of a model's keys, without the one that only tells what kind of section it is."""
    fields = ((name, field) for name, field in model.model_fields.items() if name != tag(model).partition(":")[0])
    lines = [row(model, name, field, titles) for name, field in fields]
    return "\n".join(["| key | type | default | |", "|---|---|---|---|", *lines])


def row(model: Model, name: str, field: FieldInfo, titles: dict[Model, str]) -> str:
    """Return a key's line of the table. Raises ValueError where nothing describes it."""
    sections = list(models_in(field.annotation))
    if not field.description and not sections:
        raise ValueError(f"{model.__name__}.{name} has no description")
    kinds = " or ".join(link(titles[one], f"`{tag(one).partition(': ')[2]}`" if tag(one) else "") for one in sections)
    typed = words(field.annotation, field.metadata).replace("SECTION", kinds)
    meaning = field.description or re.split(r"(?<! al)\. ", sentences(sections[0]))[0].rstrip(".")
    cells = (f"`{name}`", typed, default(field), escaped(meaning))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def words(annotation: Any, metadata: Sequence[Any] = (), plural: str = "") -> str:
    """Say in words what may stand for a key: its type, and its bounds. SECTION stands for the sections it names."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(arguments[0], arguments[1:], plural)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, UnionType):
        kinds = dict.fromkeys(words(one, metadata, plural) for one in arguments if one is not NoneType)
        return " or ".join([*kinds, *(["null"] if NoneType in arguments else [])])
    if origin in (tuple, list, dict):
        few = "one or more" if any(isinstance(one, MinLen) for one in metadata) else "list of"
        inside = (
            f"{words(arguments[0])} to {words(arguments[1])}" if origin is dict else words(arguments[0], plural="s")
        )
        return f"{'mapping of' if origin is dict else few} {inside}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "SECTION"
    return WORDS[annotation] + plural + bounds(metadata)


def bounds(metadata: Sequence[Any]) -> str:
    """Say the bounds of a number, or the pattern of a text."""
    single = [one for outer in metadata for one in getattr(outer, "metadata", [outer])]
    limits = [f"{sign} {getattr(one, name):g}" for one in single for name, sign in SIGNS.items() if hasattr(one, name)]
    patterns = [f"matching `{one.pattern}`" for one in single if getattr(one, "pattern", None)]
    return "".join(f" {said}" for said in (" and ".join(limits), *patterns) if said)


def default(field: FieldInfo) -> str:
    """Say a key's default as YAML has it; of a section, what differs from its own defaults."""
    if field.is_required():
        return "**required**"
    value = TypeAdapter(Any).dump_python(field.default, mode="json", exclude_unset=True)
    text = json.dumps(value, ensure_ascii=False).replace('"', "")
    return f"`{text}`"


def models_in(annotation: Any) -> Iterator[Model]:
    """Yield the sections that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def in_list(annotation: Any) -> bool:
    """Tell whether an annotation is a list or a mapping."""
    return get_origin(annotation) in (tuple, dict) or any(in_list(part) for part in get_args(annotation))


def tag(model: Model) -> str:
    """Return what tells a section from others that may stand in its place, such as `strategy: template`; or ""."""
    for name in ("strategy", "kind"):
        choices = get_args(model.model_fields[name].annotation) if name in model.model_fields else ()
        if len(choices) == 1:
            return f"{name}: {choices[0]}"
    return ""


def sentences(model: Model) -> str:
    """Return a model's docstring as one paragraph."""
    return " ".join((model.__doc__ or "").split())


def link(title: str, text: str = "") -> str:
    """Return a link to a heading of this page, by the anchors that GitHub makes."""
    return f"[{text or title}](#{re.sub(r'[^a-z0-9_ -]', '', title.lower()).replace(' ', '-')})"


def escaped(text: str) -> str:
    """Keep what looks like an HTML tag visible; what stands between backticks is."""
    return "`".join(part.replace("<", "\\<") if place % 2 == 0 else part for place, part in enumerate(text.split("`")))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
