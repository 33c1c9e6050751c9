"""The history of runs is pruned a few at a time, and never more than it may be."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from engine_kit import World, eventually

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.runs import HistoryPolicy
from secretsync.domain.watching import EventPolicy, WatchScope
from secretsync.engine import history
from secretsync.engine.history import History
from secretsync.store.protocol import Transaction

T = TypeVar("T")
DAY = 86_400.0


async def fill(world: World, sync: SecretSync, count: int) -> None:
    """Store runs that ended a minute apart, the newest now."""

    def insert(tx: Transaction) -> None:
        for number in range(count):
            moment = world.clock.now - timedelta(minutes=count - 1 - number)
            run = SyncRun(
                uid=f"{sync.slug}-{number:04}",
                sync_uid=sync.uid,
                sync_name=sync.name,
                action=RunAction.SYNC,
                trigger=RunTrigger.MANUAL,
                state=RunState.FAILED,
                create_time=moment,
                not_before=moment,
                finish_time=moment,
            )
            tx.runs.insert(run)

    await world.disk.write(insert)


async def kept(world: World, sync: SecretSync) -> list[str]:
    return [run.uid for run in await world.runs(sync)]


def pruner(world: World, **policy: timedelta | int) -> History:
    runs = replace(HistoryPolicy(), **policy)  # type: ignore[arg-type]
    return History(world.disk, world.clock, runs, EventPolicy())


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAUSE", 0)


async def test_the_oldest_go_until_the_count_is_kept(world: World) -> None:
    first, second = await world.add_sync("first"), await world.add_sync("second")
    await fill(world, first, 180)
    await fill(world, second, 3)
    world.clock.advance(DAY)
    assert await pruner(world, max_count=5).prune() == 175
    assert await kept(world, first) == [f"first-{number:04}" for number in range(175, 180)]
    assert len(await kept(world, second)) == 3
    assert await pruner(world, max_count=5).prune() == 0


async def test_the_stricter_of_age_and_count_counts(world: World) -> None:
    sync = await world.add_sync()
    await fill(world, sync, 100)
    world.clock.advance(2 * DAY)
    by_age = pruner(world, max_age=timedelta(days=2, minutes=30), max_count=50)
    assert await by_age.prune() == 69
    assert await pruner(world, max_age=timedelta(days=9), max_count=10).prune() == 21
    assert await pruner(world, max_age=timedelta(days=1)).prune() == 9
    # The newest stays, however old it is.
    assert await kept(world, sync) == ["main-0099"]


async def test_what_has_just_ended_stays(world: World) -> None:
    """Somebody may be waiting for it."""
    sync = await world.add_sync()
    await fill(world, sync, 100)
    assert await pruner(world, max_count=1).prune() == 39
    assert len(await kept(world, sync)) == 61


async def test_one_transaction_deletes_a_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = world.disk.write

    async def counting(work: Callable[[Transaction], T]) -> T:
        if isinstance(work, functools.partial):
            sizes.append(len(work.keywords["uids"]))
        return await write(work)

    sync = await world.add_sync()
    await fill(world, sync, 131)
    world.clock.advance(DAY)
    monkeypatch.setattr(world.disk, "write", counting)
    await pruner(world, max_count=1).prune()
    assert sizes == [50, 50, 30]


async def test_every_sync_is_looked_at(world: World) -> None:
    syncs = [await world.add_sync(f"sync-{number:02}") for number in range(45)]
    for sync in syncs:
        await fill(world, sync, 3)
    world.clock.advance(DAY)
    assert await pruner(world, max_count=2).prune() == 45
    assert [len(await kept(world, sync)) for sync in syncs] == [2] * 45


async def test_the_engine_prunes_from_its_start_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sync = await world.add_sync()
    await fill(world, sync, 30)
    world.clock.advance(DAY)
    await world.start(history=HistoryPolicy(max_count=10), prune_interval=0.01)

    async def told() -> bool:
        return "20 run(s) were deleted from the history" in caplog.messages

    await eventually(told)
    assert len(await kept(world, sync)) == 10
    await world.sync(sync)

    async def pruned() -> bool:
        return len(await kept(world, sync)) == 10

    await eventually(pruned)
    assert (await world.runs(sync))[-1].state is RunState.SUCCEEDED


async def test_an_error_is_told_and_the_next_time_it_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sync = await world.add_sync()
    await fill(world, sync, 3)
    world.clock.advance(DAY)
    world.disk.fill("_delete")
    await world.start(history=HistoryPolicy(max_count=1), prune_interval=0.01)
    await world.disk.has_refused("_delete")
    assert "the run history cannot be pruned: " in caplog.text
    world.disk.clear()

    async def pruned() -> bool:
        return len(await kept(world, sync)) == 1

    await eventually(pruned)
    await asyncio.wait_for(world.engine.stop(grace=0), 20)


async def test_events_are_pruned_by_age_and_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVENTS_AT_A_TIME", 7)
    await fill(world, await world.add_sync(), 59)

    async def count() -> int:
        return len(await world.disk.read(lambda tx: tx.events.list(WatchScope(), 0, 1000)))

    assert await count() == 60
    old = EventPolicy(max_age=timedelta(days=36_500), max_count=25)
    assert await History(world.disk, world.clock, HistoryPolicy(), old).prune_events() == 35
    assert await count() == 25
    # Events have the time of the machine, which is later than the tests' clock.
    past = EventPolicy(max_age=timedelta(days=-36_500), max_count=25)
    assert await History(world.disk, world.clock, HistoryPolicy(), past).prune_events() == 24
    assert await count() == 1
