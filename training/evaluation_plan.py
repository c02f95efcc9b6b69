"""What an evaluation compares, on which problems, and where its results go: from a training's YAML or from flags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from pipeline.config_files import ConfigError, parse_model
from pipeline.seeds import rng_for
from pipeline.star_settings import StarConfig
from training.grpo_settings import GrpoConfig
from training.held_out import HeldOut, read_problem_file, read_test_splits
from training.preference_settings import PreferenceConfig
from training.settings import CARD, Evaluation, EvaluationConfig, StudentConfig

_REVISION: Final = re.compile(r"([\w./-]+)@([\w./:-]+)")
Config = StudentConfig | GrpoConfig | PreferenceConfig
# Which section tells a configuration's kind, and what it belongs to; a file with none of them is distill.py's.
_KINDS: Final[dict[str, tuple[type[Config | StarConfig], str]]] = {
    "generate": (StarConfig, "gradatim star"),
    "sft": (StudentConfig, "distill.py"),
    "grpo": (GrpoConfig, "grpo.py"),
    "dpo": (PreferenceConfig, "preferences.py"),
    "tpo": (PreferenceConfig, "preferences.py"),
}


@dataclass(frozen=True)
class Row:
    """One row of the results: a model, or several that are seeds of one training; each with the revision asked for."""

    label: str
    models: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Plan:
    """Rows (the first is the base of every difference), problems, output folder, and how completions are made."""

    rows: tuple[Row, ...]
    problems: list[HeldOut]
    output: Path
    seed: int
    settings: Evaluation


def plan_from_flags(models: Sequence[str], files: Sequence[Path], output: Path, overrides: Sequence[str] = ()) -> Plan:
    """Make a plan without a student's file; `overrides` may set seed and evaluation.*."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "evaluation.yaml"
        path.write_text("{}\n", encoding="utf-8")
        try:
            config = parse_model(EvaluationConfig, path, overrides)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(path), "--set")) from None
    problems = _limited(_from_files(files, config.evaluation), config.evaluation.limit, config.seed)
    return Plan(read_rows(models), problems, output, config.seed, config.evaluation)


def plan_from_config(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    files: Sequence[Path] = (),
    output: Path | None = None,
) -> Plan:
    """Make a plan from the YAML of a training: its base beside its student, unless the flags say otherwise."""
    config, script = read_config(path, overrides)
    if isinstance(config, StarConfig):
        raise ConfigError(f"{path}: says nothing of an evaluation; give --models, --problems and --output instead")
    settings = config.evaluation
    if not models:
        _demand_student(config.output, f"python training/{script} --config {path}")
    files = files or settings.problems
    if not files and not config.data:
        raise ConfigError(f"{path}: no problems to evaluate on; give evaluation.problems or --problems")
    found = _from_files(files, settings) if files else read_test_splits(config.data, settings.prompt)
    base, student = (config.student, config.revision), (str(config.output), None)
    return Plan(
        rows=read_rows(models) if models else (Row("base", (base,)), Row("student", (student,))),
        problems=_limited(found, settings.limit, config.seed),
        output=output or config.output / "evaluation",
        seed=config.seed,
        settings=settings,
    )


def read_config(path: Path, overrides: Sequence[str] = ()) -> tuple[Config | StarConfig, str]:
    """Read the YAML of any training. Returns it with the name of its script. Raises ConfigError."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raw = None  # what is wrong is said below
    changed = (override.partition("=")[0].partition(".")[0] for override in overrides)
    keys = {*(raw if isinstance(raw, dict) else ()), *changed}
    model, script = next((_KINDS[key] for key in _KINDS if key in keys), _KINDS["sft"])
    return parse_model(model, path, overrides), script


def read_rows(models: Sequence[str]) -> tuple[Row, ...]:
    """Read MODEL, NAME=MODEL or NAME=MODEL,MODEL,... (the seeds of one row); a MODEL may be MODEL@REVISION. Raises
    ConfigError for equal labels."""
    rows = []
    for text in models:
        label, named, references = text.partition("=")
        parts = tuple(part.strip() for part in references.split(",")) if named else (text,)
        if not label.strip() or not all(parts):
            raise ConfigError(f"--models {text}: expected MODEL, NAME=MODEL or NAME=MODEL,MODEL,...")
        rows.append(Row(label.strip(), tuple(map(_pinned, parts))))
    labels = [row.label for row in rows]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ConfigError(f"--models: two rows are called {twice}; name them: NAME={twice}")
    return tuple(rows)


def _pinned(reference: str) -> tuple[str, str | None]:
    """Split MODEL@REVISION; a folder may have an @ in its name, and a server's model may begin with one."""
    found = None if Path(reference).exists() else _REVISION.fullmatch(reference)
    return (found[1], found[2]) if found else (reference, None)


def _demand_student(output: Path, command: str) -> None:
    if not (output / CARD).is_file():
        raise ConfigError(f"{output}: no trained student; first: {command}")
    if (output / "adapter_config.json").is_file() and not (output / "config.json").is_file():
        raise ConfigError(f"{output}: an adapter alone cannot be evaluated; train with sft.lora.merge: true")


def _from_files(files: Sequence[Path], settings: Evaluation) -> list[HeldOut]:
    return [
        held
        for path in files
        for held in read_problem_file(
            path,
            settings.prompt,
            question=settings.question_column,
            answer=settings.answer_column,
            answer_after=settings.answer_after,
        )
    ]


def _limited(found: Sequence[HeldOut], limit: int | None, seed: int) -> list[HeldOut]:
    """Return each problem once, and no more than `limit` of them, drawn by the seed."""
    problems = list({held.problem.id: held for held in found}.values())
    if limit is not None and limit < len(problems):
        return rng_for("evaluate/limit", seed, 0).sample(problems, limit)
    return problems
