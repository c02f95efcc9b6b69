"""Problems that a model writes from scratch: a topic, a skill, a setting, a person, a kind of answer and a style are
drawn, so that a thousand problems are about a thousand things. Without gold until the panel agrees on one.

Variety by drawn attributes after Tiny Stories and persona prompts (Ge et al. 2024, arXiv 2406.20094).
"""

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from generators.drafts import SCHEMA, problem_of, read_draft, refuse
from generators.made import Made, Part, Row
from pipeline.ask import Question, ask
from pipeline.config_files import ConfigError
from pipeline.records import Completion, Message, canonical_json, content_id
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.sources import WrittenSource
from pipeline.well_posed import Fault

VERSION: Final = "2"
PROMPT_VERSION: Final = "written/3"

# What the answer is. The question names the unit, so that a bare number answers it and equal answers look alike.
ANSWERS: Final[dict[str, str]] = {
    "whole number": "a whole number",
    "fraction": "a fraction of a whole, and the question asks what fraction",
    "decimal": "a decimal number, exact without rounding",
    "percentage": "a percentage, and the question asks how many percent",
    "money": "an amount of money, and the question asks how many dollars",
}
_WHOLE, _FRACTION, _DECIMAL, _PERCENTAGE, _MONEY = ANSWERS
# A topic with skills that fit it (what must be done to solve the problem), and the kinds of answer that a skill has.
TOPICS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "arithmetic": {
        "add and subtract in several steps": (_WHOLE, _DECIMAL, _MONEY),
        "multiply, then share out equally": (_WHOLE, _DECIMAL, _MONEY),
        "find what is left over": (_WHOLE, _MONEY),
    },
    "fractions": {
        "take a fraction of a number": (_WHOLE, _MONEY),
        "add fractions of one whole": (_FRACTION,),
        "find the whole from one of its parts": (_WHOLE, _MONEY),
    },
    "percent": {
        "take off a discount": (_MONEY,),
        "find the original price": (_MONEY,),
        "apply two changes one after the other": (_WHOLE, _PERCENTAGE, _MONEY),
        "find what percentage a part is of the whole": (_PERCENTAGE,),
    },
    "rates": {
        "work out a distance from speed and time": (_WHOLE, _DECIMAL),
        "compare two unit prices": (_MONEY,),
        "find how long a job takes": (_WHOLE, _DECIMAL),
    },
    "ratio": {
        "divide an amount in a ratio": (_WHOLE, _MONEY),
        "scale a recipe": (_WHOLE, _DECIMAL),
        "mix two kinds in a given ratio": (_WHOLE, _FRACTION, _PERCENTAGE),
    },
    "equations": {
        "solve for one unknown": (_WHOLE, _DECIMAL, _MONEY),
        "find two numbers from their sum and difference": (_WHOLE, _DECIMAL),
        "find an age": (_WHOLE,),
    },
    "geometry": {
        "find the perimeter of a rectangle": (_WHOLE, _DECIMAL),
        "find an area with a part cut out": (_WHOLE, _DECIMAL, _FRACTION),
        "find the volume of a box": (_WHOLE, _DECIMAL),
    },
    "number theory": {
        "find a greatest common divisor": (_WHOLE,),
        "find when two cycles meet again": (_WHOLE,),
        "find a remainder": (_WHOLE,),
    },
    "counting": {
        "count arrangements": (_WHOLE,),
        "count choices that follow one another": (_WHOLE,),
        "count what belongs to neither group": (_WHOLE, _PERCENTAGE),
    },
    "averages": {
        "find a mean": (_WHOLE, _DECIMAL, _MONEY),
        "find the value that brings the mean to a target": (_WHOLE, _DECIMAL),
        "combine the means of two groups": (_WHOLE, _DECIMAL),
    },
    "money": {
        "work out change": (_MONEY,),
        "save up week by week": (_WHOLE, _MONEY),
        "compare two tariffs": (_MONEY,),
    },
    "time": {
        "find the end of several stretches of time": (_WHOLE,),
        "count days between dates": (_WHOLE,),
        "convert hours and minutes": (_WHOLE, _DECIMAL),
    },
}
SETTINGS: Final = (
    "a bakery", "a beekeeper", "a bicycle shop", "a bus driver", "a carpenter", "a choir", "a cinema", "a dairy farm",
    "a ferry", "a florist", "a football club", "a fruit stall", "a gardener", "a hiking trip", "a hotel kitchen",
    "a laundry", "a librarian", "a lighthouse", "a market day", "a museum visit", "a music school", "a newspaper round",
    "a night train", "a painter", "a pottery class", "a printing shop", "a quilt", "a school play", "a swimming pool",
    "a tailor", "a tea merchant", "a toy workshop", "a vineyard", "a warehouse", "a weather station", "a zoo",
)  # fmt: skip
PERSONAS: Final = (
    "a retired teacher", "a young nurse", "two sisters", "a chess coach", "an apprentice", "a grandfather", "a student",
    "a trainee cook", "a bookkeeper", "a volunteer", "a night guard", "a piano tuner", "a judge of a contest",
    "a scout", "a shop assistant", "a pilot", "a vet", "three cousins", "a new neighbour", "an engineer",
    "a reporter", "a marathon runner", "a stamp collector", "a surveyor",
)  # fmt: skip
STYLES: Final = (
    "in two sentences",
    "in three sentences",
    "in four sentences",
    "with one number that is not a whole ten",
)

