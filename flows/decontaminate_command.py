"""`gradatim decontaminate`: drop the rows of a file that resemble a benchmark question, and say which and why.

One pass over the input, JSONL or Parquet, in constant memory; only the benchmarks are held. The evidence is beside the
output, in OUTPUT.rejected.jsonl.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from filters.contamination import REJECTED_BY, ContaminationIndex, Hit
from filters.contamination_benchmark import read_benchmarks
from filters.shingles import says_nothing
from pipeline.contamination_settings import Decontamination
from pipeline.rows import QUESTION_COLUMNS, text_of
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

USUAL_ID: Final = "id"


class Summary(NamedTuple):
    """What came of it; `kinds` counts the hits by kind."""

    counts: Sifted
    kinds: Mapping[str, int]
    benchmark_questions: int
    output: Path

    @property
    def broken(self) -> int:
        """Rows that could not be judged."""
        return self.counts.rejected["broken"]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
        found = f"{self.counts.rejected[REJECTED_BY]:,} contaminated" + (f" ({kinds})" if kinds else "")
        return (
            f"{counted(self.counts.rows, 'row')} against {counted(self.benchmark_questions, 'benchmark question')}: "
            f"{self.counts.kept:,} kept, {found}, {self.broken:,} could not be read\n"
            f"kept:     {self.output}\nrejected: {rejected_path(self.output)}"
        )


def decontaminate_file(
    path: Path,
    output: Path,
    settings: Decontamination,
    *,
    questions: Sequence[str] = QUESTION_COLUMNS,
    id_column: str = USUAL_ID,
) -> Summary:
    """Filter a file against `settings.benchmarks`, whose columns the settings name. Of the input `questions` may hold
    the question, and `id_column` names the rows; another than the usual one must be there.

    Raises a GradatimError, in one line, for what cannot be read or written; nothing is written then.
    """
    check_names(path, output, settings.benchmarks)
    benchmark = read_benchmarks(settings)
    check_columns([path], questions, *([(id_column,)] if id_column != USUAL_ID else []))
    embed = None
    if settings.semantic:
        from filters.embeddings import embed as embed_texts

        embed = partial(embed_texts, model=settings.semantic_model)
    index = ContaminationIndex(benchmark, settings, embed=embed)
    kinds: dict[str, int] = {}

    def judge(rows: Sequence[Numbered]) -> list[Verdict | None]:
        texts = [text_of(fields, questions) for _, fields in rows]
        hits = index.check_many([text or "" for text in texts])
        for hit in hits:
            if hit is not None:
                kinds[hit.kind] = kinds.get(hit.kind, 0) + 1
        return [_verdict(text, hit, questions) for text, hit in zip(texts, hits, strict=True)]

    counts = sift("decontaminate", path, output, judge, id_column=id_column)
    return Summary(counts, kinds, len(benchmark), output)


def _verdict(text: str | None, hit: Hit | None, columns: Sequence[str]) -> Verdict | None:
    if text is None:
        return Verdict("broken", f"expected a text in a column {' or '.join(columns)}")
    if says_nothing(text):
        return Verdict("broken", BLANK)
    return None if hit is None else Verdict(REJECTED_BY, hit.reason, hit.score, hit.evidence)
