"""Fine-tune a student on verified traces: TRL's SFTTrainer on the export of one or several runs, or other SFT rows.

The loss is on the completion only and nothing is cut; the preflight runs before the first step, on the trainer's own
rows too. All weights or low-rank adapters, on one device or under `accelerate launch`. A killed training goes on from
its last checkpoint on the same command; a finished one is left alone.
"""

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from pipeline.config_files import parse_model
from pipeline.errors import GradatimError
from pipeline.hardware import training_precision
from pipeline.models import ModelFolder, resolve
from pipeline.records import content_id
from training.exports import SftData, SftRow, read_sft
from training.lengths import length_budget
from training.loss_mask import check_batch, check_trained
from training.mixture import chosen_rows
from training.outputs import CHECKPOINTS, begin, finish, first_process, locked, told, train_to_end
from training.packing import check_packing
from training.preflight import SHOWN_ROWS, Checked, check_splits, say
from training.settings import StudentConfig, config_parser
from training.trainer import build_trainer, keep_freed_memory, load_model, load_tokenizer, merge_adapter


@dataclass(frozen=True)
class Lesson:
    """What a training is made of. The fingerprint covers the student, the data and how it is trained."""

    config: StudentConfig
    student: ModelFolder
    data: SftData
    train: list[SftRow]

    @property
    def fingerprint(self) -> str:
        free = {"report_to", "checkpoint_steps", "check_answers"}
        settings = {"seed": self.config.seed, **self.config.sft.model_dump(mode="json", exclude=free)}
        if template := self.config.sft.chat_template_path:
            settings["chat_template"] = template.read_text(encoding="utf-8") if template.is_file() else None
        exports = [[export.run, export.hash] for export in self.data.exports]
        rows = [row.completion_id for row in self.train]
        return content_id("distillation", self.student.revision, exports, rows, settings)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    keep_freed_memory()
    try:
        config = parse_model(StudentConfig, options.config, options.set)
        distill(config, _next_command(options))
    except GradatimError as error:
        return told(error)
    return 0


def distill(config: StudentConfig, next_command: str) -> None:
    """Train the student of a configuration unless that is done already."""
    data = read_sft(config.data)
    rows = chosen_rows(data.train, config)
    lesson = Lesson(config, resolve(config.student, revision=config.revision), data, rows)
    console = Console(quiet=not first_process())
    with locked(config.output):
        if begin(config.output, lesson.fingerprint):
            say(console, f"Nothing to do: {config.output} holds this student already.\nNext: {next_command}")
            return
        trainer, checked, max_length = _prepare(lesson, console)
        metrics = train_to_end(trainer, config.output)
        if lesson.data.validation:
            metrics["validation_loss"] = trainer.evaluate()["eval_loss"]
        _save(trainer, lesson, checked, max_length, metrics)
        say(console, _summary(lesson, len(checked.rows), metrics, next_command))
        trainer.accelerator.end_training()


def _options(arguments: Sequence[str] | None) -> Namespace:
    return config_parser("python training/distill.py", __doc__, StudentConfig).parse_args(arguments)


def _next_command(options: Namespace) -> str:
    changes = ["--set", *options.set] if options.set else []
    return shlex.join(["python", "training/evaluate.py", "--config", str(options.config), *changes])


def _prepare(lesson: Lesson, console: Console) -> tuple[Any, Checked, int]:
    """Check the rows, build the trainer and check what it was given. Returns it with the rows and the length budget."""
    sft, seed = lesson.config.sft, lesson.config.seed
    tokenizer, special = load_tokenizer(lesson.student.path, sft.chat_template_path)
    splits = lesson.train, lesson.data.validation
    checked, validation = check_splits(tokenizer, special, splits, sft, seed=seed, console=console)
    model = load_model(lesson.student.path, sft.precision, sft.attn_implementation)
    if sft.packing and first_process():
        check_packing(model, checked.rows, autocast=training_precision(sft.precision) == "autocast")
    max_length = sft.max_length if sft.packing else length_budget([*checked.rows, *validation], sft.max_length)
    trainer = build_trainer(
        model,
        tokenizer,
        checked.rows,
        validation,
        settings=sft,
        max_length=max_length,
        folder=lesson.config.output / CHECKPOINTS,
        seed=seed,
    )
    check_trained(tokenizer, checked.rows, trainer.train_dataset)
    check_trained(tokenizer, validation, trainer.eval_dataset or [])
    few = [trainer.train_dataset[place] for place in range(min(len(trainer.train_dataset), SHOWN_ROWS))]
    check_batch(few, trainer.data_collator(few))
    left_out = "".join(f", {count:,} left out ({why})" for why, count in _left_out(lesson, checked).items() if count)
    learned = sum(len(row.tokens) - row.prompt_length for row in checked.rows)
    packs = f" in {len(trainer.train_dataset):,} packs" if sft.packing else ""
    say(
        console,
        f"{lesson.student.name}: {len(checked.rows):,} traces{packs}{left_out}, {learned:,} completion tokens, "
        f"max_length {max_length}; prompt masked, answer and end of turn learned in every row.",
    )
    return trainer, checked, max_length


def _left_out(lesson: Lesson, checked: Checked) -> dict[str, int]:
    return {**lesson.data.left_out, "too long": checked.too_long}


def _save(trainer: Any, lesson: Lesson, checked: Checked, max_length: int, metrics: dict[str, float]) -> None:
    """Write the student and all that is known of its training."""
    output, lora = lesson.config.output, lesson.config.sft.lora
    if lora and lora.merge:
        merge_adapter(trainer, output)
    card = {
        "fingerprint": lesson.fingerprint,
        "data": [{"run": export.run, "hash": export.hash} for export in lesson.data.exports],
        "rows": {
            "train": len(checked.rows),
            "validation": len(lesson.data.validation),
            "left out": _left_out(lesson, checked),
        },
        "notes": dict(checked.notes),
        "max_length": max_length,
        "metrics": metrics,
        "config": lesson.config.model_dump(mode="json"),
    }
    rows = [row.row for row in checked.rows]
    finish(output, trainer, card, [row.problem_id for row in rows], [row.prompt for row in rows], base=lesson.student)


def _summary(lesson: Lesson, rows: int, metrics: dict[str, float], next_command: str) -> str:
    validation = f", validation loss {metrics['validation_loss']:.3f}" if "validation_loss" in metrics else ""
    return (
        f"Trained {lesson.student.name} on {rows:,} traces: {metrics['steps']:.0f} steps in "
        f"{metrics['seconds'] / 60:.1f} min, loss {metrics['first_loss']:.3f} to {metrics['last_loss']:.3f}"
        f"{validation}.\n"
        f"Student: {lesson.config.output}\nNext: {next_command}"
    )


if __name__ == "__main__":
    sys.exit(main())
