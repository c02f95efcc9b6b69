"""Verdicts for plain rows, as they stand in a JSONL file of cases or of (question, answer, completion)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.verifiers import judge


def verify_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield {"id", "verdict", "extracted", "reason"} for every row, in order."""
    for row in rows:
        verdict, extracted, reason = judge(
            row.get("verifier") or "math",
            row.get("answer"),
            row["completion"],
            row.get("finish_reason") or "stop",
            answer_type=row.get("answer_type"),
            tolerance=row.get("tolerance"),
            question=row.get("question"),
        )
        yield {"id": row.get("id"), "verdict": verdict, "extracted": extracted, "reason": reason}
