"""Right triangles with whole sides, alone, to scale, or two along one height: lengths and areas."""

from functools import partial
from math import isqrt
from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

LIMIT: Final = 120


class Triangle(NamedTuple):
    """A triangle whose height cuts the base into `near` and `far` (0: only the right triangle at `near`).

    `given`/`ask`: legs/slant, legs/area, slant/height, slant/area, similar/base,
    height/span, near/span, near/area, sides/height, sides/area.
    `scale` is, in fifths, how many times as large the second of two similar triangles is.
    """

    name: str
    height: int
    near: int
    far: int
    scale: int
    given: str
    ask: str


def _partners() -> dict[int, tuple[int, ...]]:
    """For every leg up to LIMIT, the other legs that make a right triangle with whole sides."""
    legs = range(3, LIMIT + 1)
    table = {a: tuple(b for b in legs if isqrt(a * a + b * b) ** 2 == a * a + b * b) for a in legs}
    return {a: others for a, others in table.items() if others}


PARTNERS: Final = _partners()
TWICE: Final = {a: others for a, others in PARTNERS.items() if len(others) > 1}


def sample(rng: Random, level: int) -> Triangle:
    given, ask = rng.choice(
        (
            (("legs", "slant"), ("legs", "area")),
            (("slant", "height"), ("slant", "area")),
            (("similar", "base"), ("height", "span")),
            (("near", "span"), ("near", "area")),
            (("sides", "height"), ("sides", "area")),
        )[level - 1]
    )
    table = PARTNERS if level <= 2 or given == "similar" else TWICE
    height = rng.choice(tuple(table))
    near, far = rng.choice(table[height]), rng.choice(table[height])
    far, scale = (0, rng.choice((2, 3, 4, 6, 7, 8, 10, 15))) if table is PARTNERS else (far, 5)
    return Triangle(pick_names(rng, 1)[0], height, near, far, scale if given == "similar" else 5, given, ask)


def is_valid(p: Triangle) -> bool:
    if any(p.scale * x % 5 for x in (p.height, p.near)) or p.near == p.far:
        return False
    if p.given == "legs" and p.height + p.near > 180:
        return False
    return p.ask != "area" or p.height * (p.near + p.far) % 2 == 0


def _slants(p: Triangle) -> tuple[int, int]:
    return isqrt(p.height**2 + p.near**2), isqrt(p.height**2 + p.far**2)


