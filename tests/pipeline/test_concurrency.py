"""What an endpoint is given: the ramp, the halving, the breaker, the early stop; and that several share the work."""

import asyncio

import pytest

from pipeline.concurrency import FEWEST, Endpoint, Endpoints, Failure, Try
from pipeline.teacher import TeacherUnavailable
from tests.pipeline.virtual_time import Speed, share

BUSY = Failure("Error code: 503", overloaded=True)
BROKEN = Failure("Error code: 500")


def endpoint(most: int = 64, url: str = "http://one:8000/v1") -> Endpoint:
    return Endpoint(url, most)


def round_of(one: Endpoint, now: float, *, succeeds: bool = True, failure: Failure = BUSY) -> float:
    """Have as many requests end as there is room for, half a second later; each leaves its place to a next one."""
    for _ in range(1 if one.state(now) != "closed" else int(one.limit)):
        one.in_flight = int(one.limit)
        if succeeds:
            one.succeed(now, now + 0.5)
        else:
            one.fail(failure, now, now + 0.5)
    one.in_flight = 0
    return now + 1


def test_the_limit_doubles_until_the_first_overload_then_halves_and_grows_by_one_a_round() -> None:
    one, now, limits = endpoint(most=20), 0.0, []
    for succeeds in (True, True, True, False, True, True):
        now = round_of(one, now, succeeds=succeeds)
        limits.append(int(one.limit))
    assert limits[:4] == [8, 16, 20, 10]
    assert limits[4:] == [10, 11]


def test_the_limit_does_not_grow_where_it_holds_nothing_back_and_not_for_a_broken_answer() -> None:
    one = endpoint()
    one.in_flight = 2
    one.succeed(0.0, 1.0)
    assert one.limit == 4
    one.fail(BROKEN, 0.0, 1.0)
    assert one.limit == 4


def test_the_breaker_opens_probes_and_closes() -> None:
    one, now = endpoint(), 0.0
    for _ in range(3):
        assert one.state(now) == "closed"
        now = round_of(one, now, succeeds=False, failure=BROKEN)
    now -= 0.5  # when the last round was known to have failed
    for seconds in (1, 2, 4):
        assert (one.state(now), one.has_room(now)) == ("open", False)
        assert not one.has_room(now + seconds - 0.01)
        now += seconds
        assert (one.state(now), one.has_room(now)) == ("half-open", True)
        one.in_flight += 1
        assert not one.has_room(now)
        one.fail(BROKEN, now, now)
        one.in_flight -= 1
    now += 8
    one.in_flight += 1
    one.succeed(now, now + 1)
    one.in_flight -= 1
    assert (one.state(now), int(one.limit)) == ("closed", 2)


def test_a_breaker_that_is_open_from_the_start_lets_one_probe_through_and_closes() -> None:
    one = endpoint()
    one.open_breaker(5.0)
    assert (one.state(5.9), one.has_room(5.9)) == ("open", False)
    assert (one.state(6.0), one.has_room(6.0)) == ("half-open", True)
    one.in_flight = 1
    assert not one.has_room(6.0)
    one.succeed(6.0, 7.0)
    assert (one.state(7.0), int(one.limit)) == ("closed", 2)


def test_it_rests_as_long_as_it_asks() -> None:
    one = endpoint()
    one.fail(Failure("Error code: 429", overloaded=True, refused=True, retry_after=7), 0.0, 1.0)
    assert not one.has_room(7.9)
    assert one.has_room(8.0)
    one.fail(Failure("Error code: 429", overloaded=True, refused=True, retry_after=1e9), 9.0, 10.0)
    assert one.has_room(10.0 + 300)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def end(endpoints: Endpoints, one: Endpoint, failure: Failure | None, *, began: float = 0.0) -> None:
    one.in_flight += 1
    tried = Try(one, began)
    endpoints.succeed(tried) if failure is None else endpoints.fail(tried, failure)


