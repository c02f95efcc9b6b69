"""GSM8K's own golds and worked solutions are correct, and its golds changed in any of the usual ways are not."""

import json
from pathlib import Path
from typing import Final

import pytest

from pipeline.verifiers import judge
from tests.benchmarks.bench_gsm8k import PERTURBATIONS, gold_of, misses, read_problems

EXCERPT: Final = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"
PROBLEMS: Final = read_problems(EXCERPT)


@pytest.mark.parametrize("problem", PROBLEMS, ids=gold_of)
def test_excerpt(problem: dict[str, str]) -> None:
    gold = gold_of(problem)
    assert judge("math", gold, f"\\boxed{{{gold}}}").verdict == "correct"
    assert judge("math", gold, problem["answer"], question=problem["question"]).verdict == "correct"
    changed = [change(gold) for change in PERTURBATIONS.values()]
    assert {judge("math", gold, f"\\boxed{{{c}}}").verdict for c in changed if c is not None} == {"incorrect"}


@pytest.mark.parametrize(
    ("gold", "changed"),
    [
        ("72", ["73", "71", "-72", "27", "720"]),
        ("5", ["6", "4", "-5", None, "50"]),
        ("1,200", ["1201", "1199", "-1200", "2100", "12000"]),
        ("0", ["1", "-1", None, None, None]),
        ("-11", ["-10", "-12", "11", None, "-110"]),
        ("0.5", ["1.5", "-0.5", "-0.5", "5.0", "5.0"]),
        ("100", ["101", "99", "-100", None, "1000"]),
        ("120", ["121", "119", "-120", "210", "1200"]),
    ],
)
def test_perturbations(gold: str, changed: list[str | None]) -> None:
    assert [change(gold) for change in PERTURBATIONS.values()] == changed


def test_misses_are_found(tmp_path: Path) -> None:
    """The command would not stay silent about a wrong verdict: here the gold does not belong to the solution."""
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"question": "?", "answer": "It is 3.\n#### 4\n#### 5"}) + "\n", encoding="utf-8")
    problems = read_problems(path)
    assert not misses([(gold_of(p), f"\\boxed{{{gold_of(p)}}}") for p in problems], "correct")
    assert misses([("4", "\\boxed{5}")], "correct") == ["gold '4', '\\\\boxed{5}': incorrect, correct expected"]
