"""The checks of `gradatim reverify` that make again what stands beside a row's texts: its prompt, its tags, the ids of
its completions. All rows are looked at."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple, get_args

from filters.arithmetic import wrong_equations
from filters.behaviours import tags as behaviour_tags
from filters.trace_quality import WRONG_ARITHMETIC
from flows.reverify_judged import own_text
from pipeline.hints import hint_for
from pipeline.prompts import BARE, HINT_LABEL, PROMPTS, render_prompt
from pipeline.published import Published, Row, Settings, question_of, read_rows
from pipeline.records import Decision, content_id

MOST_KEPT: Final = 10_000
MOST_COMPLETIONS: Final = 1024  # of a problem; a manifest may ask for any number
DECISIONS: Final = frozenset(get_args(Decision))
_NAMES: Final = {prompt.label: prompt.name for prompt in (BARE, *PROMPTS.values())}


def prompts(published: Published) -> Iterator[str]:
    """Render every prompt again from its question, by the template that the settings name."""
    if published.settings is None:
        return
    name = published.settings.select.prompt
    for row in read_rows(published):
        question = question_of(row.fields, published.settings) or ""
        wanted = [(turn.role, turn.content) for turn in render_prompt(name, question, row.fields["verifier"])]
        if [(turn["role"], turn["content"]) for turn in row.fields["prompt"]] != wanted:
            yield f"{row.place}: its prompt is not its question in the prompt {name}"


def tags(published: Published) -> Iterator[str]:
    """Find every trace's tags again: its family, the decision on its problem, what its text shows."""
    pool = {row.fields["problem_id"] for row in read_rows(published, "grpo")}
    for row in read_rows(published, "sft"):
        told = row.fields.get("tags") or []
        wanted = [row.fields["family"], *_shown(row, published.settings)]
        if [*told[:1], *(tag for tag in told[2:] if published.settings or tag != WRONG_ARITHMETIC)] != wanted:
            yield f"{row.place}: its tags are {told}; its family and its text give {wanted}"
        elif not set(told[1:2]) <= DECISIONS or (
            pool and (told[1:2] == ["keep"]) != (row.fields["problem_id"] in pool)
        ):
            yield f"{row.place}: it is tagged {told[1:2]}, which grpo does not bear out"


def _shown(row: Row, settings: Settings | None) -> list[str]:
    reasoning, text = own_text(str(row.fields["completion"][-1]["content"]))
    text = text if reasoning is None else f"{reasoning}\n{text}"
    tagged = settings is not None and settings.select.wrong_arithmetic == "tag"
    wrong = tagged and wrong_equations(text, question_of(row.fields, settings) or "")
    return [*behaviour_tags(text), *([WRONG_ARITHMETIC] if wrong else [])]


class Told(NamedTuple):
    """What a row tells of one completion; `made_by` is its model, revision and prompt version."""

    id: str
    made_by: tuple[str, str, str]
    tokens: int


def completion_ids(published: Published) -> Iterator[str]:
    """Compute the ids of completions anew from what was asked: model, revision and sampling as the manifest lists them,
    the prompt, and the completion's number. Where no id of a model comes out (its name was a folder's, which is left
    out; its prompt is of another version), they are left alone."""
    known: dict[str, tuple[Told, str]] = {}
    failed: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    sound: set[tuple[str, str, str]] = set()
    try:
        asked, most = _asked(published.manifest), _most(published.manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "manifest.json: its models and teachers are not as gradatim lists them"
        return
    for row in read_rows(published):
        for told in _completions(row):
            first, place = known.setdefault(told.id, (told, row.place))
            if first != told:
                yield f"{row.place}: tells {told} of a completion, {place} {first}"
            elif told.made_by not in asked:
                yield f"{row.place}: {told.made_by} is no model, revision and prompt that the manifest lists"
            elif told.id in _ids(row, told, asked[told.made_by], most):
                sound.add(told.made_by)
            elif len(failed[told.made_by]) < MOST_KEPT:
                failed[told.made_by].append(f"{row.place}: {told.id} is not the id of a completion of it by that model")
    for made_by in sound:
        yield from failed[made_by]


def _completions(row: Row) -> Iterator[Told]:
    fields = row.fields
    made_by = (str(fields.get("model")), str(fields.get("revision")), str(fields.get("prompt_version")))
    for column in ("completion", "chosen", "rejected"):
        if fields.get(f"{column}_id"):
            yield Told(str(fields[f"{column}_id"]), made_by, fields.get(f"{column}_tokens") or 0)


def _asked(manifest: Mapping[str, Any]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Return the samplings of every model, revision and prompt version that solved."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in manifest.get("models", ()):
        key = (str(row["model"]), str(row["revision"]), str(row["prompt_version"]))
        found.setdefault(key, []).append(json.loads(row["sampling"]))
    return found


def _most(manifest: Mapping[str, Any]) -> int:
    """Return how many completions of a problem a teacher was asked for, at most."""
    teachers = manifest.get("config", {}).get("teachers", ())
    return min(max((t["completions"] + t.get("first_index", 0) for t in teachers), default=0), MOST_COMPLETIONS)


def _ids(row: Row, told: Told, samplings: list[dict[str, Any]], most: int) -> Iterator[str]:
    """Give the id of every request for a completion of the row's problem that such a model can have had."""
    model, revision, version = told.made_by
    label = version.removesuffix(HINT_LABEL)
    question = row.fields.get("question")
    if label not in _NAMES or not isinstance(question, str):
        return
    verifier = row.fields["verifier"]
    hint = hint_for(verifier, row.fields.get("gold_original")) if version != label else None
    messages = [[m.role, m.content] for m in render_prompt(_NAMES[label], question, verifier, hint)]
    for sampling, number in product(samplings, range(most)):
        yield content_id("completion", model, revision, messages, version, sampling, number)
