"""Arithmetic re-executed: wrong lines are found in every notation, and what may be right in some reading passes."""

import time

import pytest

from filters.arithmetic import equations, wrong_equations
from filters.arithmetic_parser import Unreadable, evaluate
from filters.arithmetic_tokens import scan

WRONG = [
    "3 × 7 = 24",
    "so 3 * 7 = 24 apples in all",
    "3x7 = 24",
    "It makes 3 x 7 = 24.",
    "\\( 3 \\times 7 = 24 \\)",
    "$3 \\cdot 7 = 24$",
    "48 ÷ 2 = 26",
    "48 \\div 2 = 26",
    "\\[ \\frac{48}{2} = 26 \\]",
    "\\frac{1}{2} + \\frac{1}{3} = \\frac{2}{5}",
    "½ + ¼ = 0.9",
    "2 \\frac{1}{2} + 1 = 4",
    "1,000 + 2{,}500 = 3,600",
    "$12.50 + $7.50 = $21.00",
    "\\$300 + \\$80 + \\$200 = \\$680",
    "15% of 40 = 8",
    "15\\% \\times 40 = 8",
    "3/4 of 20 = 16",
    "(3 + 4) × 2 = 15",
    "2(3 + 4) = 15",
    "\\left( 3 + 4 \\right) \\times 2 = 15",
    "2^3 + 1 = 10",
    "2^{3} = 6",
    "5² = 10",
    "-3 - 4 = 7",
    "5 − 8 = 3",
    "3 + 4 = 7 = 8",
    "x = 3 + 4 = 8",
    "6 × 7 = 42 + 1 = 44",
    "10 / 3 ≈ 4.3",
    "10 / 3 = 3.5",
    "50 + 15 + 30 = 105 \\text{ dollars}",
    "16 \\text{ lawns} \\times \\$33 \\text{ per lawn} = \\$496",
    "12 boxes * 4 boxes = 50 boxes",
    "\\begin{align} a &= 3 + 4 \\\\ &= 8 \\end{align}",
    "a = 3 + 4\n= 8",
    "She pays <<3*7=24>>24 dollars.",
    "1. 3 + 4 = 8",
    "**3 + 4 = 8**",
    "14 (since 2 × 7 = 16)",
    "24 = 6 × 5",
    "a total of 12 + 5 = 18",
    "95 - 19 \\times 5 = 10",
]
RIGHT = [
    "3 × 7 = 21",
    "12 - 5 * 2 = 2",
    "100 - (300 - 250) = 50",
    "\\frac{18}{2} = 9",
    "33.33 × 3 = 100",
    "10 / 3 = 3.33 and 3.33 × 3 = 10",
    "20 / 3 = 6.7. Then 6.7 × 3 = 20",
    "2/3 = 0.67",
    "2/3 = 66.7%",
    "182 \\div 13 \\approx 14",
    "22/7 ≈ 3.14",
    "25/100 = 25%",
    "100% - 20% = 80%",
    "6 × 7 = 42 + 1 = 43",  # goes on calculating: the signs are misused, the numbers are right
    "60 \\text{ megabytes} / 5 \\text{ megabytes per second} = 12 \\text{ seconds}",
    "2 quarts × 2 pints/quart = 4 pints",
    "5 * -3 = -15",
    "1,250 * 4 = 5,000",
    "3 1/2 + 1/2 = 4",
    "2**3 = 8",
]
# Nothing is held against these: something is not a number, or another reading is right.
NOT_WRONG = [
    "2x + 3 = 7",
    "3a + 4 = 10",
    "10 - 4 = 6x",
    "x - 3 + 5 = 10",
    "$x$ - 3 + 5 = 10",
    "\\(x\\) - 3 + 5 = 10",
    "profit - 3 + 5 = 10",
    "4! = 4 \\times 6",
    "1 + 2 + ... + 10 = 55",
    "1 + 2 + \\dots + 10 = 55",
    "\\sqrt{9 + 16} = 5",
    "|2 - 5| + 1 = 4",
    "f(3) + 4 = 9",
    "10_2 + 1 = 11",
    "10:30 + 45 = 11:15",
    "0900 - 0130 = 0730",
    "half of 10 + 4 = 9",
    "twice 3 + 4 = 14",
    "17 / 5 = 3 remainder 2",
    "17 ÷ 5 = 3 \\text{ remainder } 2",
    "17 / 5 = 3 with 2 left",
    "50 / 7 = 7 full weeks",
    "4 / 3 = 1 and 1/3",
    "1 hour - 20 minutes = 40 minutes",
    "45 + 15 = 1 hour",
    "25 * 4 = 100 cents = $1",
    "5 × 2 dozen = 120",
    "25 / 1/3 = 75",
    "6/2(1+2) = 1",
    "-3^2 = 9",
    "$100 + 20% = $120",
    "2 pens = 5 + 3",
    "Step 2 = 5 + 3",
    "Week 2 - 1 + 4 = 7",
    "Is 3 × 7 = 24?",
    "Is 3 × 7 = 24? No.",
    "2^3^2 = 64",
    "3 × 7 = 24. Wait, that is wrong: 3 × 7 = 21",
    "3 × 7 = 24, which is not correct",
    "2,5 × 2 = 5",
    "14, 400 / 80 = 180",
    ".8 + . 84 + .82 = 2.46",
    "10 + 5 = 3 (mod 12)",
    "In binary, 1 + 1 = 10",
    "```python\nx = 3 * 7 == 24\n3 * 7 = 24\n```",
    "10\n- 3 + 2 = 9",
    "12 (since 3 × 4 = 12) - 5 + 1 = 8",
    "9 because - 18/-2 = 9",
    "(2/5)*500cm^3 = 200cm^3",
    "\\frac{1}{0} = 7 + 1",
    "0x10 = 16 + 0 = 16",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_line_is_found(text: str) -> None:
    assert wrong_equations(text), equations(text)


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_line_is_read_and_passes(text: str) -> None:
    found = equations(text)
    assert found
    assert {equation.status for equation in found} == {"right"}


@pytest.mark.parametrize("text", NOT_WRONG)
def test_nothing_is_held_against_what_may_be_right(text: str) -> None:
    assert not wrong_equations(text)


@pytest.mark.parametrize("sign", ["=", "≈", "≃", "≅", r"\approx", r"\simeq", r"\cong", r"\doteq"])
def test_every_sign_of_equality_is_seen(sign: str) -> None:
    assert [equation.status for equation in equations(f"2 + 2 {sign} 4")] == ["right"]


def test_an_equation_says_where_it_stands_and_what_it_should_be() -> None:
    (wrong,) = wrong_equations("First we multiply.\nSo 3 × 7 = 24 apples are there.\nDone.")
    assert (wrong.text, wrong.line) == ("3 × 7 = 24", "So 3 × 7 = 24 apples are there.")
    assert (int(wrong.left), int(wrong.right)) == (21, 24)


def test_the_question_may_set_other_rules() -> None:
    assert wrong_equations("3 + 4 = 12")
    assert not wrong_equations("3 + 4 = 12", "All numbers are written in base 5.")
    assert not wrong_equations("3 * 4 = 12 - 1", "We define a new operation by a * b = ab - 1.")


@pytest.mark.parametrize(
    "text",
    [
        "2^1000000",
        "9^32^32",
        "(" * 50 + "1" + ")" * 50,
        "1" * 40,
        "1 + " * 300 + "1",
        "9^32 * " * 40 + "1",
        "1 2",
        "",
        "+",
    ],
)
def test_what_is_too_large_or_no_expression_is_not_worked_out(text: str) -> None:
    with pytest.raises(Unreadable):
        evaluate(scan(text))


HOSTILE = [
    "1+",
    "(",
    "=",
    "1=",
    "$",
    "\\frac{",
    "1 = 2 ",
    "x ",
    "\n\n",
    "<<1",
    "{1}",
    "**",
    "a*b=",
    "1,",
    "not ",
    "%",
    "1/",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    started = time.process_time()
    equations(text)
    assert time.process_time() - started < 20
