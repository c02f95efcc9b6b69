"""Clusters of duplicates: the connected components, and which question of each is kept."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.clusters import STRATEGY_ORDER, Clusters
from filters.dedup import DuplicateIndex
from filters.questions import Question
from filters.shingles import jaccard, shingle_sets, tokenise
from flows.data_verbs import KEEP_HELP
from pipeline.config import NearDuplicates
from pipeline.records import Strategy
from tests.filters.test_dedup import STORY

SETTINGS = NearDuplicates()
CHAIN = [" ".join(STORY.split()[: len(STORY.split()) - cut]) for cut in (0, 5, 10)]
BEST: list[tuple[list[dict[str, Any]], int]] = [
    ([{}, {}, {}], 0),
    ([{}, {}, {"answer": "42"}], 2),
    ([{"strategy": "template"}, {"answer": "42", "strategy": "written"}, {}], 1),
    ([{"strategy": "written"}, {"strategy": "evolved"}, {"strategy": "backward"}], 2),
    ([{"strategy": "backward"}, {"strategy": "imported"}, {"strategy": "template"}], 2),
    ([{"strategy": "written"}, {"strategy": "imported"}, {"strategy": "reasoning_gym"}], 2),
    ([{"strategy": "reasoning_gym"}, {"strategy": "template"}, {"strategy": "written"}], 1),
    ([{"strategy": "unheard of"}, {"strategy": "written"}, {"strategy": "written"}], 1),
]


@pytest.mark.parametrize(("rows", "best"), BEST)
def test_a_cluster_keeps_its_stated_best(rows: list[dict[str, Any]], best: int) -> None:
    """The first and the third are similar only through the second."""
    questions = [Question(str(n), text, "file", **row) for n, (text, row) in enumerate(zip(CHAIN, rows, strict=True))]
    index = DuplicateIndex(SETTINGS)
    losers = {number: match for number, _, match in index.decide_best([*questions, Question("x", "Other?", "file")])}
    assert set(losers) == {0, 1, 2} - {best} and {match.row for match in losers.values()} == {best}
    for number, match in losers.items():
        exact = jaccard(*(shingle_sets(tokenise(q), 3, False)[0] for q in (CHAIN[number], CHAIN[best])))
        assert match.similarity == exact
        assert match.filter == ("near duplicate" if exact >= 0.8 else "linked duplicate")


def test_every_strategy_has_its_place_and_the_help_tells_it() -> None:
    assert set(STRATEGY_ORDER) == set(get_args(Strategy))
    assert ", ".join(STRATEGY_ORDER) in KEEP_HELP


def test_earlier_questions_outrank_the_best_of_a_file() -> None:
    index = DuplicateIndex(SETTINGS)
    index.add_earlier([Question("old", CHAIN[1], "old.jsonl")])
    rows = [Question("a", CHAIN[0], "f", answer="1"), Question("b", CHAIN[0].upper(), "f"), Question("c", "New?", "f")]
    losers = list(index.decide_best(rows))
    assert [(number, index.questions[match.row].id) for number, _, match in losers] == [(0, "old"), (1, "old")]
    assert [match.filter for _, _, match in losers] == ["near duplicate"] * 2


def test_of_exact_duplicates_the_best_is_kept() -> None:
    rows = [Question("a", STORY, "f"), Question("b", f" {STORY}", "f", answer="42"), Question("c", STORY, "f")]
    losers = [(number, match.row, match.filter) for number, _, match in DuplicateIndex(SETTINGS).decide_best(rows)]
    assert losers == [(0, 1, "exact duplicate"), (2, 1, "exact duplicate")]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_clusters_are_the_connected_components(edges: list[tuple[int, int]]) -> None:
    clusters = Clusters()
    for _ in range(31):
        clusters.add()
    reached = {row: {row} for row in range(31)}
    for a, b in edges:
        clusters.union(a, b)
        whole = reached[a] | reached[b]
        reached |= dict.fromkeys(whole, whole)
    components = {tuple(sorted(rows)) for rows in reached.values() if len(rows) > 1}
    assert sorted(tuple(rows) for rows in clusters.members()) == sorted(components)
    assert all(clusters.same(a, b) == (b in reached[a]) for a in range(31) for b in range(31))
