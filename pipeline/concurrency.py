"""How many requests each endpoint of a server engine gets at once, found by trial.

Additive increase, multiplicative decrease (Chiu and Jain 1989) after a start-up ramp; a circuit breaker for an endpoint
that keeps failing; an early stop when most tries fail. No network here: the engine says what became of each try.
Times are seconds of a monotonic clock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple, Protocol, runtime_checkable
from urllib.parse import urlsplit

from pipeline.teacher import TeacherUnavailable

START_LIMIT: Final = 4
DECREASE: Final = 0.5
OPEN_AFTER: Final = 3  # rounds that fail in a row
FIRST_OPEN_SECONDS: Final = 1.0
LONGEST_OPEN_SECONDS: Final = 30.0
LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
WINDOW: Final = 100  # tries that the early stop looks back on
FEWEST: Final = 10
PACE_WEIGHT: Final = 0.2
MOST_SHOWN: Final = 4


@runtime_checkable
class Monitored(Protocol):
    """A teacher that tells how busy its servers are."""

    retries: int

    def load(self) -> str:
        """Return requests in flight and limits, in words for the progress line."""


class Failure(Exception):
    """A try that failed and that another try may mend. `overloaded`: the endpoint has too much to do or is not reached;
    `refused`: it said so before it began (429), so the request was not tried; `retry_after`: seconds it asked for."""

    def __init__(
        self, text: str, *, overloaded: bool = False, refused: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.overloaded, self.refused, self.retry_after = overloaded, refused, retry_after


@dataclass(eq=False)
class Endpoint:
    """One server. Its circuit breaker is closed while it works; open after OPEN_AFTER rounds of failure, for longer
    each time; then half-open: one request probes it, and its outcome closes or opens it again."""

    url: str
    most: int
    limit: float = 0.0
    in_flight: int = 0
    ramping: bool = True  # the limit doubles each round until the endpoint is overloaded for the first time
    failing_rounds: int = 0
    rests_until: float = -inf
    retries: int = 0
    pace: float = 0.0  # seconds per completion at its present load (Little's law), smoothed; 0 until known
    _round_ended: float = -inf

    def __post_init__(self) -> None:
        self.limit = float(min(START_LIMIT, self.most))

    @property
    def name(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc or self.url

    def state(self, now: float) -> str:
        """Return the circuit breaker's state: closed, open or half-open."""
        if self.failing_rounds < OPEN_AFTER:
            return "closed"
        return "open" if now < self.rests_until else "half-open"

    def has_room(self, now: float) -> bool:
        """Tell whether it may be sent another request."""
        allowed = 1 if self.failing_rounds >= OPEN_AFTER else int(self.limit)
        return now >= self.rests_until and self.in_flight < allowed

    def succeed(self, began: float, now: float) -> None:
        """Note an answer. The limit grows only while it is what holds requests back."""
        pace = (now - began) / self.in_flight
        self.pace = pace if not self.pace else (1 - PACE_WEIGHT) * self.pace + PACE_WEIGHT * pace
        self.failing_rounds = 0
        if self.in_flight >= int(self.limit):
            self.limit = min(self.limit + (1.0 if self.ramping else 1 / self.limit), float(self.most))

    def fail(self, failure: Failure, began: float, now: float) -> None:
        """Note a failure. What was sent before the last one was known belongs to the same round, and counts once."""
        self.retries += 1
        if failure.retry_after is not None:
            asked = min(failure.retry_after, LONGEST_RETRY_AFTER_SECONDS)
            self.rests_until = max(self.rests_until, now + asked)
        if began < self._round_ended:
            return
        self._round_ended = now
        self.failing_rounds += 1
        if failure.overloaded:
            self.limit, self.ramping = max(1.0, self.limit * DECREASE), False
        if self.failing_rounds >= OPEN_AFTER:
            self.open_breaker(now)

    def open_breaker(self, now: float) -> None:
        """Let it rest for now, for longer the more rounds have failed."""
        self.failing_rounds = max(self.failing_rounds, OPEN_AFTER)
        doubled = FIRST_OPEN_SECONDS * 2.0 ** min(self.failing_rounds - OPEN_AFTER, 16)
        self.rests_until = max(self.rests_until, now + min(doubled, LONGEST_OPEN_SECONDS))
        self.limit, self.ramping = 1.0, True


class Try(NamedTuple):
    """A request that is on its way to an endpoint since `began`."""

    endpoint: Endpoint
    began: float


