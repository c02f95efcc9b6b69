"""What the sandbox costs: a trivial program confined, beside the same interpreter bare, alternating in one run.

Usage: python -m tests.benchmarks.bench_sandbox [runs]
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from pipeline.sandbox import available, run_python

PROGRAM = "print(1)"


def milliseconds(act: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1e3


def bare() -> None:
    """Run the program without any confinement, with the same interpreter and switches."""
    command = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-c", PROGRAM]
    subprocess.run(command, capture_output=True, check=True, env={})


def main() -> None:
    """Print medians and the overhead."""
    available()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    pairs = [(milliseconds(bare), milliseconds(lambda: run_python(PROGRAM))) for _ in range(runs)]
    plain, confined = (statistics.median(times) for times in zip(*pairs, strict=True))
    slow = statistics.quantiles([c for _, c in pairs], n=20)[-1]
    print(
        f"sandbox: n={runs} bare_p50_ms={plain:.1f} sandboxed_p50_ms={confined:.1f} sandboxed_p95_ms={slow:.1f} "
        f"overhead_p50_ms={confined - plain:.1f}"
    )


if __name__ == "__main__":
    main()
