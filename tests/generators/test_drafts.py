"""What a model wrote is examined: each fault of a draft, and what a rewrite must show to be one."""

from collections.abc import Sequence

import pytest

from generators.drafts import _DRAFT_RULES, numbers, read_draft
from generators.evolve import OPERATIONS, Draw, Operation, not_done
from generators.evolve import _row as evolved_row
from generators.parents import Parent
from pipeline.records import Completion, Problem, Provenance, Rejection, make_problem
from pipeline.well_posed import Fault
from tests.generators.drafted import draft

FAULTS = [
    ("Аna has 5 pens and 7 cups. How many things is that?", "other script"),  # the first letter is Cyrillic
    ("安娜 has 5 pens and 7 cups. How many things is that?", "other script"),
    ("Ana has 5 pens and 7 {thing}. How many things is that?", "left-over braces"),
    ("Ana has 5 pens and 7 cups. How many is that? ```", "left-over braces"),
    ("Ana has 5 pens and 7 cups. To solve this, find how many that is.", "talks of solving"),
    ("Let us say Ana has 5 pens and 7 cups. How many things is that?", "talks of solving"),
    ("Ana has 5 pens and 7 cups. We need to add them. How many is that?", "talks of solving"),
    ("Ana has 5 pens and 7 cups. How many things is 5 + 7 = that?", "talks of solving"),
    ("Ana has a random number of pens, 5 or 7. How many things is that?", "random amounts"),
    ("Ana has some amount of pens and finds 7 of 12. How many are left?", "random amounts"),
    ("Ana has a certain number of pens and finds 7 of 12. How many are left?", "random amounts"),
    ("Ana has an unknown box of pens and finds 7 of 12. How many are left?", "random amounts"),
    ("Ana has 5 pens and 7 cups, which she likes.", "asks nothing"),
    ("How many things has Ana, with 5 pens and 7 cups", "asks nothing"),
    ("Ana has 5 pens. How many pens has Ana in all?", "too few numbers"),
    ("Ana has 5 pens and 5 cups of them. How many pens has Ana in all?", "too few numbers"),
    ("Ana has many pens and cups. How many things has Ana in all?", "too few numbers"),
    ("Add 5, 7. How much?", "too short"),
    ("In the figure, Ana has 5 pens and 7 cups. How many is that?", "missing figure"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_draft_that_is_no_problem_is_refused(text: str, fault: str) -> None:
    found = read_draft(draft(text))
    assert isinstance(found, Fault) and found.name == fault


@pytest.mark.parametrize("off", range(len(_DRAFT_RULES)))
def test_no_draft_rule_can_be_left_out(monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    monkeypatch.setattr("generators.drafts._DRAFT_RULES", _DRAFT_RULES[:off] + _DRAFT_RULES[off + 1 :])
    assert any(isinstance(read_draft(draft(text)), str) for text, name in FAULTS if name == _DRAFT_RULES[off][0])


@pytest.mark.parametrize(
    "text",
    [
        "Ana has 5 pens and twice as many cups. How many cups does she have?",
        "Renée has 5 pens at €7 each. Find what they cost, in euros.",
        "A wheel of radius 5 turns by an angle α of 70 degrees. How far does it roll?",
        "Ana and Ben share 24 pens. Half of them are red. How many red pens are there?",
    ],
)
def test_a_problem_in_plain_words_passes(text: str) -> None:
    assert read_draft(draft(f"  {text.replace('. ', '.  ')}\n")) == text


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (draft("Ana has 5 pens and 7 cups. How many?", finish="length"), "unfinished draft"),
        (draft(None, text='{"problem": "Ana has'), "unreadable draft"),
        (draft(None, text='["problem"]'), "unreadable draft"),
        (draft(None, text='{"question": "Ana?"}'), "unreadable draft"),
        (draft(5), "unreadable draft"),
    ],
)
def test_a_draft_that_cannot_be_read_is_refused(written: Completion, fault: str) -> None:
    found = read_draft(written)
    assert isinstance(found, Fault) and found.name == fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 of 1,200 at 3.5 each.", {"12", "1200", "3.5"}),
        ("Two, twelve, half and TWICE.", {"2", "12"}),
        ("someone often, a tent", set()),
        ("7, 8.", {"7", "8"}),
    ],
)
def test_numbers_are_read_in_digits_and_words(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def solved(question: str, answer: str) -> Problem:
    return make_problem(question, answer, domain="d", family="f", strategy="imported", provenance=Provenance("g", "1"))


PENS = solved("Ana has 4 boxes with 6 pens in each. How many pens does she have?", "24")
BUS = solved("A bus has 30 seats and 8 buses are full. How many people sit in them?", "240")
# Nineteen different words.
LONG = "Ana buys 40 red pens, some for her own desk at home and 15 that she gives away. How many stay?"

REWRITES = [
    # operation, parents, rewrite, what the refusal says (None: it is a problem)
    ("add_constraint", [PENS], "Ana has 4 boxes with 6 pens in each, but 3 are dry. How many write?", None),
    ("add_constraint", [PENS], "Ana holds 4 boxes, all with 6 good pens. How many good pens?", "no number that its"),
    ("add_constraint", [PENS], "Ben has 5 bags with 7 cups in each. How many cups does he hold?", "no number of a p"),
    ("concretise", [PENS], "Ben has 5 bags with 7 cups in each. How many cups does he hold?", None),
    ("concretise", [PENS], "Ben has 4 bags with 6 cups in each. How many cups does he hold?", "no number that its"),
    ("combine", [PENS, BUS], "Ana gives 6 pens to each of 30 people. How many pens are that?", None),
    ("combine", [PENS, BUS], "Ana gives 6 pens to each of 4 people. How many pens are that?", "no number of a p"),
    ("swap_asked", [PENS], "Ana has 24 pens in 4 equal boxes. How many are in each box?", None),
    ("swap_asked", [PENS], "Ana has 4 boxes of 7 pens. How many pens are in each box?", "does not tell its parent's"),
    ("combine", [PENS], "How many pens does she have? Ana has 4 boxes with 6 pens in each.", "100% of its words"),
    ("combine", [BUS, PENS], PENS.question, "100% of its words"),
    ("combine", [solved(LONG, "25")], LONG.replace("stay?", "pens really stay?"), "95% of its words"),
    ("combine", [solved(LONG, "25")], LONG.replace("stay?", "pens really stay there?"), None),
]


@pytest.mark.parametrize(("operation", "parents", "rewrite", "refusal"), REWRITES)
def test_a_rewrite_must_be_new_and_do_what_was_asked(
    operation: str, parents: Sequence[Problem], rewrite: str, refusal: str | None
) -> None:
    drawn = Draw(0, operation, tuple(Parent(parent, None) for parent in parents))
    row = evolved_row(0, drawn, draft(rewrite))
    if refusal is None:
        assert isinstance(row, Problem) and row.provenance.parents == tuple(parent.id for parent in parents)
    else:
        assert isinstance(row, Rejection) and refusal in row.reason


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_the_examples_do_what_their_operations_demand(operation: Operation) -> None:
    """An example that the check refuses would teach the writer to be refused."""
    before, after = operation.example
    question, _, answer = before.partition(" (Answer: ")
    parents = [solved(text, answer.rstrip(")") or "1") for text in question.split("\n\nProblem: ")]
    assert not_done(operation, after, parents) is None
    assert read_draft(draft(after)) == after
