"""Rejection sampling: only whole, correct, reasoned traces, the most diverse first, every other one explained."""

from dataclasses import replace

import pytest

from pipeline.assess import Judged, assess_problem
from pipeline.config import Assess, Select
from pipeline.records import Completion, Provenance, Verdict, VerdictValue, make_problem
from pipeline.traces import repeated_share, select_traces, trace_text

PROBLEM = make_problem("How many?", "42", domain="d", family="f", strategy="template", provenance=Provenance("g", "1"))
GOOD = "We add the forty apples and the two pears one after the other, which gives \\boxed{42}"
OTHER = "Start from fifty, take away the eight that were eaten during lunch, and see \\boxed{42}"
NEAR = "We add the forty apples and the two pears one after another, which gives us \\boxed{42}"


def judged(name: str, text: str, verdict: VerdictValue = "correct", **changes: object) -> Judged:
    completion = Completion(
        name, PROBLEM.id, "m", "r", "boxed/1", "{}", 0, None, text, "stop", 9, len(text.split()), "vllm", "1"
    )
    verdict_record = Verdict(name, PROBLEM.id, verdict, "42", "not it", "math", "1")
    return replace(completion, **changes), verdict_record  # type: ignore[arg-type]


def chosen(rows: list[Judged], settings: Select | None = None) -> tuple[list[str], dict[str, str]]:
    (assessment,) = assess_problem(PROBLEM, rows, Assess())
    traces, rejections = select_traces(PROBLEM, assessment, rows, settings or Select())
    assert len(traces) + len(rejections) == len(rows)
    return [t.completion_id for t in traces], {r.record_id: r.filter for r in rejections}


OBJECTIONS = [
    (judged("x", GOOD, "incorrect"), "incorrect"),
    (judged("x", GOOD, "unparsable"), "unparsable"),
    (judged("x", GOOD, "undecided"), "undecided"),
    (judged("x", GOOD, finish_reason="length"), "truncated"),
    (judged("x", "and then we count them all once more " * 9 + "\\boxed{42}"), "repetitive"),
    (judged("x", "\\boxed{42} because we add the forty apples and the two pears"), "answer before reasoning"),
    (
        judged("x", "**Answer:** 42. We add the forty apples and the two pears, so \\boxed{42}"),
        "answer before reasoning",
    ),
    (judged("x", GOOD), "same trace"),
]


@pytest.mark.parametrize(("row", "reason"), OBJECTIONS, ids=[reason for _, reason in OBJECTIONS])
def test_every_objection_has_its_name(row: Judged, reason: str) -> None:
    assert chosen([judged("good", GOOD), row]) == (["good"], {"x": reason})


def test_the_most_diverse_come_first_and_the_rest_is_surplus() -> None:
    rows = [judged("near", NEAR), judged("good", GOOD), judged("other", OTHER)]
    picked, rejected = chosen(rows)
    assert sorted(picked) == ["good", "other"]
    assert rejected == {"near": "surplus"}
    assert chosen(list(reversed(rows))) == (picked, rejected)


def test_an_own_thinking_block_counts_as_the_reasoning() -> None:
    row = judged("x", "\\boxed{42}", reasoning="We add the forty apples and the two pears, that is 42.")
    assert chosen([row]) == (["x"], {})


def test_how_a_trace_is_written() -> None:
    think, plain = Select(), Select(style="plain")
    assert trace_text(None, "so \\boxed{42}", "42", think) == "<think>\nso \\boxed{42}\n</think>\n\n\\boxed{42}"
    assert trace_text("why", "\\boxed{42}", "42", think) == "<think>\nwhy\n</think>\n\n\\boxed{42}"
    assert trace_text(None, "so \\boxed{42}", "42", plain) == "so \\boxed{42}"


@pytest.mark.parametrize(
    ("text", "share"),
    [("a b c", 0.0), ("1 2 3 4 5 6 7 8 9", 0.0), ("a " * 9, 0.5), ("a " * 18, 10 / 11)],
)
def test_repeated_share(text: str, share: float) -> None:
    assert repeated_share(text.split()) == pytest.approx(share)
