"""What the families that ask for a Python function share: the gold for the verifier `code`, and how an answer is given.

The tests of a gold are hidden from the model; one more call is shown in the question.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from pipeline.records import canonical_json

NAMES: Final = ("solve", "compute", "process", "evaluate", "transform", "summarise", "convert", "work_out", "collect")
FORM: Final = "Give the complete function in one Markdown code block that begins with ```python."


def gold_of(name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    """Return the gold for a function of one argument: what must come back for each input."""
    tests = [{"input": [given], "output": wanted} for given, wanted in zip(inputs, outputs, strict=True)]
    return canonical_json({"mode": "function", "entry_point": name, "tests": tests})


def other_name(rng: Random, name: str) -> str:
    """Draw a function's name other than the given one."""
    return rng.choice([other for other in NAMES if other != name])


def fenced(lines: Sequence[str]) -> str:
    """Return a program as a completion that consists of it."""
    return "\n".join(["```python", *lines, "```"])
