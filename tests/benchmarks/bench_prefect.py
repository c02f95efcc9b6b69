"""What Prefect costs: the same build as plain functions and as the flow, each in a process of its own.

    python tests/benchmarks/bench_prefect.py --demo-seconds 540

The teacher is a server on loopback that answers at once, so what is left is the pipeline and the orchestration, the
start of Prefect's temporary server included. The share is of a demo that takes --demo-seconds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fake_server import serve
from tests.flows.solver import Solver, config, golds, yaml_of

PLAIN = """
import sys; from pathlib import Path
from flows.stages import STAGE_FUNCTIONS, run_stage
from pipeline.config import load_config
from pipeline.report import funnel, write_funnel
from pipeline.run import create_run, open_run
run = create_run(load_config(Path(sys.argv[1])))
for stage in STAGE_FUNCTIONS: run_stage(stage, run.folder)
write_funnel(open_run(run.folder), funnel(open_run(run.folder)))
"""
FLOW = "import sys; from flows.cli import quiet_prefect; quiet_prefect()\n" + (
    "from flows.build_dataset import build_dataset; build_dataset(sys.argv[1])"
)


def seconds(program: str, folder: Path, url: str) -> float:
    path = yaml_of(config(folder, url), folder / "config.yaml")
    environment = {**os.environ, "PREFECT_HOME": str(folder.parent / "prefect")}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, env=environment, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--demo-seconds", type=float, default=540.0)
    arguments = parser.parse_args()
    taken: dict[str, list[float]] = {"plain": [], "flow": []}
    with tempfile.TemporaryDirectory() as scratch:
        settings = config(Path(scratch), "http://unused")
        with serve(Solver(golds(settings))) as server:
            for turn in range(arguments.repeat + 1):  # the first fills Prefect's database and is not counted
                for name, program in (("plain", PLAIN), ("flow", FLOW)):
                    folder = Path(scratch) / f"{name}{turn}"
                    folder.mkdir()
                    took = seconds(program, folder, server.url)
                    if turn:
                        taken[name].append(took)
                        print(f"{name:6} {took:6.2f} s", flush=True)
    overhead = statistics.median(taken["flow"]) - statistics.median(taken["plain"])
    print(f"Prefect: {overhead:.2f} s, {overhead / arguments.demo_seconds:.1%} of {arguments.demo_seconds:.0f} s")


if __name__ == "__main__":
    main()
