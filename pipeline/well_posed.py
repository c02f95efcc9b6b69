"""Faults of a question that its text alone shows: what it refers to is missing, it asks for a proof, or for several
things, or a model wrote about the task instead of doing it. Every rule is a line of a table; each runs in linear time.
"""

import re
from typing import Final, NamedTuple

FEWEST_WORDS: Final = 2
MOST_WORDS: Final = 250
MOST_CHARACTERS: Final = 4000


class Fault(NamedTuple):
    """Why a question is ill-posed: the filter's name, and the words that show it."""

    name: str
    shown_by: str


_THING = r"(?:figure|diagram|graph|chart|picture|image|drawing|map|plot)"
_SEE = r"(?:see|use|using|consult|refer(?:ring)? to|according to|based on|(?:shown|given|listed) in)"
_ASK = r"(?:how|what|which|find|determine|calculate)"
# Amounts of which two in a row make two questions; not those that take two ("the sum of the length and the width").
_AMOUNT = (
    r"(?:distance|time|speed|cost|price|profit|area|perimeter|circumference|volume|length|width|height|radius|diameter|"
    r"mean|median|mode|range|slope|number|probability|age|weight|mass)"
)
_JOINS = r"(?:if|whose|given|where|when|with|using|such|between|sum|total|difference|ratio|product|average|is|are)"
_RULES: Final[tuple[tuple[str, str], ...]] = (
    ("missing figure", r"\b(?:the|this|following) (?:figure|diagram|graph|chart|picture)\b(?! of | paper)"),
    ("missing figure", rf"\b{_THING} (?:below|above|shown|on the (?:left|right))"),
    ("missing figure", r"\bthe (?:image|plot) (?:shows|depicts|illustrates)\b|\bin (?:the|this) image\b(?! of )"),
    ("missing figure", rf"\b{_SEE} (?:the )?(?:{_THING}|fig\.) \(?\d"),
    ("missing figure", r"\[asy\]|\\includegraphics|!\[[^\]\n]{0,80}\]\("),
    (
        "missing reference",
        r"\b(?:the|this) (?:previous|preceding|above|original|given) (?:problem|question|exercise|prompt)\b",
    ),
    ("missing reference", r"\bfollowing table\b|\btable (?:below|above)\b|\b(?:theorem|lemma|example) \d"),
    ("missing reference", rf"\b{_SEE} (?:the )?table \(?\d"),
    ("missing reference", r"\b(?:as in|see|refer to) (?:problem|question|exercise|part) \(?(?:\d|[a-d]\b)"),
    (
        "missing reference",
        r"\b(?:your|the) (?:answer|result)s? (?:from|to|of|in) (?:part|problem|exercise) \(?(?:\d|[a-d]\b)",
    ),
    ("copied prompt", r"\b(?:rewritten|evolved|new|modified|revised) (?:problem|question|prompt|version)\b"),
    ("copied prompt", r"\brewrite\b|\byour task\b|\bjson\b|\bplaceholder\b|\bstep-by-step\b|\[insert|<[a-z_]{1,20}>"),
    ("refusal", r"\b(?:as an ai|language model|i(?:'m| am) sorry|i can(?:no|')t (?:help|assist|create|write))\b"),
    ("answer in question", r"\banswer (?:is|to this problem is|would be)\b|\\boxed|\bsolution:"),
    ("several questions", r"(?:^|\s)\(?[a1i]\)\s[^?]{1,1000}\?\s{0,3}\(?(?:b|2|ii)\)\s"),
    ("several questions", r"\?(?![\"”'’])[^?]{1,600}\?(?![\"”'’])"),
    (
        "several questions",
        rf"\b{_ASK}\b[^.?!]{{1,200}}?\band (?:also )?{_ASK}\b(?= (?:many|much|is|are|the|long|far)\b)"
        r"(?![\s\S]{0,300}\bpair\b)",
    ),
    (
        "several questions",
        rf"\b(?:find|determine|calculate|compute) (?:both )?the {_AMOUNT}\b(?:(?!\b{_JOINS}\b)[^.?!,;:]){{0,160}}?"
        rf"\band (?:also )?the {_AMOUNT}\b(?![^.?!]{{0,80}}\b(?:is|are)\b)(?![\s\S]{{0,300}}\bpair\b)",
    ),
)
_PATTERNS: Final = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _RULES)
_DEMANDS: Final = r"(?:prove|show that|demonstrate|verify that|explain|justify|describe|discuss)"
_PROOF: Final = re.compile(rf"(?:^|[.!?;:,]\s{{1,3}})(?:please |then )?{_DEMANDS}\b", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"\?|\b(?:what|how|find|compute|calculate|determine|evaluate|simplify|solve|which|who|when|give|express|write|"
    r"list|answer|arrange|use|expand|factor|differentiate|integrate|convert)\b",
    re.IGNORECASE,
)


def fault_of(question: str) -> Fault | None:
    """Return the first fault of a question, or None."""
    words = len(question[:MOST_CHARACTERS].split())
    if words < FEWEST_WORDS:
        return Fault("too short", f"{words} words")
    if words > MOST_WORDS or len(question) > MOST_CHARACTERS:
        return Fault("too long", f"{len(question)} characters")
    for name, pattern in _PATTERNS:
        found = pattern.search(question)
        if found is not None:
            return Fault(name, found.group()[:120])
    asks = _ASKS.search(question)
    proof = _PROOF.search(question)
    if proof is not None and "?" not in question and (asks is None or asks.start() > proof.start()):
        return Fault("proof only", proof.group().strip())
    return None if asks else Fault("asks nothing", question[-80:])
