"""What a model wrote into problems: read, examined as text, and recorded with who wrote it and from what.

A draft is a JSON object with one field, `problem`. It becomes a problem, or a rejection that says why and keeps
the text.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pipeline.records import Completion, Problem, Provenance, Rejection, Strategy, canonical_json, make_problem
from pipeline.well_posed import Fault, fault_of

STAGE: Final = "generate"
LONGEST: Final = 900  # characters that a draft may have; the schema holds the model to it
SCHEMA: Final = canonical_json(
    {
        "type": "object",
        "properties": {"problem": {"type": "string", "minLength": 20, "maxLength": LONGEST}},
        "required": ["problem"],
        "additionalProperties": False,
    }
)
SAME_WORDS: Final = 0.95
FEWEST_NUMBERS: Final = 2
FEWEST_WORDS: Final = 6
# A question mark, or a sentence that begins with what is to be done.
_DEMANDS: Final = re.compile(
    r"\?|(?:^|[.!:,;]\s)(?:find|determine|calculate|compute|evaluate|simplify|solve|work out)\b", re.IGNORECASE
)
_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_COUNTED: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS: Final = {word: str(value) for value, word in enumerate(_COUNTED, 2)} | {
    "half": "2",
    "twice": "2",
    "double": "2",
}
_DRAFT_RULES: Final = (
    ("other script", re.compile(r"[^\W\d_a-zA-ZÀ-ÿΑ-ω]")),
    ("left-over braces", re.compile(r"[{}]|```")),
    (
        "talks of solving",
        re.compile(r"\bto solve this|\blet(?:'s| us)\b|\bwe (?:need|can|will|have to)\b|=", re.IGNORECASE),
    ),
    ("random amounts", re.compile(r"\b(?:random|some amount|certain (?:number|amount)|unknown)\b", re.IGNORECASE)),
)


def read_draft(draft: Completion) -> str | Fault:
    """Return the question that a draft holds, or what is wrong with it."""
    if draft.finish_reason != "stop":
        return Fault("unfinished draft", f"finish_reason is {draft.finish_reason}")
    try:
        content = json.loads(draft.text)
    except ValueError as error:
        return Fault("unreadable draft", str(error)[:120])
    question = content.get("problem") if isinstance(content, dict) else None
    if not isinstance(question, str):
        return Fault("unreadable draft", "no field problem")
    question = "\n".join(" ".join(line.split()) for line in question.strip().splitlines()).strip()
    return fault_of(question) or _draft_fault(question) or question


def _draft_fault(question: str) -> Fault | None:
    """Faults of what small models write, beyond those that any question may have."""
    if len(question.split()) < FEWEST_WORDS:
        return Fault("too short", question)
    for name, pattern in _DRAFT_RULES:
        found = pattern.search(question)
        if found is not None:
            return Fault(name, found.group()[:120])
    if not question.endswith(("?", ".", "!", ")")) or not _DEMANDS.search(question):
        return Fault("asks nothing", question[-80:])
    if len(numbers(question)) < FEWEST_NUMBERS:
        return Fault("too few numbers", ", ".join(sorted(numbers(question))) or "none")
    return None


def numbers(text: str) -> set[str]:
    """Return the numbers of a text, written in digits or, up to twelve, in words."""
    found = {match.replace(",", "").rstrip(".") for match in _NUMBER.findall(text)}
    return found | {_WORDS[word] for word in re.findall(r"[a-z]+", text.casefold()) if word in _WORDS}


def nothing_new(question: str, parents: Sequence[Problem]) -> Fault | None:
    """Tell whether a rewrite only repeats a parent: the same words, numbers included, but for one in twenty."""
    words = set(_WORD.findall(question.casefold()))
    for parent in parents:
        own = set(_WORD.findall(parent.question.casefold()))
        shared = len(words & own) / len(words | own)
        if shared >= SAME_WORDS:
            return Fault("no gain", f"{shared:.0%} of its words are its parent's")
    return None


def refuse(draft: Completion, fault: Fault) -> Rejection:
    """Return the rejection of a draft; its text is the evidence."""
    evidence = canonical_json({"shown_by": fault.shown_by, "draft": draft.text[:2000]})
    return Rejection(draft.id, STAGE, fault.name, f"{fault.name}: {fault.shown_by}", None, evidence)


def problem_of(
    draft: Completion,
    question: str,
    *,
    generator: str,
    version: str,
    family: str,
    domain: str,
    strategy: Strategy,
    index: int,
    seed: int,
    parameters: Any,
    parents: Sequence[Problem] = (),
    answer: str | None = None,
    licence: str | None = None,
) -> Problem:
    """Make the problem of a draft; its provenance names the model, its prompt, and the parents."""
    provenance = Provenance(
        generator=generator,
        generator_version=version,
        seed=seed,
        index=index,
        parameters=canonical_json({**parameters, "draft": draft.id}),
        parents=tuple(parent.id for parent in parents),
        model=draft.model,
        revision=draft.revision,
        prompt_version=draft.prompt_version,
        licence=licence,
    )
    return make_problem(question, answer, domain=domain, family=family, strategy=strategy, provenance=provenance)
