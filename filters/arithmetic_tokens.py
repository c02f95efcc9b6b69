r"""Reads plain text and LaTeX as tokens of arithmetic: numbers, operators, brackets, relations, units, words, breaks.

One linear pass. What is not arithmetic (a variable, a root, a factorial, an ellipsis, a clock time) becomes a token
"other", which no expression may hold, so that an equation with such a thing in it is never half read.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from pipeline.answers import normalise

Kind = Literal["number", "op", "open", "close", "fraction", "percent", "relation", "words", "unit", "break", "other"]

MAX_TEXT: Final = 1_000_000
MAX_DIGITS: Final = 24
MAX_UNIT_WORDS: Final = 4
MONEY: Final = "money"
RATE: Final = "per"  # a unit after a stroke, 5 dollars/hour


class Token(NamedTuple):
    """A piece of the text. Of a number: its value, how many decimal places are written, and MONEY if it is that."""

    kind: Kind
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    decimals: int = 0
    unit: str = ""


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# A unit is a word of three letters and more, or one of these.
SHORT_UNITS: Final = word_set("kg mg cm mm km ml cl dl lb oz ft in hr mi yd gb mb kb")
# Words that change what a number beside them stands for.
OPERATOR_WORDS: Final = word_set(
    "of half twice thrice double triple times plus minus less more fewer than over divided multiplied by root squared "
    "cubed mod modulo log ln sin cos tan exp max min gcd lcm quarter third fourth tenth percent percentage point dozen "
    "dozens hundred hundreds thousand thousands million millions billion billions remainder with and or out to from "
    "until am pm noon if whether suppose does did not never between choose copies pair pairs couple score round floor "
    "ceil sqrt each every base"
)
_NO_UNITS: Final = OPERATOR_WORDS | word_set(
    "because since then therefore thus hence which that this there the are was were equals gives makes get gets have "
    "where when while but for here now first next finally total result answer"
)

_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s{0,9}\{([^{}]*)\}")
_ANNOTATION = re.compile(r"<<([^<>\n]{1,200})>>")
_FENCE = re.compile(r"```.*?(?:```|\Z)|\\(?:begin|end)\{[a-z]{1,20}\*?\}", re.DOTALL)  # and where LaTeX opens one
_MARKER = re.compile(r"^[ \t]*(?:([-+*])|•|\d{1,3}[.)]|#{1,6})[ \t]+(?=([\d$(\\])?)", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\d)])\*\*|\*\*(?![\d(-])|`|__")
_TOKEN = re.compile(
    r"(?P<blank>\s+|\\[,;:!> ]|[~&]|\\(?:left|right|bigl?|bigr|displaystyle|boxed|limits)(?![A-Za-z]))"
    r"|(?P<number>\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<money>(?:\\?\$|[€£¥₹])\s?(?=[\d.]))"
    r"|(?P<closing>\\[)\]]|\$(?![\\(-])|\\\$)"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    r"|(?P<by>(?<=\d)[xX](?=\d))"
    r"|(?P<word>[^\W\d_]\w*)"
    r"|(?P<relation>[=≈≃≅:!<>]*[=≈≃≅][=≈≃≅~<>]*)"
    r"|(?P<dots>\.{2,}|…)"
    r"|(?P<sign>\*\*|.)",
    re.DOTALL,
)
_SIGNS: Final[dict[str, tuple[Kind, str]]] = {
    **dict.fromkeys("*×·⋅∙∗", ("op", "*")),
    **dict.fromkeys("÷/∕⁄", ("op", "/")),
    **{"+": ("op", "+"), "-": ("op", "-"), "^": ("op", "^"), "**": ("op", "^"), "%": ("percent", "%")},
    **dict.fromkeys("([{", ("open", "(")),
    **dict.fromkeys(")]}", ("close", ")")),
    **dict.fromkeys('.,;:?!"“”‘’—|→⇒', ("break", ",")),
    "$": ("break", "\n"),
}
_COMMANDS: Final[dict[str, tuple[Kind, str]]] = {
    **dict.fromkeys(("times", "cdot", "ast"), ("op", "*")),
    **{"div": ("op", "/"), "%": ("percent", "%"), "{": ("open", "("), "}": ("close", ")"), "\\": ("break", "\n")},
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), ("fraction", "frac")),
    **dict.fromkeys(("approx", "simeq", "cong", "doteq"), ("relation", "≈")),
    **dict.fromkeys(("quad", "qquad", "implies", "Rightarrow", "rightarrow", "to", "therefore"), ("break", ",")),
    **dict.fromkeys("([", ("break", "\n")),
}
RELATION: Final = re.compile(  # no equation without one
    "|".join(("[=≈≃≅]", *(rf"\\{name}" for name, (kind, _) in _COMMANDS.items() if kind == "relation")))
)
_TOUCHES = re.compile(r"[.,:]\d|['\"′″!_]")  # after a number: a date, a time, a list, feet, a factorial
_FACTOR = re.compile(r" \$?\(?[\d.]")  # after "x" as a sign
_GOES_ON = re.compile(
    r"\s{0,20}&?\s{0,4}(?:[=≈×]|\\(?:approx|times|cdot))"
)  # opens a line that continues the one before
_SPLIT = re.compile(r" \d{1,3}(?!\d)")  # 14, 400 or .8 + . 84
_MONEY_WORDS: Final = frozenset(("dollar", "euro", "pound", "buck"))


def plain(text: str) -> str:
    """Return the text to scan: code, list markers and emphasis gone; notes like `<<48/2=24>>` on lines of their own."""
    text = _FENCE.sub("\n", normalise(text[:MAX_TEXT]))
    notes = _ANNOTATION.findall(text)
    text = _EMPHASIS.sub(" ", _TEXT_COMMAND.sub(r" \1 ", _ANNOTATION.sub("", text)))
    # A dash before a number may be a bullet or a minus: nobody can tell, so nothing is read of what follows it.
    text = _MARKER.sub(lambda match: "\ufffd" if match[1] and match[2] else "", text)
    return "\n".join([text, *notes])


def scan(text: str) -> list[Token]:
    """Return the tokens of a text that `plain` has prepared."""
    tokens: list[Token] = []
    money = ""
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "money":
            money = MONEY
            continue
        if match.lastgroup == "blank" and "\n" not in match[0]:
            continue
        for token in _tokens(text, match, tokens):
            tokens.append(token._replace(unit=money) if money else token)
        money = ""
    return _with_units(_with_asides(tokens))


def _tokens(text: str, match: re.Match[str], before: Sequence[Token]) -> Iterator[Token]:
    """Give the tokens for one match (of blanks, those with a new line come here): two where maths is closed."""
    piece, start, end = match[0], match.start(), match.end()
    group = match.lastgroup
    if group == "blank":
        goes_on = (before and before[-1].kind in ("op", "relation")) or _GOES_ON.match(text, end)
        if not goes_on:
            yield Token("break", "\n", start, end)
    elif group == "number":
        yield _number(text, piece, start, end)
    elif group == "closing":  # what follows it cannot begin an expression: in "$x$ - 3 + 5", -3 is no number
        yield Token("break", ",", start, end)
        yield Token("other", piece, start, end)
    elif group == "command":
        if piece != "\\\\" or not _GOES_ON.match(text, end):
            yield Token(*_COMMANDS.get(piece[1:], ("other", piece)), start, end)
    elif group == "by":
        hexadecimal = text[start - 1] == "0" and not text[max(0, start - 2) : start - 1].isdigit()
        yield Token("other" if hexadecimal else "op", "*", start, end)
    elif group == "word":
        yield _word(text, piece, start, end, before)
    elif group == "relation":
        known = piece == "=" or set(piece) <= set("=≈≃≅~")
        sign = "=" if piece == "=" else "≈"
        yield Token("relation", sign, start, end) if known and piece != "==" else Token("other", piece, start, end)
    else:
        splits = piece in ".," and bool(before) and before[-1].kind in ("number", "op") and _SPLIT.match(text, end)
        yield Token(*_SIGNS.get(piece, ("other", piece)), start, end)
        if splits:
            yield Token("other", piece, start, end)


def _number(text: str, piece: str, start: int, end: int) -> Token:
    digits = re.sub(r"[^\d.]", "", piece)
    if len(digits) > 1 and digits[0] == "0" and digits[1] != ".":  # 0730 hours
        return Token("other", piece, start, end)
    touched = start and (text[start - 1] in ".:_" or (text[start - 1] == "," and text[start - 2 : start - 1].isdigit()))
    if len(digits) > MAX_DIGITS or touched or _TOUCHES.match(text, end):
        return Token("other", piece, start, end)
    decimals = len(digits.partition(".")[2])
    return Token("number", piece, start, end, Fraction(digits), decimals)


def _word(text: str, piece: str, start: int, end: int, before: Sequence[Token]) -> Token:
    word = piece.casefold()
    if word == "x" and before and before[-1].kind in ("number", "close", "percent", "unit", "words"):
        blank = text[start - 1] == " " and text[end : end + 1] == " "
        if blank and _FACTOR.match(text, end):
            return Token("op", "*", start, end)
    if start and text[start - 1].isdigit() and word not in SHORT_UNITS:
        return Token("other", piece, start, end)  # 3a, 2xy, 5th
    if not word.isalpha() or (len(word) == 1 and word not in ("a", "i")):
        return Token("other", piece, start, end)
    return Token("words", word, start, end)


def _with_asides(tokens: Sequence[Token]) -> list[Token]:
    """Cut out brackets that hold a whole equation, as in "14 (since 2 × 7 = 14)"."""
    opened: list[int] = []
    relations = [0]
    asides: set[int] = set()
    for index, token in enumerate(tokens):
        relations.append(relations[-1] + (token.kind == "relation"))
        if token.kind == "open":
            opened.append(index)
        elif token.kind == "close" and opened:
            start = opened.pop()
            if relations[index] > relations[start]:
                asides |= {start, index}
    cut: list[Token] = []
    for index, token in enumerate(tokens):
        if index not in asides:
            cut.append(token)
            continue
        cut.append(token._replace(kind="break", text=","))
        if token.kind == "close":
            cut.append(token._replace(kind="other"))
    return cut


def _with_units(tokens: Sequence[Token]) -> list[Token]:
    """Join words to a unit where they stand between a number and an operator, a relation or a bracket."""
    joined: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.kind != "words":
            joined.append(token)
            index += 1
            continue
        stop = index + 1
        while stop < len(tokens) and tokens[stop].kind == "words":
            stop += 1
        words = [t.text for t in tokens[index:stop]]
        stop = _after_power(tokens, stop)
        after = tokens[stop].kind if stop < len(tokens) else "break"
        if words == ["of"] and after in ("number", "open", "fraction") and _is_part(joined):
            joined.append(token._replace(kind="op"))
            index = stop
            continue
        rate = len(joined) > 1 and joined[-1].text == "/" and joined[-1].end == token.start
        if rate and joined[-2].kind in ("number", "unit") and joined[-2].end == joined[-1].start:
            last = joined.pop()
            joined.append(last._replace(kind="unit", unit=RATE, end=tokens[stop - 1].end))
        elif joined and joined[-1].kind in ("number", "close", "percent", "unit") and _is_unit(words, after):
            joined.append(token._replace(kind="unit", unit=singular(words[-1]), end=tokens[stop - 1].end))
        else:
            joined.append(token._replace(text=" ".join(words), end=tokens[stop - 1].end))
        index = stop
    return joined


def _after_power(tokens: Sequence[Token], stop: int) -> int:
    """Return the place after the power of a unit, as in cm^2 or units^{2}."""
    texts = [token.text for token in tokens[stop : stop + 4]]
    if texts[:1] != ["^"]:
        return stop
    return stop + (4 if texts[1:2] == ["("] and texts[3:] == [")"] else 2)


def _is_part(before: Sequence[Token]) -> bool:
    """Return whether a percentage or a fraction was just written: 10% of 50, 3/4 of 20."""
    stroke = len(before) > 1 and before[-1].kind == "number" and before[-2].text == "/"
    return stroke or (bool(before) and before[-1].kind in ("percent", "close"))


def _is_unit(words: Sequence[str], after: str) -> bool:
    known = all(len(word) > 2 or word in SHORT_UNITS for word in words) and not _NO_UNITS & set(words)
    return known and len(words) <= MAX_UNIT_WORDS and after in ("op", "relation", "close")


def singular(word: str) -> str:
    """Return a unit's name without the plural's ending; money by any name is MONEY."""
    word = word.removesuffix("es") if word.endswith(("ches", "shes", "xes")) else word.removesuffix("s")
    return MONEY if word in _MONEY_WORDS else word
