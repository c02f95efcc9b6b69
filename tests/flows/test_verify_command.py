"""`verify` and `audit-verifier` as plain functions: files in, verdicts and reports out, broken rows named."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import audit_command
from flows.audit_command import Judged, audit, disagreements
from flows.verify_command import VerifyError, verify_file
from pipeline.sandbox import SandboxUnavailable
from pipeline.second_opinion import SecondOpinion
from pipeline.verifiers import VERSION
from tests.isolation import needs_isolation

ROW = {"question": "6 times 7?", "answer": "42", "completion": r"It is \boxed{42}."}


def run(path: Path, output: Path | None = None) -> tuple[str, int]:
    summary = verify_file(path, output, workers=2, deadline=2)
    return str(summary), summary.broken


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_of_question_answer_completion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [ROW, {**ROW, "id": "x", "completion": r"\boxed{43}"}])
    summary, broken = run(path)
    verdicts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert verdicts == [
        {"id": 1, "verdict": "correct", "extracted": "42", "reason": "equal to the gold"}
        | {"verifier": "math", "verifier_version": VERSION},
        {"id": "x", "verdict": "incorrect", "extracted": "43", "reason": "not equal to the gold"}
        | {"verifier": "math", "verifier_version": VERSION},
    ]
    assert broken == 0
    assert summary.startswith("2 rows verified: 1 correct, 1 incorrect, 0 unparsable, 0 undecided")


BROKEN = {
    b'{"completion": ': "not JSON",
    b"\xff\xfe": "not UTF-8",
    b"[1]": "a JSON object is expected",
    b"[" * 100_000: "not JSON",
    b'{"answer": "42"}': "the field completion is missing",
    b'{"completion": "42"}': "the field answer is missing",
    b'{"completion": 42, "answer": "42"}': "completion: a text expected, got 42",
    b'{"completion": "", "answer": 42}': "answer: a text or null expected, got 42",
    b'{"completion": "", "answer": "1", "verifier": "maths"}': "verifier: one of math, ",
    b'{"completion": "", "answer": "1", "verifier": ["math"]}': "verifier: one of math, ",
    b'{"completion": "", "answer": "1", "answer_type": "number"}': "answer_type: one of integer, ",
    b'{"completion": "", "answer": "1", "tolerance": "1"}': "tolerance: a number from 0 on",
    b'{"completion": "", "answer": "1", "tolerance": true}': "tolerance: a number from 0 on",
    b'{"completion": "", "answer": "1", "tolerance": NaN}': "tolerance: a number from 0 on",
    b'{"completion": "", "answer": "1", "tolerance": -1}': "tolerance: a number from 0 on",
    b'{"completion": "", "answer": "1", "finish_reason": 1}': "finish_reason: a text",
}


@pytest.mark.parametrize(("line", "message"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_row_is_named_and_the_rest_judged(
    line: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps(ROW).encode()
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\n\n" + line + b"\n" + good)
    _, broken = run(path)
    said = capsys.readouterr()
    assert broken == 1
    assert f"{path}:3: {message}" in said.err
    assert [json.loads(verdict)["id"] for verdict in said.out.splitlines()] == [1, 4]


def test_parquet_and_an_output_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = tmp_path / "rows.parquet", tmp_path / "new" / "verdicts.jsonl"
    pq.write_table(pa.Table.from_pylist([ROW, {**ROW, "completion": None}, {**ROW, "answer": None}]), path)
    _, broken = run(path, output)
    said = capsys.readouterr()
    assert (said.out, broken) == ("", 1)
    assert f"{path}:2: completion: a text expected, got null" in said.err
    verdicts = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(v["id"], v["verdict"]) for v in verdicts] == [(1, "correct"), (3, "undecided")]
    assert [file.name for file in output.parent.iterdir()] == ["verdicts.jsonl"]


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    for path in (tmp_path / "missing.jsonl", torn, tmp_path):
        with pytest.raises(VerifyError, match=path.name):
            run(path)
    rows = write_lines(tmp_path / "rows.jsonl", [ROW])
    with pytest.raises(VerifyError, match=r"cannot be written"):
        run(rows, rows / "verdicts.jsonl")
    with pytest.raises(VerifyError, match=r"is a folder"):
        run(rows, tmp_path)


def test_slow_rows_keep_their_place_and_hold_nobody_up(tmp_path: Path) -> None:
    """Four rows that only the deadline ends stand before 400 honest ones: the order stays, the time is theirs alone."""
    hanging = {"answer": "a+b+c+d+f=1", "answer_type": "equation"}
    rows: list[dict[str, Any]] = [
        {**hanging, "completion": rf"\boxed{{(a+2b+3c+4d+{k}f+1)^{{20}} = 7}}"} for k in range(4)
    ]
    path = write_lines(tmp_path / "rows.jsonl", [*rows, *({**ROW, "id": f"r{k}"} for k in range(400))])
    output = tmp_path / "verdicts.jsonl"
    start = time.monotonic()
    run(path, output)
    verdicts = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [v["id"] for v in verdicts] == [1, 2, 3, 4, *(f"r{k}" for k in range(400))]
    assert all(v["verdict"] != "correct" for v in verdicts[:4])
    assert all(v["verdict"] == "correct" for v in verdicts[4:])
    assert time.monotonic() - start < 25


CASES = [
    {"id": "a", "category": "right", "answer": "42", "completion": r"\boxed{42}", "expected": ["correct"]},
    {"id": "b", "category": "right", "answer": "42", "completion": r"\boxed{0}", "expected": ["correct"]},
    {"id": "c", "category": "wrong", "answer": "42", "completion": r"\boxed{42}", "expected": ["incorrect"]},
    {"id": "d", "category": "wrong", "answer": "42", "completion": "no", "expected": ["incorrect", "unparsable"]},
    {"id": "e", "category": "either", "answer": "42", "completion": "no", "expected": ["correct", "unparsable"]},
]


def without_opinions(found: Any, deadline: float) -> Any:
    return [Judged(case, verdict["verdict"], verdict["extracted"], "not asked") for case, verdict in found], "nobody"


def test_the_audit_counts_false_accepts_and_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit_command, "_second_opinions", without_opinions)
    path = write_lines(tmp_path / "cases.jsonl", [*CASES, {**CASES[0], "id": "z", "expected": ["right"]}])
    text, broken = audit(path, tmp_path / "audit.md", workers=1, deadline=2)
    assert (tmp_path / "audit.md").read_text(encoding="utf-8") == text
    assert broken == 1
    assert "case z: expected" in capsys.readouterr().err
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        ["either", "1", "1", "0 of 0", "–", "0 of 0", "–", "0"],
        ["right", "2", "1", "0 of 0", "–", "1 of 2", "50.0% [6.1%, 93.9%]", "0"],
        ["wrong", "2", "1", "1 of 2", "50.0% [6.1%, 93.9%]", "0 of 0", "–", "0"],
        ["**all**", "5", "3", "1 of 2", "50.0% [6.1%, 93.9%]", "1 of 2", "50.0% [6.1%, 93.9%]", "0"],
    ]


def test_an_audit_needs_cases(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="no case"):
        audit(write_lines(tmp_path / "rows.jsonl", [ROW]), None, workers=1, deadline=2)


DISAGREEMENTS = [  # our verdict, Math-Verify's, the case's, who is right
    ("correct", False, ["correct"], "ours"),
    ("correct", False, ["incorrect"], "Math-Verify"),
    ("undecided", True, ["undecided"], "ours"),
    ("unparsable", True, ["correct"], "Math-Verify"),
    ("unparsable", True, ["correct", "unparsable"], "both"),
]


@pytest.mark.parametrize(("ours", "theirs", "expected", "right"), DISAGREEMENTS)
def test_disagreements_are_judged_by_the_case(ours: str, theirs: bool, expected: list[str], right: str) -> None:
    case = {"id": "x", "answer": "4|`2`\x1b[2J", "expected": expected}
    text = disagreements([Judged(case, ours, None, theirs), Judged(case, ours, None, None)])
    assert "Asked about 2 math cases" in text
    assert "crash: 1. 0 agree, 1 do not." in text
    assert text.splitlines()[-1].split("|")[-2].strip() == right
    assert r"`4¦'2'\u001b[2J`" in text


@needs_isolation
def test_math_verify_is_asked_in_a_child_that_can_be_killed() -> None:
    with SecondOpinion(deadline=60) as second:
        assert second.accepts("1/2", r"It is $\boxed{0.5}$.") is True
        assert second.accepts("42", r"$\boxed{43}$") is False
        assert second.accepts("42", "\ud800 \x00 \n") is False
        first = second._child.pid
        second.deadline = 2.0
        start = time.monotonic()
        assert second.accepts("42", r"$\boxed{9^{9^{9^{9}}}}$") in (None, False)
        second._stop()
        assert time.monotonic() - start < 20
        second.deadline = 60
        assert second.accepts("2", r"$\boxed{2}$") is True
        assert second._child.pid != first


@needs_isolation
def test_an_audit_with_its_second_opinion(tmp_path: Path) -> None:
    cases = [*CASES[:2], {**CASES[0], "id": "p", "verifier": "qa", "completion": "Answer: 42"}]
    text, _ = audit(write_lines(tmp_path / "cases.jsonl", cases), None, workers=1, deadline=60)
    assert "Asked about 2 math cases; no answer by the deadline or a crash: 0. 2 agree, 0 do not." in text


def test_without_a_sandbox_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(deadline: float) -> SecondOpinion:
        raise SandboxUnavailable("no isolation here")

    monkeypatch.setattr(audit_command, "SecondOpinion", refuse)
    text, _ = audit(write_lines(tmp_path / "cases.jsonl", CASES), None, workers=1, deadline=2)
    assert "Math-Verify was not asked: no isolation here." in text
