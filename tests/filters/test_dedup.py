"""Duplicates: what counts as one, what never may, and that the order alone decides which is kept."""

import gzip
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from filters.dedup import DuplicateIndex, EarlierDatasetProblem, read_earlier, rejection
from filters.fingerprints import Kept
from filters.near import DatasketchSketches, RensaSketches, Sketches, banding, make_sketches
from filters.questions import Question
from filters.shingles import jaccard, shingle_sets, tokenise
from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.config import NearDuplicates
from pipeline.records import Problem, Provenance, Rejection, make_problem, to_table
from pipeline.seeds import rng_for

SETTINGS = NearDuplicates()
GSM8K = Path(__file__).parent.parent / "data" / "gsm8k_excerpt.jsonl"
QUESTIONS = [json.loads(line)["question"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
STORY = (
    "A farmer packs 12 crates of apples in the morning and 30 crates of pears in the afternoon. Each crate weighs the "
    "same, and the lorry can carry no more than 9 tonnes. How many crates does the farmer pack on that day altogether?"
)


def problem(question: str, family: str = "f", number: int = 0) -> Problem:
    return make_problem(
        question, str(number), domain="d", family=family, strategy="imported", provenance=Provenance("test", "1")
    )


def screen(*questions: str, settings: NearDuplicates | None = SETTINGS) -> list[Rejection]:
    """The rejections of different problems with these questions."""
    return DuplicateIndex(settings).screen([problem(q, number=n) for n, q in enumerate(questions)])[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 2 + 3?", "What is 2 + 3?"),
        ("What is 2 + 3?", "  what\n is 2+3 "),
        ("Ben's pens: how many?", "“Ben’s pens” – how many".replace("–", "—")),
        ("It costs 1,000 dollars.", "It costs 1000 dollars!"),
        ("Solve $x^2 = 4$.", "Solve \\(x^2 = 4\\)"),
        ("Solve x² = 4", "Solve x^2 = 4"),
        ("A well-known sum: 2 − 3", "a well known sum 2 - 3"),
        ("Ｆｕｌｌ width ５", "full width 5"),
        ("The ﬁrst Straße", "the first STRASSE"),
        ("It weighs 3.50 kg", "It weighs 3.5 kg"),
        ("求 3 的平方。", "求3的平方"),
    ],
)
def test_exact_duplicates(first: str, second: str) -> None:
    for settings in (SETTINGS, None):
        (rejection,) = screen(first, second, settings=settings)
        kept, given_up = problem(first), problem(second, number=1)
        assert (rejection.record_id, rejection.stage, rejection.filter) == (given_up.id, "screen", "exact duplicate")
        assert rejection.score == 1.0 and kept.id in rejection.reason
        evidence = {"duplicate_of": kept.id, "question": first, "from": "this run", "gold differs": ["1", "0"]}
        assert json.loads(rejection.evidence) == evidence and rejection.reason.endswith("gold differs")
        to_table(Rejection, [rejection])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 3 + 5?", "What is 3 - 5?"),
        ("What is 3 + 5?", "What is 3 + 6?"),
        ("What is 3.5 + 1?", "What is 35 + 1?"),
        ("What is -3 + 5?", "What is 3 + 5?"),
        ("What is 1/2 of 6?", "What is 12 of 6?"),
        ("What is 10² ?", "What is 102?"),
        ("What is 5! mod 7?", "What is 5 mod 7?"),
        ("Find f'(2).", "Find f(2)."),
        ("Solve y'' + y = 0.", "Solve y' + y = 0."),
        ("What is (2+3)*4?", "What is 2+(3*4)?"),
        ("Is x < 3 likely?", "Is x > 3 likely?"),
        ("Find the set {1, 2}", "Find the set {12}"),
        (STORY, STORY.replace("30", "31")),
        (STORY, STORY.replace("30", "300")),
        (STORY, STORY.replace("9 tonnes", "12 tonnes")),
        (f"{STORY} Start with x = 5.", f"{STORY} Start with x = -5."),
        (QUESTIONS[0], QUESTIONS[1]),
        ("5", "6"),
    ],
)
def test_other_problems_are_no_duplicates(first: str, second: str) -> None:
    assert screen(first, second) == []


