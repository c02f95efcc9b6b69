"""Sets of real numbers: intervals, unions, solved inequalities and chains, all as one sorted list of pieces."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pipeline.verifiers.notation import Unreadable
from pipeline.verifiers.numeric import constant_value
from pipeline.verifiers.tree import Node, is_arithmetic, symbols

Equal = Callable[[Node, Node], bool]
INFINITY = Node("const", value="inf")
MINUS_INFINITY = Node("neg", (INFINITY,))


class Piece(NamedTuple):
    """One interval: its ends and whether they belong to it. A point is a piece closed at both equal ends."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


class Region(NamedTuple):
    """Pieces, and the name of the variable if the text gives one."""

    pieces: tuple[Piece, ...]
    variable: str | None


EMPTY_WORDS = frozenset(["no solution", "no solutions", "empty set", "the empty set"])
WHOLE_WORDS = frozenset(["all real numbers", "all reals", "the real numbers", "all real values"])
WHOLE = Piece(MINUS_INFINITY, False, INFINITY, False)
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def read_region(node: Node) -> Region:
    """Read a region of the real line. Raises Unreadable for anything else, an unsolved inequality included."""
    op = {"or": "union", "and": "inter"}.get(str(node.value), "") if node.op == "list" else node.op
    if op == "text":
        words = str(node.value).lower()
        op = "reals" if words in WHOLE_WORDS else "empty" if words in EMPTY_WORDS else op
    reader = _READERS.get(op)
    if reader is None:
        raise Unreadable("not an interval")
    return reader(node)


def _bracketed(node: Node) -> Piece:
    if len(node.args) != 2 or not all(map(is_arithmetic, node.args)):
        raise Unreadable("an interval has two end points")
    brackets = str(node.value)
    return _piece(node.args[0], brackets[0] == "[", node.args[1], brackets[1] == "]")


def _piece(low: Node, low_closed: bool, high: Node, high_closed: bool) -> Piece:
    if (low in (INFINITY, MINUS_INFINITY) and low_closed) or (high in (INFINITY, MINUS_INFINITY) and high_closed):
        raise Unreadable("infinity does not belong to an interval")
    return Piece(low, low_closed, high, high_closed)


def _point(node: Node) -> Piece:
    return Piece(node, True, node, True)


def _variable(regions: list[Region]) -> str | None:
    names = {r.variable for r in regions if r.variable}
    if len(names) > 1:
        raise Unreadable("a condition on several variables")
    return names.pop() if names else None


def _joined(regions: list[Region]) -> Region:
    return Region(tuple(p for r in regions for p in r.pieces), _variable(regions))


def _difference(node: Node) -> Region:
    r"""Read \mathbb{R} - \{0\}: a minus sign between sets takes away, no other sum is a region."""
    whole, *parts = node.args
    if whole.op not in ("reals", "seq") or any(p.op != "neg" or p.args[0].op not in ("set", "seq") for p in parts):
        raise Unreadable("not an interval")
    return _without(read_region(whole), _joined([read_region(p.args[0]) for p in parts]))


def _built(node: Node) -> Region:
    head, condition = node.args
    if head.op == "rel" and head.value == "∈" and head.args[1].op == "reals":
        head = head.args[0]
    region = read_region(condition)
    if head.op != "sym" or (region.variable not in (None, head.value)):
        raise Unreadable("a set description that cannot be read")
    return Region(region.pieces, None)


def _relation(node: Node) -> Region:
    signs = str(node.value).split()
    parts = list(node.args)
    if signs == ["∈"] and parts[0].op == "sym":
        return Region(read_region(parts[1]).pieces, str(parts[0].value))
    if (
        signs == ["="]
        and parts[0].op == "sym"
        and is_arithmetic(parts[1])
        and not symbols(parts[1]) & symbols(parts[0])
    ):
        return Region((_point(parts[1]),), str(parts[0].value))
    if any(sign not in _FLIPPED for sign in signs) or len(parts) > 3 or not all(map(is_arithmetic, parts)):
        raise Unreadable("not a solved inequality")
    if signs[0] in (">", ">="):
        parts, signs = parts[::-1], [_FLIPPED[s] for s in signs[::-1]]
    if any(sign not in ("<", "<=") for sign in signs):
        raise Unreadable("a chain of inequalities that turns round")
    return _chain(parts, signs)


def _chain(parts: list[Node], signs: list[str]) -> Region:
    """Read a < x < b, x < b or a < x, where x stands alone."""
    place = (
        1 if len(parts) == 3 else next((k for k in (0, 1) if parts[k].op == "sym" and not symbols(parts[1 - k])), -1)
    )
    if place < 0 or parts[place].op != "sym" or symbols(parts[place]) & _others(parts, place):
        raise Unreadable("the variable does not stand alone")
    low, low_closed = (parts[place - 1], signs[place - 1] == "<=") if place else (MINUS_INFINITY, False)
    last = place == len(parts) - 1
    high, high_closed = (INFINITY, False) if last else (parts[place + 1], signs[place] == "<=")
    return Region((_piece(low, low_closed, high, high_closed),), str(parts[place].value))


