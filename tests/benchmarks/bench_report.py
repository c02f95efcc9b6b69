"""The report of a large run: seconds and peak memory to write it, its size, and seconds until a browser has drawn it.

    python tests/benchmarks/bench_report.py --problems 100000

The run is made on the spot, four completions to a problem. Without a browser (make browser) it is not opened.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from filters import FILTERS
from filters.behaviours import BEHAVIOURS
from pipeline.html_report import write_report
from tests.flows.browser import browse, find_browser
from tests.pipeline.made_run import make_run

LONGEST_SECONDS: Final = 3.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=10_000)
    count = parser.parse_args().problems
    with tempfile.TemporaryDirectory() as scratch:
        run = make_run(Path(scratch), count, shard_rows=1000)
        path = Path(scratch) / "report.html"
        started = time.perf_counter()
        write_report(run, path, FILTERS, BEHAVIOURS)
        written = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:,} problems: written in {written:.1f} s, peak {peak:,.0f} MiB, {path.stat().st_size / 1e6:.1f} MB"
        )
        program = find_browser()
        if program is None:
            print("no browser here: not opened")
            return
        with browse(Path(scratch) / "profile", program) as page:
            opened = page.open(path)
            print(f"opened and drawn in {opened:.2f} s; console: {page.console or 'silent'}")
            if opened >= LONGEST_SECONDS or page.console:
                sys.exit(f"it should open in less than {LONGEST_SECONDS:g} s and log nothing")


if __name__ == "__main__":
    main()
