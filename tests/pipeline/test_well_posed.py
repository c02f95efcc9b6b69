"""Ill-posed questions by their text: each rule catches its kind, and ordinary textbook questions pass."""

import json
import time
from pathlib import Path

import pytest

from filters import FILTERS
from generators.drafts import _DRAFT_RULES
from generators.generate import template_families, template_row
from pipeline.records import Problem
from pipeline.sources import TemplateSource
from pipeline.well_posed import _RULES, fault_of

EXCERPT = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"
ILL_POSED = [
    ("In the figure below, what is the area of triangle ABC in square metres?", "missing figure"),
    ("What is the slope of the line in the graph shown, given its intercept?", "missing figure"),
    ("Find the area of the region. [asy] draw((0,0)--(1,1)); [/asy] Give it in cm.", "missing figure"),
    ("Using the previous problem, how many apples does Ana have after a week?", "missing reference"),
    ("According to the following table, how many people chose the red bus line?", "missing reference"),
    ("Prove that the sum of two odd numbers is always an even number.", "proof only"),
    ("Show that for every integer n the number n^2 + n is even.", "proof only"),
    ("Tom has 5 pens and 7 cups. How many pens has he? How many cups has he?", "several questions"),
    ("A box weighs 4 kg. (a) What do 3 boxes weigh? (b) What do 5 boxes weigh", "several questions"),
    ("Determine how many apples there are and how many pears Ana has left", "several questions"),
    ("I'm sorry, but I cannot create a problem about this topic for you.", "refusal"),
    ("Here is the rewritten problem: a bus has 24 seats, how many in 3 buses?", "copied prompt"),
    ("Ben has 3 boxes of 4 pens, so how many? The answer is 12 pens in all.", "answer in question"),
    ("Why?", "too short"),
    ("A bus has 24 seats and there are 3 full buses on the road today.", "asks nothing"),
    ("word " * 300 + "?", "too long"),
]
WELL_POSED = [
    "What is 1 + 1?",
    "Simplify $x + x$.",
    "Rosa and Noah are 37 together, and Rosa is 11 years older. How old is Rosa now?",
    "Find the remainder when $7^{100}$ is divided by 5.",
    "Show your work: what is 15% of 260, and give the answer as an integer.",
    "Write a Python function f(x) that returns the square of x.",
    "On the map, 1 cm stands for 5 km. How far apart are towns that are 3 cm apart?",
    'Tom asks "Why?" eight times a day. How often does he ask in a week?',
]


@pytest.mark.parametrize(("question", "name"), ILL_POSED)
def test_each_kind_is_caught_with_the_words_that_show_it(question: str, name: str) -> None:
    fault = fault_of(question)
    assert fault is not None
    assert fault.name == name
    assert fault.shown_by


@pytest.mark.parametrize("question", WELL_POSED)
def test_ordinary_questions_pass(question: str) -> None:
    assert fault_of(question) is None


def test_real_and_proved_problems_pass() -> None:
    real = [json.loads(line)["question"] for line in EXCERPT.read_text().splitlines()]
    assert [q for q in real if fault_of(q)] == []
    families = template_families(TemplateSource(strategy="template", count=1))
    rows = [template_row(families, None, 3, index) for index in range(4 * len(families))]
    problems = [row for row in rows if isinstance(row, Problem) and row.verifier != "constraint"]  # "Reply in JSON …"
    assert len(problems) > 3 * len(families)
    kinds = {fault.name for problem in problems if (fault := fault_of(problem.question))}
    assert kinds == set()


@pytest.mark.parametrize("piece", ["a) ", "? ", "how and ", "the figure", "[asy", "(", "\\boxe"])
def test_hostile_texts_are_read_in_no_time(piece: str) -> None:
    start = time.monotonic()
    fault_of(piece * (3_900 // len(piece)))
    assert time.monotonic() - start < 2  # milliseconds, on a machine that may be busy


def test_every_fault_has_its_sentence_among_the_filters() -> None:
    names = {name for name, _ in _RULES} | {name for name, _ in _DRAFT_RULES}
    assert names <= set(FILTERS)
