"""Two servers of different speed behind one teacher, beside each alone: the share of the sum of their speeds.

First the balancing by itself on a virtual clock (the same figures on every machine), then real HTTP to servers on
loopback. Servers answer a limited number of requests at a time; others wait there, or are refused with 429. Start-up
ramp and the last requests are included. --requests sets the length.
"""

import argparse
import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from pipeline.config import OpenAIEngine, Teacher
from pipeline.records import Provenance, make_problem
from pipeline.teacher import make_request, open_teacher
from tests.asking import complete_requests
from tests.loopback import Quiet, serving
from tests.pipeline.virtual_time import Speed, share

MODEL = "fake/model"
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


FAST = Speed(16, 1.6)
SLOW = Speed(8, 3.2)


@contextmanager
def server(speed: Speed) -> Iterator[str]:
    """Run a server while the block runs; gives its URL."""
    places = threading.Semaphore(speed.places)
    lengths = random.Random(0)

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if not places.acquire(blocking=not speed.refuses):
                self._send(429, {"error": {"message": "too many requests"}})
                return
            time.sleep(speed.seconds * lengths.uniform(0.5, 1.5))
            places.release()
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "\\boxed{1}"}}
            head = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL}
            self._send(200, {**head, "choices": [choice], "usage": USAGE})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as address:
        yield f"{address}/v1"


def per_second(urls: list[str], count: int) -> tuple[float, str]:
    """Have so many requests answered; returns completions per second, start-up ramp and tail included."""
    engine = OpenAIEngine(kind="openai", endpoints=tuple(urls), concurrency=16, timeout_seconds=60)
    settings = Teacher(model=MODEL, engine=engine, completions=count)
    problem = make_problem(
        "What is 0 + 1?", "1", domain="d", family="f", strategy="template", provenance=Provenance("bench", "1")
    )

    async def work() -> tuple[float, str]:
        async with open_teacher(settings) as teacher:
            requests = [make_request((MODEL, "served"), settings, problem, place) for place in range(count)]
            started = time.monotonic()
            await complete_requests(teacher, requests, "endpoints")
            return count / (time.monotonic() - started), teacher.load() if hasattr(teacher, "load") else ""

    return asyncio.run(work())


def main() -> None:
    """Print a line per leg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    count = parser.parse_args().requests
    part = FAST.places / FAST.seconds / (FAST.places / FAST.seconds + SLOW.places / SLOW.seconds)
    for refuses in (False, True):
        fast, slow = (speed._replace(refuses=refuses) for speed in (FAST, SLOW))
        beyond = "429 beyond its places" if refuses else "a queue beyond its places"
        for several in (count, 10 * count):
            alone = [share([fast], int(several * part)).per_second, share([slow], int(several * (1 - part))).per_second]
            both = share([fast, slow], several)
            load = both.endpoints.load()
            _print(f"virtual clock, {several} requests, {beyond}", alone, both.per_second, load)
    with server(FAST) as one, server(SLOW) as two:
        alone = [per_second([one], int(count * part))[0], per_second([two], int(count * (1 - part)))[0]]
        _print(f"HTTP, {count} requests, a queue beyond its places", alone, *per_second([one, two], count))


def _print(leg: str, alone: list[float], both: float, load: str) -> None:
    ratio = f"{both / sum(alone):.2f} of the sum"
    print(f"{leg}: fast {alone[0]:.1f}/s, slow {alone[1]:.1f}/s, both {both:.1f}/s = {ratio} ({load})", flush=True)


if __name__ == "__main__":
    main()
