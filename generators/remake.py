"""Make one problem of a run again from its configuration and what is recorded, and print it.

`python -m generators.remake RUN ID [SHARD]`. No model is asked: a model's draft is the one the run has recorded.
"""

import sys
from pathlib import Path

from generators.generate import SHARDS
from pipeline.errors import GradatimError
from pipeline.lookup import find
from pipeline.records import Problem
from pipeline.run import open_run


def remake(folder: Path, identity: str, shard: str | None = None) -> Problem:
    """Return the problem as its source makes it now; `shard` tells copies of several sources apart.

    Raises GradatimError if the source does not make it any more (its file or its parents have changed), NotFound if the
    run does not hold it.
    """
    run = open_run(folder, recorded_only=True)
    found = [one for one in find(run, identity) if one.kind == "problem" and shard in (None, one.shard)]
    if not found:
        raise GradatimError(f"{identity}: not a problem of {folder}")
    shards = {one.shard for one in found}
    for number, source in enumerate(run.config.generate.sources):
        for part in SHARDS[source.strategy](run, source, number):
            made = part.make().rows if part.shard in shards else []
            for row in made:
                if isinstance(row, Problem) and row.id == found[0].id:
                    return row
    raise GradatimError(f"{found[0].id}: its source does not make it any more; has a file or a parent of it changed?")


if __name__ == "__main__":
    try:
        print(remake(Path(sys.argv[1]), *sys.argv[2:4]))
    except GradatimError as error:
        sys.exit(f"gradatim: {error}")
