"""One suite for every template family: determinism, disjoint seeds, proofs, wordings, metamorphic relations."""

import re
from random import Random
from typing import Any

import pytest

from generators.templates import FAMILIES
from generators.templates.family import Family, draw_parameters, generate_problem
from pipeline.seeds import rng_for

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
        for wrong in mutations(answer):
            assert not family.check(parameters, wrong), (parameters, wrong)


def mutations(answer: Any) -> list[Any]:
    """Answers near the true one that must not pass: off by one, sign turned, an element lost or changed."""
    if isinstance(answer, tuple):
        return [(mutations(x)[0], *answer[1:]) for x in answer[:1]]
    if isinstance(answer, frozenset):
        return [frozenset(x + 1 for x in answer), answer | {max(answer) + 1}]
    if isinstance(answer, str):
        return [answer + " + 1"]
    return [answer + 1, answer - 1] + ([-answer] if answer else [])


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
            assert text == text.strip() and "  " not in text and text[0].isupper() and text[-1] in ".?", text
            assert not re.search(r"\{[a-z_]+\}|None|Fraction\(|\b1 [a-z]+s\b(?<!1 times)", text), text
            assert not re.search(r"\b[Aa] [aeio][a-z]+\b|\b[Aa]n [bcdfgjklmnpqrstvwxz][a-z]+\b", text), text


def test_levels_get_harder_or_at_least_differ(family: Family[Any]) -> None:
    assert len(family.levels) >= 3
    spread = {level: {generate_problem(family, 0, i, level).question for i in range(20)} for level in family.levels}
    assert all(len(questions) >= 10 for questions in spread.values()), {k: len(v) for k, v in spread.items()}
