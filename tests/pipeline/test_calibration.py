"""The tables of difficulty and of yields: their counts are those of the run, and easier levels are flagged."""

from collections import Counter

import pytest

from pipeline.calibration import (
    Measured,
    calibration,
    calibration_markdown,
    mean_interval,
    measured,
    show_calibration,
)
from pipeline.config import Band
from pipeline.lineage import Gain, gain
from pipeline.pass_rate import decide, interval
from pipeline.records import Assessment, Problem, Provenance, Rejection, Trace, make_problem
from pipeline.run import Run
from pipeline.store import iterate_records
from pipeline.yields import strategy_yields, yields_markdown
from tests.flows.mixed import mixed_run

__all__ = ["mixed_run"]


def one(family: str, level: int | None, successes: int, attempts: int = 4) -> Measured:
    problem = make_problem(
        f"{family} {level}?",
        "1",
        domain="d",
        family=family,
        level=level,
        strategy="template",
        provenance=Provenance("template/x", "1"),
    )
    low, high = interval(successes, attempts, "jeffreys", 0.95)
    rate = successes / attempts if attempts else None
    counts = (attempts, successes, 0, rate, low, high, 0.95, "jeffreys")
    return Measured(problem, Assessment(problem.id, "m", "r", *counts, decide(successes, attempts, Band()), None, None))


def test_rows_hold_means_over_problems_and_the_decisions() -> None:
    rows = calibration([one("ages", 1, 4), one("ages", 1, 2), one("ages", 2, 0), one("sums", None, 0, 0)])
    told = [(r.family, r.level, r.problems, r.attempts, r.rate, r.shares) for r in rows]
    assert told == [
        ("ages", "1", 2, 8, 0.75, (0.5, 0.5, 0.0)),
        ("ages", "2", 1, 4, 0.0, (0.0, 0.0, 1.0)),
        ("sums", "–", 1, 0, None, (0.0, 0.0, 0.0)),
        ("all", "1", 2, 8, 0.75, (0.5, 0.5, 0.0)),
        ("all", "2", 1, 4, 0.0, (0.0, 0.0, 1.0)),
        ("all", "–", 1, 0, None, (0.0, 0.0, 0.0)),
        ("all", "all", 4, 12, 0.5, (pytest.approx(1 / 3),) * 3),
    ]
    assert not any(row.flag for row in rows)


def test_a_level_that_is_easier_than_the_one_below_is_flagged() -> None:
    slight = calibration([one("ages", 1, 2), one("ages", 1, 1), one("ages", 2, 2), one("ages", 3, 1)])
    assert [row.flag for row in slight[:3]] == ["", "easier than level 1", ""]
    clear = calibration([one("ages", level, 4 * (level - 1)) for level in (1, 2) for _ in range(10)])
    assert [row.flag for row in clear[:2]] == ["", "easier than level 1, intervals apart"]
    assert "| ages | 2 | 10 | 40 | 1.00 [" in calibration_markdown(clear)


@pytest.mark.parametrize(
    ("rates", "attempts", "as_if"),
    [
        ([0.5] * 10, 40, (20, 40)),  # no spread between problems: every attempt counts
        ([0.0, 1.0] * 10, 80, (9.5, 19)),  # all of it between problems: each problem counts about once
        ([1.0] * 10, 40, (10, 10)),
        ([0.0] * 3, 12, (0, 3)),
        ([0.25], 4, (0.25, 1)),
    ],
)
def test_the_interval_of_a_mean_takes_problems_not_completions_as_the_unit(
    rates: list[float], attempts: int, as_if: tuple[float, float]
) -> None:
    from scipy.stats import beta

    successes, trials = as_if
    low = 0.0 if successes == 0 else beta.ppf(0.025, successes + 0.5, trials - successes + 0.5)
    high = 1.0 if successes == trials else beta.ppf(0.975, successes + 0.5, trials - successes + 0.5)
    assert mean_interval(rates, attempts) == pytest.approx((low, high), abs=1e-9)
    assert mean_interval([], 0) == (0.0, 1.0)


def test_the_calibration_of_a_run_counts_every_assessed_problem(mixed: Run) -> None:
    rows = measured(mixed)
    assessments = list(iterate_records(Assessment, mixed.manifest.paths("assess", "assessments")))
    assert len(rows) == len(assessments) == calibration(rows)[-1].problems
    (text,) = show_calibration(mixed)
    assert text.startswith("calibration for fake/model") and "travel" in text


@pytest.mark.parametrize(
    ("child", "parents", "expected"),
    [
        ((10, 40), [(20, 40)], Gain(harder=True, apart=False)),
        ((2, 40), [(38, 40)], Gain(harder=True, apart=True)),
        ((2, 40), [(38, 40), (10, 40)], Gain(harder=True, apart=False)),
        ((20, 40), [(38, 40), (10, 40)], Gain(harder=False, apart=False)),
        ((20, 40), [(20, 40)], Gain(harder=False, apart=False)),
        ((38, 40), [(2, 40)], Gain(harder=False, apart=False)),
        ((2, 40), [(38, 40), (0, 0)], None),
        ((0, 0), [(38, 40)], None),
        ((2, 40), [], None),
    ],
)
def test_harder_is_below_every_parent(
    child: tuple[int, int], parents: list[tuple[int, int]], expected: Gain | None
) -> None:
    assert gain(one("f", 1, *child).assessment, [one("f", 1, *parent).assessment for parent in parents]) == expected


def test_yields_balance_and_agree_with_the_tables(mixed: Run) -> None:
    rows = {row.strategy: row for row in strategy_yields(mixed)}
    names = [
        "template",
        "imported",
        "evolved",
        "backward, answer_first",
        "backward, mask",
        "backward, inverse",
        "written",
    ]
    assert list(rows) == names
    for row in rows.values():
        assert row.asked == row.kept + sum(row.refused.values())
    traces = list(iterate_records(Trace, mixed.manifest.paths("select", "traces")))
    assert sum(row.traces for row in rows.values()) == len(traces)
    spent = sum(unit.tokens for stage in ("solve", "generate") for unit in mixed.manifest.of_stage(stage))
    assert sum(row.tokens for row in rows.values()) == spent
    assert rows["template"].asked == 8 and rows["evolved"].asked == 6
    assert rows["imported"].refused["import"] == 1
    refused = Counter(r.filter for r in iterate_records(Rejection, mixed.manifest.paths("agree", "rejections/agree")))
    assert refused["not confirmed"] == rows["backward, answer_first"].refused.get("not confirmed", 0)
    settled = list(iterate_records(Problem, mixed.manifest.paths("agree", "settled")))
    evolved = rows["evolved"]
    assert 0 < evolved.compared <= sum(p.strategy == "evolved" for p in settled)
    rates = {m.problem.id: m.assessment.pass_rate for m in measured(mixed) if m.assessment.successes}
    pairs = [(rates.get(p.id), rates.get(q)) for p in settled if p.strategy == "evolved" for q in p.provenance.parents]
    known = [(own, of_parent) for own, of_parent in pairs if own is not None and of_parent is not None]
    assert evolved.compared == len(known)
    assert 0 < evolved.harder == sum(own < of_parent for own, of_parent in known) < evolved.compared
    assert rows["template"].compared == 0
    assert f"{evolved.harder} of {evolved.compared}" in yields_markdown(list(rows.values()))
