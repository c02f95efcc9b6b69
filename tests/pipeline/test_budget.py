"""What counts as a judgement's own time: its computing, not the garbage collections that fall into it."""

import gc
import time

from pipeline.verifiers import budget


def test_computing_counts_and_collecting_does_not() -> None:
    rubbish = [[[i] for _ in range(8)] for i in range(60_000)]  # makes one collection take long enough to be seen
    with budget.one_call():
        while not budget.own_time_is_over():
            pass
    with budget.one_call():
        start = time.thread_time()
        while time.thread_time() - start < 2 * budget.OWN_SECONDS:
            gc.collect()
        assert not budget.own_time_is_over()
    assert rubbish
