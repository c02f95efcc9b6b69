"""TRL's SFTTrainer as our training scripts use it: nothing cut, a quiet bar, checkpoints that are known to be whole.

torch, transformers and TRL are imported inside the functions, so that --help and mistakes in a configuration are quick.
"""

import ctypes
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from training.exports import SftRow
from training.settings import Sft

PREFIX: Final = "checkpoint-"
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
NEVER: Final = 2**31 - 1


def load_student(folder: Path, precision: str) -> tuple[Any, Any, set[int]]:
    """Return model, tokenizer and the tokens that end the model's generation."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # the trainer's own bar is a callback and stays
    tokenizer = AutoTokenizer.from_pretrained(folder)
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    ends = model.generation_config.eos_token_id
    stops = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    return model, tokenizer, stops


def build_trainer(
    model: Any,
    tokenizer: Any,
    train: Sequence[SftRow],
    validation: Sequence[SftRow],
    *,
    settings: Sft,
    max_length: int,
    folder: Path,
    seed: int,
) -> Any:
    """Build the SFTTrainer; its checkpoints go to `folder`."""
    from datasets import disable_progress_bars
    from transformers.trainer_callback import ProgressCallback
    from trl import SFTTrainer

    disable_progress_bars()
    trainer = SFTTrainer(
        model=model,
        args=_arguments(settings, max_length, folder, seed),
        train_dataset=_dataset(train),
        eval_dataset=_dataset(validation) if validation else None,
        processing_class=tokenizer,
    )
    trainer.remove_callback(ProgressCallback)
    bar = ProgressCallback()
    bar.on_log = partial(_loss_on_the_bar, bar)  # instead of a line of figures every few steps
    trainer.add_callback(bar)
    return trainer


def _arguments(settings: Sft, max_length: int, folder: Path, seed: int) -> Any:
    import torch
    from trl import SFTConfig

    accelerated = torch.accelerator.is_available()
    return SFTConfig(
        output_dir=str(folder),
        max_length=max_length,
        completion_only_loss=True,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        warmup_steps=settings.warmup,
        lr_scheduler_type=settings.scheduler,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.precision == "autocast",
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not accelerated,
        dataloader_pin_memory=accelerated,
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,  # a kill while the second is written must leave the first
        logging_steps=1,
        report_to=settings.report_to,
        seed=seed,
    )


def _dataset(rows: Sequence[SftRow]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(
        [{"prompt": [asdict(m) for m in row.prompt], "completion": [asdict(m) for m in row.completion]} for row in rows]
    )


def _loss_on_the_bar(bar: Any, *_: object, logs: dict[str, Any], **__: object) -> None:
    if bar.training_bar is not None and "loss" in logs:
        bar.training_bar.set_postfix_str(f"loss {float(logs['loss']):.3f}")


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end: trainer_state.json is what the trainer writes last."""
    newest_first = sorted(folder.glob(f"{PREFIX}*"), key=lambda path: -int(path.name.removeprefix(PREFIX)))
    return next((checkpoint for checkpoint in newest_first if _is_json(checkpoint / "trainer_state.json")), None)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return True


def keep_freed_memory() -> None:
    """Have glibc keep the large blocks that every training step frees and asks for again.

    Given back to the kernel, they come back as two million page faults a step (135M student on a CPU): a quarter of
    its processor time went into the kernel.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
