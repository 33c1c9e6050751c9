"""A run can be cancelled at every point of its life; the next one finds out what it left."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from engine_kit import Gate, World, eventually

from secretsync.adapter import RateLimited, RunRequest, Unavailable
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.key_states import KeyState
from secretsync.domain.problems import Problem, Reason
from secretsync.domain.runs import RetryPolicy
from secretsync.store.protocol import Transaction

SYNC, REMOVE = RunAction.SYNC, RunAction.REMOVE
CHANGE = RunTrigger.SOURCE_CHANGE


async def cancel(world: World, run: SyncRun) -> SyncRun:
    """Cancel a run as the operation does."""

    def work(tx: Transaction) -> SyncRun:
        current = tx.runs.get(run.sync_uid, run.uid)
        assert current
        return world.engine.cancel(tx, current)

    cancelled = await world.disk.write(work)
    world.engine.wake()
    return cancelled


async def at(world: World, step: str, sync: SecretSync, action: RunAction = SYNC) -> SyncRun:
    """Return a run that is under way and stays at a step."""
    gate = Gate()
    world.memory.steps[step] = gate
    run = await world.enqueue(sync, action)
    await gate.reached()
    return run


def check_cancelled(run: SyncRun) -> None:
    assert (run.state, run.error_reason) == (RunState.FAILED, Reason.CANCELLED)
    assert run.cancel_requested
    assert run.finish_time is not None
    assert run.lease_until is None
    assert run.message.startswith("cancelled ")


class TestWaiting:
    async def test_it_ends_at_once_and_is_never_claimed(self, world: World) -> None:
        sync = await world.add_sync()
        run = await world.enqueue(sync)
        cancelled = await cancel(world, run)
        check_cancelled(cancelled)
        assert cancelled.message == "cancelled while it waited"
        await world.start()
        after = await world.sync(sync)
        assert (after.state, after.attempt) == (RunState.SUCCEEDED, 1)
        assert await world.run(run) == cancelled
        assert world.memory.calls == [("main", "sync")]

    async def test_the_one_under_way_goes_on(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        gate = Gate()
        world.memory.steps["begin"] = gate
        running = await world.enqueue(sync)
        await gate.reached()
        waiting = await world.enqueue(sync)
        check_cancelled(await cancel(world, waiting))
        gate.open()
        assert (await world.ended(running)).state is RunState.SUCCEEDED
        assert len(world.memory.calls) == 1

    @pytest.mark.parametrize("kind", [RateLimited, Unavailable])
    async def test_one_that_waits_for_another_attempt(
        self, world: World, kind: type[RateLimited | Unavailable]
    ) -> None:
        async def refuse(_: RunRequest) -> None:
            raise kind("not now", retry_after=30)

        world.memory.steps["begin"] = refuse
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await world.failed_attempt(run, 1)
        cancelled = await cancel(world, run)
        check_cancelled(cancelled)
        assert "an earlier one may have written" in cancelled.message
        del world.memory.steps["begin"]
        # The pause that it had earned was its own: the next run need not wait for it.
        assert (await world.sync(sync)).state is RunState.SUCCEEDED
        world.clock.advance(1000)
        world.engine.wake()
        assert (await world.sync(sync)).state is RunState.SUCCEEDED
        assert await world.run(run) == cancelled


class TestUnderWay:
    @pytest.mark.parametrize(
        ("step", "told", "writes"),
        [
            ("begin", "before this attempt had written anything", 0),
            ("write", "while it was writing; the write may have taken place", 0),
            ("written", "while it was writing; the write may have taken place", 1),
        ],
    )
    async def test_its_attempt_is_stopped_and_the_next_run_finds_out(
        self, world: World, step: str, told: str, writes: int
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        run = await at(world, step, sync)
        asked = await cancel(world, run)
        assert (asked.state, asked.cancel_requested) == (RunState.RUNNING, True)
        ended = await world.ended(run)
        check_cancelled(ended)
        assert told in ended.message
        assert ended.attempt == 1
        assert world.memory.at("main").writes == writes
        intents = [entry.confirmed for entry in await world.ledger(sync)]
        assert intents == ([] if step == "begin" else [False])
        world.clock.advance(1000)
        world.engine.wake()
        del world.memory.steps[step]
        after = await world.sync(sync)
        assert after.state is RunState.SUCCEEDED
        assert [entry.confirmed for entry in await world.ledger(sync)] == [True]
        assert world.memory.at("main").values() == {"k@": "/ of K"}
        assert await world.run(run) == ended
        assert world.memory.overlaps == []

    async def test_what_it_left_is_not_relied_on(self, world: World) -> None:
        """Its write may still arrive, and undo what the next run finds to be right."""
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        await world.set_value("K", "new")
        run = await at(world, "write", sync)
        await cancel(world, run)
        await world.ended(run)
        del world.memory.steps["write"]
        await world.set_value("K", "/ of K")
        assert (await world.sync(sync)).message == "1 updated"
        assert (await world.sync(sync)).message == "1 unchanged"

    async def test_a_write_that_failed_does_not_speak_for_those_before_it(
        self, world: World
    ) -> None:
        gate = Gate()

        async def write_twice(request: RunRequest) -> None:
            await request.record_intent([], "1")  # its answer is lost
            await request.record_intent([], "2")
            await request.record_intent([], failed="2")
            await gate(request)

        world.memory.steps["begin"] = write_twice
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await cancel(world, run)
        assert "the write may have taken place" in (await world.ended(run)).message

    async def test_twice_is_the_same_as_once(self, world: World) -> None:
        async def linger(_: RunRequest) -> None:
            try:
                await gate(_)
            except asyncio.CancelledError:
                await stopping.wait()
                raise

        gate, stopping = Gate(), asyncio.Event()
        world.memory.steps["begin"] = linger
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        first = await cancel(world, run)
        assert await cancel(world, run) == first
        stopping.set()
        check_cancelled(await world.ended(run))
        with pytest.raises(Problem) as told:
            await cancel(world, run)
        assert told.value.reason is Reason.RUN_ENDED
        assert told.value.metadata == {"resource": run.name}

    async def test_the_next_run_starts_when_the_attempt_has_stopped(self, world: World) -> None:
        async def linger(request: RunRequest) -> None:
            if gate.waiting:
                return
            try:
                await gate(request)
            except asyncio.CancelledError:
                await stopping.wait()
                raise

        gate, stopping = Gate(), asyncio.Event()
        world.memory.steps["begin"] = linger
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await cancel(world, run)
        following = await world.enqueue(sync)
        assert following.uid != run.uid
        other = await world.add_sync("other")
        await world.sync(other)
        assert (await world.run(following)).state is RunState.PENDING
        stopping.set()
        assert (await world.ended(following)).state is RunState.SUCCEEDED
        check_cancelled(await world.run(run))
        assert world.memory.overlaps == []

    async def test_an_attempt_that_goes_on_announces_no_write(self, world: World) -> None:
        """A plugin may not heed that it is stopped, and an engine that stops does not stop it."""
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await world.stop_dispatching()
        await cancel(world, run)
        gate.open()
        await world.engine.stop(grace=20)
        ended = await world.run(run)
        check_cancelled(ended)
        assert ended.message == "cancelled before this attempt had written anything"
        assert world.memory.at("main").writes == 0

    async def test_an_attempt_that_fails_meanwhile_is_not_tried_again(self, world: World) -> None:
        async def fail(_: RunRequest) -> None:
            try:
                await gate(_)
            except asyncio.CancelledError:
                raise Unavailable("It is down.") from None

        gate = Gate()
        world.memory.steps["begin"] = fail
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await cancel(world, run)
        ended = await world.ended(run)
        check_cancelled(ended)
        assert ended.message.endswith("The attempt had failed: It is down.")

    async def test_a_result_that_waits_to_be_stored_is_kept(self, world: World) -> None:
        async def fill(_: RunRequest) -> None:
            world.disk.fill("_finish_attempt")

        world.memory.steps["written"] = fill
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await world.disk.has_refused("_finish_attempt")
        await cancel(world, run)
        world.disk.clear()
        ended = await world.ended(run)
        check_cancelled(ended)
        assert ended.message == "cancelled when its work was done: 1 created"
        assert [key.name for key in ended.outcome.keys] == ["K"]
        assert [entry.confirmed for entry in await world.ledger(sync)] == [True]
        stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        counts = {KeyState.SYNCED: 1}
        assert stored == replace(sync, initialized=True, key_counts=counts)


class TestAfterCancelling:
    async def test_changes_do_not_join_a_removal_that_is_called_off(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        world.engine.stop_claiming()
        removal = await world.disk.write(
            lambda tx: tx.runs.insert(
                replace(
                    world.engine.enqueue(tx, sync, REMOVE, RunTrigger.MANUAL),
                    uid="running",
                    state=RunState.RUNNING,
                    delete_sync=True,
                )
            )
        )
        await cancel(world, (await world.runs(sync))[0])
        await cancel(world, removal)
        change = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        assert (change.action, change.state) == (SYNC, RunState.PENDING)

    @pytest.mark.parametrize("started", [False, True])
    async def test_a_sync_that_was_to_be_deleted_is_kept(
        self, world: World, *, started: bool
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        if started:
            gate = Gate()
            world.memory.steps["begin"] = gate
            run = await world.enqueue(sync, REMOVE, delete_sync=True)
            await gate.reached()
        else:
            await world.engine.stop(grace=20)
            run = await world.enqueue(sync, REMOVE, delete_sync=True)
        await cancel(world, run)
        ended = await world.ended(run)
        check_cancelled(ended)
        assert ended.message.endswith(f". {sync.name} is kept")
        assert await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        world.memory.steps.clear()
        await world.start()
        assert (await world.sync(sync)).state is RunState.SUCCEEDED
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    @pytest.mark.parametrize("delete_sync", [False, True])
    @pytest.mark.parametrize("started", [False, True])
    async def test_a_change_that_joined_a_removal_is_still_due(
        self, world: World, *, started: bool, delete_sync: bool
    ) -> None:
        gate = Gate()
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.steps["begin"] = gate
        if started:
            removal = await world.enqueue(sync, REMOVE, delete_sync=delete_sync)
            await gate.reached()
        else:
            await world.engine.stop(grace=20)
            removal = await world.enqueue(sync, REMOVE, delete_sync=delete_sync)
        await world.set_value("K", "new")
        assert (await world.enqueue(sync, trigger=CHANGE)).uid == removal.uid
        await cancel(world, removal)
        gate.open()
        if not started:
            await world.start()
        await self.follows(world, sync)

    async def test_a_run_whose_place_a_removal_took_is_still_due(self, world: World) -> None:
        sync = await world.add_sync()
        await world.set_value("K", "new")
        await world.enqueue(sync, trigger=CHANGE)
        removal = await world.enqueue(sync, REMOVE)
        await world.start()
        world.engine.stop_claiming()
        await cancel(world, removal)
        await world.start()
        await self.follows(world, sync)

    @pytest.mark.parametrize("restarted", [False, True])
    async def test_a_run_that_gave_way_to_a_removal_is_still_due(
        self, world: World, *, restarted: bool
    ) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.set_value("K", "new")
        await world.start()
        run = await world.enqueue(sync, trigger=CHANGE)
        await gate.reached()
        removal = await world.enqueue(sync, REMOVE)
        if restarted:
            await world.engine.stop(grace=0)
        else:
            world.engine.stop_claiming()

            async def fails(_: RunRequest) -> None:
                raise Unavailable("it is down")

            world.memory.steps["write"] = fails
            gate.open()
        assert (await world.ended(run)).error_reason is Reason.SUPERSEDED
        world.memory.steps.clear()
        await cancel(world, removal)
        await world.start()
        await self.follows(world, sync)

    async def test_a_change_that_joined_a_removal_is_due_if_that_is_cancelled_when_tried_again(
        self, world: World
    ) -> None:
        async def fails(_: RunRequest) -> None:
            raise Unavailable("it is down")

        sync = await world.add_sync()
        await world.start(retry=RetryPolicy(max_attempts=1, later=60.0))
        await world.sync(sync)
        await world.engine.stop(grace=20)
        removal = await world.enqueue(sync, REMOVE)
        await world.set_value("K", "new")
        await world.enqueue(sync, trigger=CHANGE)
        world.memory.steps["begin"] = fails
        await world.start(retry=RetryPolicy(max_attempts=1, later=60.0))
        await world.ended(removal)
        world.memory.steps.clear()
        retry = (await world.runs(sync))[-1]
        assert (retry.trigger, retry.state) == (RunTrigger.RETRY, RunState.PENDING)
        await cancel(world, retry)
        await self.follows(world, sync)

    async def follows(self, world: World, sync: SecretSync) -> None:
        """Return when the change has been followed."""
        following = (await world.runs(sync))[-1]
        if following.action is REMOVE:
            await world.ended(following)
            following = (await world.runs(sync))[-1]
        assert (following.action, following.trigger) == (SYNC, CHANGE)
        assert (await world.ended(following)).state is RunState.SUCCEEDED
        assert world.memory.at("main").values() == {"k@": "new"}

    async def test_a_sync_is_kept_even_if_the_removal_was_done(self, world: World) -> None:
        async def fill(_: RunRequest) -> None:
            world.disk.fill("_finish_attempt")

        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.steps["written"] = fill
        run = await world.enqueue(sync, REMOVE, delete_sync=True)
        await world.disk.has_refused("_finish_attempt")
        await cancel(world, run)
        world.disk.clear()
        ended = await world.ended(run)
        told = f"cancelled when its work was done: 1 deleted. {sync.name} is kept"
        assert ended.message == told
        assert await world.ledger(sync) == []


class TestDurability:
    @pytest.mark.parametrize("step", ["begin", "write", "written"])
    async def test_a_crash_does_not_bring_it_back(self, tmp_path: Path, step: str) -> None:
        world = await World.open(tmp_path)
        sync = await world.add_sync()
        await world.start()
        run = await at(world, step, sync)
        # The process dies before its engine has heard of it.
        await world.stop_dispatching()
        await cancel(world, run)
        engine = world.engine
        assert engine._pruning
        tasks = [engine._pruning, *engine._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await world.http.close()
        await world.disk.close()

        after = await World.open(tmp_path)
        after.memory, after.registry = world.memory, world.registry
        world.memory.steps.clear()
        assert (await after.run(run)).state is RunState.RUNNING
        await after.start()
        ended = await after.run(run)
        check_cancelled(ended)
        assert "a write may have taken place" in ended.message
        assert (await after.sync(sync)).state is RunState.SUCCEEDED
        assert await after.run(run) == ended
        assert after.memory.at("main").values() == {"k@": "/ of K"}
        assert [entry.confirmed for entry in await after.ledger(sync)] == [True]
        await after.close()

    async def test_a_stop_without_grace_ends_it(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        run = await at(world, "write", sync)
        await world.stop_dispatching()
        await cancel(world, run)
        await world.engine.stop(grace=0)
        check_cancelled(await world.run(run))
        del world.memory.steps["write"]
        await world.start()
        assert (await world.sync(sync)).state is RunState.SUCCEEDED

    async def test_one_whose_worker_has_gone_ends_with_its_lease(self, world: World) -> None:
        sync = await world.add_sync()
        run = await world.enqueue(sync)
        until = world.clock.now.replace(hour=13)
        await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, until, 5))
        world.disk.fill("_release_all")
        await world.start()
        asked = await cancel(world, run)
        assert asked.state is RunState.RUNNING
        following = await world.enqueue(sync)
        world.clock.advance(3601)
        world.engine.wake()
        assert (await world.ended(following)).state is RunState.SUCCEEDED
        ended = await world.run(run)
        check_cancelled(ended)
        assert ended.attempt == 1


async def test_a_run_that_lost_its_lease_does_not_end_the_one_that_has_it(world: World) -> None:
    """The attempt that is stopped belongs to an older claim, and stores nothing."""
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()

    def take_over(tx: Transaction) -> SyncRun | None:
        # In one transaction, or the engine might find the lapsed lease first.
        world.clock.advance(1000)
        return tx.runs.claim(world.clock.now, world.clock.now.replace(hour=14), 5)

    claimed = await world.disk.write(take_over)
    assert claimed
    await cancel(world, run)
    gate.open()

    async def idle() -> bool:
        return not world.engine._tasks

    await eventually(idle)
    left = await world.run(run)
    assert (left.state, left.cancel_requested) == (RunState.RUNNING, True)
    assert left.lease_token == claimed.lease_token
    assert world.memory.at("main").writes == 0
