"""A child process ends with its parent, also where the parent is killed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.cycle import descendants, lingering

PROGRAM = """
import multiprocessing, time
from pipeline.guard import children_end_with_us

if __name__ == "__main__":
    with children_end_with_us():
        multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,)).start()
        time.sleep({inside})
    time.sleep(600)
"""


@pytest.mark.parametrize("inside", [0, 600])
def test_a_child_ends_with_a_parent_that_is_killed(inside: int, tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PROGRAM.format(inside=inside))
    parent = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(children := descendants(parent.pid)) < 3 and time.monotonic() < end:  # it, its tracker and its guard
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    left = lingering(children, 30)
    for child in left:
        child.kill()
    assert len(children) == 3
    assert not left
