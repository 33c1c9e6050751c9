"""The process dies while a sync moves, or while what it left behind is taken away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_kit import RETRY, Gate, Row, World
from places_kit import add_foreign, clean, clean_ups, failed_clean_up, lead, ours, places, quiet

from secretsync.adapter import RunRequest
from secretsync.domain.entities import RunState, SecretSync
from secretsync.domain.problems import Reason

VALUE = {"k@": "/ of K"}


class Life:
    """The processes that have a data directory open, one after another."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.world: World | None = None

    async def begin(self) -> World:
        """Return what the first process finds."""
        self.world = await World.open(self._directory)
        return self.world

    async def again(self) -> World:
        """Let the process die, and return what the next one finds; nothing is started.

        All of an engine's tasks end as with the end of a process: no farewell is written.
        """
        world = self.world
        assert world
        assert world.engine._dispatcher
        # One that looks at the queue again and again may miss that it is cancelled.
        world.engine.stop_claiming()
        tasks = [world.engine._dispatcher, *world.engine._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await world.http.close()
        await world.disk.close()
        after = await self.begin()
        after.memory, after.registry, after.clock = world.memory, world.registry, world.clock
        after.memory.steps.clear()
        return after


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    lived = Life(tmp_path)
    yield lived
    if lived.world:
        await lived.world.close()


def wait_at(world: World, step: str, place: str) -> Gate:
    """Let runs at a place wait at a step."""
    gate = Gate()

    async def wait(request: RunRequest) -> None:
        if request.config.place == place:
            await gate(request)

    world.memory.steps[step] = wait
    return gate


async def written(life: Life) -> tuple[World, SecretSync]:
    """Return a world in which a sync has written to place `a`."""
    world = await life.begin()
    add_foreign(world, "a")
    add_foreign(world, "b")
    sync = await world.add_sync("main", place="a")
    await world.start()
    await world.sync(sync)
    return world, sync


@pytest.mark.parametrize("step", ["begin", "write", "written"])
async def test_a_clean_up_that_was_cut_short_is_finished(life: Life, step: str) -> None:
    world, sync = await written(life)
    gate = wait_at(world, step, "a")
    await lead(world, sync, "b")
    await gate.reached()
    after = await life.again()
    [status] = await places(after, sync)
    assert list(status.names) == ["K"]
    await after.start()
    await clean(after, sync)
    [run] = await clean_ups(after, sync)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)
    assert (ours(after, "a"), ours(after, "b")) == ({}, VALUE)


@pytest.mark.parametrize("step", ["begin", "write", "written"])
async def test_the_new_place_is_written_after_all(life: Life, step: str) -> None:
    """The old one is only touched when that is certain, whenever the process dies."""
    world, sync = await written(life)
    gate = wait_at(world, step, "b")
    await lead(world, sync, "b")
    await gate.reached()
    after = await life.again()
    assert ours(after, "a") == VALUE
    await after.start()
    await clean(after, sync)
    await quiet(after, sync)
    assert (ours(after, "a"), ours(after, "b")) == ({}, VALUE)


async def test_what_was_written_without_a_result_is_left_behind_and_cleaned(
    life: Life,
) -> None:
    world, sync = await written(life)
    await world.set_value("L", "1")
    gate = wait_at(world, "written", "a")
    await world.enqueue(sync)
    await gate.reached()
    after = await life.again()
    await after.engine._release()
    # The run that was cut short waits, and does its work at the new place.
    await lead(after, sync, "b")
    [status] = await places(after, sync)
    assert list(status.names) == ["K", "L"]
    await after.start()
    await clean(after, sync)
    assert (ours(after, "a"), ours(after, "b")) == ({}, {**VALUE, "l@": "1"})


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_may_still_arrive_is_waited_for(life: Life, *, arrives: bool) -> None:
    world, sync = await written(life)
    await world.set_value("L", "1")
    gate = wait_at(world, "write", "a")
    await world.enqueue(sync)
    await gate.reached()
    after = await life.again()
    document = after.memory.at("a")
    await after.engine._release()
    # Nothing that the clean-up would have to write changes the version.
    await after.disk.write(
        lambda tx: tx.ledger.replace(
            sync.uid, [each for each in tx.ledger.of_sync(sync.uid) if not each.confirmed]
        )
    )
    del document.rows["k@"]
    await lead(after, sync, "b")
    await after.start(retry=replace(RETRY, later=300.0, later_ceiling=3600.0))
    status = await failed_clean_up(after, sync)
    assert (list(status.names), status.error_reason) == (["L"], Reason.CLEAN_UP_FAILED)
    assert "L may still be there" in status.message
    if arrives:
        document.rows["l@"] = Row("late", "1")
        document.version += 1
    after.clock.advance(600)
    after.engine.wake()
    await clean(after, sync)
    assert ours(after, "a") == {}


