"""Every attempt of a run is remembered, whatever becomes of it, with what it sent and received."""

import asyncio
import contextlib
from datetime import timedelta

import httpx
import pytest
from engine_kit import Gate, World, eventually

from secretsync.adapter import AuthenticationFailed, RunRequest, Unavailable
from secretsync.domain.attempts import AttemptOutcome, Traffic
from secretsync.domain.entities import SyncRun
from secretsync.domain.problems import Reason
from secretsync.engine.pacing import Paused


def outcomes(run: SyncRun) -> list[tuple[int, AttemptOutcome | None, Reason | None]]:
    return [(each.number, each.outcome, each.error_reason) for each in run.attempts]


async def speak(request: RunRequest) -> None:
    """Send 5 bytes to nobody: what is sent counts, answered or not."""
    with contextlib.suppress(httpx.TransportError):
        await request.http.post("http://127.0.0.1:9/", content=b"hello")


async def test_each_attempt_has_its_outcome_and_its_traffic(world: World) -> None:
    async def begin(request: RunRequest) -> None:
        await speak(request)
        if len(world.memory.calls) == 1:
            raise Unavailable("it is down")

    world.memory.steps["begin"] = begin
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    waiting = await world.failed_attempt(run, 1)
    world.clock.advance(60)
    world.engine.wake()
    ended = await world.ended(run)
    first, second = ended.attempts
    assert (first.number, first.outcome) == (1, AttemptOutcome.FAILED)
    assert (first.error_reason, first.message) == (Reason.DESTINATION_UNAVAILABLE, "it is down")
    assert (second.number, second.outcome, second.message) == (2, AttemptOutcome.SUCCEEDED, "")
    assert waiting.attempts == (first,)
    assert second.start_time == ended.start_time
    assert second.start_time - first.start_time == timedelta(seconds=60)
    assert (first.finish_time, second.finish_time) == (first.start_time, ended.finish_time)
    assert first.traffic == second.traffic == Traffic(1, 5, 0)
    # Lists have the totals, and nothing but the totals.
    [listed] = await world.runs(sync)
    assert (listed.http_request_count, listed.request_bytes, listed.response_bytes) == (2, 10, 0)
    assert listed.attempts == ()


async def test_an_attempt_under_way_has_no_outcome(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    [attempt] = (await world.run(run)).attempts
    assert (attempt.outcome, attempt.finish_time) == (None, None)
    gate.open()
    assert outcomes(await world.ended(run)) == [(1, AttemptOutcome.SUCCEEDED, None)]


async def test_a_permanent_failure(world: World) -> None:
    async def begin(_: RunRequest) -> None:
        raise AuthenticationFailed("no")

    world.memory.steps["begin"] = begin
    await world.start()
    ended = await world.sync(await world.add_sync())
    assert outcomes(ended) == [(1, AttemptOutcome.FAILED, Reason.AUTHENTICATION_FAILED)]


async def test_one_cut_short_by_a_restart(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    await world.engine.stop(grace=0)
    [attempt] = (await world.run(run)).attempts
    assert (attempt.outcome, attempt.finish_time) == (AttemptOutcome.CUT_SHORT, world.clock.now)
    assert "restart" in attempt.message
    gate.open()
    await world.start()
    ended = await world.ended(run)
    assert outcomes(ended) == [
        (1, AttemptOutcome.CUT_SHORT, None),
        (2, AttemptOutcome.SUCCEEDED, None),
    ]
    # What was cut short counts among the attempts that are kept, and not among those that count.
    assert ended.attempt == 1


async def test_one_that_lost_its_lease(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    later = world.clock.now + timedelta(seconds=1000)
    until = later + timedelta(seconds=1000)
    await world.disk.write(lambda tx: tx.runs.claim(later, until, 5))
    world.clock.now = later
    lost, present = (await world.run(run)).attempts
    assert (lost.outcome, present.outcome) == (AttemptOutcome.CUT_SHORT, None)
    assert "lease" in lost.message
    gate.open()
    await world.engine.stop(grace=20)
    # The worker that lost it has nothing to say about either.
    after = await world.run(run)
    assert after.attempts[0] == lost
    assert after.attempts[1].outcome is AttemptOutcome.CUT_SHORT
    assert after.http_request_count == 0


async def test_one_held_back(world: World) -> None:
    async def begin(_: RunRequest) -> None:
        if len(world.memory.calls) == 1:
            raise Paused("the connection pauses", retry_after=1.0)

    world.memory.steps["begin"] = begin
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)

    async def waits() -> bool:
        return bool((await world.run(run)).message)

    await eventually(waits)
    world.clock.advance(60)
    world.engine.wake()
    ended = await world.ended(run)
    assert outcomes(ended) == [
        (1, AttemptOutcome.HELD_BACK, Reason.RATE_LIMITED),
        (2, AttemptOutcome.SUCCEEDED, None),
    ]


@pytest.mark.parametrize("worker_lives", [True, False])
async def test_a_cancelled_one(world: World, *, worker_lives: bool) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    stored = await world.run(run)
    if worker_lives:
        await world.disk.write(lambda tx: world.engine.cancel(tx, stored))
        world.engine.wake()
    else:
        # The engine does not hear of it, as if its process had died.
        await world.disk.write(lambda tx: world.engine.cancel(tx, stored))
        await world.engine.stop(grace=0)
    [attempt] = (await world.ended(run)).attempts
    assert attempt.outcome is AttemptOutcome.CUT_SHORT
    assert "cancelled" in attempt.message


async def test_the_newest_hundred_are_kept(world: World) -> None:
    async def begin(_: RunRequest) -> None:
        raise Paused("the connection pauses", retry_after=1.0)

    world.memory.steps["begin"] = begin
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    async with asyncio.timeout(60):
        while len(world.memory.calls) < 103:
            world.clock.advance(60)
            world.engine.wake()
            await asyncio.sleep(0.001)
    await world.engine.stop(grace=20)
    kept = [each.number for each in (await world.run(run)).attempts]
    assert len(kept) == 100
    assert kept == list(range(kept[-1] - 99, kept[-1] + 1))
    assert kept[-1] >= 103
