"""What a completion may commit to in logic: a word (entailed, satisfiable, …), an assignment, a chain of steps.

Each is read as a whole: a hedge, a second thought or any other word makes it unreadable. Nothing is judged here.
"""

import json
import re
from collections.abc import Collection
from typing import Any, Final

from pipeline.verifiers.logic_grammar import KEYWORDS, MAX_DIGITS, parse_formula, plain
from pipeline.verifiers.logic_sorts import Value
from pipeline.verifiers.notation import Limit, Unreadable, visible
from pipeline.verifiers.tree import Node

MAX_STEPS: Final = 200
ENTAILED, CONTRADICTED, UNKNOWN = "entailed", "contradicted", "unknown"
SATISFIABLE, UNSATISFIABLE = "satisfiable", "unsatisfiable"
_UNDETERMINED = """
unknown; uncertain; undetermined; indeterminate; neutral; neither; not determined; inconclusive; cannot say; can't say
cannot be determined; can't be determined; cannot be concluded either way; cannot tell; can't tell; unclear
not enough information; insufficient information; independent; neither entailed nor contradicted
"""
_REFUSED = """
invalid; not valid; not entailed; does not follow; doesn't follow; not implied; non sequitur; no entailment
does not entail; not necessarily; not necessarily true
"""
_WORDS: Final = {
    frozenset([ENTAILED]): "entailed; entailment; entails; yes; true; valid; follows; implied; proved; proven",
    frozenset([CONTRADICTED]): "contradicted; contradiction; contradicts; refuted; disproved; disproven; contradictory",
    frozenset([UNKNOWN]): _UNDETERMINED,
    frozenset([CONTRADICTED, UNKNOWN]): _REFUSED,
    frozenset([SATISFIABLE]): "satisfiable; sat; consistent; yes",
    frozenset([UNSATISFIABLE]): "unsatisfiable; unsat; not satisfiable; inconsistent; no; contradictory; contradiction",
}


def _table(*labels: frozenset[str]) -> dict[str, frozenset[str]]:
    return {word.strip(): label for label in labels for word in re.split("[;\n]", _WORDS[label]) if word.strip()}


_REFUSAL: Final = frozenset([CONTRADICTED, UNKNOWN])
_THREE: Final = _table(*list(_WORDS)[:3]) | dict.fromkeys(["no", "false"], frozenset([CONTRADICTED]))
_TWO: Final = _table(*list(_WORDS)[:4]) | dict.fromkeys(["no", "false"], _REFUSAL)
_SATISFIABILITY: Final = _table(*list(_WORDS)[4:])
_ANNOUNCED: Final = re.compile(
    r"(?:(?:the|this) )?(?:(?:conclusion|hypothesis|statement|argument|premises|formulas?|set|it|answer) )?"
    r"(?:is |are )?(?:logically |necessarily )?"
)
_BREAK: Final = re.compile(r"\\\\|[;\n]")
_PAIR: Final = re.compile(r"""["'`]?([^\W\d]\w*'*)["'`]?\s*(?::=|==|=|:)\s*["'`]?(-?\s*[0-9]+|[^\W\d]\w*'*)["'`]?""")
_TRUTHS: Final = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_NUMBER: Final = re.compile(r"\A(?:\(?(?:step\s)?[0-9]{1,3}[.):]+\s*|•\s+|(?:∴|\\therefore)\s*)", re.IGNORECASE)


def _label(answer: str, words: dict[str, frozenset[str]]) -> frozenset[str]:
    shown = visible(plain(answer).replace("\n", ", ")).replace("’", "'").casefold()
    phrases = [" ".join(phrase.split()).strip("\"'*_. ") for phrase in re.split(r"[,;:()]|\s-+\s", shown)]
    labels = {words.get(_ANNOUNCED.sub("", phrase, count=1), frozenset()) for phrase in phrases if phrase}
    if len(labels) != 1 or not (label := labels.pop()):
        raise Unreadable("the answer is not one of the known words")
    return label


