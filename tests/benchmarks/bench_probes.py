"""The probe kits falsepass and rewardlint on our accuracy reward, beside TRL's own (Math-Verify), in one run.

Usage: python -m tests.benchmarks.bench_probes [--search 40] [--reports FOLDER]. Prints each kit's table for both
rewards, every disputed probe with its reason, and what was paid or refused against the kits. With --reports, the kits'
own reports are kept.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rewardlint import REFERENCE_VERIFIERS
from rewardlint.report import render

from tests.training.probe_kits import (
    DISPUTED,
    REFUSED,
    REFUSED_FORMS,
    Probed,
    choice_rows,
    run_falsepass,
    run_rewardlint,
    template_rows,
    typed_rows,
)
from training.rewards import accuracy

ROWS: Final = {"templates": template_rows, "types": typed_rows, "choices": choice_rows}
REWARDS: Final = {"gradatim": ("training.rewards", "accuracy"), "trl": ("trl.rewards", "accuracy_reward")}


def probe(folder: Path, search: int) -> None:
    """Run falsepass on both rewards; print the figures, the table by probe, and what is disputed."""
    totals: dict[str, list[Probed]] = {name: [] for name in REWARDS}
    for kind, rows in ROWS.items():
        for name, (module, function) in REWARDS.items():
            probed = run_falsepass(folder / f"{name}-{kind}", rows(), [function], module=module, search=search)
            totals[name].append(probed)
            head = probed.headline
            print(
                f"falsepass {kind} {name}: ceiling={head['false_pass_ceiling']:g} known_bad={head['known_bad']} "
                f"lazy={head['lazy_policy_reward']:g} false_fail_rate={head['false_fail_rate']:.4f} "
                f"known_good={head['known_good']} errors={head['scoring_errors']} disputed={len(probed.disputed)} "
                f"examples={probed.payload['meta']['examples']}"
            )
    print(f"\n{'probe, failed of runs':48}" + "".join(f"{name:>14}" for name in REWARDS))
    tables = {name: by_probe(runs) for name, runs in totals.items()}
    for line in tables["gradatim"]:
        shown = [f"{table[line][0]} of {table[line][1]}" if line in table else "-" for table in tables.values()]
        print(f"{line:48}" + "".join(f"{cell:>14}" for cell in shown))
    print()
    for entry in DISPUTED:
        count = sum(r["variant"] == entry.variant for runs in totals.values() for p in runs for r in p.disputed)
        print(f"disputed: {entry.probe} {entry.variant} ({count} rows of both): {entry.reason}")
    for (name, variant), reason in REFUSED_FORMS.items():
        print(f"refused by ours: {name} {variant}: {reason}")


def by_probe(runs: Sequence[Probed]) -> dict[str, tuple[int, int]]:
    """Count failures and runs by probe, variant and expectation, over all sets of rows."""
    results = [r for probed in runs for r in probed.counted if r["probe"] != "P12"]
    named = [(f"{r['probe']} {r['variant']} ({r['expected']})", r["passed"]) for r in results]
    failed = Counter(name for name, passed in named if not passed)
    return {name: (failed[name], count) for name, count in Counter(name for name, _ in named).items()}


def trl_accuracy(completions: list[Any], solution: list[str], **columns: Any) -> list[float | None]:
    """TRL's reward with the gold in math delimiters, without which Math-Verify reads no LaTeX."""
    from trl.rewards import accuracy_reward

    return list(accuracy_reward(completions, [f"${gold}$" for gold in solution], **columns))


def lint(folder: Path) -> None:
    """Run rewardlint on both rewards and, for scale, on the kit's own five reference verifiers."""
    rewards = {"gradatim": accuracy, "trl": trl_accuracy, **REFERENCE_VERIFIERS}
    for commit in (False, True):
        print(f"\nrewardlint, {'every bare answer in a box' if commit else 'corpus as it stands'}")
        print(f"{'reward':18}{'exploits':>9}{'FP':>7}{'FN':>7}{'errors':>8}  profile        failed by category")
        for name, reward in rewards.items():
            audit = run_rewardlint(reward, commit=commit)
            (folder / f"rewardlint-{name}-{'boxed' if commit else 'stock'}.json").write_text(render(audit, "json"))
            failed = ", ".join(f"{c} {row['failed']}/{row['total']}" for c, row in audit.by_category().items())
            print(
                f"{name:18}{len(audit.exploits_accepted):9}{audit.false_positive_rate:7.1%}{audit.false_negative_rate:7.1%}"
                f"{len(audit.errors):8}  {audit.profile:14} {failed}"
            )
            if commit and name == "gradatim":
                for outcome in audit.false_negatives:
                    print(f"  refused: {outcome.case.id}: {REFUSED.get(outcome.case.id, 'not explained')}")


def main() -> None:
    """Run both kits on both rewards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", type=int, default=40, help="falsepass: calls of its mutation search")
    parser.add_argument("--reports", type=Path, help="keep the kits' own reports in this folder")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = options.reports or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        probe(folder, options.search)
        lint(folder)


if __name__ == "__main__":
    main()
