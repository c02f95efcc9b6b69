"""The folder of a trained model: which training it is for, its checkpoints, and the card that marks it as finished.

A killed training goes on from its last whole checkpoint on the same command; a finished one is left alone; a folder
that holds another training is refused. Under `accelerate launch` only the first process writes here.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pipeline.config_files import ConfigError
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.models import ModelFolder
from pipeline.records import Message, canonical_json
from pipeline.store import write_text
from training.held_out import TRAINED_ON, training_record
from training.model_card import model_card
from training.settings import CARD
from training.trainer import last_whole_checkpoint

STARTED: Final = "started.json"
MODEL_CARD: Final = "README.md"
CHECKPOINTS: Final = "checkpoints"
PACKAGES: Final = ("torch", "transformers", "trl", "accelerate", "datasets")


class OtherTraining(GradatimError):
    """The output folder holds another training."""


def first_process() -> bool:
    """Tell whether this process is the only one, or the first of those that train together."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Hold the folder for this training; its other processes do not ask for it."""
    if not first_process():
        yield
        return
    with run_lock(output):
        yield


def begin(output: Path, fingerprint: str) -> bool:
    """Return whether the training is finished; otherwise note in the folder which training it is for.

    Raises OtherTraining if the folder holds, or was begun for, another one.
    """
    for name in (CARD, STARTED):
        path = output / name
        if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["fingerprint"] != fingerprint:
            raise OtherTraining(
                f"{output}: holds a student trained on other data or in another way; choose another folder "
                "(--set output=...) or delete this one"
            )
    finished = (output / CARD).is_file()
    if first_process():
        if finished:
            _tidy(output)
        else:
            write_text(canonical_json({"fingerprint": fingerprint}), output / STARTED)
    return finished


def train_to_end(trainer: Any, output: Path) -> dict[str, float]:
    """Train, from the last whole checkpoint if there is one. Returns steps, seconds, the first and last loss, and the
    tokens that went through the model, as far as the trainer logs them."""
    checkpoint = last_whole_checkpoint(output / CHECKPOINTS)
    if checkpoint and first_process():
        print(f"Going on from {checkpoint}.")
    result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    counts = [row["num_tokens"] for row in trainer.state.log_history if "num_tokens" in row]
    # A trainer that goes on from a checkpoint counts from 0 again.
    passed = [count - before if count >= before else count for before, count in pairwise([0.0, *counts])]
    return {
        "tokens": sum(passed),
        "steps": trainer.state.global_step,
        "seconds": result.metrics["train_runtime"],
        "first_loss": losses[0] if losses else result.training_loss,
        "last_loss": losses[-1] if losses else result.training_loss,
    }


def finish(
    output: Path,
    trainer: Any,
    card: dict[str, Any],
    problem_ids: Sequence[str],
    prompts: Sequence[tuple[Message, ...]],
    *,
    base: ModelFolder,
) -> None:
    """Write model, tokenizer, model card and what it was trained on, what its base was trained on too; gradatim.json
    comes last, it marks a finished training."""
    trainer.save_model(str(output))
    if not first_process():
        return
    (output / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody needs
    write_text(canonical_json(training_record(base.path, problem_ids, prompts)), output / TRAINED_ON)
    about = {"base": {"name": base.name, "revision": base.revision}, "arithmetic": _arithmetic(trainer)}
    whole = {**card, **about, "packages": {name: version(name) for name in PACKAGES}}
    write_text(model_card(whole), output / MODEL_CARD)
    write_text(json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n", output / CARD)
    _tidy(output)


def _arithmetic(trainer: Any) -> str:
    """Tell what a training computed in, which its setting `auto` leaves open."""
    weights = str(next(trainer.model.parameters()).dtype).removeprefix("torch.")
    return f"{weights} weights, bfloat16 arithmetic" if trainer.args.bf16 else weights


def _tidy(output: Path) -> None:
    """Remove what only an unfinished training needs."""
    shutil.rmtree(output / CHECKPOINTS, ignore_errors=True)
    (output / STARTED).unlink(missing_ok=True)


def told(error: GradatimError) -> int:
    """Say in one line why a command ends. Returns its exit code: 2 for a configuration that cannot be, else 1."""
    print(error, file=sys.stderr)
    return 2 if isinstance(error, ConfigError | OtherTraining) else 1
