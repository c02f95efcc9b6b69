"""LaTeX inside a text into native MathML, for pages that load nothing: the text is cut into plain pieces and formulas.

Texts are hostile: a formula is capped, may define nothing, and becomes only elements and attributes of a fixed list;
what cannot be read stays the text it was. latex2mathml does the reading, never the writing: it does not escape.
"""

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

LONGEST: Final = 1000  # characters of a formula
MOST_ELEMENTS: Final = 1500
DEEPEST: Final = 40
_CLOSING: Final = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_ENVIRONMENTS: Final = r"\\begin\{(align|aligned|equation|gather|cases)(\*?)\}"
_OPENING: Final = re.compile(r"\\\(|\\\[|\$\$|\$(?=[^\s$])|\\boxed\{|" + _ENVIRONMENTS)
_DEFINES: Final = re.compile(r"\\(?:new|renew|provide|Declare|let|[gex]?def)")  # a macro can grow without bound
_TOKENS: Final = {"mi", "mn", "mo", "ms", "mtext", "mspace"}
_SCRIPTS: Final = {"msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"}
_LAYOUT: Final = {"mrow", "mfrac", "msqrt", "mroot", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom"}
_ELEMENTS: Final = _TOKENS | _SCRIPTS | _LAYOUT
_ATTRIBUTES: Final = {
    "stretchy": re.compile(r"true|false"),
    "fence": re.compile(r"true|false"),
    "form": re.compile(r"prefix|infix|postfix"),
    "displaystyle": re.compile(r"true|false"),
    "scriptlevel": re.compile(r"[+-]?\d"),
    "linethickness": re.compile(r"0"),
    "mathvariant": re.compile(r"normal"),
    "width": re.compile(r"[0-3]?(?:\.\d{1,6})?em"),
    "minsize": re.compile(r"[0-3](?:\.\d{1,6})?em"),
    "maxsize": re.compile(r"[0-3](?:\.\d{1,6})?em"),
}
_STUMBLES: Final = (LookupError, ValueError, TypeError, AttributeError, StopIteration, RuntimeError)


class Formula(NamedTuple):
    """A formula as it was written, delimiters included, and as MathML, which is safe to put into a page."""

    source: str
    mathml: str


def pieces(text: str) -> Iterator[str | Formula]:
    """Cut a text into plain pieces and formulas, in order; the pieces' sources together are the text."""
    start = place = 0
    while (opening := _OPENING.search(text, place)) is not None:
        place = opening.end()
        end = _end(text, opening)
        mathml = None if end is None else to_mathml(*_body(text[opening.start() : end], opening))
        if end is not None and mathml is not None:
            if start < opening.start():
                yield text[start : opening.start()]
            yield Formula(text[opening.start() : end], mathml)
            start = place = end
    if start < len(text):
        yield text[start:]


def _end(text: str, opening: re.Match[str]) -> int | None:
    """Return where a formula ends, or None if nothing closes it near by."""
    limit = opening.end() + LONGEST
    if opening[0] == "\\boxed{":
        return _brace_end(text, opening.end(), limit)
    if opening[0] == "$":  # as Pandoc: no blank before the closing one and no digit behind it, or it is money
        closing = re.compile(r"[^\s$\\]\$(?!\d)").search(text, opening.end(), limit)
        return closing.end() if closing and "\n" not in text[opening.end() : closing.end()] else None
    mark = f"\\end{{{opening[1]}{opening[2]}}}" if opening[1] else _CLOSING[opening[0]]
    found = text.find(mark, opening.end(), limit)
    return None if found < 0 else found + len(mark)


def _brace_end(text: str, start: int, limit: int) -> int | None:
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start, limit):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return None


def _body(source: str, opening: re.Match[str]) -> tuple[str, bool]:
    """Return a formula without its delimiters, and whether it stands in a line of its own."""
    if opening[0] == "\\boxed{":
        return source, False
    if opening[1]:
        return source, True
    width = len(opening[0])
    return source[width:-width], opening[0] in ("\\[", "$$")


@lru_cache(maxsize=20_000)
def to_mathml(latex: str, display: bool = False) -> str | None:
    """Return a formula as MathML, made of the allowed elements only; None where it cannot be read or is too large."""
    from latex2mathml import exceptions
    from latex2mathml.converter import Converter

    if len(latex) > LONGEST or latex.count("{") + latex.count("\\left") > LONGEST // 10 or _DEFINES.search(latex):
        return None
    own = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    # It raises whatever it stumbles on; all of it means that this is no formula.
    stumbles: tuple[type[Exception], ...] = (*own, *_STUMBLES)
    try:
        tree = Converter().convert_to_element(latex)
        if sum(1 for _ in tree.iter()) > MOST_ELEMENTS or _depth(tree) > DEEPEST:
            return None
    except stumbles:
        return None
    kind = ' display="block"' if display else ""
    return f"<math{kind}>{''.join(map(_safe, tree))}</math>"


def _depth(tree: Element) -> int:
    deepest, layer = 0, [tree]
    while layer:
        deepest, layer = deepest + 1, [child for element in layer for child in element]
    return deepest


def _safe(element: Element) -> str:
    """Write an element anew, escaped; a box is a class, as browsers draw none, and an unknown element a mere row."""
    name = element.tag if element.tag in _ELEMENTS else "mrow"
    attributes = "".join(
        f' {key}="{value}"'
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and _ATTRIBUTES[key].fullmatch(value)
    )
    if element.tag == "menclose" and element.get("notation") == "box":
        attributes = ' class="box"'
    # Its texts hold entities, written out.
    text = html.escape(html.unescape(element.text or "").replace("\x00", "�"))
    return f"<{name}{attributes}>{text}{''.join(map(_safe, element))}</{name}>"
