"""Both probe kits on our rewards: no known-bad completion is paid, no exploit works; false negatives are shown."""

from collections.abc import Callable
from pathlib import Path

import pytest
import rewardlint.cli
from falsepass import report

from tests.training.probe_kits import (
    DISPUTED,
    REFUSED,
    REFUSED_FORMS,
    Row,
    choice_rows,
    run_falsepass,
    run_rewardlint,
    template_rows,
    typed_rows,
)
from training.rewards import accuracy, format_shape

SETS: dict[str, Callable[[], list[Row]]] = {"templates": template_rows, "types": typed_rows, "choices": choice_rows}
LARGE = ("templates", "types")  # half a minute; the other tests here show in the fast suite that the kits work
PROBES = {*(f"P{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15)), "A1", "X1", "T7", "S1", "S3"}
FORMAT_WEIGHT = 0.2


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in LARGE), "choices"])
def test_falsepass_finds_nothing_wrong_that_is_paid(name: str, tmp_path: Path) -> None:
    probed = run_falsepass(tmp_path / name, SETS[name](), search=60)
    head = probed.headline
    print(
        f"falsepass {name}: ceiling {head['false_pass_ceiling']:g} of {head['known_bad']} known-bad, false-fail rate "
        f"{head['false_fail_rate']:.1%} of {head['known_good']} known-good, {len(probed.disputed)} rows disputed"
    )
    assert probed.payload["meta"]["adapter"]["validity"] == "ok"
    assert {r["probe"] for r in probed.counted} >= PROBES
    assert probed.failed_gate() == []
    assert head["false_pass_ceiling"] == 0
    assert [r for r in probed.counted if r["probe"] == "P11" and not r["passed"]] == []
    wrong_probes = {(d.probe, d.variant) for d in DISPUTED if name == "types" or d.answer is None}
    assert {(r["probe"], r["variant"]) for r in probed.disputed} == wrong_probes
    assert len(probed.disputed) <= 4  # three rows for P10, one answer for P5
    refused = {(r["probe"], r["variant"]) for r in probed.counted if r["expected"] == "full" and not r["passed"]}
    assert refused <= set(REFUSED_FORMS)


def test_a_reward_that_searches_the_completion_fails_falsepass(tmp_path: Path) -> None:
    probed = run_falsepass(tmp_path / "naive", template_rows(), ["naive"], module=__name__)
    assert probed.headline["false_pass_ceiling"] == 1
    assert [gate.split(" ")[0] for gate in probed.failed_gate()] == ["ceiling>0", "lazy>0"]


def naive(completions: list[list[dict[str, str]]], answer: list[str], **columns: object) -> list[float]:
    """Pay whatever holds the answer somewhere."""
    return [float(a in c[0]["content"]) for a, c in zip(answer, completions, strict=True)]


def test_format_pays_no_more_than_its_weight_without_the_answer(tmp_path: Path) -> None:
    """With a format reward beside accuracy, a wrong answer in shape earns the shape, nothing earns more."""
    functions, weights = ["accuracy", "format_shape"], [1.0, FORMAT_WEIGHT]
    probed = run_falsepass(tmp_path / "format", template_rows("think")[::3], functions, weights=weights)
    assert probed.payload["meta"]["max_reward"] == pytest.approx(1 + FORMAT_WEIGHT)
    assert probed.headline["false_pass_ceiling"] == pytest.approx(FORMAT_WEIGHT)
    failed = {f"{r['probe']} {r['variant']}" for r in probed.counted if not r["passed"]}
    prose_before_thinking = {"P14 tag_named_in_prose_before", "P14 empty_tag_pair_named_before"}  # right, out of shape
    assert failed == {"P6 wrong_in_format", *prose_before_thinking}
    leaks = {
        term: share
        for term, share, _, _ in report.term_leak(probed.counted, dict(zip(functions, weights, strict=True)))
    }
    assert leaks["accuracy"] == 0


def test_the_exploit_gate_of_rewardlint_is_green(capsys: pytest.CaptureFixture[str]) -> None:
    """As its author runs it in CI: `rewardlint audit module:function --fail-on exploit`."""
    for function in ("accuracy", "format_shape"):
        only_exploits = ["--category", "exploit"] if function == "format_shape" else []
        target = ["audit", f"training.rewards:{function}", "--no-color", *only_exploits]
        assert rewardlint.cli.main([*target, "--fail-on", "exploit"]) == 0
    assert "false positive  ....................     0%" in capsys.readouterr().out
    assert rewardlint.cli.main(["audit", "rewardlint.reference:substring_match", "--fail-on", "exploit"]) == 1


@pytest.mark.parametrize("commit", [False, True], ids=["as it stands", "in a box"])
def test_rewardlint_finds_no_wrong_completion_that_is_accepted(commit: bool) -> None:
    audit = run_rewardlint(accuracy, commit=commit)
    print(f"{audit.headline} ({audit.profile}, {len(audit.outcomes)} cases, boxed: {commit})")
    assert audit.false_positives == []
    assert audit.errors == []
    if commit:
        assert audit.profile == "balanced"
        assert {outcome.case.id for outcome in audit.false_negatives} <= set(REFUSED)


def test_rewardlint_on_the_format_reward() -> None:
    audit = run_rewardlint(format_shape, commit=False)
    assert audit.exploits_accepted == []