async def test_intents_of_a_clean_up_belong_to_the_former_place(world: World) -> None:
    sync = await world.add_sync("main", place="a")
    await world.start()
    await world.sync(sync)
    gate = Gate()

    async def record(request: RunRequest) -> None:
        if request.config.place == "a":
            [entry] = request.ledger
            await request.record_intent([replace(entry, identity="x@", confirmed=False)])
            await gate(request)

    world.memory.steps["begin"] = record
    await lead(world, sync, "b")
    await gate.reached()
    [status] = await places(world, sync)
    kept = await world.disk.read(lambda tx: tx.former_places.ledger.of(status.place.uid))
    assert [(each.identity, each.confirmed) for each in kept] == [("k@", True), ("x@", False)]
    assert [each.identity for each in await world.ledger(sync)] == ["k@"]
    gate.open()
    await clean(world, sync)


async def test_nothing_is_written_for_a_place_that_is_gone(world: World) -> None:
    """As it is for a worker that was fenced off, and wakes up long after."""
    sync = await world.add_sync("main", place="a")
    await world.start()
    await world.sync(sync)
    gate = wait_at(world, "begin", "a")
    await lead(world, sync, "b")
    await gate.reached()
    [status] = await places(world, sync)
    await world.disk.write(lambda tx: tx.former_places.delete(status.place.uid))
    gate.open()
    [run] = await clean_ups(world, sync)
    assert (await world.ended(run)).error_reason is Reason.SUPERSEDED
    assert world.memory.at("a").values() == VALUE
    assert len(await clean_ups(world, sync)) == 1


@pytest.mark.parametrize("both_under_way", [True, False])
async def test_a_newer_run_of_the_sync_does_not_take_the_place_of_a_clean_up(
    life: Life, *, both_under_way: bool
) -> None:
    world, sync = await written(life)
    cleaning, syncing = Gate(), Gate()

    async def wait(request: RunRequest) -> None:
        if request.config.place == "a":
            await cleaning(request)
        elif cleaning.waiting:
            await syncing(request)

    world.memory.steps["begin"] = wait
    await lead(world, sync, "b")
    await cleaning.reached()
    if not both_under_way:
        world.engine.stop_claiming()
    newer = await world.enqueue(sync)
    if both_under_way:
        await syncing.reached()
    after = await life.again()
    await after.start()
    await clean(after, sync)
    [run] = await clean_ups(after, sync)
    assert run.state is RunState.SUCCEEDED
    assert (await after.ended(newer)).state is RunState.SUCCEEDED


async def test_a_clean_up_that_failed_says_nothing_of_the_present_place(world: World) -> None:
    """And relies on nothing itself, since nobody has kept track of the place."""
    sync = await world.add_sync("main", place="a")
    await world.start()
    await world.sync(sync)

    async def fail(request: RunRequest) -> None:
        if request.config.place == "a":
            raise RuntimeError

    world.memory.steps["written"] = fail
    await lead(world, sync, "b")
    await failed_clean_up(world, sync)
    assert world.memory.requests[-1].known_versions == frozenset()
    assert (await world.sync(sync)).message == "1 unchanged"
