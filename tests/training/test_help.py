"""Every key of a configuration is listed in --help of whatever takes it, with its sentence; --set has an example."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from flows.cli import app
from flows.experiment_settings import Experiment
from pipeline.config_help import help_text
from pipeline.star_settings import StarConfig
from training import distill, evaluate, grpo, preferences, preflight_command
from training.grpo_settings import GrpoConfig
from training.preference_settings import PreferenceConfig
from training.settings import EvaluationConfig, StudentConfig

MODELS_IN = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "write_reference.py"))["models_in"]
Model = type[BaseModel]
SCRIPTS: dict[str, tuple[Callable[[list[str]], int], list[Model]]] = {
    "distill": (distill.main, [StudentConfig]),
    "grpo": (grpo.main, [GrpoConfig]),
    "preferences": (preferences.main, [PreferenceConfig]),
    "evaluate": (evaluate.main, [EvaluationConfig]),
    "preflight": (preflight_command.main, [StudentConfig, GrpoConfig, PreferenceConfig, StarConfig]),
}
VERBS: dict[str, Model] = {"star": StarConfig, "experiment": Experiment}


class A(BaseModel):
    """A kind of engine."""

    kind: Literal["a"] = "a"
    size: int = Field(1, description="how large")


class B(BaseModel):
    """Another kind."""

    kind: Literal["b"] = "b"
    size: int = Field(2, description="how large")


class Whole(BaseModel):
    """A configuration."""

    seed: int = Field(3, description="all that is drawn")
    colour: Literal["red", "blue"] = Field("red", description="which")
    engine: A | B = Field(A(), description="how it runs")
    rows: dict[str, A] = Field({"first": A(), "second": A()}, description="of the table")


def fields(model: Model) -> Iterator[tuple[str, FieldInfo]]:
    """Give every key of a model and of its sections, however deep, that has a sentence."""
    for name, field in model.model_fields.items():
        if field.description:
            yield name, field
        for section in MODELS_IN(field.annotation):
            yield from fields(section)


def lacking(shown: str, model: Model) -> list[str]:
    """Return the keys that no line of the help tells of, with its sentence."""
    lines = [line.split() for line in shown.splitlines() if line.startswith("  ")]
    told = {(words[0].rpartition(".")[2], " ".join(words[1:])) for words in lines if words}
    return [
        name
        for name, field in fields(model)
        if not any(key == name and text.startswith(" ".join(str(field.description).split())) for key, text in told)
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_lists_every_key(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, models = SCRIPTS[name]
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and "seed=3" in shown
    assert [key for model in models for key in lacking(shown, model)] == []


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_lists_every_key(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0 and "seed=3" in done.output
    assert lacking(done.output, VERBS[name]) == []


@pytest.mark.parametrize(
    "line",
    [
        "  seed                           all that is drawn [3]",
        "  engine                         how it runs [kind a (default) | b]",
        "  engine.size                    how large [1] (kind a)",
        "  engine.size                    how large [2] (kind b)",
        "  rows                           of the table [first, second]",
        "  rows.NAME.size                 how large [1] (kind a)",
        "  colour                         which [red (default) | blue]",
    ],
)
def test_a_line_tells_key_sentence_default_and_kind(line: str) -> None:
    assert line in help_text(Whole).splitlines()
