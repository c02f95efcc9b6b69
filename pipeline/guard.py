"""Processes that this one has started end with it, however it goes.

A process that is killed (SIGKILL, out of memory) cannot tidy up: a small process that waits for its end does.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LOOK_EVERY_SECONDS: Final = 0.2
_GUARD: Final = """
import select, signal, sys
sys.stdin.buffer.read()  # nothing is ever written: it ends when the process that is waited for does
for number in (signal.SIGTERM, signal.SIGKILL):
    try:
        signal.pidfd_send_signal(3, number)
    except ProcessLookupError:
        break
    select.select([3], [], [], 5)
"""


def end_with_us(pid: int) -> None:
    """Have a small process wait for the end of this one, and end the one of that id then."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        guarded = os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended already
        return
    reading, _writing = os.pipe()  # the other end closes when this process is gone, however it goes
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    given = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, guarded, 3)]
    command = [sys.executable, "-I", "-S", "-c", _GUARD]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=[*given, *quiet], setsid=True)
    os.close(reading)
    os.close(guarded)


@contextmanager
def children_end_with_us() -> Iterator[None]:
    """See that what `multiprocessing` starts while the block runs ends with this process, from its birth on."""
    before, over = set(multiprocessing.active_children()), threading.Event()

    def look() -> None:
        seen = before
        while True:
            last = over.wait(LOOK_EVERY_SECONDS)
            for child in set(multiprocessing.active_children()) - seen:
                if child.pid is not None:
                    seen.add(child)
                    end_with_us(child.pid)
            if last:
                return

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
