"""Servers on a clock of their own behind the real balancing: hours pass in a moment, and no other process matters."""

import asyncio
import random
import selectors
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.concurrency import Endpoint, Endpoints, Failure

WAIT_SECONDS = 0.5


class Speed(NamedTuple):
    """A server: so many requests at a time, each so long on average (half to one and a half of it). Others wait there,
    or are refused. `broken`: every answer is an error, after `seconds`."""

    places: int
    seconds: float
    refuses: bool = False
    broken: bool = False


class Shared(NamedTuple):
    """What came of it: completions per second in all, and those of each server."""

    per_second: float
    answered: list[int]
    endpoints: Endpoints


class _Selector(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump to the next timer in place of waiting for it."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class _Server:
    def __init__(self, speed: Speed) -> None:
        self.speed, self.answered = speed, 0
        self._places = asyncio.Semaphore(speed.places)
        self._lengths = random.Random(0)

    async def serve(self) -> None:
        if self.speed.refuses and self._places.locked():
            await asyncio.sleep(0.01)
            raise Failure("Error code: 429", overloaded=True, refused=True)
        async with self._places:
            await asyncio.sleep(self.speed.seconds * self._lengths.uniform(0.5, 1.5))
        if self.speed.broken:
            raise Failure("Error code: 500")
        self.answered += 1


def share(speeds: Sequence[Speed], count: int, concurrency: int = 16) -> Shared:
    """Have servers answer so many requests, as teacher_openai.py sends them; start-up and the last ones included."""
    loop = _Loop()
    ends = [Endpoint(f"http://server{number}/v1", concurrency) for number in range(len(speeds))]
    endpoints = Endpoints(ends, patience=30.0, clock=loop.time)
    servers = {end.url: _Server(speed) for end, speed in zip(ends, speeds, strict=True)}
    left = iter(range(count))
    jitter = random.Random(1)

    async def work() -> None:
        for _ in left:
            wait = WAIT_SECONDS
            while not await _tried(endpoints, servers):
                await asyncio.sleep(wait * jitter.uniform(0.5, 1))
                wait *= 2

    async def whole() -> Any:
        await asyncio.gather(*(work() for _ in range(concurrency * len(speeds))))

    try:
        loop.run_until_complete(whole())
        return Shared(count / loop.time(), [server.answered for server in servers.values()], endpoints)
    finally:
        loop.close()


async def _tried(endpoints: Endpoints, servers: dict[str, _Server]) -> bool:
    one = await endpoints.take()
    try:
        await servers[one.endpoint.url].serve()
    except Failure as failure:
        endpoints.fail(one, failure)
        return False
    endpoints.succeed(one)
    return True
