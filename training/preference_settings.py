"""The configuration of preferences.py: DPO on the pairs of runs, or TPO on instructions. Names are TRL's."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config import Engine, VllmEngine
from training.settings import Evaluation


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dpo(_Section):
    """Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290)."""

    # 0.1 is the paper's and TRL's.
    beta: float = Field(0.1, gt=0, description="how strongly the student is held to the model it starts from")
    # Iterative RPO (Pang et al. 2024, arXiv 2404.19733): on reasoning, DPO needs the chosen side's likelihood; α = 1.
    sft_weight: float = Field(1.0, ge=0, description="weight of the chosen side's own log-likelihood beside DPO's loss")
    # LD-DPO (Liu et al. 2024, arXiv 2409.06411).
    ld_alpha: float | None = Field(
        None, ge=0, le=1, description="weight of the tokens by which one side is longer; 1 or none is plain DPO"
    )
    max_length_ratio: float | None = Field(
        None, ge=1, description="leave out pairs whose longer side has more than so many times the student's tokens"
    )
    limit: int | None = Field(None, gt=0, description="train on so many pairs, drawn by the seed")
    epochs: float = Field(1.0, gt=0, description="passes over the pairs")
    max_steps: int | None = Field(None, gt=0, description="stop after so many optimizer steps, whatever epochs says")
    # 5e-7 to 1e-6 are usual from 1B up (TRL's default 1e-6); a 135M student takes more.
    learning_rate: float = Field(1e-6, gt=0, description="peak learning rate of AdamW")
    batch_size: int = Field(4, gt=0, description="pairs per device and forward pass")
    gradient_accumulation: int = Field(1, gt=0, description="forward passes per optimizer step")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps over which the learning rate rises")
    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = Field("linear", description="how it falls again")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    max_length: int = Field(
        1024, gt=0, description="longest prompt and completion in tokens; a longer one stops the training"
    )
    prefilled_think: Literal["refuse", "allow"] = Field(
        "refuse", description="whether the chat template may open <think> itself, so that the student never learns to"
    )
    check_answers: int = Field(
        1000, ge=0, description="so many pairs, drawn by the seed: the verifier must accept the chosen side alone"
    )
    precision: Literal["auto", "autocast", "float32", "bfloat16"] = Field(
        "auto",
        description="autocast: float32 weights, bfloat16 arithmetic; auto: this, or float32 on a CPU that emulates it",
    )
    gradient_checkpointing: bool = Field(False, description="less memory for about 20 % more time")
    checkpoint_steps: int = Field(
        25, gt=0, description="steps between checkpoints, from which a killed training goes on"
    )
    report_to: str | list[str] = Field("none", description="TRL's report_to: none, tensorboard, wandb, ..., or several")


class Judge(_Section):
    """Who tells which response is better."""

    kind: Literal["pairwise", "reward_model"] = Field(
        "pairwise", description="a chat model that compares pairs in both orders, or a model that scores one response"
    )
    model: str | None = Field(None, description="the judge: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    engine: Engine = Field(VllmEngine(), description="how a pairwise judge is run, as in a run's teachers")
    max_tokens: int = Field(256, gt=0, description="tokens for a judge's explanation and verdict")
    batch_size: int = Field(8, gt=0, description="responses per forward pass of a reward model")
    max_length: int = Field(2048, gt=0, description="longest conversation that a reward model scores, in tokens")


class Tpo(_Section):
    """Thought preference optimization (Wu et al. 2024, arXiv 2410.10630) on instructions without a verifier."""

    instructions: tuple[Path, ...] = Field((), description="JSONL files with a column instruction; given, TPO it is")
    limit: int | None = Field(None, gt=0, description="use so many instructions, drawn by the seed")
    rounds: int = Field(1, gt=0, description="generate, judge and train so many times, each from the model before")
    completions: int = Field(8, ge=2, description="thoughts with responses per instruction; the paper takes 8")
    temperature: float = Field(0.8, gt=0, description="temperature of the completions; the paper takes 0.8")
    top_p: float = Field(0.95, gt=0, le=1, description="top-p of the completions; the paper takes 0.95")
    max_tokens: int = Field(512, gt=0, description="tokens for thought and response; what is cut off is left out")
    length_weight: float = Field(
        0.25,
        ge=0,
        description="ρ in z(reward) − ρ·z(length of the response); 0 lets the longest win where judges like it",
    )
    engine: Engine = Field(VllmEngine(), description="how the student's completions are made, as in a run's teachers")
    served_as: str | None = Field(None, description="the student's name on the servers of an openai engine")


class PreferenceConfig(_Section):
    """A student, the pairs it learns from, and how. With tpo.instructions the pairs are made here, else read."""

    student: str = Field(description="the model to train: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    data: tuple[Path, ...] = Field((), description="run folders; their export/preferences is trained on (DPO)")
    output: Path = Field(description="folder for the trained model")
    seed: int = Field(0, ge=0, description="order of the pairs and every other random choice")
    dpo: Dpo = Dpo()
    tpo: Tpo = Tpo()
    judge: Judge = Judge()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _one_source(self) -> "PreferenceConfig":
        if bool(self.data) == bool(self.tpo.instructions):
            raise ValueError("give either data (runs with pairs, DPO) or tpo.instructions (TPO)")
        if self.tpo.instructions and not self.judge.model:
            raise ValueError("tpo needs judge.model, which tells the better response")
        if self.tpo.rounds > 1 and not isinstance(self.tpo.engine, VllmEngine):
            raise ValueError(
                "tpo.rounds above 1 needs tpo.engine.kind vllm: a server goes on serving the first student"
            )
        return self
