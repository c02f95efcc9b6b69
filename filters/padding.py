"""Sentences that say nothing about the problem: offers of help, greetings, announcements, talk of oneself, praise.

A transparent list of rules, no model. A sentence that holds a digit or mathematics is never padding.
"""

import re
from typing import Final, NamedTuple

MAX_WORDS: Final = 30

# By rule, the phrases that show it; ^ is the start of the sentence.
PHRASES: Final[dict[str, tuple[str, ...]]] = {
    "offer": (
        r"\b(?:let me know|feel free to|would you like me to|anything else|don't hesitate|do not hesitate)\b",
        r"\b(?:happy|glad) to (?:help|assist)\b",
        r"\bhope (?:this|that|it) (?:helps|clarifies)\b",
        r"\b(?:any|more) (?:other |further |more |additional )?questions\b",
        r"\bneed (?:further|more|any) (?:help|assistance|clarification)\b",
        r"\bdoes (?:this|that|it) make sense\b",
    ),
    "greeting": (
        r"^\W{0,3}(?:sure|certainly|of course|absolutely|no problem|hello|hi there|thanks|thank you)\b",
        r"^\W{0,3}(?:great|good|excellent|interesting) (?:question|problem)\b",
    ),
    "announcement": (
        r"^\W{0,3}here(?:'s| is| are) (?:the|a|an|my|your) [^.]{0,30}(?:solution|explanation|breakdown)\b",
        r"^\W{0,3}let(?:'s| us| me) (?:dive in|get started|begin|do this|explain|walk through|think step by step)\b",
        r"^\W{0,3}let(?:'s| us| me) break (?:it|this|that)(?: problem)? down\b",
        r"^\W{0,3}let(?:'s| us| me) (?:go|work) through (?:it|this|these steps|the steps)\b",
        r"^\W{0,3}let(?:'s| us| me) solve (?:it|this)(?: problem)? step by step\b",
    ),
    "about itself": (
        r"\bas an? (?:ai|expert|experienced|professional|helpful)\b",
        r"\b(?:language model|my training data|knowledge cutoff|i was trained)\b",
    ),
    "praise": (
        r"\b(?:i am|i'm) (?:very |quite |absolutely |fully )?(?:confident|certain|sure)\b",
        r"\b(?:this|the|my) (?:solution|explanation|reasoning|approach|method) is (?:\w{1,12} )?"
        r"(?:elegant|clear|complete|rigorous|thorough|correct|accurate|perfect)\b",
        r"\b(?:rest assured|well done|great job|excellent work|congratulations|good luck|happy learning)\b",
    ),
}
RULES: Final = {rule: re.compile("|".join(phrases), re.IGNORECASE) for rule, phrases in PHRASES.items()}
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_CONTENT = re.compile(r"[\d\\=<>^_$×÷√∑]")


class Padding(NamedTuple):
    """The share of sentences that are padding, and each of them with the rule that says so."""

    share: float
    sentences: tuple[tuple[str, str], ...]


def padding(text: str) -> Padding:
    """Measure the padding of a text; linear in its length."""
    counted = 0
    found: list[tuple[str, str]] = []
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if not any(character.isalnum() for character in sentence):
            continue
        counted += 1
        rule = rule_of(sentence)
        if rule is not None:
            found.append((rule, sentence))
    return Padding(len(found) / counted if counted else 0.0, tuple(found))


def rule_of(sentence: str) -> str | None:
    """Return the name of the rule by which a sentence is padding, or None."""
    if _CONTENT.search(sentence) or len(sentence.split()) > MAX_WORDS:
        return None
    return next((name for name, pattern in RULES.items() if pattern.search(sentence)), None)
