"""A held-out family is in the test split whole, with whatever was made from it; other problems go by their shares."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.config import Splits
from pipeline.export import export
from pipeline.records import Problem, Provenance, make_problem
from pipeline.run import Run, Work, create_run
from pipeline.splits import absent_families, ancestors, split_of
from tests.pipeline.made_run import made_config

NO_SHARES = Splits(validation=0, test=0, holdout_families=("rare",))


def problem(number: int, family: str, parents: Sequence[Problem] = ()) -> Problem:
    made = Provenance("template/made", "1", seed=0, index=number, parents=tuple(p.id for p in parents))
    return make_problem(
        f"What is {number} + 1?",
        str(number + 1),
        domain="arithmetic",
        family=family,
        strategy="evolved" if parents else "template",
        provenance=made,
    )


def run_of(folder: Path, name: str, problems: Sequence[Problem], splits: Splits, source: Run | None = None) -> Run:
    changes = {"generate": {"sources": [{"strategy": "run", "path": source.folder}]}} if source else {}
    run = create_run(made_config(folder, name, export={"splits": splits.model_dump()}, **changes))
    count = len(problems)
    run.commit(Work("generate", "0-00000", "0"), {"problems": (Problem, problems)}, taken=count, kept=count)
    return run


RARE = [problem(number, "rare") for number in range(20)]
COMMON = [problem(number, "common") for number in range(100, 120)]
CHILD = problem(200, "evolved_harder", [RARE[0]])
GRANDCHILD = problem(201, "evolved_harder", [CHILD, COMMON[0]])
SIBLING = problem(202, "evolved_harder", [COMMON[1]])
ALL = [*RARE, *COMMON, CHILD, GRANDCHILD, SIBLING]


def split_names(run: Run, problems: Sequence[Problem], splits: Splits) -> list[str]:
    ancestor = ancestors(run)
    return [split_of(each, splits, ancestor) for each in problems]


def test_a_held_out_family_goes_to_test_with_all_its_relatives(tmp_path: Path) -> None:
    run = run_of(tmp_path, "run", ALL, NO_SHARES)
    assert split_names(run, [*RARE, CHILD, GRANDCHILD, COMMON[0]], NO_SHARES) == ["test"] * 23
    assert split_names(run, [*COMMON[1:], SIBLING], NO_SHARES) == ["train"] * 20


def test_relatives_in_the_run_that_problems_come_from_are_held_out_too(tmp_path: Path) -> None:
    """The parent was not taken over: what became of it is still known."""
    source = run_of(tmp_path, "source", ALL, Splits())
    run = run_of(tmp_path, "run", [CHILD, SIBLING], NO_SHARES, source)
    assert split_names(run, [CHILD, SIBLING], NO_SHARES) == ["test", "train"]


@pytest.mark.parametrize(("validation", "test"), [(0.3, 0.3), (0.0, 0.5), (0.5, 0.0)])
def test_what_is_not_held_out_goes_by_the_shares(tmp_path: Path, validation: float, test: float) -> None:
    splits = Splits(validation=validation, test=test, holdout_families=("rare",))
    many = [problem(number, "common") for number in range(400)]
    found = split_names(run_of(tmp_path, "run", many[:1], splits), many, splits)
    assert abs(found.count("validation") / 400 - validation) < 0.08
    assert abs(found.count("test") / 400 - test) < 0.08
    assert split_names(run_of(tmp_path, "again", [*many[:1], *RARE], splits), RARE, splits) == ["test"] * 20


def test_a_held_out_family_that_no_problem_is_of_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    splits = Splits(holdout_families=("rare", "raer"))
    assert absent_families(run_of(tmp_path, "run", ALL, splits)) == ["raer"]
    export(run_of(tmp_path, "empty", [], splits))
    assert "export.splits.holdout_families: no problem is of the family 'raer'" in capfd.readouterr().err