@pytest.mark.parametrize(
    "second",
    [
        STORY.replace("altogether", "in total"),
        STORY.replace("12", "twelve"),
        STORY.replace("A farmer", "One old farmer").replace("12", "Twelve").replace("One ", "A very "),
        STORY.replace("apples", "plums").replace("afternoon. ", "afternoon! "),
        STORY.replace("30", "30.0").replace("9 tonnes", "nine tonnes"),
    ],
)
def test_near_duplicates(second: str) -> None:
    (rejection,) = screen(STORY, second)
    assert rejection.filter == "near duplicate" and rejection.stage == "screen"
    expected = jaccard(*(shingle_sets(tokenise(q), 3, False)[0] for q in (STORY, second)))
    assert rejection.score == expected >= 0.8
    assert problem(STORY).id in rejection.reason and f"{expected:.0%}" in rejection.reason
    assert json.loads(rejection.evidence)["question"] == STORY
    assert screen(STORY, second, settings=None) == []


def test_the_threshold_is_exact() -> None:
    second = STORY.replace("apples", "plums")
    similarity = jaccard(*(shingle_sets(tokenise(q), 3, False)[0] for q in (STORY, second)))
    assert len(screen(STORY, second, settings=NearDuplicates(threshold=similarity))) == 1
    assert screen(STORY, second, settings=NearDuplicates(threshold=similarity + 1e-9)) == []


def test_number_blind_families_ignore_numbers_among_themselves_and_against_earlier_datasets() -> None:
    other = STORY.replace("30", "31")
    rows = [problem(STORY, "blind"), problem(other, "seeing"), problem(other, "blind", 1), problem(other + " !", "x")]
    index = DuplicateIndex(SETTINGS, frozenset({"blind"}))
    kept, rejections = index.screen([rows[0], problem(STORY.replace("30", "8"), "blind")])
    assert kept == rows[:1] and rejections[0].score == 1.0 and "numbers aside" in rejections[0].reason
    assert index.screen([rows[1]])[0] == [rows[1]]
    assert [r.filter for r in index.screen(rows[2:])[1]] == ["exact duplicate"] * 2

    against = DuplicateIndex(SETTINGS, frozenset({"blind"}))
    against.add_earlier([Question("e1", STORY, "old.parquet")])
    kept, rejections = against.screen([problem(other, "blind"), problem(other, "seeing")])
    assert [p.family for p in kept] == ["seeing"] and json.loads(rejections[0].evidence)["duplicate_of"] == "e1"


def test_earlier_datasets_come_first_and_are_named() -> None:
    index = DuplicateIndex(SETTINGS)
    rows = [("e1", STORY), ("e2", STORY), ("e3", "What is 2 + 3?")]
    index.add_earlier(Question(name, text, "old.parquet") for name, text in rows)
    questions = ("what is 2+3", STORY.replace("12", "twelve"), "New?", STORY)
    kept, rejections = index.screen([problem(question) for question in questions])
    assert [p.question for p in kept] == ["New?"]
    assert [(r.filter, json.loads(r.evidence)["duplicate_of"]) for r in rejections] == [
        ("exact duplicate", "e3"),
        ("near duplicate", "e1"),
        ("exact duplicate", "e1"),
    ]
    assert all(json.loads(r.evidence)["from"] == "old.parquet" and "old.parquet" in r.reason for r in rejections)


def test_the_best_match_is_named_and_a_rejected_question_attracts_nothing() -> None:
    words = STORY.split()
    chain = [" ".join(words[: len(words) - cut]) for cut in (0, 5, 10)]
    near, far = screen(*chain[:2]), screen(chain[0], chain[2])
    assert len(near) == 1 and len(far) == 0 and len(screen(*chain)) == 1
    (rejection,) = screen(chain[2], chain[0], chain[1])
    sets = [shingle_sets(tokenise(q), 3, False)[0] for q in chain]
    assert rejection.score == max(jaccard(sets[1], sets[0]), jaccard(sets[1], sets[2]))


def test_of_equally_similar_questions_the_first_is_named() -> None:
    first, second = STORY.replace("apples", "plums"), STORY.replace("pears", "nuts")
    (rejection,) = screen(first, second, STORY)
    assert json.loads(rejection.evidence)["question"] == first
    (rejection,) = screen(second, first, STORY)
    assert json.loads(rejection.evidence)["question"] == second


def test_an_index_grows_and_still_finds_everything() -> None:
    stories = [STORY.replace("12", str(1000 + number)) for number in range(1200)]
    index = DuplicateIndex(SETTINGS, frozenset({"blind"}))
    kept, _ = index.screen([problem(story) for story in stories])
    assert len(kept) == len(stories)
    _, rejections = index.screen([problem(story.replace("altogether", "in total")) for story in stories])
    assert [json.loads(r.evidence)["duplicate_of"] for r in rejections] == [p.id for p in kept]


