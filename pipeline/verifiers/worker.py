"""A pool of worker processes that can be killed: every request ends by its deadline, whatever it computes.

The clock of a request starts when a worker starts on it, so a busy queue never turns into a verdict; the requests of
one judgement share a deadline (budget.py). A worker over its deadline is killed and replaced; one that dies on its own
is replaced and its request sent again. The deadline is on the wall clock; only where the machine is so busy that the
worker has not even had FAIR_SHARE of it as processor time (honest requests take milliseconds), it goes on until it has,
at most PATIENCE times as long. Safe under threads and event loops (it blocks the calling thread only) and after a fork
(the child makes a pool of its own).
"""

import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from pipeline.sandbox import processor_seconds
from pipeline.verifiers.budget import spend_worker_seconds, worker_seconds

START_TIMEOUT: Final = 120.0
ATTEMPTS: Final = 5
FAIR_SHARE: Final = 0.1
PATIENCE: Final = 10
LONGER: Final = 0.1
_ROOT: Final = Path(__file__).resolve().parents[2]


class WorkerFailed(Exception):
    """No answer: over the deadline, out of memory, or the machinery failed. Says nothing about the request."""


class _Died(Exception):
    """The worker is gone, or the process that forks workers, after so many seconds; the request can be sent again."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _Worker:
    """One worker: its socket, its process id, and a handle that stays its own even when the id is used again."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.channel, self.pid = channel, pid
        self.handle: int | None = None
        try:
            self.handle = os.pidfd_open(pid)
        except OSError as error:
            channel.close()
            raise _Died from error

    def ask(self, request: bytes, deadline: float) -> dict[str, Any]:
        """Send one request and wait for its answer until the deadline. Raises _Died and TimeoutError."""
        start, ran = time.monotonic(), processor_seconds(self.pid)
        buffer = bytearray()
        try:
            self.channel.settimeout(deadline)
            self.channel.sendall(request)
            while not buffer.endswith(b"\n"):
                self._wait(start, ran, deadline)
                part = self.channel.recv(65536)
                if not part:
                    raise _Died(time.monotonic() - start)
                buffer += part
        except TimeoutError:
            raise
        except OSError as error:
            raise _Died(time.monotonic() - start) from error
        answer: dict[str, Any] = json.loads(buffer)
        return answer

    def _wait(self, start: float, ran: float, deadline: float) -> None:
        """Wait until the worker has written something. Raises TimeoutError."""
        readable = select.poll()
        readable.register(self.channel, select.POLLIN)
        end = start + deadline
        while not readable.poll(max(end - time.monotonic(), 0) * 1000):
            had_its_share = processor_seconds(self.pid) - ran >= FAIR_SHARE * deadline
            if had_its_share or time.monotonic() >= start + PATIENCE * deadline:
                raise TimeoutError
            end = time.monotonic() + LONGER

    def kill(self) -> None:
        """End the worker at once."""
        self.channel.close()
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            os.close(self.handle)
            self.handle = None


class WorkerPool:
    """At most `workers` processes, each with `memory` bytes of address space and `deadline` seconds a request."""

    def __init__(self, workers: int = 2, deadline: float = 5.0, memory: int = 1 << 30) -> None:
        self.workers, self.deadline, self.memory = workers, deadline, memory
        self._slots: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._slots.put(None)
        self._lock = threading.Lock()
        self._parent: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ask(self, request: object) -> dict[str, Any]:
        """Return the worker's answer. Raises WorkerFailed."""
        line = json.dumps(request).encode() + b"\n"
        deadline = self.deadline - worker_seconds()
        if deadline <= 0:
            raise WorkerFailed(f"not decided within {self.deadline:g} seconds")
        worker = self._slots.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    worker = worker or self._start()
                    answer = self._timed(worker, line, deadline)
                except _Died as error:
                    worker = self._retired(worker)
                    deadline = max(deadline - error.seconds, 0.001)
                    continue
                except TimeoutError as error:
                    worker = self._retired(worker)
                    raise WorkerFailed(f"not decided within {self.deadline:g} seconds") from error
                if answer.get("retire"):
                    worker = self._retired(worker)
                if "error" in answer:
                    raise WorkerFailed(str(answer["error"]))
                return answer
            raise WorkerFailed(f"the worker died {ATTEMPTS} times")
        finally:
            self._slots.put(worker)

    def _timed(self, worker: _Worker, line: bytes, deadline: float) -> dict[str, Any]:
        """Ask a worker, and count what it costs this judgement. Raises _Died and TimeoutError."""
        ran = processor_seconds(worker.pid)
        try:
            answer = worker.ask(line, deadline)
        except TimeoutError:
            spend_worker_seconds(deadline)
            raise
        spend_worker_seconds(max(processor_seconds(worker.pid) - ran, 0.0))
        return answer

    def pids(self) -> list[int]:
        """Return the process ids of the idle workers (for tests)."""
        with self._slots.mutex:
            return [w.pid for w in self._slots.queue if w is not None]

    def forking_pid(self) -> int | None:
        """Return the process id of the process that forks the workers (for tests)."""
        return self._parent.pid if self._parent else None

    def close(self) -> None:
        """End all idle workers and the process that forks them."""
        for worker in [self._slots.get() for _ in range(self.workers)]:
            self._retired(worker)
        for _ in range(self.workers):
            self._slots.put(None)
        with self._lock:
            self._stop_parent()

    @staticmethod
    def _retired(worker: _Worker | None) -> None:
        if worker is not None:
            worker.kill()

    def _start(self) -> _Worker:
        """Have a worker forked. Raises _Died if the forking process is gone; the next call starts a new one."""
        ours, theirs = socket.socketpair()
        with self._lock:
            try:
                control = self._control or self._start_parent()
                socket.send_fds(control, [b"%d" % self.memory], [theirs.fileno()])
                pid = int(_read_line(control))
            except (OSError, ValueError) as error:
                ours.close()
                self._stop_parent()
                raise _Died from error
            finally:
                theirs.close()
        return _Worker(ours, pid)

    def _start_parent(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        code = f"from pipeline.verifiers.worker_process import forking_parent; forking_parent({theirs.fileno()})"
        self._parent = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            env={"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        ours.settimeout(START_TIMEOUT)
        self._control = ours
        if _read_line(ours) != b"ready":
            raise ConnectionError("the forking process did not start")
        return ours

    def _stop_parent(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._parent is not None:
            self._parent.kill()
            self._parent.wait()
            self._parent = None


def _read_line(channel: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        part = channel.recv(1)
        if not part:
            raise ConnectionError("the forking process is gone")
        line += part
    return bytes(line[:-1])


_shared: WorkerPool | None = None
_shared_lock = threading.Lock()
_settings: dict[str, Any] = {}


def configure(*, workers: int = 2, deadline: float = 5.0, memory: int = 1 << 30) -> None:
    """Set the size of the shared pool, its deadline in seconds, and the memory of each worker in bytes."""
    global _shared
    with _shared_lock:
        old, _shared = _shared, None
        _settings.update(workers=workers, deadline=deadline, memory=memory)
    if old is not None:
        old.close()


def shared_pool() -> WorkerPool:
    """Return this process's pool, made on first use."""
    global _shared  # noqa: PLW0603
    with _shared_lock:
        if _shared is None:
            _shared = WorkerPool(**_settings)
        return _shared


def _forget() -> None:
    """A forked child shares its parent's sockets: it must not use them."""
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
