"""The card of a published dataset: YAML that the Hub and `datasets` read, then what a stranger needs to trust the rows.

Every figure comes from the run's own tables. Texts of models or of sources go into fences they cannot close.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import yaml

from pipeline.calibration import calibration, calibration_markdown, measured
from pipeline.licences import OTHER, Licence, Part
from pipeline.limits import limits
from pipeline.records import Problem
from pipeline.release_facts import contamination_counts, gold_counts, histogram, models_used
from pipeline.report import funnel, funnel_markdown
from pipeline.run import Run
from pipeline.sources import ImportedSource
from pipeline.store import iterate_records
from pipeline.yields import strategy_yields, yields_markdown

_STEPS: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")  # the Hub's, times ten each
COLUMNS: Final = {
    "sft": "`prompt` and `completion` in TRL's conversational form (the loss belongs on the completion alone), the "
    "`answer` that the completion was verified against, and `tags`",
    "grpo": "`prompt`, `answer` and `verifier`, with `attempts`, `successes`, `pass_rate` and its interval for "
    "`reference_model`; a completion that could not be judged is in none of them",
    "preferences": "`prompt`, `chosen` and `rejected`: a correct and an incorrect completion of one model, with their "
    "lengths in that model's tokens",
}
_ENGLISH: Final = re.compile(r"\b(?:the|is|of|and|what|how|many|to|in|are|find|each)\b", re.IGNORECASE)
_LOOKED_AT: Final = 500
SHOWN_PROMPTS: Final = 3


class CardFacts(NamedTuple):
    """What a card tells beside the run: its title (the repository), the shards, what they are made of."""

    title: str
    files: Sequence[Mapping[str, Any]]
    parts: Sequence[Part]
    licence: Licence
    prompts: Mapping[str, Sequence[Sequence[str]]]
    audit: Sequence[tuple[str, ...]]


def dataset_card(run: Run, facts: CardFacts) -> str:
    """Return the card."""
    sections = (
        f"# {facts.title.rpartition('/')[2]}",
        _opening(run, facts),
        f"## What is in it\n\n{_contents(facts)}",
        f"## How it was made\n\n{funnel_markdown(funnel(run))}\n\n{_golds(run)}",
        f"## Yield by strategy\n\n{yields_markdown(strategy_yields(run))}",
        f"## Difficulty\n\n{_difficulty(run)}",
        f"## How far the verdicts can be trusted\n\n{_audit(facts.audit)}",
        f"## Contamination\n\n{_contamination(run)}",
        f"## Models\n\n{_models(run)}",
        f"## Prompts\n\n{_prompts(facts.prompts)}",
        f"## Limits and known defects\n\n{_bullets(limits(run))}",
        f"## Licence\n\n{_licence(facts)}",
        f"## Check it, make it again\n\n{_again(run, facts)}",
        f"## Configuration\n\nseed {run.config.seed}; the whole of it is `config.yaml`.",
    )
    return f"---\n{_metadata(run, facts)}---\n\n" + "\n\n".join(sections) + "\n"


def _metadata(run: Run, facts: CardFacts) -> str:
    rows = sum(file["rows"] for file in facts.files)
    strategies = sorted({source.strategy.replace("_", "-") for source in run.config.generate.sources})
    language = _language(run)
    head: dict[str, Any] = {
        "pretty_name": facts.title.rpartition("/")[2],
        **({"language": [language]} if language else {}),
        "license": facts.licence.ids[0] if len(facts.licence.ids) == 1 else list(facts.licence.ids),
        **({"license_name": facts.licence.name} if facts.licence.name else {}),
        "task_categories": ["text-generation"],
        "size_categories": [size_category(rows)],
        "tags": ["reasoning", "synthetic", "verified", "gradatim", *strategies],
        "configs": _configs(facts.files),
    }
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return text


def size_category(rows: int) -> str:
    """Return the Hub's name for a number of rows."""
    place = max(len(str(rows)) - 3, 0)
    if place >= len(_STEPS):
        return f"n>{_STEPS[-1]}"
    return f"{_STEPS[place - 1]}<n<{_STEPS[place]}" if place else f"n<{_STEPS[0]}"


