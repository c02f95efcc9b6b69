"""Formulas in texts: what is one and what is money, what it becomes, and that no text can become anything else."""

import re
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mathml import Formula, pieces, to_mathml

ELEMENT: Final = re.compile(r"</?(?:math|m[a-z]+)(?: [a-z]+=\"[a-z0-9.+-]+\")*>")
COMMANDS: Final = r"\frac \left( \right) \sqrt \text{ \href{ \style{ \begin{matrix} \end{matrix} \boxed{ \( \) \[ \]"
SIGNS: Final = r"{ } ^ _ & \\ [ ] < > ' \" $ x 1 %"


def shown(text: str) -> list[str]:
    """The pieces of a text, formulas in brackets."""
    return [piece if isinstance(piece, str) else f"[{piece.source}]" for piece in pieces(text)]


def only_mathml(markup: str) -> bool:
    """Tell whether nothing but elements of MathML with plain attributes stands in it."""
    rest = ELEMENT.sub("", markup)
    return "<" not in rest and ">" not in rest and '"' not in rest


CUT: Final = {
    r"so \(x=2\) holds": ["so ", r"[\(x=2\)]", " holds"],
    r"\[ \frac{1}{2} \]": [r"[\[ \frac{1}{2} \]]"],
    "$$x$$": ["[$$x$$]"],
    "with $x_1$ here": ["with ", "[$x_1$]", " here"],
    "costs $5 and $6 more": ["costs $5 and $6 more"],
    "from $5/$6": ["from $5/$6"],
    "$5 today\nand 3$": ["$5 today\nand 3$"],
    r"it is \boxed{\frac{1}{2}}.": ["it is ", r"[\boxed{\frac{1}{2}}]", "."],
    r"\begin{align*}a&=b\\c&=d\end{align*}": [r"[\begin{align*}a&=b\\c&=d\end{align*}]"],
    r"never closed \( x": [r"never closed \( x"],
    r"broken \(\left( x\) then \(y\)": [r"broken \(\left( x\) then ", r"[\(y\)]"],
    "": [],
}


@pytest.mark.parametrize("text", CUT)
def test_formulas_are_cut_out_of_a_text(text: str) -> None:
    assert shown(text) == CUT[text]


READ: Final = {
    r"x<y": "<mo>&lt;</mo>",
    r"\frac{a}{b}": "<mfrac>",
    r"\boxed{42}": '<mrow class="box">',
    r"a \le b": "<mo>≤</mo>",
}


@pytest.mark.parametrize("latex", READ)
def test_formulas_become_mathml(latex: str) -> None:
    found = to_mathml(latex)
    assert found is not None
    assert READ[latex] in found
    assert only_mathml(found)


HOSTILE: Final = (
    r"\text{<script>alert(1)</script>}",
    r"\text{&lt;script&gt;alert(1)&lt;/script&gt;}",
    r"\text{&amp;lt;script&amp;gt;}",
    r"\href{javascript:alert(1)}{x}",
    r"\style{position:fixed}{x}",
    r"\color{red;background:url(//e.org)}{x}",
    r"\text{\" onmouseover=alert(1) x=\"}",
    r"\class{box\" onclick=\"x}{y}",
    r"\hspace{99999em} \rule{9999em}{9999em}",
    "<img src=x onerror=alert(1)>",
    "\x00\x1b",
)


@pytest.mark.parametrize("latex", HOSTILE)
def test_hostile_formulas_become_harmless_mathml_or_stay_text(latex: str) -> None:
    found = to_mathml(latex)
    assert found is None or (only_mathml(found) and "9999" not in found)


REFUSED: Final = (
    r"\newcommand{\a}{\b\b}\newcommand{\b}{xx}\a",
    r"\def\a{\a\a}\a",
    "{" * 300 + "}" * 300,
    r"\sqrt{" * 60 + "x" + "}" * 60,
    "x" * 1001,
    r"\left( x",
)


@pytest.mark.parametrize("latex", REFUSED, ids=range(len(REFUSED)))
def test_what_could_grow_or_cannot_be_read_is_refused(latex: str) -> None:
    assert to_mathml(latex) is None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*COMMANDS.split(), *SIGNS.split(), "\n", "\x00"]), max_size=25))
def test_pieces_are_the_text_and_nothing_but_mathml_is_markup(tokens: list[str]) -> None:
    text = "".join(tokens)
    found = list(pieces(text))
    assert "".join(p.source if isinstance(p, Formula) else p for p in found) == text
    assert all(only_mathml(p.mathml) for p in found if isinstance(p, Formula))
