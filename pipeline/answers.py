"""Extraction of the one answer a completion commits to: thinking cut off, then box, answer tag, or last line.

Linear in the length of the text whatever it holds. The policy, rule by rule, is in tests/verifier_cases/README.md.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Source = Literal["box", "tag", "line"]
Missing = Literal["cut off", "thinking only", "none"]

MAX_TEXT: Final = 20_000_000
MAX_ANSWERS: Final = 64

_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u061c\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad\ufe0e\ufe0f"
_BLANKS = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_MINUS = "\u2010\u2011\u2012\u2013\u2212\ufe63"
_FRACTIONS = {"¼": (1, 4), "½": (1, 2), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)}
_FRACTIONS |= {"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)}
_RAISED: Final = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_LOWERED: Final = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n", strict=True))


def _translation() -> dict[int, str]:
    table = dict.fromkeys(map(ord, _INVISIBLE), "") | dict.fromkeys(map(ord, _BLANKS), " ")
    table |= dict.fromkeys(map(ord, _MINUS), "-")
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table |= {0x1D7CE + k: str(k % 10) for k in range(50)}  # mathematical digits: bold, double-struck, sans, mono
    table |= {ord("℃"): "°C", ord("℉"): "°F"}
    return table | {ord(sign): rf"\frac{{{a}}}{{{b}}}" for sign, (a, b) in _FRACTIONS.items()}


_TABLE: Final = _translation()
_SCRIPTS: Final = re.compile(
    f"[{''.join(_RAISED)}]+|[{''.join(_LOWERED)}]+|(?P<over>(?:[0-9][\u0304\u0305])+)|[0-9]\u0307", re.ASCII
)


def _script(match: re.Match[str]) -> str:
    run = match.group()
    if match.group("over"):  # digits under a combining bar repeat
        return rf"\overline{{{run[::2]}}}"
    if run[-1] == "\u0307":
        return rf"\dot{{{run[0]}}}"
    if run[0] in _RAISED:
        return "^{" + "".join(_RAISED[c] for c in run) + "}"
    return "_{" + "".join(_LOWERED[c] for c in run) + "}"


def normalise(text: str) -> str:
    """Write the same text with plain digits, signs, blanks and scripts; what cannot be seen is dropped.

    Overrides of the writing direction are kept: they make a text look like another one, so no parser accepts them.
    """
    return text if text.isascii() else _SCRIPTS.sub(_script, text.translate(_TABLE))


_THINK = re.compile(r"<\s*(/?)\s*think\s*>", re.IGNORECASE)


def strip_thinking(text: str) -> tuple[str, bool]:
    """Return the text outside of thinking, and whether all thinking was closed."""
    kept: list[str] = []
    position = 0
    opened: int | None = None
    for tag in _THINK.finditer(text):
        if not tag.group(1):
            opened = tag.start() if opened is None else opened
            continue
        if opened is None:  # closes a block that began with the output
            kept.clear()
        else:
            kept.append(text[position:opened])
        position, opened = tag.end(), None
    kept.append(text[position : len(text) if opened is None else opened])
    return "".join(kept), opened is None


_HIDDEN_MARK: Final = "\ufffd"  # no parser accepts it: an answer with something hidden inside is not read
_HIDDEN_REGION = re.compile(
    r"<!--.*?(?:-->|\Z)|\\begin\{comment\}.*?(?:\\end\{comment\}|\Z)|\\iffalse\b.*?(?:\\fi\b|\Z)"
    r"|<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)"
    r"|^[ \t]*%[^\n]*$|(?<![\\\d}])%[ \t]*(?=\\boxed)[^\n]*"  # TeX comments
    r"|^[ \t]*\[[^\]\n]{1,60}\]:[ \t]*(?:\#|<[^<>\n]{0,60}>)[ \t]*[(\"'][^\n]*$"  # Markdown's only comment
    r"|(?<!\\)\]\([^()\n]{0,80}\\boxed\{[^(){}\n]{0,80}\}[^()\n]{0,80}\)",  # the target of a link
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_HIDDEN_ELEMENT = re.compile(
    r"<(\w{1,20})\b[^<>]{0,300}?(?:display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d]*[1-9])"
    r"|font-size\s*:\s*0|color\s*:\s*(?:white|#fff)|\shidden\b)[^<>]{0,300}>",
    re.IGNORECASE,
)
UNSEEN_COLOUR: Final = r"(?:\[\w*\])?\s*\{\s*(?:white|transparent|1\s*,\s*1\s*,\s*1|\#?fff\w*)[!\w]*\s*\}"
_HIDING_COMMAND = re.compile(
    rf"\\(?:[hv]?phantom|label|href|url|pdftooltip|hidden|transparent\s*\{{[^{{}}]*\}}|textcolor{UNSEEN_COLOUR}"
    r"|colorbox\s*\{\s*black\s*\}|style\s*\{[^{}]{0,200}(?:none|hidden|white|opacity)[^{}]{0,200}\}|(?:tooltip|mathtip|texttip)\s*\{[^{}]*\}"
    r"|(?:re|provide)?newcommand\*?\s*\{?\\\w+\}?(?:\[\d\])?|[gex]?def\s*\\\w+)\s*\{"
    rf"|\\color{UNSEEN_COLOUR}\s*\{{?",  # without a group of its own it hides the rest of the group
    re.IGNORECASE,
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
# <s> is a token only where a text begins, </s> where it ends: elsewhere they strike a text through.
_SPECIAL = re.compile(
    r"<\|[^|<>\n]{0,60}\|>|\A\s{0,9}<s>|</s>(?=\s{0,9}(?:<|\Z))|<eos>|<end_of_turn>|<｜[^<>\n]{0,60}｜>",
    re.DOTALL,
)


def closing_brace(text: str, start: int) -> int:
    """Return the position after the brace that closes the one before `start`, or -1."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        mark = brace.group()
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if not depth:
                return brace.end()
    return -1


