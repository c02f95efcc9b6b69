"""An OpenAI-compatible server on loopback whose "model" is a function, with faults on demand: real HTTP."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import Quiet, serving

Model = Callable[[dict[str, Any]], str]
MODEL_NAME = "fake/model"


@dataclass
class FakeServer:
    """What a test may look at and steer. `faults` are taken one per request, in order, before answers are given."""

    url: str
    faults: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    seconds_per_answer: float = 0.0
    most_at_once: int = 0


@contextmanager
def serve(model: Model, faults: list[str] | None = None, seconds_per_answer: float = 0.0) -> Iterator[FakeServer]:
    """Run the server while the block runs."""
    state = FakeServer("", list(faults or ()), seconds_per_answer=seconds_per_answer)
    with serving(_handler(model, state)) as address:
        state.url = f"{address}/v1"
        yield state


def _handler(model: Model, state: FakeServer) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    at_once = 0

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": MODEL_NAME, "object": "model"}]})

        def do_POST(self) -> None:
            nonlocal at_once
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                state.requests.append(body)
                fault = state.faults.pop(0) if state.faults else None
                at_once += 1
                state.most_at_once = max(state.most_at_once, at_once)
            try:
                time.sleep(state.seconds_per_answer)
                self._fail(fault) if fault else self._send(200, _answer(model(body)))
            finally:
                with lock:
                    at_once -= 1

        def _fail(self, fault: str) -> None:
            if fault.isdigit():
                self._send(int(fault), {"error": {"message": f"fault {fault}"}})
            elif fault == "hang":
                time.sleep(5)
            elif fault == "close":
                self._headers(200, 1000)
                self.wfile.write(b'{"choices": [')
                self.close_connection = True
            elif fault == "not json":
                self._raw(200, b"<html>bad gateway</html>")
            elif fault == "no choices":
                self._send(200, {**_answer("x"), "choices": []})
            elif fault == "two choices":
                self._send(200, {**_answer("x"), "choices": 2 * _answer("x")["choices"]})
            else:
                raise ValueError(fault)

        def _send(self, status: int, content: dict[str, Any]) -> None:
            self._raw(status, json.dumps(content).encode())

        def _raw(self, status: int, content: bytes) -> None:
            self._headers(status, len(content))
            self.wfile.write(content)

        def _headers(self, status: int, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length))
            self.end_headers()

    return Handler


def _answer(text: str) -> dict[str, Any]:
    tokens = len(text.split())
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL_NAME,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens},
    }
