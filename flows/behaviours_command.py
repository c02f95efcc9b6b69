"""`gradatim behaviours`: have a model judge which cognitive behaviours the traces of a run show, beside the rules that
tagged them, and report how far the two agree. Changes nothing in the run; the answers stay under RUN/asked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table

from filters.behaviours import JUDGE_PROMPT_VERSION, Agreed, agreement, judge_prompt, label, read_judgement
from filters.trace_quality import whole_text
from pipeline.ask import Question, ask
from pipeline.config import OpenAIEngine, Sampling, VllmEngine, Writer
from pipeline.config_files import ConfigError
from pipeline.records import Completion, Message, Trace
from pipeline.run import Run, open_run
from pipeline.seeds import rng_for
from pipeline.store import iterate_records

SCHEMA: Final = (
    '{"type":"object","properties":{"verification":{"type":"integer","minimum":0,"maximum":50},'
    '"backtracking":{"type":"integer","minimum":0,"maximum":50},'
    '"subgoal setting":{"type":"integer","minimum":0,"maximum":50},'
    '"backward chaining":{"type":"integer","minimum":0,"maximum":50}},'
    '"required":["verification","backtracking","subgoal setting","backward chaining"],"additionalProperties":false}'
)


class Judged(NamedTuple):
    """How many traces the judge was shown, how many of its answers could not be read, and the agreement."""

    shown: int
    unread: int
    agreed: dict[str, Agreed]


def judge_behaviours(folder: Path, model: str, count: int, endpoints: Sequence[str] = ()) -> Judged:
    """Show `count` traces, drawn by the run's seed, to the model. Raises ConfigError for a run without traces."""
    run = open_run(folder)
    texts = _texts(run, count)
    if not texts:
        raise ConfigError(f"{folder}: no traces; gradatim build {folder}/config.yaml goes on with it")
    engine = OpenAIEngine(kind="openai", endpoints=tuple(endpoints)) if endpoints else VllmEngine(max_model_len=4096)
    writer = Writer(model=model, engine=engine, sampling=Sampling(temperature=0.0, max_tokens=80))
    answers = ask(run, "behaviours", [_question(identity, text) for identity, text in texts.items()], writer)
    labels = [read_judgement(answer.text) for answer in answers]
    return Judged(len(texts), labels.count(None), agreement([label(text) for text in texts.values()], labels))


def _texts(run: Run, count: int) -> dict[str, str]:
    """Return the completions of traces that were drawn, by id."""
    traces = [run.file(unit, "traces") for unit in run.manifest.of_stage("select")]
    completions = [run.file(unit, "completions") for unit in run.manifest.of_stage("solve")]
    chosen = {trace.completion_id for trace in iterate_records(Trace, traces)}
    texts = {c.id: whole_text(c) for c in iterate_records(Completion, completions) if c.id in chosen}
    drawn = rng_for("behaviours", run.config.seed, 0).sample(sorted(texts), min(count, len(texts)))
    return {identity: texts[identity] for identity in drawn}


def _question(identity: str, text: str) -> Question:
    return Question(identity, (Message("user", judge_prompt(text)),), f"behaviours/{JUDGE_PROMPT_VERSION}", SCHEMA)


def behaviours_table(judged: Judged, model: str) -> Table:
    """Return the agreement for the terminal."""
    title = f"{judged.shown} traces, rules beside {model}; {judged.unread} answers could not be read"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for head in ("behaviour", "both", "rules only", "judge only", "neither", "agree", "kappa"):
        table.add_column(head, justify="left" if head == "behaviour" else "right", no_wrap=True)
    for behaviour, found in judged.agreed.items():
        neither = found.texts - found.both - found.rules_only - found.judge_only
        share = f"{(found.both + neither) / found.texts:.0%}" if found.texts else "–"
        kappa = "–" if found.kappa is None else f"{found.kappa:.2f}"
        counts = (found.both, found.rules_only, found.judge_only, neither)
        table.add_row(behaviour, *map(str, counts), share, kappa)
    return table