def _drop_hidden(text: str) -> str:
    """Drop what a reader would not see: comments, hidden elements, and boxes inside hiding commands."""
    text = _HIDDEN_REGION.sub(_HIDDEN_MARK, text)
    element = _HIDDEN_ELEMENT.search(text)
    if element:  # an honest answer has no hidden markup: what follows cannot be told from what is shown
        text = text[: element.start()]
    parts, position, skip = [], 0, 0
    for command in _HIDING_COMMAND.finditer(text):
        if command.start() < skip:
            continue
        skip = closing_brace(text, command.end())
        skip = len(text) if skip < 0 else skip
        if "\\boxed" in text[command.end() : skip]:
            parts.append(text[position : command.start()] + "}" * (text[command.end() - 1] != "{"))
            position = skip
    return "".join(parts) + text[position:]


_BOX = re.compile(r"\\boxed\s*\{")
_EMPTY_MARK = re.compile(
    r"\\[,;:! ]|\\(?:quad|qquad|displaystyle|underline|text|mathrm|boxed|hspace|square|_)(?![A-Za-z])|[{}\s~$_?]"
)
_BLANK_COMMAND = re.compile(r"\\(?:[hv]?phantom|hspace|vspace|rule)\*?\s*\{[^{}]*\}")


def _is_blank(content: str) -> bool:
    return not _EMPTY_MARK.sub("", _BLANK_COMMAND.sub("", content[:4000]))


def _boxes(text: str) -> tuple[list[str], bool]:
    """Return the contents of the outermost boxes that show something, and whether every box was closed.

    One pass with a stack of open braces: a box is outermost when no other box is open around it.
    """
    boxes: list[str] = []
    position = 0
    while box := _BOX.search(text, position):
        end = closing_brace(text, box.end())
        if end < 0:
            return boxes, False
        content = text[box.end() : end - 1]
        if not _is_blank(content):
            boxes.append(content)
        position = end
    return boxes, True


_TAG = re.compile(r"<\s*(/?)\s*answer\s*>", re.IGNORECASE)


def _tags(text: str) -> tuple[list[str], bool]:
    """Return the contents of the answer tags that show something, and whether every tag was closed."""
    contents: list[str] = []
    opened: int | None = None
    for tag in _TAG.finditer(text):
        if not tag.group(1):
            opened = tag.end()
        elif opened is not None:
            content = text[opened : tag.start()]
            contents += [_plain(content)] if content.strip() else []
            opened = None
    return contents, opened is None


