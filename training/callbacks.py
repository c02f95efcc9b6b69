"""What our training scripts hook into the trainer's loop: whole checkpoints, and a quiet progress bar.

Imports transformers; import this module only where a trainer is built.
"""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import ProgressCallback

WHOLE = "WHOLE"


class MarkWholeCheckpoints(TrainerCallback):
    """Leave a mark in a checkpoint once every file of it is written; one without the mark is never resumed from."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


class LossOnTheBar(ProgressCallback):
    """The trainer's own bar with rate and ETA; the loss stands on it instead of scrolling by."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if state.is_world_process_zero and self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix_str(f"loss {float(logs['loss']):.3f}")


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end."""
    marks = folder.glob(f"checkpoint-*/{WHOLE}")
    return max((mark.parent for mark in marks), key=lambda path: int(path.name.split("-")[1]), default=None)
