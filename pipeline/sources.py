"""Where problems come from, as a configuration names it: one model per strategy, told apart by `strategy`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config_files import Section
from pipeline.records import AnswerType


class TemplateSource(Section):
    """Problems from template families; `families` "all" or a list, `levels` null means every level of a family."""

    strategy: Literal["template"]
    count: int = Field(gt=0, description="problems in all, shared evenly by the families and levels")
    families: Literal["all"] | tuple[str, ...] = Field("all", description="all, or a list of template families")
    levels: tuple[int, ...] | None = Field(None, description="levels of difficulty; null: every level of a family")


class Columns(Section):
    """Which column of an imported set holds what; null where the set has none."""

    question: str = Field("question", description="column of the question")
    answer: str = Field("answer", description="column of the gold")
    id: str | None = Field(None, description="column of the row's own name")


class ImportedSource(Section):
    """Problems from a JSONL or Parquet file (`path`) or a dataset on the Hub (`dataset`)."""

    strategy: Literal["imported"]
    path: Path | None = Field(None, description="JSONL (also gzipped) or Parquet file")
    dataset: str | None = Field(None, description="id of a dataset on the Hub")
    dataset_config: str | None = Field(None, description="configuration of that dataset")
    revision: str | None = Field(None, description="revision of that dataset")
    split: str = Field("train", description="split of that dataset")
    columns: Columns = Columns()
    answer_after: str | None = Field(None, description='gold is what follows the last such mark, "####" for GSM8K')
    verifier: str = Field("math", description="how answers are compared")
    answer_type: AnswerType | None = Field(None, description="type of the golds; null: read from each gold")
    domain: str = Field("imported", description="domain of the problems, for the tables by domain")
    family: str | None = Field(None, description="name of the family, by default the file's or dataset's name")
    licence: str | None = Field(None, description="licence of the set, for provenance and the dataset card")
    limit: int | None = Field(None, gt=0, description="read no more than so many rows")

    @model_validator(mode="after")
    def _one_place(self) -> "ImportedSource":
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give either path or dataset")
        return self


class ReasoningGymSource(Section):
    """Problems from datasets of the package reasoning-gym, each row's scorer checked against its gold."""

    strategy: Literal["reasoning_gym"]
    count: int = Field(gt=0, description="problems in all, shared evenly by the datasets")
    datasets: tuple[str, ...] = Field(min_length=1, description="names of reasoning-gym's datasets")
    options: dict[str, dict[str, Any]] = Field({}, description="a dataset's own options, by its name")


class WrittenSource(Section):
    """Problems that a model writes from a topic, a skill, a format and a setting; without gold until a panel agrees."""

    strategy: Literal["written"]
    count: int = Field(gt=0, description="problems asked for; some of them are refused")
    topics: Literal["all"] | tuple[str, ...] = Field("all", description="all, or a list of topics")


class EvolvedSource(Section):
    """Evol-Instruct (Xu et al. 2023) for reasoning: a model rewrites problems of this run that a teacher has solved."""

    strategy: Literal["evolved"]
    count: int = Field(gt=0, description="rewrites asked for in each generation")
    generations: int = Field(1, gt=0, description="rounds of rewriting, each of what was solved in the one before")
    operations: Literal["all"] | tuple[str, ...] = Field("all", description="all, or a list of ways to rewrite")


class BackwardSource(Section):
    """Problems made from their answer: `answer_first` (a model writes the question to a drawn plan), `mask` (a known
    quantity of a solved problem is asked for, as in FOBAR, Jiang et al. 2023), `inverse` (template families that can
    be solved for another variable, by program)."""

    strategy: Literal["backward"]
    method: Literal["answer_first", "mask", "inverse"] = Field(description="how a problem is made from an answer")
    count: int = Field(gt=0, description="problems asked for; some of them are refused")
    families: Literal["all"] | tuple[str, ...] = Field("all", description="mask and inverse: families of the parents")
    steps: tuple[Annotated[int, Field(ge=1, le=6)], ...] = Field(
        (2, 3, 4), min_length=1, description="answer_first: steps of the drawn calculations, in turn"
    )


class RunSource(Section):
    """Problems of another run as they are, with their ids, golds and provenance: those that `stage` kept. `agree`: the
    gold is settled; `assess`: a model of the panel solved it; `pool`: within the band of the reference model.
    `unsolved`: those that assess refused, since no model reached the gold."""

    strategy: Literal["run"]
    path: Path = Field(description="the other run's folder")
    stage: Literal["agree", "assess", "pool", "unsolved"] = Field(
        "assess", description="the stage that must have kept a problem; unsolved: that assess refused it"
    )
    hintable: bool = Field(False, description="only problems whose answer a hint can tell, as teachers[].hint does")


Source = Annotated[
    TemplateSource | ImportedSource | ReasoningGymSource | WrittenSource | EvolvedSource | BackwardSource | RunSource,
    Field(discriminator="strategy"),
]


def rounds_of(source: Source) -> int:
    """Return how many rounds of solving must come before a source's last problems: those with parents wait for them."""
    if isinstance(source, EvolvedSource):
        return source.generations
    return int(isinstance(source, BackwardSource) and source.method == "mask")


def has_no_gold(source: Source) -> bool:
    """Tell whether a source's problems get their gold from the panel."""
    return isinstance(source, WrittenSource | EvolvedSource)


def golds_are_settled(sources: Sequence[Source]) -> bool:
    """Tell whether all problems come from other runs, whose panels have settled the golds."""
    return all(isinstance(source, RunSource) for source in sources)
