"""Quantities: a number and a unit, converted exactly. The table is small and written out; factors are exact."""

import re
from fractions import Fraction
from typing import Final, NamedTuple

from pipeline.verifiers.exact import rational
from pipeline.verifiers.notation import Token, Unreadable, tokenise
from pipeline.verifiers.parsing import parse_tokens
from pipeline.verifiers.tree import Node, is_arithmetic, number

Dimension = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """What a unit measures, as powers of base units, how many of the base it is, and where its zero lies."""

    dimension: Dimension
    factor: Node
    offset: Fraction = Fraction(0)


class Quantity(NamedTuple):
    """A number with its unit; no unit is a bare number."""

    value: Node
    unit: Unit | None


_TABLE: Final = """
m: m meter metre 1 | km kilometer kilometre 1000 | cm centimeter centimetre 1/100 | mm millimeter millimetre 1/1000
 | dm decimeter decimetre 1/10 | hm 100 | µm um micrometer micron 1/1000000 | nm nanometer nanometre 1/1000000000
 | in inch inche 254/10000 | ft foot feet 3048/10000 | yd yard 9144/10000 | mi mile 1609344/1000 | nmi 1852
m^2: acre 40468564224/10000000 | ha hectare 10000
m^3: L l liter litre 1/1000 | dL dl deciliter decilitre 1/10000 | mL ml milliliter millilitre cc 1/1000000
 | cL cl centiliter centilitre 1/100000 | gal gallon 3785411784/1000000000000 | qt quart 946352946/1000000000000
 | pt pint 473176473/1000000000000 | cup 2365882365/10000000000000
kg: kg kilogram kilogramme kilo 1 | g gram gramme gm 1/1000 | mg milligram 1/1000000 | t tonne 1000
 | lb pound 45359237/100000000 | oz ounce 45359237/1600000000
s: s sec second 1 | ms millisecond 1/1000 | min minute 60 | h hr hour 3600 | day d 86400 | week wk 604800
 | fortnight 1209600
month: month mo 1 | year yr 12 | decade 120 | century centurie 1200
deg: deg degree circ ° 1 | arcminute 1/60 | arcsecond 1/3600 | rev revolution 360
USD: USD $ dollar 1 | cent ¢ 1/100
EUR: EUR € euro 1
GBP: GBP £ 1 | pence 1/100
JPY: JPY ¥ yen 1
INR: INR ₹ rupee Rs 1
kg*m/s^2: N newton 1 | kN kilonewton 1000
kg*m^2/s^2: J joule 1 | kJ kilojoule 1000 | MJ megajoule 1000000 | cal calorie 4184/1000 | kcal kilocalorie 4184
 | eV 1602176634/10000000000000000000000000000
kg*m^2/s^3: W watt 1 | kW kilowatt 1000 | MW megawatt 1000000
kg/m*s^-2: Pa pascal 1 | kPa kilopascal 1000 | MPa megapascal 1000000 | bar 100000 | atm atmosphere 101325
A: A amp ampere 1 | mA milliampere milliamp 1/1000
A*s: C coulomb 1
kg*m^2/s^3*A^-1: V volt 1 | mV millivolt 1/1000 | kV kilovolt 1000
kg*m^2/s^3*A^-2: ohm Ω Omega 1 | kΩ kilohm 1000
s^-1: Hz hertz 1 | kHz kilohertz 1000 | MHz megahertz 1000000 | GHz gigahertz 1000000000
K: K kelvin 1 | °C degC celsius 1 | °F degF fahrenheit 5/9
bit: bit 1 | byte B 8 | kB KB kilobyte 8000 | MB megabyte 8000000 | GB gigabyte 8000000000
mol: mol mole 1
percent: % percent 1
"""
_OFFSETS: Final = {  # of a scale whose zero is not the zero of the kelvin
    **dict.fromkeys(("°C", "degC", "celsius"), Fraction(27315, 100)),
    **dict.fromkeys(("°F", "degF", "fahrenheit"), Fraction(45967, 180)),
}
_ALIASES: Final = {
    "mph": "mi/h", "kmh": "km/h", "kph": "km/h", "kmph": "km/h", "mps": "m/s", "fps": "ft/s", "rpm": "rev/min",
    "sqft": "ft^2", "sqm": "m^2", "kwh": "kW*h",
}  # fmt: skip
_RADIAN: Final = Node("div", (number(180), Node("const", value="pi")))
_OTHER_WORDS: Final = """
or and not is are no wrong maybe the a an of mod if then from to approx about only guess unsure am pm correct right pi
"""
_NOT_UNITS: Final = frozenset(_OTHER_WORDS.split())


