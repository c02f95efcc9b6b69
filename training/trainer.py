"""TRL's SFTTrainer as our training scripts use it: rows as the preflight rendered them, a quiet bar, whole checkpoints.

torch, transformers and TRL are imported inside the functions, so that --help and mistakes in a configuration are quick.
"""

import ctypes
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pipeline.config_files import ConfigError
from pipeline.hardware import training_precision
from training.exports import SftRow
from training.loss_mask import labels_of
from training.settings import Lora, Sft
from training.templates_check import Rendered, Special

PREFIX: Final = "checkpoint-"
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
NEVER: Final = 2**31 - 1


def load_tokenizer(folder: Path, chat_template_path: Path | None = None) -> tuple[Any, Special]:
    """Return a student's tokenizer, with another chat template if one is given, and its special tokens. Loads no
    weights."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if chat_template_path is not None:
        try:
            tokenizer.chat_template = chat_template_path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"sft.chat_template_path: {chat_template_path}: {error.strerror}") from None
    config = AutoConfig.from_pretrained(folder)
    if (folder / "generation_config.json").is_file():
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
    else:
        ends = getattr(config, "eos_token_id", None)
    stops = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    return tokenizer, Special(frozenset(stops), text.vocab_size, positions)


def load_model(folder: Path, precision: str, attn_implementation: str | None = None) -> Any:
    """Return a model with float32 weights (bfloat16 ones for precision bfloat16) and the attention asked for."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # the trainer's own bar is a callback and stays
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=attn_implementation)
    except (ImportError, ValueError) as error:
        if attn_implementation is None:
            raise
        why = str(error).splitlines()[0]
        raise ConfigError(f"sft.attn_implementation: {attn_implementation}: {why}") from None


def load_student(folder: Path, precision: str) -> tuple[Any, Any, frozenset[int]]:
    """Return model, tokenizer and the tokens that end the model's generation."""
    tokenizer, special = load_tokenizer(folder)
    return load_model(folder, precision), tokenizer, special.stops


def build_trainer(
    model: Any,
    tokenizer: Any,
    train: Sequence[Rendered],
    validation: Sequence[Rendered],
    *,
    settings: Sft,
    max_length: int,
    folder: Path,
    seed: int,
) -> Any:
    """Build the SFTTrainer on rendered rows; its checkpoints go to `folder`."""
    from datasets import disable_progress_bars
    from transformers.trainer_callback import ProgressCallback
    from trl import SFTTrainer

    disable_progress_bars()
    trainer = SFTTrainer(
        model=model,
        args=training_arguments(settings, max_length, folder, seed),
        train_dataset=_dataset(train),
        eval_dataset=_dataset(validation) if validation else None,
        processing_class=tokenizer,
        peft_config=_lora(settings.lora) if settings.lora else None,
    )
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    if sharded and settings.lora and settings.lora.merge:
        raise ConfigError("sft.lora.merge: needs whole weights in every process; say false under FSDP and DeepSpeed")
    trainer.remove_callback(ProgressCallback)
    bar = ProgressCallback()
    bar.on_log = partial(_loss_on_the_bar, bar)  # instead of a line of figures every few steps
    trainer.add_callback(bar)
    return trainer


def tokenised_by_trl(tokenizer: Any, rows: Sequence[SftRow]) -> list[dict[str, Any]]:
    """Return rows (input_ids, labels) as TRL's SFTTrainer makes them out of messages, by a model of nearly nothing."""
    from datasets import Dataset, disable_progress_bars
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    messages = [
        {name: [asdict(turn) for turn in getattr(row, name)] for name in ("prompt", "completion")} for row in rows
    ]
    with TemporaryDirectory() as scratch:
        trainer = SFTTrainer(
            model=LlamaForCausalLM(LlamaConfig(vocab_size=8, **size)),
            args=SFTConfig(scratch, max_length=None, use_cpu=True, bf16=False, report_to="none"),
            train_dataset=Dataset.from_list(messages),
            processing_class=tokenizer,
        )
        return list(trainer.train_dataset)


def training_arguments(settings: Sft, max_length: int, folder: Path, seed: int) -> Any:
    """Return the SFTConfig of the settings."""
    import torch
    from trl import SFTConfig

    accelerated = torch.accelerator.is_available()
    return SFTConfig(
        output_dir=str(folder),
        run_name=folder.parent.name,
        max_length=max_length,
        packing=settings.packing,
        eval_packing=False,
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
        bf16=training_precision(settings.precision) == "autocast",
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not accelerated,
        dataloader_pin_memory=accelerated,
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,  # a kill while the second is written must leave the first
        logging_steps=1,
        ddp_find_unused_parameters=False,
        report_to=settings.report_to,
        seed=seed,
    )


def _dataset(rows: Sequence[Rendered]) -> Any:
    """Tokens and labels that were checked: the trainer need not render and tokenise every row twice again."""
    from datasets import Dataset

    return Dataset.from_list([{"input_ids": row.tokens, "labels": labels_of(row)} for row in rows])


def _lora(settings: Lora) -> Any:
    from peft import LoraConfig

    modules = settings.target_modules
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type="CAUSAL_LM",
    )


def merge_adapter(trainer: Any, output: Path) -> None:
    """Write the adapter to adapter/ and put the merged model in its place, which is what the trainer then saves."""
    trainer.save_model(str(output / "adapter"))
    (output / "adapter" / "training_args.bin").unlink(missing_ok=True)
    trainer.model = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()


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
