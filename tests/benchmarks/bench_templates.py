"""Template families: problems a second for each, and the memory of generate and screen together.

    python tests/benchmarks/bench_templates.py

Each memory figure is measured in a process of its own: the peak, less what the process held after its imports.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final

from filters.dedup import DuplicateIndex
from generators.templates import FAMILIES
from generators.templates.family import Family, generate_problem
from pipeline.config import NearDuplicates

SHARD_ROWS: Final = 1000


def problems_per_second(family: Family[Any], count: int, rounds: int) -> float:
    """Return the median speed, proofs included."""
    speeds = []
    for seed in range(rounds):
        started = time.perf_counter()
        for index in range(count):
            generate_problem(family, seed, index)
        speeds.append(count / (time.perf_counter() - started))
    return statistics.median(speeds)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def generate_and_screen(count: int) -> str:
    """Make so many problems shard after shard, screen each shard, keep none; describe the time and the memory."""
    at_start = peak_mib()
    index = DuplicateIndex(NearDuplicates())
    families = list(FAMILIES.values())
    jobs = ((families[i % len(families)], i // len(families)) for i in range(count))
    kept, generating, screening = 0, 0.0, 0.0
    while shard := list(islice(jobs, SHARD_ROWS)):
        started = time.perf_counter()
        problems = [generate_problem(family, 0, turn) for family, turn in shard]
        generated = time.perf_counter()
        kept += len(index.screen(problems)[0])
        generating += generated - started
        screening += time.perf_counter() - generated
    peak = peak_mib()
    return f"{count:>10,}{kept:>10,}{generating:>10.1f}{screening:>10.1f}{peak:>12.0f}{peak - at_start:>12.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="problems per round and family")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, nargs="*", default=[10_000, 200_000], help="sizes of the memory runs")
    parser.add_argument("--memory-of", type=int, help="one memory run in this process; the others start these")
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(generate_and_screen(arguments.memory_of))
        return
    print(f"{'family':<24}{'problems/s':>12}")
    for name, family in FAMILIES.items():
        print(f"{name:<24}{problems_per_second(family, arguments.count, arguments.rounds):>12,.0f}")
    print(
        f"\n{'problems':>10}{'kept':>10}{'generate s':>10}{'screen s':>10}{'peak MiB':>12}{'added MiB':>12}", flush=True
    )
    for count in arguments.problems:
        subprocess.run([sys.executable, Path(__file__), "--memory-of", str(count)], check=True)


if __name__ == "__main__":
    main()
