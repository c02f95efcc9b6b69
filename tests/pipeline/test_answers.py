"""Extraction: which answer a completion commits to, in linear time, whatever the text holds."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.answers import extract, normalise, strip_marks, strip_thinking

# Each row: the text, the answers it commits to, and why there is none. Rules: tests/verifier_cases/README.md.
EXTRACTED = [
    (r"So \boxed{42}.", ("42",), None),
    (r"\boxed{41} no, \boxed{42}", ("41", "42"), None),
    (r"\boxed{42} as said, \boxed{42}", ("42",), None),
    (r"\boxed{\boxed{42}}", (r"\boxed{42}",), None),
    (r"\boxed {42}", ("42",), None),
    (r"\boxed{\{1,2\}}", (r"\{1,2\}",), None),
    (r"put it in \boxed{}. It is \boxed{42}", ("42",), None),
    (r"\boxed{\phantom{2}} is \boxed{4}", ("4",), None),
    (r"\boxed{42", (), "none"),
    (r"\boxed{41} and \boxed{42", (), "none"),
    ("<think>\\boxed{41}</think>\\boxed{42}", ("42",), None),
    ("\\boxed{42}<think>\\boxed{41}</think>", ("42",), None),
    ("\\boxed{41}</think>\\boxed{42}", ("42",), None),
    ("a</think>\\boxed{41}</think>\\boxed{42}", ("42",), None),
    ("\\boxed{41}<think>a</think> b</think>\\boxed{42}", ("42",), None),
    ("<think>\\boxed{42}", (), "cut off"),
    ("\\boxed{42}<think>wait", (), "cut off"),
    ("<think>\\boxed{42}</think>", (), "thinking only"),
    ("<THINK>\\boxed{42}</Think> ok", (), "none"),
    ("<th\u200bink>\\boxed{42}", (), "cut off"),
    ("<answer>42</answer>", ("42",), None),
    ("<answer>41</answer><answer>42</answer>", ("41", "42"), None),
    ("<answer>42", (), "none"),
    ("<answer>42</answer><answer>4", (), "none"),
    ("in <answer></answer> tags: <answer>42</answer>", ("42",), None),
    ("<answer>\\boxed{42}</answer>", ("42",), None),
    ("Answer: 42", ("42",), None),
    ("**Answer:** 42", ("42",), None),
    ("**Answer: 42**", ("42",), None),
    ("### Answer: 42", ("42",), None),
    ("The final answer: 42", ("42",), None),
    ("Answer: 42<|im_end|>", ("42",), None),
    ("#### 42", ("42",), None),
    ("#### 41\n#### 42", ("41", "42"), None),
    ("Answer: 41\nAnswer: 42", ("41", "42"), None),
    ("#### Step one\nwords\n#### 42", ("42",), None),
    ("Answer: 42\nMore words", (), "none"),
    ("The answer is 42.", (), "none"),
    ("Answer:", (), "none"),
    ("", (), "thinking only"),
    ("<!-- \\boxed{42} -->", (), "none"),
    ("% \\boxed{42}\nno", (), "none"),
    ("20% more, so \\boxed{42}", ("42",), None),
    ("\\phantom{\\boxed{42}} hm", (), "none"),
    ("\\textcolor{white}{\\boxed{42}} \\boxed{43}", ("43",), None),
    ("\\begin{comment}\\boxed{42}\\end{comment}\\boxed{43}", ("43",), None),
    ('<span style="display:none">\\boxed{42}</span>', (), "none"),
    ("{\\color{white}\\boxed{41}} \\boxed{42}", ("42",), None),
    ("\\style{visibility:hidden}{\\boxed{42}}", (), "none"),
    ("\\newcommand{\\x}{\\boxed{42}}", (), "none"),
    ("[//]: # (\\boxed{41})\n\\boxed{42}", ("42",), None),
    ("[see](\\boxed{42})", (), "none"),
    ("<script>\\boxed{42}</script>", (), "none"),
    ("so % \\boxed{42}", (), "none"),
    ("<answer>~42</answer>", ("≈42",), None),
    ("<s>Answer: 42</s>", ("42",), None),
]


@pytest.mark.parametrize(("text", "answers", "missing"), EXTRACTED)
def test_the_committed_answer(text: str, answers: tuple[str, ...], missing: str | None) -> None:
    committed = extract(text)
    assert committed.answers == answers
    assert committed.missing == missing


def test_a_cut_off_output_commits_to_nothing() -> None:
    assert extract(r"\boxed{42} and", "length").missing == "cut off"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("４２", "42"),
        ("−5", "-5"),
        ("4\u200b2", "42"),
        ("10³", "10^{3}"),
        ("x₁₂", "x_{12}"),
        ("½", r"\frac{1}{2}"),
        ("𝟒𝟐", "42"),
        ("0.1\u03056\u0305", r"0.\overline{16}"),
        ("20℃", "20°C"),
    ],
)
def test_unicode_is_written_plainly(text: str, plain: str) -> None:
    assert normalise(text) == plain


@pytest.mark.parametrize(
    ("answer", "stripped"),
    [
        ("$42$", "42"),
        ("**42**", "42"),
        (r"\(42\)", "42"),
        ("`42`.", "42"),
        ("$$42.$$", "42"),
        ("*a* b *c*", "*a* b *c*"),
    ],
)
def test_marks_around_an_answer_go(answer: str, stripped: str) -> None:
    assert strip_marks(answer) == stripped


HOSTILE = [
    "{",
    "$",
    "\\boxed{",
    "<think>",
    "</think>",
    "<answer>",
    "\\phantom{",
    "<!--",
    "#",
    "Answer: ",
    "%",
    "\\",
    "<a ",
    "x\n",
    "<script",
    "\\color{white}",
    "\\def\\x",
    "[a]: # (",
    "](\\boxed{",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_extraction_is_linear(piece: str) -> None:
    """Four times the text takes far less than the sixteen times of a quadratic reading, in processor time."""
    short, long = piece * (400_000 // len(piece)), piece * (1_600_000 // len(piece))
    assert processor_seconds(long + "}" * 200_000) < 9 * processor_seconds(short + "}" * 50_000) + 0.2


def processor_seconds(text: str) -> float:
    start = time.process_time()
    extract(text)
    return time.process_time() - start


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*HOSTILE, "}", "</answer>", "42", " ", "\n", "text", "\\boxed{42}", "$42$"]), max_size=40)
)
def test_extraction_never_fails(pieces: list[str]) -> None:
    text = "".join(pieces)
    committed = extract(text)
    assert bool(committed.answers) == (committed.missing is None)
    visible, closed = strip_thinking(text)
    assert "</think>" not in visible or not closed
