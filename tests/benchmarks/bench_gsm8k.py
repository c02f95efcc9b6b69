"""All of GSM8K's training golds, 1,000 worked solutions, and 1,000 golds changed in four ways, judged and counted.

    python tests/benchmarks/bench_gsm8k.py --train train.jsonl

Without --train it takes the excerpt beside the tests. Exit status 1 if any verdict is not the right one. Source of the
data: Cobbe et al. 2021, arXiv:2110.14168.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

from pipeline.seeds import rng_for
from pipeline.verifiers import judge
from pipeline.verifiers.judging import clear_cache

EXCERPT: Final = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"
SHOWN: Final = 20
Pair = tuple[str, str]


def read_problems(path: Path) -> list[dict[str, str]]:
    """Read rows with a question and a worked solution that ends in "#### gold"."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def gold_of(problem: dict[str, str]) -> str:
    """Return what follows the last mark, as it is written there."""
    return problem["answer"].rpartition("####")[2].strip()


def _swapped(gold: str) -> str | None:
    """Swap the first two neighbouring digits that make another number with no zero at its front; None without such."""
    plain = gold.replace(",", "")
    places = [i for i, c in enumerate(plain) if c.isdigit()]
    for i, j in pairwise(places):
        swapped = [*plain]
        swapped[i], swapped[j] = plain[j], plain[i]
        if Decimal("".join(swapped)) != Decimal(plain) and swapped[places[0]] != "0":
            return "".join(swapped)
    return None


def _shifted(gold: str, by: Decimal) -> str:
    return str(Decimal(gold.replace(",", "")) + by)


def _scaled(gold: str, by: Decimal) -> str | None:
    value = Decimal(gold.replace(",", "")) * by
    return None if value == 0 else str(value)


PERTURBATIONS: Final[dict[str, Callable[[str], str | None]]] = {
    "+1": lambda gold: _shifted(gold, Decimal(1)),
    "-1": lambda gold: _shifted(gold, Decimal(-1)),
    "sign": lambda gold: _scaled(gold, Decimal(-1)),
    "digit swap": _swapped,
    "x10": lambda gold: _scaled(gold, Decimal(10)),
}


def misses(pairs: Sequence[Pair], wanted: str) -> list[str]:
    """Judge (gold, completion) pairs; return a line for every verdict that is not the wanted one."""
    found = []
    for gold, completion in pairs:
        verdict = judge("math", gold, completion).verdict
        if verdict != wanted:
            found.append(f"gold {gold!r}, {completion[-60:]!r}: {verdict}, {wanted} expected")
    return found


def report(name: str, pairs: Sequence[Pair], wanted: str) -> bool:
    """Print the counts and the speed of a group, and its misses. Returns whether there are none."""
    clear_cache()
    started = time.perf_counter()
    wrong = misses(pairs, wanted)
    speed = len(pairs) / (time.perf_counter() - started)
    print(f"{name}: {len(pairs) - len(wrong):,} of {len(pairs):,} {wanted}, {speed:,.0f} rows/s")
    for line in wrong[:SHOWN]:
        print(f"  {line}")
    return not wrong


def main() -> int:
    """Judge all groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, default=EXCERPT, help="GSM8K's train.jsonl")
    parser.add_argument("--count", type=int, default=1_000, help="worked solutions, and golds to change")
    arguments = parser.parse_args()
    problems = read_problems(arguments.train)
    chosen = rng_for("gsm8k", 0, 0).sample(problems, len(problems))
    golds = [gold_of(problem) for problem in problems]
    good = report("golds", [(gold, f"The answer is $\\boxed{{{gold}}}$.") for gold in golds], "correct")
    good &= report("worked solutions", [(gold_of(p), p["answer"]) for p in chosen[: arguments.count]], "correct")
    for name, change in PERTURBATIONS.items():
        changed = ((gold_of(p), change(gold_of(p))) for p in chosen)
        pairs = ((gold, f"The answer is $\\boxed{{{c}}}$.") for gold, c in changed if c is not None)
        good &= report(f"golds, {name}", list(islice(pairs, arguments.count)), "incorrect")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
