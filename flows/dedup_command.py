"""`gradatim dedup`: drop the rows of a file whose question is there already, or in earlier files, and say which one.

One pass over the input; `keep="best"` needs two, since the best of a cluster is known at the end. What is held: the
questions kept and their sketches (with `best`, all of them), and one record for each row that is not kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from filters.dedup import DuplicateIndex, Match, differing_golds, read_earlier, rejection
from filters.fingerprints import Kept, default_cache
from filters.questions import USUAL_COLUMNS, Question, QuestionColumns, read_question
from pipeline.config import NearDuplicates, SemanticDuplicates
from pipeline.progress import track
from pipeline.rows import count_rows, printable, read_rows
from pipeline.sift import Sifted, Verdict, rejected_path, sift
from pipeline.store import file_digest

THIS_FILE: Final = "this file"
Keep = Literal["first", "best"]
Fields = Mapping[str, Any]
Decide = Callable[[Iterable[Question]], Iterator[tuple[Question, Match | None]]]


class Summary(NamedTuple):
    """What came of it."""

    counts: Sifted
    earlier: int
    output: Path

    @property
    def broken(self) -> int:
        """Rows that hold no question."""
        return self.counts.rejected["broken"]

    def __str__(self) -> str:
        kinds = ", ".join(f"{n:,} {kind}s" for kind, n in sorted(self.counts.rejected.items()) if kind != "broken")
        beside = f" beside {self.earlier:,} earlier questions" if self.earlier else ""
        return (
            f"{self.counts.rows:,} rows{beside}: {self.counts.kept:,} kept, {kinds or 'no duplicates'}, "
            f"{self.broken:,} could not be read\n"
            f"kept:     {self.output}\nrejected: {rejected_path(self.output)}"
        )


def dedup_file(
    path: Path,
    output: Path,
    *,
    against: Sequence[Path] = (),
    near: NearDuplicates | None = None,
    semantic: SemanticDuplicates | None = None,
    keep: Keep = "first",
    number_blind: bool = False,
    columns: QuestionColumns = USUAL_COLUMNS,
) -> Summary:
    """Write the rows of `path` that duplicate no earlier one, and none `against`, to `output`, the others beside it.

    `keep` first is the first in order, best that of filters/clusters.py. `number_blind` compares by words alone too.
    Raises a GradatimError, in one line, for what cannot be read or written; nothing is written then.
    """
    index = DuplicateIndex(near or NearDuplicates(), semantic=semantic)
    for earlier in against:
        with track(f"read {printable(earlier.name)}", count_rows(earlier)) as progress:
            rows = (question._replace(blind=number_blind) for question in read_earlier(earlier, columns))
            kept = Kept(default_cache(), file_digest(earlier)).under(*columns, number_blind)
            index.add_earlier(_counted(rows, progress.advance), kept)
    earlier_questions = len(index.questions)
    read = _Reader(path, columns, number_blind)
    decide = index.decide if keep == "first" else _best(index, path, columns, number_blind)

    def judge(rows: Sequence[Fields]) -> list[Verdict | None]:
        found = [read(row) for row in rows]
        decided = decide([question for question in found if isinstance(question, Question)])
        return [Verdict("broken", q) if isinstance(q, str) else _verdict(index, *next(decided)) for q in found]

    return Summary(sift("dedup", path, output, judge, id_column=columns.id), earlier_questions, output)


class _Reader:
    """Reads the question of one row after another, broken lines left out; a row without an id is called file:line."""

    def __init__(self, path: Path, columns: QuestionColumns, blind: bool) -> None:
        self._path, self._columns, self._blind = path, columns, blind
        self._position = self._next = 0
        # The lines are read again to find a row's number, but only as far as there are rows without an id.
        self._numbers = (row.number for row in read_rows(path, (*columns, "prompt")) if row.fields is not None)

    def __call__(self, fields: Fields) -> Question | str:
        """Return the question, or what is wrong with the row."""
        self._position += 1
        place = "" if fields.get(self._columns.id) is not None else self._place()
        try:
            return read_question(fields, self._columns, place, THIS_FILE)._replace(blind=self._blind)
        except ValueError as error:
            return str(error)

    def _place(self) -> str:
        number = next(islice(self._numbers, self._position - 1 - self._next, None))
        self._next = self._position
        return f"{printable(self._path.name)}:{number}"


def _best(index: DuplicateIndex, path: Path, columns: QuestionColumns, blind: bool) -> Decide:
    """Cluster the questions of a file; return what decides them when they come again in the same order."""
    read = _Reader(path, columns, blind)
    with track("cluster", count_rows(path)) as progress:
        rows = (row.fields for row in read_rows(path, (*columns, "prompt")) if row.fields is not None)
        questions = (found for found in map(read, rows) if isinstance(found, Question))
        matches = {place: match for place, _, match in index.decide_best(_counted(questions, progress.advance))}
    places = count()
    return lambda again: ((question, matches.get(next(places))) for question in again)


def _counted(questions: Iterator[Question], advance: Callable[[], None]) -> Iterator[Question]:
    for question in questions:
        yield question
        advance()


def _verdict(index: DuplicateIndex, question: Question, match: Match | None) -> Verdict | None:
    if match is None:
        return None
    original = index.questions[match.row]
    found = rejection(question, match, original)
    evidence = {"matched_id": original.id, "matched_text": original.text, "from": original.origin}
    return Verdict(match.filter, found.reason, match.similarity, evidence | differing_golds(question, original))
