"""Whole numbers in other bases, up to ten: read, written, carried from one base to another, added."""

from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family, by_kind

NAMES: Final = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


class Digits(NamedTuple):
    """Numbers (one, or two to be added) that are given in base `source` and wanted in base `target`."""

    kind: str
    numbers: tuple[int, ...]
    source: int
    target: int


def sample(rng: Random, level: int) -> Digits:
    base = rng.randint(3, 9)
    if level == 1:
        return Digits("convert", (rng.randint(5, 80),), *rng.choice(((2, 10), (base, 10), (base, 10))))
    if level == 2:
        return Digits("convert", (rng.randint(12, 120),), 10, rng.choice((2, base)))
    if level == 3:
        return Digits("convert", (rng.randint(100, 999),), *rng.choice(((base, 10), (10, base))))
    if level == 4:
        return Digits("add", (rng.randint(30, 600), rng.randint(30, 600)), base, base)
    return Digits("convert", (rng.randint(100, 2000),), base, rng.choice((2, rng.randint(3, 9))))


def is_valid(p: Digits) -> bool:
    """Two digits at least, two different bases, and an addition that carries."""
    if p.kind == "convert":
        return p.source != p.target and p.numbers[0] >= max(p.source, p.target)
    a, b = p.numbers
    return min(a, b) >= p.source and a != b and a % p.source + b % p.source >= p.source


def _written(number: int, base: int) -> str:
    """Divide by the base again and again; the remainders are the digits, from the last on."""
    digits = ""
    while number:
        number, digit = divmod(number, base)
        digits = f"{digit}{digits}"
    return digits


def solve(p: Digits) -> int:
    """The digits of the result, read as if they were decimal: 101 for five in base two."""
    return int(_written(sum(p.numbers), p.target))


def check(p: Digits, answer: Answer) -> bool:
    """Add up what each digit is worth; digits must be smaller than the base."""
    assert isinstance(answer, int)
    if answer < 0:
        return False
    digits = [int(digit) for digit in str(answer)]
    worth = sum(digit * p.target**place for place, digit in enumerate(reversed(digits)))
    return worth == sum(p.numbers) and max(digits) < p.target


def metamorphic(rng: Random, p: Digits, answer: Answer) -> tuple[Digits, Answer]:
    """A number times the target base has one zero more behind it, and one more has the digit it is more by."""
    assert isinstance(answer, int)
    more = rng.randrange(p.target)
    first, *others = (number * p.target for number in p.numbers)
    return p._replace(numbers=(first + more, *others)), 10 * answer + more


def _given(p: Digits) -> list[str]:
    return [_written(number, p.source) for number in p.numbers]


def _form(p: Digits) -> str:
    return "" if p.target == 10 else f" Give only the digits in base {NAMES[p.target]}, without writing the base."


def _convert_plain(p: Digits) -> str:
    return f"Write the base-{NAMES[p.source]} number {_given(p)[0]} in base {NAMES[p.target]}.{_form(p)}"


def _convert_index(p: Digits) -> str:
    return (
        f"The subscript of a number names the base in which its digits are to be read. Write "
        f"${_given(p)[0]}_{{{p.source}}}$ in base {NAMES[p.target]}.{_form(p)}"
    )


def _convert_planet(p: Digits) -> str:
    group = f"One group of people, who count in base {NAMES[p.source]}, write"
    here = "In base ten, we write" if p.source == 10 else group
    return (
        f"{here} the number of stars in a constellation as {_given(p)[0]}. How is the same number written by "
        f"people who count in base {NAMES[p.target]}?{_form(p)}"
    )


def _convert_machine(p: Digits) -> str:
    return (
        f"A counter shows {_given(p)[0]}, in base {NAMES[p.source]}. A second counter shows the same number in base "
        f"{NAMES[p.target]}. What does the second counter show?{_form(p)}"
    )


def _add_plain(p: Digits) -> str:
    one, other = _given(p)
    return f"Add the base-{NAMES[p.source]} numbers {one} and {other}, and write the sum in the same base.{_form(p)}"


def _add_index(p: Digits) -> str:
    one, other = _given(p)
    return f"Compute ${one}_{p.source} + {other}_{p.source}$ and leave the result in base {NAMES[p.source]}.{_form(p)}"


def _add_planet(p: Digits) -> str:
    one, other = _given(p)
    return (
        f"On a planet where everybody counts in base {NAMES[p.source]}, a farmer has {one} white and {other} brown "
        f"sheep. How many sheep is that, as the farmer would write it?{_form(p)}"
    )


def _add_column(p: Digits) -> str:
    one, other = _given(p)
    return (
        f"A pupil adds two numbers in a column, without leaving base {NAMES[p.source]}: {one} above, {other} below. "
        f"What is the correct result?{_form(p)}"
    )


TEXTS: Final = {
    "convert": (_convert_plain, _convert_index, _convert_planet, _convert_machine),
    "add": (_add_plain, _add_index, _add_planet, _add_column),
}

FAMILY = Family(
    name="number_bases",
    domain="number theory",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=by_kind(TEXTS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
