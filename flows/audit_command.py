"""`gradatim audit-verifier`: how often the verifier is wrong on cases with known verdicts, and where Math-Verify is.

False accepts are counted among the cases that do not allow "correct", false rejects among those that allow nothing
else, both with 95 % Jeffreys intervals, by category.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.verify_command import Row, VerifyError, verdicts
from pipeline.answers import strip_thinking
from pipeline.pass_rate import interval
from pipeline.progress import track
from pipeline.records import VERDICTS
from pipeline.sandbox import SandboxUnavailable
from pipeline.second_opinion import SecondOpinion
from pipeline.store import write_text

LEVEL: Final = 0.95
WIDEST: Final = 60
MEANING: Final = (
    "False accepts are counted among the cases that do not allow `correct`, false rejects among those that allow "
    f"nothing else; rates with {LEVEL:.0%} Jeffreys intervals."
)


class Judged(NamedTuple):
    """A case, our verdict, and what Math-Verify says: True, False, None without an answer, or "not asked"."""

    case: Row
    verdict: str
    extracted: str | None
    opinion: bool | str | None


def audit(path: Path, output: Path | None, *, workers: int, deadline: float) -> tuple[str, int]:
    """Audit the verifier on the cases of a file. Returns the report as Markdown and how many rows could not be used."""
    unusable: list[str] = []

    def report(line: str) -> None:
        unusable.append(line)
        print(line, file=sys.stderr)

    found = []
    for case, verdict in verdicts(path, report, workers=workers, deadline=deadline):
        if _expected(case):
            found.append((case, verdict))
        else:
            report(f"{path}: case {case['id']}: expected: a list of verdicts is needed")
    if not found:
        raise VerifyError(f"{path} holds no case with its expected verdicts")
    judged, note = _second_opinions(found, deadline)
    parts = (f"# Audit of the verifier: {path.name}", MEANING, rates_table(judged), disagreements(judged, note))
    text = "\n\n".join(parts) + "\n"
    if output is not None:
        write_text(text, output)
    return text, len(unusable)


def _expected(case: Row) -> list[str]:
    expected = case.get("expected")
    return expected if isinstance(expected, list) and expected and all(v in VERDICTS for v in expected) else []


def _second_opinions(found: Sequence[tuple[Row, Row]], deadline: float) -> tuple[list[Judged], str]:
    """Ask Math-Verify about the math cases; where it cannot be confined it is not asked, and the note says why."""
    try:
        with SecondOpinion(deadline) as second, track("second opinion", len(found)) as progress:
            judged = []
            for case, verdict in found:
                asked = case["verifier"] == "math" and isinstance(case["answer"], str)
                text = strip_thinking(case["completion"])[0]
                opinion = second.accepts(case["answer"], text) if asked else "not asked"
                judged.append(Judged(case, verdict["verdict"], verdict["extracted"], opinion))
                progress.advance()
            return judged, ""
    except SandboxUnavailable as error:
        note = f"Math-Verify was not asked: {error}."
        return [Judged(case, verdict["verdict"], verdict["extracted"], "not asked") for case, verdict in found], note


def rates_table(judged: Sequence[Judged]) -> str:
    """Write false-accept and false-reject rates by category, and over all, as a Markdown table."""
    categories = sorted({str(j.case.get("category") or "none") for j in judged})
    groups = [(name, [j for j in judged if str(j.case.get("category") or "none") == name]) for name in categories]
    header = ("category", "cases", "as expected", "false accepts", "rate", "false rejects", "rate", "undecided")
    return _table(header, [_rates(name, group) for name, group in [*groups, ("**all**", list(judged))]])


def _rates(name: str, group: Sequence[Judged]) -> list[str]:
    refused = [j for j in group if "correct" not in _expected(j.case)]
    accepted = [j for j in group if _expected(j.case) == ["correct"]]
    false_accepts = sum(j.verdict == "correct" for j in refused)
    false_rejects = sum(j.verdict != "correct" for j in accepted)
    return [
        name,
        str(len(group)),
        str(sum(j.verdict in _expected(j.case) for j in group)),
        f"{false_accepts} of {len(refused)}",
        _rate(false_accepts, len(refused)),
        f"{false_rejects} of {len(accepted)}",
        _rate(false_rejects, len(accepted)),
        str(sum(j.verdict == "undecided" for j in group)),
    ]


def _rate(count: int, total: int) -> str:
    if total == 0:
        return "–"
    low, high = interval(count, total, "jeffreys", LEVEL)
    return f"{count / total:.1%} [{low:.1%}, {high:.1%}]"


def disagreements(judged: Sequence[Judged], note: str = "") -> str:
    """List where Math-Verify says otherwise, with who is right by the case's own verdicts."""
    if note:
        return f"## Second opinion\n\n{note}"
    asked = [j for j in judged if j.opinion != "not asked"]
    if not asked:
        return "## Second opinion\n\nMath-Verify was not asked: there is no math case."
    answered = [j for j in asked if j.opinion is not None]
    different = [j for j in answered if (j.verdict == "correct") != j.opinion]
    lines = [
        "## Second opinion: Math-Verify",
        "",
        f"Asked about {len(asked)} math cases; no answer by the deadline or a crash: {len(asked) - len(answered)}. "
        f"{len(answered) - len(different)} agree, {len(different)} do not.",
    ]
    if different:
        header = ("case", "gold", "answer", "verdict", "Math-Verify", "the case allows", "right")
        lines += ["", _table(header, [_difference(j) for j in different])]
    return "\n".join(lines)


def _difference(judged: Judged) -> list[str]:
    expected = _expected(judged.case)
    ours = judged.verdict in expected
    theirs = "correct" in expected if judged.opinion else expected != ["correct"]
    right = {(True, True): "both", (True, False): "ours", (False, True): "Math-Verify", (False, False): "neither"}
    return [
        _shown(judged.case["id"]),
        _shown(judged.case["answer"]),
        _shown(judged.extracted),
        judged.verdict,
        "correct" if judged.opinion else "not correct",
        ", ".join(expected),
        right[ours, theirs],
    ]


def _shown(value: Any) -> str:
    """Write a text so that neither a terminal nor Markdown takes any of it for a command."""
    text = "" if value is None else str(value)
    text = text if len(text) <= WIDEST else f"{text[:WIDEST]}…"
    plain = json.dumps(text, ensure_ascii=True)[1:-1].replace("\\\\", "\\").replace('\\"', '"')
    return f"`{plain.replace('`', chr(39)).replace('|', '¦')}`" if plain else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |" for line in lines)
