"""Fine-tune a student on verified traces: TRL's SFTTrainer on the export of one or several runs.

The loss is on the completion only and nothing is cut; both are checked on the trainer's own rows before the first step.
A killed training goes on from its last checkpoint on the same command; a finished one is left alone.
"""

import json
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.models import ModelError, ModelFolder, resolve
from rich.console import Console

from pipeline.config_files import ConfigError, parse_model
from pipeline.manifest import RunLocked, run_lock
from pipeline.records import canonical_json, content_id
from pipeline.seeds import rng_for
from pipeline.store import write_text
from training.exports import ExportError, SftData, SftRow, read_sft
from training.preflight import PreflightError, check_trained, length_budget, render
from training.settings import StudentConfig, help_text

CARD: Final = "gradatim.json"
STARTED: Final = "started.json"
TRAINED_ON: Final = "trained_on.json"
PACKAGES: Final = ("torch", "transformers", "trl", "accelerate", "datasets")


class OtherTraining(Exception):
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
        return content_id("distillation", self.student.name, self.student.revision, exports, rows, settings)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    try:
        config = parse_model(StudentConfig, options.config, options.set)
        with run_lock(config.output):
            distill(config, _next_command(options))
    except (ConfigError, OtherTraining) as error:
        print(error, file=sys.stderr)
        return 2
    except (ExportError, ModelError, PreflightError, RunLocked) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def distill(config: StudentConfig, next_command: str) -> None:
    """Train the student of a configuration unless that is done already."""
    data = read_sft(config.data)
    lesson = Lesson(config, resolve(config.student, revision=config.revision), data, _limited(config, data.train))
    console = Console()
    if _begin(lesson):
        console.print(f"Nothing to do: {config.output} holds this student already.\nNext: {next_command}")
        return
    trainer, max_length = _prepare(lesson, console)
    metrics = _train(trainer, lesson, console)
    _save(trainer, lesson, max_length, metrics)
    console.print(_summary(lesson, metrics, next_command))


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
    changes = f" --set {' '.join(options.set)}" if options.set else ""
    return f"python training/evaluate.py --config {options.config}{changes}"


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
        return True
    write_text(canonical_json({"fingerprint": lesson.fingerprint}), output / STARTED)
    return False


def _prepare(lesson: Lesson, console: Console) -> tuple[Any, int]:
    """Build the trainer and check what it was given. Returns it with the length budget in tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(lesson.student.path)
    rows = [render(tokenizer, row) for row in lesson.train]
    validation = [render(tokenizer, row) for row in lesson.data.validation]
    max_length = length_budget([*rows, *validation], lesson.config.sft.max_length)
    dtype = "bfloat16" if lesson.config.sft.precision == "bfloat16" else "float32"
    model = AutoModelForCausalLM.from_pretrained(lesson.student.path, dtype=dtype)
    ends = model.generation_config.eos_token_id
    stops = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    trainer = _trainer(lesson, model, tokenizer, max_length)
    check_trained(tokenizer, stops, rows, trainer.train_dataset)
    if validation:
        check_trained(tokenizer, stops, validation, trainer.eval_dataset)
    left_out = "".join(f", {count:,} left out ({why})" for why, count in lesson.data.left_out.items() if count)
    learned = sum(len(row.tokens) - row.prompt_length for row in rows)
    console.print(
        f"{lesson.student.name}: {len(rows):,} traces{left_out}, {learned:,} completion tokens, "
        f"max_length {max_length}; prompt masked, answer and end of turn learned in every row."
    )
    return trainer, max_length


def _trainer(lesson: Lesson, model: Any, tokenizer: Any, max_length: int) -> Any:
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers.trainer_callback import ProgressCallback
    from trl import SFTConfig, SFTTrainer

    from training.callbacks import LossOnTheBar, MarkWholeCheckpoints

    disable_progress_bars()
    sft = lesson.config.sft
    arguments = SFTConfig(
        output_dir=str(lesson.config.output / "checkpoints"),
        max_length=max_length,
        completion_only_loss=True,
        num_train_epochs=sft.epochs,
        max_steps=sft.max_steps or -1,
        learning_rate=sft.learning_rate,
        per_device_train_batch_size=sft.batch_size,
        per_device_eval_batch_size=sft.batch_size,
        gradient_accumulation_steps=sft.gradient_accumulation,
        warmup_steps=sft.warmup,
        lr_scheduler_type=sft.scheduler,
        weight_decay=sft.weight_decay,
        max_grad_norm=sft.max_grad_norm,
        bf16=sft.precision == "autocast",
        gradient_checkpointing=sft.gradient_checkpointing,
        use_cpu=not torch.accelerator.is_available(),
        dataloader_pin_memory=torch.accelerator.is_available(),
        save_steps=sft.checkpoint_steps,
        save_total_limit=2,  # a kill during the second must leave the first
        logging_steps=5,
        report_to=sft.report_to,
        seed=lesson.config.seed,
    )
    validation = lesson.data.validation
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([_plain(row) for row in lesson.train]),
        eval_dataset=Dataset.from_list([_plain(row) for row in validation]) if validation else None,
        processing_class=tokenizer,
        callbacks=[MarkWholeCheckpoints()],
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(LossOnTheBar())
    return trainer


def _plain(row: SftRow) -> dict[str, Any]:
    return {"prompt": [asdict(m) for m in row.prompt], "completion": [asdict(m) for m in row.completion]}


def _train(trainer: Any, lesson: Lesson, console: Console) -> dict[str, float]:
    """Train, from the last whole checkpoint if there is one. Returns losses (nats per token), steps and seconds."""
    from training.callbacks import last_whole_checkpoint

    checkpoint = last_whole_checkpoint(lesson.config.output / "checkpoints")
    if checkpoint:
        console.print(f"Going on from {checkpoint}.")
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
    problems = sorted({row.problem_id for row in lesson.train})
    prompts = sorted({content_id("prompt", *([m.role, m.content] for m in row.prompt)) for row in lesson.train})
    write_text(canonical_json({"problem_ids": problems, "prompts": prompts}), output / TRAINED_ON)
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
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    (output / STARTED).unlink()


def _summary(lesson: Lesson, metrics: dict[str, float], next_command: str) -> str:
    validation = f", validation loss {metrics['validation_loss']:.3f}" if "validation_loss" in metrics else ""
    return (
        f"Trained {lesson.student.name} on {len(lesson.train):,} traces: {metrics['steps']:.0f} steps in "
        f"{metrics['seconds'] / 60:.1f} min, loss {metrics['first_loss']:.3f} to {metrics['last_loss']:.3f}{validation}.\n"
        f"Student: {lesson.config.output}\nNext: {next_command}"
    )


if __name__ == "__main__":
    sys.exit(main())
