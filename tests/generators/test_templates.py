"""One suite for every template family: determinism, disjoint seeds, proofs, wordings, metamorphic relations."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from generators.templates import FAMILIES
from generators.templates.family import Family, ProofError, draw_parameters, format_answer, generate_problem
from pipeline.records import canonical_json
from pipeline.seeds import rng_for
from pipeline.verifiers.golds import SPECIFICATIONS, check_gold, judge_answer
from pipeline.verifiers.judging import judge

PROBLEMS = 60

pytestmark = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


def draws(family: Family[Any], count: int = PROBLEMS) -> list[tuple[Random, Any]]:
    rngs = [rng_for(f"test/{family.name}", 0, i) for i in range(count)]
    return [(rng, draw_parameters(family, rng, family.levels[i % len(family.levels)])) for i, rng in enumerate(rngs)]


def test_same_seed_same_problem_and_other_seed_other_problem(family: Family[Any]) -> None:
    first = [generate_problem(family, 1, i) for i in range(PROBLEMS)]
    assert first == [generate_problem(family, 1, i) for i in range(PROBLEMS)]
    shared = {p.id for p in first} & {generate_problem(family, 2, i).id for i in range(PROBLEMS)}
    assert len(shared) <= PROBLEMS // 4


def test_check_accepts_the_answer_and_refuses_a_changed_one(family: Family[Any]) -> None:
    for _, parameters in draws(family):
        answer = family.solve(parameters)
        assert family.check(parameters, answer)
        for wrong in mutations(family, answer):
            assert not family.check(parameters, wrong), (parameters, wrong)


def mutations(family: Family[Any], answer: Any) -> list[Any]:
    """Answers near the true one that must not pass: off by one, sign turned, an element lost or changed."""
    if isinstance(answer, tuple):
        return [(mutations(family, x)[0], *answer[1:]) for x in answer[:1]]
    if isinstance(answer, frozenset):
        return [frozenset(x + 1 for x in answer), answer | {max(answer) + 1}]
    if isinstance(answer, str):
        return [*changed_texts(family, answer), answer + " + 1"]
    return [answer + 1, answer - 1] + ([-answer] if answer else [])


def changed_texts(family: Family[Any], answer: str) -> list[str]:
    if family.verifier in ("logic", "code"):
        return [canonical_json(gold) for gold in changed_golds(json.loads(answer))]
    if family.verifier == "constraint":
        return [canonical_json(gold) for gold in changed_constraints(json.loads(answer))]
    if family.verifier == "choice":
        return [letter for letter in "ABCD" if letter != answer]
    if family.answer_type == "interval":
        return [
            answer.translate(str.maketrans("([])", "[()]")),
            re.sub(r"\d+", lambda m: f"1{m.group()}", answer, count=1),
        ]
    if family.answer_type == "matrix":
        return [re.sub(r"\d+", lambda m: str(int(m.group()) + 1), answer, count=1)]
    return []


def changed_golds(gold: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Another label, a denied formula, another name of the function, another output."""
    if "tests" in gold:
        yield {**gold, "entry_point": gold["entry_point"] + "_"}
        for place, test in enumerate(gold["tests"]):
            changed = {**test, "output": [test["output"]]}
            yield {**gold, "tests": [*gold["tests"][:place], changed, *gold["tests"][place + 1 :]]}
    if "label" in gold:
        yield from ({**gold, "label": x} for x in ("entailed", "contradicted", "unknown") if x != gold["label"])
        yield {**gold, "conclusion": f"not ({gold['conclusion']})"}
    for key in ("constraints", "premises"):
        for place, formula in enumerate(gold.get(key, [])):
            yield {**gold, key: [*gold[key][:place], f"not ({formula})", *gold[key][place + 1 :]]}


def changed_constraints(gold: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """One constraint left out, or with another number, text, shape or other words."""
    shapes = {"bullet_list": "numbered_list", "numbered_list": "bullet_list"}
    for place, spec in enumerate(gold):
        others = gold[:place], gold[place + 1 :]
        yield [*others[0], *others[1]]
        for key, value in spec.items():
            values: list[Any] = [["else"]] if isinstance(value, list) else ["else"] if key == "text" else []
            if key == "value":
                values = [shapes[value]] if isinstance(value, str) else [value - 1, value + 1]
            yield from ([*others[0], {**spec, key: changed}, *others[1]] for changed in values)


def test_a_wrong_solution_does_not_pass_the_proof(family: Family[Any]) -> None:
    wrong = replace(family, solve=lambda p: mutations(family, family.solve(p))[0])
    with pytest.raises(ProofError):
        generate_problem(wrong, 0, 0)


def test_the_verifier_accepts_the_gold_and_refuses_a_changed_one(family: Family[Any]) -> None:
    for index in range(len(family.levels)):
        problem = generate_problem(family, 0, index)
        assert check_gold(problem) is None
        if family.verifier not in SPECIFICATIONS:
            drawn = draw_parameters(
                family, rng_for(f"template/{family.name}/{problem.level}", 0, index), problem.level or 0
            )
            for wrong in mutations(family, family.solve(drawn)):
                assert judge_answer(problem, format_answer(wrong)).verdict != "correct", wrong


def test_the_verifier_accepts_the_example(family: Family[Any]) -> None:
    """Programs run in the sandbox, one process a test: see test_new_families.py."""
    if family.example is None or family.verifier == "code":
        assert family.verifier in ("math", "choice", "countdown", "code")
        return
    for _, parameters in draws(family, 2 * len(family.levels)):
        gold = str(family.solve(parameters))
        assert judge(family.verifier, gold, family.example(parameters)).verdict == "correct"
        assert judge(family.verifier, gold, "").verdict in ("unparsable", "incorrect")


def test_metamorphic_relation_holds(family: Family[Any]) -> None:
    for rng, parameters in draws(family):
        changed, expected = family.metamorphic(rng, parameters, family.solve(parameters))
        assert changed != parameters
        assert family.solve(changed) == expected, (parameters, changed)


def test_at_least_four_wordings_that_all_render_cleanly(family: Family[Any]) -> None:
    assert len(family.wordings) >= 4
    for _, parameters in draws(family):
        texts = [wording(parameters) for wording in family.wordings]
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert text == text.strip() and "  " not in text and text[0].isupper(), text
            assert text[-1] in ".?" or (family.verifier == "choice" and "\n(A) " in text), text
            assert not re.search(r"(?<!begin)(?<!end)\{[a-z_]+\}|None|Fraction\(|\b1 [a-z]+s\b(?<!1 times)", text), text
            assert not re.search(r"\b[Aa] [aeio][a-z]+\b|\b[Aa]n [bcdfgjklmnpqrstvwxz][a-z]+\b", text), text


def test_levels_get_harder_or_at_least_differ(family: Family[Any]) -> None:
    assert len(family.levels) >= 3
    spread = {level: {generate_problem(family, 0, i, level).question for i in range(20)} for level in family.levels}
    assert all(len(questions) >= 10 for questions in spread.values()), {k: len(v) for k, v in spread.items()}
