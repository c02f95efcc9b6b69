"""Problems that a model writes from scratch: a topic, a skill and a setting are drawn, so that a thousand problems are
about a thousand things. Without gold until the panel agrees on one.

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

VERSION: Final = "1"
PROMPT_VERSION: Final = "written/2"

# A topic with skills that fit it: what must be done to solve the problem.
TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "arithmetic": ("add and subtract in several steps", "multiply, then share out equally", "find what is left over"),
    "fractions": ("take a fraction of a number", "add fractions of one whole", "find the whole from one of its parts"),
    "percent": ("take off a discount", "find the original price", "apply two changes one after the other"),
    "rates": ("work out a distance from speed and time", "compare two unit prices", "find how long a job takes"),
    "ratio": ("divide an amount in a ratio", "scale a recipe", "mix two kinds in a given ratio"),
    "equations": ("solve for one unknown", "find two numbers from their sum and difference", "find an age"),
    "geometry": ("find the perimeter of a rectangle", "find an area with a part cut out", "find the volume of a box"),
    "number theory": ("find a greatest common divisor", "find when two cycles meet again", "find a remainder"),
    "counting": ("count arrangements", "count choices that follow one another", "count what belongs to neither group"),
    "averages": ("find a mean", "find the value that brings the mean to a target", "combine the means of two groups"),
    "money": ("work out change", "save up week by week", "compare two tariffs"),
    "time": ("find the end of several stretches of time", "count days between dates", "convert hours and minutes"),
}
SETTINGS: Final = (
    "a bakery", "a beekeeper", "a bicycle shop", "a bus driver", "a carpenter", "a choir", "a cinema", "a dairy farm",
    "a ferry", "a florist", "a football club", "a fruit stall", "a gardener", "a hiking trip", "a hotel kitchen",
    "a laundry", "a librarian", "a lighthouse", "a market day", "a museum visit", "a music school", "a newspaper round",
    "a night train", "a painter", "a pottery class", "a printing shop", "a quilt", "a school play", "a swimming pool",
    "a tailor", "a tea merchant", "a toy workshop", "a vineyard", "a warehouse", "a weather station", "a zoo",
)  # fmt: skip
STYLES: Final = (
    "in two sentences",
    "in three sentences",
    "in four sentences",
    "with one number that is not a whole ten",
)

_SYSTEM: Final = (
    "You write mathematics problems for a textbook. A problem states every number that is needed to solve it, asks one "
    "question, and has exactly one answer, which is a whole number. You never give the answer or the solution."
)


_EXAMPLE: Final = (
    "Write one problem about a post office. To solve it, one must multiply, then share out equally. Write it in three "
    "sentences, and end with the question.",
    "A post office gets 6 sacks with 45 parcels in each. 9 carriers take out the parcels, and all of them take the "
    "same number. How many parcels does each carrier take?",
)


class Draw(NamedTuple):
    """What one problem is to be about."""

    number: int
    topic: str
    skill: str
    setting: str
    style: str


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
    return Draw(index, topic, rng.choice(TOPICS[topic]), rng.choice(SETTINGS), rng.choice(STYLES))


def question_for(draw: Draw) -> Question:
    """Return what the model is asked for one problem."""
    user = (
        f"Write one problem about {draw.setting}. To solve it, one must {draw.skill}. "
        f"Write it {draw.style}, and end with the question."
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
        parameters={"skill": draw.skill, "setting": draw.setting, "style": draw.style},
    )
