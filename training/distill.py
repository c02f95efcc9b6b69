"""Fine-tune a student on verified traces: TRL's SFTTrainer on the export of one or several runs.

The loss is on the completion only and nothing is cut; both are checked on the trainer's own rows before the first step.
A killed training goes on from its last checkpoint on the same command; a finished one is left alone.
"""

import json
import os
import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.models import ModelFolder, resolve
from pipeline.records import canonical_json, content_id
from pipeline.seeds import rng_for
from pipeline.store import write_text
from training.exports import SftData, SftRow, read_sft
from training.held_out import TRAINED_ON, training_record
from training.preflight import check_trained, length_budget, render
from training.settings import CARD, StudentConfig, help_text
from training.trainer import build_trainer, keep_freed_memory, last_whole_checkpoint, load_student

STARTED: Final = "started.json"
CHECKPOINTS: Final = "checkpoints"
PACKAGES: Final = ("torch", "transformers", "trl", "accelerate", "datasets")


class OtherTraining(GradatimError):
    """The output folder holds another training."""


@dataclass(frozen=True)
class Lesson:
    """What a training is made of. The fingerprint covers the student, the data and how it is trained."""

    config: StudentConfig
    student: ModelFolder
    data: SftData
    train: list[SftRow]

    @property
    def fingerprint(self) -> str:
        settings = {"seed": self.config.seed, **self.config.sft.model_dump(exclude={"report_to", "checkpoint_steps"})}
        exports = [[export.run, export.hash] for export in self.data.exports]
        rows = [row.completion_id for row in self.train]
        return content_id("distillation", self.student.revision, exports, rows, settings)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    keep_freed_memory()
    try:
        config = parse_model(StudentConfig, options.config, options.set)
        with run_lock(config.output):
            distill(config, _next_command(options))
    except (ConfigError, OtherTraining) as error:
        print(error, file=sys.stderr)
        return 2
    except GradatimError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def distill(config: StudentConfig, next_command: str) -> None:
    """Train the student of a configuration unless that is done already."""
    data = read_sft(config.data)
    lesson = Lesson(config, resolve(config.student, revision=config.revision), data, _limited(config, data.train))
    console = Console()
    if _begin(lesson):
        _say(console, f"Nothing to do: {config.output} holds this student already.\nNext: {next_command}")
        return
    trainer, max_length = _prepare(lesson, console)
    metrics = _train(trainer, lesson, console)
    _save(trainer, lesson, max_length, metrics)
    _say(console, _summary(lesson, metrics, next_command))


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python training/distill.py",
        description=__doc__,
        epilog=help_text(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the student")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="change a key")
    return parser.parse_args(arguments)


def _next_command(options: Namespace) -> str:
    changes = ["--set", *options.set] if options.set else []
    return shlex.join(["python", "training/evaluate.py", "--config", str(options.config), *changes])


def _limited(config: StudentConfig, rows: list[SftRow]) -> list[SftRow]:
    limit = config.sft.limit
    if limit is None or limit >= len(rows):
        return rows
    chosen = rng_for("distill/limit", config.seed, 0).sample(range(len(rows)), limit)
    return [rows[i] for i in sorted(chosen)]


def _begin(lesson: Lesson) -> bool:
    """Return whether the training is finished; otherwise note in the output folder which training it is for."""
    output = lesson.config.output
    for name in (CARD, STARTED):
        path = output / name
        if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["fingerprint"] != lesson.fingerprint:
            raise OtherTraining(
                f"{output}: holds a student trained on other data or in another way; choose another folder "
                "(--set output=...) or delete this one"
            )
    if (output / CARD).is_file():
        _tidy(output)
        return True
    write_text(canonical_json({"fingerprint": lesson.fingerprint}), output / STARTED)
    return False


def _prepare(lesson: Lesson, console: Console) -> tuple[Any, int]:
    """Build the trainer and check what it was given. Returns it with the length budget in tokens."""
    sft, validation = lesson.config.sft, lesson.data.validation
    model, tokenizer, stops = load_student(lesson.student.path, sft.precision)
    rows = [render(tokenizer, row) for row in lesson.train]
    validation_rows = [render(tokenizer, row) for row in validation]
    max_length = length_budget([*rows, *validation_rows], sft.max_length)
    trainer = build_trainer(
        model,
        tokenizer,
        lesson.train,
        validation,
        settings=sft,
        max_length=max_length,
        folder=lesson.config.output / CHECKPOINTS,
        seed=lesson.config.seed,
    )
    check_trained(tokenizer, stops, rows, trainer.train_dataset)
    check_trained(tokenizer, stops, validation_rows, trainer.eval_dataset or [])
    left_out = "".join(f", {count:,} left out ({why})" for why, count in lesson.data.left_out.items() if count)
    learned = sum(len(row.tokens) - row.prompt_length for row in rows)
    _say(
        console,
        f"{lesson.student.name}: {len(rows):,} traces{left_out}, {learned:,} completion tokens, "
        f"max_length {max_length}; prompt masked, answer and end of turn learned in every row.",
    )
    return trainer, max_length


def _train(trainer: Any, lesson: Lesson, console: Console) -> dict[str, float]:
    """Train, from the last whole checkpoint if there is one. Returns losses (nats per token), steps and seconds."""
    checkpoint = last_whole_checkpoint(lesson.config.output / CHECKPOINTS)
    if checkpoint:
        _say(console, f"Going on from {checkpoint}.")
    result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    metrics = {
        "steps": trainer.state.global_step,
        "seconds": result.metrics["train_runtime"],
        "first_loss": logged[0] if logged else result.training_loss,
        "last_loss": logged[-1] if logged else result.training_loss,
    }
    if lesson.data.validation:
        metrics["validation_loss"] = trainer.evaluate()["eval_loss"]
    return metrics


def _save(trainer: Any, lesson: Lesson, max_length: int, metrics: dict[str, float]) -> None:
    """Write model, tokenizer and what it was trained on; the card comes last, it marks a finished training."""
    output = lesson.config.output
    trainer.save_model(str(output))
    (output / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody needs
    record = training_record([row.problem_id for row in lesson.train], [row.prompt for row in lesson.train])
    write_text(canonical_json(record), output / TRAINED_ON)
    card = {
        "fingerprint": lesson.fingerprint,
        "base": {"name": lesson.student.name, "revision": lesson.student.revision},
        "data": [{"run": export.run, "hash": export.hash} for export in lesson.data.exports],
        "rows": {"train": len(lesson.train), "validation": len(lesson.data.validation), **lesson.data.left_out},
        "max_length": max_length,
        "metrics": metrics,
        "config": lesson.config.model_dump(mode="json"),
        "packages": {name: version(name) for name in PACKAGES},
    }
    write_text(json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False) + "\n", output / CARD)
    _tidy(output)


def _tidy(output: Path) -> None:
    """Remove what only an unfinished training needs."""
    shutil.rmtree(output / CHECKPOINTS, ignore_errors=True)
    (output / STARTED).unlink(missing_ok=True)


def _summary(lesson: Lesson, metrics: dict[str, float], next_command: str) -> str:
    validation = f", validation loss {metrics['validation_loss']:.3f}" if "validation_loss" in metrics else ""
    return (
        f"Trained {lesson.student.name} on {len(lesson.train):,} traces: {metrics['steps']:.0f} steps in "
        f"{metrics['seconds'] / 60:.1f} min, loss {metrics['first_loss']:.3f} to {metrics['last_loss']:.3f}"
        f"{validation}.\n"
        f"Student: {lesson.config.output}\nNext: {next_command}"
    )


if __name__ == "__main__":
    sys.exit(main())
