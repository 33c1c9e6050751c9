"""While a sync is paused, nothing of it begins, nothing is lost, and a write begun completes."""

import contextlib
from pathlib import Path

import pytest
from engine_kit import SETTINGS, Gate, World, eventually

from secretsync.adapter import RunRequest, Unavailable
from secretsync.domain.attempts import AttemptOutcome
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.pauses import EVERYTHING
from secretsync.domain.problems import Problem, Reason
from secretsync.operations.pauses import pause_syncing, resume_syncing

SYNC, REMOVE = RunAction.SYNC, RunAction.REMOVE
NAME = "projects/shop/secretSyncs/main"
CONNECTION = "projects/shop/connections/main"

each_holder = pytest.mark.parametrize("name", [NAME, CONNECTION, EVERYTHING])


async def pause(world: World, name: str) -> None:
    """Pause as the operation does."""
    await world.disk.write(lambda tx: pause_syncing(world.app, tx, name, "incident"))
    world.engine.wake()


async def resume(world: World, name: str) -> None:
    """Resume as the operation does."""
    await world.disk.write(lambda tx: resume_syncing(tx, name))
    world.engine.wake()


async def at(world: World, step: str, sync: SecretSync, action: RunAction = SYNC) -> Gate:
    """Return the gate at which a new run of a sync waits."""
    gate = Gate()
    world.memory.steps[step] = gate
    await world.enqueue(sync, action)
    await gate.reached()
    return gate


async def other_sync_runs(world: World) -> SyncRun:
    """Run a sync of another connection: what could have begun before it has."""
    await world.disk.write(lambda tx: world.add_connection(tx, "other"))
    other = await world.add_sync("other", connection_uid="c-other", connection="other")
    return await world.sync(other)