def test_more_than_half_failing_for_long_enough_stops_and_says_where() -> None:
    good, bad = endpoint(), endpoint(url="http://two:8000/v1")
    clock = Clock()
    endpoints = Endpoints([good, bad], patience=30.0, clock=clock)
    for failure in [None, None, None, BROKEN, BUSY] * 2:  # four of ten: it may go on like this for ever
        clock.now += 100
        end(endpoints, bad if failure else good, failure)
    for _ in range(6):
        end(endpoints, bad, BROKEN)
    clock.now += 29
    end(endpoints, bad, BROKEN)
    clock.now += 2
    with pytest.raises(TeacherUnavailable) as caught:
        end(endpoints, bad, BUSY)
    text = str(caught.value)
    assert "12 of the last 18 tries failed, more than half for 31 s" in text
    assert "http://two:8000/v1: 12 of 12 failed, last: Error code: 503; Error code: 500" in text
    assert "one:8000" not in text
    assert "\n" not in text


def test_few_tries_or_a_burst_that_passes_stop_nothing() -> None:
    one, clock = endpoint(), Clock()
    endpoints = Endpoints([one], patience=30.0, clock=clock)
    for _ in range(FEWEST - 1):
        clock.now += 100
        end(endpoints, one, BROKEN, began=clock.now)
    for _ in range(50):
        end(endpoints, one, BROKEN)
    clock.now += 400  # the breaker has opened; what probes it succeeds
    for failure in (None, BROKEN, None, BROKEN, None) * 5:
        clock.now += 100
        end(endpoints, one, failure, began=clock.now)
    for _ in range(50):  # one round, not enough to open it
        end(endpoints, one, BROKEN)
    for failure in (*[None] * FEWEST, BROKEN):
        clock.now += 10
        end(endpoints, one, failure, began=clock.now)


def test_a_server_that_refuses_more_than_it_can_take_finds_its_level() -> None:
    found = share([Speed(6, 1.0, refuses=True)], 400, concurrency=64)
    (one,) = found.endpoints.all
    assert found.answered == [400]
    assert 2 <= one.limit <= 12
    assert one.retries < 400 / 10
    assert one.in_flight == 0
    assert found.per_second > 0.6 * 6


FAST, SLOW = Speed(16, 1.6), Speed(8, 3.2)


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("count", [600, 3000])
def test_two_servers_of_different_speed_reach_nine_tenths_of_the_sum(refuses: bool, count: int) -> None:
    fast, slow = FAST._replace(refuses=refuses), SLOW._replace(refuses=refuses)
    alone = share([fast], count * 4 // 5).per_second + share([slow], count // 5).per_second
    both = share([fast, slow], count)
    assert both.per_second >= 0.9 * alone
    assert both.answered[0] > 3 * both.answered[1] > 0


def test_a_server_that_fails_gets_little_and_the_others_do_its_work() -> None:
    found = share([FAST, Speed(8, 0.1, broken=True)], 600)
    dead = found.endpoints.all[1]
    assert found.answered == [600, 0]
    assert dead.retries < 30
    assert "server1 0/1" in found.endpoints.load()
    assert f"{dead.retries} retries" in found.endpoints.load()
    assert found.per_second > 0.8 * share([FAST], 600).per_second


def test_a_server_that_only_fails_ends_the_run() -> None:
    with pytest.raises(TeacherUnavailable, match=r"server0/v1: \d+ of \d+ failed, last: Error code: 500"):
        share([Speed(8, 0.1, broken=True)], 100)


def test_a_worker_that_is_cancelled_leaves_its_place_to_others() -> None:
    async def whole() -> None:
        endpoints = Endpoints([endpoint(most=1)], patience=30.0)
        first = await endpoints.take()
        waiting = [asyncio.create_task(endpoints.take()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        endpoints.succeed(first)
        assert (await waiting[1]).endpoint is endpoints.all[0]

    asyncio.run(whole())
