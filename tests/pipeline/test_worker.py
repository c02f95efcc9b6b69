"""The pool of killable workers: deadlines, deaths, memory, threads, event loops, forks."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.verifiers import judge
from pipeline.verifiers.budget import one_call
from pipeline.verifiers.parsing import parse
from pipeline.verifiers.worker import WorkerFailed, WorkerPool, configure, shared_pool
from pipeline.verifiers.worker_process import decode, encode

DEADLINE = 1.5
ONE, TWO = encode(parse("x+x")), encode(parse("2x"))
HANGING = "(a+2b+3c+4d+{}f+1)^{{20}} = 7"  # expanding it takes SymPy minutes


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(workers=2, deadline=DEADLINE)
    made.ask(["value", ONE, TWO])
    yield made
    made.close()


@pytest.fixture
def small_shared_pool() -> Iterator[None]:
    configure(workers=2, deadline=DEADLINE)
    judge("math", "y=x^2", r"\boxed{y=x^3}", answer_type="equation")
    yield
    configure()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    end = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("text", ["x+1", "\\frac{1}{3}-2\\pi", "\\sin^2 x", "9^{9^{9}}", "x_1+\\sqrt[3]{2}"])
def test_trees_survive_the_way_to_the_worker(text: str) -> None:
    assert decode(encode(parse(text))) == parse(text)


def test_the_pool_answers(pool: WorkerPool) -> None:
    assert pool.ask(["value", ONE, TWO]) == {"equal": True}
    assert pool.ask(["value", ONE, encode(parse("3x"))]) == {"equal": False}


def test_a_hanging_request_ends_at_the_deadline_and_its_worker_with_it(pool: WorkerPool) -> None:
    (pid,) = pool.pids()
    start = time.monotonic()
    with pytest.raises(WorkerFailed, match="seconds"):
        pool.ask(["sleep", ONE, TWO])
    assert DEADLINE <= time.monotonic() - start < DEADLINE + 10
    assert ends(pid)
    assert pool.ask(["value", ONE, TWO]) == {"equal": True}


def test_a_worker_that_gets_no_processor_is_waited_for(pool: WorkerPool) -> None:
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGSTOP)
    late = threading.Timer(DEADLINE + 1, os.kill, (pid, signal.SIGCONT))
    late.start()
    assert pool.ask(["value", ONE, TWO]) == {"equal": True}
    late.join()
    assert pool.pids() == [pid]


def test_a_worker_that_gets_no_processor_is_not_waited_for_for_ever() -> None:
    impatient = WorkerPool(workers=1, deadline=0.1)
    impatient.ask(["value", ONE, TWO])
    (pid,) = impatient.pids()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerFailed, match="seconds"):
        impatient.ask(["value", ONE, TWO])
    assert ends(pid)
    impatient.close()


def test_the_requests_of_one_judgement_share_a_deadline(pool: WorkerPool) -> None:
    with one_call():
        assert pool.ask(["value", ONE, TWO]) == {"equal": True}
        with pytest.raises(WorkerFailed, match="seconds"):
            pool.ask(["sleep", ONE, TWO])
        start = time.monotonic()
        with pytest.raises(WorkerFailed, match="seconds"):
            pool.ask(["sleep", ONE, TWO])
        assert time.monotonic() - start < DEADLINE / 2
    assert pool.ask(["value", ONE, TWO]) == {"equal": True}


def test_waiting_for_a_worker_does_not_count(pool: WorkerPool) -> None:
    """Eight requests of which six hang, on two workers: the two honest ones wait longer than the deadline."""
    requests = [["sleep", ONE, TWO]] * 6 + [["value", ONE, TWO]] * 2

    def ask(request: list[object]) -> bool | None:
        try:
            return bool(pool.ask(request)["equal"])
        except WorkerFailed:
            return None

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, requests)) == [None] * 6 + [True] * 2


def test_killed_workers_change_no_answer(pool: WorkerPool) -> None:
    stop = threading.Event()
    rng = random.Random(7)

    def kill_now_and_then() -> None:
        while not stop.wait(0.02):
            for pid in pool.pids():
                if rng.random() < 0.5:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: pool.ask(["value", ONE, TWO]), range(100)))
    finally:
        stop.set()
        killer.join()
    assert answers == [{"equal": True}] * 100


def test_memory_is_limited() -> None:
    small = WorkerPool(workers=1, deadline=20, memory=400 << 20)
    huge = encode(parse("(a+b+c+d+f+g+h+k+1)^{60}"))
    with pytest.raises(WorkerFailed):
        small.ask(["equation", huge, ONE])
    assert small.ask(["value", ONE, TWO]) == {"equal": True}
    small.close()


def test_workers_end_with_their_parent() -> None:
    code = (
        "import os, signal; from pipeline.verifiers.worker import WorkerPool\n"
        "pool = WorkerPool(workers=1); pool.ask(['value', ['sym', 'x'], ['sym', 'x']])\n"
        "print(pool.pids()[0], pool.forking_pid(), flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    pids = [int(pid) for pid in run.stdout.split()]
    assert len(pids) == 2
    assert all(ends(pid) for pid in pids)


def test_a_forked_child_makes_its_own_pool(small_shared_pool: None) -> None:
    mine = shared_pool()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"other" if shared_pool() is not mine else b"same")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"other"


def test_under_an_event_loop(small_shared_pool: None) -> None:
    async def judge_all() -> list[str]:
        def one(k: int) -> str:
            return judge("math", f"y={k}/x", f"\\boxed{{xy={k}}}", answer_type="equation").verdict

        return await asyncio.gather(*(asyncio.to_thread(one, k) for k in range(1, 9)))

    assert asyncio.run(judge_all()) == ["correct"] * 8


def test_hostile_rows_among_honest_ones(small_shared_pool: None) -> None:
    """Hostile rows cost their deadline and nothing else: all honest verdicts are right, none is undecided."""
    hostile = [("a+b+c+d+f=1", HANGING.format(k), "equation") for k in range(2, 10)]
    honest = [(str(k), str(k), "integer") for k in range(150)]
    honest += [(f"y={k}x+1", f"y-{k}x=1", "equation") for k in range(1, 50)] + [("y=7/x", "xy=7", "equation")]
    rows = [(row, True) for row in honest] + [(row, False) for row in hostile]
    random.Random(3).shuffle(rows)

    def verdict(row: tuple[str, str, str]) -> str:
        return judge("math", row[0], f"\\boxed{{{row[1]}}}", answer_type=row[2]).verdict

    start = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(verdict, [row for row, _ in rows]))
    taken = time.monotonic() - start
    assert all(v == "correct" for v, (_, is_honest) in zip(verdicts, rows, strict=True) if is_honest)
    assert all(v != "correct" for v, (_, is_honest) in zip(verdicts, rows, strict=True) if not is_honest)
    assert taken < len(hostile) * DEADLINE / 2 * 2 + 10  # room for a busy machine; bench_verifier.py measures it
