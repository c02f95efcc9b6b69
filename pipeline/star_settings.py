"""The configuration of STaR (flows/star.py): a student that learns from its own verified solutions, round by round.

`sft` is the section of that name in a student's configuration (training/settings.py); the training is started by
command, and checked by command before anything is asked of a model.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.config import Engine, Generate, Sampling, Screen, Select, Verify, VllmEngine
from pipeline.config_files import Section
from pipeline.sources import BackwardSource, EvolvedSource, Source, WrittenSource


class StarConfig(Section):
    """Rounds of generate, rationalise and train, each training from the base model (Zelikman et al. 2022)."""

    student: str = Field(description="the base model: a catalogue name, a local folder or a Hub id")
    revision: str | None = Field(None, description="revision of a Hub id")
    output: Path = Field(description="folder for the rounds; the last round's student is its subfolder student")
    seed: int = Field(0, ge=0, description="problems, order of the rows and every other random choice")
    rounds: int = Field(2, gt=0, description="how many times to generate and train; may be raised later")
    generate: Generate = Field(description="problems with golds, as in a run; every round takes all of them")
    screen: Screen = Screen()
    sampling: Sampling = Sampling()
    completions: int = Field(4, gt=0, description="completions per problem and round")
    engine: Engine = Field(VllmEngine(), description="how the models of the rounds are run, as in a run's teachers")
    served_as: str | None = Field(
        None,
        description="openai engine: the name of a round's model on the servers, {round} stands for the round's number; "
        "by default the base model's own name, then the folder of the student",
    )
    rationalise: bool = Field(True, description="ask again, with the answer as a hint, for what was not solved")
    hinted_completions: int = Field(2, gt=0, description="completions per problem with the hint")
    closed_book: int = Field(
        2, ge=0, description="completions without the hint for each rationalised problem, to measure; 0: none"
    )
    keep: Literal["all", "closed_book"] = Field(
        "all", description="closed_book: only rationalisations of problems that the model then solves without the hint"
    )
    verify: Verify = Verify()
    select: Select = Field(Select(), description="which traces are trained on; select.prompt asks for them, too")
    sft: dict[str, Any] = Field(
        {}, description="section sft of training/distill.py; too_long is `leave out` where it says nothing else"
    )
    launcher: tuple[str, ...] = Field(
        (), description="command before training/distill.py, such as [accelerate, launch]; by default this Python"
    )

    @model_validator(mode="after")
    def _golds(self) -> "StarConfig":
        written = [source.strategy for source in self.generate.sources if _needs_a_writer(source)]
        if written:
            raise ValueError(
                f"a model writes the problems of strategy {written[0]}; build them in a run of their own first, and "
                "take them with {strategy: run, path: ...}"
            )
        if self.keep == "closed_book" and not self.closed_book:
            raise ValueError("keep closed_book needs closed_book above 0, the completions that decide it")
        return self

    def folder(self, number: int) -> Path:
        """The folder of a round, counted from 1."""
        return self.output / f"round-{number}"

    def student_of(self, number: int) -> Path:
        """The folder of the student that a round trains."""
        return self.folder(number) / "student"


def _needs_a_writer(source: Source) -> bool:
    made = isinstance(source, BackwardSource) and source.method != "inverse"
    return made or isinstance(source, WrittenSource | EvolvedSource)
