"""What a source of problems gives: shards that can be made, and what making one yields."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.records import Completion, Problem, Rejection

Row = Problem | Rejection


class Made(NamedTuple):
    """What a shard's generator made: problems and refusals, and all that a model wrote for them."""

    rows: list[Row]
    drafts: Sequence[Completion] = ()


class Part(NamedTuple):
    """A shard that can be made now: its name, all that it depends on, and how to make it.

    Names sort in the order of making: "<source>-<part>", and "g<generation>-<source>-<part>" for problems with parents.
    """

    shard: str
    inputs: tuple[object, ...]
    make: Callable[[], Made]
