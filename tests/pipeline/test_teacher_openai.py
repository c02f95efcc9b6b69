"""The server engine against real HTTP and real faults: what may pass is tried again, the rest is one clear line."""

import asyncio
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from pipeline.concurrency import Monitored
from pipeline.config import OpenAIEngine, Sampling, Teacher
from pipeline.records import Completion, Provenance, make_problem
from pipeline.teacher import TeacherError, TeacherUnavailable, make_request, open_teacher, split_reasoning
from pipeline.teacher_openai import retry_after
from tests.asking import complete_requests
from tests.fake_server import MODEL_NAME, serve
from tests.loopback import Quiet, serving

PROBLEMS = [
    make_problem(
        f"What is {i} + 1?", str(i + 1), domain="d", family="f", strategy="template", provenance=Provenance("g", "1")
    )
    for i in range(20)
]


def settings(
    urls: Iterable[str], *, model: str = MODEL_NAME, attempts: int = 5, timeout: float = 2.0, patience: float = 30.0
) -> Teacher:
    engine = OpenAIEngine(
        kind="openai",
        endpoints=tuple(urls),
        concurrency=4,
        attempts=attempts,
        timeout_seconds=timeout,
        patience_seconds=patience,
    )
    return Teacher(model=model, engine=engine, sampling=Sampling(min_p=0.05, seed="per_request"), completions=1)


def solve(teacher_settings: Teacher) -> list[Completion]:
    async def work() -> list[Completion]:
        async with open_teacher(teacher_settings) as teacher:
            requests = [
                make_request((teacher.model, teacher.revision), teacher_settings, problem, 0) for problem in PROBLEMS
            ]
            return await complete_requests(teacher, requests, "test")

    return asyncio.run(work())


def echo(body: dict[str, Any]) -> str:
    return f"answer to: {body['messages'][-1]['content'].splitlines()[0]}"


def test_every_request_gets_its_own_answer_within_the_bound() -> None:
    with serve(echo, seconds_per_answer=0.02) as server:
        completions = solve(settings([server.url]))
    assert [c.text for c in completions] == [f"answer to: {p.question}" for p in PROBLEMS]
    assert server.most_at_once <= 4
    body = server.requests[0]
    assert (body["model"], body["min_p"], body["max_tokens"]) == (MODEL_NAME, 0.05, 512)
    assert len({b["seed"] for b in server.requests}) == len(PROBLEMS)


@pytest.mark.parametrize("fault", ["429", "500", "503", "hang", "close", "not json", "no choices"])
def test_a_passing_fault_is_tried_again_and_no_answer_is_lost(fault: str) -> None:
    with serve(echo, faults=[fault, fault]) as server:
        completions = solve(settings([server.url], timeout=0.5))
    assert [c.text for c in completions] == [f"answer to: {p.question}" for p in PROBLEMS]
    assert len(server.requests) == len(PROBLEMS) + 2


def test_a_lasting_fault_names_the_endpoint_after_the_last_try() -> None:
    with serve(echo, faults=["500"] * 1000) as server, pytest.raises(TeacherUnavailable) as caught:
        solve(settings([server.url], attempts=2))
    assert server.url in str(caught.value)
    assert "Error code: 500" in str(caught.value)
    assert "after 2 tries" in str(caught.value)


@pytest.mark.slow
def test_a_server_that_only_refuses_ends_the_run_early_though_a_refusal_is_no_try() -> None:
    with serve(echo, faults=["429"] * 1000) as server, pytest.raises(TeacherUnavailable) as caught:
        solve(settings([server.url], attempts=1, patience=0.2))
    assert f"{server.url}: " in str(caught.value)
    assert "tries failed, more than half for" in str(caught.value)
    assert "last: Error code: 429" in str(caught.value)
    assert len(server.requests) < 30


def test_retry_after_is_honoured() -> None:
    asked: list[float] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # an answer without a length ends with its connection

        def do_POST(self) -> None:
            asked.append(time.monotonic())
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"object": "list", "data": [{"id": "fake/model", "object": "model"}]}')

    with serving(Handler) as address, pytest.raises(TeacherUnavailable):
        solve(settings([f"{address}/v1"], attempts=2))
    # Four are in flight when the first answer comes; no other is sent before a second has passed.
    later = [moment for moment in asked if moment - asked[0] > 0.5]
    assert len(asked) - len(later) == 4
    assert min(later) - asked[0] >= 1


