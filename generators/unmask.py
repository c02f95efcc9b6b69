"""A known number of a problem becomes the unknown, and the problem's answer becomes known.

For a problem of a template family the number is traced to the parameter that it shows, and every other value of it is
put into the family's own solution: only if none of them gives the same answer is the new problem's answer unique, and
proved. For any other problem nothing is proved: the answer that the new question tells may be one the panel agreed on,
that no other number leads to it is not checked, and the gold is kept only if the panel comes to it again.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from generators.templates import FAMILIES
from generators.templates.family import Family, draw_parameters, generate_problem
from pipeline.config_files import ConfigError
from pipeline.records import Problem, Provenance, Rejection, canonical_json, content_id, make_problem
from pipeline.seeds import rng_for

STAGE: Final = "generate"
VERSION: Final = "1"
SMALLEST, LARGEST = 2, 10_000
TRIED_AROUND: Final = 300
DRAWS: Final = 8  # template problems that are tried for one inverse problem
_NUMBER: Final = re.compile(r"(?<![\w.,/\\$^{_-])\d{1,5}(?![\w/}^]|[.,]\d|st|nd|rd|th| ?%)")
_LETTERS: Final = "xnkymzwpqrtuvbcdefghjloi"
_NO_VALUE: Final = (ArithmeticError, ValueError, AssertionError, IndexError, KeyError)


class Masked(NamedTuple):
    """A question with one number replaced by a letter."""

    question: str
    letter: str
    value: int
    place: int

    def with_value(self, value: int) -> str:
        """Return the question with another number at the hidden place."""
        return self.question[: self.place] + str(value) + self.question[self.place + len(self.letter) :]


class Wording(NamedTuple):
    """How a template problem was made."""

    family: Family[Any]
    parameters: Any
    wording: int


def masks(question: str) -> Iterator[Masked]:
    """Give every way to hide a whole number that stands exactly once in a question, from the left."""
    found = list(_NUMBER.finditer(question))
    used = set(re.findall(r"[A-Za-z]+", question))
    letter = next(letter for letter in _LETTERS if letter not in used)
    for match in found:
        value = int(match.group())
        if SMALLEST <= value <= LARGEST and sum(int(other.group()) == value for other in found) == 1:
            hidden = question[: match.start()] + letter + question[match.end() :]
            yield Masked(hidden, letter, value, match.start())


def backward_question(masked: Masked, answer: str) -> str:
    """Write the backward question (FOBAR's wording)."""
    return (
        f"{masked.question}\n\nHere {masked.letter} stands for a whole number that is not known. The answer to the "
        f"question above is {answer}. What is the value of {masked.letter}?"
    )


def mask_row(parent: Problem, seed: int, index: int) -> Problem | Rejection:
    """Make the backward problem of a solved problem; of a template problem with a proof."""
    rng = rng_for(f"backward/mask/{parent.id}", seed, index)
    ways = list(masks(parent.question))
    rng.shuffle(ways)
    if parent.answer is None or parent.verifier != "math":
        return Rejection(content_id("mask", parent.id), STAGE, "no mask", "its answer is not one value")
    family = FAMILIES.get(parent.family) if parent.strategy == "template" else None
    generator = "backward/mask_unproved"
    if family is not None:
        generator = "backward/mask"
        made = wording_of(family, parent)
        ways = [way for way in ways if unique(made, way)]
    if not ways:
        reason = "no number of it can be hidden so that only one value gives the answer"
        return Rejection(content_id("mask", parent.id), STAGE, "no mask", reason)
    return _problem(parent, ways[0], generator, seed, index)


def inverse_row(families: Literal["all"] | Sequence[str], seed: int, index: int) -> Problem | Rejection:
    """Draw a template problem and invert it; families take turns. Raises ConfigError for an unknown family."""
    names = list(FAMILIES) if families == "all" else list(families)
    turn, place = divmod(index, len(names))
    if names[place] not in FAMILIES:
        raise ConfigError(f"unknown template family {names[place]}; there are: {', '.join(FAMILIES)}")
    for draw in range(turn * DRAWS, (turn + 1) * DRAWS):
        found = mask_row(generate_problem(FAMILIES[names[place]], seed, draw), seed, draw)
        if isinstance(found, Problem):
            return replace(found, provenance=replace(found.provenance, generator="backward/inverse", parents=()))
    reason = f"in {DRAWS} problems of {names[place]} there is no number to hide so that only one value gives the answer"
    return Rejection(content_id("inverse", names[place], seed, turn), STAGE, "no mask", reason)


def wording_of(family: Family[Any], problem: Problem) -> Wording:
    """Return the parameters and the wording that a template problem was made with."""
    made = problem.provenance
    if made.seed is None or made.index is None:
        raise ValueError(f"{problem.id}: a template problem without seed and index")
    level = json.loads(made.parameters)["level"]
    rng = rng_for(f"template/{family.name}/{level}", made.seed, made.index)
    parameters = draw_parameters(family, rng, level)
    return Wording(family, parameters, rng.randrange(len(family.wordings)))


def unique(made: Wording, masked: Masked) -> bool:
    """Tell whether the hidden number is the only one, of all whole numbers from 0 to far beyond it, with this answer.

    The number is that of a parameter if changing this parameter alone changes this number alone in the wording.
    """
    family, parameters = made.family, made.parameters
    answer = family.solve(parameters)
    for name, value in parameters._asdict().items():
        if type(value) is int and value == masked.value and _shows(made, masked, name):
            others = (v for v in range(masked.value + TRIED_AROUND) if v != masked.value)
            return not any(_solution(family, parameters._replace(**{name: v})) == answer for v in others)
    return False


def _shows(made: Wording, masked: Masked, name: str) -> bool:
    """Tell whether the wording shows this parameter at the hidden place and nowhere else."""
    other = masked.value + 1
    text = made.family.wordings[made.wording]
    expected = masked.with_value(other)
    return _value(lambda: text(made.parameters._replace(**{name: other}))) == expected


def _solution(family: Family[Any], parameters: Any) -> object:
    """Return the family's answer for parameters that its guard may not know; None where there is none."""
    return _value(lambda: family.solve(parameters))


def _value(compute: Callable[[], object]) -> object:
    try:
        return compute()
    except _NO_VALUE:
        return None


def _problem(parent: Problem, masked: Masked, generator: str, seed: int, index: int) -> Problem:
    return make_problem(
        backward_question(masked, parent.answer or ""),
        str(masked.value),
        answer_type="integer",
        domain=parent.domain,
        family=f"backward_{parent.family}",
        level=parent.level,
        strategy="backward",
        provenance=Provenance(
            generator=generator,
            generator_version=VERSION,
            seed=seed,
            index=index,
            parameters=canonical_json({"parent": parent.provenance.parameters, "place": masked.place}),
            parents=(parent.id,),
            licence=parent.provenance.licence,
        ),
    )
