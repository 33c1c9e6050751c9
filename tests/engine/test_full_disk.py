"""A full disk holds runs up; it loses none, and no result of one."""

import logging

import pytest
from engine_kit import Gate, World, eventually

from secretsync.adapter import RunRequest
from secretsync.domain.entities import RunState
from secretsync.store.protocol import StorageFullError, Transaction

SHORT = 0.09


async def test_at_claim_runs_wait_for_room(world: World, caplog: pytest.LogCaptureFixture) -> None:
    sync = await world.add_sync()
    run = await world.enqueue(sync)
    await world.start()
    await world.ended(run)
    # Nothing else is refused: the run must be stored, and the engine may look at any time.
    world.disk.fill("_claim")
    second = await world.enqueue_quietly(sync)
    world.engine.wake()
    await world.disk.has_refused("_claim")
    assert "the disk is full: no run can start until there is room" in caplog.messages
    world.disk.clear()
    assert (await world.ended(second)).state is RunState.SUCCEEDED


async def test_at_heartbeat_the_attempt_goes_on(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start(lease=SHORT)
    run = await world.enqueue(sync)
    await gate.reached()
    world.disk.fill()
    await world.disk.has_refused("_renew")
    world.disk.clear()
    gate.open()
    ended = await world.ended(run)
    assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)
    assert len(world.memory.calls) == 1


async def test_at_record_intent_nothing_is_written_and_the_run_is_tried_again(
    world: World,
) -> None:
    async def fill_once(_: RunRequest) -> None:
        if len(world.memory.calls) == 1:
            world.disk.fill()

    world.memory.steps["begin"] = fill_once
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await world.disk.has_refused("_finish_attempt")
    assert world.memory.at("main").writes == 0
    world.disk.clear()
    waiting = await world.failed_attempt(run, 1)
    assert "the server's disk is full" in waiting.message
    world.clock.advance(60)
    world.engine.wake()
    assert (await world.ended(run)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("only", [None, "_finish_attempt"])
async def test_at_finish_the_result_is_not_lost(
    world: World, caplog: pytest.LogCaptureFixture, only: str | None
) -> None:
    async def fill(_: RunRequest) -> None:
        world.disk.fill(only)

    world.memory.steps["written"] = fill
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await world.disk.has_refused("_finish_attempt")
    # Whoever claimed it again, now that its lease has run out, would do it all twice.
    world.clock.advance(1000)
    world.engine.wake()
    await world.disk.has_refused("_finish_attempt", 5)
    world.disk.clear()
    ended = await world.ended(run)
    assert (ended.state, ended.attempt, ended.message) == (RunState.SUCCEEDED, 1, "1 created")
    assert [entry.confirmed for entry in await world.ledger(sync)] == [True]
    assert len(world.memory.calls) == 1
    assert f"the disk is full: the result of {run.name} waits for room" in caplog.messages


async def test_other_runs_start_when_there_is_room_again(world: World) -> None:
    async def fill(_: RunRequest) -> None:
        if len(world.memory.calls) == 1:
            world.disk.fill()

    world.memory.steps["written"] = fill
    first, second = await world.add_sync("first"), await world.add_sync("second")
    runs = [await world.enqueue(sync) for sync in (first, second)]
    await world.start(max_runs=1)
    await world.disk.has_refused("_finish_attempt")
    world.disk.clear()
    for run in runs:
        assert (await world.ended(run)).state is RunState.SUCCEEDED


async def test_at_stop_it_ends_all_the_same(world: World, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    world.disk.fill()
    await world.engine.stop(grace=0)
    assert (
        "the disk is full: runs that were cut short go on when their leases end" in caplog.messages
    )
    assert (await world.run(run)).state is RunState.RUNNING
    gate.open()
    # A start without room leaves it where it is; when its lease ends it is taken up.
    await world.start()
    await world.disk.has_refused("_claim")
    world.disk.clear()
    world.clock.advance(1000)
    world.engine.wake()
    assert (await world.ended(run)).state is RunState.SUCCEEDED


async def test_with_a_real_database_that_may_not_grow(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite itself refuses here, as it does when the file system has no room."""
    caplog.set_level(logging.ERROR)

    def limit(tx: Transaction) -> None:
        database = tx.database  # type: ignore[attr-defined]
        [[pages]] = database.execute("PRAGMA page_count").fetchall()
        database.execute(f"PRAGMA max_page_count = {pages}")

    def unlimit(tx: Transaction) -> None:
        tx.database.execute("PRAGMA max_page_count = 1000000")  # type: ignore[attr-defined]

    def grow(tx: Transaction) -> None:
        for number in range(1000):
            world.put(tx, f"FILLER{number}", "x" * 1000, path="/filler")

    for number in range(300):
        await world.set_value(f"KEY{number:03}" + "x" * 200, "value")

    async def fill(_: RunRequest) -> None:
        await world.disk.write(limit)

    world.memory.steps["written"] = fill
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)

    async def waits() -> bool:
        return any("waits for room" in message for message in caplog.messages)

    await eventually(waits)
    with pytest.raises(StorageFullError):
        await world.disk.write(grow)
    await world.disk.write(unlimit)
    ended = await world.ended(run)
    assert (ended.state, len(ended.outcome.keys)) == (RunState.SUCCEEDED, 301)
    assert len(await world.ledger(sync)) == 301
    assert len(world.memory.calls) == 1
