"""Runs that begin because time has passed: once for each time, whatever happens to the server."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from engine_kit import SETTINGS, START, Gate, World, eventually

from secretsync.adapter import RunRequest, Unavailable
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.schedules import Schedule
from secretsync.engine.schedules import AT_A_TIME, begin_times, is_due, keep_times, queue_due
from secretsync.store.protocol import StorageFullError, Transaction

HOUR = Schedule(interval=timedelta(hours=1))
NIGHT = Schedule(cron="0 3 * * *")


async def scheduled(
    world: World,
    slug: str = "main",
    schedule: Schedule = HOUR,
    **changes: Any,  # noqa: ANN401
) -> SecretSync:
    """Store a sync as the operations do."""
    sync = await world.add_sync(slug, schedule=schedule, **changes)
    timed = begin_times(sync, world.clock())
    await world.disk.write(lambda tx: tx.syncs.update(timed))
    return timed


async def stored(world: World, sync: SecretSync) -> SecretSync:
    found = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
    assert found is not None
    return found


async def tick(world: World, seconds: float) -> None:
    """Let time pass, and let the engine look at the clock."""
    world.clock.advance(seconds)
    await world.disk.write(lambda tx: queue_due(tx, world.clock()))


class TestRunningEngine:
    async def test_a_due_sync_runs_without_anybody_asking(self, world: World) -> None:
        sync = await scheduled(world)
        await world.start()
        world.clock.advance(3600)
        world.engine.wake()

        async def ran() -> bool:
            return any(run.state is RunState.SUCCEEDED for run in await world.runs(sync))

        await eventually(ran)
        [run] = await world.runs(sync)
        assert (run.action, run.trigger) == (RunAction.SYNC, RunTrigger.SCHEDULE)
        assert (await stored(world, sync)).next_run_time > world.clock()  # type: ignore[operator]

    async def test_the_dispatcher_wakes_for_the_next_time(self, world: World) -> None:
        await scheduled(world)
        due = world.clock() + timedelta(seconds=7)
        await world.disk.write(
            lambda tx: tx.syncs.update(
                replace(tx.syncs.by_uid("y-main"), next_run_time=due)  # type: ignore[arg-type]
            )
        )
        assert await world.engine._pause() == 7.0

    async def test_auto_sync_makes_no_difference(self, world: World) -> None:
        sync = await scheduled(world, is_auto_sync_enabled=False)
        await tick(world, 3600)
        assert len(await world.runs(sync)) == 1

    async def test_a_run_that_waits_answers_the_schedule(self, world: World) -> None:
        sync = await scheduled(world)
        waiting = await world.enqueue(sync)
        await tick(world, 3600)
        assert [run.uid for run in await world.runs(sync)] == [waiting.uid]

    async def test_a_run_under_way_does_not(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await scheduled(world)
        await world.start()
        await world.enqueue(sync)
        await gate.reached()
        await tick(world, 3600)
        assert [run.trigger for run in await world.runs(sync)] == [
            RunTrigger.MANUAL,
            RunTrigger.SCHEDULE,
        ]
        gate.open()

    async def test_a_removal_that_waits_is_kept(self, world: World) -> None:
        sync = await scheduled(world)
        removal = await world.enqueue(sync, RunAction.REMOVE)
        await tick(world, 3600)
        assert [run.uid for run in await world.runs(sync)] == [removal.uid]


class TestMissedTimes:
    @pytest.mark.parametrize("schedule", [HOUR, NIGHT])
    async def test_all_that_was_missed_leads_to_one_run(
        self, world: World, schedule: Schedule
    ) -> None:
        sync = await scheduled(world, schedule=schedule)
        await tick(world, 10 * 86400 + 5)
        await world.start()
        [run] = await world.runs(sync)
        await world.ended(run)
        assert not await world.disk.read(lambda tx: is_due(tx, world.clock()))
        assert len(await world.runs(sync)) == 1

    async def test_a_time_is_queued_once_whoever_looks(self, world: World) -> None:
        sync = await scheduled(world)
        await tick(world, 3600)
        await tick(world, 0)
        await world.start()
        [run] = await world.runs(sync)
        await world.ended(run)
        await tick(world, 0)
        assert len(await world.runs(sync)) == 1

    async def test_nothing_is_lost_if_the_transaction_fails(self, world: World) -> None:
        sync = await scheduled(world)

        def fail(tx: Transaction) -> None:
            queue_due(tx, world.clock() + timedelta(hours=1))
            raise StorageFullError

        with pytest.raises(StorageFullError):
            await world.disk.write(fail)
        assert await stored(world, sync) == sync
        assert await world.runs(sync) == []
        await tick(world, 3600)
        assert len(await world.runs(sync)) == 1

    async def test_more_than_one_transaction_can_hold(self, world: World) -> None:
        for number in range(AT_A_TIME + 5):
            await scheduled(world, f"s{number}")
        await tick(world, 3600)
        assert await world.disk.read(lambda tx: is_due(tx, world.clock()))
        await tick(world, 0)
        assert not await world.disk.read(lambda tx: is_due(tx, world.clock()))

    async def test_only_syncs_with_a_time_are_looked_at(self, world: World) -> None:
        await world.add_sync("plain")
        await scheduled(world, "off", is_enabled=False)
        await tick(world, 366 * 86400)
        for slug in ("plain", "off"):
            assert await world.disk.read(lambda tx, uid=f"y-{slug}": tx.runs.pending(uid)) is None


class TestClockJumps:
    async def test_a_clock_that_was_ahead_does_not_put_times_off(self, world: World) -> None:
        sync = await scheduled(world)
        await tick(world, 365 * 86400)
        world.clock.now = START
        # The run that was queued under the wrong clock does not wait for that time.
        await world.start()
        [run] = await world.runs(sync)
        await world.ended(run)
        await world.engine.stop(grace=20)
        due = (await stored(world, sync)).next_run_time
        assert due is not None
        assert START < due <= START + timedelta(hours=1)
        assert len(await world.runs(sync)) == 1

    @pytest.mark.parametrize("restarts", [False, True])
    async def test_a_clock_that_was_ahead_does_not_put_off_what_is_tried_again(
        self, world: World, *, restarts: bool
    ) -> None:
        sync = await world.add_sync()
        answers = iter([Unavailable("not yet")])

        async def answer(_: RunRequest) -> None:
            if error := next(answers, None):
                raise error

        world.memory.steps["begin"] = answer
        world.clock.advance(8 * 3600)
        await world.start()
        run = await world.enqueue(sync)

        async def waits() -> SyncRun | None:
            found = await world.disk.read(lambda tx: tx.runs.pending(sync.uid))
            return found if found and found.not_before > world.clock() else None

        await eventually(waits)
        if restarts:
            await world.engine.stop(grace=20)
        world.clock.now = START
        if restarts:
            await world.start()
        # The change joins the run that waits, and must not wait for eight hours with it.
        joined = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        assert joined.uid == run.uid
        assert (await world.ended(run)).state is RunState.SUCCEEDED

    async def test_what_the_right_clock_has_set_stays(self, world: World) -> None:
        sync = await world.add_sync()
        later = START + timedelta(hours=2)
        run = await world.enqueue(sync)
        await world.disk.write(lambda tx: tx.runs.update(replace(run, not_before=later)))
        world.clock.advance(8 * 3600)
        world.engine = world.make_engine(SETTINGS)
        world.clock.now = START
        await world.engine._heed_clock()
        assert [each.not_before for each in await world.runs(sync)] == [later]

    async def test_a_small_correction_moves_nothing(self, world: World) -> None:
        sync = await scheduled(world)
        await tick(world, -59)
        assert await stored(world, sync) == sync


class TestChanges:
    def at(self, hours: float) -> datetime:
        return START + timedelta(hours=hours)

    async def test_times_are_kept_unless_the_change_is_about_them(self, world: World) -> None:
        sync = await scheduled(world)
        renamed = replace(sync, description="new", is_auto_sync_enabled=False)
        assert keep_times(renamed, sync, self.at(9)) == renamed
        nightly = keep_times(replace(sync, schedule=NIGHT), sync, self.at(9))
        assert nightly.next_run_time == START.replace(day=2, hour=3)
        off = keep_times(replace(sync, is_enabled=False), sync, self.at(9))
        assert (off.next_run_time, off.clock_time) == (None, None)
        on = keep_times(replace(off, is_enabled=True), off, self.at(20))
        assert on.next_run_time is not None
        assert self.at(20.9) < on.next_run_time <= self.at(21)
        gone = keep_times(replace(sync, schedule=None), sync, self.at(9))
        assert gone.next_run_time is None

    async def test_a_schedule_that_cannot_be_used_any_more_is_told_of_and_stops_nothing(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = await scheduled(world, "broken")
        fine = await scheduled(world, "fine")
        lost = replace(broken, schedule=Schedule(cron="0 3 * * *", time_zone="Gone/Away"))
        await world.disk.write(lambda tx: tx.syncs.update(lost))
        await tick(world, 3600)
        assert (await stored(world, broken)).next_run_time is None
        assert "broken has a schedule" not in caplog.text
        assert "secretSyncs/broken names no time any more" in caplog.text
        assert len(await world.runs(fine)) == 1
