"""Evol-Instruct for reasoning (Xu et al. 2023, arXiv 2304.12244): a model rewrites problems that a teacher has solved.

In depth (a constraint, a deeper idea, more steps, a concrete story, two problems in one, another unknown) and breadth.
What the text alone shows to be no problem is eliminated here; a gold comes from the panel's agreement, and whether a
rewrite is harder than its parent only from its measured pass rate.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from generators.drafts import SCHEMA, nothing_new, numbers, problem_of, read_draft, refuse
from generators.made import Made, Part, Row
from generators.parents import Parent, solved_parents
from pipeline.ask import Question, ask
from pipeline.config_files import ConfigError
from pipeline.records import Completion, Message, Problem, canonical_json
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.sources import EvolvedSource
from pipeline.well_posed import Fault

VERSION: Final = "1"
PROMPT_VERSION: Final = "evolve/2"


class Operation(NamedTuple):
    """One way to rewrite: what the model is told, an example of it, and what a rewrite must show to be one.

    `new_numbers`: it has a number that no parent has. `of_each`: it keeps a number of each parent. `tells_answer`: it
    holds its parent's answer.
    """

    instruction: str
    example: tuple[str, str]
    parents: int = 1
    new_numbers: bool = False
    of_each: bool = True
    tells_answer: bool = False


_BUS: Final = "A bus has 24 seats. 3 buses are full. How many people sit in them?"
_PENS: Final = "Ana has 4 boxes with 6 pens in each. How many pens does she have?"

OPERATIONS: Final[Mapping[str, Operation]] = {
    "add_constraint": Operation(
        "Write the problem anew with one more condition that changes its answer. The condition brings a new number.",
        (
            _BUS,
            "A bus has 24 seats. 3 buses are full, but in each of them 2 seats are broken and stay empty. How many "
            "people sit in the buses?",
        ),
        new_numbers=True,
    ),
    "deepen": Operation(
        "Write a problem about the same things that needs one more idea, such as an unknown number to solve for.",
        (
            _PENS,
            "Ana has 4 boxes with the same number of pens in each, and 5 loose pens. Altogether she has 29 pens. How "
            "many pens are in each box?",
        ),
        new_numbers=True,
    ),
    "more_steps": Operation(
        "Write the problem anew so that two more things happen, each with a number, before the question is asked.",
        (
            _PENS,
            "Ana has 4 boxes with 6 pens in each. She gives 7 pens to Ben, and then buys 2 more boxes of 6. How many "
            "pens does she have now?",
        ),
        new_numbers=True,
    ),
    "concretise": Operation(
        "Write the problem anew as a story about other people and things, with other realistic numbers.",
        (_PENS, "A baker fills 5 trays with 12 rolls each for the morning. How many rolls does the baker make?"),
        new_numbers=True,
        of_each=False,
    ),
    "combine": Operation(
        "Write one problem out of the two: the result of the first must be needed to solve the second.",
        (
            f"{_PENS}\n\nProblem: {_BUS}",
            "Ana has 4 boxes with 6 pens in each. Every pen is a prize for one passenger. A "
            "bus has 24 seats and 3 buses are full. How many passengers get no pen?",
        ),
        parents=2,
    ),
    "swap_asked": Operation(
        "Tell the answer of the problem as a fact, leave out one of its numbers, and ask for that number instead.",
        (
            f"{_PENS} (Answer: 24)",
            "Ana has 4 boxes with the same number of pens in each. She has 24 pens. How many pens are in each box?",
        ),
        tells_answer=True,
    ),
    "breadth": Operation(
        "Write a different problem that uses the same kind of mathematics, about something else, with other numbers.",
        (_BUS, "A shelf holds 35 books. A library fills 8 shelves. How many books are on them?"),
        new_numbers=True,
        of_each=False,
    ),
}

_SYSTEM: Final = (
    "You write mathematics problems for a textbook. A problem states every number that is needed to solve it, and ends "
    "with one question that has exactly one answer, a number. You never give the answer or the solution."
)


class Draw(NamedTuple):
    """One rewrite to be asked for."""

    number: int
    operation: str
    parents: tuple[Parent, ...]


def evolved_shards(run: Run, source: EvolvedSource, number: int) -> Iterator[Part]:
    """Give one shard for each generation whose parents are assessed."""
    names = operation_names(source)
    for generation in range(1, source.generations + 1):
        before = f"g{generation - 1}-{number}-"
        parents = solved_parents(run, partial(_is_parent, before, generation))
        if not parents:
            return
        shard = f"g{generation}-{number}-00000"
        inputs = (
            run.config.seed,
            source.model_dump(mode="json"),
            generation,
            PROMPT_VERSION,
            run.config.writing.model_dump(mode="json", exclude={"engine"}),
            [parent.problem.id for parent in parents],
        )
        draws = [draw(run.config.seed, shard, index, names, parents) for index in range(source.count)]
        yield Part(shard, inputs, partial(make, run, shard, draws))


def _is_parent(before: str, generation: int, shard: str) -> bool:
    """Rewrites of the first generation have all problems as parents that have none themselves."""
    return not shard.startswith("g") if generation == 1 else shard.startswith(before)


def operation_names(source: EvolvedSource) -> list[str]:
    """Return the operations a source names. Raises ConfigError for an unknown one."""
    names = list(OPERATIONS) if source.operations == "all" else list(source.operations)
    unknown = [name for name in names if name not in OPERATIONS]
    if unknown:
        raise ConfigError(f"unknown operation {unknown[0]}; there are: {', '.join(OPERATIONS)}")
    return names


def draw(seed: int, shard: str, index: int, names: list[str], parents: list[Parent]) -> Draw:
    """Draw parents for rewrite number `index`; the operations take turns."""
    rng = rng_for(f"evolve/{shard}", seed, index)
    name = names[index % len(names)]
    return Draw(index, name, tuple(rng.sample(parents, min(OPERATIONS[name].parents, len(parents)))))


def question_for(draw: Draw) -> Question:
    """Return what the model is asked for a rewrite: an example of the operation, then the parents."""
    operation = OPERATIONS[draw.operation]
    shown = "\n\nProblem: ".join(parent.problem.question for parent in draw.parents)
    if operation.tells_answer:
        shown += f" (Answer: {draw.parents[0].problem.answer})"
    before, after = operation.example
    messages = (
        Message("system", _SYSTEM),
        Message("user", f"Problem: {before}\n\n{operation.instruction}"),
        Message("assistant", canonical_json({"problem": after})),
        Message("user", f"Problem: {shown}\n\n{operation.instruction}"),
    )
    return Question(draw.parents[0].problem.id, messages, PROMPT_VERSION, SCHEMA, draw.number)


def not_done(operation: Operation, question: str, parents: Sequence[Problem]) -> Fault | None:
    """Tell what the operation demands of its numbers and the rewrite lacks."""
    own = numbers(question)
    given = [numbers(parent.question) for parent in parents]
    if operation.new_numbers and not own - set().union(*given):
        return Fault("no gain", "it has no number that its parent does not have")
    if operation.of_each and not all(own & of_parent for of_parent in given):
        return Fault("not about its parent", "it has no number of a parent")
    if operation.tells_answer and not numbers(parents[0].answer or "") <= own:
        return Fault("no gain", "it does not tell its parent's answer")
    return None


def make(run: Run, shard: str, draws: list[Draw]) -> Made:
    """Have the rewrites written, and eliminate what is none."""
    drafts = ask(run, shard, [question_for(draw) for draw in draws], run.config.writing, budgeted=True)
    return Made([_row(run.config.seed, *pair) for pair in zip(draws, drafts, strict=True)], drafts)


def _row(seed: int, draw: Draw, draft: Completion) -> Row:
    parents = [parent.problem for parent in draw.parents]
    question = read_draft(draft)
    if isinstance(question, Fault):
        return refuse(draft, question)
    fault = nothing_new(question, parents) or not_done(OPERATIONS[draw.operation], question, parents)
    if fault is not None:
        return refuse(draft, fault)
    return problem_of(
        draft,
        question,
        generator=f"evolve/{draw.operation}",
        version=VERSION,
        family=f"evolved_{draw.operation}",
        domain=parents[0].domain,
        strategy="evolved",
        index=draw.number,
        seed=seed,
        parameters={"operation": draw.operation},
        parents=parents,
        licence=parents[0].provenance.licence,
    )
