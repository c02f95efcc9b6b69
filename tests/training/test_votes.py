"""What completions vote for: programs by what they do, everything else by its answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from generators.templates import number_lists
from generators.templates.family import generate_problem
from pipeline import config
from pipeline.records import Completion, Problem, Verdict
from pipeline.teacher import Request
from pipeline.verifiers import verify
from tests.isolation import needs_isolation
from tests.training.examples import completion, problems
from training import answering, votes
from training.answering import Model, judge_all, store
from training.estimates import majority
from training.votes import BEHAVIOURS, PASSING, votes_of

CODE = replace(
    generate_problem(number_lists.FAMILY, 0, 0),
    answer='{"mode": "function", "entry_point": "f", "tests": '
    '[{"input": [1], "output": 2}, {"input": [3], "output": 6}]}',
)
RIGHT = ("2 * x", "x + x", "x << 1")
ONE_FAULT = ("x + 1", "1 + x", "x - -1", "(x + 1)")


def written(problem: Problem, text: str, number: int) -> Completion:
    return completion(text, f"completion-{number}", problem_id=problem.id, sample_index=number)


def program(body: str) -> str:
    return f"```python\ndef f(x):\n    return {body}\n```"


def judged(problem: Problem, *texts: str) -> dict[str, tuple[Completion, Verdict]]:
    made = [written(problem, text, number) for number, text in enumerate(texts)]
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


@needs_isolation
def test_a_behaviour_that_is_not_known_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(CODE, program("x + 1"))
    monkeypatch.setattr(votes, "program_behaviour", lambda *_: None)
    assert votes_of(list(found), found, {CODE.id: CODE}, tmp_path) == {}
    monkeypatch.undo()
    assert list(votes_of(list(found), found, {CODE.id: CODE}, tmp_path)) == list(found)


PROBLEM = problems(1)[0]
RIGHT_TEXT, WRONG_TEXT = f"\\boxed{{{PROBLEM.answer}}}", "\\boxed{-7}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the verifier is asked about."""
    texts: list[str] = []

    def counted(problem: Problem, one: Completion) -> Verdict:
        texts.append(one.text)
        return verify(problem, one)

    monkeypatch.setattr(answering, "verify", counted)
    return texts


@pytest.fixture
def known(tmp_path: Path, asked: list[str]) -> dict[str, Completion]:
    """Completions of a first model, judged and kept in the folder."""
    made = [written(PROBLEM, text, number) for number, text in enumerate((RIGHT_TEXT, RIGHT_TEXT, WRONG_TEXT))]
    made.append(replace(written(PROBLEM, "cut", 3), finish_reason="length"))
    found = {one.id: one for one in made}
    first = judge(found, PROBLEM, tmp_path)
    assert asked == [RIGHT_TEXT, WRONG_TEXT, "cut"]  # the same text is judged once
    assert [verdict.completion_id for _, verdict in first.values()] == list(found)
    store(tmp_path, [PROBLEM], found, first)
    asked.clear()
    return found


def judge(known: dict[str, Completion], problem: Problem, folder: Path) -> dict[str, tuple[Completion, Verdict]]:
    requests = [Request(name, problem.id, (), "boxed/1", config.Sampling(), 0) for name in known]
    return judge_all({Model("m", None, "m", "r"): requests}, known, {problem.id: problem}, folder)


@pytest.mark.parametrize("changed", ["nothing", "gold", "verifier"])
def test_a_decision_is_made_again_only_if_problem_or_verifier_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], known: dict[str, Completion], changed: str
) -> None:
    if changed == "verifier":
        monkeypatch.setattr(answering, "VERSION", "another")
    again = judge(known, replace(PROBLEM, answer="-7") if changed == "gold" else PROBLEM, tmp_path)
    assert asked == (["cut"] if changed == "nothing" else [RIGHT_TEXT, WRONG_TEXT, "cut"])
    wanted = ["incorrect"] * 2 + ["correct"] if changed == "gold" else ["correct"] * 2 + ["incorrect"]
    assert [verdict.verdict for _, verdict in again.values()] == [*wanted, "undecided"]


def test_what_another_model_wrote_too_is_not_judged_again(
    tmp_path: Path, asked: list[str], known: dict[str, Completion]
) -> None:
    other = replace(known["completion-0"], id="of-another-model", model="other")
    found = judge({other.id: other, **known}, PROBLEM, tmp_path)
    assert asked == ["cut"]
    assert (found[other.id][1].completion_id, found[other.id][1].verdict) == (other.id, "correct")
