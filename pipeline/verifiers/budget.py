"""What one judgement may spend, all of its steps together: processor time of its own thread, and seconds of workers.

Without this an answer of ten parts could take ten deadlines. Outside of `one_call` nothing is counted.
"""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OWN_SECONDS: Final = 0.3


class _Call(threading.local):
    """What the call of this thread has spent; `own_end` is None outside of a call."""

    own_end: float | None = None
    worker_seconds: float = 0.0
    collection_began: float = 0.0


_call = _Call()


def _collections_do_not_count(phase: str, _info: dict[str, int]) -> None:
    """Put the end off by what a garbage collection takes: in a trainer's process that alone may be half a second."""
    if phase == "start":
        _call.collection_began = time.thread_time()
    elif _call.own_end is not None:
        _call.own_end += time.thread_time() - _call.collection_began


gc.callbacks.append(_collections_do_not_count)


@contextmanager
def one_call() -> Iterator[None]:
    """Count what this thread spends from here on as one judgement's."""
    before = _call.own_end, _call.worker_seconds
    _call.own_end, _call.worker_seconds = time.thread_time() + OWN_SECONDS, 0.0
    try:
        yield
    finally:
        _call.own_end, _call.worker_seconds = before


def own_time_is_over() -> bool:
    """Tell whether this judgement has used up its own thread's time: the rest is for a worker, which can be killed."""
    return _call.own_end is not None and time.thread_time() > _call.own_end


def worker_seconds() -> float:
    """Return how long workers have been busy for this judgement."""
    return _call.worker_seconds


def spend_worker_seconds(seconds: float) -> None:
    """Count seconds that a worker was busy."""
    if _call.own_end is not None:
        _call.worker_seconds += seconds
