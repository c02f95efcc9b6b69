"""Contamination: every kind of leak is found with its evidence, and what only shares boilerplate is not."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filters.contamination import KINDS, REJECTED_BY, TRACE_KINDS, ContaminationIndex, Hit, rejection
from filters.contamination_benchmark import BenchmarkProblem, BenchmarkQuestion, read_benchmarks
from filters.contamination_text import joined, letters, letters_and_digits, view
from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.contamination_settings import Decontamination
from pipeline.records import Rejection, to_table

GSM8K = Path(__file__).parent.parent / "data" / "gsm8k_excerpt.jsonl"
WALK = (
    "Every morning Aya goes for a $9$-kilometer-long walk and stops at a coffee shop afterwards. When she walks at a "
    "constant speed of $s$ kilometers per hour, the walk takes her 4 hours. Find the minutes that the walk takes Aya."
)
TRIANGLE = (
    r"Let $m$ be the least area of a lattice triangle whose centroid lies at $\left(\frac{1}{2}, \sqrt{3}\right)$ "
    r"exactly. The ratio can be written as $\frac{m}{n}$ where $m$ and $n$ are relatively prime positive integers. "
    "Find $m + n$."
)
SHORT = r"Compute $\frac{7}{12} + \frac{5}{18}$."
TINY = "2 + 2?"
QUESTIONS = [BenchmarkQuestion(str(n), "b.jsonl", text) for n, text in enumerate([WALK, TRIANGLE, SHORT, TINY])]
SETTINGS = Decontamination()
INDEX = ContaminationIndex(QUESTIONS, SETTINGS)


def index(*texts: str, **settings: object) -> ContaminationIndex:
    questions = [BenchmarkQuestion(str(n), "b.jsonl", text) for n, text in enumerate(texts)]
    return ContaminationIndex(questions, Decontamination.model_validate(settings))


LEAKS = [
    ("verbatim", WALK, "exact", 0),
    ("verbatim with formulas", TRIANGLE, "exact", 1),
    ("short", SHORT, "exact", 2),
    ("short, respelt", "compute 7/12 + 5/18", "exact", 2),
    ("short, in a longer text", r"First compute \(\dfrac{7}{12}+\dfrac5{18}\), then double it.", "embedded", 2),
    ("tiny", " 2+2 ", "exact", 3),
    ("case and punctuation", WALK.upper().replace(".", " ; "), "exact", 0),
    ("Unicode", WALK.replace("-", "\u2011").replace(" s", " s").replace("'", "’"), "exact", 0),
    ("in a longer text", f"Here is a riddle for you! {WALK} Tell me why.", "embedded", 0),
    (
        "reordered sentences",
        "When she walks at a constant speed of $s$ kilometers per hour, the walk takes her 4 hours. Every morning Aya "
        "goes for a $9$-kilometer-long walk and stops at a coffee shop afterwards. Find the minutes that the walk "
        "takes Aya.",
        "reordered",
        0,
    ),
    ("renamed people", WALK.replace("Aya", "Lieselotte"), "ngram", 0),
    ("other numbers", WALK.replace("9", "11").replace("4", "6"), "ngram", 0),
    (
        "other numbers everywhere, other people, other words here and there",
        "Each morning Tom goes for a 12 kilometer long walk and stops at a 3 coffee shop afterwards. When he walks at "
        "a constant speed of 5 kilometers per hour, the walk takes him 7 hours. Find the 8 minutes that the 2 walk "
        "takes Tom.",
        "skeleton",
        0,
    ),
    ("part", "Why stops at a coffee shop afterwards when she walks at all?", "ngram", 0),
    (
        "LaTeX respelt",
        TRIANGLE.replace(r"\left", "").replace(r"\right", "").replace(r"\frac", r"\dfrac").replace("$", "$$"),
        "exact",
        1,
    ),
]


@pytest.mark.parametrize(("text", "kind", "row"), [leak[1:] for leak in LEAKS], ids=[leak[0] for leak in LEAKS])
def test_a_leak_is_found_with_its_evidence(text: str, kind: str, row: int) -> None:
    hit = INDEX.check(text)
    assert hit is not None and (hit.kind, hit.question) == (kind, QUESTIONS[row])
    assert 0 < hit.score <= 1 and (hit.score == 1) >= (kind in ("exact", "embedded", "reordered"))
    assert hit.shared and (kind == "skeleton" or f" {hit.shared} " in view(text).plain)


CLEAN = [
    "",
    "   ",
    "How many of the 12 apples are left?",
    "What is the value of 2 + 2 if 3 is added, and what is 7/12 - 5/18?",
    "Compute 7/12 - 5/18.",
    "Compute 17/12 + 5/18.",
    "A die is rolled. The probability can be written as m/n where m and n are relatively prime positive integers. "
    "Find m + n.",
    "Every morning Aya walks to a shop. A walk takes her 4 hours.",
    "每天早上她走路去咖啡店。",
    "\x00\ud800 $\\frac{",
]


@pytest.mark.parametrize("text", CLEAN)
def test_what_shares_only_boilerplate_or_operands_is_no_leak(text: str) -> None:
    assert INDEX.check(text) is None


def test_languages_without_blanks_are_compared_too() -> None:
    text = "小明每天早上沿着河边走九公里然后在咖啡店停下来休息"
    hit = index(text).check(f"题目：{text}。求时间。")
    assert hit is not None and hit.kind == "embedded"


def test_template_problems_and_the_excerpt_do_not_hit_one_another() -> None:
    excerpt = [json.loads(line)["question"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    against = index(*excerpt)
    families = FAMILIES.values()
    hits = [against.check(generate_problem(family, 0, n).question) for family in families for n in range(5)]
    assert not any(hits)
    assert all(hit is not None and hit.question.id == str(n) for n, hit in enumerate(map(against.check, excerpt)))


def test_the_first_look_agrees_with_the_tokens() -> None:
    texts = [WALK, TRIANGLE, SHORT, "1,000.50 apples’ 90^\\circ \\le 5", "naïve café’s x² ≥ π"]
    texts += [generate_problem(family, 0, n).question for family in FAMILIES.values() for n in range(5)]
    for text in texts:
        assert letters(text) == joined(token for token in view(text).tokens if token[0].isalpha())
    assert letters_and_digits(r"$\sqrt{2.50} \le 5\pi$ a’s") == letters_and_digits("√2.50 ≤ 5π A's") == b"sqrt2505pias"


@pytest.mark.parametrize(
    "part", ["^" + " " * 9, "\\frac{", "\\frac{1}{", "\\", "^{ ", "a ", "'", "1", "\\frac" + " " * 9, WALK]
)
def test_a_long_hostile_text_is_checked_in_linear_time(part: str) -> None:
    started = time.process_time()
    hit = INDEX.check(f"{WALK} {part * (400_000 // len(part))}^{' ' * 200_000}")
    assert hit is not None and hit.kind == "embedded" and time.process_time() - started < 20


def test_a_number_in_a_short_question_is_found_as_it_is_written() -> None:
    assert index("Add 1,000.50 to 2.0.").check("Add 1,000.50 to 2.0.") is not None


def test_allowed_phrases_count_for_no_ngram(tmp_path: Path) -> None:
    phrase = "The following paragraph describes a situation from a day at school"
    own = "Three bells ring."
    text = f"{phrase}. A teacher hands out seven green pencils to each pupil."
    assert index(f"{phrase}. {own}").check(text) is not None
    assert index(f"{phrase}. {own}", allow=[phrase]).check(text) is None
    listed = tmp_path / "phrases.txt"
    listed.write_text(f"\n{phrase}\n", encoding="utf-8")
    assert index(f"{phrase}. {own}", allow_file=listed).check(text) is None
    with pytest.raises(BenchmarkProblem, match=r"nowhere\.txt: cannot be read"):
        index(own, allow_file=tmp_path / "nowhere.txt")


def test_an_ngram_of_many_different_questions_is_boilerplate() -> None:
    ending = "Explain carefully which rule of thumb the clerk broke"
    animals = ("heron", "otter", "lynx", "mole", "stoat")
    texts = [f"One {animal} watches another {animal} at dawn. {ending}." for animal in animals]
    text = f"A shop sells hats. {ending}."
    assert index(*texts, common=5).check(text) is not None
    assert index(*texts, common=4).check(text) is None
    # The same question with other numbers is one question, however often it is there.
    again = [f"{n} herons watch {n + 1} otters at dawn by the lake. {ending}." for n in range(30)]
    assert index(*again, common=4).check(text) is not None


def test_ngrams_may_be_asked_for_in_number() -> None:
    part = "Why stops at a coffee shop afterwards when she walks at all?"
    assert index(WALK, ngram=12).check(part) is None
    assert index(WALK, ngram_share=0.5).check(part) is None
    assert index(WALK, ngram_share=0.5).check(WALK.replace("4", "5")) is not None


def test_traces_are_checked_by_what_stands_in_them() -> None:
    other = LEAKS[12][1]
    assert INDEX.check(other) is not None and INDEX.check(other, TRACE_KINDS) is None
    hit = INDEX.check("So we know this one. " * 200 + WALK + " The answer is 204." * 200, TRACE_KINDS)
    assert hit is not None and hit.kind == "embedded"


def test_a_model_decides_in_the_grey_zone_only() -> None:
    asked: list[tuple[str, str]] = []

    def refuse(text: str, question: str) -> bool:
        asked.append((text, question))
        return False

    judged = ContaminationIndex(QUESTIONS, SETTINGS, adjudicate=refuse)
    part = "Why stops at a coffee shop afterwards when she walks at all?"
    assert judged.check(part) is None and asked == [(part, WALK)]
    assert judged.check(WALK) is not None and len(asked) == 1
    upheld = ContaminationIndex(QUESTIONS, SETTINGS, adjudicate=lambda *both: both == (part, WALK))
    assert upheld.check(part) is not None


def test_embeddings_find_what_no_word_does() -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[1, 0] if "oast" in t or "Aya" in t else [0.6, 0.8] for t in texts], np.float32)

    texts = ["A roast takes an hour.", WALK, "Cats.", ""]
    assert [hit and hit.kind for hit in INDEX.check_many(texts)] == [None, "exact", None, None]
    near = ContaminationIndex(QUESTIONS[:1], Decontamination(semantic=True, semantic_share=0.9), embed=embed)
    assert [hit and hit.kind for hit in near.check_many(texts)] == ["semantic", "exact", None, None]
    assert [hit and hit.kind for hit in near.check_many(texts, TRACE_KINDS)] == [None, "exact", None, None]
    no = ContaminationIndex(QUESTIONS[:1], Decontamination(semantic=True), embed=embed, adjudicate=str.__eq__)
    assert no.check_many(texts)[0] is None


def test_a_rejection_says_what_was_matched() -> None:
    hit = INDEX.check(WALK.replace("Aya", "Tom"))
    assert isinstance(hit, Hit)
    record = rejection("p1", "screen", hit)
    assert (record.record_id, record.stage, record.filter, record.score) == ("p1", "screen", REJECTED_BY, hit.score)
    assert "benchmark question 0 (b.jsonl)" in record.reason and "n-grams" in record.reason
    evidence = json.loads(record.evidence)
    assert evidence["matched_text"] == WALK and evidence["matched_id"] == "0" and evidence["from"] == "b.jsonl"
    assert "coffee shop" in evidence["shared"]
    to_table(Rejection, [record])
    assert set(KINDS) >= set(TRACE_KINDS)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("b.jsonl", '{"question": "Q?"}\nbroken\n', "b.jsonl:2: expected a JSON object"),
        ("b.jsonl", '{"problem": "Q?"}\n{"text": "Q?"}\n', "b.jsonl:2: no text in any of question, problem, prompt"),
        ("b.jsonl", "", "b.jsonl: holds no question to compare with"),
        ("b.jsonl", '\n{"question": " "}\n{"problem": "?!"}\n', "b.jsonl: holds no question to compare with"),
        ("b.csv", "question\n", "expected a file ending in"),
        ("b.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_benchmark_is_read_whole_or_not_at_all(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BenchmarkProblem) as caught:
        read_benchmarks(Decontamination(benchmarks=(path,)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_benchmark_questions_have_the_names_of_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    rows = [{"id": 60, "problem": "P?"}, {"question": "Q?"}, {"prompt": [{"role": "user", "content": "R?"}]}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_benchmarks(Decontamination(benchmarks=(path,))) == [
        ("60", "b.jsonl", "P?", 1),
        ("b.jsonl:2", "b.jsonl", "Q?", 2),
        ("b.jsonl:3", "b.jsonl", "R?", 3),
    ]
    named = read_benchmarks(Decontamination(benchmarks=(path,), id="problem"))
    assert [question.id for question in named] == ["P?", "b.jsonl:2", "b.jsonl:3"]
