"""The shape of an output, judged on its own: one closed thinking block first, then one committed answer."""

import re

from pipeline.answers import extract

_SHAPE = re.compile(r"\s*<think>.+?</think>\s*\S", re.DOTALL)


def shape_fault(text: str, finish_reason: str = "stop", *, reasoning: bool = False) -> str | None:
    """Return what is wrong with the shape, or None. `reasoning`: the thinking was already split off by the engine."""
    if finish_reason == "length":
        return "the output was cut off"
    if not reasoning:
        if _SHAPE.match(text) is None:
            return "no closed thinking block at the beginning, or nothing after it"
        if text.count("<think>") != 1 or text.count("</think>") != 1:
            return "more than one thinking block"
    committed = extract(text, finish_reason)
    if not committed.answers:
        return "no committed answer after thinking"
    return "several answers" if len(committed.answers) > 1 else None