def _configs(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What `load_dataset(repo, "sft")` reads; the first configuration is the default one."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in files:
        found.setdefault(file["config"], {}).setdefault(file["split"], []).append(file["path"])
    return [
        {
            "config_name": name,
            **({"default": True} if name == next(iter(found)) else {}),
            "data_files": [{"split": split, "path": paths} for split, paths in splits.items()],
        }
        for name, splits in found.items()
    ]


def _language(run: Run) -> str | None:
    """Return "en" if nearly all of some hundred questions have an English function word, else None: not known."""
    read = iterate_records(Problem, run.manifest.paths("agree", "settled"))
    questions = [problem.question for problem, _ in zip(read, range(_LOOKED_AT), strict=False)]
    english = sum(bool(_ENGLISH.search(question)) for question in questions)
    return "en" if questions and english >= 0.95 * len(questions) else None


def _opening(run: Run, facts: CardFacts) -> str:
    names = ", ".join(dict.fromkeys(f"`{file['config']}`" for file in facts.files))
    teachers = ", ".join(sorted({f"`{row['model']}`" for row in models_used(run) if row["role"] == "solved"}))
    first = facts.files[0]["config"]
    return (
        f"Synthetic reasoning problems with verified solutions by {teachers}, made by gradatim ({names}).\n"
        "Every completion was judged against a gold answer; difficulty is a measured pass rate with an interval.\n\n"
        f'```python\nfrom datasets import load_dataset\n\nrows = load_dataset("{facts.title}", "{first}", '
        'split="train")\n```'
    )


def _contents(facts: CardFacts) -> str:
    counts: dict[tuple[str, str], int] = {}
    for file in facts.files:
        key = (file["config"], file["split"])
        counts[key] = counts.get(key, 0) + file["rows"]
    table = "\n".join(f"| `{name}` | {split} | {rows:,} |" for (name, split), rows in counts.items())
    names = dict.fromkeys(name for name, _ in counts)
    about = _bullets([f"`{name}`: {COLUMNS[name]}." for name in names])
    return (
        f"| configuration | split | rows |\n|---|---|---:|\n{table}\n\n{about}\n\n"
        "A split without rows is left out. No problem, nor a relative of it (`parents`), is in two splits. Every row "
        "says in `provenance` where its problem comes from, and in `gold_status` who vouches for its answer."
    )


def _golds(run: Run) -> str:
    meaning = {
        "proved": "computed by a program and checked by a second one",
        "given": "came with an imported problem, and no panel has disputed it",
        "confirmed": "came with the problem, and the panel of models agrees",
        "adopted": "the panel's agreement alone: no program and no person has checked it",
        "repaired": "the panel's agreement in place of a gold that no model reached",
    }
    counts = gold_counts(run)
    lines = [f"`{status}` ({counts[status]:,}): {text}." for status, text in meaning.items() if counts[status]]
    return f"Golds (`gold_status`) of the problems whose answer was settled:\n\n{_bullets(lines)}"


def _difficulty(run: Run) -> str:
    rows, band = measured(run), run.config.assess.band
    bars = "\n".join(f"| {name} | {count:,} | {bar} |" for name, count, bar in histogram(rows))
    unknown = sum(row.assessment.pass_rate is None for row in rows)
    return (
        f"Pass rates of `{run.config.reference_model}`, {run.config.assess.interval} intervals at "
        f"{run.config.assess.level:g}; `grpo` holds those from {band.min_pass_rate:g} to {band.max_pass_rate:g}. "
        f"{len(rows):,} problems were measured; {unknown:,} of them have no attempt that could be judged.\n\n"
        f"| pass rate | problems | |\n|---|---:|---|\n{bars}\n\n"
        "<details><summary>By family and level</summary>\n\n"
        f"{calibration_markdown(calibration(rows))}\n\n</details>"
    )


def _audit(rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return "No audit was made with this release; `gradatim audit-verifier --input FILE` makes one."
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        "The verifiers of these rows on cases with known verdicts (95 % Jeffreys intervals; cases other than these "
        "rows, some of them hostile; the verifiers were made with these cases at hand, so expect somewhat more on "
        f"others):\n\n| verifier | cases | as expected | false accepts | false rejects |\n"
        f"|---|---:|---:|---|---|\n{table}"
    )


def _contamination(run: Run) -> str:
    settings = run.config.screen.decontaminate
    if settings is None:
        return "**Not compared with any benchmark.** `gradatim reverify --against FILE` compares it with yours."
    names = ", ".join(f"`{path.name}`" for path in settings.benchmarks)
    counts = contamination_counts(run)
    found = [f"| {stage} | {file} | {kind} | {count:,} |" for (stage, file, kind), count in sorted(counts.items())]
    table = "\n".join(["| stage | benchmark | resemblance | refused |", "|---|---|---|---:|", *found])
    return (
        f"Questions and traces were compared with {names}: whole texts, n-grams of {settings.ngram} words, and "
        f"wording without numbers and names{', and embeddings' if settings.semantic else ''}. What resembled them was "
        f"refused:\n\n{table if found else 'nothing did.'}"
    )


def _models(run: Run) -> str:
    heads = ("role", "model", "revision", "prompt", "sampling", "engine", "requests", "tokens")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * 6 + "---:|---:|"]
    for row in models_used(run):
        sampling = ", ".join(
            f"{key} {value}" for key, value in json.loads(row["sampling"]).items() if value is not None
        )
        cells = (f"`{row['model']}`", f"`{row['revision']}`", f"`{row['prompt_version']}`", sampling.replace("|", "¦"))
        engine = f"{row['engine']} {row['engine_version']}"
        lines.append(f"| {row['role']} | {' | '.join(cells)} | {engine} | {row['requests']:,} | {row['tokens']:,} |")
    return "\n".join(lines)