def variants(count: int) -> list[Problem]:
    """GSM8K questions with some words changed or dropped, and template problems: many pairs on both sides of 0.8."""
    problems: list[Problem] = []
    for number in range(count):
        rng = rng_for("variants", 0, number)
        words = rng.choice(QUESTIONS[:12]).split()
        for _ in range(rng.randint(0, 4)):
            place = rng.randrange(len(words))
            if not any(c.isdigit() for c in words[place]):
                words[place] = rng.choice(["then", "also", "blue", "many", ""])
        problems.append(problem(" ".join(words), number=number))
        if number % 4 == 0:
            problems.append(generate_problem(FAMILIES["work_rate"], 0, number))
    return problems


@pytest.mark.parametrize("size", [1, 7, 64])
def test_shard_sizes_change_nothing(size: int) -> None:
    problems = variants(240)
    whole = DuplicateIndex(SETTINGS).screen(problems)
    assert len(whole[1]) > 50 and len(whole[0]) + len(whole[1]) == len(problems)
    index, kept, rejections = DuplicateIndex(SETTINGS), list[Problem](), list[Rejection]()
    for start in range(0, len(problems), size):
        some = index.screen(problems[start : start + size])
        kept, rejections = kept + some[0], rejections + some[1]
    assert (kept, rejections) == whole


@pytest.mark.parametrize("kind", [RensaSketches, DatasketchSketches])
def test_candidates_hold_nearly_every_pair_at_the_threshold(
    kind: type[RensaSketches] | type[DatasketchSketches],
) -> None:
    sets = [shingle_sets(tokenise(p.question), 3, False)[0] for p in variants(240)]
    similar = {(a, b) for a, b in combinations(range(len(sets)), 2) if jaccard(sets[a], sets[b]) >= 0.8}
    bands, rows = banding(0.8, 128)
    sketches = kind(bands, rows)
    found = set()
    for number, sketch in enumerate(sketches.sketch(sets)):
        found |= {(key, number) for key in sketches.query(sketch)}
        sketches.insert(number, sketch)
    assert len(similar) > 300
    assert len(similar & found) >= 0.99 * len(similar)
    assert len(found) < 0.2 * len(sets) ** 2 / 2


def test_without_rensa_datasketch_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = variants(160)
    with_rensa = DuplicateIndex(SETTINGS).screen(problems)
    assert isinstance(make_sketches(SETTINGS), RensaSketches)
    monkeypatch.setitem(sys.modules, "rensa", None)
    assert isinstance(make_sketches(SETTINGS), DatasketchSketches)
    assert DuplicateIndex(SETTINGS).screen(problems) == with_rensa


@pytest.mark.parametrize("permutations", [16, 64, 128, 1024])
@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.8, 0.99, 1.0])
def test_every_setting_gives_an_index(threshold: float, permutations: int) -> None:
    settings = NearDuplicates(threshold=threshold, permutations=permutations)
    bands, rows = banding(threshold, permutations)
    assert bands >= 2 and bands * rows <= permutations
    for kind in (RensaSketches, DatasketchSketches):
        kind(bands, rows)
    assert [r.score for r in screen(STORY, STORY.replace("12", "twelve"), settings=settings)] == [1.0]


@hypothesis_settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_screened(first: str, second: str) -> None:
    rejections = screen(first, second, first)
    assert 1 <= len(rejections) <= 2
    assert all(0.8 <= (r.score or 0) <= 1 for r in rejections)


ROWS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"id": "a", "question": "Q?"}, ("a", "Q?")),
    ({"id": 7, "question": "Q?", "prompt": "no"}, ("7", "Q?")),
    ({"question": "Q?"}, ("old:1", "Q?")),
    ({"prompt": "Q?"}, ("old:1", "Q?")),
    ({"problem": "Q?", "prompt": "no"}, ("old:1", "Q?")),
    ({"prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q?"}]}, ("old:1", "Q?")),
]


