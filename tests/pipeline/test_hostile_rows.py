"""Rows made to hang the verifier, among honest ones: they cost their deadline and nothing else."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from flows.verify_command import verdicts
from pipeline.seeds import rng_for
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import WorkerPool, configure, shared_pool
from tests.pipeline.hostile_rows import HANGING, REFUSED, honest_rows, hostile_rows

DEADLINE: Final = 0.5
WORKERS: Final = 2
HOSTILE: Final = 200
HONEST: Final = 2_000


@pytest.fixture(autouse=True)
def usual_pool_afterwards() -> Iterator[None]:
    yield
    configure()


@pytest.mark.slow
def test_two_hundred_hostile_rows_among_two_thousand_honest_ones(tmp_path: Path) -> None:
    hostile = {row["id"]: row for row in hostile_rows(HANGING, HOSTILE)}
    wanted = {row["id"]: verdict for row, verdict in honest_rows(HONEST)}
    rows = [*hostile.values(), *(row for row, _ in honest_rows(HONEST))]
    rng_for("hostile among honest", 0, 0).shuffle(rows)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    broken: list[str] = []
    started = time.monotonic()
    found = {row["id"]: v for row, v in verdicts(path, broken.append, workers=WORKERS, deadline=DEADLINE)}
    taken = time.monotonic() - started

    bound = HOSTILE * DEADLINE / WORKERS * 1.2
    print(f"{taken:.1f} s, {taken / bound:.2f} of the bound of {bound:.0f} s")
    assert not broken
    assert {name: found[name]["verdict"] for name in wanted} == wanted
    assert [name for name in hostile if found[name]["verdict"] == "correct"] == []
    hung = {name.partition("(")[2] for name in hostile if "not decided within" in found[name]["reason"]}
    assert len(hung) == len(HANGING) >= 8  # every kind reached a worker and held it
    assert taken < 2 * bound  # room for a busy machine; bench_verifier.py measures it


def _boxes(kind: str, opening: str, between: str, closing: str) -> str:
    return opening + between.join(HANGING[kind][2](n) for n in range(10, 20)) + closing


_SINES = "x+" + "+".join(f"\\sin({k}x)" for k in range(1, 60))
_NOWHERE = "+\\sqrt{-1-x^2}"
_LONG = "7" * 900
IN_PARTS: Final = {
    "ten boxes": (HANGING["power of a sum"][0], _boxes("power of a sum", "\\boxed{", "} \\boxed{", "}"), "equation"),
    "a set": (_boxes("towers of e", "\\{1,", ",", "\\}"), _boxes("towers of e", "\\boxed{\\{2,", ",", "\\}}"), "set"),
    "sines of long numbers": ("x", f"\\boxed{{{_SINES}+{_LONG}{_NOWHERE}}}", "expression"),
    "the gamma function": ("x", f"\\boxed{{(x^2+\\frac13)!+{_LONG}{_NOWHERE}}}", "expression"),
    "powers of long numbers": (
        "a+b+c+d+f=1",
        f"\\boxed{{({10**40}a+{10**50}b+{10**60}c+d+f)^{{30}}=7}}",
        "equation",
    ),
}


@pytest.mark.parametrize("name", IN_PARTS)
def test_an_answer_of_many_parts_has_one_deadline(name: str) -> None:
    configure(workers=1, deadline=DEADLINE)
    shared_pool().ask(["value", ["sym", "x"], ["sym", "x"]])  # the worker is there
    gold, completion, answer_type = IN_PARTS[name]
    started, busy = time.monotonic(), time.thread_time()
    (verdict,) = verify_rows([{"answer": gold, "completion": completion, "answer_type": answer_type}])
    assert verdict["verdict"] != "correct"
    assert time.thread_time() - busy < 0.75
    assert time.monotonic() - started < DEADLINE + 2.5  # on an idle machine 0.5; ten deadlines are 5


@pytest.mark.parametrize("kind", REFUSED)
def test_monsters_that_need_no_worker(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_pool: WorkerPool, request: Any) -> dict[str, Any]:
        raise AssertionError(f"a worker was asked: {str(request)[:80]}")

    monkeypatch.setattr(WorkerPool, "ask", ask)
    row = next(row for row in hostile_rows(REFUSED, len(REFUSED)) if f"({kind})" in row["id"])
    (verdict,) = verify_rows([row])
    assert verdict["verdict"] != "correct"