def _prompts(prompts: Mapping[str, Sequence[Sequence[str]]]) -> str:
    parts = []
    for label, messages in prompts.items():
        text = "\n\n".join(f"[{role}]\n{content}" for role, content in messages)
        parts.append(f"`{label}`:\n\n{fenced(text)}")
    text = "\n\n".join(parts)
    if len(parts) <= SHOWN_PROMPTS:
        return text
    return f"<details><summary>All {len(parts)} prompts, word for word</summary>\n\n{text}\n\n</details>"


def fenced(text: str) -> str:
    """Return a text in a fence that it cannot close."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _licence(facts: CardFacts) -> str:
    table = "\n".join(f"| {part.what} | {part.licence or '**unknown**'} |" for part in facts.parts)
    whole = " and ".join(f"`{one}`" for one in facts.licence.ids)
    lines = [f"Worked out from what the rows are made of: {whole}."]
    if facts.licence.unknown:
        lines = [
            f"The licence of these parts is stated nowhere: {', '.join(facts.licence.unknown)}. That makes the whole "
            f"`{OTHER}`: ask their authors before you redistribute rows made from them."
        ]
    notes = f"\n\n{_bullets(facts.licence.notes)}" if facts.licence.notes else ""
    return f"{lines[0]}{notes}\n\n| part | licence |\n|---|---|\n{table}"


def _again(run: Run, facts: CardFacts) -> str:
    imported = any(isinstance(source, ImportedSource) for source in run.config.generate.sources)
    needs = " (the imported files are needed too)" if imported else ""
    return (
        "`manifest.json` lists every file with its SHA-256, the schemas, prompts, models and settings. It is all that "
        f"the check needs:\n\n```bash\ngradatim reverify {facts.title}\ngradatim build config.yaml\n```\n\n"
        f"The first looks at hashes, golds, every trace, filters, splits and duplicates again. The second makes the "
        f"same problems from the same seed{needs}; completions depend on the model and its engine."
    )


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
