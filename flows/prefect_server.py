"""The end of a flow's process: its temporary server ends with it, and SIGTERM always ends it.

Prefect stops its server when the process ends in good order; a killed one (SIGKILL, out of memory) leaves it running.
And it turns SIGTERM into an exception, which is lost where it strikes inside a destructor or a garbage collection.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from pipeline.guard import end_with_us

SECONDS_TO_END: Final = 15.0
_guarded: set[int] = set()


def end_server_with_us() -> None:
    """Let this process's temporary server, if it has one, end with it."""
    pid = _temporary_server()
    if pid is not None and pid not in _guarded:
        _guarded.add(pid)
        end_with_us(pid)


@contextmanager
def sigterm_ends_us() -> Iterator[None]:
    """While the block runs, let SIGTERM do what it did before, and end the process soon after in any case: what is
    finished is on disk."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(SECONDS_TO_END, os._exit, (128 + number,))
        timer.daemon = True
        timer.start()
        if callable(before):
            before(number, frame)
        else:
            raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _temporary_server() -> int | None:
    """Return the process id of the server that Prefect has started for this process, or None."""
    module = sys.modules.get("prefect.server.api.server")
    started = getattr(getattr(module, "SubprocessASGIServer", None), "_instances", {})
    running = (getattr(server, "server_process", None) for server in started.values())
    return next((process.pid for process in running if process is not None), None)
