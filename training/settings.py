"""The configuration of a student: one YAML for training and evaluation, checked whole like a run's configuration.

Defaults are for a 135M student on a CPU with two cores and a few hundred traces; `help_text` lists every key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from pipeline.config import Engine, VllmEngine
from pipeline.prompts import PromptName

CARD: Final = "gradatim.json"  # in a student's folder: what it was made from; there once the training is finished


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sft(_Section):
    """Supervised fine-tuning; names are TRL's where TRL has one."""

    epochs: float = Field(2.0, gt=0, description="passes over the training rows")
    max_steps: int | None = Field(None, gt=0, description="stop after so many optimizer steps, whatever epochs says")
    limit: int | None = Field(None, gt=0, description="train on so many rows, drawn by the seed")
    learning_rate: float = Field(2e-4, gt=0, description="peak learning rate of AdamW")
    batch_size: int = Field(8, gt=0, description="rows per device and forward pass")
    gradient_accumulation: int = Field(1, gt=0, description="forward passes per optimizer step")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps over which the learning rate rises")
    scheduler: Literal["cosine", "linear", "constant_with_warmup"] = Field("cosine", description="how it falls again")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    max_length: int = Field(1024, gt=0, description="longest row in tokens; a longer one stops the training")
    precision: Literal["autocast", "float32", "bfloat16"] = Field(
        "autocast", description="float32 weights with bfloat16 arithmetic, all float32, or all bfloat16"
    )
    gradient_checkpointing: bool = Field(False, description="less memory for about 20 % more time")
    checkpoint_steps: int = Field(
        50, gt=0, description="steps between checkpoints, from which a killed training goes on"
    )
    report_to: str = Field("none", description="TRL's report_to: none, tensorboard, wandb, trackio, ...")


class Evaluation(_Section):
    """How base and student are compared on held-out problems."""

    problems: tuple[Path, ...] = Field((), description="JSONL or Parquet files; by default the runs' GRPO test splits")
    limit: int | None = Field(None, gt=0, description="evaluate on so many problems, drawn by the seed")
    completions: int = Field(1, gt=0, description="completions per problem; one is greedy, several are sampled")
    temperature: float = Field(0.7, gt=0, description="temperature where several completions are sampled")
    max_tokens: int = Field(512, gt=0, description="completion tokens; what is cut off before an answer is undecided")
    prompt: PromptName = Field("boxed", description="prompt template for problems that bring no prompt of their own")
    level: float = Field(0.95, gt=0, lt=1, description="confidence level of the intervals")
    engine: Engine = Field(VllmEngine(), description="how completions are made, as in a run's teachers")


class StudentConfig(_Section):
    """A student: who it is, what it learns from, where it is written, and how it is trained and evaluated."""

    student: str = Field(description="the model to train: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    data: tuple[Path, ...] = Field(min_length=1, description="run folders; their export/sft is trained on")
    output: Path = Field(description="folder for the trained model")
    seed: int = Field(0, ge=0, description="order of the rows and every other random choice")
    sft: Sft = Sft()
    evaluation: Evaluation = Evaluation()


def help_text(model: type[BaseModel] = StudentConfig) -> str:
    """List every key of a configuration model with its default and what it means, for --help."""
    return "keys of the configuration, for the YAML file and --set:\n" + "\n".join(_lines(model, ""))


def _lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _lines(inner, f"{prefix}{name}.")
        else:
            yield f"  {prefix + name:<30} {field.description} [{_default(field)}]"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.default
    choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
    if choices:
        return " | ".join(f"{c} (default)" if c == value else c for c in choices)
    if isinstance(value, BaseModel):
        return "see pipeline/config.py"
    return "none" if value in (None, ()) else str(value)
