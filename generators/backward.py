"""Backward generation: the answer first, then the question.

`answer_first`: an answer and a plan of calculation are drawn, and a model writes the story; it is kept only if the
panel, which never sees the plan, comes to that answer. `mask`: a known number of a solved problem becomes the unknown
(FOBAR, Jiang et al. 2023, arXiv 2308.07758). `inverse`: the same with fresh template problems, by program alone.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from generators.drafts import SCHEMA, numbers, problem_of, read_draft, refuse
from generators.made import Made, Part, Row
from generators.parents import solved_parents
from generators.unmask import inverse_row, mask_row
from generators.written import SETTINGS
from pipeline.ask import Question, ask
from pipeline.records import Completion, Message, canonical_json, content_id
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.sources import BackwardSource
from pipeline.well_posed import Fault

VERSION: Final = "2"
PROMPT_VERSION: Final = "answer_first/3"
LARGEST: Final = 400

_SYSTEM: Final = (
    "You write mathematics word problems for a textbook. You are given a calculation. You write the story that leads "
    "to it: every number that goes into the calculation is told in the story; the results in between and the answer "
    "are not."
)


class Step(NamedTuple):
    """One step of a plan: the value before, the operation, its number, the value after."""

    before: int
    sign: str
    number: int
    after: int

    def __str__(self) -> str:
        return f"{self.before} {self.sign} {self.number} = {self.after}"


class Example(NamedTuple):
    """A calculation with its story, and the nouns that show that a model copied it."""

    setting: str
    steps: tuple[Step, ...]
    story: str
    nouns: tuple[str, ...]


EXAMPLES: Final = (
    Example(
        "a post office",
        (Step(6, "×", 44, 264), Step(264, "-", 24, 240), Step(240, "÷", 8, 30)),
        "A post office gets 6 sacks with 44 parcels in each. 24 of the parcels are picked up at the counter. 8 "
        "carriers share out the others equally. How many parcels does each carrier take?",
        ("carrier", "parcel", "sack"),
    ),
    Example(
        "a skating rink",
        (Step(90, "÷", 5, 18), Step(18, "+", 7, 25)),
        "The 90 pairs of skates of a skating rink stand on 5 racks, equally many on each. Then 7 more pairs are put on "
        "one of the racks. How many pairs are on this rack now?",
        ("skate", "rink", "rack"),
    ),
)


def backward_shards(run: Run, source: BackwardSource, number: int) -> Iterator[Part]:
    """Give the shards of a backward source; those of `mask` once their parents are assessed."""
    return METHODS[source.method](run, source, number)


def _answer_first(run: Run, source: BackwardSource, number: int) -> Iterator[Part]:
    size, seed = run.config.generate.shard_rows, run.config.seed
    writer = run.config.writing.model_dump(mode="json", exclude={"engine"})
    for part, start in enumerate(range(0, source.count, size)):
        shard, stop = f"{number}-{part:05d}", min(start + size, source.count)
        inputs = (seed, source.model_dump(mode="json"), VERSION, PROMPT_VERSION, writer, start, stop)
        yield Part(shard, inputs, partial(_write, run, shard, range(start, stop), source.steps))


def draw_plan(seed: int, index: int, lengths: Sequence[int]) -> tuple[str, list[Step]]:
    """Draw a setting and a calculation; its lengths take turns. Every value is a whole number from 2 to 400."""
    rng = rng_for("backward/answer_first", seed, index)
    length = lengths[index % len(lengths)]
    value = rng.randint(4, 60)
    steps: list[Step] = []
    while len(steps) < length:
        sign = rng.choice([s for s in "+-×÷" if not steps or s != steps[-1].sign])
        number = rng.randint(2, 9) if sign in "×÷" else rng.randint(3, 60)
        after = _apply(value, sign, number)
        if after is not None and 2 <= after <= LARGEST and after != number:
            steps.append(Step(value, sign, number, after))
            value = after
    return rng.choice(SETTINGS), steps


def _apply(value: int, sign: str, number: int) -> int | None:
    if sign == "÷":
        return value // number if value % number == 0 else None
    return {"+": value + number, "-": value - number, "×": value * number}[sign]


def question_for(seed: int, index: int, lengths: Sequence[int]) -> Question:
    """Return what the model is asked for plan number `index`."""
    setting, steps = draw_plan(seed, index, lengths)
    shown = EXAMPLES[index % len(EXAMPLES)]
    messages = (
        Message("system", _SYSTEM),
        Message("user", _task(shown.setting, shown.steps)),
        Message("assistant", canonical_json({"problem": shown.story})),
        Message("user", _task(setting, steps)),
    )
    return Question(content_id("plan", seed, index), messages, PROMPT_VERSION, SCHEMA, index)


def _task(setting: str, steps: Sequence[Step]) -> str:
    plan = "\n".join(str(step) for step in steps)
    return (
        f"Calculation:\n{plan}\n\nWrite a word problem about {setting} that is solved by exactly this calculation. It "
        f"tells {_list([steps[0].before, *(step.number for step in steps)])} and asks for the last result, which it "
        "must not tell."
    )


def _list(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:-1])) + f" and {values[-1]}"


def _write(run: Run, shard: str, places: range, lengths: Sequence[int]) -> Made:
    seed = run.config.seed
    questions = [question_for(seed, index, lengths) for index in places]
    drafts = ask(run, shard, questions, run.config.writing, budgeted=True)
    return Made([story_row(seed, lengths, *pair) for pair in zip(places, drafts, strict=True)], drafts)


def story_row(seed: int, lengths: Sequence[int], index: int, draft: Completion) -> Row:
    """Return the problem that a draft for plan number `index` holds, or why it is refused."""
    setting, steps = draw_plan(seed, index, lengths)
    question = read_draft(draft)
    if isinstance(question, Fault):
        return refuse(draft, question)
    wanted = {str(steps[0].before), *(str(step.number) for step in steps)}
    if not wanted <= numbers(question):
        return refuse(draft, Fault("not the plan", f"it does not tell {', '.join(sorted(wanted - numbers(question)))}"))
    if str(steps[-1].after) in numbers(question) - wanted:
        return refuse(draft, Fault("answer in question", str(steps[-1].after)))
    words = question.casefold().split()
    nouns = EXAMPLES[index % len(EXAMPLES)].nouns
    copied = [noun for noun in nouns if noun not in setting and any(word.startswith(noun) for word in words)]
    if copied:
        return refuse(draft, Fault("copied example", ", ".join(copied)))
    return problem_of(
        draft,
        question,
        generator="backward/answer_first",
        version=VERSION,
        family=f"answer_first_{len(steps)}_steps",
        domain="arithmetic",
        strategy="backward",
        index=index,
        seed=seed,
        parameters={"setting": setting, "plan": [str(step) for step in steps]},
        answer=str(steps[-1].after),
    )


def _mask(run: Run, source: BackwardSource, number: int) -> Iterator[Part]:
    parents = solved_parents(run, lambda shard: not shard.startswith("g"))
    if not parents:
        return
    seed = run.config.seed
    wanted = [p for p in parents if source.families == "all" or p.problem.family in source.families]
    chosen = rng_for(f"backward/mask/{number}", seed, 0).sample(wanted, min(source.count, len(wanted)))
    inputs = (seed, source.model_dump(mode="json"), VERSION, [parent.problem.id for parent in chosen])

    def make() -> Made:
        return Made([mask_row(parent.problem, seed, index) for index, parent in enumerate(chosen)])

    yield Part(f"g1-{number}-00000", inputs, make)


def _inverse(run: Run, source: BackwardSource, number: int) -> Iterator[Part]:
    size, seed = run.config.generate.shard_rows, run.config.seed
    for part, start in enumerate(range(0, source.count, size)):
        places = range(start, min(start + size, source.count))

        def make(places: range = places) -> Made:
            return Made([inverse_row(source.families, seed, index) for index in places])

        yield Part(f"{number}-{part:05d}", (seed, source.model_dump(mode="json"), VERSION, start), make)


METHODS: Final[dict[str, Callable[[Run, BackwardSource, int], Iterator[Part]]]] = {
    "answer_first": _answer_first,
    "mask": _mask,
    "inverse": _inverse,
}