_SYSTEM: Final = (
    "You write mathematics problems for a textbook. A problem states every number that is needed to solve it, asks one "
    "question, and has exactly one answer, which is one exact number. You never give the answer or the solution."
)


_EXAMPLE: Final = (
    "Write one problem about a post office and a clerk. To solve it, one must multiply, then share out equally. The "
    "answer is a whole number. Write it in three sentences, and end with the question.",
    "A clerk at a post office unloads 6 sacks with 45 parcels in each. 9 carriers take out the parcels, and all of "
    "them take the same number. How many parcels does each carrier take?",
)


class Draw(NamedTuple):
    """What one problem is to be about."""

    number: int
    topic: str
    skill: str
    setting: str
    style: str
    persona: str
    answer: str


def written_shards(run: Run, source: WrittenSource, number: int) -> Iterator[Part]:
    """Give the shards of a written source."""
    topics = topic_names(source)
    size, seed = run.config.generate.shard_rows, run.config.seed
    writer = run.config.writing.model_dump(mode="json", exclude={"engine"})
    for part, start in enumerate(range(0, source.count, size)):
        draws = [draw(seed, index, topics) for index in range(start, min(start + size, source.count))]
        shard = f"{number}-{part:05d}"
        inputs = (seed, source.model_dump(mode="json"), PROMPT_VERSION, writer, content_id("draws", draws))
        yield Part(shard, inputs, partial(make, run, shard, draws))


def topic_names(source: WrittenSource) -> list[str]:
    """Return the topics a source names. Raises ConfigError for an unknown one."""
    names = list(TOPICS) if source.topics == "all" else list(source.topics)
    unknown = [name for name in names if name not in TOPICS]
    if unknown:
        raise ConfigError(f"unknown topic {unknown[0]}; there are: {', '.join(TOPICS)}")
    return names


def draw(seed: int, index: int, topics: list[str]) -> Draw:
    """Draw what problem number `index` is about; the topics take turns."""
    rng = rng_for("written", seed, index)
    topic = topics[index % len(topics)]
    skill, answers = rng.choice(list(TOPICS[topic].items()))
    setting, style, persona, answer = (rng.choice(axis) for axis in (SETTINGS, STYLES, PERSONAS, answers))
    return Draw(index, topic, skill, setting, style, persona, answer)


def question_for(draw: Draw) -> Question:
    """Return what the model is asked for one problem."""
    user = (
        f"Write one problem about {draw.setting} and {draw.persona}. To solve it, one must {draw.skill}. "
        f"The answer is {ANSWERS[draw.answer]}. Write it {draw.style}, and end with the question."
    )
    messages = (
        Message("system", _SYSTEM),
        Message("user", _EXAMPLE[0]),
        Message("assistant", canonical_json({"problem": _EXAMPLE[1]})),
        Message("user", user),
    )
    return Question(content_id("draw", *draw), messages, PROMPT_VERSION, SCHEMA, draw.number)


def make(run: Run, shard: str, draws: list[Draw]) -> Made:
    """Have the problems written, and refuse what the text alone shows to be none."""
    drafts = ask(run, shard, [question_for(draw) for draw in draws], run.config.writing, budgeted=True)
    return Made([_row(run.config.seed, *pair) for pair in zip(draws, drafts, strict=True)], drafts)


def _row(seed: int, draw: Draw, draft: Completion) -> Row:
    question = read_draft(draft)
    if isinstance(question, Fault):
        return refuse(draft, question)
    return problem_of(
        draft,
        question,
        generator="written",
        version=VERSION,
        family=f"written_{draw.topic.replace(' ', '_')}",
        domain=draw.topic,
        strategy="written",
        index=draw.number,
        seed=seed,
        parameters={name: getattr(draw, name) for name in ("skill", "setting", "style", "persona", "answer")},
    )
