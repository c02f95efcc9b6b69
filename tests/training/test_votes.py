"""What completions vote for: programs by what they do, everything else by its answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from generators.templates import number_lists
from generators.templates.family import generate_problem
from pipeline.records import Completion, Problem, Verdict
from pipeline.verifiers import verify
from tests.isolation import needs_isolation
from tests.training.examples import problems
from training import votes
from training.answering import judge_all, store
from training.estimates import majority
from training.votes import BEHAVIOURS, PASSING, votes_of

CODE = replace(
    generate_problem(number_lists.FAMILY, 0, 0),
    answer='{"mode": "function", "entry_point": "f", "tests": '
    '[{"input": [1], "output": 2}, {"input": [3], "output": 6}]}',
)
RIGHT = ("2 * x", "x + x", "x << 1")
ONE_FAULT = ("x + 1", "1 + x", "x - -1", "(x + 1)")


def completion(problem: Problem, text: str, number: int) -> Completion:
    return Completion(
        id=f"completion-{number}",
        problem_id=problem.id,
        model="m",
        revision="1",
        engine="function",
        engine_version="1",
        prompt_version="boxed/1",
        sampling="{}",
        sample_index=number,
        text=text,
        reasoning=None,
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
    )


def program(body: str) -> str:
    return f"```python\ndef f(x):\n    return {body}\n```"


def judged(problem: Problem, *texts: str) -> dict[str, tuple[Completion, Verdict]]:
    made = [completion(problem, text, number) for number, text in enumerate(texts)]
    return {one.id: (one, verify(problem, one)) for one in made}


@needs_isolation
def test_programs_vote_for_what_they_do(tmp_path: Path) -> None:
    found = judged(CODE, *map(program, (*RIGHT, *ONE_FAULT, "x * 3")), "no program")
    voted = votes_of(list(found), found, {CODE.id: CODE}, tmp_path)
    assert [voted.pop(f"completion-{place}") for place in range(3)] == [PASSING] * 3
    fault, other = voted["completion-3"], voted.pop("completion-7")
    assert set(voted.values()) == {fault} and len(voted) == 4
    assert len({PASSING, fault, other}) == 3


@needs_isolation
def test_most_programs_with_one_fault_outvote_fewer_right_ones(tmp_path: Path) -> None:
    """By their texts all seven would differ, and the vote would be 3 of 7 right."""
    found = judged(CODE, *map(program, (*RIGHT, *ONE_FAULT)))
    voted = votes_of(list(found), found, {CODE.id: CODE}, tmp_path)
    assert majority([(verdict.verdict, voted[name]) for name, (_, verdict) in found.items()]) == 0.0
    fewer = list(found)[:5]
    assert majority([(found[name][1].verdict, voted[name]) for name in fewer]) == 1.0


@needs_isolation
def test_a_program_is_not_run_again_for_its_vote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(CODE, program("x + 1"), program("x + 1"), program("2 * x"))
    first = votes_of(list(found), found, {CODE.id: CODE}, tmp_path)
    assert len(json.loads((tmp_path / BEHAVIOURS).read_text())) == 1
    monkeypatch.setattr(votes, "program_behaviour", lambda *_: pytest.fail("was run again"))
    assert votes_of(list(found), found, {CODE.id: CODE}, tmp_path) == first


def test_answers_vote_in_canonical_form(tmp_path: Path) -> None:
    problem = replace(problems(1)[0], answer="1/2", answer_type="rational")
    found = judged(problem, "\\boxed{0.5}", "\\boxed{\\frac{1}{2}}", "\\boxed{3}", "who knows")
    voted = votes_of(list(found), found, {problem.id: problem}, tmp_path)
    assert voted["completion-0"] == voted["completion-1"] != voted["completion-2"]
    assert "completion-3" not in voted and not (tmp_path / BEHAVIOURS).exists()


@pytest.mark.parametrize("changed", ["nothing", "gold", "verifier"])
def test_a_decision_is_made_again_only_if_problem_or_verifier_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    problem = problems(1)[0]
    right = f"\\boxed{{{problem.answer}}}"
    made = [completion(problem, text, n) for n, text in enumerate((right, right, "\\boxed{-7}"))]
    made.append(replace(completion(problem, "cut", 3), finish_reason="length"))
    known = {one.id: one for one in made}
    asked = []

    def counted(problem: Problem, one: Completion) -> Verdict:
        asked.append(one.text)
        return verify(problem, one)

    monkeypatch.setattr("training.answering.verify", counted)
    requests = {"model": made}  # judge_all reads no more of a request than its id
    first = judge_all(requests, known, {problem.id: problem}, tmp_path)  # type: ignore[arg-type]
    assert asked == [right, "\\boxed{-7}", "cut"]  # the same text is judged once
    assert [verdict.completion_id for _, verdict in first.values()] == list(known)
    store(tmp_path, [problem], known, first)

    asked.clear()
    now = replace(problem, answer="-7") if changed == "gold" else problem
    if changed == "verifier":
        monkeypatch.setattr("training.answering.VERSION", "another")
    again = judge_all(requests, known, {problem.id: now}, tmp_path)  # type: ignore[arg-type]
    assert asked == (["cut"] if changed == "nothing" else [right, "\\boxed{-7}", "cut"])
    other = replace(made[0], id="of-another-model", model="other")
    with_it = {"other": [other], **requests}
    judge_all(with_it, {other.id: other, **known}, {problem.id: problem}, tmp_path)  # type: ignore[arg-type]
    assert asked.count(right) == (0 if changed == "nothing" else asked.count("\\boxed{-7}"))
    wanted = ["incorrect"] * 2 + ["correct"] if changed == "gold" else ["correct"] * 2 + ["incorrect"]
    assert [verdict.verdict for _, verdict in again.values()] == [*wanted, "undecided"]