def solve(p: Triangle) -> int:
    """Work from what the story tells towards what it asks."""
    left, right = _slants(p)
    if p.given == "legs":
        return p.height * p.near // 2 if p.ask == "area" else isqrt(p.height**2 + p.near**2)
    if p.given == "height":
        return isqrt(left**2 - p.height**2) + isqrt(right**2 - p.height**2)
    if p.given == "sides":
        base = p.near + p.far
        foot = (left**2 - right**2 + base**2) // (2 * base)
        height = isqrt(left**2 - foot**2)
        return height if p.ask == "height" else base * height // 2
    height = isqrt(left**2 - p.near**2)
    if p.given == "slant":
        return p.near * height // 2 if p.ask == "area" else height
    if p.given == "similar":
        return p.near * (p.scale * p.height // 5) // height
    span = p.near + isqrt(right**2 - height**2)
    return span if p.ask == "span" else span * height // 2


def check(p: Triangle, answer: Answer) -> bool:
    """Heron's formula on the sides must give the same area as base times height."""
    assert isinstance(answer, int)
    left, right = _slants(p)
    base = p.near + p.far
    if answer <= 0:
        return False
    if p.ask == "area":
        return _heron(left, right, base) == 16 * answer**2
    if p.ask == "span":
        return _heron(left, right, answer) == 4 * (answer * p.height) ** 2 and answer > max(p.near, p.far)
    if p.given == "sides":
        return _heron(left, right, base) == 4 * (base * answer) ** 2
    if p.ask == "base":
        height, slant = p.scale * p.height, p.scale * left
        return _heron(height, 5 * answer, slant) == 4 * (height * 5 * answer) ** 2
    height, slant = (p.height, answer) if p.ask == "slant" else (answer, left)
    return _heron(height, p.near, slant) == 4 * (height * p.near) ** 2


def _heron(a: int, b: int, c: int) -> int:
    """Sixteen times the square of the area of a triangle with these sides."""
    return (a + b + c) * (a + b - c) * (a - b + c) * (b + c - a)


def metamorphic(rng: Random, p: Triangle, answer: Answer) -> tuple[Triangle, Answer]:
    """Every length k times as long: the area is k squared times as large."""
    assert isinstance(answer, int)
    k = rng.randint(2, 4)
    changed = p._replace(name=pick_names(rng, 1)[0], height=k * p.height, near=k * p.near, far=k * p.far)
    return changed, answer * (k * k if p.ask == "area" else k)


# What each story tells, in this order. In the settings below, a piece for two triangles is marked "two".
FACTS: Final = {
    "legs": ("height", "near"),
    "slant": ("left", "near"),
    "similar": ("left", "near"),
    "height": ("height", "left", "right"),
    "near": ("left", "near", "right"),
    "sides": ("left", "right", "base"),
}
MAST: Final = {
    "one": "{name} is putting up a vertical mast on level ground. A straight wire runs from its top to a peg.",
    "two": "{name} is putting up a vertical mast on level ground. Straight wires run from its top to two pegs on "
    "exactly opposite sides of the mast.",
    "height": "the mast is {height} m tall",
    "near": "the peg is {near} m from the foot of the mast",
    "near two": "its peg is {near} m from the foot of the mast",
    "left": "the wire is {left} m long",
    "left two": "one wire is {left} m long",
    "right": "the other wire is {right} m long",
    "base": "the pegs are {base} m apart",
    "second": "On another mast, {second} m tall, the wire makes the same angle with the ground.",
    "ask slant": "How long is the wire, in metres?",
    "ask height": "How tall is the mast, in metres?",
    "ask base": "How many metres from the foot of that mast is its peg?",
    "ask span": "How far apart are the pegs, in metres?",
    "ask area one": "What is the area, in square metres, of the triangle formed by the mast, the wire, and the ground?",
    "ask area": "What is the area, in square metres, of the triangle formed by the two wires and the ground?",
}
DRONE: Final = {
    "one": "{name} flies a drone above a level field. A marker lies on the ground.",
    "two": "{name} flies a drone above a straight, level road, over a point between two markers on the road.",
    "height": "the drone is {height} m above the ground",
    "near": "the marker is {near} m from the point directly below the drone",
    "near two": "that marker is {near} m from the point directly below the drone",
    "left": "the straight line from the marker to the drone is {left} m long",
    "left two": "the first marker is {left} m from the drone",
    "right": "the second marker is {right} m from the drone",
    "base": "the markers are {base} m apart",
    "second": "Later the drone is over another point, {second} m above the ground, and the line from the marker to it "
    "rises at the same angle as before.",
    "ask slant": "How many metres long is the straight line from the marker to the drone?",
    "ask height": "How many metres above the ground is the drone?",
    "ask base": "How many metres is the marker then from the point directly below the drone?",
    "ask span": "How many metres apart are the markers?",
    "ask area one": "What is the area, in square metres, of the triangle formed by the drone, the marker, and the "
    "point directly below the drone?",
    "ask area": "What is the area, in square metres, of the triangle with the drone and the two markers as corners?",
}
FIELD: Final = {
    "one": "{name} owns a field in the shape of a triangle $ADC$ with a right angle at $D$.",
    "two": "{name} owns a triangular field $ABC$. A straight path leads from corner $C$ to a point $D$ on side $AB$, "
    "between $A$ and $B$, and is perpendicular to that side.",
    "height": "$CD$ is {height} m long",
    "near": "$AD$ is {near} m long",
    "left": "$AC$ is {left} m long",
    "right": "$BC$ is {right} m long",
    "base": "$AB$ is {base} m long",
    "second": "A neighbour's field $EFG$ is similar to $ADC$, with its corners in corresponding order, and its side "
    "$FG$ is {second} m long.",
    "ask slant": "Find the length of $AC$, in metres.",
    "ask height": "Find the length of $CD$, in metres.",
    "ask base": "Find the length of $EF$, in metres.",
    "ask span": "Find the length of $AB$, in metres.",
    "ask area one": "Find the area of the field $ADC$, in square metres.",
    "ask area": "Find the area of the field $ABC$, in square metres.",
}
CHART: Final = {
    "one": "A lighthouse stands due north of a buoy. Captain {name} is on a ship due west of the buoy.",
    "two": "Captain {name} sees on a chart that a ferry, a buoy, and a tanker lie on a straight line from west to "
    "east, in this order, and that a lighthouse stands due north of the buoy.",
    "height": "the lighthouse is {height} km from the buoy",
    "near": "the ship is {near} km from the buoy",
    "near two": "it is {near} km from the buoy",
    "left": "the distance from the ship to the lighthouse is {left} km",
    "left two": "the ferry is {left} km from the lighthouse",
    "right": "the tanker is {right} km from the lighthouse",
    "base": "the ferry is {base} km from the tanker",
    "second": "On a map drawn to scale, the lighthouse is {second} mm from the buoy.",
    "ask slant": "How many kilometres is the ship from the lighthouse?",
    "ask height": "How many kilometres is the lighthouse from the buoy?",
    "ask base": "How many millimetres is the ship from the buoy on this map?",
    "ask span": "How many kilometres is the ferry from the tanker?",
    "ask area one": "What is the area, in square kilometres, of the triangle formed by the ship, the buoy, and the "
    "lighthouse?",
    "ask area": "What is the area, in square kilometres, of the triangle formed by the ferry, the tanker, and the "
    "lighthouse?",
}


BRIDGE: Final = {
    "one": "{name} draws the plan of a footbridge: a vertical pylon stands on a level deck, and a straight cable joins "
    "the top of the pylon to a hook in the deck.",
    "two": "{name} draws the plan of a footbridge: a vertical pylon stands on a level deck, and two straight cables "
    "join the top of the pylon to two hooks, one in the deck to its left and one in the deck to its right.",
    "height": "the pylon rises {height} feet above the deck",
    "near": "the hook is {near} feet from the pylon's base",
    "near two": "the left hook is {near} feet from the pylon's base",
    "left": "the length of the cable is {left} feet",
    "left two": "the left cable measures {left} feet",
    "right": "the right cable measures {right} feet",
    "base": "it is {base} feet from hook to hook",
    "second": "In a second plan everything keeps its shape, but the pylon rises {second} feet above the deck.",
    "ask slant": "Determine the length of the cable in feet.",
    "ask height": "Determine how many feet the pylon rises above the deck.",
    "ask base": "Determine how many feet the hook is from the pylon's base in the second plan.",
    "ask span": "Determine how many feet it is from hook to hook.",
    "ask area one": "Determine the area, in square feet, of the triangle between pylon, deck, and cable.",
    "ask area": "Determine the area, in square feet, of the triangle between the deck and the two cables.",
}
CARDBOARD: Final = {
    "one": "From cardboard, {name} cuts a triangle $KLM$ with a right angle at $L$.",
    "two": "From cardboard, {name} cuts a triangle $KMN$ and draws its altitude from $M$, which meets the side $KN$ in "
    "a point $L$ between $K$ and $N$.",
    "height": "$LM = {height}$ cm",
    "near": "$KL = {near}$ cm",
    "left": "$KM = {left}$ cm",
    "right": "$MN = {right}$ cm",
    "base": "$KN = {base}$ cm",
    "second": "A second triangle $PQR$ is similar to $KLM$, with its corners in corresponding order, and "
    "$QR = {second}$ cm.",
    "ask slant": "Calculate the side $KM$ in centimetres.",
    "ask height": "Calculate the length of $LM$ in centimetres.",
    "ask base": "Calculate the side $PQ$ in centimetres.",
    "ask span": "Calculate the side $KN$ in centimetres.",
    "ask area one": "Calculate the area of the triangle $KLM$ in square centimetres.",
    "ask area": "Calculate the area of the triangle $KMN$ in square centimetres.",
}


def _text(p: Triangle, setting: dict[str, str]) -> str:
    left, right = _slants(p)
    numbers = {"left": left, "right": right, "base": p.near + p.far, "second": p.scale * p.height // 5}
    number = "two" if p.far else "one"
    facts = join_and([setting.get(f"{fact} {number}", setting[fact]) for fact in FACTS[p.given]])
    if not facts.startswith("$"):
        facts = facts[0].upper() + facts[1:]
    second = [setting["second"]] if p.given == "similar" else []
    question = setting.get(f"ask {p.ask} {number}", setting[f"ask {p.ask}"])
    return " ".join([setting[number], f"{facts}.", *second, question]).format(**numbers, **p._asdict())


FAMILY = Family(
    name="triangles",
    domain="geometry",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=tuple(partial(_text, setting=setting) for setting in (MAST, DRONE, FIELD, CHART, BRIDGE, CARDBOARD)),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
