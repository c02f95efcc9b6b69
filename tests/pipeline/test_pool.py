"""The pool sampler: the wanted shape, no row twice, the same rows for the same seed, an exact error otherwise."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.pool_command import write_pool
from pipeline.config_files import ConfigError
from pipeline.errors import GradatimError
from pipeline.pool import DISTRIBUTIONS, PoolTooSmall, describe, sample_pool

# Far more easy problems than hard ones, as pools are.
IN_BINS = {0.1: 60, 0.3: 80, 0.5: 100, 0.7: 200, 0.9: 400}


def pool() -> list[dict[str, Any]]:
    rates = [rate for rate, count in IN_BINS.items() for _ in range(count)]
    return [{"problem_id": f"p{i:04d}", "pass_rate": rate} for i, rate in enumerate(rates)]


def shape(rows: list[dict[str, Any]]) -> list[int]:
    counts = Counter(row["pass_rate"] for row in rows)
    return [counts[rate] for rate in IN_BINS]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("uniform", [20, 20, 20, 20, 20]),
        ("peaked", [10, 25, 30, 25, 10]),  # shares of p(1 - p): 0.104, 0.248, 0.296, 0.248, 0.104
        ("mirrored_j", [39, 25, 15, 11, 10]),  # 0.392, 0.248, 0.152, 0.104, 0.104
    ],
)
def test_the_shape_is_the_wanted_one_whatever_the_pool(distribution: str, expected: list[int]) -> None:
    drawn = sample_pool(pool(), distribution, 100, 0)
    found = shape(drawn)
    assert sum(found) == 100
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True)), found


def test_a_curriculum_goes_from_easy_to_hard_and_keeps_the_pools_shape() -> None:
    drawn = sample_pool(pool(), "curriculum", 840, 3)
    rates = [row["pass_rate"] for row in drawn]
    assert rates == sorted(rates, reverse=True)
    assert shape(drawn) == list(IN_BINS.values())
    ids = [row["problem_id"] for row in drawn]
    assert ids != [row["problem_id"] for row in sample_pool(pool(), "curriculum", 840, 4)]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_row_twice_and_the_same_rows_for_the_same_seed_in_any_order(distribution: str) -> None:
    drawn = sample_pool(pool(), distribution, 90, 1)
    assert len({row["problem_id"] for row in drawn}) == 90
    assert drawn == sample_pool(pool()[::-1], distribution, 90, 1)
    assert {row["problem_id"] for row in drawn} != {
        row["problem_id"] for row in sample_pool(pool(), distribution, 90, 2)
    }


def test_too_few_rows_are_an_error_that_says_how_many_can_be_drawn() -> None:
    with pytest.raises(PoolTooSmall, match="841 problems are asked for, the pool holds 840"):
        sample_pool(pool(), "curriculum", 841)
    with pytest.raises(PoolTooSmall, match=r"only 60 with a pass rate from 0 to 0.2, which is enough for 300 in all"):
        sample_pool(pool(), "uniform", 400)
    assert shape(sample_pool(pool(), "uniform", 300)) == [60] * 5


def test_bins_without_any_row_are_left_out() -> None:
    rows = [row for row in pool() if row["pass_rate"] in (0.3, 0.7)]
    assert shape(sample_pool(rows, "uniform", 50)) == [0, 25, 0, 25, 0]


@pytest.mark.parametrize("rate", [None, 1.5, "0.5", True, float("inf")])
def test_a_row_without_a_pass_rate_is_named(rate: object) -> None:
    with pytest.raises(GradatimError, match=r"row a: pass_rate .* is no number from 0 to 1"):
        sample_pool([{"problem_id": "a", "pass_rate": rate}], "uniform", 1)
    with pytest.raises(GradatimError, match="choose one of uniform, peaked, mirrored_j, curriculum"):
        sample_pool(pool(), "gaussian", 1)


def test_the_histogram_counts_every_row() -> None:
    lines = describe(pool()).splitlines()
    assert lines[0] == "840 problems by pass rate"
    assert [int(line.split()[1]) for line in lines[1:]] == list(IN_BINS.values())
    assert describe([]).startswith("0 problems")


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.parquet"])
def test_the_command_writes_what_was_drawn(tmp_path: Path, name: str) -> None:
    (tmp_path / "export/grpo").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(pool()), tmp_path / "export/grpo/train.parquet")
    output = tmp_path / name
    text = write_pool(tmp_path, "uniform", 50, output)
    assert "840 problems" in text and "uniform: 50 problems" in text
    rows = (
        pq.read_table(output).to_pylist()
        if name.endswith("parquet")
        else [json.loads(line) for line in output.read_text().splitlines()]
    )
    assert rows == sample_pool(pool(), "uniform", 50)
    with pytest.raises(ConfigError, match=r"test\.parquet: not there"):
        write_pool(tmp_path, "uniform", 50, output, split="test")