class TestWaiting:
    @each_holder
    @pytest.mark.parametrize("action", [SYNC, REMOVE])
    async def test_no_run_begins_before_the_resume(
        self, world: World, name: str, action: RunAction
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.calls.clear()
        await pause(world, name)
        run = await world.enqueue(sync, action)
        if name != EVERYTHING:
            assert (await other_sync_runs(world)).state is RunState.SUCCEEDED
        world.clock.advance(1000)
        await world.looked()
        assert (await world.run(run)).state is RunState.PENDING
        assert ("main", action) not in world.memory.calls
        await resume(world, name)
        ended = await world.ended(run)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)

    async def test_triggers_are_queued_and_join(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await pause(world, NAME)
        first = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        await world.set_value("K", "newest")
        for _ in range(3):
            assert (await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)).uid == first.uid
        await resume(world, NAME)
        await world.ended(first)
        assert world.memory.at("main").values() == {"k@": "newest"}
        assert len(world.memory.calls) == 1

    async def test_each_pause_holds_by_itself(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        for name in (NAME, CONNECTION, EVERYTHING):
            await pause(world, name)
        run = await world.enqueue(sync)
        for name in (EVERYTHING, NAME):
            await resume(world, name)
            await world.looked()
            assert (await world.run(run)).state is RunState.PENDING
        await resume(world, CONNECTION)
        assert (await world.ended(run)).state is RunState.SUCCEEDED

    async def test_a_run_that_waits_for_another_attempt(self, world: World) -> None:
        async def fail(_: RunRequest) -> None:
            raise Unavailable("out of order")

        world.memory.steps["begin"] = fail
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await world.failed_attempt(run, 1)
        await pause(world, NAME)
        world.clock.advance(1000)
        await world.looked()
        assert (await world.run(run)).attempt == 1
        del world.memory.steps["begin"]
        await resume(world, NAME)
        assert (await world.ended(run)).attempt == 2

    async def test_it_can_be_cancelled(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await pause(world, NAME)
        run = await world.enqueue(sync)
        cancelled = await world.disk.write(lambda tx: world.engine.cancel(tx, run))
        assert cancelled.error_reason is Reason.CANCELLED

    async def test_the_queue_is_not_looked_at_again_and_again(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await pause(world, EVERYTHING)
        run = await world.enqueue(sync)
        # Not at every poll, as if the run that is due waited for another one to end.
        assert await world.looked() == SETTINGS.lease
        await resume(world, EVERYTHING)
        assert (await world.ended(run)).state is RunState.SUCCEEDED


async def settled(world: World, sync: SecretSync) -> list[SyncRun]:
    """Return a sync's runs when all have ended."""

    async def condition() -> list[SyncRun] | None:
        runs = await world.runs(sync)
        return runs if all(run.finish_time for run in runs) else None

    return await eventually(condition)


async def back_in_the_queue(world: World, sync: SecretSync) -> SyncRun:
    """Return a sync's run when a pause has put it back."""

    async def condition() -> SyncRun | None:
        run = (await world.runs(sync))[-1]
        return run if run.state is RunState.PENDING and run.error_reason else None

    return await eventually(condition)


class TestUnderWay:
    @each_holder
    @pytest.mark.parametrize("action", [SYNC, REMOVE])
    async def test_it_begins_no_write_and_goes_on_after_the_resume(
        self, world: World, name: str, action: RunAction
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        if action is REMOVE:
            await world.sync(sync)
        before = world.memory.at("main").values()
        gate = await at(world, "begin", sync, action)
        await pause(world, name)
        gate.open()
        waiting = await back_in_the_queue(world, sync)
        assert (waiting.attempt, waiting.error_reason) == (0, Reason.PAUSED)
        assert "its last attempt ended before a write" in waiting.message
        assert "(incident) is paused" in waiting.message
        assert world.memory.at("main").values() == before
        assert [entry.confirmed for entry in await world.ledger(sync)] == [True] * len(before)
        await resume(world, name)
        ended = await world.ended(waiting)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)
        assert ended.error_reason is None
        assert [(each.outcome, each.error_reason) for each in ended.attempts] == [
            (AttemptOutcome.HELD_BACK, Reason.PAUSED),
            (AttemptOutcome.SUCCEEDED, None),
        ]
        assert world.memory.at("main").values() == ({} if action is REMOVE else {"k@": "/ of K"})

    @pytest.mark.parametrize("step", ["write", "written"])
    async def test_a_write_that_was_announced_completes(self, world: World, step: str) -> None:
        sync = await world.add_sync()
        await world.start()
        gate = await at(world, step, sync)
        await pause(world, EVERYTHING)
        gate.open()
        [run] = await settled(world, sync)
        assert run.state is RunState.SUCCEEDED
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    async def test_what_writes_nothing_completes(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        gate = await at(world, "begin", sync)
        await pause(world, NAME)
        gate.open()
        assert [run.state for run in await settled(world, sync)] == [RunState.SUCCEEDED] * 2

    async def test_a_second_write_of_the_same_attempt_is_refused(self, world: World) -> None:
        """What the first write did is found out after the resume."""
        gate, attempts = Gate(), 0

        async def write_again(request: RunRequest) -> None:
            nonlocal attempts
            attempts += 1
            await gate(request)
            await request.record_intent([])

        world.memory.steps["written"] = write_again
        sync = await world.add_sync()
        await world.start()
        await world.enqueue(sync)
        await gate.reached()
        await pause(world, NAME)
        gate.open()
        waiting = await back_in_the_queue(world, sync)
        assert [entry.confirmed for entry in await world.ledger(sync)] == [False]
        await resume(world, NAME)
        assert (await world.ended(waiting)).attempt == 1
        assert attempts == 2
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    async def test_whatever_the_adapter_makes_of_the_refusal(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()

        async def refuse(request: RunRequest) -> None:
            await pause(world, NAME)
            try:
                await request.record_intent([])
            except Exception as error:
                raise RuntimeError("something broke") from error

        world.memory.steps["begin"] = refuse
        await world.enqueue(sync)
        waiting = await back_in_the_queue(world, sync)
        assert (waiting.attempt, waiting.error_reason) == (0, Reason.PAUSED)

    async def test_an_adapter_that_reports_the_rest_as_failed(self, world: World) -> None:
        """It writes key by key, and takes the refusal for one of a key."""
        await world.set_value("L", "of L")
        sync = await world.add_sync()
        await world.start()

        async def refuse(request: RunRequest) -> None:
            await pause(world, NAME)
            with contextlib.suppress(Problem):
                await request.record_intent([])

        world.memory.refused, world.memory.steps["written"] = {"L"}, refuse
        await world.enqueue(sync)
        waiting = await back_in_the_queue(world, sync)
        assert (waiting.attempt, waiting.error_reason) == (0, Reason.PAUSED)
        assert world.memory.at("main").values() == {"k@": "/ of K"}
        world.memory.refused.clear()
        world.memory.steps.clear()
        await resume(world, NAME)
        assert (await world.ended(waiting)).state is RunState.SUCCEEDED
        assert world.memory.at("main").values() == {"k@": "/ of K", "l@": "of L"}

    async def test_a_refused_write_can_be_withdrawn(self, world: World) -> None:
        """That a write did not happen is no write."""
        sync = await world.add_sync()
        await world.start()

        async def withdraw(request: RunRequest) -> None:
            await request.record_intent([], "1")
            await pause(world, NAME)
            await request.record_intent([], failed="1")

        world.memory.steps["begin"] = withdraw
        await world.enqueue(sync)
        await back_in_the_queue(world, sync)
        assert await world.disk.read(lambda tx: tx.ledger.attempted_from("main")) == {}

    async def test_a_newer_run_that_waits_takes_its_place(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        gate = await at(world, "begin", sync)
        newer = await world.enqueue(sync)
        await pause(world, NAME)
        gate.open()
        await back_in_the_queue(world, sync)
        first, second = await world.runs(sync)
        assert (first.state, first.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        assert (second.uid, second.attempt) == (newer.uid, 0)
        await resume(world, NAME)
        assert (await world.ended(newer)).state is RunState.SUCCEEDED
        assert len(world.memory.calls) == 2

    async def test_one_that_is_cancelled_as_well_ends(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        gate = await at(world, "begin", sync)
        [run] = await world.runs(sync)
        await pause(world, NAME)
        await world.disk.write(lambda tx: world.engine.cancel(tx, run))
        gate.open()
        [ended] = await settled(world, sync)
        assert ended.error_reason is Reason.CANCELLED


async def test_another_engine_on_the_same_data_keeps_the_pause(tmp_path: Path) -> None:
    world = await World.open(tmp_path)
    sync = await world.add_sync()
    await world.start()
    gate = await at(world, "begin", sync)
    await pause(world, EVERYTHING)
    await world.close()
    assert gate.waiting == ["main"]
    again = await World.open(tmp_path)
    try:
        await again.start()
        await again.looked()
        [run] = await again.runs(sync)
        assert (run.state, run.attempt) == (RunState.PENDING, 0)
        await resume(again, EVERYTHING)
        assert (await again.ended(run)).state is RunState.SUCCEEDED
    finally:
        await again.close()
