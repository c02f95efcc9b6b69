"""Multiple choice: one letter, with or without parentheses or a period; the text of that same option may follow."""

import re
from typing import Final

from pipeline.verifiers.notation import Unreadable, string_key, visible

_LETTER: Final = re.compile(
    r"(?:option|choice)?\s*(?:\(\s*([A-Za-z])\s*\)|\[\s*([A-Za-z])\s*\]|([A-Za-z]))\s*([.):,\-]?)(\s*)(.*)",
    re.DOTALL | re.IGNORECASE,
)
_OPTION: Final = re.compile(
    r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{\s*)?(?:\(\s*([A-Z])\s*\)|(?<![A-Za-z0-9\\$])([A-Z])\s*[.):])\s*\}?\s*"
)


def options(question: str) -> dict[str, str]:
    """Return the options of a question by letter: (A) first (B) second, or A. first, or A) first."""
    found = [(m.group(1) or m.group(2), m.start(), m.end()) for m in _OPTION.finditer(question)]
    found = [f for k, f in enumerate(found) if f[0] == chr(ord("A") + k)] if found and found[0][0] == "A" else []
    ends = [*(start for _, start, _ in found[1:]), len(question)][: len(found)]
    return {
        letter: question[begin:end].strip().rstrip(",;").removesuffix("and").removesuffix("or").strip()
        for (letter, _, begin), end in zip(found, ends, strict=True)
    }


def read_letter(answer: str, question: str | None) -> str:
    """Return the chosen letter. Raises Unreadable if the answer is anything but a choice of one option."""
    shown = visible(answer).strip("*_ ")
    match = _LETTER.fullmatch(shown)
    if match is None:
        raise Unreadable("not a letter")
    letter = next(group for group in match.groups()[:3] if group)
    if letter.islower():
        raise Unreadable("a word, not a letter")
    rest = match.group(6).strip()
    if not rest and match.group(4) not in (",", "-"):
        return letter
    bare = match.group(3) is not None and not match.group(4)
    if bare and not match.group(5):
        raise Unreadable("a word, not a letter")
    known = options(question or "").get(letter)
    if known is None or option_key(known) != option_key(rest):
        raise Unreadable("text that is not the text of the option")
    return letter


def option_key(text: str) -> str:
    """Return what two wordings of one option share."""
    return re.sub(
        r"[{}\\$]|\\text\w*|\\math\w\w|[dt](?=frac)", "", string_key(re.sub(r"\\q?quad.*\Z|\\hspace.*\Z", "", text))
    )


def same_choice(gold: str, answer: str, question: str | None) -> bool:
    """Compare the chosen letter with the gold's letter."""
    wanted = read_letter(gold, question)
    letter = read_letter(answer, question)
    known = options(question or "")
    if known and letter not in known:
        return False
    return letter == wanted
