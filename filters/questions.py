"""Questions as the duplicate search sees them, and how they are read from the rows of a file.

It also tells whether two golds differ, by the verifiers' canonical form; a gold that cannot be read differs from none.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline.rows import QUESTION_COLUMNS, first_of, text_of
from pipeline.verifiers.equality import key_of
from pipeline.verifiers.naming import unnamed
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, string_key
from pipeline.verifiers.parsing import parse

LONGEST_GOLD: Final = 200


class Question(NamedTuple):
    """A question, where it is from, and its row there. `blind`: it is also compared with its numbers left out."""

    id: str
    text: str
    origin: str
    blind: bool = False
    answer: str | None = None
    strategy: str | None = None
    row: int = 0


class QuestionColumns(NamedTuple):
    """Which column of a file holds what; of several the first that has it."""

    ids: tuple[str, ...] = ("id",)
    questions: tuple[str, ...] = QUESTION_COLUMNS
    answer: str = "answer"
    strategy: str = "strategy"

    @property
    def others(self) -> tuple[tuple[str, ...], ...]:
        """What may hold the id, the gold and the strategy."""
        return self.ids, (self.answer,), (self.strategy,)

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self.questions).union(*self.others)


USUAL_COLUMNS: Final = QuestionColumns()


def read_question(fields: Mapping[str, Any], columns: QuestionColumns, file: str, row: int, origin: str) -> Question:
    """Return the question of a row of a file: a text, or messages, as TRL has prompts, of which the user's last is
    taken. A row without an id is called file:row.

    Raises ValueError, in one line, where there is no text.
    """
    text = text_of(fields, columns.questions)
    if text is None:
        names = ", ".join(fields) or "none"
        raise ValueError(f"no text in a column {' or '.join(columns.questions)}; it has: {names[:300]}")
    identity = first_of(fields, columns.ids)
    answer, strategy = fields.get(columns.answer), fields.get(columns.strategy)
    return Question(
        f"{file}:{row}" if identity is None else _clean(str(identity)),
        text,
        origin,
        answer=None if answer is None or isinstance(answer, list | dict) else _clean(str(answer)),
        strategy=strategy if isinstance(strategy, str) else None,
        row=row,
    )


def golds_differ(first: str | None, second: str | None) -> bool:
    """Tell whether two golds are known and unequal. Long texts, such as worked solutions, are not compared."""
    if first is None or second is None or first == second or max(len(first), len(second)) > LONGEST_GOLD:
        return False
    return _gold_key(first) != _gold_key(second)


@lru_cache(4096)
def _gold_key(gold: str) -> str:
    try:
        node = unnamed(parse(gold))
        return string_key(gold) if node.op == "text" else key_of(node)
    except (Unreadable, Undefined, Limit):
        return string_key(gold)


def _clean(text: str) -> str:
    # Half of a surrogate pair could not be written down as evidence.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
