"""A fake student for STaR on programs: without a hint it solves only the easy problem; with one it also writes an
honest program, and one that is nothing but the tests it was told."""

import re
from pathlib import Path
from typing import Any, Final

from generators.templates import FAMILIES
from generators.templates.family import draw_parameters
from generators.templates.functions import fenced
from pipeline.seeds import rng_for
from tests.flows.solver import config, golds

SOURCE: Final = {"strategy": "template", "count": 4, "families": ["number_lists"], "levels": [1]}
KINDS: Final = ("easy", "honest", "hard-coded", "hopeless")
HINTED: Final = "\n\nHint: these tests are passed by a correct program."


class Programmer:
    """`kinds` tells what becomes of each question, `asked` holds what it was asked with a hint."""

    def __init__(self) -> None:
        settings = config(Path(), "http://unused", generate={"sources": [SOURCE]})
        family = FAMILIES["number_lists"]
        assert family.example is not None
        rngs = [rng_for("template/number_lists/1", settings.seed, index) for index in range(len(KINDS))]
        programs = [family.example(draw_parameters(family, rng, 1)) for rng in rngs]
        self.programs = dict(zip(golds(settings), programs, strict=True))
        self.kinds = dict(zip(golds(settings), KINDS, strict=True))
        self.asked: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str:
        question, hinted, hint = body["messages"][-1]["content"].partition(HINTED)
        kind = self.kinds[question]
        if hinted:
            self.asked.append(kind)
        if kind == "easy" or (kind == "honest" and hinted):
            return self.programs[question]
        if kind == "hard-coded" and hinted:
            return table_of(hint)
        return fenced(["def nothing(numbers):", "    return None"])


def table_of(hint: str) -> str:
    """A program that looks its answers up among the tests of a hint."""
    tests = re.findall(r"^(\w+)\((.*)\) must return (.*)$", hint, re.MULTILINE)
    rows = [f"        {given!r}: {wanted}," for _, given, wanted in tests]
    return fenced([f"def {tests[0][0]}(numbers):", "    return {", *rows, "    }[str(numbers)]"])