def _plain(content: str) -> str:
    """Read a tilde before a value in running text as "about"; in a box it is TeX's blank."""
    return re.sub(r"\A([\s*_`$]{0,9})~(?=[\s\d$.+-])", r"\1≈", content)


_LABEL = re.compile(
    r"[ \t>*_#-]{0,12}(?:the[ ]+)?(?:final[ ]+)?answer[*_` ]{0,4}:(?P<labelled>.*)|[ \t]*#{4}(?!#)(?P<hashed>.*)",
    re.IGNORECASE,
)


def _line_answer(line: str) -> str | None:
    match = _LABEL.fullmatch(line.strip())
    if match is None:
        return None
    content = match.group("labelled")
    content = match.group("hashed") if content is None else content
    content = content.strip()
    for mark in ("**", "__", "*", "`"):  # emphasis that began before the label, or ends after the answer
        if content.count(mark) % 2:
            content = content.removeprefix(mark) if content.startswith(mark) else content.removesuffix(mark)
    return _plain(content.strip()) or None


def _line_answers(text: str) -> list[str]:
    """Return the answer on the last line, with any other answer lines that contradict it; none if it has none."""
    lines = [line for line in _SPECIAL.sub("", text).splitlines() if line.strip(" \t\r\ufffd")]
    last = _line_answer(lines[-1]) if lines else None
    if last is None:
        return []
    found = [
        a for line in lines[:-1] if ("nswer" in line or "#" in line or "NSWER" in line) and (a := _line_answer(line))
    ]
    # A heading may start with four hash marks: only one that holds no word is an answer of its own.
    others = [a for a in found if not re.search(r"[A-Za-z]{2}", a) or re.sub(r"\W", "", a) == re.sub(r"\W", "", last)]
    return [*others, last]


@dataclass(frozen=True, slots=True)
class Committed:
    """What a completion commits to: its answers (several only if the text gives several), or why there is none."""

    answers: tuple[str, ...]
    source: Source | None
    missing: Missing | None


_NOTHING = Committed((), None, "none")


def _found(answers: list[str], source: Source) -> Committed:
    unique = tuple(dict.fromkeys(a.strip() for a in answers))
    return Committed(unique, source, None)


def extract(text: str, finish_reason: str = "stop") -> Committed:
    """Find the committed answer of a whole model output.

    A text that was cut off, or whose thinking never closes, commits to nothing, whatever it holds.
    """
    visible, closed = strip_thinking(normalise(text[:MAX_TEXT]))
    if finish_reason == "length" or not closed or len(text) > MAX_TEXT:
        return Committed((), None, "cut off")
    shown = _drop_hidden(visible)
    boxes, complete = _boxes(shown) if "\\boxed" in shown else ([], True)
    if not complete:
        return _NOTHING
    if boxes:
        return _found(boxes, "box")
    tags, complete = _tags(shown)
    if tags or not complete:
        return _found(tags, "tag") if complete else _NOTHING
    lines = _line_answers(shown)
    if lines:
        return _found(lines, "line")
    return Committed((), None, "none" if visible.strip() else "thinking only")


def strip_special(text: str) -> str:
    """Drop the special tokens that end a turn in common chat templates."""
    return _SPECIAL.sub("", text)


def strip_marks(answer: str) -> str:
    """Drop what may stand around an answer: special tokens, emphasis, code marks, math delimiters, a period."""
    answer = (answer if "<s>" in answer else _SPECIAL.sub("", answer)).strip()
    while True:
        before = answer
        for mark in ("**", "__", "```", "`", "$$", "$", "*", "_"):
            size = len(mark)
            if len(answer) >= 2 * size and answer.startswith(mark) and answer.endswith(mark):
                inner = answer[size:-size]
                answer = inner.strip() if mark not in inner else answer
        for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
            if answer.startswith(opening) and answer.endswith(closing) and opening not in answer[2:]:
                answer = answer[2:-2].strip()
        if answer.endswith(".") and not answer.endswith(("..", r"\.")):
            answer = answer[:-1].strip()
        if answer == before:
            return answer