def read_entailment(answer: str, *, binary: bool) -> frozenset[str]:
    """Return which of entailed, contradicted and unknown an answer allows for.

    With `binary` the question was whether the conclusion follows: "no" then means contradicted or unknown.
    """
    return _label(answer, _TWO if binary else _THREE)


def read_satisfiability(answer: str) -> bool:
    """Return whether an answer says satisfiable."""
    return _label(answer, _SATISFIABILITY) == {SATISFIABLE}


def read_assignment(answer: str, sorts: dict[str, str]) -> dict[str, Value | None]:
    """Read values of the variables in `sorts`: a = 3, b = true, …, or one JSON object.

    A variable with two different values has the value None. Raises Unreadable for anything but an assignment, and for
    a variable that is not in `sorts`; a name in other letters' case is the same name where only one fits.
    """
    text = plain(answer).strip().removeprefix("json").strip()
    pairs = _json_pairs(text) if text.startswith("{") else None
    found: dict[str, Value | None] = {}
    for given, raw in _written_pairs(text) if pairs is None else pairs:
        name = _known(given, sorts)
        value = _value(raw, sorts[name])
        found[name] = value if found.get(name, value) == value else None
    return found


def _json_pairs(text: str) -> list[tuple[str, Any]] | None:
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, bool | int | str) for _, value in pairs):
        raise Unreadable("the JSON object holds a value that is no truth value, integer or name")
    return [(name, str(value)) for name, value in pairs]


def _written_pairs(text: str) -> list[tuple[str, str]]:
    text = re.sub(r"\\[{},;:! ]|\\q?quad(?![A-Za-z])|[${}]|\\[()\[\]]", " ", text)
    text = re.sub(r"\\(?:land|wedge)(?![A-Za-z])|∧|\band\b", ",", text).strip()
    text = text[1:-1] if text[:1] + text[-1:] == "()" else text
    pairs = []
    for line in re.split(r"\\\\|[,;\n]", text):
        part = " ".join(line.split()).removeprefix("- ").removeprefix("* ").removesuffix(".").strip()
        match = _PAIR.fullmatch(part)
        if match is None and part:
            raise Unreadable(f"{part[:60]!r} is not of the form name = value")
        pairs += [(match.group(1), match.group(2))] if match else []
    if not pairs:
        raise Unreadable("no values")
    return pairs


def _known(given: str, names: Collection[str]) -> str:
    fitting = [given] if given in names else [name for name in names if name.casefold() == given.casefold()]
    if len(fitting) != 1:
        raise Unreadable(f"{given!r} is no variable of the problem")
    return fitting[0]


def _value(raw: str, sort: str) -> Value:
    if sort == "bool" and raw.casefold() in _TRUTHS:
        return _TRUTHS[raw.casefold()]
    if sort == "int" and re.fullmatch(r"-?\s*[0-9]+", raw):
        if len(raw) > MAX_DIGITS:
            raise Limit(f"a number has more than {MAX_DIGITS} digits")
        return int(raw.replace(" ", ""))
    if sort == "element":
        return raw
    raise Unreadable(f"{raw[:60]!r} is no value of a variable that is {sort}")


def read_steps(answer: str) -> list[Node]:
    """Read a chain of formulas, one a line or between semicolons; a number before each is allowed, comments are not."""
    lines = [_NUMBER.sub("", line.strip(), count=1) for line in _BREAK.split(plain(answer))]
    lines = [line for line in lines if line.strip(" \t.,$`")]
    if len(lines) > MAX_STEPS:
        raise Limit(f"more than {MAX_STEPS} steps")
    if not lines:
        raise Unreadable("no steps")
    return [parse_formula(line.rstrip(" ,")) for line in lines]


def is_name(text: str) -> bool:
    """Tell whether a text can be a variable, a value or a member of a domain in a formula."""
    return re.fullmatch(r"[^\W\d]\w*'*", text) is not None and text.casefold() not in KEYWORDS