def _read_table() -> dict[str, tuple[dict[str, int], Fraction]]:
    units: dict[str, tuple[dict[str, int], Fraction]] = {}
    for line in _TABLE.replace("\n |", " |").strip().splitlines():
        head, _, entries = line.partition(": ")
        powers = re.findall(r"(/?)([A-Za-z]+)(?:\^(-?\d))?", head)
        dimension = {base: int(power or 1) * (-1 if sign else 1) for sign, base, power in powers}
        for entry in entries.split("|"):
            *names, factor = entry.split()
            units |= {name: (dimension, Fraction(factor)) for name in names}
    return units


UNITS: Final = _read_table()
_PREFIX_WORDS: Final = {"square": 2, "sq": 2, "sq.": 2, "cubic": 3, "cu": 3, "cu.": 3}
_SUFFIX_WORDS: Final = {"squared": 2, "cubed": 3}


def _known(name: str) -> str | None:
    """Look a unit up: as written, then in lower case if it is a word, then in the singular."""
    candidates = [name, name.rstrip(".")]
    if len(name) > 2:
        lower = name.lower().rstrip(".")
        candidates += [lower, lower.removesuffix("s"), lower.removesuffix("es")]
    return next((c for c in candidates if c in UNITS), None)


def parse_unit(text: str, *, opaque: bool = False) -> Unit | None:
    """Read km/h, m^2, square meters, kg*m/s^2, miles per hour; with `opaque`, also plain words such as apples."""
    text = re.sub(r"\s*\bper\b\s*", "/", text.strip().lower() if " per " in text.lower() else text.strip())
    text = re.sub(r"(?i)^(?:degrees?|deg\.?|°)\s*(?=(?:celsius|fahrenheit|kelvin|[CF])$)", "°", text)
    text = text.removeprefix("°") if len(text) > 2 else text
    text = _ALIASES.get(text.lower().replace(" ", ""), text)
    if text in ("rad", "radian", "radians"):
        return Unit((("deg", 1),), _RADIAN)
    read = [(sign, _powers(part)) for sign, part in re.findall(r"([/*·]?)\s*([^/*·]+)", text)]
    parts = [(_known(name), -power if sign == "/" else power) for sign, one in read for name, power in one or [("", 1)]]
    known = [(name, power) for name, power in parts if name is not None]
    if not parts or len(known) < len(parts):
        return _opaque(text) if opaque else None
    dimension: dict[str, int] = {}
    factor = Fraction(1)
    for name, power in known:
        for base, base_power in UNITS[name][0].items():
            dimension[base] = dimension.get(base, 0) + base_power * power
        factor *= UNITS[name][1] ** power
    offset = _OFFSETS.get(known[0][0], Fraction(0)) if len(known) == 1 and known[0][1] == 1 else Fraction(0)
    return Unit(tuple(sorted((k, v) for k, v in dimension.items() if v)), number(factor), offset)


def _powers(part: str) -> list[tuple[str, int]] | None:
    """Read one factor of a unit: cm^2, square feet, cubic m, N m."""
    power = 1
    out: list[tuple[str, int]] = []
    for word in part.split():
        if word.lower() in _PREFIX_WORDS:
            power = _PREFIX_WORDS[word.lower()]
            continue
        if word.lower() in _SUFFIX_WORDS and out:
            out[-1] = (out[-1][0], out[-1][1] * _SUFFIX_WORDS[word.lower()])
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


