"""Short answers: equal to the gold or one of its aliases in lower case without punctuation and articles."""

import json
import re
import unicodedata
from string import punctuation

from pipeline.answers import normalise
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.notation import visible

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalised(text: str) -> str:
    """Return the form in which two short answers are compared."""
    text = unicodedata.normalize("NFC", normalise(text)).casefold()
    kept = "".join(c for c in text if c not in punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(_ARTICLES.sub(" ", kept).split())


def golds_of(gold: str) -> list[str]:
    """Return the gold and its aliases; a gold that is a JSON list of texts is a list of aliases."""
    if gold.lstrip().startswith("["):
        try:
            aliases = json.loads(gold)
        except ValueError:
            return [gold]
        if isinstance(aliases, list) and aliases and all(isinstance(a, str) for a in aliases):
            return aliases
    return [gold]


def same_short_answer(gold: str, answer: str) -> bool:
    """Compare an answer with the gold and its aliases, as a whole."""
    if not gold.strip():
        raise Undecided("the gold is empty")
    given = normalised(visible(answer))
    return bool(given) and any(given == normalised(g) for g in golds_of(gold))


def token_f1(gold: str, answer: str) -> float:
    """Return the F1 score of the words of an answer against the gold (the best over its aliases)."""
    return max(_f1(normalised(g).split(), normalised(visible(answer)).split()) for g in golds_of(gold))


def _f1(wanted: list[str], given: list[str]) -> float:
    common = sum(min(wanted.count(word), given.count(word)) for word in set(wanted))
    return 2 * common / (len(wanted) + len(given)) if common else 0.0
