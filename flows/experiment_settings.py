"""The configuration of an experiment: one teacher run, and the students that are trained on it in different ways.

The sections sft, grpo.settings, dpo, star and evaluation are passed on to the training scripts, which check their keys;
`data` is a run's configuration as `gradatim build` takes it, without its name and folder.
"""

from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import Field, model_validator

from pipeline.config import Band, Config, load_config
from pipeline.config_files import Section

RowName = Literal[
    "base",
    "sft_verified",
    "sft_unverified",
    "sft_double",
    "grpo_raw",
    "grpo_calibrated",
    "sft_grpo",
    "star",
    "star_rationalised",
    "dpo",
]
Start = Literal["base", "sft"]
ROW_NAMES: Final[tuple[RowName, ...]] = get_args(RowName)
SFT_ROWS: Final[tuple[RowName, ...]] = ("sft_verified", "sft_unverified", "sft_double")
GRPO_ROWS: Final[tuple[RowName, ...]] = ("grpo_raw", "grpo_calibrated", "sft_grpo")
STAR_ROWS: Final[tuple[RowName, ...]] = ("star", "star_rationalised")
CHEAP_SEEDS: Final = (0, 1, 2)
CHEAP: Final = (*SFT_ROWS, "dpo")


class HeldOut(Section):
    """Problems that nothing is trained on: the run's families, another seed, none of the run's problems."""

    count: int = Field(100, gt=0, description="problems to draw; near-duplicates of one another leave")
    seed: int = Field(77, ge=0, description="all that is drawn at random in them comes from it")
    problems: tuple[Path, ...] = Field((), description="files to take instead")


class GrpoRows(Section):
    """The reinforcement rows. The calibrated pool: the run's problems, measured again for the model they start from."""

    start: Start = Field("sft", description="grpo_raw and grpo_calibrated begin with this student")
    completions: int = Field(8, gt=0, description="completions per problem that calibrate the pool")
    band: Band = Band(min_pass_rate=0.1, max_pass_rate=0.9)
    settings: dict[str, Any] = Field({}, description="the section grpo of training/grpo.py")


class Row(Section):
    """One row of the table: its seeds (by default three where training is cheap, else one), and what it changes in the
    section that its training takes."""

    seeds: tuple[int, ...] | None = Field(None, min_length=1, description="one training each; null: by the cost")
    start: Start | None = Field(None, description="the student that a GRPO or STaR row begins with")
    set: dict[str, Any] = Field({}, description="keys of the section that the row's training takes")


class Experiment(Section):
    """An experiment, whole. `rows` are the rows of the table, in its order."""

    output: Path = Field(description="folder of the experiment: run, students, evaluations, table")
    student: str = Field("smollm2-135m-instruct", description="the model that every row begins with, as in distill.py")
    revision: str | None = Field(None, description="revision of a Hub id")
    run: Path | None = Field(None, description="a finished run to take instead of building `data`")
    data: Config | None = Field(None, description="the run to build, without name and folder")
    jobs: int = Field(1, gt=0, description="SFT and DPO trainings at once, each with its share of the cores")
    held_out: HeldOut = HeldOut()
    sft_rows: int = Field(150, gt=0, description="rows of sft_verified and sft_unverified; sft_double has twice that")
    sft: dict[str, Any] = Field({}, description="the section sft of training/distill.py, for all SFT rows")
    grpo: GrpoRows = GrpoRows()
    dpo: dict[str, Any] = Field({}, description="the section dpo of training/preferences.py")
    star: dict[str, Any] = Field({}, description="keys of gradatim star's configuration; sft is the section above")
    evaluation: dict[str, Any] = Field({}, description="the section evaluation of training/evaluate.py")
    rows: dict[RowName, Row] = Field(
        {name: Row() for name in ROW_NAMES}, min_length=1, description="rows of the table, in its order"
    )

    @model_validator(mode="before")
    @classmethod
    def _data_has_its_place(cls, raw: Any) -> Any:
        """The run is named by the experiment: OUTPUT/runs/data."""
        if isinstance(raw, dict) and isinstance(raw.get("data"), dict) and "output" in raw:
            place = {"run": "data", "runs_folder": str(Path(raw["output"]) / "runs")}
            return {**raw, "data": {**raw["data"], **place}}
        return raw

    @model_validator(mode="after")
    def _one_run(self) -> "Experiment":
        if (self.run is None) == (self.data is None):
            raise ValueError("give either data (a run to build) or run (the folder of one that is finished)")
        return self

    @model_validator(mode="after")
    def _starts(self) -> "Experiment":
        fixed = [name for name, row in self.rows.items() if row.start and name not in (*GRPO_ROWS[:2], *STAR_ROWS)]
        if fixed:
            raise ValueError(f"rows.{fixed[0]}: has a start of its own; only {', '.join((*GRPO_ROWS[:2], *STAR_ROWS))}")
        return self

    def start(self, row: RowName) -> Start:
        """The student that a row begins with: as it was published, or after sft_verified."""
        given = self.rows[row].start if row in self.rows else None
        if row in ("dpo", "sft_grpo"):
            return "sft"
        return given or (self.grpo.start if row in GRPO_ROWS else "base")

    @property
    def run_folder(self) -> Path:
        """The folder of the teacher's run."""
        return self.run or self.output / "runs" / "data"

    @property
    def run_config(self) -> Config:
        """The configuration of the teacher's run. Raises ConfigError if a run is named that is none."""
        return self.data or load_config(self.run_folder / "config.yaml")

    @property
    def evaluation_settings(self) -> dict[str, Any]:
        """The section evaluation of all evaluations: students are asked with the prompt that they are trained on."""
        return {"prompt": self.run_config.select.prompt, **self.evaluation}

    def seeds(self, row: RowName) -> tuple[int, ...]:
        """The seeds of a row; the untrained student has none but 0."""
        given = self.rows[row].seeds if row in self.rows else None
        if row == "base":
            return (0,)
        return given or (CHEAP_SEEDS if row in CHEAP else (0,))