_MAX_UNIT: Final = 40  # tokens
POUND_STERLING: Final = (("GBP", 1),)


def base_value(value: Node, unit: Unit) -> Node:
    """Return the value in base units: kelvin for a temperature, whatever its scale."""
    return Node("add", (Node("mul", (value, unit.factor)), number(unit.offset)))


_CURRENCY: Final = frozenset([*"$€£¥₹", "USD", "EUR", "GBP", "JPY", "INR"])


def read_quantity(text: str, *, opaque: bool = False, strict: bool = False) -> Quantity:
    """Split an answer into its number and its unit. `strict` takes a unit of one letter only where it is set apart."""
    tokens = tokenise(text)
    sign = tokens[:1] if tokens and tokens[0].text == "-" else []
    if len(tokens) > len(sign) + 1 and [t.text for t in tokens[len(sign) :][:2]] == ["US", "$"]:
        tokens.pop(len(sign))
    if len(tokens) > len(sign) and tokens[len(sign)].text in _CURRENCY:
        return Quantity(_value(sign + tokens[len(sign) + 1 :]), parse_unit(tokens[len(sign)].text))
    return _compound(tokens) or _simple_quantity(tokens, opaque=opaque, strict=strict)


def _simple_quantity(tokens: list[Token], *, opaque: bool, strict: bool) -> Quantity:
    for index in range(max(1, len(tokens) - _MAX_UNIT), len(tokens)):
        if not _may_start_unit(tokens, index, strict):
            continue
        words = opaque and tokens[index].kind in ("text", "word")
        unit = parse_unit(_unit_text(tokens[index:]), opaque=words)
        if unit is not None:
            return Quantity(_value(tokens[:index]), unit)
    return Quantity(_value(tokens), None)


def _compound(tokens: list[Token]) -> Quantity | None:
    """Read 2 hours 30 minutes, or 5 ft 6 in: number and unit in turn, all of one kind."""
    after_unit = [True, *(t.kind in ("word", "text") or t.text == "," for t in tokens)]
    starts = [k for k, token in enumerate(tokens) if token.kind == "number" and after_unit[k]]
    if len(starts) < 2 or starts[0] != 0 or len(starts) > 4:
        return None
    parts: list[Node] = []
    units: list[Unit] = []
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        words = [
            t._replace(text=t.text.removesuffix(" and")) for t in tokens[start + 1 : end] if t.text not in ("and", ",")
        ]
        unit = parse_unit(_unit_text(words)) if words else None
        if unit is None:
            return None
        parts.append(Node("mul", (_value(tokens[start : start + 1]), unit.factor)))
        units.append(unit)
    sizes = [rational(unit.factor) or 0 for unit in units]
    if len({u.dimension for u in units}) > 1 or sizes != sorted(set(sizes), reverse=True):  # 5 m, 6 m are two answers
        return None
    return Quantity(Node("add", tuple(parts)), Unit(units[0].dimension, number(1)))


def _may_start_unit(tokens: list[Token], index: int, strict: bool) -> bool:
    token = tokens[index]
    if token.kind == "word":
        return token.spaced or len(token.text) > 1 or not strict
    if token.text == "frac":
        return index + 2 < len(tokens) and tokens[index + 1].text == "{" and tokens[index + 2].kind in ("text", "word")
    if token.text == "{":  # \\mathrm{m\\,s^{-1}}
        return index + 1 < len(tokens) and tokens[index + 1].kind in ("text", "word") and len(tokens) > index + 3
    if token.kind in ("text", "command"):
        return True
    if token.text == "^":
        raised = "".join(t.text for t in tokens[index + 1 : index + 4])
        return raised.startswith(("circ", "°")) or raised in ("{circ}", "{°}", "{o}")
    return token.text in _CURRENCY or token.text in ("°", "%", "¢")


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