RETRY_AFTER = [
    (None, None),
    ("2", 2.0),
    ("0.25", 0.25),
    ("soon", None),
    ("nan", None),
    ("inf", None),
    ("-3", None),
    ("Sun, 06 Nov 1994 08:49:37 GMT", None),
]


@pytest.mark.parametrize(("header", "seconds"), RETRY_AFTER)
def test_a_retry_after_header_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_a_retry_after_header_may_be_a_date() -> None:
    seconds = retry_after(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    assert seconds is not None
    assert 3000 < seconds <= 3600


def test_a_refusal_is_not_tried_again() -> None:
    with serve(echo, faults=["400"]) as server, pytest.raises(TeacherError, match="Error code: 400"):
        solve(settings([server.url]))


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


@pytest.mark.parametrize("count", [1, 2])
def test_nobody_listens_there(count: int) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(nobody()) for _ in range(count)]
        with pytest.raises(TeacherUnavailable) as caught:
            solve(settings(urls))
    assert all(f"{url}: no answer" in str(caught.value) for url in urls)
    assert str(caught.value).endswith("is the server running there?")
    assert "\n" not in str(caught.value)


def test_an_endpoint_that_is_away_at_the_start_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    async def load_at_the_start(urls: list[str]) -> str:
        async with open_teacher(settings(urls)) as teacher:
            assert isinstance(teacher, Monitored)
            return teacher.load()

    with serve(echo) as good, nobody() as dead:
        load = asyncio.run(load_at_the_start([dead, good.url]))
        capsys.readouterr()
        completions = solve(settings([dead, good.url]))
    assert [place.partition(" ")[2] for place in load.split(", ")] == ["0/1 open", "0/4"]
    assert [c.text for c in completions] == [f"answer to: {p.question}" for p in PROBLEMS]
    assert len(good.requests) == len(PROBLEMS)
    (told,) = (line for line in capsys.readouterr().err.splitlines() if "left out" in line)
    assert told.startswith(f"1 of 2 endpoints left out until they answer: {dead}: no answer (")


def test_another_model_is_served() -> None:
    with serve(echo) as server, pytest.raises(TeacherError, match="does not serve other/model; it serves fake/model"):
        solve(settings([server.url], model="other/model"))
    with serve(echo) as server, nobody() as dead, pytest.raises(TeacherError, match="does not serve other/model"):
        solve(settings([dead, server.url], model="other/model"))


def test_two_endpoints_share_the_work_and_one_may_die() -> None:
    with serve(echo, seconds_per_answer=0.02) as good, serve(echo, faults=["500"] * 1000) as bad:
        completions = solve(settings([good.url, bad.url]))
    assert [c.text for c in completions] == [f"answer to: {p.question}" for p in PROBLEMS]
    assert len(good.requests) == len(PROBLEMS)
    assert 0 < len(bad.requests) < len(PROBLEMS)


SPLITS = [
    ("plain \\boxed{1}", (None, "plain \\boxed{1}")),
    ("<think>\nwhy\n</think>\n\n\\boxed{1}", ("why", "\\boxed{1}")),
    ("why, with a pre-filled tag</think> \\boxed{1}", ("why, with a pre-filled tag", "\\boxed{1}")),
    ("<think> never \\boxed{1} closed", ("never \\boxed{1} closed", "")),
    ("<think>a</think> \\boxed{1} <think>b</think> \\boxed{2}", ("a</think> \\boxed{1} <think>b", "\\boxed{2}")),
    ("first <think>inside</think> \\boxed{1}", (None, "first <think>inside</think> \\boxed{1}")),
]


@pytest.mark.parametrize(("text", "parts"), SPLITS)
def test_a_thinking_block_is_split_off(text: str, parts: tuple[str | None, str]) -> None:
    assert split_reasoning(text) == parts
