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

SECONDS_TO_END: Final = 15.0
_GUARD: Final = """
import select, signal, sys
sys.stdin.buffer.read()  # nothing is ever written: it ends when the flow's process does
for number in (signal.SIGTERM, signal.SIGKILL):
    try:
        signal.pidfd_send_signal(3, number)
    except ProcessLookupError:
        break
    select.select([3], [], [], 5)
"""
_guarded: set[int] = set()


def end_server_with_us() -> None:
    """Have a small process wait for the end of this one and end its temporary server then, if it has one."""
    pid = _temporary_server()
    if pid is None or pid in _guarded or not hasattr(os, "pidfd_open"):
        return
    _guarded.add(pid)
    server = os.pidfd_open(pid)
    reading, _writing = os.pipe()  # the other end closes when this process is gone, however it goes
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    given = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, server, 3)]
    command = [sys.executable, "-I", "-S", "-c", _GUARD]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=[*given, *quiet], setsid=True)
    os.close(reading)
    os.close(server)


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