@pytest.mark.parametrize(("row", "expected"), ROWS)
def test_earlier_datasets_are_read(tmp_path: Path, row: dict[str, Any], expected: tuple[str, str]) -> None:
    plain, packed, table = (tmp_path / f"old{suffix}" for suffix in (".jsonl", ".jsonl.gz", ".parquet"))
    plain.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    packed.write_bytes(gzip.compress(json.dumps(row).encode()))
    pq.write_table(pa.Table.from_pylist([{**row, "unused": b"x"}]), table)
    for path in (plain, packed, table):
        name = expected[0].replace("old:", f"{path.name}:")
        assert list(read_earlier(path)) == [Question(name, expected[1], path.name, row=1)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"question": "Q?"}\n{"text": "Q?"}\n', "row 2: no text in a column question or"),
        ("a.jsonl", b'{"text": "Q?"}\n{"id": 1}\n', "no column question or problem or prompt; it has: text, id"),
        ("a.jsonl", b'{"question": 5}\n', "row 1: no text"),
        ("a.jsonl", b'{"prompt": [{"role": "system", "content": "S"}]}\n', "row 1: no text"),
        ("a.jsonl", b'{"question": "Q?"}\nbroken\n', "line 2: expected a JSON object"),
        ("a.jsonl", b"\xff\xfe\n", "line 1: expected UTF-8 text"),
        ("a.jsonl.gz", b"no gzip", "Not a gzipped file"),
        ("a.parquet", b"no parquet", "arquet"),
        ("missing.jsonl", None, "No such file"),
    ],
)
def test_what_cannot_be_compared_against_is_said_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EarlierDatasetProblem) as caught:
        list(read_earlier(path))
    assert str(caught.value).startswith(f"{path}: ") and says in str(caught.value) and "\n" not in str(caught.value)


def test_a_parquet_file_without_a_question_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    pq.write_table(pa.table({"text": ["Q?"], "gold": ["1"]}), path)
    with pytest.raises(EarlierDatasetProblem, match="no column question or problem or prompt; it has: text, gold"):
        list(read_earlier(path))


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        ("1/2", "0.5", False),
        ("1,000", "1000", False),
        ("12", "13", True),
        ("12", None, False),
        ("yes", "no", True),
        ("x" * 300, "y", False),
        ("\\frac{1}{", "7", True),
    ],
)
def test_a_near_duplicate_with_another_gold_says_so(first: str, second: str | None, differ: bool) -> None:
    rows = [Question("a", STORY, "old", answer=first), Question("b", STORY + " Say it.", "new", answer=second)]
    index = DuplicateIndex(SETTINGS)
    (_, (question, match)) = index.decide(rows)
    assert match is not None and match.filter == "near duplicate"
    made = rejection(question, match, rows[0])
    assert ("gold differs" in json.loads(made.evidence)) == ("gold differs" in made.reason) == differ


@pytest.mark.parametrize("kind", [RensaSketches, DatasketchSketches])
def test_kept_fingerprints_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Sketches]
) -> None:
    monkeypatch.setattr("filters.near.RensaSketches", kind)
    monkeypatch.setattr("filters.fingerprints.SMALLEST", 10)
    counted = {"sketches": 0}
    sketch = kind.sketch

    def counting(self: Sketches, sets: Any) -> Any:
        counted["sketches"] += len(sets)
        return sketch(self, sets)

    monkeypatch.setattr(kind, "sketch", counting)
    problems = variants(60)
    earlier = [Question(p.id, p.question, "old") for p in problems[:40]]

    def run(digest: str, threshold: float = 0.8) -> tuple[list[Problem], list[Rejection]]:
        index = DuplicateIndex(NearDuplicates(threshold=threshold), frozenset({"work_rate"}))
        index.add_earlier(earlier, Kept(tmp_path, digest))
        return index.screen(problems, Kept(tmp_path, "problems"))

    first = run("a")
    made = counted["sketches"]
    assert made > len(problems) + len(earlier), "number-blind questions have a second sketch"
    assert len(list(tmp_path.iterdir())) == 2
    assert run("a") == first and counted["sketches"] == made
    assert run("b") == first and counted["sketches"] < 2 * made
    made = counted["sketches"]
    run("a", threshold=0.5)
    assert counted["sketches"] > made, "other settings, other sketches"
    for path in tmp_path.iterdir():
        path.write_bytes(b"damaged")
    assert run("a") == first


def test_a_family_of_the_settings_is_number_blind() -> None:
    settings = NearDuplicates(number_blind_families=("blind",))
    rows = [problem(STORY, "blind"), problem(STORY.replace("30", "8"), "blind")]
    assert len(DuplicateIndex(settings).screen(rows)[1]) == 1 and DuplicateIndex(SETTINGS).screen(rows)[1] == []
