"""Check the configurations of trainings of any kind, and nothing else: `python -m training.check_config FILE...`.

Neither data nor models are looked at. Exit status 2, with one line on standard error, if there is a mistake.
"""

import sys
from pathlib import Path

from pipeline.config_files import ConfigError
from training.evaluation_plan import read_config


def main(*paths: str) -> int:
    try:
        for path in paths:
            read_config(Path(path))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
