"""What a model is asked to write: every axis is drawn, fits its topic, and reaches the prompt and the provenance."""

import json
from collections import Counter

import pytest

from generators import written
from generators.drafts import read_draft
from generators.written import ANSWERS, PERSONAS, SETTINGS, STYLES, TOPICS, Draw, draw, question_for
from pipeline.records import Problem
from tests.generators.drafted import draft

DRAWS = [draw(0, index, list(TOPICS)) for index in range(2400)]
STORY = "A young nurse at a ferry has 5 bags with 7 cups in each. How many cups are that?"


def test_a_draw_depends_on_seed_and_index_alone() -> None:
    assert [draw(0, index, list(TOPICS)) for index in range(24)] == DRAWS[:24]
    assert draw(1, 5, list(TOPICS)) != DRAWS[5]


def test_every_value_of_every_axis_is_drawn_and_hardly_two_draws_are_alike() -> None:
    assert {d.setting for d in DRAWS} == set(SETTINGS)
    assert {d.persona for d in DRAWS} == set(PERSONAS)
    assert {d.style for d in DRAWS} == set(STYLES)
    fit = {(topic, skill, answer) for topic in TOPICS for skill, kinds in TOPICS[topic].items() for answer in kinds}
    assert {(d.topic, d.skill, d.answer) for d in DRAWS} == fit
    assert len({d[1:] for d in DRAWS}) > 0.98 * len(DRAWS)


def test_the_axes_are_drawn_apart() -> None:
    """One choice does not fix another: each person meets many settings and, in one topic, most kinds of answer."""
    for persona in PERSONAS:
        of_it = [d for d in DRAWS if d.persona == persona]
        assert len({d.setting for d in of_it}) > len(SETTINGS) // 2
    assert len({(d.persona, d.answer) for d in DRAWS if d.topic == "arithmetic"}) > 2.5 * len(PERSONAS)


def test_every_kind_of_answer_is_common() -> None:
    shares = Counter(d.answer for d in DRAWS)
    assert set(shares) == set(ANSWERS) and min(shares.values()) > 0.03 * len(DRAWS), shares


@pytest.mark.parametrize("drawn", DRAWS[:12], ids=[d.topic for d in DRAWS[:12]])
def test_the_prompt_and_the_provenance_tell_what_was_drawn(drawn: Draw) -> None:
    prompt = question_for(drawn).messages[-1].content
    told = {"skill": drawn.skill, "setting": drawn.setting, "style": drawn.style, "persona": drawn.persona}
    assert all(text in prompt for text in (*told.values(), f"The answer is {ANSWERS[drawn.answer]}."))
    row = written._row(0, drawn, draft(STORY))
    assert isinstance(row, Problem) and row.domain == drawn.topic
    assert json.loads(row.provenance.parameters) == {**told, "answer": drawn.answer, "draft": "d1"}


def test_the_example_is_what_it_asks_for() -> None:
    asked, story = written._EXAMPLE
    assert read_draft(draft(story)) == story and story.count(". ") == 2
    assert all(part in asked for part in ("a post office and a clerk", "The answer is a whole number."))
