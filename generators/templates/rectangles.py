"""Rectangles with an edging of even width: areas, perimeters, tiles, and the way back from them."""

from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of

GIVEN = ("sides", "perimeter", "edging", "tiles")


class Plot(NamedTuple):
    """An inner rectangle and an edging around it, in metres; square tiles in centimetres. `given` is what the story
    tells (besides the edging's width), `ask` what it asks: area, perimeter, outer area, outer perimeter, edging or
    tiles."""

    length: int
    width: int
    edging: int
    tile: int
    given: str
    ask: str


def sample(rng: Random, level: int) -> Plot:
    low, high = ((3, 20), (4, 20), (5, 30), (6, 35), (6, 40))[level - 1]
    width = rng.randint(low, high - 1)
    length = rng.randint(width + 1, min(high, 2 * width))
    given = ("sides", "sides", "sides", rng.choice(("sides", "perimeter")), rng.choice(("edging", "tiles")))[level - 1]
    asks = (("area", "perimeter"), ("outer area", "outer perimeter"), ("edging",), ("edging", "tiles"), ("area",))
    ask = "tiles" if level == 4 and given == "sides" else rng.choice(asks[level - 1])
    tile = rng.choice((20, 25, 50)) if "tiles" in (given, ask) else 0
    return Plot(length, width, 0 if level == 1 else rng.randint(1, 2 if level == 2 else 4), tile, given, ask)


def is_valid(p: Plot) -> bool:
    return p.width < p.length and 2 * p.edging < p.width and (p.edging > 0 or p.ask in ("area", "perimeter"))


def _told(p: Plot) -> int:
    """The number that the story tells instead of the sides."""
    edging_area = 2 * p.edging * (p.length + p.width + 2 * p.edging)
    return {
        "sides": 0,
        "perimeter": 2 * (p.length + p.width),
        "edging": edging_area,
        "tiles": edging_area * _tiles_per_square_metre(p),
    }[p.given]


def _tiles_per_square_metre(p: Plot) -> int:
    return (100 // p.tile) ** 2 if p.tile else 0


def solve(p: Plot) -> int:
    """Find the sides from what is told (their sum and their difference), then answer the question."""
    told, difference = _told(p), p.length - p.width
    if p.given == "sides":
        total = p.length + p.width
    elif p.given == "perimeter":
        total = told // 2
    else:
        area = told if p.given == "edging" else told // _tiles_per_square_metre(p)
        total = (area - 4 * p.edging**2) // (2 * p.edging)
    width = (total - difference) // 2
    length = width + difference
    outer_area = (length + 2 * p.edging) * (width + 2 * p.edging)
    return {
        "area": length * width,
        "perimeter": 2 * total,
        "outer area": outer_area,
        "outer perimeter": 2 * total + 8 * p.edging,
        "edging": outer_area - length * width,
        "tiles": (outer_area - length * width) * _tiles_per_square_metre(p),
    }[p.ask]


def check(p: Plot, answer: Answer) -> bool:
    """Draw the plot in squares of one metre and count: both the answer and the number told must come out.

    No other sides fit the story, as a longer width makes every number it can tell larger.
    """
    across = "e" * p.edging + "i" * p.length + "e" * p.edging
    rows = ["e" * len(across)] * p.edging + [across] * p.width + ["e" * len(across)] * p.edging
    drawing = "".join(rows)
    inner, edging = drawing.count("i"), drawing.count("e")
    tiles = edging * len(range(0, 100, p.tile)) * len(range(0, 100, p.tile)) if p.tile else 0
    fence = 2 * across.count("i") + 2 * sum("i" in row for row in rows)
    counted = {
        "area": inner,
        "perimeter": fence,
        "outer area": len(drawing),
        "outer perimeter": 2 * len(rows) + 2 * len(across),
        "edging": edging,
        "tiles": tiles,
    }
    return answer == counted[p.ask] and _told(p) == counted.get(p.given, 0)


def metamorphic(rng: Random, p: Plot, answer: Answer) -> tuple[Plot, Answer]:
    """All lengths k times as long (but for the tiles): k times the perimeter, k squared times the area."""
    assert isinstance(answer, int)
    k = rng.randint(2, 4)
    changed = p._replace(length=k * p.length, width=k * p.width, edging=k * p.edging)
    return changed, answer * (k if "perimeter" in p.ask else k * k)


def _sides(p: Plot) -> str:
    if p.given == "sides":
        return f"is {p.length} m long and {p.width} m wide"
    longer = f"is {count_of(p.length - p.width, 'metre')} longer than it is wide"
    return f"{longer}, and its perimeter is {_told(p)} m" if p.given == "perimeter" else longer


def _paving(p: Plot, edging: str) -> str:
    """What is known about the edging's area or tiles, as a sentence with a blank before it."""
    if p.given == "edging":
        return f" The {edging} has an area of {_told(p)} square metres."
    if p.given == "tiles":
        return f" Exactly {_told(p):,} square tiles with sides of {p.tile} cm, laid without gaps, cover the {edging}."
    if p.ask == "tiles":
        return f" The {edging} is to be covered with square tiles with sides of {p.tile} cm, laid without gaps."
    return ""


def _question(p: Plot, inner: str, edging: str) -> str:
    return {
        "area": f"What is the area of the {inner}, in square metres?",
        "perimeter": f"What is the perimeter of the {inner}, in metres?",
        "outer area": f"What area do the {inner} and the {edging} cover together, in square metres?",
        "outer perimeter": f"How long is the outer edge of the {edging}, all the way round, in metres?",
        "edging": f"What is the area of the {edging}, in square metres?",
        "tiles": "How many tiles are needed?",
    }[p.ask]


def _garden(p: Plot) -> str:
    path = (
        f" A path {p.edging} m wide runs around it on all four sides, so that the garden and the path together "
        f"form a larger rectangle.{_paving(p, 'path')}"
    )
    return f"A rectangular garden {_sides(p)}.{path if p.edging else ''} {_question(p, 'garden', 'path')}"


def _pool(p: Plot) -> str:
    if not p.edging:
        return f"{_question(p, 'swimming pool', '')} Seen from above, the pool is a rectangle that {_sides(p)}."
    return (
        f"A rectangular swimming pool {_sides(p)}. The pool and the terrace around it form a rectangle that reaches "
        f"{p.edging} m beyond the pool on each of the four sides.{_paving(p, 'terrace')} "
        f"{_question(p, 'pool', 'terrace')}"
    )


def _playground(p: Plot) -> str:
    strip = (
        f"A town surrounds a rectangular playground with a safety strip. The strip is {p.edging} m wide on "
        f"every side, and its outer edge is a rectangle too.{_paving(p, 'strip')} The playground itself {_sides(p)}."
    )
    plain = f"A town is planning a playground in the shape of a rectangle that {_sides(p)}."
    return f"{strip if p.edging else plain} {_question(p, 'playground', 'strip')}"


def _lawn(p: Plot) -> str:
    question = _question(p, "lawn", "walkway")
    if not p.edging:
        return f"A gardener has measured a rectangular lawn: it {_sides(p)}. {question}"
    return (
        f"The plan of a courtyard shows a rectangular lawn in the middle of a larger rectangle; all that is not lawn "
        f"is a walkway, {p.edging} m wide on each side of the lawn. The lawn {_sides(p)}.{_paving(p, 'walkway')} "
        f"{question}"
    )


FAMILY = Family(
    name="rectangles",
    domain="geometry",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_garden, _pool, _playground, _lawn),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
