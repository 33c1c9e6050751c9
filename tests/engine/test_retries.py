"""A sync whose run gave up is run again by itself, later, until it has succeeded."""

from dataclasses import replace

import pytest
from engine_kit import RETRY, World

from secretsync.adapter import AdapterError, AuthenticationFailed, InvalidConfig, Unavailable
from secretsync.adapter import RunRequest as Request
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Reason
from secretsync.domain.requester import asked_by

ONCE = replace(RETRY, max_attempts=1, later=300.0, later_ceiling=3600.0)


@pytest.fixture
async def sync(world: World) -> SecretSync:
    stored = await world.add_sync()
    await world.start(retry=ONCE)
    return stored


def fail(world: World, error: AdapterError | None) -> None:
    async def begin(_: Request) -> None:
        if error:
            raise error

    world.memory.steps["begin"] = begin


async def retry(world: World, sync: SecretSync) -> SyncRun | None:
    return await world.disk.read(lambda tx: tx.runs.pending(sync.uid))


async def shown(world: World, sync: SecretSync) -> SyncRun:
    last = await world.disk.read(lambda tx: tx.runs.latest([sync.uid]))
    return last[sync.uid, RunAction.SYNC]


async def test_it_comes_again_until_it_has_succeeded(world: World, sync: SecretSync) -> None:
    fail(world, Unavailable("it is down"))
    with asked_by("ann"):
        run = await world.enqueue(sync)
    assert (await world.ended(run)).state is RunState.FAILED
    for number in range(1, 6):
        waiting = await retry(world, sync)
        assert waiting
        assert (waiting.trigger, waiting.retries) == (RunTrigger.RETRY, number)
        # What is to be mended still counts.
        assert (await shown(world, sync)).state is RunState.FAILED
        seconds = (waiting.not_before - world.clock.now).total_seconds()
        assert min(300 * 2 ** (number - 1), 3600) / 2 <= seconds <= 3600
        if number == 5:
            fail(world, None)
        world.clock.advance(seconds)
        world.engine.wake()
        ended = await world.ended(waiting)
    assert (ended.state, ended.requester) == (RunState.SUCCEEDED, "ann")
    assert await retry(world, sync) is None
    assert (await shown(world, sync)).uid == ended.uid
    assert world.memory.at("main").values() == {"k@": "/ of K"}


async def test_it_survives_a_restart(world: World, sync: SecretSync) -> None:
    fail(world, Unavailable("it is down"))
    await world.sync(sync)
    waiting = await retry(world, sync)
    assert waiting
    await world.engine.stop(grace=0)
    fail(world, None)
    world.clock.advance(300)
    await world.start()
    assert (await world.ended(waiting)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("trigger", [RunTrigger.MANUAL, RunTrigger.SOURCE_CHANGE])
async def test_a_newer_trigger_takes_it_over_at_once(
    world: World, sync: SecretSync, trigger: RunTrigger
) -> None:
    fail(world, Unavailable("it is down"))
    await world.sync(sync)
    waiting = await retry(world, sync)
    assert waiting
    fail(world, None)
    run = await world.enqueue(sync, trigger=trigger)
    assert (run.uid, run.trigger) == (waiting.uid, trigger)
    assert (await world.ended(run)).state is RunState.SUCCEEDED


async def test_a_removal_takes_its_place(world: World, sync: SecretSync) -> None:
    fail(world, Unavailable("it is down"))
    await world.sync(sync)
    waiting = await retry(world, sync)
    assert waiting
    fail(world, None)
    await world.ended(await world.enqueue(sync, RunAction.REMOVE))
    assert (await world.run(waiting)).error_reason is Reason.SUPERSEDED
    assert await retry(world, sync) is None


async def test_a_change_does_not_bring_a_removal_forward(world: World, sync: SecretSync) -> None:
    fail(world, Unavailable("it is down"))
    await world.ended(await world.enqueue(sync, RunAction.REMOVE))
    waiting = await retry(world, sync)
    assert waiting
    change = RunTrigger.SOURCE_CHANGE
    assert await world.enqueue(sync, trigger=change) == replace(waiting, follow_up=change)


@pytest.mark.parametrize(
    ("error", "comes"), [(AuthenticationFailed("no"), True), (InvalidConfig("no"), False)]
)
async def test_permanent_errors(
    world: World, sync: SecretSync, error: AdapterError, *, comes: bool
) -> None:
    fail(world, error)
    await world.sync(sync)
    assert bool(await retry(world, sync)) is comes


async def test_partial_success_is_finished(world: World, sync: SecretSync) -> None:
    await world.set_value("L", "of L")
    world.memory.refused = {"L"}
    assert (await world.sync(sync)).state is RunState.PARTIALLY_SUCCEEDED
    waiting = await retry(world, sync)
    assert waiting
    world.memory.refused = set()
    world.clock.advance(300)
    world.engine.wake()
    assert (await world.ended(waiting)).state is RunState.SUCCEEDED
    assert world.memory.at("main").values() == {"k@": "/ of K", "l@": "of L"}


async def test_a_disabled_sync_is_not_run_again(world: World, sync: SecretSync) -> None:
    async def begin(_: Request) -> None:
        await world.disk.write(lambda tx: tx.syncs.update(replace(sync, is_enabled=False)))
        raise Unavailable("it is down")

    world.memory.steps["begin"] = begin
    await world.sync(sync)
    assert await retry(world, sync) is None


async def test_a_cancelled_one_is_not_tried_again(world: World, sync: SecretSync) -> None:
    fail(world, Unavailable("it is down"))
    await world.sync(sync)
    waiting = await retry(world, sync)
    assert waiting
    await world.disk.write(lambda tx: world.engine.cancel(tx, waiting))
    assert await retry(world, sync) is None


async def test_what_gave_up_stays_in_the_history_while_its_retry_waits(
    world: World, sync: SecretSync
) -> None:
    fail(world, Unavailable("it is down"))
    first = await world.sync(sync)
    await world.engine.stop(grace=0)
    world.clock.advance(90 * 86_400.0)
    now = world.clock.now
    found = await world.disk.read(
        lambda tx: tx.runs.prunable(sync.uid, ended_before=now, keep=1, settled=now, limit=10)
    )
    assert first.uid not in found
