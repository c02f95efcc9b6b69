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
from pipeline.well_posed import _PATTERNS, fault_of

EXCERPT = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"
ILL_POSED = [
    ("In the figure below, what is the area of triangle ABC in square metres?", "missing figure"),
    ("In the diagram, ABCD is a square with sides of 5 m. What is its area?", "missing figure"),
    ("One cm is 5 km on the map below. How long is a road of 3 cm in truth?", "missing figure"),
    ("What is the slope of the line in the graph shown, given its intercept?", "missing figure"),
    ("Find the area of the region. [asy] draw((0,0)--(1,1)); [/asy] Give it in cm.", "missing figure"),
    ("Use Figure 2 to find the length of the side that is opposite to A.", "missing figure"),
    ("See fig. 3. What is the length of the side that is opposite to A?", "missing figure"),
    ("The image shows a triangle with a right angle. What is its area?", "missing figure"),
    ("How many dots are there in the image if every row has 5 of them?", "missing figure"),
    ("Refer to Table 1. How many people take the red bus line to work?", "missing reference"),
    ("According to table 4, how many people take the red bus to work?", "missing reference"),
    ("As in problem 3, a train leaves at 5:00. When does it arrive in B?", "missing reference"),
    ("Refer to exercise 12. What would the price be without the discount?", "missing reference"),
    ("Using your answer from part (a), find the price of 12 boxes of pens.", "missing reference"),
    ("Add 5 to the result of exercise 7. Which number is it?", "missing reference"),
    ("Using the previous problem, how many apples does Ana have after a week?", "missing reference"),
    ("According to the following table, how many people chose the red bus line?", "missing reference"),
    ("Prove that the sum of two odd numbers is always an even number.", "proof only"),
    ("Show that for every integer n the number n^2 + n is even.", "proof only"),
    ("Tom has 5 pens and 7 cups. How many pens has he? How many cups has he?", "several questions"),
    ("A box weighs 4 kg. (a) What do 3 boxes weigh? (b) What do 5 boxes weigh", "several questions"),
    ("Determine how many apples there are and how many pears Ana has left", "several questions"),
    ("A car goes 60 km an hour. Find the distance after 3 hours and the time for 240 km.", "several questions"),
    ("A garden is 8 m by 5 m. Calculate the perimeter of it and the area in m^2.", "several questions"),
    ("I'm sorry, but I cannot create a problem about this topic for you.", "refusal"),
    ("Here is the rewritten problem: a bus has 24 seats, how many in 3 buses?", "copied prompt"),
    ("Your task: a bus has 24 seats, so how many people sit in 3 full buses?", "copied prompt"),
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
    "A waiter got $5 from table 3 and $7 in tips at table 4. How much is that?",
    "Using 8 pens in a figure 8, she drew for 3 hours. How many pens per hour is that?",
    "What is the image of the point (2, 3) under the reflection in the x-axis?",
    "Tom scored 5 points in question 1 and 8 points in question 2. How many is that?",
    "A skater drew figure 8 five times. How many circles are in the image of one such figure?",
    "Find the area of a rectangle whose length is 5 m and the width is 3 m.",
    "Find the distance between the lamp and the height of 3 m above it.",
    "Find the number of pens and pencils that Ana buys.",
    "Find the length and the width of the garden as an ordered pair (length, width).",
    "Calculate the volume if the length of the box is 5 and the height is 3.",
    "On the map, 1 cm stands for 5 km. How far apart are towns that are 3 cm apart?",
    'Tom asks "Why?" eight times a day. How often does he ask in a week?',
]


@pytest.mark.parametrize(("question", "name"), ILL_POSED)
def test_each_kind_is_caught_with_the_words_that_show_it(question: str, name: str) -> None:
    fault = fault_of(question)
    assert fault is not None
    assert fault.name == name
    assert fault.shown_by


@pytest.mark.parametrize("off", range(len(_PATTERNS)))
def test_no_rule_can_be_left_out(monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    monkeypatch.setattr("pipeline.well_posed._PATTERNS", _PATTERNS[:off] + _PATTERNS[off + 1 :])
    faults = [(fault_of(question), name) for question, name in ILL_POSED]
    assert any(fault is None or fault.name != name for fault, name in faults), _PATTERNS[off]


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


@pytest.mark.parametrize(
    "piece", ["a) ", "? ", "how and ", "the figure", "find the time ", "and the time ", "[asy", "(", "\\boxe"]
)
def test_hostile_texts_are_read_in_no_time(piece: str) -> None:
    start = time.monotonic()
    fault_of(piece * (3_900 // len(piece)))
    assert time.monotonic() - start < 2  # milliseconds, on a machine that may be busy


def test_every_fault_has_its_sentence_among_the_filters() -> None:
    names = {name for name, _ in _PATTERNS} | {name for name, _ in _DRAFT_RULES}
    assert names <= set(FILTERS)