class Endpoints:
    """All endpoints of a teacher: a request goes to the first that has room, of several to the one that is expected to
    answer first. Raises TeacherUnavailable once more than half of the tries have failed for `patience` seconds."""

    def __init__(
        self, endpoints: Sequence[Endpoint], patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.all = tuple(endpoints)
        self._patience = patience
        self._clock = clock
        self._waiting: deque[asyncio.Future[Try]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._ended: deque[tuple[Endpoint, str | None]] = deque(maxlen=WINDOW)
        self._failing_since: float | None = None

    async def take(self) -> Try:
        """Wait for room; those who wait are served in order."""
        turn: asyncio.Future[Try] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._hand_out()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_up(turn.result())
            raise

    def succeed(self, one: Try) -> None:
        """Note that a try was answered."""
        now = self._clock()
        if one.endpoint.state(now) != "closed":  # it works again: what it did before is past
            self._ended = deque((e for e in self._ended if e[0] is not one.endpoint), maxlen=WINDOW)
        one.endpoint.succeed(one.began, now)
        self._end(one, None, now)

    def fail(self, one: Try, failure: Failure) -> None:
        """Note that a try failed. Raises TeacherUnavailable if it is time to stop."""
        now = self._clock()
        one.endpoint.fail(failure, one.began, now)
        self._end(one, str(failure), now)
        lately = [error for _, error in list(self._ended)[-FEWEST:]]  # a server that is back may fail once more
        seconds = 0.0 if self._failing_since is None else now - self._failing_since
        if seconds >= self._patience and 2 * lately.count(None) < len(lately):
            raise TeacherUnavailable(self._why_stopped(seconds))

    def give_up(self, one: Try) -> None:
        """Note that nobody waits for a try any more."""
        one.endpoint.in_flight -= 1
        self._hand_out()

    @property
    def retries(self) -> int:
        """How many tries have failed so far."""
        return sum(endpoint.retries for endpoint in self.all)

    def load(self) -> str:
        """Return requests in flight of each endpoint's limit, what is not closed, and the retries."""
        now = self._clock()
        if len(self.all) <= MOST_SHOWN:
            names = [f"{e.name} " if len(self.all) > 1 else "in flight " for e in self.all]
            shares = [f"{name}{e.in_flight}/{int(e.limit)}" for name, e in zip(names, self.all, strict=True)]
            states = [e.state(now) for e in self.all]
            text = ", ".join(
                s if state == "closed" else f"{s} {state}" for s, state in zip(shares, states, strict=True)
            )
        else:
            shut = sum(e.state(now) != "closed" for e in self.all)
            text = f"in flight {sum(e.in_flight for e in self.all)}/{sum(int(e.limit) for e in self.all)}"
            text += f" at {len(self.all)} endpoints" + (f" ({shut} out)" if shut else "")
        return f"{text}, {self.retries:,} retries" if self.retries else text

    def _end(self, one: Try, error: str | None, now: float) -> None:
        self._ended.append((one.endpoint, error))
        failed = sum(error is not None for _, error in self._ended)
        if len(self._ended) < FEWEST or 2 * failed <= len(self._ended):
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = now
        self.give_up(one)

    def _hand_out(self) -> None:
        """Give free places to those who wait; come back when an endpoint has rested if there is none."""
        while self._waiting:
            if self._waiting[0].done():  # cancelled
                self._waiting.popleft()
                continue
            now = self._clock()
            free = [endpoint for endpoint in self.all if endpoint.has_room(now)]
            if not free:
                self._come_back(now)
                return
            best = min(free, key=lambda e: (e.failing_rounds, (e.in_flight + 1) * e.pace, e.in_flight))
            best.in_flight += 1
            self._waiting.popleft().set_result(Try(best, now))

    def _come_back(self, now: float) -> None:
        rests = [endpoint.rests_until for endpoint in self.all if endpoint.rests_until > now]
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(rests) - now + 0.001, self._hand_out) if rests else None

    def _why_stopped(self, seconds: float) -> str:
        failed = sum(error is not None for _, error in self._ended)
        parts = []
        for endpoint in self.all:
            errors = [error for e, error in self._ended if e is endpoint]
            bad = [error for error in errors if error is not None]
            if bad:
                last = "; ".join(dict.fromkeys(reversed(bad[-3:])))
                parts.append(f"{endpoint.url}: {len(bad)} of {len(errors)} failed, last: {last}")
        return (
            f"{failed} of the last {len(self._ended)} tries failed, more than half for {seconds:.0f} s; "
            f"{'; '.join(parts)}; what is finished is kept"
        )
