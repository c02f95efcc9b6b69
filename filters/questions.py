"""Questions as the duplicate search sees them, and how they are read from the rows of a file.

It also tells whether two golds differ, by the verifiers' canonical form; a gold that cannot be read differs from none.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline.rows import text_of
from pipeline.verifiers.equality import key_of
from pipeline.verifiers.naming import unnamed
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, string_key
from pipeline.verifiers.parsing import parse

LONGEST_GOLD: Final = 200


class Question(NamedTuple):
    """A question and where it is from. `blind`: it is also compared with its numbers left out."""

    id: str
    text: str
    origin: str
    blind: bool = False
    answer: str | None = None
    strategy: str | None = None


class QuestionColumns(NamedTuple):
    """Which column of a file holds what."""

    id: str = "id"
    question: str = "question"
    answer: str = "answer"
    strategy: str = "strategy"


USUAL_COLUMNS: Final = QuestionColumns()


def check_columns(names: Collection[str] | None, columns: QuestionColumns) -> None:
    """Raise ValueError if a file with these columns (None: its rows may differ) cannot hold a question."""
    if names is not None and not {columns.question, "prompt"} & set(names):
        raise ValueError(f"no column {columns.question} or prompt; it has: {', '.join(names)[:300]}")


def read_question(fields: Mapping[str, Any], columns: QuestionColumns, place: str, origin: str) -> Question:
    """Return the question of a row; `place` is its id where it has none. Without the question's column, `prompt` as TRL
    has it will do: a text, or messages of which the user's last is taken.

    Raises ValueError, in one line, where there is no text.
    """
    text = text_of(fields, (columns.question, "prompt"))
    if text is None:
        names = ", ".join(fields) or "none"
        raise ValueError(f"no text in a column {columns.question} or prompt; it has: {names[:300]}")
    identity, answer, strategy = (fields.get(name) for name in (columns.id, columns.answer, columns.strategy))
    return Question(
        place if identity is None else _clean(str(identity)),
        text,
        origin,
        answer=None if answer is None or isinstance(answer, list | dict) else _clean(str(answer)),
        strategy=strategy if isinstance(strategy, str) else None,
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
