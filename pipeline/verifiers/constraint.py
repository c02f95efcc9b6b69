"""Instruction following: every constraint of a JSON list must hold for the text after thinking.

`KINDS` is the table; adding a kind is one function and one line. A blank text satisfies nothing.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from pipeline.answers import normalise
from pipeline.verifiers.equality import Undecided

MAX_JSON: Final = 1_000_000
Spec = dict[str, Any]
_RELATIONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "exactly": lambda count, value: count == value,
    "at_least": lambda count, value: count >= value,
    "at_most": lambda count, value: count <= value,
}


def _counted(count: int, spec: Spec) -> bool:
    return _RELATIONS[spec["relation"]](count, int(spec["value"]))


def count_sentences(text: str) -> int:
    """Count the places where a sentence ends: a run of . ! ? before a blank, a closing quote or bracket, or the end."""
    return len(re.findall(r"""[.!?]+["'”’)\]*_]*(?=\s|\Z)""", text))


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def _include(text: str, spec: Spec) -> bool:
    return all(_has_word(text, word) for word in spec["keywords"])


def _exclude(text: str, spec: Spec) -> bool:
    return not any(_has_word(text, word) for word in spec["keywords"])


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_object(text: str, spec: Spec) -> bool:
    """Strict JSON: one object with the keys at its top level, as the whole text or in one fence."""
    fenced = re.fullmatch(r"\s*```(?:json|JSON)?\s+(.*?)\s*```\s*", text, re.DOTALL)
    body = fenced.group(1) if fenced else text
    if len(body) > MAX_JSON:
        raise Undecided("the JSON text is too long")
    try:
        value = json.loads(body.strip(), parse_constant=_refuse, object_pairs_hook=_unique)
    except RecursionError as error:
        raise Undecided("the JSON text is nested too deeply") from error
    except ValueError:
        return False
    return isinstance(value, dict) and all(key in value for key in spec["required_keys"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


def _paragraphs(text: str) -> int:
    return len([p for p in re.split(r"\n\s*\n", text) if p.strip()])


def _nth_word(text: str, spec: Spec) -> bool:
    words, place = text.split(), int(spec["n"])
    if not 0 < place <= len(words):
        return False
    return words[place - 1].strip(".,;:!?\"'()[]*_").casefold() == str(spec["word"]).casefold()


def _format(text: str, spec: Spec) -> bool:
    """Check the shape of the text: bullet_list, numbered_list, title, or a pattern-free single line."""
    lines = [line for line in text.splitlines() if line.strip()]
    shapes = {
        "bullet_list": lambda: all(re.match(r"\s*[-*•] ", line) for line in lines),
        "numbered_list": lambda: all(re.match(rf"\s*{k}[.)] ", line) for k, line in enumerate(lines, 1)),
        "single_line": lambda: len(lines) == 1,
        "title": lambda: re.match(r"\s*(?:# \S|<<[^<>\n]+>>)", text) is not None,
    }
    return shapes[spec["value"]]()


KINDS: Final[dict[str, Callable[[str, Spec], bool]]] = {
    "word_count": lambda text, spec: _counted(len(text.split()), spec),
    "sentence_count": lambda text, spec: _counted(count_sentences(text), spec),
    "paragraph_count": lambda text, spec: _counted(_paragraphs(text), spec),
    "line_count": lambda text, spec: _counted(len([x for x in text.splitlines() if x.strip()]), spec),
    "character_count": lambda text, spec: _counted(len(text.strip()), spec),
    "include_keywords": _include,
    "exclude_keywords": _exclude,
    "json_object": _json_object,
    "starts_with": lambda text, spec: text.lstrip().startswith(str(spec["text"]).strip()),
    "ends_with": lambda text, spec: text.rstrip().endswith(str(spec["text"]).rstrip()),
    "no_commas": lambda text, _spec: not re.search("[,，、،]", text),
    "all_lowercase": lambda text, _spec: not any(c.isupper() or c.istitle() for c in text),
    "all_uppercase": lambda text, _spec: not any(c.islower() for c in text),
    "nth_word": _nth_word,
    "format": _format,
}


def read_specs(gold: str) -> list[Spec]:
    """Read the list of constraints. A list that is empty or cannot be read judges nothing: Undecided."""
    try:
        specs = json.loads(gold)
        if not (isinstance(specs, list) and specs and all(s["kind"] in KINDS for s in specs)):
            raise ValueError("not a list of known constraints")
        for spec in specs:
            KINDS[spec["kind"]]("probe", spec)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undecided(f"the constraints cannot be read: {error}") from error
    return specs


def failed_constraint(gold: str, text: str) -> str | None:
    """Return the first constraint that does not hold for a text, in words; None if all hold."""
    specs = read_specs(gold)
    if not normalise(text).strip():
        return "the text is blank"
    for spec in specs:
        if not KINDS[spec["kind"]](text, spec):
            return f"{spec['kind']} does not hold: {json.dumps(spec, ensure_ascii=False)[:200]}"
    return None
