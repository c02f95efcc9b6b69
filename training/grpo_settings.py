"""The configuration of grpo.py. Where a default is somebody's finding, the comment says whose.

Names are TRL's where TRL has one.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.settings import Evaluation

AS_IT_IS: Final = "as_it_is"


class Grpo(BaseModel):
    """Reinforcement learning from the verifiers' rewards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: Literal["grpo", "rloo"] = Field(
        "grpo", description="baseline: the group's mean (GRPO), or that of the others in it (RLOO); --rloo sets rloo"
    )
    # The pool.
    distribution: Literal["as_it_is", "uniform", "peaked", "mirrored_j", "curriculum"] = Field(
        "as_it_is",
        description="how pass rates are distributed in what is drawn from the pool; curriculum: easy to hard",
    )
    problems: int | None = Field(None, gt=0, description="problems drawn from the pool; by default all of them")
    # Groups. 8 is TRL's default; DAPO (arXiv 2503.14476, section 4.1) takes 16, DeepSeekMath (2402.03300) 64.
    group_size: int = Field(8, ge=2, description="completions per problem, among which rewards are compared")
    batch_size: int = Field(8, gt=0, description="completions per device and forward pass")
    gradient_accumulation: int = Field(1, gt=0, description="forward passes per optimizer step")
    # The completions. 1.0 keeps them samples of the policy itself (TRL's default; DAPO, section 4.1).
    temperature: float = Field(1.0, gt=0, description="temperature of the completions")
    top_p: float = Field(1.0, gt=0, le=1, description="top-p of the completions")
    max_completion_length: int = Field(256, gt=0, description="completion tokens; what is cut off pays nothing")
    vllm: Literal["auto", "colocate", "server", "off"] = Field(
        "auto", description="how completions are made: auto is colocate with a CUDA device and vLLM installed, else off"
    )
    vllm_server: str | None = Field(None, description="base URL of `trl vllm-serve`, for vllm server")
    vllm_memory: float = Field(0.3, gt=0, lt=1, description="share of the device's memory for vLLM (colocate)")
    # The rewards.
    accuracy_weight: float = Field(1.0, gt=0, description="weight of the verifier's reward")
    format_weight: float = Field(0.1, ge=0, description="weight of the reward for one thinking block, then the answer")
    overlong_weight: float = Field(0.0, ge=0, description="weight of the soft punishment of overlong completions")
    overlong_buffer: int | None = Field(
        None, gt=0, description="tokens before the limit over which that punishment grows; a fifth by default"
    )
    # A completion that was cut off was not judged: DAPO's overlong filtering (section 3.4). TRL's default is False.
    mask_truncated: bool = Field(True, description="leave completions that were cut off out of the loss")
    # The loss. DAPO drops the KL term (section 2.3) and TRL's GRPO follows; TRL's RLOO has 0.05 (arXiv 2402.14740).
    beta: float | None = Field(
        None, ge=0, description="weight of the KL divergence from the first model; 0 for GRPO, 0.05 for RLOO by default"
    )
    epsilon: float = Field(0.2, gt=0, lt=1, description="lower clip of the probability ratio (PPO, arXiv 1707.06347)")
    # Clip-higher leaves room for unlikely tokens to grow: DAPO, section 3.1.
    epsilon_high: float = Field(0.28, gt=0, description="upper clip of the probability ratio")
    # Every token counts the same, whatever the length of its completion: DAPO, section 3.3, and TRL's default.
    loss_type: Literal["dapo", "dr_grpo", "grpo", "bnpo"] = Field("dapo", description="how token losses are averaged")
    # Dividing by a group's deviation favours problems that are nearly always or never solved: Dr. GRPO (2503.20783).
    scale_rewards: Literal["none", "group", "batch"] = Field("none", description="what rewards are divided by")
    iterations: int = Field(1, gt=0, description="optimizer steps per batch of completions (TRL's num_iterations)")
    # The optimizer. 1e-6 is TRL's and DAPO's; a 135M student on a CPU takes 1e-5.
    epochs: float = Field(1.0, gt=0, description="passes over the problems")
    max_steps: int | None = Field(None, gt=0, description="stop after so many optimizer steps, whatever epochs says")
    learning_rate: float = Field(1e-6, gt=0, description="peak learning rate of AdamW")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps over which the learning rate rises")
    scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="how the learning rate falls again"
    )
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    precision: Literal["auto", "autocast", "float32", "bfloat16"] = Field(
        "auto",
        description="autocast: float32 weights, bfloat16 arithmetic; auto: this, or float32 on a CPU that emulates it",
    )
    gradient_checkpointing: bool = Field(False, description="less memory for about 20 % more time")
    checkpoint_steps: int = Field(
        25, gt=0, description="steps between checkpoints, from which a killed training goes on"
    )
    log_completions: bool = Field(False, description="write every completion with its rewards beside the checkpoints")
    report_to: str | list[str] = Field("none", description="TRL's report_to: none, tensorboard, wandb, ..., or several")

    @property
    def kl_weight(self) -> float:
        """The weight of the KL term, by the algorithm's default where none is given."""
        return self.beta if self.beta is not None else {"grpo": 0.0, "rloo": 0.05}[self.algorithm]

    @model_validator(mode="after")
    def _whole_groups(self) -> "Grpo":
        if (self.batch_size * self.gradient_accumulation) % self.group_size:
            raise ValueError(
                f"batch_size {self.batch_size} × gradient_accumulation {self.gradient_accumulation} must be a multiple "
                f"of group_size {self.group_size}, so that no group is torn"
            )
        if self.vllm == "server" and not self.vllm_server:
            raise ValueError("vllm server needs vllm_server, the server's base URL")
        if (self.overlong_buffer or 0) > self.max_completion_length:
            raise ValueError(f"overlong_buffer must be at most max_completion_length {self.max_completion_length}")
        return self


class GrpoConfig(BaseModel):
    """A student, the pool it learns from, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    student: str = Field(description="the model to train: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    data: tuple[Path, ...] = Field(min_length=1, description="run folders; their export/grpo is trained on")
    output: Path = Field(description="folder for the trained model")
    seed: int = Field(0, ge=0, description="which problems are drawn, their order, and every other random choice")
    grpo: Grpo = Grpo()
    evaluation: Evaluation = Evaluation()
