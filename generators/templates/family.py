"""What a template family is, and how a problem is drawn from it with its proof.

A family declares a parameter sampler with levels, at least four wordings, an exact solution by program and an
independent second check. A problem leaves this module only when both agree; nothing here uses floating point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

from pipeline.records import AnswerType, Problem, Provenance, canonical_json, make_problem
from pipeline.seeds import rng_for

Answer = int | Fraction | str | tuple["Answer", ...] | frozenset[int | Fraction]
P = TypeVar("P", bound=NamedTuple)

MAX_DRAWS = 200


class ProofError(Exception):
    """A family's solution and its independent check disagree: the family is wrong, not the run."""


@dataclass(frozen=True)
class Family(Generic[P]):
    """One kind of problem.

    sample(rng, level) draws parameters, as a NamedTuple of JSON values (int, str, bool, and tuples of them);
    is_valid(p) is the uniqueness guard: exactly one answer, and the numbers make sense (a draw that fails is drawn
    again); solve(p) is the exact answer; check(p, answer) proves it by another method (substitution, brute force) and
    never calls solve or shares a formula with it; metamorphic(rng, p, answer) returns changed parameters (numbers
    scaled, people renamed) and the answer that must follow from `answer` alone. Raise `version` when an output changes.
    Where the answer is a specification (JSON, for the verifiers logic, code and constraint), `example(p)` is a
    completion that satisfies it: the verifier must accept it.
    """

    name: str
    domain: str
    version: int
    answer_type: AnswerType | None
    levels: tuple[int, ...]
    sample: Callable[[Random, int], P]
    is_valid: Callable[[P], bool]
    wordings: tuple[Callable[[P], str], ...]
    solve: Callable[[P], Answer]
    check: Callable[[P, Answer], bool]
    metamorphic: Callable[[Random, P, Answer], tuple[P, Answer]]
    verifier: str = "math"
    example: Callable[[P], str] | None = None
    number_blind: bool = False  # its problems are duplicates of one another even where their numbers differ


def by_kind(texts: Mapping[str, Sequence[Callable[[Any], str]]]) -> tuple[Callable[[Any], str], ...]:
    """Make wordings for parameters with a field `kind` out of equally many texts for each kind."""
    return tuple(lambda p, n=n: texts[p.kind][n](p) for n in range(min(map(len, texts.values()))))


def draw_parameters(family: Family[P], rng: Random, level: int) -> P:
    """Draw parameters until the family's guard accepts them; a sampler that nearly never succeeds is an error."""
    for _ in range(MAX_DRAWS):
        parameters = family.sample(rng, level)
        if family.is_valid(parameters):
            return parameters
    raise ProofError(f"{family.name} level {level}: no valid parameters in {MAX_DRAWS} draws")


def generate_problem(family: Family[Any], seed: int, index: int, level: int | None = None) -> Problem:
    """Make problem number `index` of a family: the same arguments give the same problem on every machine.

    `level` None walks through the family's levels by index. Raises ProofError if the check refuses the solution.
    """
    level = family.levels[index % len(family.levels)] if level is None else level
    rng = rng_for(f"template/{family.name}/{level}", seed, index)
    parameters = draw_parameters(family, rng, level)
    answer = family.solve(parameters)
    if not family.check(parameters, answer):
        raise ProofError(f"{family.name}: the check refuses the answer {answer!r} for {parameters!r}")
    wording = rng.randrange(len(family.wordings))
    drawn: Mapping[str, object] = {"level": level, "wording": wording, **parameters._asdict()}
    return make_problem(
        family.wordings[wording](parameters),
        format_answer(answer),
        verifier=family.verifier,
        answer_type=family.answer_type,
        domain=family.domain,
        family=family.name,
        level=level,
        strategy="template",
        provenance=Provenance(
            generator=f"template/{family.name}",
            generator_version=str(family.version),
            seed=seed,
            index=index,
            parameters=canonical_json(drawn),
            licence="Apache-2.0",
        ),
    )


def format_answer(answer: Answer) -> str:
    """Write an answer as the verifiers read it: 3/4, (2, 3), {1, 5}, or the text itself."""
    if isinstance(answer, frozenset):
        return "{" + ", ".join(str(x) for x in sorted(answer)) + "}"
    if isinstance(answer, tuple):
        return "(" + ", ".join(format_answer(x) for x in answer) + ")"
    return str(answer)
