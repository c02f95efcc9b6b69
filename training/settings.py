"""The configuration of a student: one YAML for training and evaluation, checked whole like a run's configuration.

Defaults are for a 135M student on a CPU with two cores and a few hundred traces; --help lists every key.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config import Engine, VllmEngine
from pipeline.config_help import SET_HELP, help_text
from pipeline.prompts import PromptName

CARD: Final = "gradatim.json"  # in a student's folder: what it was made from; there once the training is finished


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lora(_Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685); names are peft's."""

    r: int = Field(16, gt=0, description="rank of the adapters")
    alpha: float = Field(32, gt=0, description="adapters are scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the adapters")
    target_modules: str | tuple[str, ...] = Field(
        "all-linear", description="layers that get one: names, a regular expression, or all-linear (all but the head)"
    )
    merge: bool = Field(True, description="write the merged model, and the adapter to adapter/; else the adapter alone")


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
    max_length: int = Field(1024, gt=0, description="length budget of a row in tokens, and the size of a pack")
    too_long: Literal["refuse", "leave out"] = Field(
        "refuse", description="what becomes of rows longer than max_length; none is ever cut"
    )
    packing: bool = Field(
        False, description="put rows together up to max_length; refused where the attention would mix them"
    )
    mixture: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {},
        description="weights by tag (family, too easy, behaviour:backtracking, level:3, ...): 2 doubles, 0 leaves out",
    )
    lora: Lora | None = Field(None, description="train low-rank adapters instead of all weights; {} takes the defaults")
    chat_template_path: Path | None = Field(
        None, description="Jinja file that replaces the student's chat template and is saved with it"
    )
    prefilled_think: Literal["refuse", "allow"] = Field(
        "refuse", description="whether the chat template may open <think> itself, so that the student never learns to"
    )
    check_answers: int = Field(
        1000, ge=0, description="so many rows, drawn by the seed, the verifier must accept as they are learned"
    )
    attn_implementation: str | None = Field(
        None, description="attention of transformers: eager, sdpa, flash_attention_2, ...; by default its own choice"
    )
    precision: Literal["auto", "autocast", "float32", "bfloat16"] = Field(
        "auto",
        description="autocast: float32 weights, bfloat16 arithmetic; auto: this, or float32 on a CPU that emulates it",
    )
    gradient_checkpointing: bool = Field(False, description="less memory for about 20 % more time")
    checkpoint_steps: int = Field(
        50, gt=0, description="steps between checkpoints, from which a killed training goes on"
    )
    report_to: str | list[str] = Field("none", description="TRL's report_to: none, tensorboard, wandb, ..., or several")


class Evaluation(_Section):
    """How models are compared on held-out problems."""

    problems: tuple[Path, ...] = Field((), description="JSONL or Parquet files; by default the runs' GRPO test splits")
    question_column: str = Field("question", description="column of the question in such a file")
    answer_column: str = Field("answer", description="column of the answer in such a file, a text or a number")
    answer_after: str | None = Field(
        None, description='in files, the answer is what follows the last such mark: "####" for GSM8K'
    )
    limit: int | None = Field(None, gt=0, description="evaluate on so many problems, drawn by the seed")
    greedy: bool = Field(True, description="make one greedy completion per problem")
    completions: int = Field(0, ge=0, description="sampled completions per problem beside it, for pass@k and cons@k")
    temperature: float = Field(0.7, gt=0, description="temperature of the sampled completions")
    top_p: float = Field(1.0, gt=0, le=1, description="top-p of the sampled completions")
    sampling_seed: Literal["per_request", "none"] = Field(
        "none", description="whether sampling is seeded, request by request; repeatable, but slower on CPU"
    )
    k: tuple[Annotated[int, Field(gt=0)], ...] = Field((1, 8), description="the k of pass@k, at most completions")
    cons: tuple[Annotated[int, Field(gt=0)], ...] = Field((8,), description="the k of cons@k, at most completions")
    max_tokens: int = Field(512, gt=0, description="completion tokens; what is cut off before an answer is undecided")
    prompt: PromptName = Field("boxed", description="prompt template for problems that bring no prompt of their own")
    level: float = Field(0.95, gt=0, lt=1, description="confidence level of the intervals")
    engine: Engine = Field(VllmEngine(), description="how completions are made, as in a run's teachers")

    @model_validator(mode="after")
    def _something_to_ask(self) -> "Evaluation":
        if not self.greedy and not self.completions:
            raise ValueError("greedy false needs completions, else there is nothing to evaluate")
        return self


class EvaluationConfig(_Section):
    """What an evaluation without a student's file may set."""

    seed: int = Field(0, ge=0, description="which problems a limit draws, and the resamples of the intervals")
    evaluation: Evaluation = Evaluation()


class StudentConfig(_Section):
    """A student: who it is, what it learns from, where it is written, and how it is trained and evaluated."""

    student: str = Field(description="the model to train: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    data: tuple[Path, ...] = Field(
        min_length=1,
        description="run or export folders, JSONL or Parquet files, or Hub ids (organisation/name@revision)",
    )
    output: Path = Field(description="folder for the trained model")
    seed: int = Field(0, ge=0, description="order of the rows and every other random choice")
    sft: Sft = Sft()
    evaluation: Evaluation = Evaluation()


def config_parser(prog: str, description: str | None, *models: type[BaseModel]) -> ArgumentParser:
    """Return a parser of --config and --set whose --help lists every key of these models."""
    parser = ArgumentParser(
        prog=prog,
        description=description,
        epilog=help_text(*models),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the student")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=SET_HELP)
    return parser
