"""The exact messages by which a run's models were asked to write problems, one example for each kind, for the card.

What is drawn (topics, plans, parents) differs from request to request; the example shows the first draw.
"""

from collections.abc import Iterator

from generators import backward, evolve, written
from generators.parents import Parent
from pipeline.records import Message, Provenance, make_problem
from pipeline.run import Run
from pipeline.sources import BackwardSource, EvolvedSource, Source, WrittenSource

Prompts = Iterator[tuple[str, tuple[Message, ...]]]


def writer_prompts(run: Run) -> dict[str, list[list[str]]]:
    """Return the messages, each role and content, by prompt version, and by operation where there are several."""
    return {
        label: [[message.role, message.content] for message in messages]
        for source in run.config.generate.sources
        for prompts in (_written, _evolved, _answer_first)
        for label, messages in prompts(run, source)
    }


def _written(run: Run, source: Source) -> Prompts:
    if isinstance(source, WrittenSource):
        asked = written.question_for(written.draw(run.config.seed, 0, written.topic_names(source)))
        yield asked.prompt_version, asked.messages


def _evolved(_run: Run, source: Source) -> Prompts:
    if not isinstance(source, EvolvedSource):
        return
    for name in evolve.operation_names(source):
        operation = evolve.OPERATIONS[name]
        parents = tuple(_stand_in(number) for number in range(operation.parents))
        asked = evolve.question_for(evolve.Draw(0, name, parents))
        yield f"{asked.prompt_version} {name}", asked.messages


def _stand_in(number: int) -> Parent:
    """Return a parent whose question says that it stands for one."""
    origin = Provenance(generator="", generator_version="")
    question, answer = f"{{question of parent {number + 1}}}", f"{{answer of parent {number + 1}}}"
    problem = make_problem(question, answer, domain="", family="", strategy="template", provenance=origin)
    return Parent(problem, None)


def _answer_first(run: Run, source: Source) -> Prompts:
    if isinstance(source, BackwardSource) and source.method == "answer_first":
        asked = backward.question_for(run.config.seed, 0, source.steps)
        yield asked.prompt_version, asked.messages
