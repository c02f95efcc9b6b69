"""A teacher that is told the answer: the hint in the prompt, in the request's id, and nowhere else."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.config import Teacher
from pipeline.hints import MAX_TOLD, hint_for, told_tests
from pipeline.prompts import HINT_LABEL, PROMPTS, WHOLE_REPLY, PromptName, render_prompt
from pipeline.records import Problem, Provenance, make_problem
from pipeline.solve import solve_inputs
from pipeline.teacher import make_request
from pipeline.verifiers.program import read_tests


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
    hint = hint_for("math", "\\frac{1}{2}")
    plain, hinted = render_prompt(name, question), render_prompt(name, question, hint=hint)
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


TESTS: list[dict[str, Any]] = [
    {"input": [[1, -2], "it's"], "output": {"a": [True, None]}},
    {"input": [10**30, 0.5], "output": -0.0},
    {"input": [], "output": "{tests}"},
]
IN_WORDS = """\
f([1, -2], "it's") must return {'a': [True, None]}
f(1000000000000000000000000000000, 0.5) must return -0.0
f() must return '{tests}'
"""


def code_gold(tests: list[dict[str, Any]], mode: str = "function") -> str:
    return json.dumps({"mode": mode, "entry_point": "f", "tests": tests})


def test_the_hint_of_a_program_is_its_tests() -> None:
    hint = hint_for("code", code_gold(TESTS))
    assert hint is not None and f"program.\n{IN_WORDS}Write the program" in hint
    script = hint_for("code", code_gold([{"input": "1 2\n", "output": "3\n"}], "stdin"))
    assert script is not None and "\nfor the input '1 2\\n' it must print '3\\n'\n" in script


def test_tests_that_have_no_room_in_a_hint_are_left_out() -> None:
    long = {"input": [list(range(MAX_TOLD))], "output": 0}
    tests = told_tests(code_gold([long, *TESTS, long]))
    assert tests is not None and tests == told_tests(code_gold(TESTS))
    many = told_tests(code_gold([{"input": [n], "output": n} for n in range(1000)]))
    assert many is not None and len(many.tests) == 100  # 10 lines of 18 characters, 90 of 20: no more fit into 2,000
    assert hint_for("code", code_gold([long])) is None


@pytest.mark.parametrize(
    "gold", ["no tests", code_gold([]), code_gold([{"input": [], "output": 1}], "shell"), "[" * 9999]
)
def test_a_gold_that_cannot_be_read_gives_no_hint(gold: str) -> None:
    assert hint_for("code", gold) is None


def test_values_nested_too_deep_give_no_hint() -> None:
    gold = code_gold([{"input": ["NESTED"], "output": 0}]).replace('"NESTED"', "[" * 900 + "]" * 900)
    assert read_tests(gold).tests and hint_for("code", gold) is None


@pytest.mark.parametrize("verifier", sorted(WHOLE_REPLY - {"code"}))
def test_proofs_and_constraints_have_no_hint(verifier: str) -> None:
    assert hint_for(verifier, "42") is None


def test_a_hinted_program_is_asked_for_by_its_question_and_the_tests() -> None:
    task = replace(problem(code_gold(TESTS)), verifier="code")
    request = make_request(("some/model", "1"), teacher(hint=True), task, 0)
    assert request.prompt_version == f"bare/1{HINT_LABEL}"
    assert (
        request.messages[-1].content.startswith(f"{task.question}\n\nHint: ")
        and IN_WORDS in request.messages[-1].content
    )


def test_runs_that_know_neither_key_keep_their_fingerprints() -> None:
    def inputs(**changes: Any) -> list[object]:
        return solve_inputs(teacher(**changes))

    (own,) = inputs()
    assert isinstance(own, dict) and not {"hint", "first_index"} & set(own)
    others = [inputs(hint=True), inputs(first_index=4), inputs(hint=True, first_index=4)]
    assert all(other[0] == own for other in others)
    assert len({str(other) for other in others}) == 3
