"""Rejection sampling: only whole, correct, reasoned traces, the most diverse first, every other one explained."""

import json
from dataclasses import replace

import pytest

from filters import FILTERS
from filters.selection import select_traces
from pipeline.assess import Judged, assess_problem
from pipeline.config import Assess, Select
from pipeline.records import Rejection, Trace
from pipeline.traces import trace_text
from tests.filters.judged import PROBLEM, judged

GOOD = "We add the forty apples and the two pears one after the other, which gives \\boxed{42}"
OTHER = "Start from fifty, take away the eight that were eaten during lunch, and see \\boxed{42}"
NEAR = "We add the forty apples and the two pears one after another, which gives us \\boxed{42}"
WRONG_LINE = "First we count all of the apples, 6 × 7 = 44 and then the pears, so that \\boxed{42}"


def selected(rows: list[Judged], settings: Select | None = None) -> tuple[list[Trace], list[Rejection]]:
    (assessment,) = assess_problem(PROBLEM, rows, Assess())
    traces, rejections = select_traces(PROBLEM, assessment, rows, settings or Select())
    assert len(traces) + len(rejections) == len(rows)
    return traces, rejections


def names(rows: list[Judged], settings: Select | None = None) -> tuple[list[str], dict[str, str]]:
    traces, rejections = selected(rows, settings)
    return [t.completion_id for t in traces], {r.record_id: r.filter for r in rejections}


OBJECTIONS = [
    (judged("x", GOOD, "incorrect"), "incorrect", "answered"),
    (judged("x", GOOD, "unparsable"), "unparsable", "answered"),
    (judged("x", GOOD, "undecided"), "undecided", "answered"),
    (judged("x", GOOD, finish_reason="length"), "truncated", "end"),
    (judged("x", "and then we count them all once more " * 9 + "\\boxed{42}"), "repetitive", "words"),
    (judged("x", "\\boxed{42} since we add the apples and the pears"), "answer before reasoning", "text"),
    (judged("x", "**Answer:** 42. We add the apples to them, so \\boxed{42}"), "answer before reasoning", "text"),
    (judged("x", GOOD.replace("one after the other", "一个接一个地加起来")), "language mixing", "text"),
    (judged("x", "The reference answer is 42, and " + GOOD), "answer leak", "text"),
    (judged("x", f"{PROBLEM.question} {GOOD}"), "prompt restated", "question"),
    (judged("x", "Sure! Great question! Let me know if more is needed. " + GOOD), "padding", "sentences"),
    (judged("x", WRONG_LINE), "wrong arithmetic", "wrong"),
    (judged("x", GOOD), "same trace", "nearest"),
]


@pytest.mark.parametrize(("row", "name", "shown"), OBJECTIONS, ids=[name for _, name, _ in OBJECTIONS])
def test_every_objection_has_its_name_and_its_evidence(row: Judged, name: str, shown: str) -> None:
    assert names([judged("good", GOOD), row]) == (["good"], {"x": name})
    (rejection,) = selected([judged("good", GOOD), row])[1]
    assert json.loads(rejection.evidence)[shown]
    assert name in FILTERS


def test_the_most_diverse_come_first_and_the_rest_is_surplus() -> None:
    rows = [judged("near", NEAR), judged("good", GOOD), judged("other", OTHER)]
    picked, rejected = names(rows)
    assert sorted(picked) == ["good", "other"]
    assert rejected == {"near": "surplus"}
    assert names(list(reversed(rows))) == (picked, rejected)
    (surplus,) = selected(rows)[1]
    assert json.loads(surplus.evidence) == {"nearest": "good", "distance": surplus.score and round(surplus.score, 6)}


def test_an_own_thinking_block_counts_as_the_reasoning() -> None:
    row = judged("x", "\\boxed{42}", reasoning="We add the forty apples and the two pears, that is 42.")
    assert names([row]) == (["x"], {})
    wrong = judged("x", "\\boxed{42}", reasoning=WRONG_LINE.replace("\\boxed{42}", "it is so"))
    assert names([wrong]) == ([], {"x": "wrong arithmetic"})


def test_wrong_arithmetic_may_be_tagged_or_left_alone_instead() -> None:
    row = judged("x", WRONG_LINE)
    (tagged,), _ = selected([row], Select(wrong_arithmetic="tag"))
    assert tagged.tags == ("f", "too easy", "wrong arithmetic")
    (silent,), _ = selected([row], Select(wrong_arithmetic="off"))
    assert silent.tags == ("f", "too easy")


def test_behaviours_become_tags() -> None:
    (trace,), _ = selected([judged("x", "First we need to add them up. Wait, both kinds. " + GOOD)])
    assert trace.tags == ("f", "too easy", "behaviour:backtracking", "behaviour:subgoal setting")


def test_how_a_trace_is_written() -> None:
    think, plain = Select(), Select(style="plain")
    assert trace_text(None, "so \\boxed{42}", "42", think) == "<think>\nso \\boxed{42}\n</think>\n\n\\boxed{42}"
    assert trace_text("why", "\\boxed{42}", "42", think) == "<think>\nwhy\n</think>\n\n\\boxed{42}"
    assert trace_text(None, "so \\boxed{42}", "42", plain) == "so \\boxed{42}"


@pytest.mark.parametrize("verifier", ["code", "constraint", "proof"])
def test_a_reply_that_is_judged_whole_is_the_trace_as_it_stands(verifier: str) -> None:
    problem = replace(PROBLEM, verifier=verifier)
    rows = [judged("whole", "Four short words here.")]
    (assessment,) = assess_problem(problem, rows, Assess())
    (trace,), _ = select_traces(problem, assessment, rows, Select())
    assert [m.content for m in trace.messages] == [problem.question, "Four short words here."]
