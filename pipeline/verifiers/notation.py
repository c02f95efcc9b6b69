"""The tokeniser of mathematical answers: LaTeX, plain text and Unicode become one list of tokens, in linear time.

Formatting (sizes, fonts, spacing, colour) is dropped here. What it does not know it hands on as it stands, and no
parser accepts it. Raises Unreadable for hidden text and Limit for input over the caps.
"""

import re
from typing import Final, NamedTuple

from pipeline.answers import UNSEEN_COLOUR, closing_brace

MAX_CHARACTERS: Final = 200_000
MAX_TOKENS: Final = 60_000


class Unreadable(Exception):
    """The text is not an answer in any notation the verifier reads."""


class Limit(Exception):
    """The answer is larger than the verifier's own limits: it cannot be judged."""


class Undefined(Exception):
    """The answer has no value: a division by zero, 0^0, the logarithm of 0."""


class Token(NamedTuple):
    """kind is number, repeating, word (plain letters), text (upright words), command or mark; spaced: blank before."""

    kind: str
    text: str
    spaced: bool


_FONTS = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|textup|textmd|textsl|emph|mbox|hbox|mathrm|mathbf|mathit|mathsf"
    "|mathtt|mathnormal|boldsymbol|bm|pmb|operatorname|ensuremath|boxed|fbox|underline|mathop|mathord|unit|bold"
)
_STYLES = (
    "displaystyle|textstyle|scriptstyle|scriptscriptstyle|bf|rm|it|sf|tt|bfseries|itshape|normalfont|tiny|scriptsize"
    "|small|normalsize|large|Large|LARGE|huge|Huge|mathstrut|strut|allowbreak|nobreak|relax|centering|noindent"
)
_SIZES = (
    "left|right|middle|big|Big|bigg|Bigg|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|bigm|Bigm|limits|nolimits"
    f"|{_STYLES}"
)
_BLANK = r"quad|qquad|enspace|enskip|thinspace|medspace|thickspace|negthinspace|nobreakspace|space|hfill|newline|par"
_LEXICON: Final = re.compile(
    rf"""
     (?P<rowbreak>\\\\\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|px)\])
    |(?P<space>[\s~]+|\\[,;:!>\ \n]|\\(?:{_BLANK})(?![A-Za-z])|\\[hv]space\*?\{{[^{{}}]*\}}
        |\\(?:left|right|[bB]igg?[lrm]?)\s*\.)
    |\\(?:{_FONTS})\*?\s*\{{(?:(?P<words>[^{{}}\\$^_0-9+=<>()\[\],;|*]*[A-Za-z][^{{}}\\$^_0-9+=<>()\[\],;|*]*)|(?P<inline>[^{{}}]*))\}}
    |(?P<drop>\\(?:{_FONTS}|{_SIZES})\*?(?![A-Za-z])|\\color\s*\{{[^{{}}]*\}}|\\(?:textcolor|colorbox)\s*\{{[^{{}}]*\}}
        |\\(?:color|textcolor)\[\w*\]\{{[^{{}}]*\}}|\\[()\[\]]|[$`])
    |(?P<repeating>\d*\.\d*\\dot\s*\{{?\d\}}?\d*\\dot\s*\{{?\d\}}?|\d*\.\d*(?:\\(?:overline|bar|dot)\s*(?:\{{\d+\}}|\d)|\(\d+\)))
    |(?P<grouped>\d{{1,3}}(?:(?:\{{,\}}|\\[,;: ]|,\\!|\\!,\\!|[, ~])\d{{3}})+(?!\d|\{{,\}}\d)(?:\.\d+)?)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{{1,7}}(?![A-Za-z0-9.]))?)
    |(?P<command>\\(?:[A-Za-z]+|.))
    |(?P<word>[A-Za-z]+)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_HIDDEN: Final = re.compile(
    r"\\(?:[hv]?phantom|label|tag|ref|eqref|href|url|input|include|write|read|catcode|csname|def|gdef|edef|let|newcommand"
    r"|renewcommand|providecommand|iffalse|special|immediate|transparent|hidden|smash|rlap|llap|kern|raisebox|rotatebox"
    r"|reflectbox|scalebox|resizebox|cancel|sout|st|xcancel|bcancel|not)(?![A-Za-z])"
    rf"|\\(?:text)?color(?i:{UNSEEN_COLOUR})|\\colorbox\s*\{{\s*black|<!--|~~|[\u202a-\u202e\u2066-\u2069]"
)
_COMMENT: Final = re.compile(r"(?<!\\)%(?!\s*(?:$|[,;)\]}$&*`\\.]))")
_COMMAND_SPELLINGS: Final = {
    "*": "cdot times ast star bullet cdotp",
    "/": "div slash",
    "<=": "le leq leqslant leqq",
    ">=": "ge geq geqslant geqq",
    "<": "lt",
    ">": "gt",
    "!=": "ne neq",
    "~=": "approx sim simeq approxeq cong doteq thickapprox",
    "==": "equiv",
    "∈": "in",
    "∪": "cup bigcup",
    "∩": "cap bigcap",
    "∖": "setminus smallsetminus backslash",
    "±": "pm",
    "∓": "mp",
    "∞": "infty infin",
    "|": "vert lvert rvert mid",
    "[": "lbrack",
    "]": "rbrack",
    "or": "lor vee",
    "and": "land wedge",
    "∅": "emptyset varnothing",
    "°": "degree",
    "frac": "dfrac tfrac cfrac",
    "binom": "dbinom tbinom",
    "{": "lbrace",
    "}": "rbrace",
    ":": "colon",
    ",": "comma",
    "…": "ldots dots cdots dotsc dotsb",
    "$": "textdollar",
    "£": "pounds",
    "€": "euro",
}
_COMMANDS: Final = {rf"\{name}": mark for mark, names in _COMMAND_SPELLINGS.items() for name in names.split()}
_MARK_SPELLINGS: Final = {
    "*": "·×⋅∗∙✕⨯",
    "/": "÷∕⁄",
    "<=": "≤⩽≦",
    ">=": "≥⩾≧",
    "!=": "≠",
    "~=": "≈∼≃≅~",
    "==": "≡",
    "∈": "∊",
    "∪": "⋃",
    "∩": "⋂",
    "∖": "⧵",
    "|": "∣",
    "or": "∨",
    "and": "∧",
    "∅": "⌀ø",
    "°": "º˚∘",
}
_MARKS: Final = {sign: mark for mark, signs in _MARK_SPELLINGS.items() for sign in signs}
_GREEK_LETTERS: Final = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩϕϵℝℤℕℚℂ√∛∜"
_GREEK_NAMES: Final = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega phi epsilon R Z N Q C sqrt cbrt qdrt
"""
_GREEK: Final = dict(zip(_GREEK_LETTERS, _GREEK_NAMES.split(), strict=True))
_ESCAPED: Final = {rf"\{sign}": sign for sign in "%$&_#"} | {r"\{": "set{", r"\}": "set}", r"\|": "‖", r"\\": "\\\\"}
_PAIRS: Final = {
    ("<", "="): "<=",
    (">", "="): ">=",
    ("=", "<"): "<=",
    ("!", "="): "!=",
    ("=", "="): "==",
    ("*", "*"): "^",
}


def check_visible(text: str) -> None:
    """Raise Unreadable if the answer holds what a reader would not see as it is read here, Limit if it is too long."""
    if len(text) > MAX_CHARACTERS:
        raise Limit(f"the answer has more than {MAX_CHARACTERS} characters")
    if _HIDDEN.search(text):
        raise Unreadable("the answer holds text that a reader would not see")


def tokenise(text: str, *, join_thousands: bool = True) -> list[Token]:
    """Cut an answer into tokens. Without `join_thousands`, a bare comma always separates (1,200 is two numbers)."""
    check_visible(text)
    if "%" in text and _COMMENT.search(text):
        raise Unreadable("the answer holds a comment")
    tokens: list[Token] = []
    spaced = False
    position = 0
    odd_dollars = text.count("$") - text.count("\\$") == 1  # a lone dollar sign is no math delimiter
    while position < len(text):
        match = _LEXICON.match(text, position)
        kind = match.lastgroup if match else None
        if match is None or kind is None:
            raise Unreadable("the answer cannot be cut into tokens")
        position = match.end()
        if kind == "space":
            spaced = True
            continue
        if kind == "drop" and not (odd_dollars and match.group() == "$"):
            continue
        if kind == "inline":  # no braces inside: this does not nest
            inner = tokenise(match.group(kind), join_thousands=join_thousands)
            tokens += [inner[0]._replace(spaced=spaced or inner[0].spaced), *inner[1:]] if inner else []
            spaced = False
            continue
        if kind == "grouped" and not join_thousands:
            head = re.match(r"\d+(?:\{,\}\d{3})*", match.group())
            position = match.start() + (head.end() if head else 1)
            tokens.append(Token("number", re.sub(r"\D", "", text[match.start() : position]), spaced))
        else:
            tokens.append(_token(kind, match.group(kind), spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise Limit(f"the answer has more than {MAX_TOKENS} tokens")
    return _joined(tokens)


def _token(kind: str, text: str, spaced: bool) -> Token:
    if kind == "grouped":
        kind, text = "number", re.sub(r"[^\d.]", "", text)
    elif kind == "words":
        kind, text, spaced = "text", " ".join(text.replace("~", " ").split()), spaced or text[0] in " ~\t\n"
    elif kind == "rowbreak":
        kind, text = "mark", "\\\\"
    elif kind == "drop":
        kind = "mark"
    elif kind == "command":
        kind, text = _command(text)
    elif kind == "mark":
        kind, text = ("command", _GREEK[text]) if text in _GREEK else ("mark", _MARKS.get(text, text))
    return Token(kind, text, spaced)


def _command(text: str) -> tuple[str, str]:
    if text in _ESCAPED:
        return "mark", _ESCAPED[text]
    plain = _COMMANDS.get(text)
    return ("command", plain or text[1:]) if plain in (None, "frac", "binom") else ("mark", plain or "")


def _joined(tokens: list[Token]) -> list[Token]:
    """Join two-character signs (<=, !=, **), and read \\mathbb{R} as one command."""
    out: list[Token] = []
    for token in tokens:
        if out and token.kind == "mark" and out[-1].kind == "mark" and not token.spaced:
            pair = _PAIRS.get((out[-1].text, token.text))
            if pair:
                out[-1] = Token("mark", pair, out[-1].spaced)
                continue
        out.append(token)
        if token.text == "}" and _is_braced_sign(out):
            out[-3:] = [out[-2]]
    return _unwrapped(out)


def _is_braced_sign(tokens: list[Token]) -> bool:
    """Tell whether the last tokens are a sign in braces of its own, {-} or {:}, which TeX users write for spacing."""
    if len(tokens) < 3 or tokens[-3].text != "{" or tokens[-2].kind != "mark" or tokens[-2].text not in "+-*/:=<>,":
        return False
    return len(tokens) == 3 or tokens[-4].text not in ("^", "_", "frac", "}")


def _unwrapped(tokens: list[Token]) -> list[Token]:
    """Drop braces around the whole answer."""
    while len(tokens) > 1 and tokens[0].text == "{" and tokens[-1].text == "}":
        depth = 0
        for token in tokens[:-1]:
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return tokens
        tokens = tokens[1:-1]
    return tokens


_WRAPPING: Final = re.compile(
    rf"\\(?:{_FONTS}|{_SIZES})\*?(?![A-Za-z])|\\(?:text)?color\s*\{{[^{{}}]*\}}|[$`{{}}]|\*\*|\\[()\[\]]"
)
_BLANKS: Final = re.compile(rf"\\[,;:!>\s]|\\(?:{_BLANK})(?![A-Za-z])|~")


_BEFORE: Final = re.compile(rf"(?:[\s~]|\\[,;:!>\s]|\\(?:{_BLANK}|{_STYLES})(?![A-Za-z]))+")
_AFTER: Final = re.compile(rf"(?:[\s~]|\\[,;:!>\s]|\\(?:{_BLANK})(?![A-Za-z]))+\Z")
_MAX_DRESSES: Final = 20
_GROUP: Final = re.compile(
    r"(?:\\(?:mathbf|boldsymbol|bm|pmb|boxed|fbox|color\s*\{[^{}]*\}|textcolor\s*\{[^{}]*\}))?\s*\{", re.ASCII
)


def undressed(text: str) -> str:
    """Drop what stands around the whole of an answer and means nothing: blanks, sizes, a group, bold, a colour."""
    for _ in range(_MAX_DRESSES):
        start = _BEFORE.match(text)
        text = text[start.end() :] if start else text
        tail = text[-40:]
        text = text[: len(text) - len(tail)] + _AFTER.sub("", tail)
        group = _GROUP.match(text)
        if group is None or not text.endswith("}") or closing_brace(text, group.end()) != len(text):
            break
        text = text[group.end() : -1]
    return text


def visible(text: str) -> str:
    """Return the words an answer shows: no commands for fonts, no math delimiters, single blanks."""
    check_visible(text)
    return re.sub(r"\s+", " ", _BLANKS.sub(" ", _WRAPPING.sub("", text))).strip()


def string_key(text: str) -> str:
    """Return what two equal texts share: case, blanks, quotes, periods after letters and a final period dropped."""
    shown = visible(text).casefold().strip("\"'“”‘’ ")
    return re.sub(r"\s+", "", re.sub(r"(?<=[a-z])\.(?=\W|$|[a-z](?:\W|$))", "", shown)).rstrip(".")
