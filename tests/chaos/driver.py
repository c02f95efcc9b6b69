"""A build without Prefect, for the campaign: python -m tests.chaos.driver CONFIG [--largest-file BYTES]

Says each stage on standard output as it begins, and fails as `gradatim build` does: one line, exit 1.
"""

import argparse
import resource
import sys
from pathlib import Path

from flows.stages import plan, run_stage
from pipeline.config import load_config
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.report import funnel, write_funnel
from pipeline.run import create_run, open_run


def build(path: Path) -> None:
    """Run every stage of a configuration, with the run locked."""
    config = load_config(path)
    with run_lock(config.folder):
        run = create_run(config)
        for stage in plan(config):
            print(stage, flush=True)
            run_stage(stage, run.folder)
        run = open_run(run.folder)
        write_funnel(run, funnel(run))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--largest-file", type=int)
    arguments = parser.parse_args()
    if arguments.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.largest_file, resource.RLIM_INFINITY))
    try:
        build(arguments.config)
    except GradatimError as error:
        print(f"gradatim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
