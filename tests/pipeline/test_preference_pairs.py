"""Preference pairs: only decided, whole, committed completions of one model, by the length policy, each used once."""

from typing import Any

import pytest

from pipeline.assess import Judged
from pipeline.config import Preferences, Select
from pipeline.preferences import length_line, length_statistics, pair_rows, preference_pairs, unfit
from pipeline.records import Completion, Rejection, Verdict, VerdictValue


def judged(name: str, verdict: VerdictValue, tokens: int = 10, **changes: Any) -> Judged:
    """A completion called `name`; changes to `extracted` go to its verdict, all others to the completion."""
    extracted = changes.pop("extracted", None if verdict == "unparsable" else "42")
    given: dict[str, Any] = {
        "id": name,
        "problem_id": "p",
        "model": "m",
        "revision": "r",
        "prompt_version": "boxed/1",
        "sampling": "{}",
        "sample_index": 0,
        "reasoning": None,
        "text": f"text of {name}",
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "completion_tokens": tokens,
        "engine": "vllm",
        "engine_version": "1",
    }
    return Completion(**{**given, **changes}), Verdict(name, "p", verdict, extracted, "", "math", "1")


def pairs(panel: list[Judged], refused: set[str] | None = None, **settings: Any) -> list[tuple[str, str]]:
    found = preference_pairs(panel, Preferences(**settings), refused=refused or set())
    return [(chosen.id, rejected.id) for (chosen, _), (rejected, _) in found]


GOOD, BAD = judged("good", "correct"), judged("bad", "incorrect")


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        ([GOOD, BAD], [("good", "bad")]),
        ([GOOD], []),
        ([BAD], []),
        ([GOOD, judged("lost", "undecided", extracted="41")], []),
        ([judged("lost", "undecided"), BAD], []),
        ([GOOD, judged("mute", "unparsable")], []),
        ([GOOD, judged("mute", "incorrect", extracted=None)], []),
        ([judged("mute", "correct", extracted=None), BAD], []),
        ([GOOD, judged("cut", "incorrect", finish_reason="length")], []),
        ([judged("cut", "correct", finish_reason="length"), BAD], []),
        ([GOOD, judged("other", "incorrect", model="another")], []),
        ([GOOD, judged("other", "incorrect", revision="another")], []),
        ([GOOD, judged("other", "incorrect", prompt_version="plan/1")], []),
        ([GOOD, judged("twin", "incorrect", text="text of good")], []),
        ([GOOD, judged("long", "incorrect", 16)], []),  # 1.6 times as long
        ([GOOD, judged("long", "incorrect", 15)], [("good", "long")]),
    ],
)
def test_what_makes_a_pair(panel: list[Judged], expected: list[tuple[str, str]]) -> None:
    assert pairs(panel) == expected


def test_an_unparsable_completion_is_rejected_only_where_that_is_said() -> None:
    panel = [GOOD, judged("mute", "unparsable")]
    assert pairs(panel, unparsable=True) == [("good", "mute")]
    (row,) = pair_rows(panel, Preferences(unparsable=True), Select(), set())
    assert row["rejected"][0]["content"] == "<think>\ntext of mute\n</think>"
    assert "\\boxed{42}" in row["chosen"][0]["content"]


def test_what_select_found_fault_with_is_never_chosen() -> None:
    rejections = [Rejection("good", "select", "repetitive", ""), Rejection("fine", "select", "surplus", "")]
    refused = unfit(rejections)
    assert refused == {"good"}
    assert pairs([GOOD, BAD], refused) == []
    assert pairs([judged("fine", "correct"), BAD], refused) == [("fine", "bad")]


PANEL = [
    judged("c10", "correct", 10),
    judged("c20", "correct", 20),
    judged("c40", "correct", 40),
    judged("w19", "incorrect", 19),
    judged("w40", "incorrect", 40),
    judged("w99", "incorrect", 99),
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"length": "matched"}, [("c40", "w40"), ("c20", "w19")]),
        ({"length": "matched", "pairs_per_problem": 9}, [("c40", "w40"), ("c20", "w19")]),
        ({"length": "matched", "max_length_ratio": 1.0}, [("c40", "w40")]),
        ({"length": "penalised"}, [("c10", "w99"), ("c20", "w40")]),
        ({"length": "penalised", "pairs_per_problem": 3}, [("c10", "w99"), ("c20", "w40"), ("c40", "w19")]),
    ],
)
def test_the_length_policy(settings: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert pairs(PANEL, **settings) == expected
    assert pairs(PANEL[::-1], **settings) == expected, "the order in which completions come must not matter"


def test_any_draws_the_same_pairs_again_and_no_completion_twice() -> None:
    found = pairs(PANEL, length="any", pairs_per_problem=9)
    assert found == pairs(PANEL[::-1], length="any", pairs_per_problem=9)
    assert len(found) == len({c for c, _ in found}) == len({w for _, w in found}) == 3


def test_both_sides_are_written_as_traces_are() -> None:
    wrong = judged("bad", "incorrect", reasoning="so 6 times 7", text="\\boxed{41}", extracted="41")
    (row,) = pair_rows([GOOD, wrong], Preferences(), Select(), set())
    assert row["chosen"] == [{"role": "assistant", "content": "<think>\ntext of good\n</think>\n\n\\boxed{42}"}]
    assert row["rejected"] == [{"role": "assistant", "content": "<think>\nso 6 times 7\n</think>\n\n\\boxed{41}"}]
    assert (row["rejected_verdict"], row["rejected_answer"], row["chosen_tokens"]) == ("incorrect", "41", 10)


def test_length_statistics() -> None:
    found = length_statistics([(10, 20), (30, 30), (40, 20)])
    assert found["pairs"] == 3
    assert found["chosen_mean"] == pytest.approx(80 / 3)
    assert found["rejected_mean"] == pytest.approx(70 / 3)
    assert found["ratio_median"] == 1.0
    assert found["chosen_longer"] == 0.5
    assert "chosen side is longer in 50 %" in length_line([(10, 20), (30, 30), (40, 20)])
    assert length_line([]) == "0 preference pairs"


def test_a_reply_that_is_judged_whole_gets_no_box() -> None:
    (row,) = pair_rows([GOOD, BAD], Preferences(), Select(), set(), "code")
    assert [row[side][0]["content"] for side in ("chosen", "rejected")] == ["text of good", "text of bad"]
    (row,) = pair_rows([GOOD, BAD], Preferences(), Select(), set(), "math")
    assert row["chosen"][0]["content"] == "<think>\ntext of good\n</think>\n\n\\boxed{42}"
