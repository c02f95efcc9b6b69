"""A teacher that is told the answer: the hint in the prompt, in the request's id, and nowhere else."""

from typing import Any

import pytest

from pipeline.config import Teacher
from pipeline.prompts import HINT_LABEL, PROMPTS, PromptName, render_prompt
from pipeline.records import Problem, Provenance, make_problem
from pipeline.solve import solve_inputs
from pipeline.teacher import make_request


def problem(answer: str | None = "42") -> Problem:
    made = Provenance(generator="test", generator_version="1")
    return make_problem(
        "What is {answer} plus {question}?", answer, domain="d", family="f", strategy="imported", provenance=made
    )


def teacher(**changes: Any) -> Teacher:
    return Teacher.model_validate({"model": "some/model", **changes})


@pytest.mark.parametrize("name", PROMPTS)
def test_the_hint_stands_behind_the_prompt_and_braces_are_left_alone(name: PromptName) -> None:
    question = problem().question
    plain, hinted = render_prompt(name, question), render_prompt(name, question, hint="\\frac{1}{2}")
    assert hinted[:-1] == plain[:-1]
    assert question in plain[-1].content
    assert hinted[-1].content.startswith(plain[-1].content)
    added = hinted[-1].content.removeprefix(plain[-1].content)
    assert "the correct answer is \\frac{1}{2}." in added and "{answer}" not in added


def test_a_hinted_request_is_another_request_with_its_own_label() -> None:
    identity = ("some/model", "1")
    plain = make_request(identity, teacher(), problem(), 0)
    hinted = make_request(identity, teacher(hint=True), problem(), 0)
    assert (plain.prompt_version, hinted.prompt_version) == ("boxed/1", f"boxed/1{HINT_LABEL}")
    assert plain.id != hinted.id
    assert "42" in hinted.messages[-1].content and "42" not in plain.messages[-1].content
    nothing = make_request(identity, teacher(hint=True), problem(None), 0)
    assert nothing.prompt_version == "boxed/1"


def test_runs_that_know_neither_key_keep_their_fingerprints() -> None:
    def inputs(**changes: Any) -> list[object]:
        return solve_inputs(teacher(**changes))

    (own,) = inputs()
    assert isinstance(own, dict) and not {"hint", "first_index"} & set(own)
    others = [inputs(hint=True), inputs(first_index=4), inputs(hint=True, first_index=4)]
    assert all(other[0] == own for other in others)
    assert len({str(other) for other in others}) == 3
