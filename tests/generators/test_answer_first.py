"""Backward generation, the answer first: what a model's story must hold, and what it must not copy."""

import pytest

from generators.backward import EXAMPLES, draw_plan, question_for, story_row
from pipeline.records import Problem, Rejection
from tests.generators.drafted import draft

LENGTHS = (2,)


def story(ending: str, index: int = 0) -> str:
    _, steps = draw_plan(0, index, LENGTHS)
    told = ", then ".join(str(value) for value in [steps[0].before, *(step.number for step in steps)])
    return f"A clerk writes down the values {told} one after the other. {ending}"


def test_the_examples_are_right_and_tell_what_they_should() -> None:
    for example in EXAMPLES:
        for before, after in zip(example.steps, example.steps[1:], strict=False):
            assert before.after == after.before
        told = [example.steps[0].before, *(step.number for step in example.steps)]
        assert all(str(value) in example.story for value in told)
        assert str(example.steps[-1].after) not in example.story
        assert all(noun in example.story for noun in example.nouns)


def test_examples_take_turns() -> None:
    shown = [question_for(0, index, LENGTHS).messages[2].content for index in (0, 1, 2)]
    assert shown[0] == shown[2] != shown[1]


@pytest.mark.parametrize(
    ("ending", "fault"),
    [
        ("How many does the clerk have in the end?", None),
        ("How many does each carrier take?", "copied example"),
        ("How many of the parcels are left?", "copied example"),
        ("How many does the clerk have in the end, if it is {answer}?", "answer in question"),
        ("The clerk is glad.", "asks nothing"),
    ],
)
def test_a_story_is_examined(ending: str, fault: str | None) -> None:
    _, steps = draw_plan(0, 0, LENGTHS)
    row = story_row(0, LENGTHS, 0, draft(story(ending.format(answer=steps[-1].after))))
    if fault is None:
        assert isinstance(row, Problem) and row.answer == str(steps[-1].after)
    else:
        assert isinstance(row, Rejection) and row.filter == fault


def test_a_noun_of_the_other_example_is_not_copied() -> None:
    assert isinstance(story_row(0, LENGTHS, 1, draft(story("How many does each carrier take?", 1))), Problem)
