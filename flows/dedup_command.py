"""`gradatim dedup`: drop the rows of a file whose question is there already, or in earlier files, and say which one.

One pass over the input; `keep="best"` needs two, since the best of a cluster is known at the end. What is held: the
questions kept and their sketches (with `best`, all of them), and one record for each row that is not kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from filters.dedup import DuplicateIndex, Match, differing_golds, read_earlier, rejection
from filters.fingerprints import Kept, default_cache
from filters.questions import USUAL_COLUMNS, Question, QuestionColumns, read_question
from filters.shingles import says_nothing
from pipeline.config import NearDuplicates, SemanticDuplicates
from pipeline.progress import track
from pipeline.rows import count_rows, printable, read_rows
from pipeline.sift import (
    BLANK,
    Numbered,
    Sifted,
    Verdict,
    check_columns,
    check_names,
    counted,
    rejected_path,
    sift,
)
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
        kinds = ", ".join(counted(n, kind) for kind, n in sorted(self.counts.rejected.items()) if kind != "broken")
        beside = f" beside {counted(self.earlier, 'earlier question')}" if self.earlier else ""
        return (
            f"{counted(self.counts.rows, 'row')}{beside}: {self.counts.kept:,} kept, {kinds or 'no duplicates'}, "
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
    against_columns: QuestionColumns = USUAL_COLUMNS,
) -> Summary:
    """Write the rows of `path` that duplicate no earlier one, and none `against`, to `output`, the others beside it.

    `keep` first is the first in order, best that of filters/clusters.py. `number_blind` compares by words alone too. Of
    `columns` those that are not the usual ones must be there. Raises a GradatimError, in one line, for what cannot be
    read or written; nothing is written then.
    """
    check_names(path, output, against)
    check_columns([path], columns.questions, *(group for group in columns.others if group not in USUAL_COLUMNS.others))
    index = DuplicateIndex(near or NearDuplicates(), semantic=semantic)
    for earlier in against:
        with track(f"read {printable(earlier.name)}", count_rows(earlier)) as progress:
            rows = (question._replace(blind=number_blind) for question in read_earlier(earlier, against_columns))
            kept = Kept(default_cache(), file_digest(earlier)).under(*against_columns, number_blind)
            index.add_earlier(_counted(rows, progress.advance), kept)
    earlier_questions = len(index.questions)
    read = _Reader(path, columns, number_blind)
    decide = index.decide if keep == "first" else _best(index, path, columns, number_blind)

    def judge(rows: Sequence[Numbered]) -> list[Verdict | None]:
        found = [read(*row) for row in rows]
        decided = decide([question for question in found if isinstance(question, Question)])
        return [Verdict("broken", q) if isinstance(q, str) else _verdict(index, path, *next(decided)) for q in found]

    return Summary(sift("dedup", path, output, judge, id_column=columns.ids[0]), earlier_questions, output)


class _Reader:
    """Reads the questions of a file's rows."""

    def __init__(self, path: Path, columns: QuestionColumns, blind: bool) -> None:
        self._name, self._columns, self._blind = printable(path.name), columns, blind

    def __call__(self, number: int, fields: Fields) -> Question | str:
        """Return the question of a row, or what is wrong with it."""
        try:
            question = read_question(fields, self._columns, self._name, number, THIS_FILE)
        except ValueError as error:
            return str(error)
        return BLANK if says_nothing(question.text) else question._replace(blind=self._blind)


def _best(index: DuplicateIndex, path: Path, columns: QuestionColumns, blind: bool) -> Decide:
    """Cluster the questions of a file; return what decides them when they come again in the same order."""
    read = _Reader(path, columns, blind)
    with track("cluster", count_rows(path)) as progress:
        rows = (read(row.number, row.fields) for row in read_rows(path, columns.names) if row.fields is not None)
        questions = (found for found in rows if isinstance(found, Question))
        matches = {place: match for place, _, match in index.decide_best(_counted(questions, progress.advance))}
    places = count()
    return lambda again: ((question, matches.get(next(places))) for question in again)


def _counted(questions: Iterator[Question], advance: Callable[[], None]) -> Iterator[Question]:
    for question in questions:
        yield question
        advance()


def _verdict(index: DuplicateIndex, path: Path, question: Question, match: Match | None) -> Verdict | None:
    if match is None:
        return None
    original = index.questions[match.row]
    found = rejection(question, match, original)
    file = printable(path.name) if original.origin == THIS_FILE else original.origin
    evidence = {
        "matched_id": original.id,
        "matched_text": original.text,
        "from": original.origin,
        "matched_place": f"{file}:{original.row}",
    }
    return Verdict(match.filter, found.reason, match.similarity, evidence | differing_golds(question, original))
