"""The pace of a connection: what it learns from answers, and how long it lets requests wait."""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from secretsync.engine.pacing import (
    FEW,
    LONGEST_GROWN_PAUSE,
    MAX_PAUSE,
    MAX_SPACING,
    MAX_WAIT,
    PROBE_SPACING,
    Pacer,
    Paused,
)

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Time:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pacer(time: Time) -> Pacer:
    return Pacer(
        "projects/shop/connections/main",
        clock=time,
        sleep=time.sleep,
        now=lambda: NOW,
        rng=random.Random(1),  # noqa: S311  jitter, not a secret
    )


async def answer(pacer: Pacer, status: int = 200, **headers: str) -> None:
    """Let a request go now, without a turn, and be answered so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def send() -> httpx.Response:
        return httpx.Response(status, headers=named)

    await pacer.exchange(send)


async def turns(pacer: Pacer, time: Time, count: int) -> list[float]:
    """Return how many seconds after now each of so many requests has its turn."""
    begun = time.now
    took = []
    for _ in range(count):
        await pacer.turn()
        took.append(round(time.now - begun, 3))
    return took


class TestWithoutPressure:
    @pytest.mark.parametrize(
        "headers",
        [{}, {"RateLimit": '"default";r=150;t=30'}, {"Octopus_RateLimit": f"r={FEW};t=18"}],
    )
    @pytest.mark.parametrize("status", [200, 404, 400, 401, 500, 502, 503])
    async def test_nobody_waits(
        self, pacer: Pacer, time: Time, status: int, headers: dict[str, str]
    ) -> None:
        await answer(pacer, status, **headers)
        assert await turns(pacer, time, 50) == [0.0] * 50
        assert pacer.pause == 0

    async def test_requests_are_under_way_together(self, pacer: Pacer) -> None:
        gate = asyncio.Event()
        under_way = 0

        async def send() -> httpx.Response:
            nonlocal under_way
            under_way += 1
            await gate.wait()
            return httpx.Response(200)

        async def request() -> None:
            await pacer.turn()
            await pacer.exchange(send)

        tasks = [asyncio.create_task(request()) for _ in range(10)]
        async with asyncio.timeout(10):
            while under_way < len(tasks):  # noqa: ASYNC110  the tasks announce nothing
                await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)


class TestRefusals:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        "header", ["17", format_datetime(NOW + timedelta(seconds=17), usegmt=True)]
    )
    async def test_nobody_sends_before_the_time_that_was_named(
        self, pacer: Pacer, time: Time, status: int, header: str
    ) -> None:
        await answer(pacer, status, Retry_After=header)
        assert pacer.pause == 17
        assert (await turns(pacer, time, 1)) == [17]
        assert pacer.pause == 0

    async def test_a_429_with_a_reset_and_no_retry_after(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 429, Octopus_RateLimit="r=0;t=18")
        assert await turns(pacer, time, 1) == [18]

    async def test_retry_after_goes_before_the_reset(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 429, Retry_After="1", Octopus_RateLimit="r=0;t=18")
        assert await turns(pacer, time, 1) == [1]

    async def test_those_that_waited_do_not_go_all_at_once(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 429, Retry_After="10")
        took = await turns(pacer, time, 4)
        assert took == [10 + PROBE_SPACING * number for number in range(4)]
        await answer(pacer, 200)
        assert await turns(pacer, time, 4) == [0.0] * 4

    @pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}, {"Retry_After": "soon"}])
    async def test_a_pause_without_a_time_grows_and_is_forgotten_after_a_success(
        self, pacer: Pacer, time: Time, headers: dict[str, str]
    ) -> None:
        for longest in [1, 2, 4, 8, 16, 32, 60, 60]:
            await answer(pacer, 429, **headers)
            assert longest / 2 <= pacer.pause <= longest <= LONGEST_GROWN_PAUSE
            await time.sleep(pacer.pause)
        await answer(pacer, 204)
        await answer(pacer, 429)
        assert pacer.pause <= 1

    async def test_refusals_of_one_burst_count_once(self, pacer: Pacer, time: Time) -> None:
        all_sent = asyncio.Barrier(4)
        may_end = [asyncio.Event() for _ in range(3)]

        async def send(number: int, status: int) -> httpx.Response:
            await all_sent.wait()
            await may_end[number].wait()
            return httpx.Response(status)

        async def request(number: int, status: int) -> None:
            await pacer.exchange(lambda: send(number, status))

        tasks = [
            asyncio.create_task(request(number, status))
            for number, status in enumerate([429, 429, 200])
        ]
        await all_sent.wait()
        for number, task in enumerate(tasks):
            time.now += 0.1
            may_end[number].set()
            await task
        # Neither does the second refusal let it grow, nor does a success of before undo it.
        assert 0 < pacer.pause <= 1
        await answer(pacer, 429)
        assert 1 <= pacer.pause <= 2

    async def test_a_shorter_pause_does_not_end_a_longer_one(self, pacer: Pacer) -> None:
        await answer(pacer, 429, Retry_After="40")
        await answer(pacer, 429, Retry_After="2")
        await answer(pacer, 200, RateLimit="r=100;t=1")
        assert pacer.pause == 40

    async def test_a_503_without_a_time_is_no_refusal(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 503)
        assert await turns(pacer, time, 3) == [0, 0, 0]

    async def test_a_pause_has_a_bound(self, pacer: Pacer) -> None:
        await answer(pacer, 429, Retry_After="86400000")
        assert pacer.pause == MAX_PAUSE


class TestWhatIsLeft:
    async def test_few_requests_are_spread_over_the_time_to_the_reset(
        self, pacer: Pacer, time: Time
    ) -> None:
        await answer(pacer, 200, Octopus_RateLimit="r=10;t=20")
        await pacer.turn()
        took = await turns(pacer, time, 9)
        assert took == [2.0 * number for number in range(1, 10)]
        await time.sleep(2)
        # What is known of the limit is out of date now.
        assert await turns(pacer, time, 3) == [0, 0, 0]

    async def test_a_lower_limit_than_the_others_counts(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 200, RateLimit='"hour";r=900;t=3000, "second";r=4;t=2')
        await pacer.turn()
        assert await turns(pacer, time, 2) == [0.5, 1.0]

    async def test_more_that_are_left_end_the_pressure(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, 200, RateLimit="r=2;t=60")
        await answer(pacer, 200)  # a route without limits tells nothing
        await pacer.turn()
        assert await turns(pacer, time, 1) == [MAX_SPACING]
        await answer(pacer, 200, RateLimit="r=200;t=60")
        assert await turns(pacer, time, 3) == [0, 0, 0]

    async def test_the_time_to_the_reset_has_a_bound(self, pacer: Pacer, time: Time) -> None:
        await answer(pacer, RateLimit="r=1;t=999999999999")
        assert await turns(pacer, time, 2) == [0.0, MAX_SPACING]
        time.now += MAX_PAUSE
        assert await turns(pacer, time, 3) == [0.0, 0.0, 0.0]

    async def test_those_under_way_are_taken_for_used(self, pacer: Pacer, time: Time) -> None:
        gate = asyncio.Event()

        async def send() -> httpx.Response:
            await gate.wait()
            return httpx.Response(200)

        under_way = [asyncio.create_task(pacer.exchange(send)) for _ in range(6)]
        await asyncio.sleep(0)
        await answer(pacer, 200, RateLimit="r=10;t=8")
        await pacer.turn()
        assert await turns(pacer, time, 1) == [2.0]
        gate.set()
        await asyncio.gather(*under_way)

    async def test_if_none_is_left_nobody_sends_until_the_reset(
        self, pacer: Pacer, time: Time
    ) -> None:
        await answer(pacer, 200, Octopus_RateLimit="r=0;t=18")
        assert await turns(pacer, time, 3) == [18, 18, 18]


class TestWaiting:
    async def test_a_long_pause_is_told_instead_of_waited_for(
        self, pacer: Pacer, time: Time
    ) -> None:
        await answer(pacer, 429, Retry_After=f"{MAX_WAIT + 0.5:g}")
        with pytest.raises(Paused, match=r"no further one for 61 s") as caught:
            await pacer.turn()
        assert caught.value.retry_after == 60.5
        assert time.slept == []
        time.now += 0.5
        await pacer.turn()
        assert time.slept == [60.0]

    async def test_a_pause_that_comes_while_one_waits_is_kept_too(self, pacer: Pacer) -> None:
        await answer(pacer, 429, Retry_After="50")
        waiting = asyncio.create_task(pacer.turn())
        await asyncio.sleep(0)
        await answer(pacer, 429, Retry_After="30")
        with pytest.raises(Paused) as caught:
            await waiting
        assert caught.value.retry_after == 30

    async def test_a_request_that_is_given_up_leaves_the_line(
        self, pacer: Pacer, time: Time
    ) -> None:
        await answer(pacer, 429, Retry_After="30")
        blocked = asyncio.Event()
        pacer._sleep = lambda _: blocked.wait()  # type: ignore[assignment,return-value]
        waiting = asyncio.create_task(pacer.turn())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        time.now += 30
        await pacer.turn()

    async def test_a_request_without_an_answer_changes_nothing(
        self, pacer: Pacer, time: Time
    ) -> None:
        async def cut() -> httpx.Response:
            raise httpx.ReadError("cut")

        with pytest.raises(httpx.ReadError):
            await pacer.exchange(cut)
        await answer(pacer, 200, RateLimit="r=4;t=8")
        await pacer.turn()
        assert await turns(pacer, time, 1) == [2.0]

    async def test_pauses_and_long_waits_are_logged_once_each(
        self, pacer: Pacer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await answer(pacer, 429, Retry_After="17")
        await pacer.turn()
        await pacer.turn()
        who = "projects/shop/connections/main"
        assert [record.getMessage() for record in caplog.records] == [
            f"{who}: the destination asks for fewer requests (429), so none is sent for 17.0 s",
            f"{who}: a request has waited 17.0 s for its turn",
        ]
