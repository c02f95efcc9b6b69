"""Multiple choice from a small table: the greatest total, the greatest growth, the greatest share of a total."""

from fractions import Fraction
from functools import partial
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family

LETTERS: Final = "ABCD"
FORM: Final = "Answer with the letter of the right option."
KINDS: Final = (("most", "fewest"), ("total", "gap"), ("growth", "total", "fall"), ("percent", "share"))


class Table(NamedTuple):
    """Whole numbers in rows and columns, and which row or column is asked for by its number.

    most and fewest: the row with this in column `column`. total: the row with the greatest sum. gap: the row whose
    first and last numbers differ most. growth and fall: the row that gained or lost most from the first column to the
    last. percent: the row whose last number is the largest multiple of its first. share: the row whose number in
    `column` is the largest part of its own total.
    """

    kind: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]
    column: int


TOWNS: Final = ("Ashford", "Brookfield", "Carlton", "Denham", "Easton", "Fairview", "Grantham", "Hilltop", "Linden")
YEARS: Final = ("2019", "2020", "2021", "2022")


def sample(rng: Random, level: int) -> Table:
    kind = rng.choice(KINDS[level - 1])
    width = (2, 3, 3, 3)[level - 1] + rng.randint(0, 1)
    low, high = rng.choice(((2, 30), (10, 90), (100, 400)))
    cells = tuple(tuple(rng.randint(low, high) for _ in range(width)) for _ in LETTERS)
    return Table(kind, tuple(rng.sample(TOWNS, len(LETTERS))), YEARS[-width:], cells, rng.randrange(width))


def _score(p: Table, row: tuple[int, ...]) -> Fraction:
    first, last = row[0], row[-1]
    return {
        "most": Fraction(row[p.column]),
        "fewest": Fraction(-row[p.column]),
        "total": Fraction(sum(row)),
        "gap": Fraction(abs(last - first)),
        "growth": Fraction(last - first),
        "fall": Fraction(first - last),
        "percent": Fraction(last, first),
        "share": Fraction(row[p.column], sum(row)),
    }[p.kind]


def is_valid(p: Table) -> bool:
    """One row is clearly ahead; what is asked exists; and who only looks for the largest number is led astray."""
    scores = sorted((_score(p, row) for row in p.cells), reverse=True)
    if (
        scores[0] == scores[1]
        or (p.kind in ("growth", "fall") and scores[0] <= 0)
        or (p.kind == "percent" and scores[0] <= 1)
    ):
        return False
    best = max(p.cells, key=lambda row: _score(p, row))
    largest = max(p.cells, key=max)
    return p.kind in ("most", "fewest", "total") or best != largest


def solve(p: Table) -> str:
    return LETTERS[max(range(len(LETTERS)), key=lambda k: _score(p, p.cells[k]))]


def check(p: Table, answer: Answer) -> bool:
    """Compare the chosen row with every other one, in whole numbers, cell by cell."""
    assert isinstance(answer, str)
    if len(answer) != 1 or answer not in LETTERS:
        return False
    chosen = p.cells[LETTERS.index(answer)]
    return all(_beats(p, chosen, row) for k, row in enumerate(p.cells) if LETTERS[k] != answer)


def _beats(p: Table, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    (a, *_, b), (c, *_, d) = one, other
    if p.kind == "total":
        ahead = 0
        for x, y in zip(one, other, strict=True):
            ahead += x - y
        return ahead > 0
    if p.kind in ("growth", "fall"):
        return b + c > d + a if p.kind == "growth" else a + d > c + b
    if p.kind == "gap":
        return max(a, b) - min(a, b) > max(c, d) - min(c, d)
    if p.kind == "percent":
        return b * c > d * a
    x, y = one[p.column], other[p.column]
    if p.kind == "share":
        return x * sum(other) > y * sum(one)
    return x > y if p.kind == "most" else x < y


def metamorphic(rng: Random, p: Table, answer: Answer) -> tuple[Table, Answer]:
    """Every number k times as large, and the rows one place further down: so is the answer."""
    assert isinstance(answer, str)
    k = rng.randint(2, 5)
    cells = tuple(tuple(k * x for x in row) for row in (p.cells[-1], *p.cells[:-1]))
    changed = p._replace(rows=(p.rows[-1], *p.rows[:-1]), cells=cells)
    return changed, LETTERS[(LETTERS.index(answer) + 1) % len(LETTERS)]


class Setting(NamedTuple):
    """What the table counts, and for whom."""

    opening: str
    unit: str
    thing: str


SETTINGS: Final = (
    Setting("The table shows the books that the libraries of four towns lent out, in thousands.", "book loans", "town"),
    Setting("Four museums counted the guided tours that they gave. Here are the numbers.", "guided tours", "museum"),
    Setting("A company has four branches and keeps a record of the bicycles sold there.", "bicycle sales", "branch"),
    Setting("In four villages it was written down every year how many trees were planted.", "new trees", "village"),
)


def _question(p: Table, setting: Setting) -> str:
    year, first, last = p.columns[p.column], p.columns[0], p.columns[-1]
    unit, thing = setting.unit, setting.thing
    return {
        "most": f"Which {thing} had the most {unit} in {year}?",
        "fewest": f"Which {thing} had the fewest {unit} in {year}?",
        "total": f"Which {thing} had the most {unit} in all the years of the table together?",
        "gap": f"For which {thing} do the numbers for {first} and {last} differ most, whichever of the two is larger?",
        "growth": f"For which {thing} did the number grow by the largest amount from {first} to {last}?",
        "fall": f"For which {thing} did the number fall by the largest amount from {first} to {last}?",
        "percent": f"For which {thing} did the number grow by the largest percentage from {first} to {last}?",
        "share": (
            f"Work out what percentage of its total for all the years of the table each {thing} had in {year}. "
            f"For which {thing} is this percentage largest?"
        ),
    }[p.kind]


def _text(p: Table, setting: Setting) -> str:
    lines = [" | ".join((setting.thing.capitalize(), *p.columns))]
    lines += [" | ".join((row, *map(str, cells))) for row, cells in zip(p.rows, p.cells, strict=True)]
    options = " ".join(f"({letter}) {row}" for letter, row in zip(LETTERS, p.rows, strict=True))
    return "\n".join([setting.opening, *lines, f"{_question(p, setting)} {FORM}", options])


FAMILY = Family(
    name="table_reading",
    domain="statistics",
    version=2,
    answer_type="choice",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in SETTINGS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="choice",
)
