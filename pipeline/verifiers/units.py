"""Quantities: a number and a unit, converted exactly. The table is small and written out; factors are exact."""

import re
from fractions import Fraction
from typing import Final, NamedTuple

from pipeline.verifiers.notation import Token, Unreadable, tokenise
from pipeline.verifiers.parsing import parse_tokens
from pipeline.verifiers.tree import Node, is_arithmetic, number

Dimension = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """What a unit measures, as powers of base units, and how many of the base it is."""

    dimension: Dimension
    factor: Node


class Quantity(NamedTuple):
    """A number with its unit; no unit is a bare number."""

    value: Node
    unit: Unit | None


_TABLE: Final = """
length m: m meter metre 1 | km kilometer kilometre 1000 | cm centimeter centimetre 1/100
 | mm millimeter millimetre 1/1000
 | dm decimeter decimetre 1/10 | µm um micrometer micron 1/1000000 | nm nanometer nanometre 1/1000000000
 | in inch inche 254/10000 | ft foot feet 3048/10000 | yd yard 9144/10000 | mi mile 1609344/1000 | nmi 1852
mass kg: kg kilogram kilo 1 | g gram gramme gm 1/1000 | mg milligram 1/1000000 | t tonne 1000
 | lb pound-mass 45359237/100000000
 | oz ounce 45359237/1600000000
time s: s sec second 1 | ms millisecond 1/1000 | min minute 60 | h hr hour 3600 | day d 86400 | week wk 604800
calendar month: month mo 1 | year yr 12 | decade 120 | century centurie 1200
volume L: L l liter litre 1 | mL ml milliliter millilitre 1/1000 | cL cl centiliter 1/100
 | gal gallon 3785411784/1000000000
 | qt quart 946352946/1000000000 | pt pint 473176473/1000000000 | cup 2365882365/10000000000
angle deg: deg degree circ ° 1 | arcminute 1/60 | arcsecond 1/3600 | rev revolution 360
currency USD: USD $ dollar 1 | cent ¢ c/ 1/100
currency EUR: EUR € euro 1
currency GBP: GBP £ pound 1
currency JPY: JPY ¥ yen 1
currency INR: INR ₹ rupee Rs 1
force N: N newton 1 | kN kilonewton 1000
energy J: J joule 1 | kJ kilojoule 1000 | MJ megajoule 1000000 | cal calorie 4184/1000
 | kcal kilocalorie 4184 | eV 1602176634/10000000000000000000000000000
power W: W watt 1 | kW kilowatt 1000 | MW megawatt 1000000
pressure Pa: Pa pascal 1 | kPa kilopascal 1000 | bar 100000 | atm atmosphere 101325
electric V: V volt 1 | mV millivolt 1/1000 | kV kilovolt 1000
current A: A amp ampere 1 | mA milliampere 1/1000
resistance ohm: ohm Ω Omega 1 | kΩ 1000
frequency Hz: Hz hertz 1 | kHz kilohertz 1000 | MHz megahertz 1000000 | GHz gigahertz 1000000000
temperature K: K kelvin 1
celsius degC: °C degC celsius 1
fahrenheit degF: °F degF fahrenheit 1
data bit: bit 1 | byte B 8 | kB KB kilobyte 8000 | MB megabyte 8000000 | GB gigabyte 8000000000
amount mol: mol mole 1
area acre: acre 1
percent %: % percent 1
"""
_ALIASES: Final = {
    "mph": "mi/h", "kmh": "km/h", "kph": "km/h", "kmph": "km/h", "mps": "m/s", "fps": "ft/s", "rpm": "rev/min",
    "sqft": "ft^2", "sqm": "m^2", "cc": "cm^3", "kwh": "kW*h", "hectare": "hm^2", "hectares": "hm^2", "ha": "hm^2",
}  # fmt: skip
_RADIAN: Final = Node("div", (number(180), Node("const", value="pi")))
_OTHER_WORDS: Final = "or and not is are no wrong maybe the a an of mod if then from to approx about only guess unsure"
_NOT_UNITS: Final = frozenset(_OTHER_WORDS.split())


def _read_table() -> dict[str, tuple[str, Fraction]]:
    units: dict[str, tuple[str, Fraction]] = {"hm": ("m", Fraction(100))}
    for line in _TABLE.replace("\n |", " |").strip().splitlines():
        head, _, entries = line.partition(":")
        base = head.split()[1]
        for entry in entries.split("|"):
            *names, factor = entry.split()
            units |= {name: (base, Fraction(factor)) for name in names}
    return units


UNITS: Final = _read_table()
_PREFIX_WORDS: Final = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


def _simple(name: str) -> tuple[str, Fraction] | None:
    """Look a unit up: as written, then in lower case if it is a word, then in the singular."""
    candidates = [name, name.rstrip(".")]
    if len(name) > 2:
        lower = name.lower().rstrip(".")
        candidates += [lower, lower.removesuffix("s"), lower.removesuffix("es")]
    return next((UNITS[c] for c in candidates if c in UNITS), None)


def parse_unit(text: str, *, opaque: bool = False) -> Unit | None:
    """Read km/h, m^2, square meters, kg*m/s^2, miles per hour; with `opaque`, also plain words such as apples."""
    text = re.sub(r"\s*\bper\b\s*", "/", text.strip().lower() if " per " in text.lower() else text.strip())
    text = _ALIASES.get(text.lower().replace(" ", ""), text)
    if text in ("rad", "radian", "radians"):
        return Unit((("deg", 1),), _RADIAN)
    dimension: dict[str, int] = {}
    factor = Fraction(1)
    for sign, part in re.findall(r"([/*·]?)\s*([^/*·]+)", text):
        read = _powers(part)
        if read is None:
            return _opaque(text) if opaque else None
        for name, power in read:
            unit = _simple(name)
            if unit is None:
                return _opaque(text) if opaque else None
            signed = -power if sign == "/" else power
            dimension[unit[0]] = dimension.get(unit[0], 0) + signed
            factor *= unit[1] ** signed
    if not dimension:
        return None
    return Unit(*_in_litres(dimension, factor))