def _others(parts: list[Node], place: int) -> frozenset[str]:
    return frozenset().union(*(symbols(p) for k, p in enumerate(parts) if k != place))


# --- comparison: end points are ordered by their numeric values


class _Sorted(NamedTuple):
    low: Any
    low_closed: bool
    high: Any
    high_closed: bool
    piece: Piece


def _end(node: Node) -> Any:
    if node == INFINITY:
        return float("inf")
    if node == MINUS_INFINITY:
        return float("-inf")
    return constant_value(node)


def _sorted(pieces: tuple[Piece, ...]) -> list[_Sorted] | None:
    """Return the pieces in order, or None if an end point is not a number."""
    rows = [_Sorted(_end(p.low), p.low_closed, _end(p.high), p.high_closed, p) for p in pieces]
    if any(r.low is None or r.high is None for r in rows):
        return None
    for row in rows:
        if row.low > row.high or (row.low == row.high and not (row.low_closed and row.high_closed)):
            raise Unreadable("an interval whose ends are in the wrong order")
    return sorted(rows, key=lambda r: (r.low, not r.low_closed))


def _merged(rows: list[_Sorted]) -> list[Piece]:
    """Join pieces that overlap or touch in a point that belongs to one of them."""
    out: list[_Sorted] = []
    for row in rows:
        last = out[-1] if out else None
        if last and (row.low < last.high or (row.low == last.high and (row.low_closed or last.high_closed))):
            if (row.high, row.high_closed) > (last.high, last.high_closed):
                piece = Piece(last.piece.low, last.low_closed, row.piece.high, row.high_closed)
                out[-1] = _Sorted(last.low, last.low_closed, row.high, row.high_closed, piece)
        else:
            out.append(row)
    return [r.piece for r in out]


def _intersection(regions: list[Region]) -> Region:
    pieces = list(regions[0].pieces)
    for region in regions[1:]:
        pairs = [(_sorted((p,)), _sorted((q,))) for p in pieces for q in region.pieces]
        pieces = [p for a, b in pairs if a and b and (p := _overlap(a[0], b[0])) is not None]
        if len(pairs) > 400:
            raise Unreadable("an intersection of too many pieces")
    return Region(tuple(pieces), _variable(regions))


def _overlap(a: _Sorted, b: _Sorted) -> Piece | None:
    low = max((a.low, not a.low_closed, 0, a), (b.low, not b.low_closed, 1, b))[3]
    high = min((a.high, a.high_closed, 0, a), (b.high, b.high_closed, 1, b))[3]
    if low.low > high.high or (low.low == high.high and not (low.low_closed and high.high_closed)):
        return None
    return Piece(low.piece.low, low.low_closed, high.piece.high, high.high_closed)


def _without(region: Region, removed: Region) -> Region:
    """Take a region's pieces away from another region."""
    ordered = _sorted(removed.pieces)
    if ordered is None:
        raise Unreadable("a difference whose ends are not numbers")
    gaps: list[Piece] = []
    low, low_closed = MINUS_INFINITY, False
    for p in _merged(ordered):
        if p.low != MINUS_INFINITY:
            gaps.append(Piece(low, low_closed, p.low, not p.low_closed))
        low, low_closed = p.high, not p.high_closed
    if low != INFINITY:
        gaps.append(Piece(low, low_closed, INFINITY, False))
    return _intersection([region, Region(tuple(gaps), None)])


def same_region(left: Region, right: Region, equal: Equal) -> bool:
    """Tell whether two regions hold the same numbers (and speak of the same variable, if both name one)."""
    if left.variable and right.variable and left.variable != right.variable:
        return False
    rows = [_sorted(r.pieces) for r in (left, right)]
    if rows[0] is None or rows[1] is None:
        a, b = list(left.pieces), list(right.pieces)
    else:
        a, b = _merged(rows[0]), _merged(rows[1])
    return len(a) == len(b) and all(_same_piece(p, q, equal) for p, q in zip(a, b, strict=True))


def _same_piece(p: Piece, q: Piece, equal: Equal) -> bool:
    if (p.low_closed, p.high_closed) != (q.low_closed, q.high_closed):
        return False
    return _same_end(p.low, q.low, equal) and _same_end(p.high, q.high, equal)


def _same_end(a: Node, b: Node, equal: Equal) -> bool:
    infinite = (INFINITY, MINUS_INFINITY)
    return a == b if a in infinite or b in infinite else equal(a, b)


_READERS: Final[dict[str, Callable[[Node], Region]]] = {
    "seq": lambda node: Region((_bracketed(node),), None),
    "reals": lambda _node: Region((WHOLE,), None),
    "empty": lambda _node: Region((), None),
    "set": lambda node: Region(tuple(map(_point, node.args)), None),
    "union": lambda node: _joined([read_region(arg) for arg in node.args]),
    "inter": lambda node: _intersection([read_region(arg) for arg in node.args]),
    "minus": lambda node: _without(read_region(node.args[0]), read_region(node.args[1])),
    "add": _difference,
    "builder": _built,
    "rel": _relation,
}