def _in_litres(dimension: dict[str, int], factor: Fraction) -> tuple[Dimension, Node]:
    """A litre is a cubic decimetre: write volumes in metres."""
    litres = dimension.pop("L", 0)
    if litres:
        dimension["m"] = dimension.get("m", 0) + 3 * litres
        factor *= Fraction(1, 1000) ** litres
    return tuple(sorted((k, v) for k, v in dimension.items() if v)), number(factor)


def _powers(part: str) -> list[tuple[str, int]] | None:
    """Read one factor of a unit: cm^2, square feet, cubic m, N m."""
    power = 1
    out: list[tuple[str, int]] = []
    for word in part.split():
        if word.lower() in _PREFIX_WORDS:
            power = _PREFIX_WORDS[word.lower()]
            continue
        match = re.fullmatch(r"([^\d^]+)(?:\^?(-?[1-6]))?", word)
        if match is None or len(out) > 3:
            return None
        out.append((match.group(1), power * int(match.group(2) or 1)))
        power = 1
    return out or None


def _opaque(text: str) -> Unit | None:
    words = text.lower().split()
    if not 0 < len(words) <= 3 or _NOT_UNITS & set(words) or not all(re.fullmatch(r"[a-z-]+", w) for w in words):
        return None
    name = " ".join(w.removesuffix("s") for w in words)
    return Unit(((f"word {name}", 1),), number(1)) if len(name) > 1 else None


_CURRENCY: Final = frozenset("$€£¥₹")


def read_quantity(text: str, *, opaque: bool = False, strict: bool = False) -> Quantity:
    """Split an answer into its number and its unit. `strict` takes a unit of one letter only where it is set apart."""
    tokens = tokenise(text)
    if text.lstrip().startswith("$") and text.replace("\\$", "").count("$") == 1:
        tokens.insert(0, Token("mark", "$", False))  # a lone dollar sign is no math delimiter
    sign = tokens[:1] if tokens and tokens[0].text == "-" else []
    if len(tokens) > len(sign) and tokens[len(sign)].text in _CURRENCY:
        return Quantity(_value(sign + tokens[len(sign) + 1 :]), parse_unit(tokens[len(sign)].text))
    return _compound(tokens) or _simple_quantity(tokens, opaque=opaque, strict=strict)


def _simple_quantity(tokens: list[Token], *, opaque: bool, strict: bool) -> Quantity:
    for index in range(1, len(tokens)):
        if not _may_start_unit(tokens, index, strict):
            continue
        unit = parse_unit(_unit_text(tokens[index:]), opaque=opaque)
        if unit is not None:
            return Quantity(_value(tokens[:index]), unit)
    return Quantity(_value(tokens), None)


def _compound(tokens: list[Token]) -> Quantity | None:
    """Read 2 hours 30 minutes, or 5 ft 6 in: number and unit in turn, all of one kind."""
    starts = [
        k for k, t in enumerate(tokens) if t.kind == "number" and (k == 0 or tokens[k - 1].kind in ("word", "text"))
    ]
    if len(starts) < 2 or starts[0] != 0 or len(starts) > 4:
        return None
    parts: list[Node] = []
    units: list[Unit] = []
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        words = [t._replace(text=t.text.removesuffix(" and")) for t in tokens[start + 1 : end] if t.text != "and"]
        unit = parse_unit(_unit_text(words)) if words else None
        if unit is None:
            return None
        parts.append(Node("mul", (_value(tokens[start : start + 1]), unit.factor)))
        units.append(unit)
    if len({u.dimension for u in units}) > 1:
        return None
    return Quantity(Node("add", tuple(parts)), Unit(units[0].dimension, number(1)))


def _may_start_unit(tokens: list[Token], index: int, strict: bool) -> bool:
    token = tokens[index]
    if token.kind == "word":
        return token.spaced or len(token.text) > 1 or not strict
    if token.text == "frac":
        return index + 2 < len(tokens) and tokens[index + 2].kind in ("text", "word")
    if token.kind in ("text", "command"):
        return True
    if token.text == "^":
        raised = "".join(t.text for t in tokens[index + 1 : index + 4])
        return raised.startswith(("circ", "°")) or raised in ("{circ}", "{°}", "{o}")
    return token.text in ("°", "%", "€", "$", "£", "¢")


def _unit_text(tokens: list[Token]) -> str:
    """Write the tokens of a unit as one text; words keep their blanks, braces and the circle of degrees go."""
    text = ""
    if tokens[0].text == "frac":  # \\frac{km}{h}
        closing = next((k for k, t in enumerate(tokens) if t.text == "}"), 0)
        tokens = [*tokens[1:closing], Token("mark", "/", False), *tokens[closing + 2 :]]
    for token in tokens:
        joined = (not token.spaced and token.kind != "text") or token.text in ("^", "/", "*", "{", "}")
        text += ("" if joined else " ") + token.text
    text = re.sub(r"[{}()]", "", text).strip()
    text = re.sub(r"^\^?\s*(?:circ|°|o(?=$| ))\s*(?=[CFK]\b|$)", "°", text)
    text = re.sub(r"\s*([/*^])\s*", r"\1", text)
    return "°" if text == "" and tokens else text


def _value(tokens: list[Token]) -> Node:
    node = parse_tokens(tokens)
    if not is_arithmetic(node):
        raise Unreadable("the number of a quantity cannot be read")
    return node
